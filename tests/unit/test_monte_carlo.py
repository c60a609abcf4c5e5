# SPDX-License-Identifier: BSD-3-Clause
"""Doses by transport of decays: bits, balances, arguments. Random laws: tests/statistical."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import _core
from immunodose.errors import GeometryError, InputError
from immunodose.monte_carlo import decay_sampler
from immunodose.testing import assert_same_bits, assert_schema
from immunodose.typing import EMISSIONS, FloatArray

ALPHAS = ("alpha", "recoil")


def cluster(**per_cell: Any) -> xr.Dataset:
    """27 cells of mixed radii, some of which touch."""
    site = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1) * 14.0
    radius = np.where(np.arange(27) % 3 == 0, 5.0, 7.0)
    x, y, z = site.T
    return imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=radius, nucleus_radius_um=0.7 * radius, **per_cell
    )


def labeled(nuclide: str = "Ac-225", decays_per_cell: float = 20.0, **options: Any) -> xr.Dataset:
    return imd.label(
        cluster(),
        nuclide,
        decays_per_cell=decays_per_cell,
        localization={"nucleus": 0.3, "cytoplasm": 0.3, "membrane": 0.4},
        labeled_fraction=0.5,
        rng=1,
        **options,
    )


def transport(cells: xr.Dataset, **options: Any) -> xr.Dataset:
    return imd.absorbed_dose(
        cells, method="monte_carlo", merge=False,
        **{"n_threads": 1, "rng": 5, "emissions": ALPHAS, **options},
    )  # fmt: skip


@pytest.fixture(scope="module")
def cells() -> xr.Dataset:
    return labeled()


@pytest.mark.parametrize("emissions", [ALPHAS, ("beta", "auger_ce", "photon")], ids=str)
@pytest.mark.parametrize("realization", [True, False])
def test_the_same_bits_for_any_number_of_threads(
    realization: bool, emissions: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("immunodose.threads.available_cpus", lambda: 3)
    few = labeled(decays_per_cell=4.0)
    given = {"realization": True} if realization else {"n_histories": 320}
    one = transport(few, emissions=emissions, **given)
    for n_threads in (2, 3):
        assert_same_bits(transport(few, emissions=emissions, n_threads=n_threads, **given), one)


@pytest.mark.parametrize("options", [{"realization": True}, {"n_histories": 640}], ids=str)
def test_energy_is_accounted_for(options: dict[str, Any]) -> None:
    few = labeled(decays_per_cell=5.0, retention={"Fr-221": 0.5})
    result = transport(few, emissions=None, **options)
    assert_schema(result)
    account = result["energy_account"]
    emitted = account.sel(fate="emitted")
    fates = account.drop_sel(fate="emitted").sum("fate")
    np.testing.assert_allclose(fates, emitted, rtol=1e-9)
    assert float(account.sel(fate="left").sum()) > 0.1 * float(emitted.sum())
    assert float(account.sel(fate="escaped", emission="alpha")) == 0.0
    # Alphas and recoils deposit what the cells hold.
    name = "specific_energy" if "realization" in options else "absorbed_dose"
    mass_ng = 4.0 / 3.0 * np.pi * few["cell_radius"] ** 3 * 1e-3
    dose = result[name].sel(target="cell").sum("origin")
    in_cells = (dose * mass_ng).sum("cell") / 1.602176634e-4
    np.testing.assert_allclose(in_cells, account.sel(fate="cells"), rtol=1e-9)


def test_the_regions_make_up_the_cell(cells: xr.Dataset) -> None:
    result = transport(cells, realization=True)
    radius, nucleus = cells["cell_radius"].values, cells["nucleus_radius"].values
    inside = radius - 0.01
    volume = np.stack([nucleus**3, inside**3 - nucleus**3, radius**3 - inside**3], axis=1)
    parts = result["specific_energy"].sel(target=["nucleus", "cytoplasm", "membrane"])
    whole = (parts.transpose("cell", "target", ...) * volume[..., None, None]).sum("target")
    expected = result["specific_energy"].sel(target="cell") * radius[:, None, None] ** 3
    np.testing.assert_allclose(whole, expected, rtol=1e-9)
    hits = result["hit_count"]
    assert (hits.sel(target="cell") >= hits.max("target")).all()
    assert int(hits.sel(target="nucleus", emission="alpha").sum()) > 50
    let = result["let_dose_mean"].sel(emission="alpha")
    assert float(let.min()) > 40.0
    assert float(let.max()) < 240.0


def scene_of(cells: xr.Dataset) -> _core.transport.SphereScene:
    return _core.transport.SphereScene(
        x_um=cells["x"].values, y_um=cells["y"].values, z_um=cells["z"].values,
        cell_radius_um=cells["cell_radius"].values,
        nucleus_radius_um=cells["nucleus_radius"].values,
        nucleus_offset_um=np.empty(0), membrane_thickness_um=0.01,
    )  # fmt: skip


def test_a_history_can_be_run_alone(cells: xr.Dataset) -> None:
    call = _core.transport.DecayTransportCall(
        root=5, density_g_per_cm3=1.0, straggling=True, lost=0, detailed=False,
        cutoff_keV=0.05, transported=[EMISSIONS.index(name) for name in ALPHAS],
        kept=(True, True, True), with_hits=True,
        medium_decays=0.0, world_radius_um=100.0, n_threads=1,
    )  # fmt: skip
    activity = cells["time_integrated_activity"].values[0]

    def run(begin: int, end: int) -> dict[str, Any]:
        return _core.transport.decay_realization(
            scene=scene_of(cells), decays=decay_sampler("Ac-225"), call=call,
            time_integrated_activity=activity, count_index=0, first_history=0,
            begin=begin, end=end,
        )  # fmt: skip

    whole = run(0, -1)
    n = whole["n_histories"]
    alone = [run(i, i + 1) for i in range(n)]
    total: FloatArray = sum(result["energy_keV"] for result in alone)
    np.testing.assert_allclose(total, whole["energy_keV"], rtol=1e-12)
    np.testing.assert_array_equal(sum(result["hits"] for result in alone), whole["hits"])
    public = transport(cells, realization=True)
    assert json.loads(public.attrs["n_histories"]) == {"Ac-225": n}
    np.testing.assert_array_equal(public["hit_count"].values[..., :2], whole["hits"])


def test_splits_are_sums(cells: xr.Dataset) -> None:
    full = transport(cells, n_histories=640)["absorbed_dose"]
    for split in ((), ("origin",), ("emission", "nuclide"), ("origin", "target")):
        part = transport(cells, n_histories=640, split=split)
        assert part["absorbed_dose"].dims == (
            "cell", *(d for d in ("nuclide", "target", "emission", "origin") if d in split)
        )  # fmt: skip
        whole = full if "target" in split else full.sel(target="nucleus")
        summed = [dim for dim in ("emission", "origin") if dim not in split]
        expected = whole.sum(summed)
        found = part["absorbed_dose"]
        found = found.sum("nuclide") if "nuclide" in split else found
        np.testing.assert_allclose(found, expected.transpose(*found.dims), rtol=1e-9)
        assert part["absorbed_dose_stderr"].dims == part["absorbed_dose"].dims


def test_nuclides_are_told_apart() -> None:
    both = imd.label(labeled("At-211"), "Ac-225", decays_per_cell=3.0)
    full = transport(both, n_histories=320, split=("nuclide", "target", "emission", "origin"))
    first = transport(both.isel(nuclide=[0]), n_histories=320)["absorbed_dose"]
    np.testing.assert_allclose(full["absorbed_dose"].sel(nuclide="At-211"), first, rtol=1e-12)
    # Other streams: the decays of the second are not those of the first.
    assert not np.allclose(full["absorbed_dose"].sel(nuclide="Ac-225"), 0.0)


def test_scaled_lengths() -> None:
    """Lengths x s with density / s: the same energies (invariant 18)."""
    few = labeled(decays_per_cell=4.0)
    large = few.assign({name: 2.0 * few[name] for name in ("cell_radius", "nucleus_radius")})
    large = large.assign_coords({axis: 2.0 * few[axis] for axis in "xyz"})
    options = {"realization": True}
    small_dose = transport(few, **options)["specific_energy"].sel(target="cell")
    large_dose = transport(large, density_g_per_cm3=0.5, membrane_thickness_nm=20.0, **options)[
        "specific_energy"
    ].sel(target="cell")
    np.testing.assert_allclose(4.0 * large_dose, small_dose, rtol=1e-6)


def test_no_dose_beyond_reach() -> None:
    """Invariant 12: an alpha of 211At and its daughter (7.45 MeV) ends within 75 um."""
    line = imd.cells.from_arrays(
        x_um=[0.0, 50.0, 95.0], y_um=np.zeros(3), z_um=np.zeros(3),
        cell_radius_um=7.0, nucleus_radius_um=5.0,
    )  # fmt: skip
    one = line.pipe(imd.label, "At-211", decays_per_cell=100.0)
    activity = one["time_integrated_activity"].copy()
    activity[:, 1:] = 0.0
    one["time_integrated_activity"] = activity
    result = transport(one, n_histories=64_000, straggling=False)
    dose = result["absorbed_dose"].sel(target="cell", emission="alpha", origin="cross").values
    assert dose[0] == 0.0
    assert dose[1] > 0.0
    assert dose[2] == 0.0


def test_without_activity_there_is_no_dose() -> None:
    silent = labeled(decays_per_cell=0.0)
    for options in ({"realization": True}, {"n_histories": 320}):
        result = transport(silent, emissions=None, **options)
        name = "specific_energy" if "realization" in options else "absorbed_dose"
        assert float(result[name].sum()) == 0.0
        assert float(result["energy_account"].sum()) == 0.0


def test_a_membrane_without_thickness_has_no_dose(cells: xr.Dataset) -> None:
    result = transport(cells, n_histories=320, membrane_thickness_nm=0.0)
    assert np.isnan(result["absorbed_dose"].sel(target="membrane")).all()
    assert np.isfinite(result["absorbed_dose"].sel(target="cytoplasm")).all()


def test_the_root_is_recorded(cells: xr.Dataset) -> None:
    first = transport(cells, realization=True, rng=None)
    again = transport(cells, realization=True, rng=int(first.attrs["random_root"]))
    assert_same_bits(again, first)
    other = transport(cells, realization=True, rng=6)
    assert not np.array_equal(other["hit_count"], first["hit_count"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "kernel", "realization": True}, "realization=True has no effect"),
        ({"method": "kernel", "rng": 1}, "rng=1 has no effect"),
        ({"method": "kernel", "n_histories": 32}, "n_histories=32 has no effect"),
        ({"physics": "mird"}, "has no effect with method='monte_carlo'"),
        ({"realization": True, "n_histories": 32}, "no effect with realization=True"),
        ({"n_histories": 100}, "multiple of n_batches=32"),
        ({"n_histories": 3.2e3}, "multiple of n_batches=32"),
        ({"n_batches": 1}, "n_batches=1"),
        ({"electron_mode": "detaild"}, "Did you mean"),
        ({"lost_daughters": "stay"}, "unknown lost_daughters"),
        ({"straggling": 1}, "invalid straggling=1"),
        ({"emissions": "alpha"}, "must be a sequence"),
        ({"emissions": ("alphas",)}, "unknown emission 'alphas'"),
        ({"medium_margin_um": -1.0}, "medium_margin_um=-1.0"),
        ({"rng": -1}, "invalid rng=-1"),
        ({"method": "montecarlo"}, "unknown method"),
    ],
    ids=str,
)
def test_bad_arguments(cells: xr.Dataset, options: dict[str, Any], message: str) -> None:
    given = {"method": "monte_carlo", **options}
    if given["method"] == "kernel":
        given["physics"] = "mird"
    with pytest.raises(InputError, match=message):
        imd.absorbed_dose(cells, **given)


def test_daughters_need_a_medium_to_move_to() -> None:
    alone = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    labeled = imd.label(alone, "Ac-225", decays_per_cell=1.0, retention={"Fr-221": 0.5})
    to_medium: dict[str, Any] = {
        "method": "monte_carlo", "realization": True, "emissions": ("alpha",),
        "lost_daughters": "medium", "rng": 1,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"needs a medium.*Give medium_margin_um > 0"):
        imd.absorbed_dose(labeled, **to_medium, medium_margin_um=0.0)
    imd.absorbed_dose(labeled, **to_medium)  # by default it is as wide as alphas get


def test_a_nucleus_in_the_membrane_is_refused() -> None:
    full = imd.cells.from_arrays(
        x_um=[0.0], y_um=[0.0], z_um=[0.0], cell_radius_um=5.0, nucleus_radius_um=5.0
    )
    with pytest.raises(GeometryError, match="cell 0: the nucleus reaches"):
        transport(imd.label(full, "At-211", decays_per_cell=1.0))


def test_clusters_of_a_spectrum_are_refused() -> None:
    table = imd.emissions("Ac-225")
    with pytest.raises(InputError, match="alphas per decay, but says not"):
        transport(imd.label(cluster(), table, decays_per_cell=1.0))


def test_offsets_of_nuclei_count_in_both_methods(cells: xr.Dataset) -> None:
    n = cells.sizes["cell"]
    zero = {f"nucleus_offset_{axis}": ("cell", np.zeros(n)) for axis in "xyz"}
    centered = cells.assign(zero)
    assert_same_bits(transport(centered, realization=True), transport(cells, realization=True))
    exact = imd.absorbed_dose(centered, physics="mird", merge=False)
    assert exact.equals(imd.absorbed_dose(cells, physics="mird", merge=False))
    one = centered.assign(nucleus_offset_x=("cell", np.where(np.arange(n) == 4, 1.0, 0.0)))
    moved = imd.absorbed_dose(one, physics="mird", merge=False)
    for name, same in (("nucleus", False), ("cell", True)):
        own = (
            ds["absorbed_dose"].sel(cell=4, target=name, origin="cross") for ds in (moved, exact)
        )
        before, after = (float(dose.sum()) for dose in own)
        assert (abs(after - before) < 1e-3 * before) == same
    with pytest.raises(GeometryError, match="cell 4"):
        transport(one.assign(nucleus_offset_y=3.0 * one["nucleus_offset_x"]))


def test_energy_below_the_cutoff_is_stated() -> None:
    cells = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    labeled = imd.label(cells, "I-125", decays_per_cell=1.0)
    dose = imd.absorbed_dose(labeled, method="monte_carlo", n_histories=64, rng=1)
    table = imd.emissions("I-125")
    electron = table.emission.isin(["beta", "auger_ce"])
    energy = (table.energy * table.yield_per_decay).where(electron, 0.0)
    share = float(energy.where(table.energy < 0.05, 0.0).sum() / energy.sum())
    stated = json.loads(dose.attrs["world"])["I-125"]["electron_energy_fraction_below_cutoff"]
    assert 0.01 < share < 0.03
    np.testing.assert_allclose(stated, share, rtol=1e-12)


def test_photon_energy_absorbed_at_the_decay_is_stated_by_every_model() -> None:
    """Photons below 1 keV have no transport: 0.34 keV per decay of 125I."""
    table = imd.emissions("I-125")
    energy = (table.energy * table.yield_per_decay).where(table.emission == "photon", 0.0)
    share = float(energy.where(table.energy < 1.0, 0.0).sum() / energy.sum())
    assert 0.005 < share < 0.02
    cell: dict[str, Any] = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0}
    labeled = imd.label(imd.cells.lattice(shape=(1, 1, 1), spacing_um=14.0, **cell), "I-125",
                        decays_per_cell=1.0)  # fmt: skip
    by_track = imd.absorbed_dose(labeled, method="monte_carlo", n_histories=64, rng=1)
    found = [
        imd.s_values("I-125", **cell).attrs["photon_energy_fraction_at_decay"],
        imd.s_values("I-125", **cell, physics="monte_carlo", n_histories=64, rng=1).attrs[
            "photon_energy_fraction_at_decay"
        ],
        imd.point_kernel("I-125").attrs["photon_energy_fraction_at_decay"],
        json.loads(imd.absorbed_dose(labeled).attrs["photon_energy_fraction_at_decay"])["I-125"],
        json.loads(by_track.attrs["world"])["I-125"]["photon_energy_fraction_at_decay"],
    ]
    np.testing.assert_allclose(found, share, rtol=1e-12)
