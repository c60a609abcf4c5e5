# SPDX-License-Identifier: BSD-3-Clause
"""What a population dose will need, and the refusal of one that does not fit into memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.cells import check
from immunodose.cells.checks import nucleus_offset_um
from immunodose.data.nuclides import emissions as emissions_of
from immunodose.errors import InputError, ResourceError
from immunodose.memory import available_memory_MB
from immunodose.physics import PhysicsModel, physics_model, require_physics
from immunodose.population_box import FREE, Box, require_inside
from immunodose.population_inputs import DTYPES, Agent, agents_of, check_choice, check_split
from immunodose.population_memory import (
    MOST_IMAGES,
    Columns,
    Memory,
    Population,
    kernel_memory,
    monte_carlo_memory,
    most_bytes,
)
from immunodose.population_plan import Extent, Sweep, plan_sweeps
from immunodose.population_shapes import cell_shapes
from immunodose.population_sums import SUMMATIONS, summation_options
from immunodose.threads import resolve_threads
from immunodose.typing import EMISSIONS, TARGETS, Physics

if TYPE_CHECKING:
    import xarray as xr

METHODS = ("kernel", "monte_carlo")
_SUMS_AND_HISTORIES = ("summation", "rtol", "realization", "emissions", "hits")
_BYTES_PER_MB = 1e6
# Programs and tables that the first call of a process loads: measured, 104 to 131 MB.
LIBRARIES_MB = 140.0
# Meshes that the core tries at most before it takes cell lists, which need less memory.
MESH_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class DoseOptions:
    """The arguments of `absorbed_dose` that memory and time depend on."""

    method: str
    physics: Physics | None
    kept: tuple[str, ...]
    dtype: str
    n_threads: int
    membrane_thickness_nm: float = 10.0
    density_g_per_cm3: float = 1.0
    summation: str = "auto"
    rtol: float = 1e-3
    realization: bool = False
    emissions: Sequence[str] | None = None
    hits: bool = True
    box_um: Box = FREE

    @staticmethod
    def of(arguments: Mapping[str, Any]) -> DoseOptions:
        """Check and take the arguments of `absorbed_dose`."""
        for name, allowed in (
            ("method", METHODS),
            ("dtype", DTYPES),
            ("summation", SUMMATIONS),
        ):
            check_choice(name, arguments[name], allowed)
        given = (arguments[name] for name in ("summation", "rtol", "periodic_box_um"))
        box_um = summation_options(arguments["method"], *given).get("box_um", FREE)
        names = ("method", "physics", "dtype", "membrane_thickness_nm", "density_g_per_cm3")
        return DoseOptions(
            kept=check_split(arguments["split"]),
            n_threads=resolve_threads(arguments["n_threads"]),
            box_um=box_um,
            **{name: arguments[name] for name in (*names, *_SUMS_AND_HISTORIES)},
        )

    @property
    def model(self) -> Physics:
        """Physics of method "kernel"; raises InputError for another."""
        return require_physics(self.physics)


@dataclass(frozen=True, slots=True)
class Scene:
    """The cells, their agents and the transport model of each (method "kernel")."""

    population: Population
    agents: Sequence[Agent]
    models: Sequence[PhysicsModel]
    classes: Sequence[tuple[str, ...]]  # of each agent that are scored

    @staticmethod
    def of(cells: xr.Dataset, agents: Sequence[Agent], options: DoseOptions) -> Scene:
        """Describe a labeled population; loads the kernels of its nuclides."""
        if options.method == "kernel":
            models = [
                physics_model(
                    agent.nuclide,
                    physics=options.model,
                    retention=agent.retention,
                    density_g_per_cm3=options.density_g_per_cm3,
                )
                for agent in agents
            ]
            classes = [tuple(str(name) for name in model.kernels) for model in models]
        else:
            models = []
            classes = [_emitted(agent, options.emissions) for agent in agents]
        return Scene(describe_population(cells, agents, options), agents, models, classes)

    def sweeps(self, options: DoseOptions, attempt: int = 0) -> list[list[Sweep]]:
        """Return the sweeps of each agent of method "kernel"."""
        found = []
        for model in self.models:
            alphas = model.kernels.get("alpha")
            scored = "emission" in options.kept and alphas is not None
            found.append(
                plan_sweeps(
                    self.population.of_sites().extent,
                    model.kernels,
                    summation=options.summation,
                    rtol=options.rtol,
                    split_emission="emission" in options.kept,
                    alpha_reach_um=alphas.reach_um if scored and alphas is not None else None,
                    attempt=attempt,
                )
            )
        return found

    def columns(self, options: DoseOptions) -> Columns:
        """Return the columns of the result."""
        no_membrane = options.physics == "mird" or options.membrane_thickness_nm == 0.0
        massless = options.method == "kernel" and no_membrane
        most: tuple[str, ...] = max(self.classes, key=len, default=())
        alphas = any("alpha" in names for names in self.classes)
        return Columns(
            kept=options.kept,
            dtype=options.dtype,
            n_agents=len(self.agents),
            n_targets=len(TARGETS) - massless,
            emissions=most,
            has_hits=options.method == "kernel" and "emission" in options.kept and alphas,
        )

    def memory(self, options: DoseOptions) -> Memory:
        """Return what the call will hold beside its input."""
        columns = self.columns(options)
        if options.method == "monte_carlo":
            return monte_carlo_memory(
                self.population, columns, realization=options.realization, hits=options.hits
            )
        plans = [self.sweeps(options, attempt) for attempt in range(MESH_ATTEMPTS)]
        found = [kernel_memory(self.population, columns, sweeps) for sweeps in plans]
        # Where a list would hold too many images, the core keeps the mesh that it has.
        able = [memory for memory in found if math.isfinite(memory.peak)]
        return max(able or found[:1], key=lambda memory: memory.peak)


def _emitted(agent: Agent, wanted: Sequence[str] | None) -> tuple[str, ...]:
    table = emissions_of(agent.nuclide, retention=agent.retention)
    kinds = set(table["emission"].values.astype(str)[table["yield_per_decay"].values > 0.0])
    return tuple(name for name in EMISSIONS if name in kinds and (wanted is None or name in wanted))


def describe_population(
    cells: xr.Dataset, agents: Sequence[Agent], options: DoseOptions
) -> Population:
    """Return what memory and time depend on beside the columns of the result."""
    n_cells = cells.sizes["cell"]
    shapes = cell_shapes(cells)
    radius = cells["cell_radius"].values
    box = tuple(float(np.ptp(cells[axis].values)) if n_cells else 0.0 for axis in "zyx")
    active = [np.count_nonzero(agent.activity, axis=0) for agent in agents]
    medium = [agent.medium_per_um3 > 0.0 for agent in agents]
    used = [
        [bool(count) or around for count in counts]
        for counts, around in zip(active, medium, strict=True)
    ]
    return Population(
        extent=Extent(
            n_cells=n_cells,
            box_um=(box[0], box[1], box[2]),
            smallest_radius_um=float(radius.min(initial=np.inf)) if n_cells else 1.0,
            largest_radius_um=float(radius.max(initial=0.0)) if n_cells else 1.0,
            period_um=options.box_um[::-1],
        ),
        n_shapes=len(shapes.shape_um),
        n_classes=len(shapes.class_um),
        n_sources=[
            3 * n_cells if around else int(counts.sum())
            for counts, around in zip(active, medium, strict=True)
        ],
        n_compartments=max((sum(flags) for flags in used), default=0),
        n_threads=options.n_threads,
        has_offsets="nucleus_offset_x" in cells,
        smallest_nucleus_um=_smallest_site_um(cells) if options.method == "kernel" else None,
        has_copied_activity=not all(
            np.may_share_memory(agent.activity, cells["time_integrated_activity"].values)
            for agent in agents
        ),
    )


def _smallest_site_um(cells: xr.Dataset) -> float | None:
    """Radius of the smallest nucleus, None if all are in the center."""
    if nucleus_offset_um(cells) is None:
        return None
    return float(cells["nucleus_radius"].values.min())


def require_dose_memory(cells: xr.Dataset, options: DoseOptions) -> None:
    """Raise ResourceError if a dose does not fit into memory, with the options that fit.

    Loads nothing and plans nothing where even the largest imaginable need would fit.
    """
    free_MB = available_memory_MB()
    sizes: Mapping[Any, int] = getattr(cells, "sizes", {})  # what is no population fails later
    n_cells, n_agents = sizes.get("cell", 0), sizes.get("nuclide", 1)
    columns = Columns(options.kept, options.dtype, n_agents, len(TARGETS), EMISSIONS, True)
    most = most_bytes(n_cells, columns, has_box=options.box_um != FREE)
    if free_MB is None or most <= free_MB * _BYTES_PER_MB:
        return
    check(cells)
    require_inside(cells, options.box_um, options.n_threads)
    scene = Scene.of(cells, agents_of(cells), options)
    needed_MB = scene.memory(options).peak / _BYTES_PER_MB
    if needed_MB <= free_MB or math.isinf(needed_MB):  # the core refuses too many images
        return
    fits: list[str] = []
    least_MB = needed_MB
    for text, smaller in smaller_options(options):
        smaller_MB = scene.memory(smaller).peak / _BYTES_PER_MB
        if smaller_MB <= free_MB and smaller_MB < least_MB:
            fits.append(f"{text} ({smaller_MB:.3g} MB)")
            least_MB = smaller_MB
    others = "split, dtype or " + ("summation" if options.method == "kernel" else "hits=False")
    remedy = (
        f"These fit: {'; '.join(fits)}."
        if fits
        else f"No other {others} fits: give at most about "
        f"{cells_that_fit(n_cells, needed_MB, free_MB)} cells, or free memory."
    )
    raise ResourceError(
        f"the dose of {n_cells} cells needs about {needed_MB:.3g} MB of memory, {free_MB:.3g} MB "
        f"are available to this process. {remedy}"
    )


def require_listed(needed_bytes: float) -> None:
    """Raise InputError if a sum over pairs would list too many images of a periodic box."""
    if math.isinf(needed_bytes):
        raise InputError(
            f"a sum over pairs would list more than {MOST_IMAGES:g} images of a periodic box. Give "
            "summation='auto' (no images where a mesh fits), leave 'emission' out of split (hits "
            "of alphas need all pairs), or give a larger box."
        )


def smaller_options(options: DoseOptions) -> Iterator[tuple[str, DoseOptions]]:
    """Yield arguments that need less memory: single precision, fewer dims, no hits, then lists."""
    splits: list[tuple[str, ...]] = [options.kept]
    for dropped in (("nuclide",), ("origin",), ("emission",), ("emission", "origin")):
        splits.append(tuple(name for name in options.kept if name not in ("nuclide", *dropped)))
    splits.append(())
    by_kernel = options.method == "kernel"
    every = itertools.product(
        dict.fromkeys((options.summation, "cell_list" if by_kernel else options.summation)),
        dict.fromkeys((options.hits, options.hits and by_kernel)),
        dict.fromkeys(splits),
        dict.fromkeys((options.dtype, "float32")),
    )
    for summation, hits, kept, dtype in every:
        smaller = replace(options, summation=summation, hits=hits, kept=kept, dtype=dtype)
        changed = {
            "split": (kept, options.kept),
            "dtype": (dtype, options.dtype),
            "summation": (summation, options.summation),
            "hits": (hits, options.hits),
        }
        text = ", ".join(f"{name}={new!r}" for name, (new, old) in changed.items() if new != old)
        if text:
            yield text, smaller


def cells_that_fit(n_cells: int, needed_MB: float, free_MB: float) -> int:
    """Return how many cells of the same kind take the free memory, in round numbers."""
    fit = int(n_cells * min(free_MB / needed_MB, 1.0))
    digits: int = 10 ** max(0, len(str(fit)) - 2)
    return fit // digits * digits


def dose_needs(cells: xr.Dataset, arguments: Mapping[str, Any]) -> dict[str, float]:
    """Return the needs of `absorbed_dose(cells, **arguments)` as `immunodose.estimate` does."""
    from immunodose.population_seconds import dose_seconds

    check(cells)
    options = DoseOptions.of(arguments)
    require_inside(cells, options.box_um, options.n_threads)
    agents = agents_of(cells)
    scene = Scene.of(cells, agents, options)
    memory = scene.memory(options)
    require_listed(memory.peak)
    input_MB = cells.nbytes / _BYTES_PER_MB
    seconds = dose_seconds(cells, scene, options, arguments)
    coordinates = sum(int(cells[name].nbytes) for name in ("cell", "x", "y", "z") if name in cells)
    file_MB = (memory.output + coordinates) / _BYTES_PER_MB
    return {
        "cells": float(cells.sizes["cell"]),
        "pairs of cells summed": seconds.pairs,
        "decays transported": seconds.histories,
        "memory (MB)": LIBRARIES_MB + input_MB + memory.peak / _BYTES_PER_MB,
        "memory: libraries and tables (MB)": LIBRARIES_MB,
        "memory: input (MB)": input_MB,
        "memory: output (MB)": memory.output / _BYTES_PER_MB,
        "memory: working (MB)": (memory.peak - memory.output) / _BYTES_PER_MB,
        "memory: meshes (MB)": memory.grids / _BYTES_PER_MB,
        "file (MB)": file_MB + (input_MB if arguments["merge"] else 0.0),
        "time (s)": seconds.wall,
        "time, within a factor of": seconds.factor,
    }
