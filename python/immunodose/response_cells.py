# SPDX-License-Identifier: BSD-3-Clause
"""What the survival models read from a Dataset, as arrays over cells that may be lazy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immunodose.data.nuclides import emissions
from immunodose.errors import InputError
from immunodose.population_inputs import agents_of
from immunodose.response_inputs import nucleus_dose_array
from immunodose.response_quality import alpha_lines
from immunodose.typing import EMISSIONS, FloatArray

if TYPE_CHECKING:
    import xarray as xr

N_MOMENTS = 6
Spectra = tuple[tuple[FloatArray, FloatArray], ...]


@dataclass(frozen=True, slots=True)
class CellArrays:
    """Variables over cells by the name that the models use, and what they mean.

    `arrays` may hold dose (cell, emission), moment (cell, moment), radiosensitivity, oxygen and
    let (cell), share (cell, row).
    """

    arrays: dict[str, xr.Variable]
    emissions: tuple[str, ...]
    spectra: Spectra = ()
    quality_name: str | None = None

    @property
    def modifiers(self) -> tuple[str, ...]:
        """Names of the per-cell variables that change the effect of a dose."""
        return tuple(name for name in ("radiosensitivity", "oxygen") if name in self.arrays)

    @property
    def lazy(self) -> bool:
        """Whether any of the arrays is a Dask array."""
        return any(one.chunks is not None for one in self.arrays.values())

    def has_dose(self, *names: str) -> bool:
        """Return whether any cell has a dose of these classes (not of lazy arrays)."""
        chosen = [name in names for name in self.emissions]
        return bool(self.arrays["dose"].values[:, chosen].any())


def cell_arrays(ds: xr.Dataset, *, needs_quality: bool) -> CellArrays:
    """Return the doses of the nuclei with all that models may need beside them."""
    dose = nucleus_dose_array(ds, "emission")
    labels = tuple(str(label) for label in ds["absorbed_dose"]["emission"].values)
    unknown = [label for label in labels if label not in EMISSIONS]
    if unknown:
        raise InputError(
            f"absorbed_dose has emission {unknown[0]!r} (allowed: {tuple(EMISSIONS)})."
        )
    arrays = {"dose": dose.variable}
    if "hit_decay_moment" in ds:
        arrays["moment"] = _moments(ds)
    for name in ("radiosensitivity", "oxygen"):
        if name in ds:
            if ds[name].dims != ("cell",):
                raise InputError(f"{name} has dims {ds[name].dims} (allowed: cell).")
            arrays[name] = ds[name].variable
    if not needs_quality:
        return CellArrays(arrays, labels)
    spectra, quality_name = _quality(ds, labels, arrays)
    return CellArrays(arrays, labels, spectra, quality_name)


def _moments(ds: xr.Dataset) -> xr.Variable:
    variable = ds["hit_decay_moment"]
    if set(variable.dims) != {"cell", "moment"} or variable.sizes["moment"] != N_MOMENTS:
        raise InputError(
            f"hit_decay_moment has sizes {dict(variable.sizes)} (allowed: cell and 6 moments)."
        )
    return variable.variable.transpose("cell", "moment")


def _quality(
    ds: xr.Dataset, labels: tuple[str, ...], arrays: dict[str, xr.Variable]
) -> tuple[Spectra, str | None]:
    """Add the LET of the alphas, or the share of each nuclide in their dose, to the arrays."""
    if "alpha" not in labels and "recoil" not in labels:
        return (), None
    if "let_dose_mean" in ds:
        arrays["let"] = _alpha_let(ds)
        return (), "dose-mean LET of the alphas of each cell (let_dose_mean)"
    if "time_integrated_activity" not in ds:
        raise InputError(
            "the LET of the alphas is not known: the Dataset has neither let_dose_mean nor "
            "time_integrated_activity, which names the nuclides. Call immunodose.absorbed_dose of "
            "a labeled population, or assign let_dose_mean (cell, emission) in keV um-1."
        )
    rows = [
        (i, alpha_lines(emissions(agent.nuclide, retention=agent.retention)))
        for i, agent in enumerate(agents_of(ds))
    ]
    emitting = [(i, lines) for i, lines in rows if lines[0].size]
    arrays["share"] = _shares(ds, [i for i, _ in emitting])
    name = "mean over the slowing down of all alphas that each nuclide emits"
    return tuple(lines for _, lines in emitting), name


def _alpha_let(ds: xr.Dataset) -> xr.Variable:
    let = ds["let_dose_mean"]
    if not {"cell", "emission"} <= set(let.dims) <= {"cell", "target", "emission"}:
        raise InputError(f"let_dose_mean has dims {let.dims} (allowed: cell, target, emission).")
    if "target" in let.dims:
        let = let.sel(target="nucleus")
    return let.sel(emission="alpha").variable


def _shares(ds: xr.Dataset, rows: list[int]) -> xr.Variable:
    """Return the share of each alpha emitter in the alpha dose of each cell (cell, row)."""
    import xarray as xr

    n_cells = int(ds.sizes["cell"])
    if len(rows) <= 1:
        return xr.Variable(("cell", "row"), np.ones((n_cells, len(rows))))
    dose = nucleus_dose_array(ds, "nuclide", "emission").sel(emission="alpha")
    values = np.asarray(dose.transpose("cell", "nuclide").values, dtype=np.float64)[:, rows]
    total = values.sum(axis=1, keepdims=True)
    share = np.full_like(values, 1.0 / len(rows))  # no dose, no matter whose
    np.divide(values, total, out=share, where=total > 0.0)
    return xr.Variable(("cell", "row"), share)
