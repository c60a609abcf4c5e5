# SPDX-License-Identifier: BSD-3-Clause
"""Alpha straggling, kernels with straggled ranges, and recoils."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reference import alphas as oracle

from immunodose import _core

physics = _core.physics


@pytest.mark.parametrize("energy", [1.0, 30.0, 250.0, 700.0, 1000.0, 3000.0, 8785.0])
def test_loss_variance_is_that_of_the_formula(energy: float) -> None:
    ours = physics.alpha_loss_variance_keV2(np.array([energy]), 2.5, 1.04)
    np.testing.assert_allclose(ours, oracle.loss_variance_keV2(energy, 2.5, 1.04), rtol=1e-4)


def test_range_straggling_is_about_one_percent() -> None:
    """Alphas of natural emitters: about 1 % of the range (Evans 1955, ch. 22)."""
    energy = np.array([4000.0, 5304.0, 8785.0])
    share = physics.alpha_range_sigma_um(energy, 1.0) / physics.alpha_range_um(energy, 1.0)
    np.testing.assert_allclose(share, [0.00777, 0.00776, 0.00760], rtol=5e-3)
    # At half the density all lengths double.
    thin = physics.alpha_range_sigma_um(energy, 0.5) / physics.alpha_range_um(energy, 0.5)
    np.testing.assert_allclose(thin, share, rtol=1e-9)


def test_straggled_kernel_keeps_energy_and_rounds_the_end() -> None:
    energy, yields = np.array([5830.0, 8376.0]), np.array([1.0, 0.9784])
    sharp_edge, sharp = physics.csda_kernel(energy, yields, True, 1.0)
    edge, spread = physics.csda_kernel(energy, yields, True, 1.0, straggling=True)
    np.testing.assert_allclose(spread.sum(), (energy * yields).sum(), rtol=1e-12)
    within = np.interp(10.0, edge, np.cumsum(np.append(0.0, spread)))
    np.testing.assert_allclose(
        within, np.interp(10.0, sharp_edge, np.cumsum(np.append(0.0, sharp))), rtol=1e-3
    )
    reach = physics.alpha_range_um(energy, 1.0)[1]
    sigma = physics.alpha_range_sigma_um(energy, 1.0)[1]
    np.testing.assert_allclose(edge[-1], reach + 3.750439717725742 * sigma, rtol=1e-9)


def test_straggled_lines_keep_the_moments_of_the_range() -> None:
    """Eq. 6d: energy exactly, number of alphas within 0.1 %, variance of the range within 2 %."""
    energy = 5830.0
    reach = physics.alpha_range_um(np.array([energy]), 1.0)[0]
    sigma = physics.alpha_range_sigma_um(np.array([energy]), 1.0)[0]
    node, weight = np.polynomial.hermite_e.hermegauss(7)
    weight /= weight.sum()
    shifted = physics.alpha_residual_energy_keV(reach + sigma * node, 1.0)
    assert abs((weight * energy / shifted).sum() - 1.0) < 1e-3
    edge, spread = physics.csda_kernel(np.array([energy]), np.ones(1), True, 1.0, straggling=True)
    # Energy beyond r by the same sum over lines.
    for r in (20.0, reach - sigma, reach + sigma):
        beyond = spread.sum() - np.interp(r, edge, np.cumsum(np.append(0.0, spread)))
        left = physics.alpha_residual_energy_keV(np.maximum(reach + sigma * node - r, 0.0), 1.0)
        np.testing.assert_allclose(beyond, (weight * energy / shifted * left).sum(), rtol=2e-3)


@pytest.mark.parametrize(("energy", "match"), [(12001.0, "above"), (11950.0, "straggled range")])
def test_straggled_kernels_refuse_what_lies_outside_the_fit(energy: float, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        physics.csda_kernel(np.array([energy]), np.ones(1), True, 1.0, straggling=True)


@pytest.mark.parametrize(("a", "z"), [(221, 87), (209, 83), (207, 82)])
def test_recoil_let_is_universal_nuclear_stopping(a: int, z: int) -> None:
    for energy in (0.5, 10.0, 100.0, 170.0, 60000.0):
        ours = physics.recoil_let_keV_per_um(np.array([energy]), a, z, 1.02)
        np.testing.assert_allclose(
            ours, oracle.recoil_let_keV_per_um(energy, a, z, 1.02), rtol=1e-9
        )


def test_recoils_travel_a_tenth_of_a_micrometer() -> None:
    """Range by an independent sum; 100 keV to 170 keV go 100 to 142 nm at most."""
    energy = np.array([100.0, 170.0])
    ours = physics.recoil_range_um(energy, 221, 87, 1.0)
    for top, reach in zip(energy, ours, strict=True):
        grid = np.linspace(0.01, 1.0, 4001) ** 8 * top
        middle = 0.5 * (grid[1:] + grid[:-1])
        let = physics.recoil_let_keV_per_um(middle, 221, 87, 1.0)
        np.testing.assert_allclose(reach, (np.diff(grid) / let).sum(), rtol=1e-3)
    np.testing.assert_allclose(ours, [0.1006, 0.1423], rtol=2e-3)


def test_impossible_recoils_are_refused() -> None:
    for energy, a, z in ((0.0, 221, 87), (100.0, 80, 87), (100.0, 221, 0)):
        with pytest.raises(ValueError, match="recoil of"):
            physics.recoil_let_keV_per_um(np.array([energy]), a, z, 1.0)
