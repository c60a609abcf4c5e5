# SPDX-License-Identifier: BSD-3-Clause
"""T and NK cells of the agent model: their rows, entry, division and what they do in a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.errors import InputError
from immunodose.immune_agent_tissue import Tissue
from immunodose.immune_agent_tumor import Moved, TumorRows
from immunodose.typing import FloatArray, IntArray

Array32: TypeAlias = npt.NDArray[np.float32]

CD8, EXHAUSTED, NK, PRIMED_NK, GONE = 0, 1, 2, 3, 255
DIED, DIVIDES = 1, 2
ATTACKS = ("ctl", "nk")

_SORT_EVERY = 2
_CUBE_REACHES = 8.0  # edge of the cubes by which cells are sorted
_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Phenotype:
    """What one kind of cell in one state does; it divides and changes per time of stimulation.

    Stimulation is contact times the susceptibility of the target. `ifn_gamma_share` is its release
    of interferon-gamma while it is stimulated, of that of an effector. The first hit of a
    `harmless` one makes it `next` (priming).
    """

    speed_um_per_min: float
    persistence_min: float
    dwell_min: float
    search_min: float
    hit_factor: float
    death_per_d: float
    division_per_d: float
    change_per_d: float
    next: int
    attack: int
    ifn_gamma_share: float
    harmless: bool = False

    def row(self, extra_death_per_d: float, ctl_left: float) -> list[float]:
        """Return the row of the table of the kernel; attack 0 is that of T cells, if any."""
        return [
            self.speed_um_per_min,
            self.persistence_min,
            self.dwell_min,
            self.search_min,
            self.hit_factor * (ctl_left if self.attack == 0 else 1.0),
            (self.death_per_d + extra_death_per_d) / 1440.0,
            self.division_per_d / 1440.0,
            self.change_per_d / 1440.0,
            float(self.next),
            float(self.attack),
            float(self.harmless),
        ]


@dataclass(frozen=True, slots=True)
class StepResult:
    """Hits of a step (target row, id of the killer, attack, time), and counts of events."""

    hits: tuple[npt.NDArray[np.int32], IntArray, npt.NDArray[np.int32], Array32]
    n_died: int
    n_born: int


_COLUMNS: dict[str, type] = {
    "id": np.int64,
    "x_um": np.float32,
    "y_um": np.float32,
    "z_um": np.float32,
    "target": np.int32,
    "phenotype": np.uint8,
    "contact_min": np.float32,
    "stimulated_min": np.float32,
    "event": np.uint8,
}


@dataclass(slots=True)
class ImmuneRows:
    """State of the T and NK cells; rows of dead cells stay until the next sort."""

    phenotypes: tuple[Phenotype, ...]
    reach_um: float
    root: int
    n_threads: int
    size: int = 0
    next_id: int = 0
    _columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make room for the first cells."""
        self._columns = {name: np.zeros(64, dtype=kind) for name, kind in _COLUMNS.items()}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column of the present rows (a view)."""
        return self._columns[name][: self.size]

    def count(self) -> IntArray:
        """Return how many cells there are of each phenotype."""
        counts = np.bincount(self["phenotype"], minlength=len(self.phenotypes))
        return counts[: len(self.phenotypes)].astype(np.int64)

    def positions(self) -> Array32:
        """Return the places (row, 3)."""
        return np.stack([self[name] for name in ("x_um", "y_um", "z_um")], axis=1)

    def add(self, at_um: Array32, phenotype: int | npt.NDArray[np.uint8]) -> None:
        """Append cells at places (n, 3), with new ids."""
        n = len(at_um)
        if not n:
            return
        end = self.size + n
        if self.next_id + n >= 2**40 or end > _LIMIT:
            raise InputError(
                f"{end} T and NK cells are more than the model numbers (allowed: below {_LIMIT}). "
                "Lower the rates of entry and division."
            )
        if end > self._columns["id"].size:
            for name, column in self._columns.items():
                grown = np.zeros(max(end, 2 * column.size), dtype=column.dtype)
                grown[: self.size] = column[: self.size]
                self._columns[name] = grown
        fresh = slice(self.size, end)
        self._columns["id"][fresh] = np.arange(self.next_id, self.next_id + n)
        for axis, name in enumerate(("x_um", "y_um", "z_um")):
            self._columns[name][fresh] = at_um[:, axis]
        self._columns["target"][fresh] = -1
        self._columns["phenotype"][fresh] = phenotype
        self._columns["contact_min"][fresh] = 0.0
        self._columns["stimulated_min"][fresh] = 0.0
        self._columns["event"][fresh] = 0
        self.size, self.next_id = end, self.next_id + n

    def enter(self, mean: FloatArray, points_um: Array32, step: int) -> IntArray:
        """Let a Poisson number of each phenotype in, at random points; return the numbers."""
        numbers = np.zeros(len(self.phenotypes), dtype=np.int64)
        if not np.any(mean > 0.0):
            return numbers
        for kind in np.flatnonzero(mean > 0.0):
            place = _core.immune.entries(
                mean=float(mean[kind]), n_points=len(points_um), kind=int(kind), step=step,
                root=self.root,
            )  # fmt: skip
            numbers[kind] = place.size
            self.add(points_um[place], int(kind))
        return numbers

    def step(
        self,
        step: int,
        duration_min: float,
        tumor: TumorRows,
        susceptibility_per_d: tuple[Array32, ...],
        tissue: Tissue,
        extra_death_per_d: float,
        ctl_left: float,
    ) -> StepResult:
        """Let all cells search, hold and hit their targets, divide, change and die."""
        if not self.size:
            none = np.zeros(0, dtype=np.int32)
            return StepResult((none, none.astype(np.int64), none, none.astype(np.float32)), 0, 0)
        if step % _SORT_EVERY == 0:
            self.sort()
        table = np.array([kind.row(extra_death_per_d, ctl_left) for kind in self.phenotypes])
        before = self["phenotype"].copy()
        target, cell, time_min = _core.immune.step_immune_cells(
            **{name: self[name] for name in _COLUMNS},
            target_x_um=tumor.target_x, target_y_um=tumor.at[1], target_z_um=tumor.at[2],
            starts=tumor.starts, susceptibility_per_d=list(susceptibility_per_d),
            bin_low_um=tumor.bins["low_um"], bin_edge_um=tumor.bins["edge_um"],
            n_bins=tumor.bins["n_bins"], tissue_low_um=tissue.low_um,
            tissue_edge_um=tissue.edge_um, n_voxels=tissue.inside.shape[::-1],
            tissue=tissue.inside, phenotypes=table, root=self.root, step=step,
            duration_min=duration_min, reach_um=self.reach_um,
            hits_to_kill=tumor.rates.hits_to_kill, n_threads=self.n_threads,
        )  # fmt: skip
        attack = np.array([kind.attack for kind in self.phenotypes], dtype=np.int32)
        hits = (target, self["id"][cell], attack[before[cell]], time_min)
        event = self["event"]
        return StepResult(hits, int(np.count_nonzero(event == DIED)), self._divide(event))

    def releasing(self, duration_min: float) -> Array32:
        """Return the mean release of interferon-gamma of each cell, of a stimulated effector."""
        share = np.array([kind.ifn_gamma_share for kind in self.phenotypes] + [0.0]) / duration_min
        kind = np.minimum(self["phenotype"], len(self.phenotypes))
        return np.asarray(share[kind] * self["stimulated_min"], dtype=np.float32)

    def follow(self, moved: Moved, n_before: int) -> None:
        """Renumber the targets after the tumor cells were sorted anew; mothers keep theirs."""
        new_row = np.full(n_before + 1, -1, dtype=np.int32)  # the last for cells without target
        kept = np.flatnonzero(~moved.is_daughter)
        new_row[moved.old_row[kept]] = kept
        target = self["target"]
        target[:] = new_row[target]

    def sort(self) -> None:
        """Drop the dead, and put cells near each other in memory; changes no result."""
        kept = (self["phenotype"] != GONE).astype(np.uint8)
        order = _core.immune.order_by_cubes(
            self["x_um"],
            self["y_um"],
            self["z_um"],
            kept=kept,
            edge_um=_CUBE_REACHES * self.reach_um,
        )
        for column in self._columns.values():
            column[: order.size] = np.take(column[: self.size], order, mode="clip")
        self.size = order.size

    def _divide(self, event: npt.NDArray[np.uint8]) -> int:
        mothers = np.flatnonzero(event == DIVIDES)
        if mothers.size:
            # By id, so that the ids of daughters do not depend on the order of the rows.
            mothers = mothers[np.argsort(self["id"][mothers])]
            self.add(self.positions()[mothers], self["phenotype"][mothers].astype(np.uint8))
        return int(mothers.size)
