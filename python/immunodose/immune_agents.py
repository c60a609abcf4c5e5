# SPDX-License-Identifier: BSD-3-Clause
"""The spatial engine: every tumor cell, T cell and NK cell on its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose.errors import InputError
from immunodose.immune_agent_cells import ATTACKS, ImmuneRows
from immunodose.immune_agent_inputs import (
    AgentInputs,
    AgentOptions,
    Cohort,
    agent_inputs,
    agent_options,
    agent_sets,
)
from immunodose.immune_agent_model import AgentModel, Counts
from immunodose.immune_agent_results import agent_dataset, snapshot_dataset
from immunodose.immune_agent_signals import AgentSignals
from immunodose.immune_agent_space import AgentSpace
from immunodose.immune_agent_tissue import Tissue, entry_points
from immunodose.immune_agent_tumor import Record, TumorRows
from immunodose.immune_host import host_state
from immunodose.immune_kill import warn_of_untreated_host
from immunodose.immune_response_run import ResponseInputs
from immunodose.immune_signals import SignalModel
from immunodose.immune_spread import cell_positions_um
from immunodose.immune_time import OutputTimes, TimeGrid, make_grid
from immunodose.io import save
from immunodose.memory import require_memory
from immunodose.response_inputs import cell_types
from immunodose.rng import generator, random_root
from immunodose.typing import Progress
from immunodose.units import HOURS_PER_DAY

if TYPE_CHECKING:
    import xarray as xr

Array32: TypeAlias = npt.NDArray[np.float32]

_BYTES_PER_CELL = 400.0  # rows, record, signals, a copy while rows are sorted
_POINTS_PER_VESSEL_UM = 10.0


def agents(given: ResponseInputs) -> xr.Dataset:
    """Run the agent engine on the checked inputs of `immune_response`."""
    space = given.space
    if space is None:
        raise InputError(
            "engine='agents' needs space=..., for example "
            "immunodose.AgentSpace(entry='rim', growth=False)."
        )
    return AgentRun.prepare(given, space, agent_options(given, space)).result(given.progress)


@dataclass(slots=True)
class AgentRun:
    """A run: inputs, agents, signals, and what is kept of each output time."""

    ds: xr.Dataset
    inputs: AgentInputs
    model: AgentModel
    signals: AgentSignals
    grid: TimeGrid
    outputs: OutputTimes
    space: AgentSpace
    root: int
    attrs: dict[str, Any]
    states: list[tuple[Counts, dict[str, float]]] = field(default_factory=list)

    @classmethod
    def prepare(cls, given: ResponseInputs, space: AgentSpace, options: AgentOptions) -> AgentRun:
        """Read everything, place the first cells and set the untreated state."""
        ds, outputs, n_threads = given.ds, given.outputs, given.n_threads
        late = [time for time in space.snapshot_time_d if time > outputs.time_d[-1]]
        if late:
            raise InputError(
                f"snapshot_time_d {late[0]:g} d lies after the last output, "
                f"{outputs.time_d[-1]:g} d. Give times up to it."
            )
        if isinstance(given.rng, str):
            raise InputError("engine='agents' draws random numbers. Give rng=... (a seed or None).")
        root = random_root(given.rng)
        require_memory(
            _BYTES_PER_CELL * int(ds.sizes["cell"]) * 1e-6,
            what="the agent model",
            remedy="Take fewer cells.",
        )
        host = host_state(given.host)
        sets, rest = agent_sets(host, given.parameters, options, given.overrides)
        signals = SignalModel.prepare(
            ds, parameters=given.parameters, mechanism=given.mechanism, rng=root,
            n_threads=n_threads, overrides=rest, with_ifn_gamma=options.ifn_gamma,
        )  # fmt: skip
        breaks = np.concatenate([signals.breaks_d(), host.breaks_d(), space.snapshot_time_d])
        grid = make_grid(outputs, space.step_h / HOURS_PER_DAY, breaks)
        inputs = agent_inputs(
            ds, sets, options, host, given.overrides, grid.time_d, n_threads,
            danger=given.mechanism.activity("host_sting"),
        )  # fmt: skip
        signals.start(grid.time_d)
        model, order = _agents(ds, inputs, root, n_threads)
        wired = AgentSignals.start(inputs, signals, model, order, n_threads, ds)
        if options.kill.nk:
            signals.sets.value("nk_ligand_fold_max")  # read later, cell by cell
        signals.sets.require_effect(rest, "immune_response")
        attrs: dict[str, Any] = {"warnings": ds.attrs.get("warnings", "[]"), **signals.attrs}
        if ATTACKS[0] in inputs.attacks:
            warn_of_untreated_host(attrs, ds, host)
        attrs["host_supply"] = "untreated" if host.time_d is None else "simulated"
        return cls(ds, inputs, model, wired, grid, outputs, space, root, attrs)

    def result(self, progress: Progress | None) -> xr.Dataset:
        """Run all steps and return the Dataset."""
        time_d = self.grid.time_d
        wanted = set(self.grid.output_index.tolist())
        n_steps = time_d.size - 1
        snapshots = [float(time) for time in self.space.snapshot_time_d]
        for j in range(time_d.size):
            if j > 0:
                self._step(j - 1)
                if progress is not None:
                    progress(j, n_steps, "agents")
            if j in wanted:
                self._keep(float(time_d[j]))
            if float(time_d[j]) in snapshots:
                number = snapshots.index(float(time_d[j]))
                save(
                    snapshot_dataset(self.model, self.signals, self.inputs, float(time_d[j])),
                    self.space.snapshot_path(number),
                )
        self.attrs.update(
            random_root_agents=str(self.root),
            response_step_d=float(np.diff(time_d).max(initial=0.0)),
            **self.inputs.options.attrs(),
            **self.inputs.sets.attrs(),
            **{key: value for key, value in self.signals.model.attrs.items() if key != "warnings"},
        )
        return agent_dataset(
            self.inputs, self.model.tumor.record, self.outputs, self.states, self.attrs
        )

    def _step(self, j: int) -> None:
        inputs, model, time_d = self.inputs, self.model, self.grid.time_d
        step_d = float(time_d[j + 1] - time_d[j])
        n = int(np.count_nonzero(inputs.is_tumor))
        entry = np.zeros(len(inputs.phenotypes))
        for cohort in inputs.cohorts:
            mean = 0.5 * float(cohort.entry_per_d[j] + cohort.entry_per_d[j + 1])
            entry[cohort.first] = n * mean * step_d
        susceptible = self.signals.susceptibility(float(time_d[j]))
        moved = model.step(
            j, susceptible, entry, float(inputs.t_cell_loss_per_d[j]), float(inputs.ctl_left[j])
        )
        if moved is not None:
            self.signals.take(moved, model)
        self.signals.advance(j, step_d, model)

    def _keep(self, time_d: float) -> None:
        self.states.append(
            (self.model.counts(), self.signals.means(self.model.tumor.alive, time_d))
        )


def _agents(
    ds: xr.Dataset, inputs: AgentInputs, root: int, n_threads: int
) -> tuple[AgentModel, npt.NDArray[np.int64]]:
    """Return the agents at time 0, and the place of each row among the tumor cells of `ds`."""
    at = cell_positions_um(ds, inputs.is_tumor).astype(np.float32)
    n = len(at)
    radius = np.broadcast_to(np.asarray(ds["cell_radius"].values), inputs.is_tumor.shape)
    course = inputs.course
    tumor = TumorRows(
        inputs.rates, inputs.reach_um, root, n_threads, np.arange(n, dtype=np.int64),
        tuple(np.ascontiguousarray(at[:, axis]) for axis in range(3)),  # type: ignore[arg-type]
        radius[inputs.is_tumor].astype(np.float32), np.arange(n, dtype=np.int64), Record.of(n),
    )  # fmt: skip
    order = tumor.start(course)
    tissue = Tissue.around(at, 2.0 * inputs.reach_um)
    immune = ImmuneRows(inputs.phenotypes, inputs.reach_um, root, n_threads)
    for cohort in inputs.cohorts:
        immune.add(_first_places(ds, inputs, cohort, at, root), cohort.first)
    points = entry_points(inputs.options.entry, tissue, at, ds, _POINTS_PER_VESSEL_UM)
    return AgentModel(tumor, immune, tissue, points, course), order


def _first_places(
    ds: xr.Dataset, inputs: AgentInputs, cohort: Cohort, at: Array32, root: int
) -> Array32:
    """Return where the T or NK cells of the untreated tumor are, less those an acute dose kills.

    A dose at time 0 kills in the tumor and takes from the supply of the host (Eq. 7 of immune.md).
    """
    name = cohort.names[0]
    random, _ = generator(root, purpose=f"agents:{name}")
    types = cell_types(ds)
    if name in types:
        resident = types == name
        places = cell_positions_um(ds, resident).astype(np.float32)
        return places[random.random(len(places)) < inputs.t_cell_survival * cohort.supply]
    mean = cohort.baseline * len(at) * inputs.t_cell_survival
    number = int(mean) + int(random.random() < mean - int(mean))
    return at[random.integers(0, len(at), number)]
