# SPDX-License-Identifier: BSD-3-Clause
"""The state of all tumor cells under competing causes of death, stepped in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from immunodose import _core
from immunodose.immune_killers import HitConstants
from immunodose.typing import FloatArray

Attack: TypeAlias = tuple[Any, float, float]
"""How well each cell is seen now, and what the population does in the step: the weights of how
well it was seen at the beginning and is seen at the end."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the cells after a step."""

    alive: float
    first: Mapping[str, float]
    weighted: tuple[float, ...]


class Competition:
    """Exponents and first causes of n cells (Eq. 10-14 of docs/theory/killing.md).

    Parameters
    ----------
    log_survival
        ln of the survival of radiation after all decays (n,); its dtype is that of the state.
    share
        Share of the dose by component (n, component); None for one component.
    killers
        Names of the kinds of killer cells.
    hits
        Constants of the hit chain of killer "ctl"; None if its law is a hazard.
    n_threads
        Threads; the result does not depend on it.
    """

    def __init__(
        self,
        log_survival: Any,
        share: Any,
        killers: Sequence[str],
        *,
        hits: HitConstants | None,
        n_threads: int,
    ) -> None:
        n, dtype = log_survival.size, log_survival.dtype
        self._log_survival, self._share = log_survival, share
        self._n_threads = n_threads
        self._hits = hits
        self.delivered = np.zeros(1 if share is None else share.shape[1])
        self.first_radiation = np.zeros(n, dtype=dtype)
        self.exponent = {name: np.zeros(n, dtype=dtype) for name in killers}
        self.first = {name: np.zeros(n, dtype=dtype) for name in killers}
        self._before = {name: np.zeros(n, dtype=dtype) for name in killers}
        if hits is not None:
            self._hit_states = np.zeros((n, hits.n_hits), dtype=dtype)
            self._hit_states[:, 0] = 1.0
            self._hit_step = np.zeros(n, dtype=dtype)

    def start(self, delivered: FloatArray, values: Sequence[Any] = ()) -> Sums:
        """Take what radiation did at time 0 itself (an acute dose)."""
        return self._compete(0.0, delivered, {}, values)

    def set_seen(self, seen: Mapping[str, Any]) -> None:
        """Take how well each cell is seen at the first time."""
        for name, rate in seen.items():
            self._before[name][:] = rate

    def advance(
        self,
        step_d: float,
        delivered: FloatArray,
        attacks: Mapping[str, Attack],
        values: Sequence[Any] = (),
    ) -> Sums:
        """Advance by one step; `values` are summed over the living at its end."""
        return self._compete(step_d, delivered, attacks, values)

    def _compete(
        self,
        step_d: float,
        delivered: FloatArray,
        attacks: Mapping[str, Attack],
        values: Sequence[Any],
    ) -> Sums:
        killers = []
        for name, (rate, weight_before, weight_now) in attacks.items():
            before: Any = self._before[name]
            if name == "ctl" and self._hits is not None:
                _core.immune.advance_hits(
                    rate=rate, weight_before=weight_before, weight_now=weight_now, before=before,
                    n_hits=self._hits.n_hits,
                    recovery_per_d=self._hits.recovery_per_d, step_d=step_d,
                    hits=self._hit_states, exponent=self._hit_step, n_threads=self._n_threads,
                )  # fmt: skip
                rate, weight_now, before = self._hit_step, 1.0, None
            out = (self.exponent[name], self.first[name])
            killers.append((rate, weight_before, weight_now, before, *out))
        sums = _core.immune.compete(
            log_survival=self._log_survival,
            share=self._share,
            delivered_before=self.delivered,
            delivered_now=delivered,
            killers=killers,
            first_radiation=self.first_radiation,
            values=list(values),
            n_threads=self._n_threads,
        )
        self.delivered = delivered
        n = len(killers)
        first = {"radiation": sums[1], **dict(zip(attacks, sums[2 : 2 + n], strict=True))}
        return Sums(sums[0], first, tuple(sums[2 + n :]))

    def radiation_log_survival(self) -> Any:
        """Return ln of the net probability to have survived radiation so far (n,)."""
        if self._share is None:
            return self.delivered[0] * self._log_survival
        return (self._share @ self.delivered) * self._log_survival

    def radiation_probability(self) -> Any:
        """Return the net probability of death by radiation so far (n,)."""
        return -np.expm1(self.radiation_log_survival())

    def log_survival(self) -> Any:
        """Return ln of the probability to be alive (n,), which keeps its digits below 1e-7."""
        return self.radiation_log_survival() - sum(self.exponent.values())

    def probability(self, name: str) -> Any:
        """Return the net probability of death by one kind of killer cell so far (n,)."""
        return -np.expm1(-self.exponent[name])
