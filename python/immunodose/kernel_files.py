# SPDX-License-Identifier: BSD-3-Clause
"""Kernel files: read, checked, and written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from immunodose.errors import FileError, InputError

# What reading a truncated or foreign file may raise.
UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_kernel_file(
    path: str | os.PathLike[str], file_format: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return attributes and arrays of a kernel file, or raise FileError."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as content:
            attrs = json.loads(str(content["attrs"]))
            found = attrs.get("format")
            arrays = {name: content[name] for name in content.files if name != "attrs"}
    except UNREADABLE as error:
        raise no_kernel_file(path, error) from error
    if found != file_format:
        raise FileError(f"{path} holds {found!r}, not {file_format!r}.")
    return attrs, arrays


def no_kernel_file(path: str | os.PathLike[str], error: Exception) -> FileError:
    """Return the error of a file that is absent, truncated or of another kind."""
    return FileError(
        f"{path} is no kernel file ({error}). Make one with `immunodose kernels build`."
    )


def require_build(path: Path, effort: float, n_energies: int, rng: int) -> None:
    """Refuse what no kernels can be built with, before hours of work."""
    if not (np.isfinite(effort) and effort > 0.0):
        raise InputError(f"invalid effort={effort} (allowed: finite, > 0).")
    if not 0 <= rng < 2**64:
        raise InputError(f"invalid rng={rng} (allowed: 0 to 2**64 - 1).")
    if n_energies < 2:
        raise InputError(f"invalid n_energies={n_energies} (allowed: >= 2).")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise FileError(
            f"cannot write {path}: it is a directory, or its directory is absent or read-only."
        )


def write_kernel_file(path: Path, attrs: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write beside the target, then rename: the file is whole or absent."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    except OSError as error:
        raise FileError(f"cannot write beside {path} ({error}).") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez_compressed(file, attrs=np.array(json.dumps(attrs)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # readable by all, as other files of a package
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise FileError(f"cannot write {path} ({error}). Nothing was left there.") from error
