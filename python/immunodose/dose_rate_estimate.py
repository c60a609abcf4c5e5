# SPDX-License-Identifier: BSD-3-Clause
"""What `absorbed_dose_rate` will need, for `immunodose.estimate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from immunodose.dose_rate import prepared_rate
from immunodose.population_estimate import LIBRARIES_MB, DoseOptions, describe_population
from immunodose.population_memory import Columns, sums_bytes
from immunodose.population_plan import plan_sweeps
from immunodose.population_seconds import rate_seconds
from immunodose.typing import EMISSIONS

if TYPE_CHECKING:
    import xarray as xr

_BYTES_PER_MB = 1e6


def rate_needs(cells: xr.Dataset, arguments: Mapping[str, Any]) -> dict[str, float]:
    """Return the needs of `absorbed_dose_rate(cells, **arguments)` as `estimate` does."""
    setting, parts, size = prepared_rate(cells, arguments)
    options = DoseOptions(
        method="kernel",
        physics=setting.physics,
        kept=setting.kept,
        dtype=str(arguments["dtype"]),
        n_threads=setting.n_threads,
        summation=setting.summation,
        rtol=setting.rtol,
    )
    population = describe_population(cells, [part.decays.agent for part in parts], options)
    sweeps = []
    for part in parts:
        split = "emission" in setting.kept or len(part.models) > 1
        kernels = {
            (member, emission): kernel
            for member, model in part.models.items()
            for emission, kernel in model.kernels.items()
        }
        found = plan_sweeps(
            population.of_sites().extent,
            kernels,
            summation=setting.summation,
            rtol=setting.rtol,
            split_emission=split,
            alpha_reach_um=None,
        )
        sweeps.append((found, split))
    columns = Columns(
        kept=setting.kept,
        dtype=options.dtype,
        n_agents=len(parts),
        n_targets=len(setting.scored),
        emissions=EMISSIONS,
        has_hits=False,
    )
    working, meshes = sums_bytes(population, columns, sweeps)
    memory = size.needs(working)
    seconds = rate_seconds(
        cells, population, columns, sweeps, [p.decays.agent for p in parts], size
    )
    input_MB = cells.nbytes / _BYTES_PER_MB
    return {
        "cells": float(cells.sizes["cell"]),
        "pairs of cells summed": seconds.pairs,
        "memory (MB)": LIBRARIES_MB + input_MB + memory.peak / _BYTES_PER_MB,
        "memory: libraries and tables (MB)": LIBRARIES_MB,
        "memory: input (MB)": input_MB,
        "memory: output (MB)": memory.output / _BYTES_PER_MB,
        "memory: working (MB)": (memory.peak - memory.output) / _BYTES_PER_MB,
        "memory: meshes (MB)": meshes / _BYTES_PER_MB,
        "file (MB)": (memory.output + (cells.nbytes if arguments["merge"] else 0)) / _BYTES_PER_MB,
        "time (s)": seconds.wall,
        "time, within a factor of": seconds.factor,
    }
