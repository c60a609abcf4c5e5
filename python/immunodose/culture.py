# SPDX-License-Identifier: BSD-3-Clause
"""Run an experiment in culture: cells, agents and beams of every arm, as one Dataset."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import cells as cell_builders
from immunodose.data.nuclides import emissions
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import ValidityWarning
from immunodose.population import absorbed_dose
from immunodose.provenance import base_attrs
from immunodose.response import survival
from immunodose.rng import generator, random_root
from immunodose.scenario_culture import Beam, CultureArm, CultureScenario, Labeling
from immunodose.schema import build
from immunodose.source import label
from immunodose.source_beam import external_beam
from immunodose.typing import EMISSIONS, ORIGINS, TARGETS, FloatArray, Progress

if TYPE_CHECKING:
    import xarray as xr

_ELECTRONS = ("beta", "auger_ce")
_KEV_PER_MEV = 1e3
_DOSE_DIMS = ("cell", "target", "emission", "origin")


def run_culture(
    scenario: CultureScenario,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run every arm of an experiment in culture; called by `immunodose.run`.

    Parameters
    ----------
    scenario
        The design.
    n_threads
        Threads (>= 1); None for all that this process may use. The result does not depend on it.
    progress
        Called with done, total and a text after each arm.

    Returns
    -------
    xarray.Dataset
        Dims `arm`, `cell`; coords of `arm`: `cell_line`. `absorbed_dose` (arm, cell, target,
        emission, origin) [Gy], `labeled_decays` (arm, cell) [1], and where measured
        `survival_probability` (arm, cell) and `surviving_fraction` (arm). Attributes as of
        `immunodose.run`.
    """
    root = random_root(scenario.rng)
    scenario = replace(scenario, rng=root)
    arms = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for index, arm in enumerate(scenario.arms):
            arms.append(_evaluate(scenario, arm, root, n_threads))
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
    return _assembled(scenario, arms, messages)


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


def _evaluate(
    scenario: CultureScenario, arm: CultureArm, root: int, n_threads: int | None
) -> xr.Dataset:
    line = resolve(arm.cell_line, kind="cell_line")
    dosed = dosed_arm(scenario, arm, line, rng=root, n_threads=n_threads)
    if "survival" in scenario.measured:
        dosed = survival(dosed, parameters=line, n_threads=n_threads)
    return dosed


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
    lines = emissions(agent.nuclide)
    chosen = np.isin(lines["emission"].values, _ELECTRONS)
    per_decay = (lines["energy"] * lines["yield_per_decay"]).values[chosen].sum()
    return float(agent.electron_energy_MeV_per_cell * _KEV_PER_MEV / per_decay)


def _irradiated(beam: Beam, n_cells: int, rng: int) -> FloatArray:
    """Return 1 for the cells that the beam hits, drawn at random."""
    random, _ = generator(rng, purpose="culture:irradiated")
    mask = np.zeros(n_cells)
    mask[random.permutation(n_cells)[: round(beam.irradiated_fraction * n_cells)]] = 1.0
    return mask


def _assembled(
    scenario: CultureScenario, arms: list[xr.Dataset], messages: list[str]
) -> xr.Dataset:
    """Return the arms as one Dataset; emissions that no arm has are left out."""
    found = {str(name) for arm in arms for name in arm["absorbed_dose"]["emission"].values}
    kept = [str(name) for name in EMISSIONS if name in found]
    shape = (len(arms), arms[0].sizes["cell"], len(TARGETS), len(kept), len(ORIGINS))
    dose = np.zeros(shape)
    for row, arm in enumerate(arms):
        part = arm["absorbed_dose"].transpose(*_DOSE_DIMS)
        for i, emission in enumerate(part["emission"].values.tolist()):
            for j, origin in enumerate(part["origin"].values.tolist()):
                place = (kept.index(emission), ORIGINS.index(origin))
                dose[row][:, :, place[0], place[1]] = part.values[:, :, i, j]
    variables: dict[str, Any] = {
        "absorbed_dose": (("arm", *_DOSE_DIMS), dose),
        "labeled_decays": (("arm", "cell"), np.stack([_decays(arm) for arm in arms])),
        "cell_radius": (("arm", "cell"), np.stack([arm["cell_radius"].values for arm in arms])),
        "nucleus_radius": (
            ("arm", "cell"),
            np.stack([arm["nucleus_radius"].values for arm in arms]),
        ),
    }
    if "survival" in scenario.measured:
        alive = np.stack([arm["survival_probability"].values for arm in arms])
        variables["survival_probability"] = (("arm", "cell"), alive)
        variables["surviving_fraction"] = (("arm",), alive.mean(axis=1))
    coords: dict[str, Any] = {
        "arm": [arm.name for arm in scenario.arms],
        "cell_line": ("arm", [arm.cell_line for arm in scenario.arms]),
        "cell": np.arange(shape[1], dtype=np.int64),
        "target": list(TARGETS),
        "emission": kept,
        "origin": list(ORIGINS),
        **{name: (("arm", "cell"), np.stack([arm[name].values for arm in arms])) for name in "xyz"},
    }
    return build(variables, coords=coords, attrs=_attributes(scenario, messages))


def _decays(arm: xr.Dataset) -> FloatArray:
    if "time_integrated_activity" not in arm:
        return np.zeros(arm.sizes["cell"])
    return np.asarray(arm["time_integrated_activity"].sum(["nuclide", "source"]).values)


def _attributes(scenario: CultureScenario, messages: list[str]) -> dict[str, Any]:
    sets = [resolve(name) for name in scenario.cell_lines]
    assumed = {
        item.name: [
            {"key": key, "value": value, "unit": item.entries[key].unit}
            for key, value in item.assumed().items()
        ]
        for item in sets
    }
    nuclides = list(dict.fromkeys(agent.nuclide for arm in scenario.arms for agent in arm.label))
    sources = {str(emissions(name).attrs["data_source"]) for name in nuclides}
    return base_attrs(
        title=scenario.title,
        design="culture",
        scenario=scenario.to_toml(),
        parameter_sets=json.dumps({item.name: item.fingerprint() for item in sets}),
        assumed=json.dumps({name: entries for name, entries in assumed.items() if entries}),
        random_root=str(scenario.rng),
        physics=scenario.physics,
        warnings=json.dumps(messages),
        nuclide=", ".join(nuclides) or "none",
        data_source="; ".join(sorted(sources)) or "none",
        note="Research use; not for treatment decisions.",
    )
