# SPDX-License-Identifier: BSD-3-Clause
"""The Lea-Catcheside factor of each cell: what repair during the irradiation leaves of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError, did_you_mean
from immunodose.provenance import base_attrs
from immunodose.response_inputs import (
    ParametersByType,
    cell_types,
    dose_history,
    merged,
    require,
    set_attrs,
    sets_by_type,
)
from immunodose.schema import build
from immunodose.source_time import Fractions, TimeCourses, exponentials
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray, FloatLike
from immunodose.units import MINUTES_PER_DAY, SECONDS_PER_DAY

if TYPE_CHECKING:
    import xarray as xr

METHODS = ("courses", "curve")
_SHARE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Repair:
    """Phases of repair: shares that sum to 1, and rates."""

    share: FloatArray
    rate_per_d: FloatArray

    @staticmethod
    def of(item: ParameterSet) -> Repair:
        """Return the two phases of a parameter set."""
        slow = item.value("repair_slow_fraction")
        fast_min, slow_min = (
            item.value("repair_half_time_fast"),
            item.value("repair_half_time_slow"),
        )
        return repair_of([fast_min, slow_min], [1.0 - slow, slow])


def repair_of(half_time_min: FloatLike, share: FloatLike | None = None) -> Repair:
    """Return checked phases of repair; without shares there must be one phase.

    Examples
    --------
    >>> repair_of(90.0).share
    array([1.])
    """
    half_time = np.atleast_1d(np.asarray(half_time_min, dtype=np.float64))
    if half_time.ndim != 1 or not (np.isfinite(half_time) & (half_time > 0.0)).all():
        raise InputError(
            f"invalid repair_half_time_min={half_time_min!r} (allowed: finite, > 0 min; one number "
            "or one per phase)."
        )
    if share is None and half_time.size != 1:
        raise InputError(
            f"repair_half_time_min has {half_time.size} phases. Give repair_share, the share of "
            "each, which sum to 1."
        )
    part = np.ones(1) if share is None else np.atleast_1d(np.asarray(share, dtype=np.float64))
    if part.shape != half_time.shape or not ((part >= 0.0) & (part <= 1.0)).all():
        raise InputError(
            f"invalid repair_share={share!r} (allowed: 0 to 1, one for each of the "
            f"{half_time.size} half-times)."
        )
    if abs(math.fsum(part) - 1.0) > _SHARE_TOLERANCE:
        raise InputError(f"repair_share sums to {math.fsum(part):.9g} (allowed: 1).")
    return Repair(part, math.log(2.0) * MINUTES_PER_DAY / half_time)


@dataclass(frozen=True, slots=True)
class DoseCourses:
    """Doses of cells by time course (cell, ..., component); no courses means acute."""

    courses: TimeCourses | Fractions | None
    dose: FloatArray
    name: str = "acute"

    def factor(self, rows: Any, repair: Repair, n_threads: int = 1) -> FloatArray:
        """Return the factor of some cells; 1 where there is no dose (Eqs. R4-R7)."""
        dose = self.dose[rows]
        if self.courses is None:
            return np.ones(dose.shape[:-1])
        pair = self.courses.protraction_of_pairs(repair.share, repair.rate_per_d / SECONDS_PER_DAY)
        found = _core.response.lea_catcheside_of_doses(
            dose=dose.reshape(-1, dose.shape[-1]), pair=pair, n_threads=n_threads
        )
        return np.asarray(found.reshape(dose.shape[:-1]))


def dose_courses(ds: xr.Dataset) -> DoseCourses:
    """Return the courses of the dose to the nucleus.

    They are those of `absorbed_dose_rate` where it was called, else the exponentials of
    `activity_rate_constant`, else acute.
    """
    if "absorbed_dose_component" in ds:
        component, courses = dose_components(ds)
        dose = component.values.astype(np.float64)
        return DoseCourses(courses, dose, "courses of absorbed_dose_rate")
    history = dose_history(ds)
    if history.pulse_time_d is not None:
        rate = np.empty(0) if history.rate_per_d is None else history.rate_per_d
        fractions = Fractions(history.pulse_time_d * SECONDS_PER_DAY, rate / SECONDS_PER_DAY)
        return DoseCourses(fractions, history.share, "fractions of an external beam")
    if history.rate_per_d is None:
        return DoseCourses(None, history.share)
    courses = exponentials(history.rate_per_d / SECONDS_PER_DAY)
    return DoseCourses(courses, history.share, "exponential")


def dose_components(ds: xr.Dataset) -> tuple[xr.DataArray, TimeCourses]:
    """Return the dose of each course to the nucleus (cell, component), lazy if it was."""
    component, courses = _components(ds)
    if "nucleus" not in component["target"].values:
        raise InputError(
            "absorbed_dose_component has no target 'nucleus'. Call "
            "immunodose.absorbed_dose_rate with it."
        )
    return component.sel(target="nucleus").transpose("cell", "component"), courses


def _components(ds: xr.Dataset) -> tuple[xr.DataArray, TimeCourses]:
    component = require(ds, "absorbed_dose_component", "absorbed_dose_rate(cells, time_h=...)")
    text = ds.attrs.get("time_courses")
    if set(component.dims) != {"cell", "target", "component"} or not isinstance(text, str):
        raise InputError(
            f"absorbed_dose_component has dims {component.dims} (allowed: cell, target, component, "
            "with the attribute time_courses of the Dataset). Call immunodose.absorbed_dose_rate "
            "again."
        )
    courses = TimeCourses.from_json(text)
    if len(courses.weight) != component.sizes["component"]:
        raise InputError(
            f"absorbed_dose_component has {component.sizes['component']} components, the attribute "
            f"time_courses {len(courses.weight)}. Call immunodose.absorbed_dose_rate again."
        )
    return component, courses


def lea_catcheside_g(
    rate_per_d: FloatArray | None,
    share: FloatArray,
    *,
    repair_half_time_fast_min: float,
    repair_half_time_slow_min: float,
    repair_slow_fraction: float,
) -> FloatArray:
    """Return the Lea-Catcheside factor of each cell for exponential dose rates, infinite time.

    Parameters
    ----------
    rate_per_d
        Effective rate constant of each component (> 0, d-1); None for an acute dose.
    share
        Share of the dose that each component gives, (cell, component), rows sum to 1.
    repair_half_time_fast_min, repair_half_time_slow_min
        Half-times of repair (> 0, min).
    repair_slow_fraction
        Share of the slow repair, 0 to 1.

    Returns
    -------
    numpy.ndarray
        G of each cell, in [0, 1].

    Notes
    -----
    Eq. 2 and 3 of docs/theory/response.md; for one nuclide sum_c w_c lambda/(mu_c + lambda).

    Examples
    --------
    >>> lea_catcheside_g(None, np.ones((1, 1)), repair_half_time_fast_min=30.0,
    ...     repair_half_time_slow_min=120.0, repair_slow_fraction=0.5)
    array([1.])
    """
    slow = repair_slow_fraction
    repair = repair_of([repair_half_time_fast_min, repair_half_time_slow_min], [1.0 - slow, slow])
    rate = None if rate_per_d is None else np.asarray(rate_per_d, dtype=np.float64)
    courses = None if rate is None else exponentials(rate / SECONDS_PER_DAY)
    return DoseCourses(courses, np.asarray(share, dtype=np.float64)).factor(slice(None), repair)


def lea_catcheside(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType | None = None,
    repair_half_time_min: FloatLike | None = None,
    repair_share: Sequence[float] | None = None,
    method: str = "courses",
    n_threads: int | None = None,
    merge: bool = True,
) -> xr.Dataset:
    """Add the Lea-Catcheside dose protraction factor of each cell and target.

    Parameters
    ----------
    ds
        Result of `absorbed_dose_rate`; with "curve" any Dataset of ``absorbed_dose_rate`` (cell,
        time, and any of target, emission, origin, nuclide) [Gy h-1] with coordinate ``time`` [d].
    parameters
        A cell line whose repair is taken, as in `survival`; or give `repair_half_time_min`.
    repair_half_time_min
        Half-time of repair in min (> 0); several for several phases.
    repair_share
        Share of each phase (0 to 1, sum 1); needed for more than one.
    method
        "courses": closed form over all time from ``absorbed_dose_component``. "curve": from the
        stored dose rates, taken as linear between the times and as zero before and after.
    n_threads
        Threads (>= 1); None for all that this process may use. The result does not depend on it.
    merge
        Whether to return `ds` with the new variable, or only this.

    Returns
    -------
    xarray.Dataset
        `lea_catcheside_factor` (cell[, target]) [1]: 1 for an acute dose and where there is no
        dose, towards 0 for a slow one; NaN for targets without a dose rate.

    Raises
    ------
    InputError
        For missing variables (with the call to make), repair that is stated twice or not at all,
        half-times or shares out of range, fewer than two times, negative dose rates.

    Notes
    -----
    Eqs. R4-R10 of docs/theory/dose_rate.md. Both are exact for what they are given; a curve sampled
    at few times differs from the true one.

    References
    ----------
    Lea DE, Catcheside DG. J Genet 1942;44:216. Sachs RK, Hahnfeldt P, Brenner DJ. Int J Radiat
    Biol 1997;72:351.

    Examples
    --------
    >>> import xarray as xr
    >>> rate = xr.DataArray([[1.0, 1.0]], dims=("cell", "time"), coords={"time": [0.0, 1e-4]})
    >>> flash = xr.Dataset({"absorbed_dose_rate": rate})
    >>> g = lea_catcheside(flash, repair_half_time_min=60.0, method="curve")
    >>> g["lea_catcheside_factor"].values.round(3)
    array([0.999])
    """
    if method not in METHODS:
        raise InputError(
            f"unknown method={method!r} (available: {', '.join(METHODS)})."
            f"{did_you_mean(method, METHODS)}"
        )
    threads = resolve_threads(n_threads)
    dims, values, factor_of = (
        _by_courses(ds, threads) if method == "courses" else _by_curve(ds, threads)
    )
    result = np.empty(values.shape[:-1])
    attrs: dict[str, Any] = {"lea_catcheside_method": method}
    if repair_half_time_min is not None:
        if parameters is not None:
            raise InputError("parameters and repair_half_time_min both state the repair. Give one.")
        result[:] = factor_of(slice(None), repair_of(repair_half_time_min, repair_share))
        attrs["repair_half_time_min"] = np.atleast_1d(repair_half_time_min).tolist()
    elif parameters is None or repair_share is not None:
        raise InputError(
            "no repair is stated. Give parameters (a cell line), or repair_half_time_min (and "
            "repair_share for several phases)."
        )
    else:
        sets = sets_by_type(ds, parameters, {})
        types = cell_types(ds)
        for cell_type, item in sets.items():
            rows = np.flatnonzero(types == cell_type)
            result[rows] = factor_of(rows, Repair.of(item))
        attrs.update(set_attrs("lea_catcheside_parameters", sets))
    coords = {name: ds[name].variable for name in dims if name in ds.coords}
    new = build({"lea_catcheside_factor": (dims, result)}, coords=coords, attrs=base_attrs(**attrs))
    return merged(ds, new, merge=merge)


def _by_courses(ds: xr.Dataset, n_threads: int) -> tuple[tuple[str, ...], FloatArray, Any]:
    component, courses = _components(ds)
    dims = ("cell", "target")
    values = component.transpose(*dims, "component").values.astype(np.float64)
    doses = DoseCourses(courses, values)
    return dims, values, lambda rows, repair: doses.factor(rows, repair, n_threads)


def _by_curve(ds: xr.Dataset, n_threads: int) -> tuple[tuple[str, ...], FloatArray, Any]:
    rate = require(ds, "absorbed_dose_rate", "absorbed_dose_rate(cells, time_h=...)")
    allowed = {"cell", "target", "emission", "origin", "nuclide", "time"}
    if not {"cell", "time"} <= set(rate.dims) <= allowed or "time" not in rate.coords:
        raise InputError(
            f"absorbed_dose_rate has dims {rate.dims} (needed: cell and time with its coordinate; "
            f"allowed: {', '.join(sorted(allowed))})."
        )
    time_d = np.asarray(rate["time"].values, dtype=np.float64)
    if time_d.size < 2 or not np.isfinite(time_d).all() or (np.diff(time_d) <= 0.0).any():
        raise InputError(
            f"time of absorbed_dose_rate holds {time_d.size} values, {time_d[:5]} ... (needed: at "
            "least two, finite and ascending). Give more times to absorbed_dose_rate."
        )
    dims = ("cell", "target") if "target" in rate.dims else ("cell",)
    summed = rate.sum([d for d in rate.dims if d not in (*dims, "time")], skipna=False)
    values = np.ascontiguousarray(summed.transpose(*dims, "time").values, dtype=np.float64)
    bad = (values < 0.0) | np.isinf(values)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"absorbed_dose_rate{list(where)} = {values[where]} Gy h-1 (allowed: finite, >= 0); "
            f"{int(bad.sum())} such values."
        )

    def factor(rows: Any, repair: Repair) -> FloatArray:
        own = values[rows]
        found = _core.response.lea_catcheside_of_curves(
            time=time_d,
            dose_rate=own.reshape(-1, own.shape[-1]),
            repair_weight=repair.share,
            repair_rate=repair.rate_per_d,
            n_threads=n_threads,
        )
        return np.asarray(found.reshape(own.shape[:-1]))

    return dims, values, factor
