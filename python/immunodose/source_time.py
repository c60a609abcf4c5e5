# SPDX-License-Identifier: BSD-3-Clause
"""Time courses of decays: chains of exponential states, without sums that cancel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immunodose import _core
from immunodose.typing import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class TimeCourses:
    """When the decays of several components happen.

    States decay with `rate_per_s` and pass on `edge_fraction` of their decays to other states of
    the same block (one chain from one exponential of its parent; states of a block follow each
    other, parent first). Each parent starts with one atom. A component is the sum of the decay
    rates of states times `weight`, whose integral over all time is 1. Eqs. R1-R3 of
    docs/theory/dose_rate.md.

    Attributes
    ----------
    rate_per_s
        (state), > 0.
    block_start
        Number of the first state (the parent) of each block.
    edge_from, edge_to, edge_fraction
        (edge).
    weight
        (component, state); negative where a component is a difference of exponentials.
    """

    rate_per_s: FloatArray
    block_start: IntArray
    edge_from: IntArray
    edge_to: IntArray
    edge_fraction: FloatArray
    weight: FloatArray

    @property
    def start(self) -> FloatArray:
        """Return the atoms of each state at time 0."""
        atoms = np.zeros(self.rate_per_s.size)
        atoms[self.block_start] = 1.0
        return atoms

    def density_per_s(self, time_s: FloatArray) -> FloatArray:
        """Return the decay rate of each component over its number of decays (component, time)."""
        return np.asarray(self.weight @ self._states(time_s)[0])

    def delivered(self, time_s: FloatArray) -> FloatArray:
        """Return the share of the decays of each component up to each time (component, time)."""
        return np.asarray(self.weight @ self._states(time_s)[1])

    def protraction_of_pairs(
        self, repair_weight: FloatArray, repair_rate_per_s: FloatArray
    ) -> FloatArray:
        """Return the Lea-Catcheside factor of each pair of components (Eqs. R5-R7)."""
        states = _core.response.protraction_of_pairs(
            rate_per_s=self.rate_per_s,
            edge_parent=self.edge_from,
            edge_daughter=self.edge_to,
            edge_fraction=self.edge_fraction,
            initial_atoms=self.start,
            repair_weight=repair_weight,
            repair_rate_per_s=repair_rate_per_s,
        )
        return np.asarray(self.weight @ states @ self.weight.T)

    def _states(self, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Decay rates and decays so far of every state (state, time), block by block (Eq. R2)."""
        rates = np.zeros((self.rate_per_s.size, time_s.size))
        decays = np.zeros_like(rates)
        ends = [*self.block_start[1:].tolist(), self.rate_per_s.size]
        for first, end in zip(self.block_start.tolist(), ends, strict=True):
            own = self.rate_per_s[first:end]
            if end == first + 1:
                rates[first] = own[0] * np.exp(-own[0] * time_s)
                decays[first] = -np.expm1(-own[0] * time_s)
                continue
            inside = (self.edge_from >= first) & (self.edge_from < end)
            for t, seconds in enumerate(time_s.tolist()):
                atoms, so_far = _core.physics.evolve_decay_chain(
                    own,
                    self.edge_from[inside] - first,
                    self.edge_to[inside] - first,
                    self.edge_fraction[inside],
                    np.ones(own.size),
                    self.start[first:end],
                    seconds,
                )
                rates[first:end, t] = own * atoms
                decays[first:end, t] = so_far
        return rates, decays

    def to_json(self) -> str:
        """Return the courses as text, which an attribute can hold."""
        component, state = np.nonzero(self.weight)
        content = {
            **{name: getattr(self, name).tolist() for name in self.__slots__ if name != "weight"},
            "n_components": len(self.weight),
            "component": component.tolist(),
            "state": state.tolist(),
            "weight": self.weight[component, state].tolist(),
        }
        return json.dumps(content)

    @staticmethod
    def from_json(text: str) -> TimeCourses:
        """Return the courses that `to_json` wrote.

        Examples
        --------
        >>> courses = exponentials([0.5, 2.0])
        >>> TimeCourses.from_json(courses.to_json()).rate_per_s
        array([0.5, 2. ])
        """
        found = json.loads(text)

        def whole(name: str) -> IntArray:
            return np.array(found[name], dtype=np.int64)

        def real(name: str) -> FloatArray:
            return np.array(found[name], dtype=np.float64)

        rate = real("rate_per_s")
        weight = np.zeros((found["n_components"], rate.size))
        weight[whole("component"), whole("state")] = real("weight")
        return TimeCourses(
            rate,
            whole("block_start"),
            whole("edge_from"),
            whole("edge_to"),
            real("edge_fraction"),
            weight,
        )


