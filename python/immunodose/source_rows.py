# SPDX-License-Identifier: BSD-3-Clause
"""The rows of a labeled population: read from its Dataset, and written back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError
from immunodose.schema import build
from immunodose.source_time import Exponentials
from immunodose.typing import SOURCES, FloatArray

if TYPE_CHECKING:
    import xarray as xr

_VARIABLES = (
    "time_integrated_activity",
    "medium_time_integrated_activity_concentration",
    "activity_rate_constant",
    "activity_exponential_share",
    "medium_activity_rate_constant",
    "retention",
    "progeny_rate_constant",
)


@dataclass(slots=True)
class Row:
    """One row of `time_integrated_activity`: where, how much, and when if it was said.

    `medium_rate_per_s` is NaN where the medium follows the cells; progeny without a rate decay
    where they are.
    """

    activity: FloatArray  # (cell, source)
    medium: float
    course: Exponentials | None = None
    medium_rate_per_s: float = math.nan
    retention: dict[str, float] = field(default_factory=dict)
    progeny_rate_per_s: dict[str, float] = field(default_factory=dict)

    def same_kind(self, other: Row) -> bool:
        """Return whether the decays of both can stand in one row."""
        equal_medium = self.medium_rate_per_s == other.medium_rate_per_s or (
            math.isnan(self.medium_rate_per_s) and math.isnan(other.medium_rate_per_s)
        )
        return (
            self.course == other.course
            and equal_medium
            and _leaving(self.retention) == _leaving(other.retention)
            and self.progeny_rate_per_s == other.progeny_rate_per_s
        )


def _leaving(retention: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in retention.items() if value != 1.0}


def read_rows(cells: xr.Dataset) -> tuple[list[str], list[Row]]:
    """Return labels and rows of a population; none if it was never labeled."""
    if "time_integrated_activity" not in cells:
        return [], []
    if "activity_amplitude" in cells:
        raise InputError(
            "cells already holds activity_amplitude, which another agent would make wrong. Label "
            "all agents first, then assign activity_amplitude."
        )
    labels = [str(name) for name in cells["nuclide"].values]
    stored = cells["time_integrated_activity"].transpose("nuclide", "cell", "source")
    stored = stored.sel(source=list(SOURCES))
    medium = cells["medium_time_integrated_activity_concentration"].values.tolist()
    courses = stored_courses(cells)
    medium_rate = [math.nan] * len(labels)
    if "medium_activity_rate_constant" in cells:
        medium_rate = cells["medium_activity_rate_constant"].values.tolist()
    kept = _by_progeny(cells, "retention")
    rates = _by_progeny(cells, "progeny_rate_constant")
    return labels, [
        Row(stored.values[i], medium[i], courses[i], medium_rate[i], kept[i], rates[i])
        for i in range(len(labels))
    ]


def stored_courses(cells: xr.Dataset) -> list[Exponentials | None]:
    """Return the time course of each row as `label` stored it, None where there is none."""
    n_rows = int(cells.sizes["nuclide"])
    if "activity_rate_constant" not in cells:
        return [None] * n_rows
    stored = cells["activity_rate_constant"]
    if set(stored.dims) - {"nuclide", "exponential"} or "nuclide" not in stored.dims:
        raise InputError(
            f"activity_rate_constant has dims {stored.dims} (allowed without activity_amplitude: "
            "nuclide, exponential). Give activity_amplitude (nuclide, cell, source, exponential) "
            "too, or one rate per nuclide by immunodose.label."
        )
    share = np.ones((n_rows, 1))
    if "exponential" not in stored.dims:
        rate = stored.values.reshape(n_rows, 1)
    else:
        if "activity_exponential_share" not in cells:
            raise InputError(
                "activity_rate_constant has dim exponential, but activity_exponential_share is "
                "missing. Call immunodose.label(..., kinetics=...), which stores both."
            )
        rate = stored.transpose("nuclide", "exponential").values
        share = cells["activity_exponential_share"].transpose("nuclide", "exponential").values
    found: list[Exponentials | None] = []
    for own_rate, own_share in zip(rate.tolist(), share.tolist(), strict=True):
        pairs = [(r, s) for r, s in zip(own_rate, own_share, strict=True) if not math.isnan(r)]
        found.append(
            Exponentials(tuple(r for r, _ in pairs), tuple(s for _, s in pairs)) if pairs else None
        )
    return found


def _by_progeny(cells: xr.Dataset, name: str) -> list[dict[str, float]]:
    """Return the stated values of a (nuclide, progeny) variable, row by row."""
    if name not in cells:
        return [{} for _ in range(int(cells.sizes["nuclide"]))]
    table = cells[name].transpose("nuclide", "progeny")
    progeny = [str(key) for key in table["progeny"].values]
    return [
        {key: v for key, v in zip(progeny, values, strict=True) if not math.isnan(v)}
        for values in table.values.tolist()
    ]


def with_rows(cells: xr.Dataset, labels: list[str], rows: list[Row]) -> xr.Dataset:
    """Return the population with these rows in place of those it had."""
    variables: dict[str, tuple[tuple[str, ...], Any]] = {
        "time_integrated_activity": (
            ("nuclide", "cell", "source"),
            np.stack([row.activity for row in rows]),
        ),
        "medium_time_integrated_activity_concentration": (
            ("nuclide",),
            np.array([row.medium for row in rows]),
        ),
        **course_variables([row.course for row in rows]),
    }
    coords: dict[str, Any] = {
        "nuclide": np.array(labels, dtype=np.str_),
        "source": np.array(SOURCES, dtype=np.str_),
    }
    medium_rates = [row.medium_rate_per_s for row in rows]
    if not all(math.isnan(rate) for rate in medium_rates):
        variables["medium_activity_rate_constant"] = (("nuclide",), np.array(medium_rates))
    progeny = sorted({name for row in rows for name in (*row.retention, *row.progeny_rate_per_s)})
    if progeny:
        coords["progeny"] = np.array(progeny, dtype=np.str_)
        table = [[row.retention.get(name, 1.0) for name in progeny] for row in rows]
        variables["retention"] = (("nuclide", "progeny"), np.array(table))
    if any(row.progeny_rate_per_s for row in rows):
        table = [[row.progeny_rate_per_s.get(name, math.nan) for name in progeny] for row in rows]
        variables["progeny_rate_constant"] = (("nuclide", "progeny"), np.array(table))
    dropped = [name for name in (*_VARIABLES, "nuclide", "source", "progeny") if name in cells]
    kept = cells.drop_vars(dropped)
    return kept.assign_coords(coords).assign(build(variables, coords=coords).data_vars)


def course_variables(
    courses: Sequence[Exponentials | None],
) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Return the variables that hold the time course of each row; none without a course."""
    most = max((len(course.rate_per_s) for course in courses if course is not None), default=0)
    if most == 0:
        return {}
    rate = np.full((len(courses), most), math.nan)
    share = np.zeros((len(courses), most))
    for i, course in enumerate(courses):
        if course is not None:
            rate[i, : len(course.rate_per_s)] = course.rate_per_s
            share[i, : len(course.share)] = course.share
    if most == 1:
        return {"activity_rate_constant": (("nuclide",), rate[:, 0])}
    dims = ("nuclide", "exponential")
    return {"activity_rate_constant": (dims, rate), "activity_exponential_share": (dims, share)}
