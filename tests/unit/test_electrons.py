# SPDX-License-Identifier: BSD-3-Clause
"""Slowing down of electrons against ICRU 90, track-structure codes and an oracle."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reference import electrons as oracle

from immunodose import _core
from immunodose.errors import InputError

ICRU_DENSITY = 0.998  # g/cm3, of the tables
MASS_TO_KEV_PER_UM = 0.1  # MeV cm2/g at 1 g/cm3
# Energy keV, collision stopping power MeV cm2/g, CSDA range g/cm2. ICRU Report 90 (2016), Table
# A.3.
ICRU90 = np.array([
    [5.0, 38.06, 7.536e-5], [6.0, 33.15, 1.036e-4], [10.0, 22.39, 2.537e-4],
    [20.0, 13.08, 8.632e-4], [50.0, 6.564, 4.348e-3], [100.0, 4.093, 1.439e-2],
    [200.0, 2.779, 4.512e-2], [500.0, 2.025, 0.1774], [1000.0, 1.845, 0.4384],
    [2000.0, 1.821, 0.9811],
])  # fmt: skip
# Energy keV, mean track length nm of opt2, opt4 and opt6 (the Geant4-DNA example "range"; models:
# Incerti et al., Med Phys 2018;45:e722; values of the collaboration's validation portal).
GEANT4_DNA_NM = np.array([
    [0.1, 17.67, 15.56, 10.43], [0.2, 22.21, 20.40, 14.42], [0.3, 27.31, 25.70, 18.77],
    [0.45, 36.07, 34.74, 26.48], [0.6, 46.49, 45.17, 35.48], [0.8, 62.64, 61.10, 49.52],
    [1.0, 81.14, 79.16, 65.88], [2.0, 207.8, 204.05, 178.6], [5.0, 861.7, 859.1, 784.0],
    [10.0, 2737.0, 2793.0, 2557.0],
])  # fmt: skip
# Energy keV, electronic stopping power keV/um of opt6 (CPA100), same source, example "spower".
CPA100 = np.array([
    [0.1, 26.08], [0.2, 24.95], [0.3, 22.07], [0.5, 17.59], [1.0, 11.86], [2.0, 7.526],
    [5.0, 3.903], [10.0, 2.314],
])  # fmt: skip

WATER = _core.physics.ElectronPhysics(density_g_per_cm3=1.0)


def test_stopping_power_is_that_of_icru_90_at_its_density() -> None:
    energy, mass_stopping, _ = ICRU90.T
    physics = _core.physics.ElectronPhysics(density_g_per_cm3=ICRU_DENSITY)
    got = physics.stopping_keV_per_um(energy) / (MASS_TO_KEV_PER_UM * ICRU_DENSITY)
    np.testing.assert_allclose(got, mass_stopping, rtol=1e-3)


def test_csda_range_is_that_of_icru_90() -> None:
    """Differences from 10 keV up: what lies below 1 keV in the table is an extrapolation."""
    energy, _, range_g_per_cm2 = ICRU90[ICRU90[:, 0] >= 10.0].T
    expected = range_g_per_cm2 - range_g_per_cm2[0]
    # The tables slow by radiation too; the range of the transport by collisions only.
    fine = np.geomspace(10.0, 2000.0, 20001)
    stopping = sum(
        part(fine)
        for part in (
            _core.physics.electron_collision_mass_stopping,
            _core.physics.electron_radiative_mass_stopping,
        )
    )
    steps = 0.5 * np.diff(fine) * (1.0 / stopping[1:] + 1.0 / stopping[:-1]) * 1e-3
    both = np.interp(energy, fine, np.concatenate([[0.0], np.cumsum(steps)]))
    np.testing.assert_allclose(both[1:], expected[1:], rtol=1e-3)
    physics = _core.physics.ElectronPhysics(density_g_per_cm3=ICRU_DENSITY)
    got = physics.csda_range_um(energy) * ICRU_DENSITY * 1e-4
    slow = energy <= 200.0  # radiation takes 0.1 % of the range there, 0.8 % at 2 MeV
    np.testing.assert_allclose((got - got[0])[slow], expected[slow], rtol=1.5e-3)
    np.testing.assert_allclose((got - got[0])[~slow], expected[~slow], rtol=8e-3)


def test_ranges_of_slow_electrons_lie_among_track_structure_codes() -> None:
    """Lengths from 0.2 keV on: below, the codes differ in what they follow to the end."""
    energy, *codes = GEANT4_DNA_NM.T
    ours = 1e3 * WATER.csda_range_um(energy)
    growth = np.array([(c - c[1])[2:] for c in codes])
    got = (ours - ours[1])[2:]
    # The three codes spread by 27 % at 0.3 keV and 9 % at 10 keV. Measured: 12 % below their
    # mean at most, 1 % from CPA100.
    np.testing.assert_allclose(got, growth.mean(axis=0), rtol=0.15)
    np.testing.assert_allclose(got, growth[2], rtol=0.02)
    assert np.all(got > 0.8 * growth.max(axis=0))


def test_stopping_power_below_10_keV_is_near_cpa100() -> None:
    """Within 5 % from 0.2 keV on. At 0.1 keV the valence shell decides and codes differ by 20 %:

    track lengths from 0.1 to 0.2 keV give 22.0, 20.7 and 25.1 keV/um; ours lies among them.
    """
    energy, expected = CPA100.T
    got = WATER.stopping_keV_per_um(energy)
    np.testing.assert_allclose(got[1:], expected[1:], rtol=0.05)
    assert got[0] == pytest.approx(expected[0], rel=0.12)
    first, second = 1e3 * WATER.csda_range_um(np.array([0.1, 0.2]))
    growth = GEANT4_DNA_NM[1, 1:] - GEANT4_DNA_NM[0, 1:]
    assert growth.min() < second - first < growth.max()


def test_inelastic_mean_free_path_is_near_tpp_2m() -> None:
    """Within 10 % of the relativistic TPP-2M formula from 0.3 keV to 10 keV.

    Tanuma, Powell, Penn, Surf Interface Anal 1994;21:165, relativistic 2015;47:871; it agrees
    with optical-data calculations of water there (Shinotsuka et al. 2017;49:238). Parameters of
    water: 8 valence electrons, M = 18.015, band gap 7.9 eV. Measured: 2 to 8 % shorter.
    """
    energy_eV = np.array([300.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0])
    u = 8.0 / 18.015
    plasmon_eV = 28.8 * np.sqrt(u)
    beta = -0.10 + 0.944 / np.sqrt(plasmon_eV**2 + 7.9**2) + 0.069
    ratio = energy_eV * 1e-3 / oracle.REST_KEV
    slow_down = (1.0 + 0.5 * ratio) / (1.0 + ratio) ** 2
    fast = energy_eV * slow_down
    bracket = (
        beta * np.log(0.191 * fast)
        - (1.97 - 0.91 * u) / energy_eV
        + (53.4 - 20.8 * u) / energy_eV**2
    )
    expected_nm = 0.1 * fast / (plasmon_eV**2 * bracket)
    got_nm = 1e3 / WATER.inelastic_rate_per_um(energy_eV * 1e-3)
    np.testing.assert_allclose(got_nm, expected_nm, rtol=0.1)


@pytest.mark.parametrize("energy_keV", [0.1, 0.5, 2.0, 8.0, 64.0, 256.0])
def test_loss_integrals_are_those_of_the_oracle(energy_keV: float) -> None:
    at_join = oracle.loss_moments(5.0)[1]
    rate, stopping = oracle.loss_moments(energy_keV)
    fixed = energy_keV if energy_keV > 5.0 else 5.0
    wanted = MASS_TO_KEV_PER_UM * _core.physics.electron_collision_mass_stopping(np.array([fixed]))
    at_join = stopping if energy_keV > 5.0 else at_join
    scale = float((wanted[0] - at_join[1]) / at_join[0])
    assert scale == pytest.approx(1.02, abs=0.025)
    energy = np.array([energy_keV])
    got = WATER.stopping_keV_per_um(energy)[0]
    assert got == pytest.approx(scale * stopping[0] + stopping[1], rel=2e-3)
    assert WATER.inelastic_rate_per_um(energy)[0] == pytest.approx(
        scale * rate[0] + rate[1], rel=3e-3
    )


def test_oracle_holds_ten_electrons() -> None:
    loss = np.geomspace(oracle.GAP_KEV, 2100.0, 200_000)
    total = np.trapezoid(oracle.optical_strength(loss), loss)
    logarithm = np.trapezoid(oracle.optical_strength(loss) * np.log(loss), loss)
    assert total == pytest.approx(10.0, rel=1e-4)
    assert 1e3 * np.exp(logarithm / total) == pytest.approx(78.0, rel=1e-3)


def test_lengths_scale_with_the_inverse_of_the_density() -> None:
    dense = _core.physics.ElectronPhysics(density_g_per_cm3=2.0)
    energy = np.array([0.05, 1.0, 30.0, 2500.0])
    for name in ("stopping_keV_per_um", "inelastic_rate_per_um", "elastic_rate_per_um",
                 "elastic_transport_per_um"):  # fmt: skip
        got, plain = getattr(dense, name)(energy), getattr(WATER, name)(energy)
        np.testing.assert_allclose(got, 2.0 * plain, rtol=1e-12)
    np.testing.assert_allclose(dense.csda_range_um(energy), 0.5 * WATER.csda_range_um(energy))


@pytest.mark.parametrize("energy_keV", [0.029, 3001.0, np.nan])
def test_energies_outside_the_model_are_refused(energy_keV: float) -> None:
    for name in ("stopping_keV_per_um", "csda_range_um", "elastic_rate_per_um"):
        with pytest.raises(InputError, match=r"0\.03 to 3000 keV"):
            getattr(WATER, name)(np.array([1.0, energy_keV]))
