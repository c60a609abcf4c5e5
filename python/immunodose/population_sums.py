# SPDX-License-Identifier: BSD-3-Clause
"""How doses from other cells are added up: what may be asked for, and what was done."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any

from immunodose import _core
from immunodose.errors import InputError, ValidityWarning
from immunodose.physics import PhysicsModel

# In the order of the core's enum.
SUMMATIONS = ("auto", "direct", "cell_list", "particle_mesh")
DEFAULT_RTOL = 1e-3
# Below, single precision of the cell list is no longer enough: every pair in double precision.
_LEAST_RTOL = 2e-5
_LARGEST_RTOL = 0.01
_REPORTED = ("reach_um", "mesh_spacing_um", "expected_error", "measured_error", "n_pairs")

# Tables of doses over distance that were made before, of all calls of this process: about 1 MB for
# a few cell shapes, 20 MB for 12 shapes and all targets. Emptied when it would grow beyond this.
_MOST_CACHE_BYTES = 128 * 2**20
TABLE_CACHE = _core.transport.TableCache(most_bytes=_MOST_CACHE_BYTES)

# A model and what the core reports of each sweep over the cells.
Sweeps = Sequence[tuple[PhysicsModel, Sequence[dict[str, Any]]]]


def cache_clear() -> None:
    """Forget all tables of doses over distance, so that the next call makes its own."""
    TABLE_CACHE.clear()


def summation_options(method: str, summation: str, rtol: float) -> dict[str, Any]:
    """Return the checked options of the sums over cells, which belong to the kernel method."""
    if method == "kernel":
        return {"summation": summation, "rtol": _require_rtol(rtol)}
    if summation != "auto" or rtol != DEFAULT_RTOL:
        raise InputError(
            "summation and rtol have no effect with method='monte_carlo'; its errors are those of "
            "n_histories. Leave them out."
        )
    return {}


def _require_rtol(rtol: float) -> float:
    if not _LEAST_RTOL <= rtol <= _LARGEST_RTOL:
        raise InputError(
            f"invalid rtol={rtol!r} (allowed: {_LEAST_RTOL:g} to {_LARGEST_RTOL:g}). For less "
            "error give summation='direct', which sums every pair in double precision."
        )
    return float(rtol)


def summation_attr(sweeps: Sweeps) -> str:
    """Return what was done for each sweep over the cells, as JSON."""
    return json.dumps(
        [
            {
                "nuclide": model.nuclide,
                "emissions": [list(model.kernels)[k] for k in sweep["kernels"]],
                "summation": SUMMATIONS[sweep["summation"]],
                **{name: sweep[name] for name in _REPORTED},
            }
            for model, report in sweeps
            for sweep in report
        ]
    )


def warn_of_mesh_error(sweeps: Sweeps, rtol: float) -> None:
    """Warn where the error that was measured is larger than the one asked for."""
    worst = max((sweep["measured_error"] for _, report in sweeps for sweep in report), default=0.0)
    if worst > rtol:
        warnings.warn(
            f"the far field of some cells differs by {worst:.2g} (root mean square over mean) from "
            f"the sum over cells, more than rtol={rtol:g}: a kernel falls too steeply for the "
            "mesh. Give a smaller rtol or summation='cell_list'.",
            ValidityWarning,
            stacklevel=4,
        )
