# SPDX-License-Identifier: BSD-3-Clause
"""S values by Monte Carlo: sampling, geometry, agreement with quadrature, what is refused.

Random results come from fixed streams. A bound of 4.5 standard errors, estimated from 64 batches
(Student's t with 63 degrees of freedom), fails by chance 3e-5 of the time per number; chi-square
bounds are set at 1e-6 each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from tests.reference.single_cell import Cell

import immunodose as imd
from immunodose import _core, schema
from immunodose.errors import GeometryError, InputError, UnitError, ValidityWarning
from immunodose.typing import FloatArray

ROUND: dict[str, Any] = {"cell_radius_um": 5.0, "nucleus_radius_um": 3.0}
MONTE_CARLO: dict[str, Any] = {**ROUND, "physics": "monte_carlo", "rng": 7, "n_histories": 6400}
SLIM = Cell((8.0, 5.0, 4.0), (3.0, 2.5, 2.0), (1.5, -0.5, 0.3), 0.4)
SIGMAS = 4.5


def axes_of(cell: Cell) -> list[list[float]]:
    return [list(cell.cell), list(cell.nucleus), list(cell.offset)]


def sample(cell: Cell, region: int, n: int) -> FloatArray:
    return _core.transport.sample_cell_region(
        axes_um=axes_of(cell), membrane_um=cell.membrane, region=region, n_points=n, root=3
    )


def even_p(values: FloatArray, n_bins: int = 40) -> float:
    """p of a chi-square test that values are uniform in (0, 1)."""
    counts, _ = np.histogram(values, bins=n_bins, range=(0.0, 1.0))
    assert counts.sum() == values.size
    return float(stats.chisquare(counts).pvalue)


def self_dose(ds: xr.Dataset, name: str = "s_value") -> FloatArray:
    """(target, source), summed or the quadratic sum over emissions."""
    values = ds[name].isel(distance=0)
    if name == "s_value":
        return np.asarray(values.sum("emission", skipna=False).values)
    return np.asarray(np.sqrt((values**2).sum("emission")).values)


# --- sampling -------------------------------------------------------------------------------


@pytest.mark.parametrize("membrane_um", [0.01, 0.5])
@pytest.mark.parametrize("region", [0, 1, 2])
def test_points_of_shells_follow_the_cube_of_the_radius(region: int, membrane_um: float) -> None:
    cell = Cell((5.0,) * 3, (3.0,) * 3, (0.0,) * 3, membrane_um)
    points = sample(cell, region, 40_000)
    low, high = [(0.0, 3.0), (3.0, 5.0 - membrane_um), (5.0 - membrane_um, 5.0)][region]
    radius = np.linalg.norm(points, axis=1)
    assert even_p((radius**3 - low**3) / (high**3 - low**3)) > 1e-6
    for axis in range(3):
        assert even_p(0.5 + 0.5 * points[:, axis] / radius) > 1e-6
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    assert even_p(0.5 + azimuth / (2.0 * np.pi)) > 1e-6


def test_a_membrane_without_thickness_is_the_surface() -> None:
    cell = Cell((5.0,) * 3, (3.0,) * 3, (0.0,) * 3, 0.0)
    radius = np.linalg.norm(sample(cell, 2, 4000), axis=1)
    np.testing.assert_allclose(radius, 5.0, rtol=1e-11)
    # Half of the points lie on each side: 4000 coins within 4.5 standard deviations.
    assert abs(np.sum(radius > 5.0) - 2000) < SIGMAS * np.sqrt(1000.0)


@pytest.mark.parametrize("region", [0, 1, 2])
def test_points_of_ellipsoids_are_those_of_rejection(region: int) -> None:
    """Against points of a box that fall into the region, in 4 x 4 x 4 boxes."""
    n = 40_000
    edges = [np.array([-a, -0.4 * a, 0.1 * a, 0.5 * a, a]) for a in SLIM.cell]
    ours, _ = np.histogramdd(sample(SLIM, region, n), bins=edges)
    box, _ = np.histogramdd(SLIM.points(region, n, np.random.default_rng(5)), bins=edges)
    table = np.array([ours.ravel(), box.ravel()])
    table = table[:, table.sum(axis=0) > 10]
    assert table.sum() > 1.99 * n
    assert stats.chi2_contingency(table).pvalue > 1e-6


def test_points_of_a_thin_ellipsoidal_membrane_lie_in_it() -> None:
    thin = Cell(SLIM.cell, SLIM.nucleus, SLIM.offset, 0.01)
    points = sample(thin, 2, 20_000)
    assert np.all(thin.region_of(points) == 2)
    # Position across the membrane along each ray is uniform, but for the curvature (0.5 %).
    outer, inner = (np.sqrt(thin.level(points, name)) for name in ("cell", "inside"))
    assert even_p((1.0 / outer - 1.0) / (1.0 / outer - 1.0 / inner), n_bins=20) > 1e-6


def test_volumes_of_the_regions() -> None:
    volumes = np.array(_core.transport.cell_volumes_um3(axes_um=axes_of(SLIM), membrane_um=0.4))
    np.testing.assert_allclose(volumes.sum(), 4.0 / 3.0 * np.pi * 160.0, rtol=1e-13)
    box = np.random.default_rng(1).uniform(-1.0, 1.0, (200_000, 3)) * np.array(SLIM.cell)
    counts = np.bincount(SLIM.region_of(box), minlength=4)[:3]
    expected = volumes / (8.0 * 160.0) * len(box)
    assert np.all(abs(counts - expected) < SIGMAS * np.sqrt(expected))


# --- alphas against quadrature and rays -----------------------------------------------------


@pytest.mark.parametrize("energy_keV", [1500.0, 5870.0])
def test_alphas_agree_with_the_quadrature(energy_keV: float) -> None:
    given: dict[str, Any] = {
        **ROUND, "distance_um": [14.0, 0.0, 10.0], "membrane_thickness_nm": 0.0,
    }  # fmt: skip
    exact = imd.s_values_alpha(energy_keV, **given, physics="mird").s_value.sel(emission="alpha")
    ds = imd.s_values_alpha(
        energy_keV, **given, physics="monte_carlo", rng=1, n_histories=64_000,
        alpha_straggling=False,
    )  # fmt: skip
    schema.validate(ds)
    value, error = (ds[name].sel(emission="alpha") for name in ("s_value", "s_value_stderr"))
    assert np.isnan(value.sel(target="membrane")).all()
    kept = ["nucleus", "cytoplasm", "cell"]
    value, error, exact = (a.sel(target=kept).values for a in (value, error, exact))
    hit = ~np.isnan(error)  # a rare pair may have no hit; then it has no error either
    assert np.all(value[~hit] == 0.0)
    assert hit.sum() >= 35
    assert np.all(abs(value - exact)[hit] < (SIGMAS * error + 1e-4 * exact)[hit])
    own = error[..., 1] / exact[..., 1]
    assert np.sum(own < 0.004) >= 6  # a fault of 2 % would show in half of 12 numbers


def test_a_thick_membrane_is_a_target() -> None:
    """Membrane as a target of alphas: the rest of nested balls of the quadrature."""
    wide = imd.s_values_alpha(
        5870.0, **ROUND, membrane_thickness_nm=800.0, physics="monte_carlo", rng=1,
        n_histories=64_000, alpha_straggling=False,
    )  # fmt: skip
    for source in (0, 1, 2):
        cell = Cell((5.0,) * 3, (3.0,) * 3, (0.0,) * 3, 0.8)
        for target in (0, 1, 2):
            mean, error = cell.alpha_s_value(5870.0, target, source, 100_000, seed=source)
            found = wide.isel(target=target, source=source, distance=0).sel(emission="alpha")
            both = np.hypot(error, float(found.s_value_stderr))
            assert abs(float(found.s_value) - mean) < SIGMAS * both


@pytest.mark.parametrize("source", [0, 1, 2])
def test_ellipsoids_and_a_shifted_nucleus_agree_with_rays(source: int) -> None:
    ds = imd.s_values_alpha(
        5870.0, cell_semi_axes_um=SLIM.cell, nucleus_semi_axes_um=SLIM.nucleus,
        nucleus_offset_um=SLIM.offset, membrane_thickness_nm=400.0, physics="monte_carlo", rng=2,
        n_histories=64_000, alpha_straggling=False,
    )  # fmt: skip
    for target in (0, 1, 2):
        mean, error = SLIM.alpha_s_value(5870.0, target, source, 100_000, seed=10 + source)
        found = ds.isel(target=target, source=source, distance=0).sel(emission="alpha")
        both = np.hypot(error, float(found.s_value_stderr))
        assert both < 0.03 * mean
        assert abs(float(found.s_value) - mean) < SIGMAS * both


def test_straggling_hardly_changes_means() -> None:
    """2 % over 10 um of track for one alpha; under 1 % for means (5 um of 48)."""
    off, on = (
        imd.s_values_alpha(5870.0, **{**MONTE_CARLO, "n_histories": 64_000}, alpha_straggling=flag)
        for flag in (False, True)
    )
    np.testing.assert_allclose(self_dose(on), self_dose(off), rtol=0.05)
    difference = (self_dose(on) - self_dose(off))[[0, 1, 3]]
    error = np.hypot(self_dose(on, "s_value_stderr"), self_dose(off, "s_value_stderr"))[[0, 1, 3]]
    assert np.all(abs(difference) < SIGMAS * error)


# --- electrons and photons ------------------------------------------------------------------


@pytest.mark.parametrize("energy_keV", [12.0, 30.0])
def test_electron_modes_agree(energy_keV: float) -> None:
    """Above 10 keV: below, both follow every collision."""
    n = 12_800 if energy_keV < 20.0 else 6400
    detailed, condensed = (
        imd.s_values_electron(
            energy_keV, **{**MONTE_CARLO, "n_histories": n, "rng": 10 + k}, electron_mode=mode
        )
        for k, mode in enumerate(("detailed", "condensed"))
    )
    error = np.hypot(self_dose(detailed, "s_value_stderr"), self_dose(condensed, "s_value_stderr"))
    # The modes are meant to agree within 1 %, beyond the random error.
    allowed = SIGMAS * error + 0.01 * self_dose(condensed)
    assert np.all(abs(self_dose(detailed) - self_dose(condensed)) <= allowed)


def test_an_electron_below_the_cut_off_stays_where_it_is() -> None:
    with pytest.warns(ValidityWarning, match="100% of the electron energy .* below 50 eV"):
        ds = imd.s_values_electron(0.04, **MONTE_CARLO)
    mass_ng = 4.0 / 3.0 * np.pi * 27.0 * 1e-3
    own = ds.s_value.sel(target="nucleus", source="nucleus", emission="auger_ce", distance=0.0)
    np.testing.assert_allclose(own, 0.04 * 1.602176634e-4 / mass_ng, rtol=1e-12)
    assert float(ds.s_value.sel(target="nucleus", source="cytoplasm").sum()) == 0.0
    assert ds.attrs["electron_energy_fraction_below_cutoff"] == 1.0
    assert np.isnan(ds.s_value_stderr.sel(target="nucleus", source="nucleus")).all()


def lines(*energy_keV: float) -> xr.Dataset:
    """Electrons of these energies, one each per decay."""
    table = imd.emissions("I-125").isel(line=[0] * len(energy_keV))
    table["emission"] = ("line", ["auger_ce"] * len(energy_keV))
    table["energy"] = ("line", list(energy_keV))
    table["yield_per_decay"] = ("line", [1.0] * len(energy_keV))
    return table


def test_five_percent_below_the_cut_off_pass_without_a_warning() -> None:
    few = {**MONTE_CARLO, "n_histories": 64}
    ds = imd.s_values(lines(0.04, 0.77), **few)  # 4.9 %
    assert ds.attrs["electron_energy_fraction_below_cutoff"] == pytest.approx(0.04 / 0.81)
    with pytest.warns(ValidityWarning, match="5% of the electron energy"):
        imd.s_values(lines(0.04, 0.75), **few)


def test_what_lies_above_the_transport_alone_is_one_error_without_a_warning() -> None:
    with pytest.raises(InputError, match=r"all auger_ce energies .*physics='kernel'"):
        imd.s_values(lines(3100.0), **MONTE_CARLO)  # a warning would be an error


def test_recoils_stay_where_they_are() -> None:
    ds = imd.s_values("At-211", **{**MONTE_CARLO, "n_histories": 640})
    recoil = ds.s_value.sel(emission="recoil", distance=0.0)
    mass_ng = 4.0 / 3.0 * np.pi * 27.0 * 1e-3
    expected = float(ds.energy_per_decay.sel(emission="recoil")) * 1.602176634e-4 / mass_ng
    found = float(recoil.sel(target="nucleus", source="nucleus"))
    np.testing.assert_allclose(found, expected, rtol=0.01)  # lines are drawn, 10 per batch
    assert float(recoil.sel(target="nucleus", source="cytoplasm")) == 0.0


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_energy_balance(kind: int) -> None:
    """Emitted = left + escaped in every batch; what the cell holds is part of what is left."""
    energy = {0: [100.0, 800.0], 1: [30.0, 1500.0], 2: [5870.0, 8000.0]}[kind]
    deposited, balance = core_run(kind, energy, n_threads=1)
    emitted, left, escaped, slow = np.moveaxis(balance, -1, 0)
    assert np.all(slow < left)
    assert bool(slow.any()) == (kind != 2)
    np.testing.assert_allclose(left + escaped, emitted, rtol=1e-9)
    assert np.all(deposited.sum(axis=(-2, -1)) <= left * (1.0 + 1e-12))
    np.testing.assert_allclose(emitted.mean() / 32, np.mean(energy), rtol=1e-12)


def core_run(kind: int, energy: list[float], n_threads: int) -> tuple[FloatArray, FloatArray]:
    axes = [[5.0] * 3, [3.0] * 3, [1.0, 0.0, 0.0]]
    return _core.transport.cell_monte_carlo(
        source_axes_um=axes, target_axes_um=axes, membrane_um=0.01, distance_um=np.zeros(1),
        source_regions=[0, 2], emissions=[(kind, np.array(energy), np.ones(len(energy)))],
        n_batches=16, histories_per_batch=32, root=5, density_g_per_cm3=1.0, world_radius_um=2e4,
        detailed=False, cutoff_keV=0.05, longest_step_um=1.5, straggling=True,
        n_threads=n_threads,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_threads_do_not_change_bits(kind: int) -> None:
    energy = {0: [60.0], 1: [500.0], 2: [5870.0]}[kind]
    for one, two in zip(core_run(kind, energy, 1), core_run(kind, energy, 3), strict=True):
        np.testing.assert_array_equal(one, two)


def test_photons_escape_and_leave_little() -> None:
    ds = imd.s_values("Lu-177", **{**MONTE_CARLO, "n_histories": 6400}, world_radius_um=1000.0)
    emitted = float(ds.energy_per_decay.sel(emission="photon"))
    escaped = float(ds.energy_escaped.sel(emission="photon"))
    assert 0.9 * emitted < escaped < emitted
    assert float(ds.energy_escaped_stderr.sel(emission="photon")) < 0.02 * emitted
    assert float(ds.energy_not_scored.sum()) == 0.0


# --- symmetries -----------------------------------------------------------------------------


def test_equal_axes_are_a_sphere_bit_for_bit() -> None:
    radii = imd.s_values_alpha(5870.0, **MONTE_CARLO)
    given = {key: value for key, value in MONTE_CARLO.items() if "radius" not in key}
    axes = imd.s_values_alpha(
        5870.0, **given, cell_semi_axes_um=[5.0] * 3, nucleus_semi_axes_um=[3.0] * 3
    )
    np.testing.assert_array_equal(radii.s_value.values, axes.s_value.values)


@pytest.mark.parametrize("call", [imd.s_values_alpha, imd.s_values_electron])
def test_reciprocity_in_a_cell_with_a_shifted_nucleus(call: Any) -> None:
    """S(T<-S) = S(S<-T) for any shapes in water."""
    energy = 5870.0 if call is imd.s_values_alpha else 20.0
    ds = call(
        energy, cell_semi_axes_um=SLIM.cell, nucleus_semi_axes_um=SLIM.nucleus,
        nucleus_offset_um=SLIM.offset, membrane_thickness_nm=400.0, physics="monte_carlo", rng=4,
        n_histories=12_800,
    )  # fmt: skip
    value, error = self_dose(ds), self_dose(ds, "s_value_stderr")
    both = np.hypot(error, error.T)
    for t, s in ((0, 1), (0, 2), (1, 2)):
        assert both[t, s] < 0.05 * value[t, s]
        assert abs(value[t, s] - value[s, t]) < SIGMAS * both[t, s]


def test_a_mirrored_offset_mirrors_the_doses_between_cells() -> None:
    """Nuclei that look at each other get more than nuclei that look away; both get the same."""
    near, far = (
        imd.s_values_alpha(
            5870.0, **MONTE_CARLO, nucleus_offset_um=x, distance_um=12.0
        ).s_value.sel(target="nucleus", source="cell", emission="alpha", distance=12.0)
        for x in (-1.5, 1.5)
    )
    assert float(near) > 1.2 * float(far)


def test_cell_is_the_sum_of_its_regions() -> None:
    ds = imd.s_values_alpha(5870.0, **MONTE_CARLO, membrane_thickness_nm=300.0)
    s = self_dose(ds)
    cell = Cell((5.0,) * 3, (3.0,) * 3, (0.0,) * 3, 0.3)
    share = np.array(_core.transport.cell_volumes_um3(axes_um=axes_of(cell), membrane_um=0.3))
    share /= share.sum()
    np.testing.assert_allclose(share @ s[:3], s[3], rtol=1e-12)
    np.testing.assert_allclose(s[:, :3] @ share, s[:, 3], rtol=1e-12)


def test_the_standard_error_is_that_of_repeated_runs() -> None:
    """Spread of 30 runs over the mean stated error: within 0.5 to 1.6 (chance 1e-6)."""
    runs = [imd.s_values_alpha(5870.0, **{**MONTE_CARLO, "rng": k, "n_histories": 640})
            for k in range(30)]  # fmt: skip
    values = np.array([self_dose(ds)[0] for ds in runs])
    errors = np.array([self_dose(ds, "s_value_stderr")[0] for ds in runs])
    ratio = values.std(axis=0, ddof=1) / np.sqrt((errors**2).mean(axis=0))
    assert np.all((ratio > 0.5) & (ratio < 1.6))


def test_the_same_rng_gives_the_same_bits_and_another_does_not() -> None:
    one, again = (imd.s_values_electron(5.0, **MONTE_CARLO) for _ in range(2))
    other = imd.s_values_electron(5.0, **{**MONTE_CARLO, "rng": 8})
    np.testing.assert_array_equal(one.s_value.values, again.s_value.values)
    assert not np.array_equal(one.s_value.values, other.s_value.values)
    assert one.attrs["random_root"] == "7"
    assert one.attrs["n_batches"] == 64


# --- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"n_histories": 10}, InputError, "n_histories=10.*from 64"),
        ({"n_histories": 1e5}, InputError, "n_histories=100000.0"),
        ({"electron_mode": "detail"}, InputError, "electron_mode='detail'.*mean 'detailed'"),
        ({"rng": -1}, InputError, "rng=-1"),
        ({"nucleus_offset_um": 2.5}, GeometryError, "leaves the inside of its cell.*1.10"),
        ({"nucleus_offset_um": [1.0, 2.0]}, InputError, "nucleus_offset_um"),
        ({"nucleus_offset_um": np.nan}, InputError, "nucleus_offset_um"),
        ({"cell_semi_axes_um": [5.0] * 3}, InputError, "either cell_radius_um or .*both"),
        ({"cell_radius_um": None}, InputError, "either cell_radius_um or .*neither"),
        ({"cell_radius_um": None, "cell_semi_axes_um": [5.0, 4.0]}, InputError, "three numbers"),
        ({"cell_radius_um": None, "cell_semi_axes_um": [5e3] * 3}, UnitError, "5000 nm"),
        ({"world_radius_um": 0.0}, InputError, "world_radius_um=0"),
        ({"distance_um": 9.0}, GeometryError, "overlap at distance_um"),
        ({"distance_um": -1.0}, InputError, r"distance_um\[0\]=-1"),
        ({"distance_um": []}, InputError, "distance_um is empty"),
        ({"source_cell_radius_um": 6.0}, InputError, "self-dose, which has one cell"),
        ({"membrane_thickness_nm": 5000.0}, UnitError, "exceeds 1000 nm"),
        ({"n_history": 100}, TypeError, "unexpected.*Did you mean 'n_histories'"),
        ({"physics": "mird"}, InputError, "does not know n_histories, rng.*monte_carlo"),
    ],
)  # fmt: skip
def test_errors(change: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        imd.s_values("Lu-177", **{**MONTE_CARLO, **change})


def test_a_source_without_volume_is_undefined_on_ellipsoids() -> None:
    ds = imd.s_values_alpha(
        5870.0, cell_semi_axes_um=SLIM.cell, nucleus_semi_axes_um=SLIM.nucleus,
        physics="monte_carlo", membrane_thickness_nm=0.0, rng=1, n_histories=64,
    )  # fmt: skip
    alpha = ds.s_value.sel(emission="alpha", distance=0.0)
    assert np.isnan(alpha.sel(source="membrane")).all()
    assert not np.isnan(alpha.sel(source="cell", target="cell"))


def test_a_source_cell_of_another_size() -> None:
    ds = imd.s_values_alpha(
        5870.0, **MONTE_CARLO, distance_um=[13.0], source_cell_radius_um=7.0,
        source_nucleus_radius_um=6.0,
    )  # fmt: skip
    exact = imd.s_values_alpha(
        5870.0, **ROUND, physics="mird", distance_um=[13.0], source_cell_radius_um=7.0,
        source_nucleus_radius_um=6.0,
    )  # fmt: skip
    found, error, expected = (
        d.sel(target="nucleus", source="nucleus", emission="alpha", distance=13.0)
        for d in (ds.s_value, ds.s_value_stderr, exact.s_value)
    )
    assert abs(float(found) - float(expected)) < SIGMAS * float(error)
    with pytest.raises(InputError, match="no sphere"):
        imd.s_values_alpha(
            5870.0, cell_semi_axes_um=SLIM.cell, nucleus_radius_um=3.0, physics="monte_carlo",
            distance_um=20.0, source_nucleus_radius_um=3.0,
        )  # fmt: skip
