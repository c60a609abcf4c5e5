# SPDX-License-Identifier: BSD-3-Clause
"""When the decays of a labeled population happen: parts that share one time course, and chains."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from immunodose.data.chains import ChainStructure, chain_structure
from immunodose.data.decay_data import DEFAULT_SOURCE
from immunodose.errors import InputError, did_you_mean
from immunodose.population_inputs import Agent, agents_of
from immunodose.source import nuclide_name
from immunodose.source_agent import identify, rate_constant
from immunodose.source_rows import stored_courses
from immunodose.source_time import Chain, Exponentials
from immunodose.typing import SOURCES, FloatArray

if TYPE_CHECKING:
    import xarray as xr

HalfLife: TypeAlias = float | Literal["physical"]

# Each distinct rate constant of a row costs one sum over all cells.
_MOST_RATES = 64
# Amplitude over rate, summed, against the stored time-integrated activity.
_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class TimedDecays:
    """Decays of a row that share one time course: those of `agent`, of cells, medium or both."""

    agent: Agent
    row: int
    name: str
    chain: Chain
    course: Exponentials


def timed_decays(
    cells: xr.Dataset, effective_half_life_h: HalfLife | Mapping[str, HalfLife] | None
) -> list[TimedDecays]:
    """Return the decays of a labeled population by time course, in the order of its rows."""
    rows = agents_of(cells)
    parts: list[TimedDecays] = []
    if "activity_amplitude" in cells:
        if effective_half_life_h is not None:
            raise InputError(
                "effective_half_life_h has no effect: the cells have activity_amplitude and "
                "activity_rate_constant. Leave it out."
            )
        split = [_by_rate(cells, i, agent) for i, agent in enumerate(rows)]
    else:
        courses = _filled(rows, stored_courses(cells), effective_half_life_h)
        split = [[(agent, course, "")] for agent, course in zip(rows, courses, strict=True)]
    for i, agent in enumerate(rows):
        chain = chain_of(agent, _progeny_rates(cells, i))
        for part, course, name in _with_medium(cells, i, agent, split[i]):
            parts.append(TimedDecays(part, i, f"{agent.label}{name}", chain, course))
    return parts


def _filled(
    rows: Sequence[Agent],
    courses: Sequence[Exponentials | None],
    given: HalfLife | Mapping[str, HalfLife] | None,
) -> list[Exponentials]:
    """Return the course of each row, those that `label` did not get from the argument."""
    missing = [row for row, course in zip(rows, courses, strict=True) if course is None]
    if given is not None and not missing:
        raise InputError(
            "effective_half_life_h has no effect: immunodose.label stored the time course of "
            "every nuclide (activity_rate_constant). Leave it out."
        )
    if isinstance(given, Mapping):
        labels = [row.label for row in missing]
        for key in given:
            if key not in labels:
                raise InputError(
                    f"effective_half_life_h names {key!r}, which is no row without a time course "
                    f"(these are: {', '.join(labels)}).{did_you_mean(str(key), labels)}"
                )
    found = []
    for row, course in zip(rows, courses, strict=True):
        value = given.get(row.label) if isinstance(given, Mapping) else given
        if course is None and value is None:
            raise InputError(
                f"{row.label} has no time course. Call immunodose.label(..., "
                "effective_half_life_h=...) or label(..., kinetics=immunodose.biokinetics(...)), "
                "or give effective_half_life_h here (a number in h, or 'physical' for activity "
                "that stays)."
            )
        found.append(course if course is not None else _exponential(row, value))
    return found


def _exponential(row: Agent, half_life_h: HalfLife | None) -> Exponentials:
    agent = identify(row.nuclide)
    if half_life_h == "physical":
        if not math.isfinite(agent.half_life_s):
            raise InputError(
                f"the physical half-life of {row.label} is unknown. Give "
                "effective_half_life_h in hours."
            )
        return Exponentials((math.log(2.0) / agent.half_life_s,), (1.0,))
    if isinstance(half_life_h, (str, bool)) or not isinstance(half_life_h, (int, float, np.number)):
        raise InputError(
            f"invalid effective_half_life_h={half_life_h!r} (allowed: a number in h, 'physical', "
            "or a mapping of rows to these)."
        )
    rate = rate_constant(agent, float(half_life_h), "effective_half_life_h")
    return Exponentials((rate,), (1.0,))


def _with_medium(
    cells: xr.Dataset,
    row: int,
    agent: Agent,
    split: list[tuple[Agent, Exponentials | None, str]],
) -> list[tuple[Agent, Exponentials, str]]:
    """Return the parts with the medium in the one part of its course, or in one of its own."""
    name = "medium_activity_rate_constant"
    rate = float(cells[name].values[row]) if name in cells else math.nan
    stated = [(part, course, label) for part, course, label in split if course is not None]
    if agent.medium_per_um3 == 0.0:
        return stated
    if math.isnan(rate):
        if len(stated) == 1 and "activity_amplitude" not in cells:
            return stated
        raise InputError(
            f"{agent.label} has activity in the medium without a time course. Give "
            "medium_effective_half_life_h to immunodose.label."
        )
    if not (math.isfinite(rate) and rate > 0.0):
        raise InputError(f"{name}[nuclide={row}] = {rate} s-1 (allowed: finite, > 0).")
    course = Exponentials((rate,), (1.0,))
    if len(stated) == 1 and stated[0][1] == course:
        part, _, label = stated[0]
        return [(replace(part, medium_per_um3=agent.medium_per_um3), course, label)]
    alone = [(replace(part, medium_per_um3=0.0), own, label) for part, own, label in stated]
    medium = replace(agent, activity=np.zeros_like(agent.activity))
    return [*alone, (medium, course, " in medium")]


def _by_rate(
    cells: xr.Dataset, row: int, agent: Agent
) -> list[tuple[Agent, Exponentials | None, str]]:
    """Return the decays of each distinct rate constant of a row (cell, source)."""
    amplitude, rate = _amplitude_and_rate(cells, row)
    used = amplitude != 0.0
    bad = used & ~(np.isfinite(amplitude) & np.isfinite(rate) & (rate > 0.0))
    if bad.any():
        cell, source, k = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(
            f"activity_amplitude[nuclide={row}, cell={cell}, source={SOURCES[source]}, "
            f"exponential={k}] = {amplitude[cell, source, k]} Bq with activity_rate_constant "
            f"{rate[cell, source, k]} s-1 (allowed: finite, rate > 0); {int(bad.sum())} are bad."
        )
    decays = np.divide(amplitude, rate, out=np.zeros_like(amplitude), where=used)
    _check_sum(agent, decays.sum(axis=2))
    distinct = np.unique(rate[used])
    if distinct.size > _MOST_RATES:
        raise InputError(
            f"activity_rate_constant of {agent.label} has {distinct.size} distinct values (allowed:"
            f" {_MOST_RATES}; each needs a sum over all cells). Round them to fewer values."
        )
    parts: list[tuple[Agent, Exponentials | None, str]] = []
    for value in distinct.tolist():
        own = np.where(rate == value, decays, 0.0).sum(axis=2)
        part = replace(agent, activity=np.ascontiguousarray(own), medium_per_um3=0.0)
        parts.append((part, Exponentials((value,), (1.0,)), f" at {value:.6g} s-1"))
    return parts


def _amplitude_and_rate(cells: xr.Dataset, row: int) -> tuple[FloatArray, FloatArray]:
    dims = ("cell", "source", "exponential")
    amplitude = cells["activity_amplitude"]
    if set(amplitude.dims) != {"nuclide", *dims}:
        raise InputError(
            f"activity_amplitude has dims {amplitude.dims} (allowed here: nuclide, cell, source, "
            "exponential)."
        )
    if "activity_rate_constant" not in cells:
        raise InputError("activity_amplitude needs activity_rate_constant, in s-1, beside it.")
    rate = cells["activity_rate_constant"]
    if "exponential" not in rate.dims or set(rate.dims) - {"nuclide", *dims}:
        raise InputError(
            f"activity_rate_constant has dims {rate.dims} (allowed with activity_amplitude: "
            "exponential, and any of nuclide, cell, source)."
        )
    order = list(SOURCES)
    own = amplitude.isel(nuclide=row).sel(source=order).transpose(*dims)
    own_rate = rate.isel(nuclide=row) if "nuclide" in rate.dims else rate
    if "source" in own_rate.dims:
        own_rate = own_rate.sel(source=order)
    broadcast = own_rate.broadcast_like(own).transpose(*dims)
    return own.values.astype(np.float64), np.asarray(broadcast.values, dtype=np.float64)


def _check_sum(agent: Agent, decays: FloatArray) -> None:
    scale = float(np.abs(agent.activity).max(initial=0.0))
    off = np.abs(decays - agent.activity) > _SUM_TOLERANCE * scale
    if off.any() or (scale == 0.0 and decays.any()):
        cell, source = (int(i) for i in np.unravel_index(np.argmax(off), off.shape))
        raise InputError(
            f"activity_amplitude / activity_rate_constant of {agent.label} sums to "
            f"{decays[cell, source]:g} decays in cell {cell}, source {SOURCES[source]}, but "
            f"time_integrated_activity is {agent.activity[cell, source]:g} Bq s there. Assign the "
            "sum as time_integrated_activity."
        )


def _progeny_rates(cells: xr.Dataset, row: int) -> dict[str, float]:
    if "progeny_rate_constant" not in cells:
        return {}
    table = cells["progeny_rate_constant"].transpose("nuclide", "progeny")
    pairs = zip(table["progeny"].values.tolist(), table.values[row].tolist(), strict=True)
    return {str(name): rate for name, rate in pairs if not math.isnan(rate)}


def chain_of(agent: Agent, progeny_rate_per_s: Mapping[str, float]) -> Chain:
    """Return the chain of a row at its site: members that decay there, and their rates."""
    solved = _structure(agent)
    if solved is None:
        nothing = np.empty(0, dtype=np.int64)
        label = agent.label if isinstance(agent.nuclide, str) else agent.nuclide.attrs["nuclide"]
        return Chain((nuclide_name(label),), np.ones(1), nothing, nothing, np.empty(0), np.ones(1))
    here = np.flatnonzero(solved.decays_per_parent_decay > 0.0)
    number = np.full(len(solved.members) + 1, -1)
    number[here] = np.arange(here.size)
    start, end = number[solved.parent_index], number[solved.daughter_index]
    inside = (start >= 0) & (end >= 0)
    rate = math.log(2.0) / solved.half_life_s[here]
    members = tuple(solved.members[i] for i in here)
    for name, value in progeny_rate_per_s.items():
        if name in members:
            rate[members.index(name)] = value
    return Chain(
        members,
        rate,
        start[inside].astype(np.int64),
        end[inside].astype(np.int64),
        solved.branching[inside] * solved.retention[solved.daughter_index[inside]],
        solved.decays_per_parent_decay[here],
    )


def _structure(agent: Agent) -> ChainStructure | None:
    """Return the chain of a nuclide or of the emissions of one; None for a single nuclide."""
    table = agent.nuclide
    if isinstance(table, str):
        return chain_structure(table, retention=agent.retention)
    parent = table.attrs["nuclide"]
    emitters: set[str] = set()  # physics_model names what a table lacks
    if "line_nuclide" in table:
        emitters = {str(name) for name in table["line_nuclide"].values.tolist()}
    if emitters <= {parent}:
        return None
    attrs = table.attrs
    known = attrs.get("data_source") == DEFAULT_SOURCE.name and attrs.get("chain") == 1
    if not known or attrs.get("chain_horizon_d") is not None:
        raise InputError(
            f"the emissions Dataset of {parent} has lines of progeny, but not when they decay "
            "(allowed: a nuclide by name, or emissions(nuclide) of the whole chain). Label each "
            "nuclide apart."
        )
    kept = json.loads(attrs["retention"]) if "retention" in attrs else None
    return chain_structure(
        parent, retention=kept, half_life_source=attrs.get("half_life_source", "icrp107")
    )
