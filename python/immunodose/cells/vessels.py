# SPDX-License-Identifier: BSD-3-Clause
"""Blood vessels as straight cold cylinders, and uptake that falls with the distance from them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from immunodose import _core, schema
from immunodose.cells import checks
from immunodose.errors import GeometryError, InputError, UnitError
from immunodose.rng import RngLike, generator
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

_ARRANGEMENTS = ("parallel_lattice", "parallel_random", "isotropic")
_TRIANGULAR = 2.0 / math.sqrt(3.0)  # sites of a triangular lattice per squared spacing
_MARGIN_SPACINGS = 2.0  # by which vessels fill more than the ball around the cells
_MAX_VESSELS = 1_000_000
_THINNEST_UM = 1.0


def vessels(
    cells: xr.Dataset,
    *,
    vessel_radius_um: float,
    intervessel_distance_um: float | None = None,
    vessel_density_per_mm2: float | None = None,
    arrangement: str = "parallel_random",
    rng: RngLike,
) -> xr.Dataset:
    """Lay straight vessels through a population: cells that overlap them are removed.

    Parameters
    ----------
    cells
        A cell population without activity and doses.
    vessel_radius_um
        Outer radius of the vessels in um, >= 1.
    intervessel_distance_um
        Spacing d in um of a triangular lattice of parallel vessels, > 2 * vessel_radius_um; random
        vessels get the density of this lattice, 2 / (sqrt(3) d**2).
    vessel_density_per_mm2
        Instead of it: length of vessels per volume in mm per mm3 = per mm2, > 0; of parallel
        vessels it is the number per cross-section.
    arrangement
        "parallel_random" or "parallel_lattice" (all along z; at random places, or a triangular
        lattice that is shifted and turned at random), or "isotropic" (places and directions at
        random).
    rng
        Seed of places and directions; None draws entropy.

    Returns
    -------
    xarray.Dataset
        The cells left, renumbered, with `distance_to_vessel` (cell) [um], from the center of the
        cell to the nearest wall, and the axes of the vessels as `vessel_point` and
        `vessel_direction` (vessel, axis) [um, 1]; attrs `vessel_radius_um`,
        `vessel_density_per_mm2` (as built), `vessel_arrangement`, `vessel_cells_removed`,
        `random_root_vessels`.

    Raises
    ------
    InputError
        A number is out of range, both or none of distance and density are given, the density
        gives no vessel, or the cells hold activity or vessels.
    UnitError
        A radius below 1 um, probably in mm.
    GeometryError
        No cell is left.

    Notes
    -----
    Eqs. 13 to 15, docs/theory/geometry.md. Vessels are infinite lines, homogeneous in space up to
    two intervessel distances beyond the ball around the cells, so that cells of the rim have
    vessels outside too. They are cold: they hold water, and no activity unless `label` is given
    activity of the medium, which is spread evenly outside of cells. Random vessels may cross.

    Examples
    --------
    >>> import immunodose as imd
    >>> tumor = imd.cells.lattice(shape=(20, 20, 5), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=4.0)
    >>> tumor = imd.cells.vessels(tumor, vessel_radius_um=8.0, intervessel_distance_um=100.0, rng=1)
    >>> bool((tumor["distance_to_vessel"] >= 7.0 * (1.0 - 1e-9)).all())
    True
    """
    checks.check(cells)
    checks.require_unlabeled(cells, "Lay vessels")
    if "distance_to_vessel" in cells:
        raise InputError("cells already hold 'distance_to_vessel'. Lay all vessels in one call.")
    radius_um = checks.require_number("vessel_radius_um", vessel_radius_um)
    if radius_um < _THINNEST_UM:
        raise UnitError(
            f"vessel_radius_um={radius_um:g}, but capillaries have some 3 um (allowed: from "
            f"{_THINNEST_UM:g} um). Was it in another unit ({radius_um:g} mm are "
            f"{radius_um * 1e3:g} um)?"
        )
    checks.require_choice("arrangement", arrangement, _ARRANGEMENTS)
    spacing_um = _spacing_um(radius_um, intervessel_distance_um, vessel_density_per_mm2)
    draw, root = generator(rng, purpose="vessels")
    centers_um = np.stack([cells[axis].values.astype(np.float64) for axis in "xyz"], axis=1)
    cell_radius_um = cells["cell_radius"].values.astype(np.float64)
    middle_um = 0.5 * (centers_um.min(axis=0) + centers_um.max(axis=0))
    reach_um = float((np.linalg.norm(centers_um - middle_um, axis=1) + cell_radius_um).max())
    outer_um = reach_um + _MARGIN_SPACINGS * spacing_um
    point_um, direction = _axes(arrangement, spacing_um, outer_um, draw)
    point_um += middle_um
    distance_um = _core.geometry.line_distances(
        x_um=centers_um[:, 0],
        y_um=centers_um[:, 1],
        z_um=centers_um[:, 2],
        line_point_um=point_um,
        line_direction=direction,
        edge_um=max(0.25 * spacing_um, 2.0 * float(np.median(cell_radius_um))),
        n_threads=resolve_threads(None),
    )
    distance_um -= radius_um
    kept = distance_um >= cell_radius_um * (1.0 - checks.OVERLAP_TOLERANCE)
    if not kept.any():
        raise GeometryError(
            f"all {kept.size} cells overlap vessels of vessel_radius_um={radius_um:g} at a spacing "
            f"of {spacing_um:g} um. Give thinner or fewer vessels."
        )
    return _with_vessels(cells, kept, distance_um, point_um, direction).assign_attrs(
        vessel_radius_um=radius_um,
        vessel_density_per_mm2=1e6 * len(point_um) / (math.pi * outer_um**2),
        vessel_arrangement=arrangement,
        vessel_cells_removed=int(kept.size - kept.sum()),
        random_root_vessels=root,
    )


def _spacing_um(
    radius_um: float, distance_um: float | None, density_per_mm2: float | None
) -> float:
    """Spacing of the triangular lattice of the asked density (Eq. 13)."""
    if (distance_um is None) == (density_per_mm2 is None):
        raise InputError(
            "give one of intervessel_distance_um and vessel_density_per_mm2 (got "
            f"{'none' if distance_um is None else 'both'})."
        )
    if distance_um is not None:
        spacing_um = checks.require_number("intervessel_distance_um", distance_um)
    else:
        density = checks.require_number("vessel_density_per_mm2", density_per_mm2)
        spacing_um = math.sqrt(_TRIANGULAR / (density * 1e-6))
    if spacing_um <= 2.0 * radius_um:
        raise InputError(
            f"vessels of vessel_radius_um={radius_um:g} would fill the tissue: their distance of "
            f"{spacing_um:g} um is at most their diameter. Give thinner or fewer vessels."
        )
    return spacing_um


def _axes(
    arrangement: str, spacing_um: float, outer_um: float, draw: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Points and directions of lines that fill the ball of outer_um around the origin."""
    n_mean = _TRIANGULAR / spacing_um**2 * math.pi * outer_um**2  # Eq. 14
    if n_mean > _MAX_VESSELS:
        raise InputError(
            f"{n_mean:.3g} vessels asked for (allowed: up to {_MAX_VESSELS}). Is the intervessel "
            "distance in another unit than um?"
        )
    if arrangement == "parallel_lattice":
        point_um = _triangular_lattice(spacing_um, outer_um, draw)
    else:
        n_vessels = max(1, round(n_mean))
        radius_um = outer_um * np.sqrt(draw.random(n_vessels))
        angle = 2.0 * np.pi * draw.random(n_vessels)
        point_um = np.stack(
            [radius_um * np.cos(angle), radius_um * np.sin(angle), np.zeros(n_vessels)], axis=1
        )
    direction = np.tile([0.0, 0.0, 1.0], (len(point_um), 1))
    if arrangement != "isotropic":
        return point_um, direction
    direction = draw.standard_normal(direction.shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # Two unit vectors across each direction carry the place drawn in the disk.
    smallest = np.eye(3)[np.abs(direction).argmin(axis=1)]
    first = np.cross(direction, smallest)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(direction, first)
    return point_um[:, :1] * first + point_um[:, 1:2] * second, direction


def _triangular_lattice(
    spacing_um: float, outer_um: float, draw: np.random.Generator
) -> FloatArray:
    half = math.ceil(_TRIANGULAR * outer_um / spacing_um) + 2
    i, j = np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1), indexing="ij")
    shift_i, shift_j = draw.random(2)
    u = (i + shift_i).ravel()
    v = (j + shift_j).ravel()
    angle = 2.0 * np.pi * draw.random()
    x = spacing_um * (u + 0.5 * v)
    y = spacing_um * (0.5 * math.sqrt(3.0) * v)
    turned = np.stack(
        [
            x * np.cos(angle) - y * np.sin(angle),
            x * np.sin(angle) + y * np.cos(angle),
            np.zeros(x.size),
        ],
        axis=1,
    )
    inside: FloatArray = turned[np.hypot(x, y) <= outer_um]
    return inside


