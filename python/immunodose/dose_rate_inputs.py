# SPDX-License-Identifier: BSD-3-Clause
"""What `absorbed_dose_rate` sums, from its checked arguments."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.cells import check
from immunodose.data.nuclides import named_emissions
from immunodose.dose_rate_memory import RateSize
from immunodose.dose_rate_sources import TimedDecays, timed_decays
from immunodose.errors import InputError
from immunodose.physics import (
    PhysicsModel,
    physics_model,
    require_density,
    require_physics,
    warn_of_electrons,
)
from immunodose.population_box import Box, require_inside
from immunodose.population_inputs import DTYPES, check_choice, check_names, check_split
from immunodose.population_shapes import CellShapes, cell_shapes
from immunodose.population_sums import SUMMATIONS, summation_options
from immunodose.threads import resolve_threads
from immunodose.transport import effective_membrane_um
from immunodose.typing import EMISSIONS, ORIGINS, TARGETS, FloatArray, FloatLike, Physics
from immunodose.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    import xarray as xr

_SUMMING = ("summation", "rtol", "periodic_box_um")


@dataclass(frozen=True, slots=True)
class RateSetting:
    """What all sums over cells of one call share."""

    physics: Physics
    density: float
    membrane_um: float
    shapes: CellShapes
    targets: tuple[str, ...]
    kept: tuple[str, ...]
    summation: str
    rtol: float
    box_um: Box
    n_threads: int

    @property
    def scored(self) -> tuple[str, ...]:
        """Targets that have a mass."""
        return tuple(
            name for name in self.targets if not (name == "membrane" and self.membrane_um == 0.0)
        )


@dataclass(frozen=True, slots=True)
class RatePart:
    """Decays of one time course, with a model for each member that emits."""

    decays: TimedDecays
    models: dict[str, PhysicsModel]


def prepared_rate(
    cells: xr.Dataset, arguments: Mapping[str, Any]
) -> tuple[RateSetting, list[RatePart], RateSize]:
    """Check the arguments of `absorbed_dose_rate`; return what is summed, and its size."""
    check_choice("dtype", arguments["dtype"], DTYPES)
    check_choice("summation", arguments["summation"], SUMMATIONS)
    times = times_s(arguments["time_h"])
    check(cells)
    kept = check_split(arguments["split"])
    model_name = require_physics(arguments["physics"])
    setting = RateSetting(
        physics=model_name,
        density=require_density(arguments["density_g_per_cm3"]),
        membrane_um=effective_membrane_um(model_name, arguments["membrane_thickness_nm"]),
        shapes=cell_shapes(cells),
        targets=_targets(arguments["targets"], kept),
        kept=kept,
        n_threads=resolve_threads(arguments["n_threads"]),
        **summation_options("kernel", *(arguments[name] for name in _SUMMING)),
    )
    require_inside(cells, setting.box_um, setting.n_threads)
    parts = [_part(one, setting) for one in timed_decays(cells, arguments["effective_half_life_h"])]
    size = RateSize(
        n_cells=int(cells.sizes["cell"]),
        lengths=rate_axes(setting, int(cells.sizes["nuclide"])),
        n_targets=len(setting.targets),
        n_components=sum(len(part.models) for part in parts),
        n_times=times.size,
        item_bytes=np.dtype(arguments["dtype"]).itemsize,
    )
    return setting, parts, size


def times_s(time_h: FloatLike) -> FloatArray:
    """Return the checked times in s, one-dimensional."""
    given = np.asarray(time_h)
    if given.dtype.kind not in "fiu" or given.ndim > 1 or given.size == 0:
        raise InputError(
            f"invalid time_h of shape {given.shape} and dtype {given.dtype} (allowed: one number "
            "or a sequence of numbers in h, not empty)."
        )
    times = np.atleast_1d(given.astype(np.float64))
    bad = ~(np.isfinite(times) & (times >= 0.0))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(f"time_h[{i}] = {times[i]} (allowed: finite, >= 0 h).")
    falling = np.flatnonzero(np.diff(times) <= 0.0)
    if falling.size:
        i = int(falling[0])
        raise InputError(
            f"time_h[{i + 1}] = {times[i + 1]} after {times[i]} (allowed: ascending). Sort them."
        )
    return np.asarray(times * SECONDS_PER_HOUR)


def _targets(targets: Sequence[str] | None, kept: tuple[str, ...]) -> tuple[str, ...]:
    if targets is None:
        return TARGETS if "target" in kept else ("nucleus",)
    check_names("targets", "target", targets, TARGETS)
    chosen = tuple(name for name in TARGETS if name in targets)
    if not chosen or len(targets) != len(chosen):
        raise InputError(f"invalid targets={tuple(targets)} (allowed: each at most once, not none)")
    if "target" not in kept and len(chosen) != 1:
        raise InputError(
            f"targets={chosen} without 'target' in split (doses to several targets do not add). "
            "Put 'target' into split, or name one target."
        )
    return chosen


def _part(decays: TimedDecays, setting: RateSetting) -> RatePart:
    agent = decays.agent
    whole = physics_model(
        agent.nuclide,
        physics=setting.physics,
        retention=agent.retention,
        density_g_per_cm3=setting.density,
    )
    warn_of_electrons(whole)
    if len(decays.chain.members) == 1:
        return RatePart(decays, {decays.chain.members[0]: whole})
    if isinstance(agent.nuclide, str):
        kept = tuple(sorted((agent.retention or {}).items()))
        models = _named_members(agent.nuclide, setting.physics, kept, setting.density)
    else:
        models = _members(agent.nuclide, setting.physics, setting.density)
    return RatePart(decays, models)


@functools.lru_cache(maxsize=16)
def _named_members(
    nuclide: str, physics: Physics, retention: tuple[tuple[str, float], ...], density: float
) -> dict[str, PhysicsModel]:
    table = named_emissions(nuclide, retention=dict(retention) or None)
    return _members(table, physics, density)


def _members(table: xr.Dataset, physics: Physics, density: float) -> dict[str, PhysicsModel]:
    """Return the model of what each member of the chain emits, per decay of the parent."""
    emitter = table["line_nuclide"].values.astype(str)
    return {
        name: physics_model(
            table.isel(line=np.flatnonzero(emitter == name)),
            physics=physics,
            density_g_per_cm3=density,
        )
        for name in dict.fromkeys(emitter.tolist())
    }


def kernels_of(part: RatePart) -> list[tuple[int, str, Any]]:
    """Return the member's number, emission and kernel of each kernel of a part."""
    return [
        (m, emission, kernel)
        for m, model in enumerate(part.models.values())
        for emission, kernel in model.kernels.items()
    ]


def splits_kernels(part: RatePart, setting: RateSetting) -> bool:
    """Return whether each kernel of a part has columns of its own."""
    return "emission" in setting.kept or len(part.models) > 1


def rate_axes(setting: RateSetting, n_rows: int) -> dict[str, int]:
    """Return the dims of the result after `cell`, with their lengths."""
    sizes = {
        "nuclide": n_rows,
        "target": len(setting.targets),
        "emission": len(EMISSIONS),
        "origin": len(ORIGINS),
    }
    return {name: sizes[name] for name in sizes if name in setting.kept}
