# SPDX-License-Identifier: BSD-3-Clause
"""Peak memory of population doses beside their estimate; one JSON line per case, each in a process.

Linux only: the peak is that of /proc/self/status, from the call on, after a small call that loads
libraries and tables. Working bytes are the peak less result and meshes (both as estimated).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
import xarray as xr
from scaling import PROBLEMS, scene

import immunodose as imd

LONGEST_OFFSET_UM = 0.3  # of nuclei off their centers, along each axis
ALL = ("target", "emission", "origin")
CASES: dict[str, dict[str, Any]] = {
    "one": {"split": ()},
    "targets": {"split": ("target",)},
    "all": {"split": ALL},
    "all32": {"split": ALL, "dtype": "float32"},
    "mc": {"method": "monte_carlo", "n_histories": 640, "split": (), "hits": False},
    "mc_all": {"method": "monte_carlo", "n_histories": 640},
    "rate": {"time_h": [0.0, 24.0, 72.0], "effective_half_life_h": 60.0},
}
# Freed memory goes back at once, so that the peak is what was held together.
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def status_MB(name: str) -> float:
    """Return a line of /proc/self/status."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024e-6 for line in file if line.startswith(name))


def cells_of(problem: str, n_cells: int, hard: bool, shifted: bool) -> xr.Dataset:
    """Return the cells of a problem of scaling.py, or the same with nuclei off their centers."""
    cells = scene(problem, n_cells, hard=hard)
    if not shifted:
        return cells
    size = (3, cells.sizes["cell"])
    offset = np.random.default_rng(3).uniform(-LONGEST_OFFSET_UM, LONGEST_OFFSET_UM, size)
    return cells.assign(
        {f"nucleus_offset_{axis}": ("cell", by) for axis, by in zip("xyz", offset, strict=True)}
    )


def measure(
    problem: str, n_cells: int, hard: bool, shifted: bool, case: str, n_threads: int
) -> dict[str, Any]:
    """Run one case in this process."""
    options = {"merge": False, "n_threads": n_threads, **CASES[case]}
    dose = imd.absorbed_dose_rate if "time_h" in options else imd.absorbed_dose
    at_start = status_MB("VmRSS:")
    warnings.simplefilter("ignore")
    dose(cells_of(problem, 1000, hard, shifted), **options)
    libraries = status_MB("VmHWM:") - at_start
    cells = cells_of(problem, n_cells, hard, shifted)
    needs = imd.estimate(cells, **options)
    before = status_MB("VmRSS:")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak starts at what is held now
    cpu = time.process_time()
    dose(cells, **options)
    cpu = time.process_time() - cpu
    peak = status_MB("VmHWM:")
    fixed = needs["memory: libraries and tables (MB)"] + needs["memory: input (MB)"]
    output, meshes = needs["memory: output (MB)"], needs["memory: meshes (MB)"]
    n = cells.sizes["cell"]
    return {
        "problem": problem,
        "hard": hard,
        "shifted": shifted,
        "n_cells": n,
        "case": case,
        "libraries_MB": round(libraries, 1),
        "call_MB": round(peak - before, 1),
        "estimated_call_MB": round(needs["memory (MB)"] - fixed, 1),
        "all_MB": round(peak - at_start, 1),
        "estimated_all_MB": round(needs["memory (MB)"], 1),
        "output_MB": round(output, 1),
        "meshes_MB": round(meshes, 1),
        "working_bytes_per_cell": round((peak - before - output - meshes) * 1e6 / n),
        "cpu_s": round(cpu, 3),
        "cpu_s_estimated": round(needs["time (s)"] * n_threads, 3),
    }


def main() -> None:
    """Print one JSON line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--problems", nargs="+", default=["i", "ii"], choices=list(PROBLEMS))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-hard", action="store_true", help="leave out the hard case")
    parser.add_argument("--shifted", action="store_true", help="nuclei off the centers")
    parser.add_argument("--here", action="store_true", help="one case, in this very process")
    given = parser.parse_args()
    if given.here:
        found = measure(
            given.problems[0],
            given.cells[0],
            not given.no_hard,
            given.shifted,
            given.cases[0],
            given.threads,
        )
        print(json.dumps(found), flush=True)
        return
    for n_cells in given.cells:
        for problem in given.problems:
            for case in given.cases:
                for easy in ["--no-hard"] if given.no_hard else ["--no-hard", ""]:
                    command = [sys.executable, __file__, "--here", "--cells", str(n_cells)]
                    command += ["--problems", problem, "--cases", case]
                    command += ["--threads", str(given.threads), *filter(None, [easy])]
                    command += ["--shifted"] if given.shifted else []
                    subprocess.run(command, check=True, env={**os.environ, **RETURNED})


if __name__ == "__main__":
    main()
