# SPDX-License-Identifier: BSD-3-Clause
"""Limits of control groups in trees of both versions: the tightest on the way up counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from immunodose import cgroup, memory, threads


class Tree:
    """A tree of control groups, and the groups of this process in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cgroup"
        self.own = folder / "self"

    def put(self, place: str, **files: str) -> None:
        """Write files, "__" in their names for "."."""
        cgroup._folders.cache_clear()  # folders are looked up once per process
        folder = self.root / place
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text + "\n")

    def be_in(self, *lines: str) -> None:
        cgroup._folders.cache_clear()
        self.own.write_text("\n".join(lines) + "\n")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    made = Tree(tmp_path)
    monkeypatch.setattr(cgroup, "_ROOT", made.root)
    monkeypatch.setattr(cgroup, "_OWN", made.own)
    return made


def test_without_groups(tree: Tree) -> None:
    assert cgroup.cpu_quota() is None
    assert cgroup.free_memory_bytes() is None
    tree.be_in("no such line", "1:name=systemd:/user")
    assert cgroup.cpu_quota() is None


def test_the_tightest_quota_on_the_way_up(tree: Tree) -> None:
    tree.be_in("0::/slurm/job/step")
    tree.put("slurm/job/step", cpu__max="max 100000")
    tree.put("slurm/job", cpu__max="250000 100000")
    tree.put("slurm", cpu__max="400000 100000")
    tree.put("slurm/other", cpu__max="100000 100000")  # of another process
    assert cgroup.cpu_quota() == pytest.approx(2.5)
    tree.put("slurm/job/step", cpu__max="50000 100000")
    assert cgroup.cpu_quota() == pytest.approx(0.5)
    tree.put("", cpu__max="20000 100000")  # of a container, at its root
    assert cgroup.cpu_quota() == pytest.approx(0.2)


def test_the_tightest_memory_on_the_way_up(tree: Tree) -> None:
    tree.be_in("0::/job/step")
    stat = "anon 1\ninactive_file 100"
    tree.put("job/step", memory__max="max", memory__current="300", memory__stat=stat)
    tree.put("job", memory__max="1000", memory__current="400", memory__stat=stat)
    assert cgroup.free_memory_bytes() == 700
    tree.put("", memory__max="900", memory__current="500")
    assert cgroup.free_memory_bytes() == 400
    tree.put("", memory__max="400")  # lowered below what is held
    assert cgroup.free_memory_bytes() == 0


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_quota_of_version_1(tree: Tree, mount: str) -> None:
    tree.be_in("4:memory:/job", "3:cpu,cpuacct:/job/step", "0::/job")
    tree.put(f"{mount}/job/step", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    tree.put(f"{mount}/job", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    assert cgroup.cpu_quota() == pytest.approx(3.0)
    tree.put("unified/job", cpu__max="200000 100000")  # both versions at once
    assert cgroup.cpu_quota() == pytest.approx(2.0)


def test_memory_of_version_1(tree: Tree) -> None:
    tree.be_in("4:memory:/job", "3:cpu,cpuacct:/")
    used = {"memory__usage_in_bytes": "400"}
    tree.put("memory", memory__limit_in_bytes="9223372036854771712", **used)
    tree.put("memory/job", memory__limit_in_bytes="9223372036854771712", **used)
    assert cgroup.free_memory_bytes() is None
    stat = "inactive_file 7\ntotal_inactive_file 50"
    tree.put("memory/job", memory__limit_in_bytes="1000", memory__stat=stat)
    assert cgroup.free_memory_bytes() == 650


@pytest.mark.parametrize("path", ["/docker/of_the_host", "/../../elsewhere"])
def test_a_container_sees_its_limits_at_the_root(tree: Tree, path: str) -> None:
    tree.be_in(f"0::{path}")
    tree.put("", cpu__max="100000 100000", memory__max="10", memory__current="4")
    assert cgroup.cpu_quota() == pytest.approx(1.0)
    assert cgroup.free_memory_bytes() == 6


@pytest.mark.parametrize("text", ["", "max", "a b", "1 0", "-1 100000"])
def test_what_is_no_quota(tree: Tree, text: str) -> None:
    tree.be_in("0::/")
    tree.put("", cpu__max=text, memory__max=text)
    assert cgroup.cpu_quota() is None
    assert cgroup.free_memory_bytes() is None


@pytest.mark.parametrize(("quota", "cpus"), [("250000", 3), ("300000", 3), ("1000", 1)])
def test_threads_and_memory_keep_the_limits(
    tree: Tree, quota: str, cpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    tree.be_in("0::/job")
    assert threads.available_cpus() == 16
    tree.put("job", cpu__max=f"{quota} 100000", memory__max="1000000", memory__current="0")
    assert threads.available_cpus() == cpus
    assert memory.available_memory_MB() == pytest.approx(1.0)
