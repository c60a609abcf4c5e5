# SPDX-License-Identifier: BSD-3-Clause
"""Memory of dose rates in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from immunodose.population_memory import Memory

_DOUBLE = 8  # bytes


@dataclass(frozen=True, slots=True)
class RateSize:
    """Numbers that the memory of a dose rate depends on."""

    n_cells: int
    lengths: Mapping[str, int]  # of the dims of the result after `cell`, without `time`
    n_targets: int
    n_components: int
    n_times: int
    item_bytes: int

    @property
    def columns(self) -> int:
        """Numbers per cell and time."""
        return int(np.prod(list(self.lengths.values()), dtype=int))

    def needs(self, sums_bytes: float) -> Memory:
        """Return what the call holds beside its input; `sums_bytes` while doses are summed."""
        dose = self.columns * _DOUBLE * self.n_components
        component = self.n_targets * self.n_components * self.item_bytes
        rate = self.columns * self.item_bytes * self.n_times
        # Doses in single precision are a copy, their sums over emissions another.
        single = self.columns * self.item_bytes * self.n_components if self.item_bytes < 8 else 0
        most = max(
            self.n_cells * dose + sums_bytes, self.n_cells * (dose + single + rate + component)
        )
        return Memory(float(self.n_cells * (rate + component)), float(most))
