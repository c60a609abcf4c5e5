# SPDX-License-Identifier: BSD-3-Clause
"""Vessels, necrotic cores and correlated fields, each with its mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest

import immunodose as imd
from immunodose import cells
from immunodose.errors import GeometryError, InputError, ResourceError, UnitError
from immunodose.testing import assert_same_bits, assert_schema

RADII = {"cell_radius_um": 6.0, "nucleus_radius_um": 4.0}


def block(n: int = 12, spacing_um: float = 14.0) -> xr.Dataset:
    return cells.lattice(shape=(n, n, n), spacing_um=spacing_um, **RADII)


def centers(scene: xr.Dataset) -> np.ndarray:
    return np.stack([scene[axis].values for axis in "xyz"], axis=1)


# vessels

VESSELS: dict[str, Any] = {"vessel_radius_um": 8.0, "intervessel_distance_um": 60.0, "rng": 4}


@pytest.mark.parametrize("arrangement", ["parallel_random", "parallel_lattice", "isotropic"])
def test_distances_are_those_of_all_vessels(arrangement: str) -> None:
    whole = block()
    whole = whole.assign(number=("cell", np.arange(12.0**3), {"units": "1", "long_name": "number"}))
    scene = cells.vessels(whole, arrangement=arrangement, **VESSELS)
    assert_schema(scene)
    point, direction = scene["vessel_point"].values, scene["vessel_direction"].values
    np.testing.assert_allclose(np.linalg.norm(direction, axis=1), 1.0, rtol=1e-12)

    def nearest(population: xr.Dataset) -> np.ndarray:
        offset = centers(population)[:, None, :] - point
        return np.linalg.norm(np.cross(offset, direction), axis=2).min(axis=1) - 8.0

    np.testing.assert_allclose(scene["distance_to_vessel"], nearest(scene), rtol=1e-9, atol=1e-9)
    kept = nearest(whole) >= 6.0 * (1.0 - 1e-9)
    assert 0 < scene.attrs["vessel_cells_removed"] == np.count_nonzero(~kept)
    assert scene["number"].values.tolist() == np.flatnonzero(kept).tolist()
    assert scene["cell"].values.tolist() == list(range(kept.sum()))
    assert_same_bits(scene, cells.vessels(whole, arrangement=arrangement, **VESSELS))


@pytest.mark.statistical
@pytest.mark.parametrize("arrangement", ["parallel_random", "isotropic"])
def test_vessels_take_their_share_of_space(arrangement: str) -> None:
    """Points farther than r from lines of density n at random: exp(-n pi r^2) (Eq. 15).

    Twenty-five seeds of 1,000 points; the standard deviation of one seed's share, measured here,
    gives that of the mean, tested at 5.5 of them (t with 24 degrees of freedom: 1e-5).
    """
    whole = block(10, 14.0)
    shares = []
    for seed in range(25):
        scene = cells.vessels(whole, **{**VESSELS, "rng": seed}, arrangement=arrangement)
        shares.append(scene.sizes["cell"] / whole.sizes["cell"])
    expected = math.exp(-2.0 / math.sqrt(3.0) / 60.0**2 * math.pi * 14.0**2)
    error = np.std(shares, ddof=1) / math.sqrt(25.0)
    assert abs(np.mean(shares) - expected) < 5.5 * error < 0.16


def test_lattice_of_vessels_stands_at_its_spacing() -> None:
    scene = cells.vessels(block(), arrangement="parallel_lattice", **VESSELS)
    point = scene["vessel_point"].values
    distance = np.linalg.norm(point[:, None, :] - point[None, :, :], axis=2)
    np.fill_diagonal(distance, np.inf)
    np.testing.assert_allclose(distance.min(axis=1), 60.0, rtol=1e-9)
    by_density = cells.vessels(
        block(),
        vessel_radius_um=8.0,
        vessel_density_per_mm2=1e6 * 2.0 / math.sqrt(3.0) / 60.0**2,
        arrangement="parallel_lattice",
        rng=4,
    )
    np.testing.assert_allclose(by_density["vessel_point"], scene["vessel_point"], rtol=1e-9)


def test_uptake_falls_with_distance_and_is_a_weight() -> None:
    scene = cells.vessel_uptake(cells.vessels(block(), **VESSELS), decay_length_um=25.0)
    assert_schema(scene)
    expected = np.exp(-scene["distance_to_vessel"].values / 25.0)
    np.testing.assert_allclose(scene["vessel_uptake"], expected, rtol=1e-14)
    labeled = imd.label(scene, "Lu-177", decays_per_cell=100.0, weights="vessel_uptake")
    decays = labeled["time_integrated_activity"].sum(["nuclide", "source"]).values
    np.testing.assert_allclose(decays, 100.0 * expected / expected.mean(), rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"vessel_radius_um": 0.0}, InputError, "vessel_radius_um=0"),
        ({"vessel_radius_um": np.nan}, InputError, "vessel_radius_um=nan"),
        ({"vessel_radius_um": 30.0}, InputError, "would fill the tissue"),
        ({"intervessel_distance_um": -1.0}, InputError, "intervessel_distance_um=-1"),
        ({"intervessel_distance_um": None}, InputError, "got none"),
        ({"vessel_density_per_mm2": 100.0}, InputError, "got both"),
        ({"arrangement": "paralel"}, InputError, "Did you mean 'parallel"),
        ({"vessel_radius_um": 0.008}, UnitError, "0.008 mm are 8 um"),
        ({"intervessel_distance_um": 1e-3, "vessel_radius_um": 2.0}, InputError, "would fill"),
    ],
)
def test_vessel_mistakes(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cells.vessels(block(3), **{**VESSELS, **changes})


def test_vessels_leave_no_cell_or_come_too_late() -> None:
    one = cells.from_arrays(x_um=[0.0], y_um=[0.0], z_um=[0.0], **RADII)
    with pytest.raises(GeometryError, match="all 1 cells overlap"):
        cells.vessels(one, vessel_radius_um=9.0, intervessel_distance_um=18.1, rng=1)
    scene = cells.vessels(block(4), **VESSELS)
    with pytest.raises(InputError, match="all vessels in one call"):
        cells.vessels(scene, **VESSELS)
    labeled = imd.label(block(3), "Lu-177", decays_per_cell=1.0)
    with pytest.raises(InputError, match="Lay vessels before labeling"):
        cells.vessels(labeled, **VESSELS)
    with pytest.raises(InputError, match="no 'distance_to_vessel'"):
        cells.vessel_uptake(block(2), decay_length_um=10.0)
    with pytest.raises(InputError, match="decay_length_um=0"):
        cells.vessel_uptake(scene, decay_length_um=0.0)
    with pytest.raises(InputError, match=r"distance_to_vessel\[0\]=-1"):
        cells.vessel_uptake(one.assign(distance_to_vessel=("cell", [-1.0])), decay_length_um=9.0)


# necrotic core


def test_necrotic_core_is_marked_and_takes_no_activity() -> None:
    scene = cells.necrotic_core(block(), radius_um=40.0)
    assert_schema(scene)
    dead = np.linalg.norm(centers(scene), axis=1) < 40.0
    assert 0 < dead.sum() == scene.attrs["necrotic_cells"]
    assert (scene["cell_type"].values == np.where(dead, "necrotic", "tumor")).all()
    assert (scene["viable"].values == ~dead).all()
    by_type = imd.label(scene, "Lu-177", decays_per_cell=10.0)
    decays = by_type["time_integrated_activity"].sum(["nuclide", "source"]).values
    assert (decays[dead] == 0.0).all()
    assert (decays[~dead] == 10.0).all()
    by_weight = imd.label(
        scene.drop_vars("cell_type"), "Lu-177", decays_per_cell=10.0, weights="viable"
    )
    weighted = by_weight["time_integrated_activity"].sum(["nuclide", "source"]).values
    assert (weighted[dead] == 0.0).all()
    assert (weighted[~dead] > 0.0).all()


def test_necrotic_core_by_its_rim_and_removed() -> None:
    ball = cells.spheroid(radius_um=80.0, packing_fraction=0.4, rng=2, **RADII)
    reach = float((np.linalg.norm(centers(ball), axis=1) + 6.0).max())
    removed = cells.necrotic_core(ball, viable_rim_um=30.0, action="remove")
    assert removed.attrs["necrotic_core_radius_um"] == pytest.approx(reach - 30.0, rel=1e-12)
    assert np.linalg.norm(centers(removed), axis=1).min() >= reach - 30.0
    assert removed.sizes["cell"] + removed.attrs["necrotic_cells"] == ball.sizes["cell"]
    assert removed["cell"].values.tolist() == list(range(removed.sizes["cell"]))
    cells.check(removed)
    thick = cells.necrotic_core(ball, viable_rim_um=500.0)
    assert thick.attrs["necrotic_cells"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "got none"),
        ({"radius_um": 1.0, "viable_rim_um": 1.0}, "got both"),
        ({"radius_um": -1.0}, "radius_um=-1"),
        ({"radius_um": np.nan}, "radius_um=nan"),
        ({"viable_rim_um": -1.0}, "viable_rim_um=-1"),
        ({"radius_um": 1e4}, "all 27 cells lie within"),
        ({"radius_um": 1.0, "action": "delete"}, "action='delete'"),
    ],
)
def test_necrotic_core_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cells.necrotic_core(block(3), **arguments)


# fields

FIELD: dict[str, Any] = {
    "name": "antigen",
    "mean": 2.0,
    "coefficient_of_variation": 0.6,
    "correlation_length_um": 30.0,
}


def scores(seed: int, covariance: str, whole: xr.Dataset) -> np.ndarray:
    scene = cells.lognormal_field(whole, **FIELD, covariance=covariance, rng=seed)
    variance = math.log1p(0.6**2)
    logs = np.log(scene["antigen"].values / 2.0)
    return (logs + 0.5 * variance) / math.sqrt(variance)


@pytest.mark.statistical
@pytest.mark.parametrize("covariance", ["exponential", "gaussian"])
def test_field_has_its_mean_spread_and_correlation(covariance: str) -> None:
    """Thirty fields on 1,000 cells: mean, variance and correlation at five lags of the score.

    Each statistic of one field is independent of the next field's, so its mean over fields has
    the standard error of their spread; t with 29 degrees of freedom beyond 6.5 has a rate of
    4e-7, for 7 statistics of 2 covariances 6e-6. The interpolation may add 0.015.
    """
    whole = block(10)
    lags = [1, 2, 3, 4, 6]
    rows = []
    for seed in range(30):
        score = scores(seed, covariance, whole).reshape(10, 10, 10)
        row = [score.mean(), (score**2).mean()]
        row += [float(np.mean(score[lag:] * score[:-lag])) for lag in lags]
        rows.append(row)
    found = np.array(rows)
    distance = 14.0 * np.array(lags) / 30.0
    expected = np.exp(-distance) if covariance == "exponential" else np.exp(-0.5 * distance**2)
    expected = np.concatenate([[0.0, 1.0], expected])
    error = found.std(axis=0, ddof=1) / math.sqrt(30.0)
    assert np.all(error < 0.09)
    assert np.all(np.abs(found.mean(axis=0) - expected) < 6.5 * error + 0.015)


@pytest.mark.statistical
def test_short_field_is_lognormal() -> None:
    """Far below the spacing cells are independent (neighbors: 0.002): Kolmogorov test at 1e-7."""
    changes = {**FIELD, "correlation_length_um": 4.0, "covariance": "gaussian"}
    values = cells.lognormal_field(block(12), **changes, rng=3)
    variance = math.log1p(0.6**2)
    score = (np.log(values["antigen"].values / 2.0) + 0.5 * variance) / math.sqrt(variance)
    assert kstest(score, "norm").pvalue > 1e-7


def test_field_depends_on_its_seed_and_name_alone() -> None:
    whole = block(4)
    first = cells.lognormal_field(whole, **FIELD, rng=5)
    assert_schema(first)
    assert_same_bits(first, cells.lognormal_field(whole, **FIELD, rng=5))
    assert first.attrs["random_root_antigen"] == 5
    other = cells.lognormal_field(whole, **{**FIELD, "name": "mhc1_baseline"}, rng=5)
    assert not np.array_equal(first["antigen"], other["mhc1_baseline"])
    flat = cells.lognormal_field(whole, **{**FIELD, "coefficient_of_variation": 0.0}, rng=5)
    assert flat["antigen"].values.tolist() == [2.0] * 64


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"mean": 0.0}, InputError, "mean=0"),
        ({"coefficient_of_variation": -0.1}, InputError, "coefficient_of_variation=-0.1"),
        ({"correlation_length_um": 0.0}, InputError, "correlation_length_um=0"),
        ({"correlation_length_um": np.inf}, InputError, "correlation_length_um=inf"),
        ({"covariance": "exponental"}, InputError, "Did you mean 'exponential'"),
        ({"name": "cell_radius"}, InputError, "already have"),
        ({"correlation_length_um": 1e-3}, ResourceError, "longer correlation_length_um"),
    ],
)
def test_field_mistakes(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cells.lognormal_field(block(3), **{**FIELD, **changes}, rng=1)
