# SPDX-License-Identifier: BSD-3-Clause
"""Survival of each cell after alpha hits and low-LET dose, with dose rate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from immunodose import _core
from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.provenance import base_attrs
from immunodose.response_inputs import (
    ParametersByType,
    cell_types,
    check_values,
    merged,
    nucleus_dose,
    set_attrs,
    sets_by_type,
    warn,
)
from immunodose.response_protraction import DoseCourses, Repair, dose_courses
from immunodose.schema import build
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

_HIGH_LET = ("alpha", "recoil")
_LOW_LET = ("beta", "auger_ce", "photon")
_N_MOMENTS = 6
# hit_decay_moment[1] and the alpha dose come from different tables, each good to about 0.1 %.
_MOMENT_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class _Doses:
    """Nucleus doses of all cells, by class, and the moments of the alpha decays that hit."""

    alpha: FloatArray
    recoil: FloatArray
    low_let: FloatArray
    moments: FloatArray | None


def survival(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    dose_rate: Literal["acute"] | None = None,
    merge: bool = True,
    n_threads: int | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Add the probability that each cell survives its radiation dose.

    Parameters
    ----------
    ds
        Dataset of `absorbed_dose` with dim `emission`; with `hit_decay_moment` the alphas act
        per decay that hits, else by their mean dose. The dose rate is that of
        `absorbed_dose_component`, else of `activity_rate_constant`.
    parameters
        Name of a cell-line set, a Dataset of `parameters`, a ParameterSet, or a mapping from
        cell type to one of these; every `cell_type` that occurs needs one.
    dose_rate
        `"acute"` takes G = 1 whatever the dose rate; None reads it from `ds`.
    merge
        Whether to return `ds` with the new variables, or only these.
    n_threads
        Threads (>= 1); None for all that this process may use. The result does not depend on it.
    **overrides
        Values that replace those of the set (not with a mapping).

    Returns
    -------
    xarray.Dataset
        `survival_probability` (cell) [1], after all decays; `bed`, `eqd2` and
        `rbe_weighted_dose` (cell) [Gy], the latter the acute low-LET dose of equal survival;
        `outside_validity` (cell) [1], 1 beyond `validity_dose_max`.

    Raises
    ------
    InputError
        If a needed variable, dim or parameter is missing or out of range.

    Warns
    -----
    ValidityWarning
        If doses exceed the data behind the set, alphas are taken by their mean dose, or a
        quadratic term is used without a dose rate.

    Notes
    -----
    Eq. 1-12 of docs/theory/response.md: linear-quadratic with cross terms of the emission
    classes; the decays that hit are Poisson and each may carry several alphas, so unhit cells
    survive their low-LET dose only. `bed` is -ln S / low_let_alpha, without repopulation.

    References
    ----------
    Zaider M, Rossi HH. Radiat Res 1980;83:732. Sachs RK, Hahnfeldt P, Brenner DJ. Int J Radiat
    Biol 1997;72:351. Humm JL. Int J Radiat Oncol Biol Phys 1987;13:1767.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> dose = xr.Dataset({"absorbed_dose": (("cell", "emission"), np.zeros((2, 1)))},
    ...     coords={"emission": ["beta"]})
    >>> survival(dose, parameters="b16f10").survival_probability.values
    array([1., 1.])
    """
    if dose_rate not in (None, "acute"):
        raise InputError(f"invalid dose_rate={dose_rate!r} (allowed: 'acute' or None).")
    doses = _read_doses(ds)
    courses = dose_courses(ds)
    if dose_rate == "acute":
        courses = DoseCourses(None, np.ones((doses.alpha.size, 1)))
    sets = sets_by_type(ds, parameters, overrides)
    attrs: dict[str, Any] = {"warnings": ds.attrs.get("warnings", "[]")}
    names = ("log_survival", "bed", "eqd2", "rbe_weighted_dose", "outside_validity")
    columns = {name: np.zeros(doses.alpha.size) for name in names}
    types = cell_types(ds)
    nodes = np.zeros(4, dtype=np.int64)
    for cell_type, item in sets.items():
        rows = np.flatnonzero(types == cell_type)
        part = _of_one_type(item, doses, courses, rows, resolve_threads(n_threads))
        nodes += part.pop("nodes").astype(np.int64)
        for name, values in part.items():
            columns[name][rows] = values
    _warn_of_limits(attrs, sets, doses, columns["outside_validity"], courses, dose_rate)
    attrs.update(_model_attrs(doses, courses, dose_rate, nodes))
    attrs.update(set_attrs("survival_parameters", sets))
    new = build(
        {
            "survival_probability": (("cell",), np.exp(columns["log_survival"])),
            "bed": (("cell",), columns["bed"]),
            "eqd2": (("cell",), columns["eqd2"]),
            "rbe_weighted_dose": (("cell",), columns["rbe_weighted_dose"]),
            "outside_validity": (("cell",), columns["outside_validity"].astype(np.int8)),
        },
        coords={"cell": ds["cell"].values} if "cell" in ds.coords else None,
        attrs=base_attrs(**attrs),
    )
    return merged(ds, new, merge=merge)


def _read_doses(ds: xr.Dataset) -> _Doses:
    by_emission = nucleus_dose(ds, "emission")
    labels = [str(label) for label in ds["absorbed_dose"]["emission"].values]
    unknown = [label for label in labels if label not in (*_HIGH_LET, *_LOW_LET)]
    if unknown:
        raise InputError(
            f"absorbed_dose has emission {unknown[0]!r} (allowed: {(*_HIGH_LET, *_LOW_LET)})."
        )

    def of(*names: str) -> FloatArray:
        return np.asarray(by_emission[:, [name in names for name in labels]].sum(axis=1))

    alpha = of("alpha")
    return _Doses(alpha, of("recoil"), of(*_LOW_LET), _read_moments(ds, alpha))


