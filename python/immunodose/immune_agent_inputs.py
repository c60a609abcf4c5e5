# SPDX-License-Identifier: BSD-3-Clause
"""What the agent engine reads: switches, parameter sets, cells, supply of T and NK cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.immune_agent_cells import ATTACKS, Phenotype
from immunodose.immune_agent_space import AgentSpace
from immunodose.immune_agent_tissue import Entry
from immunodose.immune_agent_tumor import RadiationCourse, TumorRates
from immunodose.immune_causes import killing_set
from immunodose.immune_effectors import EffectorModel, effector_model, effector_source
from immunodose.immune_host import HostState, set_attributes
from immunodose.immune_kill import T_CELL, effector_baseline
from immunodose.immune_killers import KillOptions, KillParameters
from immunodose.immune_response_run import ResponseInputs
from immunodose.response_inputs import (
    TUMOR,
    ParametersByType,
    cell_types,
    check_values,
    dose_history,
    require,
    require_effect,
)
from immunodose.typing import FloatArray
from immunodose.units import MINUTES_PER_DAY

if TYPE_CHECKING:
    import xarray as xr

LAWS = ("mass_action", "multi_hit")
EXHAUSTED, NK_CELL, PRIMED_NK = "exhausted_cd8_t_cell", "nk_cell", "primed_nk_cell"

_ALWAYS = (
    "cd8_speed", "cd8_persistence_time", "cd8_dwell_time", "cd8_search_time", "cd8_division_rate",
    "immune_cell_radius", "contact_gap", "dead_cell_clearance_rate", "killed_cell_clearance_rate",
)  # fmt: skip
_EXHAUSTION_KEYS = (
    "exhausted_cd8_speed", "exhausted_cd8_dwell_time", "exhausted_cd8_loss_rate",
    "exhaustion_rate", "exhausted_output_share",
)  # fmt: skip
_NK_KEYS = (
    "nk_speed", "nk_persistence_time", "nk_dwell_time", "nk_search_time", "nk_loss_rate",
)  # fmt: skip
_GROWTH_KEYS = ("tumor_division_rate", "tumor_division_overlap")

_SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


@dataclass(frozen=True, slots=True)
class AgentSets:
    """Host, set of kind killing and set of kind agents; `value` remembers what it gave."""

    kill: KillParameters
    agents: ParameterSet
    read: set[str] = field(default_factory=set)

    def value(self, key: str) -> float:
        """Return a parameter of the set that has it; InputError if none defines it."""
        self.read.add(key)
        if key in self.agents.entries:
            return self.agents.value(key)
        return self.kill.value(key)

    def attrs(self) -> dict[str, str]:
        """Return provenance of the sets, of the agents' set what was read."""
        used = {key: item for key, item in self.agents.entries.items() if key in self.read}
        killing = self.kill.killing
        return {
            **set_attributes(self.kill.host),
            **replace(self.agents, entries=used).attrs("agent_parameters"),
            **({} if killing is None else killing.attrs("killing_parameters")),
        }


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """The switches of the engine."""

    entry: Entry
    growth: bool
    ifn_gamma: bool
    exhaustion: bool
    kill: KillOptions

    def read_keys(self) -> frozenset[str]:
        """Return the keys of the sets of kind agents and killing that the switches read."""
        keys = {*_ALWAYS, *self.kill.ctl_keys(), *self.kill.nk_keys()}
        keys.update(_EXHAUSTION_KEYS if self.exhaustion else ())
        keys.update(_NK_KEYS if self.kill.nk is not None else ())
        keys.update(_GROWTH_KEYS if self.growth else ())
        return frozenset(keys)

    def attrs(self) -> dict[str, Any]:
        """Return the switches as attributes."""
        return {
            **self.kill.attrs(),
            "response_engine": "agents",
            "immune_cell_entry": self.entry,
            "tumor_growth": int(self.growth),
            "ifn_gamma_feedback": int(self.ifn_gamma),
            "kill_exhaustion": int(self.exhaustion),
        }


def agent_options(given: ResponseInputs, space: AgentSpace) -> AgentOptions:
    """Return the switches; those that only the mean field has are an InputError."""
    if given.options.law.name not in LAWS:
        raise InputError(
            f"law={given.options.law.name!r} is of the mean field (allowed with engine='agents': "
            f"{', '.join(LAWS)}): among agents, saturation comes out of space."
        )
    if given.macrophages:
        raise InputError("macrophages=True has no effect with engine='agents'. Leave it out.")
    if given.cell_outputs is not None:
        raise InputError(
            "outputs_per_cell_time_d has no effect with engine='agents', where cells divide and "
            "disappear. Give AgentSpace(snapshot_time_d=..., snapshot_folder=...)."
        )
    return AgentOptions(space.entry, space.growth, given.ifn_gamma, given.exhaustion, given.options)


