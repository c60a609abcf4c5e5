# SPDX-License-Identifier: BSD-3-Clause
"""Hits and dose-mean LET of a population from the sums of its transported decays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.schema import data_array
from immunodose.typing import EMISSIONS, FloatArray

if TYPE_CHECKING:
    import xarray as xr

_DIMS = ("cell", "target", "emission")


def hit_variables(results: Sequence[Mapping[str, Any]]) -> dict[str, xr.Variable]:
    """Return hits and dose-mean LET per cell, target and emission, over all nuclides.

    Of a realization: `hit_count` and `let_dose_mean`; of a mean: `mean_hit_count` and
    `let_dose_mean`, each with its `_stderr`.
    """
    is_mean = "hits_variance" in results[0]
    hits = _sum(results, "hits")
    let, weight = _sum(results, "energy_let"), _sum(results, "region_keV")
    # Recoils have no LET here, and a region without energy has none.
    defined = (weight > 0.0) & (let > 0.0)
    mean = np.full(weight.shape, np.nan)
    np.divide(let, weight, out=mean, where=defined)
    variables = {
        "mean_hit_count" if is_mean else "hit_count": hits,
        "let_dose_mean": mean,
    }
    if is_mean:
        # Eq. MC-12: the error of a ratio of two sums that vary together.
        squared = (
            _sum(results, "energy_let_variance")
            - 2.0 * mean * _sum(results, "energy_let_keV_covariance")
            + mean**2 * _sum(results, "region_keV_variance")
        )
        error = np.full(weight.shape, np.nan)
        np.divide(np.sqrt(np.maximum(squared, 0.0)), weight, out=error, where=defined)
        variables["mean_hit_count_stderr"] = np.sqrt(_sum(results, "hits_variance"))
        variables["let_dose_mean_stderr"] = error
    return {name: data_array(name, _DIMS, values) for name, values in variables.items()}


def _sum(results: Sequence[Mapping[str, Any]], name: str) -> FloatArray:
    """Sum (cell, target, transported emission) of all nuclides, with every emission label."""
    first = results[0][name]
    total = np.zeros((*first.shape[:2], len(EMISSIONS)), dtype=first.dtype)
    for result in results:
        total[:, :, result["emissions"]] += result[name]
    return total
