# SPDX-License-Identifier: BSD-3-Clause
from typing import Any

import numpy.typing as npt

from immunodose.typing import FloatArray

def quadrature_from_moments(moments: npt.ArrayLike) -> tuple[FloatArray, FloatArray]: ...
def log_survival(
    moments: npt.ArrayLike,
    linear: npt.ArrayLike,
    root: npt.ArrayLike,
    protraction: npt.ArrayLike,
    alpha_per_Gy: float,
    beta_per_Gy2: float,
    n_threads: int,
) -> tuple[FloatArray, list[int]]: ...
def mean_dose_log_survival(
    linear: npt.ArrayLike,
    root: npt.ArrayLike,
    protraction: npt.ArrayLike,
    event_share: npt.ArrayLike,
    n_threads: int,
) -> FloatArray: ...
def segment_specific_energy(
    energy_keV: float, let_keV_per_um: float, radius_um: float, distance_um: float
) -> float: ...
def region_specific_energies(
    energy_keV: npt.ArrayLike,
    let_keV_per_um: npt.ArrayLike,
    radius_um: float,
    saturation_Gy: float,
    n_threads: int,
) -> tuple[FloatArray, FloatArray]: ...
def sphere_kill_per_hit(y: float) -> float: ...
def event_alpha_from_slope(
    slope_per_Gy: float, let_keV_per_um: float, nucleus_radius_um: float
) -> float: ...
def sum_of_courses(
    dose: npt.ArrayLike, density: npt.ArrayLike, single_precision: bool, n_threads: int
) -> npt.NDArray[Any]: ...
def protraction_of_pairs(
    rate_per_s: npt.ArrayLike,
    edge_parent: npt.ArrayLike,
    edge_daughter: npt.ArrayLike,
    edge_fraction: npt.ArrayLike,
    initial_atoms: npt.ArrayLike,
    repair_weight: npt.ArrayLike,
    repair_rate_per_s: npt.ArrayLike,
) -> FloatArray: ...
def lea_catcheside_of_doses(
    dose: npt.ArrayLike, pair: npt.ArrayLike, n_threads: int
) -> FloatArray: ...
def lea_catcheside_of_curves(
    time: npt.ArrayLike,
    dose_rate: npt.ArrayLike,
    repair_weight: npt.ArrayLike,
    repair_rate: npt.ArrayLike,
    n_threads: int,
) -> FloatArray: ...
