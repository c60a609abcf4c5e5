# SPDX-License-Identifier: BSD-3-Clause
"""A user's own spectrum from a CSV file."""

from __future__ import annotations

import csv
import difflib
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immunodose.data.emissions_table import MOST_PER_DECAY, YIELD_TOLERANCE
from immunodose.errors import FileError, InputError, ValidityWarning
from immunodose.provenance import base_attrs
from immunodose.schema import build
from immunodose.typing import EMISSIONS, FloatArray

if TYPE_CHECKING:
    import os

    import xarray as xr

_REQUIRED = ("energy_keV", "yield_per_decay", "emission")
_OPTIONAL = ("continuous", "nuclide")
# Highest energies (keV) of the models behind "kernel": alphas whose straggled range stays within
# the stopping powers (12000 keV), electrons that kernels can be scaled to, photons of the
# cross-sections (docs/theory/physics.md, kernels.md, photons.md).
_HIGHEST_KEV = {"alpha": 11_800.0, "beta": 20_000.0, "auger_ce": 20_000.0, "photon": 10_000.0}
# Of all nuclides in ICRP 107, Es-250 emits most: 63 Auger and conversion electrons and 70 photons
# per decay. Of chains that of U-235: 94 and 104. More points at percent, counts or a sum.
_MANY_PER_DECAY = 100.0
_MANY_PER_CHAIN = 200.0
# A continuous spectrum whose integral over keV is 1 this closely may be a density.
_DENSITY_TOLERANCE = 0.03
_SPECTRUM_POINTS = 5
_TRUE_FALSE = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0, "": 0}

Row = tuple[int, dict[str, str]]


def emissions_from_csv(path: str | os.PathLike[str], *, nuclide: str | None = None) -> xr.Dataset:
    """Read an emission spectrum from a CSV file.

    Parameters
    ----------
    path
        File with a header line and the columns ``energy_keV`` (> 0), ``yield_per_decay`` (>= 0,
        per decay of the parent, chain included if it is wanted), ``emission`` (alpha, recoil,
        beta, auger_ce, photon); optional ``continuous`` (0 or 1) and ``nuclide`` (which member of
        the chain emits the line). Lines in any order, but the continuous ones of a nuclide and
        class with ascending energies; lines that start with ``#`` are comments.
    nuclide
        Label of the spectrum; None takes the first ``nuclide`` of the file, else the file's stem.

    Returns
    -------
    Dataset
        As of `emissions`, without ``decays_per_parent_decay``.

    Raises
    ------
    FileError
        If the file cannot be read.
    InputError
        For a missing or unknown column, an empty table, a negative or non-finite number, an
        unknown emission class, a continuous spectrum whose energies do not ascend; each names the
        row. For alpha or beta yields that are not normalized (see Notes). For energies above 11800
        keV (alpha), 20000 keV (electrons), 10000 keV (photon).

    Warns
    -----
    ValidityWarning
        For more than 100 Auger and conversion electrons, or photons, or recoils per decay of a
        nuclide (200 of rows without one), and for a continuous spectrum that looks like a density
        per keV.

    Notes
    -----
    The numbers are used as they are: no half-life, no chain, no renormalization. A nuclide emits
    one alpha or beta per decay at most, so the yields of each class must not exceed 1 (by 0.5 %:
    published spectra are rounded) for each nuclide that the column ``nuclide`` names, and for the
    rows without one: a chain needs the column. This finds spectra in percent or in counts. Yields
    below 1 are branches and pass, but continuous and beta rows whose integral over energy is 1
    warn: they may be a density.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "line.csv"
    >>> _ = file.write_text("energy_keV,yield_per_decay,emission\\n5000,1,alpha\\n")
    >>> emissions_from_csv(file, nuclide="demo").attrs["nuclide"]
    'demo'
    """
    file = Path(path)
    rows = _read_rows(file)
    where = file.name
    energy = np.array([_number(where, row, "energy_keV") for row in rows])
    yields = np.array([_number(where, row, "yield_per_decay") for row in rows])
    _check_energies(where, rows, energy, yields)
    _check_highest(where, rows, energy)
    _check_order(where, rows, energy)
    _check_yields(where, rows, yields)
    _warn_of_densities(where, rows, energy, yields)
    named = [row["nuclide"] for _, row in rows if row.get("nuclide")]
    label = nuclide if nuclide is not None else (named[0] if named else file.stem)
    if not label.strip():
        raise InputError("nuclide is empty (it labels the spectrum). Give a name.")
    return build(
        {
            "energy": (("line",), energy),
            "yield_per_decay": (("line",), yields),
            "emission": (("line",), np.array([_emission(where, row) for row in rows])),
            "line_nuclide": (
                ("line",),
                np.array([row.get("nuclide") or label for _, row in rows], dtype=np.str_),
            ),
            "continuous": (
                ("line",),
                np.array([_flag(where, row) for row in rows], dtype=np.int8),
            ),
        },
        attrs=base_attrs(
            nuclide=label, data_source=f"file {file.name}", chain=0, photon_local_below_keV=1.0
        ),
    )


