# SPDX-License-Identifier: BSD-3-Clause
"""Nuclei out of the center of the cells of a population: what is declared and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from immunodose import cells
from immunodose.errors import GeometryError, InputError, UnitError


def shifted(**offsets: Any) -> xr.Dataset:
    return cells.from_arrays(
        x_um=[0.0, 20.0, 40.0], y_um=np.zeros(3), z_um=np.zeros(3),
        cell_radius_um=7.0, nucleus_radius_um=5.0, **offsets,
    )  # fmt: skip


def test_offsets_of_nuclei_are_declared_and_checked() -> None:
    three = shifted(nucleus_offset_x=[2.0, 0.0, 0.0], nucleus_offset_y=0.0, nucleus_offset_z=0.0)
    assert three["nucleus_offset_x"].attrs["units"] == "um"
    cells.check(three)
    with pytest.raises(GeometryError, match=r"cell 1 reaches 7\.1 um .*2 of 3 values, cells 1, 2"):
        shifted(nucleus_offset_x=[0.0, 2.1, -2.1], nucleus_offset_y=0.0, nucleus_offset_z=0.0)
    with pytest.raises(GeometryError, match="cell 0"):
        cells.check(three.assign(nucleus_offset_y=("cell", [2.0, 0.0, 0.0])))
    with pytest.raises(InputError, match="no 'nucleus_offset_z'"):
        shifted(nucleus_offset_x=1.0, nucleus_offset_y=1.0)
    with pytest.raises(InputError, match="NaN"):
        cells.check(three.assign(nucleus_offset_y=("cell", [np.nan, 0.0, 0.0])))
    with pytest.raises(UnitError, match="'nm'"):
        cells.check(three.assign(nucleus_offset_y=("cell", np.zeros(3), {"units": "nm"})))
    with pytest.raises(InputError, match="dims"):
        cells.check(three.assign(nucleus_offset_y=0.0))
