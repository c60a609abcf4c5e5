# SPDX-License-Identifier: BSD-3-Clause
"""What every cell population must satisfy, with one clear error each."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import numpy as np

from immunodose import _core
from immunodose.errors import GeometryError, InputError, UnitError
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

PLAUSIBLE_RADIUS_UM = (0.5, 100.0)  # small nuclei to oocytes
# 2^34 um, 17 km: one grid of 2^20 bins per axis holds all cells, in which positions relative to a
# bin are good to 1e-3 um in single precision (grid_index.hpp, neighbor_sum.cpp).
LARGEST_EXTENT_UM = 2.0**34
OVERLAP_TOLERANCE = 1e-9  # relative to the sum of the radii
OFFSETS = ("nucleus_offset_x", "nucleus_offset_y", "nucleus_offset_z")
# What is meant for one of these, capitals and doubled letters left out.
_LOOKS_LIKE_OFFSET = re.compile(r"nuc\w*_off?s", re.IGNORECASE)
_GEOMETRY_DEPENDENT = ("time_integrated_activity", "absorbed_dose", "hit_mean")
_ROUNDING = 1e-12  # of the reach of a nucleus, relative to the cell radius


def _first(bad: np.ndarray) -> str:
    """Name how many values are bad and the first three cells."""
    indices = np.flatnonzero(bad)
    listed = ", ".join(str(i) for i in indices[:3]) + (", ..." if indices.size > 3 else "")
    return f"{indices.size} of {bad.size} values, cells {listed}"


def require_finite(name: str, values: FloatArray) -> None:
    """Raise InputError naming the array and the first cells that are NaN or infinite."""
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            f"{name} holds NaN or inf ({_first(bad)}). Remove these cells or give their values."
        )


def _require_extent(name: str, values: FloatArray) -> None:
    first, last = int(np.argmin(values)), int(np.argmax(values))
    extent_um = float(values[last]) - float(values[first])
    if extent_um > LARGEST_EXTENT_UM:
        raise InputError(
            f"{name} spans {extent_um:.4g} um (cells {first} and {last}; allowed: "
            f"{LARGEST_EXTENT_UM:.4g} um): distances between neighbors would lose their digits. "
            "Are the coordinates in um? Cells that far apart do not reach each other: compute "
            "such groups one by one."
        )


def require_radius(name: str, values: FloatArray, *, allow_unusual: bool) -> None:
    """Raise unless all radii are finite, positive and of the size of cells."""
    require_finite(name, values)
    bad = values <= 0.0
    if bad.any():
        raise InputError(f"{name} holds {values[bad][0]:g} um ({_first(bad)}); a radius is > 0.")
    low, high = PLAUSIBLE_RADIUS_UM
    bad = (values < low) | (values > high)
    if bad.any() and not allow_unusual:
        value = float(values[bad][0])
        guess = (
            f"{value:g} nm are {value * 1e-3:g} um"
            if value > high
            else f"{value:g} mm are {value * 1e3:g} um"
        )
        raise UnitError(
            f"{name} holds {value:g} um ({_first(bad)}); cells and nuclei have {low:g} to "
            f"{high:g} um. Was it in another unit ({guess})? If meant, give allow_unusual=True."
        )


def require_scalar_radii(
    cell_radius_um: float,
    nucleus_radius_um: float,
    *,
    allow_unusual: bool = False,
    prefix: str = "",
) -> tuple[float, float]:
    """Return the two radii of equal cells after all checks; messages prefix their names."""
    radii = []
    for name, value in (
        (f"{prefix}cell_radius_um", cell_radius_um),
        (f"{prefix}nucleus_radius_um", nucleus_radius_um),
    ):
        array = as_numbers(name, value)
        if array.ndim != 0:
            raise InputError(f"{name} must be one number here (got shape {array.shape}).")
        require_radius(name, array.reshape(1), allow_unusual=allow_unusual)
        radii.append(float(array))
    require_nucleus_inside(np.array(radii[:1]), np.array(radii[1:]), prefix=prefix)
    return radii[0], radii[1]


def require_nucleus_inside(
    cell_radius_um: FloatArray, nucleus_radius_um: FloatArray, *, prefix: str = ""
) -> None:
    """Raise GeometryError if a nucleus is larger than its cell."""
    bad = nucleus_radius_um > cell_radius_um
    if bad.any():
        first = int(np.argmax(bad))
        raise GeometryError(
            f"{prefix}nucleus_radius_um={nucleus_radius_um[first]:g} exceeds "
            f"{prefix}cell_radius_um={cell_radius_um[first]:g} ({_first(bad)}). "
            "The nucleus must lie inside its cell; are the two arrays swapped?"
        )


def require_no_overlap(
    x_um: FloatArray,
    y_um: FloatArray,
    z_um: FloatArray,
    cell_radius_um: FloatArray,
    *,
    n_threads: int | None = None,
) -> _core.geometry.SortedCells:
    """Raise GeometryError with count, worst pair and depth if cells overlap; return them sorted.

    Cells may overlap by 1e-9 of the sum of their radii (rounding); Eq. 1,
    docs/theory/geometry.md.
    """
    threads = resolve_threads(n_threads)
    cells = _core.geometry.SortedCells(
        x_um=x_um, y_um=y_um, z_um=z_um, radius_um=cell_radius_um, n_threads=threads
    )
    count, first, second, depth_um, cut_short = cells.find_overlaps(
        radius_um=cell_radius_um, relative_tolerance=OVERLAP_TOLERANCE, n_threads=threads
    )
    if count == 0:
        return cells
    contact_um = cell_radius_um[first] + cell_radius_um[second]
    extent_um = max(float(np.ptp(axis)) for axis in (x_um, y_um, z_um))
    hint = (
        f" All centers lie within {extent_um:g} um: are the coordinates in mm?"
        if extent_um < 2.0 * float(cell_radius_um.min())
        else ""
    )
    raise GeometryError(
        f"{'at least ' if cut_short else ''}{count} pair{'s' if count != 1 else ''} of cells "
        f"overlap; the worst are cells {first} and {second}, by {depth_um:.4g} um (distance "
        f"{contact_um - depth_um:.6g} um, radii sum to {contact_um:g} um). Cells are hard spheres "
        f"that may touch: move them apart or make them smaller.{hint}"
    )


def require_number(name: str, value: object, *, zero: bool = False) -> float:
    """Return one finite number > 0 (>= 0 with `zero`), or raise InputError."""
    array = as_numbers(name, value)
    allowed = ">= 0" if zero else "> 0"
    good = array.ndim == 0 and np.isfinite(array) and (array >= 0.0 if zero else array > 0.0)
    if not good:
        raise InputError(f"invalid {name}={value!r} (allowed: one finite number {allowed}).")
    return float(array)


def require_choice(name: str, value: object, choices: tuple[str, ...], what: str = "") -> None:
    """Raise InputError with the nearest of `choices` if `value` is none of them."""
    if value in choices:
        return
    close = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.3)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(repr(choice) for choice in choices)
    raise InputError(f"unknown {what}{name}={value!r} (allowed: {listed}).{hint}")


def require_unlabeled(cells: xr.Dataset, action: str) -> None:
    """Raise InputError if activity or doses of `cells` would not follow a change of geometry."""
    for name in _GEOMETRY_DEPENDENT:
        if name in cells:
            raise InputError(f"cells already hold {name!r}. {action} before labeling.")


def as_numbers(name: str, values: object) -> FloatArray:
    """Return `values` as float64, or raise InputError that names the argument."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must hold real numbers (got dtype {array.dtype}).")
    return array.astype(np.float64)


