# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/dna_damage.md, written to be read beside it."""

from __future__ import annotations

import math

# Kundrat et al. Sci Rep 2020;10:15775, Table 2, total DSB of 4He.
HELIUM = (6.8, 0.1679, 0.9704, 0.004323, 1.359)
# Stewart et al. Phys Med Biol 2015;60:8249, normoxic cells, relative to 60Co, as coded in TOPAS.
MCDS = (0.9902, 2.411, 7.32e-4, 1.539)
ELECTRON_REST_KEV = 510.99895


def helium_per_Gy_and_Gbp(let_keV_per_um: float) -> float:
    """Eq. 2 times the low-LET limit, as the paper prints it."""
    p1, p2, p3, p4, p5 = HELIUM
    return (p1 + (p2 * let_keV_per_um) ** p3) / (1.0 + (p4 * let_keV_per_um) ** p5)


def mcds_rbe(charge_over_beta_squared: float) -> float:
    """Eq. 3 for a particle of effective charge and speed."""
    a, b, c, d = MCDS
    return a + b - (b ** (1 - d) + c * charge_over_beta_squared * (d - 1)) ** (1 / (1 - d))


def electron_beta_squared(energy_keV: float) -> float:
    gamma = 1.0 + energy_keV / ELECTRON_REST_KEV
    return 1.0 - 1.0 / gamma**2


def electron_let_keV_per_um(energy_keV: float) -> float:
    """Eq. 4 from fundamental constants, in SI, as Berger and Seltzer write it."""
    gamma = 1.0 + energy_keV / ELECTRON_REST_KEV
    beta2 = electron_beta_squared(energy_keV)
    tau = gamma - 1.0
    electrons_per_m3 = 6.02214076e23 * 10.0 / 18.01528e-3 * 1e3  # water at 1 g cm-3
    radius_m, rest_J = 2.8179403e-15, 8.1871058e-14
    i_over_rest = 78.0 / (ELECTRON_REST_KEV * 1e3)
    f = 1 - beta2 + (tau**2 / 8 - (2 * tau + 1) * math.log(2)) / gamma**2
    bracket = math.log(tau**2 * (tau + 2) / (2 * i_over_rest**2)) + f
    slope_J_per_m = 2 * math.pi * radius_m**2 * rest_J * electrons_per_m3 / beta2 * bracket
    return slope_J_per_m / 1.602176634e-16 * 1e-6


def electron_energy_keV(let_keV_per_um: float) -> float:
    """Invert Eq. 4 by bisection between 0.2 keV and 1 MeV, where it falls."""
    low, high = 0.2, 1000.0
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (
            (middle, high) if electron_let_keV_per_um(middle) > let_keV_per_um else (low, middle)
        )
    return math.sqrt(low * high)
