# SPDX-License-Identifier: BSD-3-Clause
"""Named sets of biology parameters, each value with its unit, range, status and source."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from immunodose.data.parameter_file import KINDS, Parameter, parse
from immunodose.errors import DataNotFoundError, FileError, InputError, did_you_mean
from immunodose.provenance import base_attrs
from immunodose.rng import ROOT_ITSELF, RngLike, generator

if TYPE_CHECKING:
    import xarray as xr

ParametersLike: TypeAlias = "str | Path | xr.Dataset | ParameterSet"


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """One named set: `entries` by key, `info` the further top-level strings of its file."""

    name: str
    kind: str
    title: str
    entries: Mapping[str, Parameter]
    info: Mapping[str, str] = field(default_factory=dict)

    def value(self, key: str) -> float:
        """Return one value in its unit; InputError if the set does not define it."""
        return self.entry(key).value

    def entry(self, key: str) -> Parameter:
        """Return one value with unit, range, status and source; InputError if not defined."""
        found = self.entries.get(key)
        if found is not None and not math.isnan(found.value):
            return found
        raise InputError(_undefined(self, key))

    def defines(self, key: str) -> bool:
        """Return whether the set gives a value (not NaN) for the key."""
        found = self.entries.get(key)
        return found is not None and not math.isnan(found.value)

    def with_overrides(self, **overrides: float) -> ParameterSet:
        """Return a copy with some values replaced, each checked against its range."""
        entries = dict(self.entries)
        for key, value in overrides.items():
            entries[key] = _override(self, key, value)
        return replace(self, entries=entries)

    def overrides(self) -> dict[str, float]:
        """Return the values that replace those of the named set."""
        return {key: item.value for key, item in self.entries.items() if item.overridden}

    def assumed(self) -> dict[str, float]:
        """Return the values that nobody measured and that were not overridden."""
        return {
            key: item.value
            for key, item in self.entries.items()
            if item.status == "assumed" and not item.overridden and not math.isnan(item.value)
        }

    def fingerprint(self) -> str:
        """Return a checksum of the values."""
        values = sorted((key, item.value) for key, item in self.entries.items())
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()

    def attrs(self, prefix: str = "parameters") -> dict[str, str]:
        """Return provenance that NetCDF can hold.

        Returns
        -------
        dict
            `<prefix>` the name of the set, `<prefix>_overrides` a JSON object of the replaced
            values, `<prefix>_assumed` a JSON list of `{"key", "value", "unit"}`.
        """
        assumed = [
            {"key": key, "value": value, "unit": self.entries[key].unit}
            for key, value in self.assumed().items()
        ]
        return {
            prefix: self.name,
            f"{prefix}_overrides": json.dumps(self.overrides(), sort_keys=True),
            f"{prefix}_assumed": json.dumps(assumed),
        }


def parameters(name: str | Path | None = None, **overrides: float) -> xr.Dataset:
    """List the parameter sets, or give one set as a Dataset.

    Parameters
    ----------
    name
        Name of a set of the package, or the path of a TOML file (a `pathlib.Path`, or a str
        that ends in `.toml`). None lists the sets of the package.
    **overrides
        Values that replace those of the set, in the unit and within the range that it states.

    Returns
    -------
    xarray.Dataset
        One set: `value`, `range_low`, `range_high` (parameter) in the unit of `unit`
        (parameter), `status` (parameter: measured, fit, literature or assumed), `source`,
        `comment` and `overridden` (parameter; 1 where replaced). NaN means that the set does
        not define the value. Without a name: `name`, `kind`, `title` and `n_assumed` (set).

    Raises
    ------
    DataNotFoundError
        If there is no set of that name.
    InputError
        If an override has an unknown key or lies outside the range, or a file is malformed.

    Notes
    -----
    No biological parameter has a silent default: every result names its set, the overrides
    and the assumed values.

    Examples
    --------
    >>> import immunodose as imd
    >>> list(imd.parameters().dims)
    ['set']
    """
    if name is None:
        if overrides:
            raise InputError(f"overrides {sorted(overrides)} need the name of a parameter set.")
        return _listing()
    return to_dataset(resolve(name).with_overrides(**overrides))


def resolve(
    parameters: ParametersLike, *, kind: str | None = None, **overrides: float
) -> ParameterSet:
    """Return a ParameterSet from a name, a path, a Dataset of `parameters` or a ParameterSet.

    Parameters
    ----------
    parameters
        What a public function got as `parameters=`, `host=` or `agent=`.
    kind
        Demanded kind, one of `data.parameter_file.KINDS`.
    **overrides
        Values that replace those of the set, in its units and within its ranges.

    Raises
    ------
    DataNotFoundError, InputError
        As `parameters`; InputError too if the set is of another kind.

    Examples
    --------
    >>> resolve("no_such_set")
    Traceback (most recent call last):
    ...
    immunodose.errors.DataNotFoundError: no parameter set is named 'no_such_set'...
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"invalid kind={kind!r} (allowed: {', '.join(KINDS)}).")
    found = _find(parameters)
    if kind is not None and found.kind != kind:
        same = [item.name for item in _all_sets() if item.kind == kind]
        raise InputError(
            f"parameter set {found.name!r} is of kind {found.kind!r} (needed here: {kind!r}). "
            f"Give one of: {', '.join(same) or 'a file of your own'}."
        )
    return found.with_overrides(**overrides)


