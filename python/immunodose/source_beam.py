# SPDX-License-Identifier: BSD-3-Clause
"""External-beam irradiation as a source: a uniform dose in fractions."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError
from immunodose.provenance import base_attrs
from immunodose.schema import build, data_array
from immunodose.typing import TARGETS, FloatArray

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

_EMISSION, _ORIGIN = "photon", "cross"
# Beyond it a number is taken for cGy: no single fraction of an experiment reaches it.
LARGEST_FRACTION_GY = 500.0


def external_beam(
    cells: xr.Dataset,
    *,
    dose_Gy: float,
    fractions: int = 1,
    interval_d: float | None = None,
    first_fraction_d: float = 0.0,
    irradiated: str | npt.ArrayLike | None = None,
) -> xr.Dataset:
    """Add the dose of an external photon beam, equal everywhere in every irradiated cell.

    Parameters
    ----------
    cells
        A population of `immunodose.cells`, or the result of `absorbed_dose` (without dim
        `nuclide`): label and dose the radionuclides first, then add the beam.
    dose_Gy
        Dose of each fraction (Gy, 0 to 500), each given at once.
    fractions
        Number of fractions (>= 1).
    interval_d
        Time between fractions (d, > 0); needed for more than one.
    first_fraction_d
        Time of the first fraction (d, >= 0).
    irradiated
        Which cells: the name of a per-cell variable, or an array, of 0 and 1; None: all.

    Returns
    -------
    xarray.Dataset
        `absorbed_dose` [Gy] with the beam added to emission `photon` and origin `cross` of every
        target (dims cell, target, emission, origin where there was no dose before), and
        `external_beam_dose` (cell, fraction) [Gy] with the coordinate `fraction_time`
        (fraction) [d], from which `survival`, `lea_catcheside` and the immune models take when it
        came.

    Raises
    ------
    InputError
        A number out of range, a missing or ineffective interval, an absorbed dose with dim
        `nuclide`, a mask that is not 0 or 1.

    Notes
    -----
    Charged-particle equilibrium: no build-up, no interfaces, secondary electrons count as low LET.
    Each fraction is acute; between fractions damage is repaired (Eq. R11 and R12 of
    docs/theory/dose_rate.md).

    Examples
    --------
    >>> import immunodose as imd
    >>> cells = imd.cells.lattice(shape=(2, 1, 1), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=5.0)
    >>> beam = external_beam(cells, dose_Gy=8.0, fractions=3, interval_d=1.0)
    >>> float(beam["absorbed_dose"].sel(cell=0, target="nucleus").sum())
    24.0
    """
    if not hasattr(cells, "data_vars") or "cell" not in cells.dims:
        raise InputError("cells is no Dataset with dim 'cell'. Make it with immunodose.cells.")
    times_d = _fraction_times(dose_Gy, fractions, interval_d, first_fraction_d)
    mask = _mask(cells, irradiated)
    per_fraction = np.repeat(dose_Gy * mask[:, None], times_d.size, axis=1)
    result = _with_dose(cells, per_fraction.sum(axis=1))
    result = _with_fractions(result, per_fraction, times_d)
    record = {
        "dose_Gy": float(dose_Gy),
        "fractions": int(fractions),
        "interval_d": None if interval_d is None else float(interval_d),
        "first_fraction_d": float(first_fraction_d),
        "irradiated_cells": int(mask.sum()),
    }
    beams = [*json.loads(cells.attrs.get("external_beams", "[]")), record]
    return result.assign_attrs({**cells.attrs, **base_attrs(external_beams=json.dumps(beams))})


def _fraction_times(
    dose_Gy: float, fractions: int, interval_d: float | None, first_fraction_d: float
) -> FloatArray:
    def number(name: str, value: object, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise InputError(f"invalid {name}={value!r} (allowed: one number).")
        if not (math.isfinite(value) and 0.0 <= value <= high):
            raise InputError(f"invalid {name}={value!r} (allowed: finite, 0 to {high:g}).")
        return float(value)

    number("dose_Gy", dose_Gy, LARGEST_FRACTION_GY)
    start = number("first_fraction_d", first_fraction_d, 36500.0)
    if isinstance(fractions, bool) or not isinstance(fractions, (int, np.integer)) or fractions < 1:
        raise InputError(f"invalid fractions={fractions!r} (allowed: a whole number >= 1).")
    if fractions == 1:
        if interval_d is not None:
            raise InputError("interval_d has no effect with one fraction. Leave it out.")
        return np.array([start])
    if interval_d is None:
        raise InputError(f"fractions={fractions} need interval_d, the days between them.")
    if number("interval_d", interval_d, 36500.0) == 0.0:
        raise InputError("invalid interval_d=0 (allowed: above 0). One fraction has no interval.")
    return np.asarray(start + float(interval_d) * np.arange(int(fractions)), dtype=np.float64)


def _mask(cells: xr.Dataset, irradiated: str | npt.ArrayLike | None) -> FloatArray:
    n_cells = int(cells.sizes["cell"])
    if irradiated is None:
        return np.ones(n_cells)
    if isinstance(irradiated, str):
        if irradiated not in cells:
            raise InputError(f"the cells have no variable {irradiated!r} (given as irradiated).")
        values = np.asarray(cells[irradiated].values, dtype=np.float64)
    else:
        values = np.asarray(irradiated, dtype=np.float64)
    if values.shape != (n_cells,):
        raise InputError(f"irradiated has shape {values.shape} (allowed: {(n_cells,)}).")
    bad = (values != 0.0) & (values != 1.0)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(f"irradiated[{first}] = {values[first]} (allowed: 0 or 1).")
    return values


def _with_dose(cells: xr.Dataset, dose_Gy: FloatArray) -> xr.Dataset:
    """Return the cells with the dose in `absorbed_dose`, which is made where there is none."""
    if "absorbed_dose" not in cells:
        shape = (dose_Gy.size, len(TARGETS), 1, 1)
        dims = ("cell", "target", "emission", "origin")
        values = np.broadcast_to(dose_Gy[:, None, None, None], shape)
        coords = {"target": list(TARGETS), "emission": [_EMISSION], "origin": [_ORIGIN]}
        new = build({"absorbed_dose": (dims, values.copy())}, coords=coords)
        return cells.assign_coords(new.coords).assign(new.data_vars)
    dose = cells["absorbed_dose"]
    if "nuclide" in dose.dims:
        raise InputError(
            "absorbed_dose has dim 'nuclide', of which the beam is none. Call "
            "immunodose.absorbed_dose with split=('target', 'emission', 'origin')."
        )
    if "absorbed_dose_component" in cells:
        raise InputError(
            "the Dataset holds absorbed_dose_component of absorbed_dose_rate, which has no pulses. "
            "Drop it and label with effective_half_life_h, then add the beam."
        )
    values = np.array(dose.values, dtype=np.float64)
    where: list[Any] = []
    for dim in dose.dims:
        label = {"emission": _EMISSION, "origin": _ORIGIN}.get(str(dim))
        labels = dose[dim].values.tolist() if label is not None else []
        if label is not None and label not in labels:
            raise InputError(f"absorbed_dose has no {dim} {label!r} (its labels: {labels}).")
        where.append(slice(None) if label is None else labels.index(label))
    part = values[tuple(where)]
    kept = [dim for dim in dose.dims if dim not in ("emission", "origin")]
    values[tuple(where)] = part + dose_Gy.reshape([-1 if dim == "cell" else 1 for dim in kept])
    return cells.assign(absorbed_dose=(dose.dims, values, dict(dose.attrs)))


def _with_fractions(cells: xr.Dataset, dose_Gy: FloatArray, times_d: FloatArray) -> xr.Dataset:
    kept = cells
    if "external_beam_dose" in cells:
        before = cells["external_beam_dose"].transpose("cell", "fraction").values
        dose_Gy = np.concatenate([before, dose_Gy], axis=1)
        times_d = np.concatenate([cells["fraction_time"].values, times_d])
        kept = cells.drop_vars(["external_beam_dose", "fraction_time"])
    order = np.argsort(times_d, kind="stable")
    return kept.assign_coords(
        fraction_time=data_array("fraction_time", ("fraction",), times_d[order])
    ).assign(
        external_beam_dose=data_array("external_beam_dose", ("cell", "fraction"), dose_Gy[:, order])
    )
