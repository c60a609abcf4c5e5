# SPDX-License-Identifier: BSD-3-Clause
"""Tracks for drawing: energy is conserved, ranges and LET are those of the physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import _core, schema
from immunodose.errors import DataNotFoundError, InputError, UnitError

SINGLE = {"alpha": 5000.0, "electron": 20.0, "positron": 20.0, "photon": 500.0}


def radius_um(points: xr.Dataset) -> np.ndarray:
    return np.sqrt(points["x"].values ** 2 + points["y"].values ** 2 + points["z"].values ** 2)


def accounted_keV(points: xr.Dataset) -> float:
    return float(
        points["energy_deposited"].sum() + points.attrs["escaped_keV"] + points.attrs["left_keV"]
    )


def one_track(points: xr.Dataset, number: int) -> xr.Dataset:
    return points.isel(point=np.flatnonzero(points["track"].values == number))


@pytest.mark.parametrize("electron_mode", ["detailed", "condensed"])
@pytest.mark.parametrize("particle", list(SINGLE))
def test_deposits_and_escape_sum_to_the_energy(particle: str, electron_mode: str) -> None:
    # A positron also gives back its rest energy and that of an electron, 2 x 511.0 keV.
    for history in range(3):
        points = imd.track(
            particle,
            energy_keV=SINGLE[particle],
            rng=5,
            history=history,
            electron_mode=electron_mode,  # type: ignore[arg-type]
            world_radius_um=1e5,
        )
        rest = 2 * 510.99895 if particle == "positron" else 0.0
        assert accounted_keV(points) == pytest.approx(SINGLE[particle] + rest, rel=1e-9)
        assert points.attrs["emitted_keV"] == SINGLE[particle]
        schema.validate(points)


def test_a_decay_with_its_chain_keeps_its_energy_and_starts_at_the_origin() -> None:
    points = imd.track("Ac-225", rng=3, electron_mode="condensed")
    assert accounted_keV(points) == pytest.approx(points.attrs["emitted_keV"], rel=1e-9)
    first = np.unique(points["track"].values, return_index=True)[1]
    emitted = points.isel(point=first[points["parent_track"].values[first] == -1])
    np.testing.assert_array_equal(radius_um(emitted), 0.0)
    kinds = emitted["particle"].values.tolist()
    assert kinds.count("alpha") == 4  # Ac-225, Fr-221, At-217 and Bi-213 or Po-213
    assert emitted["energy"].sum() == pytest.approx(points.attrs["emitted_keV"], rel=1e-12)


def test_only_the_parent_decays_without_chain() -> None:
    alone = imd.track("Ac-225", rng=3, chain=False, electron_mode="condensed")
    first = np.unique(alone["track"].values, return_index=True)[1]
    assert alone["particle"].values[first].tolist().count("alpha") == 1


def test_what_follows_a_lost_daughter_is_not_followed() -> None:
    points = imd.track("Ac-225", rng=3, retention={"Fr-221": 0.0}, electron_mode="condensed")
    assert points.attrs["left_keV"] > 20_000.0  # three alphas of 5.8 to 8.4 MeV
    assert accounted_keV(points) == pytest.approx(points.attrs["emitted_keV"], rel=1e-9)


def test_same_root_and_history_same_bits_another_history_another_track() -> None:
    first, again, other = (
        imd.track("Bi-213", rng=9, history=history, electron_mode="condensed")
        for history in (0, 0, 1)
    )
    xr.testing.assert_identical(first, again)
    assert not first.equals(other)


def test_an_alpha_track_is_straight_and_as_long_as_its_range() -> None:
    # 37.98 um and 87.5 keV/um: round figures of integrals over the ICRU 90 table.
    points = imd.track("alpha", energy_keV=5000.0, straggling=False, rng=1)
    away = radius_um(points)
    assert away[-1] == pytest.approx(37.98, rel=1e-3)
    direction = np.array([float(points[axis][-1]) for axis in "xyz"]) / away[-1]
    along = sum(points[axis].values * direction[i] for i, axis in enumerate("xyz"))
    np.testing.assert_allclose(along, away, atol=1e-9)
    let = points["let"].values
    assert let[0] == pytest.approx(87.5, rel=2e-3)
    # The deposit is the LET times the step (trapezoid), before the Bragg peak.
    middle = 0.5 * (let[:-1] + let[1:])
    deposited = points["energy_deposited"].values[1:]
    np.testing.assert_allclose(deposited[:60], (middle * np.diff(away))[:60], rtol=2e-3)
    assert np.isnan(let[-1])
    assert float(points["energy"][-1]) == 0.0


def test_straggling_spreads_the_range_as_calculated() -> None:
    # 200 tracks: 5 standard errors, false alarms below 1e-5 per root; the root is fixed.
    n, energy = 200, np.array([5000.0])
    ends = np.array(
        [radius_um(imd.track("alpha", energy_keV=5000.0, rng=1, history=i))[-1] for i in range(n)]
    )
    core = _core.physics
    mean = float(core.alpha_range_um(energy_keV=energy, density_g_per_cm3=1.0)[0])
    sigma = float(core.alpha_range_sigma_um(energy_keV=energy, density_g_per_cm3=1.0)[0])
    assert abs(ends.mean() - mean) < 5.0 * sigma / np.sqrt(n)
    assert abs(ends.std(ddof=1) / sigma - 1.0) < 5.0 / np.sqrt(2.0 * n)


def test_each_track_starts_where_its_parent_was() -> None:
    points = imd.track("photon", energy_keV=500.0, rng=2, history=1, world_radius_um=1e6)
    places = np.stack([points[axis].values for axis in "xyz"], axis=1)
    track, parent = points["track"].values, points["parent_track"].values
    numbers, first = np.unique(track, return_index=True)
    assert numbers.size > 10
    for start in first[1:]:
        assert parent[start] < track[start]
        own = places[track == parent[start]]
        assert np.abs(own - places[start]).sum(axis=1).min() <= 1e-9
    assert set(points["particle"].values[first]) == {"photon", "electron"}


def test_energy_falls_along_each_track_by_what_is_left_and_given_away() -> None:
    points = imd.track("electron", energy_keV=10.0, rng=4)
    primary = one_track(points, 0)
    assert np.all(np.diff(primary["energy"].values) <= 1e-9)
    first = np.unique(points["track"].values, return_index=True)[1]
    children = first[points["parent_track"].values[first] == 0]
    given = float(points["energy"].values[children].sum())
    assert float(primary["energy_deposited"].sum()) + given == pytest.approx(10.0, rel=1e-9)
    # The electronic stopping power of ICRU 90, in MeV cm2/g; radiation is 2e-4 of it.
    stopping = _core.physics.electron_collision_mass_stopping(energy_keV=np.array([10.0]))[0]
    assert float(primary["let"][0]) == pytest.approx(0.1 * stopping, rel=1e-3)


def test_a_photon_that_escapes_ends_at_the_surface_of_the_world() -> None:
    points = imd.track("photon", energy_keV=1000.0, rng=1, world_radius_um=10.0)
    assert points.sizes["point"] == 2  # 10 um are 7e-5 mean free paths
    assert points.attrs["escaped_keV"] == 1000.0
    assert radius_um(points)[-1] == pytest.approx(10.0, rel=1e-12)
    assert np.isnan(points["let"].values).all()


def test_a_dataset_of_emissions_can_be_tracked() -> None:
    table = imd.emissions("At-211")
    points = imd.track(table, rng=1, electron_mode="condensed")
    assert accounted_keV(points) == pytest.approx(points.attrs["emitted_keV"], rel=1e-9)


def test_a_track_can_be_saved(tmp_path: Path) -> None:
    points = imd.track("electron", energy_keV=1.0, rng=1)
    imd.save(points, tmp_path / "track.nc")
    loaded = imd.load(tmp_path / "track.nc")
    np.testing.assert_array_equal(loaded["x"].values, points["x"].values)


def test_too_many_points_are_an_error() -> None:
    with pytest.raises(InputError, match=r"max_points=100 points\. Raise max_points"):
        imd.track("electron", energy_keV=10.0, rng=1, max_points=100)


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        ("alpha", {}, "give energy_keV=1 to 12000"),
        ("alpha", {"energy_keV": 2e4}, "allowed: 1 to 12000"),
        ("electron", {"energy_keV": float("nan")}, "allowed: 0.03 to 3000"),
        ("electron", {"energy_keV": 1.0, "chain": False}, "no effect"),
        ("Ac-225", {"energy_keV": 1.0}, "no effect on a decay of Ac-225"),
        ("Ac-225", {"history": -1}, "history=-1"),
        ("Ac-225", {"electron_mode": "detail"}, "electron_mode='detail'"),
        ("Ac-225", {"alpha_step_um": 0.0}, "alpha_step_um=0.0"),
        ("Ac-225", {"world_radius_um": float("inf")}, "world_radius_um=inf"),
        ("Ac-225", {"max_points": 0}, "max_points=0"),
    ],
)
def test_clear_errors(source: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.track(source, rng=1, **arguments)  # type: ignore[arg-type]


def test_density_and_nuclide_are_checked() -> None:
    with pytest.raises(DataNotFoundError, match="Xx-225"):
        imd.track("Xx-225", rng=1)
    with pytest.raises(UnitError):
        imd.track("alpha", energy_keV=5000.0, density_g_per_cm3=1000.0)