def to_dataset(parameter_set: ParameterSet) -> xr.Dataset:
    """Return the Dataset form of a set, which `resolve` turns back into the same set."""
    import xarray as xr

    from immunodose.schema import build

    items = list(parameter_set.entries.values())
    numbers: dict[str, Any] = {
        "value": [item.value for item in items],
        "range_low": [item.low for item in items],
        "range_high": [item.high for item in items],
        "overridden": np.array([item.overridden for item in items], dtype=np.int8),
    }
    dataset = build(
        {name: (("parameter",), values) for name, values in numbers.items()},
        coords={"parameter": list(parameter_set.entries)},
        attrs=base_attrs(
            name=parameter_set.name,
            kind=parameter_set.kind,
            title=parameter_set.title,
            info=json.dumps(dict(parameter_set.info), sort_keys=True),
        ),
    )
    texts = {
        "unit": "unit of value, range_low and range_high",
        "status": "measured, fit, literature or assumed",
        "source": "where the value comes from",
        "comment": "remarks",
    }
    for name, long_name in texts.items():
        values = np.array([getattr(item, name) for item in items], dtype=np.str_)
        dataset[name] = xr.Variable("parameter", values, {"long_name": long_name})
    order = ["value", "unit", "range_low", "range_high", "status", "source", "comment"]
    return dataset[[*order, "overridden"]]


def perturbed(parameter_set: ParameterSet, *, rng: RngLike, factor: float = 2.0) -> ParameterSet:
    """Draw every assumed value again, to see whether a conclusion rests on it.

    Parameters
    ----------
    parameter_set
        The set; measured, fitted, literature, overridden and undefined values stay.
    rng
        int, SeedSequence, Generator or None.
    factor
        Largest factor by which a value is multiplied or divided (>= 1).

    Returns
    -------
    ParameterSet
        The drawn values count as overrides, so provenance records them.

    Notes
    -----
    Each value v is drawn log-uniformly from [v / factor, v * factor] cut to its stated range
    (the interval is cut, no draw is moved to an edge). A value of 0 has no logarithm: it stays.

    Examples
    --------
    >>> item = Parameter("alpha", 0.2, "Gy-1", 0.15, 1.0, "assumed", "example")
    >>> example = ParameterSet("example", "cell_line", "Example", {"alpha": item})
    >>> 0.15 <= perturbed(example, rng=1).value("alpha") <= 0.4
    True
    """
    if not math.isfinite(factor) or factor < 1.0:
        raise InputError(f"invalid factor={factor} (allowed: finite and >= 1).")
    random, _ = generator(rng, purpose=ROOT_ITSELF)
    entries = dict(parameter_set.entries)
    for key in sorted(parameter_set.assumed()):
        item = entries[key]
        position = random.random()
        if item.value == 0.0:
            continue
        low, high = sorted((item.value / factor, item.value * factor))
        low, high = max(low, item.low), min(high, item.high)
        # The cut interval keeps the sign: it holds the value and does not reach past 0.
        first, last = math.log(abs(low)), math.log(abs(high))
        drawn = math.copysign(math.exp(first + position * (last - first)), item.value)
        entries[key] = replace(item, value=min(max(drawn, low), high), overridden=True)
    return replace(parameter_set, entries=entries)


def _find(parameters: ParametersLike) -> ParameterSet:
    if isinstance(parameters, ParameterSet):
        return parameters
    if isinstance(parameters, Path):
        return _from_path(parameters)
    if isinstance(parameters, str):
        is_path = parameters.endswith(".toml")
        return _from_path(Path(parameters)) if is_path else _shipped(parameters)
    if hasattr(parameters, "data_vars"):
        return _from_dataset(parameters)
    raise InputError(
        f"invalid parameters of type {type(parameters).__name__} (allowed: the name of a set, "
        "the path of a TOML file, or the Dataset of immunodose.parameters)."
    )


def _directory() -> Any:
    return importlib.resources.files("immunodose.data") / "parameters"


