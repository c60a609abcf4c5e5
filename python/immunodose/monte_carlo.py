# SPDX-License-Identifier: BSD-3-Clause
"""Doses of a population by transport of its decays, one by one (docs/theory/monte_carlo.md)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.cells import check
from immunodose.cells.checks import nucleus_offset_um
from immunodose.data.chains import chain_structure
from immunodose.data.decay_data import DEFAULT_SOURCE
from immunodose.data.nuclides import emissions as emissions_of
from immunodose.data.spectra import nuclide_lines
from immunodose.emission_kernels import electron_fraction_below_cutoff, photon_fraction_at_decay
from immunodose.errors import InputError, ValidityWarning
from immunodose.physics import require_density
from immunodose.population_hits import hit_variables
from immunodose.population_inputs import Agent, agents_of
from immunodose.population_options import (
    DEFAULT_HISTORIES_PER_BATCH,
    LOST_DAUGHTERS,
    MonteCarloOptions,
)
from immunodose.provenance import base_attrs
from immunodose.rng import random_root
from immunodose.schema import data_array
from immunodose.threads import reported, resolve_threads
from immunodose.transport import effective_membrane_um
from immunodose.typing import EMISSIONS, ORIGINS, TARGETS, FloatArray, Progress
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

if TYPE_CHECKING:
    import xarray as xr

# Highest energy of electrons, and of photons whose secondaries are electrons, keV; and the share of
# their energy above it that passes without a warning.
HIGHEST_KEV = 3000.0
_TOLERATED_ABOVE = 1e-3

FATES = ("emitted", "cells", "medium", "escaped", "left", "not_transported")
# A further row of the core's account, part of `cells` and `medium`.
_BELOW_CUTOFF = len(FATES)
# Water around the cells in which photons are followed: of those above 50 keV fewer than 3 %
# interact in it.
PHOTON_MARGIN_UM = 1000.0
_ELECTRONS = ("beta", "auger_ce")
# Share of the world that must be medium for daughters to be moved there: places are drawn until
# one lies outside of the cells, so this many draws are the reciprocal.
_LEAST_MEDIUM = 1e-3
_COUNT_COMPARTMENTS = 3
# The CSDA range is the longest path of an electron but for straggling (docs/theory/electrons.md).
_ELECTRON_REACH_FACTOR = 1.25


@dataclass(frozen=True, slots=True)
class _Scene:
    core: _core.transport.SphereScene
    mass_ng: FloatArray  # (cell, target)
    volume_um3: float  # of all cells
    membrane_thickness_nm: float
    density_g_per_cm3: float


def decay_sampler(
    nuclide: str | xr.Dataset,
    *,
    chain: bool = True,
    retention: Mapping[str, float] | None = None,
) -> _core.transport.DecaySampler:
    """Return what draws decays of a nuclide with its chain, or of a user's spectrum."""
    if not isinstance(nuclide, str):
        return _spectrum_sampler(emissions_of(nuclide, chain=chain, retention=retention))
    structure = chain_structure(nuclide, chain=chain, retention=retention)
    lines = [nuclide_lines(name, DEFAULT_SOURCE) for name in structure.members]
    arrivals = np.zeros(len(structure.members))
    inside = structure.daughter_index >= 0
    np.add.at(
        arrivals,
        structure.daughter_index[inside],
        structure.decays_per_parent_decay[structure.parent_index[inside]]
        * structure.branching[inside]
        * structure.retention[structure.daughter_index[inside]],
    )
    in_time = np.ones(len(structure.members))  # labels have no horizon, so this stays 1
    np.divide(structure.decays_per_parent_decay, arrivals, out=in_time, where=arrivals > 0.0)
    member = np.concatenate([np.full(len(own.emission), n) for n, own in enumerate(lines)])
    kinds = [EMISSIONS.index(kind) for own in lines for kind in own.emission]
    return _core.transport.DecaySampler(
        retention=structure.retention,
        in_time=np.where(in_time > 1.0 - 1e-9, 1.0, in_time),
        edge_parent=structure.parent_index.astype(np.int64),
        edge_daughter=structure.daughter_index.astype(np.int64),
        edge_fraction=structure.branching,
        edge_is_alpha=structure.is_alpha.astype(np.int64),
        line_member=member.astype(np.int64),
        line_emission=np.array(kinds, dtype=np.int64),
        line_energy_keV=np.concatenate([own.energy_keV for own in lines]),
        line_yield=np.concatenate([own.yield_per_decay for own in lines]),
    )


