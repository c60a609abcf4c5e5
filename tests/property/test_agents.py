# SPDX-License-Identifier: BSD-3-Clause
"""Invariants 20, 36 and 37 of the agents, in random small scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import agents as oracle
from tests.reference.agent_scenes import agent_model
from tests.unit.test_agent_kernels import KINDS, REACH_UM, run, scene
from tests.unit.test_agents import play

SETTINGS = settings(max_examples=max(5, settings.default.max_examples // 10))


@SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    n_targets=st.integers(1, 40),
    n_cells=st.integers(1, 12),
    hits=st.integers(1, 3),
    step=st.integers(0, 2**24 - 1),
    root=st.integers(0, 2**64 - 1),
)
def test_a_step_is_that_of_the_plain_model_in_any_order(
    seed: int, n_targets: int, n_cells: int, hits: int, step: int, root: int
) -> None:
    given_scene = scene(seed, n_targets, n_cells)
    options: dict[str, Any] = {"hits_to_kill": hits, "step": step, "root": root}
    cells, found = run(given_scene, **options)
    order = np.random.default_rng(seed).permutation(n_cells)
    other, found_other = run(given_scene, order, n_threads=2, **options)
    assert found == found_other
    for name, values in cells.items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)
    plain = oracle.Scene(
        given_scene["targets"], given_scene["susceptibility"], KINDS, REACH_UM, 60.0, root, step,
        hits, high=np.full(3, 70.0),
    )  # fmt: skip
    expected = []
    for rank, i in enumerate(np.argsort(given_scene["id"])):
        one = oracle.Cell(
            int(given_scene["id"][i]), given_scene["at"][i], int(given_scene["target"][i]),
            int(given_scene["phenotype"][i]),
        )  # fmt: skip
        expected += [(row, one.id, time) for row, time in one.step(plain)]
        assert cells["target"][rank] == one.target
        assert [cells[name][rank] for name in ("x_um", "y_um", "z_um")] == one.place.tolist()
    assert found == sorted(expected)


@SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    n_tumor=st.integers(1, 40),
    n_cells=st.integers(0, 10),
    survival=st.floats(0.0, 1.0),
    division=st.floats(0.0, 3.0),
    clearance=st.floats(0.0, 5.0),
    hits=st.integers(1, 3),
    entry=st.floats(0.0, 3.0),
)
def test_cells_balance_and_the_dead_stay_dead(
    seed: int,
    n_tumor: int,
    n_cells: int,
    survival: float,
    division: float,
    clearance: float,
    hits: int,
    entry: float,
) -> None:
    draw = np.random.default_rng(seed)
    at = (draw.random((n_tumor, 3)) * 60.0).astype(np.float32)
    model, _ = agent_model(
        at, time_d=np.arange(13) / 6.0, immune_at=at[draw.integers(0, n_tumor, n_cells)],
        kind=draw.integers(0, 3, n_cells).astype(np.uint8), survival=max(survival, 1e-300),
        division_per_d=division, radiation_clearance_per_d=clearance,
        immune_clearance_per_d=clearance, hits_to_kill=hits, recovery_per_d=20.0, root=seed,
    )  # fmt: skip
    play(model, draw.random(n_tumor), entry=entry)
