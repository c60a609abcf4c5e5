# SPDX-License-Identifier: BSD-3-Clause
"""The spatial engine: every tumor cell, T cell and NK cell on its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose.errors import InputError
from immunodose.immune_agent_cells import ImmuneRows
from immunodose.immune_agent_inputs import (
    AgentInputs,
    AgentLaw,
    AgentOptions,
    agent_inputs,
    agent_options,
    agent_sets,
)
from immunodose.immune_agent_model import AgentModel, Counts
from immunodose.immune_agent_results import agent_dataset, snapshot_dataset
from immunodose.immune_agent_signals import AgentSignals
from immunodose.immune_agent_tissue import Entry, Tissue, entry_points
from immunodose.immune_agent_tumor import Record, TumorRows
from immunodose.immune_host import HostState, host_state
from immunodose.immune_killers import CheckpointLike, NaturalKiller
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_signals import SignalModel
from immunodose.immune_spread import cell_positions_um
from immunodose.immune_time import OutputTimes, TimeGrid, make_grid, output_times
from immunodose.io import file_path, save
from immunodose.memory import require_memory
from immunodose.response_inputs import ParameterLike, ParametersByType, cell_types
from immunodose.rng import RngLike, generator, random_root
from immunodose.threads import resolve_threads
from immunodose.typing import FloatLike, Progress

if TYPE_CHECKING:
    import xarray as xr

Array32: TypeAlias = npt.NDArray[np.float32]

_BYTES_PER_CELL = 400.0  # rows, record, signals, a copy while rows are sorted
_HOURS_PER_DAY = 24.0
_POINTS_PER_VESSEL_UM = 10.0


def simulate_agents(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    host: ParameterLike,
    time_d: FloatLike,
    mechanism: Mechanism,
    law: AgentLaw,
    entry: Entry,
    growth: bool,
    ifn_gamma: bool,
    exhaustion: bool,
    rng: RngLike,
    recognition: str = "hill",
    proofreading: bool = False,
    pd1: bool = False,
    checkpoint: CheckpointLike = None,
    treg: bool = False,
    nk: NaturalKiller = None,
    step_h: float = 1.0,
    snapshot_time_d: Sequence[float] = (),
    snapshot_folder: str | os.PathLike[str] | None = None,
    snapshot_suffix: str = ".zarr",
    n_threads: int | None = None,
    progress: Progress | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Let T and NK cells search and kill the irradiated cells of a tumor, one by one.

    Parameters
    ----------
    ds
        Cells with places, `cell_radius`, `absorbed_dose` and `survival_probability`. Cells of type
        `"cd8_t_cell"` are the T cells of the untreated tumor. With `entry="vessels"`, the vessels
        of `immunodose.cells.vessels`.
    parameters
        Mapping with `"tumor"`, `"agents"` (such as `"t_and_nk_agents"`), `"killing"` (such as
        `"ctl_nk"`), and `"signaling"` unless the cell line names its set.
    host
        As in `kill_probability`.
    time_d
        Times of the output after administration (d, >= 0): a rising sequence, or one.
    mechanism
        What raises MHC-I.
    law
        `"contact"`: one hit kills, at the rate of the susceptibility; `"multi_hit"`: several do.
    entry
        Where T and NK cells come in: `"vessels"`, `"rim"` or `"uniform"`.
    growth
        Whether tumor cells divide where there is room.
    ifn_gamma
        Whether T cells in contact release interferon-gamma, which diffuses and raises MHC-I and
        PD-L1.
    exhaustion
        Whether T cells become exhausted by what they see.
    rng
        Seed of all that is random.
    recognition, proofreading, pd1, checkpoint, treg, nk
        As in `kill_probability`.
    step_h
        Longest time step (h, > 0).
    snapshot_time_d, snapshot_folder, snapshot_suffix
        Times at which all cells are written to files `snapshot_0000` and so on in this folder,
        which must exist; `".zarr"` (needs the package zarr) or `".nc"`. Each is whole or absent.
    n_threads
        Threads (>= 1); None for all that this process may use. No bit depends on it.
    progress
        Called with the steps done, their total, and "agents".
    **overrides
        Values that replace those of the sets.

    Returns
    -------
    xarray.Dataset
        In time: `tumor_cell_count` (state, time), `death_count` (cause, time), `birth_count`,
        `surviving_fraction`, `mhc1_surface_mean`, `immune_cell_count` (phenotype, time),
        `immune_cell_entered`, `contact_fraction`, `ifn_gamma_mean`. For every tumor cell that
        ever was (cell; the given ones first): `death_time`, `birth_time`, `cleared_time` [d; NaN
        where it has not happened], `death_cause` (code, attribute `flag_meanings`), `parent_cell`
        (-1 for the given ones).

    Raises
    ------
    InputError
        If a variable, parameter or switch is missing, unknown or out of range.
    ResourceError
        If the memory does not suffice.

    Notes
    -----
    docs/theory/agents.md. A step of an hour freezes what T cells see for an hour.

    References
    ----------
    Halle S et al. Immunity 2016;44:233. Weigelin B et al. Nat Commun 2021 (PMC8410835).

    Examples
    --------
    >>> import immunodose as imd
    >>> cells = imd.cells.lattice(shape=(6, 6, 6), spacing_um=12.0, cell_radius_um=6.0,
    ...                           nucleus_radius_um=4.0)
    >>> cells = cells.assign(absorbed_dose=("cell", [2.0] * 216),
    ...                      survival_probability=("cell", [0.5] * 216))
    >>> out = simulate_agents(
    ...     cells, host="immunocompetent", time_d=[0.0, 2.0],
    ...     parameters={"tumor": "b16k1", "killing": "ctl_nk", "agents": "t_and_nk_agents"},
    ...     mechanism=imd.Mechanism(triggers="damage", weighting="per_gy", spread="none",
    ...                             trex1_window=False),
    ...     law="contact", entry="rim", growth=False, ifn_gamma=False, exhaustion=False, rng=1,
    ...     effector_to_target_ratio=0.05)
    >>> bool(out.tumor_cell_count.sel(state="alive")[-1] + out.death_count.sum("cause")[-1] == 216)
    True
    """
    options = agent_options(
        law=law, entry=entry, growth=growth, ifn_gamma=ifn_gamma,
        exhaustion=exhaustion, recognition=recognition,
        proofreading=proofreading, pd1=pd1, checkpoint=checkpoint, treg=treg, nk=nk,
    )  # fmt: skip
    plan = SnapshotPlan.of(snapshot_time_d, snapshot_folder, snapshot_suffix)
    run = AgentRun.prepare(
        ds, parameters, host_state(host), output_times(time_d), mechanism, options, rng, step_h,
        plan, resolve_threads(n_threads), overrides,
    )  # fmt: skip
    return run.result(progress)


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """When and where all cells are written."""

    time_d: tuple[float, ...] = ()
    folder: Path | None = None
    suffix: str = ".zarr"

    @classmethod
    def of(
        cls, time_d: Sequence[float], folder: str | os.PathLike[str] | None, suffix: str
    ) -> SnapshotPlan:
        """Check the arguments; times without a folder, or the reverse, are an InputError."""
        times = output_times(list(time_d)).time_d if len(time_d) else np.zeros(0)
        if (times.size > 0) != (folder is not None):
            raise InputError(
                "snapshot_time_d and snapshot_folder belong together. Give both, or neither."
            )
        place = None if folder is None else Path(folder)
        if place is not None and not place.is_dir():
            raise InputError(f"snapshot_folder {str(place)!r} is no folder. Make it first.")
        plan = cls(tuple(times.tolist()), place, suffix)
        if place is not None:
            file_path(plan.path(plan.time_d[0]))
        return plan

    def path(self, time_d: float) -> Path:
        """Return the name of the snapshot of a time."""
        assert self.folder is not None
        return self.folder / f"snapshot_{self.time_d.index(time_d):04d}{self.suffix}"