def agent_sets(
    host: HostState,
    parameters: ParametersByType,
    options: AgentOptions,
    overrides: Mapping[str, float],
) -> tuple[AgentSets, dict[str, float]]:
    """Return the sets with their overrides, and the overrides of line and signaling set."""
    given: object = None
    if isinstance(parameters, Mapping) and not hasattr(parameters, "data_vars"):
        given = parameters.get("agents")
    if given is None:
        raise InputError(
            "no set of kind agents is given. Give parameters={'tumor': ..., 'killing': 'ctl_nk', "
            "'agents': 't_and_nk_agents'}, or a set of your own."
        )
    agents = resolve(given, kind="agents")  # type: ignore[arg-type]
    killing = killing_set(parameters)
    optional = {*agents.entries, *(() if killing is None else killing.entries)}
    for key, value in overrides.items():
        if key in optional and key not in options.read_keys():
            raise InputError(
                f"override {key}={value} has no effect with {options.attrs()}. Leave it out, or "
                "choose the switch that reads it."
            )
    require_effect("immune_response", overrides, host.parameters.entries)
    rest = dict(overrides)

    def routed(item: ParameterSet) -> ParameterSet:
        own = {key: rest.pop(key) for key in list(rest) if key in item.entries}
        return item.with_overrides(**own)

    sets = AgentSets(
        KillParameters(routed(host.parameters), None if killing is None else routed(killing)),
        routed(agents),
    )
    return sets, rest


@dataclass(frozen=True, slots=True)
class Cohort:
    """T cells, or NK cells: phenotypes of the first and the later state, number and supply.

    `entry_per_d` is per tumor cell of the untreated tumor at each time of the grid, `baseline` the
    number per tumor cell at the start, `first` the phenotype of those that enter, `supply` that of
    the host at the start (in `baseline`; cells of the Dataset are thinned by it).
    """

    names: tuple[str, ...]
    first: int
    baseline: float
    entry_per_d: FloatArray
    supply: float


