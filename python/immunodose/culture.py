# SPDX-License-Identifier: BSD-3-Clause
"""Run an experiment in culture: cells, agents and beams of every arm, as one Dataset."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from immunodose import cells as cell_builders
from immunodose.culture_immune import CultureBiology, with_lysis, with_mhc1
from immunodose.culture_result import assembled
from immunodose.data.nuclides import emissions
from immunodose.data.parameters import ParameterSet
from immunodose.errors import ValidityWarning
from immunodose.population import absorbed_dose
from immunodose.response import survival
from immunodose.rng import generator, random_root
from immunodose.scenario_arms import Beam, CultureArm, Labeling
from immunodose.scenario_culture import CultureScenario
from immunodose.source import label
from immunodose.source_beam import external_beam
from immunodose.typing import FloatArray, Progress

if TYPE_CHECKING:
    import xarray as xr

_ELECTRONS = ("beta", "auger_ce")
_KEV_PER_MEV = 1e3
_DOSE_DIMS = ("cell", "target", "emission", "origin")


def run_culture(
    scenario: CultureScenario,
    *,
    sets: Mapping[str, ParameterSet] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run every arm of an experiment in culture; called by `immunodose.run`.

    Parameters
    ----------
    scenario
        The design.
    sets
        Parameter sets in place of those of that name, to see what rests on a value.
    n_threads
        Threads (>= 1); None for all that this process may use. The result does not depend on it.
    progress
        Called with done, total and a text after each arm.

    Returns
    -------
    xarray.Dataset
        Dims `arm`, `cell`, `time`; coords of `arm`: `cell_line`. `absorbed_dose` (arm, cell,
        target, emission, origin) [Gy], `labeled_decays` (arm, cell) [1], and where measured
        `survival_probability` (arm, cell) and `surviving_fraction` (arm); `mhc1_surface` and
        `pmhc_surface` (arm, cell, time), `peptide_surface` (arm, cell, peptide, time) [molecules],
        `mhc1_surface_mean` (arm, time); `kill_probability_immune` (arm, cell) of the assay and
        its mean `immune_kill` (arm). Attributes as of `immunodose.run`.
    """
    root = random_root(scenario.rng)
    scenario = replace(scenario, rng=root)
    biology = CultureBiology(sets or {})
    arms = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for index, arm in enumerate(scenario.arms):
            line = biology.line(arm.cell_line)
            cells = dosed_arm(scenario, arm, line, rng=root, n_threads=n_threads)
            arms.append(responded(scenario, arm, cells, biology, n_threads))
            if progress is not None:
                progress(index + 1, scenario.n_arms, "arms")
    messages = list(dict.fromkeys(str(item.message) for item in caught))
    if messages:
        warnings.warn(
            f"{len(messages)} limits of validity were met, such as: {messages[0]} "
            "All stand in attrs['warnings'].",
            ValidityWarning,
            stacklevel=3,
        )
    return assembled(scenario, arms, biology, messages)


# Of an arm: doses (4 targets, 2 origins, 5 emissions), positions and other values per cell.
_VALUES_PER_CELL = 60
_SECONDS_PER_ARM = 0.5


def culture_needs(scenario: CultureScenario) -> dict[str, float]:
    """Return what a run needs, as `immunodose.estimate` does (time: a rough guess)."""
    n_cells = float(scenario.culture.n_cells)
    values = n_cells * scenario.n_arms * _VALUES_PER_CELL
    return {
        "arms": float(scenario.n_arms),
        "cells per arm": n_cells,
        "memory (MB)": 3.0 * values * 8e-6,
        "file (MB)": values * 8e-6,
        "time (s)": _SECONDS_PER_ARM * scenario.n_arms + 1.0,
    }


