# SPDX-License-Identifier: BSD-3-Clause
"""What is declared of a variable of a Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable; `dims` are the largest set, each optional unless required.

    `units_per_cell` are the units where the variable has dim `cell`, if they differ.
    """

    units: str
    long_name: str
    dims: tuple[str, ...]
    units_per_cell: str | None = None

    def units_of(self, dims: Sequence[Any]) -> str:
        """Return the units of the variable with these dims."""
        return self.units_per_cell if self.units_per_cell and "cell" in dims else self.units
