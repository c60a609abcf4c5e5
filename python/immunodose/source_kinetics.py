# SPDX-License-Identifier: BSD-3-Clause
"""When decays happen: activity concentrations in tumor, blood and marrow after injection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet, ParametersLike, resolve
from immunodose.errors import InputError, UnitError, did_you_mean
from immunodose.provenance import base_attrs
from immunodose.schema import build
from immunodose.source_amounts import number
from immunodose.source_time import Exponentials
from immunodose.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

if TYPE_CHECKING:
    import xarray as xr

COMPARTMENTS = ("tumor", "blood", "marrow")

_SECONDS = {"d": SECONDS_PER_DAY, "h": SECONDS_PER_HOUR, "s": 1.0}
# From a few decays per second to the largest therapy of a patient with room to spare.
USUAL_ACTIVITY_BQ = (10.0, 1e12)


def biokinetics(
    *,
    agent: ParametersLike,
    administered_activity_Bq: float,
    compartments: Sequence[str] = COMPARTMENTS,
    allow_unusual: bool = False,
    **overrides: float,
) -> xr.Dataset:
    """Give the activity concentration of an agent in tumor, blood and marrow in time.

    Parameters
    ----------
    agent
        Parameter set of kind `agent`: its name, path, Dataset or ParameterSet. Its file names the
        nuclide, and defines `tumor_uptake` and `blood_uptake` (percent of the administered
        activity per g, decay-corrected and extrapolated to time 0),
        `tumor_biological_half_life`, `blood_biological_half_life` and `marrow_to_blood_ratio`.
        With `tumor_uptake_half_life` or `blood_uptake_half_life` the activity rises from 0.
    administered_activity_Bq
        Administered activity in Bq (>= 0).
    compartments
        Any of tumor, blood, marrow; only their parameters need to be defined.
    allow_unusual
        Accept activities outside 10 Bq to 1 TBq, which are most often slips of unit.
    **overrides
        Values that replace those of the set, in its units and within its ranges.

    Returns
    -------
    xarray.Dataset
        `activity_amplitude` (compartment) [Bq g-1], `activity_rate_constant` (compartment) [s-1],
        `time_integrated_activity_concentration` (compartment) [Bq s g-1] and
        `administered_activity` () [Bq]; the coordinate `nuclide` is a scalar. Where an uptake
        half-life is defined, amplitude and rate have dim `exponential` (clearance, uptake), the
        amplitude of the uptake being negative.

    Raises
    ------
    InputError
        For negative activity, an unknown compartment, an undefined parameter or an agent
        without nuclide.
    UnitError
        For an activity that looks like MBq or kBq given as Bq, or the reverse.

    Notes
    -----
    One exponential per compartment that starts at its full value at time 0 (Eqs. 4-6,
    docs/theory/source.md), less one of uptake where the agent defines it (Eq. 7); marrow follows
    blood. The values concern the nuclide itself; its progeny decay where they are formed. One
    compartment, such as `.sel(compartment="tumor")`, is what `label(kinetics=...)` takes.

    Examples
    --------
    >>> from immunodose.data.parameter_file import Parameter
    >>> values = {"tumor_uptake": (10.0, "percent g-1"), "tumor_biological_half_life": (4.0, "d")}
    >>> entries = {
    ...     key: Parameter(key, value, unit, 0.0, 100.0, "assumed", "example")
    ...     for key, (value, unit) in values.items()
    ... }
    >>> example = ParameterSet("example", "agent", "Example", entries, {"nuclide": "Ac-225"})
    >>> kinetics = biokinetics(
    ...     agent=example, administered_activity_Bq=10e3, compartments=["tumor"]
    ... )
    >>> float(kinetics["activity_amplitude"].sel(compartment="tumor"))
    1000.0
    """
    from immunodose.data.decay_data import DEFAULT_SOURCE

    parameter_set = resolve(agent, kind="agent", **overrides)
    activity = _activity(administered_activity_Bq, allow_unusual)
    chosen = _compartments(compartments)
    nuclide, half_life = _nuclide(parameter_set)
    physical = math.log(2.0) / half_life
    amplitude = np.array([activity * _uptake_per_g(parameter_set, name) for name in chosen])
    rate = np.array([physical + _biological_rate(parameter_set, name) for name in chosen])
    decays = amplitude / rate
    uptake = np.array([physical + _uptake_rate(parameter_set, name) for name in chosen])
    dims: tuple[str, ...] = ("compartment",)
    coords: dict[str, Any] = {"compartment": np.array(chosen, dtype=np.str_), "nuclide": nuclide}
    if np.isfinite(uptake).any():
        # Eq. 7, docs/theory/source.md
        rate = np.stack([rate, uptake], axis=1)
        amplitude = np.stack([amplitude, np.where(np.isnan(uptake), 0.0, -amplitude)], axis=1)
        decays = decays + np.nan_to_num(amplitude[:, 1] / uptake)
        dims = ("compartment", "exponential")
        coords["exponential"] = np.array(["clearance", "uptake"], dtype=np.str_)
    attrs = base_attrs(
        **parameter_set.attrs("agent"),
        **{f"agent_{key}": value for key, value in parameter_set.info.items()},
        half_life_s=half_life,
        data_source=DEFAULT_SOURCE.name,
    )
    return build(
        {
            "activity_amplitude": (dims, amplitude),
            "activity_rate_constant": (dims, rate),
            # Eq. 6, docs/theory/source.md
            "time_integrated_activity_concentration": (("compartment",), decays),
            "administered_activity": ((), activity),
        },
        coords=coords,
        attrs=attrs,
    )


def course_of_kinetics(kinetics: xr.Dataset, nuclide: str) -> Exponentials:
    """Return the time course of one compartment of `biokinetics`, checked to be of a nuclide.

    Shares of the decays are those of amplitude / rate (Eq. 6, docs/theory/source.md).
    """
    names = ("activity_amplitude", "activity_rate_constant")
    if not hasattr(kinetics, "data_vars") or any(name not in kinetics for name in names):
        raise InputError(
            "kinetics is no Dataset with activity_amplitude and activity_rate_constant. Call "
            "immunodose.biokinetics(...) and choose a compartment."
        )
    dims = kinetics["activity_amplitude"].dims
    if set(dims) - {"exponential"} or kinetics["activity_rate_constant"].dims != dims:
        raise InputError(
            f"kinetics has activity_amplitude of dims {dims} (allowed: none, or exponential, as "
            "activity_rate_constant). Choose one: kinetics.sel(compartment='tumor')."
        )
    stated = str(kinetics["nuclide"].values) if "nuclide" in kinetics else nuclide
    if stated != nuclide:
        raise InputError(f"kinetics is that of {stated}, but {nuclide} is labeled.")
    amplitude = np.atleast_1d(kinetics["activity_amplitude"].values.astype(np.float64))
    rate = np.atleast_1d(kinetics["activity_rate_constant"].values.astype(np.float64))
    used = amplitude != 0.0
    if not (np.isfinite(amplitude).all() and (np.isfinite(rate) & (rate > 0.0))[used].all()):
        raise InputError(
            f"kinetics has activity_amplitude {amplitude.tolist()} and activity_rate_constant "
            f"{rate.tolist()} (allowed: finite; rates > 0 s-1). Correct them."
        )
    decays = amplitude[used] / rate[used]
    if decays.sum() <= 0.0:
        raise InputError(
            f"kinetics has {decays.sum():g} decays (amplitude / rate, summed; allowed: > 0), so "
            "there is no time course to take. Give an activity above 0."
        )
    return Exponentials(tuple(rate[used].tolist()), tuple((decays / decays.sum()).tolist()))


def one_exponential(kinetics: xr.Dataset, call: str) -> xr.Dataset:
    """Return the kinetics if no compartment has an uptake phase, which some models do not read."""
    if "exponential" in kinetics.dims:
        raise InputError(
            f"{call} reads one exponential per compartment, but the agent defines an uptake "
            "half-life. Leave it out of the agent."
        )
    return kinetics


def _activity(value: float, allow_unusual: bool) -> float:
    activity = number("administered_activity_Bq", value)
    low, high = USUAL_ACTIVITY_BQ
    if activity != 0.0 and not low <= activity <= high and not allow_unusual:
        raise UnitError(
            f"invalid administered_activity_Bq={activity:g} (usual: 0, or {low:g} to {high:g} Bq). "
            "Give Bq, not kBq, MBq or mCi; allow_unusual=True accepts it."
        )
    return activity


def _compartments(compartments: Sequence[str]) -> list[str]:
    chosen = [compartments] if isinstance(compartments, str) else list(compartments)
    for name in chosen:
        if name not in COMPARTMENTS:
            raise InputError(
                f"unknown compartment {name!r} (allowed: {', '.join(COMPARTMENTS)})."
                f"{did_you_mean(name, COMPARTMENTS)}"
            )
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"invalid compartments={chosen} (allowed: each at most once, not none).")
    return chosen


def _nuclide(parameter_set: ParameterSet) -> tuple[str, float]:
    from immunodose.data.decay_data import DEFAULT_SOURCE, half_life_s, radionuclide

    stated = parameter_set.info.get("nuclide")
    if stated is None:
        raise InputError(
            f"agent {parameter_set.name!r} names no nuclide (its decay sets the rate constant). "
            'Add a top-level line such as nuclide = "Ac-225" to its file.'
        )
    nuclide = radionuclide(stated, DEFAULT_SOURCE)
    return nuclide, half_life_s(nuclide, DEFAULT_SOURCE)


def _uptake_per_g(parameter_set: ParameterSet, compartment: str) -> float:
    # Eq. 4, docs/theory/source.md
    if compartment == "marrow":
        ratio = _value(parameter_set, "marrow_to_blood_ratio", "1")
        return ratio * _uptake_per_g(parameter_set, "blood")
    return _value(parameter_set, f"{compartment}_uptake", "percent g-1") / 100.0


def _biological_rate(parameter_set: ParameterSet, compartment: str) -> float:
    # Eq. 5, docs/theory/source.md
    source = "blood" if compartment == "marrow" else compartment
    return _rate_of(parameter_set, f"{source}_biological_half_life")


def _rate_of(parameter_set: ParameterSet, key: str) -> float:
    """Return the rate constant in s-1 of a half-life of the agent."""
    entry = parameter_set.entry(key)
    if entry.unit not in _SECONDS:
        raise InputError(
            f"agent {parameter_set.name!r} states {key} in {entry.unit!r} (allowed: "
            f"{', '.join(_SECONDS)}). Change value, range and unit in its file."
        )
    if entry.value <= 0.0:
        raise InputError(f"invalid {key}={entry.value:g} {entry.unit} (allowed: > 0).")
    return math.log(2.0) / (entry.value * _SECONDS[entry.unit])


def _uptake_rate(parameter_set: ParameterSet, compartment: str) -> float:
    """Return the biological rate of uptake in s-1, NaN where the agent defines none."""
    source = "blood" if compartment == "marrow" else compartment
    key = f"{source}_uptake_half_life"
    if not parameter_set.defines(key):
        return math.nan
    rate = _rate_of(parameter_set, key)
    if rate <= _biological_rate(parameter_set, compartment):
        raise InputError(
            f"agent {parameter_set.name!r} states {key} of {math.log(2.0) / rate:g} s, not shorter "
            "than the biological half-life of clearance (needed: shorter, or the activity is "
            "negative). Correct one of them."
        )
    return rate


def _value(parameter_set: ParameterSet, key: str, unit: str) -> float:
    entry = parameter_set.entry(key)
    if entry.unit != unit:
        raise InputError(
            f"agent {parameter_set.name!r} states {key} in {entry.unit!r} (allowed: {unit!r}). "
            "Change value, range and unit in its file."
        )
    return number(key, entry.value)
