# SPDX-License-Identifier: BSD-3-Clause
"""Where doses of a population stand in a row of the result, so that the core adds them in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from immunodose.typing import IntArray


def dose_places(lengths: Mapping[str, int], kept: Sequence[str]) -> IntArray:
    """Return the column of each combination of labels; dims that are not kept share theirs.

    Parameters
    ----------
    lengths
        Number of labels of each dim, in the order of the result.
    kept
        Dims that the result has.

    Examples
    --------
    >>> dose_places({"target": 2, "origin": 2}, ("target",))
    array([[0, 0],
           [1, 1]])
    """
    own = [length if name in kept else 1 for name, length in lengths.items()]
    numbers = np.arange(int(np.prod(own)), dtype=np.int64).reshape(own)
    return np.broadcast_to(numbers, tuple(lengths.values()))
