# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

def evolve_decay_chain(
    rate_per_s: _Floats,
    edge_parent: _Ints,
    edge_daughter: _Ints,
    edge_fraction: _Floats,
    retention: _Floats,
    initial_atoms: _Floats,
    duration_s: float,
) -> tuple[_Floats, _Floats]: ...
def decays_to_infinity(
    rate_per_s: _Floats,
    edge_parent: _Ints,
    edge_daughter: _Ints,
    edge_fraction: _Floats,
    retention: _Floats,
    initial_atoms: _Floats,
) -> _Floats: ...
def alpha_let_keV_per_um(energy_keV: _Floats, density_g_per_cm3: float) -> _Floats: ...
def alpha_range_um(energy_keV: _Floats, density_g_per_cm3: float) -> _Floats: ...
def alpha_residual_energy_keV(range_um: _Floats, density_g_per_cm3: float) -> _Floats: ...
def cole_range_um(energy_keV: _Floats) -> _Floats: ...
def cole_energy_keV(range_um: _Floats) -> _Floats: ...
def csda_kernel(
    energy_keV: _Floats, yield_per_decay: _Floats, alpha: bool, density_g_per_cm3: float
) -> tuple[_Floats, _Floats]: ...
def photon_kernel(
    energy_keV: _Floats, yield_per_decay: _Floats, density_g_per_cm3: float, reach_um: float
) -> tuple[_Floats, _Floats, float]: ...
def photon_attenuation_per_um(
    energy_keV: _Floats, density_g_per_cm3: float
) -> tuple[_Floats, _Floats, _Floats, _Floats]: ...
def photon_energy_transfer_per_um(energy_keV: _Floats, density_g_per_cm3: float) -> _Floats: ...
def photon_energy_absorption_per_um(energy_keV: _Floats, density_g_per_cm3: float) -> _Floats: ...
