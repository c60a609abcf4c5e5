# SPDX-License-Identifier: BSD-3-Clause
"""The Lea-Catcheside factor: closed form, curves, and both against double integrals over time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import dose_rate as oracle

import immunodose as imd
from immunodose.errors import InputError
from immunodose.response_protraction import DoseCourses, repair_of
from immunodose.source_time import TimeCourses, exponentials
from immunodose.testing import assert_same_bits, assert_schema

PER_DAY = 86400.0
REPAIR: dict[str, Any] = {"repair_half_time_min": [30.0, 240.0], "repair_share": [0.7, 0.3]}
PHASES = [(0.7, math.log(2.0) * 48.0), (0.3, math.log(2.0) * 6.0)]


def parent_and_daughter(parent_per_d: float, daughter_per_d: float) -> TimeCourses:
    """Two components: the decays of a parent and of its daughter."""
    return TimeCourses(
        np.array([parent_per_d, daughter_per_d]) / PER_DAY,
        np.array([0]),
        np.array([0]),
        np.array([1]),
        np.ones(1),
        np.eye(2),
    )


def factor(courses: TimeCourses, dose: Any, **repair: Any) -> np.ndarray:
    given = repair or REPAIR
    phases = repair_of(given["repair_half_time_min"], given.get("repair_share"))
    return DoseCourses(courses, np.atleast_2d(np.asarray(dose, dtype=float))).factor(
        slice(None), phases
    )


def curve(time_d: Any, rate: Any) -> xr.Dataset:
    values = xr.DataArray(
        np.atleast_2d(np.asarray(rate, dtype=float)),
        dims=("cell", "time"),
        coords={"time": np.asarray(time_d, dtype=float)},
    )
    return xr.Dataset({"absorbed_dose_rate": values})


def of_curve(time_d: Any, rate: Any, **repair: Any) -> np.ndarray:
    found = imd.lea_catcheside(curve(time_d, rate), method="curve", **(repair or REPAIR))
    return np.asarray(found["lea_catcheside_factor"].values)


def test_closed_form_equals_the_double_integral() -> None:
    a, b, dose = 0.4, 9.0, (2.0, 5.0)

    def rate(t: np.ndarray) -> np.ndarray:
        daughter = a * b / (b - a) * (np.exp(-a * t) - np.exp(-b * t))
        return np.asarray(dose[0] * a * np.exp(-a * t) + dose[1] * daughter)

    knots = np.concatenate([[0.0], np.geomspace(1e-3, 90.0, 30)])
    expected = oracle.factor(rate, PHASES, knots)
    np.testing.assert_allclose(factor(parent_and_daughter(a, b), dose), expected, rtol=1e-9)


def test_curves_equal_the_double_integral() -> None:
    rng = np.random.default_rng(4)
    time = np.cumsum(rng.lognormal(-3.0, 2.0, 12))
    values = rng.random(12)
    expected = oracle.factor(lambda t: np.interp(t, time, values), PHASES, time)
    np.testing.assert_allclose(of_curve(time, values)[0], expected, rtol=1e-9)


def test_a_finely_sampled_curve_tends_to_the_closed_form() -> None:
    cells = imd.cells.lattice(
        shape=(2, 1, 1), spacing_um=15.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    labeled = imd.label(
        cells,
        "At-211",
        decays_per_cell=5.0,
        weights=[1.0, 2.0],
        medium_decays_per_um3=0.1,
        effective_half_life_h=4.0,
        medium_effective_half_life_h=0.5,
    )
    # 207Bi lives 31 years: without it the curve ends.
    labeled["retention"] = (("nuclide", "progeny"), [[1.0, 0.0]])
    labeled = labeled.assign_coords(progeny=["Po-211", "Bi-207"])
    time_h = np.concatenate([[0.0], np.geomspace(1e-4, 90.0, 2000)])
    rate = imd.absorbed_dose_rate(labeled, time_h=time_h, targets=["nucleus", "cell"])
    exact = imd.lea_catcheside(rate, **REPAIR)["lea_catcheside_factor"]
    assert exact.dims == ("cell", "target")
    sampled = imd.lea_catcheside(rate, method="curve", **REPAIR)["lea_catcheside_factor"]
    np.testing.assert_allclose(sampled, exact, rtol=1e-4)
    assert float(exact[0, 0]) > float(exact[1, 0])  # more of its dose from the fast medium


@given(st.floats(1e-4, 1e4), st.floats(1.0, 1e4))
@settings(max_examples=30)
def test_one_exponential(rate_per_d: float, half_time_min: float) -> None:
    mu = math.log(2.0) * 1440.0 / half_time_min
    found = factor(exponentials([rate_per_d / PER_DAY]), [3.0], repair_half_time_min=half_time_min)
    np.testing.assert_allclose(found, rate_per_d / (rate_per_d + mu), rtol=1e-12)


@given(st.floats(0.01, 100.0), st.floats(-1e-6, 1e-6), st.floats(0.0, 1.0))
def test_nearly_equal_rates_join_equal_ones(a: float, apart: float, share: float) -> None:
    dose = [share, 1.0 - share]
    near, equal = (factor(parent_and_daughter(a, a * (1.0 + e)), dose) for e in (apart, 0.0))
    assert 0.0 < equal[0] < 1.0
    np.testing.assert_allclose(near, equal, rtol=2.0 * abs(apart) + 1e-13)


def test_limits() -> None:
    one = {"repair_half_time_min": 60.0}
    assert factor(exponentials([1e9 / PER_DAY]), [1.0], **one)[0] == pytest.approx(1.0, abs=1e-7)
    assert factor(exponentials([1e-9 / PER_DAY]), [1.0], **one)[0] == pytest.approx(0.0, abs=1e-9)
    assert of_curve([0.0, 1e-9], [1.0, 1.0], **one)[0] == pytest.approx(1.0, abs=1e-7)
    assert of_curve([0.0, 1e9], [1.0, 1.0], **one)[0] == pytest.approx(0.0, abs=1e-7)
    # Two flashes, far apart: half of the pairs are lost.
    flashes = of_curve([0.0, 1e-6, 2e-6, 50.0, 50.0 + 1e-6, 50.0 + 2e-6], [0, 1, 0, 0, 1, 0], **one)
    assert flashes[0] == pytest.approx(0.5, abs=1e-4)
    assert of_curve([0.0, 1.0], [0.0, 0.0])[0] == 1.0


@given(st.lists(st.floats(0.0, 10.0), min_size=3, max_size=6), st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_a_curve_lies_between_its_limits_and_does_not_depend_on_its_points(
    rates: list[float], scale: float
) -> None:
    time = scale * np.arange(len(rates))
    found = of_curve(time, rates)[0]
    assert 0.0 <= found <= 1.0 + 1e-12
    fine = np.unique(np.concatenate([time, scale * np.linspace(0.05, len(rates) - 1.05, 37)]))
    np.testing.assert_allclose(of_curve(fine, np.interp(fine, time, rates))[0], found, rtol=1e-9)
    np.testing.assert_allclose(of_curve(time, 7.0 * np.array(rates))[0], found, rtol=1e-12)


def test_survival_takes_the_courses_of_the_dose_rate() -> None:
    cells = imd.cells.lattice(
        shape=(2, 1, 1), spacing_um=15.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    labeled = imd.label(
        cells,
        "Lu-177",
        decays_per_cell=3e3,
        medium_decays_per_um3=0.05,
        effective_half_life_h=20.0,
        medium_effective_half_life_h=1.0,
    )
    dose = imd.absorbed_dose(labeled, physics="mird", split=("target", "emission"))
    timed = imd.absorbed_dose_rate(dose, physics="mird", time_h=0.0)
    one_rate = imd.survival(dose, parameters="b16f10")
    out = imd.survival(timed, parameters="b16f10")
    assert out.attrs["survival_dose_rate"] == "courses of absorbed_dose_rate"
    g = imd.lea_catcheside(timed, parameters="b16f10")["lea_catcheside_factor"]
    alpha, beta = (imd.parameters("b16f10")["value"].sel(parameter=f"low_let_{key}").item()
                   for key in ("alpha", "beta"))  # fmt: skip
    total = dose["absorbed_dose"].sel(target="nucleus").sum("emission")
    expected = total + beta / alpha * g.sel(target="nucleus") * total**2
    np.testing.assert_allclose(out["bed"], expected, rtol=1e-9)
    assert (out["bed"] > one_rate["bed"]).all()  # the medium is faster


def test_threads_types_and_merge() -> None:
    rng = np.random.default_rng(1)
    ds = curve(np.linspace(0.0, 3.0, 20), rng.random((3000, 20)))
    ds["cell_type"] = (("cell",), np.repeat(["tumor", "cd8_t_cell"], 1500))
    sets = {"tumor": "b16f10", "cd8_t_cell": "cd8_t_cell"}
    one = imd.lea_catcheside(ds, parameters=sets, method="curve", n_threads=1, merge=False)
    assert set(one.data_vars) == {"lea_catcheside_factor"}
    assert_schema(one)
    if imd.threads.available_cpus() > 1:
        two = imd.lea_catcheside(ds, parameters=sets, method="curve", n_threads=2, merge=False)
        assert_same_bits(one["lea_catcheside_factor"].values, two["lea_catcheside_factor"].values)
    half = imd.lea_catcheside(
        ds.isel(cell=slice(1500, None)), parameters=sets, method="curve", merge=False
    )
    np.testing.assert_array_equal(
        half["lea_catcheside_factor"], one["lea_catcheside_factor"][1500:]
    )
    assert one.attrs["lea_catcheside_parameters_cd8_t_cell"] == "cd8_t_cell"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "curves"}, "Did you mean"),
        ({}, r"Call immunodose.absorbed_dose_rate\(cells, time_h"),
        ({"method": "curve", "repair_half_time_min": None}, "no repair is stated"),
        ({"method": "curve", "parameters": "b16f10"}, "both state"),
        ({"method": "curve", "repair_half_time_min": -3.0}, "> 0 min"),
        ({"method": "curve", "repair_half_time_min": [3.0, 9.0]}, "Give repair_share"),
        ({"method": "curve", "repair_share": [0.5, 0.5]}, "one for each"),
        ({"method": "curve", "repair_share": [0.5]}, "sums to 0.5"),
    ],
)
def test_messages(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"repair_half_time_min": 60.0, **options}
    with pytest.raises(InputError, match=message):
        imd.lea_catcheside(curve([0.0, 1.0], [1.0, 1.0]), **given)


@pytest.mark.parametrize(
    ("time", "rate", "message"),
    [
        ([0.0], [1.0], "at least two"),
        ([1.0, 0.0], [1.0, 1.0], "ascending"),
        ([0.0, np.nan], [1.0, 1.0], "finite"),
        ([0.0, 1.0], [1.0, -1.0], r"\[0, 1\] = -1.0"),
        ([0.0, 1.0], [np.inf, 1.0], "inf"),
    ],
)
def test_bad_curves(time: list[float], rate: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        of_curve(time, rate)
