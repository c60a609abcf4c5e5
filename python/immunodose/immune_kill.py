# SPDX-License-Identifier: BSD-3-Clause
"""The competing hazards behind `kill_probability`: inputs checked, effectors, cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.immune_effectors import EffectorModel, effector_model, effectors_in_time
from immunodose.immune_host import HostState, set_attributes
from immunodose.immune_mechanism import stated_activity
from immunodose.immune_pmhc import recognized_complexes
from immunodose.immune_time import OutputTimes, TimeGrid, converged
from immunodose.response_inputs import (
    TUMOR,
    DoseHistory,
    ParametersByType,
    cell_types,
    check_values,
    dose_history,
    nucleus_dose,
    require,
    require_effect,
    tumor_set,
    warn,
)
from immunodose.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

T_CELL = "cd8_t_cell"

_JUMP_D = 1e-9
_TOLERANCE = 1e-4
_SAMPLE = 64
_SMALLEST = float(np.finfo(np.float64).smallest_subnormal)
_VARIABLES = (
    "kill_probability_radiation",
    "kill_probability_immune",
    "kill_fraction_radiation",
    "kill_fraction_immune",
)


@dataclass(frozen=True, slots=True)
class KillInputs:
    """All that the hazards need: per cell, per time, and the parameters."""

    log_survival: FloatArray
    history: DoseHistory
    is_tumor: npt.NDArray[np.bool_]
    is_t_cell: npt.NDArray[np.bool_]
    pmhc: FloatArray
    pmhc_time_d: FloatArray | None
    host: HostState
    effectors: EffectorModel
    killing_rate_per_d: float
    pmhc_half_kill: float
    pmhc_power: float
    attrs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KillSolution:
    """Values by variable (cell, output), effectors (output), and the step that sufficed."""

    values: dict[str, FloatArray]
    effectors: FloatArray
    step_d: float


def kill_inputs(
    ds: xr.Dataset,
    parameters: ParametersByType,
    host: HostState,
    overrides: Mapping[str, float],
    outputs: OutputTimes,
) -> KillInputs:
    """Check the Dataset, route each override to the set that has its key, read the values."""
    host_set, line, _ = routed_sets(host.parameters, tumor_set(parameters), None, overrides)
    return inputs_of_sets(ds, host, host_set, line, overrides, outputs, plain=True)


def inputs_of_sets(
    ds: xr.Dataset,
    host: HostState,
    host_set: ParameterSet,
    line: ParameterSet,
    overrides: Mapping[str, float],
    outputs: OutputTimes,
    *,
    plain: bool,
) -> KillInputs:
    """Do the same for sets that have their overrides; `plain` reads the keys of Eq. 9."""
    types = cell_types(ds)
    is_tumor, is_t_cell = types == TUMOR, types == T_CELL
    if not is_tumor.any():
        raise InputError(f"no cell is of type {TUMOR!r} (types: {sorted(set(types.tolist()))}).")
    survival = require(ds, "survival_probability", "survival(ds, parameters=...)")
    if survival.dims != ("cell",):
        raise InputError(f"survival_probability has dims {survival.dims} (allowed: cell).")
    probability = np.asarray(survival.values, dtype=np.float64)
    check_values("survival_probability", probability, high=1.0)
    _require_same_line(ds, line)
    pmhc, pmhc_time_d = recognized_complexes(ds, line, is_tumor, outputs)
    baseline = effector_baseline(host_set, is_tumor, is_t_cell, overrides)
    model = effector_model(host_set, baseline, stated_activity(ds.attrs, "host_sting"))
    attrs: dict[str, Any] = {"warnings": ds.attrs.get("warnings", "[]")}
    reads = plain and model.present
    if model.present:
        _warn_of_limits(attrs, ds, host, outputs)
    return KillInputs(
        # A stored 0 is a probability below the smallest double.
        log_survival=np.log(np.maximum(probability, _SMALLEST)),
        history=dose_history(ds),
        is_tumor=is_tumor,
        is_t_cell=is_t_cell,
        pmhc=pmhc,
        pmhc_time_d=pmhc_time_d,
        host=host,
        effectors=model,
        killing_rate_per_d=host_set.value("killing_rate_constant") if reads else 0.0,
        pmhc_half_kill=host_set.value("pmhc_half_kill") if reads else 1.0,
        pmhc_power=host_set.value("pmhc_power") if reads else 1.0,
        attrs={
            **attrs,
            "host_supply": "untreated" if host.time_d is None else "simulated",
            **set_attributes(host_set),
            **line.attrs("kill_parameters"),
        },
    )


def routed_sets(
    host: ParameterSet,
    line: ParameterSet,
    killing: ParameterSet | None,
    overrides: Mapping[str, float],
    also: frozenset[str] = frozenset(),
) -> tuple[ParameterSet, ParameterSet, ParameterSet | None]:
    """Return host, line and set of kind killing with each override in the first that has its key.

    `also` are further keys that may be overridden: those of a user's law.
    """
    others = [] if killing is None else [killing.entries]
    known = {key: value for key, value in overrides.items() if key not in also}
    require_effect("kill_probability", known, host.entries, line.entries, *others)
    in_host = {key: value for key, value in overrides.items() if key in host.entries}
    rest = {key: value for key, value in overrides.items() if key not in in_host}
    if killing is not None:
        in_killing = {key: value for key, value in rest.items() if key in killing.entries}
        killing = killing.with_overrides(**in_killing)
        rest = {key: value for key, value in rest.items() if key not in in_killing}
    return host.with_overrides(**in_host), line.with_overrides(**rest), killing


def _require_same_line(ds: xr.Dataset, line: ParameterSet) -> None:
    """Raise InputError if `mhc1_expression` used another line, or another share of peptides."""
    name = ds.attrs.get("mhc1_parameters", line.name)
    if name != line.name:
        raise InputError(
            f"mhc1_surface comes from parameter set {name!r}, kill_probability got {line.name!r} "
            "(they must be one tumor). Give both calls the same set."
        )
    share = line.value("recognized_peptide_share")
    before = float(ds.attrs.get("mhc1_recognized_peptide_share", share))
    if before != share:
        raise InputError(
            f"recognized_peptide_share={share:g} here, but {before:g} in mhc1_expression, which "
            "gave pmhc_surface (they must agree). Give both calls the same set and override."
        )


def _warn_of_limits(
    attrs: dict[str, Any], ds: xr.Dataset, host: HostState, outputs: OutputTimes
) -> None:
    warn_of_untreated_host(attrs, ds, host)
    time_d = _time_of_surface(ds)
    if time_d is not None and bool((outputs.time_d != time_d).any()):
        warn(
            attrs,
            f"mhc1_surface is that of {time_d:g} d, taken as constant for time_d up to "
            f"{outputs.time_d[-1]:g} d. Call immunodose.mhc1_expression with times from 0 on.",
        )


def warn_of_untreated_host(attrs: dict[str, Any], ds: xr.Dataset, host: HostState) -> None:
    """Issue a ValidityWarning if the cells have a dose and the host has none."""
    dosed = "absorbed_dose" in ds and bool((nucleus_dose(ds) > 0.0).any())
    if host.time_d is None and dosed:
        warn(
            attrs,
            f"the supply of T cells is that of an untreated host {host.parameters.name!r}, though "
            "the cells have a radiation dose. Pass the Dataset of immunodose.simulate_host("
            "host=..., regimen=..., time_d=...) as host.",
        )


def _time_of_surface(ds: xr.Dataset) -> float | None:
    """Return the one time of `mhc1_surface` if it has no dim time and the time is known."""
    surface = ds["mhc1_surface"]
    if "time" in surface.dims:
        return None
    if "time" in surface.coords:
        return float(surface["time"])
    time_d = ds.attrs.get("mhc1_time_d")
    return None if time_d is None else float(time_d)


def effector_baseline(
    host: ParameterSet, is_tumor: Any, is_t_cell: Any, overrides: Mapping[str, float]
) -> float | None:
    """Return CD8 T cells per tumor cell of the untreated tumor; None where there are none."""
    if host.value("cd8_present") == 0.0:
        # An override of cd8_present is a what-if: these cells are there and do nothing.
        if is_t_cell.any() and not host.entry("cd8_present").overridden:
            raise InputError(
                f"the Dataset holds {int(is_t_cell.sum())} cells of type {T_CELL!r} but host set "
                f"{host.name!r} has no CD8 T cells (cd8_present = 0). Remove these cells, or give "
                "a host that has them."
            )
        return None
    if is_t_cell.any():
        if "effector_to_target_ratio" in overrides:
            raise InputError(
                f"effector_to_target_ratio has no effect: the Dataset holds {int(is_t_cell.sum())} "
                f"cells of type {T_CELL!r}. Leave it out, or remove these cells."
            )
        return float(is_t_cell.sum() / is_tumor.sum())
    if not host.defines("effector_to_target_ratio"):
        raise InputError(
            f"no T-cell number: the Dataset has no cells of type {T_CELL!r} and host set "
            f"{host.name!r} does not define effector_to_target_ratio. Give "
            "effector_to_target_ratio=... (an explicit 0 is valid), or host='athymic'."
        )
    ratio = host.value("effector_to_target_ratio")
    return None if ratio == 0.0 else ratio


def breaks_of(inputs: KillInputs) -> FloatArray:
    """Return the times where the hazards may bend or jump."""
    # Priming may jump when the first antigen counts: a grid point on either side of it.
    delay_d = inputs.effectors.priming_delay_d
    breaks = np.append(inputs.host.breaks_d(), [delay_d - _JUMP_D, delay_d])
    breaks = np.append(breaks, inputs.history.breaks_d())
    if inputs.pmhc_time_d is not None:
        breaks = np.concatenate([breaks, inputs.pmhc_time_d])
    return breaks


def sample_of(inputs: KillInputs) -> IntArray:
    """Return the rows of tumor cells over the range of survival, on which the step is judged."""
    tumor_rows = np.flatnonzero(inputs.is_tumor)
    order = tumor_rows[np.argsort(inputs.log_survival[tumor_rows], kind="stable")]
    picked = np.linspace(0, order.size - 1, min(_SAMPLE, order.size)).astype(int)
    return np.asarray(order[picked], dtype=np.int64)


def solve(inputs: KillInputs, outputs: OutputTimes, n_threads: int) -> KillSolution:
    """Refine the time step until effectors and a sample of cells settle, then do all cells."""
    breaks, sample = breaks_of(inputs), sample_of(inputs)
    model = inputs.effectors
    turnover = max(model.loss_rate_per_d, 1.0 / max(outputs.time_d[-1], 1.0))
    scale = model.baseline + model.priming_gain_per_d / turnover

    def trial(grid: TimeGrid) -> FloatArray:
        effectors = effectors_of(inputs, grid, n_threads)
        parts = [effectors[grid.output_index] / scale] if scale > 0.0 else []
        return np.concatenate(
            [*parts, *(part.ravel() for part in _cells(inputs, grid, effectors, sample, 1))]
        )

    grid, step = converged(
        trial, outputs, breaks_d=breaks, tolerance=_TOLERANCE, what="kill_probability"
    )
    effectors = effectors_of(inputs, grid, n_threads)
    values = _cells(inputs, grid, effectors, slice(None), n_threads)
    named = dict(zip(_VARIABLES, values, strict=True))
    return KillSolution(named, effectors[grid.output_index], step)


def effectors_of(inputs: KillInputs, grid: TimeGrid, n_threads: int) -> FloatArray:
    """Return effectors per tumor cell on the grid (Eq. 5-8 of docs/theory/immune.md)."""
    if not inputs.effectors.present:
        return np.zeros(grid.time_d.size)

    def mean_survival(rows: Any) -> FloatArray:
        return _core.immune.mean_survival(
            log_survival=inputs.log_survival[rows],
            share=inputs.history.share[rows],
            delivered=inputs.history.delivered(grid.time_d),
            n_times=grid.time_d.size,
            n_threads=n_threads,
        )

    has_t_cells = bool(inputs.is_t_cell.any())
    return effectors_in_time(
        inputs.effectors,
        grid.time_d,
        tumor_survival=mean_survival(inputs.is_tumor),
        baseline_survival=(
            mean_survival(inputs.is_t_cell) if has_t_cells else np.ones(grid.time_d.size)
        ),
        supply=inputs.host.supply_at(grid.time_d),
    )


def _cells(
    inputs: KillInputs, grid: TimeGrid, effectors: FloatArray, rows: Any, n_threads: int
) -> tuple[FloatArray, ...]:
    left = np.zeros(grid.time_d.size, dtype=np.int64)
    weight = np.zeros(grid.time_d.size)
    times = inputs.pmhc_time_d
    if times is not None and times.size > 1:
        left = np.clip(np.searchsorted(times, grid.time_d, side="right") - 1, 0, times.size - 2)
        weight = (grid.time_d - times[left]) / (times[left + 1] - times[left])
    return _core.immune.kill(
        log_survival=inputs.log_survival[rows],
        share=inputs.history.share[rows],
        delivered=inputs.history.delivered(grid.time_d),
        pmhc=inputs.pmhc[rows],
        time_d=grid.time_d,
        effectors=effectors,
        pmhc_left=left,
        pmhc_weight=weight,
        output_index=grid.output_index,
        rate_per_d=inputs.killing_rate_per_d,
        half_pmhc=inputs.pmhc_half_kill,
        power=inputs.pmhc_power,
        n_threads=n_threads,
    )


def kill_variables(
    inputs: KillInputs, solution: KillSolution, outputs: OutputTimes
) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Return the variables of `kill_probability` with their dims."""
    values = dict(solution.values)
    alive = (1.0 - values["kill_probability_radiation"]) * (1.0 - values["kill_probability_immune"])
    values["kill_probability"] = 1.0 - alive
    dims = ("cell", *outputs.dims)
    variables: dict[str, tuple[tuple[str, ...], Any]] = {
        name: (dims, outputs.shaped(value)) for name, value in values.items()
    }
    variables["effector_to_target_ratio"] = (outputs.dims, outputs.shaped(solution.effectors))
    if inputs.host.white_cell_nadir is not None:
        variables["white_cell_nadir"] = ((), inputs.host.white_cell_nadir)
    return variables
