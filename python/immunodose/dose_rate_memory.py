# SPDX-License-Identifier: BSD-3-Clause
"""Memory of dose rates, and the refusal of what does not fit, with the options that do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from immunodose import memory
from immunodose.errors import ResourceError
from immunodose.population_memory import Memory

_DOUBLE = 8  # bytes
_BYTES_PER_MB = 1e6
# Of the sums over cells beside their result: measured, docs/theory/population.md, section 6.
_SUMS_BYTES_PER_CELL = 250.0


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

    def needs(self, sums_bytes: float | None = None) -> Memory:
        """Return what the call holds beside its input; `sums_bytes` while doses are summed."""
        dose = self.columns * _DOUBLE * self.n_components
        component = self.n_targets * self.n_components * self.item_bytes
        rate = self.columns * self.item_bytes * self.n_times
        # Doses in single precision are a copy, their sums over emissions another.
        single = self.columns * self.item_bytes * self.n_components if self.item_bytes < 8 else 0
        sums = self.n_cells * _SUMS_BYTES_PER_CELL if sums_bytes is None else sums_bytes
        most = max(self.n_cells * dose + sums, self.n_cells * (dose + single + rate + component))
        return Memory(float(self.n_cells * (rate + component)), float(most))


def _smaller(size: RateSize) -> Iterator[tuple[str, RateSize]]:
    if size.item_bytes > 4:
        yield 'dtype="float32"', replace(size, item_bytes=4)
    for dim in ("emission", "origin", "nuclide"):
        if dim in size.lengths:
            kept = {name: length for name, length in size.lengths.items() if name != dim}
            yield f"split={tuple(kept)!r}", replace(size, lengths=kept)
    if size.n_targets > 1:
        kept = {name: length for name, length in size.lengths.items() if name != "target"}
        one = replace(size, lengths={**kept, "target": 1}, n_targets=1)
        yield "one of the targets", one
        yield 'one of the targets, dtype="float32"', replace(one, item_bytes=4)
    if size.n_times > 1:
        yield "one time", replace(size, n_times=1)


def require_rate_memory(size: RateSize) -> None:
    """Raise ResourceError if a dose rate does not fit into memory, with the options that fit."""
    free_MB = memory.available_memory_MB()
    needed_MB = size.needs().peak / _BYTES_PER_MB
    if free_MB is None or needed_MB <= free_MB:
        return
    fits = [
        f"{text} ({smaller.needs().peak / _BYTES_PER_MB:.3g} MB)"
        for text, smaller in _smaller(size)
        if smaller.needs().peak <= free_MB * _BYTES_PER_MB
    ]
    remedy = (
        f"These fit: {'; '.join(fits)}."
        if fits
        else "Give fewer times or targets, a smaller split, dtype='float32' or fewer cells."
    )
    raise ResourceError(
        f"the dose rate of {size.n_cells} cells, {size.columns} values each, at {size.n_times} "
        f"times needs about {needed_MB:.3g} MB of memory, {free_MB:.3g} MB are available to this "
        f"process. {remedy}"
    )
