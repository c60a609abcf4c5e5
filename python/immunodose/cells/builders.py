# SPDX-License-Identifier: BSD-3-Clause
"""Equal cells on a lattice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from immunodose.cells import checks
from immunodose.cells.arrays import make_population
from immunodose.errors import GeometryError, InputError, ResourceError
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

_MAX_CELLS = 50_000_000  # some 15 GB while packing; more is a radius in the wrong unit


def require_feasible(n_cells: float) -> None:
    """Raise ResourceError for more cells than any machine here is meant to hold."""
    if n_cells > _MAX_CELLS:
        raise ResourceError(
            f"{n_cells:.4g} cells asked for (allowed: up to {_MAX_CELLS:g}, some 15 GB). "
            "Is a radius in another unit than um?"
        )


def _lattice_sites(kind: str, shape: tuple[int, int, int]) -> tuple[FloatArray, ...]:
    """Sites in units of the nearest-neighbor distance, centered on the origin."""
    i, j, k = np.meshgrid(
        *(np.arange(n, dtype=np.float64) for n in shape), indexing="ij", sparse=True
    )
    if kind == "cubic":
        sites = (i, j, k)
    else:  # layers ABAB... of a triangular lattice
        sites = (
            i + 0.5 * ((j + k) % 2),
            np.sqrt(3.0) / 2.0 * (j + (k % 2) / 3.0),
            np.sqrt(6.0) / 3.0 * k,
        )
    return tuple(np.broadcast_to(s - 0.5 * (s.min() + s.max()), shape).ravel() for s in sites)


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
    checks.require_choice("kind", kind, ("cubic", "hcp"), "lattice ")
    radii_um = checks.require_scalar_radii(
        cell_radius_um, nucleus_radius_um, allow_unusual=allow_unusual
    )
    counts = np.asarray(shape)
    if counts.shape != (3,) or counts.dtype.kind not in "iu" or (counts < 1).any():
        raise InputError(f"invalid shape={shape!r} (allowed: three whole numbers >= 1).")
    require_feasible(float(np.prod(counts.astype(np.float64))))
    spacing = checks.require_number("spacing_um", spacing_um)
    if spacing < 2.0 * radii_um[0] * (1.0 - checks.OVERLAP_TOLERANCE):
        raise GeometryError(
            f"spacing_um={spacing:g} lets cells of cell_radius_um={radii_um[0]:g} overlap (least "
            f"spacing: {2.0 * radii_um[0]:g} um). Widen the spacing or make the cells smaller."
        )
    n_x, n_y, n_z = (int(n) for n in counts)
    x, y, z = (spacing * axis for axis in _lattice_sites(kind, (n_x, n_y, n_z)))
    cell_radius_um_all, nucleus_radius_um_all = (np.full(x.size, r) for r in radii_um)
    checks.require_no_overlap(x, y, z, cell_radius_um_all)
    return make_population(
        x,
        y,
        z,
        cell_radius_um_all,
        nucleus_radius_um_all,
        {},
        geometry=f"lattice_{kind}",
        lattice_spacing_um=spacing,
    )
