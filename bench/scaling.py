# SPDX-License-Identifier: BSD-3-Clause
"""Time of the population dose over the number of cells, beside the limits of the machine.

Prints one JSON line per run, then a summary; `--json FILE` and `--plot FILE` keep them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import xarray as xr
from scaling_scenes import LABELS, PROBLEMS, exact_doses, largest_error, pairs_within, scene

import immunodose as imd
from immunodose import _core
from immunodose.population_sums import cache_clear

N_SAMPLES = 20  # cells whose dose is summed over all others
VII_CELLS = 33401
VIII_SIDE = 215  # of the cube of problem viii: some 1e7 cells
# MIRDcell V3.08 on 33,401 cells, CPU seconds (its own statement).
MIRDCELL_S = {"vii, 177Lu": 21.0, "vii, 225Ac": 38.0}
TRACKS = ("iv", "v")  # transported one by one
# Limits of the machine that the targets were set on, by threads (two Zen 3 cores, AVX2): triad
# GB/s, pairs of a distance and a polynomial G/s. The first may be low by up to 1.9.
STATED = {1: {"triad_GB_per_s": 24.7, "pairs_G_per_s": 1.4},
          2: {"triad_GB_per_s": 35.4, "pairs_G_per_s": 2.8}}  # fmt: skip
# Seconds of the same machine, two threads, per track: chord by chord, and steps of electrons.
STATED_TRACK_S = {"iv": 0.05e-6, "v": 0.8e-6}


def roofs(command: str, n_threads: int) -> dict[str, float]:
    """Memory bandwidth and rate of pairs, by the frozen code of cpp/bench/bench_roof.cpp."""
    if not command:
        return {}
    run = subprocess.run([command, str(n_threads)], check=True, capture_output=True, text=True)
    return {name: float(value) for name, value in json.loads(run.stdout).items()}


def over_stated(limits: dict[str, float], n_threads: int) -> dict[str, float]:
    """Limits measured in this run over those that the targets were set on."""
    stated = STATED.get(n_threads, {}) if limits else {}
    return {name: round(limits[name] / value, 2) for name, value in stated.items()}


def transform_s(sweep: dict[str, Any], cells: xr.Dataset, n_threads: int) -> float:
    """Time of SciPy's transform of the padded mesh, forth and back, single precision."""
    extent = [float(np.ptp(cells[axis].values)) for axis in "zyx"]
    n = [scipy.fft.next_fast_len(int(2 * (e / sweep["mesh_spacing_um"] + 8))) for e in extent]
    field = np.ones(n, dtype=np.float32)
    best = np.inf
    for _ in range(2):
        start = time.perf_counter()
        scipy.fft.irfftn(scipy.fft.rfftn(field, workers=n_threads), s=n, workers=n_threads)
        best = min(best, time.perf_counter() - start)
    return best


def reset_peak() -> None:
    """Let the peak memory of this process start anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_kB() -> int:
    """Peak memory of this process since `reset_peak`."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.split("VmHWM:")[1].split()[0])


def timed(cells: xr.Dataset, n_threads: int, repeats: int, **options: Any) -> dict[str, Any]:
    """Best wall time of some calls (the first, without tables, apart) and its CPU time."""
    runs = []
    for _ in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dose = imd.absorbed_dose(cells, merge=False, n_threads=n_threads, **options)
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    best = min(runs[1:])
    return {"first_s": runs[0][0], "wall_s": best[0], "cpu_s": best[1], "dose": dose}


