# SPDX-License-Identifier: BSD-3-Clause
"""Small scenes for the tests of the agent model."""

from __future__ import annotations

from typing import Any

import numpy as np

from immunodose.immune_agent_cells import ImmuneRows, Phenotype
from immunodose.immune_agent_model import AgentModel
from immunodose.immune_agent_tissue import Tissue, entry_points
from immunodose.immune_agent_tumor import RadiationCourse, Record, TumorRates, TumorRows

RADIUS_UM = 5.0

T_CELL = Phenotype(10.0, 2.0, 25.0, 10.0, 5.0, 0.2, 0.5, 0.3, 1, 0, 100.0)
EXHAUSTED = Phenotype(5.0, 2.0, 10.0, 10.0, 0.5, 0.7, 0.0, 0.0, 1, 0, 10.0)
NK = Phenotype(10.0, 2.0, 25.0, 10.0, 4.0, 0.2, 0.0, 0.0, 2, 1, 0.0)


def lattice(shape: tuple[int, int, int], spacing_um: float = 10.0) -> np.ndarray:
    """Return centers (n, 3) float32."""
    return (np.indices(shape).reshape(3, -1).T * spacing_um).astype(np.float32)


def agent_model(
    at: np.ndarray,
    *,
    time_d: np.ndarray,
    phenotypes: tuple[Phenotype, ...] = (T_CELL, EXHAUSTED, NK),
    immune_at: np.ndarray | None = None,
    kind: Any = 0,
    survival: Any = 1.0,
    rate_per_d: float | None = 0.5,
    ids: np.ndarray | None = None,
    entry: Any = "uniform",
    root: int = 3,
    n_threads: int = 1,
    reach_um: float = 10.0,
    **rates: float,
) -> tuple[AgentModel, np.ndarray]:
    """Return a model, and the place of each of its rows among `at`."""
    n = len(at)
    options: dict[str, Any] = {
        "division_per_d": 0.0, "radiation_clearance_per_d": 0.5, "immune_clearance_per_d": 1.0,
        "hits_to_kill": 1, "recovery_per_d": 0.0, "overlap": 0.1, **rates,
    }  # fmt: skip
    options["hits_to_kill"] = (options["hits_to_kill"],) * (max(k.attack for k in phenotypes) + 1)
    delivered = np.ones((1, time_d.size))
    if rate_per_d is not None:
        delivered = -np.expm1(-rate_per_d * time_d)[None, :]
    ids = np.arange(n) if ids is None else ids
    # The course is by origin, which is the id of an initial cell.
    log_s = np.empty(n)
    log_s[ids] = np.log(np.broadcast_to(np.asarray(survival, dtype=float), n))
    course = RadiationCourse(log_s, np.ones((1, 1)), delivered, time_d)
    columns = tuple(np.ascontiguousarray(at[:, axis]) for axis in range(3))
    tumor = TumorRows(
        TumorRates(**options), reach_um, root, n_threads, ids.astype(np.int64), columns,
        np.full(n, RADIUS_UM, np.float32), ids.astype(np.int64), Record.of(n),
    )  # fmt: skip
    order = tumor.start(RadiationCourse(log_s[ids], course.share, delivered, time_d))
    immune = ImmuneRows(phenotypes, reach_um, root, n_threads)
    if immune_at is not None:
        immune.add(immune_at.astype(np.float32), kind)
    tissue = Tissue.around(at, 2.0 * reach_um)
    points = entry_points(entry, tissue, at, None, 10.0)  # type: ignore[arg-type]
    return AgentModel(tumor, immune, tissue, points, course), order
