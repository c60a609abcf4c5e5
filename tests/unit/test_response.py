# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import response as oracle

import immunodose as imd
from immunodose import _core
from immunodose.data.parameters import resolve
from immunodose.errors import InputError, ValidityWarning
from immunodose.response_protraction import lea_catcheside_g

# Values of its own, so that a new fit of the shipped sets does not change what is tested.
LINE = resolve(
    "b16f10", nucleus_radius=5.0, low_let_alpha=0.16, low_let_beta=0.016, high_let_alpha=0.67,
    high_let_beta=0.03, high_let_reference_let=108.0, high_let_reference_nucleus_radius=4.5,
    repair_half_time_fast=11.4, repair_half_time_slow=129.6, repair_slow_fraction=0.495,
    validity_dose_max=10.0,
)  # fmt: skip
T_CELL = resolve("cd8_t_cell", low_let_alpha=0.315, low_let_beta=0.133)


def dose_dataset(
    *,
    beta: list[float],
    alpha: list[float] | None = None,
    events: tuple[list[float], list[float]] | None = None,
    rate_per_d: float | None = None,
    cell_type: list[str] | None = None,
) -> xr.Dataset:
    """Cells with low-LET doses and, if given, alpha decays that hit (numbers, Gy each)."""
    n = len(beta)
    moments = np.zeros((n, 6))
    if events is not None:
        numbers, z = np.array(events[0]), np.array(events[1])
        moments[:] = [(numbers * z**k).sum() for k in range(6)]
    alpha_dose = moments[:, 1] if alpha is None else np.array(alpha)
    ds = xr.Dataset(
        {"absorbed_dose": (("cell", "emission"), np.stack([alpha_dose, beta], axis=1))},
        coords={"cell": np.arange(n), "emission": ["alpha", "beta"]},
    )
    if events is not None:
        ds["hit_decay_moment"] = (("cell", "moment"), moments)
    if rate_per_d is not None:
        ds["activity_rate_constant"] = (("nuclide",), [rate_per_d / 86400.0])
    if cell_type is not None:
        ds["cell_type"] = ("cell", cell_type)
    return ds


def test_low_let_survival_is_linear_quadratic() -> None:
    out = imd.survival(
        dose_dataset(beta=[0.0, 1.0, 4.0]), parameters=LINE, dose_rate="acute",
        low_let_alpha=0.2, low_let_beta=0.05,
    )  # fmt: skip
    expected = np.exp([-0.0, -0.25, -1.6])
    np.testing.assert_allclose(out.survival_probability, expected, rtol=1e-12)
    np.testing.assert_allclose(out.bed, [0.0, 1.25, 8.0], rtol=1e-12)
    np.testing.assert_allclose(out.eqd2, [0.0, 1.25 / 1.5, 8.0 / 1.5], rtol=1e-12)
    np.testing.assert_allclose(out.rbe_weighted_dose, [0.0, 1.0, 4.0], rtol=1e-12, atol=1e-15)
    assert out.survival_probability[0] == 1.0


@pytest.mark.parametrize(
    ("alpha", "beta", "g", "linear", "root"),
    [(0.8, 0.0, 0.5, 0.2, 0.0), (0.8, 0.6, 0.7, 0.3, 0.5), (0.5, 2.0, 1.0, 0.1, 0.0)],
)
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_kernel_equals_the_poisson_series(
    alpha: float, beta: float, g: float, linear: float, root: float, scale: float
) -> None:
    n, z = np.array([1.0, 2.0, 0.3]), scale * np.array([0.05, 0.2, 0.4])
    moments = np.array([[(n * z**k).sum() for k in range(6)]])
    log_survival, nodes = _core.response.log_survival(
        moments=moments, linear=[linear], root=[root], protraction=[g], alpha_per_Gy=alpha,
        beta_per_Gy2=beta, n_threads=1,
    )  # fmt: skip
    expected = oracle.survival_series(n, z, alpha=alpha, beta=beta, g=g, linear=linear, root=root)
    np.testing.assert_allclose(log_survival, np.log(expected), rtol=1e-8)
    assert nodes == [0, 0, 0, 1]


