# SPDX-License-Identifier: BSD-3-Clause
"""Survival of each cell after alpha hits and low-LET dose, with dose rate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from immunodose.errors import InputError
from immunodose.provenance import base_attrs
from immunodose.response_cells import CellArrays, cell_arrays
from immunodose.response_effect import CellEffects, Course, effects_of_cells
from immunodose.response_inputs import (
    ParametersByType,
    cell_types,
    merged,
    set_attrs,
    sets_by_type,
)
from immunodose.response_limits import (
    ON_EXTRAPOLATE,
    known_keys,
    require_read,
    warn_of_extrapolation,
    warn_of_model,
)
from immunodose.response_registry import survival_model
from immunodose.schema import build
from immunodose.threads import resolve_threads

if TYPE_CHECKING:
    import xarray as xr

    from immunodose.response_models import SurvivalModel

_DOSE_RATES = (None, "acute", "lea_catcheside")


def survival(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    model: str | None = None,
    dose_rate: Literal["acute", "lea_catcheside"] | None = None,
    on_extrapolate: Literal["keep", "nan", "raise"] = "keep",
    treatment_time_d: float | None = None,
    merge: bool = True,
    n_threads: int | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Add the probability that each cell survives its radiation dose.

    Parameters
    ----------
    ds
        Dataset of `absorbed_dose` with dim `emission`; for "hits" also `hit_decay_moment`. Read
        where present: `radiosensitivity` (cell) [1], which multiplies every dose, and `oxygen`
        (cell) [mmHg]. With Dask arrays the result is lazy.
    parameters
        Name of a cell-line set, a Dataset of `parameters`, a ParameterSet, or a mapping from
        cell type to one of these; every `cell_type` that occurs needs one.
    model
        "lq" (linear-quadratic in the mean doses), "hits" (alphas decay by decay), "mkm", "smk"
        (alphas by the specific energy of domains), or one of `register_survival_model`. None
        takes "hits" where there is `hit_decay_moment`, else "lq".
    dose_rate
        `"acute"` takes G = 1 whatever the dose rate, `"lea_catcheside"` the
        `lea_catcheside_factor` of the nucleus; None reads the time courses of `ds`
        (`absorbed_dose_component`, else `activity_rate_constant`).
    on_extrapolate
        What becomes of cells beyond the data behind the set: "keep" their values, "nan", or
        "raise" InputError.
    treatment_time_d
        Time over which tumor cells repopulate (> 0, d); `bed` is then reduced by
        `repopulation_doubling_time` and `repopulation_delay` of the set. None: no repopulation.
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
        `outside_validity` (cell) [1], 1 beyond `validity_dose_max` and, for "mkm" and "smk",
        where alphas give off energy above `validity_let_max`.

    Raises
    ------
    InputError
        If a needed variable, dim or parameter is missing or out of range, an override is not
        read by the model, or cells lie beyond the data with on_extrapolate="raise".

    Warns
    -----
    ValidityWarning
        If doses exceed the data behind the set, alphas are taken by their mean dose, or a
        quadratic term is used without a dose rate.

    Notes
    -----
    Eq. 1-28 of docs/theory/response.md: cross terms of the emission classes stay; with "hits" the
    decays that hit are Poisson and each may carry several alphas, so unhit cells survive their
    low-LET dose only. If the set has `radiosensitivity_sd_ln` and the Dataset no
    `radiosensitivity`, survival is the mean over this lognormal spread.

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
    request = _request(ds, model, dose_rate, on_extrapolate)
    sets = sets_by_type(ds, parameters, overrides, extra=known_keys())
    require_read(request.model, overrides)
    cells = cell_arrays(ds, needs_quality=request.model.needs_quality)
    course = Course.of(ds, dose_rate)
    effects = effects_of_cells(
        cells,
        course,
        request.model,
        sets,
        cell_types(ds),
        on_extrapolate=on_extrapolate,
        treatment_time_d=treatment_time_d,
        n_threads=resolve_threads(n_threads),
    )
    attrs: dict[str, Any] = {"warnings": ds.attrs.get("warnings", "[]")}
    if effects.nodes is not None:
        warn_of_extrapolation(attrs, sets, effects, on_extrapolate)
        warn_of_model(attrs, request.model, sets, cells, course)
    attrs.update(_model_attrs(request, cells, course, effects, treatment_time_d))
    attrs.update(set_attrs("survival_parameters", sets))
    return merged(ds, _dataset(ds, effects, attrs), merge=merge)


@dataclass(frozen=True, slots=True)
class _Request:
    model: SurvivalModel
    dose_rate: str | None
    on_extrapolate: str


def _request(
    ds: xr.Dataset, model: str | None, dose_rate: str | None, on_extrapolate: str
) -> _Request:
    if dose_rate not in _DOSE_RATES:
        raise InputError(
            f"invalid dose_rate={dose_rate!r} (allowed: 'acute', 'lea_catcheside' or None)."
        )
    if on_extrapolate not in ON_EXTRAPOLATE:
        raise InputError(
            f"invalid on_extrapolate={on_extrapolate!r} (allowed: {', '.join(ON_EXTRAPOLATE)})."
        )
    has_moments = hasattr(ds, "data_vars") and "hit_decay_moment" in ds
    chosen = survival_model(model or ("hits" if has_moments else "lq"))
    if chosen.needs_moments and not has_moments:
        raise InputError(
            f"model={chosen.name!r} needs hit_decay_moment. Call immunodose.absorbed_dose with "
            "split that includes 'emission', or take model='lq'."
        )
    return _Request(chosen, dose_rate, on_extrapolate)


def _dataset(ds: xr.Dataset, effects: CellEffects, attrs: dict[str, Any]) -> xr.Dataset:
    return build(
        {name: (("cell",), values) for name, values in effects.columns.items()},
        coords={"cell": ds["cell"].values} if "cell" in ds.coords else None,
        attrs=base_attrs(**attrs),
    )


def _model_attrs(
    request: _Request,
    cells: CellArrays,
    course: Course,
    effects: CellEffects,
    treatment_time_d: float | None,
) -> dict[str, Any]:
    stated = f"{course.name} (stated)" if request.dose_rate else course.name
    attrs: dict[str, Any] = {
        "survival_model": request.model.name,
        "survival_alpha_model": request.model.alpha_treatment,
        "survival_dose_rate": stated,
        "survival_on_extrapolate": request.on_extrapolate,
        "survival_modifiers": json.dumps(sorted(cells.modifiers)),
    }
    if treatment_time_d is not None:
        attrs["survival_treatment_time_d"] = treatment_time_d
    if cells.quality_name is not None:
        attrs["survival_alpha_quality"] = cells.quality_name
    elif not request.model.registered:
        # Most alpha energy of a chain such as 225Ac lies above the LET of the helium data.
        attrs["survival_high_let_range"] = "coefficients of one reference LET, taken for every LET"
    if effects.nodes is not None:
        attrs["survival_event_nodes"] = json.dumps(
            dict(zip(("0", "1", "2", "3"), (int(n) for n in effects.nodes), strict=True))
        )
    return attrs
