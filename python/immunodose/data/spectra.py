# SPDX-License-Identifier: BSD-3-Clause
"""Emission lines of one nuclide: classes, beta bins, what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from immunodose.data.decay_data import NuclearDataSource
from immunodose.errors import InputError
from immunodose.typing import Emission, FloatArray

# List of the data source -> emission class. Betas are replaced by their continuous spectrum.
LINE_CLASSES: dict[str, Emission] = {
    "alpha": "alpha",
    "alpha recoil": "recoil",
    "auger": "auger_ce",
    "IE": "auger_ce",
    "gamma": "photon",
    "X": "photon",
    "annihilation": "photon",
}
BETA_LISTS = ("beta-", "beta+")
# No transport exists for these: they are refused, or left out and reported when negligible.
REFUSED_LISTS = ("neutron", "fission", "betaD")

# Bins of the beta spectrum that lie below this energy are joined to one (range below 0.05 um).
BETA_JOIN_BELOW_KEV = 1.0
# Largest ratio of the ends of a bin, minus 1.
BETA_BIN_WIDTH = 0.05


@dataclass(frozen=True, slots=True)
class Lines:
    """Emission lines of one nuclide, per decay of that nuclide."""

    energy_keV: FloatArray
    yield_per_decay: FloatArray
    emission: tuple[str, ...]
    continuous: FloatArray
    energy_left_out_keV: float
    left_out: tuple[str, ...]

    def total_energy_keV(self) -> float:
        """Energy per decay of all lines."""
        return float(self.energy_keV @ self.yield_per_decay)


def beta_bins(density: FloatArray, line_yield: float, line_energy_keV: float) -> FloatArray:
    """Turn a beta spectrum into bins that keep the yield and the mean energy of the line list.

    Parameters
    ----------
    density
        Rows (energy in keV, electrons per keV and decay), energies rising.
    line_yield
        Electrons per decay of the line list (both signs), > 0.
    line_energy_keV
        Energy per decay of the line list (yield times mean energy), > 0.

    Returns
    -------
    ndarray (bin, 2)
        Mean energy [keV] and yield per decay [1] of each bin with a yield.

    Raises
    ------
    InputError
        If the density is not a spectrum: energies not rising, negative or empty.

    Notes
    -----
    A monotone cubic (PCHIP) joins the points of the density; bins are at most 5 % wide above
    1 keV, and one bin below. All yields are then scaled by one factor and all energies by another
    (Eq. 1-2, docs/theory/nuclear_data.md), within 0.2 % of 1 but for 16N, 254mEs, 255Es, 250Cm.

    Examples
    --------
    >>> bins = beta_bins(np.array([[0.0, 1.0], [10.0, 0.0]]), 1.0, 3.0)
    >>> float(round(bins[:, 1].sum(), 12)), float(round(bins[:, 0] @ bins[:, 1], 12))
    (1.0, 3.0)
    """
    energy, height = density.T
    if len(energy) < 2 or np.any(np.diff(energy) <= 0) or np.any(height < 0) or not np.any(height):
        raise InputError(
            "beta_density is no spectrum (needs at least two rising energies and non-negative "
            "densities, not all zero). Correct the data source."
        )
    edges = _bin_edges(energy)
    nodes, weights = np.polynomial.legendre.leggauss(3)  # exact for the cubic pieces
    half = np.diff(edges)[:, None] / 2
    at = (edges[1:] + edges[:-1])[:, None] / 2 + half * nodes
    inside = half * weights * PchipInterpolator(energy, height)(at)
    first = np.flatnonzero(edges[:-1] >= BETA_JOIN_BELOW_KEV)
    start = np.unique(np.concatenate(([0], first)))
    bin_yield = np.add.reduceat(inside.sum(axis=1), start)
    bin_energy = np.add.reduceat((inside * at).sum(axis=1), start)
    bin_yield, bin_energy = bin_yield[bin_yield > 0], bin_energy[bin_yield > 0]
    yields = bin_yield * (line_yield / bin_yield.sum())
    mean = bin_energy / bin_yield
    return np.column_stack((mean * (line_energy_keV / float(mean @ yields)), yields))


def _bin_edges(energy: FloatArray) -> FloatArray:
    """Return the tabulated energies and as many in between as the bin width asks for."""
    low = max(float(energy[0]), BETA_JOIN_BELOW_KEV)
    corners = np.unique(np.append(energy, low))
    corners = corners[(corners >= energy[0]) & (corners <= energy[-1])]
    above = corners[corners >= low]
    between = [
        np.geomspace(a, b, 1 + int(np.ceil(np.log(b / a) / np.log1p(BETA_BIN_WIDTH))))[1:-1]
        for a, b in itertools.pairwise(above)
    ]
    return np.unique(np.concatenate([corners, *between]))


def nuclide_lines(nuclide: str, source: NuclearDataSource) -> Lines:
    """Return all emission lines of one nuclide.

    Parameters
    ----------
    nuclide
        Normalized name.
    source
        Nuclear data.

    Returns
    -------
    Lines
        Energies [keV], yields per decay [1], classes; what has no transport (neutrons, fission
        fragments and their betas) is summed in `energy_left_out_keV`.

    Examples
    --------
    >>> from immunodose.data.decay_data import DEFAULT_SOURCE
    >>> lines = nuclide_lines("Lu-177", DEFAULT_SOURCE)
    >>> sorted(set(lines.emission))
    ['auger_ce', 'beta', 'photon']
    """
    lists = source.emission_lists(nuclide)
    parts: list[tuple[FloatArray, Emission, bool]] = []
    for key, emission in LINE_CLASSES.items():
        rows = lists.get(key)
        if rows is not None and len(rows):
            parts.append((rows, emission, False))
    beta = _beta_part(nuclide, source, lists)
    if beta is not None:
        parts.insert(0, (beta, "beta", True))
    rows = np.concatenate([part[0] for part in parts]) if parts else np.empty((0, 2))
    _check_rows(nuclide, source, rows)
    left_out = {
        key: float(lists[key][:, 0] @ lists[key][:, 1]) for key in REFUSED_LISTS if key in lists
    }
    return Lines(
        energy_keV=rows[:, 0],
        yield_per_decay=rows[:, 1],
        emission=tuple(emission for part, emission, _ in parts for _ in range(len(part))),
        continuous=np.concatenate([np.full(len(part), flag) for part, _, flag in parts])
        if parts
        else np.empty(0),
        energy_left_out_keV=sum(left_out.values()),
        left_out=tuple(key for key, energy in left_out.items() if energy > 0),
    )


def _check_rows(nuclide: str, source: NuclearDataSource, rows: FloatArray) -> None:
    wrong = ~(np.isfinite(rows).all(axis=1) & (rows[:, 0] > 0) & (rows[:, 1] >= 0))
    if wrong.any():
        energy, yield_per_decay = rows[np.argmax(wrong)]
        raise InputError(
            f"{nuclide} in {source.name} has a line of {energy:g} keV with yield "
            f"{yield_per_decay:g} (energies must be > 0, yields >= 0, both finite). Correct the "
            "data source."
        )


def _beta_part(
    nuclide: str, source: NuclearDataSource, lists: Mapping[str, FloatArray]
) -> FloatArray | None:
    rows = [lists[key] for key in BETA_LISTS if key in lists and len(lists[key])]
    if not rows:
        return None
    energy, yields = np.concatenate(rows).T
    if not yields.sum() > 0:
        return None
    return beta_bins(source.beta_density(nuclide), float(yields.sum()), float(energy @ yields))
