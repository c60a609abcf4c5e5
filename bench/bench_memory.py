# SPDX-License-Identifier: BSD-3-Clause
"""Peak memory of population doses beside their estimate; one JSON line per case, each in a process.

Linux only: the peak is that of /proc/self/status, from the call on, after a small call that loads
libraries and tables.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from typing import Any

from scaling import scene

import immunodose as imd

CASES: tuple[dict[str, Any], ...] = (
    {"split": ()},
    {"split": ("target",)},
    {"split": ("target", "emission", "origin")},
    {"split": ("target", "emission", "origin"), "dtype": "float32"},
    {"method": "monte_carlo", "n_histories": 640, "split": (), "hits": False},
    {"method": "monte_carlo", "n_histories": 640},
)
# Freed memory goes back at once, so that the peak is what was held together.
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def status_MB(name: str) -> float:
    """Return a line of /proc/self/status."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024e-6 for line in file if line.startswith(name))


def measure(n_side: int, nuclide: str, options: dict[str, Any]) -> dict[str, Any]:
    """Run one case in this process."""
    at_start = status_MB("VmRSS:")
    warnings.simplefilter("ignore")
    imd.absorbed_dose(scene(10, nuclide, hard=True), **options)
    libraries = status_MB("VmHWM:") - at_start
    cells = scene(n_side, nuclide, hard=True)
    before = status_MB("VmRSS:")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak starts at what is held now
    imd.absorbed_dose(cells, **options)
    peak = status_MB("VmHWM:")
    needs = imd.estimate(cells, **options)
    fixed = needs["memory: libraries and tables (MB)"] + needs["memory: input (MB)"]
    return {
        "nuclide": nuclide,
        "n_cells": n_side**3,
        **options,
        "libraries_MB": round(libraries, 1),
        "call_MB": round(peak - before, 1),
        "estimated_call_MB": round(needs["memory (MB)"] - fixed, 1),
        "all_MB": round(peak - at_start, 1),
        "estimated_all_MB": round(needs["memory (MB)"], 1),
        "meshes_MB": round(needs["memory: meshes (MB)"], 1),
        "seconds_estimated": round(needs["time (s)"], 2),
    }


def main() -> None:
    """Print one JSON line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[22, 46, 67])
    parser.add_argument("--nuclides", nargs="+", default=["Lu-177", "At-211"])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        options = json.loads(given.case)
        options.update({"split": tuple(options["split"])} if "split" in options else {})
        print(json.dumps(measure(given.sides[0], given.nuclides[0], options)), flush=True)
        return
    for n_side in given.sides:
        for nuclide in given.nuclides:
            for options in CASES:
                command = [sys.executable, __file__, "--sides", str(n_side)]
                command += ["--nuclides", nuclide, "--case", json.dumps(options)]
                subprocess.run(command, check=True, env={**os.environ, **RETURNED})


if __name__ == "__main__":
    main()
