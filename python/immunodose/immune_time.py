# SPDX-License-Identifier: BSD-3-Clause
"""Time grids of the immune and host models, and the linear relaxation solved on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunodose.errors import ConvergenceError, InputError, UnitError
from immunodose.typing import FloatArray, FloatLike, IntArray

_FIRST_STEP_D = 0.25
_HALVINGS = 9

# Beyond it a time is taken to be in seconds (one day has 86400 of them).
_LONGEST_D = 36500.0


@dataclass(frozen=True, slots=True)
class OutputTimes:
    """The times a caller asked for; a scalar gives results without the time dim."""

    time_d: FloatArray
    scalar: bool

    @property
    def dims(self) -> tuple[str, ...]:
        """Return the dims that the times add to a variable."""
        return () if self.scalar else ("time",)

    def shaped(self, values: FloatArray) -> FloatArray:
        """Return values (..., time) without the last dim if the time was a scalar."""
        return values[..., 0] if self.scalar else values

    def coords(self) -> dict[str, FloatArray]:
        """Return the time coordinate, if there is one."""
        return {} if self.scalar else {"time": self.time_d}


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """A fine grid from 0 that contains the output times."""

    time_d: FloatArray
    output_index: IntArray


def output_times(time_d: FloatLike) -> OutputTimes:
    """Check `time_d`: a number or a rising 1-D sequence, finite and >= 0.

    Examples
    --------
    >>> output_times(14.0).dims
    ()
    """
    raw = np.asarray(time_d)
    if raw.dtype.kind not in "iuf":
        raise InputError(f"invalid time_d={time_d!r} (allowed: days as a number or 1-D numbers).")
    times = raw.astype(np.float64)
    flat = np.atleast_1d(times)
    if times.ndim > 1 or flat.size == 0:
        raise InputError(f"invalid time_d of shape {times.shape} (allowed: a number or 1-D).")
    bad = ~(np.isfinite(flat) & (flat >= 0.0))
    bad[1:] |= ~(np.diff(flat) > 0.0)
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"invalid time_d[{i}] = {flat[i]} d (allowed: finite, >= 0 and strictly rising)."
        )
    if flat[-1] > _LONGEST_D:
        i = int(np.argmax(flat > _LONGEST_D))
        raise UnitError(
            f"time_d[{i}] = {flat[i]:g} d exceeds {_LONGEST_D:g} d (100 years). Is it in seconds? "
            f"Then it is {flat[i] / 86400.0:g} d."
        )
    return OutputTimes(flat, times.ndim == 0)


def make_grid(outputs: OutputTimes, step_d: float, breaks_d: npt.ArrayLike = ()) -> TimeGrid:
    """Return a grid from 0 to the last output with steps of at most `step_d`.

    All `breaks_d` within it (where inputs have kinks) are grid points too.
    """
    end = outputs.time_d[-1]
    breaks = np.asarray(breaks_d, dtype=np.float64)
    fixed = np.unique(
        np.concatenate([[0.0], outputs.time_d, breaks[(breaks > 0) & (breaks < end)]])
    )
    parts = [fixed[:1]]
    for left, right in itertools.pairwise(fixed):
        n_steps = max(1, int(np.ceil((right - left) / step_d - 1e-9)))
        parts.append(left + (right - left) * np.arange(1, n_steps + 1) / n_steps)
        parts[-1][-1] = right
    time = np.concatenate(parts)
    return TimeGrid(time, np.searchsorted(time, outputs.time_d).astype(np.int64))


def converged(
    compute: Callable[[TimeGrid], FloatArray],
    outputs: OutputTimes,
    *,
    breaks_d: npt.ArrayLike = (),
    tolerance: float,
    what: str,
) -> tuple[TimeGrid, float]:
    """Halve the step until `compute` at the output times changes by less than the tolerance.

    Parameters
    ----------
    compute
        Result at the output times, of a model solved on the given grid.
    outputs, breaks_d
        As `make_grid`.
    tolerance
        Allowed change of any value by a halving, relative to the largest value.
    what
        Name of the result for the message.

    Returns
    -------
    tuple
        The finer grid of the last comparison and its step [d].

    Raises
    ------
    ConvergenceError
        If nine halvings do not suffice.
    """
    step = _FIRST_STEP_D
    before = compute(make_grid(outputs, step, breaks_d))
    change = np.inf
    for _ in range(_HALVINGS):
        step *= 0.5
        grid = make_grid(outputs, step, breaks_d)
        now = compute(grid)
        change = float(np.max(np.abs(now - before), initial=0.0))
        if change <= tolerance * float(np.max(np.abs(now), initial=0.0)):
            return grid, step
        before = now
    raise ConvergenceError(
        f"{what} did not converge: halving the step to {step:g} d still changed it by "
        f"{change:g}. Check rate constants for values far above 1 per minute."
    )


def relax(
    time_d: FloatArray, rate_per_d: FloatLike, forcing_per_d: FloatArray, initial: float
) -> FloatArray:
    """Solve dy/dt = forcing(t) - rate(t) y on a grid.

    Parameters
    ----------
    time_d
        Rising grid (d).
    rate_per_d
        Loss rate (>= 0, d-1): a number, or its mean over each step.
    forcing_per_d
        Gain at the grid points, taken as linear within a step.
    initial
        y at the first point.

    Returns
    -------
    numpy.ndarray
        y at the grid points; exact for piecewise-linear forcing and constant rate.

    Examples
    --------
    >>> relax(np.array([0.0, 1.0]), 0.0, np.array([2.0, 2.0]), 1.0)
    array([1., 3.])
    """
    h = np.diff(time_d)
    x = np.broadcast_to(np.asarray(rate_per_d, dtype=np.float64), h.shape) * h
    small = x < 1e-3
    safe = np.where(small, 1.0, x)
    whole = np.where(small, 1.0 - x * (0.5 - x / 6.0), -np.expm1(-safe) / safe)
    end = np.where(small, 0.5 - x * (1.0 / 6.0 - x / 24.0), (1.0 - whole) / safe)
    gain = h * ((whole - end) * forcing_per_d[:-1] + end * forcing_per_d[1:])
    decay = np.exp(-x)
    y = np.empty(time_d.size)
    y[0] = initial
    for j in range(h.size):
        y[j + 1] = decay[j] * y[j] + gain[j]
    return y
