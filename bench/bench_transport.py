# SPDX-License-Identifier: BSD-3-Clause
"""Tracks and electrons per second and the time of S values, as ratios measured in one run.

A line of text and one of JSON per figure. Rates are per second of CPU time, which a loaded machine
changes least; where the wall time is what counts, the line says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

import immunodose as imd

CELL_UM = {"cell_radius_um": 5.0, "nucleus_radius_um": 4.0}
# Imports and the reading of files that they do are no part of the cold time.
COLD = """
import time, importlib, immunodose as imd
for name in ("transport", "physics", "kernels", "cell_monte_carlo", "data.nuclides"):
    importlib.import_module("immunodose." + name)
import icrp107_database, radioactivedecay
start = time.perf_counter()
imd.s_values("Lu-177", cell_radius_um=7.0, nucleus_radius_um=5.0)
print(time.perf_counter() - start)
"""


def report(name: str, text: str, **figures: Any) -> None:
    """Print one figure as text and as JSON."""
    print(f"{name}: {text}")
    print(json.dumps({"name": name, **figures}), flush=True)


def cpu_s(run: Callable[[], object]) -> float:
    """Return the CPU time of this process, all threads."""
    start = time.process_time()
    run()
    return time.process_time() - start


def chord_test_s() -> float:
    """Roof: CPU time of one ray-sphere test by NumPy on arrays that stay in the first cache."""
    x, y, z = np.random.default_rng(1).uniform(-1.0, 1.0, (3, 512))
    u, v, w = 0.48, 0.6, 0.64
    loops = 5000

    def tests() -> None:
        for _ in range(loops):
            along = x * u + y * v + z * w
            inside = 1.0 - (x * x + y * y + z * z - along * along)
            np.sqrt(np.maximum(inside, 0.0))

    return min(cpu_s(tests) for _ in range(3)) / (loops * x.size)


def labeled_lattice(n_cells: int, nuclide: str) -> xr.Dataset:
    """Return about `n_cells` cells of 7/5 um, one decay on each membrane in the mean."""
    side = max(2, round(n_cells ** (1 / 3)))
    cells = imd.cells.lattice(
        shape=(side, side, side), spacing_um=15.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    return imd.label(cells, nuclide, decays_per_cell=1.0, localization={"membrane": 1.0}, rng=1)


def population(name: str, nuclide: str, emission: str, n_cells: int, roof_s: float) -> None:
    """Transport one emission class of every decay through all cells."""
    cells = labeled_lattice(n_cells, nuclide)
    start = time.perf_counter()
    options: dict[str, Any] = {"method": "monte_carlo", "realization": True, "rng": 1}
    used = cpu_s(lambda: imd.absorbed_dose(cells, emissions=(emission,), merge=False, **options))
    wall = time.perf_counter() - start
    table = imd.emissions(nuclide)
    own = table["emission"] == emission
    tracks = float(table["yield_per_decay"].where(own, 0.0).sum()) * cells.sizes["cell"]
    report(
        name,
        f"{tracks:.3g} {emission} tracks of {nuclide} through {cells.sizes['cell']} cells: "
        f"{wall:.1f} s, {used / tracks / roof_s:.0f} NumPy chord tests each",
        tracks=round(tracks),
        n_cells=cells.sizes["cell"],
        wall_s=round(wall, 2),
        tracks_per_cpu_s=round(tracks / used),
        chord_tests_per_track=round(used / tracks / roof_s, 1),
    )


def electrons(
    mode: str, n_histories: int, n_threads: int, cutoff_keV: float = 0.05
) -> dict[str, float]:
    """Return rates of 100 keV electrons from the nucleus, cytoplasm and membrane of one cell."""
    start, used = time.perf_counter(), time.process_time()
    imd.s_values_electron(
        100.0, **CELL_UM, physics="monte_carlo", electron_mode=mode,
        n_histories=n_histories, n_threads=n_threads, electron_cutoff_keV=cutoff_keV, rng=1,
    )  # fmt: skip
    wall, used = time.perf_counter() - start, time.process_time() - used
    return {"per_wall_s": 3 * n_histories / wall, "per_cpu_s": 3 * n_histories / used}


def competitor_rates(command: str, n_histories: int) -> dict[str, float]:
    """Rates of a command by the difference of two runs, so that its start does not count.

    `{histories}` in the command stands for the number of histories.
    """
    found = []
    for count in (n_histories // 10, n_histories):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        line = command.replace("{histories}", str(count))
        subprocess.run(line, shell=True, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.append((count, time.perf_counter() - start, cpu))
    (few, few_wall, few_cpu), (many, many_wall, many_cpu) = found
    return {
        "per_wall_s": (many - few) / (many_wall - few_wall),
        "per_cpu_s": (many - few) / (many_cpu - few_cpu),
        "per_wall_s_with_start": many / many_wall,
    }


def detailed(options: argparse.Namespace) -> None:
    """Detailed electrons in one cell, beside a competitor's on the same cell if one is given."""
    rates = {n: electrons("detailed", options.histories, n) for n in options.threads}
    for n_threads, rate in rates.items():
        figures = {key: round(value) for key, value in rate.items()}
        text = f"{rate['per_wall_s']:.0f} per s, {rate['per_cpu_s']:.0f} per CPU s, 100 keV"
        report("detailed_electrons", f"{n_threads} threads, {text}", n_threads=n_threads, **figures)
    grouped = electrons("condensed", 4 * options.histories, options.threads[-1])
    last = rates[options.threads[-1]]
    ratio = grouped["per_cpu_s"] / last["per_cpu_s"]
    report("condensed_over_detailed", f"{ratio:.1f} per CPU time", ratio=round(ratio, 1))
    if options.competitor is None:
        return
    for _ in range(options.repeats):
        ours = electrons(
            "detailed", options.histories, options.threads[-1], options.competitor_cutoff_keV
        )
        theirs = competitor_rates(options.competitor, options.competitor_histories)
        ratios = {key: ours[key] / theirs[key] for key in ("per_wall_s", "per_cpu_s")}
        report(
            "detailed_over_competitor",
            f"{ratios['per_cpu_s']:.1f} by CPU time, {ratios['per_wall_s']:.1f} by wall time",
            ratio_by_cpu=round(ratios["per_cpu_s"], 1),
            ratio_by_wall=round(ratios["per_wall_s"], 1),
            competitor={key: round(value, 1) for key, value in theirs.items()},
        )


