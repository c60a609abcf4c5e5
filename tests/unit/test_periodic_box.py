# SPDX-License-Identifier: BSD-3-Clause
"""Populations that repeat in space (Eqs. P17 and P18, docs/theory/population.md)."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import offset_nuclei as oracle
from tests.reference import periodic_box as images_oracle

import immunodose as imd
from immunodose import population_estimate
from immunodose.errors import GeometryError, InputError, ResourceError
from immunodose.physics import physics_model
from immunodose.population_plan import Extent, plan_sweeps
from immunodose.typing import FloatArray
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

SPACING_UM = 10.6


def emitter(name: str) -> str | xr.Dataset:
    """A nuclide; "alphas" are those of 211At, without electrons that reach for mm."""
    if name != "alphas":
        return name
    table = imd.emissions("At-211")
    return table.isel(line=np.flatnonzero(table["emission"].values == "alpha"))


def scene(
    shape: tuple[int, int, int], nuclide: str, *, medium: float = 0.0, seed: int = 1, **offsets: Any
) -> xr.Dataset:
    """Jittered lattice that fits into the box of `box_of`; half of the cells labeled."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    site = np.stack(np.unravel_index(np.arange(n), shape), axis=1)
    x, y, z = (site * SPACING_UM + rng.uniform(-0.25, 0.25, site.shape)).T
    cells = imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=5.0, nucleus_radius_um=4.0, **offsets
    )
    return imd.label(
        cells,
        emitter(nuclide),
        decays_per_cell=1.0,
        localization={"membrane": 0.6, "nucleus": 0.4},
        labeled_fraction=0.5,
        distribution="lognormal",
        sd=1.0,
        medium_decays_per_um3=medium,
        rng=seed,
    )


def box_of(shape: tuple[int, int, int]) -> tuple[float, ...]:
    return tuple(SPACING_UM * n for n in shape)


def dose_of(
    cells: xr.Dataset, box_um: Any, summation: str = "auto", **options: Any
) -> xr.DataArray:
    return imd.absorbed_dose(
        cells, periodic_box_um=box_um, summation=summation, merge=False, **options
    )["absorbed_dose"]


def rms_error(found: xr.DataArray, exact: xr.DataArray) -> float:
    mean = abs(exact).mean("cell")
    error = np.sqrt(((found - exact) ** 2).mean("cell")) / mean
    return float(error.where(mean > 0.0).max())


def repeated(cells: xr.Dataset, box_um: tuple[float, ...], copies: int) -> xr.Dataset:
    """All cells and their images up to `copies` boxes away; the cells come first."""
    steps = [range(-copies, copies + 1) if np.isfinite(edge) else (0,) for edge in box_um]
    shifts = sorted(itertools.product(*steps), key=lambda step: any(step))
    parts = []
    for step in shifts:
        by = [i * edge if i else 0.0 for i, edge in zip(step, box_um, strict=True)]
        parts.append(cells.assign_coords({a: cells[a] + d for a, d in zip("xyz", by, strict=True)}))
    return xr.concat(parts, "cell", data_vars="minimal", coords="minimal", compat="override")


def moved(cells: xr.Dataset, shift: FloatArray, box_um: tuple[float, ...]) -> xr.Dataset:
    """The same cells in a box that begins elsewhere: some come back on the other side."""
    new = {}
    for axis, by, edge in zip("xyz", shift, box_um, strict=True):
        at = cells[axis].values + by
        new[axis] = cells[axis].copy(data=at % edge if np.isfinite(edge) else at)
    return cells.assign_coords(new)


@pytest.mark.parametrize("summation", ["direct", "cell_list"])
def test_a_box_is_the_middle_of_its_repetitions(summation: str) -> None:
    shape = (8, 8, 9)
    box = box_of(shape)
    cells = scene(shape, "alphas", medium=1e-4)
    options: dict[str, Any] = {"split": ("emission",), "physics": "mird", "merge": False}
    found = imd.absorbed_dose(cells, periodic_box_um=box, summation=summation, **options)
    # Alphas reach 80 um with both radii, less than one edge.
    around = repeated(cells, box, 1)
    all_of_it = imd.absorbed_dose(around, summation="cell_list", **options)
    middle = all_of_it.isel(cell=slice(0, cells.sizes["cell"]))
    for name in ("absorbed_dose", "hit_mean", "hit_decay_moment"):
        np.testing.assert_allclose(found[name].values, middle[name].values, rtol=3e-4)
    free = imd.absorbed_dose(cells, **options)
    assert float((free["absorbed_dose"] / found["absorbed_dose"]).mean()) < 0.8


