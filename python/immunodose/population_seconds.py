# SPDX-License-Identifier: BSD-3-Clause
"""Time of a population dose, from rates of one machine scaled to this one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.nuclides import emissions as emissions_of
from immunodose.population_options import DEFAULT_HISTORIES_PER_BATCH
from immunodose.population_plan import Extent, Sweep, kernel_terms
from immunodose.typing import EMISSIONS, TARGETS, FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from immunodose.dose_rate_memory import RateSize
    from immunodose.population_estimate import DoseOptions, Scene
    from immunodose.population_inputs import Agent
    from immunodose.population_memory import Columns, Population

# CPU seconds on the machine of docs/theory/population.md, section 6 (two Zen 3 cores, AVX2), fitted
# to the rows of bench/results/scaling.json (tests/unit/test_recorded_times.py).
_PER_PAIR, _PER_PAIR_AND_COLUMN = 1.6e-9, 0.7e-9
_BOTH_WAYS = 0.35  # of that, where a distance serves both directions (Eq. P11)
_PER_DIRECT_PAIR = 8e-9
_PER_NODE = 4e-8  # of a mesh, per transform
_PER_POINT = 1e-6  # cell and sweep: sorted, spread, gathered
_PER_IMAGE = 3e-7  # of a cell of a periodic box, listed and sorted
_PER_TERM = 3e-9  # of the far field of a cell, or of the kernel of a periodic box
_LEAST_CHECKED, _MOST_CHECKED = 1e6, 5e8  # terms of the far field that is checked
_PER_TABLE_VALUE = 3e-6  # an integral over two regions
_TABLE_EDGES = 600.0  # that are integrated, of one pair of shapes
_PER_NUMBER = 3e-8  # of the result: labeled, summed, copied
_PER_COURSE_VALUE = 1e-9  # dose times course, summed
_PER_CALL = 0.008
# Histories: alphas chord by chord; electrons and photons by what they set free.
_PER_HISTORY, _PER_ALPHA, _PER_LIGHT, _PER_KEV = 2e-6, 3e-6, 3e-6, 2e-7
_DETAILED_FACTOR = 60.0  # of electrons followed collision by collision
_PER_TALLY_VALUE = 5e-9  # and batch
_PER_VOXEL_CELL = 1e-6

# Loads, caches and densities differ: times lie within this factor of the estimate on idle CPUs.
FACTOR = 3.0
# Square roots and quotients per second of the same machine (`speed`).
REFERENCE_SPEED = 4.9e8
_PROBE_SIZE, _PROBE_REPEATS, _PROBE_TRIES = 4096, 20, 5
_SAMPLES, _SUBSAMPLE = 32, 50_000


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time on idle CPUs, the factor that it may be off by, and the work it stands for."""

    wall: float
    factor: float
    pairs: float
    histories: float


def speed() -> float:
    """Square roots and quotients per second of one CPU by NumPy: a probe of some milliseconds."""
    values = np.linspace(1.0, 2.0, _PROBE_SIZE)
    out = np.empty_like(values)
    best = np.inf
    for _ in range(_PROBE_TRIES):
        start = time.perf_counter()
        for _ in range(_PROBE_REPEATS):
            np.sqrt(values, out=out)
            np.divide(values, out, out=out)
        best = min(best, time.perf_counter() - start)
    return _PROBE_SIZE * _PROBE_REPEATS / best


def dose_seconds(
    cells: xr.Dataset, scene: Scene, options: DoseOptions, arguments: Mapping[str, Any]
) -> Seconds:
    """Return the time of a dose."""
    pairs = histories = 0.0
    numbers = cells.sizes["cell"] * scene.columns(options).full * len(scene.agents)
    cpu = _PER_CALL * len(scene.agents) + _PER_NUMBER * numbers
    if options.method == "kernel":
        distances = _Distances(cells)
        for own, agent in zip(scene.sweeps(options), scene.agents, strict=True):
            share = _active_share(agent)
            for sweep in own:
                counted, seconds = _sweep_seconds(
                    scene.population, options.kept, sweep, distances, share
                )
                pairs += counted
                cpu += seconds
    else:
        for agent in scene.agents:
            counted, seconds = _history_seconds(scene, agent, options, arguments)
            histories += counted
            cpu += seconds
    wall = cpu / options.n_threads * REFERENCE_SPEED / speed()
    return Seconds(wall, FACTOR, pairs, histories)


def rate_seconds(
    cells: xr.Dataset,
    population: Population,
    columns: Columns,
    sweeps: Sequence[tuple[Sequence[Sweep], bool]],
    agents: Sequence[Agent],
    size: RateSize,
) -> Seconds:
    """Return the time of a dose rate: its sums, of emissions split or not, and its courses."""
    distances = _Distances(cells)
    numbers = size.n_cells * size.columns * size.n_components
    pairs, cpu = 0.0, _PER_CALL + numbers * (_PER_NUMBER + size.n_times * _PER_COURSE_VALUE)
    for (own, split), agent in zip(sweeps, agents, strict=True):
        kept = (*columns.kept, "emission") if split else columns.kept
        for sweep in own:
            counted, seconds = _sweep_seconds(
                population, kept, sweep, distances, _active_share(agent)
            )
            pairs += counted
            cpu += seconds
    wall = cpu / population.n_threads * REFERENCE_SPEED / speed()
    return Seconds(wall, FACTOR, pairs, 0.0)


