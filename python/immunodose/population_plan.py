# SPDX-License-Identifier: BSD-3-Clause
"""How the core will sum the doses between cells: method, reach and mesh of each sweep.

Repeats the choice of `population_channels.cpp`, so that `immunodose.estimate` knows memory and time
before a run; tests compare it with what runs report.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from immunodose.emission_kernels import RadialKernel
from immunodose.typing import FloatArray

# Constants of population_channels.cpp and particle_mesh.cpp, with the reasons given there.
_MOST_DIRECT_CELLS = 500
_LEAST_REACH_PER_CUT = 10.0
_EQUAL_REACH = 0.02
_SECONDS_PER_PAIR = 0.8e-9
_PAIR_MARGIN = 1.45
_SECONDS_PER_MESH_NODE = 2.5e-8
_SECONDS_PER_POINT = 8e-7
_SECONDS_PER_TERM = 3e-9
# Constants of mesh_kernel.cpp.
_NODES_PER_HALF_WAVE, _TURNED_PER_EXACT, _CELLS_PER_OCTAVE = 4.0, 8.0, 256.0
_MESH_ERRORS = ((3.0, 4e-4), (4.0, 6e-5), (6.0, 1.5e-5))  # cut over spacing, error
_NODES_PER_CELL, _LEAST_NODES = 64.0, 1e6
_SPLINE_ORDER, _MARGIN_NODES = 6, 1


@dataclass(frozen=True, slots=True)
class Extent:
    """Size of a population: cells, edges of the box of their centers (z, y, x), radii."""

    n_cells: int
    box_um: tuple[float, float, float]
    smallest_radius_um: float
    largest_radius_um: float
    period_um: tuple[float, float, float] = (math.inf, math.inf, math.inf)  # z, y, x

    @property
    def repeats(self) -> bool:
        """Whether the cells are the content of a periodic box."""
        return not all(math.isinf(edge) for edge in self.period_um)

    @property
    def diameter_um(self) -> float:
        """Longest distance of two centers."""
        return math.inf if self.repeats else float(np.linalg.norm(self.box_um))

    def neighbors_within(self, reach_um: float) -> float:
        """Mean number of cells within a distance of a cell, all filling the box evenly."""
        rim = 2.0 * self.largest_radius_um
        edges = [
            own + rim if math.isinf(edge) else edge
            for own, edge in zip(self.box_um, self.period_um, strict=True)
        ]
        volume = float(np.prod(edges))
        evenly = self.n_cells * 4.0 / 3.0 * np.pi * reach_um**3 / volume
        return evenly if self.repeats else min(float(self.n_cells), evenly)

    def images_within(self, reach_um: float) -> float:
        """Copies of a periodic box within a distance of it, this one included; 1 without a box."""
        return math.prod(1.0 + 2.0 * reach_um / edge for edge in self.period_um)

    def is_small(self, reach_um: float) -> bool:
        """Whether all pairs are summed in double precision: few cells with few images."""
        if self.n_cells > _MOST_DIRECT_CELLS:
            return False
        neighbors = self.neighbors_within(reach_um + 2.0 * self.largest_radius_um)
        return not self.repeats or self.n_cells * neighbors <= _MOST_DIRECT_CELLS**2


@dataclass(frozen=True, slots=True)
class Mesh:
    """A regular mesh: spacing, distance of pairs summed one by one, nodes, nodes of transforms."""

    spacing_um: float
    cut_um: float
    n: tuple[int, ...]
    n_transform: tuple[int, ...]


@dataclass(slots=True)
class Sweep:
    """One pass over all pairs of cells within a reach, for kernels that are summed together."""

    summation: str
    reach_um: float
    emissions: list[Any] = field(default_factory=list)  # keys of the kernels
    has_hits: bool = False
    mesh: Mesh | None = None


def plan_sweeps(
    extent: Extent,
    kernels: Mapping[Any, RadialKernel],
    *,
    summation: str,
    rtol: float,
    split_emission: bool,
    alpha_reach_um: float | None = None,
    attempt: int = 0,
) -> list[Sweep]:
    """Return the sweeps of one nuclide; `alpha_reach_um` (um) if hits of alphas are scored.

    Each further `attempt` is a finer mesh, which the core takes where the first errs too much.
    """
    sweeps: list[Sweep] = []
    for emission, kernel in kernels.items():
        method = _method(extent, kernel.reach_um, summation, rtol)
        # Summed emissions have one column: the list of the longest reach holds them all.
        one = method == "particle_mesh" or (method == "cell_list" and not split_emission)
        _joined(sweeps, extent, method, kernel.reach_um, one=one).emissions.append(emission)
    if alpha_reach_um is not None:
        small = summation == "auto" and extent.is_small(alpha_reach_um)
        method = "direct" if summation == "direct" or small else "cell_list"
        _joined(sweeps, extent, method, alpha_reach_um, one=False).has_hits = True
    for sweep in sweeps:
        if sweep.summation == "particle_mesh":
            n_kernels = len(sweep.emissions) if split_emission else 1
            sweep.mesh, _ = plan_mesh(extent, sweep.reach_um, rtol, n_kernels, attempt)
            if sweep.mesh is None:
                sweep.summation = "cell_list"
    return sweeps


def _joined(
    sweeps: list[Sweep], extent: Extent, method: str, reach_um: float, *, one: bool
) -> Sweep:
    """Return the sweep that this reach shares, or a new one; `one` for all reaches."""
    for sweep in sweeps:
        far = min(reach_um, sweep.reach_um) >= extent.diameter_um
        near = abs(sweep.reach_um - reach_um) <= _EQUAL_REACH * reach_um
        if sweep.summation == method and (one or far or near):
            sweep.reach_um = max(sweep.reach_um, reach_um)
            return sweep
    sweeps.append(Sweep(method, reach_um))
    return sweeps[-1]


def _method(extent: Extent, reach_um: float, summation: str, rtol: float) -> str:
    if summation == "auto" and extent.is_small(reach_um):
        return "direct"
    if summation not in ("auto", "particle_mesh"):
        return summation
    mesh, cost_s = plan_mesh(extent, reach_um, rtol, 1)
    within = extent.neighbors_within(reach_um + 2.0 * extent.largest_radius_um)
    pays = summation != "auto" or cost_s < _SECONDS_PER_PAIR * extent.n_cells * within
    return "particle_mesh" if mesh is not None and pays else "cell_list"


def plan_mesh(
    extent: Extent, reach_um: float, rtol: float, n_kernels: int, attempt: int = 0
) -> tuple[Mesh | None, float]:
    """Return the mesh that costs least, and its cost (s); None where no mesh fits."""
    ratios = [ratio for ratio, error in _MESH_ERRORS if error <= rtol][attempt:]
    best: Mesh | None = None
    best_s = np.inf
    if not ratios or (extent.n_cells < 2 and not extent.repeats):
        return best, best_s
    ratio, n, radius = ratios[0], extent.n_cells, extent.largest_radius_um
    most_nodes = _NODES_PER_CELL * n + _LEAST_NODES
    spacing = 0.25 * extent.smallest_radius_um
    while spacing < max(reach_um, extent.smallest_radius_um):
        cut = ratio * spacing
        if cut >= 2.0 * radius and _LEAST_REACH_PER_CUT * cut <= reach_um:
            reach = reach_um + 2.0 * radius
            shape = _mesh_shape(extent, spacing, reach, most_nodes)
            if shape is not None:
                nodes = float(np.prod(shape[1], dtype=np.float64))
                cost_s = (
                    n * extent.neighbors_within(_PAIR_MARGIN * cut) * _SECONDS_PER_PAIR
                    + nodes * _SECONDS_PER_MESH_NODE * (1 + n_kernels)
                    + n * _SECONDS_PER_POINT
                    + n_kernels
                    * kernel_terms(extent, spacing, cut, reach, nodes)
                    * _SECONDS_PER_TERM
                )
                if cost_s < best_s:
                    best, best_s = Mesh(spacing, cut, *shape), cost_s
        spacing *= 1.1
    return best, best_s


def kernel_terms(
    extent: Extent, spacing_um: float, cut_um: float, reach_um: float, nodes: float
) -> float:
    """Terms that are summed for the images of a periodic box, 0 without a box."""
    if not extent.repeats:
        return 0.0
    if any(math.isinf(edge) for edge in extent.period_um):
        return nodes / 8.0 * extent.images_within(reach_um)
    edges = _CELLS_PER_OCTAVE * math.log2(reach_um / cut_um)
    table = _NODES_PER_HALF_WAVE * math.sqrt(3.0) * reach_um / spacing_um
    return edges * min(table, _TURNED_PER_EXACT * nodes / 8.0)


def _mesh_shape(
    extent: Extent, spacing_um: float, reach_um: float, most_nodes: float
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Nodes that cells touch and nodes of the transforms along z, y, x; None if too many."""
    box_um = extent.box_um
    sides = [
        own if math.isinf(period) else period
        for own, period in zip(box_um, extent.period_um, strict=True)
    ]
    if np.prod([edge / spacing_um + 1.0 for edge in sides], dtype=np.float64) > most_nodes:
        return None
    reach = int(reach_um / spacing_um) + 1
    n, padded = [], []
    for own, period in zip(box_um, extent.period_um, strict=True):
        if math.isinf(period):
            n.append(int(own / spacing_um) + 1 + _SPLINE_ORDER + 2 * _MARGIN_NODES)
            padded.append(n[-1] + min(reach, n[-1]))
        else:  # whole nodes fill a periodic box
            padded.append(max(2, math.ceil(period / spacing_um)))
            step = period / _next_smooth(padded[-1])
            n.append(int(own / step) + 1 + _SPLINE_ORDER + 2 * _MARGIN_NODES)
    if np.prod(padded, dtype=np.float64) > most_nodes:
        return None
    n_transform = tuple(_next_smooth(size) for size in padded)
    if np.prod(n_transform, dtype=np.float64) > most_nodes:
        return None
    return tuple(n), n_transform


def _next_smooth(size: int) -> int:
    """Return the next even product of 2, 3 and 5."""
    smooth = _even_smooth(2 * size)
    return int(smooth[np.searchsorted(smooth, size)])


def _even_smooth(most: int) -> FloatArray:
    """Even products of 2, 3 and 5 up to a power of two that is at least `most`."""
    return _even_smooth_up_to(2 ** int(np.ceil(np.log2(most))))


@functools.lru_cache(maxsize=64)
def _even_smooth_up_to(most: int) -> FloatArray:
    found = np.array([2.0])
    for prime in (2, 3, 5):
        powers = float(prime) ** np.arange(int(np.log2(most) / np.log2(prime)) + 1)
        found = np.multiply.outer(found, powers).ravel()
        found = found[found <= most]
    return np.sort(found)
