# SPDX-License-Identifier: BSD-3-Clause
"""S values of a nucleus off the center of its cell, without Monte Carlo (Eq. 7a)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference.single_cell import Cell

import immunodose as imd
from immunodose.errors import GeometryError, InputError
from immunodose.typing import FloatArray

CELL: dict[str, Any] = {"cell_radius_um": 7.0, "nucleus_radius_um": 4.0}
OFFSET_UM = [2.0, 1.0, 0.5]
# False alarms of 4.5 standard errors: 7e-6 each, below 3e-4 for all pairs of this file.
SIGMAS = 4.5


def self_dose(ds: xr.Dataset, name: str = "s_value") -> FloatArray:
    return ds[name].sel(distance=0).sum("emission", skipna=name != "s_value").values


@pytest.mark.parametrize("source", [0, 1, 2])
def test_alphas_agree_with_rays(source: int) -> None:
    """Straight tracks in NumPy, without any overlap formula; 0.4 to 1.6 % a pair."""
    cell = Cell((7.0,) * 3, (4.0,) * 3, (2.0, 1.0, 0.5), 0.4)
    ds = imd.s_values_alpha(
        5870.0, **CELL, nucleus_offset_um=OFFSET_UM, membrane_thickness_nm=400.0
    )
    for target in (0, 1, 2):
        mean, error = cell.alpha_s_value(5870.0, target, source, 60_000, seed=20 + source)
        found = float(ds.s_value.isel(target=target, source=source).sel(emission="alpha")[0])
        assert error < 0.016 * mean
        assert abs(found - mean) < SIGMAS * error


@pytest.mark.parametrize("call", [imd.s_values_alpha, imd.s_values_electron])
def test_all_pairs_agree_with_monte_carlo(call: Any) -> None:
    energy = 5870.0 if call is imd.s_values_alpha else 30.0
    common = {**CELL, "nucleus_offset_um": OFFSET_UM, "membrane_thickness_nm": 300.0}
    found = self_dose(call(energy, **common))
    drawn = call(energy, **common, physics="monte_carlo", rng=1, n_histories=32_000)
    mean = self_dose(drawn)
    error = np.sqrt(np.nansum(drawn.s_value_stderr.sel(distance=0).values ** 2, axis=-1))
    assert np.all(error < 0.02 * mean)
    assert np.all(np.abs(found - mean) < SIGMAS * error)
    # Concentric values are off by up to 10 %, far beyond these errors.
    centered = self_dose(call(energy, **CELL, membrane_thickness_nm=300.0))
    assert np.max(np.abs(centered - mean) / error) > 10.0


@pytest.mark.parametrize("physics", ["kernel", "mird"])
def test_small_offsets_lead_to_the_concentric_cell(physics: Any) -> None:
    """Doses are even in the offset, so they change with its square."""
    centered = imd.s_values("Lu-177", **CELL, physics=physics).s_value

    def change(offset_um: float) -> float:
        moved = imd.s_values("Lu-177", **CELL, physics=physics, nucleus_offset_um=offset_um)
        return float(np.abs(moved.s_value - centered).max() / centered.max())

    assert change(1e-5) == 0.0
    assert change(2e-4) < 1e-6
    assert 3.5 < change(0.2) / change(0.1) < 4.5


def test_energy_absorbed_on_the_spot_does_not_leak_by_rounding() -> None:
    """Photons: 25 eV of each decay within 10 pm; S between regions that do not touch is small."""
    centered, moved = (
        imd.s_values("Lu-177", **CELL, nucleus_offset_um=offset).s_value.sel(emission="photon")
        for offset in (0.0, 0.01)
    )
    xr.testing.assert_allclose(moved, centered, rtol=1e-3)


def test_doses_are_symmetric_and_keep_the_dose_to_the_cell() -> None:
    ds = imd.s_values("Ac-225", **CELL, nucleus_offset_um=2.0, membrane_thickness_nm=300.0)
    s = self_dose(ds)
    np.testing.assert_allclose(s, s.T, rtol=1e-9)
    centered = self_dose(imd.s_values("Ac-225", **CELL, membrane_thickness_nm=300.0))
    np.testing.assert_allclose(s[2:, 2:], centered[2:, 2:], rtol=1e-12)
    # The cell is its three regions: S to it is their mean by mass.
    inside = 6.7
    volume = np.array([4.0**3, inside**3 - 4.0**3, 7.0**3 - inside**3])
    np.testing.assert_allclose(s[3], volume @ s[:3] / volume.sum(), rtol=1e-7)
    assert ds.attrs["nucleus_offset_um"] == [2.0, 0.0, 0.0]


def test_a_vector_counts_by_its_length() -> None:
    along, across = (
        imd.s_values("Lu-177", **CELL, nucleus_offset_um=offset).s_value
        for offset in (2.0, [0.0, 1.2, -1.6])
    )
    xr.testing.assert_allclose(along, across, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"nucleus_offset_um": 3.0}, GeometryError, r"leaves the inside of its cell.*2\.99"),
        ({"nucleus_offset_um": np.inf}, InputError, "nucleus_offset_um"),
        ({"nucleus_offset_um": [1.0, 2.0]}, InputError, "nucleus_offset_um"),
        (
            {"nucleus_offset_um": 1.0, "distance_um": [0.0, 20.0]},
            InputError,
            r"distance_um\[1\]=20.*monte_carlo",
        ),
    ],
)
def test_refusals(changes: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        imd.s_values("Lu-177", **{**CELL, **changes})
