# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracle of electrons: energy losses by quadrature, and kernels folded line by line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REST_KEV = 510.99895  # CODATA 2018
ELECTRON_RADIUS_UM = 2.8179403262e-9  # CODATA 2018
MOLECULES_PER_UM3 = 6.02214076e23 / 18.01528 * 1e-12  # of water at 1 g/cm3
GAP_KEV = 0.007
BINDING_KEV = 0.0108
K_EDGE_KEV, K_POWER = 0.539, 1.7605
REACH_RANGES = 1.25


def optical_strength(loss_keV: Floats) -> Floats:
    """df/dW per molecule, 1/keV: two damped oscillators and the K shell of oxygen."""
    w = 1e3 * loss_keV
    total = np.zeros_like(w)
    for strength, energy, width, fall_at, power in (
        (4.2591, 21.913, 12.621, 258.4, 4.997),
        (4.3677, 41.797, 40.545, 970.4, 1.513),
    ):
        line = width * w / ((w**2 - energy**2) ** 2 + (width * w) ** 2)
        total += 2.0 / np.pi * w * strength * line / (1.0 + (w / fall_at) ** power)
    total /= 1.0 + np.exp(-(w - 9.0) / 0.8)
    edge = 1e3 * K_EDGE_KEV
    k_shell = 1.8229 * K_POWER / edge * (edge / np.maximum(w, edge)) ** (K_POWER + 1.0)
    return np.where(loss_keV < GAP_KEV, 0.0, 1e3 * (total + np.where(w > edge, k_shell, 0.0)))


def loss_function(loss_keV: Floats) -> Floats:
    """Im(-1/epsilon) of liquid water at vanishing momentum transfer."""
    # (pi/2) f Ep^2/(10 W): Ep^2 = 4 pi (hbar c)^2 r_e times ten electrons per molecule, keV2.
    hbar_c_keV_um = 1.973269804e-4  # CODATA 2018
    plasma2 = 40.0 * np.pi * hbar_c_keV_um**2 * ELECTRON_RADIUS_UM * MOLECULES_PER_UM3
    return np.pi * plasma2 * optical_strength(loss_keV) / (20.0 * loss_keV)


def dielectric_function(loss_keV: Floats) -> npt.NDArray[np.complex128]:
    """Epsilon by the Kramers-Kronig relation of 1/epsilon, the pole taken off."""
    grid = np.geomspace(GAP_KEV, 300.0, 20_001)
    values = grid * loss_function(grid)
    inverse = np.empty(loss_keV.size, dtype=np.complex128)
    for i, w in enumerate(loss_keV):
        here = float(w * loss_function(np.array([w]))[0])
        away = np.abs(grid - w) > 1e-9 * w
        smooth = np.zeros_like(grid)
        smooth[away] = (values[away] - here) / (grid[away] ** 2 - w**2)
        ends = [np.log(abs((end - w) / (end + w))) for end in (grid[-1], grid[0])]
        pole = here * (ends[0] - ends[1]) / (2.0 * w) if w > 0.0 else 0.0
        real = 1.0 - 2.0 / np.pi * (np.trapezoid(smooth, grid) + pole)
        inverse[i] = complex(real, -here / w)
    return 1.0 / inverse


def absorption_strength(loss_keV: Floats) -> Floats:
    """df/dW of the absorption of light per molecule, 1/keV: what photons see, not fast charges."""
    epsilon = dielectric_function(loss_keV)
    screened = np.abs(epsilon) ** 2 / np.sqrt(epsilon).real
    return optical_strength(loss_keV) * screened


def momentum_keV(energy_keV: Floats | float) -> Floats:
    return np.sqrt(np.asarray(energy_keV) * (np.asarray(energy_keV) + 2.0 * REST_KEV))


def free_electrons(loss_keV: Floats) -> Floats:
    """Return the electrons of a molecule that a loss can free, on an ascending grid of losses."""
    strength = optical_strength(loss_keV)
    steps = 0.5 * (strength[1:] + strength[:-1]) * np.diff(loss_keV)
    count: Floats = np.concatenate([[0.0], np.cumsum(steps)])
    # Beyond the grid only the K shell is left.
    last = 1.8229 * (K_EDGE_KEV / loss_keV[-1]) ** K_POWER
    return count * 10.0 / (count[-1] + last)


