# SPDX-License-Identifier: BSD-3-Clause
"""Absorbed dose of populations against a direct sum over pairs, and every error."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import population as oracle

import immunodose as imd
from immunodose import _core
from immunodose.errors import GeometryError, InputError, ResourceError, UnitError, ValidityWarning
from immunodose.hits import alpha_chain
from immunodose.physics import physics_model
from immunodose.testing import assert_same_bits, assert_schema
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

CROSS_TOLERANCE = 2e-4
FULL = ("nuclide", "target", "emission", "origin")


def cells_of(n_side: int = 2, *, n_shapes: int = 2, spacing_um: float = 15.0) -> xr.Dataset:
    """Cells of mixed radii at random offsets from a lattice; touching pairs are possible."""
    rng = np.random.default_rng(7)
    n_cells = n_side**3
    kind = rng.integers(0, n_shapes, n_cells)
    share = np.linspace(0.0, 1.0, n_shapes) if n_shapes > 1 else np.zeros(1)
    cell_radius = 5.0 + 2.4 * share[kind]
    nucleus_radius = cell_radius * (0.6 + 0.3 * share[::-1][kind])
    site = np.stack(np.unravel_index(np.arange(n_cells), (n_side,) * 3), axis=1) * spacing_um
    shift = rng.uniform(-1.0, 1.0, (n_cells, 3)) * (0.5 * spacing_um - cell_radius)[:, np.newaxis]
    x, y, z = (site + shift).T
    return imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=cell_radius, nucleus_radius_um=nucleus_radius
    )


def two_agents(cells: xr.Dataset) -> xr.Dataset:
    first = imd.label(
        cells,
        "Lu-177",
        decays_per_cell=300.0,
        distribution="lognormal",
        sd=200.0,
        labeled_fraction=0.7,
        rng=1,
    )
    return imd.label(
        first,
        "Ac-225",
        decays_per_cell=2.0,
        localization={"nucleus": 0.5, "cytoplasm": 0.3, "membrane": 0.2},
        labeled_fraction=0.5,
        retention={"Fr-221": 0.4},
        rng=2,
    )


def dose_of(cells: xr.Dataset, **options: Any) -> xr.Dataset:
    return imd.absorbed_dose(cells, physics="mird", **{"n_threads": 1, **options})


@pytest.fixture(scope="module")
def labeled() -> xr.Dataset:
    return two_agents(cells_of())


@pytest.fixture(scope="module")
def full(labeled: xr.Dataset) -> xr.Dataset:
    return dose_of(labeled, split=FULL)


def assert_dose(found: np.ndarray, expected: np.ndarray, *, tolerance: float) -> None:
    """Compare (cell, target, emission, origin); cross-doses relative to their sum per cell."""
    np.testing.assert_allclose(found[..., 0], expected[..., 0], rtol=1e-12, atol=0.0)
    scale = np.maximum(expected[..., 1], 1e-3 * expected[..., 1].max(axis=0))
    error = np.abs(found[..., 1] - expected[..., 1])
    assert np.nanmax(np.where(error == 0.0, 0.0, error / np.where(scale > 0, scale, 1))) < tolerance


def test_dose_equals_the_sum_over_pairs(labeled: xr.Dataset, full: xr.Dataset) -> None:
    assert_schema(full)
    for row in range(2):
        found = full["absorbed_dose"].transpose("nuclide", "cell", "target", "emission", "origin")
        expected = oracle.dose(labeled, row)
        assert_dose(found.values[row], expected, tolerance=CROSS_TOLERANCE)
        assert np.isnan(found.sel(target="membrane").values).all()


def test_dose_at_another_density(labeled: xr.Dataset) -> None:
    few = labeled.isel(cell=slice(0, 4), nuclide=[1])
    found = dose_of(few, density_g_per_cm3=1.06)["absorbed_dose"].values
    assert_dose(found, oracle.dose(few, 0, density_g_per_cm3=1.06), tolerance=CROSS_TOLERANCE)


def test_hits_equal_the_sum_over_pairs(labeled: xr.Dataset, full: xr.Dataset) -> None:
    expected = oracle.hits(labeled, 1)
    np.testing.assert_allclose(full["hit_mean"], expected[:, 0], rtol=CROSS_TOLERANCE)
    np.testing.assert_allclose(full["hit_decay_moment"], expected[:, 1:], rtol=3e-4)
    np.testing.assert_array_equal(
        full["unhit_probability"], np.exp(-full["hit_decay_moment"].values[:, 0])
    )


def test_first_moment_is_the_alpha_dose(full: xr.Dataset) -> None:
    dose = full["absorbed_dose"].sel(target="nucleus", emission="alpha").sum(("nuclide", "origin"))
    np.testing.assert_allclose(full["hit_decay_moment"].sel(moment=1), dose, rtol=1e-3)


@pytest.mark.parametrize(
    "split",
    [(), ("origin",), ("target",), ("emission", "nuclide"), ("origin", "emission", "target")],
    ids=str,
)
def test_splits_are_sums_of_the_full_split(
    labeled: xr.Dataset, full: xr.Dataset, split: tuple[str, ...]
) -> None:
    part = dose_of(labeled, split=split)["absorbed_dose"]
    assert part.dims == ("cell", *(name for name in FULL if name in split))
    whole = full["absorbed_dose"]
    if "target" not in split:
        whole = whole.sel(target="nucleus")
    summed = [name for name in FULL if name not in split and name != "target"]
    expected = whole.sum(summed, skipna=False).transpose(*part.dims)
    np.testing.assert_allclose(part, expected, rtol=1e-12)


def test_hits_need_the_split_by_emission(labeled: xr.Dataset) -> None:
    assert "hit_mean" not in dose_of(labeled, split=("origin",))


def test_float32(labeled: xr.Dataset, full: xr.Dataset) -> None:
    small = dose_of(labeled, split=FULL, dtype="float32")
    assert small["absorbed_dose"].dtype == np.float32
    assert small["hit_decay_moment"].dtype == np.float64
    # Added up in single precision: a few roundings.
    np.testing.assert_allclose(small["absorbed_dose"], full["absorbed_dose"], rtol=3e-7)


def test_without_merge_there_is_only_the_result(labeled: xr.Dataset, full: xr.Dataset) -> None:
    alone = dose_of(labeled, split=FULL, merge=False)
    assert set(alone.data_vars) == {
        "absorbed_dose",
        "hit_mean",
        "unhit_probability",
        "hit_decay_moment",
    }
    assert_schema(alone)
    for name in alone.data_vars:
        assert_same_bits(alone[name].values, full[name].values)
    assert set(labeled.data_vars) < set(full.data_vars)


def test_attributes_state_what_was_done(full: xr.Dataset) -> None:
    assert full.attrs["physics"] == "mird"
    assert full.attrs["membrane_thickness_nm"] == 0.0
    assert full.attrs["cross_dose_class_spread"] == 0.0
    left_out = json.loads(full.attrs["energy_not_scored_keV_per_decay"])
    assert set(left_out["Ac-225"]) == {"recoil", "photon"}
    assert "labels" in full.attrs


def test_two_threads_give_the_same_bits(labeled: xr.Dataset, full: xr.Dataset) -> None:
    if imd.threads.available_cpus() > 1:
        assert_same_bits(dose_of(labeled, split=FULL, n_threads=2), full)


@pytest.mark.parametrize("seed", range(20))
def test_two_cells_alone_see_each_other(seed: int) -> None:
    # Rounding of the diagonal once lost the only pair of a population.
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=3) * 20.0
    pair = imd.cells.from_arrays(
        x_um=[1.0, 1.0 + x],
        y_um=[0.1, 0.1 + y],
        z_um=[0.0, z],
        cell_radius_um=1.0,
        nucleus_radius_um=0.8,
    )
    labeled = imd.label(pair, "Lu-177", decays_per_cell=10.0)
    found = dose_of(labeled, split=("target", "emission", "origin"))["absorbed_dose"].values
    assert_dose(found, oracle.dose(labeled, 0), tolerance=CROSS_TOLERANCE)


def test_t_cells_are_cells_and_get_doses() -> None:
    mixed = imd.cells.from_arrays(
        x_um=[0.0, 12.0],
        y_um=[0.0, 0.0],
        z_um=[0.0, 0.0],
        cell_radius_um=[7.0, 4.0],
        nucleus_radius_um=[5.0, 3.0],
        cell_type=["tumor", "cd8_t_cell"],
    )
    labeled = imd.label(mixed, "Ac-225", decays_per_cell=10.0)
    found = dose_of(labeled)
    dose = found["absorbed_dose"].sel(target="nucleus").sum("emission")
    assert float(dose.sel(cell=1, origin="self")) == 0.0
    assert float(dose.sel(cell=1, origin="cross")) > 0.1
    assert float(dose.sel(cell=0, origin="cross")) == 0.0
    assert float(found["hit_mean"].sel(cell=1)) > 0.0
    assert found["cell_type"].values.tolist() == ["tumor", "cd8_t_cell"]


def test_a_cell_without_cytoplasm_has_no_dose_there() -> None:
    cells = imd.cells.from_arrays(
        x_um=[0.0, 12.0],
        y_um=[0.0, 0.0],
        z_um=[0.0, 0.0],
        cell_radius_um=[6.0, 5.0],
        nucleus_radius_um=[4.0, 5.0],
    )
    labeled = imd.label(cells, "Lu-177", decays_per_cell=10.0)
    found = dose_of(labeled, split=("target", "origin"))["absorbed_dose"]
    assert np.isnan(found.sel(cell=1, target="cytoplasm")).all()
    assert np.isfinite(found.sel(cell=0, target="cytoplasm")).all()
    np.testing.assert_allclose(
        found.sel(cell=1, target="nucleus"), found.sel(cell=1, target="cell"), rtol=1e-12
    )


# Medium -----------------------------------------------------------------------------------------


def one_cell(nuclide: str, *, medium: float) -> xr.Dataset:
    cell = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=20.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    return imd.label(cell, nuclide, decays_per_cell=0.0, medium_decays_per_um3=medium)


@pytest.mark.parametrize(
    ("nuclide", "emission"), [("Ac-225", "alpha"), ("Lu-177", "beta"), ("Lu-177", "auger_ce")]
)
def test_one_cell_in_active_medium(nuclide: str, emission: str) -> None:
    concentration = 1e-3
    found = dose_of(one_cell(nuclide, medium=concentration))["absorbed_dose"]
    kernel = physics_model(nuclide, physics="mird").kernels[emission]  # type: ignore[index]
    # Shells of medium from the cell's surface to the reach, each a surface source.
    low, high = 7.0, kernel.reach_um + 7.0
    node, weight = np.polynomial.legendre.leggauss(8)
    edge = low + (high - low) * np.linspace(0.0, 1.0, 201) ** 2
    radius = (edge[:-1, np.newaxis] + np.diff(edge)[:, np.newaxis] * 0.5 * (node + 1.0)).ravel()
    weights = (np.diff(edge)[:, np.newaxis] * 0.5 * weight).ravel()
    shell = [
        _core.transport.s_values(
            edge_um=kernel.edge_um,
            energy_keV=kernel.energy_keV,
            source_um=(r, r),
            target_um=(0.0, 5.0),
            distance_um=np.zeros(1),
            density_g_per_cm3=1.0,
        )[0]
        for r in radius
    ]
    expected = concentration * np.sum(weights * 4.0 * np.pi * radius**2 * shell)
    cross = found.sel(cell=0, target="nucleus", origin="cross", emission=emission)
    assert float(cross) == pytest.approx(expected, rel=2e-4)
    assert float(np.abs(found.sel(origin="self", target="nucleus")).max()) == 0.0


def test_hits_in_active_medium() -> None:
    concentration = 1e-4
    found = dose_of(one_cell("Ac-225", medium=concentration))
    chain = alpha_chain("Ac-225")
    assert chain is not None
    radius = np.linspace(7.0, 105.0, 99)
    shell = np.array(
        [
            _core.transport.hit_channels(
                chain=chain,
                nucleus_radius_um=5.0,
                source_um=(r, r),
                distance_um=np.zeros(1),
                density_g_per_cm3=1.0,
            )[0]
            for r in radius
        ]
    )
    step = radius[1] - radius[0]
    simpson = np.ones(99)
    simpson[1:-1:2], simpson[2:-1:2] = 4.0, 2.0
    area = 4.0 * np.pi * radius**2
    expected = concentration * step / 3.0 * np.einsum("r,r,rc->c", simpson, area, shell[:, :7])
    assert float(found["hit_mean"][0]) == pytest.approx(expected[0], rel=2e-3)
    np.testing.assert_allclose(found["hit_decay_moment"][0], expected[1:], rtol=3e-3)


def test_medium_among_cells_equals_the_oracle() -> None:
    cells = cells_of()
    labeled = imd.label(
        cells,
        "Lu-177",
        decays_per_cell=50.0,
        localization={"cytoplasm": 1.0},
        medium_decays_per_um3=0.02,
    )
    found = dose_of(labeled)["absorbed_dose"].values
    assert_dose(found, oracle.dose(labeled, 0), tolerance=CROSS_TOLERANCE)


def test_activity_everywhere_gives_the_equilibrium_dose() -> None:
    cells = cells_of()
    concentration = 0.01
    labeled = imd.label(cells, "Ac-225", decays_per_cell=1.0, medium_decays_per_um3=concentration)
    volume = 4.0 / 3.0 * np.pi * cells["cell_radius"].values ** 3
    inner = (cells["nucleus_radius"] / cells["cell_radius"]).values ** 3
    activity = labeled["time_integrated_activity"].copy()
    activity[0] = np.stack([inner, 1.0 - inner, np.zeros(8)], axis=1) * (
        concentration * volume[:, np.newaxis]
    )
    found = dose_of(labeled.assign(time_integrated_activity=activity))["absorbed_dose"]
    energy = physics_model("Ac-225", physics="mird").emitted_keV
    for emission in ("alpha", "beta", "auger_ce"):
        scored = found.sel(target=["nucleus", "cytoplasm", "cell"], emission=emission).sum("origin")
        expected = concentration * energy[emission] * GRAY_NG_PER_KEV / NG_PER_UM3  # type: ignore[index]
        np.testing.assert_allclose(scored, expected, rtol=1e-9)


# Spectra, retention, classes of shapes ------------------------------------------------------------


def test_a_spectrum_is_an_agent() -> None:
    cells = cells_of()
    spectrum = imd.emissions("Lu-177")
    by_name = dose_of(imd.label(cells, "Lu-177", decays_per_cell=10.0))
    by_table = dose_of(imd.label(cells, spectrum, decays_per_cell=10.0))
    np.testing.assert_allclose(by_table["absorbed_dose"], by_name["absorbed_dose"], rtol=1e-12)


def test_two_rows_of_one_nuclide_keep_their_retention() -> None:
    cells = cells_of()
    all_stay = imd.label(cells, "Ac-225", decays_per_cell=1.0)
    both = imd.label(all_stay, "Ac-225", decays_per_cell=1.0, retention=0.0)
    dose = dose_of(both, split=FULL)["absorbed_dose"].sel(target="nucleus").sum(("origin", "cell"))
    assert dose["nuclide"].values.tolist() == ["Ac-225", "Ac-225#2"]
    alone = dose_of(all_stay, split=FULL)["absorbed_dose"].sel(target="nucleus")
    np.testing.assert_allclose(dose[0], alone.sum(("origin", "cell"))[0], rtol=1e-12)
    assert float(dose.sel(nuclide="Ac-225#2", emission="alpha")) < 0.5 * float(
        dose.sel(nuclide="Ac-225", emission="alpha")
    )


def test_many_shapes_share_classes() -> None:
    cells = cells_of(3, n_shapes=25)
    labeled = imd.label(
        cells,
        "Lu-177",
        decays_per_cell=100.0,
        localization={"nucleus": 1.0},
        distribution="lognormal",
        sd=50.0,
        rng=3,
    )
    result = dose_of(labeled, split=("origin",))
    assert len(np.unique(cells["cell_radius"])) > 12
    assert 0.0 < result.attrs["cross_dose_class_spread"] < 0.3
    expected = oracle.dose(labeled, 0)[:, 0].sum(axis=1)
    found = result["absorbed_dose"].values
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-12)
    error = found[:, 1] / expected[:, 1] - 1.0
    assert np.sqrt(np.mean(error**2)) < 1e-3


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"physics": "mrid"}, r"unknown physics='mrid'.*Did you mean 'mird'"),
        ({"method": "kernels"}, "unknown method='kernels'.*available: kernel"),
        ({"dtype": "float16"}, "unknown dtype='float16'.*float32"),
        ({"split": ("targt",)}, r"unknown dim 'targt' in split.*Did you mean 'target'"),
        ({"split": "target"}, "must be a sequence of names"),
        ({"split": ("origin", "origin")}, "names a dim twice"),
        ({"density_g_per_cm3": 0.0}, "density_g_per_cm3=0.0"),
        ({"density_g_per_cm3": np.nan}, "density_g_per_cm3=nan"),
        ({"membrane_thickness_nm": -1.0}, "membrane_thickness_nm=-1.0"),
        ({"n_threads": 0}, "n_threads=0"),
    ],
    ids=str,
)
def test_bad_arguments(labeled: xr.Dataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.absorbed_dose(labeled, **{"physics": "mird", **options})


def test_too_many_threads(labeled: xr.Dataset) -> None:
    with pytest.raises(ResourceError, match="n_threads=100000 exceeds"):
        dose_of(labeled, n_threads=100_000)


def test_thick_membrane_suggests_another_unit(labeled: xr.Dataset) -> None:
    with pytest.raises(UnitError, match="exceeds 1000 nm"):
        dose_of(labeled, membrane_thickness_nm=5000.0)


def test_unlabeled_cells() -> None:
    with pytest.raises(InputError, match=r"no time_integrated_activity\. Call immunodose\.label"):
        dose_of(cells_of())


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_bad_activity_is_named(labeled: xr.Dataset, value: float) -> None:
    activity = labeled["time_integrated_activity"].copy()
    activity[1, 5, 2] = value
    with pytest.raises(InputError, match=r"\[nuclide=1, cell=5, source=membrane\].*1 values"):
        dose_of(labeled.assign(time_integrated_activity=activity))


@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_bad_medium_is_named(labeled: xr.Dataset, value: float) -> None:
    name = "medium_time_integrated_activity_concentration"
    medium = labeled[name].copy()
    medium[1] = value
    with pytest.raises(InputError, match=rf"{name}\[nuclide=1\]"):
        dose_of(labeled.assign({name: medium}))


def test_overlapping_cells(labeled: xr.Dataset) -> None:
    with pytest.raises(GeometryError, match="overlap"):
        dose_of(labeled.assign_coords(x=labeled["x"] * 0.5))


def test_nucleus_larger_than_its_cell(labeled: xr.Dataset) -> None:
    with pytest.raises(GeometryError, match="nucleus"):
        dose_of(labeled.assign(nucleus_radius=labeled["nucleus_radius"] * 2.0))


# Shape classes ----------------------------------------------------------------------------------


def eight_touching(lowest: float) -> xr.Dataset:
    """Eight cells on a cube, their nuclei of eight sizes from `lowest` to 0.9 of the cell."""
    sites = np.stack(np.unravel_index(np.arange(8), (2, 2, 2)), axis=1) * 14.0
    x, y, z = sites.astype(np.float64).T
    order = np.array([3, 6, 0, 5, 2, 7, 1, 4])
    return imd.cells.from_arrays(
        x_um=x,
        y_um=y,
        z_um=z,
        cell_radius_um=6.9,
        nucleus_radius_um=6.9 * np.linspace(lowest, 0.9, 8)[order],
    )


@pytest.mark.parametrize(("lowest", "error", "wide"), [(0.3, 0.04, True), (0.85, 0.006, False)])
def test_error_of_shape_classes_is_the_stated_one(
    lowest: float, error: float, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = imd.label(eight_touching(lowest), "Lu-177", decays_per_cell=10.0)
    exact = dose_of(scene, split=("origin",))
    monkeypatch.setattr("immunodose.population_shapes._MOST_SHAPE_CLASSES", 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classed = dose_of(scene, split=("origin",))
    assert (classed.attrs["cross_dose_class_spread"] > 0.1) == wide
    assert [item.category for item in caught] == [ValidityWarning] * wide
    ratio = (classed["absorbed_dose"] / exact["absorbed_dose"]).sel(origin="cross").values
    assert 0.1 * error < np.abs(ratio - 1.0).max() < error
    assert abs(ratio.mean() - 1.0) < 0.1 * error
    own = {"origin": "self"}
    np.testing.assert_array_equal(
        classed["absorbed_dose"].sel(own), exact["absorbed_dose"].sel(own)
    )


def test_activity_in_the_medium_leaves_that_of_membranes() -> None:
    """A membrane without thickness holds no medium, but its label counts."""
    cells = cells_of()
    label = {"nuclide": "At-211", "decays_per_cell": 10.0}
    own = dose_of(imd.label(cells, **label))["absorbed_dose"]
    around = {**label, "decays_per_cell": 0.0, "medium_decays_per_um3": 1e-3}
    medium = dose_of(imd.label(cells, **around))["absorbed_dose"]
    both = dose_of(imd.label(cells, **label, medium_decays_per_um3=1e-3))["absorbed_dose"]
    np.testing.assert_allclose(both, own + medium, rtol=1e-9)
