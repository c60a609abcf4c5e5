# SPDX-License-Identifier: BSD-3-Clause
"""Invariants of cell populations."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import geometry as oracle

from immunodose import cells
from immunodose._core import geometry
from immunodose.errors import GeometryError
from immunodose.testing import assert_same_bits, assert_schema, radii, small_populations

TOLERANCE = 1e-9
lengths = st.floats(-1e4, 1e4)


def centers(scene: xr.Dataset) -> np.ndarray:
    return np.stack([scene[axis].values for axis in "xyz"], axis=1)


def overlaps(centers_um: np.ndarray, radius_um: np.ndarray, n_threads: int = 1):
    x, y, z = centers_um.T
    return geometry.find_overlaps(
        x_um=x,
        y_um=y,
        z_um=z,
        radius_um=radius_um,
        relative_tolerance=TOLERANCE,
        n_threads=n_threads,
    )


@given(small_populations())
@settings(max_examples=50)
def test_scenes_are_valid(scene: xr.Dataset) -> None:
    assert_schema(scene)
    cells.check(scene)
    depths = oracle.overlap_depths_um(
        centers(scene), scene["cell_radius"].values, tolerance=TOLERANCE
    )
    assert not depths.any()


@given(
    st.lists(st.tuples(*[st.floats(-20.0, 20.0)] * 3), min_size=1, max_size=40),
    st.data(),
)
@settings(max_examples=100)
def test_overlaps_equal_the_all_pairs_oracle(points: list, data: st.DataObject) -> None:
    centers_um = np.array(points)
    radius_um = np.array([data.draw(radii(min_um=0.5, max_um=30.0))[0] for _ in points])
    depths = oracle.overlap_depths_um(centers_um, radius_um, tolerance=TOLERANCE)
    count, first, second, depth_um, cut_short = overlaps(centers_um, radius_um)
    assert count == np.count_nonzero(depths)
    assert not cut_short
    assert depth_um == pytest.approx(depths.max(), rel=1e-12)
    if count:
        assert depths[first, second] == pytest.approx(depths.max(), rel=1e-12)
    else:
        assert (first, second) == (-1, -1)


@given(small_populations(), lengths, lengths, lengths)
@settings(max_examples=50)
def test_translation_keeps_a_population_valid(
    scene: xr.Dataset, x_um: float, y_um: float, z_um: float
) -> None:
    cells.check(scene.assign_coords(x=scene["x"] + x_um, y=scene["y"] + y_um, z=scene["z"] + z_um))


@given(
    st.lists(st.tuples(*[st.floats(-20.0, 20.0)] * 3), min_size=2, max_size=40, unique=True),
    st.data(),
)
@settings(max_examples=100)
def test_renumbering_renumbers_the_worst_pair(points: list, data: st.DataObject) -> None:
    centers_um = np.array(points)
    radius_um = np.array([data.draw(radii())[0] for _ in points])
    order = np.array(data.draw(st.permutations(range(len(points)))))
    count, first, second, depth_um, _ = overlaps(centers_um, radius_um)
    renumbered = overlaps(centers_um[order], radius_um[order], n_threads=2)
    assert renumbered[0] == count
    assert renumbered[3] == depth_um
    if count:
        assert sorted(order[list(renumbered[1:3])]) == [first, second]


@given(
    st.integers(0, 2**64 - 1),
    st.floats(0.01, 0.55),
    radii(),
    st.floats(1.0, 6.0),
    st.sampled_from(["random", "close_packed"]),
)
@settings(max_examples=50)
def test_spheroid_share_containment_and_no_overlap(
    root: int, packing: float, pair: tuple[float, float], ratio: float, arrangement: str
) -> None:
    cell_um, nucleus_um = pair
    outer_um = ratio * cell_um
    one = oracle.packing_fraction(1, cell_um, outer_um)
    arguments = {
        "radius_um": outer_um,
        "cell_radius_um": cell_um,
        "nucleus_radius_um": nucleus_um,
        "packing_fraction": max(packing, one),
        "arrangement": arrangement,
        "allow_unusual": True,
    }
    try:
        scene = cells.spheroid(**arguments, rng=root)
    except GeometryError:
        if arrangement == "random":
            # Few cells near the wall jam early.
            assert max(packing, one) > 0.35 or ratio < 4.0
            return
        # The octahedral and the site-centered cluster bound what must be reachable.
        reach = (outer_um - cell_um) / (2.0 * cell_um)
        most = max(oracle.fcc_count(reach, np.array(c)) for c in ([0, 0, 0], [1, 0, 0]))
        assert round(max(packing, one) / one) > most
        return
    achieved = oracle.packing_fraction(scene.sizes["cell"], cell_um, outer_um)
    assert abs(achieved - max(packing, one)) <= 0.5 * one * (1.0 + 1e-9)
    assert scene.attrs["packing_fraction"] == pytest.approx(achieved, rel=1e-12)
    distances = np.linalg.norm(centers(scene), axis=1)
    assert np.all(distances + cell_um <= outer_um * (1.0 + 1e-15))
    depths = oracle.overlap_depths_um(
        centers(scene), scene["cell_radius"].values, tolerance=TOLERANCE
    )
    assert not depths.any()
    assert_same_bits(scene, cells.spheroid(**arguments, rng=root))


@given(st.integers(0, 2**64 - 1), st.integers(1, 40), st.floats(0.01, 0.9))
@settings(max_examples=50)
def test_colony_lies_on_its_disk(root: int, n_cells: int, packing: float) -> None:
    arguments = {"n_cells": n_cells, "cell_radius_um": 6.0, "nucleus_radius_um": 4.0, "rng": root}
    try:
        scene = cells.colony(**arguments, packing_fraction=packing)
    except GeometryError:
        assert packing > 0.4  # two cells, the worst case, just fit at 0.5
        return
    outer_um = scene.attrs["colony_radius_um"]
    assert n_cells * 6.0**2 / outer_um**2 == pytest.approx(packing, rel=1e-12)
    assert not scene["z"].values.any()
    assert np.all(np.linalg.norm(centers(scene), axis=1) + 6.0 <= outer_um * (1.0 + 1e-15))
    cells.check(scene)
