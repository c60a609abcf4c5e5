# SPDX-License-Identifier: BSD-3-Clause
"""Slowing down and radial kernels against published values and conservation laws."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import _core, schema
from immunodose.data.nuclides import emissions
from immunodose.errors import DataNotFoundError, InputError, UnitError, ValidityWarning
from immunodose.physics import physics_model, require_physics
from immunodose.typing import FloatArray

# Energy MeV, total mass stopping power MeV cm2/g, CSDA range g/cm2 at 0.998 g/cm3.
# ICRU Report 90 (2016), Table A.12.
ICRU90_ALPHA = np.array([
    [0.5, 2183.0, 3.699e-4], [0.6, 2244.0, 4.150e-4], [0.8, 2260.0, 5.034e-4],
    [1.0, 2193.0, 5.931e-4], [1.5, 1879.0, 8.385e-4], [2.0, 1600.0, 1.128e-3],
    [3.0, 1240.0, 1.844e-3], [4.0, 1022.0, 2.737e-3], [5.0, 875.4, 3.798e-3],
    [6.0, 769.3, 5.020e-3], [8.0, 624.3, 7.924e-3], [10.0, 529.4, 1.142e-2],
])  # fmt: skip
# Electronic part below the Bragg peak, same table: energy keV, MeV cm2/g electronic, nuclear.
ICRU90_ALPHA_SLOW = np.array([
    [1.0, 98.91, 228.2], [5.0, 233.0, 133.6], [20.0, 487.1, 61.23], [100.0, 1131.0, 19.21],
    [300.0, 1873.0, 7.969],
])  # fmt: skip


def alpha_let(energy_keV: FloatArray, density: float = 1.0) -> FloatArray:
    return _core.physics.alpha_let_keV_per_um(energy_keV=energy_keV, density_g_per_cm3=density)


def alpha_range(energy_keV: FloatArray, density: float = 1.0) -> FloatArray:
    return _core.physics.alpha_range_um(energy_keV=energy_keV, density_g_per_cm3=density)


def kernel(
    energy_keV: float, *, alpha: bool, density: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    return _core.physics.csda_kernel(
        energy_keV=np.array([energy_keV]), yield_per_decay=np.ones(1), alpha=alpha,
        density_g_per_cm3=density,
    )  # fmt: skip


def test_alpha_stopping_and_range_are_those_of_icru_90() -> None:
    energy_MeV, stopping, range_g_per_cm2 = ICRU90_ALPHA.T
    density = 0.998
    let = alpha_let(energy_MeV * 1e3, density)
    np.testing.assert_allclose(let, 0.1 * density * stopping, rtol=0.7e-3)
    distance = alpha_range(energy_MeV * 1e3, density)
    np.testing.assert_allclose(distance * density * 1e-4, range_g_per_cm2, rtol=0.8e-3)


def test_slow_alphas_lose_energy_to_electrons_and_nuclei() -> None:
    energy_keV, electronic, nuclear = ICRU90_ALPHA_SLOW.T
    np.testing.assert_allclose(alpha_let(energy_keV), 0.1 * (electronic + nuclear), rtol=1e-3)


def test_alpha_range_let_and_bragg_peak_at_unit_density() -> None:
    """Round figures of integrals over the ICRU 90 table."""
    energy = np.array([5000.0, 5830.0, 7070.0, 8376.0, 8785.0])
    np.testing.assert_allclose(alpha_range(energy), [37.98, 48.0, 65.0, 85.4, 92.3], rtol=1e-3)
    np.testing.assert_allclose(alpha_let(energy), [87.5, 78.5, 68.3, 60.3, 58.2], rtol=2e-3)
    slow = np.arange(600.0, 850.0)
    let = alpha_let(slow)
    np.testing.assert_allclose(slow[np.argmax(let)], 720.0, atol=10.0)
    np.testing.assert_allclose(let.max(), 226.0, rtol=5e-3)


def test_alpha_let_is_continuous_where_the_fits_meet() -> None:
    energy = np.linspace(950.0, 1250.0, 3001)
    assert np.abs(np.diff(np.log(alpha_let(energy)))).max() < 1e-4


@pytest.mark.parametrize("density", [0.5, 1.0, 1.06])
def test_alpha_energy_inverts_range_and_let_is_its_slope(density: float) -> None:
    energy = np.concatenate([np.geomspace(1.0, 50.0, 40), np.linspace(60.0, 12000.0, 300)])
    distance = alpha_range(energy, density)
    back = _core.physics.alpha_residual_energy_keV(range_um=distance, density_g_per_cm3=density)
    np.testing.assert_allclose(back, energy, rtol=2e-5, atol=2e-3)
    step = 1e-4 * energy
    slope = (alpha_range(energy + step, density) - alpha_range(energy, density)) / step
    inside = energy < 11990.0
    np.testing.assert_allclose(
        1.0 / slope[inside], alpha_let(energy + 0.5 * step, density)[inside], rtol=1e-4
    )


def test_alpha_range_goes_with_the_inverse_of_density() -> None:
    energy = np.array([0.5, 100.0, 5000.0, 12000.0])
    np.testing.assert_allclose(alpha_range(energy, 2.0), 0.5 * alpha_range(energy), rtol=1e-12)


def test_electron_range_is_that_of_cole() -> None:
    """Cole 1969 as used by MIRD: round figures of E(R) = 5.9 (R+0.007)^0.565 + ... - 0.367."""
    ranges = _core.physics.cole_range_um(energy_keV=np.array([10.0, 100.0, 1000.0]))
    np.testing.assert_allclose(ranges, [2.698, 142.8, 4604.8], rtol=3e-4)
    energy = np.array([0.01, 0.03, 0.2, 1.0, 5.0, 50.0, 500.0, 3000.0])
    back = _core.physics.cole_energy_keV(range_um=_core.physics.cole_range_um(energy_keV=energy))
    np.testing.assert_allclose(back, energy, rtol=1e-12)


def test_slow_electrons_follow_the_three_pieces() -> None:
    """dE/dx in keV/um integrated numerically below 0.02 um, then Cole's formula."""
    r = (np.arange(200_000) + 0.5) * 1e-7
    piece = np.where(
        r < 0.0038,
        10.5 + 1126.05 * r - 9.251137e5 * r**2 + 2.59298e8 * r**3 + 4.96439e10 * r**4,
        29.5 - 666.67 * r,
    )
    end = np.cumsum(piece) * 1e-7
    at = np.array([5e-4, 3.7e-3, 0.01, 0.0199])
    got = _core.physics.cole_energy_keV(range_um=at)
    np.testing.assert_allclose(got, end[np.round(at / 1e-7).astype(int) - 1], rtol=1e-4)
    # The formula above starts 2.2 eV lower: the energy must not fall there.
    across = np.linspace(0.0195, 0.0205, 1001)
    energy = _core.physics.cole_energy_keV(range_um=across)
    assert (np.diff(energy) >= 0.0).all()
    assert np.abs(np.diff(energy)).max() < 5e-5
    # Above: the slope that the MIRD report prints, rounded there to four digits.
    r = np.array([0.5, 5.0, 50.0, 500.0, 5000.0])
    high, low = (_core.physics.cole_energy_keV(range_um=r * f) for f in (1.0001, 0.9999))
    printed = 3.3335 * (r + 0.007) ** -0.435 + 0.0055 * r**0.33
    np.testing.assert_allclose((high - low) / (2e-4 * r), printed, rtol=3e-3)


