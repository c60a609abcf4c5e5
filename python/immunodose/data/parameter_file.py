# SPDX-License-Identifier: BSD-3-Clause
"""The file format of parameter sets: TOML in, checked entries out."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from immunodose.errors import InputError, did_you_mean

KINDS = (
    "cell_line",
    "host",
    "agent",
    "agents",
    "immune_cell",
    "dna_damage",
    "signaling",
    "killing",
    "antibody",
    "published_model",
)
STATUSES = ("measured", "fit", "literature", "assumed")
RESERVED_KEYS = ("name", "kind", "parameters", "set", "host", "title")

_FIELDS = ("value", "unit", "range", "status", "source", "comment")
_REQUIRED = ("value", "unit", "range", "status", "source")
_KEY = re.compile(r"[a-z][a-zA-Z0-9_]*")
_UNIT = re.compile(r"1|[A-Za-z]+-?\d*( [A-Za-z]+-?\d*)*")
_NOT_UDUNITS = ("cell", "cells", "nM")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value with what is known about it; a NaN value means that the set leaves it open."""

    key: str
    value: float
    unit: str
    low: float
    high: float
    status: str
    source: str
    comment: str = ""
    overridden: bool = False


def parse(text: str, origin: str) -> tuple[dict[str, str], dict[str, Parameter]]:
    """Read one parameter file and check every entry.

    Parameters
    ----------
    text
        TOML: top keys `name`, `kind` and `title` (and any further strings, such as `nuclide`),
        then tables `[parameters.<key>]` with `value`, `unit`, `range`, `status`, `source` and
        optionally `comment`.
    origin
        Name of the file for messages.

    Returns
    -------
    tuple
        The top-level strings and the entries by key, in the order of the file.

    Raises
    ------
    InputError
        If the file does not follow the format; the message names the file, key and field.

    Examples
    --------
    >>> _, entries = parse('''
    ... name = "example"
    ... kind = "cell_line"
    ... title = "Format example"
    ... [parameters.alpha]
    ... value = 0.3
    ... unit = "Gy-1"
    ... range = [0.1, 0.5]
    ... status = "assumed"
    ... source = "format example, not a measurement"
    ... ''', "example.toml")
    >>> entries["alpha"].value
    0.3
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin} is not valid TOML ({error}). Correct the file.") from error
    tables = document.pop("parameters", None)
    if not isinstance(tables, dict) or not tables:
        raise InputError(f"{origin} defines no parameters. Add tables [parameters.<key>].")
    header = _header(document, origin)
    return header, {key: _entry(key, table, origin) for key, table in tables.items()}


def _header(document: Mapping[str, Any], origin: str) -> dict[str, str]:
    for key in ("name", "kind", "title"):
        if key not in document:
            raise InputError(f"{origin} has no top-level key {key!r}. Add it.")
    for key, value in document.items():
        if not isinstance(value, str) or not value.strip():
            raise InputError(
                f"{origin}: top-level key {key!r} is {value!r} (allowed: a non-empty string; "
                "numbers belong in [parameters.<key>] tables with unit and source)."
            )
    kind = document["kind"]
    if kind not in KINDS:
        raise InputError(
            f"{origin}: kind {kind!r} is unknown (allowed: {', '.join(KINDS)})."
            f"{did_you_mean(kind, KINDS)}"
        )
    return dict(document)


def _entry(key: str, table: Any, origin: str) -> Parameter:
    where = f"{origin}: [parameters.{key}]"
    if not _KEY.fullmatch(key) or key in RESERVED_KEYS:
        raise InputError(
            f"{where} has an invalid key (allowed: a lower-case identifier other than "
            f"{', '.join(RESERVED_KEYS)}, because keys are keyword arguments). Rename it."
        )
    if not isinstance(table, dict):
        raise InputError(f"{where} is {table!r} (allowed: a table with {', '.join(_REQUIRED)}).")
    for name in table:
        if name not in _FIELDS:
            raise InputError(
                f"{where} has an unknown field {name!r} (allowed: {', '.join(_FIELDS)})."
                f"{did_you_mean(name, _FIELDS)}"
            )
    for name in _REQUIRED:
        if name not in table:
            raise InputError(f"{where} has no field {name!r} (required for every value). Add it.")
    for name in ("unit", "source"):
        if not isinstance(table[name], str) or not table[name].strip():
            raise InputError(f"{where} has an empty {name} (every value states its {name}).")
    _check_unit(table["unit"], where)
    if table["status"] not in STATUSES:
        raise InputError(
            f"{where} has status {table['status']!r} (allowed: {', '.join(STATUSES)})."
            f"{did_you_mean(table['status'], STATUSES)}"
        )
    value, low, high = _numbers(table, where)
    return Parameter(
        key=key,
        value=value,
        unit=table["unit"],
        low=low,
        high=high,
        status=table["status"],
        source=table["source"],
        comment=str(table.get("comment", "")),
    )


def _check_unit(unit: str, where: str) -> None:
    if not _UNIT.fullmatch(unit) or any(word in _NOT_UDUNITS for word in unit.split()):
        raise InputError(
            f"{where} has unit {unit!r} (allowed: '1' or words with exponents such as 'Gy-1' or "
            "'percent g-1', which udunits reads; not '%', '/', 'cell' or 'nM')."
        )


def _numbers(table: Mapping[str, Any], where: str) -> tuple[float, float, float]:
    bounds = table["range"]
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise InputError(f"{where} has range {bounds!r} (allowed: [low, high]).")
    for number in (table["value"], *bounds):
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise InputError(f"{where} holds {number!r} where a number must stand.")
    value, low, high = float(table["value"]), float(bounds[0]), float(bounds[1])
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise InputError(f"{where} has range [{low:g}, {high:g}] (allowed: finite, low <= high).")
    if not math.isnan(value) and not low <= value <= high:
        raise InputError(f"{where} has value {value:g} outside its range [{low:g}, {high:g}].")
    return value, low, high
