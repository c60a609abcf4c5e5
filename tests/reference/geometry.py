# SPDX-License-Identifier: BSD-3-Clause
"""Slow all-pairs geometry; equations of docs/theory/geometry.md."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def overlap_depths_um(centers_um: Array, radius_um: Array, *, tolerance: float) -> Array:
    """Depth of the overlap of each pair i < j (Eq. 1), 0 where they do not overlap."""
    n = len(radius_um)
    depth = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1, n):
            distance = np.sqrt(np.sum((centers_um[i] - centers_um[j]) ** 2))
            contact = radius_um[i] + radius_um[j]
            if distance < (1.0 - tolerance) * contact:
                depth[i, j] = contact - distance
    return depth


def fcc_count(radius_in_spacings: float, offset: Array) -> int:
    """Sites of a face-centered cubic lattice of unit spacing within a ball around `offset`."""
    half = int(np.ceil(radius_in_spacings * np.sqrt(2.0))) + 2
    axis = np.arange(-half, half + 1)
    i, j, k = np.meshgrid(axis, axis, axis)
    keep = (i + j + k) % 2 == 0
    sites = np.stack([i[keep], j[keep], k[keep]], axis=1) - offset
    distances = np.sqrt(np.sum(sites**2, axis=1) / 2.0)
    return int(np.sum(distances <= radius_in_spacings * (1.0 + 1e-12)))


def packing_fraction(n_cells: int, cell_radius_um: float, radius_um: float) -> float:
    """Volume of the cells over that of the spheroid (Eq. 2)."""
    cell_volume = 4.0 / 3.0 * np.pi * cell_radius_um**3
    return float(n_cells * cell_volume / (4.0 / 3.0 * np.pi * radius_um**3))
