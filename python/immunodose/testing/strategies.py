# SPDX-License-Identifier: BSD-3-Clause
"""Hypothesis strategies for small valid scenes; all shrink to one small cell at the origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immunodose import cells
from immunodose.errors import InputError

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "immunodose.testing.strategies needs the package hypothesis. Run: pip install hypothesis."
    ) from error

if TYPE_CHECKING:
    import xarray as xr

_SLOTS_PER_AXIS = 4  # 64 slots for up to 40 cells
_MAX_CELLS = 40


def radii(*, min_um: float = 2.0, max_um: float = 12.0) -> st.SearchStrategy[tuple[float, float]]:
    """Strategy for `(cell_radius_um, nucleus_radius_um)` of one cell.

    Parameters
    ----------
    min_um, max_um
        Bounds of the cell radius in um; the nucleus has 30 to 100 % of it.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Strategy of pairs of floats in um.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(radii(), lambda pair: True)
    (2.0, 2.0)
    """

    def pair(cell_radius_um: float, share: float) -> tuple[float, float]:
        return cell_radius_um, min(cell_radius_um, cell_radius_um * share)

    return st.builds(pair, st.floats(min_um, max_um), st.floats(0.3, 1.0))


@st.composite
def small_populations(
    draw: st.DrawFn,
    *,
    min_cells: int = 1,
    max_cells: int = _MAX_CELLS,
    min_radius_um: float = 2.0,
    max_radius_um: float = 12.0,
    equal: bool = False,
) -> xr.Dataset:
    """Strategy for populations of cells of mixed radii that do not overlap but may touch.

    Parameters
    ----------
    min_cells, max_cells
        Number of cells, 1 to 40.
    min_radius_um, max_radius_um
        Bounds of the cell radii in um.
    equal
        Whether all cells have the same radii.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        Strategy of Datasets as `immunodose.cells.from_arrays` returns them.

    Notes
    -----
    Each cell lies anywhere in a cube of its own, so none is rejected and all shrink.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(small_populations(), lambda scene: True).sizes["cell"]
    1
    """
    if not 1 <= min_cells <= max_cells <= _MAX_CELLS:
        raise InputError(f"need 1 <= min_cells <= max_cells <= {_MAX_CELLS}.")
    slots = draw(
        st.lists(
            st.integers(0, _SLOTS_PER_AXIS**3 - 1),
            min_size=min_cells,
            max_size=max_cells,
            unique=True,
        )
    )
    n_cells = len(slots)
    one = radii(min_um=min_radius_um, max_um=max_radius_um)
    pairs = [draw(one)] * n_cells if equal else [draw(one) for _ in slots]
    cell_radius_um, nucleus_radius_um = np.array(pairs).T
    shift = st.tuples(*[st.floats(0.0, 1.0)] * 3)
    shifts = np.array([draw(shift) for _ in slots])
    edge_um = 2.0 * cell_radius_um.max()
    corner_um = edge_um * np.array(np.unravel_index(slots, (_SLOTS_PER_AXIS,) * 3)).T
    centers_um = corner_um + shifts * (edge_um - 2.0 * cell_radius_um)[:, np.newaxis]
    centers_um += (cell_radius_um - cell_radius_um[0])[:, np.newaxis]
    return cells.from_arrays(
        x_um=centers_um[:, 0],
        y_um=centers_um[:, 1],
        z_um=centers_um[:, 2],
        cell_radius_um=cell_radius_um,
        nucleus_radius_um=nucleus_radius_um,
        allow_unusual=True,
    )
