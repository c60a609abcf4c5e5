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

import immunodose as imd
from immunodose import _core
from immunodose.population_sums import cache_clear

PACKING_FRACTION = 0.5
CELL_RADIUS_UM = 5.0
NUCLEUS_RADIUS_UM = 4.0
N_SAMPLES = 20  # cells whose dose is summed over all others
# Problems of bench/README.md: nuclide, emissions (None: all), source, lattice, split.
PROBLEMS: dict[str, tuple[str, tuple[str, ...] | None, str, str, tuple[str, ...]]] = {
    "i": ("At-211", ("alpha",), "nucleus", "sc", ()),
    "i, all emissions": ("At-211", None, "nucleus", "sc", ()),
    "i, chain": ("Ac-225", ("alpha",), "nucleus", "sc", ()),
    "ii": ("Lu-177", None, "nucleus", "sc", ()),
    "vii, 177Lu": ("Lu-177", None, "membrane", "fcc", ()),
    "vii, 225Ac": ("Ac-225", None, "membrane", "fcc", ()),
}
# In the legend of the plot.
LABELS = {
    "i": "i: alphas of 211At",
    "i, all emissions": "211At, all emissions",
    "i, chain": "alphas of 225Ac and its chain",
    "ii": "ii: 177Lu",
    "vii, 177Lu": "vii: 177Lu, close packed",
    "vii, 225Ac": "vii: 225Ac, close packed",
}
VII_CELLS = 33401
VIII_SIDE = 215  # of the cube of problem viii: some 1e7 cells
# MIRDcell V3.08 on 33,401 cells, CPU seconds (its own statement).
MIRDCELL_S = {"vii, 177Lu": 21.0, "vii, 225Ac": 38.0}


def sites(n_cells: int, kind: str) -> np.ndarray:
    """Centers (cell, 3) [um]: a cube of a lattice at half packing, or a ball of close packing."""
    if kind == "sc":
        n_side = round(n_cells ** (1.0 / 3.0))
        edge = CELL_RADIUS_UM * (4.0 / 3.0 * np.pi / PACKING_FRACTION) ** (1.0 / 3.0)
        return np.stack(np.unravel_index(np.arange(n_side**3), (n_side,) * 3), axis=1) * edge
    n_side = int((n_cells / 4.0) ** (1.0 / 3.0) * 1.5) + 2
    corner = np.stack(np.unravel_index(np.arange(n_side**3), (n_side,) * 3), axis=1)
    basis = 0.5 * np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    # The edge of the cube is sqrt(8) radii; a trifle more, so that rounding is no overlap.
    point = (corner[:, None] + basis).reshape(-1, 3) * (8.0**0.5 * CELL_RADIUS_UM * (1.0 + 1e-9))
    out = np.linalg.norm(point - point.mean(axis=0), axis=1)
    return point[np.argsort(out, kind="stable")[:n_cells]]


def emissions_of(nuclide: str, kept: tuple[str, ...] | None) -> str | xr.Dataset:
    """Return the nuclide, or the emissions of some of its classes."""
    if kept is None:
        return nuclide
    table = imd.emissions(nuclide)
    own = np.isin(table["emission"].values.astype(str), kept)
    return table.isel({table["energy"].dims[0]: np.flatnonzero(own)})


def scene(problem: str, n_cells: int, *, hard: bool, sources: tuple[str, ...] = ()) -> xr.Dataset:
    """Return a lattice, every cell labeled; or `hard`: jittered, 30 % labeled, mixed radii."""
    nuclide, kept, source, kind, _ = PROBLEMS[problem]
    site = sites(n_cells, kind)
    radius = np.full(len(site), CELL_RADIUS_UM)
    options: dict[str, Any] = {}
    if hard:
        rng = np.random.default_rng(1)
        radius = rng.choice([4.0, 4.5], len(site))
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
    places = sources or (source,)
    return imd.label(
        cells,
        emissions_of(nuclide, kept),
        decays_per_cell=1.0,
        localization={name: 1.0 / len(places) for name in places},
        **options,
    )


