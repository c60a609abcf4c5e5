# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from immunodose._core.geometry import SortedCells

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
# Semi-axes of cell and nucleus, offset of the nucleus; each along x, y, z.
_Axes = Sequence[Sequence[float]]

class AlphaChain:
    def __init__(
        self,
        decays_per_parent_decay: _Floats,
        edge_parent: _Ints,
        edge_daughter: _Ints,
        edge_fraction: _Floats,
        edge_is_alpha: _Ints,
        line_member: _Ints,
        line_energy_keV: _Floats,
        line_yield: _Floats,
    ) -> None: ...

def s_values(
    edge_um: _Floats,
    energy_keV: _Floats,
    source_um: tuple[float, float],
    target_um: tuple[float, float],
    distance_um: _Floats,
    density_g_per_cm3: float,
) -> _Floats: ...
def hit_channels(
    chain: AlphaChain,
    nucleus_radius_um: float,
    source_um: tuple[float, float],
    distance_um: _Floats,
    density_g_per_cm3: float,
    hole_um: float = 0.0,
) -> _Floats: ...
def single_traversal_histogram(
    chain: AlphaChain,
    nucleus_radius_um: float,
    source_um: tuple[float, float],
    density_g_per_cm3: float,
    edge_Gy: _Floats,
    distance_um: float = 0.0,
    hole_um: float = 0.0,
) -> _Floats: ...
def decay_histogram(
    chain: AlphaChain,
    nucleus_radius_um: float,
    source_um: tuple[float, float],
    density_g_per_cm3: float,
    edge_Gy: _Floats,
    distance_um: float = 0.0,
    hole_um: float = 0.0,
) -> _Floats: ...
def largest_specific_energy(
    chain: AlphaChain, nucleus_radius_um: float, density_g_per_cm3: float
) -> list[float]: ...
def hit_histories(
    chain: AlphaChain,
    nucleus_radius_um: float,
    source_um: tuple[float, float],
    distance_um: float,
    hole_um: float,
    density_g_per_cm3: float,
    edge_Gy: _Floats,
    root: int,
    first_history: int,
    n_histories: int,
    straggling: bool,
    n_threads: int,
) -> tuple[_Floats, _Floats, _Ints]: ...
def simd_level() -> str: ...

class TableCache:
    def __init__(self, most_bytes: int) -> None: ...
    def clear(self) -> None: ...
    @property
    def n_tables(self) -> int: ...
    @property
    def n_bytes(self) -> int: ...

def population_dose(
    x_um: _Floats,
    y_um: _Floats,
    z_um: _Floats,
    shape_um: _Floats,
    shape_of: _Ints,
    shape_class_um: _Floats,
    class_of: _Ints,
    time_integrated_activity: _Floats,
    medium_concentration: float,
    membrane_thickness_um: float,
    density_g_per_cm3: float,
    kernels: Sequence[tuple[_Floats, _Floats]],
    targets: Sequence[int],
    alpha_chain: AlphaChain | None,
    split_emission_origin: tuple[bool, bool],
    summation: int,
    rtol: float,
    convolver: object | None,
    sorted_cells: SortedCells | None,
    table_cache: TableCache | None,
    nucleus_offset_um: _Floats,
    box_um: tuple[float, float, float],
    dose_Gy: _Floats | npt.NDArray[np.float32],
    column: _Ints,
    hits: _Floats,
    report: Callable[[float], None] | None,
    n_threads: int,
) -> list[dict[str, Any]]: ...
def cell_monte_carlo(
    source_axes_um: _Axes,
    target_axes_um: _Axes,
    membrane_um: float,
    distance_um: _Floats,
    source_regions: Sequence[int],
    emissions: Sequence[tuple[int, _Floats, _Floats]],
    n_batches: int,
    histories_per_batch: int,
    root: int,
    density_g_per_cm3: float,
    world_radius_um: float,
    detailed: bool,
    cutoff_keV: float,
    longest_step_um: float,
    straggling: bool,
    n_threads: int,
) -> tuple[_Floats, _Floats]: ...
def sample_cell_region(
    axes_um: _Axes, membrane_um: float, region: int, n_points: int, root: int
) -> _Floats: ...
def cell_volumes_um3(axes_um: _Axes, membrane_um: float) -> tuple[float, float, float]: ...

class SphereScene:
    def __init__(
        self,
        x_um: _Floats,
        y_um: _Floats,
        z_um: _Floats,
        cell_radius_um: _Floats,
        nucleus_radius_um: _Floats,
        nucleus_offset_um: _Floats,
        membrane_thickness_um: float,
    ) -> None: ...
    def bounding_radius_um(self) -> float: ...

class DecaySampler:
    def __init__(
        self,
        retention: _Floats,
        in_time: _Floats,
        edge_parent: _Ints,
        edge_daughter: _Ints,
        edge_fraction: _Floats,
        edge_is_alpha: _Ints,
        line_member: _Ints,
        line_emission: _Ints,
        line_energy_keV: _Floats,
        line_yield: _Floats,
    ) -> None: ...
    def largest_energy_keV(self, emission: int) -> float: ...

class DecayTransportCall:
    def __init__(
        self,
        root: int,
        density_g_per_cm3: float,
        straggling: bool,
        lost: int,
        detailed: bool,
        cutoff_keV: float,
        transported: Sequence[int],
        kept: Sequence[bool],
        with_hits: bool,
        medium_decays: float,
        world_radius_um: float,
        n_threads: int,
    ) -> None: ...

def decay_realization(
    scene: SphereScene,
    decays: DecaySampler,
    call: DecayTransportCall,
    time_integrated_activity: _Floats,
    count_index: int,
    first_history: int,
    begin: int,
    end: int,
) -> dict[str, Any]: ...
def decay_mean(
    scene: SphereScene,
    decays: DecaySampler,
    call: DecayTransportCall,
    time_integrated_activity: _Floats,
    count_index: int,
    first_history: int,
    n_histories: int,
    n_batches: int,
) -> dict[str, Any]: ...

class TrackOptions:
    def __init__(
        self,
        root: int,
        history: int,
        density_g_per_cm3: float,
        straggling: bool,
        detailed: bool,
        cutoff_keV: float,
        alpha_step_um: float,
        world_radius_um: float,
        max_points: int,
    ) -> None: ...

def record_decay(decays: DecaySampler, options: TrackOptions) -> dict[str, Any]: ...
def record_particle(particle: int, energy_keV: float, options: TrackOptions) -> dict[str, Any]: ...
def record_history(
    scene: SphereScene,
    decays: DecaySampler,
    call: DecayTransportCall,
    time_integrated_activity: _Floats,
    count_index: int,
    first_history: int,
    history: int,
    max_points: int,
) -> dict[str, Any]: ...
