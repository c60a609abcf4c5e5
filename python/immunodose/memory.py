# SPDX-License-Identifier: BSD-3-Clause
"""How much memory this process may still take, and the refusal of what needs more."""

from __future__ import annotations

import os
from pathlib import Path

from immunodose.cgroup import free_memory_bytes
from immunodose.errors import ResourceError

_MEMINFO = Path("/proc/meminfo")


def available_memory_MB() -> float | None:
    """Return the memory that this process may still take, or None where no system call tells.

    Linux: what the kernel can free (cgroup limits respected); elsewhere all of the machine's.
    """
    known = [value for value in (_system_MB(), _cgroup_MB()) if value is not None]
    return min(known, default=None)


def require_memory(needed_MB: float, *, what: str, remedy: str) -> None:
    """Raise ResourceError if `needed_MB` exceeds the memory that is available.

    Examples
    --------
    >>> require_memory(1e12, what="the run", remedy="Give fewer cells.")
    Traceback (most recent call last):
    ...
    immunodose.errors.ResourceError: the run needs about 1e+12 MB of memory, ...
    """
    free_MB = available_memory_MB()
    if free_MB is not None and needed_MB > free_MB:
        raise ResourceError(
            f"{what} needs about {needed_MB:.3g} MB of memory, {free_MB:.3g} MB are available "
            f"to this process. {remedy}"
        )


def _system_MB() -> float | None:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        found = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
        return float(found["MemAvailable"].split()[0]) * 1024e-6
    except (OSError, KeyError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 1e-6
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None


def _cgroup_MB() -> float | None:
    free = free_memory_bytes()
    return None if free is None else free * 1e-6
