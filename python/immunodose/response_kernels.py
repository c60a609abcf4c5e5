# SPDX-License-Identifier: BSD-3-Clause
"""The survival models of the package, each from doses of cells to ln S."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from immunodose import _core
from immunodose.errors import InputError
from immunodose.response_models import (
    HIGH_LET,
    LOW_LET,
    ModelResult,
    SurvivalInputs,
    SurvivalModel,
)
from immunodose.response_modifiers import microdosimetric_radioresistance
from immunodose.response_quality import domain_table, lq_coefficients
from immunodose.typing import EMISSIONS, FloatArray

LOW_LET_KEYS = frozenset({"low_let_alpha", "low_let_beta"})
REPAIR_KEYS = frozenset({"repair_half_time_fast", "repair_half_time_slow", "repair_slow_fraction"})
HIGH_LET_KEYS = frozenset({"high_let_alpha", "high_let_beta"})
HIT_KEYS = frozenset({"high_let_reference_let", "high_let_reference_nucleus_radius"})
# A class may have coefficients of its own; all others take those of their group.
CLASS_KEYS = frozenset(
    f"{name}_{letter}" for name in EMISSIONS if name != "alpha" for letter in ("alpha", "beta")
)


def class_coefficients(inputs: SurvivalInputs, emission: str) -> tuple[float, float]:
    """Return alpha and beta of a class: its own where the set has them, else of its group."""
    item = inputs.parameters
    own = [item.defines(f"{emission}_{letter}") for letter in ("alpha", "beta")]
    if emission != "alpha" and any(own):
        if not all(own):
            raise InputError(
                f"parameter set {item.name!r} defines only one of {emission}_alpha and "
                f"{emission}_beta (both or none)."
            )
        return item.value(f"{emission}_alpha"), item.value(f"{emission}_beta")
    group = "low_let" if emission in LOW_LET else "high_let"
    return item.value(f"{group}_alpha"), item.value(f"{group}_beta")


def _mean_terms(inputs: SurvivalInputs, classes: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Return sum alpha_k D_k and sum sqrt(beta_k) D_k of classes with a dose (Eq. 1)."""
    n_cells = inputs.dose_Gy["beta"].size
    linear, root = np.zeros(n_cells), np.zeros(n_cells)
    for emission in classes:
        dose = inputs.dose_Gy[emission]
        if not dose.any():
            continue
        alpha, beta = class_coefficients(inputs, emission)
        linear = linear + alpha * dose
        root = root + np.sqrt(beta) * dose
    return linear, root


def _protraction(inputs: SurvivalInputs, needed: bool) -> FloatArray:
    """Return G, or zeros where no quadratic term asks for repair."""
    return inputs.protraction() if needed else np.zeros(inputs.dose_Gy["beta"].size)


def _mean_dose(
    inputs: SurvivalInputs, linear: FloatArray, root: FloatArray, event_share: FloatArray
) -> ModelResult:
    found = _core.response.mean_dose_log_survival(
        linear=linear,
        root=root,
        protraction=_protraction(inputs, bool(root.any())),
        event_share=event_share,
        n_threads=inputs.n_threads,
    )
    return ModelResult(found)


def linear_quadratic(inputs: SurvivalInputs) -> ModelResult:
    """Eq. 1: all classes by their mean dose."""
    linear, root = _mean_terms(inputs, EMISSIONS)
    return _mean_dose(inputs, linear, root, np.zeros(linear.size))


def hit_based(inputs: SurvivalInputs) -> ModelResult:
    """Eq. 6-12: alphas decay by decay, all else by its mean dose."""
    moments = inputs.hit_moment
    assert moments is not None
    linear, root = _mean_terms(inputs, LOW_LET)
    event_alpha = beta = 0.0
    if moments.any() or inputs.dose_Gy["recoil"].any():
        slope, beta = class_coefficients(inputs, "alpha")
        event_alpha = _core.response.event_alpha_from_slope(
            slope_per_Gy=slope,
            let_keV_per_um=inputs.value("high_let_reference_let"),
            nucleus_radius_um=inputs.value("high_let_reference_nucleus_radius"),
        )
        # Recoils act by their mean dose, unless told otherwise like the alphas of one decay.
        recoil_alpha, recoil_beta = event_alpha, beta
        if inputs.parameters.defines("recoil_alpha"):
            recoil_alpha, recoil_beta = class_coefficients(inputs, "recoil")
        linear = linear + recoil_alpha * inputs.dose_Gy["recoil"]
        root = root + np.sqrt(recoil_beta) * inputs.dose_Gy["recoil"]
    found, nodes = _core.response.log_survival(
        moments=moments,
        linear=linear,
        root=root,
        protraction=_protraction(inputs, bool(root.any()) or beta > 0.0),
        alpha_per_Gy=event_alpha,
        beta_per_Gy2=beta,
        n_threads=inputs.n_threads,
    )
    return ModelResult(found, nodes)