def exact_doses(cells: xr.Dataset, problem: str, sample: np.ndarray) -> np.ndarray:
    """Dose of some cells as a sum of S values over all others, nothing cut off (to 1e-5)."""
    nuclide, kept, source, _, _ = PROBLEMS[problem]
    table = emissions_of(nuclide, kept)
    at = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    radius = cells["cell_radius"].values
    activity = cells["time_integrated_activity"].sel(source=source).values[0]
    longest = float(np.linalg.norm(np.ptp(at, axis=0))) + 1.0
    doses = np.zeros(len(sample))
    for to in np.unique(radius[sample]):
        for own in np.unique(radius):
            step = np.geomspace(to + own, max(longest, to + own + 1.0), 3000)
            radii = {
                "cell_radius_um": to,
                "nucleus_radius_um": to * NUCLEUS_RADIUS_UM / CELL_RADIUS_UM,
                "source_cell_radius_um": own,
                "source_nucleus_radius_um": own * NUCLEUS_RADIUS_UM / CELL_RADIUS_UM,
            }
            value = imd.s_values(table, distance_um=step, **radii)
            value = value.s_value.sel(target="nucleus", source=source).sum("emission").values
            for i, cell in enumerate(sample):
                if radius[cell] != to:
                    continue
                apart = np.linalg.norm(at - at[cell], axis=1)
                others = (radius == own) & (apart > 0.0)
                per_square = np.interp(apart[others], step, value * step**2, right=0.0)
                doses[i] += np.sum(activity[others] * per_square / apart[others] ** 2)
        self_radii = {name: radii[name] for name in ("cell_radius_um", "nucleus_radius_um")}
        self_dose = imd.s_values(table, **self_radii).s_value.sel(target="nucleus", source=source)
        same = radius[sample] == to
        doses[same] += activity[sample[same]] * float(self_dose.sum())
    return doses


def pairs_within(cells: xr.Dataset, reach_um: float, sample: np.ndarray) -> float:
    """Number of pairs of a labeled cell and another, within a reach, from some cells."""
    at = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    labeled = cells["time_integrated_activity"].sum("source").values[0] > 0.0
    near = [
        np.count_nonzero(labeled & (((at - at[c]) ** 2).sum(axis=1) < reach_um**2)) for c in sample
    ]
    return float(np.mean(near)) * len(at)


def roofs(command: str, n_threads: int) -> dict[str, float]:
    """Memory bandwidth and rate of pairs, by the frozen code of cpp/bench/bench_roof.cpp."""
    if not command:
        return {}
    run = subprocess.run([command, str(n_threads)], check=True, capture_output=True, text=True)
    return {name: float(value) for name, value in json.loads(run.stdout).items()}


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


def row(problem: str, n_cells: int, *, hard: bool, n_threads: int, roof: str, repeats: int) -> Any:
    """Time one problem; tables are warm but for the first call."""
    cells = scene(problem, n_cells, hard=hard)
    cache_clear()
    reset_peak()
    found = timed(cells, n_threads, repeats, split=PROBLEMS[problem][4])
    peak = peak_kB()
    dose = found.pop("dose")
    n = cells.sizes["cell"]
    sweeps = json.loads(dose.attrs["summation"])
    sample = np.sort(np.random.default_rng(2).choice(n, min(N_SAMPLES, n), replace=False))
    exact = exact_doses(cells, problem, sample)
    own = dose["absorbed_dose"].values[sample]
    limits = roofs(roof, n_threads)
    pairs = sum(
        pairs_within(cells, s["reach_um"] + (0.0 if s["mesh_spacing_um"] else 8.0), sample)
        for s in sweeps
        if s["summation"] != "direct"
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
        "mesh_error": max(s["measured_error"] for s in sweeps),
        "sweeps": [[s["emissions"], s["summation"], s["n_pairs"]] for s in sweeps],
        "peak_memory_MB": peak // 1024,
        "faster_than_MIRDcell": MIRDCELL_S.get(problem, 0.0) / found["cpu_s"] or None,
        "limits": limits,
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


def main() -> None:
    """Run the problems asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[10, 22, 46, 100])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
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
    runs = []  # problem, cells, threads, hard, repeats
    for problem in options.problems:
        vii = problem.startswith("vii")
        for n_cells in [VII_CELLS] if vii else [side**3 for side in options.sides]:
            for n_threads in options.threads:
                for hard in (False,) if vii or options.no_hard else (False, True):
                    runs.append((problem, n_cells, n_threads, hard, options.repeats))
    if options.viii:
        runs += [(problem, VIII_SIDE**3, most, False, 1) for problem in ("ii", "i")]
    rows = []
    for problem, n_cells, n_threads, hard, repeats in runs:
        rows.append(
            row(
                problem,
                n_cells,
                hard=hard,
                n_threads=n_threads,
                roof=options.roof,
                repeats=repeats,
            )
        )
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