@pytest.mark.parametrize(
    ("energy_keV", "alpha"), [(5829.6, True), (30.0, True), (0.05, False), (20.0, False),
                              (1000.0, False)],
)  # fmt: skip
@pytest.mark.parametrize("density", [0.998, 2.0])
def test_kernel_conserves_energy_and_ends_at_the_range(
    energy_keV: float, alpha: bool, density: float
) -> None:
    edge, deposited = kernel(energy_keV, alpha=alpha, density=density)
    assert edge[0] == 0.0
    assert (np.diff(edge) > 0.0).all()
    assert (deposited >= 0.0).all()
    np.testing.assert_allclose(deposited.sum(), energy_keV, rtol=1e-12)
    if alpha:
        expected = alpha_range(np.array([energy_keV]), density)[0]
    else:
        expected = _core.physics.cole_range_um(energy_keV=np.array([energy_keV]))[0] / density
    np.testing.assert_allclose(edge[-1], expected, rtol=1e-12)


def test_stopping_power_along_a_track_is_that_of_the_residual_range() -> None:
    """The Bragg peak lies at the end of an alpha track, not at its start."""
    edge, deposited = kernel(5870.0, alpha=True)
    reach = edge[-1]
    within = np.interp([10.0, 20.0, 44.0], edge, np.concatenate([[0.0], np.cumsum(deposited)]))
    left = _core.physics.alpha_residual_energy_keV(
        range_um=reach - np.array([10.0, 20.0, 44.0]), density_g_per_cm3=1.0
    )
    np.testing.assert_allclose(within, 5870.0 - left, rtol=1e-5)
    rate = deposited / np.diff(edge)
    middle = 0.5 * (edge[1:] + edge[:-1])
    assert reach - 6.0 < middle[np.argmax(rate)] < reach - 2.0
    np.testing.assert_allclose(rate.max(), 226.0, rtol=5e-3)
    np.testing.assert_allclose(rate[middle < 1.0][1:].mean(), alpha_let(np.array([5835.0])),
                               rtol=0.01)  # fmt: skip


