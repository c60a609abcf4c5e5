# SPDX-License-Identifier: BSD-3-Clause
"""Cost of alpha and 177Lu tracks through a lattice of cells; one JSON line per problem."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time

import numpy as np

import immunodose as imd
from immunodose import _core
from immunodose.monte_carlo import decay_sampler
from immunodose.typing import EMISSIONS

CELL_RADIUS_UM = 5.0
NUCLEUS_RADIUS_UM = 4.0
PACKING_FRACTION = 0.5
ALPHA_ENERGY_KEV = 5870.0
WORLD_RADIUS_UM = 1e5  # photons leave it only where they cannot come back


def lattice(n_cells: int) -> tuple[_core.transport.SphereScene, int]:
    """Return the scene of about `n_cells` cells on a cubic lattice."""
    side = max(2, round(n_cells ** (1.0 / 3.0)))
    edge = CELL_RADIUS_UM * (4.0 / 3.0 * np.pi / PACKING_FRACTION) ** (1.0 / 3.0)
    site = np.stack(np.unravel_index(np.arange(side**3), (side,) * 3), axis=1) * edge
    x, y, z = (np.ascontiguousarray(column, dtype=np.float64) for column in site.T)
    scene = _core.transport.SphereScene(
        x_um=x,
        y_um=y,
        z_um=z,
        cell_radius_um=np.full(x.size, CELL_RADIUS_UM),
        nucleus_radius_um=np.full(x.size, NUCLEUS_RADIUS_UM),
        nucleus_offset_um=np.empty(0),
        membrane_thickness_um=0.0,
    )
    return scene, x.size


def alphas() -> _core.transport.DecaySampler:
    """Return decays of one alpha each."""
    none = np.empty(0, dtype=np.int64)
    return _core.transport.DecaySampler(
        retention=np.ones(1),
        in_time=np.ones(1),
        edge_parent=none,
        edge_daughter=none,
        edge_fraction=np.empty(0),
        edge_is_alpha=none,
        line_member=np.zeros(1, dtype=np.int64),
        line_emission=np.array([EMISSIONS.index("alpha")], dtype=np.int64),
        line_energy_keV=np.array([ALPHA_ENERGY_KEV]),
        line_yield=np.ones(1),
    )


def roof_s() -> float:
    """CPU seconds of one ray-sphere chord in NumPy, single precision, from the first cache."""
    rng = np.random.default_rng(1)
    along, square, distance2 = rng.random((3, 1024), dtype=np.float32)
    out, loops, least = np.empty_like(along), 4000, np.inf
    for _ in range(3):
        start = time.process_time()
        for _ in range(loops):
            np.multiply(along, along, out=out)
            np.subtract(out, distance2, out=out)
            np.add(out, square, out=out)
            np.maximum(out, 0.0, out=out)
            np.sqrt(out, out=out)
            np.subtract(along, out, out=out)
        least = min(least, time.process_time() - start)
    return least / (loops * along.size)


def track(
    scene: _core.transport.SphereScene,
    decays: _core.transport.DecaySampler,
    n: tuple[int, int],
    *,
    emissions: tuple[str, ...],
    straggling: bool,
    n_threads: int,
) -> dict[str, float | int]:
    """Transport about n[1] decays, spread evenly over n[0] cells; every decay is one track."""
    n_cells, n_tracks = n
    call = _core.transport.DecayTransportCall(
        root=1,
        density_g_per_cm3=1.0,
        straggling=straggling,
        lost=0,
        detailed=False,
        cutoff_keV=0.05,
        transported=[EMISSIONS.index(name) for name in emissions],
        kept=[True, False, False],
        with_hits=True,
        medium_decays=0.0,
        world_radius_um=WORLD_RADIUS_UM,
        n_threads=n_threads,
    )
    activity = np.zeros((n_cells, 3))
    activity[:, 0] = n_tracks / n_cells
    runs = []
    # The same without a history: tables and arrays per cell.
    for end in (0, -1):
        wall, cpu = time.perf_counter(), time.process_time()
        result = _core.transport.decay_realization(
            scene, decays, call, activity, count_index=0, first_history=0, begin=0, end=end
        )
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    (fixed_wall, fixed_cpu), (wall, cpu) = runs
    count = int(result["n_histories"])
    return {
        "n_tracks": count,
        "cpu_us_per_track": round(1e6 * (cpu - fixed_cpu) / count, 3),
        "wall_us_per_track": round(1e6 * (wall - fixed_wall) / count, 3),
        "tracks_per_s": round(count / max(wall - fixed_wall, 1e-9)),
        "fixed_cpu_s": round(fixed_cpu, 3),
        "wall_s": round(wall, 3),
        "cells_hit_per_track": round(float(result["hits"][:, 3].sum()) / count, 3),
        "keV_in_cells_per_track": round(float(result["energy_keV"][:, 3].sum()) / count, 3),
    }


def main() -> None:
    """Print one JSON line per problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--electrons", type=int, default=20_000)
    parser.add_argument("--full", action="store_true", help="1e6 tracks of each kind")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.full:
        options.tracks = options.electrons = 1_000_000
    start = time.process_time()
    scene, n_cells = lattice(options.cells)
    shared = {"n_cells": n_cells, "scene_cpu_s": round(time.process_time() - start, 2)}
    one_alpha = alphas()
    lutetium = decay_sampler("Lu-177")
    problems = (
        ("alpha", one_alpha, options.tracks, ("alpha",), False),
        ("alpha, straggling", one_alpha, options.tracks, ("alpha",), True),
        ("Lu-177 beta, condensed", lutetium, options.electrons, ("beta",), True),
    )
    for name, decays, n_tracks, emissions, straggling in problems:
        found = track(
            scene,
            decays,
            (n_cells, n_tracks),
            emissions=emissions,
            straggling=straggling,
            n_threads=options.threads,
        )
        chord_us = 1e6 * roof_s()
        result = {
            "problem": name,
            **shared,
            **found,
            "n_threads": options.threads,
            "cpu_in_numpy_chords": round(found["cpu_us_per_track"] / chord_us),
            "numpy_chord_us": float(f"{chord_us:.3g}"),
            "peak_memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "version": imd.__version__,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
