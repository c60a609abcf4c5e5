# SPDX-License-Identifier: BSD-3-Clause
"""Complexes of MHC-I and a recognized peptide on each cell, as the killing calls read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.immune_time import OutputTimes
from immunodose.response_inputs import check_values, require
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

_CALL = "mhc1_expression(ds, parameters=..., time_d=...)"
_ROUNDING = 1e-5  # of single precision, in which signals are followed


def recognized_complexes(
    ds: xr.Dataset, line: ParameterSet, is_tumor: Any, outputs: OutputTimes
) -> tuple[FloatArray, FloatArray | None]:
    """Return complexes per cell (cell, column) and the times of the columns.

    Parameters
    ----------
    ds
        Dataset of `mhc1_surface`. Where it comes from a mechanism, radiation-induced peptides count
        too, so `pmhc_surface` is read (Eq. 14 of docs/theory/signaling.md); else the share of
        recognized peptides times `mhc1_surface`.
    line
        Parameter set of the cell line.
    is_tumor
        Cells that CD8 T cells attack; the others have no complexes here.
    outputs
        The times asked for, which must be covered.

    Returns
    -------
    tuple
        Array (cell, column), and the times (d) of its columns; None for one that is constant.
    """
    columns, time_d = _columns(ds, "mhc1_surface", is_tumor, outputs)
    share = line.value("recognized_peptide_share")
    if "mechanism" not in ds.attrs or "pmhc_surface" not in ds:
        return np.ascontiguousarray(share * columns), time_d
    if ds["pmhc_surface"].sizes != ds["mhc1_surface"].sizes:
        raise InputError(
            f"pmhc_surface has sizes {dict(ds['pmhc_surface'].sizes)}, mhc1_surface "
            f"{dict(ds['mhc1_surface'].sizes)} (they must be of one call). Call immunodose.{_CALL}."
        )
    pmhc, _ = _columns(ds, "pmhc_surface", is_tumor, outputs)
    low, high = (1.0 - _ROUNDING) * share * columns, (1.0 + _ROUNDING) * columns
    bad = (pmhc < low) | (pmhc > high)
    if bad.any():
        i, j = (int(k) for k in np.argwhere(bad)[0])
        raise InputError(
            f"pmhc_surface[{i}, {j}] = {pmhc[i, j]:g} does not belong to mhc1_surface = "
            f"{columns[i, j]:g} (allowed: {share:g} to 1 of it; {int(bad.sum())} such values). "
            f"Drop pmhc_surface if mhc1_surface is your own, or call immunodose.{_CALL} again."
        )
    return np.ascontiguousarray(pmhc), time_d


def _columns(
    ds: xr.Dataset, name: str, is_tumor: Any, outputs: OutputTimes
) -> tuple[FloatArray, FloatArray | None]:
    surface = require(ds, name, _CALL)
    if surface.dims not in (("cell",), ("cell", "time"), ("time", "cell")):
        raise InputError(f"{name} has dims {surface.dims} (allowed: cell and time).")
    has_time = "time" in surface.dims
    values = np.asarray(surface.transpose("cell", ...).values, dtype=np.float64)
    columns = values if has_time else values[:, None]
    columns = np.where(is_tumor[:, None], columns, 0.0)  # CD8 T cells attack tumor cells only
    check_values(name, columns)
    if not has_time:
        return columns, None
    time_d = np.asarray(surface["time"].values, dtype=np.float64)
    if time_d[0] > 0.0 or outputs.time_d[-1] > time_d[-1]:
        raise InputError(
            f"{name} covers {time_d[0]:g} to {time_d[-1]:g} d, needed are 0 to "
            f"{outputs.time_d[-1]:g} d (it is not extrapolated). Call immunodose.mhc1_expression "
            "with time_d that begins at 0 and covers them."
        )
    return columns, time_d