def s_value_times() -> None:
    """Wall time of S values in a fresh process after its imports, and repeated."""
    command = [sys.executable, "-W", "ignore", "-c", COLD]
    cold = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]
    report("s_values_cold", f"177Lu, {min(cold):.3f} s, limit 0.3", seconds=round(min(cold), 4))
    for nuclide, limit in (("Lu-177", 0.010), ("Ac-225", 0.030)):
        times = []
        for _ in range(10):
            start = time.perf_counter()
            imd.s_values(nuclide, cell_radius_um=7.0, nucleus_radius_um=5.0)
            times.append(time.perf_counter() - start)
        text = f"{nuclide}, {min(times) * 1e3:.1f} ms, limit {limit * 1e3:.0f}"
        report("s_values_warm", text, nuclide=nuclide, milliseconds=round(min(times) * 1e3, 2))


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--histories", type=int, default=12_800, help="of each of three sources")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--parts", nargs="+", default=["tracks", "detailed", "s_values"])
    parser.add_argument("--competitor", help="command that follows 100 keV electrons in this cell")
    parser.add_argument("--competitor-histories", type=int, default=4000)
    parser.add_argument(
        "--competitor-cutoff-keV", dest="competitor_cutoff_keV", type=float, default=0.05,
        help="where the competitor stops its electrons; ours stop there too beside it",
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, default=2, help="of the competitor")
    return parser.parse_args()


def main() -> None:
    """Run the parts that are asked for."""
    options = arguments()
    report("machine", platform.machine(), system=platform.system(), cpus=os.cpu_count(),
           version=imd.__version__)  # fmt: skip
    if "s_values" in options.parts:
        s_value_times()
    if "detailed" in options.parts:
        detailed(options)
    if "tracks" in options.parts:
        roof = chord_test_s()
        report("roof", f"{1.0 / roof:.3g} NumPy chord tests per CPU s", per_s=round(1.0 / roof))
        population("problem_iv", "At-211", "alpha", options.cells, roof)
        population("problem_v", "Lu-177", "beta", options.cells, roof)


if __name__ == "__main__":
    main()
