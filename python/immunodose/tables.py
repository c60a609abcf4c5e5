# SPDX-License-Identifier: BSD-3-Clause
"""Results of a run as plain text for a terminal."""

from __future__ import annotations

import itertools
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from immunodose.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from immunodose.findings import Finding

RESEARCH_NOTE = "Research use; not for treatment decisions."

# heading, variable, factor, format
_COLUMNS: tuple[tuple[str, str, float, str], ...] = (
    ("dose mean", "nucleus_dose_mean", 1.0, ".3g"),
    ("p5", "nucleus_dose_p5", 1.0, ".3g"),
    ("p95 (Gy)", "nucleus_dose_p95", 1.0, ".3g"),
    ("unhit", "unhit_fraction", 1.0, ".3f"),
    ("radiation kill", "radiation_kill", 1.0, ".3f"),
    ("immune kill", "immune_kill", 1.0, ".3f"),
    ("surviving", "surviving_fraction", 1.0, ".4f"),
    ("WBC nadir", "white_cell_nadir", 1.0, ".2f"),
)


def text_table(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return rows as aligned columns; the first row is the heading, the first `left` left-bound.

    Examples
    --------
    >>> print(text_table([["arm", "dose"], ["a", "1.5"]]))
    arm  dose
    ---------
    a     1.5
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(lines)


def number(value: float, spec: str) -> str:
    """Return a number as text; NaN reads `n/a`, a positive value below the digits `<0.001`."""
    if math.isnan(value):
        return "n/a"
    text = format(value, spec)
    if value > 0 and float(text) == 0.0:
        digits = int(spec[1:-1])
        return f"<{10**-digits:.{digits}f}"
    return text


def arm_table(dataset: xr.Dataset) -> str:
    """Return one row per arm: dose, unhit fraction, kills, surviving fraction, white cells."""
    if dataset.attrs.get("design") == "culture":
        return culture_table(dataset)
    missing = [name for _, name, _, _ in _COLUMNS if name not in dataset]
    if missing:
        raise InputError(
            f"variables {missing} are missing. Give the result of immunodose.run(scenario)."
        )
    rows = [["line", "host", "kBq", *(heading for heading, *_ in _COLUMNS)]]
    for index in range(dataset.sizes["arm"]):
        arm = dataset.isel(arm=index)
        if "time" in arm.dims:
            arm = arm.isel(time=-1)
        cells = [number(float(arm[name]) * factor, spec) for _, name, factor, spec in _COLUMNS]
        activity = f"{float(arm['administered_activity']) / 1e3:g}"
        rows.append([str(arm["cell_line"].values), str(arm["host"].values), activity, *cells])
    return text_table(rows, left=2)


# heading, variable, format; of the cells of an arm, where there
_CULTURE_DOSES = ("nucleus", "membrane")
_CULTURE_COLUMNS = (
    ("surviving", "surviving_fraction", ".4f"),
    ("MHC-I at the end", "mhc1_surface_mean", ".4g"),
    ("lysis", "immune_kill", ".3f"),
)


def culture_table(dataset: xr.Dataset) -> str:
    """Return one row per arm of a culture: mean doses of nucleus and membrane, what came of it."""
    columns = [column for column in _CULTURE_COLUMNS if column[1] in dataset]
    heading = ["arm", "line", "nucleus", "membrane (Gy)", "cross"]
    rows = [[*heading, *(name for name, _, _ in columns)]]
    dose = dataset["absorbed_dose"].sum("emission", skipna=False).mean("cell")
    for index in range(dataset.sizes["arm"]):
        own = dose.isel(arm=index)
        means = [float(own.sel(target=name).sum("origin", skipna=False)) for name in _CULTURE_DOSES]
        cross = float(own.sel(target="nucleus", origin="cross"))
        share = cross / means[0] if means[0] > 0.0 else math.nan
        last = dataset.isel(arm=index)
        if "time" in last.dims:
            last = last.isel(time=-1)
        rows.append(
            [
                str(dataset["arm"].values[index]),
                str(dataset["cell_line"].values[index]),
                *(number(value, ".3g") for value in means),
                number(share, ".2f"),
                *(number(float(last[name]), spec) for _, name, spec in columns),
            ]
        )
    return text_table(rows, left=2)


def comparison_table(dataset: xr.Dataset) -> str:
    """Return one row per pair of hypotheses: the outcome, arm and day that tell them best apart."""
    names = dataset["hypothesis"].values.tolist()
    rows = [["hypothesis", "other", "outcome", "arm", "day", "separation", "cells needed"]]
    for i, j in itertools.combinations(range(len(names)), 2):
        pair = dataset.isel(hypothesis=i, other=j)
        best = pair.isel(outcome=int(pair["separation"].argmax("outcome")))
        needed = float(best["samples_needed"])
        rows.append(
            [
                names[i],
                names[j],
                str(best["outcome"].values) if math.isfinite(needed) else "-",
                str(best["separation_arm"].values) if math.isfinite(needed) else "-",
                f"{float(best['separation_time']):g}" if math.isfinite(needed) else "-",
                f"{float(best['separation']):.3g}",
                f"{needed:.0f}" if math.isfinite(needed) else "none can",
            ]
        )
    return text_table(rows, left=4)


def assumed_table(dataset: xr.Dataset) -> str:
    """Return the assumed values behind a run, grouped by parameter set."""
    sets: Mapping[str, Any] = json.loads(str(dataset.attrs.get("assumed", "{}")))
    lines = []
    for name, entries in sets.items():
        values = ", ".join(
            f"{e['key']} {e['value']:g}" + ("" if e["unit"] == "1" else f" {e['unit']}")
            for e in entries
        )
        lines += textwrap.wrap(
            f"{name}: {values}", 110, initial_indent="  ", subsequent_indent="    "
        )
    return "\n".join(lines) if lines else "  none"


def findings_table(found: tuple[Finding, ...]) -> str:
    """Return the findings as text, one per row."""
    rows = [["finding", "", "value", "rule", "holds", "beside"]]
    for item in found:
        value = f"{item.value:.3g}"
        rows.append(
            [
                f"({item.key})",
                item.statement,
                value,
                item.rule,
                "yes" if item.holds else "NO",
                item.beside,
            ]
        )
    return text_table(rows, left=2)
