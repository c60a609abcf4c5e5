# SPDX-License-Identifier: BSD-3-Clause
"""The optical strength of water beside published data: how far the fit of Eq. E1 is off."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reference import electrons as oracle

from immunodose import _core

HC_KEV_NM = 1.239841984  # CODATA 2018
# Strength df/dW per keV is cross-section over this: 2 pi^2 r_e hbar c, in Mb keV.
MB_KEV = 0.1097609
# Photoabsorption of water vapor: wavelength nm, cross-section Mb. Table H2O_cross.csv of VULCAN
# (github.com/exoclime/VULCAN, thermo/photo_cross/H2O), made of public databases.
VAPOR = np.array([
    [6.2, 0.365], [8.3, 0.6986], [10.0, 1.070], [12.4, 1.760], [15.5, 2.850], [20.0, 4.790],
    [24.8, 7.140], [31.0, 10.10],
])  # fmt: skip
# Energy eV, f2(O) + 2 f2(H): Henke BL, Gullikson EM, Davis JC, At Data Nucl Data Tables
# 1993;54:181, as tabulated in the Python package periodictable 2.1.0.
HENKE_F2 = np.array([
    [250.0, 0.7463], [300.0, 0.5696], [400.0, 0.3682], [500.0, 0.2598], [560.0, 4.219],
    [600.0, 3.825], [700.0, 3.055], [800.0, 2.494], [1000.0, 1.755], [1500.0, 0.8885],
    [2000.0, 0.5327], [3000.0, 0.2516], [5000.0, 0.09128], [10000.0, 0.0211],
])  # fmt: skip
# Wavelength um, n, k of liquid water: Segelstein DJ, thesis, University of Missouri 1981, as
# tabulated by refractiveindex.info (CC0).
SEGELSTEIN = np.array([
    [0.033962528, 0.842171, 0.090738197], [0.039994474, 0.809997, 0.15338756],
    [0.047973344, 0.805579, 0.27656049], [0.051999600, 0.830957, 0.31534805],
    [0.055975759, 0.835295, 0.34977611], [0.059979108, 0.830901, 0.41189844],
    [0.066069347, 0.903527, 0.53553782], [0.073960525, 1.049744, 0.58048385],
    [0.082035154, 1.140628, 0.62920207], [0.089949760, 1.302663, 0.65281503],
    [0.10209395, 1.493473, 0.51854941], [0.12387966, 1.584638, 0.33868046],
])  # fmt: skip


def deviation(energy_eV: oracle.Floats, strength_per_keV: oracle.Floats) -> oracle.Floats:
    """Return ours over theirs, less one: strengths of absorption."""
    return oracle.absorption_strength(1e-3 * energy_eV) / strength_per_keV - 1.0


def test_two_sources_agree_where_they_meet() -> None:
    """A check of the units of this file: molecule and atoms, 200 and 250 eV, both near W^-2.5."""
    vapor = VAPOR[0, 1] / MB_KEV * (250.0 / (1e3 * HC_KEV_NM / VAPOR[0, 0])) ** -2.5
    assert vapor == pytest.approx(2.0 * HENKE_F2[0, 1] / (np.pi * 0.25), rel=0.05)


def test_strength_from_1_to_3_keV_is_that_of_henke() -> None:
    energy, f2 = HENKE_F2.T
    got = deviation(energy, 2.0 * f2 / (np.pi * 1e-3 * energy))
    tight = (energy >= 1000.0) & (energy <= 3000.0)
    np.testing.assert_array_less(np.abs(got[tight]), 0.025)


def test_loss_function_around_its_peak_is_that_of_segelstein() -> None:
    """Within 15 % from 14 to 26 eV, 22 % at 12 eV. Above, the compilation holds too much strength:

    with the vapor and the atoms from 36 eV up, its 5.1 electrons below make 10.8 of 10.
    """
    wavelength, n, k = SEGELSTEIN.T
    energy_keV = 1e-3 * HC_KEV_NM / wavelength
    theirs = (-1.0 / (n + 1j * k) ** 2).imag
    got = oracle.loss_function(energy_keV) / theirs - 1.0
    near = energy_keV < 0.026
    np.testing.assert_array_less(np.abs(got[near]), 0.22)
    np.testing.assert_array_less(np.abs(got[near & (energy_keV > 0.0135)]), 0.15)
    fine = np.linspace(0.015, 0.03, 1501)
    assert fine[np.argmax(oracle.loss_function(fine))] == pytest.approx(0.0217, abs=1e-4)
    assert oracle.loss_function(fine).max() == pytest.approx(0.99, abs=0.005)
    # Where it is not: 36 to 41 % short at 31 to 37 eV.
    assert got[~near].min() == pytest.approx(-0.40, abs=0.05)


def test_where_the_strength_is_not_that_of_the_data() -> None:
    """Known shortfalls of the fit, so that a change of the fit shows: docs/theory/electrons.md."""
    energy = 1e3 * HC_KEV_NM / VAPOR[:, 0]
    got = deviation(energy, VAPOR[:, 1] / MB_KEV)
    # From 200 down to 40 eV.
    expected = [0.52, 0.31, 0.14, -0.07, -0.24, -0.39, -0.46, -0.44]
    np.testing.assert_allclose(got, expected, atol=0.01)
    energy, f2 = HENKE_F2.T
    got = deviation(energy, 2.0 * f2 / (np.pi * 1e-3 * energy))
    expected = [
        0.72,
        0.84,
        0.95,
        0.96,
        0.17,
        0.14,
        0.09,
        0.06,
        0.02,
        -0.02,
        -0.02,
        0.02,
        0.15,
        0.49,
    ]
    np.testing.assert_allclose(got, expected, atol=0.01)


def test_refractive_index_of_light_is_that_of_water() -> None:
    """1.42 where 1.33 is measured: the strength at 10 to 13 eV is somewhat large."""
    visible = oracle.dielectric_function(np.array([0.0021]))  # 589 nm
    assert np.sqrt(visible[0]).real == pytest.approx(1.418, abs=0.002)


def refitted_strength(loss_keV: oracle.Floats) -> oracle.Floats:
    """Eq. E1 fitted to the data of this file, per keV; the package does not use it."""
    w = 1e3 * loss_keV
    total = np.zeros_like(w)
    for strength, energy, width, fall_at, power in (
        (4.2869, 22.479, 12.254, 247.5, 4.934),
        (4.3555, 41.909, 41.714, 835.8, 1.758),
    ):
        line = width * w / ((w**2 - energy**2) ** 2 + (width * w) ** 2)
        total += 2.0 / np.pi * w * strength * line / (1.0 + (w / fall_at) ** power)
    total /= 1.0 + np.exp(-(w - 9.0) / 0.8)
    k_shell = np.where(w > 539.0, 1.8021 * 1.6961 / 539.0 * (539.0 / w) ** 2.6961, 0.0)
    return np.where(loss_keV < oracle.GAP_KEV, 0.0, 1e3 * (total + k_shell))


def test_what_a_fit_to_these_data_would_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ratios stated in docs/theory/electrons.md, section 1."""
    energies = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
    mass_stopping = _core.physics.electron_collision_mass_stopping(np.array([5.0]))[0]

    def rates_and_stopping() -> oracle.Floats:
        _, (distant, close) = oracle.loss_moments(5.0, n=20_000)
        scale = (0.1 * mass_stopping - close) / distant
        moments = np.array([oracle.loss_moments(t, n=20_000) for t in energies])
        return scale * moments[..., 0] + moments[..., 1]

    ours = rates_and_stopping()
    monkeypatch.setattr(oracle, "optical_strength", refitted_strength)
    loss = np.geomspace(oracle.GAP_KEV, 2100.0, 100_000)
    electrons = np.trapezoid(refitted_strength(loss), loss)
    logarithm = np.trapezoid(refitted_strength(loss) * np.log(loss), loss) / electrons
    assert electrons == pytest.approx(10.0, rel=1e-3)
    assert 1e3 * np.exp(logarithm) == pytest.approx(78.0, rel=3e-3)
    energy = 1e3 * HC_KEV_NM / VAPOR[:, 0]
    np.testing.assert_allclose(deviation(energy, VAPOR[:, 1] / MB_KEV), 0.0, atol=0.11)
    rate, stopping = (rates_and_stopping() / ours).T
    np.testing.assert_allclose(stopping, [0.869, 0.963, 0.989, 1.001, 1.003, 1.002], atol=0.002)
    np.testing.assert_allclose(rate[2:], [0.900, 0.911, 0.918, 0.922], atol=0.003)