def row(
    problem: str,
    n_cells: int,
    *,
    hard: bool,
    n_threads: int,
    roof: str,
    repeats: int,
    n_distances: int,
) -> dict[str, Any]:
    """Time one problem; tables are warm but for the first call."""
    cells = scene(problem, n_cells, hard=hard)
    cache_clear()
    reset_peak()
    summation = "direct" if problem == "iii" else "auto"
    found = timed(cells, n_threads, repeats, split=PROBLEMS[problem][4], summation=summation)
    peak = peak_kB()
    dose = found.pop("dose")
    n = cells.sizes["cell"]
    sweeps = json.loads(dose.attrs["summation"])
    sample = np.sort(np.random.default_rng(2).choice(n, min(N_SAMPLES, n), replace=False))
    exact = exact_doses(cells, problem, sample, n_distances)
    own = dose["absorbed_dose"].values[sample]
    limits = roofs(roof, n_threads)
    pairs = sum(
        pairs_within(cells, s["reach_um"] + (0.0 if s["mesh_spacing_um"] else 8.0), sample)
        for s in sweeps
    )
    limit_s = None
    if limits:
        limit_s = pairs / (1e9 * limits["pairs_G_per_s"])
        limit_s += sum(transform_s(s, cells, n_threads) for s in sweeps if s["mesh_spacing_um"])
        limit_s += 250.0 * n / (1e9 * limits["triad_GB_per_s"])
    return {
        "problem": problem,
        "hard": hard,
        "n_cells": n,
        "n_threads": n_threads,
        **{name: round(value, 4) for name, value in found.items()},
        "roof_s": limit_s and round(limit_s, 4),
        "over_roof": limit_s and round(found["wall_s"] / limit_s, 2),
        "pairs": pairs,
        "rms_error": float(np.sqrt(np.mean((own - exact) ** 2)) / np.mean(exact)),
        "largest_error": float(np.max(np.abs(own / exact - 1.0))),
        "mesh_error": largest_error(sweeps),
        "sweeps": [[s["emissions"], s["summation"], s["n_pairs"]] for s in sweeps],
        "peak_memory_MB": peak // 1024,
        "faster_than_MIRDcell": MIRDCELL_S.get(problem, 0.0) / found["cpu_s"] or None,
        "limits": limits,
        "limits_over_stated": over_stated(limits, n_threads),
        "load": os.getloadavg()[0],
        "simd": _core.transport.simd_level(),
    }