def test_kernel_of_a_spectrum_is_the_sum_of_its_lines() -> None:
    energies, yields = np.array([5000.0, 20.0, 6000.0]), np.array([0.3, 2.0, 0.7])
    edge, deposited = _core.physics.csda_kernel(
        energy_keV=energies, yield_per_decay=yields, alpha=True, density_g_per_cm3=1.0
    )
    np.testing.assert_allclose(deposited.sum(), energies @ yields, rtol=1e-12)
    parts = np.zeros(3)
    at = np.array([1.0, 30.0, 45.0])
    for energy, weight in zip(energies, yields, strict=True):
        own_edge, own = kernel(energy, alpha=True)
        parts += weight * np.interp(at, own_edge, np.concatenate([[0.0], np.cumsum(own)]))
    whole = np.interp(at, edge, np.concatenate([[0.0], np.cumsum(deposited)]))
    np.testing.assert_allclose(whole, parts, rtol=1e-6)


def test_kernel_refuses_alphas_above_the_fit() -> None:
    with pytest.raises(ValueError, match="12000 keV"):
        kernel(12001.0, alpha=True)


def test_nearly_equal_lines_merge_without_loss() -> None:
    energies = np.full(50, 5000.0) * (1.0 + 1e-5 * np.arange(50))
    edge, deposited = _core.physics.csda_kernel(
        energy_keV=energies, yield_per_decay=np.full(50, 0.02), alpha=True, density_g_per_cm3=1.0
    )
    np.testing.assert_allclose(deposited.sum(), energies.mean(), rtol=1e-12)
    assert abs(edge[-1] / alpha_range(energies[-1:])[0] - 1.0) < 1e-3


# --- point_kernel ---------------------------------------------------------------------------


def line_source(energy_keV: float, emission: str, tmp_path: Path) -> xr.Dataset:
    file = tmp_path / "line.csv"
    file.write_text(f"energy_keV,yield_per_decay,emission\n{energy_keV},1,{emission}\n")
    return imd.emissions_from_csv(file)


def test_point_kernel_near_the_source_is_the_initial_stopping_power(tmp_path: Path) -> None:
    """D(r) 4 pi r^2 rho -> LET; 1 keV/um3 at 1 g/cm3 is 0.160218 Gy (CODATA 2018)."""
    table = line_source(5000.0, "alpha", tmp_path)
    for density in (1.0, 1.1):
        radius = np.array([0.05, 0.1, 0.2])
        out = imd.point_kernel(table, radius_um=radius, physics="mird", density_g_per_cm3=density)
        dose = out.dose_kernel.sel(emission="alpha").values
        let = dose * 4.0 * np.pi * radius**2 * density / 0.1602177
        # Bins grow by 2 %, so 1/r^2 varies by 4 % inside one: exact is the mean, not a point.
        np.testing.assert_allclose(let, alpha_let(np.array([5000.0]), density)[0], rtol=0.021)
        edge, deposited = kernel(5000.0, alpha=True, density=density)
        near = (edge[1:] > 0.01) & (edge[1:] < 0.3)
        rate = (deposited / np.diff(edge))[near]
        np.testing.assert_allclose(rate, alpha_let(np.array([5000.0]), density)[0], rtol=5e-3)


