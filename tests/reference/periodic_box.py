# SPDX-License-Identifier: BSD-3-Clause
"""Cross-doses of the cells of a periodic box as a plain NumPy sum over all images within reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from immunodose import _core
from immunodose.emission_kernels import RadialKernel
from immunodose.typing import SOURCES

Array = npt.NDArray[np.float64]
_STEP_UM = 0.05  # of tables of d^2 S(d), 1e-5 by interpolation


def shifts_within(box_um: tuple[float, ...], reach_um: float) -> Array:
    """Places (image, 3) [um] of all copies of the box, itself first, that reach into it."""
    axes = [
        np.arange(-n, n + 1) * edge if (n := _copies(edge, reach_um)) else np.zeros(1)
        for edge in box_um
    ]
    all_shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    order = np.argsort(np.any(all_shifts != 0.0, axis=1), kind="stable")
    return np.asarray(all_shifts[order], dtype=np.float64)


def _copies(edge_um: float, reach_um: float) -> int:
    return 0 if np.isinf(edge_um) else 1 + int(np.ceil(reach_um / edge_um))


def cross_dose(
    cells: xr.Dataset,
    kernel: RadialKernel,
    box_um: tuple[float, ...],
    *,
    membrane_um: float,
    target: str = "nucleus",
) -> Array:
    """Absorbed dose (cell) [Gy] of equal, concentric cells from other cells and all images."""
    radius, nucleus = (float(cells[f"{name}_radius"].values[0]) for name in ("cell", "nucleus"))
    regions = {
        "nucleus": (0.0, nucleus),
        "cytoplasm": (nucleus, radius - membrane_um),
        "membrane": (radius - membrane_um, radius),
        "cell": (0.0, radius),
    }
    reach = kernel.reach_um + 2.0 * radius
    at = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    decays = cells["time_integrated_activity"].transpose("nuclide", "cell", "source").values[0]
    nodes = np.arange(2.0 * radius * 0.999, reach + 2.0 * _STEP_UM, _STEP_UM)
    shifts = shifts_within(box_um, reach)
    total = np.zeros(len(at))
    for s, source in enumerate(SOURCES):
        if not decays[:, s].any():
            continue
        table = nodes**2 * _core.transport.s_values(
            edge_um=kernel.edge_um, energy_keV=kernel.energy_keV, source_um=regions[source],
            target_um=regions[target], distance_um=nodes, density_g_per_cm3=1.0,
        )  # fmt: skip
        for i, to in enumerate(at):
            for j, start in enumerate(at):
                apart = np.linalg.norm(start + (shifts[1:] if i == j else shifts) - to, axis=1)
                apart = apart[apart < reach]
                given = np.interp(apart, nodes, table) / apart**2
                total[i] += decays[j, s] * float(given.sum())
    return total
