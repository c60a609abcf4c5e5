# SPDX-License-Identifier: BSD-3-Clause
"""S values of electrons: kernels against transport, PENELOPE, CELLDOSE and Geant4.

Random results come from fixed streams. Each number is held to 4.5 standard errors, estimated from
64 batches (Student's t with 63 degrees of freedom: false alarm 3e-5), beyond the stated agreement.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.typing import FloatArray

SIGMAS = 4.5
# The membrane of 10 nm is a source here; as a target it lies below what kernels and condensed
# transport claim (radii from 1 um).
TARGETS = ["nucleus", "cytoplasm", "cell"]
CELL: dict[str, Any] = {"cell_radius_um": 5.0, "nucleus_radius_um": 3.0}

# Electrons that start uniformly in the nucleus of a 5/4 um cell: energy keV; dose per decay to the
# nucleus with its standard error, to the cell likewise, Gy. PENELOPE, every collision followed
# (pypenred 1.15.2, cut-off 100 eV).
PENELOPE = np.array([
    [20.0, 3.734e-3, 0.013e-3, 2.892e-3, 0.0075e-3],
    [100.0, 6.921e-4, 0.057e-4, 5.124e-4, 0.034e-4],
])  # fmt: skip
# Gy to the nucleus of a 7/5 um cell for 1436 MeV of 177Lu in it: membrane, cytoplasm, nucleus.
# CELLDOSE, Alcocer-Avila et al., EJNMMI Phys 2020;7:33.
CELLDOSE_GY = {"membrane": 1.9, "cytoplasm": 3.0, "nucleus": 10.7}
# Nucleus and cell radius um, source, Gy per decay to the nucleus from 225Ac with its chain;
# membrane of 7.5 nm. Geant4, Ruigrok et al., EJNMMI 2022;49:3627, Table 2.
RUIGROK = [
    (3.7, 6.3, "membrane", 1.05e-1), (4.5, 8.6, "membrane", 5.63e-2),
    (3.7, 6.3, "cytoplasm", 1.78e-1), (4.5, 8.6, "cytoplasm", 1.01e-1),
]  # fmt: skip


def means(ds: xr.Dataset) -> FloatArray:
    """(target, source), Gy per decay."""
    return np.asarray(ds.s_value.isel(distance=0).sum("emission").sel(target=TARGETS).values)


def errors(ds: xr.Dataset) -> FloatArray:
    square = (ds.s_value_stderr.isel(distance=0) ** 2).sum("emission")
    return np.asarray(np.sqrt(square.sel(target=TARGETS).values))


def check_kernel(energy_keV: float, n_histories: int, largest_error: float, rng: int) -> None:
    kernel = means(imd.s_values_electron(energy_keV, **CELL, physics="kernel"))
    followed = imd.s_values_electron(
        energy_keV, **CELL, physics="monte_carlo", n_histories=n_histories, rng=rng
    )
    error = errors(followed)
    allowed = SIGMAS * error + 0.01 * kernel
    assert np.all(abs(means(followed) - kernel) <= allowed)
    # Nucleus and cytoplasm on themselves: what such statistics can see.
    own = error[[0, 1], [0, 1]] / kernel[[0, 1], [0, 1]]
    assert np.all(own < largest_error)


@pytest.mark.statistical
@pytest.mark.parametrize(("energy_keV", "n"), [(10.0, 12_800), (30.0, 12_800), (100.0, 6400),
                                               (300.0, 2560)])  # fmt: skip
def test_kernels_give_the_s_values_of_transport(energy_keV: float, n: int) -> None:
    check_kernel(energy_keV, n, 0.04, rng=1)


@pytest.mark.statistical
@pytest.mark.long
@pytest.mark.parametrize("energy_keV", [10.0, 30.0, 100.0, 300.0, 1000.0])
def test_kernels_give_the_s_values_of_much_transport(energy_keV: float) -> None:
    check_kernel(energy_keV, 100_000, 0.013, rng=2)


# Target, source and index of the distance: the own cell, one that touches it.
PAIRS = [("nucleus", "nucleus", 0), ("nucleus", "cytoplasm", 0), ("cytoplasm", "nucleus", 0),
         ("membrane", "nucleus", 0), ("membrane", "membrane", 0),
         ("cell", "cell", 0), ("cell", "cell", 1)]  # fmt: skip
RADII_UM = [(5.0, 4.0), (2.0, 1.5)]


def check_condensed(
    energy_keV: float, radii_um: tuple[float, float], n: int, reference: dict[str, Any], rng: int
) -> None:
    """Grouped collisions against a reference: 1 % and 4.5 standard errors, seven pairs."""
    cell: dict[str, Any] = {"cell_radius_um": radii_um[0], "nucleus_radius_um": radii_um[1],
                            "distance_um": [0.0, 2.0 * radii_um[0]]}  # fmt: skip
    grouped = imd.s_values_electron(
        energy_keV, **cell, physics="monte_carlo", n_histories=n, rng=rng
    )
    single = imd.s_values_electron(energy_keV, **cell, **reference)
    for target, source, i in PAIRS:
        value = [
            float(ds.s_value.sel(target=target, source=source).isel(distance=i).sum())
            for ds in (grouped, single)
        ]
        square = sum(
            float((ds.s_value_stderr.sel(target=target, source=source).isel(distance=i) ** 2).sum())
            for ds in (grouped, single)
            if "s_value_stderr" in ds
        )
        assert 0.0 < square < (0.025 * value[1]) ** 2
        assert abs(value[0] - value[1]) < SIGMAS * square**0.5 + 0.01 * value[1]


@pytest.mark.statistical
@pytest.mark.parametrize("radii_um", RADII_UM)
@pytest.mark.parametrize("energy_keV", [20.0, 100.0])
def test_grouped_collisions_give_the_s_values_of_kernels(
    energy_keV: float, radii_um: tuple[float, float]
) -> None:
    """Kernels are made collision by collision and have no noise of their own to speak of."""
    check_condensed(energy_keV, radii_um, 128_000, {"physics": "kernel"}, rng=3)


@pytest.mark.statistical
@pytest.mark.long
@pytest.mark.parametrize("radii_um", RADII_UM)
@pytest.mark.parametrize("energy_keV", [20.0, 50.0, 100.0, 300.0])
def test_grouped_collisions_give_the_s_values_of_single_ones(
    energy_keV: float, radii_um: tuple[float, float]
) -> None:
    detailed = {"physics": "monte_carlo", "electron_mode": "detailed", "n_histories": 192_000,
                "rng": 4}  # fmt: skip
    check_condensed(energy_keV, radii_um, 512_000, detailed, rng=5)


@pytest.mark.parametrize("row", PENELOPE, ids=lambda row: f"{row[0]:g} keV")
def test_kernels_give_the_s_values_of_penelope(row: FloatArray) -> None:
    ds = imd.s_values_electron(row[0], cell_radius_um=5.0, nucleus_radius_um=4.0)
    dose = ds.s_value.isel(distance=0).sum("emission").sel(source="nucleus")
    # Independent codes agree within 1 to 3 % here (EGSnrc, Geant4, PENELOPE): 2 %, and 3 standard
    # errors of PENELOPE. Straight tracks are 29 % off at 20 keV.
    for target, mean, error in (("nucleus", row[1], row[2]), ("cell", row[3], row[4])):
        assert abs(float(dose.sel(target=target)) - mean) < 3.0 * error + 0.02 * mean


def test_177Lu_in_one_cell_is_that_of_celldose() -> None:
    ds = imd.s_values("Lu-177", cell_radius_um=7.0, nucleus_radius_um=5.0,
                      membrane_thickness_nm=0.0)  # fmt: skip
    charged = ds.energy_per_decay.sel(emission=["beta", "auger_ce"]).sum()
    decays = 1436e3 / float(charged)
    dose = ds.s_value.isel(distance=0).sum("emission").sel(target="nucleus") * decays
    for source, expected in CELLDOSE_GY.items():
        # 4 %, beyond half a unit of the last digit printed. Measured: -2.9, -4.1 and -1.3 %.
        assert abs(float(dose.sel(source=source)) - expected) < 0.04 * expected + 0.05


@pytest.mark.parametrize(("nucleus_um", "cell_um", "source", "expected"), RUIGROK)
def test_225Ac_in_one_cell_is_that_of_geant4(
    nucleus_um: float, cell_um: float, source: str, expected: float
) -> None:
    ds = imd.s_values("Ac-225", cell_radius_um=cell_um, nucleus_radius_um=nucleus_um,
                      membrane_thickness_nm=7.5)  # fmt: skip
    dose = ds.s_value.isel(distance=0).sum("emission").sel(target="nucleus", source=source)
    assert float(dose) == pytest.approx(expected, rel=0.04)  # measured: -1.0 to -2.5 %
