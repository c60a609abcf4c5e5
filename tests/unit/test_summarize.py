# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.errors import InputError


def example() -> xr.Dataset:
    own, cross = np.array([1.0, 2.0, 3.0, 50.0]), np.array([3.0, 2.0, 1.0, 50.0])
    dose = np.stack([own, cross], axis=1)[:, None, :]
    return xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission", "origin"), dose),
            "unhit_probability": ("cell", [0.5, 0.2, 0.2, 1.0]),
            "survival_probability": ("cell", [0.5, 0.4, 0.1, 1.0]),
            "kill_probability_radiation": (("cell", "time"), [[0.1, 0.5]] * 4),
            "kill_probability_immune": (("cell", "time"), [[0.0, 0.5]] * 4),
            "kill_probability": (("cell", "time"), [[0.1, 0.75]] * 4),
            "mhc1_surface": (("cell", "time"), [[10.0, 20.0], [20.0, 40.0], [30.0, 60.0], [0, 0]]),
            "mhc1_baseline": ("cell", [10.0, 20.0, 30.0, 0.0]),
            "white_cell_nadir": ((), 0.6),
            "cell_type": ("cell", ["tumor", "tumor", "tumor", "cd8_t_cell"]),
        },
        coords={"emission": ["alpha"], "origin": ["self", "cross"], "time": [0.0, 14.0]},
        attrs={
            "warnings": '["look out"]',
            "survival_parameters": "b16f10",
            "survival_parameters_assumed": '[{"key": "a", "value": 1.0, "unit": "1"}]',
        },
    )


def test_row_of_tumor_cells() -> None:
    row = imd.summary(example())
    assert float(row.nucleus_dose_mean) == 4.0
    assert float(row.self_dose_share) == pytest.approx(0.5)
    assert float(row.cross_dose_share) == pytest.approx(0.5)
    assert float(row.unhit_fraction) == pytest.approx(0.3)
    assert float(row.radiation_kill) == 0.5
    assert float(row.immune_kill) == 0.5
    assert float(row.surviving_fraction) == 0.25
    # Three cells of 0.25: P(2 or fewer survive) = 98.4 %, of 1 or none 84.4 %.
    assert float(row.surviving_fraction_upper_limit) == pytest.approx(2.0 / 3.0)
    assert float(row.tumor_control_probability) == pytest.approx(0.75**3)
    assert float(row.mhc1_surface_mean) == 40.0
    assert float(row.mhc1_fold) == 2.0
    assert float(row.white_cell_nadir) == 0.6
    assert json.loads(row.attrs["warnings"]) == ["look out"]
    assert json.loads(row.attrs["assumed_values"])[0]["set"] == "b16f10"
    assert row.attrs["n_tumor_cells"] == 3


def test_one_row_per_arm() -> None:
    two = xr.concat([example(), example()], dim="arm").assign_coords(arm=["a", "b"])
    rows = imd.summary(two)
    assert rows.nucleus_dose_mean.dims == ("arm",)
    assert rows.arm.values.tolist() == ["a", "b"]
    assert rows.surviving_fraction.values.tolist() == [0.25, 0.25]


def test_dose_quantiles() -> None:
    dose = np.arange(101.0)[:, None]
    row = imd.summary(xr.Dataset({"absorbed_dose": (("cell", "emission"), dose)}))
    assert (float(row.nucleus_dose_p5), float(row.nucleus_dose_p95)) == (5.0, 95.0)


def test_zero_survivors_limit_is_zero() -> None:
    row = imd.summary(xr.Dataset({"survival_probability": ("cell", np.zeros(30))}))
    assert float(row.surviving_fraction) == 0.0
    assert float(row.surviving_fraction_upper_limit) == 0.0
    assert float(row.tumor_control_probability) == 1.0


def upper_limit(*survival: float) -> float:
    row = imd.summary(xr.Dataset({"survival_probability": ("cell", list(survival))}))
    return float(row.surviving_fraction_upper_limit)


@pytest.mark.parametrize(
    "survival", [[0.049], [0.051], [0.3, 0.3, 0.3], [0.5, 0.01, 0.2, 0.0, 0.28], [0.9]]
)
def test_upper_limit_is_the_exact_quantile_of_the_survivors(survival: list[float]) -> None:
    """Every outcome counted: the least k with P(survivors <= k) >= 95 %."""
    chance = np.zeros(len(survival) + 1)
    for outcome in itertools.product([0, 1], repeat=len(survival)):
        lives = np.array(outcome)
        chance[lives.sum()] += np.prod(np.where(lives, survival, 1.0 - np.array(survival)))
    expected = int(np.argmax(chance.cumsum() >= 0.95)) / len(survival)
    assert upper_limit(*survival) == expected


def test_upper_limit_of_many_cells() -> None:
    """Close to Poisson: mean 0.3 -> 1 (96.3 %), 0.36 -> 2 (94.9 % at 1), 0.99 -> 3."""
    for mean, n_survivors in ((0.04, 0), (0.3, 1), (0.36, 2), (0.99, 3)):
        assert upper_limit(*np.full(1001, mean / 1001)) == n_survivors / 1001
    assert np.isnan(upper_limit(0.5, 0.5))


def test_sure_survivor_has_no_control() -> None:
    row = imd.summary(xr.Dataset({"survival_probability": ("cell", [0.0, 1.0])}))
    assert float(row.tumor_control_probability) == 0.0


def test_control_of_many_cells_stays_exact() -> None:
    """A million cells at S = 1e-8: control exp(-0.01) to rounding."""
    row = imd.summary(xr.Dataset({"survival_probability": ("cell", np.full(10**6, 1e-8))}))
    assert float(row.tumor_control_probability) == pytest.approx(np.exp(-0.01), rel=1e-7)


def test_control_is_the_product_of_kill_at_that_time() -> None:
    """Not of survival after all decays: radiation still to come has killed nobody yet."""
    early = imd.summary(example().isel(time=[0]))
    assert float(early.tumor_control_probability) == pytest.approx(0.1**3, rel=1e-12)
    survival = imd.summary(xr.Dataset({"survival_probability": ("cell", [0.5, 0.2])}))
    assert float(survival.tumor_control_probability) == pytest.approx(0.5 * 0.8, rel=1e-12)


def test_values_of_cells_may_have_times_of_their_own() -> None:
    """As `immune_response` gives them: the last of these counts, not the mean over them."""
    plain = example().drop_vars(["white_cell_nadir"])
    own = plain.rename(time="cell_time").assign_coords(time=[0.0, 7.0, 30.0])
    row, expected = imd.summary(own), imd.summary(plain)
    assert set(row.data_vars) == set(expected.data_vars)
    for name in row.data_vars:
        assert row[name].values.tobytes() == expected[name].values.tobytes()
    assert row.attrs["time_d"] == 14.0


def test_nothing_to_summarize() -> None:
    with pytest.raises(InputError, match="nothing to summarize"):
        imd.summary(xr.Dataset())
    with pytest.raises(InputError, match="no tumor"):
        imd.summary(
            xr.Dataset({"survival_probability": ("cell", [1.0]), "cell_type": ("cell", ["t"])})
        )
