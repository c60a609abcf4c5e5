# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracle of docs/theory/monte_carlo.md: alphas of a decay chain through two nuclei."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from tests.reference import transport as rays

from immunodose.data.chains import ChainStructure

Floats = npt.NDArray[np.float64]


def joint_specific_energy(
    chain: ChainStructure,
    *,
    source_um: rays.Shell,
    nuclei_um: list[tuple[Floats, float]],
    n: int,
    seed: int,
) -> Floats:
    """Specific energy (decay, nucleus) in Gy of n decays uniform in a shell at the origin.

    `nuclei_um` are (center, radius); all alphas of a decay start at one place. No straggling.
    """
    rng = np.random.default_rng(seed)
    place = rays.points_in(source_um, n, rng)
    given = np.zeros((n, len(nuclei_um)))
    at = np.zeros(n, dtype=np.int64)
    for member in range(len(chain.members)):
        walkers = np.flatnonzero(at == member)
        edges = np.flatnonzero(chain.parent_index == member)
        share = np.append(chain.branching[edges], 0.0)
        share[-1] = max(0.0, 1.0 - share.sum())
        taken = rng.choice(len(edges) + 1, size=walkers.size, p=share / share.sum())
        at[walkers] = -1
        for k, edge in enumerate(edges):
            here = walkers[taken == k]
            if chain.is_alpha[edge] and here.size:
                given[here] += _alphas(chain, member, place[here], nuclei_um, rng)
            daughter = chain.daughter_index[edge]
            if daughter >= 0:
                stays = rng.random(here.size) < chain.retention[daughter]
                at[here[stays]] = daughter
    masses = np.array([rays.volume_um3((0.0, radius)) for _, radius in nuclei_um])
    return np.asarray(given * rays.GRAY_NG_PER_KEV / (masses * rays.NG_PER_UM3))


def _alphas(
    chain: ChainStructure,
    member: int,
    place: Floats,
    nuclei_um: list[tuple[Floats, float]],
    rng: np.random.Generator,
) -> Floats:
    """Energy (alpha, nucleus) in keV of one alpha from each place."""
    yields = chain.alpha_yield[member]
    line = rng.choice(len(yields), size=len(place), p=yields / yields.sum())
    ranges = np.array(
        [rays.track_range_um(energy, alpha=True) for energy in chain.alpha_energy_keV[member]]
    )[line]
    direction = rays.directions(len(place), rng)
    energy = np.zeros((len(place), len(nuclei_um)))
    for column, (center, radius) in enumerate(nuclei_um):
        enter, leave = rays.chord(place, direction, center, radius)
        energy[:, column] = rays.residual_energy_keV(
            ranges - enter, alpha=True
        ) - rays.residual_energy_keV(ranges - leave, alpha=True)
    return energy


def standard_error(samples: Floats) -> float:
    """Standard error of a mean."""
    return float(samples.std(ddof=1) / math.sqrt(samples.size))
