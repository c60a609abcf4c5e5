# SPDX-License-Identifier: BSD-3-Clause
"""Time of the population dose over the number of cells; one JSON line per problem and size."""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
import warnings

import numpy as np
import xarray as xr

import immunodose as imd
from immunodose import _core

PACKING_FRACTION = 0.5
CELL_RADIUS_UM = 5.0
NUCLEUS_RADIUS_UM = 4.0
# Problems of bench/README.md: nuclide, emission whose dose is asked for.
PROBLEMS = {"i": "At-211", "i, chain": "Ac-225", "ii": "Lu-177"}


def scene(n_side: int, nuclide: str, *, hard: bool) -> xr.Dataset:
    """Return a lattice, every cell labeled; or `hard`: jittered, 30 % labeled, mixed radii."""
    edge = CELL_RADIUS_UM * (4.0 / 3.0 * np.pi / PACKING_FRACTION) ** (1.0 / 3.0)
    site = np.stack(np.unravel_index(np.arange(n_side**3), (n_side,) * 3), axis=1) * edge
    radius = np.full(n_side**3, CELL_RADIUS_UM)
    options: dict[str, object] = {}
    if hard:
        rng = np.random.default_rng(1)
        radius = rng.choice([4.0, 4.5], n_side**3)
        site = site + rng.uniform(-0.5, 0.5, site.shape)
        options = {"labeled_fraction": 0.3, "distribution": "lognormal", "sd": 1.0, "rng": 1}
    x, y, z = site.T
    cells = imd.cells.from_arrays(
        x_um=x,
        y_um=y,
        z_um=z,
        cell_radius_um=radius,
        nucleus_radius_um=radius * (NUCLEUS_RADIUS_UM / CELL_RADIUS_UM),
    )
    return imd.label(cells, nuclide, decays_per_cell=1.0, localization={"nucleus": 1.0}, **options)


def memory_triad_GB_per_s() -> float:
    """Bandwidth of a = b + s c in NumPy on one thread, which bounds a pass over the cells."""
    a, b, c = np.zeros((3, 4_000_000))
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)
        best = min(best, time.perf_counter() - start)
    return 5 * a.nbytes / best * 1e-9


def row(problem: str, n_side: int, *, hard: bool, n_threads: int) -> dict[str, object]:
    """Time one problem, tables included, the second of two runs."""
    cells = scene(n_side, PROBLEMS[problem], hard=hard)
    for _ in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dose = imd.absorbed_dose(cells, split=(), merge=False, n_threads=n_threads)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sweeps = json.loads(dose.attrs["summation"])
    return {
        "problem": problem,
        "hard": hard,
        "n_cells": n_side**3,
        "n_threads": n_threads,
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "ns_of_cpu_per_pair": round(1e9 * cpu / max(1, sum(s["n_pairs"] for s in sweeps)), 2),
        "mesh_error": max(s["measured_error"] for s in sweeps),
        "sweeps": [[s["emissions"], s["summation"], s["n_pairs"]] for s in sweeps],
        "peak_memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "simd": _core.transport.simd_level(),
        "triad_GB_per_s": round(memory_triad_GB_per_s(), 1),
        "system": platform.platform(),
        "version": imd.__version__,
    }


def main() -> None:
    """Print one JSON line per problem and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[10, 22, 46, 100])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    for problem in options.problems:
        for side in options.sides:
            for n_threads in options.threads:
                for hard in (False, True):
                    found = row(problem, side, hard=hard, n_threads=n_threads)
                    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
