# SPDX-License-Identifier: BSD-3-Clause
"""Random packings: pair correlation, isotropy, sizes, and what cannot be reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree
from scipy.stats import kstest

from immunodose import cells
from immunodose._core import geometry
from immunodose.errors import GeometryError, InputError
from immunodose.testing import assert_same_bits, assert_schema

RADII = {"cell_radius_um": 5.0, "nucleus_radius_um": 3.0}
DIAMETER_UM = 10.0
WALL_UM = 40.0  # of layering, and as much again for the pairs


def centers(scene: xr.Dataset) -> np.ndarray:
    return np.stack([scene[axis].values for axis in "xyz"], axis=1)


def sized(n_cells: int, packing: float, **changes: Any) -> xr.Dataset:
    outer_um = RADII["cell_radius_um"] * (n_cells / packing) ** (1.0 / 3.0)
    arguments = {"radius_um": outer_um, "packing_fraction": packing, "rng": 7, **RADII, **changes}
    return cells.spheroid(**arguments)


class Interior:
    """Cells away from the wall, and the pair correlation of them with all."""

    def __init__(self, scene: xr.Dataset) -> None:
        outer_um = scene.attrs["spheroid_radius_um"]
        points = centers(scene)
        radius = np.linalg.norm(points, axis=1)
        even_um = outer_um - 0.5 * WALL_UM
        self.density = np.count_nonzero(radius < even_um) / (4.0 / 3.0 * np.pi * even_um**3)
        self.packing = self.density * np.pi / 6.0 * DIAMETER_UM**3
        self.inner = radius < outer_um - WALL_UM
        self.points = points
        self.tree = cKDTree(points)

    def pair_correlation(self, low: float, high: float) -> float:
        edges = DIAMETER_UM * np.array([low, high])
        near, far = cKDTree(self.points[self.inner]).count_neighbors(self.tree, edges)
        volume = 4.0 / 3.0 * np.pi * (edges[1] ** 3 - edges[0] ** 3)
        return float((far - near) / (self.inner.sum() * self.density * volume))


@pytest.fixture(scope="module")
def dense() -> Interior:
    return Interior(sized(20_000, 0.58))


@pytest.mark.statistical
def test_dense_packing_has_no_lattice_peak(dense: Interior) -> None:
    """g(r) at sqrt(2) diameters, where fcc, hcp and simple cubic lattices have a shell.

    A random packing has its minimum there and shoulders at sqrt(3) and 2. With some 4,000 cells
    and 2,000 pairs in the window the standard deviation of g is 0.013, so 0.8 is 15 of them above
    the 0.6 of this packing: a false-alarm rate below 1e-12. A fifth of cells in fcc order would
    add more than 0.6 (12 x 6/12 neighbors in a window of 0.9 cells).
    """
    assert dense.packing > 0.59
    assert dense.pair_correlation(1.38, 1.45) < 0.8
    assert dense.pair_correlation(1.65, 1.80) > 1.0
    assert dense.pair_correlation(1.90, 2.00) > 1.1
    assert dense.pair_correlation(1.00, 1.01) > 12.0


@pytest.mark.statistical
def test_dense_packing_is_isotropic(dense: Interior) -> None:
    """Directions to neighbors: cosines to each axis uniform, no cubic order.

    Kolmogorov tests of |cos| at 1e-7 each; the mean of x^4 + y^4 + z^4 is 3/5 with a variance of
    16/525 per bond, tested at 5.3 standard deviations (1e-7). Bonds of one cell lie apart, which
    narrows both.
    """
    pairs = dense.tree.query_pairs(1.1 * DIAMETER_UM, output_type="ndarray")
    pairs = pairs[dense.inner[pairs].all(axis=1)]
    bond = dense.points[pairs[:, 0]] - dense.points[pairs[:, 1]]
    bond /= np.linalg.norm(bond, axis=1, keepdims=True)
    for axis in range(3):
        assert kstest(np.abs(bond[:, axis]), "uniform").pvalue > 1e-7
    quartic = (bond**4).sum(axis=1).mean() - 0.6
    assert abs(quartic) < 5.3 * np.sqrt(16.0 / 525.0 / len(bond))


@pytest.mark.statistical
@pytest.mark.parametrize("packing", [0.30, 0.42])
def test_contact_value_is_that_of_the_fluid(packing: float) -> None:
    """g at contact against Carnahan and Starling (1969): (1 - p/2) / (1 - p)^3.

    Over the first 2 % beyond contact g falls by some 4 % (0.30) to 8 % (0.42), taken out by the
    next 2 %. 20,000 cells give 2,500 and 4,500 pairs per window: a standard deviation of 5 % of
    the extrapolation, so 30 % is 6 of them (1e-8).
    """
    scene = Interior(sized(20_000, packing))
    first = scene.pair_correlation(1.00, 1.02)
    second = scene.pair_correlation(1.02, 1.04)
    contact = (1.0 - 0.5 * scene.packing) / (1.0 - scene.packing) ** 3
    assert 1.5 * first - 0.5 * second == pytest.approx(contact, rel=0.3)
    # The two windows together: 1.2 % of standard deviation, mean of the fall 4 to 8 %.
    assert 0.5 * (first + second) / contact == pytest.approx(0.92, abs=0.07)


def test_threads_do_not_change_the_bits() -> None:
    def pack(n_threads: int) -> tuple[np.ndarray, ...]:
        return geometry.pack_random(
            planar=False,
            cell_radius_um=np.array([5.0]),
            n_cells=5000,
            outer_radius_um=5.0 * (5000 / 0.55) ** (1.0 / 3.0),
            n_sweeps=3,
            random_root=3,
            n_threads=n_threads,
            report=None,
        )

    first = pack(1)
    for n_threads in (2, 3, 7):
        again = pack(n_threads)
        for one, other in zip(first[:3], again[:3], strict=True):
            assert_same_bits(one, other)


def test_continuous_radii() -> None:
    scene = sized(5000, 0.5, cell_radius_sd_um=1.0)
    assert_schema(scene)
    cells.check(scene)
    radius = scene["cell_radius"].values
    outer_um = scene.attrs["spheroid_radius_um"]
    built = np.sum((radius / outer_um) ** 3)
    assert scene.attrs["packing_fraction"] == pytest.approx(built, rel=1e-12)
    assert abs(built - 0.5) <= 0.5 * (radius.max() / outer_um) ** 3
    deviation = scene.attrs["packing_fraction_deviation"]
    assert deviation == pytest.approx(built - 0.5, abs=1e-12)
    assert np.all(np.linalg.norm(centers(scene), axis=1) + radius <= outer_um * (1.0 + 1e-15))
    np.testing.assert_allclose(scene["nucleus_radius"], 0.6 * radius, rtol=1e-14)


@pytest.mark.statistical
def test_radii_are_lognormal() -> None:
    """Kolmogorov test at 1e-7, and no correlation of radius and place at 5.3 sigma."""
    scene = sized(5000, 0.4, cell_radius_sd_um=1.0)
    radius = scene["cell_radius"].values
    sd_ln = np.sqrt(np.log1p(0.2**2))
    score = (np.log(radius / 5.0) + 0.5 * sd_ln**2) / sd_ln
    assert kstest(score, "norm").pvalue > 1e-7
    inside = np.linalg.norm(centers(scene), axis=1) < scene.attrs["spheroid_radius_um"] - 20.0
    for axis in "xyz":
        correlation = np.corrcoef(radius[inside], scene[axis].values[inside])[0, 1]
        assert abs(correlation) < 5.3 / np.sqrt(inside.sum())


def test_what_was_reached_is_said() -> None:
    with pytest.raises(GeometryError, match=r"at random .*: 0\.5\d+ was reached"):
        sized(200, 0.6)
    with pytest.raises(GeometryError, match=r"0\.6 was reached.*close_packed"):
        sized(5000, 0.63)
    ordered = sized(5000, 0.63, arrangement="close_packed")
    assert ordered.attrs["arrangement"] == "close_packed"
    cells.check(ordered)
    with pytest.raises(GeometryError, match=r"at random .*0\.78 was reached"):
        cells.colony(n_cells=500, packing_fraction=0.82, rng=1, **RADII)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cell_radius_sd_um": 0.0}, InputError, "cell_radius_sd_um=0"),
        ({"cell_radius_sd_um": np.nan}, InputError, "cell_radius_sd_um=nan"),
        ({"cell_radius_sd_um": 2.6}, InputError, "exceeds half of cell_radius_um"),
        ({"arrangement": "randm"}, InputError, r"arrangement='randm'.*Did you mean 'random'"),
        ({"cell_radius_sd_um": 1.0, "arrangement": "close_packed"}, InputError, "equal cells"),
        (
            {"radius_um": 5.5, "packing_fraction": 0.7, "cell_radius_sd_um": 1.5},
            GeometryError,
            "exceeds radius_um=5.5|cannot be reached",
        ),
    ],
)
def test_mistakes(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sized(500, 0.4, **changes)
