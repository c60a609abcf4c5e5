# SPDX-License-Identifier: BSD-3-Clause
"""Per-cell variables that are alike in neighboring cells: lognormal random fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import scipy.fft

from immunodose.cells.checks import require_choice, require_number
from immunodose.cells.phenotype import per_cell_variable
from immunodose.errors import InputError
from immunodose.memory import require_memory
from immunodose.rng import RngLike, generator
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    _Float32Array: TypeAlias = npt.NDArray[np.float32]
    _Real = TypeVar("_Real", np.float32, np.float64)

_COVARIANCES = ("exponential", "gaussian")
_NODES_PER_LENGTH = 8.0  # nodes of the grid per correlation length; error: docs/theory/geometry.md
_PADDING_LENGTHS = 8.0  # of the periodic grid beyond the cells: exp(-8) = 3e-4
_BYTES_PER_NODE = 20.0  # noise, its transform and the covariance's, in single precision
_CELLS_PER_CHUNK = 200_000
_NEGATIVE_SHARE = 1e-4  # of the largest eigenvalue: rounding in single precision


def lognormal_field(
    cells: xr.Dataset,
    *,
    name: str,
    mean: float,
    coefficient_of_variation: float,
    correlation_length_um: float,
    covariance: str = "exponential",
    rng: RngLike,
) -> xr.Dataset:
    """Add a lognormal per-cell variable that is correlated in space, e.g. the antigen.

    Parameters
    ----------
    cells
        A cell population.
    name
        Name of the new variable, e.g. "antigen".
    mean
        Mean in the unit of the variable, > 0 (of the distribution, not of this sample).
    coefficient_of_variation
        Standard deviation over mean, >= 0.
    correlation_length_um
        Length l in um of the correlation of the logarithm, > 0.
    covariance
        "exponential", exp(-r / l), rough from cell to cell; or "gaussian", exp(-r**2 / (2 l**2)),
        smooth patches.
    rng
        Seed of the draw; None draws entropy. Each name has a stream of its own.

    Returns
    -------
    xarray.Dataset
        `cells` with the variable (cell); dimensionless unless the schema declares it; attrs
        `random_root_<name>`, `correlation_length_um_<name>`, `covariance_<name>`.

    Raises
    ------
    InputError
        The variable exists, or a number or the covariance is out of range.
    ResourceError
        The correlation length is so short that the grid does not fit into memory.

    Notes
    -----
    Eqs. 9 to 12, docs/theory/geometry.md: a Gaussian field by circulant embedding on a grid of an
    eighth of the correlation length, interpolated to the cells; the variance that interpolation
    takes away is given back as independent noise of each cell.

    References
    ----------
    Dietrich and Newsam (1997), doi:10.1137/S1064827592240555.

    Examples
    --------
    >>> import immunodose as imd
    >>> cells = imd.cells.lattice(shape=(4, 4, 4), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=4.0)
    >>> cells = imd.cells.lognormal_field(cells, name="antigen", mean=1.0,
    ...     coefficient_of_variation=0.5, correlation_length_um=40.0, rng=1)
    >>> bool((cells["antigen"] > 0.0).all())
    True
    """
    if name in cells.variables:
        raise InputError(f"cells already have a variable {name!r}. Drop it or use another name.")
    mean = require_number("mean", mean)
    variation = require_number("coefficient_of_variation", coefficient_of_variation, zero=True)
    length_um = require_number("correlation_length_um", correlation_length_um)
    require_choice("covariance", covariance, _COVARIANCES)
    draw, root = generator(rng, purpose=f"lognormal_field:{name}")
    centers_um = np.stack([cells[axis].values.astype(np.float64) for axis in "xyz"], axis=1)
    score = _gaussian_field(centers_um / length_um, covariance, draw)
    variance_ln = math.log1p(variation**2)
    values = mean * np.exp(math.sqrt(variance_ln) * score - 0.5 * variance_ln)
    attrs: dict[str, Any] = {
        f"random_root_{name}": root,
        f"correlation_length_um_{name}": length_um,
        f"covariance_{name}": covariance,
    }
    return cells.assign({name: per_cell_variable(name, values)}).assign_attrs(attrs)


def _correlation(covariance: str, square: npt.NDArray[_Real]) -> npt.NDArray[_Real]:
    """Correlation at squared distances in units of the correlation length (Eq. 9)."""
    exponent = -np.sqrt(square) if covariance == "exponential" else -0.5 * square
    values: npt.NDArray[_Real] = np.exp(exponent)
    return values


def _gaussian_field(points: FloatArray, covariance: str, draw: np.random.Generator) -> FloatArray:
    """Standard normal field at points (cell, 3) in units of the correlation length."""
    low = points.min(axis=0)
    spacing = 1.0 / _NODES_PER_LENGTH
    extent = np.ptp(points, axis=0)
    shape = [
        scipy.fft.next_fast_len(math.ceil((side + _PADDING_LENGTHS) / spacing) + 2, real=True)
        for side in extent
    ]
    require_memory(
        math.prod(shape) * _BYTES_PER_NODE * 1e-6,
        what=f"the grid of the random field ({' x '.join(map(str, shape))} nodes)",
        remedy="Give a longer correlation_length_um; where it is much shorter than a cell, "
        "immunodose.cells.lognormal draws independent values.",
    )
    nodes = _periodic_field(shape, spacing, covariance, draw)
    return _interpolated(nodes, (points - low) / spacing, spacing, covariance, draw)


def _periodic_field(
    shape: list[int], spacing: float, covariance: str, draw: np.random.Generator
) -> _Float32Array:
    """Normal field on the nodes of a periodic grid, by circulant embedding (Eq. 10)."""
    workers = resolve_threads(None)
    eigenvalue = scipy.fft.rfftn(
        _periodic_covariance(shape, spacing, covariance), workers=workers
    ).real
    least = float(eigenvalue.min())
    if least < -_NEGATIVE_SHARE * float(eigenvalue.max()):
        raise InputError(f"the covariance {covariance!r} cannot be embedded in the grid.")
    # What is left below 0 is rounding: the periodic sum of a covariance has none.
    np.sqrt(np.maximum(eigenvalue, 0.0, out=eigenvalue), out=eigenvalue)
    noise = scipy.fft.rfftn(draw.standard_normal(shape, dtype=np.float32), workers=workers)
    noise *= eigenvalue
    field: _Float32Array = scipy.fft.irfftn(noise, s=shape, workers=workers, overwrite_x=True)
    return field


def _periodic_covariance(shape: list[int], spacing: float, covariance: str) -> _Float32Array:
    """Covariance at the nodes, summed over the nearest periodic images, from one octant."""
    axes = [np.arange(n // 2 + 1) * spacing for n in shape]
    octant = np.zeros([axis.size for axis in axes], dtype=np.float32)
    for image in np.ndindex(2, 2, 2):
        x2, y2, z2 = (
            ((axis - n * spacing * k) ** 2).astype(np.float32)
            for axis, n, k in zip(axes, shape, image, strict=True)
        )
        plane = y2[:, None] + z2[None, :]
        for i, square in enumerate(x2):
            octant[i] += _correlation(covariance, plane + square)
    octant /= octant[0, 0, 0]
    mirrored = [np.minimum(np.arange(n), n - np.arange(n)) for n in shape]
    return octant[np.ix_(*mirrored)]


def _interpolated(
    nodes: _Float32Array,
    place: FloatArray,
    spacing: float,
    covariance: str,
    draw: np.random.Generator,
) -> FloatArray:
    """Trilinear interpolation with the variance restored (Eqs. 11 and 12), in chunks of cells."""
    corners = np.array(list(np.ndindex(2, 2, 2)))
    square = spacing**2 * ((corners[:, None, :] - corners[None, :, :]) ** 2).sum(axis=2)
    between = _correlation(covariance, square.astype(np.float64))
    values = draw.standard_normal(len(place))
    for begin in range(0, len(place), _CELLS_PER_CHUNK):
        chunk = slice(begin, begin + _CELLS_PER_CHUNK)
        corner = np.floor(place[chunk]).astype(np.int64)
        part = (place[chunk] - corner)[:, None, :]
        weight = np.where(corners == 1, part, 1.0 - part).prod(axis=2)
        at = corner[:, None, :] + corners
        field = (weight * nodes[at[..., 0], at[..., 1], at[..., 2]]).sum(axis=1)
        variance = ((weight @ between) * weight).sum(axis=1)
        # At a node nothing is missing, up to rounding.
        values[chunk] = field + np.sqrt(np.maximum(1.0 - variance, 0.0)) * values[chunk]
    return values
