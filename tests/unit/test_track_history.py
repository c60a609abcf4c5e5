# SPDX-License-Identifier: BSD-3-Clause
"""Single histories of a realization, drawn: together they are the realization."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import _core, schema
from immunodose.errors import InputError
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

REGIONS = ("nucleus", "cytoplasm", "membrane")
# Of the tally, per emitted particle and region of a cell: half a step of 2^-24 keV.
ROUNDING_KEV = 2.0**-25
OFFSET_UM = {"x": 0.5, "y": 0.0, "z": -0.2}


def labeled() -> xr.Dataset:
    cells = imd.cells.lattice(
        shape=(2, 2, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    where = {"nucleus": 0.3, "cytoplasm": 0.3, "membrane": 0.4}
    cells = imd.label(cells, "Ac-225", decays_per_cell=1.5, retention={"Fr-221": 0.5}, rng=1)
    cells = imd.label(
        cells, "Lu-177", decays_per_cell=2.0, localization=where, medium_decays_per_um3=1e-9, rng=1
    )
    offset = {f"nucleus_offset_{axis}": ("cell", np.full(4, OFFSET_UM[axis])) for axis in "xyz"}
    return cells.assign(offset)


def realization(**arguments: object) -> xr.Dataset:
    settings = {"rng": 5, "lost_daughters": "cell", "medium_margin_um": 20.0, **arguments}
    return imd.absorbed_dose(labeled(), method="monte_carlo", realization=True, **settings)  # type: ignore[arg-type]


def n_histories(dose: xr.Dataset) -> int:
    return sum(json.loads(dose.attrs["n_histories"]).values())


def region_mass_ng(membrane_um: float) -> np.ndarray:
    inside = (7.0 - membrane_um) ** 3
    cubes = np.array([5.0**3, inside - 5.0**3, 7.0**3 - inside])
    return 4.0 / 3.0 * np.pi * cubes * NG_PER_UM3


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"electron_mode": "detailed"},
        {"membrane_thickness_nm": 0.0, "straggling": False},
        {"emissions": ("alpha", "beta"), "lost_daughters": "leave"},
        {"lost_daughters": "medium", "medium_margin_um": 3.0},
    ],
    ids=["condensed", "detailed", "surface", "some_classes", "to_medium"],
)
def test_the_histories_together_are_the_realization(arguments: dict[str, object]) -> None:
    dose = realization(**arguments)
    n = n_histories(dose)
    assert 10 < n < 60
    drawn = np.zeros((4, 3))
    fates = np.zeros(5)  # emitted, cells, medium, escaped, left or not transported
    n_particles = 0
    for history in range(n):
        points = imd.track(dose, history=history)
        schema.validate(points)
        cell = points["point_cell"].values
        region = points["point_region"].values
        deposit = points["energy_deposited"].values
        np.testing.assert_array_equal(cell < 0, region == "medium")
        for r, name in enumerate(REGIONS):
            here = region == name
            np.add.at(drawn[:, r], cell[here], deposit[here])
        stated = [points.attrs[f"{name}_keV"] for name in ("emitted", "escaped", "left")]
        fates += [stated[0], deposit[cell >= 0].sum(), deposit[cell < 0].sum(), *stated[1:]]
        n_particles += int(np.unique(points["track"][points["parent_track"] == -1]).size)
    energy = dose["specific_energy"].sum(["emission", "origin"]).sel(target=list(REGIONS))
    mass = region_mass_ng(float(dose.attrs["membrane_thickness_nm"]) / 1000.0)
    tally = np.nan_to_num(energy.values) * mass / GRAY_NG_PER_KEV
    np.testing.assert_allclose(drawn, tally, rtol=1e-12, atol=n_particles * ROUNDING_KEV)
    account = dose["energy_account"].sum("emission").values
    expected = [*account[:4], account[4:].sum()]
    rounding = 1e-12 * account[0] + 12 * n_particles * ROUNDING_KEV
    np.testing.assert_allclose(fates, expected, rtol=0.0, atol=rounding)


def test_the_threads_of_the_realization_do_not_matter() -> None:
    first, other = (realization(n_threads=n) for n in (1, 2))
    for history in (0, n_histories(first) - 1):
        xr.testing.assert_identical(
            imd.track(first, history=history), imd.track(other, history=history)
        )


def test_a_history_starts_at_its_decay() -> None:
    dose = realization()
    n_ac = json.loads(dose.attrs["n_histories"])["Ac-225"]
    assert imd.track(dose, history=n_ac - 1).attrs["source"] == "Ac-225"
    for history in range(n_ac, n_histories(dose)):
        points = imd.track(dose, history=history)
        assert points.attrs["source"] == "Lu-177"
        first = points.isel(point=0)
        cell, region = points.attrs["decay_cell"], points.attrs["decay_region"]
        assert (first["point_cell"].item(), first["point_region"].item()) == (cell, region)
        if cell >= 0:
            center = dose.isel(cell=cell)
            off = [float(first[axis] - center[axis]) for axis in "xyz"]
            assert np.hypot(np.hypot(*off[:2]), off[2]) <= 7.0 + 1e-9


def test_points_lie_in_their_region() -> None:
    dose = realization(electron_mode="detailed")
    points = imd.track(dose, history=0)
    nucleus = points.isel(point=np.flatnonzero(points["point_region"].values == "nucleus"))
    assert nucleus.sizes["point"] > 10
    centers = dose.isel(cell=xr.DataArray(nucleus["point_cell"].values, dims="point"))
    off = [(nucleus[axis] - centers[axis]).values - OFFSET_UM[axis] for axis in "xyz"]
    away = np.sqrt(np.sum(np.square(off), axis=0))
    assert away.max() <= 5.0 + 1e-9


def let_of_deposits(points: xr.Dataset) -> np.ndarray:
    """LET (keV/um) that each deposit counts with, from the points of a history (Eq. MC-13)."""
    physics = _core.physics.ElectronPhysics(density_g_per_cm3=1.0)
    track, parent = points["track"].values, points["parent_track"].values
    energy, deposit = points["energy"].values, points["energy_deposited"].values
    place = np.stack([points[axis].values for axis in "xyz"], axis=1)
    start = np.flatnonzero(np.r_[True, track[1:] != track[:-1]])
    # Stops there: all that the electron had; else what it lost between two points.
    stops = np.r_[False, energy[1:] == 0.0]
    before = np.r_[0.0, energy[:-1]]
    before[start] = deposit[start]
    stops[start] = True
    at = np.maximum(before, 0.03)
    let = np.where(stops, physics.slowing_let_keV_per_um(at), physics.stopping_keV_per_um(at))
    inherited: dict[int, float] = {}
    for i in start:  # delta rays follow their parents
        own, mother = int(track[i]), int(parent[i])
        if mother < 0:
            continue
        if mother in inherited:
            inherited[own] = inherited[mother]
        else:
            same = (track == mother) & (place == place[i]).all(axis=1)
            inherited[own] = float(let[np.flatnonzero(same)[0]])
        let[track == own] = inherited[own]
    return np.asarray(let)


def test_deposits_count_with_the_let_of_the_electron_that_is_not_a_delta_ray() -> None:
    dose = realization(electron_mode="detailed", emissions=("beta",))
    energy, weighted = np.zeros((4, 3)), np.zeros((4, 3))
    for history in range(n_histories(dose)):
        points = imd.track(dose, history=history)
        if points.sizes["point"] == 0:
            continue
        let = let_of_deposits(points)
        deposit = points["energy_deposited"].values
        for r, name in enumerate(REGIONS):
            here = points["point_region"].values == name
            cell = points["point_cell"].values[here]
            np.add.at(energy[:, r], cell, deposit[here])
            np.add.at(weighted[:, r], cell, (deposit * let)[here])
    found = dose["let_dose_mean"].sel(emission="beta", target=list(REGIONS)).values
    hit = energy > 1.0
    assert hit.sum() >= 4
    np.testing.assert_allclose(found[hit], (weighted[hit] / energy[hit]), rtol=0.01)


def test_a_saved_realization_can_be_drawn(tmp_path: Path) -> None:
    dose = realization(emissions=("alpha",))
    imd.save(dose, tmp_path / "dose.nc")
    xr.testing.assert_identical(
        imd.track(imd.load(tmp_path / "dose.nc"), history=2), imd.track(dose, history=2)
    )


def test_clear_errors() -> None:
    dose = realization()
    n = n_histories(dose)
    for history in (n, 10 * n):
        with pytest.raises(InputError, match=rf"none of the {n} decays .*allowed: 0 to {n - 1}"):
            imd.track(dose, history=history)
    with pytest.raises(InputError, match="history=-1"):
        imd.track(dose, history=-1)
    with pytest.raises(InputError, match="rng=3 has no effect"):
        imd.track(dose, history=0, rng=3)
    with pytest.raises(InputError, match="electron_mode='condensed' has no effect"):
        imd.track(dose, history=0, electron_mode="condensed")
    with pytest.raises(InputError, match="max_points=5"):
        imd.track(dose, history=0, max_points=5)
    with pytest.raises(InputError, match="no realization"):
        imd.track(labeled(), history=0)
    with pytest.raises(InputError, match="no realization"):
        imd.track(dose.assign_attrs(realization=0), history=0)


def test_changed_cells_are_noticed() -> None:
    dose = realization()
    with pytest.raises(InputError, match="merge=True"):
        imd.track(dose.drop_vars("time_integrated_activity"), history=0)
    with pytest.raises(InputError, match="realization had"):
        imd.track(dose.assign(time_integrated_activity=10.0 * dose["time_integrated_activity"]))
    with pytest.raises(InputError, match="changed since"):
        imd.track(dose.assign(time_integrated_activity=0.0 * dose["time_integrated_activity"]))
