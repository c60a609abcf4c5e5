# SPDX-License-Identifier: BSD-3-Clause
"""Times of everyday calls by pytest-benchmark, beside the speed of NumPy in the same session.

`make bench` runs it and writes build/benchmark.json; `make test` does not.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scaling_scenes import CELL_RADIUS_UM, NUCLEUS_RADIUS_UM, largest_error, scene

import immunodose as imd
from immunodose.population_seconds import speed

TARGET_S = {1_000: 5e-3}  # of a call of that many cells


@pytest.fixture(scope="session")
def roof_s() -> float:
    """Time of one square root and one quotient by NumPy, from the first cache, on one CPU."""
    return 1.0 / speed()


@pytest.mark.parametrize("hard", [False, True], ids=["lattice", "hard"])
@pytest.mark.parametrize("problem", ["ii", "i, all emissions"])
@pytest.mark.parametrize("n_side", [10, 22, 46])
def test_dose_of_a_population(
    benchmark: Any, roof_s: float, n_side: int, problem: str, hard: bool
) -> None:
    cells = scene(problem, n_side**3, hard=hard)

    def call() -> xr.Dataset:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return imd.absorbed_dose(cells, split=(), merge=False, n_threads=1)

    call()  # loads kernels and tables
    dose = benchmark.pedantic(call, rounds=3 if n_side > 22 else 10)
    sweeps = json.loads(dose.attrs["summation"])
    n_pairs = sum(sweep["n_pairs"] for sweep in sweeps)
    least_s = benchmark.stats.stats.min
    benchmark.extra_info.update(
        n_cells=n_side**3,
        n_pairs=n_pairs,
        summation=sorted({sweep["summation"] for sweep in sweeps}),
        mesh_error=largest_error(sweeps),
        pair_over_roof=least_s / (n_pairs * roof_s),
        target_s=TARGET_S.get(n_side**3),
    )


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(
            lambda: imd.s_values(
                "Lu-177", cell_radius_um=CELL_RADIUS_UM, nucleus_radius_um=NUCLEUS_RADIUS_UM
            ),
            id="s_values",
        ),
        pytest.param(
            lambda: imd.cells.spheroid(
                radius_um=160.0,
                cell_radius_um=CELL_RADIUS_UM,
                nucleus_radius_um=NUCLEUS_RADIUS_UM,
                packing_fraction=0.3,
                rng=1,
            ),
            id="spheroid of 1e4 cells",
        ),
    ],
)
def test_call_with_tables_warm(
    benchmark: Any, roof_s: float, call: Callable[[], xr.Dataset]
) -> None:
    call()
    benchmark.pedantic(call, rounds=5)
    benchmark.extra_info["in_roofs"] = benchmark.stats.stats.min / roof_s


def test_labels_of_1e5_cells(benchmark: Any, roof_s: float) -> None:
    cells = scene("ii", 46**3, hard=False).drop_dims("nuclide")

    def call() -> xr.Dataset:
        return imd.label(
            cells,
            "Lu-177",
            decays_per_cell=1.0,
            localization={"membrane": 1.0},
            distribution="lognormal",
            sd=1.0,
            rng=1,
        )

    call()
    benchmark.pedantic(call, rounds=5)
    least_s = benchmark.stats.stats.min
    benchmark.extra_info["cell_over_roof"] = least_s / (cells.sizes["cell"] * roof_s)


@pytest.mark.parametrize("model", ["lq", "hits", "mkm", "smk"])
def test_survival_of_1e6_cells(benchmark: Any, roof_s: float, model: str) -> None:
    n = 1_000_000
    draw = np.random.default_rng(1)
    decays = draw.exponential(2.0, n)  # that hit, 0.2 Gy each
    dose = np.stack([0.2 * decays, draw.random(n)], axis=1)
    cells = xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), dose),
            "hit_decay_moment": (("cell", "moment"), decays[:, None] * 0.2 ** np.arange(6)),
            "let_dose_mean": (("cell", "emission"), draw.uniform(70.0, 200.0, (n, 2))),
            "activity_rate_constant": (("nuclide",), [1e-5]),
        },
        coords={"emission": ["alpha", "beta"]},
    )

    def call() -> xr.Dataset:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return imd.survival(cells, parameters="hsg", model=model, merge=False, n_threads=1)

    call()
    benchmark.pedantic(call, rounds=3)
    least_s = benchmark.stats.stats.min
    benchmark.extra_info.update(
        ns_per_cell=1e9 * least_s / n, cell_over_roof=least_s / (n * roof_s)
    )
