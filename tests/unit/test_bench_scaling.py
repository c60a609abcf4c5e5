# SPDX-License-Identifier: BSD-3-Clause
"""bench/scaling.py runs all its problems: tiny ones, for the rows and not for the times."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
PROBLEMS = ["i", "ii, colony", "iii", "iv", "v"]

# As the frozen roof prints it.
ROOF = """#!/bin/sh
echo '{"n_threads": 1, "triad_GB_per_s": 12.35, "pairs_G_per_s": 1.4}'
"""


def test_every_problem_gives_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roof, kept, plot = tmp_path / "roof", tmp_path / "rows.json", tmp_path / "rows.png"
    roof.write_text(ROOF)
    roof.chmod(0o755)
    words = ["--problems", *PROBLEMS, "--sides", "4", "--colony", "60", "--pairs", "27"]
    words += ["--threads", "1", "--repeats", "1", "--distances", "100", "--ratio", "27"]
    words += ["--roof", str(roof), "--json", str(kept), "--plot", str(plot)]
    monkeypatch.setattr(sys, "argv", ["scaling.py", *words])
    monkeypatch.syspath_prepend(str(BENCH))
    runpy.run_path(str(BENCH / "scaling.py"), run_name="__main__")
    found = json.loads(kept.read_text())
    assert len(found["all_pairs"]) == 2
    rows = {(row["problem"], row["hard"]): row for row in found["rows"]}
    assert {problem for problem, _ in rows} == set(PROBLEMS)
    assert {problem for problem, hard in rows if hard} == {"i", "iv", "v"}
    for (problem, _), row in rows.items():
        assert row["wall_s"] > 0.0
        if problem in ("iv", "v"):
            assert row["tracks"] > 0.0
            assert 0.0 < row["mean_over_kernel"] < 3.0
            continue
        assert row["rms_error"] < 1e-3, problem
        assert row["limits_over_stated"] == {"triad_GB_per_s": 0.5, "pairs_G_per_s": 1.0}
        assert row["over_roof"] > 0.0
    (pairs,) = (row for row in found["rows"] if row["problem"] == "iii")
    assert [sweep[1] for sweep in pairs["sweeps"]] == ["direct"]
    assert plot.stat().st_size > 0
