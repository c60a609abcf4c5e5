# SPDX-License-Identifier: BSD-3-Clause
"""Flat colonies, active medium and cold cores, with and without a periodic box."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.physics import physics_model
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

SPACING_UM = 10.6


def flat(n_side: int, nuclide: str, **label: Any) -> xr.Dataset:
    rng = np.random.default_rng(1)
    site = np.stack(np.unravel_index(np.arange(n_side**2), (n_side, n_side)), axis=1)
    x, y = (site * SPACING_UM + rng.uniform(-0.25, 0.25, site.shape)).T
    cells = imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=np.zeros(x.size), cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    options = {"localization": {"membrane": 1.0}, "labeled_fraction": 0.4, "rng": 1, **label}
    return imd.label(cells, nuclide, decays_per_cell=1.0, **options)


@pytest.mark.parametrize("box_um", [None, (53 * SPACING_UM, 53 * SPACING_UM, np.inf)])
def test_colonies_in_one_plane_are_summed_by_a_flat_mesh(box_um: Any) -> None:
    cells = flat(53, "S-35")
    options: dict[str, Any] = {"split": ("emission",), "periodic_box_um": box_um, "merge": False}
    exact = imd.absorbed_dose(cells, summation="cell_list", **options)["absorbed_dose"]
    result = imd.absorbed_dose(cells, summation="particle_mesh", **options)
    error = (result["absorbed_dose"] - exact).sel(emission="beta")
    assert float(np.sqrt((error**2).mean()) / exact.sel(emission="beta").mean()) < 1e-3
    (sweep,) = (s for s in json.loads(result.attrs["summation"]) if "beta" in s["emissions"])
    assert sweep["summation"] == "particle_mesh"


def equilibrium_Gy(nuclide: str, emission: str) -> float:
    """Energy emitted over mass, of one decay in each um3."""
    kernel = physics_model(nuclide, physics="mird").kernels[emission]
    return float(np.sum(kernel.energy_keV)) * GRAY_NG_PER_KEV / NG_PER_UM3


@pytest.mark.parametrize("box_um", [None, 6 * SPACING_UM])
def test_a_cold_core_in_active_medium_gets_less_than_equilibrium(box_um: float | None) -> None:
    """Activity between the cells alone: with that of the cells' own volume it is everywhere."""
    cells = imd.cells.lattice(
        shape=(6, 6, 6), spacing_um=SPACING_UM, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    options: dict[str, Any] = {"split": ("target",), "physics": "mird", "merge": False}
    options["periodic_box_um"] = box_um
    medium = imd.label(cells, "At-211", decays_per_cell=0.0, medium_decays_per_um3=1e-3)
    of_medium = imd.absorbed_dose(medium, **options)["absorbed_dose"]
    # What the cells would give with the same concentration inside: an independent sum.
    inside = np.array([4.0**3, 5.0**3 - 4.0**3, 0.0]) * 4.0 / 3.0 * np.pi * 1e-3
    full = imd.label(cells, "At-211", decays_per_cell=float(inside.sum()))
    activity = full["time_integrated_activity"]
    activity = activity.copy(data=np.broadcast_to(inside, activity.shape).copy())
    of_cells = imd.absorbed_dose(full.assign(time_integrated_activity=activity), **options)
    kernels = physics_model("At-211", physics="mird").kernels
    even = 1e-3 * sum(equilibrium_Gy("At-211", str(name)) for name in kernels)
    kept = ["nucleus", "cytoplasm", "cell"]
    total = (of_medium + of_cells["absorbed_dose"]).sel(target=kept)
    np.testing.assert_allclose(total, even, rtol=1e-9)
    # 44 % of the space is medium; a free cluster gets more of it at its rim.
    share = of_medium.sel(target="nucleus") / even
    assert 0.1 < float(share.min()) < float(share.max()) < (0.9 if box_um is None else 0.6)


def test_a_new_dose_leaves_nothing_behind_of_the_one_that_it_replaces() -> None:
    cells = imd.cells.lattice(
        shape=(2, 2, 2), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    table = imd.emissions("At-211")
    alphas = table.isel(line=np.flatnonzero(table["emission"].values == "alpha"))
    cells = imd.label(cells, alphas, decays_per_cell=1.0, effective_half_life_h=7.0)
    boxed = imd.absorbed_dose(cells, physics="mird", periodic_box_um=28.0)
    assert boxed.attrs["periodic_box_um"] == [28.0] * 3
    assert "hit_mean" in boxed
    free = imd.absorbed_dose(boxed, physics="mird", split=())
    assert "periodic_box_um" not in free.attrs
    assert "hit_mean" not in free  # it was that of the box
    drawn = imd.absorbed_dose(boxed, method="monte_carlo", n_histories=64, rng=1)
    assert {"summation", "rtol", "periodic_box_um"}.isdisjoint(drawn.attrs)
    again = imd.absorbed_dose(drawn, physics="mird")
    assert "absorbed_dose_stderr" in drawn
    assert "absorbed_dose_stderr" not in again
    assert "let_dose_mean" in again  # kernels have no LET: that of the Monte Carlo is still true
    rate = imd.absorbed_dose_rate(cells, time_h=1.0, physics="mird", periodic_box_um=28.0)
    assert rate.attrs["dose_rate_periodic_box_um"] == [28.0] * 3
    rate = imd.absorbed_dose_rate(rate, time_h=1.0, physics="mird")
    assert "dose_rate_periodic_box_um" not in rate.attrs
