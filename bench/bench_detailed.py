# SPDX-License-Identifier: BSD-3-Clause
"""Detailed electrons per second in one cell, with the S values that they give."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time

import immunodose as imd


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--energy-keV", type=float, default=100.0)
    parser.add_argument("--cell-radius-um", type=float, default=5.0)
    parser.add_argument("--nucleus-radius-um", type=float, default=4.0)
    parser.add_argument("--histories", type=int, default=6400, help="of each of three sources")
    parser.add_argument("--modes", nargs="+", default=["detailed", "condensed"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, os.cpu_count() or 1])
    return parser.parse_args()


def main() -> None:
    """Run every combination and print one JSON line each."""
    options = arguments()
    for mode in options.modes:
        for n_threads in sorted(set(options.threads)):
            wall, cpu = time.perf_counter(), time.process_time()
            ds = imd.s_values_electron(
                options.energy_keV,
                cell_radius_um=options.cell_radius_um,
                nucleus_radius_um=options.nucleus_radius_um,
                physics="monte_carlo",
                electron_mode=mode,
                n_histories=options.histories,
                n_threads=n_threads,
                rng=1,
            )
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            n_electrons = 3 * ds.attrs["n_histories"]
            self_dose = ds.sel(distance=0.0, emission="auger_ce", source="nucleus")
            result = {
                "mode": mode,
                "energy_keV": options.energy_keV,
                "n_electrons": n_electrons,
                "n_threads": n_threads,
                "electrons_per_s": round(n_electrons / wall),
                "electrons_per_cpu_s": round(n_electrons / cpu),
                **{
                    f"s_{target}_from_nucleus_Gy": [
                        float(f"{float(self_dose[name].sel(target=target)):.4g}")
                        for name in ("s_value", "s_value_stderr")
                    ]
                    for target in ("nucleus", "cytoplasm", "cell")
                },
                "system": platform.platform(),
                "cpus": os.cpu_count(),
                "version": imd.__version__,
            }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
