# SPDX-License-Identifier: BSD-3-Clause
"""How doses from other cells are added up: what may be asked for, and what was done."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.emission_kernels import RadialKernel
from immunodose.errors import InputError, ValidityWarning
from immunodose.mesh import MeshConvolver
from immunodose.population_box import FREE, Box, BoxLike, periodic_box
from immunodose.population_inputs import Agent, inside_membrane_offset_um
from immunodose.population_shapes import CellShapes
from immunodose.typing import TARGETS, FloatArray, IntArray

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

# In the order of the core's enum.
SUMMATIONS = ("auto", "direct", "cell_list", "particle_mesh")
DEFAULT_RTOL = 1e-3
# Below, single precision of the cell list is no longer enough: every pair in double precision.
_LEAST_RTOL = 2e-5
_LARGEST_RTOL = 0.01
_REPORTED = ("reach_um", "mesh_spacing_um", "expected_error", "measured_error", "n_pairs")

# Alpha hits of a cell: traversals and the moments 0 to 5 of the specific energy per decay.
N_HIT_COLUMNS = 7

# Tables of doses over distance that were made before, of all calls of this process: about 1 MB for
# a few cell shapes, 20 MB for 12 shapes and all targets. Emptied when it would grow beyond this.
_MOST_CACHE_BYTES = 128 * 2**20
TABLE_CACHE = _core.transport.TableCache(most_bytes=_MOST_CACHE_BYTES)

# A nuclide, the emissions of its kernels, and what the core reports of each sweep over the cells.
Sweeps = Sequence[tuple[str, Sequence[str], Sequence[dict[str, Any]]]]


def sum_over_cells(
    cells: xr.Dataset,
    row: Agent,
    kernels: Sequence[RadialKernel],
    *,
    dose: npt.NDArray[Any],
    places: IntArray,
    hits: FloatArray | None = None,
    shapes: CellShapes,
    targets: Sequence[str],
    membrane_um: float,
    density: float,
    alpha_chain: _core.transport.AlphaChain | None,
    split_emission_origin: tuple[bool, bool],
    summation: str,
    rtol: float,
    n_threads: int,
    sorted_cells: _core.geometry.SortedCells | None = None,
    box_um: Box = FREE,
    report: Callable[[float], None] | None = None,
) -> list[dict[str, Any]]:
    """Add what the decays of a row give to every cell, with one kernel per kind of decay.

    Parameters
    ----------
    dose
        (cell, ...) [Gy], C-contiguous float64 or float32, added to.
    places
        (target, kernel, origin): the column of `dose`; length 1 where kernels and origins are not
        split.
    hits
        (cell, 7) alpha hits, added to; needed with a chain.
    report
        Called with the share that is done, ascending.

    Returns
    -------
    list
        What was done, per sweep over the cells.
    """
    return _core.transport.population_dose(
        x_um=cells.variables["x"].values.astype(np.float64, copy=False),
        y_um=cells.variables["y"].values.astype(np.float64, copy=False),
        z_um=cells.variables["z"].values.astype(np.float64, copy=False),
        shape_um=shapes.shape_um,
        shape_of=shapes.shape_of,
        shape_class_um=shapes.class_um,
        class_of=shapes.class_of,
        time_integrated_activity=row.activity,
        medium_concentration=row.medium_per_um3,
        membrane_thickness_um=membrane_um,
        density_g_per_cm3=density,
        kernels=[(kernel.edge_um, kernel.energy_keV) for kernel in kernels],
        targets=[TARGETS.index(name) for name in targets],
        alpha_chain=alpha_chain,
        split_emission_origin=split_emission_origin,
        summation=SUMMATIONS.index(summation),
        rtol=rtol,
        convolver=MeshConvolver(n_threads),
        sorted_cells=sorted_cells,
        table_cache=TABLE_CACHE,
        nucleus_offset_um=inside_membrane_offset_um(cells, membrane_um),
        box_um=box_um,
        dose_Gy=dose,
        column=places,
        hits=np.empty((0, N_HIT_COLUMNS)) if hits is None else hits,
        report=report,
        n_threads=n_threads,
    )


def class_spread(shapes: CellShapes, sweeps: Sweeps) -> float:
    """Return the largest relative distance of radii from those of their class."""
    of_sites = [sweep["class_spread"] for _, _, report in sweeps for sweep in report]
    # Balls and nuclei off their centers have classes of their own.
    return max((s for s in of_sites if s is not None), default=shapes.class_spread)


def cache_clear() -> None:
    """Forget all tables of doses over distance, so that the next call makes its own."""
    TABLE_CACHE.clear()


def summation_options(
    method: str, summation: str, rtol: float, periodic_box_um: BoxLike | None = None
) -> dict[str, Any]:
    """Return the checked options of the sums over cells, which belong to the kernel method."""
    if method == "kernel":
        box_um = periodic_box(periodic_box_um)
        return {"summation": summation, "rtol": _require_rtol(rtol), "box_um": box_um}
    if periodic_box_um is not None:
        raise InputError(
            "periodic_box_um has no effect with method='monte_carlo', which knows no images. Leave "
            "it out, or give method='kernel'."
        )
    if summation != "auto" or rtol != DEFAULT_RTOL:
        raise InputError(
            "summation and rtol have no effect with method='monte_carlo'; its errors are those of "
            "n_histories. Leave them out."
        )
    return {}


def _require_rtol(rtol: float) -> float:
    is_number = isinstance(rtol, (int, float, np.number))
    if not is_number or not _LEAST_RTOL <= rtol <= _LARGEST_RTOL:
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
                "nuclide": nuclide,
                "emissions": [emissions[k] for k in sweep["kernels"]],
                "summation": SUMMATIONS[sweep["summation"]],
                **{name: _or_none(sweep[name]) for name in _REPORTED},
            }
            for nuclide, emissions, report in sweeps
            for sweep in report
        ]
    )


def _or_none(value: float) -> float | None:
    """What was not measured is null in JSON, not NaN."""
    return None if math.isnan(value) else value


def warn_of_mesh_error(sweeps: Sweeps, rtol: float) -> None:
    """Warn where the error that was measured is larger than the one asked for."""
    errors = (sweep["measured_error"] for _, _, report in sweeps for sweep in report)
    worst = max((error for error in errors if not math.isnan(error)), default=0.0)
    if worst > rtol:
        warnings.warn(
            f"the far field of some cells differs by {worst:.2g} (root mean square over mean) from "
            f"the sum over cells, more than rtol={rtol:g}: a kernel falls too steeply for the "
            "mesh. Give a smaller rtol, or summation='cell_list' (refused where a periodic box has "
            "too many images).",
            ValidityWarning,
            stacklevel=4,
        )