def _spectrum_sampler(table: xr.Dataset) -> _core.transport.DecaySampler:
    kinds = table["emission"].values.astype(str)
    yields = table["yield_per_decay"].values.astype(np.float64)
    alphas = float(yields[kinds == "alpha"].sum())
    if alphas > 1.0 + 1e-6:
        raise InputError(
            f"the spectrum has {alphas:g} alphas per decay, but says not which follow each other. "
            "Give a nuclide by name, or one agent per member of the chain."
        )
    none = np.empty(0, dtype=np.int64)
    return _core.transport.DecaySampler(
        retention=np.ones(1),
        in_time=np.ones(1),
        edge_parent=none,
        edge_daughter=none,
        edge_fraction=np.empty(0),
        edge_is_alpha=none,
        line_member=np.zeros(yields.size, dtype=np.int64),
        line_emission=np.array([EMISSIONS.index(kind) for kind in kinds], dtype=np.int64),
        line_energy_keV=table["energy"].values.astype(np.float64),
        line_yield=yields,
    )


def _scene(cells: xr.Dataset, membrane_thickness_nm: float, density_g_per_cm3: float) -> _Scene:
    membrane_um = effective_membrane_um("monte_carlo", membrane_thickness_nm)
    radius = cells["cell_radius"].values.astype(np.float64)
    nucleus = cells["nucleus_radius"].values.astype(np.float64)
    offset = nucleus_offset_um(cells)
    core = _core.transport.SphereScene(
        x_um=cells["x"].values.astype(np.float64),
        y_um=cells["y"].values.astype(np.float64),
        z_um=cells["z"].values.astype(np.float64),
        cell_radius_um=radius,
        nucleus_radius_um=nucleus,
        nucleus_offset_um=np.empty(0) if offset is None else offset,
        membrane_thickness_um=membrane_um,
    )
    cubes = [nucleus**3, (radius - membrane_um) ** 3 - nucleus**3]
    cubes += [radius**3 - (radius - membrane_um) ** 3, radius**3]
    volume = 4.0 / 3.0 * np.pi * np.stack(cubes, axis=1)
    mass = volume * density_g_per_cm3 * NG_PER_UM3
    return _Scene(core, mass, float(volume[:, -1].sum()), membrane_thickness_nm, density_g_per_cm3)


