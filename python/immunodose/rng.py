# SPDX-License-Identifier: BSD-3-Clause
"""Turn any `rng=` argument into one recorded 64-bit root (SPEC 7)."""

from __future__ import annotations

import secrets
import zlib
from typing import TypeAlias

import numpy as np

from immunodose.errors import InputError

RngLike: TypeAlias = int | np.integer | np.random.SeedSequence | np.random.Generator | None

_ROOT_LIMIT = 2**64

ROOT_ITSELF = ""
"""The purpose whose checksum is 0: the MHC-I baseline and the draws of assumed values."""


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


def generator(rng: RngLike, *, purpose: str) -> tuple[np.random.Generator, int]:
    """Return the NumPy generator (Philox) of one purpose, and the root that seeds it.

    The key of Philox has 128 bits: the root, and a checksum of the purpose above it. One stream
    for all would give `rng=1` in two calls the same random numbers, so that, for example, the
    label of a cell went with its antigen.

    Parameters
    ----------
    rng
        As in `random_root`.
    purpose
        What is drawn, e.g. "lognormal:antigen"; no two kinds of draws share one.

    Examples
    --------
    >>> first, root = generator(1, purpose="label")
    >>> other, _ = generator(1, purpose="baseline")
    >>> root, bool(first.random() == other.random())
    (1, False)
    """
    root = random_root(rng)
    key = root | (zlib.crc32(purpose.encode()) << 64)
    return np.random.Generator(np.random.Philox(key=key)), root
