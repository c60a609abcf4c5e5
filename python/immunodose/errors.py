# SPDX-License-Identifier: BSD-3-Clause
"""Exceptions and warnings.

A message says what is wrong, where (array and first indices), the value, what is allowed and
why, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ImmunodoseError(Exception):
    """Base of every error that immunodose raises on purpose."""


class InputError(ImmunodoseError, ValueError):
    """An argument has a value that no valid input can hold."""


class UnitError(InputError):
    """A value is implausible in the unit that its name states (nm for um, h for s, % for 1)."""


class DataNotFoundError(ImmunodoseError, LookupError):
    """A nuclide, parameter set or table does not exist under this name."""


class GeometryError(InputError):
    """Shapes that cannot exist together: overlapping cells, a nucleus outside its cell."""


class ConvergenceError(ImmunodoseError, RuntimeError):
    """A computation did not reach its tolerance."""


class ResourceError(ImmunodoseError, RuntimeError):
    """More threads, memory or disk asked for than this process may use."""


class FileError(ImmunodoseError, OSError):
    """A file is absent, truncated, foreign or could not be written whole."""


class ValidityWarning(UserWarning):
    """A model was used outside the range of the data behind it."""


class ConvergenceWarning(UserWarning):
    """A result is less certain than asked for."""


def did_you_mean(given: object, allowed: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the closest allowed name, or an empty string.

    Examples
    --------
    >>> did_you_mean("nucles", ["nucleus", "membrane"])
    " Did you mean 'nucleus'?"
    """
    folded = {name.casefold(): name for name in allowed}
    close = difflib.get_close_matches(str(given).casefold(), list(folded), n=1, cutoff=0.6)
    return f" Did you mean {folded[close[0]]!r}?" if close else ""