@pytest.mark.parametrize("summation", ["direct", "cell_list"])
def test_many_images_equal_the_sum_over_all_of_them(summation: str) -> None:
    """Alphas reach several edges; nuclei off their centers."""
    rng = np.random.default_rng(3)
    shift = rng.uniform(-0.5, 0.5, (2, 3))
    offsets = {f"nucleus_offset_{a}": shift[:, i] for i, a in enumerate("xyz")}
    cells = scene((2, 1, 1), "alphas", **offsets)
    box = (22.0, 13.0, 12.0)
    kernels = {"alpha": physics_model("At-211", physics="mird").kernels["alpha"]}
    reach = kernels["alpha"].reach_um + 2 * 5.0
    steps = [np.arange(-n, n + 1) * edge for n, edge in zip((5, 8, 9), box, strict=True)]
    shifts = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    gap = np.maximum(np.abs(shifts) - np.array([11.0, 1.0, 1.0]), 0.0)
    shifts = shifts[(np.linalg.norm(gap, axis=1) < reach) & shifts.any(axis=1)]
    found = dose_of(cells, box, summation, physics="mird").sel(emission=["alpha"])
    exact = oracle.dose(cells, kernels, membrane_um=0.0, shifts_um=shifts, targets=("nucleus",))
    np.testing.assert_allclose(found.sel(target="nucleus").values, exact[:, 0], rtol=2e-4)


@pytest.mark.parametrize("box", [(21.2, 24.0, 26.0), (21.2, 24.0, np.inf)])
def test_every_summation_equals_a_plain_sum_over_all_images(box: tuple[float, ...]) -> None:
    """Electrons of 35S reach 0.4 mm: 42,000 images of the box, or 1,400 of a layer."""
    cells = scene((2, 2, 2), "S-35")
    kernel = physics_model("S-35", physics="kernel").kernels["beta"]
    exact = images_oracle.cross_dose(cells, kernel, box, membrane_um=0.01)
    for summation, error in (("direct", 1e-4), ("cell_list", 1e-4), ("particle_mesh", 1e-3)):
        found = dose_of(cells, box, summation, split=("emission", "origin"))
        beta = found.sel(emission="beta", origin="cross")
        assert rms_error(beta, beta.copy(data=exact)) < error, summation


@pytest.mark.parametrize("box", [(53.0, 53.0, 53.0), (53.0, 56.0, 60.0), (53.0, 53.0, np.inf)])
def test_a_folded_mesh_equals_the_cell_list(box: tuple[float, ...]) -> None:
    """Electrons of 35S reach 0.3 mm, six edges; with an open axis the box is a layer."""
    cells = scene((5, 5, 5), "S-35")
    options: dict[str, Any] = {"split": ("target", "origin")}
    exact = dose_of(cells, box, "cell_list", **options).sel(origin="cross")
    found = dose_of(cells, box, "particle_mesh", **options).sel(origin="cross")
    assert rms_error(found, exact) < 1e-3
    assert rms_error(dose_of(cells, None, **options).sel(origin="cross"), exact) > 0.1


@pytest.mark.parametrize("summation", ["direct", "cell_list", "particle_mesh"])
def test_doses_do_not_depend_on_where_the_box_begins(summation: str) -> None:
    box = (21.2, 21.2, 31.8)
    cells = scene((2, 2, 3), "S-35", medium=1e-4)
    options: dict[str, Any] = {"split": ("origin",)}
    one = dose_of(cells, box, summation, **options)
    elsewhere = moved(cells, np.array([13.7, -29.1, 200.3]), box)
    other = dose_of(elsewhere, box, summation, **options)
    assert rms_error(other.sel(origin="cross"), one.sel(origin="cross")) < 1e-3


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.tuples(*[st.floats(-100.0, 100.0)] * 3),
    is_open=st.booleans(),
)
def test_lists_and_direct_sums_agree_wherever_the_box_begins(
    seed: int, shift: tuple[float, float, float], is_open: bool
) -> None:
    shape = (3, 2, 4)
    box = (*box_of(shape)[:2], np.inf) if is_open else box_of(shape)
    cells = scene(shape, "alphas", seed=seed)
    options: dict[str, Any] = {"split": ("target",), "physics": "mird"}
    direct = dose_of(cells, box, "direct", **options)
    lists = dose_of(moved(cells, np.array(shift), box), box, "cell_list", **options)
    np.testing.assert_allclose(lists, direct, rtol=1e-3)


