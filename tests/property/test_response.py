# SPDX-License-Identifier: BSD-3-Clause
"""Invariants 14, 27, 28 and 29 of the response layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import immunodose as imd
from immunodose import _core
from immunodose.response_protraction import lea_catcheside_g

SETTINGS = settings(max_examples=settings.default.max_examples // 2)
NUMBERS = st.lists(st.floats(0.0, 30.0), min_size=3, max_size=3)
SIZES = st.lists(st.floats(0.01, 2.0), min_size=3, max_size=3)
FRACTION = st.floats(0.0, 1.0)
SLACK = 1e-9


def moments_of(numbers: list[float], sizes: list[float]) -> npt.NDArray[np.float64]:
    n, z = np.array(numbers), np.array(sizes)
    return np.array([(n * z**k).sum() for k in range(6)])


def log_survival(
    moments: npt.NDArray[np.float64], alpha: float, beta: float, g: float, low: float = 0.0
) -> float:
    values, _ = _core.response.log_survival(
        moments=moments[None, :], linear=[0.2 * low], root=[0.1 * low], protraction=[g],
        alpha_per_Gy=alpha, beta_per_Gy2=beta, n_threads=1,
    )  # fmt: skip
    return float(values[0])


@SETTINGS
@given(NUMBERS, SIZES, FRACTION, FRACTION, FRACTION, st.floats(0.0, 20.0))
def test_survival_is_a_probability_and_falls(
    numbers: list[float], sizes: list[float], alpha: float, beta: float, g: float, low: float
) -> None:
    moments = moments_of(numbers, sizes)
    value = log_survival(moments, alpha, beta, g, low)
    slack = SLACK * (1.0 + abs(value))
    assert np.isfinite(value)
    assert value <= 0.0
    assert log_survival(2.0 * moments, alpha, beta, g, low) <= value + slack
    assert log_survival(moments, alpha, beta, g, low + 1.0) <= value + slack
    assert log_survival(moments, 1.5 * alpha, beta, g, low) <= value + slack
    assert log_survival(moments, alpha, 1.5 * beta, g, low) <= value + slack
    assert log_survival(moments, alpha, beta, 0.5 * g, low) >= value - slack


@SETTINGS
@given(NUMBERS, SIZES, FRACTION, FRACTION)
def test_averaging_over_hits_never_lowers_survival(
    numbers: list[float], sizes: list[float], alpha: float, beta: float
) -> None:
    """Jensen: S averaged over hits exceeds S at the mean damage; and 1 without hits."""
    moments = moments_of(numbers, sizes)
    assert log_survival(np.zeros(6), alpha, beta, 1.0) == 0.0
    mean_squares = moments[2] + moments[1] ** 2
    at_mean = -alpha * moments[1] - beta * mean_squares
    assert log_survival(moments, alpha, beta, 1.0) >= at_mean - SLACK * (1.0 - at_mean)


@SETTINGS
@given(st.floats(0.1, 20.0), FRACTION, FRACTION)
def test_many_small_events_act_as_dose(dose: float, alpha: float, beta: float) -> None:
    """Equal total dose in ever smaller events tends to the linear-quadratic law."""
    n = 1e7
    value = log_survival(moments_of([n, 0.0, 0.0], [dose / n] * 3), alpha, beta, 1.0)
    np.testing.assert_allclose(value, -alpha * dose - beta * dose**2, rtol=1e-4, atol=1e-12)


@SETTINGS
@given(st.lists(st.floats(1e-3, 20.0), min_size=3, max_size=3), SIZES)
def test_quadrature_reproduces_the_moments(numbers: list[float], sizes: list[float]) -> None:
    moments = moments_of(numbers, sizes)
    z, n = _core.response.quadrature_from_moments(moments=moments)
    assert (z >= 0.0).all()
    assert (n >= 0.0).all()
    for k in range(2 * len(z)):
        np.testing.assert_allclose((n * z**k).sum(), moments[k], rtol=1e-6)


@SETTINGS
@given(
    st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4),
    st.floats(1.0, 120.0), st.floats(1.0, 1000.0), FRACTION, st.integers(0, 2**32),
)  # fmt: skip
def test_protraction_factor_lies_between_its_limits(
    rates: list[float], fast: float, slow: float, fraction: float, seed: int
) -> None:
    share = np.random.default_rng(seed).dirichlet(np.ones(len(rates)), size=3)

    def factor(scale: float) -> npt.NDArray[np.float64]:
        return lea_catcheside_g(
            scale * np.array(rates), share, repair_half_time_fast_min=fast,
            repair_half_time_slow_min=slow, repair_slow_fraction=fraction,
        )  # fmt: skip

    g = factor(1.0)
    assert ((g >= 0.0) & (g <= 1.0 + 1e-12)).all()
    assert (factor(2.0) >= g).all()
    np.testing.assert_allclose(factor(1e12), 1.0, rtol=1e-4)
    np.testing.assert_allclose(factor(1e-12), 0.0, atol=1e-4)


@SETTINGS
@given(st.floats(1e-6, 8.0), st.floats(0.05, 1.0), st.floats(0.0, 0.1), st.floats(0.05, 5.0))
@pytest.mark.filterwarnings("ignore::immunodose.errors.ValidityWarning")
def test_equal_coefficients_make_radiations_equal(
    dose_Gy: float, alpha: float, beta: float, rate_per_d: float
) -> None:
    """Mean doses of alphas and betas with the same coefficients act the same; BED >= D."""
    dose = np.array([[dose_Gy, 0.0], [0.0, dose_Gy], [0.25 * dose_Gy, 0.75 * dose_Gy]])
    ds = xr.Dataset(
        {"absorbed_dose": (("cell", "emission"), dose)}, coords={"emission": ["alpha", "beta"]}
    )
    ds["activity_rate_constant"] = (("nuclide",), [rate_per_d / 86400.0])
    out = imd.survival(
        ds, parameters="b16f10", low_let_alpha=alpha, high_let_alpha=alpha, low_let_beta=beta,
        high_let_beta=beta,
    )  # fmt: skip
    np.testing.assert_allclose(out.survival_probability, out.survival_probability[0], rtol=1e-9)
    assert (out.bed >= dose_Gy * (1.0 - 1e-12)).all()
    acute = imd.survival(
        ds, parameters="b16f10", dose_rate="acute", low_let_alpha=alpha, high_let_alpha=alpha,
        low_let_beta=beta, high_let_beta=beta,
    )  # fmt: skip
    assert (acute.bed >= out.bed * (1.0 - 1e-12)).all()
    np.testing.assert_allclose(acute.rbe_weighted_dose, dose_Gy, rtol=1e-9, atol=1e-12)
