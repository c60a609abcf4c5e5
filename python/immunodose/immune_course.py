# SPDX-License-Identifier: BSD-3-Clause
"""When the dose comes, and what linear pools remember of one unit of it at any time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immunodose.response_inputs import DoseHistory, dose_history
from immunodose.source_rows import stored_courses
from immunodose.typing import FloatArray
from immunodose.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class Course:
    """Share of the dose delivered by each time.

    Either exponentials (`rate_per_d`, `share`), or `share` delivered up to the times `time_d`,
    linear between them; equal times in a row are a step (an acute fraction).
    """

    share: FloatArray
    rate_per_d: FloatArray | None = None
    time_d: FloatArray | None = None

    def breaks_d(self) -> FloatArray:
        """Return the times at which the dose rate jumps."""
        return np.zeros(0) if self.time_d is None else np.unique(self.time_d)


ACUTE = Course(np.ones(1), time_d=np.zeros(1))


@dataclass(frozen=True, slots=True)
class PoolRates:
    """Loss rates of the pools (d-1): remembered damage, membrane and window dose, DNA stages."""

    damage: float
    membrane: float
    window: float
    transfer: float
    clearance: float


# Taylor terms of a matrix of norm 1/2: the first one left out is below 1e-17.
_TAYLOR_NORM, _TAYLOR_ORDER = 0.5, 14

POOLS = ("delivered", "damage", "membrane", "window", "nuclear_dna", "dna")


@dataclass(frozen=True, slots=True)
class DoseCourses:
    """Courses of the radionuclides, one for all or one per nuclide, then those of a beam."""

    nuclides: tuple[Course, ...]
    by_nuclide: bool = False
    beam: tuple[Course, ...] = ()
    beam_Gy: FloatArray | None = None  # (cell, course of the beam)

    @property
    def all(self) -> tuple[Course, ...]:
        """Return all courses in the order of the amounts."""
        return (*self.nuclides, *self.beam)


def dose_courses(ds: xr.Dataset) -> DoseCourses:
    """Return the courses of a Dataset's dose.

    `activity_rate_constant` gives those of radionuclides (acute at time 0 without), and
    `external_beam_dose` the fractions of a beam.
    """
    history = dose_history(ds)  # refuses what cannot be told apart
    nuclides, by_nuclide = _of_nuclides(ds, history)
    if "external_beam_dose" not in ds:
        return DoseCourses(nuclides, by_nuclide)
    fraction = np.asarray(ds["external_beam_dose"].transpose("cell", "fraction").values, float)
    time_d = np.asarray(ds["fraction_time"].values, dtype=np.float64)
    total = fraction.sum(axis=1, keepdims=True)
    share = np.divide(fraction, total, out=np.zeros_like(fraction), where=total > 0.0)
    alike = share[total[:, 0] > 0.0]
    if not alike.size or not np.ptp(alike, axis=0).any():
        pattern = alike[0] if alike.size else np.full(time_d.size, 1.0 / time_d.size)
        return DoseCourses(nuclides, by_nuclide, (fractions(time_d, pattern),), total)
    single = tuple(fractions(time_d[k : k + 1], np.ones(1)) for k in range(time_d.size))
    return DoseCourses(nuclides, by_nuclide, single, fraction)


def fractions(time_d: FloatArray, share: FloatArray) -> Course:
    """Return the course of acute fractions at rising times, `share` of the dose each.

    Examples
    --------
    >>> fractions(np.array([0.0, 1.0]), np.array([0.5, 0.5])).share
    array([0. , 0.5, 0.5, 1. ])
    """
    sums = np.concatenate([[0.0], np.cumsum(share)])
    return Course(np.repeat(sums, 2)[1:-1], time_d=np.repeat(time_d, 2))


def _of_nuclides(ds: xr.Dataset, history: DoseHistory) -> tuple[tuple[Course, ...], bool]:
    if "activity_rate_constant" not in ds:
        return (ACUTE,), False
    if "nuclide" not in ds["activity_rate_constant"].dims:
        return (Course(np.ones(1), rate_per_d=history.rate_per_d),), False
    known = [course for course in stored_courses(ds) if course is not None]
    courses = tuple(
        Course(np.array(one.share), rate_per_d=np.array(one.rate_per_s) * SECONDS_PER_DAY)
        for one in known
    )
    if all(one == known[0] for one in known):
        return courses[:1], False
    return courses, True


def pool_tables(course: Course, rates: PoolRates, time_d: FloatArray) -> Mapping[str, FloatArray]:
    """Return what each pool holds at the times, per unit of dose of the course.

    Exact to rounding: each step is a matrix exponential of the linear chain (Eqs. 1-4 of
    docs/theory/signaling.md), so equal rates need no special care. At a step of the dose the
    value is that after it.
    """
    if course.rate_per_d is not None:
        total = np.zeros((len(POOLS), time_d.size))
        for rate, share in zip(course.rate_per_d, course.share, strict=True):
            total += share * _exponential(float(rate), rates, time_d)
    else:
        total = _piecewise(course, rates, time_d)
    return dict(zip(POOLS, total, strict=True))


def _chain(rates: PoolRates, source_rate: float, coupling: float) -> FloatArray:
    """Return the matrix of source and pools; the source feeds the pools with `coupling`."""
    n = 1 + len(POOLS)
    matrix = np.zeros((n, n))
    losses = (0.0, rates.damage, rates.membrane, rates.window, rates.transfer, rates.clearance)
    matrix[0, 0] = -source_rate
    matrix[1:n, 1:n] = np.diag([-loss for loss in losses])
    matrix[1 : n - 1, 0] = coupling
    matrix[n - 1, n - 2] = rates.transfer
    return matrix


def _propagators(matrix: FloatArray, step_d: FloatArray) -> FloatArray:
    """Return exp(matrix h) for every step h: Taylor series of a scaled matrix, squared back.

    The stack is small and dense; its own loop does not wake the threads of a BLAS.
    """
    scaled = matrix[None] * step_d[:, None, None]
    norm = float(np.abs(scaled).sum(axis=1).max(initial=0.0))
    n_squarings = max(0, math.ceil(math.log2(norm / _TAYLOR_NORM))) if norm > 0.0 else 0
    scaled = scaled / 2.0**n_squarings
    term = np.broadcast_to(np.eye(len(matrix)), scaled.shape)
    total = term.copy()
    for order in range(1, _TAYLOR_ORDER + 1):
        term = _product(term, scaled) / order
        total += term
    for _ in range(n_squarings):
        total = _product(total, total)
    return total


def _product(left: FloatArray, right: FloatArray) -> FloatArray:
    return np.asarray((left[:, :, :, None] * right[:, None, :, :]).sum(axis=2))


def _exponential(rate_per_d: float, rates: PoolRates, time_d: FloatArray) -> FloatArray:
    step_d = np.diff(time_d, prepend=0.0)
    propagators = _propagators(_chain(rates, rate_per_d, rate_per_d), step_d)
    state = np.zeros(1 + len(POOLS))
    state[0] = 1.0
    values = np.empty((len(POOLS), time_d.size))
    for j, propagator in enumerate(propagators):
        state = (propagator * state).sum(axis=1)
        values[:, j] = state[1:]
    return np.maximum(values, 0.0)


def _piecewise(course: Course, rates: PoolRates, time_d: FloatArray) -> FloatArray:
    """Return the pools of a dose rate that is constant between the knots of the curve."""
    assert course.time_d is not None
    knots = np.unique(course.time_d)
    last = np.searchsorted(course.time_d, knots, side="right") - 1
    first = np.searchsorted(course.time_d, knots, side="left")
    after, before = course.share[last], course.share[first]
    before[0] = 0.0  # whatever came by the first time came then
    slope = np.append((before[1:] - after[:-1]) / np.diff(knots), 0.0)
    grid = np.union1d(time_d, knots)
    propagators = _propagators(_chain(rates, 0.0, 1.0), np.diff(grid, prepend=0.0))
    state = np.zeros(1 + len(POOLS))
    values = np.empty((len(POOLS), grid.size))
    k = 0  # the next knot
    for j, time in enumerate(grid):
        state = (propagators[j] * state).sum(axis=1)
        if k < knots.size and knots[k] == time:
            state[1:-1] += after[k] - before[k]
            state[0] = slope[k]
            k += 1
        values[:, j] = state[1:]
    return values[:, np.searchsorted(grid, time_d)]
