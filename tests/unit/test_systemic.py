# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.reference import immune as oracle

import immunodose as imd
from immunodose.data.parameters import resolve
from immunodose.errors import InputError
from immunodose.systemic import Regimen, simulate_host

# Values of its own, so that a new fit of the shipped set does not change what is tested.
HOST = resolve(
    "immunocompetent", white_cell_marrow_sensitivity=0.5, lymphocyte_alpha_sensitivity=1.0,
    lymphocyte_low_let_alpha=0.315, lymphocyte_low_let_beta=0.133, lymphocyte_repair_half_time=60.0,
    lymphocyte_turnover_rate=0.05,
)  # fmt: skip


def test_regimen_gives_equilibrium_dose() -> None:
    """Dose = decays per gram times charged-particle energy; marrow is 0.58 of blood."""
    out = simulate_host(host="immunocompetent", regimen=Regimen("ac225_ta99", 9250.0), time_d=14.0)
    agent = resolve("ac225_ta99")
    lines = imd.emissions("Ac-225")
    charged = lines["emission"] != "photon"
    energy_J = float((lines["energy"] * lines["yield_per_decay"]).where(charged).sum()) * 1.602e-16
    rate = math.log(2.0) / agent.value("blood_biological_half_life")
    rate = rate / 86400.0 + math.log(2.0) / lines.attrs["half_life_s"]
    decays_per_kg = 9250.0 * agent.value("blood_uptake") / 100.0 / rate * 1000.0
    np.testing.assert_allclose(out.organ_absorbed_dose[0], decays_per_kg * energy_J, rtol=1e-3)
    np.testing.assert_allclose(
        out.organ_absorbed_dose[1] / out.organ_absorbed_dose[0],
        agent.value("marrow_to_blood_ratio"),
    )
    assert out.attrs["agent"] == "ac225_ta99"


def test_lymphocytes_equal_the_euler_oracle() -> None:
    times = np.array([0.0, 2.0, 14.0])
    out = simulate_host(
        host=HOST, organ_doses={"blood": {"alpha": 1.4}, "marrow": {"alpha": 0.8}},
        organ_rate_constant_per_d=0.5, time_d=times, lymphocyte_turnover_rate=0.2,
        white_cell_marrow_sensitivity=0.4,
    )  # fmt: skip
    item = HOST.with_overrides(lymphocyte_turnover_rate=0.2, white_cell_marrow_sensitivity=0.4)
    expected = [
        oracle.lymphocytes(
            alpha_dose_Gy=1.4, marrow_dose_Gy=0.8, rate_per_d=0.5, time_d=t, host=item.value
        )
        for t in times[1:]
    ]
    np.testing.assert_allclose(out.effector_supply[1:], expected, rtol=3e-4)
    assert out.lymphocyte_count.dims == ("subset", "compartment", "time")
    np.testing.assert_allclose(out.white_cell_nadir, math.exp(-0.4 * 0.8))


def test_acute_low_let_dose_is_linear_quadratic() -> None:
    out = simulate_host(host=HOST, organ_doses={"blood": {"beta": 2.0}}, time_d=0.0)
    expected = math.exp(-0.315 * 2.0 - 0.133 * 4.0)
    np.testing.assert_allclose(out.effector_supply, expected, rtol=1e-12)


def test_protracted_low_let_dose_is_protracted_linear_quadratic() -> None:
    out = simulate_host(
        host=HOST, organ_doses={"blood": {"beta": 2.0}}, time_d=20.0,
        organ_rate_constant_per_d=4.0, lymphocyte_turnover_rate=0.0,
    )  # fmt: skip
    g = 4.0 / (4.0 + math.log(2.0) * 24.0)
    expected = math.exp(-0.315 * 2.0 - 0.133 * g * 4.0)
    np.testing.assert_allclose(out.effector_supply, expected, rtol=1e-4)


def test_no_dose_leaves_the_untreated_host() -> None:
    times = [0.0, 7.0, 14.0]
    none = simulate_host(host="immunocompetent", time_d=times)
    zero = simulate_host(
        host="immunocompetent", regimen={"agent": "ac225_ta99", "administered_activity_Bq": 0.0},
        time_d=times,
    )  # fmt: skip
    for name in ("lymphocyte_count", "effector_supply", "white_cell_nadir"):
        assert none[name].values.tobytes() == zero[name].values.tobytes()
        assert (none[name] == 1.0).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"regimen": {"agent": "ac225_ta99"}}, "regimen keys"),
        ({"regimen": Regimen("ac225_ta99", 1e3), "organ_doses": {}}, "both given"),
        ({"organ_rate_constant_per_d": 1.0}, "no effect without organ_doses"),
        ({"organ_doses": {"spleen": {"alpha": 1.0}}}, "unknown organ 'spleen'"),
        ({"organ_doses": {"blood": {"gamma": 1.0}}}, "unknown emission 'gamma'"),
        ({"organ_doses": {"blood": {"alpha": -1.0}}}, r"\['alpha'\] = -1.0 Gy"),
        ({"organ_doses": {}, "organ_rate_constant_per_d": 0.0}, "invalid organ_rate"),
        ({"host": "b16f10"}, "needed here: 'host'"),
        ({"regimen": Regimen("ac225_ta99", -1.0)}, "administered_activity_Bq"),
    ],
)
def test_bad_input(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_host(**{"host": "immunocompetent", "time_d": [0.0, 1.0], **kwargs})
