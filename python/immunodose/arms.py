# SPDX-License-Identifier: BSD-3-Clause
"""Put the arms of a run together as one Dataset with dims arm, cell and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.schema import build
from immunodose.summarize import control_probability, summary

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

# Per-cell results kept at the last time; per-arm results kept in time.
_PER_CELL = (
    "cell_radius",
    "nucleus_radius",
    "cell_type",
    "antigen",
    "mhc1_baseline",
    "hit_mean",
    "unhit_probability",
    "survival_probability",
    "outside_validity",
    "mhc1_surface",
    "pmhc_surface",
    "kill_probability_radiation",
    "kill_probability_immune",
    "kill_probability",
    "kill_fraction_radiation",
    "kill_fraction_immune",
)
_FOLLOWED = ("surviving_fraction", "tumor_control_probability", "mhc1_surface_mean")
_IN_TIME = ("effector_supply", "effector_to_target_ratio")
_SHARED = ("x", "y", "z", "cell_radius", "nucleus_radius", "antigen")
# Regions whose mean doses are kept; the dose of each cell is that of its nucleus.
_TARGETS = ("nucleus", "cytoplasm", "cell")

Variables = dict[str, tuple[tuple[str, ...], "npt.NDArray[Any]"]]


def assemble(
    arms: Sequence[xr.Dataset],
    labels: Sequence[tuple[str, str, float]],
    times_d: Sequence[float],
    attrs: dict[str, Any],
) -> xr.Dataset:
    """Return the arms as one Dataset.

    Parameters
    ----------
    arms
        Result of each arm, all with the same number of cells.
    labels
        Cell line, host and administered activity in kBq of each arm.
    times_d
        Times of the arms in days.
    attrs
        Attributes of the result.

    Returns
    -------
    xarray.Dataset
        As described at `immunodose.run`.
    """
    variables = {**_cell_variables(arms), **_time_variables(arms), **_arm_variables(arms)}
    first = arms[0]
    coords: dict[str, Any] = {
        "arm": [f"{line}, {host}, {kBq:g} kBq" for line, host, kBq in labels],
        "cell_line": ("arm", [line for line, _, _ in labels]),
        "host": ("arm", [host for _, host, _ in labels]),
        "administered_activity": (("arm",), [1e3 * kBq for _, _, kBq in labels]),
        "cell": np.arange(first.sizes["cell"], dtype=np.int64),
        "time": np.asarray(times_d, dtype=np.float64),
        "target": list(_TARGETS),
        "emission": first["emission"].values.tolist(),
        "origin": first["origin"].values.tolist(),
        "moment": np.arange(first.sizes["moment"], dtype=np.int64),
    }
    for name in ("x", "y", "z"):
        coords[name] = variables.pop(name)
    return build(variables, coords=coords, attrs=attrs)


def _last(arm: xr.Dataset, name: str) -> npt.NDArray[Any]:
    variable = arm[name]
    return np.asarray(variable.isel(time=-1).values if "time" in variable.dims else variable.values)


def _cell_variables(arms: Sequence[xr.Dataset]) -> Variables:
    variables: Variables = {}
    for name in (*_PER_CELL, "x", "y", "z"):
        values = np.stack([_last(arm, name) for arm in arms])
        if name in _SHARED and (values == values[0]).all():
            variables[name] = (("cell",), values[0])
        else:
            variables[name] = (("arm", "cell"), values)
    doses = [arm["absorbed_dose"].sel(target="nucleus").sum("origin") for arm in arms]
    variables["absorbed_dose"] = (
        ("arm", "cell", "emission"),
        np.stack([dose.transpose("cell", "emission").values for dose in doses]),
    )
    moments = [arm["hit_decay_moment"].transpose("cell", "moment").values for arm in arms]
    variables["hit_decay_moment"] = (("arm", "cell", "moment"), np.stack(moments))
    return variables


def _is_tumor(arm: xr.Dataset) -> npt.NDArray[np.bool_]:
    return np.asarray(arm["cell_type"].values == "tumor", dtype=np.bool_)


def _time_variables(arms: Sequence[xr.Dataset]) -> Variables:
    dead = [
        arm["kill_probability"].transpose("time", "cell").values[:, _is_tumor(arm)] for arm in arms
    ]
    mhc1 = [arm["mhc1_surface"].transpose("time", "cell").values[:, _is_tumor(arm)] for arm in arms]
    variables: Variables = {
        name: (("arm", "time"), np.stack([arm[name].values for arm in arms])) for name in _IN_TIME
    }
    variables["surviving_fraction"] = (
        ("arm", "time"),
        np.stack([1.0 - values.mean(axis=1) for values in dead]),
    )
    variables["tumor_control_probability"] = (
        ("arm", "time"),
        np.stack([control_probability(values) for values in dead]),
    )
    variables["mhc1_surface_mean"] = (
        ("arm", "time"),
        np.stack([values.mean(axis=1) for values in mhc1]),
    )
    return variables


def _arm_variables(arms: Sequence[xr.Dataset]) -> Variables:
    rows = [summary(arm) for arm in arms]
    variables: Variables = {
        str(name): (("arm",), np.array([float(row[name]) for row in rows]))
        for name in rows[0].data_vars
        if name not in _FOLLOWED
    }
    keep = ("target", "emission", "origin")
    shares = [
        arm["absorbed_dose"]
        .sel(target=list(_TARGETS))
        .transpose("cell", *keep)
        .values[_is_tumor(arm)]
        for arm in arms
    ]
    variables["absorbed_dose_mean"] = (("arm", *keep), np.stack([v.mean(axis=0) for v in shares]))
    return variables
