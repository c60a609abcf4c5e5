# SPDX-License-Identifier: BSD-3-Clause
"""Emissions Datasets in place of a nuclide: malformed spectra are refused by every call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.errors import InputError

BETA = 50  # a line of the beta spectrum of 177Lu


def changed(name: str, value: Any) -> xr.Dataset:
    table = imd.emissions("Lu-177").copy(deep=True)
    assert table["emission"].values[BETA] == "beta"
    values = table[name].values.copy()
    if values.dtype.kind == "U":
        values = values.astype("U20")
    values[BETA] = value
    return table.assign({name: table[name].copy(data=values)})


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("energy", np.nan, r"energy\[50\] = nan .*keV, > 0"),
        ("energy", -3.0, r"energy\[50\] = -3"),
        ("energy", 0.0, r"energy\[50\] = 0"),
        ("energy", 1e4, r"unsorted \(energy\[51\]"),
        ("yield_per_decay", np.nan, r"yield_per_decay\[50\] = nan .*>= 0"),
        ("yield_per_decay", -0.1, r"yield_per_decay\[50\] = -0.1"),
        ("yield_per_decay", 2.0, r"beta lines of Lu-177 .*not normalized"),
        ("emission", "gamma", r"emission\[50\] = 'gamma' .*no emission class"),
    ],
)
def test_malformed_lines_are_refused(name: str, value: Any, match: str) -> None:
    table = changed(name, value)
    cell: dict[str, Any] = {"cell_radius_um": 5.0, "nucleus_radius_um": 4.0}
    calls: list[Any] = [
        lambda: imd.s_values(table, **cell),
        lambda: imd.s_values(table, **cell, physics="monte_carlo", n_histories=64),
        lambda: imd.point_kernel(table),
        lambda: imd.emissions(table),
        lambda: imd.label(
            imd.cells.lattice(shape=(1, 1, 1), spacing_um=10.0, **cell), table, decays_per_cell=1.0
        ),
        lambda: imd.track(table, rng=1),
    ]
    for call in calls:
        with pytest.raises(InputError, match=match):
            call()


def test_hits_of_a_malformed_alpha_are_refused() -> None:
    table = imd.emissions("At-211").copy(deep=True)
    alpha = np.flatnonzero(table["emission"].values == "alpha")
    energy = table["energy"].values.copy()
    energy[alpha[0]] = np.nan
    bad = table.assign(energy=table["energy"].copy(data=energy))
    with pytest.raises(InputError, match=rf"energy\[{alpha[0]}\] = nan"):
        imd.hit_statistics(bad, cell_radius_um=5.0, nucleus_radius_um=4.0, source="nucleus")


def test_tables_of_another_shape_are_refused() -> None:
    table = imd.emissions("Lu-177")
    with pytest.raises(InputError, match="lacks"):
        imd.s_values(table.drop_vars("emission"), cell_radius_um=5.0, nucleus_radius_um=4.0)
    with pytest.raises(InputError, match="has dims"):
        imd.s_values(
            table.assign(energy=xr.DataArray(1.0)), cell_radius_um=5.0, nucleus_radius_um=4.0
        )


@pytest.mark.parametrize("nuclide", ["Lu-177", "Ac-225", "Zr-89", "Cu-64", "U-235", "Th-232"])
def test_tables_of_the_package_pass(nuclide: str) -> None:
    assert imd.emissions(imd.emissions(nuclide)).sizes["line"] > 0