def culture_cells(scenario: CultureScenario, line: ParameterSet, *, rng: int) -> xr.Dataset:
    """Return the cells of a line as the culture arranges them.

    Parameters
    ----------
    scenario
        The design.
    line
        Parameter set with `cell_radius` and `nucleus_radius`.
    rng
        Root; a colony of equal root has equal sites in units of the cell radius.
    """
    radius_um, nucleus_um = line.value("cell_radius"), line.value("nucleus_radius")
    culture = scenario.culture
    if culture.confluence is not None:
        return cell_builders.colony(
            n_cells=culture.n_cells,
            cell_radius_um=radius_um,
            nucleus_radius_um=nucleus_um,
            packing_fraction=culture.confluence,
            rng=rng,
        )
    sites = _shells(culture.n_cells) * 2.0 * radius_um
    return cell_builders.from_arrays(
        x_um=sites[:, 0],
        y_um=sites[:, 1],
        z_um=sites[:, 2],
        cell_radius_um=radius_um,
        nucleus_radius_um=nucleus_um,
    )


def _shells(n_cells: int) -> FloatArray:
    """Return the sites of a cubic lattice nearest to its center, the center first."""
    reach = np.arange(-4, 5)
    grid = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
    order = np.argsort((grid**2).sum(axis=1), kind="stable")
    return np.asarray(grid[order[:n_cells]], dtype=np.float64)


def responded(
    scenario: CultureScenario,
    arm: CultureArm,
    cells: xr.Dataset,
    biology: CultureBiology,
    n_threads: int | None = None,
) -> xr.Dataset:
    """Return the cells of `dosed_arm` with what the scenario measures beside the dose."""
    if "survival" in scenario.measured:
        cells = survival(cells, parameters=biology.line(arm.cell_line), n_threads=n_threads)
    if "mhc1_surface" in scenario.measured:
        cells = with_mhc1(scenario, arm, cells, biology, n_threads)
    if "lysis" in scenario.measured:
        cells = with_lysis(scenario, arm, cells, biology, n_threads)
    return cells


def dosed_arm(
    scenario: CultureScenario,
    arm: CultureArm,
    line: ParameterSet,
    *,
    rng: int,
    n_threads: int | None = None,
) -> xr.Dataset:
    """Return the cells of one arm with their absorbed dose from agents and beam."""
    cells = culture_cells(scenario, line, rng=rng)
    for agent in arm.label:
        cells = label(
            cells,
            agent.nuclide,
            decays_per_cell=decays_per_cell(agent),
            localization=dict(agent.localization),
            labeled_fraction=agent.labeled_fraction,
            medium_decays_per_um3=agent.medium_decays_per_um3,
            effective_half_life_h=agent.effective_half_life_h,
            rng=rng,
        )
    if arm.label:
        cells = absorbed_dose(
            cells, physics=scenario.physics, split=_DOSE_DIMS[1:], n_threads=n_threads
        )
    beam = arm.beam if arm.beam is not None else Beam(dose_Gy=0.0)
    if arm.beam is None and arm.label:
        return cells
    return external_beam(
        cells,
        dose_Gy=beam.dose_Gy,
        fractions=beam.fractions,
        interval_d=beam.interval_d,
        irradiated=_irradiated(beam, cells.sizes["cell"], rng),
    )


def decays_per_cell(agent: Labeling) -> float:
    """Return the decays per labeled cell that a labeling states, or its energy amounts to."""
    if agent.decays_per_cell is not None:
        return agent.decays_per_cell
    assert agent.electron_energy_MeV_per_cell is not None  # checked by Labeling
    per_decay = _electron_energy_keV(agent.nuclide)
    return float(agent.electron_energy_MeV_per_cell * _KEV_PER_MEV / per_decay)


@functools.lru_cache(maxsize=64)
def _electron_energy_keV(nuclide: str) -> float:
    """Return the energy of the electrons of one decay, progeny included."""
    lines = emissions(nuclide)
    chosen = np.isin(lines["emission"].values, _ELECTRONS)
    return float((lines["energy"] * lines["yield_per_decay"]).values[chosen].sum())


def _irradiated(beam: Beam, n_cells: int, rng: int) -> FloatArray:
    """Return 1 for the cells that the beam hits, drawn at random."""
    random, _ = generator(rng, purpose="culture:irradiated")
    mask = np.zeros(n_cells)
    mask[random.permutation(n_cells)[: round(beam.irradiated_fraction * n_cells)]] = 1.0
    return mask
