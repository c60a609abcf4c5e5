# SPDX-License-Identifier: BSD-3-Clause
"""How much of each trigger a cell gets: weighted dose, or expected number of triggering tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunodose.errors import InputError
from immunodose.immune_course import Course, DoseCourses, dose_courses
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_signal_sets import SignalSets
from immunodose.response_inputs import check_values, nucleus_dose, require
from immunodose.typing import EMISSIONS, FloatArray

if TYPE_CHECKING:
    import xarray as xr

# Which weight an emission class has: recoils act with the alphas of their decay, photons through
# the electrons that they set free.
WEIGHT_OF = {
    "alpha": "alpha",
    "recoil": "alpha",
    "beta": "beta",
    "photon": "beta",
    "auger_ce": "auger_ce",
}
WEIGHT_CLASSES = ("alpha", "beta", "auger_ce")
_ALL = "all"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Doses:
    """Dose to one target of the tumor cells after all decays: (cell, course) by emission class."""

    by_class: Mapping[str, FloatArray]

    def weighted(self, weights: Mapping[str, float], what: str) -> FloatArray:
        """Return the dose of all classes, each times its weight, (cell, course)."""
        if _ALL in self.by_class:
            if len(set(weights.values())) > 1:
                raise InputError(
                    f"absorbed_dose has no dim 'emission', but the weights of {what} differ by "
                    f"class ({dict(weights)}). Call immunodose.absorbed_dose with split that "
                    "includes 'emission'."
                )
            return weights[WEIGHT_CLASSES[0]] * self.by_class[_ALL]
        parts = [weights[WEIGHT_OF[name]] * dose for name, dose in self.by_class.items()]
        return np.asarray(np.sum(parts, axis=0))


@dataclass(frozen=True, slots=True)
class Amounts:
    """Per tumor cell and course: what drives each pool; arrays of float32 (course, cell)."""

    courses: tuple[Course, ...]
    pools: Mapping[str, npt.NDArray[np.float32]]
    dose_Gy: Mapping[str, npt.NDArray[np.float32]]


def trigger_amounts(
    ds: xr.Dataset, mechanism: Mechanism, sets: SignalSets, is_tumor: npt.NDArray[np.bool_]
) -> Amounts:
    """Return the amounts that the mechanism needs, in the order of the tumor cells (Eqs. 5, 6)."""
    courses = dose_courses(ds)
    nucleus = _doses(ds, "nucleus", courses, is_tumor)
    pools: dict[str, FloatArray] = {}
    tracks = _Tracks(ds, sets, is_tumor) if mechanism.weighting == "per_track" else None

    def per_gy(doses: Doses, trigger: str) -> FloatArray:
        weights = {name: sets.value(f"{trigger}_weight_{name}") for name in WEIGHT_CLASSES}
        return doses.weighted(weights, trigger)

    if tracks is None:
        pools["damage"] = per_gy(nucleus, "damage")
    else:
        pools["damage"] = tracks.triggering(nucleus, "nucleus", "damage")
    if mechanism.has("sting"):
        if tracks is None:
            pools["dna"] = per_gy(nucleus, "dna")
        else:
            pools["dna"] = tracks.triggering(nucleus, "nucleus", "dna")
        if mechanism.trex1_window:
            pools["window"] = pools["dna"] if tracks is None else per_gy(nucleus, "dna")
    if mechanism.has("membrane"):
        membrane = _doses(ds, "membrane", courses, is_tumor)
        if tracks is None:
            pools["membrane"] = per_gy(membrane, "membrane")
        else:
            pools["membrane"] = tracks.triggering(membrane, "membrane", "membrane")
    arrays = {id(amount): np.ascontiguousarray(amount.T, np.float32) for amount in pools.values()}
    return Amounts(
        courses.all,
        {name: arrays[id(amount)] for name, amount in pools.items()},
        {name: np.ascontiguousarray(d.T, np.float32) for name, d in nucleus.by_class.items()},
    )


class _Tracks:
    """Expected tracks per cell and course, and how many of them trigger."""

    def __init__(self, ds: xr.Dataset, sets: SignalSets, is_tumor: npt.NDArray[np.bool_]) -> None:
        self._ds, self._sets, self._is_tumor = ds, sets, is_tumor

    def triggering(self, doses: Doses, target: str, trigger: str) -> FloatArray:
        if _ALL in doses.by_class:
            raise InputError(
                "absorbed_dose has no dim 'emission', which weighting='per_track' needs: tracks "
                "differ by class. Call immunodose.absorbed_dose with split that includes it."
            )
        total = np.zeros_like(next(iter(doses.by_class.values())))
        for name, dose in doses.by_class.items():
            if name == "recoil" or not dose.any():
                continue  # a recoil comes with the alpha of its decay: one hit
            group = WEIGHT_OF[name]
            probability = self._sets.value(f"{trigger}_track_probability_{group}")
            total += probability * self._number(dose, target, name, group)
        return total

    def _number(self, dose: FloatArray, target: str, name: str, group: str) -> FloatArray:
        if target == "nucleus" and name == "alpha":
            return self._alpha_hits(dose)
        return dose / self._sets.value(f"{target}_specific_energy_per_track_{group}")

    def _alpha_hits(self, dose: FloatArray) -> FloatArray:
        """Share the expected alpha traversals of each nucleus out by its alpha dose."""
        call = "absorbed_dose(cells, ...) of cells with an alpha emitter"
        variable = require(self._ds, "hit_mean", call)
        if variable.dims != ("cell",):
            raise InputError(f"hit_mean has dims {variable.dims} (allowed: cell).")
        hits = np.asarray(variable.values, dtype=np.float64)[self._is_tumor]
        check_values("hit_mean", hits)
        total = dose.sum(axis=1, keepdims=True)
        share = np.divide(dose, total, out=np.zeros_like(dose), where=total > 0.0)
        return np.asarray(share * hits[:, None])


def _doses(
    ds: xr.Dataset, target: str, courses: DoseCourses, is_tumor: npt.NDArray[np.bool_]
) -> Doses:
    variable = require(ds, "absorbed_dose", "absorbed_dose(cells, ...)")
    if target == "membrane":
        if "target" not in variable.dims or "membrane" not in variable["target"].values:
            raise InputError(
                "absorbed_dose has no target 'membrane', which the trigger 'membrane' needs. Call "
                "immunodose.absorbed_dose with split that includes 'target'."
            )
        # Without a dim target the doses are read as they are.
        ds = ds.assign(absorbed_dose=variable.sel(target="membrane", drop=True))
    keep = ("nuclide",) if courses.by_nuclide else ()
    if "emission" not in variable.dims:
        values = nucleus_dose(ds, *keep).reshape(is_tumor.size, -1)
        return _split_beam({_ALL: values[is_tumor]}, courses, is_tumor)
    names = [str(name) for name in variable["emission"].values]
    unknown = [name for name in names if name not in EMISSIONS]
    if unknown:
        raise InputError(
            f"absorbed_dose has emission {unknown[0]!r} (allowed: {', '.join(EMISSIONS)})."
        )
    by_class = nucleus_dose(ds, "emission", *keep).reshape(is_tumor.size, len(names), -1)
    found = {name: by_class[is_tumor, k] for k, name in enumerate(names)}
    return _split_beam(found, courses, is_tumor)


def _split_beam(
    by_class: dict[str, FloatArray], courses: DoseCourses, is_tumor: npt.NDArray[np.bool_]
) -> Doses:
    """Give the dose of a beam, which counts as photons, courses of its own."""
    if courses.beam_Gy is None:
        return Doses(by_class)
    beam = courses.beam_Gy[is_tumor]
    parts: dict[str, FloatArray] = {}
    for name, dose in by_class.items():
        own = beam if name in (_ALL, "photon") else np.zeros_like(beam)
        rest = dose - own.sum(axis=1, keepdims=True)
        rest[np.abs(rest) <= _ROUNDING * dose] = 0.0
        parts[name] = np.concatenate([rest, own], axis=1)
    return Doses(parts)
