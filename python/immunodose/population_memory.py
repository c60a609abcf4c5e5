# SPDX-License-Identifier: BSD-3-Clause
"""Memory of a population dose, counted array by array (docs/theory/population.md, section 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from immunodose.population_plan import Extent, Sweep
from immunodose.typing import EMISSIONS, ORIGINS, TARGETS

_DOUBLE, _FLOAT, _COMPLEX = 8, 4, 8  # bytes; the transforms are complex64
_HIT_COLUMNS = 7  # hits and six moments
_BYTES_PER_GROUP, _LANES = 160, 8  # of the voxels of a scene, sphere_scene.hpp
_SUMS, _SUMS_WITH_HITS = 6, 13  # of a tally per cell and class, region_tally.hpp
# Arrays (cell, target, class) of one agent: hits, LET and energy, and of a mean their variances
# and covariance (hit_moments.hpp).
_HITS_OF_REALIZATION, _HITS_OF_MEAN = 3, 7
_HIT_TABLES, _MEAN_TABLES = 4.5, 10.0  # with all emissions, while LET and errors are made
_CELLS_PER_OCTAVE = 128  # of a table over squared distance, square_grid.hpp
_DENSE_BINS_PER_POINT = 4.0  # of a grid of points, grid_index.cpp
_POINTS_PER_BIN = 64.0  # overlap_check.cpp, population_tables.cpp
# Stacks and heaps of threads, buffers of a fixed size: measured.
_FIXED_BYTES = 2.5e6
# Bytes per cell, in the order of what happens (docs/theory/population.md, section 6).
_SORTED = 4 * _DOUBLE  # place and number, by bins: kept for the whole call
_CHECKED = 2 * _DOUBLE  # radii by rank and their median, then they are gone
_ONE_SHAPE, _MANY_SHAPES = 6 * _DOUBLE, 14 * _DOUBLE  # pairs of radii, sorted
_MESH_POINT = 7 * _DOUBLE  # activity, first node, fractions, number, values read back
_SITE = 9 * _DOUBLE  # place, activity, shape, class and the other site of a cell
_IMAGE = 14 * _DOUBLE  # the same, and its place while images are found
_CHUNK_SUMS = 8  # numbers per cell at most where pairs count both ways (neighbor_sum.cpp)
_MOST_CLASSES = 12  # of sites (population_sites.cpp)
MOST_IMAGES = 5e7  # in a list (population_images.cpp)
_MOST_IMAGE_BYTES = _IMAGE + _SORTED + 500.0  # with the sources that it is
# Tables of twelve shape classes with all columns, and a mesh of a million nodes.
_MOST_TABLE_BYTES = 4e8


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of the result: what `split` keeps, and what the core makes of it for one agent."""

    kept: tuple[str, ...]
    dtype: str
    n_agents: int
    n_targets: int  # that have a mass; the others are NaN
    emissions: tuple[str, ...]  # of the nuclide that has most
    has_hits: bool

    @property
    def core(self) -> int:
        """Columns of one agent in the core."""
        return (
            (self.n_targets if "target" in self.kept else 1)
            * (len(self.emissions) if "emission" in self.kept else 1)
            * self._origins
        )

    @property
    def full(self) -> int:
        """Columns of one agent with all labels."""
        return (
            (len(TARGETS) if "target" in self.kept else 1)
            * (len(EMISSIONS) if "emission" in self.kept else 1)
            * self._origins
        )

    @property
    def output(self) -> int:
        """Columns of the dose in the result."""
        return self.full * (self.n_agents if "nuclide" in self.kept else 1)

    @property
    def item_bytes(self) -> int:
        """Bytes per number of the result."""
        return int(np.dtype(self.dtype).itemsize)

    @property
    def _origins(self) -> int:
        return len(ORIGINS) if "origin" in self.kept else 1


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the result, and of the moment that needs most: `grids` are the meshes in it."""

    output: float
    peak: float
    grids: float = 0.0


@dataclass(frozen=True, slots=True)
class Population:
    """What the memory depends on beside the columns."""

    extent: Extent
    n_shapes: int
    n_classes: int
    n_sources: Sequence[int]  # pairs of cell and compartment with activity, per agent
    n_compartments: int  # with activity in any cell
    n_threads: int
    has_offsets: bool = False
    has_copied_activity: bool = False  # else activities are views of the input
    # Of nuclei off their centers, which are sites of their own; None: all are concentric.
    smallest_nucleus_um: float | None = None

    def of_sites(self) -> Population:
        """Return the population as sums over pairs have it: two sites a cell, or cells."""
        if self.smallest_nucleus_um is None:
            return self
        smallest = min(self.extent.smallest_radius_um, self.smallest_nucleus_um)
        return replace(
            self,
            extent=replace(
                self.extent, n_cells=2 * self.extent.n_cells, smallest_radius_um=smallest
            ),
            n_shapes=2 * self.n_shapes,
            n_classes=min(2 * self.n_shapes, _MOST_CLASSES),
            n_sources=[2 * n for n in self.n_sources],
        )


def most_bytes(n_cells: int, columns: Columns, *, has_box: bool = False) -> float:
    """Return more than any dose with these columns needs, without a look at the cells."""
    arrays = _DOUBLE * columns.full * (7 * columns.n_agents + 4)
    hits = (len(TARGETS) * 3 * len(EMISSIONS) * columns.n_agents + 4 * 40) * _DOUBLE
    # Lists, grids and meshes of at most 64 nodes per cell (population_channels.cpp), or voxels.
    work = 2500.0 + 24.0 * columns.n_agents
    images = MOST_IMAGES * _MOST_IMAGE_BYTES if has_box else 0.0
    return n_cells * (arrays + hits + work) + images + _MOST_TABLE_BYTES


def kernel_memory(of: Population, columns: Columns, sweeps: Sequence[Sequence[Sweep]]) -> Memory:
    """Memory of method "kernel"; `sweeps` of each agent."""
    n = of.extent.n_cells
    hits = _DOUBLE * _HIT_COLUMNS if columns.has_hits else 0
    dose = columns.output * columns.item_bytes
    held = _held_bytes(of, columns)
    output = n * (dose + (hits + _DOUBLE if hits else 0))
    # Cells while they are checked, and while their shapes are found; the result when it is done.
    moments = [
        Memory(
            output, n * (_SORTED + _CHECKED + (_MANY_SHAPES if of.n_shapes > 1 else _ONE_SHAPE))
        ),
        Memory(output, n * (dose + 2 * hits + (_DOUBLE if hits else 0))),
    ]
    pairs = of.of_sites()
    for own, n_sources in zip(sweeps, pairs.n_sources, strict=True):
        for sweep in own:
            for work, grids in _sweep_bytes(pairs, columns, sweep, n_sources):
                moments.append(Memory(output, held + n * (dose + hits) + work + grids, grids))
    most = max(moments, key=lambda moment: moment.peak)
    return Memory(float(output), float(most.peak + _FIXED_BYTES), float(most.grids))


def _held_bytes(of: Population, columns: Columns) -> float:
    """Cells in the order of their bins, shapes and classes, activities that are no views."""
    activity = columns.n_agents * 3 * _DOUBLE if of.has_copied_activity else 0
    shape_of = _DOUBLE if of.n_shapes == of.n_classes else 2 * _DOUBLE
    return of.extent.n_cells * (_SORTED + shape_of + activity) + of.n_shapes * 4.0 * _DOUBLE


def sums_bytes(
    of: Population, columns: Columns, sweeps: Sequence[tuple[Sequence[Sweep], bool]]
) -> tuple[float, float]:
    """Return the working bytes of sums that split emissions or not, and those of meshes in it."""
    found = [(0.0, 0.0)]
    pairs = of.of_sites()
    for own, split in sweeps:
        kept = (*columns.kept, "emission") if split else columns.kept
        for sweep in own:
            found += _sweep_bytes(pairs, replace(columns, kept=kept), sweep, max(pairs.n_sources))
    work, grids = max(found, key=sum)
    return _held_bytes(of, columns) + work + grids + _FIXED_BYTES, grids


def _sweep_bytes(
    of: Population, columns: Columns, sweep: Sweep, n_sources: int
) -> list[tuple[float, float]]:
    """Bytes of the stages of one sweep, without and of the meshes."""
    n_kernels = len(sweep.emissions) if "emission" in columns.kept else min(1, len(sweep.emissions))
    if sweep.summation == "direct":
        n_kernels = len(sweep.emissions)
    targets = columns.n_targets if "target" in columns.kept else 1
    width = n_kernels * targets + (_HIT_COLUMNS if sweep.has_hits else 0)
    n = of.extent.n_cells
    reach = sweep.reach_um + 2.0 * of.extent.largest_radius_um
    sites = 0.0 if of.smallest_nucleus_um is None else n * (_SITE + _SORTED + _DOUBLE * width)
    if sweep.mesh is None:
        all_pairs = sites + _image_bytes(of, reach)
        if sweep.summation == "direct":
            return [(all_pairs + _direct_bytes(of, sweep, width, n_sources, reach), 0.0)]
        return [(all_pairs + _list_bytes(of, width, reach, n_sources), 0.0)]
    # Points of a periodic box fall on all its nodes.
    n_field = [
        own if math.isinf(period) else whole
        for own, whole, period in zip(
            sweep.mesh.n, sweep.mesh.n_transform, of.extent.period_um, strict=True
        )
    ]
    size = max(float(np.prod(n, dtype=np.float64)) for n in (sweep.mesh.n, n_field))
    nodes = float(np.prod(sweep.mesh.n_transform, dtype=np.float64))
    transform = _COMPLEX * nodes / 2.0
    octant = _FLOAT * nodes / 8.0
    lines = transform * n_field[0] / sweep.mesh.n_transform[0]
    fields = n * _FLOAT * width
    points = sites + n * _MESH_POINT
    forward = (points, 2.0 * lines + 2.0 * _FLOAT * size)
    # Kernel, its transform and that twice along x; lines forth and back; fields.
    copies = 1.0 if n_kernels == 1 else 2.0
    back = (points + fields, 4.0 * octant + copies * lines + 3.0 * _FLOAT * size)
    near_reach = sweep.mesh.cut_um + reach - sweep.reach_um
    lists = sites + _image_bytes(of, near_reach)
    lists += _list_bytes(
        of, width, near_reach if of.extent.repeats else sweep.mesh.cut_um, n_sources
    )
    near = (fields + lists, 0.0)
    return [forward, back, near]


def _image_bytes(of: Population, reach_um: float) -> float:
    """Cells and images of a periodic box, which are more sources; inf for too many."""
    if not of.extent.repeats:
        return 0.0
    n_images = of.extent.n_cells * of.extent.images_within(reach_um)
    return n_images * (_IMAGE + _SORTED + _FLOAT) if n_images <= MOST_IMAGES else math.inf


def _table_bytes(of: Population, width: int, shortest_um: float, longest_um: float) -> float:
    lanes = width if width <= 1 else -(-width // 4) * 4
    octaves = 2.0 * float(np.log2(max(longest_um, shortest_um) / shortest_um))
    rows = _CELLS_PER_OCTAVE * octaves + 3.0
    tables = of.n_classes**2  # their compartments are columns
    # In double precision while a thread fills one of them.
    return rows * lanes * (tables * 2 * _FLOAT + of.n_threads * 3 * _DOUBLE)


def _list_bytes(of: Population, width: int, reach_um: float, n_sources: int) -> float:
    """Sources, targets, chunks, buffers and the tables of a sum over neighbors."""
    extent = of.extent
    n = extent.n_cells
    columns = max(1, of.n_compartments) * width
    lanes = 1 if columns <= 1 else -(-columns // 4) * 4
    n_cells = min(n, n_sources) * extent.images_within(reach_um)  # with activity, at most
    many = of.n_shapes > of.n_classes
    each = (_FLOAT if many else 0) + (_FLOAT if of.n_classes > 1 else 0)
    lists = n_cells * (_DOUBLE + _FLOAT * lanes + each) + n * (_DOUBLE + each)
    if of.n_shapes == 1:  # pairs count both ways
        lists += n * max(_CHUNK_SUMS, width) * _FLOAT
    volume = float(np.prod([max(edge, 1.0) for edge in extent.box_um]))
    # Bins of the cells are too wide for a short reach: a grid of its own (population_tables.cpp).
    sorted_edge = min(
        float(np.cbrt(_POINTS_PER_BIN * volume / max(n, 1))), 10.0 * extent.largest_radius_um
    )
    widest = max(2.0 * reach_um, 4.0 * extent.largest_radius_um)
    grid = 0.0
    if sorted_edge > widest:
        bins = min(_DENSE_BINS_PER_POINT * n + 4096.0, volume / widest**3)
        grid = n * (_SORTED + _FLOAT) + bins * 4 * _DOUBLE
    around = reach_um + min(sorted_edge, widest)
    near = min(float(n_cells), extent.neighbors_within(around) * n_cells / max(n, 1))
    buffers = of.n_threads * near * (8 + lanes + width) * _FLOAT
    shortest = 1.6 * extent.smallest_radius_um
    longest = float(np.hypot(min(reach_um, extent.diameter_um), 2.0 * extent.largest_radius_um))
    return lists + grid + buffers + _table_bytes(of, columns, shortest, longest)


def _direct_bytes(
    of: Population, sweep: Sweep, width: int, n_sources: int, reach_um: float
) -> float:
    """Sources, grids, histograms and tables of a sum over all pairs in double precision."""
    extent = of.extent
    n = extent.n_cells
    source, point = 5 * _DOUBLE + _FLOAT, 4 * _DOUBLE
    lists = n_sources * extent.images_within(reach_um) * (2 * source + point)
    lists += n * (point + _DOUBLE)
    # 0.2 um or 0.04 radii from node to node, about 50 more near contact (population_direct.cpp).
    step = min(0.2, 0.04 * extent.smallest_radius_um)
    longest = min(sweep.reach_um + 2.0 * extent.largest_radius_um, extent.diameter_um)
    nodes = longest / step + 200.0
    slots = of.n_classes * 3
    tables = of.n_classes**2 * of.n_compartments * nodes * width
    return lists + _DOUBLE * (tables + of.n_threads * nodes * slots)


def monte_carlo_memory(
    of: Population, columns: Columns, *, realization: bool, hits: bool
) -> Memory:
    """Memory of method "monte_carlo"."""
    n, agents = of.extent.n_cells, columns.n_agents
    classes = len(columns.emissions)
    core, full = _DOUBLE * columns.core, _DOUBLE * columns.full
    target_class = _DOUBLE * len(TARGETS) * classes  # one number per target and class
    scored = (_HITS_OF_REALIZATION if realization else _HITS_OF_MEAN) if hits else 0
    result = core * (1 if realization else 2) + scored * target_class
    sums = (_SUMS_WITH_HITS if hits else _SUMS) * _DOUBLE * classes
    # The moments of a mean are copied to the order of the caller when all batches are done.
    moments = 0 if realization else scored * target_class
    held = _scene_bytes(of) + n * _DOUBLE * (len(TARGETS) + 3 * agents)
    slots = 6 * _DOUBLE + 1
    transport = held + n * ((agents - 1) * result + result + sums + moments + slots)
    dose = columns.output * columns.item_bytes
    labeled = agents * full if "emission" in columns.kept else 0
    stack = product = agents * full
    summed = 0 if "nuclide" in columns.kept else full
    labels = _DOUBLE * len(TARGETS) * len(EMISSIONS)
    doses = dose if realization else 2 * dose
    tables = (2 if realization else 4) * labels if hits else 0
    after = held + n * (agents * result + stack)
    stages = [transport, after + n * labeled, after + n * (product + summed + dose)]
    if not realization:
        stages.append(after + n * (2 * dose + labeled + stack + product + summed))
    if hits:
        kept = doses + (0 if realization else labeled)
        stages.append(after + n * (kept + (_HIT_TABLES if realization else _MEAN_TABLES) * labels))
    return Memory(float(n * (doses + tables)), float(max(stages) + _FIXED_BYTES))


def _scene_bytes(of: Population) -> float:
    """Cells, their order, and the voxels that list them."""
    extent = of.extent
    n = extent.n_cells
    box = np.array(extent.box_um) + 2.0 * extent.largest_radius_um
    mean = 0.5 * (extent.smallest_radius_um + extent.largest_radius_um)
    volume = float(np.prod(box))
    voxels = min(volume / (2.0 * mean) ** 3, 4.0 * n + 64.0)
    # Cells are listed in the eight voxels that they touch; half of the last groups are empty.
    groups = min(_LANES * n, voxels) + 0.6 * n
    offsets = n * 6 * _DOUBLE if of.has_offsets else 0.0
    return n * 8 * _DOUBLE + groups * _BYTES_PER_GROUP + voxels * _DOUBLE + offsets
