# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/immune.md and host.md: explicit Euler steps, one cell at a time."""

from __future__ import annotations

import math
from collections.abc import Callable


def mhc1_fold(
    dose_Gy: float,
    *,
    rate_per_d: float,
    time_d: float,
    gain: float,
    half_dose_Gy: float,
    power: float,
    memory_d: float,
    turnover_per_d: float,
    n: int = 40_000,
) -> float:
    """MHC-I relative to baseline: dx/dt = dose rate - x/tau, dM/dt = k (1 + gain H(x) - M)."""
    h = time_d / n
    x, m = 0.0, 1.0
    for j in range(n):
        dose_rate = dose_Gy * rate_per_d * math.exp(-rate_per_d * (j + 0.5) * h)
        target = 1.0 + gain * x**power / (x**power + half_dose_Gy**power)
        m += h * turnover_per_d * (target - m)
        x += h * (dose_rate - x / memory_d)
    return m


def effectors_and_kill(
    log_survival: list[float],
    pmhc: list[float],
    *,
    rate_per_d: float,
    time_d: float,
    host: Callable[[str], float],
    supply: Callable[[float], float],
    n: int = 40_000,
) -> tuple[float, list[tuple[float, float, float]]]:
    """Return E(t) and per cell (net immune kill, first by radiation, first by T cells)."""
    h = time_d / n
    baseline = host("effector_to_target_ratio")
    e, antigen, survived = baseline * supply(0.0), 0.0, 1.0
    exponents = [0.0] * len(pmhc)
    states = [(1.0, 0.0, 0.0)] * len(pmhc)  # alive, first by radiation, first by T cells
    power = host("pmhc_power")
    past = [0.0]  # antigen at every step so far
    delay = round(host("priming_delay") / h)
    for j in range(n):
        t = j * h
        dw = rate_per_d * math.exp(-rate_per_d * (t + 0.5 * h)) * h
        for i, amount in enumerate(pmhc):
            level = amount**power / (amount**power + host("pmhc_half_kill") ** power)
            immune = host("killing_rate_constant") * e * level * h
            radiation = -log_survival[i] * dw
            alive, by_radiation, by_immune = states[i]
            states[i] = (
                alive * (1.0 - immune - radiation),
                by_radiation + alive * radiation,
                by_immune + alive * immune,
            )
            exponents[i] += immune
        w = 1.0 - math.exp(-rate_per_d * (t + h))
        now = sum(math.exp(w * value) for value in log_survival) / len(log_survival)
        seen = past[j - delay] if j >= delay else 0.0
        gain = host("effector_priming_gain") * seen**2 * supply(t)
        e += h * (gain - host("effector_loss_rate") * (e - baseline * supply(t)))
        antigen += (survived - now) - h * host("antigen_clearance_rate") * antigen
        past.append(antigen)
        survived = now
    net = [1.0 - math.exp(-value) for value in exponents]
    return e, [(p, s[1], s[2]) for p, s in zip(net, states, strict=True)]


def lymphocytes(
    *,
    alpha_dose_Gy: float,
    marrow_dose_Gy: float,
    rate_per_d: float,
    time_d: float,
    host: Callable[[str], float],
    n: int = 100_000,
) -> float:
    """Circulating lymphocytes under alphas in blood and marrow (Eq. 2-4 of host.md)."""
    h = time_d / n
    count = 1.0
    for j in range(n):
        t = (j + 0.5) * h
        delivered = 1.0 - math.exp(-rate_per_d * t)
        dose_rate = alpha_dose_Gy * rate_per_d * math.exp(-rate_per_d * t)
        inflow = math.exp(-host("white_cell_marrow_sensitivity") * marrow_dose_Gy * delivered)
        turnover = host("lymphocyte_turnover_rate") * (inflow - count)
        count += h * (turnover - host("lymphocyte_alpha_sensitivity") * dose_rate * count)
    return count
