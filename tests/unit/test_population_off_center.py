# SPDX-License-Identifier: BSD-3-Clause
"""Populations whose nuclei lie off the centers of their cells, by kernels (Eqs. P14 to P16)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import offset_nuclei as oracle

import immunodose as imd
from immunodose.errors import GeometryError
from immunodose.physics import physics_model

SPACING_UM = 10.6
MEMBRANE_UM = 0.01
EVERYWHERE = {"membrane": 0.3, "nucleus": 0.3, "cytoplasm": 0.4}


def scene(
    n_side: int,
    nuclide: str,
    *,
    radii_um: tuple[float, ...] = (5.0,),
    localization: dict[str, float] | None = None,
    labeled_fraction: float = 1.0,
    medium: float = 0.0,
    longest: float = 1.0,
    seed: int = 1,
) -> xr.Dataset:
    """Jittered lattice, nuclei anywhere in their cells (up to `longest` of the way out)."""
    rng = np.random.default_rng(seed)
    n = n_side**3
    site = np.stack(np.unravel_index(np.arange(n), (n_side,) * 3), axis=1)
    x, y, z = (site * SPACING_UM + rng.uniform(-0.25, 0.25, site.shape)).T
    radius = np.asarray(radii_um)[rng.integers(0, len(radii_um), n)]
    nucleus = 0.6 * radius
    away = rng.normal(size=(n, 3))
    away *= (rng.random(n) * longest / np.linalg.norm(away, axis=1))[:, np.newaxis]
    away *= (radius - MEMBRANE_UM - nucleus)[:, np.newaxis]
    cells = imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=radius, nucleus_radius_um=nucleus,
        nucleus_offset_x=away[:, 0], nucleus_offset_y=away[:, 1], nucleus_offset_z=away[:, 2],
    )  # fmt: skip
    return imd.label(
        cells, nuclide, decays_per_cell=1.0, localization=localization or EVERYWHERE,
        labeled_fraction=labeled_fraction, distribution="lognormal", sd=1.0,
        medium_decays_per_um3=medium, rng=seed,
    )  # fmt: skip


def dose_of(cells: xr.Dataset, summation: str = "auto", **options: Any) -> xr.DataArray:
    return imd.absorbed_dose(cells, summation=summation, merge=False, **options)["absorbed_dose"]


def rms_error(found: xr.DataArray, exact: xr.DataArray) -> float:
    mean = abs(exact).mean("cell")
    error = np.sqrt(((found - exact) ** 2).mean("cell")) / mean
    return float(error.where(mean > 0.0).max())


def concentric(cells: xr.Dataset) -> xr.Dataset:
    return cells.drop_vars([f"nucleus_offset_{axis}" for axis in "xyz"])


@pytest.mark.parametrize(("nuclide", "radii_um"), [("At-211", (5.0, 4.2)), ("Lu-177", (5.0,))])
def test_doses_equal_the_sum_over_all_pairs(nuclide: str, radii_um: tuple[float, ...]) -> None:
    cells = scene(2, nuclide, radii_um=radii_um)
    kernels = physics_model(nuclide, physics="kernel").kernels
    exact_Gy = oracle.dose(cells, kernels, membrane_um=MEMBRANE_UM)
    for summation in ("direct", "cell_list"):
        found = dose_of(cells, summation).sel(emission=list(kernels))
        exact = found.copy(data=exact_Gy)
        np.testing.assert_allclose(found.sel(origin="self"), exact.sel(origin="self"), rtol=1e-6)
        # Sums of tables; Auger electrons between membranes that nearly touch err most.
        assert rms_error(found.sel(origin="cross"), exact.sel(origin="cross")) < 6e-4
        # The offsets matter: without them doses are off by much more.
        centered = dose_of(concentric(cells), summation).sel(emission=list(kernels))
        assert rms_error(centered.sel(origin="cross"), exact.sel(origin="cross")) > 6e-3


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), medium=st.sampled_from([0.0, 1e-3]))
def test_methods_agree_on_random_scenes(seed: int, medium: float) -> None:
    cells = scene(3, "At-211", seed=seed, medium=medium)
    exact = dose_of(cells, "direct", split=("target",), physics="mird")
    found = dose_of(cells, "cell_list", split=("target",), physics="mird")
    np.testing.assert_allclose(found, exact, rtol=1e-3)


def test_a_mesh_equals_the_cell_list() -> None:
    cells = scene(12, "Lu-177", labeled_fraction=0.4)
    options: dict[str, Any] = {"split": ("target", "emission", "origin")}
    choice = {"origin": ["cross"], "emission": ["beta", "auger_ce", "photon"]}
    exact = dose_of(cells, "cell_list", **options).sel(choice)
    found = dose_of(cells, "particle_mesh", **options).sel(choice)
    assert rms_error(found, exact) < 1e-3


def test_hits_of_shifted_nuclei_equal_the_direct_sum() -> None:
    cells = scene(5, "Ac-225", labeled_fraction=0.5)
    options: dict[str, Any] = {"split": ("emission",), "merge": False}
    exact = imd.absorbed_dose(cells, summation="direct", **options)
    found = imd.absorbed_dose(cells, summation="cell_list", **options)
    for name in ("hit_mean", "unhit_probability", "hit_decay_moment"):
        np.testing.assert_allclose(found[name], exact[name], rtol=1e-3)


def test_many_self_doses_are_those_of_each_cell() -> None:
    """More than 128 pairs of shape and offset are interpolated (Eq. P16)."""
    cells = scene(6, "Lu-177", localization={"cytoplasm": 0.5, "membrane": 0.5})
    found = dose_of(cells, "cell_list", split=("target", "emission", "origin")).sel(origin="self")
    decays = cells["time_integrated_activity"].values[0]
    for cell in (0, 57, 133, 215):
        offset = [float(cells[f"nucleus_offset_{axis}"][cell]) for axis in "xyz"]
        s = imd.s_values(
            "Lu-177", cell_radius_um=5.0, nucleus_radius_um=3.0, nucleus_offset_um=offset
        )["s_value"].sel(distance=0, source=cells["source"])  # fmt: skip
        exact = (s * xr.DataArray(decays[cell], dims="source")).sum("source")
        np.testing.assert_allclose(
            found.sel(cell=cell).transpose(*exact.dims), exact, rtol=2e-5, atol=2e-5 * exact.max()
        )


def test_small_offsets_lead_to_concentric_cells() -> None:
    cells = scene(3, "At-211", longest=1e-4, medium=1e-3)
    found = imd.absorbed_dose(cells, merge=False)
    centered = imd.absorbed_dose(concentric(cells), merge=False)
    for name in ("absorbed_dose", "hit_mean"):
        error = abs(found[name] - centered[name]).max() / centered[name].max()
        assert float(error) < 2e-4


def test_zero_offsets_are_concentric_bit_for_bit() -> None:
    cells = scene(3, "At-211", longest=0.0)
    np.testing.assert_array_equal(dose_of(cells), dose_of(concentric(cells)))


@pytest.mark.parametrize("summation", ["direct", "cell_list", "particle_mesh"])
def test_same_bits_for_any_threads_and_numbering(
    summation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("immunodose.threads.available_cpus", lambda: 7)
    cells = scene(6, "Lu-177", medium=1e-4, labeled_fraction=0.5)
    options: dict[str, Any] = {"split": ("target", "origin"), "physics": "mird"}
    one = dose_of(cells, summation, n_threads=1, **options)
    for n_threads in (2, 3, 7):
        np.testing.assert_array_equal(
            dose_of(cells, summation, n_threads=n_threads, **options), one
        )
    order = np.random.default_rng(2).permutation(cells.sizes["cell"])
    np.testing.assert_array_equal(dose_of(cells.isel(cell=order), summation, **options), one[order])


def test_uniform_activity_everywhere_gives_the_equilibrium_dose() -> None:
    """Eq. 18 with sites: medium and cells of one concentration are one body without end."""
    per_um3 = 1e-3
    cells = scene(2, "At-211", radii_um=(5.0, 4.2), medium=per_um3)
    radius = cells["cell_radius"].values
    inside, nucleus = (radius - MEMBRANE_UM) ** 3, cells["nucleus_radius"].values ** 3
    cubes = {"nucleus": nucleus, "cytoplasm": inside - nucleus, "membrane": radius**3 - inside}
    decays = np.stack([cubes[name] for name in cells["source"].values], axis=1)
    activity = cells["time_integrated_activity"].copy(data=4 / 3 * np.pi * per_um3 * decays[None])
    total = dose_of(cells.assign(time_integrated_activity=activity), split=("target", "emission"))
    for emission in ("alpha", "auger_ce"):
        mean = float(total.sel(emission=emission).mean())
        assert mean > 0.0
        np.testing.assert_allclose(total.sel(emission=emission), mean, rtol=2e-4)


def test_monte_carlo_agrees() -> None:
    cells = scene(2, "At-211", localization={"membrane": 0.5, "cytoplasm": 0.5})
    split = ("target", "emission")
    drawn = imd.absorbed_dose(
        cells, method="monte_carlo", split=split, emissions=["alpha"], hits=False,
        membrane_thickness_nm=10.0, n_histories=160_000, rng=3, merge=False,
    ).sel(target=["nucleus", "cytoplasm", "cell"], emission="alpha")  # fmt: skip
    found = dose_of(cells, split=split).sel(target=drawn["target"], emission="alpha")
    error = drawn["absorbed_dose_stderr"]
    assert float((error / drawn["absorbed_dose"]).max()) < 0.03
    # 24 values, 4.5 standard errors: false alarms 2e-4 (31 degrees of freedom: 2e-3).
    assert float((abs(found - drawn["absorbed_dose"]) / error).max()) < 4.5


def test_many_radii_share_classes_and_say_so() -> None:
    rng = np.random.default_rng(4)
    cells = scene(3, "At-211", longest=0.5)
    radius = rng.uniform(4.5, 5.0, cells.sizes["cell"])
    radii = {"cell_radius": ("cell", radius), "nucleus_radius": ("cell", 0.55 * radius)}
    result = imd.absorbed_dose(cells.assign(radii), split=(), physics="mird", merge=False)
    assert 0.0 < result.attrs["cross_dose_class_spread"] < 0.02
    assert json.loads(result.attrs["summation"])[0]["summation"] == "direct"


def test_a_nucleus_in_the_membrane_is_refused() -> None:
    cells = scene(2, "At-211")
    offsets = {f"nucleus_offset_{a}": ("cell", np.zeros(8)) for a in "yz"}
    shifted = cells.assign(nucleus_offset_x=("cell", np.full(8, 1.995)), **offsets)
    with pytest.raises(GeometryError, match=r"cell 0 reaches 4\.995.*into the membrane.*4\.99 um"):
        dose_of(shifted)
    dose_of(shifted, membrane_thickness_nm=4.0)
