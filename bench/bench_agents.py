# SPDX-License-Identifier: BSD-3-Clause
"""Spatial immune model: MHC-I, complexes and hazard of tumor cells, and T cells that kill them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import time
from typing import Any

import numpy as np
import xarray as xr

import immunodose as imd
from immunodose import _core
from immunodose.immune_agent_cells import ImmuneRows, Phenotype
from immunodose.immune_agent_model import AgentModel
from immunodose.immune_agent_tissue import Tissue
from immunodose.immune_agent_tumor import RadiationCourse, Record, TumorRates, TumorRows
from immunodose.immune_signals import SignalModel

RADIUS_UM = 5.0
PACKING = 0.5
REACH_UM = RADIUS_UM + 3.75 + 1.0
# T cells of the set t_and_nk_agents, which kill 0.1 per day so that targets are left after a month.
T_CELL = Phenotype(10.0, 2.0, 25.0, 10.0, 0.1, 0.2, 0.0, 0.0, 0, 0, 0.0)


class Antigen:
    """MHC-I under damage, and how well T cells see each cell: the kernels of `immune_response`."""

    def __init__(self, dose_Gy: Any, baseline: Any, time_d: Any, n_threads: int) -> None:
        ds = xr.Dataset(
            {
                "absorbed_dose": (("cell", "emission"), dose_Gy[:, None]),
                "mhc1_baseline": ("cell", baseline),
                "activity_rate_constant": (("nuclide",), [0.1 / 86400.0]),
            },
            coords={"emission": ["alpha"]},
        )
        mechanism = imd.Mechanism(
            triggers="damage", weighting="per_gy", spread="none", trex1_window=False
        )
        self.signals = SignalModel.prepare(
            ds, parameters={"tumor": "b16k1"}, mechanism=mechanism, n_threads=n_threads,
            with_ifn_gamma=False,
        )  # fmt: skip
        self.signals.start(time_d)
        self.susceptibility = np.zeros(baseline.size, dtype=np.float32)
        self.n_threads = n_threads

    def advance(self, j: int) -> None:
        """Advance the signals by one step, then see the complexes."""
        self.signals.advance(j)
        _core.immune.susceptibility(
            pmhc=self.signals.pmhc, pdl1_fold=None, at_least=0, half=3.0, power=2.0,
            proofread=1.0, free_share=1.0, pdl1_half=1.0, pdl1_power=1.0, recognition=None,
            out=self.susceptibility, n_threads=self.n_threads,
        )  # fmt: skip


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
    antigen = Antigen(dose[order], draw.lognormal(8.0, 1.0, n), time_d, n_threads)
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


def triad_GB_per_s(roof: str, n_threads: int) -> float:
    """Return the memory bandwidth that `bench_roof` measures now."""
    answer = subprocess.run([roof, str(n_threads)], check=True, capture_output=True, text=True)
    return float(json.loads(answer.stdout)["triad_GB_per_s"])


def plain(options: argparse.Namespace) -> dict[str, Any]:
    """MHC-I, complexes and hazard only (problem vi)."""
    model, antigen = scene(options.tumor, options.cells, options.steps, options.threads)
    row: dict[str, Any] = run(model, antigen, options.cells, options.steps)
    n, counts = model.tumor.size, model.counts()
    rest = row["cpu_s"] - row["antigen_cpu_s"]
    row |= {
        "tumor_cells": n,
        "killed": int(counts.deaths[2]),
        "contact_fraction": counts.contact_fraction,
        "ns_per_tumor_cell_step": 1e9 * row["antigen_cpu_s"] / (n * options.steps),
        "ns_per_t_cell_step": 1e9 * rest / (options.cells * options.steps),
        # Dose, baseline, inducibility, route, assembly, MHC-I in and out, response, complexes out;
        # complexes in, susceptibility out; next event.
        "bytes_per_cell_step": 48.0,
    }
    return row


def state_bytes(ds: Any, mechanism: imd.Mechanism) -> float:
    """Return the bytes that the signals of one cell take: each is read and written in a step."""
    model = SignalModel.prepare(
        ds.isel(cell=slice(1000)), parameters={"tumor": "b16k1"}, mechanism=mechanism, rng=1
    )
    model.start([0.0, 1.0])
    arrays = (getattr(model.cells, item.name) for item in dataclasses.fields(model.cells))
    return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) / 1000.0


def full(options: argparse.Namespace) -> dict[str, Any]:
    """All signals with fields, interferon-gamma, PD-1, exhaustion, NK cells."""
    side = round(options.tumor ** (1.0 / 3.0))
    spacing = (4.0 / 3.0 * np.pi * RADIUS_UM**3 / PACKING) ** (1.0 / 3.0)
    ds = imd.cells.lattice(
        shape=(side, side, side), spacing_um=spacing, cell_radius_um=RADIUS_UM,
        nucleus_radius_um=4.0,
    )  # fmt: skip
    n = ds.sizes["cell"]
    dose = np.random.default_rng(1).lognormal(0.7, 0.5, (n, 1))
    ds = ds.assign(
        absorbed_dose=(("cell", "emission"), dose), emission=["alpha"],
        survival_probability=("cell", np.exp(-0.02 * dose[:, 0])),
    )  # fmt: skip
    mechanism = imd.Mechanism(
        triggers=("damage", "sting"), weighting="per_gy", spread="field", trex1_window=True
    )
    end_d = options.steps / 24.0
    start, start_cpu = time.perf_counter(), time.process_time()
    out = imd.immune_response(
        ds, parameters={"tumor": "b16k1", "killing": "ctl_nk", "agents": "t_and_nk_agents"},
        host=imd.simulate_host(host="immunocompetent", time_d=[0.0, end_d]), time_d=[0.0, end_d],
        mechanism=mechanism, engine="agents", law="mass_action", ifn_gamma=True, exhaustion=True,
        pd1=True, nk="missing_self", rng=1, n_threads=options.threads,
        space=imd.AgentSpace(entry="rim", growth=False), effector_priming_gain=0.0,
        effector_to_target_ratio=options.cells / options.tumor,
    )  # fmt: skip
    cpu_s = time.process_time() - start_cpu
    return {
        "tumor_cells": n,
        "wall_s": time.perf_counter() - start,
        "cpu_s": cpu_s,
        "killed": int(out.death_count.sel(cause="ctl")[-1]),
        "ns_per_tumor_cell_step": 1e9 * cpu_s / (n * options.steps),
        "bytes_per_cell_step": 2.0 * state_bytes(ds, mechanism),
    }


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tumor", type=int, default=1_000_000)
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--steps", type=int, default=720)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--full", action="store_true", help="the full state with fields")
    parser.add_argument("--roof", help="build/bench/bench_roof, for the memory triad")
    options = parser.parse_args()
    row = full(options) if options.full else plain(options)
    if options.roof:
        triad = triad_GB_per_s(options.roof, options.threads)
        moved = row["bytes_per_cell_step"] * row["tumor_cells"] * options.steps
        row |= {"triad_GB_per_s": triad, "roof_s": moved / (triad * 1e9)}
        row["over_roof"] = row["wall_s"] / row["roof_s"]
    head = {"t_cells": options.cells, "steps": options.steps, "threads": options.threads}
    print(json.dumps({**head, **{name: round(value, 4) for name, value in row.items()}}))


if __name__ == "__main__":
    main()
