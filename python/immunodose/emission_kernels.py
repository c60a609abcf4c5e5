# SPDX-License-Identifier: BSD-3-Clause
"""Radial kernels of one emission class under each deterministic transport model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immunodose import _core
from immunodose.errors import InputError
from immunodose.kernels import shipped_kernels, shipped_table
from immunodose.photon_kernels import shipped_photon_table
from immunodose.typing import Emission, FloatArray

if TYPE_CHECKING:
    import xarray as xr

# Photons are scored this far from the decay, and what is left escapes: a thousand cell radii,
# beyond which they are no longer a matter of cells (docs/theory/photons.md).
PHOTON_REACH_UM = 1000.0
# Recoil nuclei are absorbed at the decay: their tracks, under 0.1 um, are no matter of cells
# (docs/theory/physics.md, section 5).
RECOIL_REACH_UM = 1e-3

# Monte Carlo absorbs slower electrons where they are: ElectronOptions in the core.
ELECTRON_CUTOFF_KEV = 0.05
# Slowest electrons that the core follows, and the fastest that it always follows collision by
# collision (docs/theory/electrons.md).
LOWEST_CUTOFF_KEV, HIGHEST_CUTOFF_KEV = 0.03, 1.0

# Slower photons are absorbed where they are emitted (docs/theory/photons.md): photon_physics.hpp.
LOWEST_PHOTON_KEV = 1.0

# Below, the range-energy relation of `mird` is a convention (docs/theory/physics.md, section 4).
_MIRD_LOWEST_ELECTRON_KEV = 0.6
# Above the hardest beta of ICRP-107 nothing was ever compared.
_MIRD_HIGHEST_ELECTRON_KEV = 20000.0


@dataclass(frozen=True, slots=True)
class RadialKernel:
    """Energy (keV per decay) deposited between consecutive radii (um) around a decay."""

    edge_um: FloatArray
    energy_keV: FloatArray

    @property
    def reach_um(self) -> float:
        """Radius beyond which nothing is deposited."""
        return float(self.edge_um[-1])


@dataclass(frozen=True, slots=True)
class EmissionKernel:
    """Kernel of one class (None: not transported), and where the rest of its energy is.

    All energies in keV per decay: `escaped` leaves (photons beyond their reach, bremsstrahlung);
    `below_tables` and `above_tables` are electrons with scaled kernels of the nearest energy.
    """

    kernel: RadialKernel | None
    escaped_keV: float = 0.0
    below_tables_keV: float = 0.0
    above_tables_keV: float = 0.0


KernelMaker = Callable[[Emission, FloatArray, FloatArray, float], EmissionKernel]


def mird_kernel(
    emission: Emission, energy_keV: FloatArray, yields: FloatArray, density_g_per_cm3: float
) -> EmissionKernel:
    """Straight CSDA tracks of alphas and electrons; nothing else. Eq. 6 of physics.md."""
    if emission not in ("alpha", "beta", "auger_ce"):
        return EmissionKernel(None)
    if emission != "alpha" and energy_keV.max() > _MIRD_HIGHEST_ELECTRON_KEV:
        raise InputError(
            f"{emission} energy {energy_keV.max():g} keV lies above the range-energy relation "
            f"({_MIRD_HIGHEST_ELECTRON_KEV:g} keV). Is it in eV?"
        )
    kernel = RadialKernel(
        *_core.physics.csda_kernel(
            energy_keV=energy_keV,
            yield_per_decay=yields,
            alpha=emission == "alpha",
            density_g_per_cm3=density_g_per_cm3,
        )
    )
    if emission == "alpha":
        return EmissionKernel(kernel)
    low = energy_keV < _MIRD_LOWEST_ELECTRON_KEV
    return EmissionKernel(kernel, below_tables_keV=float(energy_keV[low] @ yields[low]))


def transported_kernel(
    emission: Emission, energy_keV: FloatArray, yields: FloatArray, density_g_per_cm3: float
) -> EmissionKernel:
    """Kernels with scattering and straggling; photons and recoils too.

    Eqs. K4-K6 of docs/theory/kernels.md, Eq. Ph-15 of docs/theory/photons.md.
    """
    if emission == "alpha":
        return EmissionKernel(
            RadialKernel(
                *_core.physics.csda_kernel(
                    energy_keV=energy_keV,
                    yield_per_decay=yields,
                    alpha=True,
                    density_g_per_cm3=density_g_per_cm3,
                    straggling=True,
                )
            )
        )
    if emission == "recoil":
        edge = np.array([0.0, RECOIL_REACH_UM])
        return EmissionKernel(RadialKernel(edge, np.array([float(energy_keV @ yields)])))
    if emission == "photon":
        edge, energy, escaped = _core.physics.photon_kernel(
            energy_keV=energy_keV,
            yield_per_decay=yields,
            density_g_per_cm3=density_g_per_cm3,
            reach_um=PHOTON_REACH_UM,
            electrons=shipped_photon_table(),
        )
        return EmissionKernel(RadialKernel(edge, energy), escaped_keV=escaped)
    edge, energy, radiated, below = shipped_table().fold(
        energy_keV=energy_keV, yield_per_decay=yields, density_g_per_cm3=density_g_per_cm3
    )
    high = energy_keV > shipped_kernels().energy_keV[-1]
    return EmissionKernel(
        RadialKernel(edge, energy),
        escaped_keV=radiated,
        below_tables_keV=below,
        above_tables_keV=float(energy_keV[high] @ yields[high]),
    )


def fraction_below(table: xr.Dataset, classes: Sequence[Emission], cutoff_keV: float) -> float:
    """Return the share of the energy of some classes in a table that comes in below a cut-off."""
    energy = table["energy"].values.astype(np.float64)
    weight = energy * table["yield_per_decay"].values.astype(np.float64)
    own = np.isin(table["emission"].values.astype(str), classes)
    total = float(weight[own].sum())
    return float(weight[own & (energy < cutoff_keV)].sum()) / total if total else 0.0


def require_electron_cutoff(electron_cutoff_keV: float) -> float:
    """Return the cut-off of Monte Carlo, keV, or raise InputError if it is out of range."""
    if not isinstance(electron_cutoff_keV, (int, float)) or not (
        LOWEST_CUTOFF_KEV <= electron_cutoff_keV <= HIGHEST_CUTOFF_KEV  # NaN too
    ):
        raise InputError(
            f"invalid electron_cutoff_keV={electron_cutoff_keV!r} (allowed: {LOWEST_CUTOFF_KEV:g} "
            f"to {HIGHEST_CUTOFF_KEV:g}; default {ELECTRON_CUTOFF_KEV:g})."
        )
    return float(electron_cutoff_keV)


def electron_fraction_below_cutoff(table: xr.Dataset, cutoff_keV: float) -> float:
    """Return the share of the electron energy of a table that Monte Carlo absorbs at the decay."""
    return fraction_below(table, ("beta", "auger_ce"), cutoff_keV)


def photon_fraction_at_decay(table: xr.Dataset) -> float:
    """Return the share of the photon energy of a table that is absorbed where it is emitted."""
    return fraction_below(table, ("photon",), LOWEST_PHOTON_KEV)
