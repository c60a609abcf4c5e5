# SPDX-License-Identifier: BSD-3-Clause
"""Cost of the cross-dose per pair against a roof and a NumPy sum, and its error; one JSON line."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import xarray as xr

import immunodose as imd
from immunodose.physics import physics_model

Array = npt.NDArray[np.float64]


def labeled_cells(n_cells: int, nuclide: str) -> xr.Dataset:
    """Return about `n_cells` cells at jittered lattice sites, 30 % labeled, lognormal activity."""
    side = max(2, round(math.cbrt(n_cells)))
    site = np.stack(np.unravel_index(np.arange(side**3), (side,) * 3), axis=1) * 16.0
    x, y, z = (site + np.random.default_rng(1).uniform(-1.0, 1.0, site.shape)).T
    cells = imd.cells.from_arrays(x_um=x, y_um=y, z_um=z, cell_radius_um=7.0, nucleus_radius_um=5.0)
    return imd.label(
        cells,
        nuclide,
        decays_per_cell=100.0,
        labeled_fraction=0.3,
        distribution="lognormal",
        sd=80.0,
        rng=1,
    )


def cpu_s(run: Callable[[], object], repeats: int) -> float:
    """Return the least CPU time of `repeats` runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def count_pairs(points: Array, sources: Array, reach_um: float) -> int:
    """Count ordered pairs of a source and another cell within the reach."""
    return sum(
        int(np.count_nonzero(np.sum((points - p) ** 2, axis=1) <= reach_um**2)) - 1 for p in sources
    )


def exact_cross(cells: xr.Dataset, nuclide: str, targets: Array) -> Array:
    """Dose to the nuclei of some cells from all others, by S values at every distance."""
    points = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    activity = cells["time_integrated_activity"].sel(source="membrane").values[0]
    doses = []
    for i in targets.astype(int):
        others = np.flatnonzero((activity > 0.0) & (np.arange(len(points)) != i))
        distance = np.sqrt(np.sum((points[others] - points[i]) ** 2, axis=1))
        s = imd.s_values(
            nuclide, cell_radius_um=7.0, nucleus_radius_um=5.0, distance_um=distance, physics="mird"
        )["s_value"]
        per_decay = s.sel(target="nucleus", source="membrane").sum("emission").values
        doses.append(float(np.sum(per_decay * activity[others])))
    return np.array(doses)


def numpy_row(point: Array, points: Array, activity: Array, table: Array) -> float:
    """Cross-dose of one target by NumPy: distances and one interpolation in a table."""
    distance = np.sqrt(np.sum((points - point) ** 2, axis=1))
    near = (distance > 0.0) & (distance < len(table) * 0.2)
    return float(np.sum(activity[near] * table[(distance[near] * 5.0).astype(int)]))


def measure(n_cells: int, nuclide: str, repeats: int) -> dict[str, float | int | str]:
    """Return the figures of one population."""
    cells = labeled_cells(n_cells, nuclide)
    points = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    activity = cells["time_integrated_activity"].values[0].sum(axis=1)
    kernels = physics_model(nuclide, physics="mird").kernels
    pairs = sum(
        count_pairs(points, points[activity > 0.0], kernel.reach_um + 14.0)
        for kernel in kernels.values()
    )

    def dose() -> xr.Dataset:
        return imd.absorbed_dose(cells, physics="mird", split=("origin",), n_threads=1)

    # The same cells without neighbors' activity: everything but the pairs.
    activity_of_one = cells["time_integrated_activity"].copy()
    activity_of_one[:, 1:] = 0.0
    silent = cells.assign(time_integrated_activity=activity_of_one)
    fixed = cpu_s(
        lambda: imd.absorbed_dose(silent, physics="mird", split=("origin",), n_threads=1), repeats
    )
    per_pair = (cpu_s(dose, repeats) - fixed) / pairs
    sample = np.random.default_rng(2).choice(len(points), 20, replace=False)
    sources, decays = points[activity > 0.0], activity[activity > 0.0]
    table = np.linspace(1.0, 0.0, 10_000)
    by_numpy = cpu_s(
        lambda: [numpy_row(points[i], sources, decays, table) for i in sample], repeats
    ) / (len(sample) * len(sources))
    # Roof: square root and division of numbers that stay in the first cache.
    block = np.linspace(1.0, 2.0, 1024)
    out = np.empty_like(block)
    loops = 4000
    roof = cpu_s(
        lambda: [np.divide(1.0, np.sqrt(block, out=out), out=out) for _ in range(loops)], repeats
    ) / (loops * block.size)
    found = dose()["absorbed_dose"].sel(origin="cross").values[sample]
    error = found / exact_cross(cells, nuclide, sample) - 1.0
    return {
        "nuclide": nuclide,
        "n_cells": len(points),
        "pairs": pairs,
        "per_pair_over_roof": round(per_pair / roof, 2),
        "numpy_over_per_pair": round(by_numpy / per_pair, 1),
        "pairs_share_of_time": round(per_pair * pairs / (per_pair * pairs + fixed), 3),
        "rms_relative_error_of_cross": float(f"{np.sqrt(np.mean(error**2)):.2e}"),
        "largest_relative_error_of_cross": float(f"{np.abs(error).max():.2e}"),
    }


def main() -> None:
    """Print one JSON line per nuclide and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nuclides", nargs="+", default=["Ac-225", "Lu-177"])
    parser.add_argument("--cells", nargs="+", type=int, default=[8_000])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    machine = {
        "system": platform.platform(),
        "processor": platform.processor(),
        "cpus": os.cpu_count(),
        "version": imd.__version__,
    }
    for nuclide in options.nuclides:
        for n_cells in options.cells:
            print(json.dumps({**measure(n_cells, nuclide, options.repeats), **machine}), flush=True)


if __name__ == "__main__":
    main()
