# SPDX-License-Identifier: BSD-3-Clause
"""Cells packed into a ball (spheroid) or a circle (colony)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.cells import checks
from immunodose.cells.arrays import make_population
from immunodose.cells.builders import require_feasible
from immunodose.errors import GeometryError, InputError, UnitError
from immunodose.memory import require_memory
from immunodose.rng import RngLike, generator, random_root
from immunodose.threads import percent_reported, resolve_threads
from immunodose.typing import FloatArray, Progress

if TYPE_CHECKING:
    import xarray as xr

# Sweeps after which contacts are those of a fluid
# (tests/unit/test_packing.py::test_contact_value_is_that_of_the_fluid).
_N_SWEEPS = 40
_BYTES_PER_CELL = 300.0  # while packing, with the result (bench/README.md)
_ARRANGEMENTS = ("random", "close_packed")
# Random packings of equal balls jam near 0.64, of disks near 0.82; below, growth takes minutes.
_MOST_RANDOM = {False: 0.60, True: 0.78}
_MOST_SD = 0.5  # of the mean radius; the largest of 1e7 cells is then 13 times the mean


def _require_packing(packing_fraction: float) -> float:
    value = checks.require_number("packing_fraction", packing_fraction)
    if value > 1.0:
        if value <= 100.0:
            raise UnitError(
                f"packing_fraction={value:g} exceeds 1. Was it in percent ({value:g} % is "
                f"{value / 100.0:g})?"
            )
        raise InputError(f"invalid packing_fraction={value:g} (allowed: above 0, below 1).")
    return value


def spheroid(
    *,
    radius_um: float,
    cell_radius_um: float,
    nucleus_radius_um: float,
    packing_fraction: float,
    rng: RngLike,
    cell_radius_sd_um: float | None = None,
    arrangement: str = "random",
    allow_unusual: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Pack cells into a ball around the origin, at random and without overlaps.

    Parameters
    ----------
    radius_um
        Radius of the spheroid in um; every cell lies wholly inside.
    cell_radius_um, nucleus_radius_um
        Radii in um, > 0; means of the distribution if `cell_radius_sd_um` is given.
    packing_fraction
        Volume of the cells over that of the spheroid, above 0. Random packings reach 0.60 from
        some 2,000 cells on, less in small spheroids, where the wall takes room.
    rng
        Seed of the arrangement; None draws entropy.
    cell_radius_sd_um
        Standard deviation in um of a lognormal distribution of cell radii, > 0, at most half of
        `cell_radius_um`; nuclei are scaled with their cells. None: equal cells.
    arrangement
        "random", or "close_packed": a face-centered cubic lattice of equal cells, cut by the ball,
        widened to fill it, turned at random and loosened; up to 0.6 to 0.7.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.
    progress
        Called with done, total (100) and a text while cells are packed; shares are rough. Ctrl-C,
        or what it raises, stops the call.

    Returns
    -------
    xarray.Dataset
        `cell_radius` (cell) [um], `nucleus_radius` (cell) [um], coords `x`, `y`, `z` (cell) [um];
        attrs `spheroid_radius_um`, `packing_fraction` (as built), `packing_fraction_deviation`
        (from the one asked for: at most half a cell), `arrangement`, `random_root`. Cells are
        numbered by place (bins of a grid along z, y, x).

    Raises
    ------
    InputError
        The packing fraction holds no cell, or a number or the arrangement is out of range.
    UnitError
        The packing fraction looks like percent, or a radius like nm.
    GeometryError
        The packing fraction cannot be reached; the message says how far it came.
    ResourceError
        More than 5e7 cells, or more than fit into memory.

    Notes
    -----
    Eqs. 2 to 6, docs/theory/geometry.md: random points are pushed apart, mixed by hard-sphere
    Monte Carlo moves and grown step by step. Up to 0.49 the interior is a hard-sphere fluid, above
    it a random packing. As in any confined fluid, cells layer against the wall, and the interior
    is denser than the whole. Same bits for any number of threads.

    References
    ----------
    Metropolis et al. (1953), doi:10.1063/1.1699114. Anderson et al. (2013),
    doi:10.1016/j.jcp.2013.07.023.

    Examples
    --------
    >>> import immunodose as imd
    >>> tumor = imd.cells.spheroid(radius_um=60.0, cell_radius_um=6.0, nucleus_radius_um=4.0,
    ...                            packing_fraction=0.4, rng=1)
    >>> tumor.sizes["cell"]
    400
    """
    radii_um = checks.require_scalar_radii(
        cell_radius_um, nucleus_radius_um, allow_unusual=allow_unusual
    )
    outer_um = checks.require_number("radius_um", radius_um)
    packing = _require_packing(packing_fraction)
    checks.require_choice("arrangement", arrangement, _ARRANGEMENTS)
    if outer_um < radii_um[0]:
        raise GeometryError(
            f"cell_radius_um={radii_um[0]:g} exceeds radius_um={outer_um:g} of the spheroid."
        )
    root = random_root(rng)
    cell_um = _cell_radii_um(outer_um, radii_um[0], packing, cell_radius_sd_um, root)
    attrs: dict[str, Any] = {"geometry": "spheroid", "spheroid_radius_um": outer_um}
    if cell_radius_sd_um is not None:
        attrs["cell_radius_sd_um"] = float(cell_radius_sd_um)
        checks.require_radius("cell_radius_um", cell_um, allow_unusual=allow_unusual)
        if arrangement != "random":
            raise InputError(
                "arrangement='close_packed' is a lattice of equal cells. Leave out "
                "cell_radius_sd_um, or use arrangement='random'."
            )
    built = float(np.sum((cell_um / outer_um) ** 3))
    return _packed(
        False, cell_um, outer_um, built, radii_um[1] / radii_um[0], arrangement, root, progress
    ).assign_attrs(attrs, packing_fraction_deviation=built - packing)


