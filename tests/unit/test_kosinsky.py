# SPDX-License-Identifier: BSD-3-Clause
"""The published model of Kosinsky 2018 against an independent re-implementation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import immunodose as imd
from immunodose.data.parameters import resolve
from immunodose.errors import InputError
from immunodose.schema import validate

DAYS = [7.0, 14.0, 21.0, 30.0, 40.0]

# Total tumor volume in mm3 at DAYS. Not measurements: output of a re-implementation of the
# equations of BIOMD0000000863 with the repair term U/tau and the parameters of Table 1 of
# Kosinsky Y et al. J Immunother Cancer 2018;6:17, by LSODA at rtol 1e-8. Its choices: antibody
# 1.33 nmol (10 mg/kg, 20 g, 150 kDa) on days 0, 2, 4 of three weeks; each 2 Gy in 0.01 d.
# S_L is that of the 10th, 50th and 90th percentile of the individuals of the paper.
EXPECTED: dict[tuple[float, str], tuple[float, ...]] = {
    (1.77, "control"): (67.9, 113.4, 223.1, 729.8, 1540.9),
    (1.77, "antibody 7"): (67.9, 22.2, 0.6, 1.0, 1.5),
    (1.77, "radiation"): (67.9, 41.7, 17.5, 4.2, 1.5),
    (1.77, "radiation, antibody 7"): (67.9, 23.9, 6.1, 1.3, 0.2),
    (1.77, "radiation, antibody 12"): (67.9, 36.4, 7.9, 1.6, 0.3),
    (1.77, "radiation, antibody 19"): (67.9, 41.7, 12.6, 1.6, 0.3),
    (6.95, "control"): (134.0, 410.8, 1021.6, 1629.5, 1753.4),
    (6.95, "antibody 7"): (134.0, 301.2, 659.2, 1347.3, 1652.2),
    (6.95, "radiation"): (134.0, 139.4, 204.4, 645.6, 1499.8),
    (6.95, "radiation, antibody 7"): (134.0, 104.3, 40.2, 4.6, 1.9),
    (6.95, "radiation, antibody 12"): (134.0, 130.0, 76.1, 8.2, 2.1),
    (6.95, "radiation, antibody 19"): (134.0, 139.4, 182.1, 285.9, 783.3),
    (22.63, "control"): (197.0, 796.6, 1477.8, 1746.4, 1775.2),
    (22.63, "antibody 7"): (197.0, 740.1, 1361.1, 1659.9, 1707.2),
    (22.63, "radiation"): (197.0, 308.6, 705.8, 1507.0, 1753.7),
    (22.63, "radiation, antibody 7"): (197.0, 283.6, 522.1, 1229.6, 1646.9),
    (22.63, "radiation, antibody 12"): (197.0, 300.0, 570.4, 1286.7, 1653.9),
    (22.63, "radiation, antibody 19"): (197.0, 308.6, 683.3, 1393.7, 1669.7),
}


def treatment(arm: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "radiation" in arm:
        options |= {"fraction_dose_Gy": 2.0, "fraction_time_d": [7.0, 8.0, 9.0, 10.0, 11.0]}
    if "antibody" in arm:
        first = float(arm.split()[-1])
        times = [first + 7.0 * week + day for week in range(3) for day in (0.0, 2.0, 4.0)]
        amount = 10.0 * 0.020 * 1e-3 / 150e3 * 1e9  # nmol of 10 mg/kg
        options["checkpoint"] = {"agent": "anti_pdl1", "amount_nmol": amount, "time_d": times}
    return options


def total(**options: Any) -> Any:
    out = imd.kosinsky2018(time_d=DAYS, **options)
    return (out.tumor_volume + out.tumor_volume_moribund).values


@pytest.mark.parametrize(("half", "arm"), EXPECTED, ids=str)
def test_volumes_equal_the_re_implementation(half: float, arm: str) -> None:
    found = total(influx_half_antigen=half, **treatment(arm))
    # 0.05 is the rounding of the numbers above
    np.testing.assert_allclose(found, EXPECTED[half, arm], rtol=0.0, atol=0.0505)


def test_breaks_that_stay_for_days_would_be_seen() -> None:
    """The export loses them at tau U: a repair time of 1/tau, far above that of the paper."""
    right = total(influx_half_antigen=6.95, **treatment("radiation"))
    wrong = total(influx_half_antigen=6.95, dsb_repair_time=9.9, **treatment("radiation"))
    assert abs(wrong[2] / right[2] - 1.0) > 0.05


def test_breaks_follow_their_closed_form_and_antibody_of_zero_is_none() -> None:
    times = np.array([0.0, 7.0, 7.005, 7.01, 7.05])
    out = imd.kosinsky2018(time_d=times, fraction_dose_Gy=2.0, fraction_time_d=7.0)
    rate, tau = 19.0 * 2.0 / 0.01, 0.02
    rise = [rate * tau * -math.expm1(-t / tau) for t in (0.005, 0.01)]
    expected = [0.0, 0.0, *rise, rise[1] * math.exp(-0.04 / tau)]
    np.testing.assert_allclose(out.unrepaired_dsb, expected, rtol=1e-6, atol=1e-9)
    validate(out)
    zero = {"agent": "anti_pdl1", "amount_nmol": 0.0, "time_d": [1.0]}
    none = imd.kosinsky2018(time_d=DAYS)
    assert imd.kosinsky2018(time_d=DAYS, checkpoint=zero).tumor_volume.equals(none.tumor_volume)
    late = imd.kosinsky2018(time_d=30.0)
    assert late.tumor_volume.dims == ()
    assert float(late.tumor_volume) == pytest.approx(float(none.tumor_volume[3]), rel=1e-5)


def test_every_value_has_a_status_of_the_paper() -> None:
    item = resolve("kosinsky2018")
    fitted = {key for key, entry in item.entries.items() if entry.status == "fit"}
    assert {"max_influx", "influx_half_antigen", "radiation_alpha"} <= fitted
    assert {"kill_rate_per_effector", "antigen_half_death_rate"} <= set(item.assumed())
    assert all("Kosinsky" in entry.source for entry in item.entries.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction_dose_Gy": -1.0, "fraction_time_d": 1.0}, r"fraction_dose_Gy\[0\] = -1"),
        ({"fraction_dose_Gy": [1.0, 2.0], "fraction_time_d": [1.0, 2.0, 3.0]}, "2 values for 3"),
        ({"fraction_duration_d": 0.0}, "fraction_duration_d=0"),
        ({"fraction_time_d": "x"}, "allowed: a number or 1-D numbers"),
        ({"parameters": "b16f10"}, "needed here: 'published_model'"),
        ({"tumor_growth_rat": 1.0}, "Did you mean 'tumor_growth_rate'"),
    ],
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.kosinsky2018(time_d=DAYS, **options)
