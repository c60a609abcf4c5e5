# SPDX-License-Identifier: BSD-3-Clause
"""Which killer cells act and how well each tumor cell is seen by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from immunodose import _core
from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError, did_you_mean
from immunodose.immune_checkpoint import AntibodyCourse, Checkpoint, antibody_course
from immunodose.immune_laws import KillingInputs, KillingLaw, killing_law
from immunodose.typing import FloatArray, RealArray
from immunodose.units import MINUTES_PER_DAY

RECOGNITIONS = ("hill", "at_least_k")
NATURAL_KILLERS = ("missing_self", "ligand")

CheckpointLike: TypeAlias = "Checkpoint | Mapping[str, Any] | None"
NaturalKiller: TypeAlias = Literal["missing_self", "ligand"] | None

_RECOGNITION_KEYS = {
    "hill": ("pmhc_half_kill", "pmhc_power"),
    "at_least_k": ("pmhc_needed",),
}
_PROOFREADING_KEYS = ("proofreading_steps", "proofreading_rate", "tcr_off_rate")
_PD1_KEYS = ("pd1_half_inhibition", "pd1_power")
_TREG_KEYS = ("treg_to_target_ratio", "treg_half_suppression")
_NK_KEYS = ("nk_to_target_ratio", "nk_killing_rate_constant", "nk_priming_rate")
_MISSING_SELF_KEYS = ("nk_mhc1_half", "nk_mhc1_power")


@dataclass(frozen=True, slots=True)
class KillParameters:
    """The host set and, if one is given, the set of kind killing; the host comes first."""

    host: ParameterSet
    killing: ParameterSet | None = None

    def value(self, key: str) -> float:
        """Return a parameter in its unit; InputError if neither set defines it."""
        if self.killing is None or key in self.host.entries:
            if self.killing is None and key not in self.host.entries:
                raise InputError(
                    f"{key!r} is needed, which host set {self.host.name!r} does not have. Give a "
                    'set of kind killing too: parameters={"tumor": ..., "killing": "ctl_nk"}.'
                )
            return self.host.value(key)
        return self.killing.value(key)

    def whole(self, key: str) -> int:
        """Return a parameter that must be a whole number."""
        value = self.value(key)
        if value != round(value):
            raise InputError(f"{key}={value:g} (allowed: a whole number).")
        return round(value)


@dataclass(frozen=True, slots=True)
class KillOptions:
    """The named choices of how tumor cells are killed; `of` checks them."""

    law: KillingLaw
    recognition: str
    proofreading: bool
    pd1: bool
    course: AntibodyCourse | None
    treg: bool
    nk: NaturalKiller

    @classmethod
    def of(
        cls,
        *,
        law: str,
        recognition: str,
        proofreading: bool,
        pd1: bool,
        checkpoint: CheckpointLike,
        treg: bool,
        nk: NaturalKiller,
    ) -> KillOptions:
        """Check the choices and return them; an unknown name is an InputError that lists all."""
        _require_one_of("recognition", recognition, RECOGNITIONS)
        if nk is not None:
            _require_one_of("nk", nk, NATURAL_KILLERS)
        for name, flag in (("proofreading", proofreading), ("pd1", pd1), ("treg", treg)):
            if not isinstance(flag, bool):
                raise InputError(f"invalid {name}={flag!r} (allowed: True or False).")
        course = None if checkpoint is None else antibody_course(checkpoint)
        if course is not None and not pd1:
            raise InputError("checkpoint has no effect with pd1=False. Give pd1=True.")
        return cls(killing_law(law), recognition, proofreading, pd1, course, treg, nk)

    def ctl_keys(self) -> frozenset[str]:
        """Return the keys that CD8 killing reads."""
        keys = set(self.law.keys)
        keys.update(_RECOGNITION_KEYS[self.recognition])
        keys.update(_PROOFREADING_KEYS if self.proofreading else ())
        keys.update(_PD1_KEYS if self.pd1 else ())
        keys.update(_TREG_KEYS if self.treg else ())
        return frozenset(keys)

    def nk_keys(self) -> frozenset[str]:
        """Return the keys that natural killer cells need."""
        if self.nk is None:
            return frozenset()
        return frozenset((*_NK_KEYS, *(_MISSING_SELF_KEYS if self.nk == "missing_self" else ())))

    def attrs(self) -> dict[str, Any]:
        """Return the choices as attributes that NetCDF can hold."""
        found: dict[str, Any] = {
            "kill_law": self.law.name,
            "kill_recognition": self.recognition,
            "kill_proofreading": int(self.proofreading),
            "kill_pd1": int(self.pd1),
            "kill_treg": int(self.treg),
            "kill_nk": self.nk or "none",
        }
        if self.course is not None:
            found["checkpoint_amount_nmol"] = self.course.amount_nmol
            found["checkpoint_time_d"] = self.course.time_d
            found.update(self.course.parameters.attrs("checkpoint_antibody"))
        return found


def require_used(
    options: KillOptions, sets: KillParameters, overrides: Mapping[str, float], call: str
) -> None:
    """Raise InputError for an override of a law or switch that is not in use."""
    used = options.ctl_keys() | options.nk_keys()
    optional = set(_RECOGNITION_KEYS["hill"]) | {"killing_rate_constant"}
    optional |= set() if sets.killing is None else set(sets.killing.entries)
    for key in overrides:
        if key in optional and key not in used:
            choices = ", ".join(f"{name}={value!r}" for name, value in options.attrs().items())
            raise InputError(
                f"override {key}={overrides[key]} has no effect in {call} with {choices}. Leave it "
                "out, or choose the law or switch that reads it."
            )


def _require_one_of(name: str, given: object, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise InputError(
            f"unknown {name} {given!r} (available: {', '.join(allowed)})."
            f"{did_you_mean(given, allowed)}"
        )


@dataclass(slots=True)
class CtlKilling:
    """CD8 killing of n cells: recognition, PD-1, and the law."""

    options: KillOptions
    parameters: KillParameters
    recognized: RealArray
    susceptible: RealArray
    n_threads: int
    pmhc: RealArray = field(init=False)
    pdl1_fold: RealArray | None = field(init=False, default=None)
    constants: dict[str, float] = field(init=False)

    @classmethod
    def start(
        cls, options: KillOptions, parameters: KillParameters, n: int, dtype: Any, n_threads: int
    ) -> CtlKilling:
        """Read the constants and make the arrays of n cells."""
        susceptible = np.zeros(n, dtype=dtype)
        recognized = np.zeros(n, dtype=dtype) if options.pd1 else susceptible
        found = cls(options, parameters, recognized, susceptible, n_threads)
        found.constants = _recognition_constants(options, parameters)
        return found

    def evaluate(self, pmhc: Any, pdl1_fold: Any, occupancy: float) -> None:
        """Take the state of the cells at one time (Eq. 1-5)."""
        self.pmhc, self.pdl1_fold = pmhc, pdl1_fold
        _core.immune.susceptibility(
            pmhc=pmhc,
            pdl1_fold=pdl1_fold if self.options.pd1 else None,
            at_least=int(self.constants["at_least"]),
            half=self.constants["half"],
            power=self.constants["power"],
            proofread=self.constants["proofread"],
            free_share=1.0 - occupancy,
            pdl1_half=self.constants["pdl1_half"],
            pdl1_power=self.constants["pdl1_power"],
            recognition=self.recognized if self.options.pd1 else None,
            out=self.susceptible,
            n_threads=self.n_threads,
        )

    def seen(self, effectors: float, targets: float) -> RealArray:
        """Return what the law multiplies: the susceptibility, or the hazard of a user's law."""
        law = self.options.law
        if law.function is None:
            return self.susceptible
        ones = np.ones(self.pmhc.size)
        inputs = KillingInputs(
            effectors,
            targets,
            np.asarray(self.pmhc, dtype=np.float64),
            ones if self.pdl1_fold is None else np.asarray(self.pdl1_fold, dtype=np.float64),
            np.asarray(self.susceptible, dtype=np.float64),
            self.parameters,
        )
        return law.function(inputs).astype(self.susceptible.dtype)

    def attack(
        self, step_d: float, effectors: FloatArray, targets: FloatArray, treg: FloatArray
    ) -> tuple[RealArray, float, float]:
        """Return what `Competition` takes for one step, with the populations within it (Eq. 6, 9).

        The populations are at equal distances from the beginning of the step to its end.
        """
        left = np.ones(effectors.size)
        if self.options.treg:
            left = 1.0 / (1.0 + treg / self.parameters.value("treg_half_suppression"))
        strength = self.options.law.strength
        rate = self.seen(float(effectors[-1]), float(targets[-1]))
        if strength is None:
            return (rate, *step_weights(left, step_d))
        pairs = zip(effectors.tolist(), targets.tolist(), strict=True)
        law = np.array([strength(e, t, self.parameters) for e, t in pairs])
        return (rate, *step_weights(left * law, step_d))


