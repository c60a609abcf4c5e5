# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/dose_rate.md: stepped chains, all pairs, double time integrals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.integrate import solve_ivp

import immunodose as imd

Array = npt.NDArray[np.float64]


def stepped_activity(
    chain: Sequence[tuple[str, float, dict[str, float]]],
    parent_rate_per_s: float,
    retention: dict[str, float],
    clearance_per_s: dict[str, float],
    time_s: Array,
) -> dict[str, Array]:
    """Activity in s-1 of each member per decay of the parent, by a stiff solver.

    `chain` lists (name, half-life in s, branching to daughters), parent first. The parent goes
    with its effective rate; a daughter decays or is cleared, and a share of its new atoms stays.
    """
    names = [name for name, _, _ in chain]
    decay = np.array([math.log(2.0) / half_life for _, half_life, _ in chain])
    leave = decay + np.array([clearance_per_s.get(name, 0.0) for name in names])
    leave[0] = parent_rate_per_s
    source = np.zeros((len(names), len(names)))
    for i, (_, _, branches) in enumerate(chain):
        for daughter, fraction in branches.items():
            j = names.index(daughter)
            source[j, i] += decay[j] * fraction * retention.get(daughter, 1.0)
    matrix = source - np.diag(leave)
    start = np.zeros(len(names))
    start[0] = parent_rate_per_s
    solved = solve_ivp(
        lambda _t, a: matrix @ a,
        (0.0, float(time_s[-1])),
        start,
        method="Radau",
        t_eval=time_s,
        rtol=1e-9,
        atol=1e-16,
        jac=lambda _t, _a: matrix,
    )
    assert solved.success
    return dict(zip(names, solved.y, strict=True))


def rate_to_nuclei(
    cells: xr.Dataset, activity: Array, emitters: dict[str, xr.Dataset], courses: dict[str, Array]
) -> Array:
    """Dose rate (cell, time) in Gy s-1 to nuclei of equal cells: every pair, every member (R1).

    `activity` (cell, source) are decays of the parent; `emitters` what one decay of each member
    emits; `courses` (time) the activity of each member per decay of the parent.
    """
    points = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    total = np.zeros((len(points), len(next(iter(courses.values())))))
    radii = {
        "cell_radius_um": float(cells["cell_radius"][0]),
        "nucleus_radius_um": float(cells["nucleus_radius"][0]),
    }
    apart = np.linalg.norm(points[:, None] - points, axis=2).round(9)
    distances = np.unique(apart)
    for name, table in emitters.items():
        s = imd.s_values(table, distance_um=distances, physics="mird", **radii)["s_value"]
        s = s.sel(target="nucleus", source=["nucleus", "cytoplasm", "membrane"]).sum("emission")
        by_distance = s.transpose("distance", "source").values
        for i in range(len(points)):
            for j in range(len(points)):
                own = by_distance[np.searchsorted(distances, apart[i, j])] @ activity[j]
                total[i] += own * courses[name]
    return total


def factor(
    rate: Callable[[Array], Array], phases: Sequence[tuple[float, float]], knots: Array
) -> float:
    """Lea-Catcheside factor by Gauss-Legendre over both times (Eq. R4).

    `phases` lists (share, rate); the dose rate must be smooth between the knots, and
    is zero before the first and after the last.
    """
    x, w = np.polynomial.legendre.leggauss(24)

    def panels(edges: Array) -> tuple[Array, Array]:
        half = 0.5 * np.diff(edges)[:, None]
        middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
        return (middle + half * x).ravel(), (half * w).ravel()

    time, weight = panels(knots)
    dose = float(weight @ rate(time))
    pairs = 0.0
    for share, mu in phases:
        for t, outer in zip(time.tolist(), weight.tolist(), strict=True):
            # Repair fades within a few 1/mu before t: finer panels there.
            fine = t - np.geomspace(1e-3, 60.0, 12) / mu
            first = float(knots[0])
            edges = np.unique(np.concatenate([[first, t], knots[knots < t], fine[fine > first]]))
            earlier, inner = panels(edges)
            memory = inner @ (rate(earlier) * np.exp(-mu * (t - earlier)))
            pairs += share * outer * float(rate(np.array([t]))[0]) * float(memory)
    return 2.0 * pairs / dose**2
