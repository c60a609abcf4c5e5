# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from immunodose.typing import FloatArray, RealArray

class ResponseCurve:
    def __init__(self, poisson: bool, half: float, power: float) -> None: ...

class SignalConstants:
    damage: ResponseCurve
    dna: ResponseCurve
    membrane: ResponseCurve
    window: ResponseCurve
    ifn1: ResponseCurve
    vesicle: ResponseCurve
    ifn_gamma: ResponseCurve
    trex1_rate: float
    trex1_loss: float
    trex1_half: float
    ifn1_rate: float
    ifn1_loss: float
    vesicle_rate: float
    vesicle_loss: float
    damage_gain: float
    membrane_gain: float
    ifn1_gain: float
    vesicle_gain: float
    mhc1_turnover: float
    mhc1_ifn_gamma_gain: float
    pdl1_rate: float
    pdl1_excess: float
    recognized_share: float
    induced_share: float
    def __init__(self) -> None: ...

class SignalTables:
    damage: npt.NDArray[np.float32]
    dna: npt.NDArray[np.float32]
    membrane: npt.NDArray[np.float32]
    window: npt.NDArray[np.float32]
    def __init__(self) -> None: ...

class SignalArrays:
    damage: npt.NDArray[np.float32]
    dna: npt.NDArray[np.float32]
    membrane: npt.NDArray[np.float32]
    window: npt.NDArray[np.float32]
    baseline: npt.NDArray[np.float32]
    inducibility: npt.NDArray[np.float32]
    ifn_gamma_route: npt.NDArray[np.float32]
    assembly: npt.NDArray[np.float32]
    ifn_gamma: npt.NDArray[np.float32]
    driver: npt.NDArray[np.float32]
    trex1: npt.NDArray[np.float32]
    ifn1: npt.NDArray[np.float32]
    vesicle: npt.NDArray[np.float32]
    mhc1: npt.NDArray[np.float32]
    pdl1: npt.NDArray[np.float32]
    damage_response: npt.NDArray[np.float32]
    pmhc: npt.NDArray[np.float32]
    def __init__(self) -> None: ...

def advance_signals(
    constants: SignalConstants,
    tables: SignalTables,
    arrays: SignalArrays,
    duration_d: float,
    ifn_gamma: float,
    n_threads: int,
) -> None: ...
def emit_signals(
    constants: SignalConstants,
    tables: SignalTables,
    arrays: SignalArrays,
    duration_d: float,
    ifn_gamma: float,
    n_threads: int,
) -> None: ...
def respond_to_signals(
    constants: SignalConstants,
    tables: SignalTables,
    arrays: SignalArrays,
    duration_d: float,
    ifn_gamma: float,
    n_threads: int,
) -> None: ...
def deposit_in_voxels(
    grid: FloatArray,
    voxel: npt.ArrayLike,
    amount: npt.NDArray[np.float32],
    n_threads: int,
) -> None: ...
def sample_voxels(
    grid: FloatArray,
    voxel: npt.ArrayLike,
    factor: float,
    value: npt.NDArray[np.float32],
    n_threads: int,
) -> None: ...
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
def poisson_at_least(mean: float, k: int) -> float: ...
def susceptibility(
    pmhc: RealArray,
    pdl1_fold: RealArray | None,
    at_least: int,
    half: float,
    power: float,
    proofread: float,
    free_share: float,
    pdl1_half: float,
    pdl1_power: float,
    recognition: RealArray | None,
    out: RealArray,
    n_threads: int,
) -> None: ...
def missing_self(
    mhc1: RealArray | None,
    ligand: RealArray | None,
    half: float,
    power: float,
    out: RealArray,
    n_threads: int,
) -> None: ...
def compete(
    log_survival: RealArray,
    share: RealArray | None,
    delivered_before: npt.ArrayLike,
    delivered_now: npt.ArrayLike,
    killers: Sequence[tuple[RealArray, float, RealArray | None, RealArray, RealArray]],
    first_radiation: RealArray,
    values: Sequence[RealArray],
    step_d: float,
    n_threads: int,
) -> list[float]: ...
def advance_hits(
    rate: RealArray,
    factor: float,
    before: RealArray,
    n_hits: int,
    recovery_per_d: float,
    step_d: float,
    hits: RealArray,
    exponent: RealArray,
    n_threads: int,
) -> None: ...