def test_log_survival_stays_finite_where_survival_underflows() -> None:
    z = 0.2
    moments = np.array([[2e4 * z**k for k in range(6)]])
    log_survival, _ = _core.response.log_survival(
        moments=moments, linear=[1.0], root=[50.0], protraction=[1.0], alpha_per_Gy=0.7,
        beta_per_Gy2=0.05, n_threads=1,
    )  # fmt: skip
    assert np.isfinite(log_survival[0])
    assert log_survival[0] < -745.0


def test_unhit_cells_survive_the_alphas() -> None:
    """At 0.5 decays that hit, survival tends to the unhit probability for lethal hits."""
    ds = dose_dataset(beta=[0.0], events=([0.5], [0.3]))
    out = imd.survival(
        ds, parameters=LINE, dose_rate="acute", high_let_alpha=3.9, high_let_beta=0.0,
        high_let_reference_let=100.0,
    )  # fmt: skip
    assert np.exp(-0.5) < float(out.survival_probability[0]) < 0.72
    mean_dose = np.exp(-3.9 * 0.15)
    assert float(out.survival_probability[0]) > mean_dose + 0.04


def test_per_event_slope_reproduces_the_published_one() -> None:
    """The published slope comes back for its own LET, nucleus and uniform tracks."""
    let, radius, slope = 120.0, 4.0, 0.9
    a = _core.response.event_alpha_from_slope(
        slope_per_Gy=slope, let_keV_per_um=let, nucleus_radius_um=radius
    )
    mass_kg = 4.0 / 3.0 * np.pi * radius**3 * 1e-18 * 1000.0
    z_diameter = let * 2.0 * radius * 1.602176634e-16 / mass_kg
    kill = oracle.sphere_kill_per_hit(a * z_diameter)
    np.testing.assert_allclose(kill / (2.0 / 3.0 * z_diameter), slope, rtol=1e-6)
    assert a > 1.1 * slope


@pytest.mark.parametrize("y", [1e-6, 0.1, 0.49, 0.51, 3.0, 40.0])
def test_kill_per_hit_of_a_sphere(y: float) -> None:
    found = _core.response.sphere_kill_per_hit(y=y)
    np.testing.assert_allclose(found, oracle.sphere_kill_per_hit(y), rtol=1e-5)


def test_slope_of_more_than_one_kill_per_hit_is_refused() -> None:
    ds = dose_dataset(beta=[0.0], events=([0.5], [0.3]))
    with pytest.raises(InputError, match="more than one kill per hit"):
        imd.survival(ds, parameters=LINE, high_let_alpha=4.5)


def test_lea_catcheside_of_two_nuclides_equals_the_double_integral() -> None:
    rates, shares = np.array([0.5, 4.0]), np.array([0.3, 0.7])
    found = lea_catcheside_g(
        rates, shares[None, :], repair_half_time_fast_min=60.0, repair_half_time_slow_min=400.0,
        repair_slow_fraction=0.4,
    )  # fmt: skip
    repair = [(0.6, np.log(2.0) * 24.0), (0.4, np.log(2.0) * 3.6)]
    np.testing.assert_allclose(found, oracle.lea_catcheside(rates, shares, repair), rtol=1e-4)


def test_dose_rate_enters_with_the_closed_form() -> None:
    rate = 0.3
    ds = dose_dataset(beta=[2.0], rate_per_d=rate)
    out = imd.survival(ds, parameters=LINE, low_let_alpha=0.1, low_let_beta=0.05)
    fast, slow = (np.log(2.0) * 1440.0 / minutes for minutes in (11.4, 129.6))
    g = 0.505 * rate / (rate + fast) + 0.495 * rate / (rate + slow)
    np.testing.assert_allclose(out.bed, 2.0 + g * 0.5 * 4.0, rtol=1e-10)
    assert out.attrs["survival_dose_rate"] == "exponential"


