# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

def find_overlaps(
    x_um: npt.ArrayLike,
    y_um: npt.ArrayLike,
    z_um: npt.ArrayLike,
    radius_um: npt.ArrayLike,
    relative_tolerance: float,
    n_threads: int,
) -> tuple[int, int, int, float, bool]: ...

class SortedCells:
    def __init__(
        self,
        x_um: npt.ArrayLike,
        y_um: npt.ArrayLike,
        z_um: npt.ArrayLike,
        radius_um: npt.ArrayLike,
        n_threads: int,
    ) -> None: ...
    def find_overlaps(
        self, radius_um: npt.ArrayLike, relative_tolerance: float, n_threads: int
    ) -> tuple[int, int, int, float, bool]: ...

def pack_random(
    planar: bool,
    cell_radius_um: npt.ArrayLike,
    n_cells: int,
    outer_radius_um: float,
    n_sweeps: int,
    random_root: int,
    n_threads: int,
    report: Callable[[float], None] | None,
) -> tuple[_Array, _Array, _Array, _Array, float]: ...
def pack_close(
    planar: bool,
    cell_radius_um: float,
    n_cells: int,
    outer_radius_um: float,
    n_sweeps: int,
    random_root: int,
    n_threads: int,
    report: Callable[[float], None] | None,
) -> tuple[_Array, _Array, _Array]: ...
def line_distances(
    x_um: npt.ArrayLike,
    y_um: npt.ArrayLike,
    z_um: npt.ArrayLike,
    line_point_um: npt.ArrayLike,
    line_direction: npt.ArrayLike,
    edge_um: float,
    n_threads: int,
) -> _Array: ...
def smallest_outer_radius_um(planar: bool, cell_radius_um: float, n_cells: int) -> float: ...
def max_cells(planar: bool, cell_radius_um: float, outer_radius_um: float) -> int: ...
