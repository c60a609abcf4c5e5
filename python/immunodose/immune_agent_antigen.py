# SPDX-License-Identifier: BSD-3-Clause
"""MHC-I of docs/theory/immune.md (damage alone, no interferon) for the agent model, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.errors import InputError
from immunodose.typing import FloatArray, IntArray

Array32: TypeAlias = npt.NDArray[np.float32]

_LARGEST_POWER = 8


@dataclass(frozen=True, slots=True)
class AntigenRates:
    """Parameters of Eq. 1-4 and of the Hill term of Eq. 9, docs/theory/immune.md."""

    turnover_per_d: float
    induction_dose_Gy: float
    induction_power: float
    gain: float
    assembly: float
    recognized_share: float
    half_complexes: float
    complexes_power: float


@dataclass(slots=True)
class PlainAntigen:
    """State of every tumor row: dose (component, row), baseline and induction.

    `memory` is what is left of one Gy of each component at each time (component, time).
    """

    rates: AntigenRates
    dose_Gy: Array32
    baseline: Array32
    memory: FloatArray
    time_d: FloatArray
    n_threads: int
    induction: Array32 = field(init=False)
    susceptibility: Array32 = field(init=False)

    def __post_init__(self) -> None:
        """Start at the untreated state."""
        for name in ("induction_power", "complexes_power"):
            power = getattr(self.rates, name)
            if power != round(power) or not 1 <= power <= _LARGEST_POWER:
                raise InputError(
                    f"{name}={power:g} (allowed here: 1 to {_LARGEST_POWER}, whole). Give another "
                    "value, or a mechanism."
                )
        self.induction = np.zeros(self.baseline.size, dtype=np.float32)
        self.susceptibility = np.zeros(self.baseline.size, dtype=np.float32)
        self._advance(0, 0, 0.0)

    def advance(self, j: int) -> None:
        """Go from `time_d[j]` to `time_d[j + 1]`."""
        self._advance(j, j + 1, float(self.time_d[j + 1] - self.time_d[j]))

    def mhc1(self) -> Array32:
        """Return surface MHC-I of each row (molecules)."""
        rates = self.rates
        start = np.float32(rates.assembly) * self.baseline
        return start * (np.float32(1.0) + np.float32(rates.gain) * self.induction)

    def take(self, rows: IntArray) -> None:
        """Gather rows; a daughter copies her mother."""
        self.dose_Gy = np.ascontiguousarray(self.dose_Gy[:, rows])
        self.baseline = self.baseline[rows]
        self.induction = self.induction[rows]
        self.susceptibility = self.susceptibility[rows]

    def _advance(self, before: int, after: int, duration_d: float) -> None:
        rates = self.rates
        _core.immune.step_antigen(
            self.dose_Gy, self.baseline, self.induction, self.susceptibility,
            memory_before=self.memory[:, before], memory_after=self.memory[:, after],
            duration_d=duration_d, turnover_per_d=rates.turnover_per_d,
            half_dose_Gy=rates.induction_dose_Gy, induction_power=round(rates.induction_power),
            gain=rates.gain, complexes=rates.assembly * rates.recognized_share,
            half_complexes=rates.half_complexes, complexes_power=round(rates.complexes_power),
            hit_per_d=1.0, n_threads=self.n_threads,
        )  # fmt: skip
