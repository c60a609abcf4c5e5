# SPDX-License-Identifier: BSD-3-Clause
"""Builders of equal cells: lattices, spheroids, colonies."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.cells import checks
from immunodose.cells.arrays import make_population
from immunodose.errors import GeometryError, InputError, ResourceError, UnitError
from immunodose.rng import RngLike, random_root
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

# Sweeps after which no lattice order is left
# (tests/unit/test_cells.py::test_thin_spheroid_forgets_the_lattice).
_N_SWEEPS = 40


_MAX_CELLS = 50_000_000  # some 10 GB while packing; more is a radius in the wrong unit


def _require_feasible(n_cells: int) -> None:
    if n_cells > _MAX_CELLS:
        raise ResourceError(
            f"{n_cells:.4g} cells asked for (allowed: up to {_MAX_CELLS:g}, some 10 GB). "
            "Is a radius in another unit than um?"
        )


def _equal_population(
    centers_um: tuple[FloatArray, FloatArray, FloatArray],
    radii_um: tuple[float, float],
    **attrs: Any,
) -> xr.Dataset:
    n_cells = centers_um[0].size
    cell_radius_um, nucleus_radius_um = (np.full(n_cells, radius) for radius in radii_um)
    checks.require_no_overlap(*centers_um, cell_radius_um)
    return make_population(*centers_um, cell_radius_um, nucleus_radius_um, {}, **attrs)


def _require_kind(kind: str) -> None:
    kinds = ("cubic", "hcp")
    if kind not in kinds:
        close = difflib.get_close_matches(str(kind), kinds, n=1, cutoff=0.3)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(f"unknown lattice kind={kind!r} (allowed: 'cubic', 'hcp').{hint}")


def _lattice_sites(kind: str, shape: tuple[int, int, int]) -> tuple[FloatArray, ...]:
    """Sites in units of the nearest-neighbor distance, centered on the origin."""
    i, j, k = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in shape), indexing="ij")
    if kind == "cubic":
        sites = (i, j, k)
    else:  # layers ABAB... of a triangular lattice
        sites = (
            i + 0.5 * ((j + k) % 2),
            np.sqrt(3.0) / 2.0 * (j + (k % 2) / 3.0),
            np.sqrt(6.0) / 3.0 * k,
        )
    return tuple((s - 0.5 * (s.min() + s.max())).ravel() for s in sites)


def lattice(
    *,
    shape: Sequence[int],
    spacing_um: float,
    kind: str = "cubic",
    cell_radius_um: float,
    nucleus_radius_um: float,
    allow_unusual: bool = False,
) -> xr.Dataset:
    """Make equal cells on a regular lattice centered on the origin.

    Parameters
    ----------
    shape
        Cells along x, y, z, each >= 1; z is the fastest index of the cell number.
    spacing_um
        Distance of nearest neighbors in um, at least twice the cell radius.
    kind
        "cubic" (simple cubic) or "hcp" (hexagonal close packed).
    cell_radius_um, nucleus_radius_um
        Radii in um, > 0.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.

    Returns
    -------
    xarray.Dataset
        `cell_radius` (cell) [um], `nucleus_radius` (cell) [um], coords `x`, `y`, `z` (cell) [um].

    Raises
    ------
    InputError
        Unknown kind, or a shape that is not three positive whole numbers.
    GeometryError
        The spacing lets cells overlap.

    Examples
    --------
    >>> import immunodose as imd
    >>> imd.cells.lattice(shape=(3, 3, 3), spacing_um=12.0, kind="hcp", cell_radius_um=6.0,
    ...                   nucleus_radius_um=4.0).sizes["cell"]
    27
    """
    _require_kind(kind)
    radii_um = checks.require_scalar_radii(
        cell_radius_um, nucleus_radius_um, allow_unusual=allow_unusual
    )
    counts = np.asarray(shape)
    if counts.shape != (3,) or counts.dtype.kind not in "iu" or (counts < 1).any():
        raise InputError(f"invalid shape={shape!r} (allowed: three whole numbers >= 1).")
    spacing = _require_positive("spacing_um", spacing_um)
    if spacing < 2.0 * radii_um[0] * (1.0 - checks.OVERLAP_TOLERANCE):
        raise GeometryError(
            f"spacing_um={spacing:g} lets cells of cell_radius_um={radii_um[0]:g} overlap (least "
            f"spacing: {2.0 * radii_um[0]:g} um). Widen the spacing or make the cells smaller."
        )
    n_x, n_y, n_z = (int(n) for n in counts)
    x, y, z = (spacing * axis for axis in _lattice_sites(kind, (n_x, n_y, n_z)))
    return _equal_population(
        (x, y, z), radii_um, geometry=f"lattice_{kind}", lattice_spacing_um=spacing
    )


def _require_positive(name: str, value: float) -> float:
    array = checks.as_numbers(name, value)
    if array.ndim != 0 or not np.isfinite(array) or array <= 0.0:
        raise InputError(f"invalid {name}={value!r} (allowed: one finite number > 0).")
    return float(array)


def _require_packing(packing_fraction: float) -> float:
    value = _require_positive("packing_fraction", packing_fraction)
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
    allow_unusual: bool = False,
) -> xr.Dataset:
    """Pack equal cells at random into a ball around the origin, without overlaps.

    Parameters
    ----------
    radius_um
        Radius of the spheroid in um; every cell lies wholly inside.
    cell_radius_um, nucleus_radius_um
        Radii in um, > 0.
    packing_fraction
        Volume of the cells over that of the spheroid, above 0; the reachable maximum is that of a
        close-packed lattice cut to the spheroid (about 0.6 to 0.7).
    rng
        Seed of the arrangement; None draws entropy.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.

    Returns
    -------
    xarray.Dataset
        `cell_radius` (cell) [um], `nucleus_radius` (cell) [um], coords `x`, `y`, `z` (cell) [um];
        attrs `spheroid_radius_um`, `packing_fraction` (as built), `random_root`.

    Raises
    ------
    InputError
        The packing fraction holds no cell.
    UnitError
        The packing fraction looks like percent, or a radius like nm.
    GeometryError
        The packing fraction exceeds the reachable maximum.

    Notes
    -----
    The number of cells is the whole number nearest to the packing fraction (Eq. 2,
    docs/theory/geometry.md). The widest face-centered cubic lattice that holds them is melted by
    hard-sphere Monte Carlo moves, so the arrangement is disordered up to a packing of 0.52;
    above 0.55 it keeps the order of the lattice. As in any fluid, cells layer against the wall: the
    density is uniform only a few cell radii away from it.

    References
    ----------
    Metropolis et al. (1953), doi:10.1063/1.1699114.

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
    outer_um = _require_positive("radius_um", radius_um)
    packing = _require_packing(packing_fraction)
    if outer_um < radii_um[0]:
        raise GeometryError(
            f"cell_radius_um={radii_um[0]:g} exceeds radius_um={outer_um:g} of the spheroid."
        )
    cells_at_one = (outer_um / radii_um[0]) ** 3
    n_cells = round(packing * cells_at_one)
    if n_cells < 1:
        raise InputError(
            f"packing_fraction={packing:g} of a spheroid of radius_um={outer_um:g} is less than "
            f"half a cell of cell_radius_um={radii_um[0]:g} (one cell: {1.0 / cells_at_one:.3g})."
        )
    _require_feasible(n_cells)
    _require_room(False, radii_um[0], outer_um, n_cells, 1.0 / cells_at_one)
    root = random_root(rng)
    centers_um = _core.geometry.pack_cells(
        planar=False,
        cell_radius_um=radii_um[0],
        outer_radius_um=outer_um,
        n_cells=n_cells,
        n_sweeps=_N_SWEEPS,
        random_root=root,
    )
    return _equal_population(
        centers_um,
        radii_um,
        geometry="spheroid",
        spheroid_radius_um=outer_um,
        packing_fraction=n_cells / cells_at_one,
        random_root=root,
    )