def exponentials(rate_per_s: Sequence[float] | FloatArray) -> TimeCourses:
    """Return one component per rate constant (> 0), each an exponential from time 0.

    Examples
    --------
    >>> exponentials([2.0]).density_per_s(np.array([0.0]))
    array([[2.]])
    """
    rate = np.asarray(rate_per_s, dtype=np.float64)
    none = np.empty(0, dtype=np.int64)
    return TimeCourses(
        rate, np.arange(rate.size, dtype=np.int64), none, none, np.empty(0), np.eye(rate.size)
    )


@dataclass(frozen=True, slots=True)
class Fractions:
    """Exponentials from time 0 (`rate_per_s`), then pulses at `pulse_time_s`: the components."""

    pulse_time_s: FloatArray
    rate_per_s: FloatArray

    def protraction_of_pairs(
        self, repair_weight: FloatArray, repair_rate_per_s: FloatArray
    ) -> FloatArray:
        """Return the Lea-Catcheside factor of each pair (Eqs. R11 and R12, dose_rate.md).

        Examples
        --------
        >>> day = Fractions(np.array([0.0, 86400.0]), np.empty(0))
        >>> day.protraction_of_pairs(np.ones(1), np.array([1.0])).round(3)
        array([[1., 0.],
               [0., 1.]])
        """
        n_rates = self.rate_per_s.size
        pairs = np.zeros((n_rates + self.pulse_time_s.size,) * 2)
        time, rate = self.pulse_time_s, self.rate_per_s[:, None]
        for weight, repair in zip(repair_weight.tolist(), repair_rate_per_s.tolist(), strict=True):
            between = np.exp(-repair * np.abs(time[:, None] - time[None, :]))
            pairs[n_rates:, n_rates:] += weight * between
            if not n_rates:
                continue
            own = rate * rate.T / (rate + rate.T)
            pairs[:n_rates, :n_rates] += (
                weight * own * (1.0 / (rate + repair) + 1.0 / (rate.T + repair))
            )
            slow = np.minimum(rate, repair)
            x = np.abs(rate - repair) * time
            ratio = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x > 0.0)
            before = time * np.exp(-slow * time) * ratio
            after = np.exp(-rate * time) / (rate + repair)
            mixed = weight * rate * (before + after)
            pairs[:n_rates, n_rates:] += mixed
            pairs[n_rates:, :n_rates] += mixed.T
        return pairs


@dataclass(frozen=True, slots=True)
class Chain:
    """Members of a chain at one site: rates at which they go, and who feeds whom.

    `fraction` of an edge is the decays of the daughter at the site per decay of its parent there;
    `decays` those per decay of the first member.
    """

    members: tuple[str, ...]
    rate_per_s: FloatArray
    edge_from: IntArray
    edge_to: IntArray
    fraction: FloatArray
    decays: FloatArray


@dataclass(frozen=True, slots=True)
class Exponentials:
    """A time course of the parent: shares of its decays (sum 1) in exponentials."""

    rate_per_s: tuple[float, ...]
    share: tuple[float, ...]


def courses_of_chains(
    parts: Sequence[tuple[Chain, Exponentials, Sequence[str]]],
) -> TimeCourses:
    """Return one component per part and member that is asked for, in order.

    Parameters
    ----------
    parts
        Chain, the course of its first member, and members that become components (all with
        decays > 0).
    """
    rates: list[FloatArray] = []
    starts: list[int] = []
    edges: list[tuple[IntArray, IntArray, FloatArray]] = []
    weights: list[list[tuple[int, float]]] = []
    n_states = 0
    for chain, course, members in parts:
        blocks = []
        for rate in course.rate_per_s:
            own = chain.rate_per_s.copy()
            own[0] = rate
            rates.append(own)
            starts.append(n_states)
            edges.append((chain.edge_from + n_states, chain.edge_to + n_states, chain.fraction))
            blocks.append(n_states)
            n_states += own.size
        for name in members:
            j = chain.members.index(name)
            each = zip(blocks, course.share, strict=True)
            weights.append([(first + j, share / float(chain.decays[j])) for first, share in each])
    weight = np.zeros((len(weights), n_states))
    for row, entries in enumerate(weights):
        for state, value in entries:
            weight[row, state] = value
    return TimeCourses(
        np.concatenate(rates),
        np.array(starts, dtype=np.int64),
        np.concatenate([edge[0] for edge in edges]),
        np.concatenate([edge[1] for edge in edges]),
        np.concatenate([edge[2] for edge in edges]),
        weight,
    )
