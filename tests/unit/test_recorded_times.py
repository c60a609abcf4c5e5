# SPDX-License-Identifier: BSD-3-Clause
"""Estimated times against those recorded on an idle machine (bench/results/scaling.json)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import population_seconds

BENCH = Path(__file__).parents[2] / "bench"
ROWS = json.loads((BENCH / "results" / "scaling.json").read_text())["rows"]
# Sums over cells that `estimate` knows; not the reference of all pairs, and not tracks.
PROBLEMS = ("i", "i, all emissions", "i, chain", "ii")
# Larger ones take seconds to build.
MOST_CELLS = 100_000
EDGE_UM = 5.0 * (4.0 / 3.0 * np.pi / 0.5) ** (1.0 / 3.0)  # of a lattice at half packing


@functools.lru_cache(maxsize=1)
def sites(n_cells: int, hard: bool) -> xr.Dataset:
    """The cells of bench/scaling_scenes.py, a full lattice, or jittered and of two radii."""
    n_side = round(n_cells ** (1.0 / 3.0))
    site = np.stack(np.unravel_index(np.arange(n_side**3), (n_side,) * 3), axis=1) * EDGE_UM
    radius = np.full(len(site), 5.0)
    if hard:
        rng = np.random.default_rng(1)
        radius = rng.choice([4.0, 4.5], len(site))
        site = site + rng.uniform(-0.5, 0.5, site.shape)
    x, y, z = site.T
    return imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=radius, nucleus_radius_um=0.8 * radius
    )


@functools.cache
def emissions_of(problem: str) -> str | xr.Dataset:
    if problem in ("ii", "i, all emissions"):
        return "Lu-177" if problem == "ii" else "At-211"
    table = imd.emissions("Ac-225" if problem == "i, chain" else "At-211")
    return table.isel(line=np.flatnonzero(table["emission"].values == "alpha"))


def estimated_s(row: dict[str, Any]) -> float:
    n_cells = row["n_cells"]
    options: dict[str, Any] = {}
    if row["hard"]:
        options = {"labeled_fraction": 0.3, "distribution": "lognormal", "sd": 1.0, "rng": 1}
    cells = imd.label(
        sites(n_cells, row["hard"]),
        emissions_of(row["problem"]),
        decays_per_cell=1.0,
        localization={"nucleus": 1.0},
        **options,
    )
    needs = imd.estimate(cells, split=(), merge=False, n_threads=row["n_threads"])
    assert needs["time, within a factor of"] == population_seconds.FACTOR
    return needs["time (s)"]


def by_size() -> list[dict[str, Any]]:
    own = [row for row in ROWS if row["n_cells"] <= MOST_CELLS and row["problem"] in PROBLEMS]
    return sorted(own, key=lambda row: (row["n_cells"], row["hard"]))


def test_estimates_agree_with_recorded_times(monkeypatch: pytest.MonkeyPatch) -> None:
    # As fast as the machine that the rows were recorded on, whatever this one is.
    reference = population_seconds.REFERENCE_SPEED
    monkeypatch.setattr(population_seconds, "speed", lambda: reference)
    monkeypatch.setattr("immunodose.threads.available_cpus", lambda: 2)
    rows = by_size()
    assert len(rows) >= 24
    ratios = np.array([estimated_s(row) / row["wall_s"] for row in rows])
    # Other machines differ by more than the speed of a probe: half of the factor is left to them.
    within = np.sqrt(population_seconds.FACTOR)
    off = (ratios > within) | (ratios < 1.0 / within)
    assert not off.any(), [(rows[i], round(ratios[i], 2)) for i in np.flatnonzero(off)]
    assert 0.75 < np.exp(np.log(ratios).mean()) < 1.33