def test_point_kernel_integrates_to_the_emitted_energy() -> None:
    out = imd.point_kernel("Ac-225", physics="mird")
    schema.validate(out)
    edge = np.concatenate([[0.0], out.radius.values])
    assert (np.diff(edge) > 0.0).all()
    for emission in ("alpha", "beta", "auger_ce"):
        within = out.energy_fraction_within.sel(emission=emission).values
        assert (np.diff(within) >= 0.0).all()
        np.testing.assert_allclose(within[-1], 1.0, rtol=1e-12)
    # Dose times mass of the shells between the radii, read inside each bin.
    middle = 0.5 * (edge[1:] + edge[:-1])
    dose = imd.point_kernel("Ac-225", radius_um=middle, physics="mird").dose_kernel
    volume = 4.0 / 3.0 * np.pi * np.diff(edge**3)
    for emission in ("alpha", "beta"):
        energy = (dose.sel(emission=emission).values * volume).sum() / 0.1602176634
        expected = float(out.energy_per_decay.sel(emission=emission))
        np.testing.assert_allclose(energy, expected, rtol=1e-6)


def test_point_kernel_is_zero_beyond_the_range_and_where_not_transported() -> None:
    out = imd.point_kernel("At-211", radius_um=[1.0, 71.0, 5000.0], physics="mird")
    assert out.dose_kernel.sel(emission="alpha").values[1:].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(
        out.energy_fraction_within.sel(emission="alpha").values[1:], 1.0, rtol=1e-12
    )
    for emission in ("recoil", "photon"):
        assert (out.dose_kernel.sel(emission=emission) == 0.0).all()
        assert (out.energy_fraction_within.sel(emission=emission) == 0.0).all()
        not_scored = float(out.energy_not_scored.sel(emission=emission))
        assert not_scored == float(out.energy_per_decay.sel(emission=emission)) > 0.0
    assert float(out.energy_not_scored.sel(emission="alpha")) == 0.0


def test_energy_per_decay_is_that_of_the_spectrum() -> None:
    """Electrons of 177Lu: 147.9 keV per decay (ICRP 107)."""
    out = imd.point_kernel("Lu-177", radius_um=[1.0], physics="mird")
    electrons = float(out.energy_per_decay.sel(emission=["beta", "auger_ce"]).sum())
    np.testing.assert_allclose(electrons, 147.9, rtol=2e-3)
    with pytest.warns(ValidityWarning, match="chain=False leaves out") as caught:
        without_chain = imd.point_kernel("Ac-225", radius_um=[1.0], physics="mird", chain=False)
    assert len(caught) == 1
    whole = imd.point_kernel("Ac-225", radius_um=[1.0], physics="mird")
    lost = imd.point_kernel("Ac-225", radius_um=[1.0], physics="mird", retention={"Fr-221": 0.0})
    alpha = [float(k.energy_per_decay.sel(emission="alpha")) for k in (without_chain, lost, whole)]
    np.testing.assert_allclose(alpha[0], alpha[1], rtol=1e-9)
    np.testing.assert_allclose(alpha[0], 5787.0, rtol=5e-3)
    np.testing.assert_allclose(alpha[2], 27e3, rtol=0.03)


