# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/killing.md: plain formulas, explicit Euler steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm
from scipy.stats import poisson

Array = npt.NDArray[np.float64]


def recognition(
    pmhc: Array, *, half: float, power: float, at_least: int, proofread: float
) -> Array:
    """Eq. 1-3."""
    p = proofread * pmhc
    if at_least:
        return np.asarray(poisson.sf(at_least - 1, p))
    return np.asarray(p**power / (p**power + half**power))


def pd1_left(fold: Array, *, free: float, half: float, power: float) -> Array:
    """Eq. 4: what inhibition leaves."""
    x = free * fold
    return np.asarray(1.0 - x**power / (x**power + half**power))


def law(name: str, e: float, t: float, of: Callable[[str], float]) -> float:
    """The table of Eq. 9."""
    k, half_e, half_t = (
        of(key)
        for key in ("killing_rate_constant", "effector_half_saturation", "target_half_saturation")
    )
    power = of("de_pillis_power")
    return {
        "mass_action": lambda: k * e,
        "saturating": lambda: k * e / (1.0 + e / half_e),
        "double_saturation": lambda: (
            k * (1.0 + half_t) * e / (half_t + t + (1.0 + half_t) * e / half_e)
        ),
        "de_pillis": lambda: (
            of("de_pillis_rate") * (e / t) ** power / (of("de_pillis_half") + (e / t) ** power)
        ),
        "multi_hit": lambda: of("hit_rate_constant") * e,
    }[name]()


def hit_death(hit_per_d: float, recovery_per_d: float, n_hits: int, time_d: float) -> float:
    """Eq. 10 at a frozen rate: the probability to have died, by SciPy's matrix exponential."""
    a = np.zeros((n_hits + 1, n_hits + 1))  # the last state is dead
    for s in range(n_hits):
        a[s, s] = -hit_per_d - s * recovery_per_d
        a[s, s + 1] = hit_per_d
        if s > 0:
            a[s, s - 1] = s * recovery_per_d
    return float(expm(a * time_d)[0, -1])


def two_killers(
    log_survival: Sequence[float],
    *,
    rate_per_d: float,
    ctl: Callable[[float, float], Array],
    nk: Array,
    nk_rate_per_d: float,
    priming_per_d: float,
    time_d: float,
    n: int = 20_000,
) -> dict[str, Array]:
    """Euler steps of Eq. 7-9 and 14: `ctl(t, targets)` gives the hazards of all cells."""
    h = time_d / n
    s = np.array(log_survival)
    alive = np.ones(s.size)
    first = {name: np.zeros(s.size) for name in ("radiation", "ctl", "nk")}
    exponent = {name: np.zeros(s.size) for name in ("ctl", "nk")}
    primed = 0.0
    for j in range(n):
        t = j * h
        hazard = {
            "radiation": -s * rate_per_d * math.exp(-rate_per_d * (t + 0.5 * h)),
            "ctl": ctl(t, float(alive.mean())),
            "nk": nk_rate_per_d * primed * nk,
        }
        primed += h * priming_per_d * (1.0 - primed) * float((alive * nk).sum() / alive.sum())
        for name, value in hazard.items():
            first[name] += alive * value * h
            if name in exponent:
                exponent[name] += value * h
        alive = alive * np.exp(-h * np.sum(list(hazard.values()), axis=0))
    net = {f"net_{name}": -np.expm1(-value) for name, value in exponent.items()}
    return {**first, **net, "alive": alive}


def mean_field(
    mhc1_baseline: Array,
    of: Callable[[str], float],
    *,
    rate_per_d: float,
    log_survival: Array,
    time_d: float,
    n: int = 30_000,
) -> dict[str, Array]:
    """Euler steps of Eq. 15-17: interferon-gamma raises MHC-I and PD-L1, effectors tire.

    Mass action, Hill recognition, PD-1, no response of MHC-I to radiation, no priming.
    """
    h = time_d / n
    m, p = mhc1_baseline.copy(), np.ones(mhc1_baseline.size)
    alive, exponent = np.ones(m.size), np.zeros(m.size)
    active, exhausted, gamma = of("effector_to_target_ratio"), 0.0, 0.0
    baseline = active
    for j in range(n):
        share = of("recognized_peptide_share") * m
        f = share ** of("pmhc_power")
        f = f / (f + of("pmhc_half_kill") ** of("pmhc_power"))
        x = p ** of("pd1_power")
        seen = f * of("pd1_half_inhibition") ** of("pd1_power")
        seen = seen / (of("pd1_half_inhibition") ** of("pd1_power") + x)
        working = active + of("exhausted_output_share") * exhausted
        weight = alive / alive.sum()
        tired = of("exhaustion_rate") * float(weight @ f) * active
        secreted = 24.0 * of("ifn_gamma_secretion_rate") * working * float(weight @ seen)
        g = gamma ** of("ifn_gamma_power")
        response = g / (g + of("ifn_gamma_half") ** of("ifn_gamma_power"))
        hazard = of("killing_rate_constant") * working * seen
        radiation = -log_survival * rate_per_d * math.exp(-rate_per_d * (j + 0.5) * h)
        alive = alive * np.exp(-h * (hazard + radiation))
        exponent += h * hazard
        turnover = of("mhc1_turnover_rate")
        m += h * turnover * (mhc1_baseline + of("mhc1_ifn_gamma_max") * response - m)
        p += h * of("pdl1_rate") * (1.0 + (of("pdl1_fold_max") - 1.0) * response - p)
        gamma += h * (secreted - of("ifn_gamma_loss_rate") * gamma)
        exhausted += h * (tired - of("effector_loss_rate") * exhausted)
        active += h * (of("effector_loss_rate") * (baseline - active) - tired)
    populations = np.array([active, exhausted, gamma, alive.mean()])
    return {"mhc1": m, "pdl1": p, "killed": -np.expm1(-exponent), "populations": populations}