def _with_vessels(
    cells: xr.Dataset,
    kept: np.ndarray,
    distance_um: FloatArray,
    point_um: FloatArray,
    direction: FloatArray,
) -> xr.Dataset:
    left = cells.isel(cell=np.flatnonzero(kept))
    number = schema.data_array("cell", ("cell",), np.arange(left.sizes["cell"]))
    return left.assign_coords(cell=number, axis=("axis", np.array(["x", "y", "z"]))).assign(
        distance_to_vessel=schema.data_array("distance_to_vessel", ("cell",), distance_um[kept]),
        vessel_point=schema.data_array("vessel_point", ("vessel", "axis"), point_um),
        vessel_direction=schema.data_array("vessel_direction", ("vessel", "axis"), direction),
    )


def vessel_uptake(
    cells: xr.Dataset, *, decay_length_um: float, name: str = "vessel_uptake"
) -> xr.Dataset:
    """Add uptake that falls with the distance from vessels, for `weights=` of `label`.

    Parameters
    ----------
    cells
        A cell population with `distance_to_vessel` (cell) [um], of `vessels` or your own.
    decay_length_um
        Length l in um over which uptake falls by a factor e, > 0.
    name
        Name of the new variable.

    Returns
    -------
    xarray.Dataset
        `cells` with the variable (cell) [1], `exp(-distance / l)`: 1 at the wall of a vessel.
        Multiply it by the antigen if uptake goes with both.

    Raises
    ------
    InputError
        There is no `distance_to_vessel`, it holds NaN or negative values, the variable exists, or
        the length is out of range.

    Notes
    -----
    Eq. 16, docs/theory/geometry.md: steady diffusion from a plane with uptake in proportion to the
    concentration, a shape with one length, not a transport model.

    Examples
    --------
    >>> import immunodose as imd
    >>> tumor = imd.cells.lattice(shape=(20, 20, 5), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=4.0)
    >>> tumor = imd.cells.vessels(tumor, vessel_radius_um=8.0, intervessel_distance_um=100.0, rng=1)
    >>> tumor = imd.cells.vessel_uptake(tumor, decay_length_um=40.0)
    >>> labeled = imd.label(tumor, "Lu-177", decays_per_cell=100.0, weights="vessel_uptake")
    """
    length_um = checks.require_number("decay_length_um", decay_length_um)
    if name in cells.variables:
        raise InputError(f"cells already have a variable {name!r}. Drop it or use another name.")
    if "distance_to_vessel" not in cells:
        raise InputError(
            "cells have no 'distance_to_vessel'. Call immunodose.cells.vessels, or assign your own "
            "(cell) in um."
        )
    distance_um = checks.as_numbers("distance_to_vessel", cells["distance_to_vessel"].values)
    checks.require_finite("distance_to_vessel", distance_um)
    if (distance_um < 0.0).any():
        first = int(np.argmax(distance_um < 0.0))
        raise InputError(
            f"distance_to_vessel[{first}]={distance_um[first]:g} um (allowed: >= 0, from the wall)."
        )
    attrs = {"units": "1", "long_name": "relative uptake by distance from vessels"}
    uptake = ("cell", np.exp(-distance_um / length_um), attrs)
    return cells.assign({name: uptake}).assign_attrs({f"decay_length_um_{name}": length_um})
