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
        Grid of the cells; each step is cut into `n_parts` equal ones for the populations.
    n_parts
        Parts of each step (>= 1).
    tumor_survival, baseline_survival, supply
        As `effectors_in_time`, on the grid of the parts.
    exhaustion
        None for effectors that do not tire.
    """

    def __init__(
        self,
        model: EffectorModel,
        time_d: FloatArray,
        n_parts: int,
        *,
        tumor_survival: FloatArray,
        baseline_survival: FloatArray,
        supply: FloatArray,
        exhaustion: Exhaustion | None,
    ) -> None:
        self.present = model.present
        self.exhaustion = exhaustion
        self.active = np.zeros(n_parts + 1)  # in the last step
        self.exhausted = np.zeros(n_parts + 1)
        self._n_parts = n_parts
        if not model.present:
            return
        self._time_d = parts_of(time_d, n_parts)
        self._gain = effector_source(model, self._time_d, tumor_survival) * supply
        log_alive = np.log(np.maximum(baseline_survival, np.finfo(np.float64).tiny))
        self._loss = model.loss_rate_per_d - np.diff(log_alive) / np.diff(self._time_d)
        self.active[:] = model.baseline * baseline_survival[0] * supply[0]

    def advance(self, j: int, engaged_share: float) -> None:
        """Advance from grid point j - 1 to j with the mean share that is engaged in between."""
        if not self.present:
            return
        part = slice((j - 1) * self._n_parts, j * self._n_parts + 1)
        times, gain = self._time_d[part], self._gain[part]
        loss = self._loss[part.start : part.stop - 1]
        tiring = 0.0 if self.exhaustion is None else self.exhaustion.rate_per_d * engaged_share
        self.active = relax(times, loss + tiring, gain, float(self.active[-1]))
        if tiring > 0.0:
            self.exhausted = relax(times, loss, tiring * self.active, float(self.exhausted[-1]))
        else:
            self.exhausted = relax(times, loss, 0.0 * gain, float(self.exhausted[-1]))

    @property
    def effective(self) -> FloatArray:
        """Return active effectors, and exhausted ones by what they still do, in the last step."""
        if self.exhaustion is None:
            return self.active
        return self.active + self.exhaustion.output_share * self.exhausted


class Gamma:
    """Interferon-gamma of the well-mixed tumor, molecules per tissue volume of a cell (Eq. 17)."""

    def __init__(self, rates: GammaRates | None) -> None:
        self._rates = rates
        self.amount = 0.0

    def mean_of_step(self, step_d: float, working: FloatArray) -> float:
        """Return the mean over a step with these working effectors in its parts."""
        if self._rates is None:
            return 0.0
        within = self._within(step_d, working)
        return float(np.mean(0.5 * (within[1:] + within[:-1])))

    def advance(self, step_d: float, working: FloatArray) -> None:
        """Advance by one step."""
        if self._rates is not None:
            self.amount = float(self._within(step_d, working)[-1])

    def _within(self, step_d: float, working: FloatArray) -> FloatArray:
        assert self._rates is not None
        times = step_d * np.linspace(0.0, 1.0, working.size)
        source = self._rates.secretion_per_d * working
        return relax(times, self._rates.loss_per_d, source, self.amount)


def parts_of(time_d: FloatArray, n_parts: int) -> FloatArray:
    """Return a grid with each step cut into equal parts; the points of the grid stay the same.

    Examples
    --------
    >>> parts_of(np.array([0.0, 1.0, 3.0]), 2)
    array([0. , 0.5, 1. , 2. , 3. ])
    """
    part = np.arange(n_parts) / n_parts
    fine = time_d[:-1, None] + np.diff(time_d)[:, None] * part
    return np.append(fine.ravel(), time_d[-1])


def survival_on_parts(time_d: FloatArray, survival: FloatArray, fine_d: FloatArray) -> FloatArray:
    """Return a mean survival, known on a grid, between its points by a monotone cubic."""
    from scipy.interpolate import PchipInterpolator

    if time_d.size < 2:
        return survival
    return np.asarray(PchipInterpolator(time_d, survival)(fine_d))
