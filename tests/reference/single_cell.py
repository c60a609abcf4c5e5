# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracle of docs/theory/single_cell_monte_carlo.md: straight tracks through ellipsoids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tests.reference.transport import (
    GRAY_NG_PER_KEV,
    NG_PER_UM3,
    directions,
    residual_energy_keV,
    track_range_um,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """Ellipsoids around the origin, the nucleus shifted; all um."""

    cell: tuple[float, float, float]
    nucleus: tuple[float, float, float]
    offset: tuple[float, float, float]
    membrane: float

    def level(self, points: Floats, region: str) -> Floats:
        """Return the level function of one of the three surfaces: below 1 is inside."""
        axes, center = self._surface(region)
        return (((points - center) / axes) ** 2).sum(axis=1)

    def _surface(self, name: str) -> tuple[Floats, Floats]:
        zero = np.zeros(3)
        return {
            "cell": (np.array(self.cell), zero),
            "inside": (np.array(self.cell) - self.membrane, zero),
            "nucleus": (np.array(self.nucleus), np.array(self.offset)),
        }[name]

    def region_of(self, points: Floats) -> npt.NDArray[np.int64]:
        """0 nucleus, 1 cytoplasm, 2 membrane, 3 outside."""
        region = np.full(len(points), 3)
        for value, name in ((2, "cell"), (1, "inside"), (0, "nucleus")):
            region[self.level(points, name) <= 1.0] = value
        return region

    def points(self, region: int, n: int, rng: np.random.Generator) -> Floats:
        """Points uniform in a region, by rejection from the box around the cell."""
        found: list[Floats] = []
        while sum(map(len, found)) < n:
            box = rng.uniform(-1.0, 1.0, (n, 3)) * np.array(self.cell)
            found.append(box[self.region_of(box) == region])
        return np.concatenate(found)[:n]

    def path_ends(self, start: Floats, ray: Floats, name: str) -> tuple[Floats, Floats]:
        """Path lengths at entry and exit: roots of a quadratic equation."""
        axes, center = self._surface(name)
        p, d = (start - center) / axes, ray / axes
        a, b, c = (d**2).sum(axis=1), (p * d).sum(axis=1), (p**2).sum(axis=1) - 1.0
        root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
        return np.maximum((-b - root) / a, 0.0), np.maximum((-b + root) / a, 0.0)

    def alpha_s_value(
        self, energy_keV: float, target: int, source: int, n: int, seed: int
    ) -> tuple[float, float]:
        """Gy per decay in a region of the same cell, and its standard error."""
        rng = np.random.default_rng(seed)
        start, ray = self.points(source, n, rng), directions(n, rng)
        reach = track_range_um(energy_keV, alpha=True)
        lost = []
        for name in ("nucleus", "inside", "cell"):
            enter, leave = self.path_ends(start, ray, name)
            lost.append(
                residual_energy_keV(reach - enter, alpha=True)
                - residual_energy_keV(reach - leave, alpha=True)
            )
        energy = [lost[0], lost[1] - lost[0], lost[2] - lost[1]][target]
        volume = np.pi * 4.0 / 3.0 * np.array([
            np.prod(self.nucleus), np.prod(np.array(self.cell) - self.membrane), np.prod(self.cell)
        ])  # fmt: skip
        own = [volume[0], volume[1] - volume[0], volume[2] - volume[1]][target]
        dose = energy * GRAY_NG_PER_KEV / (own * NG_PER_UM3)
        return float(dose.mean()), float(dose.std(ddof=1) / np.sqrt(n))
