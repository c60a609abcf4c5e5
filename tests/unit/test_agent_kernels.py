# SPDX-License-Identifier: BSD-3-Clause
"""The kernels of the agent model against a plain search and plain decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.reference import agents as oracle

from immunodose import _core
from immunodose.errors import InputError

REACH_UM = 12.0
KINDS = [
    oracle.Kind(10.0, 1.0, 25.0, 8.0, 1.0, 2e-3, 3e-3, 4e-3, 1, 0),
    oracle.Kind(5.0, 2.0, 10.0, 20.0, 0.1, 5e-3, 0.0, 0.0, 1, 0),
    oracle.Kind(8.0, 1.0, 15.0, 3.0, 1.0, 0.0, 0.0, 5e-2, 0, 1),
    oracle.Kind(8.0, 1.0, 15.0, 3.0, 3.0, 1e-3, 0.0, 0.0, 2, 1, 1),
]
TABLE = np.array(
    [
        [k.speed, k.persistence, k.dwell, k.search, k.hit_factor, k.death, k.division, k.change,
         k.next, k.attack, k.harmless]
        for k in KINDS
    ]
)  # fmt: skip


def scene(seed: int, n_targets: int = 40, n_cells: int = 30) -> dict[str, Any]:
    """Targets sorted as the kernel needs them, and immune cells among them."""
    draw = np.random.default_rng(seed)
    box = np.array([60.0, 50.0, 40.0])
    at = (draw.random((n_targets, 3)) * box).astype(np.float32)
    ids = draw.permutation(n_targets).astype(np.int64)
    columns = [np.ascontiguousarray(at[:, axis]) for axis in range(3)]
    low, edge, n_bins = _core.immune.agent_bins(*columns, reach_um=REACH_UM)
    order, starts = _core.immune.sorted_points(
        *columns, id=ids, kept=np.ones(n_targets, np.uint8), low_um=low, edge_um=edge,
        n_bins=n_bins,
    )  # fmt: skip
    at = at[order]
    x = at[:, 0].copy()
    x[draw.random(n_targets) < 0.2] = np.inf
    target = np.where(draw.random(n_cells) < 0.5, draw.integers(0, n_targets, n_cells), -1)
    return {
        "targets": np.column_stack([x, at[:, 1], at[:, 2]]).astype(np.float32),
        "bins": {"bin_low_um": low, "bin_edge_um": edge, "n_bins": n_bins},
        "starts": starts,
        "susceptibility": [
            (draw.random(n_targets) * 60.0).astype(np.float32),
            (draw.random(n_targets) * 20.0).astype(np.float32),
        ],
        "id": (draw.permutation(n_cells) + 7).astype(np.int64),
        "at": (draw.random((n_cells, 3)) * box).astype(np.float32),
        "target": target.astype(np.int32),
        "phenotype": draw.integers(0, len(KINDS), n_cells).astype(np.uint8),
    }


def run(
    given: dict[str, Any],
    order: np.ndarray | None = None,
    *,
    n_threads: int = 1,
    hits_to_kill: int = 1,
    step: int = 5,
    root: int = 99,
) -> tuple[dict[str, np.ndarray], list[tuple[int, int, np.float32]]]:
    """Step the cells in any order; state by id, and the hits as (target, id, time)."""
    rows = np.arange(given["id"].size) if order is None else order
    cells = {
        "id": given["id"][rows],
        **{f"{name}_um": given["at"][rows, axis].copy() for axis, name in enumerate("xyz")},
        "target": given["target"][rows].copy(),
        "phenotype": given["phenotype"][rows].copy(),
        "contact_min": np.zeros(rows.size, np.float32),
        "stimulated_min": np.zeros(rows.size, np.float32),
        "event": np.zeros(rows.size, np.uint8),
    }  # fmt: skip
    targets = {
        f"target_{axis}_um": np.ascontiguousarray(given["targets"][:, i])
        for i, axis in enumerate("xyz")
    }
    target, cell, time = _core.immune.step_immune_cells(
        **cells, **targets, starts=given["starts"], susceptibility_per_d=given["susceptibility"],
        **given["bins"], tissue_low_um=(0.0, 0.0, 0.0), tissue_edge_um=70.0, n_voxels=(1, 1, 1),
        tissue=np.ones(1, np.uint8), phenotypes=TABLE, root=root, step=step, duration_min=60.0,
        reach_um=REACH_UM, hits_to_kill=[hits_to_kill] * 2, n_threads=n_threads,
    )  # fmt: skip
    hits = sorted(zip(target.tolist(), cells["id"][cell].tolist(), time, strict=True))
    by_id = np.argsort(cells["id"])
    return {name: values[by_id] for name, values in cells.items()}, hits


@pytest.mark.parametrize("hits_to_kill", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_a_step_makes_the_decisions_of_the_plain_model(seed: int, hits_to_kill: int) -> None:
    given = scene(seed)
    cells, hits = run(given, hits_to_kill=hits_to_kill, step=seed)
    plain = oracle.Scene(
        given["targets"], given["susceptibility"], KINDS, REACH_UM, 60.0, 99, seed, hits_to_kill,
        high=np.full(3, 70.0),
    )  # fmt: skip
    expected_hits = []
    order = np.argsort(given["id"])
    for rank, i in enumerate(order):
        one = oracle.Cell(
            int(given["id"][i]), given["at"][i], int(given["target"][i]), int(given["phenotype"][i])
        )
        expected_hits += [(row, one.id, time) for row, time in one.step(plain)]
        assert [cells[name][rank] for name in ("x_um", "y_um", "z_um")] == one.place.tolist()
        assert cells["target"][rank] == one.target
        assert cells["event"][rank] == one.event
        assert cells["contact_min"][rank] == np.float32(one.contact)
        assert cells["stimulated_min"][rank] == np.float32(one.stimulated)
        assert cells["phenotype"][rank] == (255 if one.event == 1 else one.kind)
    assert hits == sorted(expected_hits)
    assert hits
    assert set(cells["event"]) >= {0}


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_threads_and_the_order_of_cells_change_no_bit(n_threads: int) -> None:
    given = scene(11, n_targets=300, n_cells=3000)
    one, hits = run(given)
    order = np.random.default_rng(3).permutation(3000)
    many, hits_many = run(given, order, n_threads=n_threads)
    assert hits_many == hits
    for name, values in one.items():
        np.testing.assert_array_equal(many[name], values, err_msg=name)


def tumor(n: int, *, radiation_d: Any = np.inf, division_d: Any = np.inf) -> dict[str, np.ndarray]:
    cells = {
        "id": np.arange(n, dtype=np.int64),
        "target_x_um": np.zeros(n, np.float32),
        "state": np.zeros(n, np.uint8),
        "radiation_d": np.full(n, radiation_d, np.float32),
        "division_d": np.full(n, division_d, np.float32),
        "death_d": np.full(n, np.inf, np.float32),
        "cause": np.zeros(n, np.uint8),
        "hits": np.zeros(n, np.uint8),
        "hit_d": np.zeros(n, np.float32),
    }
    cells["event_d"] = np.minimum(cells["radiation_d"], cells["division_d"])
    return cells


def step_tumor(
    cells: dict[str, np.ndarray], hits: list[tuple[int, int, int, float]], **options: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = {
        "hit_target": np.array([h[0] for h in hits], np.int32),
        "hit_killer_id": np.array([h[1] for h in hits], np.int64),
        "hit_attack": np.array([h[2] for h in hits], np.int32),
        "hit_time_min": np.array([h[3] for h in hits], np.float32),
    }
    settings: dict[str, Any] = {
        "root": 1, "step": 0, "begin_d": 0.0, "end_d": 1.0, "hits_to_kill": 1,
        "recovery_per_d": 0.0, "radiation_clearance_per_d": 0.5, "immune_clearance_per_d": 0.5,
        "division_per_d": 0.0, "n_threads": 2, **options,
    }  # fmt: skip
    settings["hits_to_kill"] = [settings["hits_to_kill"]] * 2
    return _core.immune.step_tumor_cells(**cells, **columns, **settings)


def test_the_first_cause_of_death_counts() -> None:
    cells = tumor(5, radiation_d=[0.5, 0.5, np.inf, np.inf, 2.0])
    hits = [(0, 9, 0, 360.0), (1, 9, 0, 1080.0), (2, 8, 1, 700.0), (2, 9, 0, 600.0)]
    rates = {"radiation_clearance_per_d": 0.0, "immune_clearance_per_d": 0.0}
    died, cleared, dividing = step_tumor(cells, hits, **rates)
    assert died.tolist() == [0, 1, 2]
    assert cleared.size == dividing.size == 0
    assert cells["cause"].tolist() == [2, 1, 2, 0, 0]
    np.testing.assert_allclose(cells["death_d"][:3], [0.25, 0.5, 600.0 / 1440.0])
    assert np.isinf(cells["target_x_um"][:3]).all()
    assert cells["state"].tolist() == [1, 1, 1, 0, 0]
    # Dead stay dead: further hits and the time of radiation death change nothing.
    before = {name: values.copy() for name, values in cells.items()}
    more = [(0, 1, 1, 1.0), (1, 1, 1, 1.0)]
    again = step_tumor(cells, more, step=1, begin_d=1.0, end_d=1.5, **rates)
    assert all(part.size == 0 for part in again)
    for name, values in before.items():
        np.testing.assert_array_equal(cells[name], values)


def test_clearance_waits_an_exponential_time() -> None:
    cells = tumor(20_000, radiation_d=0.0)
    step_tumor(cells, [], radiation_clearance_per_d=2.0)
    # Standard error 0.5 / sqrt(20000) = 0.0035; 5 of them with fixed numbers.
    assert cells["event_d"].mean() == pytest.approx(0.5, abs=0.018)
    died, cleared, _ = step_tumor(cells, [], step=1, begin_d=1.0, end_d=2.0)
    assert died.size == 0
    assert (cells["state"][cleared] == 2).all()
    # Those due in (0, 2]: 1 - exp(-4); standard error 0.00095.
    assert cleared.size / 20_000 == pytest.approx(-np.expm1(-4.0), abs=0.005)


def test_several_hits_kill_unless_the_cell_recovers() -> None:
    hits = [(i, 1, 0, t) for i in range(4000) for t in (10.0, 40.0, 70.0)]
    cells = tumor(4000)
    died, _, _ = step_tumor(cells, hits, hits_to_kill=3)
    assert died.size == 4000
    np.testing.assert_allclose(cells["death_d"], 70.0 / 1440.0, rtol=1e-6)
    cells = tumor(4000)
    died, _, _ = step_tumor(cells, hits, hits_to_kill=3, recovery_per_d=1440.0 / 50.0)
    # Both earlier hits are left: exp(-30/50) of the second, exp(-60/50) of the first.
    expected = np.exp(-30.0 / 50.0) * np.exp(-60.0 / 50.0)
    # Standard error 0.0059; fixed numbers.
    assert died.size / 4000 == pytest.approx(expected, abs=0.03)
    assert set(cells["hits"]) == {1, 2, 3}


def test_a_cell_divides_before_it_dies_not_after() -> None:
    cells = tumor(3, radiation_d=[0.5, 0.2, np.inf], division_d=[0.3, 0.3, 0.3])
    _, _, dividing = step_tumor(cells, [], division_per_d=0.6)
    assert dividing.tolist() == [0, 2]
    assert cells["division_d"][2] > 0.3
    assert cells["event_d"][2] == cells["division_d"][2]


def test_radiation_deaths_follow_survival() -> None:
    n = 40_000
    ids = np.arange(n, dtype=np.int64)
    time = np.linspace(0.0, 20.0, 81)
    options: dict[str, Any] = {
        "share": np.array([[0.7, 0.3]]), "delivered": -np.expm1(-np.outer([0.3, 2.0], time)),
        "time_d": time, "root": 5, "n_threads": 2,
    }  # fmt: skip
    log_s = np.full(n, np.log(0.2))
    death = _core.immune.radiation_death(ids, log_survival=log_s, from_index=-1, **options)
    w = 0.7 * options["delivered"][0] + 0.3 * options["delivered"][1]
    for j in (4, 20, 80):
        # Standard error at most 0.0025; fixed numbers.
        assert (death <= time[j]).mean() == pytest.approx(1.0 - 0.2 ** w[j], abs=0.013)
    late = _core.immune.radiation_death(ids, log_survival=log_s, from_index=20, **options)
    assert late.min() > time[20]
    expected = 1.0 - 0.2 ** (w[80] - w[20])
    assert (late <= time[80]).mean() == pytest.approx(expected, abs=0.013)
    acute = {**options, "share": np.ones((1, 1)), "delivered": np.ones((1, 81))}
    first = _core.immune.radiation_death(ids, log_survival=log_s, from_index=-1, **acute)
    assert set(first) == {0.0, np.inf}
    assert (first == 0.0).mean() == pytest.approx(0.8, abs=0.01)
    none = _core.immune.radiation_death(ids, log_survival=np.zeros(n), from_index=-1, **options)
    assert np.isinf(none).all()
    all_dead = np.full(n, -np.inf)
    dead = _core.immune.radiation_death(ids, log_survival=all_dead, from_index=-1, **options)
    assert (dead < time[2]).all()


def test_daughters_lie_where_there_is_room() -> None:
    radius = 5.0
    grid = np.arange(4) * 2.0 * radius
    at = np.array(np.meshgrid(grid, grid, grid, indexing="ij")).reshape(3, -1).astype(np.float32)
    n = at.shape[1]
    ids = np.arange(n, dtype=np.int64)
    low, edge, n_bins = _core.immune.agent_bins(*at, reach_um=REACH_UM)
    bins = {"low_um": low, "edge_um": edge, "n_bins": n_bins}
    order, starts = _core.immune.sorted_points(*at, id=ids, kept=np.ones(n, np.uint8), **bins)
    x, y, z = (np.ascontiguousarray(part[order]) for part in at)
    state = np.zeros(n, np.uint8)
    inner = np.flatnonzero((x > 1) & (x < 29) & (y > 1) & (y < 29) & (z > 1) & (z < 29))
    state[inner[0]] = 2  # cleared: its neighbors have room
    options: dict[str, Any] = {
        "starts": starts, "state": state, "radius_um": np.full(n, radius, np.float32),
        "id": ids[order], "bin_low_um": low, "bin_edge_um": edge, "n_bins": n_bins,
        "overlap": 0.2, "n_tries": 200, "root": 3, "step": 1,
    }  # fmt: skip
    alive = np.flatnonzero(state == 0)
    places = _core.immune.daughter_places(x, y, z, mothers=alive, **options)
    placed = np.isfinite(places[:, 0])
    assert placed.any()
    assert not placed.all()
    everyone = np.concatenate([np.column_stack([x, y, z])[alive], places[placed]])
    gap = np.linalg.norm(everyone[:, None] - everyone[None], axis=2)
    np.fill_diagonal(gap, np.inf)
    assert gap.min() >= 0.8 * 2.0 * radius - 1e-4
    mother = np.column_stack([x, y, z])[alive[placed]]
    np.testing.assert_allclose(np.linalg.norm(places[placed] - mother, axis=1), 10.0, rtol=1e-5)


def test_kernels_refuse_what_does_not_fit() -> None:
    given = scene(1)
    given["susceptibility"] = [given["susceptibility"][0][:-1]] * 2
    with pytest.raises(InputError, match="susceptibility"):
        run(given)
    given = scene(1)
    given["phenotype"] = np.full_like(given["phenotype"], 17)
    with pytest.raises(InputError, match=r"phenotype\[0\]"):
        run(given)
    with pytest.raises(InputError, match="no tumor cell"):
        step_tumor(tumor(2), [(2, 1, 0, 1.0)])
