# SPDX-License-Identifier: BSD-3-Clause
"""Attributes that say where a result comes from."""

from __future__ import annotations

from typing import Any

from immunodose._version import __version__
from immunodose.schema import SCHEMA_VERSION


def base_attrs(**attrs: Any) -> dict[str, Any]:
    """Return package and schema version plus the given attributes (None is left out)."""
    stated = {name: value for name, value in attrs.items() if value is not None}
    return {"immunodose_version": __version__, "schema_version": SCHEMA_VERSION, **stated}