def _read_moments(ds: xr.Dataset, alpha_dose: FloatArray) -> FloatArray | None:
    if "hit_decay_moment" not in ds:
        return None
    variable = ds["hit_decay_moment"]
    if set(variable.dims) != {"cell", "moment"} or variable.sizes["moment"] != _N_MOMENTS:
        raise InputError(
            f"hit_decay_moment has sizes {dict(variable.sizes)} (allowed: cell and 6 moments)."
        )
    moments = np.ascontiguousarray(variable.transpose("cell", "moment").values, dtype=np.float64)
    check_values("hit_decay_moment", moments)
    off = np.abs(moments[:, 1] - alpha_dose) > _MOMENT_TOLERANCE * np.maximum(
        alpha_dose, moments[:, 1]
    )
    if off.any():
        i = int(np.argmax(off))
        raise InputError(
            f"hit_decay_moment[{i}, 1] = {moments[i, 1]:g} Gy but the alpha dose of that nucleus "
            f"is {alpha_dose[i]:g} Gy (they must agree). Call immunodose.absorbed_dose again, or "
            "drop hit_decay_moment to use mean doses."
        )
    return moments


def _of_one_type(
    item: ParameterSet, doses: _Doses, courses: DoseCourses, rows: Any, n_threads: int
) -> dict[str, FloatArray]:
    alpha_low, beta_low = item.value("low_let_alpha"), item.value("low_let_beta")
    if alpha_low <= 0.0:
        raise InputError(
            f"low_let_alpha={alpha_low} Gy-1 in set {item.name!r} (allowed: above 0; bed and "
            "rbe_weighted_dose refer to it)."
        )
    low = doses.low_let[rows]
    linear, root = alpha_low * low, np.sqrt(beta_low) * low
    moments = np.zeros((low.size, _N_MOMENTS))
    event_alpha = beta_high = 0.0
    if doses.alpha.any() or doses.recoil.any():
        mean_slope, beta_high = item.value("high_let_alpha"), item.value("high_let_beta")
        event_alpha = _core.response.event_alpha_from_slope(
            slope_per_Gy=mean_slope,
            let_keV_per_um=item.value("high_let_reference_let"),
            nucleus_radius_um=item.value("high_let_reference_nucleus_radius"),
        )
        mean_dose = doses.recoil[rows]
        slope = event_alpha
        if doses.moments is None:
            mean_dose, slope = mean_dose + doses.alpha[rows], mean_slope
        else:
            moments = doses.moments[rows]
        linear = linear + slope * mean_dose
        root = root + np.sqrt(beta_high) * mean_dose
    factor = np.zeros(low.size)
    if beta_low > 0.0 or beta_high > 0.0:
        factor = courses.factor(rows, Repair.of(item), n_threads)
    log_survival, nodes = _core.response.log_survival(
        moments=moments,
        linear=linear,
        root=root,
        protraction=factor,
        alpha_per_Gy=event_alpha,
        beta_per_Gy2=beta_high,
        n_threads=n_threads,
    )
    total = low + doses.alpha[rows] + doses.recoil[rows]
    effect = -log_survival
    bed = effect / alpha_low
    root_term = np.sqrt(alpha_low**2 + 4.0 * beta_low * effect)
    return {
        "log_survival": log_survival,
        "bed": bed,
        "eqd2": bed / (1.0 + 2.0 * beta_low / alpha_low),
        "rbe_weighted_dose": 2.0 * effect / (alpha_low + root_term),
        "outside_validity": (total > item.value("validity_dose_max")).astype(np.float64),
        "nodes": np.asarray(nodes, dtype=np.float64),
    }


def _warn_of_limits(
    attrs: dict[str, Any],
    sets: dict[str, ParameterSet],
    doses: _Doses,
    outside: FloatArray,
    courses: DoseCourses,
    dose_rate: str | None,
) -> None:
    if outside.any():
        limits = {item.name: item.value("validity_dose_max") for item in sets.values()}
        warn(
            attrs,
            f"{int(outside.sum())} cells have a nucleus dose beyond the data behind the parameter "
            f"set (validity_dose_max in Gy: {limits}). Their survival is an extrapolation; see "
            "outside_validity.",
        )
    if doses.moments is None and doses.alpha.any():
        warn(
            attrs,
            "alphas are taken by their mean dose, so unhit cells are not represented. Call "
            "immunodose.absorbed_dose with split that includes 'emission' to get hit_decay_moment.",
        )
    quadratic = any(
        item.value(key) > 0.0
        for item in sets.values()
        for key, dose in (
            ("low_let_beta", doses.low_let),
            ("high_let_beta", doses.alpha + doses.recoil),
        )
        if dose.any()
    )
    if courses.courses is None and dose_rate is None and quadratic:
        warn(
            attrs,
            "no activity_rate_constant: the dose is taken as acute (G = 1), which overstates the "
            "quadratic term. Give effective_half_life_h to immunodose.label, or say "
            'dose_rate="acute".',
        )


def _model_attrs(
    doses: _Doses, courses: DoseCourses, dose_rate: str | None, nodes: Any
) -> dict[str, str]:
    timing = courses.name
    return {
        "survival_alpha_model": "mean dose" if doses.moments is None else "per decay that hits",
        # Most alpha energy of a chain such as 225Ac lies above the LET of the helium data.
        "survival_high_let_range": "coefficients of one reference LET, taken for every LET",
        "survival_dose_rate": f"{timing} (stated)" if dose_rate else timing,
        "survival_event_nodes": json.dumps(
            dict(zip(("0", "1", "2", "3"), (int(n) for n in nodes), strict=True))
        ),
    }
