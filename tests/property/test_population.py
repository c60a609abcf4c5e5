# SPDX-License-Identifier: BSD-3-Clause
"""Invariants of the absorbed dose of populations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import immunodose as imd
from immunodose.physics import physics_model
from immunodose.testing import assert_same_bits, small_populations
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

SPLIT = ("emission", "origin")
# Few shapes keep the tables small; every pair of shapes needs its own.
scenes = small_populations(max_cells=8, min_radius_um=4.0, max_radius_um=8.0, equal=True)
mixed_scenes = small_populations(max_cells=3, min_radius_um=4.0, max_radius_um=8.0)
nuclides = st.sampled_from(["Ac-225", "Lu-177", "At-211"])
roots = st.integers(0, 2**32 - 1)


def activity_of(cells: xr.Dataset, root: int) -> np.ndarray:
    """Decays (cell, source); about a third are zero."""
    rng = np.random.default_rng(root)
    shape = (cells.sizes["cell"], 3)
    return rng.lognormal(0.0, 2.0, shape) * (rng.random(shape) < 0.67)


def labeled(cells: xr.Dataset, nuclide: str, activity: np.ndarray) -> xr.Dataset:
    made = imd.label(cells, nuclide, decays_per_cell=1.0)
    variable = made["time_integrated_activity"].copy(data=activity[np.newaxis])
    return made.assign(time_integrated_activity=variable)


def dose_of(cells: xr.Dataset, **options: Any) -> xr.Dataset:
    given_options = {"split": SPLIT, "n_threads": 1, **options}
    return imd.absorbed_dose(cells, physics="mird", merge=False, **given_options)


def assert_close(first: xr.Dataset, second: xr.Dataset, *, rtol: float = 1e-10) -> None:
    for name in first.data_vars:
        one, other = first[name].values, second[name].values
        scale = np.abs(one).max(initial=0.0)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-10 * scale, err_msg=str(name))


def moved(cells: xr.Dataset, points: np.ndarray) -> xr.Dataset:
    x, y, z = points.T
    return cells.assign_coords(
        x=cells["x"].copy(data=x), y=cells["y"].copy(data=y), z=cells["z"].copy(data=z)
    )


def centers(cells: xr.Dataset) -> np.ndarray:
    return np.stack([cells[axis].values for axis in "xyz"], axis=1)


@given(scenes, nuclides, roots, st.floats(1e-3, 1e3))
@settings(max_examples=8)
def test_dose_is_linear_in_activity(
    cells: xr.Dataset, nuclide: str, root: int, factor: float
) -> None:
    first, second = activity_of(cells, root), activity_of(cells, root + 1)
    one, other, combined = (
        dose_of(labeled(cells, nuclide, a)) for a in (first, second, first + factor * second)
    )
    for name in set(one.data_vars) - {"unhit_probability"}:
        expected = one[name] + factor * other[name]
        scale = float(np.abs(expected).max())
        np.testing.assert_allclose(combined[name], expected, rtol=1e-11, atol=1e-13 * scale)


@given(mixed_scenes, nuclides, roots, st.data())
@settings(max_examples=6)
def test_translation_and_rotation_change_nothing(
    cells: xr.Dataset, nuclide: str, root: int, data: st.DataObject
) -> None:
    shift = data.draw(st.tuples(*[st.floats(-1e3, 1e3)] * 3))
    rotation, _ = np.linalg.qr(np.random.default_rng(root).normal(size=(3, 3)))
    scene = labeled(cells, nuclide, activity_of(cells, root))
    # Room for the rounding of cells that touch.
    points = centers(cells) * (1.0 + 1e-8)
    original = dose_of(moved(scene, points))
    assert_close(dose_of(moved(scene, points @ rotation + shift)), original, rtol=1e-6)


@given(scenes, nuclides, roots, st.data())
@settings(max_examples=8)
def test_renumbering_renumbers_bit_for_bit(
    cells: xr.Dataset, nuclide: str, root: int, data: st.DataObject
) -> None:
    scene = labeled(cells, nuclide, activity_of(cells, root))
    order = np.array(data.draw(st.permutations(range(cells.sizes["cell"]))))
    renumbered, original = dose_of(scene.isel(cell=order)), dose_of(scene).isel(cell=order)
    for name in original.data_vars:
        assert_same_bits(renumbered[name].values, original[name].values)


def test_renumbering_of_mixed_cells_and_medium_bit_for_bit() -> None:
    # 13 shapes, one more than there are classes, at distances of a few steps of the tables.
    rng = np.random.default_rng(5)
    sites = np.stack(np.unravel_index(np.arange(13), (3, 3, 3)), axis=1) * 9.0
    x, y, z = (sites + rng.uniform(-0.2, 0.2, sites.shape)).T
    cells = imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=rng.uniform(3.5, 4.2, 13), nucleus_radius_um=3.0
    )
    scene = imd.label(cells, "Lu-177", decays_per_cell=1.0, medium_decays_per_um3=1e-3)
    order = rng.permutation(13)
    original = dose_of(scene, split=("origin",)).isel(cell=order)
    renumbered = dose_of(scene.isel(cell=order), split=("origin",))
    assert_same_bits(renumbered["absorbed_dose"].values, original["absorbed_dose"].values)


@given(scenes, nuclides, roots)
@settings(max_examples=6)
def test_two_agents_are_one_of_summed_activity(cells: xr.Dataset, nuclide: str, root: int) -> None:
    first, second = activity_of(cells, root), activity_of(cells, root + 1)
    once = labeled(cells, nuclide, first + second)
    both = imd.label(once, nuclide, decays_per_cell=1.0, effective_half_life_h=1.0)
    both["time_integrated_activity"].values[:] = np.stack([first, second])
    assert both.sizes["nuclide"] == 2
    assert_close(dose_of(both), dose_of(once))


@pytest.mark.parametrize("offset_um", [-0.3, 1e-6, 0.15])
def test_alphas_end_exactly_at_their_reach(offset_um: float) -> None:
    reach = physics_model("At-211", physics="mird").kernels["alpha"].reach_um + 7.0 + 4.0
    # The third, silent cell makes the population wider than the reach.
    cells = imd.cells.from_arrays(
        x_um=[0.0, reach + offset_um, -200.0],
        y_um=[0.0] * 3,
        z_um=[0.0] * 3,
        cell_radius_um=[7.0, 4.0, 7.0],
        nucleus_radius_um=[5.0, 4.0, 5.0],
    )
    result = dose_of(labeled(cells, "At-211", np.array([[0.0, 0.0, 1e6], [0, 0, 0], [0, 0, 0]])))
    cross = result["absorbed_dose"].sel(cell=1, emission="alpha", origin="cross")
    assert (float(cross) > 0.0) == (offset_um < 0.0)
    if offset_um > 0.0:
        assert float(result["hit_mean"].sel(cell=1)) == 0.0
        assert float(result["unhit_probability"].sel(cell=1)) == 1.0


def test_center_of_a_large_uniform_tumor_has_the_equilibrium_dose() -> None:
    cells = imd.cells.lattice(
        shape=(19, 19, 19), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    share = (5.0 / 7.0) ** 3
    scene = imd.label(
        cells,
        "Ac-225",
        decays_per_cell=10.0,
        localization={"nucleus": share, "cytoplasm": 1.0 - share},
    )
    result = dose_of(scene, split=("target", "emission", "origin"))
    points = centers(cells)
    middle = np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1))
    dose = result["absorbed_dose"].isel(cell=middle).sel(emission="alpha").sum("origin")
    energy = physics_model("Ac-225", physics="mird").emitted_keV["alpha"]
    equilibrium = 10.0 / 14.0**3 * energy * GRAY_NG_PER_KEV / NG_PER_UM3
    # The gaps hold no activity, so cells get more than the mean of the tumor: the dose of the
    # whole, gaps included, is the equilibrium dose. Activity in the gaps closes them.
    assert float(dose.sel(target="cell")) > equilibrium
    packing = 4.0 / 3.0 * np.pi * 7.0**3 / 14.0**3
    concentration = 10.0 / (14.0**3 * packing)
    filled = imd.label(cells, "Ac-225", decays_per_cell=10.0, medium_decays_per_um3=concentration)
    filled["time_integrated_activity"].values[:] = scene["time_integrated_activity"].values
    result = dose_of(filled, split=("target", "emission", "origin"))
    dose = result["absorbed_dose"].isel(cell=middle).sel(emission="alpha").sum("origin")
    assert float(dose.sel(target="nucleus")) == pytest.approx(equilibrium / packing, rel=1e-9)


def test_mean_dose_of_space_is_the_equilibrium_dose() -> None:
    """Average over a unit cell of the lattice, gaps sampled by small cells without activity."""
    spacing, n_side = 16.0, 15
    cells = imd.cells.lattice(
        shape=(n_side,) * 3, spacing_um=spacing, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    share = (5.0 / 7.0) ** 3
    scene = imd.label(
        cells,
        "At-211",
        decays_per_cell=10.0,
        localization={"nucleus": share, "cytoplasm": 1.0 - share},
    )
    energy = physics_model("At-211", physics="mird").emitted_keV["alpha"]
    equilibrium = 10.0 / spacing**3 * energy * GRAY_NG_PER_KEV / NG_PER_UM3
    middle = n_side**3 // 2
    dose = dose_of(scene, split=("target", "emission", "origin"))["absorbed_dose"]
    alpha = float(dose.isel(cell=middle).sel(target="cell", emission="alpha").sum("origin"))
    # Self-dose above the mean inside, so the cell lies above, but within the self-dose.
    own = float(dose.isel(cell=middle).sel(target="cell", emission="alpha", origin="self"))
    assert equilibrium < alpha < equilibrium + own


def test_one_and_two_threads_give_the_same_bits() -> None:
    if imd.threads.available_cpus() < 2:
        pytest.skip("one CPU")
    cells = imd.cells.lattice(
        shape=(7, 6, 5), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    scene = imd.label(cells, "Ac-225", decays_per_cell=3.0, distribution="lognormal", sd=2.0, rng=1)
    assert_same_bits(dose_of(scene, n_threads=2), dose_of(scene, n_threads=1))


@given(
    st.sampled_from(["At-211", "Lu-177"]), st.floats(4.0, 9.0), st.floats(0.3, 0.95),
    st.floats(1.0, 2.0), st.sampled_from([2, 3]),
)  # fmt: skip
@settings(max_examples=6)
def test_share_of_the_energy_in_cells_is_the_packing_fraction(
    nuclide: str, radius: float, ratio: float, gap: float, n_side: int
) -> None:
    """Uniform tracks everywhere (invariant 13); 1e-3 for the tables, no edge: no medium ends."""
    spacing = 2.0 * radius * gap * (1.0 + 1e-9)
    cells = imd.cells.lattice(
        shape=(n_side,) * 3, spacing_um=spacing, cell_radius_um=radius,
        nucleus_radius_um=ratio * radius,
    )  # fmt: skip
    volume, decays_per_um3 = 4.0 / 3.0 * np.pi * radius**3, 0.01
    scene = imd.label(
        cells, nuclide, decays_per_cell=decays_per_um3 * volume,
        localization={"nucleus": ratio**3, "cytoplasm": 1.0 - ratio**3},
        medium_decays_per_um3=decays_per_um3,
    )  # fmt: skip
    dose = dose_of(scene, split=("target",))["absorbed_dose"].sel(target="cell").values
    in_cells_keV = float(dose.sum()) * volume * NG_PER_UM3 / GRAY_NG_PER_KEV
    model = physics_model(nuclide, physics="mird")
    per_decay_keV = sum(model.emitted_keV[emission] for emission in model.kernels)
    emitted_keV = decays_per_um3 * dose.size * spacing**3 * per_decay_keV
    np.testing.assert_allclose(in_cells_keV / emitted_keV, volume / spacing**3, rtol=1e-3)
