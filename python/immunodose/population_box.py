# SPDX-License-Identifier: BSD-3-Clause
"""The periodic box of a population: what may be asked for, and cells that overlap across it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from immunodose import _core
from immunodose.cells.checks import OVERLAP_TOLERANCE, as_numbers
from immunodose.errors import GeometryError, InputError
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

BoxLike = float | Sequence[float]
Box = tuple[float, float, float]

# A boundary that does not repeat along any axis.
FREE: Box = (math.inf, math.inf, math.inf)


def periodic_box(periodic_box_um: BoxLike | None) -> Box:
    """Return the edges (x, y, z) in um of a periodic box, inf where space does not repeat.

    Parameters
    ----------
    periodic_box_um
        One edge of a cube, or one for each axis, in um (> 0; inf: open along this axis); None is
        open everywhere.

    Raises
    ------
    InputError
        For other values, or three open axes.
    """
    if periodic_box_um is None:
        return FREE
    edge = as_numbers("periodic_box_um", periodic_box_um)
    if edge.shape not in ((), (3,)) or not np.all(edge > 0.0):
        raise InputError(
            f"invalid periodic_box_um={periodic_box_um!r} (allowed: one edge of a cube, or three "
            "edges along x, y, z, in um, > 0; inf along an axis that does not repeat)."
        )
    x, y, z = np.broadcast_to(edge, (3,)).tolist()
    if math.isinf(x) and math.isinf(y) and math.isinf(z):
        raise InputError("periodic_box_um repeats along no axis. Leave it out for a free boundary.")
    return x, y, z


def box_attr(box_um: Box) -> dict[str, list[float]]:
    """Return the attribute that states a periodic box; none for a free boundary."""
    return {} if box_um == FREE else {"periodic_box_um": list(box_um)}


def require_inside(cells: xr.Dataset, box_um: Box, n_threads: int) -> None:
    """Raise unless checked cells fit into a periodic box without touching their images.

    Raises
    ------
    InputError
        Centers that lie farther apart than an edge: cells outside the box.
    GeometryError
        A box smaller than a cell, or cells that overlap across its boundary.
    """
    if box_um == FREE or not cells.sizes["cell"]:
        return
    points = np.stack([cells[axis].values.astype(np.float64) for axis in "xyz"], axis=1)
    radius = cells["cell_radius"].values.astype(np.float64)
    for axis, name in enumerate("xyz"):
        edge = box_um[axis]
        extent = float(np.ptp(points[:, axis]))
        if extent > edge:
            low, high = (int(f(points[:, axis])) for f in (np.argmin, np.argmax))
            raise InputError(
                f"cells outside the box: {name} of cells {low} and {high} differs by {extent:g} um,"
                f" more than the edge periodic_box_um[{axis}]={edge:g} um. Give a larger box, or "
                "move the cells into it."
            )
        if edge < 2.0 * radius.max() * (1.0 - OVERLAP_TOLERANCE):
            raise GeometryError(
                f"periodic_box_um[{axis}]={edge:g} um is smaller than cell "
                f"{int(np.argmax(radius))} (diameter {2.0 * radius.max():g} um), which would "
                "overlap its own image. Give a larger box."
            )
    _require_apart(points, radius, box_um, n_threads)


def _require_apart(points: FloatArray, radius: FloatArray, box_um: Box, n_threads: int) -> None:
    """Raise GeometryError if a cell overlaps the image of another one."""
    margin = 2.0 * radius.max()
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    edge = np.where(np.isinf(box_um), 0.0, box_um)  # an open axis is never moved along
    steps = [(0,) if math.isinf(value) else (-1, 0, 1) for value in box_um]
    number, images = [np.arange(len(points))], [points]
    for step in itertools.product(*steps):
        if not any(step):
            continue
        moved = points + np.array(step) * edge
        near = np.flatnonzero(((moved >= low) & (moved <= high)).all(axis=1))
        number.append(near)
        images.append(moved[near])
    owner, all_points = np.concatenate(number), np.concatenate(images)
    if owner.size == len(points):
        return
    all_radii = radius[owner]
    x, y, z = (np.ascontiguousarray(all_points[:, axis]) for axis in range(3))
    count, first, second, depth_um, _ = _core.geometry.find_overlaps(
        x_um=x, y_um=y, z_um=z, radius_um=all_radii, relative_tolerance=OVERLAP_TOLERANCE,
        n_threads=n_threads,
    )  # fmt: skip
    if count:
        contact = all_radii[first] + all_radii[second]
        raise GeometryError(
            f"cells overlap across the boundary of the periodic box; the worst are cells "
            f"{owner[first]} and {owner[second]}, by {depth_um:.4g} um (distance "
            f"{contact - depth_um:.6g} um, radii sum to {contact:g} um). Give a larger "
            "periodic_box_um, or move the cells apart."
        )