def loss_moments(energy_keV: float, n: int = 200_000) -> tuple[Floats, Floats]:
    """Return rate (1/um) and stopping power (keV/um) of distant and of close collisions.

    Without density effect: below 0.5 MeV.
    """
    largest = min(energy_keV, 0.5 * (energy_keV + BINDING_KEV))
    grid = np.geomspace(GAP_KEV, 2100.0, n)
    count = free_electrons(grid)
    inside = grid <= largest
    w, count, strength = grid[inside], count[inside], optical_strength(grid[inside])
    gamma = 1.0 + energy_keV / REST_KEV
    beta2 = 1.0 - 1.0 / gamma**2
    factor = (
        2.0 * np.pi * ELECTRON_RADIUS_UM**2 * REST_KEV * MOLECULES_PER_UM3 / beta2
    )  # keV/um per electron of a molecule
    # The smallest recoil takes the whole difference of the momenta.
    least = momentum_keV(energy_keV) - momentum_keV(energy_keV - w)
    recoil = np.sqrt(least**2 + REST_KEV**2) - REST_KEV
    longitudinal = np.log(w * (recoil + 2.0 * REST_KEV) / (recoil * (w + 2.0 * REST_KEV)))
    a = w / energy_keV
    plain = np.log(4.0 / a)
    exchange = ((1.0 - a) * plain - 1.75 * a + a**1.5 - 33.0 / 32.0 * a**2) / plain
    transverse = max(0.0, 2.0 * np.log(gamma) - beta2)
    distant = np.where(recoil < w, longitudinal * np.maximum(0.0, exchange) + transverse, 0.0)
    distant *= factor * strength / w
    x = w / (energy_keV - w)
    moller = 1.0 + x**2 - x + (1.0 - 1.0 / gamma) ** 2 * (x + a**2)
    close = factor * count * moller / w**2
    rate = np.array([np.trapezoid(part, w) for part in (distant, close)])
    stopping = np.array([np.trapezoid(part * w, w) for part in (distant, close)])
    return rate, stopping


def within(
    scaled: Floats, table: tuple[Floats, Floats, Floats, Floats], energy_keV: float
) -> tuple[Floats, float]:
    """Return the fraction of the energy within r = scaled * range, and that range.

    `table`: energies, ranges, scaled distances and fractions within them (energy, distance).
    """
    energies, ranges, nodes, fractions = table
    i = int(np.clip(np.searchsorted(energies, energy_keV) - 1, 0, energies.size - 2))
    t = np.log(energy_keV / energies[i]) / np.log(energies[i + 1] / energies[i])
    from_origin = np.concatenate([[0.0], nodes])
    rows = [
        np.interp(scaled, from_origin, np.concatenate([[0.0], fractions[k]])) for k in (i, i + 1)
    ]
    reach = ranges[i] * (ranges[i + 1] / ranges[i]) ** t
    return (1.0 - t) * rows[0] + t * rows[1], float(reach)


def fold(
    edge_um: Floats,
    table: tuple[Floats, Floats, Floats, Floats],
    radiated: Floats,
    lines: tuple[Floats, Floats],
    density: float,
) -> Floats:
    """Return the energy per bin, keV per decay; every line inside the energies of the table."""
    total = np.zeros(edge_um.size - 1)
    for energy, yields in zip(*lines, strict=True):
        _, range_um = within(np.zeros(1), table, energy)
        scaled = np.minimum(edge_um * density / range_um, REACH_RANGES)
        share, _ = within(scaled, table, energy)
        whole, _ = within(np.array([REACH_RANGES]), table, energy)
        position = np.interp(np.log(energy), np.log(table[0]), np.arange(table[0].size))
        lost = np.interp(position, np.arange(radiated.size), radiated)
        total += np.diff(share) / whole[0] * energy * yields * (1.0 - lost)
    return total
