# SPDX-License-Identifier: BSD-3-Clause
"""Survival models by name: those of the package, and a user's own function on arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from immunodose.errors import InputError, did_you_mean
from immunodose.response_kernels import PACKAGE_MODELS
from immunodose.response_models import (
    ModelResult,
    SurvivalFunction,
    SurvivalInputs,
    SurvivalModel,
)

_MODELS: dict[str, SurvivalModel] = {model.name: model for model in PACKAGE_MODELS}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def survival_model(name: str) -> SurvivalModel:
    """Return the model of that name, or raise InputError with the names there are."""
    if name not in _MODELS:
        raise InputError(
            f"unknown survival model {name!r} (available: {', '.join(_MODELS)})."
            f"{did_you_mean(name, _MODELS)} immunodose.register_survival_model adds one."
        )
    return _MODELS[name]


def survival_models() -> tuple[str, ...]:
    """Return the names that `survival` takes as `model`.

    Examples
    --------
    >>> survival_models()[:4]
    ('lq', 'hits', 'mkm', 'smk')
    """
    return tuple(_MODELS)


def register_survival_model(
    name: str, function: SurvivalFunction, *, parameters: Sequence[str] = ()
) -> None:
    """Make a Python function on arrays a survival model of `survival`.

    Parameters
    ----------
    name
        Name for `survival(..., model=name)`: lower case, digits, underscores. A name of the
        package cannot be replaced; one registered before can.
    function
        Called with a `SurvivalInputs` of n cells of one type, it returns their survival
        probability, n numbers in [0, 1]. With Dask it is called once per chunk.
    parameters
        Keys of the parameter set that it reads by `inputs.value(key)`, in the unit of the set;
        `survival` takes overrides of these.

    Raises
    ------
    InputError
        For an invalid or reserved name, or something that cannot be called. `survival` raises it
        when the function returns other than n numbers in [0, 1] (with the first index).

    Notes
    -----
    `inputs.dose_Gy["beta"]` (and the other classes) is the dose to the nucleus, scaled by the
    per-cell `radiosensitivity` and the oxygen effect if the Dataset has them;
    `inputs.protraction()` is the Lea-Catcheside factor.

    References
    ----------
    The example is the multi-target model: Hall EJ, Giaccia AJ. Radiobiology for the Radiologist.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import immunodose as imd
    >>> def two_targets(inputs):
    ...     "Cells die when both targets are hit; D0 is 1 over low_let_alpha."
    ...     missed = np.exp(-inputs.value("low_let_alpha") * inputs.total_Gy())
    ...     return 1.0 - (1.0 - missed) ** 2
    >>> imd.register_survival_model("two_targets", two_targets, parameters=["low_let_alpha"])
    >>> dose = xr.Dataset({"absorbed_dose": (("cell", "emission"), [[0.0], [5.0]])},
    ...                   coords={"emission": ["beta"]})
    >>> out = imd.survival(dose, parameters="b16f10", model="two_targets", low_let_alpha=0.5)
    >>> out.survival_probability.values.round(4)
    array([1.    , 0.1574])
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"invalid name={name!r} of a survival model (allowed: lower case, digits, '_')."
        )
    if name in _MODELS and not _MODELS[name].registered:
        raise InputError(f"the survival model {name!r} is one of the package. Use another name.")
    if not callable(function):
        raise InputError(f"function={function!r} of survival model {name!r} cannot be called.")

    def checked(inputs: SurvivalInputs) -> ModelResult:
        n_cells = inputs.dose_Gy["beta"].size
        found = np.asarray(function(inputs))
        if found.shape != (n_cells,) or found.dtype.kind not in "fiub":
            raise InputError(
                f"survival model {name!r} returned {found.dtype} of shape {found.shape} (needed: "
                f"numbers of shape {(n_cells,)}, one survival probability per cell)."
            )
        values = found.astype(np.float64)
        bad = ~((values >= 0.0) & (values <= 1.0))
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(
                f"survival model {name!r} returned {values[i]} for cell {i} of {n_cells} (allowed: "
                f"0 to 1; {int(bad.sum())} such values)."
            )
        with np.errstate(divide="ignore"):  # none survive
            return ModelResult(np.log(values))

    _MODELS[name] = SurvivalModel(
        name, checked, frozenset(parameters), "registered function", registered=True
    )
