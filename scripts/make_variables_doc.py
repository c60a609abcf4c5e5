# SPDX-License-Identifier: BSD-3-Clause
"""Write docs/variables.md from schema.py: python scripts/make_variables_doc.py [path]."""

from __future__ import annotations

import sys
from pathlib import Path

from immunodose.schema import SCHEMA_VERSION, VARIABLES, Variable

HEADER = f"""# Variables

Generated from `immunodose/schema.py` by `make docs`; schema version {SCHEMA_VERSION}.
A variable has the listed dims or some of them, in this order; `1` means dimensionless.

| name | units | dims | meaning |
|---|---|---|---|
"""


def units(variable: Variable) -> str:
    """Return the units as the page shows them."""
    if variable.units_per_cell is None:
        return variable.units
    return f"{variable.units} ({variable.units_per_cell} with dim cell)"


def page() -> str:
    """Return the page as text."""
    rows = (
        f"| `{name}` | {units(variable)} | {', '.join(variable.dims)} | {variable.long_name} |\n"
        for name, variable in sorted(VARIABLES.items())
    )
    return HEADER + "".join(rows)


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/variables.md").write_text(page(), "utf-8")
