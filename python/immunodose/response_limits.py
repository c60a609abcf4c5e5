# SPDX-License-Identifier: BSD-3-Clause
"""Where survival is an extrapolation, and which parameters a model reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.response_inputs import warn
from immunodose.response_models import HIGH_LET, LOW_LET, SurvivalModel
from immunodose.response_modifiers import OXYGEN_KEYS, SPREAD_KEY
from immunodose.response_registry import survival_model, survival_models

if TYPE_CHECKING:
    from immunodose.response_cells import CellArrays
    from immunodose.response_effect import CellEffects, Course

ON_EXTRAPOLATE = ("keep", "nan", "raise")
# Read whatever the model: bed and rbe_weighted_dose, modifiers, validity.
_ALWAYS = frozenset(
    {
        "low_let_alpha",
        "low_let_beta",
        "repopulation_doubling_time",
        "repopulation_delay",
        "validity_dose_max",
        SPREAD_KEY,
    }
)


def keys_read(model: SurvivalModel) -> frozenset[str]:
    """Return the keys of a set that `survival` reads with a model."""
    return model.keys | _ALWAYS | OXYGEN_KEYS


def known_keys() -> frozenset[str]:
    """Return the keys that any survival model reads."""
    return frozenset().union(*(survival_model(name).keys for name in survival_models()))


def require_read(model: SurvivalModel, overrides: Mapping[str, float]) -> None:
    """Raise InputError for an override that only other survival models read."""
    for key in overrides:
        if key in keys_read(model):
            continue
        readers = [name for name in survival_models() if key in survival_model(name).keys]
        raise InputError(
            f"override {key}={overrides[key]} has no effect with model={model.name!r}, which does "
            f"not read it (models that do: {', '.join(readers) or 'none'}). Leave it out."
        )


def warn_of_extrapolation(
    attrs: dict[str, Any],
    sets: Mapping[str, ParameterSet],
    effects: CellEffects,
    on_extrapolate: str,
) -> None:
    """Warn of cells whose survival is an extrapolation."""
    became = "is an extrapolation" if on_extrapolate == "keep" else "was set to NaN"
    n_dose, n_let = effects.n_outside
    if n_dose:
        limits = {item.name: item.value("validity_dose_max") for item in sets.values()}
        warn(
            attrs,
            f"{n_dose} cells have a nucleus dose beyond the data behind the parameter set "
            f"(validity_dose_max in Gy: {limits}). Their survival {became}; see outside_validity.",
        )
    if n_let:
        limits = {item.name: item.value("validity_let_max") for item in sets.values()}
        warn(
            attrs,
            f"{n_let} cells get {100.0 * effects.share_above_let:.0f} % of their alpha energy at "
            f"LETs beyond the data behind the parameter set (validity_let_max in keV um-1: "
            f"{limits}). Their survival {became}; see outside_validity.",
        )


def warn_of_model(
    attrs: dict[str, Any],
    model: SurvivalModel,
    sets: Mapping[str, ParameterSet],
    cells: CellArrays,
    course: Course,
) -> None:
    """Warn of unhit cells that mean doses do not represent, and of a missing dose rate."""
    if model.name == "lq" and cells.has_dose("alpha"):
        warn(
            attrs,
            "alphas are taken by their mean dose, so unhit cells are not represented. Call "
            "immunodose.absorbed_dose with split that includes 'emission' to get hit_decay_moment, "
            "and take model='hits'.",
        )
    if course.name == "acute" and not course.stated and _quadratic(model, sets, cells):
        warn(
            attrs,
            "no activity_rate_constant: the dose is taken as acute (G = 1), which overstates the "
            "quadratic term. Give effective_half_life_h to immunodose.label, or say "
            'dose_rate="acute".',
        )


def _quadratic(model: SurvivalModel, sets: Mapping[str, ParameterSet], cells: CellArrays) -> bool:
    if model.registered:
        return False
    high = f"{model.name}_beta" if model.needs_quality else "high_let_beta"
    return any(
        item.value(key) > 0.0
        for key, classes in (("low_let_beta", LOW_LET), (high, HIGH_LET))
        if cells.has_dose(*classes)
        for item in sets.values()
    )


def require_inside(outside: Any) -> None:
    """Raise InputError with the first cell whose survival would be an extrapolation."""
    if outside.any():
        i = int(np.argmax(outside))
        raise InputError(
            f"cell {i} lies beyond the data behind its parameter set ({int(outside.sum())} of "
            f"{outside.size} cells; validity_dose_max, validity_let_max). Take "
            "on_extrapolate='keep' or 'nan', or a set with data for these doses and LETs."
        )
