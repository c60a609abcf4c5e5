# SPDX-License-Identifier: BSD-3-Clause
"""Cell populations as Datasets: dim `cell`, coords x, y, z and the radii in um."""

from __future__ import annotations

from immunodose.cells.arrays import from_arrays
from immunodose.cells.builders import lattice
from immunodose.cells.checks import check
from immunodose.cells.fields import lognormal_field
from immunodose.cells.files import from_anndata, from_csv
from immunodose.cells.necrosis import necrotic_core
from immunodose.cells.packings import colony, spheroid
from immunodose.cells.phenotype import lognormal, with_cell_type
from immunodose.cells.vessels import vessel_uptake, vessels

__all__ = [
    "from_arrays",
    "lattice",
    "spheroid",
    "colony",
    "from_csv",
    "from_anndata",
    "with_cell_type",
    "lognormal",
    "lognormal_field",
    "necrotic_core",
    "vessels",
    "vessel_uptake",
    "check",
]
