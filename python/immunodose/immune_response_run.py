# SPDX-License-Identifier: BSD-3-Clause
"""Inputs, time step and output of the mean-field engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet
from immunodose.errors import ConvergenceError, InputError
from immunodose.immune_agent_space import AgentSpace
from immunodose.immune_causes import killing_set
from immunodose.immune_effectors import effector_model
from immunodose.immune_host import HostState, host_state, set_attributes
from immunodose.immune_kill import T_CELL, effector_baseline, warn_of_untreated_host
from immunodose.immune_killers import KillOptions, KillParameters, require_used
from immunodose.immune_mean_field import MACROPHAGE_KEYS, MeanField, MeanFieldInputs
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_population import Exhaustion, GammaRates, parts_of
from immunodose.immune_signals import SignalModel
from immunodose.immune_time import OutputTimes, TimeGrid, make_grid
from immunodose.memory import require_memory
from immunodose.provenance import base_attrs
from immunodose.response_inputs import (
    TUMOR,
    ParameterLike,
    ParametersByType,
    cell_types,
    check_values,
    dose_history,
    require,
    require_effect,
)
from immunodose.schema import build
from immunodose.typing import FloatArray, Progress, RealArray
from immunodose.units import HOURS_PER_DAY

if TYPE_CHECKING:
    import xarray as xr

_TOLERANCE = 1e-3
_FIRST_STEP_D = 0.5
_HALVINGS = 9
_SAMPLE = 256
_JUMP_D = 1e-9
_SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
_BYTES_PER_CELL = 200.0  # state of signals and of competing causes
_BYTES_PER_CELL_OUTPUT = 60.0  # up to 15 variables in float32
_ARRIVAL = np.array([0.0, 0.01, 0.03, 0.1, 0.3, 1.0])  # grid points, in absorption times
_ONSET = 0.5 ** np.arange(1.0, 7.0)  # grid points after an onset, in steps
_CALL = "immune_response"
_CAUSE = "death_fraction:"


@dataclass(frozen=True, slots=True)
class ResponseInputs:
    """What an engine gets: the Dataset and the checked choices of `immune_response`."""

    ds: xr.Dataset
    parameters: ParametersByType
    host: ParameterLike
    outputs: OutputTimes
    cell_outputs: OutputTimes | None
    mechanism: Mechanism
    options: KillOptions
    ifn_gamma: bool
    exhaustion: bool
    macrophages: bool
    rng: Any
    n_threads: int
    progress: Progress | None
    overrides: Mapping[str, float]
    space: AgentSpace | None = None


def mean_field(given: ResponseInputs) -> xr.Dataset:
    """Run the mean-field engine."""
    if given.space is not None:
        raise InputError("space has no effect with engine='mean_field'. Leave it out.")
    host = host_state(given.host)
    host_set, killing, rest = _routed(given, host)
    sets = KillParameters(host_set, killing)
    switched = set(_switched(given))
    kill = {key: value for key, value in given.overrides.items() if key not in switched}
    require_used(given.options, sets, kill, _CALL)
    inputs, is_tumor = _inputs(given, host, sets, rest)
    inputs.signals.sets.require_effect(rest, _CALL)
    _require_memory(given, is_tumor.size)
    grids = _Grids(given, inputs)
    level, error = _step(inputs, grids)
    found = _run(inputs, grids, level, given.progress)
    attrs: dict[str, Any] = {
        "warnings": given.ds.attrs.get("warnings", "[]"), **inputs.signals.attrs
    }  # fmt: skip
    if inputs.effectors.present:
        warn_of_untreated_host(attrs, given.ds, host)
    attrs.update(
        response_engine="mean_field",
        response_step_d=grids.step_d / 2**level,
        response_step_error=error,
        host_supply="untreated" if host.time_d is None else "simulated",
        ifn_gamma_feedback=int(given.ifn_gamma),
        kill_exhaustion=int(given.exhaustion),
        kill_macrophages=int(given.macrophages),
        **given.options.attrs(),
        **set_attributes(host_set),
        **({} if killing is None else killing.attrs("killing_parameters")),
    )
    return _dataset(given, found, is_tumor, attrs)


def _switched(given: ResponseInputs) -> tuple[str, ...]:
    """Return the keys of the set of kind killing that switches of this call read."""
    tired = ("exhaustion_rate", "exhausted_output_share") if given.exhaustion else ()
    return (*tired, *(MACROPHAGE_KEYS if given.macrophages else ()))


def _routed(
    given: ResponseInputs, host: HostState
) -> tuple[ParameterSet, ParameterSet | None, dict[str, float]]:
    """Return host and set of kind killing with their overrides, and the other overrides."""
    killing = killing_set(given.parameters)
    own = given.options.law.keys
    known = {key: value for key, value in given.overrides.items() if key not in own}
    others = [] if killing is None else [killing.entries]
    require_effect(_CALL, known, host.parameters.entries, *others)
    rest = dict(given.overrides)

    def routed(item: ParameterSet) -> ParameterSet:
        mine = {key: rest.pop(key) for key in list(rest) if key in item.entries}
        return item.with_overrides(**mine)

    return routed(host.parameters), None if killing is None else routed(killing), rest


def _inputs(
    given: ResponseInputs, host: HostState, sets: KillParameters, rest: Mapping[str, float]
) -> tuple[MeanFieldInputs, Any]:
    """Read the Dataset; without CD8 T cells no CD8 parameter is read."""
    ds = given.ds
    types = cell_types(ds)
    is_tumor, is_t_cell = types == TUMOR, types == T_CELL
    if not is_tumor.any():
        raise InputError(f"no cell is of type {TUMOR!r} (types: {sorted(set(types.tolist()))}).")
    survival = require(ds, "survival_probability", "survival(ds, parameters=...)")
    if survival.dims != ("cell",):
        raise InputError(f"survival_probability has dims {survival.dims} (allowed: cell).")
    probability = np.asarray(survival.values, dtype=np.float64)
    check_values("survival_probability", probability, high=1.0)
    log_survival = np.log(np.maximum(probability, _SMALLEST))
    history = dose_history(ds)
    baseline = effector_baseline(sets.host, is_tumor, is_t_cell, given.overrides)
    model = effector_model(sets.host, baseline, given.mechanism.activity("host_sting"))
    share = history.share[is_tumor]
    exhaustion = None
    if given.exhaustion and model.present:
        exhaustion = Exhaustion(sets.value("exhaustion_rate"), sets.value("exhausted_output_share"))
    signals = SignalModel.prepare(
        ds, parameters=given.parameters, mechanism=given.mechanism, rng=given.rng,
        n_threads=given.n_threads, overrides=rest,
        with_ifn_gamma=given.ifn_gamma and model.present,
    )  # fmt: skip
    if given.options.nk:
        signals.sets.value("nk_ligand_fold_max")  # read later, cell by cell
    gamma = None
    if given.ifn_gamma and model.present:
        secretion = signals.sets.value("ifn_gamma_secretion_rate") * HOURS_PER_DAY
        gamma = GammaRates(secretion, signals.sets.value("ifn_gamma_loss_rate"))
    macrophages = None
    if given.macrophages:
        macrophages = {key: sets.value(key) for key in MACROPHAGE_KEYS}
    return (
        MeanFieldInputs(
            signals=signals,
            log_survival=log_survival[is_tumor].astype(np.float32),
            share=None if share.shape[1] == 1 else share.astype(np.float32),
            history=history,
            t_cell_log_survival=log_survival[is_t_cell],
            t_cell_share=history.share[is_t_cell],
            host=host,
            effectors=model,
            options=given.options,
            parameters=sets,
            exhaustion=exhaustion,
            macrophages=macrophages,
            gamma=gamma,
            n_threads=given.n_threads,
        ),
        is_tumor,
    )


def _require_memory(given: ResponseInputs, n_cells: int) -> None:
    n_columns = 0 if given.cell_outputs is None else given.cell_outputs.time_d.size
    per_cell = _BYTES_PER_CELL + n_columns * _BYTES_PER_CELL_OUTPUT
    require_memory(
        n_cells * per_cell * 1e-6,
        what=f"immune_response of {n_cells} cells with {n_columns} outputs per cell",
        remedy="Give fewer outputs_per_cell_time_d, or fewer cells.",
    )


class _Grids:
    """Grids of any step that hold all outputs and kinks."""

    def __init__(self, given: ResponseInputs, inputs: MeanFieldInputs) -> None:
        times = [given.outputs.time_d]
        if given.cell_outputs is not None:
            times.append(given.cell_outputs.time_d)
        self.outputs = OutputTimes(np.unique(np.concatenate(times)), scalar=False)
        self.is_summary = np.isin(self.outputs.time_d, given.outputs.time_d)
        self.is_per_cell = np.zeros(self.outputs.time_d.size, dtype=bool)
        if given.cell_outputs is not None:
            self.is_per_cell = np.isin(self.outputs.time_d, given.cell_outputs.time_d)
        delay_d = inputs.effectors.priming_delay_d
        breaks = [inputs.host.breaks_d(), inputs.history.breaks_d(), inputs.signals.breaks_d()]
        if inputs.effectors.present:
            breaks.append(np.array([delay_d - _JUMP_D, delay_d]))
            if inputs.options.course is not None:
                # An antibody arrives much faster than all else changes.
                arrival_d = 1.0 / inputs.options.course.parameters.value("absorption_rate")
                injected = inputs.options.course.breaks_d()[:, None]
                breaks.append((injected + arrival_d * _ARRIVAL).ravel())
        span = np.diff(np.unique(np.append(self.outputs.time_d, 0.0)))
        self.step_d = min(_FIRST_STEP_D, float(span.max(initial=0.0)) or _FIRST_STEP_D)
        # The response to a dose that sets in rises first by itself, then with the dose.
        onsets = np.append(inputs.signals.breaks_d(), 0.0)[:, None]
        breaks.append((onsets + self.step_d * _ONSET).ravel())
        self._base = make_grid(self.outputs, self.step_d, np.concatenate(breaks))

    def at(self, level: int) -> TimeGrid:
        """Return the grid with every step of the coarsest one halved `level` times."""
        n_parts = 2**level
        return TimeGrid(parts_of(self._base.time_d, n_parts), self._base.output_index * n_parts)

    def summary_at(self, output: int) -> bool:
        """Return whether the population values of this output are kept."""
        return bool(self.is_summary[output])

    def per_cell_at(self, output: int) -> bool:
        """Return whether the values of the cells are kept."""
        return bool(self.is_per_cell[output])


@dataclass(slots=True)
class _Found:
    """Values kept on the way, in the order of the outputs."""

    summaries: list[dict[str, float]]
    cells: list[dict[str, RealArray]]


def _run(inputs: MeanFieldInputs, grids: _Grids, level: int, progress: Progress | None) -> _Found:
    """Step over the grid and keep what is asked for."""
    grid = grids.at(level)
    run = MeanField(inputs, grid.time_d)
    found = _Found([], [])
    where = {int(j): k for k, j in enumerate(grid.output_index)}
    last = grid.time_d.size - 1
    for j in range(grid.time_d.size):
        run.start() if j == 0 else run.advance()
        if j in where:
            if grids.summary_at(where[j]):
                found.summaries.append(run.summary())
            if grids.per_cell_at(where[j]):
                found.cells.append(run.per_cell())
        if progress is not None and j > 0:
            progress(j, last, _CALL)
    return found


def _step(inputs: MeanFieldInputs, grids: _Grids) -> tuple[int, float]:
    """Return a level whose error on a sample of cells is small, and that error.

    The scheme is of second order: the error of a step is 4/3 of the change by halving it.
    """
    n = inputs.log_survival.size
    sample = inputs
    if inputs.signals.mechanism.spread == "none" and n > _SAMPLE:
        ends = [int(np.argmin(inputs.log_survival)), int(np.argmax(inputs.log_survival))]
        even = np.linspace(0, n - 1, _SAMPLE).astype(np.int64)
        sample = inputs.of(np.unique(np.append(even, ends)))
    before = _trial(sample, grids, 0)
    error = np.inf
    for level in range(_HALVINGS):
        now = _trial(sample, grids, level + 1)
        error = 4.0 / 3.0 * float(np.max(np.abs(now - before), initial=0.0))
        if error <= _TOLERANCE:
            return level, error
        before = now
    raise ConvergenceError(
        f"immune_response did not converge: with a step of {grids.step_d / 2**_HALVINGS:g} d its "
        f"error is still {error:g}. Check rate constants for values far above 1 per minute."
    )


def _trial(inputs: MeanFieldInputs, grids: _Grids, level: int) -> FloatArray:
    """Return all that must settle, each relative to its scale."""
    grid = grids.at(level)
    run = MeanField(inputs, grid.time_d)
    rows: list[Any] = []
    populations: list[list[float]] = []
    outputs = set(grid.output_index.tolist())
    for j in range(grid.time_d.size):
        run.start() if j == 0 else run.advance()
        if j in outputs:
            cells = run.per_cell()
            mhc1 = cells["mhc1_surface"]
            top = float(mhc1.max(initial=0.0)) or 1.0
            rows += [mhc1 / top, cells["kill_probability"], cells["kill_fraction_immune"]]
            rows.append([run.summary()["surviving_fraction"]])
            populations.append([float(run.effectors.effective[-1]), run.gamma.amount])
    scale = np.max(populations, axis=0)
    rows.append((np.array(populations) / np.where(scale > 0.0, scale, 1.0)).ravel())
    return np.concatenate([np.asarray(row, dtype=np.float64) for row in rows])


def _dataset(
    given: ResponseInputs, found: _Found, is_tumor: Any, attrs: dict[str, Any]
) -> xr.Dataset:
    """Label what was found; cells that are not tumor cells are NaN."""
    outputs = given.outputs
    series = {name: np.array([row[name] for row in found.summaries]) for name in found.summaries[0]}
    causes = [name for name in series if name.startswith(_CAUSE)]
    deaths = np.stack([outputs.shaped(series.pop(name)) for name in causes])
    variables: dict[str, tuple[tuple[str, ...], Any]] = {
        name: (outputs.dims, outputs.shaped(values)) for name, values in series.items()
    }
    variables["death_fraction"] = (("cause", *outputs.dims), deaths)
    coords: dict[str, Any] = {"cause": [name.removeprefix(_CAUSE) for name in causes]}
    coords.update(outputs.coords())
    if given.cell_outputs is not None:
        for name in found.cells[0]:
            values = np.full((is_tumor.size, len(found.cells)), np.nan, dtype=np.float32)
            for k, columns in enumerate(found.cells):
                values[is_tumor, k] = columns[name]
            variables[name] = (("cell", "cell_time"), values)
        if "cell_type" in given.ds:
            variables["cell_type"] = (("cell",), cell_types(given.ds))
        coords["cell_time"] = given.cell_outputs.time_d
        if "cell" in given.ds.coords:
            coords["cell"] = given.ds["cell"].values
    return build(variables, coords=coords, attrs=base_attrs(**attrs))
