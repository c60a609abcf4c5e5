# SPDX-License-Identifier: BSD-3-Clause
"""From doses of cells to survival and derived doses, block by block of cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.response_cells import N_MOMENTS, CellArrays
from immunodose.response_inputs import check_values, require
from immunodose.response_limits import require_inside
from immunodose.response_models import (
    HIGH_LET,
    LOW_LET,
    ModelResult,
    SurvivalInputs,
    SurvivalModel,
)
from immunodose.response_modifiers import SPREAD_KEY, class_modifiers, mean_log, spread_nodes
from immunodose.response_protraction import (
    DoseCourses,
    Repair,
    dose_components,
    dose_courses,
)
from immunodose.response_quality import AlphaSource
from immunodose.source_time import Fractions, TimeCourses
from immunodose.typing import EMISSIONS, FloatArray

if TYPE_CHECKING:
    import xarray as xr

# hit_decay_moment[1] and the alpha dose come from different tables, each good to about 0.1 %.
_MOMENT_TOLERANCE = 0.02
_COLUMNS = ("survival_probability", "bed", "eqd2", "rbe_weighted_dose")
_OUTSIDE_DOSE, _SHARE_ABOVE_LET = len(_COLUMNS), len(_COLUMNS) + 1


@dataclass(frozen=True, slots=True)
class Course:
    """When the dose comes: courses with the dose of each (cell, component), a factor, or acute."""

    name: str
    stated: bool
    courses: TimeCourses | Fractions | None = None
    dose: xr.Variable | None = None
    given_factor: xr.Variable | None = None

    @staticmethod
    def of(ds: xr.Dataset, dose_rate: str | None) -> Course:
        """Return the course that `survival` takes."""
        import xarray as xr

        if dose_rate == "acute":
            return Course("acute", True)
        if dose_rate == "lea_catcheside":
            factor = require(ds, "lea_catcheside_factor", "lea_catcheside(ds, ...)")
            if "target" in factor.dims:
                factor = factor.sel(target="nucleus")
            if factor.dims != ("cell",):
                raise InputError(
                    f"lea_catcheside_factor has dims {factor.dims} (allowed: cell, target)."
                )
            return Course("lea_catcheside_factor", True, given_factor=factor.variable)
        if "absorbed_dose_component" in ds:
            component, courses = dose_components(ds)
            return Course("courses of absorbed_dose_rate", False, courses, component.variable)
        found = dose_courses(ds)
        if found.courses is None:
            return Course("acute", False)
        dose = xr.Variable(("cell", "component"), found.dose)
        return Course(found.name, False, found.courses, dose)

    def arrays(self) -> dict[str, xr.Variable]:
        """Return the variables over cells that `factor` needs."""
        named = {"course_dose": self.dose, "factor": self.given_factor}
        return {name: one for name, one in named.items() if one is not None}

    def factor(self, block: Mapping[str, Any], rows: Any, item: ParameterSet, n: int) -> FloatArray:
        """Return the Lea-Catcheside factor of some rows of a block; `n` threads."""
        if self.given_factor is not None:
            factor = np.asarray(block["factor"], dtype=np.float64)[rows]
            return check_values("lea_catcheside_factor", factor, high=1.0)
        if self.courses is None:
            return np.ones(block["dose"][rows].shape[0])
        dose = np.ascontiguousarray(block["course_dose"][rows], dtype=np.float64)
        return DoseCourses(self.courses, dose).factor(slice(None), Repair.of(item), n)


@dataclass(frozen=True, slots=True)
class CellEffects:
    """Variables over cells; counts are None for lazy arrays."""

    columns: dict[str, Any]
    nodes: Any | None
    n_outside: tuple[int, int] = (0, 0)
    share_above_let: float = 0.0


@dataclass(frozen=True, slots=True)
class _Block:
    """Settings that all blocks of cells share; a call of it computes one block."""

    names: tuple[str, ...]
    cells: CellArrays
    course: Course
    model: SurvivalModel
    sets: Mapping[str, ParameterSet]
    on_extrapolate: str
    treatment_time_d: float | None
    n_threads: int
    nodes: Any

    def __call__(self, *arrays: Any) -> FloatArray:
        named = dict(zip(self.names, arrays, strict=True))
        named["dose"] = np.ascontiguousarray(named["dose"], dtype=np.float64)
        _check_block(named, self.cells.emissions)
        result = np.zeros((named["dose"].shape[0], len(_COLUMNS) + 2))
        if len(self.sets) == 1:
            rows: Any = slice(None)
            result[rows] = self._of_one_type(named, rows, next(iter(self.sets.values())))
            return result
        for code, item in enumerate(self.sets.values()):
            rows = np.flatnonzero(named["cell_type"] == code)
            if rows.size:
                result[rows] = self._of_one_type(named, rows, item)
        return result

    def _of_one_type(self, named: Mapping[str, Any], rows: Any, item: ParameterSet) -> FloatArray:
        dose = _by_class(named["dose"][rows], self.cells.emissions)
        log_survival = self._log_survival(named, rows, item, dose)
        total = np.sum(list(dose.values()), axis=0)
        outside = (total > item.value("validity_dose_max")).astype(np.float64)
        share = self._share_above_let(named, rows, item, dose["alpha"])
        beyond = (outside > 0.0) | (share > 0.0)
        if self.on_extrapolate == "raise":
            require_inside(beyond)
        derived = _derived(item, log_survival, self.treatment_time_d, self.model)
        columns = np.stack([np.exp(log_survival), *derived], axis=1)
        if self.on_extrapolate == "nan":
            columns[beyond] = np.nan
        return np.concatenate([columns, outside[:, None], share[:, None]], axis=1)

    def _share_above_let(
        self, named: Mapping[str, Any], rows: Any, item: ParameterSet, alpha_Gy: FloatArray
    ) -> FloatArray:
        if not self.model.needs_quality or not alpha_Gy.any():
            return np.zeros(alpha_Gy.size)
        limit = item.value("validity_let_max")
        share = self._alphas(named, rows).share_above(limit, alpha_Gy.size)
        return np.where(alpha_Gy > 0.0, share, 0.0)

    def _alphas(self, named: Mapping[str, Any], rows: Any) -> AlphaSource:
        let, share = named.get("let"), named.get("share")
        return AlphaSource(
            None if let is None else np.asarray(let, dtype=np.float64)[rows],
            self.cells.spectra,
            None if share is None else share[rows],
        )

    def _log_survival(
        self, named: Mapping[str, Any], rows: Any, item: ParameterSet, dose: dict[str, FloatArray]
    ) -> FloatArray:
        """Return ln S, as the mean over the spread of radiosensitivity if the set has one."""
        known: list[FloatArray] = []

        def factor() -> FloatArray:
            if not known:
                known.append(self.course.factor(named, rows, item, self.n_threads))
            return known[0]

        def run(sensitivity: FloatArray | None) -> ModelResult:
            inputs = self._inputs(named, rows, item, dose, sensitivity, factor)
            return self.model.function(inputs)

        if "radiosensitivity" in named:
            result = run(named["radiosensitivity"][rows].astype(np.float64))
        elif item.defines(SPREAD_KEY) and item.value(SPREAD_KEY) > 0.0:
            node, weight = spread_nodes(item.value(SPREAD_KEY))
            results = [run(np.full(dose["beta"].size, value)) for value in node]
            result = ModelResult(
                mean_log(np.stack([one.log_survival for one in results]), weight),
                results[0].nodes,
            )
        else:
            result = run(None)
        self.nodes[:] += np.asarray(result.nodes, dtype=np.int64)
        return result.log_survival

    def _inputs(
        self,
        named: Mapping[str, Any],
        rows: Any,
        item: ParameterSet,
        dose: dict[str, FloatArray],
        sensitivity: FloatArray | None,
        factor: Any,
    ) -> SurvivalInputs:
        oxygen = named["oxygen"][rows].astype(np.float64) if "oxygen" in named else None
        if self.model.needs_quality:
            alphas = self._alphas(named, rows)
            return SurvivalInputs(
                dose, None, item, self.n_threads, factor, alphas, oxygen, sensitivity
            )
        dosed = tuple(any(dose[name].any() for name in group) for group in (LOW_LET, HIGH_LET))
        low, high = class_modifiers(item, sensitivity, oxygen, (dosed[0], dosed[1]))
        scaled: dict[str, FloatArray] = {
            name: dose[name] * (low if name in LOW_LET else high) for name in EMISSIONS
        }
        moment = None
        if "moment" in named and (self.model.needs_moments or self.model.registered):
            moment = _scaled_moments(named["moment"][rows], high)
        return SurvivalInputs(scaled, moment, item, self.n_threads, factor)


def effects_of_cells(
    cells: CellArrays,
    course: Course,
    model: SurvivalModel,
    sets: Mapping[str, ParameterSet],
    types: Any,
    *,
    on_extrapolate: str,
    treatment_time_d: float | None,
    n_threads: int,
) -> CellEffects:
    """Return the effect on every cell; lazily where an array is a Dask array."""
    import xarray as xr

    _check_treatment_time(treatment_time_d, sets)
    code = np.zeros(types.size, dtype=np.int64)
    for i, name in enumerate(list(sets)[1:], start=1):
        code[types == name] = i
    arrays = {**cells.arrays, **course.arrays(), "cell_type": xr.Variable(("cell",), code)}
    nodes = np.zeros(4, dtype=np.int64)
    block = _Block(
        tuple(arrays), cells, course, model, sets, on_extrapolate, treatment_time_d, n_threads,
        nodes,
    )  # fmt: skip
    found = xr.apply_ufunc(
        block,
        *arrays.values(),
        input_core_dims=[[dim for dim in one.dims if dim != "cell"] for one in arrays.values()],
        output_core_dims=[["effect"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": {"effect": len(_COLUMNS) + 2},
            "allow_rechunk": True,
        },
    ).transpose("cell", "effect")
    return _effects(found, nodes, lazy=cells.lazy or found.chunks is not None)


def _effects(found: xr.Variable, nodes: Any, *, lazy: bool) -> CellEffects:
    columns: dict[str, Any] = {name: found.data[:, k] for k, name in enumerate(_COLUMNS)}
    outside = (found.data[:, _OUTSIDE_DOSE] > 0.0) | (found.data[:, _SHARE_ABOVE_LET] > 0.0)
    columns["outside_validity"] = outside.astype(np.int8)
    if lazy:
        return CellEffects(columns, None)
    share = found.data[:, _SHARE_ABOVE_LET]
    beyond = share > 0.0
    n_outside = (int((found.data[:, _OUTSIDE_DOSE] > 0.0).sum()), int(beyond.sum()))
    return CellEffects(
        columns, nodes, n_outside, float(share[beyond].mean()) if n_outside[1] else 0.0
    )


def _scaled_moments(moment: Any, factor: FloatArray | float) -> FloatArray:
    """Return the moments of z times a factor, one for all cells or one per cell."""
    if isinstance(factor, float) and factor == 1.0:
        return np.ascontiguousarray(moment, dtype=np.float64)
    power = np.reshape(np.asarray(factor), (-1, 1)) ** np.arange(N_MOMENTS)
    return np.ascontiguousarray(moment * power, dtype=np.float64)


def _by_class(dose: FloatArray, labels: tuple[str, ...]) -> dict[str, FloatArray]:
    """Return the dose of each of the five classes (cell,), 0 for those without a label."""
    none = np.zeros(dose.shape[0])
    return {
        name: np.ascontiguousarray(dose[:, labels.index(name)]) if name in labels else none
        for name in EMISSIONS
    }


def _check_block(named: dict[str, Any], labels: tuple[str, ...]) -> None:
    """Raise InputError for values that no dose, hit or modifier can have."""
    check_values("absorbed_dose (cell, emission)", named["dose"])
    for name in ("radiosensitivity", "oxygen"):
        if name in named:
            check_values(name, np.asarray(named[name], dtype=np.float64))
    if "moment" not in named:
        return
    moments = np.asarray(named["moment"], dtype=np.float64)
    check_values("hit_decay_moment", moments)
    alpha = _by_class(named["dose"], labels)["alpha"]
    off = np.abs(moments[:, 1] - alpha) > _MOMENT_TOLERANCE * np.maximum(alpha, moments[:, 1])
    if off.any():
        i = int(np.argmax(off))
        raise InputError(
            f"hit_decay_moment[{i}, 1] = {moments[i, 1]:g} Gy but the alpha dose of that nucleus "
            f"is {alpha[i]:g} Gy (they must agree). Call immunodose.absorbed_dose again, or "
            "drop hit_decay_moment to use mean doses."
        )


def _derived(
    item: ParameterSet,
    log_survival: FloatArray,
    treatment_time_d: float | None,
    model: SurvivalModel,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return BED, EQD2 and RBE-weighted dose (Eq. 27, 28); NaN if a user's model has no photons."""
    if model.registered and not (item.defines("low_let_alpha") and item.defines("low_let_beta")):
        unknown = np.full(log_survival.size, np.nan)
        return unknown, unknown, unknown
    alpha, beta = item.value("low_let_alpha"), item.value("low_let_beta")
    if alpha <= 0.0:
        raise InputError(
            f"low_let_alpha={alpha} Gy-1 in set {item.name!r} (allowed: above 0; bed and "
            "rbe_weighted_dose refer to it)."
        )
    effect = -log_survival
    bed = effect / alpha - _repopulated_Gy(item, alpha, treatment_time_d)
    root_term = np.sqrt(alpha**2 + 4.0 * beta * effect)
    return bed, bed / (1.0 + 2.0 * beta / alpha), 2.0 * effect / (alpha + root_term)


def _repopulated_Gy(item: ParameterSet, alpha: float, treatment_time_d: float | None) -> float:
    if treatment_time_d is None:
        return 0.0
    growing_d = max(0.0, treatment_time_d - item.value("repopulation_delay"))
    return math.log(2.0) * growing_d / (alpha * item.value("repopulation_doubling_time"))


def _check_treatment_time(treatment_time_d: float | None, sets: Mapping[str, ParameterSet]) -> None:
    if treatment_time_d is None:
        return
    if not (math.isfinite(treatment_time_d) and treatment_time_d > 0.0):
        raise InputError(f"invalid treatment_time_d={treatment_time_d} (allowed: finite, > 0 d).")
    for item in sets.values():
        if item.value("repopulation_doubling_time") <= 0.0:
            raise InputError(f"repopulation_doubling_time of {item.name!r} must be above 0 d.")