def test_a_box_much_smaller_than_the_reach_has_the_equilibrium_dose() -> None:
    """90Y reaches 14 mm: 4e8 images of the box, and all that is emitted is absorbed evenly.

    But what a cell gives to itself, and what its nearest neighbors give more than that.
    """
    cells = scene((3, 3, 3), "Y-90").drop_vars("medium_time_integrated_activity_concentration")
    box = box_of((3, 3, 3))
    result = imd.absorbed_dose(
        cells, periodic_box_um=box, split=("target", "emission", "origin"), merge=False
    )
    beta = result["absorbed_dose"].sel(emission="beta", origin="cross")
    kernel = physics_model("Y-90", physics="kernel").kernels["beta"]
    decays = float(cells["time_integrated_activity"].sum())
    emitted = decays * float(kernel.energy_keV.sum()) * GRAY_NG_PER_KEV
    even = emitted / (np.prod(box) * NG_PER_UM3)
    assert abs(float(beta.sel(target="cell").mean()) / even - 1.0) < 0.01
    assert result.attrs["periodic_box_um"] == list(box)
    sweeps = json.loads(result.attrs["summation"])
    mesh = next(sweep for sweep in sweeps if "beta" in sweep["emissions"])
    assert mesh["summation"] == "particle_mesh"


def test_alphas_in_a_box_much_smaller_than_their_range_give_the_equilibrium_dose() -> None:
    """Cells of 1.2 um in a box of 5.2 um: 30,000 images within the 80 um that alphas reach.

    Doses of cells are not the mean over space: what a cell gives to itself, 1.3 % of the whole, is
    more than its own space would get, and it keeps its neighbors away. Both are alike.
    """
    cells = imd.cells.lattice(
        shape=(4, 4, 4), spacing_um=1.3, cell_radius_um=0.6, nucleus_radius_um=0.5,
        allow_unusual=True,
    )  # fmt: skip
    one = imd.label(cells, emitter("alphas"), decays_per_cell=1.0)
    found = dose_of(one, 5.2, split=("target", "emission"), physics="mird")
    kernel = physics_model("At-211", physics="mird").kernels["alpha"]
    even = float(kernel.energy_keV.sum()) * GRAY_NG_PER_KEV / (1.3**3 * NG_PER_UM3)
    ratio = found.sel(emission="alpha", target=["nucleus", "cell"]) / even
    assert float(abs(ratio - 1.0).max()) < 3e-3


