# SPDX-License-Identifier: BSD-3-Clause
"""Decay chains: members, decays per parent decay, what each alpha is followed by."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from immunodose import _core
from immunodose.data.decay_data import (
    DEFAULT_SOURCE,
    HalfLifeSource,
    NuclearDataSource,
    half_life_s,
    radionuclide,
)
from immunodose.data.nuclide_names import spellings
from immunodose.errors import DataNotFoundError, InputError, UnitError
from immunodose.typing import FloatArray, IntArray
from immunodose.units import SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class ChainStructure:
    """A decay chain from one parent, in topological order (parent first).

    Attributes
    ----------
    members
        Radioactive members.
    half_life_s
        Half-life of each member.
    decays_per_parent_decay
        Decays of each member per decay of the parent, within the horizon and at its site.
    retention
        Fraction of the new atoms of each member that stay (1 for the parent).
    parent_index, daughter_index
        Ends of each edge; daughter -1 is a stable or unlisted end.
    branching
        Branching fraction of each edge.
    fraction
        Decays of the daughter per decay of the parent member that go through this edge:
        branching times retention times the share that decays within the horizon (edges to
        stable ends: the branching fraction).
    is_alpha
        Whether the edge is an alpha decay.
    alpha_energy_keV, alpha_yield
        Alpha lines of each member, per decay of that member.
    chain_horizon_d
        Horizon, None for the whole chain.
    """

    members: tuple[str, ...]
    half_life_s: FloatArray
    decays_per_parent_decay: FloatArray
    retention: FloatArray
    parent_index: IntArray
    daughter_index: IntArray
    branching: FloatArray
    fraction: FloatArray
    is_alpha: np.ndarray[tuple[int], np.dtype[np.bool_]]
    alpha_energy_keV: tuple[FloatArray, ...]
    alpha_yield: tuple[FloatArray, ...]
    chain_horizon_d: float | None


def chain_members(parent: str, source: NuclearDataSource) -> tuple[str, ...]:
    """Return the radioactive members of a chain in topological order, parent first.

    Parameters
    ----------
    parent
        Normalized name.
    source
        Nuclear data.

    Returns
    -------
    tuple of str
        Members; stable ends are left out.

    Raises
    ------
    InputError
        If the data hold a nuclide that decays to itself through its progeny.

    Examples
    --------
    >>> chain_members("At-211", DEFAULT_SOURCE)
    ('At-211', 'Po-211', 'Bi-207')
    """
    known = source.radionuclides()
    finished: list[str] = []
    open_: set[str] = set()

    def visit(nuclide: str) -> None:
        if nuclide in finished:
            return
        if nuclide in open_:
            raise InputError(f"nuclide {nuclide!r} is its own progeny. Correct the data source.")
        open_.add(nuclide)
        for branch in reversed(source.branches(nuclide)):
            if branch.daughter in known and branch.daughter is not None:
                visit(branch.daughter)
        finished.append(nuclide)

    visit(parent)
    return tuple(reversed(finished))


def chain_structure(
    nuclide: str,
    *,
    chain: bool = True,
    chain_horizon_d: float | None = None,
    half_life_source: HalfLifeSource = "icrp107",
    retention: Mapping[str, float] | None = None,
    source: NuclearDataSource | None = None,
) -> ChainStructure:
    """Solve the decay chain of one nuclide.

    Parameters
    ----------
    nuclide
        Parent, any accepted spelling.
    chain
        False leaves only the parent.
    chain_horizon_d
        Time in d after which decays no longer count, > 0; None counts all progeny.
    half_life_source
        "icrp107" or "measured".
    retention
        Progeny -> fraction in [0, 1] of its new atoms that stay; a lost atom takes its own
        progeny with it. Progeny not named stay.
    source
        Nuclear data; None is ICRP-107 as installed.

    Returns
    -------
    ChainStructure
        Members, decays per parent decay, edges, alpha lines.

    Raises
    ------
    InputError, UnitError, DataNotFoundError
        For unknown names, a horizon that is not positive, retention outside [0, 1].

    Notes
    -----
    Eq. 3-6, docs/theory/nuclear_data.md: branching products without a horizon, else the ratio of
    the decays of the member and of the parent from a pure parent.

    Examples
    --------
    >>> chain_structure("At-211", chain_horizon_d=5).members
    ('At-211', 'Po-211', 'Bi-207')
    """
    data = DEFAULT_SOURCE if source is None else source
    parent = radionuclide(nuclide, data)
    horizon_s = _checked_horizon_s(chain_horizon_d)
    if horizon_s is not None and not chain:
        raise InputError(
            "chain_horizon_d has no effect with chain=False (no progeny). Leave one of them out."
        )
    members = chain_members(parent, data) if chain else (parent,)
    kept = _retention_per_member(retention, members, data)
    half_lives = _half_lives_s(members, data, half_life_source)
    parent_index, daughter_index, branching, is_alpha = _edges(members, data if chain else None)
    inside = daughter_index >= 0
    matrix = (parent_index[inside], daughter_index[inside], branching[inside], kept)
    decays = _decays_per_parent_decay(math.log(2) / half_lives, matrix, horizon_s)
    arrivals = np.zeros(len(members))
    np.add.at(
        arrivals,
        daughter_index[inside],
        decays[parent_index[inside]] * branching[inside] * kept[daughter_index[inside]],
    )
    decayed = np.divide(decays, arrivals, out=np.zeros_like(decays), where=arrivals > 0)
    fraction = np.where(
        inside, branching * kept[daughter_index] * decayed[daughter_index], branching
    )
    alphas = [data.emission_lists(name).get("alpha", np.empty((0, 2))) for name in members]
    return ChainStructure(
        members=members,
        half_life_s=half_lives,
        decays_per_parent_decay=decays,
        retention=kept,
        parent_index=parent_index,
        daughter_index=daughter_index,
        branching=branching,
        fraction=fraction,
        is_alpha=is_alpha,
        alpha_energy_keV=tuple(rows[:, 0].copy() for rows in alphas),
        alpha_yield=tuple(rows[:, 1].copy() for rows in alphas),
        chain_horizon_d=chain_horizon_d,
    )


def _half_lives_s(
    members: tuple[str, ...], source: NuclearDataSource, half_life_source: HalfLifeSource
) -> FloatArray:
    half_lives = [half_life_s(name, source, half_life_source=half_life_source) for name in members]
    for name, value in zip(members, half_lives, strict=True):
        if not (math.isfinite(value) and value > 0):
            raise InputError(
                f"half-life of {name} is {value!r} s in {source.name} (must be finite and > 0; "
                "stable nuclides do not belong to radionuclides()). Correct the data source."
            )
    return np.array(half_lives)


def whole_chain_decays(solved: ChainStructure) -> FloatArray:
    """Return decays per parent decay without horizon and without loss of progeny.

    Parameters
    ----------
    solved
        A chain with or without horizon and retention.

    Returns
    -------
    ndarray (member)
        Branching products (Eq. 3, docs/theory/nuclear_data.md) [1].

    Examples
    --------
    >>> solved = chain_structure("Th-227", chain_horizon_d=15)
    >>> float(whole_chain_decays(solved)[1])
    1.0
    """
    inside = solved.daughter_index >= 0
    edges = (solved.parent_index[inside], solved.daughter_index[inside], solved.branching[inside])
    nothing_lost = np.ones(len(solved.members))
    return _decays_per_parent_decay(math.log(2) / solved.half_life_s, (*edges, nothing_lost), None)


def _edges(
    members: tuple[str, ...], source: NuclearDataSource | None
) -> tuple[IntArray, IntArray, FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    index = {name: i for i, name in enumerate(members)}
    rows = [
        (i, index.get(branch.daughter or "", -1), branch.fraction, branch.is_alpha)
        for i, name in enumerate(members if source is not None else ())
        for branch in (source.branches(name) if source is not None else ())
    ]
    return (
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=np.bool_),
    )


def _decays_per_parent_decay(
    rate_per_s: FloatArray,
    matrix: tuple[IntArray, IntArray, FloatArray, FloatArray],
    horizon_s: float | None,
) -> FloatArray:
    pure_parent = np.zeros(len(rate_per_s))
    pure_parent[0] = 1.0
    if horizon_s is None:
        return _core.physics.decays_to_infinity(rate_per_s, *matrix, pure_parent)
    _, decays = _core.physics.evolve_decay_chain(rate_per_s, *matrix, pure_parent, horizon_s)
    ratio: FloatArray = decays / decays[0]
    return ratio


def _checked_horizon_s(chain_horizon_d: float | None) -> float | None:
    if chain_horizon_d is None:
        return None
    is_number = isinstance(chain_horizon_d, (int, float, np.integer, np.floating))
    if not (is_number and math.isfinite(chain_horizon_d) and chain_horizon_d > 0):
        raise InputError(
            f"chain_horizon_d = {chain_horizon_d!r} (must be a finite number of days > 0: decays "
            "later than this do not count). Leave it out to count all progeny."
        )
    return float(chain_horizon_d) * SECONDS_PER_DAY


def _retention_per_member(
    retention: Mapping[str, float] | None, members: tuple[str, ...], source: NuclearDataSource
) -> FloatArray:
    if retention is not None and not isinstance(retention, Mapping):
        raise InputError(
            f"retention = {retention!r} is not a mapping of progeny to fractions. Write, for "
            "example, retention={'Fr-221': 0.5}."
        )
    kept = np.ones(len(members))
    seen: set[str] = set()
    for given, value in (retention or {}).items():
        name = _progeny(given, members, source)
        _check_fraction(given, value)
        if name in seen:
            raise InputError(f"retention names {name} twice (last as {given!r}). Give it once.")
        seen.add(name)
        kept[members.index(name)] = float(value)
    return kept


def _progeny(given: str, members: tuple[str, ...], source: NuclearDataSource) -> str:
    progeny = members[1:]
    found = [name for name in spellings(str(given)) if name in members]
    if found and found[0] in progeny:
        return found[0]
    listed = ", ".join(progeny) if progeny else "none"
    if found:
        raise InputError(
            f"retention[{given!r}]: {found[0]} is the parent, whose decays are at the site by "
            f"definition. Give retention for its progeny only ({listed})."
        )
    try:
        name = radionuclide(given, source)
    except DataNotFoundError:
        close = difflib.get_close_matches(str(given), progeny, n=2, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise DataNotFoundError(
            f"retention[{given!r}]: unknown nuclide.{hint} Progeny of {members[0]}: {listed}."
        ) from None
    raise InputError(
        f"retention[{given!r}]: {name} is not in the chain of {members[0]} (its progeny: {listed})."
    )


def _check_fraction(given: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(f"retention[{given!r}] = {value!r} is not a number in [0, 1].")
    if 1.0 < value <= 100.0:
        raise UnitError(
            f"retention[{given!r}] = {value!r} (a fraction in [0, 1]; this looks like a percent). "
            f"Write {value / 100:g} if {value:g} % is meant."
        )
    if not (math.isfinite(value) and 0.0 <= value <= 1.0):
        raise InputError(
            f"retention[{given!r}] = {value!r} (must be in [0, 1]: the fraction that stays)."
        )
