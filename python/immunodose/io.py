# SPDX-License-Identifier: BSD-3-Clause
"""Save and load results: a file is whole or absent."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunodose.errors import FileError, InputError
from immunodose.io_content import checksum, normalized, own_attrs, split_own_attrs, storable
from immunodose.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".nc", ".zarr")
_COMPRESSED_FROM_BYTES = 2**20
# What the storage libraries raise on damaged content.
_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)


def save(ds: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a Dataset as NetCDF (`.nc`) or Zarr (`.zarr`), whole or not at all.

    Parameters
    ----------
    ds
        Numbers, bool and text; attributes are text, numbers or lists of either.
    path
        Name that ends in `.nc` or `.zarr`. An existing file of that name is replaced once the
        new one is complete.

    Raises
    ------
    InputError
        If the Dataset holds what files cannot hold (bool, None or dict in attrs, objects).
    FileError
        If the file could not be written; a file of that name is then as it was before.

    Notes
    -----
    The content goes to a temporary file in the same folder, is flushed to disk, read back and
    compared with its SHA-256, and only then renamed. NetCDF files are built in memory first, so
    saving needs about as much memory again as the Dataset. Variables of a MiB or more are
    compressed without loss.

    Examples
    --------
    >>> import tempfile, xarray as xr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(xr.Dataset(attrs={"answer": 42}), f"{folder}/a.nc")
    ...     load(f"{folder}/a.nc").attrs
    {'answer': 42}
    """
    target = file_path(path)
    if not target.parent.is_dir():
        raise FileError(f"folder {str(target.parent)!r} does not exist. Make it first.")
    if target.suffix == ".nc" and target.is_dir():
        raise FileError(f"{str(target)!r} is a folder. Choose another name.")
    stored = storable(ds)
    digest = checksum(stored)
    marked = stored.assign_attrs(
        own_attrs(complete=1, checksum=digest, schema_version=SCHEMA_VERSION)
    )
    # The suffix stays last: the storage libraries look at it.
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(6)}.tmp{target.suffix}")
    try:
        _write(marked, temporary)
        _flush(temporary)
        _read(temporary)
        _rename(temporary, target)
    except (OSError, RuntimeError, ValueError) as error:
        raise FileError(
            f"{str(target)!r} could not be written ({error}). Nothing was changed there; check "
            "free space, quota and permissions."
        ) from error
    finally:
        _remove(temporary)


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a Dataset that `save` wrote, and check that it is complete.

    Parameters
    ----------
    path
        Name that ends in `.nc` or `.zarr`.

    Returns
    -------
    xarray.Dataset
        Equal to what was saved, in memory.

    Raises
    ------
    FileError
        If the file is absent, truncated, damaged, not written by `save`, or written by a newer
        version with another schema.

    Examples
    --------
    >>> load("absent.nc")
    Traceback (most recent call last):
    ...
    immunodose.errors.FileError: 'absent.nc' does not exist...
    """
    target = file_path(path)
    if not target.exists():
        raise FileError(f"{str(target)!r} does not exist. Check the path.")
    return _read(target)


def file_path(path: str | os.PathLike[str]) -> Path:
    """Return the path; InputError if its suffix is none that can be written here."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(
            f"invalid path={path!r} (allowed: text or a Path that ends in {', '.join(SUFFIXES)})."
        )
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise InputError(
            f"path {str(target)!r} ends in {target.suffix!r} (allowed: {', '.join(SUFFIXES)})."
        )
    if target.suffix == ".zarr" and importlib.util.find_spec("zarr") is None:
        raise InputError(
            f"{str(target)!r} needs the package zarr, which is not installed. Run "
            "pip install immunodose[zarr], or choose a name that ends in .nc."
        )
    return target


def _write(marked: xr.Dataset, temporary: Path) -> None:
    is_netcdf = temporary.suffix == ".nc"
    encoding = {
        name: _encoding(variable, compress=is_netcdf) for name, variable in marked.variables.items()
    }
    if is_netcdf:
        temporary.write_bytes(_netcdf_bytes(marked, encoding))
    else:  # Zarr compresses by itself
        # Format 3 has no specification for text yet; zarr 2 knows only format 2.
        is_new = not importlib.metadata.version("zarr").startswith("2.")
        options: dict[str, Any] = {"zarr_format": 2} if is_new else {}
        marked.to_zarr(temporary, mode="w-", encoding=encoding, consolidated=False, **options)


def _encoding(variable: xr.Variable, *, compress: bool) -> dict[str, Any]:
    encoding: dict[str, Any] = {"_FillValue": None} if variable.dtype.kind == "f" else {}
    if compress and variable.nbytes >= _COMPRESSED_FROM_BYTES:
        encoding |= {"zlib": True, "complevel": 4, "shuffle": True}
        if variable.dtype.kind == "U":
            encoding["dtype"] = "S1"  # text of any length stays outside of what HDF5 compresses
    return encoding


def _netcdf_bytes(marked: xr.Dataset, encoding: dict[Any, dict[str, Any]]) -> memoryview:
    # In memory: the HDF5 library crashes the process when its own writes meet a full disk.
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        marked.dump_to_store(H5NetCDFStore(file), encoding=encoding)
    return buffer.getbuffer()


def _read(target: Path) -> xr.Dataset:
    import xarray as xr

    options: dict[str, Any] = {"mask_and_scale": False, "decode_times": False}
    if target.suffix == ".zarr":
        options |= {"engine": "zarr", "consolidated": False, "chunks": None}
    else:
        options |= {"engine": "h5netcdf"}
    try:
        if target.suffix == ".nc":
            _probe(target)
        with xr.open_dataset(target, **options) as opened:
            own = split_own_attrs(opened)
            _check_marks(target, own)
            dataset = normalized(opened.load())
    except FileError:
        raise
    except _DAMAGE as error:
        raise FileError(
            f"{str(target)!r} is truncated, damaged or no {target.suffix} file ({error}). "
            "Compute it again or take it from a backup."
        ) from error
    if checksum(dataset) != own["checksum"]:
        raise FileError(
            f"{str(target)!r} is damaged or was changed after it was saved (its checksum differs)."
            " Compute it again or take it from a backup."
        )
    return dataset


def _probe(target: Path) -> None:
    # h5netcdf leaves unraisable errors behind when it meets damage while it opens a file.
    import h5py

    with h5py.File(target, "r") as file:
        for item in (file, *file.values()):
            dict(item.attrs)


def _check_marks(target: Path, own: dict[str, Any]) -> None:
    if not {"complete", "checksum", "schema_version"} <= set(own):
        raise FileError(
            f"{str(target)!r} was not written by immunodose.save (it has no completeness mark). "
            "Open foreign files with xarray, and save them with immunodose.save."
        )
    if int(own["schema_version"]) > SCHEMA_VERSION:
        raise FileError(
            f"{str(target)!r} has schema version {own['schema_version']} (this version reads up "
            f"to {SCHEMA_VERSION}). Update immunodose."
        )


def _flush(path: Path) -> None:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    for file in files:
        _flush_one(file)


def _flush_one(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(temporary: Path, target: Path) -> None:
    if not target.is_dir():
        os.replace(temporary, target)
    else:
        # A folder cannot replace a folder in one step: the old one waits under another name.
        old = target.with_name(f".{target.stem}.{secrets.token_hex(6)}.old{target.suffix}")
        os.replace(target, old)
        try:
            os.replace(temporary, target)
        except OSError:
            os.replace(old, target)
            raise
        _remove(old)
    _flush_one(target.parent)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