def test_point_kernel_of_a_spectrum_equals_that_of_its_nuclide() -> None:
    named = imd.point_kernel("Lu-177", radius_um=[5.0, 500.0], physics="mird")
    given = imd.point_kernel(emissions("Lu-177"), radius_um=[5.0, 500.0], physics="mird")
    np.testing.assert_array_equal(named.dose_kernel.values, given.dose_kernel.values)
    assert given.attrs["nuclide"] == named.attrs["nuclide"] == "Lu-177"
    assert named.attrs["physics"] == "mird"


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"physics": "monte_carlo"}, InputError, "belongs to s_values.*physics='kernel'"),
        ({"physics": "mrid"}, InputError, "available: kernel, mird.*Did you mean 'mird'"),
        ({"radius_um": [1.0, np.nan]}, InputError, r"radius_um\[1\]=nan"),
        ({"radius_um": [0.0, 1.0]}, InputError, r"radius_um\[0\]=0"),
        ({"radius_um": [2.0, 1.0]}, InputError, "strictly ascending"),
        ({"radius_um": []}, InputError, "radius_um is empty"),
        ({"radius_um": [[1.0, 2.0]]}, InputError, "one-dimensional"),
        ({"radius_um": "10 um"}, InputError, "radius_um must hold real numbers"),
        ({"density_g_per_cm3": "water"}, InputError, "density_g_per_cm3='water'"),
        ({"density_g_per_cm3": None}, InputError, "density_g_per_cm3=None"),
        ({"density_g_per_cm3": 1000.0}, UnitError, "kg/m3"),
        ({"density_g_per_cm3": 3.1}, UnitError, "density_g_per_cm3=3.1"),
        ({"density_g_per_cm3": 0.19}, UnitError, "density_g_per_cm3=0.19"),
        ({"density_g_per_cm3": 0.0}, InputError, "density_g_per_cm3=0"),
        ({"density_g_per_cm3": float("nan")}, InputError, "density_g_per_cm3=nan"),
        ({"nuclide": "Lu-1777"}, DataNotFoundError, "Did you mean.*Lu-177"),
        ({"nuclide": "Pb-208"}, InputError, "Pb-208 is stable"),
        ({"retention": {"Fr-221": 1.5}}, InputError, "retention"),
    ],
)  # fmt: skip
def test_point_kernel_errors(change: dict[str, Any], error: type[Exception], match: str) -> None:
    given: dict[str, Any] = {"nuclide": "Ac-225", "radius_um": [1.0], "physics": "mird", **change}
    nuclide = given.pop("nuclide")
    with pytest.raises(error, match=match):
        imd.point_kernel(nuclide, **given)


def test_models_of_named_nuclides_are_cached() -> None:
    assert require_physics("mird") == "mird"
    assert physics_model("Lu-177", physics="mird") is physics_model("Lu-177", physics="mird")


LOW = "electron_energy_fraction_below_tables"


@pytest.mark.parametrize(("energy_keV", "fraction"), [(0.59, 1.0), (0.61, 0.0)])
def test_electrons_below_the_range_relation_are_told(
    energy_keV: float, fraction: float, tmp_path: Path
) -> None:
    table = line_source(energy_keV, "auger_ce", tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = imd.point_kernel(table, physics="mird")
    assert found.attrs[LOW] == fraction
    assert [item.category for item in caught] == [ValidityWarning] * int(fraction)


def test_auger_emitters_warn_in_every_dose() -> None:
    radii: dict[str, Any] = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0}
    cells = imd.cells.lattice(shape=(1, 1, 1), spacing_um=14.0, **radii)
    lines = imd.emissions("I-125")
    electron = np.isin(lines["emission"].values, ["beta", "auger_ce"])
    energy = (lines["energy"] * lines["yield_per_decay"]).values
    expected = energy[electron & (lines["energy"].values < 0.6)].sum() / energy[electron].sum()
    assert 0.05 < expected < 0.2
    with pytest.warns(ValidityWarning, match=r"11% of the electron energy of I-125"):
        assert imd.s_values("I-125", physics="mird", **radii).attrs[LOW] == pytest.approx(expected)
    labeled = imd.label(cells, "I-125", decays_per_cell=1.0)
    with pytest.warns(ValidityWarning, match="of I-125 comes with electrons below"):
        dose = imd.absorbed_dose(labeled, physics="mird", split=())
    assert json.loads(dose.attrs[LOW]) == {"I-125": pytest.approx(expected)}
    quiet = imd.s_values("Lu-177", physics="mird", **radii)  # a warning would be an error
    assert 0.0 < quiet.attrs[LOW] < 0.01
