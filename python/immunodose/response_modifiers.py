# SPDX-License-Identifier: BSD-3-Clause
"""What changes the effect of a dose from cell to cell: radiosensitivity and oxygen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immunodose.data.parameters import ParameterSet
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    from immunodose.response_models import SurvivalInputs

SPREAD_KEY = "radiosensitivity_sd_ln"
OXYGEN_KEYS = frozenset(
    {"oxygen_half_effect", "oxygen_enhancement_low_let", "oxygen_enhancement_high_let"}
)
# Nodes of the mean over a lognormal spread: for sd 0.5 and 10 kills in ln the mean is good to 1e-6.
_N_NODES = 24


def radioresistance(
    oxygen_mmHg: FloatArray, half_effect_mmHg: float, enhancement: FloatArray | float
) -> FloatArray:
    """Return the dose that has the effect of 1 Gy in full oxygen (Eq. 24).

    Parameters
    ----------
    oxygen_mmHg
        Partial pressure of oxygen, >= 0.
    half_effect_mmHg
        Pressure of half the effect, > 0.
    enhancement
        Oxygen enhancement ratio without any oxygen, >= 1.

    Returns
    -------
    numpy.ndarray
        Between 1 (much oxygen) and `enhancement` (none).

    Examples
    --------
    >>> radioresistance(np.array([0.0, 3.0, 1e9]), 3.0, 3.0).round(3)
    array([3. , 1.5, 1. ])
    """
    reached = half_effect_mmHg / np.asarray(enhancement)
    return np.asarray((oxygen_mmHg + half_effect_mmHg) / (oxygen_mmHg + reached))


def class_modifiers(
    item: ParameterSet,
    radiosensitivity: FloatArray | None,
    oxygen_mmHg: FloatArray | None,
    dosed: tuple[bool, bool],
) -> tuple[FloatArray | float, FloatArray | float]:
    """Return the factors of low-LET and high-LET doses: sensitivity over radioresistance.

    Only groups with a dose (`dosed`: low, high) need their enhancement ratio.
    """
    base: FloatArray | float = 1.0 if radiosensitivity is None else radiosensitivity
    if oxygen_mmHg is None:
        return base, base
    half = item.value("oxygen_half_effect")
    low, high = (
        base / radioresistance(oxygen_mmHg, half, item.value(f"oxygen_enhancement_{group}"))
        if present
        else base
        for group, present in zip(("low_let", "high_let"), dosed, strict=True)
    )
    return low, high


def microdosimetric_radioresistance(inputs: SurvivalInputs, domain_Gy: FloatArray) -> FloatArray:
    """Return the radioresistance, whose maximum falls with the domain's specific energy (Eq. 25).

    Parameters
    ----------
    inputs
        The cells; without `oxygen_mmHg` the result is 1.
    domain_Gy
        Dose-mean specific energy of a domain per event, (cell,); 0 for low LET.
    """
    if inputs.oxygen_mmHg is None:
        return np.ones(domain_Gy.size)
    ratio = np.zeros(domain_Gy.size)
    if domain_Gy.any():
        scale, power = inputs.value("oxygen_quality_energy"), inputs.value("oxygen_quality_power")
        ratio = (domain_Gy / scale) ** power
    largest = (ratio + inputs.value("oxygen_enhancement_low_let")) / (ratio + 1.0)
    return radioresistance(inputs.oxygen_mmHg, inputs.value("oxygen_half_effect"), largest)


def spread_nodes(sd_ln: float) -> tuple[FloatArray, FloatArray]:
    """Return sensitivities and weights of a lognormal spread of median 1 (Eq. 26).

    Parameters
    ----------
    sd_ln
        Standard deviation of the natural logarithm, >= 0.

    Examples
    --------
    >>> sensitivity, weight = spread_nodes(0.3)
    >>> bool(np.isclose(sensitivity @ weight, np.exp(0.3**2 / 2)))
    True
    """
    node, weight = np.polynomial.hermite_e.hermegauss(_N_NODES)
    return np.exp(sd_ln * node), weight / weight.sum()


def mean_log(log_values: FloatArray, weight: FloatArray) -> FloatArray:
    """Return ln of the weighted mean of exp over the first axis, without underflow.

    Parameters
    ----------
    log_values
        (node, cell).
    weight
        (node,), sum 1.
    """
    top = log_values.max(axis=0)
    finite = np.where(np.isfinite(top), top, 0.0)
    total = np.zeros(top.size)
    for share, row in zip(weight, log_values, strict=True):  # one order for any number of cells
        total += share * np.exp(row - finite)
    with np.errstate(divide="ignore"):  # none survive
        return np.asarray(finite + np.log(total))
