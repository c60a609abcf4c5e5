# SPDX-License-Identifier: BSD-3-Clause
"""Limits of this process's control groups on Linux: version 2, and the controllers of version 1.

Every group on the way from the process's own to the root may set a limit; the tightest counts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path

# "hierarchy:controllers:path" of every hierarchy; of version 2 it is "0::path" (cgroups(7)).
_OWN = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")
# Version 1 states no limit as the largest multiple of a page in 64 bits.
_NO_LIMIT_V1 = 2**62


def cpu_quota() -> float | None:
    """Return the CPUs that the quotas grant, None without one."""
    quotas = [_quota_v2(folder) for folder in _groups_v2()]
    quotas += [_quota_v1(folder) for folder in _groups_v1("cpu")]
    return min((quota for quota in quotas if quota is not None), default=None)


def free_memory_bytes() -> int | None:
    """Return what the tightest memory limit leaves, file cache counted as free; None without."""
    left = [
        _free_bytes(folder, "memory.max", "memory.current", "inactive_file")
        for folder in _groups_v2()
    ]
    left += [
        _free_bytes(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        for folder in _groups_v1("memory")
    ]
    return min((free for free in left if free is not None), default=None)


def _groups_v2() -> tuple[Path, ...]:
    return _folders(_OWN, _ROOT, "")


def _groups_v1(controller: str) -> tuple[Path, ...]:
    return _folders(_OWN, _ROOT, controller)


@functools.cache
def _folders(own: Path, root: Path, controller: str) -> tuple[Path, ...]:
    """Return the folders that may hold limits; looked up once, as every call asks for them.

    The limits themselves are read each time. A process that is moved to another group later keeps
    the folders of its first.
    """
    found: list[Path] = []
    for controllers, path in _own_groups(own):
        if not controllers and not controller:
            # Beside version 1 the hierarchy of version 2 has a folder of its own.
            found += [*_upward(root, path), *_upward(root / "unified", path)]
        elif controller in controllers:
            for name in dict.fromkeys((controller, ",".join(controllers))):
                found += _upward(root / name, path)
    return tuple(folder for folder in found if folder.is_dir())


def _own_groups(own: Path) -> list[tuple[list[str], str]]:
    """Return controllers (none: version 2) and path of each group of this process."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    parts = [line.split(":", 2) for line in lines]
    return [([n for n in part[1].split(",") if n], part[2]) for part in parts if len(part) == 3]


def _upward(mount: Path, path: str) -> Iterator[Path]:
    """Yield the folders of a group and of those around it, up to the root.

    In a container the path may be that of the host, whose folders are not seen here, or begin with
    ".." where the process was moved: what is seen at the mount then holds for the container.
    """
    names = [name for name in path.split("/") if name]
    if ".." in names:
        names = []
    for depth in range(len(names), -1, -1):
        yield mount.joinpath(*names[:depth])


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _whole(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text is not None and text.lstrip("-").isdecimal() else None


def _quota_v2(folder: Path) -> float | None:
    """CPUs of "quota period" in us; "max period" is no limit."""
    parts = (_text(folder / "cpu.max") or "").split()
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or int(parts[1]) == 0:
        return None
    return int(parts[0]) / int(parts[1])


def _quota_v1(folder: Path) -> float | None:
    """CPUs of a quota and a period in us; a quota of -1 is no limit."""
    quota = _whole(folder / "cpu.cfs_quota_us")
    period = _whole(folder / "cpu.cfs_period_us")
    if quota is None or period is None or quota < 0 or period <= 0:
        return None
    return quota / period


def _free_bytes(folder: Path, limit: str, used: str, cache: str) -> int | None:
    most, now = _whole(folder / limit), _whole(folder / used)
    if most is None or now is None or most >= _NO_LIMIT_V1:
        return None
    stat = (_text(folder / "memory.stat") or "").split()
    free = int(stat[stat.index(cache) + 1]) if cache in stat else 0
    return max(0, most - now + free)


def whole_cpus(quota: float) -> int:
    """Return a quota in whole CPUs: rounded up, at least one."""
    return max(1, math.ceil(quota - 1e-9))