def _active_share(agent: Agent) -> float:
    """Share of the cells that decay."""
    if not len(agent.activity):
        return 0.0
    return float(np.count_nonzero(agent.activity.any(axis=1))) / len(agent.activity)


class _Distances:
    """Mean numbers of cells within a distance, from samples: populations may be far from even."""

    def __init__(self, cells: xr.Dataset) -> None:
        at = np.stack([cells[axis].values for axis in "xyz"], axis=1)
        few = at[:: max(1, len(at) // _SAMPLES)]
        many = at[:: max(1, -(-len(at) // _SUBSAMPLE))]
        self._weight = len(at) / max(1, len(many) * len(few))
        squares = [np.sort(((many - one) ** 2).sum(axis=1)) for one in few]
        self._square_um2: FloatArray = np.sort(np.concatenate(squares or [np.empty(0)]))

    def within(self, reach_um: float) -> float:
        """Mean number of cells within a distance of a cell."""
        return self._weight * float(np.searchsorted(self._square_um2, reach_um**2))


def _sweep_seconds(
    population: Population, kept: Sequence[str], sweep: Sweep, distances: _Distances, share: float
) -> tuple[float, float]:
    """Pairs and CPU seconds of a sweep."""
    population = population.of_sites()
    extent = population.extent
    n, radius = extent.n_cells, extent.largest_radius_um
    n_targets = len(TARGETS) if "target" in kept else 1
    n_kernels = len(sweep.emissions) if "emission" in kept else min(1, len(sweep.emissions))
    width = n_kernels * n_targets + (7 if sweep.has_hits else 0)
    reach = sweep.mesh.cut_um if sweep.mesh else sweep.reach_um + 2.0 * radius
    # Bins hold pairs beyond the reach as well.
    around = distances.within(1.25 * reach) * (1 if population.smallest_nucleus_um is None else 2)
    if extent.repeats:
        # Along an open axis there is less than a ball.
        most = n * extent.images_within(1.25 * reach)
        around = min(extent.neighbors_within(1.25 * reach), most)
    pairs = n * share * max(around, 1.0)
    per_pair = _PER_PAIR + _PER_PAIR_AND_COLUMN * width
    if population.n_shapes == 1 and share > 0.5:
        per_pair *= _BOTH_WAYS
    if sweep.summation == "direct":
        per_pair = _PER_DIRECT_PAIR
    tables = population.n_classes**2 * population.n_compartments * width * _TABLE_EDGES
    seconds = pairs * per_pair + tables * _PER_TABLE_VALUE + n * _PER_POINT
    if sweep.mesh:
        nodes = float(np.prod(sweep.mesh.n_transform, dtype=np.float64))
        seconds += nodes * _PER_NODE * (1 + n_kernels)
    if extent.repeats:
        seconds += _image_seconds(extent, sweep, reach, n_kernels)
    return pairs, seconds


def _image_seconds(extent: Extent, sweep: Sweep, reach_um: float, n_kernels: int) -> float:
    """CPU seconds of the images of a periodic box: in a list, in a kernel, in its check."""
    n = extent.n_cells
    listed = n * extent.images_within(reach_um) * _PER_IMAGE
    if sweep.mesh is None:
        return listed
    mesh = sweep.mesh
    nodes = float(np.prod(mesh.n_transform, dtype=np.float64))
    reach_um = sweep.reach_um + 2.0 * extent.largest_radius_um
    terms = kernel_terms(extent, mesh.spacing_um, mesh.cut_um, reach_um, nodes)
    of_one = n * extent.images_within(reach_um)
    # Where the sum at one cell is too long, none is checked.
    checked = 0.0 if of_one > _MOST_CHECKED else max(_LEAST_CHECKED, 8.0 * of_one)
    return listed + n_kernels * (terms + min(_MOST_CHECKED, checked)) * _PER_TERM


def _history_seconds(
    scene: Scene, agent: Agent, options: DoseOptions, arguments: Mapping[str, Any]
) -> tuple[float, float]:
    """Histories and CPU seconds of one nuclide."""
    n_batches = int(arguments["n_batches"])
    if options.realization:
        histories = float(agent.activity.sum())
        n_batches = 1
    elif arguments["n_histories"] is None:
        histories = float(DEFAULT_HISTORIES_PER_BATCH * n_batches)
    else:
        histories = float(arguments["n_histories"])
    table = emissions_of(agent.nuclide, retention=agent.retention)
    kinds = table["emission"].values.astype(str)
    yields, energy_keV = table["yield_per_decay"].values, table["energy"].values
    followed = EMISSIONS if options.emissions is None else tuple(options.emissions)
    per_history = _PER_HISTORY
    for name in followed:
        own = kinds == name
        if name == "alpha":
            per_history += float(yields[own].sum()) * _PER_ALPHA
        elif name != "recoil":
            slow = _DETAILED_FACTOR if arguments["electron_mode"] == "detailed" else 1.0
            cost = _PER_LIGHT * yields[own] + _PER_KEV * slow * yields[own] * energy_keV[own]
            per_history += float(cost.sum()) * (0.1 if name == "photon" else 1.0)
    n = scene.population.extent.n_cells
    values = n * n_batches * (8 * len(scene.columns(options).emissions) + 16)
    return histories, histories * per_history + values * _PER_TALLY_VALUE + n * _PER_VOXEL_CELL
