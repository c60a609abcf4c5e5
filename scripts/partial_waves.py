# SPDX-License-Identifier: BSD-3-Clause
"""Total and transport elastic cross-sections of hydrogen and oxygen, in squared Bohr radii.

Prints the table that stands in cpp/src/physics/electron_elastic.cpp (minutes of work):

    python scripts/partial_waves.py

Phase shifts of a relativistic, spinless electron in the analytical Dirac-Hartree-Fock-Slater
potential of Salvat et al., Phys Rev A 1987;36:467, by the variable-phase equation; above 100 keV
first Born cross-sections times the ratio found there. Eqs. E12-E13, docs/theory/electrons.md.
"""

from __future__ import annotations

import numpy as np
from scipy.special import spherical_jn, spherical_yn

FINE_STRUCTURE = 1.0 / 137.035999
REST_keV = 510.99895
# Amplitudes and inverse screening lengths (1/a0) of the potential, Salvat et al. 1987, Table I.
POTENTIAL = {
    1: ((-184.39, 185.39), (2.0027, 1.9973)),
    8: ((0.0625, 0.9375), (14.823, 2.0403)),
}
RANGE_BOHR = 12.0


def wave_number(energy_keV: float) -> float:
    """Return the wave number in 1/a0."""
    return float(np.sqrt(energy_keV * (energy_keV + 2 * REST_keV)) / REST_keV / FINE_STRUCTURE)


def phase_shifts(energy_keV: float, z: int) -> np.ndarray:
    """Return the phase shifts of all partial waves that the potential reaches."""
    k = wave_number(energy_keV)
    gamma = 1.0 + energy_keV / REST_keV
    order = np.arange(int(6.0 * k) + 20)
    amplitude, screening = POTENTIAL[z]

    def slope(r: float, phase: np.ndarray) -> np.ndarray:
        screened = sum(a * np.exp(-s * r) for a, s in zip(amplitude, screening, strict=True))
        potential = -z / r * screened
        strength = 2 * gamma * potential - (FINE_STRUCTURE * potential) ** 2
        x = k * r
        regular, irregular = x * spherical_jn(order, x), x * spherical_yn(order, x)
        usable = np.isfinite(irregular) & (np.abs(irregular) < 1e8)
        wave = np.cos(phase) * regular - np.sin(phase) * np.where(usable, irregular, 0.0)
        return -strength / k * wave**2

    r, phase = 1e-4, np.zeros(order.size)
    while r < RANGE_BOHR:
        step = min(0.02 * r if r < 0.2 else 0.02, 0.25 / k) if r > 1e-3 else 0.05 * r
        k1 = slope(r, phase)
        k2 = slope(r + step / 2, phase + step / 2 * k1)
        k3 = slope(r + step / 2, phase + step / 2 * k2)
        k4 = slope(r + step, phase + step * k3)
        phase = phase + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        r += step
    return phase


def partial_wave_sections(energy_keV: float, z: int) -> tuple[float, float]:
    """Return total and transport cross-section in a0^2."""
    k = wave_number(energy_keV)
    phase = phase_shifts(energy_keV, z)
    order = np.arange(phase.size)
    total = 4 * np.pi / k**2 * np.sum((2 * order + 1) * np.sin(phase) ** 2)
    transport = 4 * np.pi / k**2 * np.sum((order[:-1] + 1) * np.sin(np.diff(phase)) ** 2)
    return float(total), float(transport)


def born_sections(energy_keV: float, z: int) -> tuple[float, float]:
    """Return the same in the first Born approximation."""
    k = wave_number(energy_keV)
    gamma = 1.0 + energy_keV / REST_keV
    mu = np.concatenate([[0.0], np.geomspace(1e-12, 1.0, 20001)])
    amplitude, screening = POTENTIAL[z]
    form = sum(a / (s * s + 4 * k * k * mu) for a, s in zip(amplitude, screening, strict=True))
    density = 4 * np.pi * (2 * gamma * z * form) ** 2
    return float(np.trapezoid(density, mu)), float(np.trapezoid(2 * mu * density, mu))


def main() -> None:
    """Print energy, and total and transport cross-sections of both elements."""
    energies = 0.01 * 1.6 ** np.arange(28)
    low = [e for e in energies if e < 100.0]
    for z in POTENTIAL:
        ratio = (1.0, 1.0)
        for energy in energies:
            born = born_sections(energy, z)
            if energy in low:
                sections = partial_wave_sections(energy, z)
                ratio = (sections[0] / born[0], sections[1] / born[1])
            else:
                sections = (born[0] * ratio[0], born[1] * ratio[1])
            print(f"{z} {energy:.6g} {sections[0]:.5g} {sections[1]:.5g}", flush=True)


if __name__ == "__main__":
    main()
