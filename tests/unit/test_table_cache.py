# SPDX-License-Identifier: BSD-3-Clause
"""Tables kept between calls of population doses: warm calls are cold ones, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.population_sums import TABLE_CACHE, cache_clear
from immunodose.testing import assert_same_bits


def labeled(nuclide: str = "Ac-225", cell_radius_um: float = 5.0) -> xr.Dataset:
    cells = imd.cells.lattice(
        shape=(9, 9, 8), spacing_um=12.0, cell_radius_um=cell_radius_um, nucleus_radius_um=4.0
    )
    where = {"nucleus": 0.3, "cytoplasm": 0.3, "membrane": 0.4}
    return imd.label(cells, nuclide, decays_per_cell=3.0, localization=where)


def dose(cells: xr.Dataset, **options: Any) -> xr.Dataset:
    return imd.absorbed_dose(cells, merge=False, **options)


# Each differs from the first in one thing that tables depend on.
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "first": ({}, {}),
    "nuclide": ({"nuclide": "At-211"}, {}),
    "radius": ({"cell_radius_um": 5.5}, {}),
    "membrane": ({}, {"membrane_thickness_nm": 400.0}),
    "density": ({}, {"density_g_per_cm3": 1.05}),
    "physics": ({}, {"physics": "mird"}),
    "emissions": ({}, {"split": ("target",)}),
}


@pytest.fixture(scope="module")
def cold() -> dict[str, xr.Dataset]:
    found = {}
    for name, (cells, options) in CALLS.items():
        cache_clear()
        found[name] = dose(labeled(**cells), **options)
    cache_clear()
    return found


def test_warm_calls_are_cold_calls(cold: dict[str, xr.Dataset]) -> None:
    cache_clear()
    for _ in range(2):  # the second time all tables are there, of all calls at once
        for name, (cells, options) in CALLS.items():
            assert_same_bits(dose(labeled(**cells), **options), cold[name])
    assert TABLE_CACHE.n_tables > 0


def test_calls_differ(cold: dict[str, xr.Dataset]) -> None:
    """Else equal bits above would show nothing."""
    first = cold["first"]["absorbed_dose"].sel(target="nucleus").sum(("emission", "origin"))
    for name, other in cold.items():
        if name in ("first", "emissions"):  # sums of the same doses
            continue
        values = other["absorbed_dose"].sel(target="nucleus").sum(("emission", "origin"))
        assert not np.allclose(values, first, rtol=1e-4), name


def test_a_warm_call_makes_no_tables(cold: dict[str, xr.Dataset]) -> None:
    cache_clear()
    assert TABLE_CACHE.n_tables == 0
    assert TABLE_CACHE.n_bytes == 0
    dose(labeled())
    n_tables, n_bytes = TABLE_CACHE.n_tables, TABLE_CACHE.n_bytes
    assert n_tables > 0
    again = dose(labeled())
    assert (TABLE_CACHE.n_tables, TABLE_CACHE.n_bytes) == (n_tables, n_bytes)
    assert_same_bits(again, cold["first"])
    cache_clear()
    assert TABLE_CACHE.n_tables == 0