def _cell_radii_um(
    outer_um: float, mean_um: float, packing: float, sd_um: float | None, root: int
) -> FloatArray:
    """Radii of as many cells as come nearest to the packing fraction (Eq. 2)."""
    variation = 0.0
    if sd_um is not None:
        variation = checks.require_number("cell_radius_sd_um", sd_um) / mean_um
        if variation > _MOST_SD:
            raise InputError(
                f"cell_radius_sd_um={sd_um:g} exceeds half of cell_radius_um={mean_um:g}. Give a "
                "narrower distribution."
            )
    share = (mean_um / outer_um) ** 3 * (1.0 + variation**2) ** 3  # mean of one cell
    n_mean = packing / share
    require_feasible(n_mean)
    if round(n_mean) < 1:
        raise InputError(
            f"packing_fraction={packing:g} of a spheroid of radius_um={outer_um:g} is less than "
            f"half a cell of cell_radius_um={mean_um:g} (one cell: {share:.3g})."
        )
    if sd_um is None:
        return np.full(round(n_mean), mean_um)
    draw, _ = generator(root, purpose="spheroid:cell_radius")
    sd_ln = np.sqrt(np.log1p(variation**2))
    radii: list[FloatArray] = []
    filled = 0.0
    while filled < packing:
        normal = draw.standard_normal(round(1.01 * n_mean) + 100)
        radii.append(mean_um * np.exp(sd_ln * normal - 0.5 * sd_ln**2))
        filled += float(np.sum((radii[-1] / outer_um) ** 3))
    drawn = np.concatenate(radii)
    sums = np.cumsum((drawn / outer_um) ** 3)
    cells: FloatArray = drawn[: int(np.abs(sums - packing).argmin()) + 1].copy()
    if cells.max() > outer_um:
        raise GeometryError(
            f"a cell drawn with a radius of {cells.max():g} um exceeds radius_um={outer_um:g} of "
            "the spheroid. Give a larger spheroid or a narrower distribution."
        )
    return cells


def _packed(
    planar: bool,
    cell_um: FloatArray,
    outer_um: float,
    packing: float,
    nucleus_share: float,
    arrangement: str,
    root: int,
    progress: Progress | None,
) -> xr.Dataset:
    """Pack cells of these radii at random or close; all checks of room are here."""
    require_memory(
        cell_um.size * _BYTES_PER_CELL * 1e-6,
        what=f"packing {cell_um.size} cells",
        remedy="Give fewer cells: a smaller radius or packing fraction.",
    )
    report = percent_reported(progress, 0, 1, "packing")
    sizes: dict[str, Any] = {
        "planar": planar,
        "n_cells": cell_um.size,
        "outer_radius_um": outer_um,
        "n_sweeps": _N_SWEEPS,
        "random_root": root,
        "n_threads": resolve_threads(None),
        "report": report,
    }
    is_equal = bool((cell_um == cell_um[0]).all())
    if arrangement == "close_packed":
        _require_room(planar, cell_um, outer_um, packing)
        x_um, y_um, z_um = _core.geometry.pack_close(cell_radius_um=float(cell_um[0]), **sizes)
    else:
        # Half a cell may be added to meet what was asked for.
        if packing > _MOST_RANDOM[planar] + 0.5 * packing / cell_um.size:
            raise _unreached(planar, cell_um, outer_um, packing, _MOST_RANDOM[planar])
        x_um, y_um, z_um, packed_um, reached = _core.geometry.pack_random(
            cell_radius_um=cell_um[:1] if is_equal else cell_um, **sizes
        )
        if x_um.size == 0:
            raise _unreached(planar, cell_um, outer_um, packing, reached)
        if not is_equal:
            cell_um = packed_um
    checks.require_no_overlap(x_um, y_um, z_um, cell_um)
    if report is not None:
        report(1.0)
    return make_population(
        x_um,
        y_um,
        z_um,
        cell_um,
        nucleus_share * cell_um,
        {},
        packing_fraction=packing,
        arrangement=arrangement,
        random_root=root,
    )