def test_cell_types_take_their_own_set() -> None:
    ds = dose_dataset(beta=[2.0, 2.0], cell_type=["tumor", "cd8_t_cell"])
    with pytest.raises(InputError, match=r"cd8_t_cell.*no parameter set"):
        imd.survival(ds, parameters=LINE, dose_rate="acute")
    sets = {"tumor": LINE, "cd8_t_cell": T_CELL}
    out = imd.survival(ds, parameters=sets, dose_rate="acute")
    expected = np.exp([-0.16 * 2 - 0.016 * 4, -0.315 * 2 - 0.133 * 4])
    np.testing.assert_allclose(out.survival_probability, expected, rtol=1e-12)
    assert out.attrs["survival_parameters_cd8_t_cell"] == "cd8_t_cell"
    with pytest.raises(InputError, match="ambiguous"):
        imd.survival(ds, parameters=sets, low_let_alpha=0.3)


def test_warnings_say_what_is_missing() -> None:
    ds = dose_dataset(beta=[1.0, 30.0], alpha=[1.0, 1.0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = imd.survival(ds, parameters=LINE)
    texts = [str(item.message) for item in caught]
    assert all(item.category is ValidityWarning for item in caught)
    for part in ("beyond the data", "unhit cells are not represented", "no activity_rate_constant"):
        assert any(part in text for text in texts)
        assert part in out.attrs["warnings"]
    assert out.outside_validity.values.tolist() == [0, 1]


def _without(name: str) -> xr.Dataset:
    return dose_dataset(beta=[1.0]).drop_vars(name)


@pytest.mark.parametrize(
    ("ds", "kwargs", "message"),
    [
        (_without("absorbed_dose"), {}, r"Call immunodose.absorbed_dose"),
        (dose_dataset(beta=[1.0]).sum("emission"), {}, "split that includes 'emission'"),
        (dose_dataset(beta=[1.0, -2.0]), {}, r"absorbed_dose .*\[1, 1\] = -2.0"),
        (dose_dataset(beta=[np.nan]), {}, "nan"),
        (dose_dataset(beta=[1.0], alpha=[9.0], events=([1.0], [0.2])), {}, "must agree"),
        (dose_dataset(beta=[1.0]), {"dose_rate": "chronic"}, "invalid dose_rate"),
        (dose_dataset(beta=[1.0]), {"low_let_alhpa": 1.0}, "low_let_alpha"),
        (dose_dataset(beta=[1.0]).expand_dims(arm=2), {}, "one arm"),
    ],
)
def test_bad_input(ds: xr.Dataset, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.survival(ds, parameters=LINE, **kwargs)


def test_bits_do_not_depend_on_threads_and_merge_keeps_input() -> None:
    rng = np.random.default_rng(3)
    ds = dose_dataset(beta=rng.random(2000).tolist(), events=([0.7, 0.2], [0.2, 0.5]), rate_per_d=1)
    one = imd.survival(ds, parameters=LINE, n_threads=1)
    many = imd.survival(ds, parameters=LINE)
    assert one.survival_probability.values.tobytes() == many.survival_probability.values.tobytes()
    assert "absorbed_dose" in one
    assert "absorbed_dose" not in imd.survival(ds, parameters=LINE, merge=False)


def test_several_nuclides_need_the_nuclide_split() -> None:
    ds = dose_dataset(beta=[1.0])
    ds["activity_rate_constant"] = (("nuclide",), [1e-6, 2e-6])
    with pytest.raises(InputError, match="split that includes 'nuclide'"):
        imd.survival(ds, parameters=LINE)


def test_a_nuclide_without_rate_constant_is_named() -> None:
    ds = dose_dataset(beta=[1.0])
    ds["activity_rate_constant"] = (("nuclide",), [1e-6, np.nan])
    with pytest.raises(InputError, match="every call of"):
        imd.survival(ds, parameters=LINE)


def test_a_realization_is_refused_with_the_call_to_make() -> None:
    cells = imd.cells.lattice(
        shape=(2, 1, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    labeled = imd.label(cells, "At-211", decays_per_cell=3.0)
    drawn = imd.absorbed_dose(
        labeled, method="monte_carlo", realization=True, emissions=("alpha",), rng=1
    )
    with pytest.raises(InputError, match="without realization=True"):
        imd.survival(drawn, parameters="b16f10")
