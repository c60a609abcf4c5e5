# SPDX-License-Identifier: BSD-3-Clause
"""Give the cells of a population types and varying properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immunodose import schema
from immunodose.cells import checks
from immunodose.errors import GeometryError, InputError
from immunodose.rng import RngLike, generator
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

TUMOR = "tumor"


def per_cell_variable(name: str, values: FloatArray) -> xr.Variable | xr.DataArray:
    """Label values (cell); a name that the schema does not declare is dimensionless."""
    import xarray as xr

    if name in schema.VARIABLES:
        return schema.data_array(name, ("cell",), values)
    return xr.Variable(("cell",), values, {"units": "1", "long_name": name})


def with_cell_type(
    cells: xr.Dataset,
    *,
    cell_type: str,
    fraction: float,
    cell_radius_um: float,
    nucleus_radius_um: float,
    rng: RngLike,
    allow_unusual: bool = False,
) -> xr.Dataset:
    """Turn a random fraction of the cells into another type, e.g. infiltrating T cells.

    Parameters
    ----------
    cells
        A cell population without activity and doses.
    cell_type
        The new type, e.g. "cd8_t_cell".
    fraction
        Share of all cells to turn, in [0, 1]; the nearest whole number of them. Only cells of
        type "tumor" (or of no type yet) are turned.
    cell_radius_um, nucleus_radius_um
        Radii of the new type in um, not larger than those of any cell that they may replace.
    rng
        Seed of the choice; None draws entropy.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.

    Returns
    -------
    xarray.Dataset
        `cells` with `cell_type` (cell) for all ("tumor" where none was given) and the changed
        `cell_radius`, `nucleus_radius` (cell) [um]; attr `random_root_<cell_type>`.

    Raises
    ------
    InputError
        A fraction outside [0, 1] or larger than the share of tumor cells; activity or doses
        that belong to the old radii.
    GeometryError
        The new cell or nucleus is larger than the old cell.

    Examples
    --------
    >>> import immunodose as imd
    >>> tumor = imd.cells.lattice(shape=(10, 10, 1), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=4.0)
    >>> tumor = imd.cells.with_cell_type(tumor, cell_type="cd8_t_cell", fraction=0.1,
    ...                                  cell_radius_um=4.0, nucleus_radius_um=3.0, rng=1)
    >>> int((tumor["cell_type"] == "cd8_t_cell").sum())
    10
    """
    checks.check(cells)
    checks.require_unlabeled(cells, "Set cell types")
    if not isinstance(cell_type, str) or not cell_type:
        raise InputError(f"invalid cell_type={cell_type!r} (allowed: a non-empty str).")
    if not 0.0 <= fraction <= 1.0:
        raise InputError(f"invalid fraction={fraction!r} (allowed: 0 to 1, not percent).")
    new_cell_um, new_nucleus_um = checks.require_scalar_radii(
        cell_radius_um, nucleus_radius_um, allow_unusual=allow_unusual
    )
    n_cells = cells.sizes["cell"]
    types = (
        cells["cell_type"].values.astype(object)
        if "cell_type" in cells
        else np.full(n_cells, TUMOR, dtype=object)
    )
    candidates = np.flatnonzero(types == TUMOR)
    n_new = round(fraction * n_cells)
    if n_new > candidates.size:
        raise InputError(
            f"fraction={fraction:g} asks for {n_new} cells, but only {candidates.size} of "
            f"{n_cells} are of type {TUMOR!r}."
        )
    old_um = cells["cell_radius"].values
    too_small = candidates[old_um[candidates] < new_cell_um]
    if n_new > 0 and too_small.size > 0:
        first = int(too_small[0])
        raise GeometryError(
            f"cell_radius_um={new_cell_um:g} of {cell_type!r} exceeds that of {too_small.size} "
            f"cells it may replace (cell {first}: {old_um[first]:g} um), so it could overlap."
        )
    draw, root = generator(rng, purpose=f"cell_type:{cell_type}")
    chosen = draw.choice(candidates, size=n_new, replace=False)
    types[chosen] = cell_type
    radii = {"cell_radius": new_cell_um, "nucleus_radius": new_nucleus_um}
    changed = {"cell_type": schema.data_array("cell_type", ("cell",), types.astype(str))}
    for name, value in radii.items():
        values = cells[name].values.astype(np.float64)
        values[chosen] = value
        changed[name] = schema.data_array(name, ("cell",), values)
    return cells.assign(changed).assign_attrs({f"random_root_{cell_type}": root})


def lognormal(
    cells: xr.Dataset, *, name: str, median: float, sd_ln: float, rng: RngLike
) -> xr.Dataset:
    """Add a per-cell variable drawn from a lognormal distribution, e.g. the antigen.

    Parameters
    ----------
    cells
        A cell population.
    name
        Name of the new variable, e.g. "antigen" or "mhc1_baseline".
    median
        Median in the unit of the variable, > 0; the mean is `median * exp(sd_ln**2 / 2)`.
    sd_ln
        Standard deviation of the natural logarithm, >= 0.
    rng
        Seed of the draw; None draws entropy. Each name has a stream of its own.

    Returns
    -------
    xarray.Dataset
        `cells` with the variable (cell); dimensionless unless the schema declares it; attr
        `random_root_<name>`.

    Raises
    ------
    InputError
        The variable exists, or median or sd_ln is out of range.

    Examples
    --------
    >>> import immunodose as imd
    >>> cells = imd.cells.lattice(shape=(2, 2, 1), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=4.0)
    >>> imd.cells.lognormal(cells, name="antigen", median=1.0, sd_ln=0.5, rng=1)["antigen"].dims
    ('cell',)
    """
    if name in cells.variables:
        raise InputError(f"cells already have a variable {name!r}. Drop it or use another name.")
    for label, value, low_ok in (("median", median, False), ("sd_ln", sd_ln, True)):
        if not np.isfinite(value) or value < 0.0 or (value == 0.0 and not low_ok):
            allowed = ">= 0" if low_ok else "> 0"
            raise InputError(f"invalid {label}={value!r} (allowed: finite and {allowed}).")
    draw, root = generator(rng, purpose=f"lognormal:{name}")
    values = median * np.exp(sd_ln * draw.standard_normal(cells.sizes["cell"]))
    return cells.assign({name: per_cell_variable(name, values)}).assign_attrs(
        {f"random_root_{name}": root}
    )
