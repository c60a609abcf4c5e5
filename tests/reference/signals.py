# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/signaling.md: Runge-Kutta in double precision, dense matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def hill(y: Values, half: float, power: float) -> Values:
    return np.asarray(y**power / (y**power + half**power))


NAMES = ("x_d", "x_m", "w", "u", "n", "x", "i", "v", "m", "p")


@dataclass(frozen=True)
class _Cells:
    """All constant parts of the system."""

    amounts: dict[str, Values]
    rate_per_d: float
    value: Callable[[str], float]
    per_track: bool
    fixed: dict[str, Values]
    ifn_gamma: float
    mixed: bool

    def response(self, y: Values, half: str, power: float) -> Values:
        return 1.0 - np.exp(-y) if self.per_track else hill(y, self.value(half), power)

    def damage(self, x_d: Values) -> Values:
        return self.response(x_d, "mhc1_induction_dose", self.value("mhc1_induction_power"))

    def sources(self, s: dict[str, Values], damage: Values) -> tuple[Values, Values]:
        dna = self.response(s["n"], "ifn1_dna_half", 1.0)
        taken = 1.0 + s["x"] / self.value("trex1_inhibition_half")
        found = (self.value("ifn1_rate") * dna / taken, self.value("vesicle_rate") * damage)
        if self.mixed:
            return np.full_like(found[0], found[0].mean()), np.full_like(damage, found[1].mean())
        return found

    def slope(self, t: float, y: Values) -> Values:
        value, fixed, amounts = self.value, self.fixed, self.amounts
        s = dict(zip(NAMES, y, strict=True))
        f = self.rate_per_d * math.exp(-self.rate_per_d * t)
        damage = self.damage(s["x_d"])
        power = value("membrane_response_power")
        membrane = self.response(s["x_m"], "membrane_response_dose", power)
        trex1 = value("trex1_rate") * hill(s["w"], value("trex1_dose"), value("trex1_power"))
        interferon, vesicle = self.sources(s, damage)
        gamma = fixed["route"] * hill(
            np.full_like(damage, self.ifn_gamma), value("ifn_gamma_half"), value("ifn_gamma_power")
        )
        rise = value("mhc1_induction_max") * damage + value("membrane_induction_max") * membrane
        for name, key in (("i", "ifn1"), ("v", "vesicle")):
            level = hill(s[name], value(f"{key}_response_half"), value(f"{key}_response_power"))
            rise = rise + value(f"{key}_induction_max") * level
        raised = fixed["baseline"] * (1.0 + fixed["inducibility"] * rise)
        target = fixed["assembly"] * (raised + value("mhc1_ifn_gamma_max") * gamma)
        fold = 1.0 + (value("pdl1_fold_max") - 1.0) * gamma
        slopes = {
            "x_d": amounts["damage"] * f - s["x_d"] / value("mhc1_memory_time"),
            "x_m": amounts["membrane"] * f - s["x_m"] / value("membrane_memory_time"),
            "w": amounts["window"] * f - s["w"] / value("trex1_window_time"),
            "u": amounts["dna"] * f - value("dna_transfer_rate") * s["u"],
            "n": value("dna_transfer_rate") * s["u"] - value("dna_clearance_rate") * s["n"],
            "x": trex1 - value("trex1_loss_rate") * s["x"],
            "i": interferon - value("ifn1_loss_rate") * s["i"],
            "v": vesicle - value("vesicle_loss_rate") * s["v"],
            "m": value("mhc1_turnover_rate") * (target - s["m"]),
            "p": value("pdl1_rate") * (fold - s["p"]),
        }
        return np.stack([slopes[name] for name in NAMES])


def cells(
    amounts: dict[str, Values],
    *,
    rate_per_d: float,
    time_d: float,
    value: Callable[[str], float],
    per_track: bool,
    fixed: dict[str, Values],
    ifn_gamma: float = 0.0,
    mixed: bool = False,
    n: int = 600,
) -> dict[str, Values]:
    """Eqs. 1-15 with every trigger and the window on; `rate_per_d` of one exponential course.

    `amounts`: damage, membrane, window, dna (cell,); `fixed`: baseline, inducibility, route,
    assembly (cell,).
    """
    model = _Cells(amounts, rate_per_d, value, per_track, fixed, ifn_gamma, mixed)
    state = np.zeros((len(NAMES), fixed["baseline"].size))
    state[8] = fixed["assembly"] * fixed["baseline"]
    state[9] = 1.0
    h = time_d / n
    for j in range(n):
        t = j * h
        k1 = model.slope(t, state)
        k2 = model.slope(t + 0.5 * h, state + 0.5 * h * k1)
        k3 = model.slope(t + 0.5 * h, state + 0.5 * h * k2)
        k4 = model.slope(t + h, state + h * k3)
        state = state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    found = dict(zip(NAMES, state, strict=True))
    damage = model.damage(found["x_d"])
    share = value("recognized_peptide_share") + value("radiation_induced_share_max") * damage
    return {
        "mhc1": found["m"],
        "pmhc": share * found["m"],
        "pdl1_fold": found["p"],
        "ifn1": found["i"],
        "vesicles": found["v"],
        "trex1": found["x"],
        "damage": damage,
        "nk_ligand": 1.0 + (value("nk_ligand_fold_max") - 1.0) * damage,
    }


def diffused(amount: Values, source_per_d: Values, *, voxel_um: float, diffusion_um2_per_d: float,
             decay_per_d: float, time_d: float) -> Values:  # fmt: skip
    """Eq. 19 on a small grid by the exponential of one dense matrix."""
    from scipy.linalg import expm

    size = amount.size
    matrix = np.zeros((size + 1, size + 1))
    for where in np.ndindex(amount.shape):
        i = int(np.ravel_multi_index(where, amount.shape))
        matrix[i, i] -= decay_per_d
        matrix[i, size] = source_per_d[where]
        for axis in range(amount.ndim):
            for side in (-1, 1):
                beside: Any = list(where)
                beside[axis] += side
                if 0 <= beside[axis] < amount.shape[axis]:
                    j = int(np.ravel_multi_index(tuple(beside), amount.shape))
                    matrix[i, j] += diffusion_um2_per_d / voxel_um**2
                    matrix[i, i] -= diffusion_um2_per_d / voxel_um**2
    state = expm(matrix * time_d) @ np.append(amount.ravel(), 1.0)
    return np.asarray(state[:-1].reshape(amount.shape))
