# SPDX-License-Identifier: BSD-3-Clause
"""Cell populations as Datasets: dim `cell`, coords x, y, z and the radii in um."""

from __future__ import annotations

from immunodose.cells.arrays import from_arrays
from immunodose.cells.builders import colony, lattice, spheroid
from immunodose.cells.checks import check
from immunodose.cells.files import from_anndata, from_csv
from immunodose.cells.phenotype import lognormal, with_cell_type

__all__ = [
    "from_arrays",
    "lattice",
    "spheroid",
    "colony",
    "from_csv",
    "from_anndata",
    "with_cell_type",
    "lognormal",
    "check",
]
