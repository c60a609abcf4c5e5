# SPDX-License-Identifier: BSD-3-Clause
"""Scenario files: round trip, and a message of its own for each mistake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from immunodose.data.parameters import parameters, resolve
from immunodose.errors import FileError, InputError
from immunodose.scenario_file import Scenario

EXAMPLE = """
schema_version = 1
title = "Example"
[tumor]
n_tumor_cells = 100
[treatment]
agent = "ac225_ta99"
administered_activity_kBq = [0, 9.25]
[arms]
cell_lines = ["b16k1"]
hosts = ["athymic"]
[time]
times_d = [0, 14]
[run]
physics = "mird"
rng = 3
"""


def example(**changes: Any) -> Scenario:
    return replace(Scenario.from_string(EXAMPLE), **changes)


def test_round_trip() -> None:
    scenario = example(references=('A "quoted" reference',), title="[225Ac] é")
    assert Scenario.from_string(scenario.to_toml()) == scenario
    assert scenario.n_arms == 2


def test_round_trip_without_rng() -> None:
    scenario = example(rng=None)
    assert Scenario.from_string(scenario.to_toml()) == scenario


def test_equal_design_in_lists_or_tuples_is_equal() -> None:
    assert example(times_d=[0, 14]) == example()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_tumor_cells = 100", "n_tumour_cells = 100", "Did you mean 'n_tumor_cells'"),
        ("[treatment]", "[treatments]", "Did you mean 'treatment'"),
        ("rng = 3", "rng = 3\nn_threads = 2", "unknown key 'n_threads' under \\[run\\]"),
        ("rng = 3", "rng = 3\ntimes_d = [1]", "no effect under \\[run\\]. Move it to \\[time\\]"),
        ("rng = 3", "rng = 3\noverrides = 1", "'overrides' under \\[run\\] is biology"),
        ("rng = 3", "rng = 3\n[parameters]\na = 1", "'parameters' .* is biology"),
        ("n_tumor_cells = 100", "", "n_tumor_cells is missing. Add it under \\[tumor\\]"),
        ('title = "Example"', "", "title is missing. Add it under the top"),
        ("n_tumor_cells = 100", "n_tumor_cells = 2.5", "invalid n_tumor_cells=2.5"),
        ("n_tumor_cells = 100", "n_tumor_cells = true", "invalid n_tumor_cells=True"),
        ("[0, 9.25]", "[0, -9.25]", "administered_activity_kBq\\[1\\]=-9.25"),
        ("[0, 9.25]", "[0, nan]", "administered_activity_kBq\\[1\\]=nan"),
        ("[0, 9.25]", "[9.25, 9.25]", "administered_activity_kBq\\[1\\]=9.25 stands twice"),
        ("[0, 9.25]", "9.25", "a list of numbers"),
        ("[0, 9.25]", "[]", "administered_activity_kBq is empty"),
        ("[0, 9.25]", "[0, 1e-6]", "administered_activity_kBq\\[1\\]=1e-06 .*0.01 to 1e\\+09 kBq"),
        ("[0, 9.25]", "[2e9]", "administered_activity_kBq\\[0\\]=2e\\+09 .*not MBq or Bq"),
        ("[0, 14]", "[1, 14]", "times_d\\[0\\]=1 .*Put 0 before it"),
        ("[0, 14]", "[14, 0]", "times_d\\[1\\]=0 .*increasing"),
        ('["b16k1"]', '["b16k1", "b16k1"]', "cell_lines\\[1\\]='b16k1' stands twice"),
        ('["b16k1"]', '"b16k1"', "a list of names"),
        ('["b16k1"]', "[1]", "cell_lines\\[0\\]=1"),
        ('"mird"', '"mirrd"', "invalid physics='mirrd'"),
        ("schema_version = 1", "schema_version = 9", "schema_version=9"),
        ("rng = 3", "rng = -3", "invalid rng=-3"),
        ("[run]", "[run", "not valid TOML"),
    ],
)
def test_each_mistake_has_a_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "study.toml"
    assert old in EXAMPLE
    path.write_text(EXAMPLE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        Scenario.from_toml(path)
    assert "study.toml" in str(caught.value)


def test_every_parameter_key_is_rejected_as_biology() -> None:
    keys = {key for name in parameters()["set"].values for key in resolve(str(name)).entries}
    assert keys
    for key in keys:
        for table in ("[run]", "[tumor]", "[arms]"):
            with pytest.raises(InputError, match=f"'{key}' under .* is biology"):
                Scenario.from_string(EXAMPLE.replace(table, f"{table}\n{key} = 1"))


def test_a_table_that_is_a_value() -> None:
    text = EXAMPLE.replace('[run]\nphysics = "mird"\nrng = 3', "")
    with pytest.raises(InputError, match="run = 3 is not a table"):
        Scenario.from_string("run = 3\n" + text)


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read scenario"):
        Scenario.from_toml(tmp_path / "absent.toml")
