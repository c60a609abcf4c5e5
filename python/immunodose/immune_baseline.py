# SPDX-License-Identifier: BSD-3-Clause
"""Surface MHC-I of each cell before treatment, and its routes: given, or of the set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from immunodose.errors import InputError
from immunodose.response_inputs import TUMOR, cell_types, check_values
from immunodose.rng import ROOT_ITSELF, RngLike, generator
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr


class HasValues(Protocol):
    """Anything that gives a parameter by its key."""

    def value(self, key: str) -> float:
        """Return the value in its unit."""
        ...


def mhc1_baseline(
    ds: xr.Dataset, item: HasValues, rng: RngLike | Literal["required"]
) -> tuple[FloatArray, dict[str, Any]]:
    """Return `mhc1_baseline` of all cells (NaN: not a tumor cell) and provenance of a draw."""
    if "mhc1_baseline" in ds:
        given = ds["mhc1_baseline"]
        if given.dims != ("cell",):
            raise InputError(f"mhc1_baseline has dims {given.dims} (allowed: cell).")
        values = np.asarray(given.values, dtype=np.float64)
        others = np.where(cell_types(ds) == TUMOR, values, 0.0)
        check_values("mhc1_baseline", others)
        return values, {}
    if rng == "required":
        raise InputError(
            "the Dataset has no 'mhc1_baseline' and rng is not given. Give rng=... to draw the "
            "baseline of each cell, or assign mhc1_baseline (cell)."
        )
    random, root = generator(rng, purpose=ROOT_ITSELF)
    normal = random.standard_normal(int(ds.sizes["cell"]))
    drawn = item.value("mhc1_baseline") * np.exp(item.value("mhc1_baseline_sd_ln") * normal)
    values = np.where(cell_types(ds) == TUMOR, drawn, np.nan)
    return values, {"mhc1_rng_root": str(root)}


def cell_property(
    ds: xr.Dataset, item: HasValues, name: str, is_tumor: npt.NDArray[np.bool_]
) -> FloatArray:
    """Return a property of the tumor cells: the variable if there is one, else the set's value."""
    if name not in ds:
        return np.full(int(is_tumor.sum()), item.value(name))
    if ds[name].dims != ("cell",):
        raise InputError(f"{name} has dims {ds[name].dims} (allowed: cell).")
    values = np.where(is_tumor, np.asarray(ds[name].values, dtype=np.float64), 0.0)
    return check_values(name, values, high=1.0)[is_tumor]
