# SPDX-License-Identifier: BSD-3-Clause
"""One time step of all agents: entry, T and NK cells, tumor cells, daughters (two phases)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose.immune_agent_cells import ImmuneRows
from immunodose.immune_agent_tissue import Tissue
from immunodose.immune_agent_tumor import ALIVE, CAUSES, DYING, Moved, RadiationCourse, TumorRows
from immunodose.typing import FloatArray, IntArray

Array32: TypeAlias = npt.NDArray[np.float32]


@dataclass(slots=True)
class Counts:
    """Cells at one time, and what has happened since the start."""

    alive: int
    dying: int
    born: int
    cleared: int
    deaths: IntArray
    immune: IntArray
    entered: IntArray
    immune_born: int
    immune_died: int
    contact_fraction: float


@dataclass(slots=True)
class AgentModel:
    """The agents of one run; `step` is called for steps 0, 1, ... of the grid of the course."""

    tumor: TumorRows
    immune: ImmuneRows
    tissue: Tissue
    entry_um: Array32
    course: RadiationCourse
    born: int = 0
    cleared: int = 0
    immune_born: int = 0
    immune_died: int = 0
    deaths: IntArray = field(default_factory=lambda: np.zeros(len(CAUSES), dtype=np.int64))
    entered: IntArray = field(init=False)
    contact_fraction: float = 0.0

    def __post_init__(self) -> None:
        """Kill what an acute dose kills at time 0."""
        self.entered = np.zeros(len(self.immune.phenotypes), dtype=np.int64)
        none = np.zeros(0, dtype=np.int32)
        start = float(self.course.time_d[0])
        hits = (none, none.astype(np.int64), none, none.astype(np.float32))
        waits = self.tumor.event_d
        # Only deaths: a division that is due at time 0 waits for the first step.
        due = self.tumor.radiation_d <= np.float32(start)
        self.tumor.event_d = np.where(due, waits, np.float32(np.inf))
        self._tumor_step(0, start, start, hits)
        self.tumor.event_d = np.where(due, self.tumor.event_d, waits)

    def step(
        self,
        j: int,
        susceptibility_per_d: tuple[Array32, ...],
        entry_mean: FloatArray,
        extra_death_per_d: float = 0.0,
        ctl_left: float = 1.0,
    ) -> Moved | None:
        """Go from `time_d[j]` to `time_d[j + 1]`; the new order of the tumor rows, if it changed.

        Parameters
        ----------
        j
            Number of the step.
        susceptibility_per_d
            By attack, one value per tumor row, as it is at the start of the step.
        entry_mean
            Expected number of cells that enter, by phenotype.
        extra_death_per_d
            Further rate of death of all T and NK cells, e.g. of radiation.
        ctl_left
            What suppression leaves of the hits of T cells.
        """
        begin_d, end_d = float(self.course.time_d[j]), float(self.course.time_d[j + 1])
        self.entered += self.immune.enter(entry_mean, self.entry_um, j)
        duration_min = 1440.0 * (end_d - begin_d)
        result = self.immune.step(
            j, duration_min, self.tumor, susceptibility_per_d, self.tissue, extra_death_per_d,
            ctl_left,
        )  # fmt: skip
        self.immune_died += result.n_died
        self.immune_born += result.n_born
        time = float(self.immune["contact_min"].sum(dtype=np.float64))
        self.contact_fraction = time / (duration_min * max(int(self.immune.size), 1))
        dividing = self._tumor_step(j, begin_d, end_d, result.hits)
        if not dividing.size:
            return None
        n_before = self.tumor.size
        moved = self.tumor.divide(dividing, j, j + 1, self.course)
        if moved is None:
            return None
        self.born += int(np.count_nonzero(moved.is_daughter))
        self.tissue.include(self.tumor.positions()[moved.is_daughter])
        self.immune.follow(moved, n_before)
        return moved

    def counts(self) -> Counts:
        """Return the present numbers."""
        state = self.tumor.state
        return Counts(
            alive=int(np.count_nonzero(state == ALIVE)),
            dying=int(np.count_nonzero(state == DYING)),
            born=self.born,
            cleared=self.cleared,
            deaths=self.deaths.copy(),
            immune=self.immune.count(),
            entered=self.entered.copy(),
            immune_born=self.immune_born,
            immune_died=self.immune_died,
            contact_fraction=self.contact_fraction,
        )

    def _tumor_step(
        self,
        j: int,
        begin_d: float,
        end_d: float,
        hits: tuple[npt.NDArray[np.int32], IntArray, npt.NDArray[np.int32], Array32],
    ) -> IntArray:
        died, cleared, dividing = self.tumor.step(j, begin_d, end_d, hits)
        self.cleared += int(cleared.size)
        self.deaths += np.bincount(self.tumor.cause[died], minlength=len(CAUSES))
        return dividing
