# SPDX-License-Identifier: BSD-3-Clause
"""The external beam: uniform dose, its fractions in time, and what the response models see."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

import immunodose as imd
from immunodose.data.parameters import resolve
from immunodose.errors import InputError
from immunodose.response_inputs import dose_history
from immunodose.response_protraction import Repair, dose_courses
from immunodose.source_time import Fractions
from immunodose.testing import assert_schema

LINE = imd.parameters("hsg")


def cells(n: int = 3) -> xr.Dataset:
    return imd.cells.lattice(
        shape=(n, 1, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )


def test_every_target_gets_the_dose_of_all_fractions() -> None:
    beam = imd.external_beam(cells(), dose_Gy=2.0, fractions=3, interval_d=1.0)
    assert (beam["absorbed_dose"].sum(["emission", "origin"]) == 6.0).all()
    assert beam["external_beam_dose"].sum("fraction").values.tolist() == [6.0, 6.0, 6.0]
    assert beam["fraction_time"].values.tolist() == [0.0, 1.0, 2.0]
    assert_schema(beam)


def test_only_the_irradiated_cells_get_it() -> None:
    marked = cells().assign(hit=("cell", [1, 0, 1]))
    for irradiated in ("hit", [1, 0, 1]):
        beam = imd.external_beam(marked, dose_Gy=5.0, irradiated=irradiated)
        nucleus = beam["absorbed_dose"].sel(target="nucleus").sum(["emission", "origin"])
        assert nucleus.values.tolist() == [5.0, 0.0, 5.0]
        assert dose_history(beam).share.shape == (3, 1)


def test_beam_on_top_of_a_nuclide() -> None:
    labeled = imd.label(cells(), "Lu-177", decays_per_cell=100.0, effective_half_life_h=100.0)
    dosed = imd.absorbed_dose(labeled, physics="mird")
    both = imd.external_beam(dosed, dose_Gy=1.5, first_fraction_d=2.0)
    change = both["absorbed_dose"] - dosed["absorbed_dose"]
    expected = xr.zeros_like(change)
    expected.loc[{"emission": "photon", "origin": "cross"}] = 1.5
    np.testing.assert_allclose(change.sel(target="nucleus"), expected.sel(target="nucleus"))
    history = dose_history(both)
    np.testing.assert_allclose(history.share.sum(axis=1), 1.0)
    np.testing.assert_allclose(history.delivered(np.array([0.0, 1.99, 2.0, 1e9]))[1], [0, 0, 1, 1])
    assert both.attrs["external_beams"].count("dose_Gy") == 1
    twice = imd.external_beam(both, dose_Gy=1.0)
    assert twice["fraction_time"].values.tolist() == [0.0, 2.0]
    assert twice["external_beam_dose"].isel(cell=0).values.tolist() == [1.0, 1.5]


def test_one_acute_fraction_is_an_acute_dose() -> None:
    """Survival equals the linear-quadratic formula, and an equal dose made by hand."""
    alpha, beta = (float(LINE["value"].sel(parameter=f"low_let_{k}")) for k in ("alpha", "beta"))
    out = imd.survival(imd.external_beam(cells(), dose_Gy=3.0), parameters=LINE, model="lq")
    np.testing.assert_allclose(
        out["survival_probability"], math.exp(-alpha * 3.0 - beta * 9.0), rtol=1e-12
    )


def test_distant_fractions_multiply() -> None:
    """With full repair in between, n fractions leave the nth power of what one leaves."""
    one = imd.survival(imd.external_beam(cells(), dose_Gy=2.0), parameters=LINE, model="lq")
    many = imd.external_beam(cells(), dose_Gy=2.0, fractions=4, interval_d=30.0)
    four = imd.survival(many, parameters=LINE, model="lq")
    np.testing.assert_allclose(
        four["survival_probability"], one["survival_probability"] ** 4, rtol=1e-9
    )
    close = imd.external_beam(cells(), dose_Gy=2.0, fractions=4, interval_d=1e-9)
    together = imd.survival(close, parameters=LINE, model="lq")
    acute = imd.survival(imd.external_beam(cells(), dose_Gy=8.0), parameters=LINE, model="lq")
    np.testing.assert_allclose(
        together["survival_probability"], acute["survival_probability"], rtol=1e-6
    )


@given(
    time_d=st.floats(0.0, 20.0),
    rate_per_d=st.floats(0.01, 10.0),
    repair_per_d=st.floats(0.1, 50.0),
)
def test_pairs_against_the_integral(time_d: float, rate_per_d: float, repair_per_d: float) -> None:
    """Eq. R12: a pulse and an exponential."""
    courses = Fractions(np.array([time_d]), np.array([rate_per_d]))
    pairs = courses.protraction_of_pairs(np.ones(1), np.array([repair_per_d]))

    def density(t: float) -> float:
        return rate_per_d * math.exp(-rate_per_d * t - repair_per_d * abs(t - time_d))

    end = time_d + 60.0 / (rate_per_d + repair_per_d)
    parts = [quad(density, a, b, limit=200)[0] for a, b in ((0.0, time_d), (time_d, end))]
    assert pairs[0, 1] == pytest.approx(sum(parts), rel=1e-6, abs=1e-9)
    assert pairs[0, 0] == pytest.approx(rate_per_d / (rate_per_d + repair_per_d), rel=1e-12)
    assert pairs[1, 1] == 1.0
    assert pairs[0, 1] == pairs[1, 0]


def test_factor_of_fractions_lies_between_its_limits() -> None:
    beam = imd.external_beam(cells(), dose_Gy=2.0, fractions=5, interval_d=0.1)
    history = dose_history(beam)
    assert history.rate_per_d is None
    np.testing.assert_allclose(history.share, 0.2)
    factor = dose_courses(beam).factor(slice(None), Repair.of(resolve("hsg")))
    assert ((factor > 0.2) & (factor < 1.0)).all()


def test_mhc1_rises_with_each_fraction() -> None:
    """The memory of the dose jumps when a fraction comes, not before."""
    beam = imd.external_beam(cells(), dose_Gy=4.0, fractions=2, interval_d=5.0)
    early = imd.external_beam(cells(), dose_Gy=4.0)
    times = [0.0, 2.0, 4.9, 6.0, 9.0]
    two, one = (
        imd.mhc1_expression(item, parameters="b16k1", time_d=times, rng=1)["mhc1_surface"]
        for item in (beam, early)
    )
    np.testing.assert_allclose(two.isel(time=slice(0, 3)), one.isel(time=slice(0, 3)), rtol=1e-4)
    assert (two.isel(time=slice(3, None)) > 1.01 * one.isel(time=slice(3, None))).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dose_Gy": -1.0}, "invalid dose_Gy=-1.0"),
        ({"dose_Gy": 800.0}, "invalid dose_Gy=800.0 .*0 to 500"),
        ({"dose_Gy": True}, "invalid dose_Gy=True"),
        ({"dose_Gy": 2.0, "fractions": 0}, "invalid fractions=0"),
        ({"dose_Gy": 2.0, "fractions": 2}, "need interval_d"),
        ({"dose_Gy": 2.0, "interval_d": 1.0}, "interval_d has no effect"),
        ({"dose_Gy": 2.0, "fractions": 2, "interval_d": 0.0}, "invalid interval_d=0"),
        ({"dose_Gy": 2.0, "first_fraction_d": -1.0}, "invalid first_fraction_d"),
        ({"dose_Gy": 2.0, "irradiated": "absent"}, "no variable 'absent'"),
        ({"dose_Gy": 2.0, "irradiated": [1, 0]}, "shape"),
        ({"dose_Gy": 2.0, "irradiated": [1, 0.5, 0]}, "irradiated\\[1\\] = 0.5"),
    ],
)
def test_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.external_beam(cells(), **arguments)


def test_doses_that_hold_no_place_for_a_beam() -> None:
    labeled = imd.label(cells(), "Lu-177", decays_per_cell=100.0)
    by_nuclide = imd.absorbed_dose(labeled, physics="mird", split=("nuclide",))
    with pytest.raises(InputError, match="dim 'nuclide'"):
        imd.external_beam(by_nuclide, dose_Gy=1.0)
    with pytest.raises(InputError, match="no Dataset with dim 'cell'"):
        imd.external_beam(xr.Dataset(), dose_Gy=1.0)
