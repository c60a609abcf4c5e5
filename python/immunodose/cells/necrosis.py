# SPDX-License-Identifier: BSD-3-Clause
"""A necrotic core: dead cells that take up no activity, or none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immunodose import schema
from immunodose.cells import checks
from immunodose.cells.phenotype import TUMOR
from immunodose.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

NECROTIC = "necrotic"


def necrotic_core(
    cells: xr.Dataset,
    *,
    radius_um: float | None = None,
    viable_rim_um: float | None = None,
    action: str = "mark",
) -> xr.Dataset:
    """Mark or remove the cells of a ball around the middle of the population.

    Parameters
    ----------
    cells
        A cell population without activity and doses.
    radius_um
        Radius of the core in um, >= 0: cells whose centers lie within it are necrotic.
    viable_rim_um
        Instead of it: thickness in um of the viable rim, >= 0, from the outermost surface of a
        cell inwards.
    action
        "mark" keeps the cells as type "necrotic": they still absorb, but `label` gives activity to
        cells of type "tumor" only, and responses count tumor cells only. "remove" leaves water.

    Returns
    -------
    xarray.Dataset
        With "mark": `cell_type` (cell), "necrotic" in the core ("tumor" elsewhere where none was
        given), and `viable` (cell) [1], 1 outside the core and 0 inside, for `weights=` of `label`.
        With "remove": the cells left, renumbered. Attrs `necrotic_core_radius_um`,
        `necrotic_cells` (their number).

    Raises
    ------
    InputError
        A number is out of range, both or none are given, no cell would stay viable, or the cells
        hold activity.

    Notes
    -----
    The middle is that of the box around the centers: the origin of `spheroid`. Immune cells inside
    the core become necrotic too.

    Examples
    --------
    >>> import immunodose as imd
    >>> tumor = imd.cells.spheroid(radius_um=60.0, cell_radius_um=6.0, nucleus_radius_um=4.0,
    ...                            packing_fraction=0.4, rng=1)
    >>> tumor = imd.cells.necrotic_core(tumor, radius_um=25.0)
    >>> sorted(set(tumor["cell_type"].values.tolist()))
    ['necrotic', 'tumor']
    """
    checks.check(cells)
    checks.require_unlabeled(cells, "Set the necrotic core")
    checks.require_choice("action", action, ("mark", "remove"))
    if (radius_um is None) == (viable_rim_um is None):
        raise InputError(
            "give one of radius_um and viable_rim_um (got "
            f"{'none' if radius_um is None else 'both'})."
        )
    centers_um = np.stack([cells[axis].values.astype(np.float64) for axis in "xyz"], axis=1)
    if "spheroid_radius_um" in cells.attrs or "colony_radius_um" in cells.attrs:
        middle_um = np.zeros(3)
    else:
        middle_um = 0.5 * (centers_um.min(axis=0) + centers_um.max(axis=0))
    distance_um = np.linalg.norm(centers_um - middle_um, axis=1)
    if radius_um is not None:
        core_um = checks.require_number("radius_um", radius_um, zero=True)
    else:
        rim_um = checks.require_number("viable_rim_um", viable_rim_um, zero=True)
        core_um = max(0.0, float((distance_um + cells["cell_radius"].values).max()) - rim_um)
    dead = distance_um < core_um
    if dead.all():
        raise InputError(
            f"all {dead.size} cells lie within the necrotic core of {core_um:g} um. Give a smaller "
            "radius_um or a thicker viable_rim_um."
        )
    attrs = {"necrotic_core_radius_um": core_um, "necrotic_cells": int(dead.sum())}
    if action == "remove":
        left = cells.isel(cell=np.flatnonzero(~dead))
        number = schema.data_array("cell", ("cell",), np.arange(left.sizes["cell"]))
        return left.assign_coords(cell=number).assign_attrs(attrs)
    types = (
        cells["cell_type"].values.astype(object)
        if "cell_type" in cells
        else np.full(dead.size, TUMOR, dtype=object)
    )
    types[dead] = NECROTIC
    return cells.assign(
        cell_type=schema.data_array("cell_type", ("cell",), types.astype(str)),
        viable=schema.data_array("viable", ("cell",), (~dead).astype(np.float64)),
    ).assign_attrs(attrs)
