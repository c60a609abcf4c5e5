# SPDX-License-Identifier: BSD-3-Clause
"""Hits by histories against hits by quadrature, two separate algorithms.

Every comparison holds to 4.5 standard errors (two-sided normal tail 6.8e-6): all of them together,
below 500, raise a false alarm in fewer than 0.4 % of runs with a fresh stream. The streams here
are fixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import _core, schema

pytestmark = pytest.mark.statistical

STANDARD_ERRORS = 4.5
CELL: dict[str, Any] = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0}
MEANS = (
    "hits_per_decay",
    "hit_probability_per_decay",
    "frequency_mean_specific_energy",
    "dose_mean_specific_energy",
)


def histories(nuclide: str, n: int, seed: int, **given: Any) -> xr.Dataset:
    return imd.hit_statistics(
        nuclide, method="monte_carlo", n_histories=n, rng=seed, **{**CELL, **given}
    )


def agrees(drawn: xr.Dataset, exact: xr.Dataset, name: str, *, resolve: float) -> None:
    """Same within 4.5 standard errors, which resolve the given relative difference."""
    error = drawn[f"{name}_stderr"]
    assert (STANDARD_ERRORS * error <= resolve * exact[name]).all()
    assert (abs(drawn[name] - exact[name]) <= STANDARD_ERRORS * error + 1e-4 * exact[name]).all()


@pytest.mark.parametrize(
    ("nuclide", "given"),
    [
        ("Ac-225", {}),
        ("Ac-225", {"nucleus_offset_um": 1.3, "retention": {"Fr-221": 0.4, "Bi-213": 0.7}}),
        ("At-211", {"nucleus_offset_um": 2.0}),
        ("Pb-212", {"cell_radius_um": 9.0, "nucleus_radius_um": 4.0, "nucleus_offset_um": 3.0}),
    ],
)
def test_histories_agree_with_quadrature(nuclide: str, given: dict[str, Any]) -> None:
    exact = imd.hit_statistics(nuclide, **{**CELL, **given})
    drawn = histories(nuclide, 200_000, 11, **given)
    schema.validate(drawn)
    for name in MEANS:
        agrees(drawn, exact, name, resolve=0.05)


def test_densities_agree_bin_by_bin() -> None:
    edges = np.linspace(0.0, 1.4, 29)
    exact = imd.hit_statistics("Ac-225", **CELL, specific_energy_Gy=edges)
    drawn = histories("Ac-225", 200_000, 12, specific_energy_Gy=edges)
    width = edges[1]
    for per, events in (("traversal", "hits_per_decay"), ("decay", "hit_probability_per_decay")):
        expected = exact.specific_energy_density.sel(per=per)
        got = drawn.sel(per=per)
        counts = 200_000 * exact[events] * expected * width
        pull = (got.specific_energy_density - expected) / got.specific_energy_density_stderr
        pull = pull.where(counts > 400.0)  # below, errors are not normal
        assert float(abs(pull).max()) < STANDARD_ERRORS
        # Errors are of the right size: the mean square of about 60 pulls is 1 +- 0.2.
        assert 0.5 < float((pull**2).mean()) < 1.8


def test_straggling_changes_no_mean_by_more_than_half_a_percent() -> None:
    exact = imd.hit_statistics("At-211", **CELL)
    drawn = histories("At-211", 400_000, 13, straggling=True)
    for name in MEANS:
        error = drawn[f"{name}_stderr"]
        margin = STANDARD_ERRORS * error + 5e-3 * exact[name]
        assert (abs(drawn[name] - exact[name]) <= margin).all()


def test_straggling_spreads_a_loss_by_its_variance() -> None:
    """Decays in the center of the nucleus: equal chords, so that only straggling spreads z."""
    n, energy, radius = 100_000, 6000.0, 5.0
    empty = np.empty(0, dtype=np.int64)
    chain = _core.transport.AlphaChain(
        decays_per_parent_decay=np.ones(1), edge_parent=empty, edge_daughter=empty,
        edge_fraction=np.empty(0), edge_is_alpha=empty, line_member=np.zeros(1, dtype=np.int64),
        line_energy_keV=np.array([energy]), line_yield=np.ones(1),
    )  # fmt: skip
    sums, products, _ = _core.transport.hit_histories(
        chain=chain, nucleus_radius_um=radius, source_um=(1e-9, 1e-9), distance_um=0.0, hole_um=0.0,
        density_g_per_cm3=1.0, edge_Gy=np.array([0.0, 1.0]), root=14, first_history=0,
        n_histories=n, straggling=True, n_threads=1,
    )  # fmt: skip
    gray_per_keV = 1.602176634e-4 / (4.0 / 3.0 * np.pi * radius**3 * 1e-3)
    mean = sums[2] / n / gray_per_keV
    variance = (products[2, 2] / n - (sums[2] / n) ** 2) / gray_per_keV**2
    reach = _core.physics.alpha_range_um(np.array([energy]), 1.0)
    left = _core.physics.alpha_residual_energy_keV(reach - radius, 1.0)[0]
    np.testing.assert_allclose(mean, energy - left, rtol=1e-3)
    # Losses on the way grow by the ratio of the stopping powers at the end and there: 4 % in all.
    middle = np.array([0.5 * (energy + left)])
    bohr = _core.physics.alpha_loss_variance_keV2(middle, radius, 1.0)[0]
    let = _core.physics.alpha_let_keV_per_um(np.array([left, middle[0]]), 1.0)
    # 4.5 standard errors of a variance of 100,000 values: 2 %.
    np.testing.assert_allclose(variance, bohr * (let[0] / let[1]) ** 2, rtol=0.022)


def test_same_bits_for_any_number_of_threads_and_any_set_of_sources() -> None:
    one = histories("Ac-225", 30_000, 15, n_threads=1, straggling=True)
    two = histories("Ac-225", 30_000, 15, n_threads=2, straggling=True)
    assert one.identical(two)
    edges = np.append(0.0, np.cumsum(np.full(one.specific_energy.size, 2.0)))
    edges = one.specific_energy.values[0] * edges
    alone = histories(
        "Ac-225", 30_000, 15, straggling=True, source="membrane", specific_energy_Gy=edges
    )
    for name in MEANS:
        np.testing.assert_array_equal(alone[name][0], one[name].sel(source="membrane"))
    other = histories("Ac-225", 30_000, 16, straggling=True)
    assert not one.hits_per_decay.equals(other.hits_per_decay)