def _unreached(
    planar: bool, cell_um: FloatArray, outer_um: float, packing: float, reached: float
) -> GeometryError:
    n_most = _core.geometry.max_cells(
        planar=planar, cell_radius_um=float(cell_um[0]), outer_radius_um=outer_um
    )
    close = n_most * packing / cell_um.size
    remedy = "Lower packing_fraction, or use smaller cells"
    if (cell_um == cell_um[0]).all() and n_most >= cell_um.size:
        remedy += f", or arrangement='close_packed' (up to {close:.4g} here)"
    return GeometryError(
        f"packing_fraction={packing:.4g} ({cell_um.size} cells) cannot be reached at random in a "
        f"radius of {outer_um:g} um: {reached:.4g} was reached. {remedy}."
    )


def _require_room(planar: bool, cell_um: FloatArray, outer_um: float, packing: float) -> None:
    """Raise GeometryError if the close-packed lattice cannot hold the cells (Eqs. 5 and 6)."""
    radius_um = float(cell_um[0])
    least_um = _core.geometry.smallest_outer_radius_um(
        planar=planar, cell_radius_um=radius_um, n_cells=cell_um.size
    )
    if outer_um >= least_um * (1.0 - 1e-12):
        return
    n_most = _core.geometry.max_cells(
        planar=planar, cell_radius_um=radius_um, outer_radius_um=outer_um
    )
    raise GeometryError(
        f"packing_fraction={packing:.4g} ({cell_um.size} cells) cannot be reached: a "
        f"close-packed lattice in this radius of {outer_um:g} um holds {n_most} cells "
        f"(packing_fraction={n_most * packing / cell_um.size:.4g}). Lower packing_fraction, or "
        "use smaller cells."
    )


def colony(
    *,
    n_cells: int,
    cell_radius_um: float,
    nucleus_radius_um: float,
    packing_fraction: float,
    rng: RngLike,
    arrangement: str = "random",
    allow_unusual: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Pack equal cells into a circle on the plane z = 0, at random and without overlaps.

    Parameters
    ----------
    n_cells
        Number of cells, >= 1.
    cell_radius_um, nucleus_radius_um
        Radii in um, > 0.
    packing_fraction
        Area of the cells' cross sections over that of the colony, above 0; it sets the radius of
        the colony, inside which every cell lies wholly. Random packings reach 0.78, less with few
        cells.
    rng
        Seed of the arrangement; None draws entropy.
    arrangement
        "random", or "close_packed": a triangular lattice cut by the circle, widened to fill it,
        turned at random and loosened.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.
    progress
        Called with done, total (100) and a text while cells are packed; shares are rough. Ctrl-C,
        or what it raises, stops the call.

    Returns
    -------
    xarray.Dataset
        `cell_radius` (cell) [um], `nucleus_radius` (cell) [um], coords `x`, `y`, `z` (cell) [um];
        attrs `colony_radius_um`, `packing_fraction`, `arrangement`, `random_root`.

    Raises
    ------
    InputError
        n_cells is not a whole number >= 1.
    UnitError
        The packing fraction looks like percent, or a radius like nm.
    GeometryError
        The packing fraction cannot be reached; the message says how far it came.
    ResourceError
        More than 5e7 cells, or more than fit into memory.

    Notes
    -----
    Colony radius: Eq. 7, docs/theory/geometry.md; the steps are those of `spheroid`.

    References
    ----------
    Metropolis et al. (1953), doi:10.1063/1.1699114.

    Examples
    --------
    >>> import immunodose as imd
    >>> dish = imd.cells.colony(n_cells=50, cell_radius_um=8.0, nucleus_radius_um=5.0,
    ...                         packing_fraction=0.5, rng=1)
    >>> float(abs(dish["z"]).max())
    0.0
    """
    radii_um = checks.require_scalar_radii(
        cell_radius_um, nucleus_radius_um, allow_unusual=allow_unusual
    )
    if isinstance(n_cells, bool) or not isinstance(n_cells, (int, np.integer)) or n_cells < 1:
        raise InputError(f"invalid n_cells={n_cells!r} (allowed: a whole number >= 1).")
    require_feasible(int(n_cells))
    packing = _require_packing(packing_fraction)
    checks.require_choice("arrangement", arrangement, _ARRANGEMENTS)
    outer_um = radii_um[0] * float(np.sqrt(n_cells / packing))
    return _packed(
        True,
        np.full(int(n_cells), radii_um[0]),
        outer_um,
        packing,
        radii_um[1] / radii_um[0],
        arrangement,
        random_root(rng),
        progress,
    ).assign_attrs(geometry="colony", colony_radius_um=outer_um)
