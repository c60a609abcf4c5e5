# SPDX-License-Identifier: BSD-3-Clause
"""Turn any `rng=` argument into one recorded 64-bit root (SPEC 7)."""

from __future__ import annotations

import secrets
from typing import TypeAlias

import numpy as np

from immunodose.errors import InputError

RngLike: TypeAlias = int | np.integer | np.random.SeedSequence | np.random.Generator | None

_ROOT_LIMIT = 2**64


def random_root(rng: RngLike) -> int:
    """Return the 64-bit root of all streams of one call.

    Parameters
    ----------
    rng
        An int in [0, 2**64), a SeedSequence, a Generator (which is advanced) or None, which
        draws entropy from the system. Callers record the root in the attrs of their result.

    Examples
    --------
    >>> random_root(12)
    12
    """
    if rng is None:
        return secrets.randbits(64)
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0])
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, _ROOT_LIMIT, dtype=np.uint64))
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)):
        raise InputError(
            f"invalid rng={rng!r} (type {type(rng).__name__}). "
            "Give an int, numpy SeedSequence, numpy Generator or None."
        )
    if not 0 <= int(rng) < _ROOT_LIMIT:
        raise InputError(f"invalid rng={rng} (allowed: 0 to 2**64 - 1).")
    return int(rng)


def generator(rng: RngLike) -> tuple[np.random.Generator, int]:
    """Return a NumPy generator (Philox) and the root that seeds it."""
    root = random_root(rng)
    return np.random.Generator(np.random.Philox(key=root)), root
