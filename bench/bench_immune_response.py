# SPDX-License-Identifier: BSD-3-Clause
"""Cost of the mean-field immune response: many cells, 30 days, 100 output times."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import xarray as xr

import immunodose as imd

# Arrays of 4 bytes per cell that each kernel reads or writes in one step, for the roof: signals
# (two pools in, baseline, three states in and out), susceptibility (pMHC, PD-L1 in, two out),
# competition (survival, rate, hazard, exponent and two first causes, of which four in and out),
# means (four in).
BYTES_PER_CELL_STEP = 4 * (12 + 4 + 10 + 4)
SUMMARY_D = np.linspace(0.0, 30.0, 100)


def cells_of(n: int) -> xr.Dataset:
    """Return tumor cells with a lognormal dose of two emission classes."""
    rng = np.random.default_rng(1)
    dose = rng.lognormal(0.5, 0.7, (n, 1))
    return xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), dose),
            "survival_probability": ("cell", np.exp(-0.4 * dose[:, 0])),
            "mhc1_baseline": ("cell", rng.lognormal(9.0, 0.9, n)),
            "activity_rate_constant": (("nuclide",), [0.3 / 86400.0]),
        },
        coords={"emission": ["alpha"]},
    )


def main() -> None:
    """Print one JSON line: seconds, steps, bytes moved, and the memory roof measured beside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    ds = cells_of(options.cells)
    mechanism = imd.Mechanism(
        triggers="damage", weighting="per_gy", spread="none", trex1_window=False
    )
    host = imd.simulate_host(host="immunocompetent", time_d=[0.0, 30.0])
    steps = [0]

    def count(done: int, total: int, what: str) -> None:
        steps[0] = total

    def run() -> Any:
        return imd.immune_response(
            ds, parameters={"tumor": "b16k1", "killing": "ctl_nk"}, host=host, time_d=SUMMARY_D,
            mechanism=mechanism, engine="mean_field", law="mass_action", ifn_gamma=True,
            exhaustion=True, pd1=True, nk=None, outputs_per_cell_time_d=[30.0], rng=1,
            n_threads=options.threads, progress=count, effector_to_target_ratio=0.02,
        )  # fmt: skip

    run()
    wall, cpu = [], []
    for _ in range(options.repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        out = run()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    moved_GB = options.cells * steps[0] * BYTES_PER_CELL_STEP * 1e-9
    print(
        json.dumps(
            {
                "cells": options.cells,
                "steps": steps[0],
                "step_error": round(float(out.attrs["response_step_error"]), 6),
                "wall_s": round(min(wall), 3),
                "cpu_s": round(min(cpu), 3),
                "moved_GB": round(moved_GB, 2),
                "roof_s": round(moved_GB / triad_GB_per_s(), 3),
                "surviving_fraction": round(float(out.surviving_fraction[-1]), 6),
            }
        )
    )


def triad_GB_per_s(n: int = 10_000_000) -> float:
    """Return the bandwidth of a NumPy triad on one thread, best of 5."""
    a, b, c = (np.full(n, value) for value in (1.0, 2.0, 3.0))
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        np.multiply(c, 0.5, out=a)
        np.add(a, b, out=a)
        best = min(best, time.perf_counter() - start)
    return 5 * 8.0 * n / best * 1e-9


if __name__ == "__main__":
    main()
