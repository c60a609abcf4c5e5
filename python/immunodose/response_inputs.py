# SPDX-License-Identifier: BSD-3-Clause
"""What the response and immune models read from a dose Dataset, checked in one place."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from immunodose.data.parameter_file import Parameter
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError, ValidityWarning
from immunodose.source_rows import stored_courses
from immunodose.source_time import Exponentials
from immunodose.typing import FloatArray
from immunodose.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    import xarray as xr

TUMOR = "tumor"

ParameterLike: TypeAlias = "str | xr.Dataset | ParameterSet"
ParametersByType: TypeAlias = "ParameterLike | Mapping[str, ParameterLike]"

# The keys that each call reads of a cell line or host: overrides of others would do nothing.
READ_BY: dict[str, frozenset[str]] = {
    "survival": frozenset(
        {
            "low_let_alpha",
            "low_let_beta",
            "high_let_alpha",
            "high_let_beta",
            "high_let_reference_let",
            "high_let_reference_nucleus_radius",
            "repair_half_time_fast",
            "repair_half_time_slow",
            "repair_slow_fraction",
            "validity_dose_max",
            "validity_let_max",
            "radiosensitivity_sd_ln",
            "repopulation_doubling_time",
            "repopulation_delay",
            "oxygen_half_effect",
            "oxygen_enhancement_low_let",
            "oxygen_enhancement_high_let",
            "oxygen_quality_energy",
            "oxygen_quality_power",
            "mkm_alpha",
            "mkm_beta",
            "mkm_domain_radius",
            "mkm_saturation",
            "smk_alpha",
            "smk_beta",
            "smk_domain_radius",
            "smk_nucleus_radius",
            "smk_saturation",
        }
    ),
    "mhc1_expression": frozenset(
        {
            "mhc1_baseline",
            "mhc1_baseline_sd_ln",
            "mhc1_inducibility",
            "mhc1_induction_max",
            "mhc1_induction_dose",
            "mhc1_induction_power",
            "mhc1_memory_time",
            "mhc1_turnover_rate",
            "mhc1_assembly",
            "recognized_peptide_share",
        }
    ),
    "kill_probability": frozenset(
        {
            "recognized_peptide_share",
            "cd8_present",
            "effector_to_target_ratio",
            "effector_priming_gain",
            "effector_loss_rate",
            "antigen_clearance_rate",
            "priming_delay",
            "killing_rate_constant",
            "pmhc_half_kill",
            "pmhc_power",
            "effector_half_saturation",
            "target_half_saturation",
            "de_pillis_rate",
            "de_pillis_half",
            "de_pillis_power",
            "hits_to_kill",
            "hit_recovery_time",
            "hit_rate_constant",
            "pmhc_needed",
            "proofreading_steps",
            "proofreading_rate",
            "tcr_off_rate",
            "pd1_half_inhibition",
            "pd1_power",
            "treg_to_target_ratio",
            "treg_half_suppression",
            "nk_to_target_ratio",
            "nk_killing_rate_constant",
            "nk_priming_rate",
            "nk_mhc1_half",
            "nk_mhc1_power",
        }
    ),
    "simulate_host": frozenset(
        {
            "lymphocyte_turnover_rate",
            "lymphocyte_alpha_sensitivity",
            "lymphocyte_low_let_alpha",
            "lymphocyte_low_let_beta",
            "lymphocyte_repair_half_time",
            "white_cell_marrow_sensitivity",
        }
    ),
}

_BEAM_TOLERANCE = 1e-9  # rounding of a dose that is all beam
_JUMP = 1e-9  # of the time of a pulse: how close before it a time grid comes
READ_BY["immune_response"] = READ_BY["kill_probability"] | {
    "exhaustion_rate",
    "exhausted_output_share",
    "macrophage_to_target_ratio",
    "macrophage_killing_rate_constant",
    "macrophage_damage_half",
}

_DOSE_DIMS = ("cell", "nuclide", "target", "emission", "origin")


@dataclass(frozen=True, slots=True)
class DoseHistory:
    """When the dose comes: share (cell, component) of exponentials; no rate means acute.

    With `pulse_time_d` the last components are pulses at those times (fractions of a beam).
    """

    rate_per_d: FloatArray | None
    share: FloatArray
    pulse_time_d: FloatArray | None = None

    def delivered(self, time_d: FloatArray) -> FloatArray:
        """Return the delivered fraction of each component (component, time)."""
        parts = []
        if self.rate_per_d is not None:
            parts.append(-np.expm1(-self.rate_per_d[:, None] * time_d[None, :]))
        if self.pulse_time_d is not None:
            parts.append((time_d[None, :] >= self.pulse_time_d[:, None]).astype(np.float64))
        return np.concatenate(parts) if parts else np.ones((1, time_d.size))

    def breaks_d(self) -> FloatArray:
        """Return the times where the dose jumps after time 0, and just before each."""
        if self.pulse_time_d is None:
            return np.zeros(0)
        later = self.pulse_time_d[self.pulse_time_d > 0.0]
        return np.concatenate([later * (1.0 - _JUMP), later])


def require(ds: xr.Dataset, name: str, call: str) -> xr.DataArray:
    """Return a variable; a missing one is an InputError that names the call to make."""
    if not hasattr(ds, "data_vars"):
        raise InputError(f"expected a Dataset, got {type(ds).__name__}. Call {call} first.")
    if name not in ds:
        raise InputError(f"the Dataset has no {name!r}. Call immunodose.{call} first.")
    return ds[name]


def check_values(
    name: str, values: FloatArray, *, low: float = 0.0, high: float = np.inf
) -> FloatArray:
    """Raise InputError with the first index of a value that is not finite or out of range."""
    bad = ~(np.isfinite(values) & (values >= low) & (values <= high))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name}{list(where)} = {values[where]} (allowed: finite, {low:g} to {high:g}; "
            f"{int(bad.sum())} such values)."
        )
    return values


def nucleus_dose(ds: xr.Dataset, *keep: str) -> FloatArray:
    """Return the absorbed dose of the nuclei (cell, *keep), summed over the other dims."""
    return np.ascontiguousarray(nucleus_dose_array(ds, *keep).values, dtype=np.float64)


def nucleus_dose_array(ds: xr.Dataset, *keep: str) -> xr.DataArray:
    """Return the same as a DataArray; of Dask arrays lazily, values not checked."""
    if "absorbed_dose" not in ds and "specific_energy" in ds.data_vars:
        raise InputError(
            "the Dataset has no 'absorbed_dose' but the 'specific_energy' of one realization: the "
            "response models take expectations. Call immunodose.absorbed_dose(cells, ...) without "
            "realization=True."
        )
    dose = require(ds, "absorbed_dose", "absorbed_dose(cells, ...)")
    unknown = [str(dim) for dim in dose.dims if dim not in _DOSE_DIMS]
    if unknown or "cell" not in dose.dims:
        raise InputError(
            f"absorbed_dose has dims {dose.dims} (allowed: cell and any of {_DOSE_DIMS[1:]}). "
            "Select one arm first, e.g. ds.sel(arm=...)."
        )
    missing = [dim for dim in keep if dim not in dose.dims]
    if missing:
        raise InputError(
            f"absorbed_dose has no dim {missing[0]!r} (its dims: {dose.dims}). "
            f"Call immunodose.absorbed_dose with split that includes {missing[0]!r}."
        )
    if "target" in dose.dims:
        if "nucleus" not in dose["target"].values:
            raise InputError("absorbed_dose has no target 'nucleus'.")
        dose = dose.sel(target="nucleus")
    if dose.chunks is None:
        values = np.asarray(dose.values, dtype=np.float64)
        check_values(f"absorbed_dose ({', '.join(map(str, dose.dims))})", values)
    rest = [dim for dim in dose.dims if dim not in ("cell", *keep)]
    return dose.sum(rest, skipna=False).transpose("cell", *keep)


def dose_history(ds: xr.Dataset) -> DoseHistory:
    """Return the time course of each cell's dose from `activity_rate_constant`, else acute.

    Progeny are taken to decay with their parent; `absorbed_dose_rate` keeps their delay.
    """
    if "activity_amplitude" in ds and "cell" in ds["activity_amplitude"].dims:
        raise InputError(
            "activity_amplitude gives each cell a time course of its own, which this model does "
            "not read. Drop it and label with effective_half_life_h, or use "
            "immunodose.absorbed_dose_rate and lea_catcheside."
        )
    if "external_beam_dose" in ds:
        return _with_pulses(ds)
    return _of_nuclides(ds, beam_Gy=None)


def _with_pulses(ds: xr.Dataset) -> DoseHistory:
    """Return the history of a beam, and of the nuclides beside it."""
    pulse = np.asarray(ds["external_beam_dose"].transpose("cell", "fraction").values, dtype=float)
    check_values("external_beam_dose", pulse)
    times = np.asarray(ds["fraction_time"].values, dtype=np.float64)
    total, beam = nucleus_dose(ds)[:, None], pulse.sum(axis=1, keepdims=True)
    rest = total - beam
    if (rest < -_BEAM_TOLERANCE * total).any():
        raise InputError(
            "external_beam_dose is more than absorbed_dose of the nucleus in some cells. Add the "
            "beam with immunodose.external_beam, which changes both."
        )
    rest = np.where(rest > _BEAM_TOLERANCE * total, rest, 0.0)
    if not rest.any():
        even = np.full_like(pulse, 1.0 / times.size)
        return DoseHistory(None, np.divide(pulse, beam, out=even, where=beam > 0.0), times)
    others = _of_nuclides(ds, beam_Gy=beam[:, 0])
    if others.rate_per_d is None:  # acute from time 0: one more pulse
        times = np.concatenate([[0.0], times])
    parts = np.concatenate([others.share * rest, pulse], axis=1)
    whole = parts.sum(axis=1, keepdims=True)
    even = np.full_like(parts, 1.0 / parts.shape[1])
    share = np.divide(parts, whole, out=even, where=whole > 0.0)
    return DoseHistory(others.rate_per_d, share, times)


def _of_nuclides(ds: xr.Dataset, beam_Gy: FloatArray | None) -> DoseHistory:
    n_cells = int(ds.sizes["cell"])
    one = np.ones((n_cells, 1))
    if "activity_rate_constant" not in ds:
        return DoseHistory(None, one)
    courses = stored_courses(ds) if "nuclide" in ds["activity_rate_constant"].dims else []
    if not courses:
        rate = float(ds["activity_rate_constant"])
        courses = [None if np.isnan(rate) else Exponentials((rate,), (1.0,))]
    rates = [rate for course in courses if course is not None for rate in course.rate_per_s]
    if None in courses or not all(np.isfinite(rate) and rate > 0.0 for rate in rates):
        raise InputError(
            f"activity_rate_constant = {ds['activity_rate_constant'].values} s-1 (allowed: finite "
            "and > 0 for every nuclide). Give effective_half_life_h in every call of "
            "immunodose.label, or in none."
        )
    known = [course for course in courses if course is not None]
    exponential = np.concatenate([course.share for course in known])[None, :]
    rate_per_d = np.array(rates) * SECONDS_PER_DAY
    if all(course == known[0] for course in known):
        n_own = len(known[0].rate_per_s)
        return DoseHistory(rate_per_d[:n_own], one * exponential[:, :n_own])
    if beam_Gy is not None:
        raise InputError(
            "nuclides of different time courses and an external beam cannot be told apart in "
            "absorbed_dose. Give all nuclides one effective_half_life_h, or leave the beam out."
        )
    dose = nucleus_dose(ds, "nuclide")
    total = dose.sum(axis=1, keepdims=True)
    even = np.full_like(dose, 1.0 / dose.shape[1])  # no dose, no matter when
    share = np.divide(dose, total, out=even, where=total > 0.0)
    of_row = np.repeat(np.arange(len(known)), [len(course.rate_per_s) for course in known])
    return DoseHistory(rate_per_d, share[:, of_row] * exponential)


def cell_types(ds: xr.Dataset) -> np.ndarray[Any, Any]:
    """Return the type of each cell; a population without `cell_type` is all tumor."""
    if "cell_type" not in ds:
        return np.full(int(ds.sizes["cell"]), TUMOR)
    return np.asarray(ds["cell_type"].values).astype(str)


def sets_by_type(
    ds: xr.Dataset,
    parameters: ParametersByType,
    overrides: Mapping[str, float],
    extra: frozenset[str] = frozenset(),
) -> dict[str, ParameterSet]:
    """Return the parameter set of each cell type that occurs; a type without one is an error.

    `extra` are further keys that may be overridden: those of a user's survival model.
    """
    present = [TUMOR]
    if "cell_type" in ds:
        present = list(dict.fromkeys(cell_types(ds).tolist()))
    if isinstance(parameters, Mapping) and not hasattr(parameters, "data_vars"):
        if overrides:
            raise InputError(
                f"overrides {sorted(overrides)} are ambiguous with several parameter sets. "
                "Give immunodose.parameters(name, ...) for the cell type that you mean."
            )
        given = dict(parameters)
    else:
        given = {TUMOR: cast("ParameterLike", parameters)}
    missing = [name for name in present if name not in given]
    if missing:
        raise InputError(
            f"cells of type {missing[0]!r} have no parameter set (given: {sorted(given)}). "
            f'Give a mapping, e.g. parameters={{"tumor": ..., "{missing[0]}": ...}}.'
        )
    sets = {name: resolve(given[name]) for name in present}
    package = {key: value for key, value in overrides.items() if key not in extra}
    require_effect("survival", package, *(item.entries for item in sets.values()))
    return {name: item.with_overrides(**overrides) for name, item in sets.items()}


def require_effect(
    call: str, overrides: Mapping[str, float], *known: Mapping[str, Parameter]
) -> None:
    """Raise InputError for an override that a set knows but the call does not read.

    Parameters
    ----------
    call
        Public function, a key of `READ_BY`.
    overrides
        What the caller gave.
    *known
        Entries of the sets; keys of none of them are left to `ParameterSet.with_overrides`.
    """
    for key in overrides:
        if key in READ_BY[call] or not any(key in entries for entries in known):
            continue
        readers = [f"immunodose.{name}" for name, keys in READ_BY.items() if key in keys]
        remedy = " or ".join(readers) or "the call that builds or labels the cells"
        raise InputError(
            f"override {key}={overrides[key]} has no effect in {call}, which does not read it. "
            f"Give it to {remedy}."
        )


def set_attrs(prefix: str, sets: Mapping[str, ParameterSet]) -> dict[str, str]:
    """Return provenance of the sets, one group of attributes per cell type."""
    attrs: dict[str, str] = {}
    for cell_type, item in sets.items():
        attrs.update(item.attrs(prefix if cell_type == TUMOR else f"{prefix}_{cell_type}"))
    return attrs


def warn(attrs: dict[str, Any], message: str) -> None:
    """Issue a ValidityWarning and keep its text in the `warnings` attribute (a JSON list)."""
    kept = json.loads(attrs.get("warnings", "[]"))
    attrs["warnings"] = json.dumps([*kept, message] if message not in kept else kept)
    warnings.warn(message, ValidityWarning, stacklevel=3)


def merged(ds: xr.Dataset, new: xr.Dataset, *, merge: bool) -> xr.Dataset:
    """Return `new`, or `ds` with the variables and attributes of `new` added or replaced."""
    if not merge:
        return new
    kept = ds.drop_vars([name for name in new.data_vars if name in ds])
    if "time" in new.dims and "time" in kept.dims and not new["time"].equals(kept["time"]):
        stale = sorted(str(name) for name in kept.data_vars if "time" in kept[name].dims)
        raise InputError(
            f"time_d differs from the times of {stale} in the Dataset. "
            "Use the same time_d, or merge=False."
        )
    result = kept.assign_coords(new.coords).assign(new.data_vars)
    return result.assign_attrs({**ds.attrs, **new.attrs})


def tumor_set(parameters: ParametersByType) -> ParameterSet:
    """Return the set of the tumor cells; of a mapping the entry `"tumor"`."""
    if isinstance(parameters, Mapping) and not hasattr(parameters, "data_vars"):
        if TUMOR not in parameters:
            raise InputError(f"parameters has no entry {TUMOR!r} (given: {sorted(parameters)}).")
        parameters = parameters[TUMOR]
    return resolve(cast("ParameterLike", parameters))