def _recognition_constants(options: KillOptions, of: KillParameters) -> dict[str, float]:
    found = {"at_least": 0.0, "half": 1.0, "power": 1.0, "proofread": 1.0}
    if options.recognition == "at_least_k":
        found["at_least"] = float(of.whole("pmhc_needed"))
    else:
        found["half"] = of.value("pmhc_half_kill")
        found["power"] = of.value("pmhc_power")
    if options.proofreading:
        rate, off = of.value("proofreading_rate"), of.value("tcr_off_rate")
        found["proofread"] = (rate / (rate + off)) ** of.value("proofreading_steps")
    found["pdl1_half"] = of.value("pd1_half_inhibition") if options.pd1 else 1.0
    found["pdl1_power"] = of.value("pd1_power") if options.pd1 else 1.0
    return found


@dataclass(frozen=True, slots=True)
class HitConstants:
    """Of the law "multi_hit": how many hits kill, and how fast one recovers."""

    n_hits: int
    recovery_per_d: float


def hit_constants(options: KillOptions, of: KillParameters) -> HitConstants | None:
    """Return the constants of the hit chain, None for laws that are plain hazards."""
    if not options.law.hits:
        return None
    return HitConstants(of.whole("hits_to_kill"), MINUTES_PER_DAY / of.value("hit_recovery_time"))


