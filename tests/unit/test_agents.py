# SPDX-License-Identifier: BSD-3-Clause
"""The agent model: balance, order, what only space shows, and the mean field in its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference.agent_scenes import agent_model, lattice

from immunodose.errors import InputError
from immunodose.immune_agent_cells import Phenotype
from immunodose.immune_agent_model import AgentModel
from immunodose.immune_agent_tissue import Tissue, entry_points
from immunodose.immune_agent_tumor import ALIVE
from immunodose.immune_field import SignalField

TIME_D = np.arange(97) / 24.0


def play(model: AgentModel, susceptible: np.ndarray, *, entry: float = 0.0) -> dict[str, Any]:
    """Run all steps; susceptibility by origin. Check the balance of cells at every step."""
    n_start = model.tumor.size
    mean = np.zeros(len(model.immune.phenotypes))
    mean[0] = entry
    immune_start = int(model.immune.size)
    was_dead: set[int] = set()
    counts = []
    for j in range(model.course.time_d.size - 1):
        values = susceptible[model.tumor.origin].astype(np.float32)
        model.step(j, (values,) * len(model.tumor.rates.hits_to_kill), mean)
        found = model.counts()
        counts.append(found)
        assert found.alive == n_start + found.born - int(found.deaths.sum())
        assert found.dying == int(found.deaths.sum()) - found.cleared
        total = int(found.immune.sum())
        balance = immune_start + int(found.entered.sum()) + found.immune_born - found.immune_died
        assert total == balance
        record = model.tumor.record
        dead = set(np.flatnonzero(record.cause).tolist())
        assert dead >= was_dead, "dead stay dead"
        was_dead = dead
        alive_ids = model.tumor.id[model.tumor.state == ALIVE]
        assert not dead & set(alive_ids.tolist())
        assert found.alive == record.cause.size - len(dead)
    return {"counts": counts, "record": model.tumor.record}


def full_scene(**options: Any) -> tuple[AgentModel, np.ndarray]:
    draw = np.random.default_rng(4)
    at = lattice((6, 6, 6), 11.0)
    immune_at = at[draw.integers(0, len(at), 40)]
    kinds = np.where(np.arange(40) < 30, 0, 2).astype(np.uint8)
    return agent_model(
        at, time_d=TIME_D, immune_at=immune_at, kind=kinds, survival=0.6, division_per_d=0.6,
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("hits_to_kill", [1, 3])
def test_cells_balance_and_the_dead_stay_dead(hits_to_kill: int) -> None:
    model, _ = full_scene(hits_to_kill=hits_to_kill, recovery_per_d=1440.0 / 50.0)
    out = play(model, np.ones(216), entry=1.0)
    last = out["counts"][-1]
    assert last.born > 0
    assert last.cleared > 0
    assert last.immune_born > 0
    assert last.immune_died > 0
    assert last.deaths[1] > 0
    assert last.deaths[2] > 0
    record = out["record"]
    assert (record.death_d[record.cause > 0] <= TIME_D[-1]).all()
    assert np.isinf(record.death_d[record.cause == 0]).all()
    assert (record.death_d >= record.birth_d).all()
    later = np.isfinite(record.cleared_d)
    assert (record.cleared_d[later] >= record.death_d[later]).all()


def fate(model: AgentModel, susceptible: np.ndarray) -> list[np.ndarray]:
    record = play(model, susceptible, entry=1.0)["record"]
    return [record.cause, record.death_d, record.birth_d, record.parent, record.cleared_d]


def test_threads_and_the_order_of_agents_change_no_bit() -> None:
    susceptible = np.random.default_rng(5).random(216)
    expected = fate(full_scene()[0], susceptible)
    for n_threads in (2, 3, 7):
        for name, values in zip("cdbpl", fate(full_scene(n_threads=n_threads)[0], susceptible),
                                strict=True):  # fmt: skip
            np.testing.assert_array_equal(values, expected["cdbpl".index(name)])
    draw = np.random.default_rng(4)
    at = lattice((6, 6, 6), 11.0)
    places = at[draw.integers(0, 216, 40)]
    order = np.random.default_rng(6).permutation(216)
    model, _ = agent_model(
        at[order], time_d=TIME_D, immune_at=places, survival=0.6, division_per_d=0.6, ids=order,
        kind=np.where(np.arange(40) < 30, 0, 2).astype(np.uint8),
    )  # fmt: skip
    # Entry points are numbered too: give both runs the same.
    model.entry_um = at
    for values, same in zip(fate(model, susceptible), expected, strict=True):
        np.testing.assert_array_equal(values, same)


def test_without_t_cells_only_radiation_kills() -> None:
    at = lattice((20, 20, 10))
    model, _ = agent_model(at, time_d=TIME_D, survival=0.3)
    out = play(model, np.ones(len(at)))
    assert out["counts"][-1].deaths[2:].sum() == 0
    expected = 1.0 - 0.3 ** -np.expm1(-0.5 * 4.0)
    # Binomial, 4000 cells: standard error 0.0075; 5.4 of them, with fixed numbers.
    assert out["counts"][-1].deaths[1] / 4000 == pytest.approx(expected, abs=0.04)
    acute, _ = agent_model(at, time_d=TIME_D, survival=0.3, rate_per_d=None)
    assert acute.counts().deaths[1] / 4000 == pytest.approx(0.7, abs=0.04)


def test_no_susceptibility_no_kill() -> None:
    model, _ = full_scene()
    out = play(model, np.zeros(216), entry=1.0)
    assert out["counts"][-1].deaths[2:].sum() == 0


STILL = Phenotype(400.0, 5.0, 25.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0, 0, 0.0)


def mean_field_kills(k: float, dwell: float, search: float, e: float, time_d: float) -> float:
    """Share of cells killed while targets are always in reach (Eq. 14)."""
    contact = 1.0 / (1440.0 / dwell + k)
    return e * k * contact / (contact + search / 1440.0) * time_d


def test_the_mean_of_many_small_runs_is_the_mean_field() -> None:
    """All cells in reach of all T cells, which therefore share all targets: the law k E / T."""
    at = lattice((5, 5, 5), 10.0)
    n, n_cells, runs = len(at), 5, 60
    k, time_d = 6.0, np.arange(25) / 24.0
    total = 0
    for run in range(runs):
        model, _ = agent_model(
            at, time_d=time_d, phenotypes=(STILL,), immune_at=at[:n_cells], reach_um=200.0,
            root=1000 + run, survival=1.0,
        )  # fmt: skip
        values = np.full(n, k, np.float32)
        for j in range(time_d.size - 1):
            model.step(j, (values,), np.zeros(1))
        total += int(model.counts().deaths[2])
    expected = runs * n * mean_field_kills(k, 25.0, 0.5, n_cells / n, 1.0)
    # Kills of a T cell are a renewal process less regular than nothing: at most Poisson. The
    # number of standard deviations is for a false alarm of 1e-6. Two T cells at one target, of
    # which one strikes a dead cell until the step ends, cost less than 2 %.
    assert abs(total - expected) < 4.9 * np.sqrt(expected) + 0.02 * expected


def test_each_target_in_reach_is_as_likely_as_the_others() -> None:
    """Kills go with the susceptibility of the cell, k f_i E / T."""
    at = lattice((4, 4, 4), 10.0)
    factor = np.where(np.arange(64) % 2 == 0, 1.0, 0.25)
    deaths = np.zeros(2)
    for run in range(150):
        model, _ = agent_model(
            at, time_d=np.arange(13) / 24.0, phenotypes=(STILL,), immune_at=at[:2], reach_um=200.0,
            root=run,
        )  # fmt: skip
        values = (8.0 * factor[model.tumor.origin]).astype(np.float32)
        for j in range(12):
            model.step(j, (values,), np.zeros(1))
        dead = model.tumor.record.cause > 0
        deaths += [dead[factor == 1.0].sum(), dead[factor < 1.0].sum()]
    # A contact kills with probability k d / (1 + k d); the dead no longer offer themselves, which
    # takes half of the kills from the number that is there on average.
    kills = 8.0 * np.array([1.0, 0.25]) * 25.0 / 1440.0
    offered = (32.0 - 0.5 * deaths / 150.0) * kills / (1.0 + kills)
    share, n = deaths[0] / deaths.sum(), deaths.sum()
    expected = offered[0] / offered.sum()
    assert n > 600
    # Binomial, 4.9 standard deviations (1e-6).
    assert abs(share - expected) < 4.9 * np.sqrt(expected * (1.0 - expected) / n)


def test_cold_cells_are_sheltered_behind_hot_ones() -> None:
    """T cells come from the rim: an inner cell of equal susceptibility dies later, a mean field
    would kill all alike."""
    at = lattice((13, 13, 13), 10.0)
    depth = np.abs(at - at.mean(axis=0)).max(axis=1)
    slow = Phenotype(0.5, 1.0, 25.0, 10.0, 8.0, 0.5, 0.0, 0.0, 0, 0, 0.0)
    model, _ = agent_model(
        at, time_d=np.arange(49) / 24.0, phenotypes=(slow,), entry="rim", reach_um=10.0
    )
    out = play(model, np.ones(len(at)), entry=6.0)
    dead = out["record"].cause == 2
    inner, outer = dead[depth < 35.0], dead[depth >= 55.0]
    assert outer.mean() > 0.1
    assert inner.mean() < 0.2 * outer.mean()
    mixed, _ = agent_model(
        at, time_d=np.arange(49) / 24.0, phenotypes=(slow,), entry="uniform", reach_um=10.0
    )
    dead = play(mixed, np.ones(len(at)), entry=6.0)["record"].cause == 2
    assert dead[depth < 35.0].mean() > 0.7 * dead[depth >= 55.0].mean()


def test_several_hits_take_longer() -> None:
    deaths = []
    for hits_to_kill, recovery in ((1, 0.0), (3, 0.0), (3, 1440.0 / 50.0)):
        model, _ = full_scene(hits_to_kill=hits_to_kill, recovery_per_d=recovery)
        out = play(model, np.ones(216))
        deaths.append(int(out["counts"][-1].deaths[2:].sum()))
    assert deaths[0] > deaths[1] > deaths[2]


def test_rim_and_vessels() -> None:
    at = lattice((9, 9, 9), 10.0)
    tissue = Tissue.around(at, 20.0)
    rim = entry_points("rim", tissue, at, None, 10.0)  # type: ignore[arg-type]
    # Voxels of two cells per axis: the outer voxels are the rim.
    assert (np.abs(rim - 40.0).max(axis=1) >= 20.0).all()
    assert 0 < len(rim) < len(at)
    ds = xr.Dataset(
        {
            "vessel_point": (("vessel", "axis"), [[40.0, 40.0, -500.0], [500.0, 0.0, 0.0]]),
            "vessel_direction": (("vessel", "axis"), [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]),
        }
    )
    points = entry_points("vessels", tissue, at, ds, 5.0)
    assert (points[:, :2] == 40.0).all()
    assert points[:, 2].min() >= 0.0
    assert points[:, 2].max() <= 100.0
    assert len(points) >= 18
    with pytest.raises(InputError, match=r"unknown entry 'rimm'.*Did you mean"):
        entry_points("rimm", tissue, at, ds, 5.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="vessel_point"):
        entry_points("vessels", tissue, at, xr.Dataset(), 5.0)
    far = ds.isel(vessel=[1])
    with pytest.raises(InputError, match="no vessel passes"):
        entry_points("vessels", tissue, at, far, 5.0)


def test_a_hole_in_the_tissue_is_no_rim() -> None:
    at = lattice((10, 10, 10), 10.0)
    hollow = at[np.abs(at - 45.0).max(axis=1) > 26.0]
    tissue = Tissue.around(hollow, 10.0)
    rim = tissue.rim(hollow)
    assert (np.abs(hollow[rim] - 45.0).max(axis=1) > 40.0).all()
    assert rim.any()


def test_a_field_that_grows_keeps_its_amount() -> None:
    field = SignalField(lattice((3, 3, 3), 10.0), 1e3, 10.0, 1e3, 0.0)
    field.deposit(np.array([[10.0, 10.0, 10.0]]), 7.0)
    field.advance(0.01)
    before = field.sample(lattice((3, 3, 3), 10.0))
    field.cover(np.array([[-31.0, 10.0, 10.0], [10.0, 10.0, 58.0]]))
    assert field.total() == pytest.approx(7.0, rel=1e-12)
    np.testing.assert_array_equal(field.sample(lattice((3, 3, 3), 10.0)), before)
    field.locate(np.array([[-31.0, 10.0, 10.0], [10.0, 10.0, 58.0]]))
    field.advance(0.1)
    assert field.total() == pytest.approx(7.0, rel=1e-12)


def test_the_tissue_grows_with_the_cells() -> None:
    tissue = Tissue.around(lattice((3, 3, 3), 10.0), 10.0)
    far = np.array([[-35.0, 5.0, 5.0], [95.0, 5.0, 5.0]], dtype=np.float32)
    assert not tissue.holds(far).any()
    tissue.include(far)
    assert tissue.holds(far).all()
    assert tissue.holds(lattice((3, 3, 3), 10.0)).all()
    assert not tissue.holds(np.array([[-25.0, 5.0, 5.0]])).any()
