# SPDX-License-Identifier: BSD-3-Clause
"""Checks of an emissions Dataset that a user gives in place of a nuclide's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError, did_you_mean
from immunodose.typing import EMISSIONS, FloatArray

if TYPE_CHECKING:
    import xarray as xr

# A decay emits one alpha or beta; published spectra are rounded.
MOST_PER_DECAY = 1.0
YIELD_TOLERANCE = 0.005

_VARIABLES = ("energy", "yield_per_decay", "emission", "line_nuclide", "continuous")


def check_emissions_table(table: xr.Dataset) -> None:
    """Raise InputError for lines that no spectrum has; each message names the line.

    Energies are finite and > 0, yields finite and >= 0, classes known, continuous rows of a nuclide
    and class ascend in energy, and alphas and betas of a nuclide do not exceed one per decay.
    """
    missing = [name for name in _VARIABLES if name not in table.variables]
    if missing:
        raise InputError(
            f"the Dataset given as nuclide lacks {missing} (variables of an emissions Dataset). "
            "Make it with emissions or emissions_from_csv."
        )
    wrong = [name for name in _VARIABLES if table[name].dims != ("line",)]
    if wrong:
        raise InputError(
            f"{wrong[0]!r} of the emissions Dataset has dims {table[wrong[0]].dims} (must be "
            "('line',)). Make it with emissions or emissions_from_csv."
        )
    energy = _numbers(table, "energy", "keV, > 0", least=np.nextafter(0.0, 1.0))
    yields = _numbers(table, "yield_per_decay", "per decay, >= 0", least=0.0)
    emission = _classes(table)
    continuous = _flags(table, "continuous")
    nuclide = table["line_nuclide"].values.astype(str)
    key = np.unique(np.char.add(np.char.add(nuclide, "\n"), emission), return_inverse=True)[1]
    _check_order(energy, key, continuous)
    _check_yields(yields, key, emission, nuclide)


def _numbers(
    table: xr.Dataset, name: str, allowed: str, *, least: float, most: float = np.inf
) -> FloatArray:
    try:
        values = np.asarray(table[name].values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name!r} of the emissions Dataset holds no numbers ({error})."
        ) from error
    bad = ~(np.isfinite(values) & (values >= least) & (values <= most))
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"{name}[{first}] = {values[first]:g} of the emissions Dataset (allowed: {allowed}; "
            f"{int(bad.sum())} such lines). Correct or remove the line."
        )
    return values


def _flags(table: xr.Dataset, name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    values = _numbers(table, name, "0 or 1", least=0.0, most=1.0)
    between = (values > 0.0) & (values < 1.0)
    if between.any():
        first = int(np.argmax(between))
        raise InputError(
            f"{name}[{first}] = {values[first]:g} of the emissions Dataset (allowed: 0 or 1). "
            "Say of each line whether it is a row of a continuous spectrum."
        )
    return values > 0.0


def _classes(table: xr.Dataset) -> np.ndarray[Any, np.dtype[np.str_]]:
    emission = table["emission"].values.astype(str)
    bad = ~np.isin(emission, EMISSIONS)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"emission[{first}] = {str(emission[first])!r} of the emissions Dataset is no emission "
            f"class.{did_you_mean(str(emission[first]), EMISSIONS)} Classes: "
            f"{', '.join(EMISSIONS)}."
        )
    return emission


def _check_order(energy: FloatArray, key: Any, continuous: Any) -> None:
    rows = np.flatnonzero(continuous)
    rows = rows[np.argsort(key[rows], kind="stable")]
    falls = (key[rows[1:]] == key[rows[:-1]]) & (energy[rows[1:]] <= energy[rows[:-1]])
    if falls.any():
        before, here = (int(rows[np.argmax(falls) + i]) for i in (0, 1))
        raise InputError(
            f"the continuous spectrum of the emissions Dataset is unsorted (energy[{here}] = "
            f"{energy[here]:g} after energy[{before}] = {energy[before]:g} keV). Sort the lines of "
            "each nuclide and class by energy."
        )


def _check_yields(yields: FloatArray, key: Any, emission: Any, nuclide: Any) -> None:
    total = np.bincount(key, weights=yields)
    single = np.isin(emission, ("alpha", "beta"))
    bad = single & (total[key] > MOST_PER_DECAY + YIELD_TOLERANCE)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"the {emission[first]} lines of {nuclide[first]} in the emissions Dataset are not "
            f"normalized (yield_per_decay adds up to {total[key[first]]:g}; at most "
            f"{MOST_PER_DECAY:g} per decay). Give yields per decay and line; line_nuclide names "
            "the emitter."
        )
