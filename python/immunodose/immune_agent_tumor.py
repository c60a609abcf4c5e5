# SPDX-License-Identifier: BSD-3-Clause
"""Tumor cells of the agent model: rows in the order of the index, and what became of each cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.typing import FloatArray, IntArray

Array32: TypeAlias = npt.NDArray[np.float32]
Bytes: TypeAlias = npt.NDArray[np.uint8]

ALIVE, DYING, CLEARED = 0, 1, 2
CAUSES = ("alive", "radiation", "ctl", "nk")
"""By the code of a cause; further codes are further kinds of cells that attack."""

_TRIES = 12
_NEVER = np.float32(np.inf)


@dataclass(frozen=True, slots=True)
class TumorRates:
    """Rates of tumor cells per day, and how much daughters may overlap."""

    division_per_d: float
    radiation_clearance_per_d: float
    immune_clearance_per_d: float
    hits_to_kill: tuple[int, ...]  # by attack
    recovery_per_d: float
    overlap: float


@dataclass(frozen=True, slots=True)
class RadiationCourse:
    """ln of survival (cell), share (cell or 1, component), delivered (component, time)."""

    log_survival: FloatArray
    share: FloatArray
    delivered: FloatArray
    time_d: FloatArray


@dataclass(frozen=True, slots=True)
class Moved:
    """Where the rows were before (a daughter: the row of her mother), and which are daughters."""

    old_row: IntArray
    is_daughter: npt.NDArray[np.bool_]


@dataclass(slots=True)
class Record:
    """What became of every cell that ever was, by its id (the initial cells come first)."""

    n_initial: int
    parent: IntArray
    birth_d: Array32
    death_d: Array32
    cleared_d: Array32
    cause: Bytes

    @classmethod
    def of(cls, n_cells: int) -> Record:
        """Return the record of the initial cells."""
        return cls(
            n_cells,
            np.full(n_cells, -1, dtype=np.int64),
            np.zeros(n_cells, dtype=np.float32),
            np.full(n_cells, _NEVER),
            np.full(n_cells, _NEVER),
            np.zeros(n_cells, dtype=np.uint8),
        )

    def born(self, parent: IntArray, time_d: float) -> IntArray:
        """Add daughters; return their ids."""
        first, n = self.parent.size, parent.size
        self.parent = np.concatenate([self.parent, parent])
        self.birth_d = np.concatenate([self.birth_d, np.full(n, time_d, dtype=np.float32)])
        self.death_d = np.concatenate([self.death_d, np.full(n, _NEVER)])
        self.cleared_d = np.concatenate([self.cleared_d, np.full(n, _NEVER)])
        self.cause = np.concatenate([self.cause, np.zeros(n, dtype=np.uint8)])
        return np.arange(first, first + n, dtype=np.int64)


@dataclass(slots=True)
class TumorRows:
    """State of the cells that are there, one row each, sorted by bin and id.

    `origin` is the initial cell from which a row descends: the one whose dose it inherits.
    """

    rates: TumorRates
    reach_um: float
    root: int
    n_threads: int
    id: IntArray
    at: tuple[Array32, Array32, Array32]
    radius: Array32
    origin: IntArray
    record: Record
    bins: dict[str, Any] = field(init=False)
    starts: npt.NDArray[np.int32] = field(init=False)
    target_x: Array32 = field(init=False)
    state: Bytes = field(init=False)
    event_d: Array32 = field(init=False)
    radiation_d: Array32 = field(init=False)
    division_d: Array32 = field(init=False)
    death_d: Array32 = field(init=False)
    cause: Bytes = field(init=False)
    hits: Bytes = field(init=False)
    hit_d: Array32 = field(init=False)

    def start(self, course: RadiationCourse) -> IntArray:
        """Draw the time of death by radiation and of the first division; sort the rows.

        Returns the place of each row among the cells as they were given.
        """
        n = self.id.size
        self.target_x = self.at[0].copy()
        self.state = np.zeros(n, dtype=np.uint8)
        self.radiation_d = _core.immune.radiation_death(
            self.id, log_survival=course.log_survival, share=course.share,
            delivered=course.delivered, time_d=course.time_d, from_index=-1, root=self.root,
            n_threads=self.n_threads,
        )  # fmt: skip
        self.division_d = _core.immune.division_waits(
            self.id, step=0, division_per_d=self.rates.division_per_d, root=self.root
        )
        self.event_d = np.minimum(self.radiation_d, self.division_d)
        self.death_d = np.full(n, _NEVER)
        self.cause = np.zeros(n, dtype=np.uint8)
        self.hits = np.zeros(n, dtype=np.uint8)
        self.hit_d = np.zeros(n, dtype=np.float32)
        return self._sort()

    @property
    def size(self) -> int:
        """Return the number of rows."""
        return self.id.size

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Return which rows are alive."""
        return np.asarray(self.state == ALIVE)

    def positions(self) -> Array32:
        """Return the centers (row, 3)."""
        return np.stack(self.at, axis=1)

    def step(
        self,
        step: int,
        begin_d: float,
        end_d: float,
        hits: tuple[npt.NDArray[np.int32], IntArray, npt.NDArray[np.int32], Array32],
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Advance the tumor cells; return the rows that died, were cleared, come to divide."""
        target, killer, attack, time_min = hits
        rates = self.rates
        died, cleared, dividing = _core.immune.step_tumor_cells(
            self.id, self.target_x, self.state, self.event_d, self.radiation_d, self.division_d,
            self.death_d, self.cause, self.hits, self.hit_d,
            hit_target=target, hit_killer_id=killer, hit_attack=attack, hit_time_min=time_min,
            root=self.root, step=step, begin_d=begin_d, end_d=end_d,
            hits_to_kill=rates.hits_to_kill, recovery_per_d=rates.recovery_per_d,
            radiation_clearance_per_d=rates.radiation_clearance_per_d,
            immune_clearance_per_d=rates.immune_clearance_per_d,
            division_per_d=rates.division_per_d, n_threads=self.n_threads,
        )  # fmt: skip
        who = self.id[died]
        self.record.death_d[who] = self.death_d[died]
        self.record.cause[who] = self.cause[died]
        self.record.cleared_d[self.id[cleared]] = end_d
        return died, cleared, dividing

    def divide(
        self, mothers: IntArray, step: int, time_index: int, course: RadiationCourse
    ) -> Moved | None:
        """Place the daughters that have room, and drop the cleared cells; None if none has."""
        mothers = mothers[np.argsort(self.id[mothers], kind="stable")]
        places = _core.immune.daughter_places(
            *self.at, starts=self.starts, state=self.state, radius_um=self.radius, id=self.id,
            bin_low_um=self.bins["low_um"], bin_edge_um=self.bins["edge_um"],
            n_bins=self.bins["n_bins"], mothers=mothers, overlap=self.rates.overlap,
            n_tries=_TRIES, root=self.root, step=step,
        )  # fmt: skip
        placed = np.isfinite(places[:, 0])
        if not placed.any():
            return None
        mothers, places = mothers[placed], places[placed]
        kept = np.flatnonzero(self.state != CLEARED)
        rows = np.concatenate([kept, mothers])
        time_d = float(course.time_d[time_index])
        ids = self.record.born(self.id[mothers], time_d)
        origin = self.origin[mothers]
        share = course.share if len(course.share) == 1 else course.share[origin]
        radiation = _core.immune.radiation_death(
            ids, log_survival=course.log_survival[origin], share=share,
            delivered=course.delivered, time_d=course.time_d, from_index=time_index,
            root=self.root, n_threads=self.n_threads,
        )  # fmt: skip
        waits = _core.immune.division_waits(
            ids, step=step, division_per_d=self.rates.division_per_d, root=self.root
        )
        division = (np.float32(time_d) + waits).astype(np.float32)
        n = mothers.size
        self._take(rows)
        fresh = slice(rows.size - n, rows.size)
        for axis in range(3):
            self.at[axis][fresh] = places[:, axis]
        self.id[fresh] = ids
        self.target_x[fresh] = places[:, 0]
        self.state[fresh] = ALIVE
        self.radiation_d[fresh], self.division_d[fresh] = radiation, division
        self.event_d[fresh] = np.minimum(radiation, division)
        self.death_d[fresh], self.cause[fresh] = _NEVER, 0
        self.hits[fresh], self.hit_d[fresh] = 0, 0.0
        order = self._sort()
        return Moved(rows[order], order >= rows.size - n)

    def _sort(self) -> IntArray:
        low, edge, n_bins = _core.immune.agent_bins(*self.at, reach_um=self.reach_um)
        self.bins = {"low_um": tuple(low), "edge_um": tuple(edge), "n_bins": tuple(n_bins)}
        order, self.starts = _core.immune.sorted_points(
            *self.at, id=self.id, kept=np.ones(self.size, dtype=np.uint8), low_um=low,
            edge_um=edge, n_bins=n_bins,
        )  # fmt: skip
        self._take(order)
        return order

    def _take(self, rows: IntArray) -> None:
        self.at = (self.at[0][rows], self.at[1][rows], self.at[2][rows])
        for name in (
            "id", "radius", "origin", "target_x", "state", "event_d", "radiation_d", "division_d",
            "death_d", "cause", "hits", "hit_d",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name)[rows])
