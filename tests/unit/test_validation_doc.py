# SPDX-License-Identifier: BSD-3-Clause
"""docs/validation.json is what the package measures now, and page and README say what it holds."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]

# Values are written with 6 digits; other compilers change the last ones.
ROUNDING = 2e-5
# Rows of Monte Carlo repeat with the same seeds; another math library ends some histories
# differently, which moves a mean by far less than its standard error.
STANDARD_ERRORS = 3.0


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(REPOSITORY / "scripts" / "make_validation.py"))


@pytest.fixture(scope="module")
def rows(tool: dict[str, Any]) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = tool["read_rows"]()
    return read


def test_readme_has_the_table(tool: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert readme == tool["with_table"](readme, rows), "run: make validation"


def test_page_is_written_from_the_file(tool: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    page = (REPOSITORY / "docs" / "validation.md").read_text("utf-8")
    assert page == tool["page"](rows), "run: python scripts/make_validation.py --readme"


def test_every_series_is_measured(tool: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    names = [series["name"] for series in tool["all_series"]()]
    assert len(names) == len(set(names))
    assert {row["series"] for row in rows} == set(names)


def test_verdicts_follow_from_the_numbers(tool: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    for row in rows:
        allowed = row["tolerance_percent"] + 3.0 * row["stderr_percent"]
        assert row["holds"] == (abs(row["difference_percent"]) <= allowed), row
    series_of = {series["name"]: series for series in tool["all_series"]()}
    for row in rows:
        assert row["holds"] or "known" in series_of[row["series"]], f"unexplained: {row}"


def _compare(tool: dict[str, Any], rows: list[dict[str, Any]], cost: str) -> None:
    for series in tool["all_series"]([cost]):
        written = [row for row in rows if row["series"] == series["name"]]
        for now, then in zip(tool["rows_of"](series), written, strict=True):
            assert now["case"] == then["case"]
            assert now["reference"] == then["reference"]
            slack = STANDARD_ERRORS * then["ours_stderr"]
            assert now["ours"] == pytest.approx(
                then["ours"], rel=ROUNDING, abs=max(slack, 1e-300)
            ), f"{series['name']}, {now['case']}: run make validation"


def test_deterministic_cases_are_reproduced(
    tool: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    _compare(tool, rows, "cheap")


@pytest.mark.long
@pytest.mark.statistical
def test_monte_carlo_cases_are_reproduced(tool: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    _compare(tool, rows, "expensive")


def test_stored_runs_are_those_of_the_plan() -> None:
    script = runpy.run_path(str(REPOSITORY / "scripts" / "validation_runs.py"))
    stored = {script["key_of"](run): run["histories"] for run in script["stored_runs"]()}
    plan = dict(script["plan"]())
    assert stored.keys() == plan.keys(), "run: python scripts/validation_runs.py"
    # Runs of more histories are kept.
    fewer = {key for key, histories in plan.items() if stored[key] < histories}
    assert not fewer, "run: python scripts/validation_runs.py --again"


@pytest.mark.long
@pytest.mark.statistical
def test_a_stored_run_is_reproduced() -> None:
    script = runpy.run_path(str(REPOSITORY / "scripts" / "validation_runs.py"))
    key = ("condensed", "5/4", "30 keV", "nucleus")
    stored = next(run for run in script["stored_runs"]() if script["key_of"](run) == key)
    now = script["measured"](key, 64 * 1000)
    for place in ("self", "neighbor"):
        error = np.hypot(now[f"{place}_stderr_Gy"], stored[f"{place}_stderr_Gy"])
        off = np.abs(np.subtract(now[f"{place}_Gy"], stored[f"{place}_Gy"]))
        # 8 values, 64 batches: a false alarm in 5000 other roots; this one is fixed.
        assert (off < 4.5 * error).all(), place
