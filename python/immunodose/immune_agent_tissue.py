# SPDX-License-Identifier: BSD-3-Clause
"""Where T and NK cells may be, and where they come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose.errors import InputError, did_you_mean
from immunodose.memory import require_memory

if TYPE_CHECKING:
    import xarray as xr

Array32: TypeAlias = npt.NDArray[np.float32]
Entry: TypeAlias = Literal["vessels", "rim", "uniform"]

ENTRIES: tuple[Entry, ...] = ("vessels", "rim", "uniform")

_FACES = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


@dataclass(slots=True)
class Tissue:
    """Voxels that hold, or once held, tumor cells; voxel (i, j, k) begins at `edge_um` (i, j, k).

    `inside` is indexed [k, j, i] from voxel `first`.
    """

    edge_um: float
    first: npt.NDArray[np.int64]
    inside: npt.NDArray[np.uint8]

    @classmethod
    def around(cls, at_um: Array32, edge_um: float) -> Tissue:
        """Return the tissue of cell centers (n, 3)."""
        voxel = _voxels(at_um, edge_um)
        tissue = cls(edge_um, voxel.min(axis=0), np.zeros((1, 1, 1), dtype=np.uint8))
        tissue.include(at_um)
        return tissue

    def include(self, at_um: Array32) -> None:
        """Add the voxels of further centers (n, 3)."""
        voxel = _voxels(at_um, self.edge_um)
        shape = np.array(self.inside.shape[::-1])
        low = np.minimum(self.first, voxel.min(axis=0))
        high = np.maximum(self.first + shape, voxel.max(axis=0) + 1)
        if (low < self.first).any() or (high > self.first + shape).any():
            size = high - low
            require_memory(
                float(np.prod(size.astype(np.float64))) * 1e-6,
                what="the map of the tissue",
                remedy="Bring the cells closer together.",
            )
            grown = np.zeros(size[::-1], dtype=np.uint8)
            start = self.first - low
            place = tuple(
                slice(int(start[axis]), int(start[axis] + shape[axis])) for axis in (2, 1, 0)
            )
            grown[place] = self.inside
            self.first, self.inside = low, grown
        inner = voxel - self.first
        self.inside[inner[:, 2], inner[:, 1], inner[:, 0]] = 1

    @property
    def low_um(self) -> tuple[float, float, float]:
        """Return the corner of the first voxel."""
        low = self.first * self.edge_um
        return float(low[0]), float(low[1]), float(low[2])

    def holds(self, at_um: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Return whether places (n, 3) lie in the tissue."""
        inner = _voxels(at_um, self.edge_um) - self.first
        shape = np.array(self.inside.shape[::-1])
        found = np.asarray(((inner >= 0) & (inner < shape)).all(axis=1))
        kept = inner[found]
        found[found] = self.inside[kept[:, 2], kept[:, 1], kept[:, 0]] != 0
        return found

    def rim(self, at_um: Array32) -> npt.NDArray[np.bool_]:
        """Return which places lie in voxels with a face that is open to the outside."""
        padded = np.pad(self.inside, 1)
        outside = _reached_from_outside(padded)
        inner = _voxels(at_um, self.edge_um) - self.first + 1
        found: npt.NDArray[np.bool_] = np.zeros(len(at_um), dtype=bool)
        for step in _FACES:
            near = inner + np.array(step)
            found |= outside[near[:, 2], near[:, 1], near[:, 0]]
        return found


def _reached_from_outside(padded: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Empty voxels that connect to the border: holes within the tissue are no rim."""
    from scipy import ndimage

    label, _ = ndimage.label(padded == 0)
    return np.asarray((label == label[0, 0, 0]) & (padded == 0))


def _voxels(at_um: npt.NDArray[np.floating], edge_um: float) -> npt.NDArray[np.int64]:
    return np.floor(np.asarray(at_um, dtype=np.float64) / edge_um).astype(np.int64)


def entry_points(
    entry: Entry, tissue: Tissue, at_um: Array32, ds: xr.Dataset, spacing_um: float
) -> Array32:
    """Return the places (n, 3) where T and NK cells come in, each as likely as the others.

    Parameters
    ----------
    entry
        `"vessels"`: along the lines `vessel_point`, `vessel_direction` of `ds`; `"rim"`: at the
        tumor cells of voxels that border on the outside; `"uniform"`: at any tumor cell.
    tissue
        Of the tumor cells at `at_um` (n, 3).
    ds
        The cell population.
    spacing_um
        Distance of the points along vessels.
    """
    if entry not in ENTRIES:
        raise InputError(
            f"unknown entry {entry!r} (allowed: {', '.join(ENTRIES)})."
            f"{did_you_mean(entry, ENTRIES)}"
        )
    if entry == "uniform":
        return at_um
    if entry == "rim":
        return at_um[tissue.rim(at_um)]
    if "vessel_point" not in ds or "vessel_direction" not in ds:
        raise InputError(
            "entry='vessels' needs vessel_point and vessel_direction. Call "
            "immunodose.cells.vessels(...), or give entry='rim'."
        )
    points = _along_vessels(
        np.asarray(ds["vessel_point"].values, dtype=np.float64),
        np.asarray(ds["vessel_direction"].values, dtype=np.float64),
        tissue,
        spacing_um,
    )
    if not points.size:
        raise InputError(
            "no vessel passes through the tissue (vessel_point, vessel_direction). Give vessels "
            "that cross the tumor, or entry='rim'."
        )
    return points


def _along_vessels(
    point_um: npt.NDArray[np.float64],
    direction: npt.NDArray[np.float64],
    tissue: Tissue,
    spacing_um: float,
) -> Array32:
    size = np.array(tissue.inside.shape[::-1]) * tissue.edge_um
    middle = np.array(tissue.low_um) + 0.5 * size
    half = 0.5 * float(np.linalg.norm(size))
    n_half = int(np.ceil(half / spacing_um)) + 1
    along = spacing_um * np.arange(-n_half, n_half + 1)
    start = np.einsum("va,va->v", middle - point_um, direction)
    found = []
    for origin, way, nearest in zip(point_um, direction, start, strict=True):
        places = origin + (nearest + along)[:, None] * way
        found.append(places[tissue.holds(places)])
    return np.ascontiguousarray(np.concatenate(found), dtype=np.float32)
