# SPDX-License-Identifier: BSD-3-Clause
import numpy.typing as npt

from immunodose.typing import FloatArray

def hill(x: float, half: float, power: float) -> float: ...
def filtered_induction(
    dose_Gy: npt.ArrayLike,
    memory: npt.ArrayLike,
    time_d: npt.ArrayLike,
    output_index: npt.ArrayLike,
    half_dose_Gy: float,
    power: float,
    turnover_per_d: float,
    n_threads: int,
) -> FloatArray: ...
def mean_survival(
    log_survival: npt.ArrayLike,
    share: npt.ArrayLike,
    delivered: npt.ArrayLike,
    n_times: int,
    n_threads: int,
) -> FloatArray: ...
def kill(
    log_survival: npt.ArrayLike,
    share: npt.ArrayLike,
    delivered: npt.ArrayLike,
    pmhc: npt.ArrayLike,
    time_d: npt.ArrayLike,
    effectors: npt.ArrayLike,
    pmhc_left: npt.ArrayLike,
    pmhc_weight: npt.ArrayLike,
    output_index: npt.ArrayLike,
    rate_per_d: float,
    half_pmhc: float,
    power: float,
    n_threads: int,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]: ...
