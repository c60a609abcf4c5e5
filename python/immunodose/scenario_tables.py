# SPDX-License-Identifier: BSD-3-Clause
"""Checked values of scenario files, and frozen dataclasses read from and written to TOML."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from immunodose.errors import InputError, did_you_mean

T = TypeVar("T")

SCENARIO_SCHEMA_VERSION = 1

BIOLOGY_WORDS = ("overrides", "parameters", "biology")
BIOLOGY_MESSAGE = (
    "A scenario holds the design only; biology lives in the parameter sets of the cell lines, "
    "hosts and agents (`immunodose check` prints them). Remove the key."
)


def check_version(value: Any) -> None:
    """Raise InputError for a file format that this version does not read."""
    if value != SCENARIO_SCHEMA_VERSION:
        raise InputError(
            f"invalid schema_version={value!r} (this version reads {SCENARIO_SCHEMA_VERSION})."
        )


def names(key: str, value: Any, *, allow_empty: bool = False) -> tuple[str, ...]:
    """Return a list of distinct names as a tuple, or raise InputError.

    Examples
    --------
    >>> names("hosts", ["athymic"])
    ('athymic',)
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InputError(f"invalid {key}={value!r} (a list of names is needed).")
    found = tuple(value)
    for index, name in enumerate(found):
        text(f"{key}[{index}]", name)
        if name in found[:index]:
            raise InputError(f"{key}[{index}]={name!r} stands twice. Give each name once.")
    if not found and not allow_empty:
        raise InputError(f"{key} is empty. Give at least one name.")
    return found


def text(key: str, value: Any) -> str:
    """Return a non-empty string, or raise InputError."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"invalid {key}={value!r} (a non-empty string is needed).")
    return value


def choice(key: str, value: Any, allowed: Iterable[str]) -> str:
    """Return one of the allowed words, or raise InputError."""
    words = tuple(allowed)
    if not isinstance(value, str) or value not in words:
        raise InputError(
            f"invalid {key}={value!r} (allowed: {', '.join(map(repr, words))})."
            f"{did_you_mean(str(value), words)}"
        )
    return value


def number(key: str, value: Any, *, low: float = 0.0, high: float = math.inf) -> float:
    """Return a finite number within bounds, or raise InputError."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        bound = f"{low:g} to {high:g}" if math.isfinite(high) else f"finite, >= {low:g}"
        raise InputError(f"invalid {key}={value!r} (allowed: {bound}).")
    return float(value)


def whole(key: str, value: Any, *, low: int, high: int) -> int:
    """Return a whole number within bounds, or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"invalid {key}={value!r} (allowed: an int, {low} to {high}).")
    return value


def numbers(key: str, value: Any, *, increasing: bool) -> tuple[float, ...]:
    """Return a list of distinct numbers >= 0 as a tuple, or raise InputError."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InputError(f"invalid {key}={value!r} (a list of numbers is needed).")
    found: list[float] = []
    for index, item in enumerate(value):
        is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
        if not is_number or not math.isfinite(item) or item < 0:
            raise InputError(f"invalid {key}[{index}]={item!r} (allowed: finite numbers >= 0).")
        if increasing and found and item <= found[-1]:
            raise InputError(
                f"invalid {key}[{index}]={item!r} (not above {key}[{index - 1}]={found[-1]:g}). "
                "Give strictly increasing values."
            )
        if float(item) in found:
            raise InputError(f"{key}[{index}]={item!r} stands twice. Give each value once.")
        found.append(float(item))
    if not found:
        raise InputError(f"{key} is empty. Give at least one value.")
    return tuple(found)


def times_from_zero(key: str, value: Any, why: str) -> tuple[float, ...]:
    """Return rising times that start at 0, or raise InputError."""
    times = numbers(key, value, increasing=True)
    if times[0] != 0.0:
        raise InputError(f"invalid {key}[0]={times[0]:g} (allowed: 0, {why}). Put 0 before it.")
    return times


def shares(key: str, value: Any) -> tuple[tuple[str, float], ...]:
    """Return a table of numbers from 0 to 1 as pairs, or raise InputError.

    Examples
    --------
    >>> shares("inhibition", {"chk1": 0.9})
    (('chk1', 0.9),)
    """
    pairs = dict(value) if isinstance(value, (Mapping, tuple)) else None
    if pairs is None:
        raise InputError(f"invalid {key}={value!r} (a table of numbers from 0 to 1 is needed).")
    return tuple(
        (text(f"name in {key}", name), number(f"{key}.{name}", share, high=1.0))
        for name, share in pairs.items()
    )


def from_table(cls: type[T], table: Any, where: str) -> T:
    """Make a frozen dataclass from a parsed table; every unknown or missing key is an error.

    Parameters
    ----------
    cls
        A dataclass; fields without default must be in the table.
    table
        Parsed TOML table.
    where
        How messages name the table, such as `[culture]`.

    Raises
    ------
    InputError
        For a key of biology, an unknown key (with "did you mean"), or a missing one.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} is {table!r}, no table. Write its keys under {where}.")
    fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise InputError(unknown_key(key, fields, where))
    for name, item in fields.items():
        has_default = (
            item.default is not dataclasses.MISSING
            or item.default_factory is not dataclasses.MISSING
        )
        if name not in table and not has_default:
            raise InputError(f"{name} is missing. Add it under {where}.")
    return cls(**table)


def unknown_key(key: str, known: Iterable[str], where: str) -> str:
    """Return the message for a key that has no place here."""
    if key in BIOLOGY_WORDS or key in biology_keys():
        return f"key {key!r} under {where} is biology. {BIOLOGY_MESSAGE}"
    allowed = [name for name in known if name]
    return (
        f"unknown key {key!r} under {where}.{did_you_mean(key, allowed)} "
        f"Allowed: {', '.join(allowed)}."
    )


def biology_keys() -> set[str]:
    """Return the keys of all parameter sets that ship."""
    from immunodose.data.parameters import parameters, resolve

    found = parameters()["set"].values.tolist()
    return {key for name in found for key in resolve(name).entries}


def as_table(item: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults, tables as dict."""
    found = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if value == field.default or value is None:
            continue
        if field.metadata.get("table"):
            value = dict(value)
        found[field.name] = value
    return found


def toml(value: Any) -> str:
    """Return a value as TOML: strings, numbers, bools, lists, and tables inline.

    Examples
    --------
    >>> toml({"dose_Gy": 8.0, "nodes": ("atm",)})
    '{ dose_Gy = 8, nodes = ["atm"] }'
    """
    if dataclasses.is_dataclass(value):
        value = as_table(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _key(key: str) -> str:
    return key if key.replace("_", "a").isalnum() else json.dumps(key)
