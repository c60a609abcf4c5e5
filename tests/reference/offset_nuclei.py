# SPDX-License-Identifier: BSD-3-Clause
"""Dose of cells whose nuclei lie off their centers, as a sum over all pairs of balls and shells.

Eqs. P14 and P15, population.md: a cytoplasm is a ball less the ball of its nucleus.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from immunodose import _core
from immunodose.emission_kernels import RadialKernel
from immunodose.typing import SOURCES, TARGETS

Array = npt.NDArray[np.float64]
# Share of the volume of the compartment (below 0: cut out), inner and outer radius, place.
Part = tuple[float, tuple[float, float], Array]


def _parts(cells: xr.Dataset, cell: int, compartment: str, membrane_um: float) -> list[Part]:
    center = np.array([float(cells[axis].values[cell]) for axis in "xyz"])
    offset = [float(cells[f"nucleus_offset_{axis}"].values[cell]) for axis in "xyz"]
    radius, nucleus = (float(cells[f"{n}_radius"].values[cell]) for n in ("cell", "nucleus"))
    inside = radius - membrane_um
    if compartment == "nucleus":
        return [(1.0, (0.0, nucleus), center + offset)]
    if compartment == "membrane":
        return [(1.0, (inside, radius), center)]
    if compartment == "cell":
        return [(1.0, (0.0, radius), center)]
    volume = inside**3 - nucleus**3
    return [
        (inside**3 / volume, (0.0, inside), center),
        (-(nucleus**3) / volume, (0.0, nucleus), center + offset),
    ]


def dose(
    cells: xr.Dataset,
    kernels: Mapping[str, RadialKernel],
    *,
    membrane_um: float,
    shifts_um: Array | None = None,
    targets: tuple[str, ...] = TARGETS,
    density_g_per_cm3: float = 1.0,
) -> Array:
    """Absorbed dose (cell, target, kernel, origin) in Gy of the first agent, without its medium.

    `shifts_um` (image, 3) are the places of further copies of all cells, of the same activity.
    """
    decays = cells["time_integrated_activity"].transpose("nuclide", "cell", "source").values[0]
    images = np.concatenate(
        [np.zeros((1, 3)), np.empty((0, 3)) if shifts_um is None else shifts_um]
    )
    n = cells.sizes["cell"]
    total = np.zeros((n, len(targets), len(kernels), 2))
    for i in range(n):
        for t, target in enumerate(targets):
            for share, to, place in _parts(cells, i, target, membrane_um):
                for j in range(n):
                    for s, source in enumerate(SOURCES):
                        if decays[j, s] == 0.0:
                            continue
                        for part, radii, at in _parts(cells, j, source, membrane_um):
                            apart = np.linalg.norm(at + images - place, axis=1)
                            weight = share * part * decays[j, s]
                            for k, kernel in enumerate(kernels.values()):
                                given = weight * _core.transport.s_values(
                                    edge_um=kernel.edge_um,
                                    energy_keV=kernel.energy_keV,
                                    source_um=radii,
                                    target_um=to,
                                    distance_um=apart,
                                    density_g_per_cm3=density_g_per_cm3,
                                )
                                own = i == j
                                total[i, t, k, 0] += given[0] if own else 0.0
                                total[i, t, k, 1] += given[1:].sum() if own else given.sum()
    return total
