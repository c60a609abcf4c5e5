# SPDX-License-Identifier: BSD-3-Clause
"""Every way to add up doses from other cells, against sums of S values over all pairs."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import population as oracle

import immunodose as imd
from immunodose.errors import GeometryError, InputError
from immunodose.population_sums import SUMMATIONS

MOST_DIRECT_CELLS = 500  # of "auto"
SPLIT = ("target", "emission", "origin")
SPACING_UM = 11.0
# Of the sum over neighbors, rms over mean: tables (Auger electrons across membranes that nearly
# touch, 3.5e-4), and rtol=1e-3 where a mesh was taken.
TOLERANCE = 1.5e-3


def scene(
    seed: int,
    *,
    n_shapes: int,
    nuclide: str = "Lu-177",
    labeled_fraction: float = 1.0,
    medium: float = 0.0,
    n_side: int = 3,
) -> xr.Dataset:
    """Jittered lattice with radii drawn from a continuum, all three compartments labeled."""
    rng = np.random.default_rng(seed)
    site = np.stack(np.unravel_index(np.arange(n_side**3), (n_side,) * 3), axis=1)
    x, y, z = (site * SPACING_UM + rng.uniform(-0.25, 0.25, site.shape)).T
    kind = rng.integers(0, n_shapes, n_side**3)
    radius = rng.uniform(4.2, 5.2, n_shapes)[kind]
    nucleus = radius * rng.uniform(0.6, 0.9, n_shapes)[kind]
    cells = imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=radius, nucleus_radius_um=nucleus
    )
    made = imd.label(cells, nuclide, decays_per_cell=1.0, medium_decays_per_um3=medium)
    activity = rng.lognormal(0.0, 1.0, (1, n_side**3, 3))
    activity[0, rng.random(n_side**3) > labeled_fraction] = 0.0
    activity[0, :, rng.random(3) < 0.3] = 0.0
    variable = made["time_integrated_activity"].transpose("nuclide", "cell", "source")
    return made.assign(time_integrated_activity=variable.copy(data=activity))


def dose_of(
    cells: xr.Dataset, summation: str, *, must_run: bool = True, **options: Any
) -> np.ndarray:
    """Dose by one way of summation, which must be the one that ran."""
    given_options = {"split": SPLIT, "physics": "mird", **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shape classes
        found = imd.absorbed_dose(cells, summation=summation, merge=False, **given_options)
    if must_run:
        assert_ran(found, summation)
    return np.asarray(found["absorbed_dose"].values)


def assert_ran(dose: xr.Dataset, summation: str) -> None:
    """The attribute names the way of each sweep; a mesh serves electrons, short reach has lists."""
    sweeps = json.loads(dose.attrs["summation"])
    assert sweeps
    small = dose.sizes["cell"] <= MOST_DIRECT_CELLS
    for sweep in sweeps:
        done, mesh_um = sweep["summation"], sweep["mesh_spacing_um"]
        far = "beta" in sweep["emissions"]
        if summation == "auto":
            assert done == "direct" if small else done in ("cell_list", "particle_mesh")
        elif summation == "particle_mesh" and not (far and dose.sizes["cell"] > 1):
            assert done in ("cell_list", "particle_mesh")
        else:
            assert done == summation
        assert (mesh_um > 0.0) == (done == "particle_mesh")


def rms_error(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest over the columns of the root mean square error over cells, relative to the mean."""
    mean = np.abs(exact).mean(axis=0)
    error = np.sqrt(((found - exact) ** 2).mean(axis=0))
    assert not error[mean == 0.0].any()  # nothing comes from nothing
    return float((error[mean > 0.0] / mean[mean > 0.0]).max(initial=0.0))


