# SPDX-License-Identifier: BSD-3-Clause
"""What `absorbed_dose_rate` will need, and the refusal of one that does not fit into memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import memory
from immunodose.dose_rate_inputs import (
    RatePart,
    RateSetting,
    kernels_of,
    prepared_rate,
    rate_axes,
    splits_kernels,
)
from immunodose.dose_rate_memory import RateSize
from immunodose.errors import ResourceError
from immunodose.population_box import FREE
from immunodose.population_estimate import (
    LIBRARIES_MB,
    MESH_ATTEMPTS,
    DoseOptions,
    cells_that_fit,
    describe_population,
    require_listed,
)
from immunodose.population_memory import Columns, Memory, Population, most_bytes, sums_bytes
from immunodose.population_plan import Sweep, plan_sweeps
from immunodose.population_seconds import rate_seconds
from immunodose.typing import EMISSIONS, TARGETS, FloatLike

if TYPE_CHECKING:
    import xarray as xr

_BYTES_PER_MB = 1e6
_BYTES_OF_DTYPE = {"float64": 8, "float32": 4}


def _described(cells: xr.Dataset, setting: RateSetting, parts: Sequence[RatePart]) -> Population:
    options = DoseOptions(
        method="kernel",
        physics=setting.physics,
        kept=setting.kept,
        dtype="float64",
        n_threads=setting.n_threads,
        summation=setting.summation,
        rtol=setting.rtol,
        box_um=setting.box_um,
    )
    return describe_population(cells, [part.decays.agent for part in parts], options)


def _columns(setting: RateSetting, parts: Sequence[RatePart]) -> Columns:
    return Columns(
        kept=setting.kept,
        dtype="float64",  # in which doses are summed
        n_agents=len(parts),
        n_targets=len(setting.scored),
        emissions=EMISSIONS,
        has_hits=False,
    )


def _sweeps(
    population: Population, setting: RateSetting, parts: Sequence[RatePart], attempt: int = 0
) -> list[tuple[list[Sweep], bool]]:
    """Return the sweeps of each time course, and whether they split kernels."""
    found = []
    for part in parts:
        split = splits_kernels(part, setting)
        sweeps = plan_sweeps(
            population.of_sites().extent,
            {(member, emission): kernel for member, emission, kernel in kernels_of(part)},
            summation=setting.summation,
            rtol=setting.rtol,
            split_emission=split,
            alpha_reach_um=None,
            attempt=attempt,
        )
        found.append((sweeps, split))
    return found


def rate_memory(
    population: Population, setting: RateSetting, parts: Sequence[RatePart], size: RateSize
) -> Memory:
    """Return what a dose rate will hold beside its input."""
    columns = _columns(setting, parts)
    found = [
        sums_bytes(population, columns, _sweeps(population, setting, parts, attempt))
        for attempt in range(MESH_ATTEMPTS)
    ]
    # Where a list would hold too many images, the core keeps the mesh that it has.
    able = [needs for needs in found if math.isfinite(needs[0])]
    working, meshes = max(able or found)
    return replace(size.needs(working), grids=meshes)


def most_needed_MB(setting: RateSetting, parts: Sequence[RatePart], size: RateSize) -> float:
    """Return more than the call can need, without a look at the cells."""
    columns = Columns(setting.kept, "float64", len(parts), len(TARGETS), EMISSIONS, False)
    n_kernels = max((len(kernels_of(part)) for part in parts), default=0)
    work = most_bytes(size.n_cells, columns, has_box=setting.box_um != FREE) * max(
        1.0, n_kernels / len(EMISSIONS)
    )
    return size.needs(work).peak / _BYTES_PER_MB


def require_rate_memory(
    cells: xr.Dataset,
    setting: RateSetting,
    parts: Sequence[RatePart],
    size: RateSize,
    time_h: FloatLike,
) -> None:
    """Raise ResourceError if a dose rate does not fit into memory, with the options that fit."""
    free_MB = memory.available_memory_MB()
    if free_MB is None or most_needed_MB(setting, parts, size) <= free_MB:
        return
    population = _described(cells, setting, parts)
    needed_MB = rate_memory(population, setting, parts, size).peak / _BYTES_PER_MB
    if needed_MB <= free_MB or math.isinf(needed_MB):  # the core refuses too many images
        return
    fits: list[str] = []
    least_MB = needed_MB
    first_h = float(np.ravel(time_h)[0])
    for text, own, smaller in _smaller(setting, size, first_h):
        smaller_MB = rate_memory(population, own, parts, smaller).peak / _BYTES_PER_MB
        if smaller_MB <= free_MB and smaller_MB < least_MB:
            fits.append(f"{text} ({smaller_MB:.3g} MB)")
            least_MB = smaller_MB
    remedy = (
        f"These fit: {'; '.join(fits)}."
        if fits
        else "No other targets, split or dtype fits, nor one time: give at most about "
        f"{cells_that_fit(size.n_cells, needed_MB, free_MB)} cells, or free memory."
    )
    raise ResourceError(
        f"the dose rate of {size.n_cells} cells, {size.columns} values each, at {size.n_times} "
        f"times needs about {needed_MB:.3g} MB of memory, {free_MB:.3g} MB are available to this "
        f"process. {remedy}"
    )


def _smaller(
    setting: RateSetting, size: RateSize, first_h: float
) -> Iterator[tuple[str, RateSetting, RateSize]]:
    """Yield arguments that need less memory: single precision first, a single time last."""
    splits = [setting.kept]
    for dropped in (("nuclide",), ("origin",), ("emission",), ("nuclide", "origin", "emission")):
        splits.append(tuple(name for name in setting.kept if name not in dropped))
    every = itertools.product(
        dict.fromkeys((size.n_times, 1)),
        dict.fromkeys((setting.targets, setting.targets[:1])),
        dict.fromkeys(splits),
        dict.fromkeys((size.item_bytes, _BYTES_OF_DTYPE["float32"])),
        dict.fromkeys((setting.summation, "cell_list")),
    )
    n_rows = size.lengths.get("nuclide", 1)
    for n_times, targets, kept, item_bytes, summation in every:
        own = replace(setting, targets=targets, kept=kept, summation=summation)
        smaller = replace(
            size,
            lengths=rate_axes(own, n_rows),
            n_targets=len(targets),
            n_times=n_times,
            item_bytes=item_bytes,
        )
        changed = {
            "targets": (targets, setting.targets),
            "split": (kept, setting.kept),
            "dtype": ("float32", "float32" if item_bytes == size.item_bytes else ""),
            "summation": (summation, setting.summation),
            "time_h": (first_h, first_h if n_times == size.n_times else ""),
        }
        text = ", ".join(f"{name}={new!r}" for name, (new, old) in changed.items() if new != old)
        if text:
            yield text, own, smaller


def rate_needs(cells: xr.Dataset, arguments: Mapping[str, Any]) -> dict[str, float]:
    """Return the needs of `absorbed_dose_rate(cells, **arguments)` as `estimate` does."""
    setting, parts, size = prepared_rate(cells, arguments)
    population = _described(cells, setting, parts)
    needs = rate_memory(population, setting, parts, size)
    require_listed(needs.peak)
    seconds = rate_seconds(
        cells,
        population,
        _columns(setting, parts),
        _sweeps(population, setting, parts),
        [part.decays.agent for part in parts],
        size,
    )
    input_MB = cells.nbytes / _BYTES_PER_MB
    return {
        "cells": float(cells.sizes["cell"]),
        "pairs of cells summed": seconds.pairs,
        "memory (MB)": LIBRARIES_MB + input_MB + needs.peak / _BYTES_PER_MB,
        "memory: libraries and tables (MB)": LIBRARIES_MB,
        "memory: input (MB)": input_MB,
        "memory: output (MB)": needs.output / _BYTES_PER_MB,
        "memory: working (MB)": (needs.peak - needs.output) / _BYTES_PER_MB,
        "memory: meshes (MB)": needs.grids / _BYTES_PER_MB,
        "file (MB)": (needs.output + (cells.nbytes if arguments["merge"] else 0)) / _BYTES_PER_MB,
        "time (s)": seconds.wall,
        "time, within a factor of": seconds.factor,
    }
