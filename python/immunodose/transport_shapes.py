# SPDX-License-Identifier: BSD-3-Clause
"""Cells as ellipsoids with a nucleus off the center, for Monte Carlo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunodose.cells.checks import as_numbers, require_radius, require_scalar_radii
from immunodose.errors import InputError
from immunodose.typing import FloatLike


@dataclass(frozen=True, slots=True)
class CellShape:
    """Semi-axes and offset of the nucleus, um."""

    cell: tuple[float, float, float]
    nucleus: tuple[float, float, float]
    offset: tuple[float, float, float]

    @property
    def axes(self) -> tuple[tuple[float, float, float], ...]:
        """What the core takes: semi-axes of the cell and of the nucleus, and the offset."""
        return self.cell, self.nucleus, self.offset

    @property
    def is_sphere(self) -> bool:
        """Whether cell and nucleus are concentric spheres."""
        return len(set(self.cell)) == 1 and len(set(self.nucleus)) == 1 and not any(self.offset)


def cell_shape(
    radii_um: tuple[float | None, float | None],
    semi_axes_um: tuple[Sequence[float] | None, Sequence[float] | None],
    offset_um: FloatLike,
    allow_unusual: bool,
) -> CellShape:
    """Return the shape of a cell from the radii of cell and nucleus, or their semi-axes."""
    names = ("cell", "nucleus")
    axes = [
        _semi_axes(name, radius, semi_axes, allow_unusual)
        for name, radius, semi_axes in zip(names, radii_um, semi_axes_um, strict=True)
    ]
    return CellShape(axes[0], axes[1], offset_vector_um(offset_um))


def _semi_axes(
    name: str,
    radius_um: float | None,
    semi_axes_um: Sequence[float] | None,
    allow_unusual: bool,
) -> tuple[float, float, float]:
    """Semi-axes (um) of a cell or nucleus, given one way or the other."""
    if (radius_um is None) == (semi_axes_um is None):
        raise InputError(
            f"give either {name}_radius_um or {name}_semi_axes_um "
            f"({'neither' if radius_um is None else 'both'} is given)."
        )
    key, given = (
        (f"{name}_radius_um", radius_um)
        if semi_axes_um is None
        else (f"{name}_semi_axes_um", semi_axes_um)
    )
    values = as_numbers(key, given)
    if values.shape != (() if semi_axes_um is None else (3,)):
        wanted = "one number" if semi_axes_um is None else "three numbers, along x, y and z"
        raise InputError(f"{key} must be {wanted} here (got shape {values.shape}).")
    axes = np.broadcast_to(values, (3,))
    require_radius(key, axes, allow_unusual=allow_unusual)
    return float(axes[0]), float(axes[1]), float(axes[2])


def offset_vector_um(offset_um: FloatLike) -> tuple[float, float, float]:
    """Return the offset of a nucleus as three numbers; one number is a distance along x."""
    values = as_numbers("nucleus_offset_um", offset_um)
    if values.shape not in ((), (3,)) or not np.all(np.isfinite(values)):
        raise InputError(
            f"invalid nucleus_offset_um={offset_um!r} (allowed: a finite distance along x, or "
            "three numbers)."
        )
    x, y, z = (float(values), 0.0, 0.0) if values.ndim == 0 else map(float, values)
    return x, y, z


def source_shape(
    radii_um: tuple[float | None, float | None], target: CellShape, allow_unusual: bool
) -> CellShape:
    """Return the shape of the source cell: that of the target unless radii say otherwise."""
    if radii_um == (None, None):
        return target
    own = [
        axes[0] if radius is None and len(set(axes)) == 1 else radius
        for radius, axes in zip(radii_um, (target.cell, target.nucleus), strict=True)
    ]
    if own[0] is None or own[1] is None:
        raise InputError(
            "give both source_cell_radius_um and source_nucleus_radius_um: the target is no sphere."
        )
    cell, nucleus = require_scalar_radii(
        own[0], own[1], allow_unusual=allow_unusual, prefix="source_"
    )
    return CellShape((cell,) * 3, (nucleus,) * 3, target.offset)


def shape_attrs(prefix: str, shape: CellShape) -> dict[str, Any]:
    """Return attributes that state a shape."""
    return {
        f"{prefix}cell_semi_axes_um": list(shape.cell),
        f"{prefix}nucleus_semi_axes_um": list(shape.nucleus),
        f"{prefix}nucleus_offset_um": list(shape.offset),
    }