def _require_room(
    planar: bool, cell_radius_um: float, outer_um: float, n_cells: int, share: float
) -> None:
    """Raise GeometryError if the close-packed lattice cannot hold the cells; `share` is one's."""
    least_um = _core.geometry.smallest_outer_radius_um(
        planar=planar, cell_radius_um=cell_radius_um, n_cells=n_cells
    )
    if outer_um >= least_um * (1.0 - 1e-12):
        return
    n_most = _core.geometry.max_cells(
        planar=planar, cell_radius_um=cell_radius_um, outer_radius_um=outer_um
    )
    raise GeometryError(
        f"packing_fraction={n_cells * share:.4g} ({n_cells} cells) cannot be reached: a "
        f"close-packed lattice in this radius of {outer_um:g} um holds {n_most} cells "
        f"(packing_fraction={n_most * share:.4g}). Lower packing_fraction, or use smaller cells."
    )


def colony(
    *,
    n_cells: int,
    cell_radius_um: float,
    nucleus_radius_um: float,
    packing_fraction: float,
    rng: RngLike,
    allow_unusual: bool = False,
) -> xr.Dataset:
    """Pack equal cells at random into a circle on the plane z = 0, without overlaps.

    Parameters
    ----------
    n_cells
        Number of cells, >= 1.
    cell_radius_um, nucleus_radius_um
        Radii in um, > 0.
    packing_fraction
        Area of the cells' cross sections over that of the colony, above 0; it sets the radius of
        the colony, inside which every cell lies wholly.
    rng
        Seed of the arrangement; None draws entropy.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.

    Returns
    -------
    xarray.Dataset
        `cell_radius` (cell) [um], `nucleus_radius` (cell) [um], coords `x`, `y`, `z` (cell) [um];
        attrs `colony_radius_um`, `packing_fraction`, `random_root`.

    Raises
    ------
    InputError
        n_cells is not a whole number >= 1.
    UnitError
        The packing fraction looks like percent, or a radius like nm.
    GeometryError
        The packing fraction exceeds the reachable maximum of a triangular lattice.

    Notes
    -----
    Colony radius: Eq. 5, docs/theory/geometry.md. The arrangement is disordered up to an areal
    packing of 0.78; denser ones keep the order of the triangular lattice.

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
    _require_feasible(int(n_cells))
    packing = _require_packing(packing_fraction)
    outer_um = radii_um[0] * float(np.sqrt(n_cells / packing))
    least_um = _core.geometry.smallest_outer_radius_um(
        planar=True, cell_radius_um=radii_um[0], n_cells=int(n_cells)
    )
    if outer_um < least_um * (1.0 - 1e-12):
        reachable = n_cells * (radii_um[0] / least_um) ** 2
        raise GeometryError(
            f"packing_fraction={packing:g} cannot be reached by {n_cells} cells: close packed, "
            f"they reach {reachable:.4g}. Lower packing_fraction."
        )
    root = random_root(rng)
    centers_um = _core.geometry.pack_cells(
        planar=True,
        cell_radius_um=radii_um[0],
        outer_radius_um=outer_um,
        n_cells=int(n_cells),
        n_sweeps=_N_SWEEPS,
        random_root=root,
    )
    return _equal_population(
        centers_um,
        radii_um,
        geometry="colony",
        colony_radius_um=outer_um,
        packing_fraction=packing,
        random_root=root,
    )
