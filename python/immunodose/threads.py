# SPDX-License-Identifier: BSD-3-Clause
"""How many threads a call may use."""

from __future__ import annotations

import os

from immunodose.errors import InputError, ResourceError


def available_cpus() -> int:
    """Return the CPUs that this process may use (affinity and cgroup quota respected)."""
    try:
        visible = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        visible = os.cpu_count() or 1
    return max(1, min(visible, _cgroup_quota(visible)))


def _cgroup_quota(visible: int) -> int:
    """CPUs granted by the cgroup v2 quota, rounded up; `visible` where there is none."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return visible
    return visible if quota == "max" else -(-int(quota) // int(period))


def resolve_threads(n_threads: int | None) -> int:
    """Return the number of threads of a call; None means all that the process may use."""
    allowed = available_cpus()
    if n_threads is None:
        return allowed
    if isinstance(n_threads, bool) or not isinstance(n_threads, int) or n_threads < 1:
        raise InputError(f"invalid n_threads={n_threads!r} (allowed: an int >= 1, or None).")
    if n_threads > allowed:
        raise ResourceError(
            f"n_threads={n_threads} exceeds the {allowed} CPUs that this process may use "
            "(affinity and cgroup limits). Give a smaller number or None."
        )
    return n_threads
