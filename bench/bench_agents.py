# SPDX-License-Identifier: BSD-3-Clause
"""Spatial immune model: MHC-I, complexes and hazard of tumor cells, and T cells that kill them."""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from typing import Any

import numpy as np

from immunodose.immune_agent_antigen import AntigenRates, PlainAntigen
from immunodose.immune_agent_cells import ImmuneRows, Phenotype
from immunodose.immune_agent_model import AgentModel
from immunodose.immune_agent_tissue import Tissue
from immunodose.immune_agent_tumor import RadiationCourse, Record, TumorRates, TumorRows

RADIUS_UM = 5.0
PACKING = 0.5
REACH_UM = RADIUS_UM + 3.75 + 1.0
# T cells of docs/theory/agents.md; search_min is the mean time between contacts.
T_CELL = Phenotype(10.0, 2.0, 25.0, 10.0, 2.0, 0.2, 0.0, 0.0, 0, 0, 0.0)


def scene(n_tumor: int, n_cells: int, n_steps: int, n_threads: int) -> tuple[AgentModel, Any]:
    """Return jittered spheres of 5 um at 50 % packing with lognormal MHC-I, and T cells."""
    draw = np.random.default_rng(1)
    side = round(n_tumor ** (1.0 / 3.0))
    spacing = (4.0 / 3.0 * np.pi * RADIUS_UM**3 / PACKING) ** (1.0 / 3.0)
    grid = np.indices((side, side, side)).reshape(3, -1).T * spacing
    at = (grid + draw.uniform(-1.0, 1.0, grid.shape)).astype(np.float32)
    n = len(at)
    time_d = np.arange(n_steps + 1) / 24.0
    delivered = -np.expm1(-0.1 * time_d)[None, :]
    dose = draw.lognormal(1.0, 0.5, n)
    course = RadiationCourse(-0.02 * dose, np.ones((1, 1)), delivered, time_d)
    rates = TumorRates(0.0, 0.1725, 0.1725, (1,), 0.0, 0.1)
    tumor = TumorRows(
        rates, REACH_UM, 7, n_threads, np.arange(n), tuple(at.T.copy()),
        np.full(n, RADIUS_UM, np.float32), np.arange(n), Record.of(n),
    )  # fmt: skip
    order = tumor.start(course)
    immune = ImmuneRows((T_CELL,), REACH_UM, 8, n_threads)
    immune.add(at[draw.integers(0, n, n_cells)], 0)
    model = AgentModel(tumor, immune, Tissue.around(at, 2.0 * REACH_UM), at, course)
    memory = 0.1 * (np.exp(-0.1 * time_d) - np.exp(-0.2 * time_d))[None, :] / 0.1
    antigen = PlainAntigen(
        AntigenRates(0.6, 1.5, 1.0, 3.0, 1.0, 1e-3, 3.0, 2.0),
        dose[order][None, :].astype(np.float32),
        draw.lognormal(8.0, 1.0, n).astype(np.float32), memory, time_d, n_threads,
    )  # fmt: skip
    return model, antigen


def run(model: AgentModel, antigen: Any, n_cells: int, n_steps: int) -> dict[str, float]:
    """Run all steps; return wall and CPU seconds, and those of the pass over the tumor cells."""
    entry = np.array([n_cells * 0.2 / 24.0])
    wall, cpu, antigen_cpu = time.perf_counter(), time.process_time(), 0.0
    for j in range(n_steps):
        start = time.process_time()
        antigen.advance(j)
        antigen_cpu += time.process_time() - start
        model.step(j, (antigen.susceptibility,), entry)
    return {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "antigen_cpu_s": antigen_cpu,
    }


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tumor", type=int, default=1_000_000)
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--steps", type=int, default=720)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--roof", help="build/bench/bench_roof, for the memory triad")
    options = parser.parse_args()
    model, antigen = scene(options.tumor, options.cells, options.steps, options.threads)
    row = run(model, antigen, options.cells, options.steps)
    n, counts = model.tumor.size, model.counts()
    row |= {
        "ns_per_tumor_cell_step": 1e9 * row["antigen_cpu_s"] / (n * options.steps),
        "ns_per_t_cell_step": 1e9
        * (row["cpu_s"] - row["antigen_cpu_s"])
        / (options.cells * options.steps),
        # dose, baseline, induction in and out, susceptibility out (and its line in), event.
        "bytes_per_cell_step": 28.0,
        "contact_fraction": counts.contact_fraction,
    }
    if options.roof:
        answer = subprocess.run(
            [options.roof, str(options.threads)], check=True, capture_output=True, text=True
        )
        triad = json.loads(answer.stdout)["triad_GB_per_s"]
        row["roof_s"] = 28.0 * n * options.steps / (triad * 1e9)
        row["over_roof"] = row["wall_s"] / row["roof_s"]
    print(json.dumps({
        "tumor_cells": n, "t_cells": options.cells, "steps": options.steps,
        "threads": options.threads, "killed": int(counts.deaths[2]),
        **{name: round(value, 4) for name, value in row.items()},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
