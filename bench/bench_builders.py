# SPDX-License-Identifier: BSD-3-Clause
"""Time and memory of the builders of cell populations; one JSON line per problem.

Each problem runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from typing import Any

RADII = {"cell_radius_um": 5.0, "nucleus_radius_um": 4.0}
PROBLEMS = ("spheroid", "spheroid_sizes", "lattice", "colony", "vessels", "field", "necrotic_core")


def build(problem: str, n_cells: int, packing: float) -> tuple[Any, float, float]:
    """Return the population, and wall and CPU seconds of its call alone."""
    import immunodose as imd

    side = round(n_cells ** (1.0 / 3.0))
    if problem in ("vessels", "field", "necrotic_core"):
        cells = imd.cells.lattice(shape=(side, side, side), spacing_um=10.1, **RADII)
    outer_um = 5.0 * (n_cells / packing) ** (1.0 / 3.0)
    start, cpu = time.perf_counter(), time.process_time()
    if problem == "spheroid":
        cells = imd.cells.spheroid(radius_um=outer_um, packing_fraction=packing, rng=1, **RADII)
    elif problem == "spheroid_sizes":
        cells = imd.cells.spheroid(
            radius_um=outer_um, packing_fraction=packing, rng=1, cell_radius_sd_um=0.75, **RADII
        )
    elif problem == "lattice":
        cells = imd.cells.lattice(shape=(side, side, side), spacing_um=10.0, kind="hcp", **RADII)
    elif problem == "colony":
        cells = imd.cells.colony(n_cells=n_cells, packing_fraction=packing, rng=1, **RADII)
    elif problem == "vessels":
        cells = imd.cells.vessels(cells, vessel_radius_um=5.0, intervessel_distance_um=100.0, rng=1)
    elif problem == "field":
        cells = imd.cells.lognormal_field(
            cells,
            name="antigen",
            mean=1.0,
            coefficient_of_variation=0.5,
            correlation_length_um=50.0,
            rng=1,
        )
    else:
        cells = imd.cells.necrotic_core(cells, radius_um=0.5 * outer_um)
    return cells, time.perf_counter() - start, time.process_time() - cpu


def run_one(problem: str, n_cells: int, packing: float) -> None:
    """Print the JSON line of one problem."""
    build(problem, 1000, min(packing, 0.4))  # imports are not its memory
    before_kB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cells, wall_s, cpu_s = build(problem, n_cells, packing)
    peak_kB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = cells.sizes["cell"]
    line = {
        "problem": problem,
        "cells": count,
        "wall_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "cpu_us_per_cell": round(1e6 * cpu_s / count, 3),
        "peak_bytes_per_cell": round(1024.0 * (peak_kB - before_kB) / count, 1),
        "packing_fraction": cells.attrs.get("packing_fraction"),
        "machine": platform.machine(),
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    """Run the problems chosen on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--cells", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--packing", nargs="+", type=float, default=[0.6])
    parser.add_argument("--one", action="store_true", help="run the first of each in this process")
    given = parser.parse_args()
    if given.one:
        run_one(given.problems[0], given.cells[0], given.packing[0])
        return
    for problem in given.problems:
        for n_cells in given.cells:
            for packing in given.packing:
                command = [sys.executable, __file__, "--one", "--problems", problem]
                command += ["--cells", str(n_cells), "--packing", str(packing)]
                subprocess.run(command, check=False)


if __name__ == "__main__":
    main()