def require_distances(
    distance_um: object, *, touching_um: float, same_cell: bool, extents: str
) -> FloatArray:
    """Return center-to-center distances (um), 0 being the self-dose, or raise InputError.

    Parameters
    ----------
    distance_um
        A number, or one dimension with at least one.
    touching_um
        Distance at which source and target cell touch.
    same_cell
        Whether source and target are alike, so that a self-dose can be asked for.
    extents
        What sums to `touching_um`, for the message.
    """
    distance = np.atleast_1d(as_numbers("distance_um", distance_um))
    if distance.ndim != 1:
        raise InputError(f"distance_um must be a number or one-dimensional (got {distance.shape}).")
    if distance.size == 0:
        raise InputError("distance_um is empty. Give at least one distance; 0 is the self-dose.")
    bad = ~np.isfinite(distance) | (distance < 0.0)
    if bad.any():
        index = int(np.flatnonzero(bad)[0])
        raise InputError(f"distance_um[{index}]={distance[index]} (allowed: finite, >= 0).")
    if np.any(distance == 0.0) and not same_cell:
        raise InputError(
            "distance_um=0 is the self-dose, which has one cell: leave out source_cell_radius_um "
            "and source_nucleus_radius_um, or give distances between cells only."
        )
    # Rounding of 1e-9 is no overlap.
    overlap = (distance > 0.0) & (distance < touching_um * (1.0 - 1e-9))
    if overlap.any():
        index = int(np.flatnonzero(overlap)[0])
        raise GeometryError(
            f"the cells overlap at distance_um[{index}]={distance[index]:g} um ({extents} sum to "
            f"{touching_um:g} um). Give 0 for the self-dose or at least {touching_um:g} um."
        )
    return distance


