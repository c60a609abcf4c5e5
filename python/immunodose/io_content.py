# SPDX-License-Identifier: BSD-3-Clause
"""What a file may hold, and the checksum over it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

# Names that xarray or NetCDF give a meaning of their own in attrs.
_RESERVED = ("_FillValue", "missing_value", "scale_factor", "add_offset", "coordinates", "dtype")
_OWN = "immunodose_file_"


def storable(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset in the form that comes back from a file; InputError if it cannot."""
    if not hasattr(dataset, "data_vars"):
        raise InputError(
            f"only an xarray.Dataset can be saved (got {type(dataset).__name__}). "
            "For a DataArray use its to_dataset(name=...)."
        )
    for key, index in dataset.indexes.items():
        if index.nlevels > 1:
            raise InputError(
                f"coordinate {key!r} is a MultiIndex, which files cannot hold. "
                "Call reset_index first."
            )
    stored = dataset.compute()
    for name in stored.variables:
        if not isinstance(name, str) or "/" in name or not name:
            raise InputError(f"variable name {name!r} cannot be stored (allowed: text without '/')")
        variable = stored.variables[name]
        values = _values(name, variable.values)
        changed = type(variable)(variable.dims, values, _attrs(f"of {name!r}", variable.attrs))
        stored[name] = changed
    stored.attrs = _attrs("of the Dataset", dataset.attrs)
    # Encodings of an earlier file would change how the values are stored.
    return stored.drop_encoding()


def normalized(dataset: xr.Dataset) -> xr.Dataset:
    """Return a Dataset read from a file with plain attributes and text as NumPy strings."""
    for name in list(dataset.variables):
        variable = dataset.variables[name]
        values = _values(str(name), variable.values)
        attrs = {key: value for key, value in variable.attrs.items() if key not in _RESERVED}
        changed = type(variable)(variable.dims, values, _attrs(f"of {name!r}", attrs))
        dataset[name] = changed
    dataset.attrs = _attrs("of the Dataset", dataset.attrs, own=True)
    return dataset.drop_encoding()


def checksum(dataset: xr.Dataset) -> str:
    """Return the SHA-256 over names, dims, values and attrs of a `storable` Dataset.

    Examples
    --------
    >>> import xarray as xr
    >>> checksum(xr.Dataset(attrs={"a": 1})) == checksum(xr.Dataset(attrs={"a": 2}))
    False
    """
    digest = hashlib.sha256()
    for name in sorted(dataset.variables, key=str):
        variable = dataset.variables[name]
        values = variable.values
        kind = "text" if values.dtype.kind == "U" else values.dtype.newbyteorder("<").str
        head = [name, list(variable.dims), list(values.shape), kind, name in dataset.coords]
        digest.update(json.dumps([*head, variable.attrs], sort_keys=True).encode())
        if values.dtype.kind == "U":
            digest.update(json.dumps(values.ravel().tolist()).encode())
        else:
            little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
            digest.update(little.reshape(-1).view(np.uint8).data)
    attrs = {key: value for key, value in dataset.attrs.items() if not key.startswith(_OWN)}
    digest.update(json.dumps(attrs, sort_keys=True).encode())
    return f"sha256:{digest.hexdigest()}"


def own_attrs(**attrs: Any) -> dict[str, Any]:
    """Return the attributes that `save` adds, with their prefix."""
    return {_OWN + key: value for key, value in attrs.items()}


def split_own_attrs(dataset: xr.Dataset) -> dict[str, Any]:
    """Take the attributes that `save` added out of a Dataset and return them."""
    own = {key[len(_OWN) :]: dataset.attrs[key] for key in dataset.attrs if key.startswith(_OWN)}
    dataset.attrs = {key: v for key, v in dataset.attrs.items() if not key.startswith(_OWN)}
    return own


def _values(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype.kind == "O":
        for position, item in enumerate(values.ravel()):
            if not isinstance(item, str):
                raise InputError(
                    f"variable {name!r} holds {item!r} at position {position} (allowed: numbers or "
                    "text). Give it a numeric dtype."
                )
        shape = values.shape
        values = np.array(values.ravel().tolist(), dtype=np.str_).reshape(shape)
    if values.dtype.kind not in "fiubU":
        raise InputError(
            f"variable {name!r} has dtype {values.dtype} (allowed: real numbers, bool or text). "
            "Store times as numbers with a unit."
        )
    if values.dtype.kind == "U":
        for item in np.unique(values).tolist():
            _text(item, f"variable {name!r}")
    return values


def _attrs(where: str, attrs: Any, *, own: bool = False) -> dict[str, Any]:
    plain = {}
    for key, value in attrs.items():
        if not isinstance(key, str) or not key or key in _RESERVED:
            raise InputError(f"attribute name {key!r} {where} is reserved or no text. Rename it.")
        if key.startswith(_OWN) and not own:
            raise InputError(f"attribute {key!r} {where} is set by save itself. Remove it.")
        plain[key] = _attr(f"attribute {key!r} {where}", value)
    return plain


def _attr(where: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(value, where, unsigned=True)
    if isinstance(value, list) and value:
        # A list of one element comes back from NetCDF as that element.
        if len(value) == 1:
            return _attr(where, value[0])
        if all(isinstance(item, str) for item in value):
            return [_text(item, where) for item in value]
        numbers = [isinstance(v, (int, float)) and not isinstance(v, bool) for v in value]
        if all(numbers):
            is_float = any(isinstance(item, float) for item in value)
            return [float(v) if is_float else _number(v, where) for v in value]
    raise InputError(
        f"{where} is {value!r} (allowed: text, a number, or a list of either; NetCDF holds no "
        "bool, None or dict). Store it as text with json.dumps."
    )


def _number(value: int | float, where: str, *, unsigned: bool = False) -> int | float:
    # One number alone may be unsigned, as the roots of random streams are.
    limit = 2**64 if unsigned else 2**63
    if isinstance(value, int) and not -(2**63) <= value < limit:
        raise InputError(f"{where} is {value}, beyond 64 bit. Store it as text.")
    return value


def _text(value: str, where: str) -> str:
    if "\x00" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise InputError(
            f"{where} holds the text {value[:40]!r} with signs that files cannot hold."
        )
    return value
