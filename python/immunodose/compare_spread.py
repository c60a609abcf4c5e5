# SPDX-License-Identifier: BSD-3-Clause
"""How far apart two hypotheses are: in spreads between cells, and in samples to tell them apart."""

from __future__ import annotations

import math

import numpy as np

from immunodose.errors import InputError
from immunodose.typing import FloatArray, IntArray


def z_sum(significance: float, power: float) -> float:
    """Return the two normal quantiles of a two-sided test, added (Eq. 2, docs/user/compare.md).

    Parameters
    ----------
    significance
        Two-sided error of the first kind, in (0, 1).
    power
        Probability to see a difference that is there, in (0, 1).

    Examples
    --------
    >>> round(z_sum(0.05, 0.9), 3)
    3.242
    """
    from scipy.special import ndtri

    for name, value in (("significance", significance), ("power", power)):
        if isinstance(value, bool) or not 0.0 < value < 1.0:
            raise InputError(f"invalid {name}={value!r} (allowed: above 0 and below 1).")
    return float(ndtri(1.0 - significance / 2.0) + ndtri(power))


def separations(
    mean: FloatArray, spread: FloatArray, *, tolerance: float = 0.0
) -> tuple[FloatArray, IntArray]:
    """Return how many spreads each pair of hypotheses lies apart where it lies farthest apart.

    Eq. 1 of docs/user/compare.md.

    Parameters
    ----------
    mean, spread
        Mean over cells and standard deviation between cells (hypothesis, place), flat in arms
        and times.
    tolerance
        Relative error of the means: a difference of no more is none.

    Returns
    -------
    tuple
        |difference|/spread (hypothesis, hypothesis), its largest value over the places, and that
        place. The spread of a pair is the root mean square of both; no difference is 0 whatever
        the spread, a difference without spread infinite.

    Examples
    --------
    >>> separations(np.array([[1.0, 1.0], [1.0, 3.0]]), np.ones((2, 2)))[0]
    array([[0., 2.],
           [2., 0.]])
    """
    difference = np.abs(mean[:, None] - mean[None, :])
    largest = np.maximum(np.abs(mean[:, None]), np.abs(mean[None, :]))
    difference[difference <= tolerance * largest] = 0.0
    both = np.sqrt(0.5 * (spread[:, None] ** 2 + spread[None, :] ** 2))
    ratio = np.where(difference > 0.0, math.inf, 0.0)
    np.divide(difference, both, out=ratio, where=both > 0.0)
    place = np.argmax(ratio, axis=2)
    return np.take_along_axis(ratio, place[..., None], axis=2)[..., 0], place


def samples_needed(separation: FloatArray, z: float) -> FloatArray:
    """Return cells of each group that tell two hypotheses apart (Eq. 2, docs/user/compare.md).

    Infinite where they agree, at least 2.

    Examples
    --------
    >>> samples_needed(np.array([0.0, 1.0]), 3.242)
    array([inf, 22.])
    """
    square = np.square(separation)
    needed = np.full(square.shape, math.inf)
    np.divide(2.0 * z * z, square, out=needed, where=square > 0.0)
    return np.asarray(np.maximum(np.ceil(needed), 2.0))
