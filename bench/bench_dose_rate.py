# SPDX-License-Identifier: BSD-3-Clause
"""Cost of a dose rate at 100 times over that of one absorbed dose."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

import immunodose as imd

TIMES_H = np.linspace(0.0, 500.0, 100)


def seconds(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return the median wall and CPU time of a call, after one warm-up."""
    call()
    wall, cpu = [], []
    for _ in range(repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return statistics.median(wall), statistics.median(cpu)


def row_of(labeled: xr.Dataset, split: tuple[str, ...], dtype: str, repeats: int) -> dict[str, Any]:
    """Return the times of one nuclide, choice of targets and precision."""
    shared: dict[str, Any] = {"split": split, "dtype": dtype, "merge": False}
    dose = seconds(lambda: imd.absorbed_dose(labeled, **shared), repeats)
    rate = seconds(lambda: imd.absorbed_dose_rate(labeled, time_h=TIMES_H, **shared), repeats)
    timed = imd.absorbed_dose_rate(labeled, time_h=TIMES_H, **shared)
    factor = seconds(
        lambda: imd.lea_catcheside(timed, repair_half_time_min=90.0, merge=False), repeats
    )
    return {
        "split": list(split),
        "dtype": dtype,
        "dose_wall_s": round(dose[0], 3),
        "rate_over_dose_wall": round(rate[0] / dose[0], 3),
        "rate_over_dose_cpu": round(rate[1] / dose[1], 3),
        "factor_over_dose_wall": round(factor[0] / dose[0], 4),
    }


def main() -> None:
    """Print one JSON line per nuclide, choice of targets and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--nuclides", nargs="+", default=["Lu-177"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    side = round(options.cells ** (1.0 / 3.0))
    cells = imd.cells.lattice(
        shape=(side, side, side), spacing_um=10.6, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    for nuclide in options.nuclides:
        labeled = imd.label(cells, nuclide, decays_per_cell=100.0, effective_half_life_h=70.0)
        for split, dtype in (((), "float32"), ((), "float64"), (("target",), "float32")):
            head = {"nuclide": nuclide, "cells": side**3, "times": TIMES_H.size}
            row = row_of(labeled, split, dtype, options.repeats)
            print(json.dumps({**head, **row}), flush=True)


if __name__ == "__main__":
    main()
