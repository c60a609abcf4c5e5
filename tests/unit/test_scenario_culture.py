# SPDX-License-Identifier: BSD-3-Clause
"""Culture scenarios: round trip, a message for each mistake, and what a run holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.cli import main
from immunodose.culture import culture_cells, decays_per_cell
from immunodose.data.parameters import resolve
from immunodose.errors import InputError
from immunodose.scenario import builtin_scenario, builtin_scenario_names
from immunodose.scenario_arms import Labeling
from immunodose.scenario_culture import CLUSTER_SIZES, Culture, CultureScenario
from immunodose.scenario_file import Scenario
from immunodose.testing import assert_same_bits, assert_schema

EXAMPLE = """
schema_version = 1
design = "culture"
title = "Example"
[culture]
arrangement = "cluster"
n_cells = 7
[run]
measured = ["absorbed_dose", "survival"]
physics = "mird"
rng = 3
[[arm]]
name = "beam"
cell_line = "b16k1"
beam = { dose_Gy = 2.0, fractions = 2, interval_d = 1.0 }
[[arm]]
name = "half"
cell_line = "b16k1"
beam = { dose_Gy = 2.0, irradiated_fraction = 0.5 }
[[arm]]
name = "label"
cell_line = "b16k1"
label = [{ nuclide = "Lu-177", decays_per_cell = 100, labeled_fraction = 0.5, \
effective_half_life_h = 60.0 }]
"""


def example(text: str = EXAMPLE) -> CultureScenario:
    found = Scenario.from_string(text)
    assert isinstance(found, CultureScenario)
    return found


@pytest.fixture(scope="module")
def result() -> xr.Dataset:
    return imd.run(example())


@pytest.mark.parametrize("text", [EXAMPLE, EXAMPLE.replace("rng = 3\n", "")])
def test_round_trip(text: str) -> None:
    assert Scenario.from_string(example(text).to_toml()) == example(text)


@pytest.mark.parametrize("name", builtin_scenario_names())
def test_built_in_scenarios_survive_the_round_trip(name: str) -> None:
    study = builtin_scenario(name)
    assert Scenario.from_string(study.to_toml()) == study


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('design = "culture"', 'design = "cultur"', "invalid design='cultur' .*Did you mean"),
        ("[culture]", "[cultures]", "Did you mean 'culture'"),
        ("n_cells = 7", "n_cell = 7", "Did you mean 'n_cells'"),
        ("n_cells = 7", "n_cells = 8", "n_cells=8 .*whole shells: 1, 7, 19"),
        ("n_cells = 7", "n_cells = 7\nconfluence = 0.5", "confluence has no effect on a cluster"),
        (
            "n_cells = 7",
            "n_cells = 7\ncell_radius = 5.0",
            "'cell_radius' .* is biology",
        ),
        ('"cluster"', '"clusters"', "Did you mean 'cluster'"),
        ('"cluster"', '"colony"', "a colony needs confluence"),
        ('"survival"]', '"survivals"]', "measured\\[1\\]='survivals' .*Did you mean 'survival'"),
        ("rng = 3", "rngs = 3", "Did you mean 'rng'"),
        ("rng = 3", "rng = 3\nn_threads = 2", "unknown key 'n_threads' under \\[run\\]"),
        ('physics = "mird"', "", "physics is missing. Add it under \\[run\\]"),
        ('physics = "mird"', 'physics = "mirdd"', "Did you mean 'mird'"),
        ('title = "Example"', "physics = 1", "'physics' has no effect .*Move it to \\[run\\]"),
        ('name = "half"', 'name = "beam"', "'beam' stands twice"),
        (
            'cell_line = "b16k1"\nbeam',
            "beam",
            "cell_line is missing. Add it under .*arm.* 1",
        ),
        ("dose_Gy = 2.0, f", "dose_gy = 2.0, f", "Did you mean 'dose_Gy'"),
        ("dose_Gy = 2.0, f", "dose_Gy = -2.0, f", "invalid dose_Gy=-2.0"),
        (", interval_d = 1.0", "", "fractions=2 with interval_d=None"),
        ("irradiated_fraction = 0.5", "irradiated_fraction = 50", "irradiated_fraction=50"),
        ("decays_per_cell = 100, ", "", "states no amount. Give one of decays_per_cell or"),
        ("labeled_fraction = 0.5", "labeled_fraction = 1.5", "invalid labeled_fraction=1.5"),
        ("[[arm]]\nname", "[arm]\nname", "not valid TOML|no list of tables"),
        ("schema_version = 1", "schema_version = 9", "schema_version=9"),
    ],
)
def test_each_mistake_has_a_message(old: str, new: str, message: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(InputError, match=message):
        Scenario.from_string(EXAMPLE.replace(old, new, 1))


def test_cluster_sizes_are_whole_shells() -> None:
    """Each size is the number of sites of a cubic lattice within some distance."""
    reach = np.arange(-6, 7)
    squares = (np.stack(np.meshgrid(reach, reach, reach)) ** 2).sum(axis=0)
    assert tuple(int((squares <= k).sum()) for k in np.unique(squares))[:14] == CLUSTER_SIZES


@pytest.mark.parametrize("n_cells", CLUSTER_SIZES[:6])
def test_cells_of_a_cluster_touch(n_cells: int) -> None:
    study = replace(example(), culture=Culture(arrangement="cluster", n_cells=n_cells))
    cells = culture_cells(study, resolve("sphere_14um"), rng=1)
    imd.cells.check(cells)
    if n_cells == 1:
        return
    sites = np.stack([cells[name].values for name in "xyz"], axis=1)
    assert np.linalg.norm(sites[1:] - sites[0], axis=1).min() == pytest.approx(14.0)


def test_a_colony_lies_on_a_plane() -> None:
    culture = Culture(arrangement="colony", n_cells=50, confluence=0.4)
    cells = culture_cells(replace(example(), culture=culture), resolve("sphere_14um"), rng=1)
    assert cells.sizes["cell"] == 50
    assert float(abs(cells["z"]).max()) == 0.0


def test_what_a_run_holds(result: xr.Dataset) -> None:
    assert result.sizes["arm"] == 3
    assert_schema(result)
    nucleus = result["absorbed_dose"].sel(target="nucleus").sum(["emission", "origin"])
    np.testing.assert_allclose(nucleus.sel(arm="beam"), 4.0)
    assert sorted(nucleus.sel(arm="half").values.tolist()) == [0.0] * 3 + [2.0] * 4
    cold = result["labeled_decays"].sel(arm="label").values == 0.0
    assert int(cold.sum()) == 3
    self_dose = result["absorbed_dose"].sel(arm="label", origin="self", target="nucleus")
    assert (self_dose.sum("emission").values[cold] == 0.0).all()
    assert (nucleus.sel(arm="label").values > 0.0).all()


def test_the_dose_is_that_of_the_calls(result: xr.Dataset) -> None:
    line = resolve("b16k1")
    cells = culture_cells(example(), line, rng=3)
    labeled = imd.label(
        cells, "Lu-177", decays_per_cell=100, labeled_fraction=0.5, effective_half_life_h=60, rng=3
    )
    alive = imd.survival(imd.absorbed_dose(labeled, physics="mird"), parameters=line)
    np.testing.assert_array_equal(
        result["survival_probability"].sel(arm="label"), alive["survival_probability"]
    )


def test_provenance(result: xr.Dataset) -> None:
    assert Scenario.from_string(result.attrs["scenario"]) == example()
    assert result.attrs["nuclide"] == "Lu-177"
    assert json.loads(result.attrs["parameter_sets"]) == {"b16k1": resolve("b16k1").fingerprint()}
    assert set(json.loads(result.attrs["assumed"])) <= {"b16k1"}
    assert result.attrs["random_root"] == "3"


def test_energy_states_the_decays() -> None:
    """1436 MeV of electrons per cell are 9.71e3 decays of 177Lu at 147.9 keV."""
    agent = Labeling(nuclide="Lu-177", electron_energy_MeV_per_cell=1436.0)
    assert decays_per_cell(agent) == pytest.approx(1436e3 / 147.9, rel=2e-3)


def test_equal_bits_for_any_number_of_threads() -> None:
    assert_same_bits(imd.run(example(), n_threads=1), imd.run(example(), n_threads=2))


def test_a_root_is_drawn_and_recorded() -> None:
    first = imd.run(replace(example(), rng=None))
    again = imd.run(example(first.attrs["scenario"]))
    xr.testing.assert_identical(first, again)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, output = tmp_path / "study.toml", tmp_path / "out.nc"
    file.write_text(EXAMPLE, encoding="utf-8")
    assert main(["check", str(file)]) == 0
    assert "3 arms; the scenario is valid" in capsys.readouterr().out
    assert main(["estimate", str(file)]) == 0
    assert "cells per arm" in capsys.readouterr().out
    assert main(["run", str(file), "-o", str(output)]) == 0
    table = capsys.readouterr().out
    assert main(["show", str(output)]) == 0
    assert table.splitlines()[2] in capsys.readouterr().out
    assert main(["cite", str(output)]) == 0
    assert main(["scenarios"]) == 0
    listing = capsys.readouterr().out
    assert all(name in listing for name in builtin_scenario_names())
