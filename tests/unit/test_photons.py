# SPDX-License-Identifier: BSD-3-Clause
"""Attenuation of photons against NIST and an oracle; kernels of photon lines."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reference import photons as oracle

from immunodose import _core
from immunodose.errors import InputError
from immunodose.typing import FloatArray

# Energy keV, mu/rho and mu_en/rho of liquid water, cm2/g. Hubbell & Seltzer, Tables of X-Ray Mass
# Attenuation Coefficients, NISTIR 5632 (1995), Table 4.
NIST_WATER = np.array([
    [1, 4078.0, 4065.0], [2, 617.3, 615.2], [5, 42.58, 41.88], [10, 5.329, 4.944],
    [20, 0.8096, 0.5503], [40, 0.2683, 0.06947], [60, 0.2059, 0.0319], [100, 0.1707, 0.02546],
    [200, 0.137, 0.02967], [400, 0.1061, 0.03279], [800, 0.07865, 0.03206],
    [1250, 0.06323, 0.02965], [2000, 0.04942, 0.02608], [3000, 0.03969, 0.02281],
    [5000, 0.03031, 0.01915], [10000, 0.02219, 0.01566],
])  # fmt: skip
# Energy keV, photoelectric cross-section of water, cm2/g: 0.8881 O + 0.1119 H of Elam, Ravel &
# Sieber, Radiat Phys Chem 2002;63:121.
ELAM_PHOTOELECTRIC = np.array([
    [1.0, 4076.0], [5.0, 41.92], [20.0, 0.5439], [50.0, 0.02725], [100.0, 2.762e-3],
    [150.0, 7.308e-4], [200.0, 2.888e-4],
])  # fmt: skip
UM_PER_CM = 1e4


def attenuation(energy_keV: FloatArray, density: float = 1.0) -> tuple[FloatArray, ...]:
    return _core.physics.photon_attenuation_per_um(energy_keV=energy_keV, density_g_per_cm3=density)


def absorption(energy_keV: FloatArray, density: float = 1.0) -> FloatArray:
    return _core.physics.photon_energy_absorption_per_um(
        energy_keV=energy_keV, density_g_per_cm3=density
    )


def transfer(energy_keV: FloatArray, density: float = 1.0) -> FloatArray:
    return _core.physics.photon_energy_transfer_per_um(
        energy_keV=energy_keV, density_g_per_cm3=density
    )


def kernel(
    energy_keV: FloatArray, yield_per_decay: FloatArray, reach_um: float
) -> tuple[FloatArray, FloatArray, float]:
    return _core.physics.photon_kernel(
        energy_keV=energy_keV, yield_per_decay=yield_per_decay, density_g_per_cm3=1.0,
        reach_um=reach_um,
    )  # fmt: skip


def test_energy_absorption_is_that_of_nist() -> None:
    energy, _, expected = NIST_WATER.T
    ratio = absorption(energy, 0.9) * UM_PER_CM / 0.9 / expected
    # Measured: 0.07 % at most to 3 MeV (four digits of NIST), 0.16 % to 10 MeV.
    np.testing.assert_allclose(ratio[energy <= 3000], 1.0, atol=1e-3)
    np.testing.assert_allclose(ratio[energy > 3000], 1.0, atol=3e-3)


def test_attenuation_is_that_of_nist_where_coherent_scattering_is_small() -> None:
    # Coherent scattering is 1.0 % at 200 keV and 0.1 % at 800 keV; the Born approximation for
    # pairs leaves 0.5 % at 10 MeV, where a quarter of all collisions make pairs.
    energy, expected, _ = NIST_WATER.T
    total = np.sum(attenuation(energy), axis=0) * UM_PER_CM
    far = energy >= 400
    np.testing.assert_allclose(total[far], expected[far], rtol=6e-3)
    near = energy <= 5  # binding and coherent scattering are at most 1.5 % there
    np.testing.assert_allclose(total[near], expected[near], rtol=0.016)


def test_photoelectric_part_is_that_of_the_tables() -> None:
    energy, expected = ELAM_PHOTOELECTRIC.T
    photoelectric = attenuation(energy)[1] * UM_PER_CM
    np.testing.assert_allclose(photoelectric, expected, rtol=0.01)


def test_compton_part_is_klein_nishina() -> None:
    energy = np.array([1.0, 30.0, 140.5, 662.0, 3000.0])
    total, moved = np.transpose([oracle.compton_cm2_per_g(e) for e in energy])
    compton, photoelectric, pair, triplet = attenuation(energy)
    np.testing.assert_allclose(compton * UM_PER_CM, total, rtol=1e-9)
    kinetic = np.maximum(0.0, 1.0 - 2.0 * oracle.REST_KEV / energy)
    rest = transfer(energy) - photoelectric - kinetic * (pair + triplet)
    np.testing.assert_allclose(rest[1:] * UM_PER_CM, moved[1:], rtol=1e-6)


def test_pairs_start_at_their_thresholds_and_join_without_a_step() -> None:
    rest = oracle.REST_KEV
    _, _, pair, triplet = attenuation(np.array([2.0, 2.1, 4.0, 4.1]) * rest)
    assert pair[0] == 0.0 < pair[1]
    assert triplet[2] == 0.0 < triplet[3]
    # Two independent series meet at k = 4; Haug's pieces at 4.6, 6 and 18.
    for k, column in [(4.0, 2), (4.6, 3), (6.0, 3), (18.0, 3)]:
        below, above = attenuation(k * rest * np.array([1.0 - 1e-9, 1.0 + 1e-9]))[column]
        assert below == pytest.approx(above, rel=2e-3)


def test_lengths_scale_with_the_inverse_of_the_density() -> None:
    energy = np.array([5.0, 500.0, 2500.0])
    np.testing.assert_allclose(attenuation(energy, 1.3), 1.3 * np.array(attenuation(energy)))


@pytest.mark.parametrize("energy_keV", [0.99, 10001.0, np.nan])
def test_energies_outside_the_model_are_named(energy_keV: float) -> None:
    with pytest.raises(InputError, match=r"photon energy .* keV lies outside"):
        absorption(np.array([energy_keV]))


def test_kernel_conserves_energy_and_reports_what_escapes() -> None:
    energy = np.array([0.05, 7.9, 55.8, 208.4, 1764.5])
    yields = np.array([2.0, 0.03, 0.05, 0.11, 0.15])
    emitted = float(energy @ yields)
    escaped_before = emitted
    for reach in (1e-3, 20.0, 1e4, 3e6):
        edge, deposit, escaped = kernel(energy, yields, reach)
        assert edge[0] == 0.0
        assert edge[-1] == reach
        assert np.all(np.diff(edge) > 0.0)
        assert deposit.sum() + escaped == pytest.approx(emitted, rel=1e-12)
        assert escaped < escaped_before
        escaped_before = escaped
    assert escaped_before < 1e-3 * emitted


def test_kernel_keeps_slow_lines_at_the_source() -> None:
    _, deposit, escaped = kernel(np.array([0.3, 0.9]), np.array([1.0, 2.0]), 10.0)
    assert deposit[0] == pytest.approx(2.1)
    assert deposit[1:].sum() + escaped == 0.0


def kernel_slope(energy_keV: float) -> float:
    """Return the growth of the deposit with distance at the source, per um."""
    edge, deposit, _ = kernel(np.array([energy_keV]), np.ones(1), 400.0)
    middle, density = 0.5 * (edge[1:] + edge[:-1]), deposit / np.diff(edge)
    linear, start = np.polyfit(middle[1:], density[1:], 3)[-2:]
    return float(linear / start)


@pytest.mark.parametrize("energy_keV", [80.0, 662.0])
def test_kernel_starts_with_the_first_scatter(energy_keV: float) -> None:
    # The oracle counts every photon alike; weigh its points with mu_en of the scattered photon
    # through the quadrature over angles, which it checks (1 %: 4 standard errors of its sampling).
    angle, section, share = oracle.klein_nishina(energy_keV)
    over_sine = angle / np.sin(angle)
    points = oracle.first_scatter_by_points(energy_keV, 1.0)
    assert points == pytest.approx(float((section * share * over_sine).sum()), rel=0.01)
    weight = absorption(share * energy_keV) / absorption(np.array([energy_keV]))
    gain = float((section * share * weight * over_sine).sum())
    loss = float(np.sum(attenuation(np.array([energy_keV])))) * UM_PER_CM
    assert kernel_slope(energy_keV) * UM_PER_CM == pytest.approx(gain - loss, rel=0.01)


def test_kernel_refuses_malformed_lines() -> None:
    with pytest.raises(InputError, match="line 1"):
        kernel(np.array([10.0, -1.0]), np.ones(2), 10.0)
    with pytest.raises(InputError, match="reach_um"):
        kernel(np.array([10.0]), np.ones(1), 0.0)
    with pytest.raises(InputError, match="12000"):
        kernel(np.array([12000.0]), np.ones(1), 10.0)