def require_population(
    x_um: FloatArray,
    y_um: FloatArray,
    z_um: FloatArray,
    cell_radius_um: FloatArray,
    nucleus_radius_um: FloatArray,
    *,
    allow_unusual: bool,
    n_threads: int | None = None,
) -> _core.geometry.SortedCells:
    """Run every check on five arrays of equal length; return the cells sorted."""
    if x_um.size == 0:
        raise InputError("the population is empty (x_um has length 0). Give at least one cell.")
    for name, values in (("x_um", x_um), ("y_um", y_um), ("z_um", z_um)):
        require_finite(name, values)
        _require_extent(name, values)
    require_finite("nucleus_radius_um", nucleus_radius_um)
    require_radius("cell_radius_um", cell_radius_um, allow_unusual=allow_unusual)
    require_radius("nucleus_radius_um", nucleus_radius_um, allow_unusual=allow_unusual)
    require_nucleus_inside(cell_radius_um, nucleus_radius_um)
    return require_no_overlap(x_um, y_um, z_um, cell_radius_um, n_threads=n_threads)


def nucleus_offset_um(cells: xr.Dataset) -> FloatArray | None:
    """Return the checked offsets (cell, 3) of the nuclei in um, None if all are in the center.

    Parameters
    ----------
    cells
        Population that may have the variables `nucleus_offset_x`, `_y`, `_z` (cell) [um].

    Raises
    ------
    InputError
        Only some of the three are there, or they hold NaN.
    GeometryError
        A nucleus leaves its cell.
    """
    given = [name for name in OFFSETS if name in cells.variables]
    for name in map(str, cells.variables):
        if name not in OFFSETS and _LOOKS_LIKE_OFFSET.match(name):
            raise InputError(
                f"the variable {name!r} would not move nuclei: their offsets from the center of "
                f"the cell are {', '.join(OFFSETS)} (um). Rename or drop it."
            )
    if not given:
        return None
    missing = [name for name in OFFSETS if name not in given]
    if missing:
        raise InputError(
            f"the Dataset has {given[0]!r} but no {missing[0]!r}. Give all of "
            f"{', '.join(OFFSETS)}, 0 um where a nucleus is not shifted."
        )
    offset = np.stack([_per_cell_um(cells, name) for name in OFFSETS], axis=1)
    for column, name in enumerate(OFFSETS):
        require_finite(name, offset[:, column])
    radius = cells["cell_radius"].values.astype(np.float64)
    reach = np.linalg.norm(offset, axis=1) + cells["nucleus_radius"].values
    bad = reach > radius * (1.0 + _ROUNDING)
    if bad.any():
        first = int(np.argmax(bad))
        raise GeometryError(
            f"the nucleus of cell {first} reaches {reach[first]:g} um from the center of its cell "
            f"of {radius[first]:g} um ({_first(bad)}). Make the offset or the nucleus smaller."
        )
    return offset if offset.any() else None


def _per_cell_um(cells: xr.Dataset, name: str) -> FloatArray:
    variable = cells.variables[name]
    if variable.dims != ("cell",):
        raise InputError(f"{name!r} has dims {variable.dims} (allowed: ('cell',)).")
    if variable.attrs.get("units", "um") != "um":
        raise UnitError(f"{name!r} has units {variable.attrs['units']!r} (allowed: 'um').")
    values = variable.values
    return values if values.dtype == np.float64 else as_numbers(name, values)


def check(cells: xr.Dataset, *, allow_unusual: bool = True) -> None:
    """Check that a Dataset is a valid cell population.

    Parameters
    ----------
    cells
        Dataset with coords `x`, `y`, `z` and variables `cell_radius`, `nucleus_radius`, all in um
        along dim `cell`; `nucleus_offset_x`, `_y`, `_z` [um], if any, shift the nuclei.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.

    Raises
    ------
    InputError
        A variable is missing, has other dims or holds NaN.
    GeometryError
        Cells overlap, or a nucleus is larger than its cell or leaves it.

    Examples
    --------
    >>> import immunodose as imd
    >>> imd.cells.check(imd.cells.lattice(shape=(2, 1, 1), spacing_um=10.0, cell_radius_um=5.0,
    ...                                   nucleus_radius_um=3.0))
    """
    checked_cells(cells, allow_unusual=allow_unusual)


def checked_cells(
    cells: xr.Dataset, *, allow_unusual: bool, n_threads: int | None = None
) -> _core.geometry.SortedCells:
    """Run the checks of `check`; return the cells sorted, for sums over neighbors."""
    if not hasattr(cells, "variables"):
        raise InputError(
            f"cells is no Dataset (got {type(cells).__name__}). "
            "Make it with immunodose.cells, for example immunodose.cells.spheroid(...)."
        )
    arrays = []
    for name in ("x", "y", "z", "cell_radius", "nucleus_radius"):
        if name not in cells.variables:
            raise InputError(
                f"the Dataset has no variable {name!r}, so it is no cell population. "
                "Make one with immunodose.cells.from_arrays."
            )
        arrays.append(_per_cell_um(cells, name))
    found = require_population(*arrays, allow_unusual=allow_unusual, n_threads=n_threads)
    nucleus_offset_um(cells)
    return found
