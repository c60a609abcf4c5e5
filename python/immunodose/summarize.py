# SPDX-License-Identifier: BSD-3-Clause
"""One row per arm: dose, kill and control of the tumor cells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError
from immunodose.provenance import base_attrs
from immunodose.response_inputs import TUMOR, cell_types
from immunodose.schema import build
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

_ANY_OF = ("absorbed_dose", "survival_probability", "mhc1_surface", "kill_probability")
_TIMES = ("time", "cell_time")  # cells of immune_response have times of their own


def summary(ds: xr.Dataset) -> xr.Dataset:
    """Summarize the tumor cells of one arm, or of each arm.

    Parameters
    ----------
    ds
        Dataset with any of `absorbed_dose`, `unhit_probability`, `survival_probability`,
        `mhc1_surface`, `kill_probability`; with dim `arm` each arm is one row. Cells of another
        `cell_type` than `"tumor"` are left out. Variables in time give their last time.

    Returns
    -------
    xarray.Dataset
        As far as the inputs allow ([arm] or no dims): `nucleus_dose_mean`, `nucleus_dose_p5`,
        `nucleus_dose_p95` [Gy]; `self_dose_share`, `cross_dose_share`, `unhit_fraction`,
        `radiation_kill`, `immune_kill`, `surviving_fraction`,
        `surviving_fraction_upper_limit` (NaN from one expected survivor on),
        `tumor_control_probability`, `mhc1_surface_mean`, `mhc1_fold`, `white_cell_nadir` [1].
        Attributes: `warnings` and `assumed_values` (JSON lists), `n_tumor_cells`, `time_d`.

    Raises
    ------
    InputError
        If there is nothing to summarize, or no tumor cell.

    Notes
    -----
    `surviving_fraction` is the mean of 1 - kill_probability at the last time (without it, of
    survival_probability). `tumor_control_probability` is the product over the tumor cells of
    kill_probability at the last time (without it, of 1 - survival_probability), taken in log
    space: Eq. 13 of docs/theory/immune.md. `surviving_fraction` is an
    expectation; below one expected survivor the limit is the 95 % quantile of the number of
    survivors of independent cells (0 to 3, exact) over the number of cells.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> out = summary(xr.Dataset({"survival_probability": ("cell", np.array([0.5, 0.25]))}))
    >>> float(out.surviving_fraction), float(out.tumor_control_probability)
    (0.375, 0.375)
    """
    if not hasattr(ds, "data_vars"):
        raise InputError(
            f"only a Dataset can be summarized (got {type(ds).__name__}). "
            "Give the result of run, absorbed_dose, survival or kill_probability."
        )
    if not any(name in ds for name in _ANY_OF):
        raise InputError(
            f"nothing to summarize: the Dataset has none of {', '.join(_ANY_OF)}. "
            "Call immunodose.absorbed_dose first, or give outputs_per_cell_time_d to "
            "immunodose.immune_response."
        )
    arms = [ds.isel(arm=i) for i in range(ds.sizes["arm"])] if "arm" in ds.dims else [ds]
    rows = [_row(arm) for arm in arms]
    if "arm" in ds.dims:
        variables: dict[str, Any] = {
            name: (("arm",), np.array([row[name] for row in rows])) for name in rows[0]
        }
    else:
        variables = {name: ((), value) for name, value in rows[0].items()}
    coords = {"arm": ds["arm"].values} if "arm" in ds.coords else {}
    return build(variables, coords=coords, attrs=_attrs(ds, arms[0]))


def _row(arm: xr.Dataset) -> dict[str, float]:
    tumor = cell_types(arm) == TUMOR
    if not tumor.any():
        raise InputError(f"no cell is of type {TUMOR!r}, so there is no tumor to summarize.")
    row: dict[str, float] = {}
    if "absorbed_dose" in arm:
        row.update(_dose_row(arm, tumor))
    if "unhit_probability" in arm:
        row["unhit_fraction"] = float(arm["unhit_probability"].values[tumor].mean())
    row.update(_kill_row(arm, tumor))
    if "mhc1_surface" in arm:
        surface = _last(arm, "mhc1_surface")[tumor]
        row["mhc1_surface_mean"] = float(surface.mean())
        if "mhc1_baseline" in arm:
            before = float(arm["mhc1_baseline"].values[tumor].mean())
            row["mhc1_fold"] = row["mhc1_surface_mean"] / before if before > 0.0 else np.nan
    if "white_cell_nadir" in arm:
        row["white_cell_nadir"] = float(arm["white_cell_nadir"])
    return row


def _last(arm: xr.Dataset, name: str) -> FloatArray:
    variable = arm[name]
    for dim in _TIMES:
        if dim in variable.dims:
            variable = variable.isel({dim: -1})
    return np.asarray(variable.values, dtype=np.float64)


def _dose_row(arm: xr.Dataset, tumor: Any) -> dict[str, float]:
    dose = arm["absorbed_dose"]
    if "target" in dose.dims:
        dose = dose.sel(target="nucleus")
    extra = [dim for dim in dose.dims if dim not in ("cell", "origin")]
    dose = dose.sum(extra)
    cells = np.asarray(dose.sum([dim for dim in dose.dims if dim != "cell"]).values)[tumor]
    low, high = np.quantile(cells, [0.05, 0.95])
    row = {
        "nucleus_dose_mean": float(cells.mean()),
        "nucleus_dose_p5": float(low),
        "nucleus_dose_p95": float(high),
    }
    if "origin" in dose.dims:
        own = float(dose.sel(origin="self").values[tumor].sum())
        total = float(cells.sum())
        row["self_dose_share"] = own / total if total > 0.0 else np.nan
        row["cross_dose_share"] = 1.0 - own / total if total > 0.0 else np.nan
    return row


def control_probability(dead: FloatArray) -> FloatArray:
    """Return the product over the last axis in log space (Eq. 13, docs/theory/immune.md).

    Parameters
    ----------
    dead
        Probability that each tumor cell is dead, (..., cell).

    Returns
    -------
    numpy.ndarray
        Probability that all are dead; 0 where a cell is a sure survivor.

    Examples
    --------
    >>> control_probability(np.array([[0.5, 0.5], [1.0, 0.0]]))
    array([0.25, 0.  ])
    """
    with np.errstate(divide="ignore"):  # a sure survivor makes control 0
        return np.asarray(np.exp(np.log(dead).sum(axis=-1)))


def _kill_row(arm: xr.Dataset, tumor: Any) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, source in (
        ("radiation_kill", "kill_probability_radiation"),
        ("immune_kill", "kill_probability_immune"),
    ):
        if source in arm:
            row[name] = float(_last(arm, source)[tumor].mean())
    dead = None
    if "log_survival" in arm:  # exact where almost all are dead, in single precision too
        exponent = _last(arm, "log_survival")[tumor]
        dead, alive = -np.expm1(exponent), np.exp(exponent)
    elif "kill_probability" in arm:
        dead = _last(arm, "kill_probability")[tumor]
        alive = 1.0 - dead
    elif "survival_probability" in arm:
        alive = _last(arm, "survival_probability")[tumor]
        dead = 1.0 - alive
        row["radiation_kill"] = float(dead.mean())
    if dead is not None:
        row["surviving_fraction"] = float(alive.mean())
        row["surviving_fraction_upper_limit"] = _upper_limit(alive)
        row["tumor_control_probability"] = float(control_probability(dead))
    return row


def _upper_limit(alive: FloatArray) -> float:
    """Return the fraction that at most survives with 95 % probability, exact for few survivors.

    NaN where one survivor or more is expected: the mean then describes the tumor by itself.
    """
    if alive.sum() >= 1.0:
        return np.nan
    # P(0 to 3 survivors) of ever larger groups; with less than one expected, 3 hold 98 %.
    chance = np.zeros((alive.size, 4))
    chance[:, 0], chance[:, 1] = 1.0 - alive, alive
    while len(chance) > 1:
        if len(chance) % 2:
            chance = np.vstack([chance, [[1.0, 0.0, 0.0, 0.0]]])
        one, other = chance[::2], chance[1::2]
        counts = [sum(one[:, i] * other[:, k - i] for i in range(k + 1)) for k in range(4)]
        chance = np.stack(counts, axis=1)
    n_survivors = int(np.argmax(np.cumsum(chance[0]) >= 0.95))
    return n_survivors / alive.size


def _attrs(ds: xr.Dataset, arm: xr.Dataset) -> dict[str, Any]:
    # `run` keeps one object of all its sets, the single calls one list per set.
    by_set = json.loads(ds.attrs.get("assumed", "{}"))
    assumed = [{"set": name, **item} for name, items in by_set.items() for item in items]
    for name, text in ds.attrs.items():
        if str(name).endswith("_assumed"):
            source = ds.attrs.get(str(name).removesuffix("_assumed"), "")
            assumed += [{"set": source, **item} for item in json.loads(text)]
    unique = [item for i, item in enumerate(assumed) if item not in assumed[:i]]
    return base_attrs(
        warnings=ds.attrs.get("warnings", "[]"),
        assumed_values=json.dumps(unique),
        n_tumor_cells=int((cell_types(arm) == TUMOR).sum()),
        time_d=next((float(ds[dim].values[-1]) for dim in _TIMES[::-1] if dim in ds.dims), None),
    )
