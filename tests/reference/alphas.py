# SPDX-License-Identifier: BSD-3-Clause
"""Slow copies of the formulas for alpha straggling and recoils (docs/theory/physics.md)."""

from __future__ import annotations

import math

import numpy as np

ELECTRON_KEV = 510.99895
ELECTRON_RADIUS_UM = 2.8179403e-9
FINE_STRUCTURE = 1.0 / 137.035999
ALPHA_KEV = 3727379.4


def loss_variance_keV2(energy_keV: float, length_um: float, density: float) -> float:
    """Eq. 6a with electrons of H and O one by one."""
    beta2 = 1.0 - (1.0 + energy_keV / ALPHA_KEV) ** -2
    molecules_per_um3 = 6.02214076e23 / 18.01528 * density * 1e-12
    x = math.log(max(1.0, energy_keV / 4.001506179))
    powers = (0.2865, 0.1266, -0.001429, 0.02402, -0.01135, 0.001475)
    charge2 = 4.0 * (1.0 - math.exp(-sum(c * x**k for k, c in enumerate(powers))))
    electrons = 0.0
    for atoms, z in ((2, 1), (1, 8)):
        chi = beta2 / FINE_STRUCTURE**2 / z
        factor = 1.0 if chi >= 3.0 else min(1.0, 0.5 * (1.36 * chi**0.5 - 0.016 * chi**1.5))
        electrons += atoms * z * factor
    bohr = 4.0 * math.pi * (ELECTRON_RADIUS_UM * ELECTRON_KEV) ** 2 * charge2
    relativistic = (1.0 - beta2 / 2.0) / (1.0 - beta2)
    return bohr * molecules_per_um3 * electrons * length_um * relativistic


def recoil_let_keV_per_um(energy_keV: float, a: int, z: int, density: float) -> float:
    """Eq. 6e."""
    molecules_per_cm3 = 6.02214076e23 / 18.015 * density
    total_eV_cm2 = 0.0
    for atoms, z2, m2 in ((2, 1, 1.008), (1, 8, 15.999)):
        both = z**0.23 + z2**0.23
        eps = 32.53 * m2 * energy_keV / (z * z2 * (a + m2) * both)
        if eps > 30.0:
            reduced = np.log(eps) / (2.0 * eps)
        else:
            reduced = np.log(1.0 + 1.1383 * eps) / (
                2.0 * (eps + 0.01321 * eps**0.21226 + 0.19593 * eps**0.5)
            )
        total_eV_cm2 += atoms * 8.462e-15 * z * z2 * a * reduced / ((a + m2) * both)
    return float(molecules_per_cm3 * total_eV_cm2) * 1e-7