def _read_rows(file: Path) -> list[Row]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            f"cannot read emissions from {str(file)!r} ({error}). Check the path; the file must be "
            "UTF-8 text."
        ) from error
    numbered = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not numbered:
        raise InputError(f"{file.name} is empty (no header, no rows). Columns: {_REQUIRED}.")
    header = [name.strip() for name in next(csv.reader([numbered[0][1]]))]
    _check_header(file.name, header)
    rows: list[Row] = []
    for number, line in numbered[1:]:
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if len(cells) != len(header):
            raise InputError(
                f"{file.name}, row {number}: {len(cells)} cells, but the header has {len(header)} "
                "columns. Correct the row (quote a comma inside a cell)."
            )
        rows.append((number, dict(zip(header, cells, strict=True))))
    if not rows:
        raise InputError(f"{file.name} has a header but no rows. Add at least one emission.")
    return rows


def _check_header(where: str, header: list[str]) -> None:
    allowed = _REQUIRED + _OPTIONAL
    for name in header:
        if name not in allowed or header.count(name) > 1:
            problem = "appears twice" if name in allowed else "is unknown"
            raise InputError(
                f"{where}: column {name!r} {problem}.{_did_you_mean(name, allowed)} "
                f"Columns: {', '.join(allowed)}."
            )
    for name in _REQUIRED:
        if name not in header:
            raise InputError(
                f"{where}: column {name!r} is missing (found: {', '.join(header)}). Add it."
            )


