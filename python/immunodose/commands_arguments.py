# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of doses as words of the command line: `dtype=float32 split=target,emission`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from immunodose.errors import InputError

_NAMES = ("split", "targets", "emissions")  # arguments that are sequences of names
_NUMBERS = {  # arguments of one number or several
    "time_h": "in h, such as time_h=1,24",
    "periodic_box_um": "in um, such as periodic_box_um=50,50,inf",
}
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
    >>> dose_arguments(["periodic_box_um=50,50,inf"])
    {'periodic_box_um': [50.0, 50.0, inf]}
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
    if name in _NUMBERS and text.lower() not in _WORDS:
        numbers = [_float(name, part) for part in parts]
        return numbers if len(numbers) > 1 else numbers[0]
    return _WORDS.get(text.lower(), _number(text))


def _float(name: str, text: str) -> float:
    value = _number(text)
    if isinstance(value, str):
        raise InputError(f"invalid {name}={text!r} (allowed: numbers {_NUMBERS[name]}).")
    return float(value)


def _number(text: str) -> int | float | str:
    """Return a whole number, a number, or the text that is neither."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text
