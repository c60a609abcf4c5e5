# SPDX-License-Identifier: BSD-3-Clause
"""How many threads a call may use, and how it reports what is done."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from immunodose.cgroup import cpu_quota, whole_cpus
from immunodose.errors import InputError, ResourceError
from immunodose.typing import Progress

_Item = TypeVar("_Item")

# Numbers of tasks of the nodes of a Slurm step: "2", "2(x3),1".
_COUNTS = re.compile(r"\d+(\(x\d+\))?(,\d+(\(x\d+\))?)*")


def available_cpus() -> int:
    """Return the CPUs that this process may use (affinity, cgroup quota and Slurm respected)."""
    try:
        visible = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        visible = os.cpu_count() or 1
    return max(1, min(visible, _cgroup_quota(visible), _slurm_cpus(visible)))


def _cgroup_quota(visible: int) -> int:
    """CPUs granted by cgroup quotas, rounded up; `visible` where there is none."""
    quota = cpu_quota()
    return visible if quota is None else whole_cpus(quota)


def _slurm_cpus(visible: int) -> int:
    """CPUs that Slurm gives to this task; `visible` outside of its jobs.

    SLURM_CPUS_PER_TASK is set if the job asked for CPUs per task. Otherwise SLURM_CPUS_ON_NODE,
    the CPUs of the job on this node, are shared by the tasks of the step on it
    (manual pages sbatch(1) and srun(1)).
    """
    if "SLURM_JOB_ID" not in os.environ:
        return visible
    if "SLURM_CPUS_PER_TASK" in os.environ:
        return _slurm_count("SLURM_CPUS_PER_TASK")
    if "SLURM_CPUS_ON_NODE" not in os.environ:
        return visible
    return _slurm_count("SLURM_CPUS_ON_NODE") // _slurm_tasks()


def _slurm_tasks() -> int:
    """Tasks of this step on its fullest node; which entry is this node's is not told."""
    name = "SLURM_STEP_TASKS_PER_NODE"
    text = os.environ.get(name, "1")
    if not _COUNTS.fullmatch(text):
        raise InputError(f"{name}={text!r} lists no numbers of tasks, such as '2(x3),1'.")
    return max(1, *(int(part.partition("(")[0]) for part in text.split(",")))


def _slurm_count(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{name}={text!r} is no number of CPUs (allowed: an int >= 1).")
    return int(text)


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
            "(affinity, cgroup and Slurm limits). Give a smaller number or None."
        )
    return n_threads


def reported(items: Sequence[_Item], progress: Progress | None, text: str) -> Iterator[_Item]:
    """Yield items whose work takes long, and report each when the next is asked for."""
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(done, len(items), text)


def percent_reported(
    progress: Progress | None, number: int, n_items: int, text: str
) -> Callable[[float], None] | None:
    """Return what reports the share of one item that is done, in hundredths of all items."""
    if progress is None:
        return None
    last = 0

    def report(share: float) -> None:
        nonlocal last
        percent = int(100.0 * share + 1e-9)
        if percent > last:
            last = percent
            progress(100 * number + percent, 100 * n_items, text)

    return report
