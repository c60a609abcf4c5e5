# SPDX-License-Identifier: BSD-3-Clause
"""The mean-field engine of `immune_response`: every tumor cell, populations of killer cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from immunodose import _core
from immunodose.immune_competition import Attack, Competition, Sums
from immunodose.immune_effectors import EffectorModel
from immunodose.immune_host import HostState
from immunodose.immune_killers import (
    CtlKilling,
    KillOptions,
    KillParameters,
    NkKilling,
    alive_mean,
    course_occupancy,
    hit_constants,
    predicted,
)
from immunodose.immune_population import (
    Effectors,
    Exhaustion,
    Gamma,
    GammaRates,
    parts_of,
    survival_on_parts,
)
from immunodose.immune_signals import SignalModel
from immunodose.response_inputs import DoseHistory
from immunodose.typing import FloatArray, IntArray, RealArray

Summary: TypeAlias = dict[str, float]

N_PARTS = 16
"""Parts of each step of the cells in which the populations are stepped."""

MACROPHAGE_KEYS = (
    "macrophage_to_target_ratio",
    "macrophage_killing_rate_constant",
    "macrophage_damage_half",
)


@dataclass(frozen=True, slots=True)
class MeanFieldInputs:
    """Everything that does not change with the time grid; rows are tumor cells."""

    signals: SignalModel
    log_survival: RealArray
    share: RealArray | None
    history: DoseHistory
    t_cell_log_survival: FloatArray
    t_cell_share: FloatArray
    host: HostState
    effectors: EffectorModel
    options: KillOptions
    parameters: KillParameters
    exhaustion: Exhaustion | None
    macrophages: Mapping[str, float] | None
    gamma: GammaRates | None
    n_threads: int

    def of(self, rows: IntArray) -> MeanFieldInputs:
        """Return the inputs of some of the cells, for signals that do not spread."""
        share = None if self.share is None else np.ascontiguousarray(self.share[rows])
        return replace(
            self,
            signals=self.signals.sample(rows),
            log_survival=np.ascontiguousarray(self.log_survival[rows]),
            share=share,
            n_threads=1,
        )

    def survivors(self, delivered: FloatArray) -> FloatArray:
        """Return the mean survival of radiation alone at each time (delivered: component, time)."""
        n = self.log_survival.size
        sums = [
            _core.immune.radiation_survivors(
                log_survival=self.log_survival,
                share=self.share,
                delivered=np.ascontiguousarray(column),
                n_threads=self.n_threads,
            )
            for column in delivered.T
        ]
        return np.array(sums) / n

    def t_cell_survivors(self, delivered: FloatArray) -> FloatArray:
        """Return the same of the T cells that are in the tumor at the start; 1 without any."""
        if not self.t_cell_log_survival.size:
            return np.ones(delivered.shape[1])
        exponent = self.t_cell_log_survival[:, None] * (self.t_cell_share @ delivered)
        return np.asarray(np.exp(exponent).mean(axis=0))


@dataclass(slots=True)
class Pace:
    """A population value at the last two grid points, to look one step ahead."""

    now: float
    before: float = field(init=False)
    step_d: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Nothing has changed yet."""
        self.before = self.now

    def at(self, ahead_d: float) -> float:
        """Return the value this far ahead, from the last two."""
        return predicted(self.now, self.before, ahead_d, self.step_d)

    def within(self, ahead_d: float) -> FloatArray:
        """Return the values on the way there, at the parts of a step."""
        return np.linspace(self.now, self.at(ahead_d), N_PARTS + 1)

    def take(self, value: float, step_d: float) -> None:
        """Take the value at the next grid point."""
        self.before, self.now, self.step_d = self.now, value, step_d