def track_row(problem: str, n_cells: int, *, hard: bool, n_threads: int) -> dict[str, Any]:
    """Transport the decays of one per cell, track by track, beside the mean dose by kernels."""
    cells = scene(problem, n_cells, hard=hard)
    options: dict[str, Any] = {"method": "monte_carlo", "realization": True, "rng": 1}
    options |= {"split": (), "merge": False, "n_threads": n_threads}
    imd.absorbed_dose(scene(problem, 8, hard=False), **options)  # makes the tables
    reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    found = imd.absorbed_dose(cells, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_kB()
    tracks = float(cells["time_integrated_activity"].sum())
    stated_s = STATED_TRACK_S[problem] * tracks * 2 / n_threads
    kernel = imd.absorbed_dose(cells, split=(), merge=False, n_threads=n_threads)
    mean = float(found["specific_energy"].mean() / kernel["absorbed_dose"].mean())
    return {
        "problem": problem,
        "hard": hard,
        "n_cells": cells.sizes["cell"],
        "n_threads": n_threads,
        "wall_s": round(wall, 4),
        "cpu_s": round(cpu, 4),
        "tracks": tracks,
        "cpu_us_per_track": round(1e6 * cpu / tracks, 2),
        "stated_roof_s": stated_s,
        "over_stated_roof": round(wall / stated_s, 1),
        "mean_over_kernel": round(mean, 4),
        "peak_memory_MB": peak // 1024,
        "load": os.getloadavg()[0],
        "simd": _core.transport.simd_level(),
    }


def all_pairs_ratio(problem: str, n_cells: int, n_threads: int, repeats: int) -> dict[str, Any]:
    """CPU time of all 3 sources and 4 targets over that of one pair, all cells labeled."""
    one = timed(scene(problem, n_cells, hard=False), n_threads, repeats, split=())
    places = ("nucleus", "cytoplasm", "membrane")
    cells = scene(problem, n_cells, hard=False, sources=places)
    every = timed(cells, n_threads, repeats, split=("target",))
    return {
        "problem": problem,
        "n_cells": n_cells,
        "all_pairs_over_one": round(every["cpu_s"] / one["cpu_s"], 2),
        "all_pairs_wall_s": round(every["wall_s"], 3),
        "one_pair_wall_s": round(one["wall_s"], 3),
    }


def exponents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Power of N, and of N log N, that fits the times from 1e4 cells on."""
    found = []
    for problem, hard, n_threads in {(r["problem"], r["hard"], r["n_threads"]) for r in rows}:
        own = [
            r
            for r in rows
            if (r["problem"], r["hard"], r["n_threads"]) == (problem, hard, n_threads)
            and r["n_cells"] >= 9000
        ]
        if len(own) < 3:
            continue
        n = np.array([r["n_cells"] for r in own], dtype=float)
        cpu = np.log([r["cpu_s"] for r in own])
        found.append(
            {
                "problem": problem,
                "hard": hard,
                "n_threads": n_threads,
                "exponent_of_N": round(float(np.polyfit(np.log(n), cpu, 1)[0]), 3),
                "exponent_of_N_log_N": round(
                    float(np.polyfit(np.log(n * np.log(n)), cpu, 1)[0]), 3
                ),
            }
        )
    return sorted(found, key=lambda one: (one["problem"], one["hard"], one["n_threads"]))


def draw(rows: list[dict[str, Any]], file: str) -> None:
    """Seconds over the number of cells; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
    threads = max(r["n_threads"] for r in rows)
    for problem in PROBLEMS:
        for hard in (False, True):
            own = sorted(
                (r["n_cells"], r["wall_s"])
                for r in rows
                if (r["problem"], r["hard"], r["n_threads"]) == (problem, hard, threads)
            )
            if own:
                style = "--" if hard else "-"
                name = f"{LABELS[problem]}{', hard case' if hard else ''}"
                axes.loglog(*zip(*own, strict=True), style, marker="o", ms=3, label=name)
    axes.set_xlabel("cells (hard case: jittered lattice, 30 % labeled, mixed radii)")
    axes.set_ylabel(f"wall time on {threads} threads (s)")
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def chosen_runs(options: argparse.Namespace) -> list[tuple[str, int, int, bool, int]]:
    """Problem, cells, threads, hard case and repeats of each row."""
    sizes = {"ii, colony": options.colony, "iii": options.pairs}
    runs = []
    for problem in options.problems:
        vii = problem.startswith("vii")
        n_sides = [VII_CELLS] if vii else [side**3 for side in options.sides]
        plain = vii or options.no_hard or problem in sizes
        for n_cells in sizes.get(problem, n_sides):
            for n_threads in options.threads:
                for hard in (False,) if plain else (False, True):
                    runs.append((problem, n_cells, n_threads, hard, options.repeats))
    if options.viii:
        most = max(options.threads)
        runs += [(problem, VIII_SIDE**3, most, False, 1) for problem in ("ii", "i")]
    return runs


def main() -> None:
    """Run the problems asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[10, 22, 46, 100])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument(
        "--colony", type=int, nargs="+", default=[100_000], help="cells of the colonies"
    )
    parser.add_argument(
        "--pairs", type=int, nargs="+", default=[1000, 10_648], help="cells of iii (target: 1e5)"
    )
    parser.add_argument(
        "--distances", type=int, default=3000, help="of the S values that errors are taken from"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-hard", action="store_true", help="leave out the hard case")
    parser.add_argument("--viii", action="store_true", help="i and ii on 1e7 cells too, once")
    parser.add_argument("--ratio", type=int, default=0, help="cells of the 12 pairs over one")
    parser.add_argument("--roof", default="", help="the program bench_roof; empty: no roof")
    parser.add_argument("--json", default="", help="file to write")
    parser.add_argument("--plot", default="", help="file to write")
    options = parser.parse_args()
    most = max(options.threads)
    rows = []
    for problem, n_cells, n_threads, hard, repeats in chosen_runs(options):
        sizes: dict[str, Any] = {"hard": hard, "n_threads": n_threads}
        if problem in TRACKS:
            rows.append(track_row(problem, n_cells, **sizes))
        else:
            sizes |= {"roof": options.roof, "n_distances": options.distances}
            rows.append(row(problem, n_cells, **sizes, repeats=repeats))
        print(json.dumps(rows[-1]), flush=True)
    summary: dict[str, Any] = {
        "version": imd.__version__,
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "exponents": exponents(rows),
        "all_pairs": [
            all_pairs_ratio(problem, options.ratio, most, options.repeats)
            for problem in ("i", "ii")
            if options.ratio
        ],
    }
    print(json.dumps(summary), flush=True)
    if options.json:
        with Path(options.json).open("w") as file:
            json.dump({**summary, "rows": rows}, file, indent=1)
    if options.plot:
        draw(rows, options.plot)


if __name__ == "__main__":
    main()