@dataclass(slots=True)
class NkKilling:
    """Natural killer cells against n cells: what they see, and how many are primed."""

    options: KillOptions
    seen: RealArray
    constants: dict[str, float]
    n_threads: int
    primed: float = 0.0

    @classmethod
    def start(
        cls, options: KillOptions, parameters: KillParameters, n: int, dtype: Any, n_threads: int
    ) -> NkKilling:
        """Read the constants and make the array of n cells; no cell is primed yet."""
        keys = options.nk_keys()
        constants = {key: parameters.value(key) for key in sorted(keys)}
        return cls(options, np.zeros(n, dtype=dtype), constants, n_threads)

    def evaluate(self, mhc1: Any, ligand: Any) -> None:
        """Take the state of the cells at one time (Eq. 7)."""
        _core.immune.missing_self(
            mhc1=mhc1 if self.options.nk == "missing_self" else None,
            ligand=ligand,
            half=self.constants.get("nk_mhc1_half", 1.0),
            power=self.constants.get("nk_mhc1_power", 1.0),
            out=self.seen,
            n_threads=self.n_threads,
        )

    def prime(self, step_d: float, seen_mean: float, n_parts: int) -> FloatArray:
        """Prime by encounters with living cells, seen this well on average (Eq. 8).

        Returns the primed share at equal distances within the step, both ends included.
        """
        times = step_d * np.linspace(0.0, 1.0, n_parts + 1)
        rise = -np.expm1(-self.constants["nk_priming_rate"] * seen_mean * times)
        within = self.primed + (1.0 - self.primed) * rise
        self.primed = float(within[-1])
        return np.asarray(within)

    def attack(
        self, step_d: float, supply: FloatArray, primed: FloatArray
    ) -> tuple[RealArray, float, float]:
        """Return what `Competition` takes for one step."""
        number = self.constants["nk_to_target_ratio"] * supply * primed
        strength = self.constants["nk_killing_rate_constant"] * number
        return (self.seen, *step_weights(strength, step_d))


def step_weights(strength_per_d: FloatArray, step_d: float) -> tuple[float, float]:
    """Return the weights of the two ends of a step for a strength that changes within it.

    The exponent of a cell whose susceptibility is linear in the step from s_0 to s_1 is
    w_0 s_0 + w_1 s_1 (Eq. 12).

    Examples
    --------
    >>> step_weights(np.array([2.0, 2.0, 2.0]), 0.5)
    (0.5, 0.5)
    """
    part = np.linspace(0.0, 1.0, strength_per_d.size)
    ends = np.ones(part.size)
    ends[[0, -1]] = 0.5
    mean = ends * strength_per_d / (part.size - 1)
    return float(step_d * (mean @ (1.0 - part))), float(step_d * (mean @ part))


def predicted(now: float, before: float, step_d: float, last_step_d: float) -> float:
    """Return a population at the end of a step, from the last two; never below 0."""
    if last_step_d <= 0.0:
        return now
    return max(0.0, now + (now - before) * step_d / last_step_d)


def alive_mean(total: float, alive: float) -> float:
    """Return the mean over the living; 0 where none is left."""
    return total / alive if alive > 0.0 else 0.0


def course_occupancy(course: AntibodyCourse | None, time_d: FloatArray) -> FloatArray:
    """Return the occupancy at each time; 0 without an antibody."""
    return np.zeros(time_d.size) if course is None else course.occupancy(time_d)
