# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of doses as words of the command line: `dtype=float32 split=target,emission`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from immunodose.errors import InputError

_NAMES = ("split", "targets", "emissions")  # arguments that are sequences of names
_WORDS = {"true": True, "false": False, "none": None}


def dose_arguments(words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments that words such as "rtol=1e-4" or "time_h=1,24" stand for.

    Raises
    ------
    InputError
        For a word without "=", or a name given twice.

    Examples
    --------
    >>> dose_arguments(["split=target,origin", "time_h=1,24", "dtype=float32", "merge=false"])
    {'split': ('target', 'origin'), 'time_h': [1.0, 24.0], 'dtype': 'float32', 'merge': False}
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(
                f"invalid option {word!r} (allowed: NAME=VALUE, such as dtype=float32 or "
                "split=target,emission)."
            )
        if name in found:
            raise InputError(f"option {name!r} is given twice.")
        found[name] = _value(name, text)
    return found


def _value(name: str, text: str) -> Any:
    parts = [part.strip() for part in text.split(",")]
    if name in _NAMES:
        return tuple(part for part in parts if part)
    if name == "time_h":
        hours = [_hours(part) for part in parts]
        return hours if len(hours) > 1 else hours[0]
    return _WORDS.get(text.lower(), _number(text))


def _hours(text: str) -> float:
    value = _number(text)
    if isinstance(value, str):
        raise InputError(f"invalid time_h={text!r} (allowed: numbers in h, such as time_h=1,24).")
    return float(value)


def _number(text: str) -> int | float | str:
    """Return a whole number, a number, or the text that is neither."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text
