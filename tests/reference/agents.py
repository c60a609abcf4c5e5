# SPDX-License-Identifier: BSD-3-Clause
"""The agent model step by step in plain Python, from the same random words: tiny scenes only.

Every cell is compared with every other, so no index and no lanes are shared with the kernels.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

_LN2 = 0.69314718055994530942
_F = np.float32
_LOW = 0xFFFFFFFF
_ALL = 2**64 - 1
MINUTES_PER_DAY = 1440.0
CELL_STEP, CELL_CHOICE, ENTRY, RADIATION, CLEARANCE, DIVISION, RECOVERY, PLACE = range(20, 28)
INFINITE = _F(np.inf)


def philox(counter: tuple[int, int, int, int], root: int) -> tuple[int, int, int, int]:
    """Philox4x32-10 [Salmon 2011]."""
    c0, c1, c2, c3 = counter
    k0, k1 = root & 0xFFFFFFFF, root >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (p1 >> 32) ^ c1 ^ k0,
            p1 & 0xFFFFFFFF,
            (p0 >> 32) ^ c3 ^ k1,
            p0 & 0xFFFFFFFF,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def block(root: int, stage: int, cell: int, step: int, number: int) -> tuple[int, int, int, int]:
    history = (step << 40) | cell
    return philox((number, stage, history & 0xFFFFFFFF, history >> 32), root)


def stream(root: int, stage: int, cell: int, step: int) -> Iterator[int]:
    number = 0
    while True:
        yield from block(root, stage, cell, step, number)
        number += 1


def log(x: float) -> float:
    """The logarithm of core/fast_math.hpp, operation by operation."""
    bits = struct.unpack("<Q", struct.pack("<d", x))[0]
    above = (bits - 0x3FE6A09E667F3BCD) & 0xFFFFFFFFFFFFFFFF
    signed = above - (1 << 64) if above >> 63 else above
    exponent = float(signed >> 52)
    m = struct.unpack("<d", struct.pack("<Q", (bits - (above & 0xFFF0000000000000)) & (2**64 - 1)))[
        0
    ]
    z = (m - 1.0) / (m + 1.0)
    s = z * z
    series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0))))
    return exponent * _LN2 + 2.0 * z * series


def exp(x: float) -> float:
    """The exponential of core/fast_math.hpp."""
    shift = float.fromhex("0x1.8p52")
    shifted = x * (1.0 / _LN2) + shift
    r = x - (shifted - shift) * _LN2
    series = 1.0 + r * (
        1.0
        + r
        * (
            1.0 / 2.0
            + r
            * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r / 5040.0))))
        )
    )
    bits = struct.unpack("<Q", struct.pack("<d", series))[0]
    power = struct.unpack("<Q", struct.pack("<d", shifted))[0]
    return struct.unpack("<d", struct.pack("<Q", (bits + (power << 52)) & (2**64 - 1)))[0]


def unit(word: int) -> float:
    return (float(word) + 0.5) * 2.0**-32


def exponential(word: int) -> float:
    return -log(unit(word))


def long_exponential(words: Iterator[int]) -> float:
    high, low = next(words) >> 5, next(words) >> 6
    return -log((float(high * 67108864 + low) + 0.5) * 2.0**-53)


def near_normal(word: int) -> float:
    total = (word >> 22) + ((word >> 12) & 1023) + ((word >> 2) & 1023)
    return (float(total) + 1.5) * 2.0**-9 - 3.0


@dataclass
class Kind:
    """A phenotype, columns in the order of the table of the kernel."""

    speed: float
    persistence: float
    dwell: float
    search: float
    hit_factor: float
    death: float
    division: float
    change: float
    next: int
    attack: int
    harmless: int = 0

    def sd(self, time: float) -> float:
        ratio = time / self.persistence
        square = ratio * ratio * (0.5 - ratio / 6.0)
        if ratio > 1e-4:
            square = ratio - (1.0 - (exp(-ratio) if ratio < 700.0 else 0.0))
        return self.speed * self.persistence * math.sqrt(2.0 / 3.0 * square)


@dataclass
class Scene:
    """Tumor cells (rows in the order of the index) and immune cells of one step."""

    targets: np.ndarray  # (row, 3) float32, x infinite where the cell is no target
    susceptibility: list[np.ndarray]
    kinds: list[Kind]
    reach: float
    duration: float
    root: int
    step: int
    hits_to_kill: int = 1
    low: np.ndarray = field(default_factory=lambda: np.zeros(3))
    high: np.ndarray = field(default_factory=lambda: np.full(3, np.inf))

    def in_reach(self, place: np.ndarray, left_out: list[int]) -> list[int]:
        limit = _F(self.reach) * _F(self.reach)
        found = []
        for row, at in enumerate(self.targets):
            with np.errstate(over="ignore"):
                d = at - place
                inside = (d[0] * d[0] + d[1] * d[1]) + d[2] * d[2] <= limit
            if inside and row not in left_out:
                found.append(row)
        return found

    def is_tissue(self, place: np.ndarray) -> bool:
        at = place.astype(np.float64)
        return bool(((at >= self.low) & (at < self.high)).all())


@dataclass
class Cell:
    """One immune cell; `step` plays one time step of it."""

    id: int
    place: np.ndarray
    target: int
    kind: int
    contact: float = 0.0
    stimulated: float = 0.0
    event: int = 0

    def step(self, scene: Scene) -> list[tuple[int, np.float32]]:
        """Return its hits (row of the target, time)."""
        kind = scene.kinds[self.kind]
        first = block(scene.root, CELL_STEP, self.id, scene.step, 0)
        further = stream(scene.root, CELL_CHOICE, self.id, scene.step)
        life = exponential(first[0]) / kind.death if kind.death > 0.0 else math.inf
        end = min(life, scene.duration)
        hits: list[tuple[int, np.float32]] = []
        killed: list[int] = []
        now, contact, stimulated = 0.0, 0.0, 0.0
        if self.target >= 0 and not np.isfinite(scene.targets[self.target, 0]):
            self.target = -1
        dwell, hit, cycle = exponential(first[2]), exponential(first[3]), 0
        while True:
            if self.target >= 0:
                release = now + dwell * kind.dwell
                until = min(release, end)
                seen = float(scene.susceptibility[kind.attack][self.target])
                rate = seen * kind.hit_factor / MINUTES_PER_DAY
                at = now + hit / rate if rate > 0.0 else end
                if at < until and (kind.harmless or scene.hits_to_kill == 1):
                    if kind.harmless:
                        self.kind = kind.next
                        kind = scene.kinds[self.kind]
                    else:
                        hits.append((self.target, _F(at)))
                        killed.append(self.target)
                    contact += at - now
                    stimulated += seen * (at - now)
                    now, self.target = at, -1
                else:
                    while at < until:
                        hits.append((self.target, _F(at)))
                        at += exponential(next(further)) / rate
                    contact += until - now
                    stimulated += seen * (until - now)
                    now = until
                    if release < end:
                        self.target = -1
            if now >= end:
                break
            cycle += 1
            a = block(scene.root, CELL_STEP, self.id, scene.step, 2 * cycle - 1)
            b = block(scene.root, CELL_STEP, self.id, scene.step, 2 * cycle)
            crawl = min(exponential(a[0]) * kind.search, end - now)
            sd = kind.sd(crawl)
            place = np.array(
                [_F(float(p) + sd * near_normal(w)) for p, w in zip(self.place, a[1:], strict=True)]
            )
            if scene.is_tissue(place):
                self.place = place
            now += crawl
            if now >= end:
                break
            found = scene.in_reach(self.place, killed)
            if found:
                self.target = found[(b[0] * len(found)) >> 32]
                dwell, hit = exponential(b[1]), exponential(b[2])
        self.contact, self.stimulated = contact, stimulated
        self.event = 1 if life < scene.duration else self.change(kind, first[1], further)
        return hits

    def change(self, kind: Kind, word: int, further: Iterator[int]) -> int:
        """Return 2 for a division; another phenotype is set."""
        rate = kind.division + kind.change
        if not exponential(word) < rate * self.stimulated:
            return 0
        if unit(next(further)) * rate < kind.division:
            return 2
        self.kind = kind.next
        return 0