def _classes(decays: _core.transport.DecaySampler, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the emission classes of a nuclide that are to be transported."""
    emitted = [name for i, name in enumerate(EMISSIONS) if decays.largest_energy_keV(emission=i)]
    return tuple(name for name in emitted if wanted is None or name in wanted)


def _world(
    source: Agent,
    decays: _core.transport.DecaySampler,
    classes: Sequence[str],
    scene: _Scene,
    options: MonteCarloOptions,
) -> tuple[float, float]:
    """Radius (um) of the ball of water around the cells, and the decays in its medium."""
    margin_um = options.medium_margin_um
    to_medium = options.lost_daughters == "medium" and source.retention is not None
    if margin_um is None:
        active = source.medium_per_um3 > 0.0 or to_medium
        margin_um = _reach_um(decays, classes, scene) if active else 0.0
        if "photon" in classes or any(name in classes for name in _ELECTRONS):
            margin_um = max(margin_um, PHOTON_MARGIN_UM)
    elif not (np.isfinite(margin_um) and margin_um >= 0.0):
        raise InputError(f"invalid medium_margin_um={margin_um!r} (allowed: finite, >= 0).")
    radius = scene.core.bounding_radius_um() + float(margin_um)
    ball = 4.0 / 3.0 * np.pi * radius**3
    volume = ball - scene.volume_um3
    if to_medium and volume < _LEAST_MEDIUM * ball:
        raise InputError(
            f"lost_daughters='medium' needs a medium, but the cells fill their world (a ball of "
            f"{radius:g} um). Give medium_margin_um > 0."
        )
    return radius, source.medium_per_um3 * volume


def _reach_um(decays: _core.transport.DecaySampler, classes: Sequence[str], scene: _Scene) -> float:
    """Return how far (um) the charged particles of a nuclide get."""
    density_g_per_cm3 = scene.density_g_per_cm3
    reach = 0.0
    for name in classes:
        energy = decays.largest_energy_keV(emission=EMISSIONS.index(name))
        if name == "alpha":
            ranges = _core.physics.alpha_range_um(
                energy_keV=np.array([energy]), density_g_per_cm3=density_g_per_cm3
            )
            reach = max(reach, float(ranges[0]))
        elif name in _ELECTRONS:
            ranges = _core.physics.cole_range_um(energy_keV=np.array([energy]))
            reach = max(reach, _ELECTRON_REACH_FACTOR * float(ranges[0]) / density_g_per_cm3)
    return reach


def _warn_of_energies_above(table: xr.Dataset, label: str) -> None:
    """Warn if much energy lies above the transport: it is accounted as `not_transported`."""
    energy = table["energy"].values.astype(np.float64)
    weight = energy * table["yield_per_decay"].values.astype(np.float64)
    light = np.isin(table["emission"].values.astype(str), (*_ELECTRONS, "photon"))
    above = float(weight[light & (energy > HIGHEST_KEV)].sum())
    if above > _TOLERATED_ABOVE * float(weight[light].sum()):
        warnings.warn(
            f"{above:.4g} keV per decay of {label} come with electrons and photons above "
            f"{HIGHEST_KEV:g} keV, the end of the transport; they are not followed (fate "
            "not_transported of energy_account). physics='kernel' scales its kernels there.",
            ValidityWarning,
            stacklevel=5,
        )


def _fraction_at_cutoff(account_keV: FloatArray) -> float:
    """Return the share of what electrons and photons left in water that slow electrons left."""
    light = [EMISSIONS.index(name) for name in (*_ELECTRONS, "photon")]
    left = account_keV[[FATES.index("cells"), FATES.index("medium")]][:, light].sum()
    return float(account_keV[_BELOW_CUTOFF, light].sum() / left) if left else 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """What all nuclides share."""

    scene: _Scene
    options: MonteCarloOptions
    kept: tuple[str, ...]
    root: int
    n_threads: int

    def set_up(
        self, source: Agent
    ) -> tuple[_core.transport.DecaySampler, _core.transport.DecayTransportCall, dict[str, float]]:
        """Return what the core needs for one nuclide, and its world as the attributes state it."""
        options = self.options
        decays = decay_sampler(source.nuclide, retention=source.retention)
        classes = _classes(decays, options.emissions)
        radius, medium = _world(source, decays, classes, self.scene, options)
        call = _core.transport.DecayTransportCall(
            root=self.root,
            density_g_per_cm3=self.scene.density_g_per_cm3,
            straggling=bool(options.straggling),
            lost=LOST_DAUGHTERS.index(options.lost_daughters),
            detailed=options.electron_mode == "detailed",
            cutoff_keV=options.electron_cutoff_keV,
            transported=[EMISSIONS.index(name) for name in classes],
            kept=[name in self.kept for name in ("target", "emission", "origin")],
            with_hits=bool(options.hits),
            medium_decays=medium,
            world_radius_um=radius,
            n_threads=self.n_threads,
        )
        return decays, call, {"radius_um": radius, "medium_decays": medium}

    def count_index(self, row: int, source: Agent) -> int:
        """Return the number of the first stream that draws how many decays a nuclide has."""
        n_cells: int = source.activity.shape[0]
        return row * (_COUNT_COMPARTMENTS * n_cells + 1)

    def transport(
        self, row: int, source: Agent, first_history: int
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Transport the decays of one nuclide; also return what the attributes state."""
        options = self.options
        decays, call, world = self.set_up(source)
        if options.realization:
            result = _core.transport.decay_realization(
                self.scene.core, decays, call, source.activity,
                count_index=self.count_index(row, source), first_history=first_history,
                begin=0, end=-1,
            )  # fmt: skip
        else:
            result = _core.transport.decay_mean(
                self.scene.core, decays, call, source.activity,
                count_index=row * options.n_batches, first_history=first_history,
                n_histories=self.n_histories, n_batches=options.n_batches,
            )  # fmt: skip
        table = emissions_of(source.nuclide, retention=source.retention)
        _warn_of_energies_above(table, source.label)
        return result, {
            **world,
            "electron_energy_fraction_below_cutoff": electron_fraction_below_cutoff(
                table, options.electron_cutoff_keV
            ),
            "electron_energy_fraction_at_cutoff": _fraction_at_cutoff(result["account_keV"]),
            "photon_energy_fraction_at_decay": photon_fraction_at_decay(table),
        }

    @property
    def n_histories(self) -> int:
        """Histories per nuclide."""
        given = self.options.n_histories
        return DEFAULT_HISTORIES_PER_BATCH * self.options.n_batches if given is None else given

    def with_all_emissions(self, result: Mapping[str, Any], name: str) -> FloatArray:
        """Return (cell, target, emission, origin) with every emission label, if kept."""
        values: FloatArray = result[name]
        if "emission" not in self.kept:
            return values
        full = np.zeros((*values.shape[:2], len(EMISSIONS), values.shape[3]))
        full[:, :, result["emissions"]] = values
        return full

    def mass_ng(self) -> FloatArray:
        """Return masses that divide (cell, target, emission, origin); NaN where there is none."""
        mass = self.scene.mass_ng if "target" in self.kept else self.scene.mass_ng[:, :1]
        smallest = 1e-12 * self.scene.mass_ng[:, -1:]
        return np.where(mass > smallest, mass, np.nan)[:, :, np.newaxis, np.newaxis]

    def variable(self, name: str, per_nuclide: FloatArray, dtype: str) -> xr.Variable:
        """Sum (nuclide, cell, target, emission, origin) to the kept dims."""
        dims = ("nuclide", "cell", "target", "emission", "origin")
        if "nuclide" not in self.kept:
            per_nuclide = per_nuclide.sum(axis=0, keepdims=True)
        keep = ("cell", *self.kept)
        dropped = tuple(i for i, dim in enumerate(dims) if dim not in keep)
        values = per_nuclide.squeeze(axis=dropped)
        order = [dim for dim in dims if dim in keep]
        values = np.transpose(values, [order.index(dim) for dim in keep])
        return data_array(name, keep, np.ascontiguousarray(values, dtype=dtype))


def prepare(
    cells: xr.Dataset,
    options: MonteCarloOptions,
    *,
    kept: tuple[str, ...],
    membrane_thickness_nm: float,
    density_g_per_cm3: float,
    n_threads: int | None,
) -> Run:
    """Check the arguments and build the scene."""
    options.check()
    check(cells)
    scene = _scene(cells, membrane_thickness_nm, require_density(density_g_per_cm3))
    return Run(scene, options, kept, random_root(options.rng), resolve_threads(n_threads))


def population_dose(
    cells: xr.Dataset,
    options: MonteCarloOptions,
    *,
    physics: str | None,
    kept: tuple[str, ...],
    membrane_thickness_nm: float,
    density_g_per_cm3: float,
    dtype: str,
    n_threads: int | None,
    progress: Progress | None,
) -> xr.Dataset:
    """Transport the decays of a population; see `immunodose.absorbed_dose`."""
    import xarray as xr

    if physics not in (None, "monte_carlo"):
        raise InputError(
            f"physics={physics!r} has no effect with method='monte_carlo', which has its own. "
            "Leave it out, or give method='kernel'."
        )
    run = prepare(
        cells,
        options,
        kept=kept,
        membrane_thickness_nm=membrane_thickness_nm,
        density_g_per_cm3=density_g_per_cm3,
        n_threads=n_threads,
    )
    sources = agents_of(cells)
    results: list[dict[str, Any]] = []
    stated: dict[str, dict[str, float]] = {}
    for row, source in enumerate(reported(sources, progress, "nuclides")):
        first = sum(int(result["n_histories"]) for result in results)
        result, stated[source.label] = run.transport(row, source, first)
        results.append(result)
    energy = np.stack([run.with_all_emissions(result, "energy_keV") for result in results])
    to_gray = GRAY_NG_PER_KEV / run.mass_ng()
    variables: dict[str, xr.Variable] = {}
    if options.realization:
        variables["specific_energy"] = run.variable("specific_energy", energy * to_gray, dtype)
    else:
        variables["absorbed_dose"] = run.variable("absorbed_dose", energy * to_gray, dtype)
        variance = [run.with_all_emissions(result, "variance_keV2") for result in results]
        squared = run.variable("absorbed_dose_stderr", np.stack(variance) * to_gray**2, dtype)
        variables["absorbed_dose_stderr"] = squared.copy(data=np.sqrt(squared.values))
    if options.hits:
        variables.update(hit_variables(results))
    account = np.sum([result["account_keV"][: len(FATES)] for result in results], axis=0)
    variables["energy_account"] = data_array("energy_account", ("fate", "emission"), account)
    dataset = xr.Dataset(variables, coords=_coords(cells, kept, options, sources))
    counts = {s.label: int(r["n_histories"]) for s, r in zip(sources, results, strict=True)}
    dataset.attrs = _attrs(run, counts, stated)
    return dataset


def _coords(
    cells: xr.Dataset,
    kept: tuple[str, ...],
    options: MonteCarloOptions,
    sources: Sequence[Agent],
) -> dict[str, Any]:
    coords: dict[str, Any] = {
        name: cells[name] for name in ("cell", "x", "y", "z") if name in cells
    }
    labels: dict[str, Sequence[str]] = {
        "nuclide": [source.label for source in sources],
        "target": TARGETS,
        "emission": EMISSIONS,
        "origin": ORIGINS,
        "fate": FATES,
    }
    used = {"fate", "emission", *kept, *(("target",) if options.hits else ())}
    coords.update({name: list(values) for name, values in labels.items() if name in used})
    return coords


def _attrs(
    run: Run,
    counts: Mapping[str, int],
    stated: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    return base_attrs(
        method="monte_carlo",
        physics="monte_carlo",
        physics_note=(
            "decays transported one by one: straight alphas chord by chord, electrons with delta "
            "rays, photons until they leave the world; recoils local (docs/theory/monte_carlo.md)"
        ),
        random_root=str(run.root),
        n_histories=json.dumps(dict(counts)),
        **run.options.attrs(),
        membrane_thickness_nm=run.scene.membrane_thickness_nm,
        density_g_per_cm3=run.scene.density_g_per_cm3,
        world=json.dumps(stated),
    )
