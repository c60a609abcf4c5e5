# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/response.md, written to be read beside it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
from scipy.integrate import trapezoid

from immunodose import _core


def survival_series(
    n: npt.NDArray[np.float64],
    z_Gy: npt.NDArray[np.float64],
    *,
    alpha: float,
    beta: float,
    g: float,
    linear: float,
    root: float,
    tail: float = 1e-14,
) -> float:
    """Sum over the numbers of decays that hit, each Poisson (Eq. 6 before any transformation)."""
    counts = []
    for mean in n:
        probability, k, rows = math.exp(-mean), 0, []
        while k <= mean or probability > tail:
            rows.append((k, probability))
            k += 1
            probability *= mean / k
        counts.append(rows)
    total = 0.0
    for combination in itertools.product(*counts):
        weight, z_sum, z_squares = 1.0, 0.0, 0.0
        for (k, probability), z in zip(combination, z_Gy, strict=True):
            weight *= probability
            z_sum += k * z
            z_squares += k * z * z
        pairs = g * (math.sqrt(beta) * z_sum + root) ** 2 + (1.0 - g) * beta * z_squares
        total += weight * math.exp(-linear - alpha * z_sum - pairs)
    return total


def sphere_kill_per_hit(y: float, *, n: int = 200_000) -> float:
    """Mean of 1 - exp(-y l / 2R) over the chords of a sphere, density l / 2R^2 (Eq. 11)."""
    u = (np.arange(n) + 0.5) / n
    return float(np.mean((1.0 - np.exp(-y * u)) * 2.0 * u))


def lea_catcheside(
    rates: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
    repair: list[tuple[float, float]],
    *,
    n: int = 40_000,
) -> float:
    """Double time integral of Eq. 2 on a grid; `repair` lists (weight, rate)."""
    end = 40.0 / rates.min()
    t = np.expm1(np.linspace(0.0, math.log1p(end * 1e4), n)) / 1e4
    dose_rate = (shares * rates * np.exp(-rates * t[:, None])).sum(axis=1)
    total = 0.0
    for weight, mu in repair:
        memory = np.zeros(n)  # integral of the dose rate up to t, faded by repair
        for i in range(1, n):
            h = t[i] - t[i - 1]
            fade = math.exp(-mu * h)
            mean_rate = 0.5 * (dose_rate[i] + dose_rate[i - 1])
            memory[i] = memory[i - 1] * fade + mean_rate * (1.0 - fade) / mu
        total += weight * 2.0 * trapezoid(dose_rate * memory, t)
    return float(total)


def fast_alpha_energy_keV(let_keV_per_um: float) -> float:
    """Energy above the peak of the stopping power at which alphas have this LET."""
    energy = np.geomspace(800.0, 12000.0, 4000)
    let = _core.physics.alpha_let_keV_per_um(energy, 1.0)
    return float(np.interp(-let_keV_per_um, -let, energy))


def track_dose(energy_keV: float, let_keV_per_um: float) -> tuple[float, float, float, float]:
    """Core radius, penumbra radius (um), core dose (Gy) and K (Gy um2): Eq. 13-16."""
    gamma = 1.0 + energy_keV / 3727379.4
    beta = math.sqrt(1.0 - 1.0 / gamma**2)
    core = 0.0116 * beta
    reach = max(0.0616 * (energy_keV / 1e3 / 4.001506179) ** 1.7, core)
    charge = 2.0 * (1.0 - math.exp(-125.0 * beta * 2.0 ** (-2.0 / 3.0)))
    k = 1.25e-4 * (charge / beta) ** 2
    whole = let_keV_per_um * 0.1602176634
    dose = (whole - 2.0 * math.pi * k * math.log(reach / core)) / (math.pi * core**2)
    return core, reach, dose, k


def cylinder_energy(
    energy_keV: float, let_keV_per_um: float, radius_um: float, distance_um: float, n: int = 400
) -> float:
    """z(b) as a sum over rings around the track (Eq. 17)."""
    core, reach, dose, k = track_dose(energy_keV, let_keV_per_um)
    inner = core * (np.arange(n) + 0.5) / n
    edge = np.geomspace(core, max(reach, core * (1.0 + 1e-9)), 10 * n + 1)
    outer = np.sqrt(edge[1:] * edge[:-1])
    r = np.concatenate([inner, outer])
    width = np.concatenate([np.full(n, core / n), np.diff(edge)])
    local = np.concatenate([np.full(n, dose), k / outer**2])
    cosine = (r**2 + distance_um**2 - radius_um**2) / (2.0 * r * max(distance_um, 1e-12))
    angle = 2.0 * np.arccos(np.clip(cosine, -1.0, 1.0))
    return float(np.sum(local * angle * r * width) / (math.pi * radius_um**2))


def region_specific_energy(
    energy_keV: float, let_keV_per_um: float, radius_um: float, saturation_Gy: float
) -> tuple[float, float]:
    """z_d and z*_d over tracks at all distances (Eq. 18, 19), denser where z falls."""
    core, reach, _, _ = track_dose(energy_keV, let_keV_per_um)
    gap = np.geomspace(0.1 * core, max(reach, radius_um), 120)
    edges = np.concatenate([radius_um - gap[::-1], radius_um + gap])
    edges = np.unique(np.concatenate([[0.0], edges[edges > 0.0]]))
    b = 0.5 * (edges[1:] + edges[:-1])
    z = np.array([cylinder_energy(energy_keV, let_keV_per_um, radius_um, x) for x in b])
    ring = 2.0 * math.pi * b * np.diff(edges) / (let_keV_per_um * 0.1602176634)
    saturated = saturation_Gy**2 * -np.expm1(-((z / saturation_Gy) ** 2))
    return float(ring @ z**2), float(ring @ saturated)