class MeanField:
    """State of one run: signals, competing causes of death, populations."""

    def __init__(self, inputs: MeanFieldInputs, time_d: FloatArray) -> None:
        self.inputs, self.time_d = inputs, time_d
        n, options, of = inputs.log_survival.size, inputs.options, inputs.parameters
        threads = inputs.n_threads
        present = inputs.effectors.present
        self.signals = inputs.signals
        self.ctl = None
        if present:
            self.ctl = CtlKilling.start(options, of, n, np.float32, threads)
        self.nk = NkKilling.start(options, of, n, np.float32, threads) if options.nk else None
        self.eaten = None if inputs.macrophages is None else np.zeros(n, dtype=np.float32)
        self.killers = [
            name
            for name, used in (("ctl", self.ctl), ("nk", self.nk), ("macrophage", self.eaten))
            if used is not None
        ]
        self.cells = Competition(
            inputs.log_survival,
            inputs.share,
            self.killers,
            hits=hit_constants(options, of) if present else None,
            n_threads=threads,
        )
        self._delivered = inputs.history.delivered(time_d)
        fine_d = parts_of(time_d, N_PARTS)
        self._supply = inputs.host.supply_at(fine_d)
        self._occupancy = course_occupancy(options.course if present else None, time_d)
        self._treg = of.value("treg_to_target_ratio") if options.treg and present else 0.0
        survivors = inputs.survivors(self._delivered) if present else np.ones(time_d.size)
        self.effectors = Effectors(
            inputs.effectors,
            time_d,
            N_PARTS,
            tumor_survival=survival_on_parts(time_d, survivors, fine_d),
            baseline_survival=inputs.t_cell_survivors(inputs.history.delivered(fine_d)),
            supply=self._supply,
            exhaustion=inputs.exhaustion,
        )
        self.gamma = Gamma(inputs.gamma)
        self.engaged, self.working, self.seen = Pace(0.0), Pace(0.0), Pace(0.0)
        self.targets = Pace(1.0)
        self.sums = Sums(float(n), {}, ())
        self.means: Summary = {}
        self.j = 0

    def start(self) -> None:
        """Take what is there at time 0."""
        self.signals.start(self.time_d)
        self._evaluate()
        self._take(self.cells.start(self._at(self._delivered), self._values()))
        for pace, value in self._paces():
            pace.now = pace.before = value
        seen = {"nk": self.nk.seen} if self.nk is not None else {}
        if self.ctl is not None:
            effectors = float(self.effectors.effective[0])
            seen["ctl"] = self.ctl.seen(effectors, self.targets.now)
        if self.eaten is not None:
            seen["macrophage"] = self.eaten
        self.cells.set_seen(seen)

    def advance(self) -> None:
        """Advance by one grid step."""
        step_d = float(self.time_d[self.j + 1] - self.time_d[self.j])
        self.effectors.advance(self.j + 1, self.engaged.at(0.5 * step_d))
        working = self.effectors.effective * self.working.within(step_d)
        gamma = self.gamma.mean_of_step(step_d, working)
        self.signals.advance(self.j, gamma, emitting=self._emitting())
        self.j += 1
        self._evaluate()
        attacks = self._attacks(step_d)
        before = self.working.now
        self._take(self.cells.advance(step_d, self._at(self._delivered), attacks, self._values()))
        for pace, value in self._paces():
            pace.take(value, step_d)
        share = np.linspace(before, self.working.now, N_PARTS + 1)
        self.gamma.advance(step_d, self.effectors.effective * share)

    def _at(self, values: FloatArray) -> FloatArray:
        return np.ascontiguousarray(values[:, self.j])

    def _emitting(self) -> Any:
        """Return the share of each cell that no killer cell took; what spreads comes from it."""
        if self.signals.mechanism.spread == "none" or not self.killers:
            return None
        return np.exp(-np.sum([self.cells.exponent[name] for name in self.killers], axis=0))

    def _evaluate(self) -> None:
        signals = self.signals
        if self.ctl is not None:
            fold = signals.pdl1_fold if self.inputs.options.pd1 else None
            self.ctl.evaluate(signals.pmhc, fold, float(self._occupancy[self.j]))
        if self.nk is not None:
            self.nk.evaluate(signals.mhc1, signals.nk_ligand)
        if self.eaten is not None and self.inputs.macrophages is not None:
            _core.immune.susceptibility(
                pmhc=signals.damage, pdl1_fold=None, at_least=0,
                half=self.inputs.macrophages["macrophage_damage_half"], power=1.0,
                proofread=1.0, free_share=1.0, pdl1_half=1.0, pdl1_power=1.0, recognition=None,
                out=self.eaten, n_threads=self.inputs.n_threads,
            )  # fmt: skip

    def _values(self) -> list[Any]:
        found: list[Any] = [self.signals.mhc1]
        if self.ctl is not None:
            found.append(self.ctl.recognized)
            if self.inputs.options.pd1:
                found += [self.ctl.susceptible, self.signals.pdl1_fold]
        if self.nk is not None:
            found.append(self.nk.seen)
        return found

    def _take(self, sums: Sums) -> None:
        self.sums = sums
        names = ["mhc1_surface_mean"]
        if self.ctl is not None:
            names += ["recognized", *(("susceptible", "pdl1") if self.inputs.options.pd1 else ())]
        if self.nk is not None:
            names.append("seen")
        self.means = {
            name: alive_mean(total, sums.alive)
            for name, total in zip(names, sums.weighted, strict=True)
        }

    def _paces(self) -> list[tuple[Pace, float]]:
        """Return the population values that the next step looks ahead to."""
        recognized = self.means.get("recognized", 0.0)
        working = self.means.get("susceptible", recognized)
        return [
            (self.engaged, recognized),
            (self.working, working),
            (self.seen, self.means.get("seen", 0.0)),
            (self.targets, self.sums.alive / self.inputs.log_survival.size),
        ]

    def _attacks(self, step_d: float) -> dict[str, Attack]:
        """Return the attacks of the step that ends at grid point j."""
        supply = self._supply[(self.j - 1) * N_PARTS : self.j * N_PARTS + 1]
        found: dict[str, Attack] = {}
        if self.ctl is not None:
            targets = np.maximum(self.targets.within(step_d), 0.0)
            effectors = self.effectors.effective
            found["ctl"] = self.ctl.attack(step_d, effectors, targets, self._treg * supply)
        if self.nk is not None:
            primed = self.nk.prime(step_d, self.seen.at(0.5 * step_d), N_PARTS)
            found["nk"] = self.nk.attack(step_d, supply, primed)
        if self.eaten is not None and self.inputs.macrophages is not None:
            of = self.inputs.macrophages
            factor = of["macrophage_killing_rate_constant"] * of["macrophage_to_target_ratio"]
            found["macrophage"] = (self.eaten, 0.5 * step_d * factor, 0.5 * step_d * factor)
        return found

    def summary(self) -> Summary:
        """Return the population values of the present time by variable."""
        n = self.inputs.log_survival.size
        supply = float(self._supply[self.j * N_PARTS])
        found = {
            "surviving_fraction": self.sums.alive / n,
            "mhc1_surface_mean": self.means["mhc1_surface_mean"],
            "effector_to_target_ratio": float(self.effectors.active[-1]),
            "exhausted_to_target_ratio": float(self.effectors.exhausted[-1]),
            "engaged_fraction": self.means.get("recognized", 0.0),
            "ifn_gamma_mean": self.gamma.amount,
            "pdl1_fold_mean": self.means.get("pdl1", 1.0),
            "antibody_occupancy": float(self._occupancy[self.j]),
            "treg_to_target_ratio": self._treg * supply,
            "nk_primed_fraction": 0.0 if self.nk is None else self.nk.primed,
        }
        for name in ("radiation", *self.killers):
            found[f"death_fraction:{name}"] = self.sums.first.get(name, 0.0) / n
        return found

    def per_cell(self) -> dict[str, RealArray]:
        """Return copies of the values of every cell at the present time by variable."""
        alive = 1.0 - self.cells.radiation_probability()
        immune = np.ones_like(alive)
        found = {
            "mhc1_surface": self.signals.mhc1.copy(),
            "pmhc_surface": self.signals.pmhc.copy(),
            "kill_probability_radiation": 1.0 - alive,
            "kill_fraction_radiation": self.cells.first_radiation.copy(),
        }
        fraction = np.zeros_like(alive)
        for name in self.killers:
            found[f"kill_probability_{name}"] = self.cells.probability(name)
            found[f"kill_fraction_{name}"] = self.cells.first[name].copy()
            immune *= 1.0 - found[f"kill_probability_{name}"]
            fraction += found[f"kill_fraction_{name}"]
        found["kill_probability_immune"] = 1.0 - immune
        found["kill_fraction_immune"] = fraction
        found["kill_probability"] = 1.0 - alive * immune
        found["log_survival"] = self.cells.log_survival()
        return found