@dataclass(frozen=True, slots=True)
class AgentInputs:
    """All that a run needs beside the signals."""

    options: AgentOptions
    sets: AgentSets
    is_tumor: npt.NDArray[np.bool_]
    course: RadiationCourse
    rates: TumorRates
    phenotypes: tuple[Phenotype, ...]
    cohorts: tuple[Cohort, ...]
    attacks: tuple[str, ...]
    t_cell_loss_per_d: FloatArray
    ctl_left: FloatArray
    t_cell_survival: float
    reach_um: float

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name of each phenotype."""
        return tuple(name for cohort in self.cohorts for name in cohort.names)


def agent_inputs(
    ds: xr.Dataset,
    sets: AgentSets,
    options: AgentOptions,
    host: HostState,
    overrides: Mapping[str, float],
    time_d: FloatArray,
    n_threads: int,
    *,
    danger: float = 1.0,
) -> AgentInputs:
    """Read cells and sets for a time grid from 0; without CD8 T cells no CD8 parameter is read."""
    types = cell_types(ds)
    is_tumor, is_t_cell = types == TUMOR, types == T_CELL
    if not is_tumor.any():
        raise InputError(f"no cell is of type {TUMOR!r} (types: {sorted(set(types.tolist()))}).")
    log_survival = _log_survival(ds)
    history = dose_history(ds)
    delivered = history.delivered(time_d)

    def mean_survival(rows: npt.NDArray[np.bool_]) -> FloatArray:
        return _core.immune.mean_survival(
            log_survival=log_survival[rows], share=history.share[rows], delivered=delivered,
            n_times=time_d.size, n_threads=n_threads,
        )  # fmt: skip

    t_survival = mean_survival(is_t_cell) if is_t_cell.any() else np.ones(time_d.size)
    log_alive = np.log(np.maximum(t_survival, np.finfo(np.float64).tiny))
    model = effector_model(
        sets.kill.host, effector_baseline(sets.kill.host, is_tumor, is_t_cell, overrides), danger
    )
    source = effector_source(model, time_d, mean_survival(is_tumor)) if model.present else None
    cohorts, phenotypes, attacks = _killers(sets, options, model, source, host.supply_at(time_d))
    radius = require(ds, "cell_radius", "cells.from_arrays(...)").values
    largest = float(np.broadcast_to(radius, is_tumor.shape)[is_tumor].max())
    return AgentInputs(
        options,
        sets,
        is_tumor,
        RadiationCourse(log_survival[is_tumor], history.share[is_tumor], delivered, time_d),
        _rates(sets, options, attacks),
        phenotypes,
        cohorts,
        attacks,
        -np.diff(log_alive) / np.diff(time_d),
        _ctl_left(sets, options, model, host.supply_at(time_d)),
        float(t_survival[0]),
        largest + sets.value("immune_cell_radius") + sets.value("contact_gap"),
    )


def _log_survival(ds: xr.Dataset) -> FloatArray:
    survival = require(ds, "survival_probability", "survival(ds, parameters=...)")
    if survival.dims != ("cell",):
        raise InputError(f"survival_probability has dims {survival.dims} (allowed: cell).")
    probability = np.asarray(survival.values, dtype=np.float64)
    check_values("survival_probability", probability, high=1.0)
    return np.log(np.maximum(probability, _SMALLEST))


def _killers(
    sets: AgentSets,
    options: AgentOptions,
    model: EffectorModel,
    source: FloatArray | None,
    supply: FloatArray,
) -> tuple[tuple[Cohort, ...], tuple[Phenotype, ...], tuple[str, ...]]:
    """Return T and NK cells, their phenotypes, and the kinds of attack."""
    cohorts: list[Cohort] = []
    phenotypes: list[Phenotype] = []
    attacks: list[str] = []
    if source is not None:
        names = (T_CELL, EXHAUSTED) if options.exhaustion else (T_CELL,)
        cohorts.append(Cohort(names, 0, model.baseline * supply[0], source * supply, supply[0]))
        phenotypes += _cd8(sets, options, model.loss_rate_per_d)
        attacks.append(ATTACKS[0])
    if options.kill.nk is not None:
        ratio = sets.value("nk_to_target_ratio")
        entry = sets.value("nk_loss_rate") * ratio * supply
        first = len(phenotypes)
        cohorts.append(Cohort((NK_CELL, PRIMED_NK), first, ratio * supply[0], entry, supply[0]))
        phenotypes += _nk(sets, first, len(attacks))
        attacks.append(ATTACKS[1])
    return tuple(cohorts), tuple(phenotypes), tuple(attacks)


def _rates(sets: AgentSets, options: AgentOptions, attacks: tuple[str, ...]) -> TumorRates:
    several = options.kill.law.hits and ATTACKS[0] in attacks
    needed = sets.kill.whole("hits_to_kill") if several else 1
    return TumorRates(
        division_per_d=sets.value("tumor_division_rate") if options.growth else 0.0,
        radiation_clearance_per_d=sets.value("dead_cell_clearance_rate"),
        immune_clearance_per_d=sets.value("killed_cell_clearance_rate"),
        hits_to_kill=tuple(needed if name == ATTACKS[0] else 1 for name in attacks),
        recovery_per_d=MINUTES_PER_DAY / sets.value("hit_recovery_time") if several else 0.0,
        overlap=sets.value("tumor_division_overlap") if options.growth else 0.0,
    )


def _ctl_left(
    sets: AgentSets, options: AgentOptions, model: EffectorModel, supply: FloatArray
) -> FloatArray:
    """Return what regulatory T cells leave of CD8 killing in each step (Eq. 6 of killing.md)."""
    if not (options.kill.treg and model.present):
        return np.ones(supply.size - 1)
    treg = sets.value("treg_to_target_ratio") * supply
    left = 1.0 / (1.0 + treg / sets.value("treg_half_suppression"))
    return np.asarray(0.5 * (left[1:] + left[:-1]))


def _cd8(sets: AgentSets, options: AgentOptions, loss_per_d: float) -> list[Phenotype]:
    several = options.kill.law.hits
    rate = sets.value("hit_rate_constant" if several else "killing_rate_constant")
    search = sets.value("cd8_search_time")
    persistence = sets.value("cd8_persistence_time")
    effector = Phenotype(
        sets.value("cd8_speed"), persistence, sets.value("cd8_dwell_time"), search, rate,
        loss_per_d, sets.value("cd8_division_rate"), 0.0, 0, 0, 1.0,
    )  # fmt: skip
    if not options.exhaustion:
        return [effector]
    share = sets.value("exhausted_output_share")
    exhausted = Phenotype(
        sets.value("exhausted_cd8_speed"), persistence, sets.value("exhausted_cd8_dwell_time"),
        search, share * rate, sets.value("exhausted_cd8_loss_rate"), 0.0, 0.0, 1, 0, share,
    )  # fmt: skip
    return [replace(effector, change_per_d=sets.value("exhaustion_rate"), next=1), exhausted]


def _nk(sets: AgentSets, first: int, attack: int) -> list[Phenotype]:
    common = (
        sets.value("nk_speed"), sets.value("nk_persistence_time"), sets.value("nk_dwell_time"),
        sets.value("nk_search_time"),
    )  # fmt: skip
    loss = sets.value("nk_loss_rate")
    return [
        Phenotype(*common, sets.value("nk_priming_rate"), loss, 0.0, 0.0, first + 1, attack, 0.0,
                  harmless=True),
        Phenotype(*common, sets.value("nk_killing_rate_constant"), loss, 0.0, 0.0, first + 1,
                  attack, 0.0),
    ]  # fmt: skip
