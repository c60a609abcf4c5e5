# SPDX-License-Identifier: BSD-3-Clause
"""Findings in culture: they hold, and each vanishes with the mechanism that makes it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import xarray as xr

from immunodose.culture import run_culture
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.findings import Finding
from immunodose.findings_chakraborty import chakraborty2008
from immunodose.findings_deng import deng2024
from immunodose.findings_reits import reits2006
from immunodose.findings_sari_rock import sari_rock2023
from immunodose.findings_tailor import tailor2022
from immunodose.scenario import builtin_scenario
from immunodose.scenario_culture import Culture, CultureScenario

STUDIES: dict[str, Callable[[xr.Dataset], tuple[Finding, ...]]] = {
    "gamma_mhc1_rise": reits2006,
    "sm153_mhc1_lines": chakraborty2008,
    "mhc1_loss_rescue": sari_rock2023,
    "bystander_vesicles": deng2024,
    "radiation_peptides": tailor2022,
}
SMALL = Culture(arrangement="colony", n_cells=80, confluence=0.5)


def scenario(name: str) -> CultureScenario:
    found = builtin_scenario(name)
    assert isinstance(found, CultureScenario)
    return found


def evaluated(
    study: CultureScenario, name: str, sets: dict[str, ParameterSet] | None = None
) -> dict[str, Finding]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run_culture(study, sets=sets)
    return {item.key: item for item in STUDIES[name](result)}


@functools.cache
def as_shipped(name: str) -> dict[str, Finding]:
    return evaluated(scenario(name), name)


def changed(name: str, **values: float) -> dict[str, Finding]:
    """Run a small culture with values of its sets replaced, in whichever set has the key."""
    study = replace(scenario(name), culture=SMALL)
    sets: dict[str, ParameterSet] = {}
    for each in study.parameter_sets:
        item = resolve(each)
        own = {key: value for key, value in values.items() if key in item.entries}
        if own:
            sets[each] = item.with_overrides(**own)
    assert sets
    return evaluated(study, name, sets)


def holding(found: dict[str, Finding]) -> str:
    return "".join(key for key, item in found.items() if item.holds)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("gamma_mhc1_rise", "abcd"),
        ("sm153_mhc1_lines", "ab"),
        ("mhc1_loss_rescue", "abcde"),
        ("bystander_vesicles", "abcd"),
        ("radiation_peptides", "abc"),
    ],
)
def test_the_findings_hold(name: str, keys: str) -> None:
    found = as_shipped(name)
    assert holding(found) == "".join(found) == keys, found


@pytest.mark.parametrize("name", list(STUDIES))
def test_they_need_their_arms(name: str) -> None:
    study = replace(scenario(name), culture=SMALL, arms=scenario(name).arms[:1])
    with pytest.raises(InputError):
        evaluated(study, name)


def test_reits_without_inducibility_nothing_rises() -> None:
    """Radiation-induced peptides apart, which CTL would see too."""
    found = changed("gamma_mhc1_rise", mhc1_inducibility=0.0, radiation_induced_share_max=0.0)
    assert holding(found) == ""
    assert found["a"].value == pytest.approx(1.0, abs=1e-6)
    assert found["c"].value == pytest.approx(1.0, abs=1e-6)


def test_reits_without_the_share_of_mtor_its_inhibition_does_nothing() -> None:
    found = changed("gamma_mhc1_rise", mtor_share=0.0)
    assert holding(found) == "abc"
    assert found["d"].value == pytest.approx(1.0, abs=1e-4)


@pytest.mark.long
def test_reits_a_short_memory_does_not_last() -> None:
    found = changed("gamma_mhc1_rise", mhc1_memory_time=0.1, vesicle_induction_max=0.0)
    assert not found["b"].holds


def test_reits_without_beta2_microglobulin_ctl_see_nothing() -> None:
    study = replace(scenario("gamma_mhc1_rise"), culture=SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run_culture(study)
    (name,) = (arm.name for arm in study.arms if arm.knockouts == ("b2m",))
    assert float(result["immune_kill"].sel(arm=name)) == 0.0
    assert float(result["mhc1_surface"].sel(arm=name).max()) == 0.0


def test_chakraborty_without_inducible_lines_no_rise() -> None:
    found = changed("sm153_mhc1_lines", mhc1_inducibility=0.0)
    assert holding(found) == ""
    assert found["a"].value == 0.0


@pytest.mark.long
def test_chakraborty_all_lines_rise_if_all_are_inducible() -> None:
    found = changed("sm153_mhc1_lines", mhc1_inducibility=0.9)
    assert found["a"].value == 1.0
    assert not found["a"].holds


def test_sari_rock_without_loss_there_is_no_resistance() -> None:
    found = changed("mhc1_loss_rescue", mhc1_baseline=50_000.0)
    assert not found["a"].holds
    assert not found["b"].holds


def test_sari_rock_interferon_that_adds_no_mhc1_does_not_rescue() -> None:
    found = changed("mhc1_loss_rescue", mhc1_ifn_gamma_max=0.0)
    assert found["a"].holds
    assert not found["c"].holds


@pytest.mark.long
def test_sari_rock_pdl1_takes_what_interferon_gives() -> None:
    """Interferon-gamma alone rescues if it raises no PD-L1; as shipped it needs the antibody."""
    assert "neither with antibody 0.4" in as_shipped("mhc1_loss_rescue")["c"].beside
    deaf = changed("mhc1_loss_rescue", pdl1_fold_max=1.0)
    assert float(deaf["c"].beside.split()[-1]) >= 0.8


def test_sari_rock_the_knock_outs_are_what_interferon_cannot_cross() -> None:
    """Put back, the same arms are rescued; a line without the route is not."""
    study = replace(scenario("mhc1_loss_rescue"), culture=SMALL)
    intact = replace(study, arms=tuple(replace(arm, knockouts=()) for arm in study.arms))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lysis = run_culture(intact)["immune_kill"]
    presenting = float(lysis.sel(arm=study.arms[1].name))  # with anti-PD-L1, as those
    for arm in study.arms:
        if arm.knockouts:
            assert float(lysis.sel(arm=arm.name)) >= 0.8 * presenting
    routes = changed("mhc1_loss_rescue", ifn_gamma_route=0.0)
    assert not routes["c"].holds
    assert routes["d"].holds


def test_deng_without_spread_neighbors_do_not_respond() -> None:
    study = scenario("bystander_vesicles")
    assert study.mechanism is not None
    alone = replace(study, culture=SMALL, mechanism=replace(study.mechanism, spread="none"))
    found = evaluated(alone, "bystander_vesicles")
    assert holding(found) == ""
    assert found["a"].value == pytest.approx(1.0, abs=1e-6)
    assert found["b"].value == pytest.approx(1.0, abs=1e-6)


def test_deng_vesicles_without_effect_or_release_raise_nothing() -> None:
    for values in ({"vesicle_induction_max": 0.0}, {"vesicle_rate": 0.0}):
        assert holding(changed("bystander_vesicles", **values)) == ""


@pytest.mark.long
def test_deng_a_line_that_cannot_rise_does_not() -> None:
    assert holding(changed("bystander_vesicles", mhc1_inducibility=0.0)) == ""


def test_tailor_without_the_radiation_induced_class_nothing_new_appears() -> None:
    found = changed("radiation_peptides", radiation_induced_share_max=0.0)
    assert not found["a"].holds
    assert found["a"].value == 0.0


def test_tailor_the_new_class_needs_dose() -> None:
    study = scenario("radiation_peptides")
    silent = replace(study, culture=SMALL, arms=study.arms[:1])
    with pytest.raises(InputError, match="irradiated and an unirradiated arm"):
        evaluated(silent, "radiation_peptides")
