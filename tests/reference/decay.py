# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracle of decay chains: Bateman sums and Euler steps, as the theory page writes them."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def bateman(rate_per_s: list[float], time_s: float, digits: int = 120) -> tuple[list[float], ...]:
    """Return atoms and decays of a linear chain from one parent atom (distinct rates).

    Eq. 4 of docs/theory/nuclear_data.md as a sum of exponentials, in decimal arithmetic with so
    many digits that its cancellation does not matter.
    """
    with localcontext() as context:
        context.prec = digits
        rates = [Decimal(rate) for rate in rate_per_s]
        t = Decimal(time_s)
        atoms, decays = [], []
        for k in range(len(rates)):
            product = Decimal(1)
            for rate in rates[:k]:
                product *= rate
            n_k = Decimal(0)
            integral = Decimal(0)
            for i in range(k + 1):
                denominator = Decimal(1)
                for j in range(k + 1):
                    if j != i:
                        denominator *= rates[j] - rates[i]
                decayed = (-rates[i] * t).exp()
                n_k += decayed / denominator
                integral += (1 - decayed) / rates[i] / denominator if rates[i] else t / denominator
            atoms.append(float(product * n_k))
            decays.append(float(product * integral * rates[k]))
        return atoms, decays


def branching_products(
    n_members: int, edges: list[tuple[int, int, float]], retention: list[float]
) -> FloatArray:
    """Return decays per parent decay by walking every path of the chain (Eq. 3)."""
    decays = np.zeros(n_members)

    def walk(member: int, weight: float) -> None:
        decays[member] += weight
        for parent, daughter, fraction in edges:
            if parent == member:
                walk(daughter, weight * fraction * retention[daughter])

    walk(0, 1.0)
    return decays


def midpoint_steps(
    rate_per_s: list[float],
    edges: list[tuple[int, int, float]],
    retention: list[float],
    time_s: float,
    n_steps: int,
) -> tuple[FloatArray, FloatArray]:
    """Return atoms and decays by small implicit midpoint steps; for chains that are not stiff."""
    n = len(rate_per_s)
    matrix = np.zeros((2 * n, 2 * n))
    for i, rate in enumerate(rate_per_s):
        matrix[i, i] = -rate
        matrix[n + i, i] = rate
    for parent, daughter, fraction in edges:
        matrix[daughter, parent] += rate_per_s[parent] * fraction * retention[daughter]
    half = matrix * (time_s / n_steps / 2)
    step = np.linalg.solve(np.eye(2 * n) - half, np.eye(2 * n) + half)
    state = np.zeros(2 * n)
    state[0] = 1.0
    for _ in range(n_steps):
        state = step @ state
    return state[:n], state[n:]
