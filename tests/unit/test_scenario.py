# SPDX-License-Identifier: BSD-3-Clause
"""`run`: what the Dataset holds, and that its arms differ by design only."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import schema
from immunodose.errors import DataNotFoundError, InputError, ResourceError, ValidityWarning
from immunodose.scenario import (
    Scenario,
    builtin_scenario,
    builtin_scenario_names,
    builtin_scenario_text,
    estimate,
    run,
)
from immunodose.tumor_model import Biology, build_models

REPOSITORY = Path(__file__).parents[2]
N_TUMOR_CELLS = 600


@pytest.fixture(autouse=True)
def _no_validity_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        yield


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return replace(builtin_scenario("ac225_ta99_b16"), n_tumor_cells=N_TUMOR_CELLS)


@pytest.fixture(scope="module")
def result(scenario: Scenario) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        return run(scenario)


def arm(dataset: xr.Dataset, line: str, host: str, kBq: float) -> xr.Dataset:
    return dataset.sel(arm=f"{line}, {host}, {kBq:g} kBq")


@pytest.mark.parametrize("name", builtin_scenario_names())
def test_the_example_is_the_built_in_scenario(name: str) -> None:
    assert (REPOSITORY / "examples" / f"{name}.toml").read_text("utf-8") == builtin_scenario_text(
        name
    )


def test_the_demo_is_the_study() -> None:
    demo = builtin_scenario("ac225_ta99_b16")
    assert demo.n_arms == 12
    assert demo.n_tumor_cells >= 20_000
    assert demo.administered_activity_kBq == (0.0, 9.25, 18.5)
    assert demo.times_d[-1] == 14.0
    assert demo.physics == "mird"


def test_arms_and_dims(result: xr.Dataset, scenario: Scenario) -> None:
    assert result.sizes["arm"] == 12
    assert result.sizes["time"] == len(scenario.times_d)
    assert sorted(set(result["administered_activity"].values)) == [0.0, 9250.0, 18500.0]
    assert result["administered_activity"].attrs["units"] == "Bq"
    schema.validate(result)
    assert all("long_name" in variable.attrs for variable in result.data_vars.values())


def test_attributes_state_how_it_was_made(result: xr.Dataset, scenario: Scenario) -> None:
    assert Scenario.from_string(result.attrs["scenario"]) == scenario
    assert result.attrs["random_root"] == str(scenario.rng)
    assert result.attrs["physics"] == "mird"
    assumed = json.loads(result.attrs["assumed"])
    for name in ("b16k1", "b16f10", "immunocompetent", "athymic", "ac225_ta99"):
        assert assumed[name], name
        assert set(assumed[name][0]) == {"key", "value", "unit"}
    assert "effector_priming_gain" not in str(assumed)


def test_doses_are_linear_in_activity(result: xr.Dataset) -> None:
    one, two = (arm(result, "b16k1", "athymic", kBq) for kBq in (9.25, 18.5))
    for name in ("absorbed_dose", "hit_mean", "hit_decay_moment"):
        np.testing.assert_allclose(two[name], 2.0 * one[name], rtol=1e-12)
    np.testing.assert_allclose(two["unhit_probability"], one["unhit_probability"] ** 2, rtol=1e-9)
    assert float(arm(result, "b16k1", "athymic", 0.0)["absorbed_dose"].sum()) == 0.0


def test_scaling_equals_dosimetry_at_that_activity(scenario: Scenario) -> None:
    """The scaled dose is that of cells labeled with the activity itself (linearity)."""
    biology = Biology.named("b16k1", "immunocompetent", scenario.agent)
    options = {"n_tumor_cells": 300, "physics": "mird", "rng": 1}
    (model,) = build_models([biology], **options)  # type: ignore[arg-type]
    unit = model.unit.drop_vars(
        [
            n
            for n in ("absorbed_dose", "hit_mean", "hit_decay_moment", "unhit_probability")
            if n in model.unit
        ]
    )
    unit = unit.assign(time_integrated_activity=7.0 * unit["time_integrated_activity"])
    unit["time_integrated_activity"].attrs = model.unit["time_integrated_activity"].attrs
    direct = imd.absorbed_dose(unit, physics="mird")
    scaled = model.dosed(7.0)
    for name in ("absorbed_dose", "hit_mean", "hit_decay_moment", "unhit_probability"):
        np.testing.assert_allclose(scaled[name], direct[name], rtol=1e-9)


def test_no_t_cells_no_immune_kill(result: xr.Dataset) -> None:
    athymic = result.isel(arm=result["host"].values == "athymic")
    assert (athymic["cell_type"] == "tumor").all()
    assert float(athymic["kill_probability_immune"].max()) == 0.0
    competent = result.isel(arm=result["host"].values == "immunocompetent")
    counts = (competent["cell_type"] == "cd8_t_cell").sum("cell")
    assert (counts > 0).all()
    assert ((competent["cell_type"] == "tumor").sum("cell") == N_TUMOR_CELLS).all()


def test_t_cells_get_dose(result: xr.Dataset) -> None:
    treated = arm(result, "b16k1", "immunocompetent", 9.25)
    is_t_cell = treated["cell_type"].values == "cd8_t_cell"
    assert (treated["absorbed_dose"].sum("emission").values[is_t_cell] > 0).all()


def test_arms_differ_by_design_only(result: xr.Dataset) -> None:
    """Lines and hosts share every random number: same sites, same antigen, same MHC-I ranks."""
    assert result["x"].dims == ("cell",)
    assert result["antigen"].dims == ("cell",)
    high, low = (
        arm(result, line, "athymic", 9.25)["mhc1_baseline"].values for line in ("b16k1", "b16f10")
    )
    np.testing.assert_array_equal(np.argsort(high), np.argsort(low))


def test_population_is_the_mean_of_its_cells(result: xr.Dataset) -> None:
    for index in range(result.sizes["arm"]):
        one = result.isel(arm=index)
        tumor = one["cell_type"].values == "tumor"
        dead = one["kill_probability"].values[tumor]
        assert float(one["surviving_fraction"][-1]) == pytest.approx(1.0 - dead.mean(), rel=1e-9)
        dose = one["absorbed_dose"].sum("emission").values[tumor]
        assert float(one["nucleus_dose_mean"]) == pytest.approx(dose.mean(), rel=1e-12)
        assert float(one["nucleus_dose_p95"]) == pytest.approx(np.quantile(dose, 0.95), rel=1e-12)
        shares = one["absorbed_dose_mean"].sel(target="nucleus")
        assert float(shares.sum()) == pytest.approx(dose.mean(), rel=1e-9)


def test_summary_of_a_run_agrees_with_it(result: xr.Dataset) -> None:
    rows = imd.summary(result)
    for name in ("surviving_fraction", "tumor_control_probability"):
        np.testing.assert_allclose(rows[name], result[name].isel(time=-1), rtol=1e-9)
    assumed = json.loads(rows.attrs["assumed_values"])
    by_set = json.loads(result.attrs["assumed"])
    assert len(assumed) == sum(len(items) for items in by_set.values()) > 0
    assert {item["set"] for item in assumed} == set(by_set)
    assert set(assumed[0]) == {"set", "key", "value", "unit"}
    assert rows.attrs["warnings"] == result.attrs["warnings"]


def test_first_causes_add_up(result: xr.Dataset) -> None:
    total = result["kill_fraction_radiation"] + result["kill_fraction_immune"]
    np.testing.assert_allclose(total, result["kill_probability"], atol=1e-12)


def test_the_output_times_do_not_change_the_outcome(scenario: Scenario) -> None:
    """Between the output times the models are solved on a grid of their own."""
    small = replace(scenario, n_tumor_cells=300)
    fine = run(replace(small, times_d=tuple(0.25 * k for k in range(57))))
    coarse = run(replace(small, times_d=(0.0, 14.0)))
    for name in ("surviving_fraction", "effector_to_target_ratio", "effector_supply"):
        np.testing.assert_allclose(
            coarse[name].isel(time=-1), fine[name].isel(time=-1), rtol=4e-3, atol=1e-12
        )


def test_provenance_of_the_dose_reaches_the_result(result: xr.Dataset) -> None:
    assert result.attrs["nuclide"] == "Ac-225"
    assert "ICRP" in result.attrs["data_source"]
    assert "recoil" in result.attrs["energy_not_scored_keV_per_decay"]


def test_equal_bits_for_any_number_of_threads(scenario: Scenario) -> None:
    small = replace(scenario, n_tumor_cells=300)
    one, two = run(small, n_threads=1), run(small, n_threads=min(2, len(small.hosts)))
    xr.testing.assert_identical(one, two)


def test_round_trip_through_a_file(result: xr.Dataset, tmp_path: Path) -> None:
    imd.save(result, tmp_path / "run.nc")
    xr.testing.assert_identical(imd.load(tmp_path / "run.nc"), result)


def test_none_draws_a_root_and_records_it(scenario: Scenario) -> None:
    small = replace(
        scenario, n_tumor_cells=300, rng=None, cell_lines=("b16k1",), hosts=("athymic",)
    )
    dataset = run(small)
    again = run(Scenario.from_string(dataset.attrs["scenario"]))
    xr.testing.assert_identical(again, dataset)


def test_progress_reaches_its_total(scenario: Scenario) -> None:
    seen: list[tuple[int, int, str]] = []
    run(replace(scenario, n_tumor_cells=300), progress=lambda *step: seen.append(step))
    assert seen[-1][:2] == (12, 12)


def test_limits_of_validity_are_reported_once(scenario: Scenario) -> None:
    hot = replace(scenario, n_tumor_cells=300, administered_activity_kBq=(500.0,))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = run(hot)
    assert len([item for item in caught if item.category is ValidityWarning]) == 1
    assert json.loads(dataset.attrs["warnings"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"agent": "ac225_dota_ta9"}, DataNotFoundError, "Did you mean 'ac225_ta99'"),
        ({"agent": "b16k1"}, InputError, "kind 'cell_line' .needed here: 'agent'"),
        ({"cell_lines": ("athymic",)}, InputError, "needed here: 'cell_line'"),
        ({"hosts": ("b16k1",)}, InputError, "needed here: 'host'"),
        ({"cell_lines": ("b16k2",)}, DataNotFoundError, "Did you mean 'b16k1'"),
    ],
)
def test_wrong_sets(
    scenario: Scenario, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(replace(scenario, **changes))  # type: ignore[arg-type]


def test_client_and_threads_are_checked(scenario: Scenario) -> None:
    with pytest.raises(InputError, match="client is not used yet"):
        run(scenario, client=object())
    with pytest.raises(ResourceError, match="n_threads=4096"):
        run(scenario, n_threads=4096)


def test_unknown_built_in_scenario() -> None:
    with pytest.raises(DataNotFoundError, match="Did you mean 'ac225_ta99_b16'"):
        builtin_scenario("ac225_ta99_b17")


def test_estimate_counts_cells(result: xr.Dataset, scenario: Scenario) -> None:
    needs = estimate(scenario)
    assert needs["cells per tumor"] == result.sizes["cell"]
    assert needs["arms"] == 12


def test_more_memory_than_there_is_is_refused_before_transport(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed_MB = estimate(scenario)["memory (MB)"]
    monkeypatch.setattr("immunodose.memory.available_memory_MB", lambda: 0.9 * needed_MB)
    monkeypatch.setattr("immunodose.tumor_model.build_models", None)
    with pytest.raises(ResourceError, match=r"12 arms .*600 tumor cells .*immunodose estimate"):
        run(scenario)


def test_estimate_is_public() -> None:
    assert imd.estimate is estimate
