# SPDX-License-Identifier: BSD-3-Clause
"""Kernels of photons and their electrons: invariants 9 and 18, Monte Carlo, an oracle, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import photons as oracle

import immunodose as imd
from immunodose import _core, photon_kernels
from immunodose.errors import FileError, InputError
from immunodose.photon_kernels import (
    build_photon_kernels,
    load_photon_kernels,
    shipped_photon_kernels,
    shipped_photon_table,
)
from immunodose.typing import FloatArray

LINES = (np.array([0.4, 7.9, 55.8, 208.4, 511.0, 1764.5, 4800.0]),
         np.array([2.0, 0.03, 0.05, 0.11, 0.9, 0.15, 0.02]))  # fmt: skip
REACH_UM = 1000.0


def kernel(
    energy_keV: FloatArray, yields: FloatArray, *, followed: bool, density: float = 1.0,
    reach_um: float = REACH_UM,
) -> tuple[FloatArray, FloatArray, float]:  # fmt: skip
    return _core.physics.photon_kernel(
        energy_keV=energy_keV, yield_per_decay=yields, density_g_per_cm3=density,
        reach_um=reach_um, electrons=shipped_photon_table() if followed else None,
    )  # fmt: skip


def equivalent(photon_keV: float, distance_um: FloatArray, density: float = 1.0) -> FloatArray:
    return shipped_photon_table().equivalent_distance_um(photon_keV, distance_um, density)


def photon_line(energy_keV: float) -> xr.Dataset:
    table = imd.emissions("Lu-177").isel(line=[0])
    return table.assign(
        energy=table["energy"].copy(data=[energy_keV]),
        yield_per_decay=table["yield_per_decay"].copy(data=[1.0]),
        emission=("line", ["photon"], table["emission"].attrs),
        continuous=table["continuous"].copy(data=[0]),
    ).assign_attrs(nuclide=f"{energy_keV:g} keV photon")


def test_shares_rise_to_one_less_the_displacement() -> None:
    table = shipped_photon_kernels()
    share, x = table.equivalent_share, table.scaled_distance
    assert share.shape == (3, table.energy_keV.size, x.size)
    assert np.all((share >= 0.0) & (share <= 1.0))
    assert np.all(np.diff(share * x, axis=2) > 0.0)
    # Beyond all ranges r - l is the mean of z + rho^2/2r: it falls, but not as fast as 1/r.
    outer, inner = (x[i] * (1.0 - share[..., i]) for i in (-1, np.argmin(abs(x - 1.5))))
    assert np.all(outer < inner)
    assert np.all(outer > 0.75 * inner)
    # Compton electrons go forwards, the faster the more; photoelectrons of 0.5 keV to all sides.
    mean = table.mean_displacement()
    assert np.all(np.diff(mean[1]) > 0.0)
    assert 0.0 < mean[1, 0] < 0.05
    assert 0.15 < mean[0, 0] < mean[0, -1] < 0.4


def test_shares_are_known_well() -> None:
    """Beyond 1/64 of a range: what matters at a few um, and errors are least where shares are."""
    table = shipped_photon_kernels()
    error = table.stderr / table.equivalent_share
    assert np.all(error[..., table.scaled_distance > 1.0 / 64.0] < 0.02)
    assert np.all(error[..., table.scaled_distance > 0.5] < 0.01)


def test_photoelectric_shares_start_with_the_auger_electrons() -> None:
    table = shipped_photon_kernels()
    stays = 0.5431 / table.photon_energy_keV("photoelectric")
    slow = table.energy_keV < 100.0
    np.testing.assert_allclose(table.equivalent_share[1, slow, 0], stays[slow], rtol=0.03)


@pytest.mark.parametrize(("photon_keV", "distance_um"), [(662.0, 5.0), (1500.0, 10.0)])
def test_fast_electrons_leave_at_first_what_straight_tracks_do(
    photon_keV: float, distance_um: float
) -> None:
    water = _core.physics.ElectronPhysics(density_g_per_cm3=1.0)
    straight = oracle.straight_compton_distance_um(
        photon_keV, distance_um, water.stopping_keV_per_um
    )
    # Delta rays carry a share out of the ball, and curved tracks stay longer in it.
    assert 0.8 < equivalent(photon_keV, np.array([distance_um]))[0] / straight < 1.25


def test_kernel_conserves_energy_and_reports_what_escapes() -> None:
    """Invariant 9."""
    energy, yields = LINES
    emitted = float(energy @ yields)
    escaped_before = emitted
    for reach in (1e-3, 20.0, 1e3, 3e6):
        edge, deposit, escaped = kernel(energy, yields, followed=True, reach_um=reach)
        assert edge[-1] == reach
        assert np.all(deposit >= 0.0)
        assert deposit.sum() + escaped == pytest.approx(emitted, rel=1e-12)
        assert escaped < escaped_before
        escaped_before = escaped
    assert escaped_before < 1e-3 * emitted
    _, kept, _ = kernel(energy, yields, followed=True)
    assert kept[0] == pytest.approx(0.8, rel=1e-3)  # the line below 1 keV


def test_far_from_the_source_electrons_only_shift_the_deposits() -> None:
    """Photons of 30 keV have electrons of 18 um at most."""
    energy, one = np.array([30.0]), np.ones(1)
    edge, followed, _ = kernel(energy, one, followed=True)
    _, stay, _ = kernel(energy, one, followed=False)
    far = edge[:-1] > 40.0
    np.testing.assert_allclose(followed[far], stay[far], rtol=1e-3)
    lost = float(np.sum(stay - followed)) / (stay[-1] / (edge[-1] - edge[-2]))
    assert 1.0 < lost < 5.0  # um, the displacement
    near = edge[1:] < 1.0
    assert followed[near].sum() < 0.5 * stay[near].sum()


def test_lengths_scale_with_the_inverse_of_the_density() -> None:
    """Invariant 18."""
    distance = np.array([0.01, 1.0, 20.0, 900.0])
    for photon_keV in (1.0, 14.0, 140.5, 909.0, 2614.5, 9000.0):
        dense = equivalent(photon_keV, distance / 1.4, 1.4)
        np.testing.assert_allclose(1.4 * dense, equivalent(photon_keV, distance), rtol=1e-12)


def test_interpolation_in_energy_is_smooth() -> None:
    """A table without every second energy gives the same equivalent distances."""
    table = shipped_photon_kernels()
    half = _core.physics.SecondaryElectronTable(
        electron_energy_keV=table.energy_keV[::2],
        csda_range_um=table.csda_range_um[::2],
        equivalent_share=np.ascontiguousarray(table.equivalent_share[:, ::2]),
    )
    distance = np.geomspace(1.0, 1000.0, 20)
    for photon_keV in (15.0, 33.0, 80.0, 200.0, 511.0, 909.0, 1700.0):
        coarse = half.equivalent_distance_um(photon_keV, distance, 1.0)
        # Twice the spacing is four times the error: 1 % here is 0.3 % of the photon part.
        np.testing.assert_allclose(coarse, equivalent(photon_keV, distance), rtol=0.03)


def test_photons_above_the_table_have_the_scaled_kernel_of_its_end() -> None:
    """Checked where the truth is known: a table that ends at half the energy."""
    table = shipped_photon_kernels()
    keep = table.energy_keV < 1600.0
    short = _core.physics.SecondaryElectronTable(
        electron_energy_keV=table.energy_keV[keep],
        csda_range_um=table.csda_range_um[keep],
        equivalent_share=np.ascontiguousarray(table.equivalent_share[:, keep]),
    )
    distance = np.array([5.0, 20.0, 100.0, 1000.0])
    scaled = short.equivalent_distance_um(3000.0, distance, 1.0)
    np.testing.assert_allclose(scaled, equivalent(3000.0, distance), rtol=0.4)


def test_kernel_is_that_of_monte_carlo() -> None:
    """300 keV in a cell of 50 um: electrons absorbed where made would leave three times as much.

    4.5 standard errors of 64 batches (false alarm 3e-5), which are 13 % at most. Electrons from
    beyond 400 um do not reach the cell.
    """
    line = photon_line(300.0)
    size: dict[str, Any] = {"cell_radius_um": 50.0, "nucleus_radius_um": 40.0}
    where = {"target": "cell", "source": "cell", "emission": "photon"}
    followed = imd.s_values(
        line, physics="monte_carlo", n_histories=320_000, rng=5, world_radius_um=400.0, **size
    )
    mean = float(followed["s_value"].sel(where).squeeze())
    error = float(followed["s_value_stderr"].sel(where).squeeze())
    ours = float(imd.s_values(line, **size)["s_value"].sel(where).squeeze())
    assert error < 0.13 * mean
    assert abs(ours - mean) < 4.5 * error
    absorbed_at_once = 50.0 / equivalent(300.0, np.array([50.0]))[0] * mean
    assert absorbed_at_once - mean > 9.0 * error


def test_hard_photons_leave_little_in_cells() -> None:
    """Photons of 18F give 0.02 % of S here; absorbed where they collide they would give 1 %."""
    ds = imd.s_values("F-18", cell_radius_um=5.0, nucleus_radius_um=4.0)
    s = ds["s_value"].sel(target="nucleus", source="nucleus").isel(distance=0)
    share = float(s.sel(emission="photon") / s.sum())
    assert 5e-5 < share < 5e-4


# --- files ----------------------------------------------------------------------------------

TINY: dict[str, Any] = {"effort": 1e-9, "n_energies": 2, "rng": 3}


@pytest.fixture
def _slow_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photon_kernels, "ENERGY_RANGE_KEV", (0.5, 5.0))


@pytest.mark.usefixtures("_slow_only")
def test_threads_do_not_change_bits_and_the_file_is_whole(tmp_path: Path) -> None:
    lines: list[str] = []
    one = build_photon_kernels(tmp_path / "one.npz", n_threads=1, progress=lines.append, **TINY)
    assert len(lines) == 2
    two = build_photon_kernels(tmp_path / "two.npz", n_threads=2, **TINY)
    np.testing.assert_array_equal(one.equivalent_share, two.equivalent_share)
    back = load_photon_kernels(tmp_path / "one.npz")
    np.testing.assert_array_equal(back.energy_keV, one.energy_keV)
    np.testing.assert_allclose(back.equivalent_share, one.equivalent_share, rtol=1e-6)
    assert back.attrs["random_root"] == 3
    other = build_photon_kernels(tmp_path / "other.npz", n_threads=1, **{**TINY, "rng": 4})
    assert not np.array_equal(other.equivalent_share, one.equivalent_share)


@pytest.mark.usefixtures("_slow_only")
def test_files_that_are_no_photon_kernels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "kernels.npz"
    with pytest.raises(FileError, match=r"kernels\.npz is no kernel file"):
        load_photon_kernels(path)
    build_photon_kernels(path, n_threads=1, **TINY)
    whole = path.read_bytes()
    for size in (0, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match="no kernel file"):
            load_photon_kernels(path)
    np.savez(path, attrs=np.array('{"format": "immunodose photon kernels 1"}'))
    with pytest.raises(FileError, match="no kernel file"):
        load_photon_kernels(path)
    np.savez(path, attrs=np.array('{"format": "immunodose electron kernels 1"}'))
    with pytest.raises(FileError, match="'immunodose electron kernels 1', not"):
        load_photon_kernels(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [({"effort": 0.0}, "effort=0.0"), ({"n_energies": 1}, "n_energies=1"), ({"rng": -1}, "rng=-1")],
)
def test_bad_efforts_are_refused(tmp_path: Path, change: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        build_photon_kernels(tmp_path / "no.npz", **{**TINY, **change})
    assert not list(tmp_path.iterdir())


def test_tables_that_do_not_fit_are_refused() -> None:
    table = shipped_photon_kernels()
    good = {
        "electron_energy_keV": table.energy_keV, "csda_range_um": table.csda_range_um,
        "equivalent_share": table.equivalent_share,
    }  # fmt: skip
    for change, match in (
        ({"csda_range_um": table.csda_range_um[1:]}, "unequal size"),
        ({"electron_energy_keV": table.energy_keV[::-1].copy()}, "ascend"),
        ({"equivalent_share": 2.0 * table.equivalent_share}, "within 0 to 1"),
    ):
        with pytest.raises(InputError, match=match):
            _core.physics.SecondaryElectronTable(**{**good, **change})
    with pytest.raises(InputError, match="process is 3"):
        _core.physics.photon_of_fastest_electron_keV(3, np.ones(1))
