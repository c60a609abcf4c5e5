# SPDX-License-Identifier: BSD-3-Clause
"""What counts as available memory, on machines with and without limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from immunodose import cgroup, memory
from immunodose.errors import ResourceError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 4096 MiB available and a cgroup that grants 1000 MB, 400 MB of it in use."""
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4194304 kB\n")
    (tmp_path / "memory.max").write_text("1000000000\n")
    (tmp_path / "memory.current").write_text("400000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000000\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    (tmp_path / "own").write_text("0::/\n")
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "_OWN", tmp_path / "own")
    return tmp_path


def test_the_tighter_limit_counts(machine: Path) -> None:
    assert memory.available_memory_MB() == pytest.approx(700.0)
    (machine / "memory.max").write_text("max\n")
    assert memory.available_memory_MB() == pytest.approx(4294.967296)


def test_without_the_files_of_linux(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in machine.iterdir():
        path.unlink()
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__, raising=False)
    assert memory.available_memory_MB() == pytest.approx(4.096)
    monkeypatch.delattr(os, "sysconf")
    assert memory.available_memory_MB() is None
    memory.require_memory(1e30, what="it", remedy="Wait.")  # nothing known, nothing refused


def test_more_than_available_is_refused(machine: Path) -> None:
    memory.require_memory(699.0, what="the run", remedy="Give fewer cells.")
    with pytest.raises(ResourceError, match=r"about 701 MB .* 700 MB are available.*fewer cells"):
        memory.require_memory(701.0, what="the run", remedy="Give fewer cells.")