def _microdosimetric(inputs: SurvivalInputs, model: str) -> ModelResult:
    """Eq. 21-23: alphas by the specific energy of domains; low LET by its own coefficients."""
    sensitivity = 1.0 if inputs.radiosensitivity is None else inputs.radiosensitivity
    n_cells = inputs.dose_Gy["beta"].size
    low_resistance = microdosimetric_radioresistance(inputs, np.zeros(n_cells))
    low = {name: inputs.dose_Gy[name] * sensitivity / low_resistance for name in LOW_LET}
    linear, root = _mean_terms(_with_doses(inputs, low), LOW_LET)
    high = sum((inputs.dose_Gy[name] for name in HIGH_LET), start=np.zeros(n_cells))
    event_share = np.zeros(n_cells)
    if high.any():
        assert inputs.alphas is not None
        columns = inputs.alphas.columns(domain_table(inputs.parameters, model), high)
        oxygen = microdosimetric_radioresistance(inputs, columns[0])
        alpha, beta = lq_coefficients(inputs.parameters, model, columns[0], columns[1], oxygen)
        linear = linear + alpha * sensitivity * high
        root = root + np.sqrt(beta) * sensitivity * high
        if model == "smk":
            # Zero too where the square underflows: below 1e-161 Gy the spread changes nothing.
            square = np.square(inputs.total_Gy())
            np.divide(columns[2] * high, square, out=event_share, where=square > 0.0)
    result = _mean_dose(inputs, linear, root, event_share)
    _require_expansion(result.log_survival, event_share)
    return result


def _with_doses(inputs: SurvivalInputs, dose_Gy: Mapping[str, FloatArray]) -> SurvivalInputs:
    return SurvivalInputs(
        dose_Gy, inputs.hit_moment, inputs.parameters, inputs.n_threads, inputs.factor
    )


def _require_expansion(log_survival: FloatArray, event_share: FloatArray) -> None:
    bad = ~(log_survival <= 0.0)
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"cell {i}: one alpha gives the nucleus so much ({event_share[i]:g} of the dose) that "
            'the expansion of "smk" fails, its survival would not lie in [0, 1] '
            f'({int(bad.sum())} such cells). Use model="hits".'
        )


def microdosimetric_kinetic(inputs: SurvivalInputs) -> ModelResult:
    """Eq. 21, with Eq. 1."""
    return _microdosimetric(inputs, "mkm")


def stochastic_microdosimetric_kinetic(inputs: SurvivalInputs) -> ModelResult:
    """Eq. 22 and 23."""
    return _microdosimetric(inputs, "smk")


def _microdosimetric_keys(model: str) -> frozenset[str]:
    names = ["alpha", "beta", "domain_radius", "saturation"]
    names += ["nucleus_radius"] if model == "smk" else []
    oxygen = {"oxygen_quality_energy", "oxygen_quality_power"}
    return frozenset(f"{model}_{name}" for name in names) | oxygen | {"validity_let_max"}


LOW_CLASS_KEYS = frozenset(key for key in CLASS_KEYS if not key.startswith("recoil"))
_SHARED = LOW_LET_KEYS | REPAIR_KEYS

PACKAGE_MODELS = (
    SurvivalModel("lq", linear_quadratic, _SHARED | HIGH_LET_KEYS | CLASS_KEYS, "mean dose"),
    SurvivalModel(
        "hits",
        hit_based,
        _SHARED | HIGH_LET_KEYS | HIT_KEYS | CLASS_KEYS,
        "per decay that hits",
        needs_moments=True,
    ),
    *(
        SurvivalModel(
            name,
            function,
            _SHARED | LOW_CLASS_KEYS | _microdosimetric_keys(name),
            "mean dose, by specific energy of domains",
            needs_quality=True,
        )
        for name, function in (
            ("mkm", microdosimetric_kinetic),
            ("smk", stochastic_microdosimetric_kinetic),
        )
    ),
)
