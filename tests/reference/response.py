# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/response.md, written to be read beside it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
from scipy.integrate import trapezoid


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
