# SPDX-License-Identifier: BSD-3-Clause
"""Assertions on Datasets of immunodose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunodose import schema

if TYPE_CHECKING:
    import xarray as xr

_PROVENANCE = ("immunodose_version", "schema_version")
_CHANGING = ("created_at",)


def assert_schema(dataset: xr.Dataset) -> None:
    """Assert that all numeric variables carry units and meaning, as the schema declares them.

    Parameters
    ----------
    dataset
        Any Dataset that a public function returned.

    Raises
    ------
    AssertionError
        Names the first variable or attribute at fault.

    Examples
    --------
    >>> import immunodose as imd
    >>> assert_schema(imd.cells.lattice(shape=(1, 1, 2), spacing_um=12.0, cell_radius_um=5.0,
    ...                                 nucleus_radius_um=3.0))
    """
    missing = [name for name in _PROVENANCE if name not in dataset.attrs]
    assert not missing, f"attributes {missing} are missing"
    for name, variable in dataset.variables.items():
        declared = schema.VARIABLES.get(str(name))
        if declared is not None and name not in dataset.dims and name in dataset.data_vars:
            extra = [dim for dim in variable.dims if dim not in declared.dims]
            assert not extra, f"{name!r} has dims {extra} that the schema does not declare"
        if variable.dtype.kind not in "fiu" or (declared is None and name in dataset.coords):
            continue
        for attribute in ("units", "long_name"):
            assert variable.attrs.get(attribute), f"{name!r} has no {attribute}"
        if declared is not None:
            units = variable.attrs["units"]
            stated = declared.units_of(variable.dims)
            assert units == stated, f"{name!r} has units {units!r}, not {stated!r}"


def assert_same_bits(first: xr.Dataset | npt.ArrayLike, second: xr.Dataset | npt.ArrayLike) -> None:
    """Assert that two Datasets (or arrays) are equal bit for bit, attributes included.

    Parameters
    ----------
    first, second
        Two Datasets, or two arrays. NaNs of the same bits are equal, 0.0 and -0.0 are not; only
        the attribute `created_at` may differ.

    Raises
    ------
    AssertionError
        Names the first variable or attribute that differs, how many values do, and by how much.

    Examples
    --------
    >>> assert_same_bits([0.1 + 0.2], [0.30000000000000004])
    """
    import xarray as xr

    if not (isinstance(first, xr.Dataset) and isinstance(second, xr.Dataset)):
        _assert_same_array("array", np.asarray(first), np.asarray(second))
        return
    assert set(first.variables) == set(second.variables), (
        f"variables differ: {set(first.variables) ^ set(second.variables)}"
    )
    for name in first.variables:
        assert first[name].dims == second[name].dims, f"dims of {name!r} differ"
        _assert_same_array(str(name), first[name].values, second[name].values)
        assert first[name].attrs == second[name].attrs, f"attributes of {name!r} differ"
    for name in {*first.attrs, *second.attrs}.difference(_CHANGING):
        one, other = np.asarray(first.attrs.get(name)), np.asarray(second.attrs.get(name))
        assert np.array_equal(one, other), f"attribute {name!r} differs: {one}, {other}"


def _assert_same_array(
    name: str, first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]
) -> None:
    assert first.dtype == second.dtype, f"{name!r}: dtypes {first.dtype}, {second.dtype}"
    assert first.shape == second.shape, f"{name!r}: shapes {first.shape}, {second.shape}"
    if first.dtype.kind == "O":
        assert first.tolist() == second.tolist(), f"{name!r} differs"
        return
    if first.tobytes() == second.tobytes():
        return
    # Signed zeros compare equal as numbers, so compare the bytes of each value.
    size = first.dtype.itemsize
    raw = [np.frombuffer(a.tobytes(), np.uint8).reshape(-1, size) for a in (first, second)]
    bad = np.flatnonzero((raw[0] != raw[1]).any(axis=1))
    one, other = first.ravel()[bad[0]], second.ravel()[bad[0]]
    raise AssertionError(
        f"{name!r} differs in {bad.size} of {first.size} values, first at flat index {bad[0]}: "
        f"{one!r} and {other!r}"
    )
