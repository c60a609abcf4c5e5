# SPDX-License-Identifier: BSD-3-Clause
"""Activity concentrations after injection."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

import immunodose as imd
from immunodose.data.decay_data import DEFAULT_SOURCE
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError, UnitError
from immunodose.schema import validate
from immunodose.source_kinetics import one_exponential

AGENT = Path(__file__).parents[1] / "data" / "minimal_agent.toml"
PHYSICAL_PER_S = math.log(2.0) / DEFAULT_SOURCE.half_life_s("Lu-177")


def test_amplitudes_rates_and_integrals() -> None:
    result = imd.biokinetics(agent=AGENT, administered_activity_Bq=1e6)
    validate(result)
    assert result["compartment"].values.tolist() == ["tumor", "blood", "marrow"]
    assert result["nuclide"].item() == "Lu-177"
    assert float(result["administered_activity"]) == 1e6
    np.testing.assert_allclose(result["activity_amplitude"], [8e4, 2e5, 8e4], rtol=1e-14)
    blood = PHYSICAL_PER_S + math.log(2.0) / 43200.0
    tumor = PHYSICAL_PER_S + math.log(2.0) / 259200.0
    np.testing.assert_allclose(result["activity_rate_constant"], [tumor, blood, blood], rtol=1e-14)
    for name in result["compartment"].values:
        one = result.sel(compartment=name)
        amplitude, rate = float(one["activity_amplitude"]), float(one["activity_rate_constant"])
        integral, _ = quad(lambda t, a=amplitude, r=rate: a * math.exp(-r * t), 0.0, 40.0 / rate)
        assert float(one["time_integrated_activity_concentration"]) == pytest.approx(
            integral, rel=1e-6
        )
    units = {key: result[key].attrs["units"] for key in result.data_vars}
    assert units["activity_amplitude"] == "Bq g-1"
    assert units["time_integrated_activity_concentration"] == "Bq s g-1"


def test_provenance_and_overrides() -> None:
    result = imd.biokinetics(agent=AGENT, administered_activity_Bq=1e6, tumor_uptake=16.0)
    assert float(result["activity_amplitude"].sel(compartment="tumor")) == pytest.approx(1.6e5)
    assert result.attrs["agent"] == "minimal_agent"
    assert result.attrs["agent_nuclide"] == "Lu-177"
    assert json.loads(result.attrs["agent_overrides"]) == {"tumor_uptake": 16.0}
    assert "tumor_uptake" not in result.attrs["agent_assumed"]
    assert "blood_uptake" in result.attrs["agent_assumed"]


def test_linear_in_activity_and_zero() -> None:
    one, ten, none = (
        imd.biokinetics(agent=AGENT, administered_activity_Bq=a) for a in (1e5, 1e6, 0.0)
    )
    key = "time_integrated_activity_concentration"
    np.testing.assert_allclose(ten[key], 10.0 * one[key], rtol=1e-14)
    assert (none[key].values == 0.0).all()


def test_only_the_chosen_compartments_need_parameters() -> None:
    agent = resolve(AGENT)
    tumor = {key: item for key, item in agent.entries.items() if key.startswith("tumor")}
    tumor_only = replace(agent, entries=tumor)
    result = imd.biokinetics(
        agent=tumor_only, administered_activity_Bq=1e6, compartments=("tumor",)
    )
    assert result.sizes == {"compartment": 1}
    with pytest.raises(InputError, match="does not define 'blood_uptake'"):
        imd.biokinetics(agent=tumor_only, administered_activity_Bq=1e6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"administered_activity_Bq": -1.0}, InputError, "cannot be negative"),
        ({"administered_activity_Bq": 0.5}, UnitError, "not kBq, MBq or mCi"),
        ({"administered_activity_Bq": 1e15}, UnitError, "allow_unusual=True"),
        ({"compartments": ("liver",)}, InputError, "unknown compartment 'liver'"),
        ({"compartments": ("tumour",)}, InputError, "Did you mean 'tumor'"),
        ({"compartments": ()}, InputError, "not none"),
        ({"compartments": ("blood", "blood")}, InputError, "at most once"),
        ({"tumor_uptakes": 3.0}, InputError, "Did you mean 'tumor_uptake'"),
        ({"tumor_uptake": 90.0}, InputError, "allows 0 to 60"),
        ({"blood_biological_half_life": 0.0}, InputError, "allowed: > 0"),
    ],
)
def test_messages(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        imd.biokinetics(**{"agent": AGENT, "administered_activity_Bq": 1e6, **arguments})


def test_messages_about_the_agent() -> None:
    agent = resolve(AGENT)
    with pytest.raises(InputError, match="names no nuclide"):
        imd.biokinetics(agent=replace(agent, info={}), administered_activity_Bq=1e6)
    with pytest.raises(InputError, match="of kind 'host'"):
        imd.biokinetics(agent=replace(agent, kind="host"), administered_activity_Bq=1e6)
    for key, unit in (("tumor_uptake", "1"), ("tumor_biological_half_life", "min")):
        entries = {**agent.entries, key: replace(agent.entries[key], unit=unit)}
        with pytest.raises(InputError, match=f"states {key} in '{unit}'"):
            imd.biokinetics(agent=replace(agent, entries=entries), administered_activity_Bq=1e6)


def test_unusual_activity_is_accepted_on_request() -> None:
    result = imd.biokinetics(agent=AGENT, administered_activity_Bq=0.5, allow_unusual=True)
    assert float(result["administered_activity"]) == 0.5


def with_uptake(value_h: float) -> ParameterSet:
    agent = resolve(AGENT)
    entry = replace(
        agent.entries["tumor_biological_half_life"],
        key="tumor_uptake_half_life",
        value=value_h,
        unit="h",
        low=0.0,
        high=1e4,
    )
    return replace(agent, entries={**agent.entries, "tumor_uptake_half_life": entry})


def test_uptake_makes_a_second_exponential_that_starts_at_zero() -> None:
    plain = imd.biokinetics(agent=AGENT, administered_activity_Bq=1e6)
    result = imd.biokinetics(agent=with_uptake(6.0), administered_activity_Bq=1e6)
    validate(result)
    assert result["activity_amplitude"].dims == ("compartment", "exponential")
    tumor = result.sel(compartment="tumor")
    assert float(tumor["activity_amplitude"].sum()) == 0.0
    blood = result.sel(compartment="blood", exponential="clearance")
    assert float(blood["activity_amplitude"]) == 2e5
    t = np.linspace(0.0, 5e7, 400_001)
    curve = sum(
        float(a) * np.exp(-float(rate) * t)
        for a, rate in zip(
            tumor["activity_amplitude"], tumor["activity_rate_constant"], strict=True
        )
    )
    assert np.all(curve >= 0.0)
    decays = tumor["time_integrated_activity_concentration"]
    np.testing.assert_allclose(np.trapezoid(curve, t), decays, rtol=1e-5)
    assert float(decays) < float(
        plain["time_integrated_activity_concentration"].sel(compartment="tumor")
    )
    with pytest.raises(InputError, match="not shorter"):
        imd.biokinetics(agent=with_uptake(9e3), administered_activity_Bq=1e6)
    with pytest.raises(InputError, match="simulate_host reads one exponential"):
        one_exponential(result, "simulate_host")