@dataclass(slots=True)
class AgentRun:
    """A run: inputs, agents, signals, and what is kept of each output time."""

    ds: xr.Dataset
    inputs: AgentInputs
    model: AgentModel
    signals: AgentSignals
    grid: TimeGrid
    outputs: OutputTimes
    plan: SnapshotPlan
    root: int
    counts: list[Counts] = field(default_factory=list)
    means: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def prepare(
        cls,
        ds: xr.Dataset,
        parameters: ParametersByType,
        host: HostState,
        outputs: OutputTimes,
        mechanism: Mechanism,
        options: AgentOptions,
        rng: RngLike,
        step_h: float,
        plan: SnapshotPlan,
        n_threads: int,
        overrides: Mapping[str, float],
    ) -> AgentRun:
        """Read everything, place the first cells and set the untreated state."""
        if not (np.isfinite(step_h) and step_h > 0.0):
            raise InputError(f"invalid step_h={step_h} (allowed: finite and > 0).")
        late = [time for time in plan.time_d if time > outputs.time_d[-1]]
        if late:
            raise InputError(
                f"snapshot_time_d {late[0]:g} d lies after the last output, "
                f"{outputs.time_d[-1]:g} d. Give times up to it."
            )
        root = random_root(rng)
        n_cells = int(ds.sizes["cell"])
        require_memory(
            _BYTES_PER_CELL * n_cells * 1e-6, what="the agent model", remedy="Take fewer cells."
        )
        sets, rest = agent_sets(host, parameters, options, overrides)
        signals = SignalModel.prepare(
            ds, parameters=parameters, mechanism=mechanism, rng=root, n_threads=n_threads,
            overrides=rest, with_ifn_gamma=options.ifn_gamma,
        )  # fmt: skip
        breaks = np.concatenate([signals.breaks_d(), host.breaks_d(), plan.time_d])
        grid = make_grid(outputs, step_h / _HOURS_PER_DAY, breaks)
        signals.sets.require_effect(rest, "immune_response")
        inputs = agent_inputs(ds, sets, options, host, overrides, grid.time_d, n_threads)
        signals.start(grid.time_d)
        model, order = _agents(ds, inputs, root, n_threads)
        wired = AgentSignals.start(inputs, signals, model, order, n_threads, ds)
        return cls(ds, inputs, model, wired, grid, outputs, plan, root)

    def result(self, progress: Progress | None) -> xr.Dataset:
        """Run all steps and return the Dataset."""
        time_d = self.grid.time_d
        wanted = set(self.grid.output_index.tolist())
        n_steps = time_d.size - 1
        for j in range(time_d.size):
            if j > 0:
                self._step(j - 1)
                if progress is not None:
                    progress(j, n_steps, "agents")
            if j in wanted:
                self._keep()
            if float(time_d[j]) in self.plan.time_d:
                save(
                    snapshot_dataset(self.model, self.signals, self.inputs, float(time_d[j])),
                    self.plan.path(float(time_d[j])),
                )
        return agent_dataset(
            self.ds, self.inputs, self.model, self.signals, self.outputs, self.counts, self.means,
            self.root, float(np.diff(time_d).max(initial=0.0)),
        )  # fmt: skip

    def _step(self, j: int) -> None:
        inputs, model, time_d = self.inputs, self.model, self.grid.time_d
        step_d = float(time_d[j + 1] - time_d[j])
        n = int(np.count_nonzero(inputs.is_tumor))
        entry = np.zeros(len(inputs.phenotypes))
        for cohort in inputs.cohorts:
            mean = 0.5 * float(cohort.entry_per_d[j] + cohort.entry_per_d[j + 1])
            entry[cohort.first] = n * mean * step_d
        susceptible = self.signals.susceptibility(float(time_d[j]))
        moved = model.step(j, susceptible, entry, float(inputs.t_cell_loss_per_d[j]))
        if moved is not None:
            self.signals.take(moved, model)
        self.signals.advance(j, step_d, model)

    def _keep(self) -> None:
        self.counts.append(self.model.counts())
        self.means.append(self.signals.means(self.model.tumor.alive))


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
        immune.add(_first_places(ds, inputs, cohort.names[0], cohort.baseline, at, root),
                   cohort.first)  # fmt: skip
    points = entry_points(inputs.options.entry, tissue, at, ds, _POINTS_PER_VESSEL_UM)
    return AgentModel(tumor, immune, tissue, points, course), order


def _first_places(
    ds: xr.Dataset, inputs: AgentInputs, name: str, baseline: float, at: Array32, root: int
) -> Array32:
    """Return where the T or NK cells of the untreated tumor are, less those an acute dose kills."""
    random, _ = generator(root, purpose=f"agents:{name}")
    types = cell_types(ds)
    if name in types:
        resident = types == name
        places = cell_positions_um(ds, resident).astype(np.float32)
        return places[random.random(len(places)) < inputs.t_cell_survival]
    mean = baseline * len(at) * inputs.t_cell_survival
    number = int(mean) + int(random.random() < mean - int(mean))
    return at[random.integers(0, len(at), number)]