@functools.cache
def _names() -> tuple[str, ...]:
    directory = _directory()
    if not directory.is_dir():
        return ()
    names = (item.name for item in directory.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml")))


@functools.cache
def _shipped(name: str) -> ParameterSet:
    names = _names()
    if name not in names:
        raise DataNotFoundError(
            f"no parameter set is named {name!r} (available: {', '.join(names) or 'none'})."
            f"{did_you_mean(name, names)} Your own set is a path that ends in .toml."
        )
    text = (_directory() / f"{name}.toml").read_text(encoding="utf-8")
    found = _from_text(text, f"{name}.toml")
    if found.name != name:
        raise InputError(f"{name}.toml states name {found.name!r} (must equal the file name).")
    return found


def _all_sets() -> tuple[ParameterSet, ...]:
    return tuple(_shipped(name) for name in _names())


def _from_path(path: Path) -> ParameterSet:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"parameter file {str(path)!r} could not be read ({error}).") from error
    return _from_text(text, str(path))


def _from_text(text: str, origin: str) -> ParameterSet:
    header, entries = parse(text, origin)
    name, kind, title = (header.pop(key) for key in ("name", "kind", "title"))
    return ParameterSet(name, kind, title, entries, header)


def _from_dataset(dataset: xr.Dataset) -> ParameterSet:
    needed = ("value", "unit", "range_low", "range_high", "status", "source", "comment")
    absent = [name for name in (*needed, "overridden") if name not in dataset]
    if absent or not {"name", "kind", "title"} <= set(dataset.attrs):
        raise InputError(
            f"the Dataset given as parameters lacks {absent or 'name, kind, title in attrs'}. "
            "Give the Dataset of immunodose.parameters(name)."
        )
    labels = [str(label) for label in dataset["parameter"].values]
    columns = [dataset[name].values.tolist() for name in needed]
    overridden = dataset["overridden"].values.astype(bool).tolist()
    rows: Any = zip(labels, *columns, overridden, strict=True)
    entries = {row[0]: Parameter(*row) for row in rows}
    for key, item in entries.items():
        if not math.isnan(item.value) and not item.low <= item.value <= item.high:
            raise InputError(_outside(dataset.attrs["name"], key, item, item.value))
    info = json.loads(dataset.attrs.get("info", "{}"))
    name, kind, title = (str(dataset.attrs[key]) for key in ("name", "kind", "title"))
    return ParameterSet(name, kind, title, entries, info)


def _override(parameter_set: ParameterSet, key: str, value: float) -> Parameter:
    item = parameter_set.entries.get(key)
    if item is None:
        known = sorted(parameter_set.entries)
        raise InputError(
            f"parameter set {parameter_set.name!r} has no parameter {key!r}."
            f"{did_you_mean(key, known)} Its parameters: {', '.join(known)}."
        )
    if isinstance(value, (bool, str)) or np.ndim(value) != 0:
        raise InputError(f"invalid override {key}={value!r} (allowed: one number).")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"invalid override {key}={value!r} (allowed: one number).") from None
    if not item.low <= number <= item.high:
        raise InputError(_outside(parameter_set.name, key, item, number))
    return replace(item, value=number, overridden=True)


def _outside(name: str, key: str, item: Parameter, value: float) -> str:
    return (
        f"invalid {key}={value:g} {item.unit} (parameter set {name!r} allows {item.low:g} to "
        f"{item.high:g} {item.unit}). Check the unit, or state another range in a file of your "
        "own and give its path."
    )


def _undefined(parameter_set: ParameterSet, key: str) -> str:
    defining = [item.name for item in _all_sets() if item.defines(key)]
    hint = ""
    if key not in parameter_set.entries:
        hint = did_you_mean(key, parameter_set.entries)
        remedy = "add it to a file of your own and give its path"
    else:
        item = parameter_set.entries[key]
        remedy = f"override it: {key}=... (in {item.unit}, {item.low:g} to {item.high:g})"
    return (
        f"parameter set {parameter_set.name!r} does not define {key!r}; no biological parameter "
        f"has a silent default.{hint} Sets that define it: {', '.join(defining) or 'none'}. "
        f"Use one of them, or {remedy}."
    )


def _listing() -> xr.Dataset:
    import xarray as xr

    from immunodose.schema import build

    sets = _all_sets()
    counts = np.array([len(item.assumed()) for item in sets], dtype=np.int64)
    dataset = build(
        {"n_assumed": (("set",), counts)},
        coords={"set": np.array([item.name for item in sets], dtype=np.str_)},
        attrs=base_attrs(),
    )
    for name in ("name", "kind", "title"):
        values = np.array([getattr(item, name) for item in sets], dtype=np.str_)
        dataset[name] = xr.Variable("set", values, {"long_name": f"{name} of the set"})
    return dataset[["name", "kind", "title", "n_assumed"]]
