# SPDX-License-Identifier: BSD-3-Clause
"""Effector CD8 T cells and interferon-gamma of the mean field, one step at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunodose.immune_effectors import EffectorModel, effector_source
from immunodose.immune_time import relax
from immunodose.typing import FloatArray


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """How fast engaged effectors are exhausted, and what an exhausted one still does."""

    rate_per_d: float
    output_share: float


@dataclass(frozen=True, slots=True)
class GammaRates:
    """Secretion per engaged effector and loss of interferon-gamma."""

    secretion_per_d: float
    loss_per_d: float


class Effectors:
    """Active and exhausted effectors per tumor cell of the untreated tumor (Eq. 15-16).

    Parameters
    ----------
    model
        Parameters of the effectors; without CD8 T cells all is 0.
    time_d
        Grid.
    tumor_survival, baseline_survival, supply
        As `effectors_in_time`.
    exhaustion
        None for effectors that do not tire.
    """

    def __init__(
        self,
        model: EffectorModel,
        time_d: FloatArray,
        *,
        tumor_survival: FloatArray,
        baseline_survival: FloatArray,
        supply: FloatArray,
        exhaustion: Exhaustion | None,
    ) -> None:
        self.present = model.present
        self.exhaustion = exhaustion
        self.active = self.exhausted = 0.0
        self._time_d = time_d
        if not model.present:
            return
        self._gain = effector_source(model, time_d, tumor_survival) * supply
        log_alive = np.log(np.maximum(baseline_survival, np.finfo(np.float64).tiny))
        self._loss = model.loss_rate_per_d - np.diff(log_alive) / np.diff(time_d)
        self.active = float(model.baseline * baseline_survival[0] * supply[0])

    def advance(self, j: int, engaged_share: float) -> None:
        """Advance from grid point j - 1 to j with the mean share that is engaged in between."""
        if not self.present:
            return
        times = self._time_d[j - 1 : j + 1]
        loss = self._loss[j - 1]
        tiring = 0.0 if self.exhaustion is None else self.exhaustion.rate_per_d * engaged_share
        before = self.active
        gain = self._gain[j - 1 : j + 1]
        self.active = float(relax(times, loss + tiring, gain, before)[1])
        if tiring > 0.0:
            source = tiring * np.array([before, self.active])
            self.exhausted = float(relax(times, loss, source, self.exhausted)[1])

    @property
    def effective(self) -> float:
        """Return active effectors, and exhausted ones by what they still do."""
        if self.exhaustion is None:
            return self.active
        return self.active + self.exhaustion.output_share * self.exhausted


class Gamma:
    """Interferon-gamma of the well-mixed tumor, molecules per tissue volume of a cell (Eq. 17)."""

    def __init__(self, rates: GammaRates | None) -> None:
        self._rates = rates
        self.amount = 0.0

    def mean_of_step(self, step_d: float, engaged: float, engaged_next: float) -> float:
        """Return the mean over a step in which the engaged effectors change linearly."""
        if self._rates is None:
            return 0.0
        source = self._rates.secretion_per_d * 0.5 * (engaged + engaged_next)
        end = self._after(step_d, engaged, engaged_next)
        return max(0.0, (source - (end - self.amount) / step_d) / self._rates.loss_per_d)

    def advance(self, step_d: float, engaged: float, engaged_next: float) -> None:
        """Advance by one step."""
        if self._rates is not None:
            self.amount = self._after(step_d, engaged, engaged_next)

    def _after(self, step_d: float, engaged: float, engaged_next: float) -> float:
        assert self._rates is not None
        source = self._rates.secretion_per_d * np.array([engaged, engaged_next])
        times = np.array([0.0, step_d])
        return float(relax(times, self._rates.loss_per_d, source, self.amount)[1])
