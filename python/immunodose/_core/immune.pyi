# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from immunodose.typing import FloatArray, IntArray, RealArray

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
    killers: Sequence[tuple[RealArray, float, float, RealArray | None, RealArray, RealArray]],
    first_radiation: RealArray,
    values: Sequence[RealArray],
    n_threads: int,
) -> list[float]: ...
def radiation_survivors(
    log_survival: RealArray, share: RealArray | None, delivered: npt.ArrayLike, n_threads: int
) -> float: ...
def advance_hits(
    rate: RealArray,
    weight_before: float,
    weight_now: float,
    before: RealArray,
    n_hits: int,
    recovery_per_d: float,
    step_d: float,
    hits: RealArray,
    exponent: RealArray,
    n_threads: int,
) -> None: ...

_Floats = npt.NDArray[np.float32]
_Bytes = npt.NDArray[np.uint8]
_Rows = npt.NDArray[np.int32]

def agent_bins(
    x_um: _Floats, y_um: _Floats, z_um: _Floats, reach_um: float
) -> tuple[list[float], list[float], list[int]]: ...
def sorted_points(
    x_um: _Floats,
    y_um: _Floats,
    z_um: _Floats,
    id: IntArray,
    kept: _Bytes,
    low_um: Sequence[float],
    edge_um: Sequence[float],
    n_bins: Sequence[int],
) -> tuple[IntArray, _Rows]: ...
def order_by_cubes(
    x_um: _Floats, y_um: _Floats, z_um: _Floats, kept: _Bytes, edge_um: float
) -> IntArray: ...
def step_immune_cells(
    id: IntArray,
    x_um: _Floats,
    y_um: _Floats,
    z_um: _Floats,
    target: _Rows,
    phenotype: _Bytes,
    contact_min: _Floats,
    stimulated_min: _Floats,
    event: _Bytes,
    target_x_um: _Floats,
    target_y_um: _Floats,
    target_z_um: _Floats,
    starts: _Rows,
    susceptibility_per_d: Sequence[_Floats],
    bin_low_um: Sequence[float],
    bin_edge_um: Sequence[float],
    n_bins: Sequence[int],
    tissue_low_um: Sequence[float],
    tissue_edge_um: float,
    n_voxels: Sequence[int],
    tissue: _Bytes,
    phenotypes: npt.ArrayLike,
    root: int,
    step: int,
    duration_min: float,
    reach_um: float,
    hits_to_kill: Sequence[int],
    n_threads: int,
) -> tuple[_Rows, _Rows, _Floats]: ...
def entries(mean: float, n_points: int, kind: int, step: int, root: int) -> IntArray: ...
def step_tumor_cells(
    id: IntArray,
    target_x_um: _Floats,
    state: _Bytes,
    event_d: _Floats,
    radiation_d: _Floats,
    division_d: _Floats,
    death_d: _Floats,
    cause: _Bytes,
    hits: _Bytes,
    hit_d: _Floats,
    hit_target: _Rows,
    hit_killer_id: IntArray,
    hit_attack: _Rows,
    hit_time_min: _Floats,
    root: int,
    step: int,
    begin_d: float,
    end_d: float,
    hits_to_kill: Sequence[int],
    recovery_per_d: float,
    radiation_clearance_per_d: float,
    immune_clearance_per_d: float,
    division_per_d: float,
    n_threads: int,
) -> tuple[IntArray, IntArray, IntArray]: ...
def division_waits(id: IntArray, step: int, division_per_d: float, root: int) -> _Floats: ...
def radiation_death(
    id: IntArray,
    log_survival: npt.ArrayLike,
    share: npt.ArrayLike,
    delivered: npt.ArrayLike,
    time_d: npt.ArrayLike,
    from_index: int,
    root: int,
    n_threads: int,
) -> _Floats: ...
def daughter_places(
    x_um: _Floats,
    y_um: _Floats,
    z_um: _Floats,
    starts: _Rows,
    state: _Bytes,
    radius_um: _Floats,
    id: IntArray,
    bin_low_um: Sequence[float],
    bin_edge_um: Sequence[float],
    n_bins: Sequence[int],
    mothers: IntArray,
    overlap: float,
    n_tries: int,
    root: int,
    step: int,
) -> _Floats: ...
