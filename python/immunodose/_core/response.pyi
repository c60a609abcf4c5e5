# SPDX-License-Identifier: BSD-3-Clause
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
def sphere_kill_per_hit(y: float) -> float: ...
def event_alpha_from_slope(
    slope_per_Gy: float, let_keV_per_um: float, nucleus_radius_um: float
) -> float: ...
