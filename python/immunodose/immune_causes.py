# SPDX-License-Identifier: BSD-3-Clause
"""`kill_probability` with named laws, PD-1, regulatory T cells and natural killer cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.immune_competition import Attack, Competition, Sums
from immunodose.immune_host import HostState
from immunodose.immune_kill import (
    KillInputs,
    KillSolution,
    breaks_of,
    effectors_of,
    inputs_of_sets,
    routed_sets,
    sample_of,
)
from immunodose.immune_killers import (
    CtlKilling,
    KillOptions,
    KillParameters,
    NkKilling,
    alive_mean,
    course_occupancy,
    hit_constants,
    predicted,
    require_used,
)
from immunodose.immune_time import OutputTimes, TimeGrid, converged
from immunodose.response_inputs import ParametersByType, check_values, require, tumor_set
from immunodose.typing import FloatArray, IntArray, RealArray

if TYPE_CHECKING:
    import xarray as xr

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class CellColumns:
    """A variable of the tumor cells: constant in time, or linear between its times."""

    values: FloatArray  # (cell, column)
    time_d: FloatArray | None

    def at(self, time_d: float, rows: Any) -> FloatArray:
        """Return the values of some cells at one time within the times of the variable."""
        if self.time_d is None or self.time_d.size == 1:
            return np.ascontiguousarray(self.values[rows, 0])
        last = self.time_d.size - 2
        left = min(int(np.searchsorted(self.time_d, time_d, side="right")) - 1, last)
        weight = (time_d - self.time_d[left]) / (self.time_d[left + 1] - self.time_d[left])
        before, after = self.values[rows, left], self.values[rows, left + 1]
        return np.ascontiguousarray(before + weight * (after - before))


@dataclass(frozen=True, slots=True)
class Causes:
    """What `solve_causes` needs beyond the inputs of the plain hazard."""

    options: KillOptions
    parameters: KillParameters
    tumor_rows: IntArray
    mhc1: CellColumns
    pmhc: CellColumns
    pdl1_fold: CellColumns | None
    ligand: CellColumns | None

    def attrs(self) -> dict[str, Any]:
        """Return the choices and the set of kind killing as attributes."""
        killing = self.parameters.killing
        return {
            **self.options.attrs(),
            **({} if killing is None else killing.attrs("killing_parameters")),
        }


def chosen_causes(
    ds: xr.Dataset,
    parameters: ParametersByType,
    host: HostState,
    options: KillOptions,
    overrides: Mapping[str, float],
    outputs: OutputTimes,
) -> tuple[KillInputs, Causes]:
    """Check the Dataset and the overrides, and read what the options need.

    Raises
    ------
    InputError
        If `pdl1_fold` is missing with `pd1=True` or `nk_ligand_fold` with `nk` given, or a value or
        dims are out of range.
    """
    host_set, line, killing = routed_sets(
        host.parameters, tumor_set(parameters), killing_set(parameters), overrides,
        also=options.law.keys,
    )  # fmt: skip
    sets = KillParameters(host_set, killing)
    require_used(options, sets, overrides, "kill_probability")
    inputs = inputs_of_sets(ds, host, host_set, line, overrides, outputs, plain=False)
    rows = np.flatnonzero(inputs.is_tumor)
    surface = _columns(
        ds, "mhc1_surface", inputs, "mhc1_expression(ds, parameters=..., time_d=...)"
    )
    needs_pdl1 = options.pd1 and inputs.effectors.present
    signals = "mhc1_expression(ds, ..., mechanism=...) or assign it (1 is the untreated cell)"
    causes = Causes(
        options,
        sets,
        rows,
        surface,
        CellColumns(inputs.pmhc[rows], inputs.pmhc_time_d),
        _columns(ds, "pdl1_fold", inputs, signals) if needs_pdl1 else None,
        _columns(ds, "nk_ligand_fold", inputs, signals) if options.nk else None,
    )
    return inputs, causes


def killing_set(parameters: ParametersByType) -> ParameterSet | None:
    """Return the entry `"killing"` of a mapping of sets, None without one."""
    if not isinstance(parameters, Mapping) or hasattr(parameters, "data_vars"):
        return None
    return resolve(parameters["killing"], kind="killing") if "killing" in parameters else None


def _columns(ds: xr.Dataset, name: str, inputs: KillInputs, call: str) -> CellColumns:
    given = require(ds, name, call)
    allowed = ("cell",) if inputs.pmhc_time_d is None else ("cell", "time")
    if given.dims not in {("cell",), allowed, allowed[::-1]}:
        raise InputError(f"{name} has dims {given.dims} (allowed: cell, or those of mhc1_surface).")
    values = np.asarray(given.transpose("cell", ...).values, dtype=np.float64)
    columns = (values if values.ndim == 2 else values[:, None])[inputs.is_tumor]
    check_values(name, columns)
    return CellColumns(columns, inputs.pmhc_time_d if "time" in given.dims else None)


def solve_causes(
    inputs: KillInputs, causes: Causes, outputs: OutputTimes, n_threads: int
) -> KillSolution:
    """Refine the time step until a sample of cells settles, then do all cells."""
    breaks = breaks_of(inputs)
    if causes.options.course is not None:
        breaks = np.concatenate([breaks, causes.options.course.breaks_d()])
    position = np.full(inputs.is_tumor.size, -1)
    position[causes.tumor_rows] = np.arange(causes.tumor_rows.size)
    sample = position[sample_of(inputs)]

    def trial(grid: TimeGrid) -> FloatArray:
        effectors = effectors_of(inputs, grid, n_threads)
        found = _follow(inputs, causes, grid, effectors, sample, 1)
        return np.concatenate([part.ravel() for part in found.values()])

    grid, step = converged(
        trial, outputs, breaks_d=breaks, tolerance=_TOLERANCE, what="kill_probability"
    )
    effectors = effectors_of(inputs, grid, n_threads)
    everyone = np.arange(causes.tumor_rows.size)
    values = _follow(inputs, causes, grid, effectors, everyone, n_threads)
    return KillSolution(
        _for_all_cells(inputs, causes, grid, values), effectors[grid.output_index], step
    )


def _follow(
    inputs: KillInputs,
    causes: Causes,
    grid: TimeGrid,
    effectors: FloatArray,
    rows: IntArray,
    n_threads: int,
) -> dict[str, FloatArray]:
    """Return each variable (cell, output) of these tumor cells, stepped over the grid."""
    walk = _Walk(inputs, causes, grid, effectors, rows, n_threads)
    found: dict[str, list[FloatArray]] = {}
    next_output = 0
    for j in range(grid.time_d.size):
        walk.step(j)
        while next_output < grid.output_index.size and grid.output_index[next_output] == j:
            for name, values in walk.probabilities().items():
                found.setdefault(name, []).append(values)
            next_output += 1
    return {name: np.stack(columns, axis=1) for name, columns in found.items()}


class _Walk:
    """All that changes from one grid point to the next."""

    def __init__(
        self,
        inputs: KillInputs,
        causes: Causes,
        grid: TimeGrid,
        effectors: FloatArray,
        rows: IntArray,
        n_threads: int,
    ) -> None:
        self.causes, self.rows, self.time_d = causes, rows, grid.time_d
        self.effectors = effectors
        self.supply = inputs.host.supply_at(grid.time_d)
        self.occupancy = course_occupancy(causes.options.course, grid.time_d)
        self.delivered = inputs.history.delivered(grid.time_d)
        cells = causes.tumor_rows[rows]
        share = np.ascontiguousarray(inputs.history.share[cells])
        log_survival = np.ascontiguousarray(inputs.log_survival[cells])
        options, of, n = causes.options, causes.parameters, rows.size
        self.ctl = None
        if inputs.effectors.present:
            self.ctl = CtlKilling.start(options, of, n, np.float64, n_threads)
        self.nk = NkKilling.start(options, of, n, np.float64, n_threads) if options.nk else None
        self.killers = [
            name for name, used in (("ctl", self.ctl), ("nk", self.nk)) if used is not None
        ]
        self.cells = Competition(
            log_survival,
            None if share.shape[1] == 1 else share,
            self.killers,
            hits=hit_constants(options, of) if self.ctl is not None else None,
            n_threads=n_threads,
        )
        self.treg = 0.0
        if options.treg and self.ctl is not None:
            self.treg = of.value("treg_to_target_ratio")
        self.targets = self.targets_before = 1.0
        self.seen = self.seen_before = 0.0
        self.last_step_d = 0.0

    def step(self, j: int) -> None:
        """Advance to grid point j."""
        self._evaluate(j)
        values = [self.nk.seen] if self.nk is not None else []
        delivered = np.ascontiguousarray(self.delivered[:, j])
        if j == 0:
            sums = self.cells.start(delivered, values)
            self._take(sums)
            self.targets_before, self.seen_before = self.targets, self.seen
            self.cells.set_seen(self._seen(float(self.effectors[0])))
            return
        step_d = float(self.time_d[j] - self.time_d[j - 1])
        attacks = self._attacks(j, step_d)
        sums = self.cells.advance(step_d, delivered, attacks, values)
        self.targets_before, self.seen_before = self.targets, self.seen
        self._take(sums)
        self.last_step_d = step_d

    def _take(self, sums: Sums) -> None:
        self.targets = sums.alive / self.rows.size
        if self.nk is not None:
            self.seen = alive_mean(sums.weighted[0], sums.alive)

    def _evaluate(self, j: int) -> None:
        now, causes = float(self.time_d[j]), self.causes
        if self.ctl is not None:
            fold = None if causes.pdl1_fold is None else causes.pdl1_fold.at(now, self.rows)
            self.ctl.evaluate(causes.pmhc.at(now, self.rows), fold, float(self.occupancy[j]))
        if self.nk is not None and causes.ligand is not None:
            mhc1 = causes.mhc1.at(now, self.rows)
            self.nk.evaluate(mhc1, causes.ligand.at(now, self.rows))

    def _seen(self, effectors: float) -> dict[str, RealArray]:
        found = {}
        if self.ctl is not None:
            found["ctl"] = self.ctl.seen(effectors, self.targets)
        if self.nk is not None:
            found["nk"] = self.nk.seen
        return found

    def _attacks(self, j: int, step_d: float) -> dict[str, Attack]:
        """Return the attacks of the step that ends at grid point j, populations at its ends."""
        supply = self.supply[j - 1 : j + 1]
        found: dict[str, Attack] = {}
        if self.ctl is not None:
            ahead = predicted(self.targets, self.targets_before, step_d, self.last_step_d)
            targets = np.array([self.targets, ahead])
            effectors = self.effectors[j - 1 : j + 1]
            found["ctl"] = self.ctl.attack(step_d, effectors, targets, self.treg * supply)
        if self.nk is not None:
            middle = predicted(self.seen, self.seen_before, 0.5 * step_d, self.last_step_d)
            found["nk"] = self.nk.attack(step_d, supply, self.nk.prime(step_d, middle, 1))
        return found

    def probabilities(self) -> dict[str, FloatArray]:
        """Return copies of the net probabilities and of the first causes."""
        found = {"kill_probability_radiation": self.cells.radiation_probability()}
        found["kill_fraction_radiation"] = self.cells.first_radiation.copy()
        for name in self.killers:
            found[f"kill_probability_{name}"] = self.cells.probability(name)
            found[f"kill_fraction_{name}"] = self.cells.first[name].copy()
        return found


def _for_all_cells(
    inputs: KillInputs, causes: Causes, grid: TimeGrid, values: dict[str, FloatArray]
) -> dict[str, FloatArray]:
    """Add the sums over killers and the cells that are no tumor cells, which nothing attacks."""
    shape = values["kill_probability_radiation"].shape
    killers = {"ctl": True, "nk": causes.options.nk is not None}
    alive, first = np.ones(shape), np.zeros(shape)
    for name, used in killers.items():
        if not used:
            continue
        for kind in ("probability", "fraction"):
            values.setdefault(f"kill_{kind}_{name}", np.zeros(shape))
        alive = alive * (1.0 - values[f"kill_probability_{name}"])
        first = first + values[f"kill_fraction_{name}"]
    values = {**values, "kill_probability_immune": 1.0 - alive, "kill_fraction_immune": first}
    delivered = inputs.history.delivered(grid.time_d[grid.output_index])
    radiation = -np.expm1((inputs.history.share @ delivered) * inputs.log_survival[:, None])
    found = {}
    for name, part in values.items():
        whole = np.zeros((inputs.is_tumor.size, shape[1]))
        if name.endswith("radiation"):
            whole = radiation.copy()
        whole[causes.tumor_rows] = part
        found[name] = whole
    return found
