# SPDX-License-Identifier: BSD-3-Clause
"""Signals of the tumor cells of the agent engine: what T and NK cells see, and interferon-gamma."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose.immune_agent_cells import ATTACKS
from immunodose.immune_agent_inputs import AgentInputs
from immunodose.immune_agent_model import AgentModel
from immunodose.immune_agent_tumor import Moved
from immunodose.immune_field import SignalField
from immunodose.immune_killers import CtlKilling, NkKilling, course_occupancy
from immunodose.immune_signals import SignalModel
from immunodose.immune_spread import tissue_volume_um3
from immunodose.typing import IntArray

if TYPE_CHECKING:
    import xarray as xr

Array32: TypeAlias = npt.NDArray[np.float32]

_HOURS_PER_DAY = 24.0
_VOXEL_PER_CELL_WIDTH = 2.0


@dataclass(slots=True)
class GammaField:
    """Interferon-gamma that T cells release while they are in contact."""

    field: SignalField
    release_per_d: float
    edge_um: float
    voxel: IntArray
    level: Array32

    @classmethod
    def start(
        cls, ds: xr.Dataset, inputs: AgentInputs, signals: SignalModel, model: AgentModel
    ) -> GammaField:
        """Return the empty field around the tumor cells."""
        sets, tumor = signals.sets, model.tumor
        volume = tissue_volume_um3(ds, sets, inputs.is_tumor)
        places = tumor.positions()
        field = SignalField(
            places, volume, _VOXEL_PER_CELL_WIDTH * volume ** (1.0 / 3.0),
            sets.value("ifn_gamma_diffusion"), sets.value("ifn_gamma_loss_rate"),
            margin_um=model.tissue.edge_um, n_threads=tumor.n_threads,
        )  # fmt: skip
        rate = sets.value("ifn_gamma_secretion_rate") * _HOURS_PER_DAY
        level = np.zeros(len(places), dtype=np.float32)
        return cls(field, rate, model.tissue.edge_um, field.locate(places), level)

    def advance(self, step_d: float, model: AgentModel, release: Array32) -> None:
        """Let T cells release, and the field spread and decay."""
        self.field.advance(
            step_d, points_um=model.immune.positions(), rate_per_d=self.release_per_d * release
        )
        self.level = self.field.sample(self.voxel)

    def take(self, model: AgentModel) -> None:
        """Follow the tumor cells to their new rows; a tumor that has grown gets a larger grid."""
        places = model.tumor.positions()
        edge = np.float32(self.edge_um)  # T cells may be as far from the outermost cells
        self.field.cover(np.stack([places.min(axis=0) - edge, places.max(axis=0) + edge]))
        self.voxel = self.field.locate(places)


@dataclass(slots=True)
class AgentSignals:
    """The signal model with the killers' view of it, in the order of the tumor rows."""

    inputs: AgentInputs
    model: SignalModel
    ctl: CtlKilling | None
    nk: NkKilling | None
    gamma: GammaField | None
    n_threads: int

    @classmethod
    def start(
        cls,
        inputs: AgentInputs,
        model: SignalModel,
        agents: AgentModel,
        order: IntArray,
        n_threads: int,
        ds: xr.Dataset,
    ) -> AgentSignals:
        """Sort the started signal model like the tumor rows."""
        model.take(order, positions_um=agents.tumor.positions())
        gamma = None
        if inputs.options.ifn_gamma:
            gamma = GammaField.start(ds, inputs, model, agents)
        found = cls(inputs, model, None, None, gamma, n_threads)
        found._resize()
        return found

    def susceptibility(self, time_d: float) -> tuple[Array32, ...]:
        """Return what each kind of killer sees of each row, in [0, 1], by attack."""
        seen: list[Any] = []
        if self.ctl is not None:
            kill = self.inputs.options.kill
            occupancy = float(course_occupancy(kill.course, np.array([time_d]))[0])
            pdl1 = self.model.pdl1_fold if kill.pd1 else None
            self.ctl.evaluate(self.model.pmhc, pdl1, occupancy)
            seen.append(self.ctl.susceptible)
        if self.nk is not None:
            self.nk.evaluate(self.model.mhc1, self.model.nk_ligand)
            seen.append(self.nk.seen)
        return tuple(seen)

    def advance(self, j: int, step_d: float, agents: AgentModel) -> None:
        """Go to the next time; living cells release signals, T cells interferon-gamma."""
        alive = agents.tumor.alive.astype(np.float32)
        level: float | Array32 = 0.0
        if self.gamma is not None:
            release = agents.immune.releasing(1440.0 * step_d)
            self.gamma.advance(step_d, agents, release)
            level = self.gamma.level
        self.model.advance(j, level, emitting=alive)

    def take(self, moved: Moved, agents: AgentModel) -> None:
        """Follow the tumor cells to their new rows; a daughter copies her mother."""
        self.model.take(moved.old_row, positions_um=agents.tumor.positions())
        if self.gamma is not None:
            self.gamma.take(agents)
        self._resize()

    def means(self, alive: npt.NDArray[np.bool_], time_d: float) -> dict[str, float]:
        """Return means over the living cells (NaN without any), and the antibody's occupancy."""

        def mean(values: Array32) -> float:
            return float(values[alive].mean(dtype=np.float64)) if alive.any() else float("nan")

        self.susceptibility(time_d)
        kill = self.inputs.options.kill
        return {
            "mhc1_surface_mean": mean(self.model.mhc1),
            "pdl1_fold_mean": mean(self.model.pdl1_fold),
            "ifn_gamma_mean": 0.0 if self.gamma is None else mean(self.gamma.level),
            "engaged_fraction": 0.0 if self.ctl is None else mean(self.ctl.susceptible),
            "antibody_occupancy": float(course_occupancy(kill.course, np.array([time_d]))[0]),
        }

    def _resize(self) -> None:
        n, kill, sets = self.model.n_cells, self.inputs.options.kill, self.inputs.sets.kill
        if ATTACKS[0] in self.inputs.attacks:
            self.ctl = CtlKilling.start(kill, sets, n, np.float32, self.n_threads)
        if ATTACKS[1] in self.inputs.attacks:
            self.nk = NkKilling.start(kill, sets, n, np.float32, self.n_threads)
