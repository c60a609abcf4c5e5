# SPDX-License-Identifier: BSD-3-Clause
"""Cell populations from files and other packages."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.cells.arrays import from_arrays
from immunodose.errors import FileError, InputError, UnitError
from immunodose.typing import FloatLike

if TYPE_CHECKING:
    import xarray as xr

_REQUIRED = ("x_um", "y_um", "z_um", "cell_radius_um", "nucleus_radius_um")
_TEXT = ("cell_type",)
# Only suffixes that cannot end an ordinary word: `_s` or `_d` could.
_UNIT_SUFFIXES = {"_um": "um", "_um3": "um3", "_Gy": "Gy", "_Bq": "Bq", "_keV": "keV"}


def _read_rows(path: str | os.PathLike[str]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and `(line number, fields)` of each non-empty row."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise FileError(f"cannot read {os.fspath(path)!r}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{os.fspath(path)!r} is no UTF-8 CSV file: {error}.") from error
    return header, rows


def _require_header(header: list[str], path: str) -> None:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise InputError(f"{path!r}: the columns are not separated by commas. Save it as CSV.")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InputError(f"{path!r}: column {repeated[0]!r} stands there more than once.")
    for name in _REQUIRED:
        if name in header:
            continue
        stem = name.removesuffix("_um")
        other = [given for given in header if given == stem or given.startswith(stem + "_")]
        if other:
            raise UnitError(
                f"{path!r}: column {name!r} is missing but {other[0]!r} is there. Lengths must be "
                "in um: convert the column and name it with its unit."
            )
        raise InputError(f"{path!r}: column {name!r} is missing (found: {', '.join(header)}).")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _column(name: str, fields: list[str], lines: list[int], path: str) -> Any:
    """Parse one column: text if it is declared so or no field is a number, else numbers."""
    if name in _TEXT or (name not in _REQUIRED and not any(map(_is_number, fields))):
        for field, line in zip(fields, lines, strict=True):
            if not field:
                raise InputError(f"{path!r}, line {line}, column {name!r}: the field is empty.")
        return np.array(fields)
    values = np.empty(len(fields))
    for i, (field, line) in enumerate(zip(fields, lines, strict=True)):
        if not _is_number(field) or not math.isfinite(float(field)):
            raise InputError(
                f"{path!r}, line {line}, column {name!r}: {field!r} is no finite number."
            )
        values[i] = float(field)
    units = [unit for suffix, unit in _UNIT_SUFFIXES.items() if name.endswith(suffix)]
    return (values, units[0]) if units and name not in _REQUIRED else values


def from_csv(path: str | os.PathLike[str], *, allow_unusual: bool = False) -> xr.Dataset:
    """Read a cell population from a CSV file.

    Parameters
    ----------
    path
        UTF-8 file, comma separated, one header line. Columns `x_um`, `y_um`, `z_um`,
        `cell_radius_um`, `nucleus_radius_um`; each further column becomes a per-cell variable of
        its name (text if none of its fields is a number).
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.

    Returns
    -------
    xarray.Dataset
        As `from_arrays`. A further column ending in `_um`, `_um3`, `_Gy`, `_Bq` or `_keV` gets
        that unit, any other that the schema does not declare is dimensionless.

    Raises
    ------
    FileError
        The file is absent or no text.
    InputError
        A column is missing or a field is no number; the message names line and column.
    UnitError
        A length column is in another unit than um.

    Examples
    --------
    >>> import tempfile, pathlib, immunodose as imd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "cells.csv"
    ...     _ = path.write_text("x_um,y_um,z_um,cell_radius_um,nucleus_radius_um\\n0,0,0,6,4\\n")
    ...     imd.cells.from_csv(path).sizes["cell"]
    1
    """
    name = os.fspath(path)
    header, rows = _read_rows(path)
    if not header:
        raise InputError(f"{name!r} is empty. The first line must name the columns.")
    _require_header(header, name)
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"{name!r}, line {line}: {len(row)} fields, but the header has {len(header)}."
            )
    lines = [line for line, _ in rows]
    columns = {
        title: _column(title, [row[i].strip() for _, row in rows], lines, name)
        for i, title in enumerate(header)
    }
    return from_arrays(**columns, allow_unusual=allow_unusual).assign_attrs(geometry="csv")


def from_anndata(
    adata: Any,
    *,
    um_per_unit: float,
    cell_radius_um: FloatLike,
    nucleus_radius_um: FloatLike,
    spatial_key: str = "spatial",
    per_cell: Mapping[str, str] | None = None,
    allow_unusual: bool = False,
) -> xr.Dataset:
    """Take a cell population from an AnnData object of spatial data.

    Parameters
    ----------
    adata
        AnnData with centers in `adata.obsm[spatial_key]`, shape (cells, 2 or 3); two columns
        lie on the plane z = 0.
    um_per_unit
        Length of one coordinate unit in um (e.g. of a pixel), > 0.
    cell_radius_um, nucleus_radius_um
        Radii in um, one number for all or one per cell.
    spatial_key
        Key of the centers in `adata.obsm`.
    per_cell
        Names of new per-cell variables and the columns of `adata.obs` to take them from, e.g.
        `{"antigen": "TYRP1"}`.
    allow_unusual
        Whether radii outside 0.5 to 100 um pass.

    Returns
    -------
    xarray.Dataset
        As `from_arrays`.

    Raises
    ------
    InputError
        The object has no such centers or columns.

    Notes
    -----
    Needs no package beyond the one that made `adata` (extra `cells`).

    Examples
    --------
    >>> import types, numpy as np, immunodose as imd
    >>> slide = types.SimpleNamespace(obsm={"spatial": np.array([[0.0, 0.0], [40.0, 0.0]])}, obs={})
    >>> cells = imd.cells.from_anndata(slide, um_per_unit=0.5, cell_radius_um=6.0,
    ...                                nucleus_radius_um=4.0)
    >>> cells["x"].values.tolist()
    [0.0, 20.0]
    """
    if not hasattr(adata, "obsm") or not hasattr(adata, "obs"):
        raise InputError(
            f"adata is a {type(adata).__name__}, not an AnnData. Read files with "
            "anndata.read_h5ad (pip install 'immunodose[cells]')."
        )
    if not np.isfinite(um_per_unit) or um_per_unit <= 0.0:
        raise InputError(f"invalid um_per_unit={um_per_unit!r} (allowed: finite and > 0).")
    if spatial_key not in adata.obsm:
        raise InputError(f"adata.obsm has no {spatial_key!r} (found: {sorted(adata.obsm)}).")
    centers_um = um_per_unit * np.asarray(adata.obsm[spatial_key], dtype=np.float64)
    if centers_um.ndim != 2 or centers_um.shape[1] not in (2, 3):
        raise InputError(
            f"adata.obsm[{spatial_key!r}] has shape {centers_um.shape} (allowed: (cells, 2 or 3))."
        )
    columns = {}
    for name, column in (per_cell or {}).items():
        if column not in adata.obs:
            raise InputError(f"adata.obs has no column {column!r}, asked for as {name!r}.")
        columns[name] = np.asarray(adata.obs[column])
    planar = centers_um.shape[1] == 2
    return from_arrays(
        x_um=centers_um[:, 0],
        y_um=centers_um[:, 1],
        z_um=np.zeros(len(centers_um)) if planar else centers_um[:, 2],
        cell_radius_um=cell_radius_um,
        nucleus_radius_um=nucleus_radius_um,
        allow_unusual=allow_unusual,
        **columns,
    ).assign_attrs(geometry="anndata")
