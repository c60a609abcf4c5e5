# SPDX-License-Identifier: BSD-3-Clause
"""Tools for tests of code that uses immunodose: Hypothesis strategies and assertions.

The strategies need the package hypothesis; the assertions do not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_EXPORTS = {
    "radii": "strategies",
    "small_populations": "strategies",
    "assert_same_bits": "assertions",
    "assert_schema": "assertions",
}

__all__ = ["assert_same_bits", "assert_schema", "radii", "small_populations"]

if TYPE_CHECKING:
    from immunodose.testing.assertions import assert_same_bits as assert_same_bits
    from immunodose.testing.assertions import assert_schema as assert_schema
    from immunodose.testing.strategies import radii as radii
    from immunodose.testing.strategies import small_populations as small_populations


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        module = importlib.import_module(f"immunodose.testing.{_EXPORTS[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'immunodose.testing' has no attribute {name!r}")