@settings(max_examples=3, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_shapes=st.integers(1, 3),
    nuclide=st.sampled_from(["Lu-177", "At-211"]),
    labeled_fraction=st.sampled_from([1.0, 0.4]),
    medium=st.sampled_from([0.0, 1e-3]),
)
def test_every_method_equals_the_direct_sum_of_s_values(
    seed: int, n_shapes: int, nuclide: str, labeled_fraction: float, medium: float
) -> None:
    cells = scene(
        seed,
        n_shapes=n_shapes,
        nuclide=nuclide,
        labeled_fraction=labeled_fraction,
        medium=medium,
        n_side=2,
    )
    # Membranes of this thickness are surfaces: no dose of their own.
    exact = oracle.dose(cells, 0)[:, [0, 1, 3]]
    for summation in SUMMATIONS:
        found = dose_of(cells, summation)[:, [0, 1, 3]]
        assert rms_error(found, exact) < TOLERANCE, summation


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10**6), labeled_fraction=st.sampled_from([1.0, 0.4]))
def test_every_method_on_a_continuum_of_sizes(seed: int, labeled_fraction: float) -> None:
    """5 shapes in 3 classes, against a table for every pair of shapes."""
    cells = scene(seed, n_shapes=5, labeled_fraction=labeled_fraction, n_side=2)
    options: dict[str, Any] = {"split": ("origin",)}
    exact = dose_of(cells, "direct", **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("immunodose.population_shapes._MOST_SHAPE_CLASSES", 3)
        for summation in SUMMATIONS:
            # Radii differ by up to 10 % within a class: single cross-doses by about 1 %.
            assert rms_error(dose_of(cells, summation, **options), exact) < 3e-2, summation


# One column per pair of cells is summed by tiles of eight targets, several by long columns
# (pair_loops.cpp); pairs count both ways if all cells are equal and labeled (neighbor_sum.cpp).
# cpp/tests/test_neighbor_sum.cpp compares these paths with sums of its own.
COLUMNS: dict[str, dict[str, Any]] = {
    "tiles": {"split": ()},
    "long columns": {"split": SPLIT},
}


def massive(dose: np.ndarray) -> np.ndarray:
    """Doses without those of membranes, which have no mass here."""
    return dose if dose.ndim == 1 else dose[:, [0, 1, 3]]


@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_shapes=st.integers(1, 4),
    nuclide=st.sampled_from(["Lu-177", "Ac-225"]),
    labeled_fraction=st.sampled_from([1.0, 0.3]),
    n_side=st.integers(3, 4),
)
def test_every_path_equals_the_direct_sum_on_random_scenes(
    seed: int, n_shapes: int, nuclide: str, labeled_fraction: float, n_side: int
) -> None:
    """Mixed radii, lognormal activity, unlabeled cells; sources in one compartment or in three."""
    cells = scene(
        seed, n_shapes=n_shapes, nuclide=nuclide, labeled_fraction=labeled_fraction, n_side=n_side
    )
    one = cells.copy(deep=True)
    one["time_integrated_activity"].loc[{"source": ["cytoplasm", "membrane"]}] = 0.0
    for path, options in COLUMNS.items():
        own = one if path == "tiles" else cells
        exact = dose_of(own, "direct", **options)
        for summation in ("auto", "cell_list", "particle_mesh"):
            found = dose_of(own, summation, **options)
            assert rms_error(massive(found), massive(exact)) < TOLERANCE, (path, summation)


def test_the_mesh_and_the_automatic_choice_on_many_cells() -> None:
    """Beyond 500 cells, where nothing is summed directly unless asked for."""
    cells = scene(3, n_shapes=3, labeled_fraction=0.4, n_side=9)
    exact = dose_of(cells, "direct", split=("emission", "origin"))
    for summation in ("auto", "cell_list", "particle_mesh"):
        found = dose_of(cells, summation, split=("emission", "origin"))
        assert rms_error(found, exact) < TOLERANCE, summation


def assert_zeros(dose: np.ndarray) -> None:
    """Exact zeros, but for the membrane, which has no mass here."""
    membrane = list(imd.typing.TARGETS).index("membrane")
    assert np.isnan(dose[:, membrane]).all()
    assert np.array_equal(np.delete(dose, membrane, axis=1), np.delete(0.0 * dose, membrane, 1))


@pytest.mark.parametrize("summation", SUMMATIONS)
def test_no_activity_gives_exact_zeros(summation: str) -> None:
    cells = scene(1, n_shapes=2)
    cells["time_integrated_activity"].values[:] = 0.0
    assert_zeros(dose_of(cells, summation))


@pytest.mark.parametrize("summation", SUMMATIONS)
def test_one_cell_gets_its_self_dose_alone(summation: str) -> None:
    two = scene(1, n_shapes=1, n_side=2)
    one = two.isel(cell=[0])
    found = dose_of(one, summation)
    np.testing.assert_array_equal(found[..., 0], dose_of(two, summation)[:1, ..., 0])
    assert_zeros(found[..., 1])


@pytest.mark.parametrize("summation", SUMMATIONS)
def test_bad_positions_are_refused(summation: str) -> None:
    cells = scene(1, n_shapes=1, n_side=2)
    x = cells["x"].values

    def moved(first_um: float) -> xr.Dataset:
        values = np.concatenate([[first_um], x[1:]])
        return cells.assign_coords(x=cells["x"].copy(data=values))

    with pytest.raises(InputError, match=r"x_um holds NaN or inf.*cells 0"):
        dose_of(moved(np.nan), summation)
    with pytest.raises(InputError, match=r"x_um spans 1e\+12 um \(cells 0 and \d; allowed: 1.7"):
        dose_of(moved(-1e12), summation)
    with pytest.raises(GeometryError, match="overlap; the worst are cells"):
        dose_of(moved(x[4]), summation)
    with pytest.raises(InputError, match="population is empty"):
        dose_of(cells.isel(cell=[]), summation)
    # Out of reach of all others, and too far for a mesh around all: lists take its place.
    far = dose_of(moved(-1e10), summation, must_run=False)
    assert far[0, 0, :, 0].any()
    assert not far[0, ..., 1][[0, 1, 3]].any()
