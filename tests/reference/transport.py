# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/transport.md and hits.md: rays and decays one by one."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.data.chains import ChainStructure

Floats = npt.NDArray[np.float64]
Shell = tuple[float, float]  # inner and outer radius, um; equal radii are a surface

GRAY_NG_PER_KEV = 1.602176634e-4
NG_PER_UM3 = 1e-3


def residual_energy_keV(residual_um: Floats, *, alpha: bool) -> Floats:
    """Energy left at a residual range, zero at or past the end of the track (unit density)."""
    shape = residual_um.shape
    flat = np.maximum(residual_um, 0.0).ravel()
    if alpha:
        left = _core.physics.alpha_residual_energy_keV(range_um=flat, density_g_per_cm3=1.0)
    else:
        left = _core.physics.cole_energy_keV(range_um=flat)
    return left.reshape(shape)


def track_range_um(energy_keV: float, *, alpha: bool) -> float:
    """CSDA range in unit-density water."""
    if alpha:
        ranges = _core.physics.alpha_range_um(
            energy_keV=np.array([energy_keV]), density_g_per_cm3=1.0
        )
    else:
        ranges = _core.physics.cole_range_um(energy_keV=np.array([energy_keV]))
    return float(ranges[0])


def volume_um3(shell: Shell) -> float:
    """Volume of a shell or ball."""
    return 4.0 / 3.0 * math.pi * (shell[1] ** 3 - shell[0] ** 3)


def points_in(shell: Shell, n: int, rng: np.random.Generator) -> Floats:
    """Points uniform in a shell, or on a surface."""
    radius = np.cbrt(rng.uniform(shell[0] ** 3, shell[1] ** 3, n))
    return radius[:, None] * directions(n, rng)


def directions(n: int, rng: np.random.Generator) -> Floats:
    """Isotropic unit vectors."""
    vector = rng.standard_normal((n, 3))
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


def chord(start: Floats, direction: Floats, center: Floats, radius: float) -> tuple[Floats, Floats]:
    """Path lengths at which rays enter and leave a ball; equal if they miss it."""
    to_center = center - start
    along = (to_center * direction).sum(axis=1)
    across2 = (to_center**2).sum(axis=1) - along**2
    half = np.sqrt(np.maximum(radius**2 - across2, 0.0))
    return np.maximum(along - half, 0.0), np.maximum(along + half, 0.0)


def s_value_by_rays(
    energy_keV: float,
    *,
    alpha: bool,
    target: Shell,
    source: Shell,
    distance_um: float,
    n: int,
    seed: int,
) -> tuple[float, float]:
    """Gy per decay and its standard error: random straight tracks, E(R - in) - E(R - out).

    Between cells the tracks are aimed at the cone that covers the target; each carries the share
    of the sphere that the cone covers.
    """
    rng = np.random.default_rng(seed)
    start = points_in(source, n, rng)
    center = np.array([0.0, 0.0, distance_um])
    to_center = center - start
    far = np.linalg.norm(to_center, axis=1)
    outside = far > target[1]
    lowest = np.where(
        outside, np.sqrt(np.maximum(0.0, 1.0 - (target[1] / np.maximum(far, target[1])) ** 2)), -1.0
    )
    weight = 0.5 * (1.0 - lowest)
    cosine = rng.uniform(lowest, 1.0)
    axis = to_center / np.maximum(far, 1e-12)[:, None]
    across = np.cross(axis, directions(n, rng))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    ray = cosine[:, None] * axis + np.sqrt(1.0 - cosine**2)[:, None] * across
    reach = track_range_um(energy_keV, alpha=alpha)

    def in_ball(radius: float) -> Floats:
        if radius == 0.0:
            return np.zeros(n)
        enter, leave = chord(start, ray, center, radius)
        return residual_energy_keV(reach - enter, alpha=alpha) - residual_energy_keV(
            reach - leave, alpha=alpha
        )

    dose = weight * (in_ball(target[1]) - in_ball(target[0]))
    dose *= GRAY_NG_PER_KEV / (volume_um3(target) * NG_PER_UM3)
    return float(dose.mean()), float(dose.std(ddof=1) / math.sqrt(n))


def specific_energy_of_decays(
    chain: ChainStructure,
    *,
    nucleus_radius_um: float,
    source: Shell,
    distance_um: float,
    n: int,
    seed: int,
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Specific energy (Gy) and number of traversals of the nucleus for n decays of the parent.

    Each decay walks down the chain from one place: branch by branching, alpha line by yield,
    fresh direction; a lost atom ends the walk. No horizon.
    """
    rng = np.random.default_rng(seed)
    place = points_in(source, n, rng)
    center = np.array([0.0, 0.0, distance_um])
    mass_ng = volume_um3((0.0, nucleus_radius_um)) * NG_PER_UM3
    energy = np.zeros(n)
    hits = np.zeros(n, dtype=np.int64)
    at = np.zeros(n, dtype=np.int64)  # member of each walk, -1 when it has ended
    for member in range(len(chain.members)):
        walkers = np.flatnonzero(at == member)
        edges = np.flatnonzero(chain.parent_index == member)
        share = np.append(chain.branching[edges], 0.0)
        share[-1] = max(0.0, 1.0 - share.sum())  # spontaneous fission and the like
        taken = rng.choice(len(edges) + 1, size=walkers.size, p=share / share.sum())
        at[walkers] = -1
        for k, edge in enumerate(edges):
            here = walkers[taken == k]
            if chain.is_alpha[edge] and here.size:
                yields = chain.alpha_yield[member]
                line = rng.choice(len(yields), size=here.size, p=yields / yields.sum())
                reach = np.array(
                    [track_range_um(e, alpha=True) for e in chain.alpha_energy_keV[member]]
                )[line]
                enter, leave = chord(
                    place[here], directions(here.size, rng), center, nucleus_radius_um
                )
                given = residual_energy_keV(reach - enter, alpha=True) - residual_energy_keV(
                    reach - leave, alpha=True
                )
                energy[here] += given
                hits[here] += given > 0.0
            daughter = chain.daughter_index[edge]
            if daughter >= 0:
                stays = rng.random(here.size) < chain.retention[daughter]
                at[here[stays]] = daughter
    return energy * GRAY_NG_PER_KEV / mass_ng, hits
