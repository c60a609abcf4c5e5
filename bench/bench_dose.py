# SPDX-License-Identifier: BSD-3-Clause
"""Time absorbed_dose on lattices of growing size; prints one JSON line per run."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable
from functools import partial

import xarray as xr

import immunodose as imd


def labeled_cells(n_cells: int, nuclide: str) -> xr.Dataset:
    """Return about `n_cells` labeled cells on a cubic lattice."""
    side = max(1, round(math.cbrt(n_cells)))
    cells = imd.cells.lattice(
        shape=(side, side, side), spacing_um=16.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    return imd.label(cells, nuclide, decays_per_cell=10.0, localization={"membrane": 1.0}, rng=1)


def best_time_s(run: Callable[[], object], repeats: int) -> float:
    """Return the shortest wall time of `repeats` runs after one warm-up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nuclides", nargs="+", default=["Ac-225", "Lu-177"])
    parser.add_argument("--cells", nargs="+", type=int, default=[1_000, 8_000])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, os.cpu_count() or 1])
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    """Run every combination and print its time."""
    options = arguments()
    machine = {"system": platform.platform(), "cpus": os.cpu_count(), "version": imd.__version__}
    for nuclide in options.nuclides:
        for n_cells in options.cells:
            cells = labeled_cells(n_cells, nuclide)
            for n_threads in sorted(set(options.threads)):
                run = partial(imd.absorbed_dose, cells, physics="mird", n_threads=n_threads)
                result = {
                    "nuclide": nuclide,
                    "n_cells": cells.sizes["cell"],
                    "n_threads": n_threads,
                    "time_s": round(best_time_s(run, options.repeats), 4),
                    **machine,
                }
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