def test_one_cell_of_a_long_ranged_emitter_fills_its_box() -> None:
    cells = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=10.0, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    one = imd.label(cells, "Y-90", decays_per_cell=1.0)
    found = dose_of(one, 10.0, split=("target", "emission", "origin")).isel(cell=0)
    kernel = physics_model("Y-90", physics="kernel").kernels["beta"]
    even = float(kernel.energy_keV.sum()) * GRAY_NG_PER_KEV / (1000.0 * NG_PER_UM3)
    total = float(found.sel(target="cell", emission="beta").sum("origin"))
    assert abs(total / even - 1.0) < 3e-3
    lattice = imd.cells.lattice(
        shape=(4, 4, 4), spacing_um=10.0, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    many = imd.label(lattice, "Y-90", decays_per_cell=1.0)
    # The same tissue, in a box that holds 64 of its cells.
    wide = dose_of(many, 40.0, split=("target", "emission", "origin")).sel(emission="beta")
    alike = np.broadcast_to(found.sel(emission="beta"), wide.shape)
    np.testing.assert_allclose(wide, alike, rtol=1e-3)


def test_one_cell_touches_its_own_images() -> None:
    cells = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=10.0, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    one = imd.label(cells, emitter("alphas"), decays_per_cell=1.0)
    options: dict[str, Any] = {"split": ("target", "emission"), "physics": "mird"}
    found = dose_of(one, 10.0, **options)
    # The middle of a lattice that is larger than the reach.
    lattice = imd.cells.lattice(
        shape=(17, 17, 17), spacing_um=10.0, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    all_of_it = imd.label(lattice, emitter("alphas"), decays_per_cell=1.0)
    exact = imd.absorbed_dose(all_of_it, merge=False, **options)["absorbed_dose"]
    away = np.stack([lattice[a].values - float(lattice[a].mean()) for a in "xyz"])
    center = int(np.argmin(np.linalg.norm(away, axis=0)))
    np.testing.assert_allclose(found.isel(cell=0), exact.isel(cell=center), rtol=3e-4)


@pytest.mark.parametrize("summation", ["direct", "cell_list", "particle_mesh"])
def test_same_bits_for_any_threads_and_numbering(
    summation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("immunodose.threads.available_cpus", lambda: 7)
    shape = (2, 2, 3)
    cells = scene(shape, "S-35", medium=1e-4)
    options: dict[str, Any] = {"split": ("origin",)}
    one = dose_of(cells, box_of(shape), summation, n_threads=1, **options)
    for n_threads in (2, 3, 7):
        found = dose_of(cells, box_of(shape), summation, n_threads=n_threads, **options)
        np.testing.assert_array_equal(found, one)
    order = np.random.default_rng(2).permutation(cells.sizes["cell"])
    found = dose_of(cells.isel(cell=order), box_of(shape), summation, **options)
    np.testing.assert_array_equal(found, one[order])


def test_dose_rates_know_the_box() -> None:
    shape = (2, 2, 3)
    cells = scene(shape, "S-35")
    timed = imd.absorbed_dose_rate(
        cells, time_h=[0.0], effective_half_life_h="physical", periodic_box_um=box_of(shape),
        physics="mird", merge=False,
    )  # fmt: skip
    total = timed["absorbed_dose_component"].sum("component")
    whole = dose_of(cells, box_of(shape), split=("target",), physics="mird")
    kept = ["nucleus", "cytoplasm", "cell"]
    np.testing.assert_allclose(
        total.sel(target=kept).transpose("cell", "target"), whole.sel(target=kept), rtol=1e-5
    )
    assert timed.attrs["dose_rate_periodic_box_um"] == list(box_of(shape))


@pytest.mark.parametrize(
    ("box", "error", "match"),
    [
        (0.0, InputError, "periodic_box_um=0.0"),
        ((50.0, 50.0), InputError, "three edges"),
        (np.nan, InputError, "periodic_box_um=nan"),
        ([np.inf] * 3, InputError, "along no axis"),
        ((40.0, 15.0, 40.0), InputError, r"cells outside the box: y of cells .*\[1\]=15 um"),
        ((40.0, 40.0, 9.0), GeometryError, r"\[2\]=9 um is smaller than cell 0 .*10 um"),
        ((40.0, 30.0, 40.0), GeometryError, "across the boundary .* cells 0 and 2, by 2"),
    ],
)
def test_bad_boxes_are_refused(box: Any, error: type[Exception], match: str) -> None:
    cells = imd.cells.from_arrays(
        x_um=[0.0, 11.0, 0.0], y_um=[0.0, 11.0, 22.0], z_um=[0.0] * 3, cell_radius_um=5.0,
        nucleus_radius_um=3.0,
    )  # fmt: skip
    labeled = imd.label(cells, "At-211", decays_per_cell=1.0)
    with pytest.raises(error, match=match):
        imd.absorbed_dose(labeled, periodic_box_um=box, physics="mird")
    with pytest.raises(error, match=match):
        imd.absorbed_dose_rate(
            labeled, time_h=0.0, effective_half_life_h="physical", periodic_box_um=box
        )
    with pytest.raises(error, match=match):
        imd.estimate(labeled, periodic_box_um=box, physics="mird")


def test_monte_carlo_knows_no_box() -> None:
    with pytest.raises(InputError, match=r"periodic_box_um .*method='monte_carlo'"):
        imd.absorbed_dose(scene((2, 2, 2), "At-211"), periodic_box_um=40.0, method="monte_carlo")


def test_cells_without_a_place_are_refused_in_a_box_too() -> None:
    cells = scene((2, 2, 2), "S-35")
    lost = cells.assign_coords(x=cells["x"].copy(data=np.full(8, np.nan)))
    with pytest.raises(InputError, match="x_um holds NaN"):
        imd.absorbed_dose(lost, periodic_box_um=40.0)


def test_a_box_without_cells_is_refused() -> None:
    none = scene((2, 2, 2), "S-35").isel(cell=slice(0, 0))
    with pytest.raises(InputError, match="population is empty"):
        dose_of(none, 40.0, split=())


def test_too_many_images_are_refused() -> None:
    cells = scene((3, 3, 3), "Y-90")
    for summation in ("cell_list", "direct"):
        with pytest.raises(InputError, match=r"27 cells has .*images .*give summation='auto'"):
            dose_of(cells, box_of((3, 3, 3)), summation, split=())
    grain = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=0.2, cell_radius_um=0.1, nucleus_radius_um=0.05,
        allow_unusual=True,
    )  # fmt: skip
    alphas = imd.label(grain, emitter("alphas"), decays_per_cell=1.0)
    with pytest.raises(InputError, match=r"1 cells has .*e\+08 images .*Leave 'emission' out"):
        dose_of(alphas, 0.2, split=("emission",), physics="mird")


@pytest.mark.parametrize(
    ("shape", "nuclide", "summation"),
    [
        ((3, 3, 3), "Y-90", "auto"),
        ((1, 1, 1), "Y-90", "auto"),
        ((6, 6, 7), "S-35", "auto"),
        ((6, 6, 7), "S-35", "particle_mesh"),
        ((3, 3, 4), "S-35", "cell_list"),
    ],
)
@pytest.mark.parametrize("is_open", [False, True])
def test_estimates_know_what_a_box_needs(
    shape: tuple[int, int, int], nuclide: str, summation: str, is_open: bool
) -> None:
    """Methods and meshes are those of the core; without the images pairs would be far fewer."""
    cells = scene(shape, nuclide)
    box = (*box_of(shape)[:2], np.inf) if is_open else box_of(shape)
    options: dict[str, Any] = {
        "periodic_box_um": box, "summation": summation, "physics": "mird", "split": ()
    }  # fmt: skip
    done = json.loads(imd.absorbed_dose(cells, **options).attrs["summation"])
    kernels = physics_model(nuclide, physics="mird").kernels
    extent = Extent(
        n_cells=cells.sizes["cell"],
        box_um=tuple(float(np.ptp(cells[axis].values)) for axis in "zyx"),
        smallest_radius_um=5.0,
        largest_radius_um=5.0,
        period_um=box[::-1],
    )
    plans = [
        plan_sweeps(
            extent, kernels, summation=summation, rtol=1e-3, split_emission=False, attempt=attempt
        )
        for attempt in range(3)
    ]
    assert [sweep.summation for sweep in plans[0]] == [sweep["summation"] for sweep in done]
    for number, sweep in enumerate(done):
        meshes = [plan[number].mesh for plan in plans if len(plan) > number]
        allowed = [0.0 if mesh is None else mesh.spacing_um for mesh in meshes]
        assert np.isclose(sweep["mesh_spacing_um"], allowed, rtol=1e-9).any()
    needs = imd.estimate(cells, **options)
    pairs = sum(sweep["n_pairs"] for sweep in done)
    # Bins hold pairs out of reach; nodes of a mesh of one cell are wider than the cell.
    assert 0.1 * pairs <= needs["pairs of cells summed"] <= 3.0 * pairs


def test_images_count_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 cells in a box that 35S reaches across ten times: 540,000 images."""
    cells = scene((4, 4, 2), "S-35")
    options: dict[str, Any] = {"periodic_box_um": box_of((4, 4, 2)), "split": ()}
    lists = imd.estimate(cells, summation="cell_list", **options)
    assert 60.0 < lists["memory: working (MB)"] < 200.0
    mesh = imd.estimate(cells, summation="particle_mesh", **options)
    assert mesh["memory: working (MB)"] < 0.3 * lists["memory: working (MB)"]
    monkeypatch.setattr(population_estimate, "available_memory_MB", lambda: 8.0)
    with pytest.raises(ResourceError, match=r"needs about .* MB of memory, 8 MB are"):
        dose_of(cells, summation="cell_list", box_um=box_of((4, 4, 2)), split=())
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"more than 5e\+07 images .*summation='auto'"):
        imd.estimate(
            scene((3, 3, 3), "Y-90"), summation="cell_list", periodic_box_um=box_of((3, 3, 3))
        )
