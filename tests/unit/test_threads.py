# SPDX-License-Identifier: BSD-3-Clause
"""How many CPUs a call may use: affinity, cgroup quota, Slurm."""

from __future__ import annotations

import os

import pytest

from immunodose import threads
from immunodose.errors import InputError, ResourceError


@pytest.fixture
def sixteen_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 16 CPUs and no limit."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(threads, "_cgroup_quota", lambda visible: visible)


@pytest.mark.parametrize(
    ("slurm", "allowed"),
    [
        ({}, 16),
        ({"JOB_ID": "7"}, 16),  # a shell of salloc on the login node
        ({"CPUS_PER_TASK": "4"}, 16),  # left over from a job that ended
        ({"JOB_ID": "7", "CPUS_PER_TASK": "4", "CPUS_ON_NODE": "12"}, 4),
        ({"JOB_ID": "7", "CPUS_ON_NODE": "12"}, 12),
        ({"JOB_ID": "7", "CPUS_ON_NODE": "12", "STEP_TASKS_PER_NODE": "3"}, 4),
        ({"JOB_ID": "7", "CPUS_ON_NODE": "12", "STEP_TASKS_PER_NODE": "2(x3),6"}, 2),
        ({"JOB_ID": "7", "CPUS_ON_NODE": "2", "STEP_TASKS_PER_NODE": "3"}, 1),  # overcommitted
        ({"JOB_ID": "7", "CPUS_PER_TASK": "64"}, 16),
    ],
)
@pytest.mark.usefixtures("sixteen_cpus")
def test_slurm_limits(slurm: dict[str, str], allowed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert threads.available_cpus() == allowed
    assert threads.resolve_threads(None) == allowed
    with pytest.raises(ResourceError, match=f"exceeds the {allowed} CPUs .* Slurm limits"):
        threads.resolve_threads(allowed + 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("CPUS_PER_TASK", "many"), ("CPUS_PER_TASK", "0"), ("STEP_TASKS_PER_NODE", "2(x")],
)
@pytest.mark.usefixtures("sixteen_cpus")
def test_what_slurm_cannot_have_set(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "8")
    monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(InputError, match=f"SLURM_{name}=.{value[:1]}"):
        threads.available_cpus()


@pytest.mark.usefixtures("sixteen_cpus")
def test_the_tightest_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    monkeypatch.setattr(threads, "_cgroup_quota", lambda visible: 3)
    assert threads.available_cpus() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    assert threads.available_cpus() == 1
