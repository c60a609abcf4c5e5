# SPDX-License-Identifier: BSD-3-Clause
"""The findings of Larouze et al. 2023: they hold, and vanish with what makes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import xarray as xr

from immunodose.errors import InputError
from immunodose.findings import Finding
from immunodose.findings_larouze import CLUSTER, SINGLE_CELL, larouze2023
from immunodose.scenario import builtin_scenario, run
from immunodose.scenario_arms import CultureArm
from immunodose.scenario_culture import CultureScenario


def study(name: str) -> CultureScenario:
    found = builtin_scenario(name)
    assert isinstance(found, CultureScenario)
    return found


@pytest.fixture(scope="module")
def single() -> xr.Dataset:
    return run(study(SINGLE_CELL))


@pytest.fixture(scope="module")
def cluster() -> xr.Dataset:
    return run(study(CLUSTER))


def by_key(found: tuple[Finding, ...]) -> dict[str, Finding]:
    return {item.key: item for item in found}


def test_the_findings_hold(single: xr.Dataset, cluster: xr.Dataset) -> None:
    found = larouze2023(single, cluster)
    assert [item.key for item in found] == ["a", "b", "c", "d"]
    assert all(item.holds for item in found), found


def test_without_auger_and_conversion_electrons_terbium_gains_nothing(
    single: xr.Dataset, cluster: xr.Dataset
) -> None:
    """Findings (a) and (b) come from the low-energy electrons: betas alone reverse them."""
    found = by_key(larouze2023(single, cluster, without=("auger_ce",)))
    assert not found["a"].holds
    assert not found["b"].holds
    assert found["b"].value < 1.0
    assert found["c"].holds
    assert found["d"].holds


def changed(scenario: CultureScenario, change: object) -> CultureScenario:
    assert callable(change)
    return replace(scenario, arms=tuple(change(arm) for arm in scenario.arms))


def test_without_neighbors_unlabeled_cells_have_no_dose(
    single: xr.Dataset, cluster: xr.Dataset
) -> None:
    """Finding (c) is cross-dose alone."""
    alone = cluster.copy()
    alone["absorbed_dose"] = alone["absorbed_dose"].where(alone["origin"] == "self", 0.0)
    found = by_key(larouze2023(single, alone))
    assert found["c"].value == 0.0
    assert not found["c"].holds


def test_a_second_agent_without_activity_evens_out_nothing(single: xr.Dataset) -> None:
    """Finding (d) needs two agents that miss different cells."""

    def silent_second(arm: CultureArm) -> CultureArm:
        if len(arm.label) < 2:
            return arm
        silent = replace(arm.label[1], electron_energy_MeV_per_cell=0.0)
        return replace(arm, label=(arm.label[0], silent))

    found = by_key(larouze2023(single, run(changed(study(CLUSTER), silent_second))))
    assert found["d"].value == pytest.approx(1.0, abs=1e-9)
    assert not found["d"].holds


@pytest.mark.parametrize("root", [1, pytest.param(2, marks=pytest.mark.long)])
def test_where_the_unlabeled_cells_lie_does_not_matter(single: xr.Dataset, root: int) -> None:
    found = larouze2023(single, run(replace(study(CLUSTER), rng=root)))
    assert all(item.holds for item in found), found


def test_a_result_without_the_arms(single: xr.Dataset) -> None:
    with pytest.raises(InputError, match="no arm of Lu-177 on 'membrane' of kind 'missed'"):
        larouze2023(single, single)