def _number(where: str, row: Row, column: str) -> float:
    number, cells = row
    try:
        value = float(cells[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise InputError(
            f"{where}, row {number}: {column} = {cells[column]!r} (must be a finite number, not "
            "negative). Correct the row."
        )
    return value


def _check_energies(where: str, rows: list[Row], energy: object, yields: object) -> None:
    for (number, _), value in zip(rows, np.asarray(energy), strict=True):
        if value == 0:
            raise InputError(
                f"{where}, row {number}: energy_keV = 0 (must be > 0). Remove the row."
            )
    if not np.any(np.asarray(yields) > 0):
        raise InputError(f"{where}: every yield_per_decay is 0 (nothing is emitted).")


def _check_highest(where: str, rows: list[Row], energy: FloatArray) -> None:
    for row, value in zip(rows, energy, strict=True):
        emission = _emission(where, row)
        highest = _HIGHEST_KEV.get(emission, math.inf)
        if value > highest:
            raise InputError(
                f"{where}, row {row[0]}: energy_keV = {value:g} lies above the {emission} model "
                f"(at most {highest:g} keV). Give keV, not eV, or remove the row."
            )


def _check_order(where: str, rows: list[Row], energy: FloatArray) -> None:
    """Raise if the continuous rows of a nuclide and class do not ascend."""
    last: dict[tuple[str, str], tuple[int, float]] = {}
    for row, value in zip(rows, energy, strict=True):
        if not _flag(where, row):
            continue
        number, cells = row
        key = cells.get("nuclide", ""), _emission(where, row)
        before = last.get(key)
        if before is not None and value <= before[1]:
            raise InputError(
                f"{where}, row {number}: the continuous spectrum is unsorted (energy_keV = "
                f"{value:g} after {before[1]:g} in row {before[0]}). Sort its rows by energy, and "
                "name the nuclide of each in the column 'nuclide' if there are several."
            )
        last[key] = number, float(value)


def _check_yields(where: str, rows: list[Row], yields: FloatArray) -> None:
    """Raise if a nuclide or chain emits more alphas or betas than it can."""
    totals: dict[tuple[str, str], float] = {}
    for row, share in zip(rows, yields, strict=True):
        key = row[1].get("nuclide", ""), _emission(where, row)
        totals[key] = totals.get(key, 0.0) + float(share)
    for (nuclide, emission), total in totals.items():
        if emission in ("alpha", "beta") and total > MOST_PER_DECAY + YIELD_TOLERANCE:
            raise InputError(
                f"{where}: the {emission} rows of {nuclide or 'one nuclide'} are not normalized "
                f"(yield_per_decay adds up to {total:g}; at most {MOST_PER_DECAY:g} per decay). "
                "Give yields per decay and row, not per keV or in percent. Of a chain, name the "
                "emitter of each row in the column 'nuclide'."
            )
        many = _MANY_PER_DECAY if nuclide else _MANY_PER_CHAIN
        if emission not in ("alpha", "beta") and total > many:
            warnings.warn(
                f"{where}: the {emission} rows of {nuclide or 'the chain'} add up to {total:g} per "
                f"decay (no nuclide or chain of ICRP 107 emits {many:g}). Are the yields in "
                "percent, or counts?",
                ValidityWarning,
                stacklevel=3,
            )


def _warn_of_densities(where: str, rows: list[Row], energy: FloatArray, yields: FloatArray) -> None:
    """Warn of continuous rows that are no yields but, it seems, a density over energy."""
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row, keV, share in zip(rows, energy, yields, strict=True):
        key = row[1].get("nuclide", ""), _emission(where, row)
        # A beta has no lines: rows of it are a spectrum, whether they say so or not.
        if _flag(where, row) or key[1] == "beta":
            points.setdefault(key, []).append((float(keV), float(share)))
    for (nuclide, emission), spectrum in points.items():
        keV, share = np.array(sorted(spectrum)).T
        total = float(share.sum())
        if keV.size < _SPECTRUM_POINTS or abs(total - 1.0) < _DENSITY_TOLERANCE:
            continue
        per_keV = float(0.5 * np.sum(np.diff(keV) * (share[1:] + share[:-1])))
        # Densities per MeV add up to more than 1, which is refused.
        if abs(per_keV - 1.0) < _DENSITY_TOLERANCE:
            warnings.warn(
                f"{where}: the {emission} rows of {nuclide or 'the spectrum'} add up to "
                f"{total:.4g} per decay, but their integral over energy is {per_keV:.4g}: a "
                "density per keV? Give the yield of each row: density times width.",
                ValidityWarning,
                stacklevel=3,
            )


def _emission(where: str, row: Row) -> str:
    number, cells = row
    value = cells["emission"]
    if value not in EMISSIONS:
        raise InputError(
            f"{where}, row {number}: emission = {value!r} is no emission class."
            f"{_did_you_mean(value, EMISSIONS)} Classes: {', '.join(EMISSIONS)}."
        )
    return value


def _flag(where: str, row: Row) -> int:
    number, cells = row
    value = cells.get("continuous", "").lower()
    if value not in _TRUE_FALSE:
        raise InputError(f"{where}, row {number}: continuous = {value!r} (must be 0 or 1).")
    return _TRUE_FALSE[value]


def _did_you_mean(value: str, allowed: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(value.lower(), allowed, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
