# SPDX-License-Identifier: BSD-3-Clause
"""Cell populations from arrays, with every check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import schema
from immunodose.cells import checks
from immunodose.errors import InputError, UnitError
from immunodose.provenance import base_attrs
from immunodose.typing import FloatArray, FloatLike

if TYPE_CHECKING:
    import xarray as xr

_GEOMETRY_NAMES = ("cell", "x", "y", "z", "cell_radius", "nucleus_radius")
NUCLEUS_OFFSET_NAMES = ("nucleus_offset_x", "nucleus_offset_y", "nucleus_offset_z")


def _per_cell_variable(name: str, value: Any, n_cells: int) -> xr.Variable:
    """Make one per-cell variable from values or `(values, units)`; scalars are spread."""
    import xarray as xr

    units = None
    if isinstance(value, tuple) and [isinstance(item, str) for item in value] == [False, True]:
        value, units = value
    if name in _GEOMETRY_NAMES:
        raise InputError(f"per-cell variable {name!r} is a reserved name of the geometry.")
    if name.startswith("nucleus_offset") and name not in NUCLEUS_OFFSET_NAMES:
        raise InputError(
            f"per-cell variable {name!r} would not move nuclei: their offsets from the center of "
            f"the cell are {', '.join(NUCLEUS_OFFSET_NAMES)} (um)."
        )
    values = np.asarray(value)
    if values.ndim == 0:
        values = np.broadcast_to(values, (n_cells,)).copy()
    if values.shape != (n_cells,):
        raise InputError(
            f"{name} has shape {values.shape}, expected ({n_cells},): one value per cell."
        )
    if values.dtype.kind == "O" and all(isinstance(item, str) for item in values):
        values = values.astype(str)
    if values.dtype.kind not in "fiubU":
        raise InputError(f"{name} must hold numbers or text (got dtype {values.dtype}).")
    if values.dtype.kind == "f":
        checks.require_finite(name, values)
    if name not in schema.VARIABLES:
        return xr.Variable(("cell",), values, {"units": units or "1", "long_name": name})
    variable = schema.data_array(name, ("cell",), values)
    if units is not None and units != variable.attrs["units"]:
        raise UnitError(
            f"{name} was given in {units!r} but is stored in {variable.attrs['units']!r}."
        )
    return variable


def make_population(
    x_um: FloatArray,
    y_um: FloatArray,
    z_um: FloatArray,
    cell_radius_um: FloatArray,
    nucleus_radius_um: FloatArray,
    per_cell: dict[str, Any],
    **attrs: Any,
) -> xr.Dataset:
    """Label checked arrays as a Dataset."""
    n_cells = x_um.size
    dataset = schema.build(
        {
            "cell_radius": (("cell",), cell_radius_um),
            "nucleus_radius": (("cell",), nucleus_radius_um),
        },
        coords={
            "cell": np.arange(n_cells, dtype=np.int64),
            "x": (("cell",), x_um),
            "y": (("cell",), y_um),
            "z": (("cell",), z_um),
        },
        attrs=base_attrs(**attrs),
    )
    extra = {name: _per_cell_variable(name, value, n_cells) for name, value in per_cell.items()}
    return dataset.assign(extra)


def from_arrays(
    *,
    x_um: FloatLike,
    y_um: FloatLike,
    z_um: FloatLike,
    cell_radius_um: FloatLike,
    nucleus_radius_um: FloatLike,
    allow_unusual: bool = False,
    **per_cell: Any,
) -> xr.Dataset:
    """Make a cell population from arrays.

    Parameters
    ----------
    x_um, y_um, z_um
        Centers of the cells in um, finite, of equal length >= 1.
    cell_radius_um, nucleus_radius_um
        Radii in um, > 0, one number for all cells or one per cell; the nucleus is not larger than
        its cell, and concentric unless `nucleus_offset_x`, `_y`, `_z` are given.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass (they suggest nm or mm).
    **per_cell
        Further variables (e.g. `antigen`, `cell_type`): one value per cell or one for all, or a
        tuple `(values, units)`. A variable that the schema does not declare is dimensionless
        unless its units are given. `nucleus_offset_x`, `_y`, `_z` (um, all three) shift nuclei.

    Returns
    -------
    xarray.Dataset
        `cell_radius` (cell) [um], `nucleus_radius` (cell) [um], the per-cell variables, coords
        `cell`, `x`, `y`, `z` (cell) [um].

    Raises
    ------
    InputError
        Unequal lengths, no cell, NaN or inf, a radius <= 0.
    UnitError
        Implausible radii.
    GeometryError
        Cells overlap, or a nucleus is larger than its cell or leaves it.

    Notes
    -----
    Cells are hard spheres that may touch (docs/theory/geometry.md, Eq. 1).

    Examples
    --------
    >>> import immunodose as imd
    >>> pair = imd.cells.from_arrays(x_um=[0.0, 12.0], y_um=[0.0, 0.0], z_um=[0.0, 0.0],
    ...                              cell_radius_um=6.0, nucleus_radius_um=4.0,
    ...                              antigen=[1.0, 0.2])
    >>> pair.sizes["cell"]
    2
    """
    given = {"x_um": x_um, "y_um": y_um, "z_um": z_um}
    arrays = {name: checks.as_numbers(name, values) for name, values in given.items()}
    n_cells = arrays["x_um"].size
    radii = {"cell_radius_um": cell_radius_um, "nucleus_radius_um": nucleus_radius_um}
    for name, values in radii.items():
        array = checks.as_numbers(name, values)
        arrays[name] = np.full(n_cells, float(array)) if array.ndim == 0 else array
    for name, array in arrays.items():
        if array.shape != (n_cells,):
            raise InputError(
                f"{name} has shape {array.shape}, expected ({n_cells},) like x_um. "
                "Give one value per cell" + (", or one for all." if name in radii else ".")
            )
    x, y, z, cell_radius, nucleus_radius = arrays.values()
    checks.require_population(x, y, z, cell_radius, nucleus_radius, allow_unusual=allow_unusual)
    cells = make_population(x, y, z, cell_radius, nucleus_radius, per_cell, geometry="arrays")
    checks.nucleus_offset_um(cells)
    return cells
