# SPDX-License-Identifier: BSD-3-Clause
"""What `absorbed_dose` reads from a labeled population, and its checks, for all methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immunodose.cells.checks import nucleus_offset_um
from immunodose.errors import GeometryError, InputError, did_you_mean
from immunodose.source import nuclide_name, stored_emissions
from immunodose.typing import SOURCES, FloatArray

if TYPE_CHECKING:
    import xarray as xr

SPLIT_DIMS = ("nuclide", "target", "emission", "origin")
DTYPES = ("float64", "float32")
_ROUNDING = 1e-12  # of the reach of a nucleus, relative to the inside of its cell
# What was made with a variable, or says how, and would be wrong beside a new one made otherwise.
_MADE_WITH = {"absorbed_dose": ("absorbed_dose_stderr",)}
_OF_KERNEL_HITS = ("hit_mean", "unhit_probability", "hit_decay_moment")
_STATED_WITH = {
    "absorbed_dose": (
        "rtol",
        "periodic_box_um",
        "summation",
        "simd",
        "cross_dose_class_spread",
    ),
    "absorbed_dose_rate": ("dose_rate_periodic_box_um",),
}


@dataclass(frozen=True, slots=True)
class Agent:
    """One row of `time_integrated_activity`."""

    label: str
    nuclide: str | xr.Dataset
    retention: Mapping[str, float] | None
    activity: FloatArray  # (cell, source)
    medium_per_um3: float


def agents_of(cells: xr.Dataset) -> list[Agent]:
    """Return the rows of a labeled population, in order."""
    activity = _activity(cells)
    stored = stored_emissions(cells)
    return [
        Agent(
            label=name,
            nuclide=stored.get(name, nuclide_name(name)),
            retention=_retention(cells, name),
            activity=activity[row],
            medium_per_um3=_medium(cells, row),
        )
        for row, name in enumerate(str(name) for name in cells.variables["nuclide"].values)
    ]


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise InputError unless `value` is one of the allowed."""
    if value not in allowed:
        raise InputError(
            f"unknown {name}={value!r} (available: {', '.join(allowed)})."
            f"{did_you_mean(value, allowed)}"
        )


def check_names(argument: str, what: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    """Raise InputError unless `names` is a sequence of allowed ones."""
    if isinstance(names, str):
        raise InputError(f"{argument}={names!r} must be a sequence of names, such as ({names!r},).")
    for name in names:
        if name not in allowed:
            raise InputError(
                f"unknown {what} {name!r} in {argument} (allowed: {', '.join(allowed)})."
                f"{did_you_mean(str(name), allowed)}"
            )


def check_split(split: Sequence[str]) -> tuple[str, ...]:
    """Return the dims of `split` in canonical order, or raise InputError."""
    check_names("split", "dim", split, SPLIT_DIMS)
    if len(set(split)) != len(split):
        raise InputError(f"split={tuple(split)} names a dim twice.")
    return tuple(name for name in SPLIT_DIMS if name in split)


def _activity(cells: xr.Dataset) -> FloatArray:
    if "time_integrated_activity" not in cells:
        raise InputError(
            "the cells have no time_integrated_activity. Call immunodose.label(cells, ...) first."
        )
    variable = cells.variables["time_integrated_activity"].transpose("nuclide", "cell", "source")
    if tuple(cells.variables["source"].values.tolist()) != SOURCES:
        found = cells["time_integrated_activity"].sel(source=list(SOURCES))
        variable = found.variable.transpose("nuclide", "cell", "source")
    values = np.ascontiguousarray(variable.values, dtype=np.float64)  # a view where it can be
    if values.min(initial=0.0) >= 0.0 and values.max(initial=0.0) < np.inf:  # NaN is neither
        return values
    bad = ~np.isfinite(values) | (values < 0.0)
    if bad.any():
        nuclide, cell, source = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(
            f"time_integrated_activity[nuclide={nuclide}, cell={cell}, source={SOURCES[source]}] "
            f"= {values[nuclide, cell, source]} (allowed: finite, >= 0 Bq s); "
            f"{int(bad.sum())} values are bad."
        )
    return values


def _retention(cells: xr.Dataset, label: str) -> dict[str, float] | None:
    if "retention" not in cells:
        return None
    kept = cells["retention"].sel(nuclide=label)
    found = {
        str(name): float(value)
        for name, value in zip(kept["progeny"].values, kept.values, strict=True)
        if np.isfinite(value) and value != 1.0
    }
    return found or None


def _medium(cells: xr.Dataset, row: int) -> float:
    name = "medium_time_integrated_activity_concentration"
    if name not in cells:
        return 0.0
    value = float(cells.variables[name].values[row])
    if not np.isfinite(value) or value < 0.0:
        raise InputError(f"{name}[nuclide={row}] = {value} (allowed: finite, >= 0 Bq s um-3).")
    return value


def inside_membrane_offset_um(cells: xr.Dataset, membrane_um: float) -> FloatArray:
    """Return the offsets (cell, 3) of nuclei inside the membranes; empty if all are concentric."""
    offset = nucleus_offset_um(cells)
    if offset is None:
        return np.empty(0)
    inside = cells["cell_radius"].values - membrane_um
    nucleus = cells["nucleus_radius"].values
    reach = np.linalg.norm(offset, axis=1) + nucleus
    bad = (reach > inside * (1.0 + _ROUNDING)) | (nucleus >= inside)
    if bad.any():
        first = int(np.argmax(bad))
        raise GeometryError(
            f"the nucleus of cell {first} reaches {reach[first]:g} um from the center of its cell, "
            f"into the membrane (inside: {inside[first]:g} um; {int(bad.sum())} cells). Make "
            "offset or nucleus smaller, or give a smaller membrane_thickness_nm."
        )
    return offset


def with_result(cells: xr.Dataset, result: xr.Dataset) -> xr.Dataset:
    """Return the cells with the variables of the result beside their own."""
    old = [str(name) for name in result.data_vars]
    stale: list[str] = []  # attributes
    for name in set(old) & set(_STATED_WITH):
        old += _MADE_WITH.get(name, ())
        stale += _STATED_WITH[name]
    if "absorbed_dose" in old and result.attrs.get("method") == "kernel":
        old += _OF_KERNEL_HITS
    kept = cells.drop_vars([name for name in old if name in cells])
    if "time" in result.dims and "time" in kept.dims and not result["time"].equals(kept["time"]):
        raise InputError(
            "time_h differs from the times that the cells already have. Use the same times, or "
            "merge=False."
        )
    if "time" in kept.coords and "time" not in kept.dims:
        kept = kept.drop_vars("time")
    if "component" in result.dims and "component" in kept.coords:
        kept = kept.drop_vars("component")
    merged = kept.assign_coords(result.coords).assign(result.data_vars)
    attrs = {key: value for key, value in cells.attrs.items() if key not in stale}
    merged.attrs = {**attrs, **result.attrs}
    return merged
