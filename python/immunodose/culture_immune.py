# SPDX-License-Identifier: BSD-3-Clause
"""Surface MHC-I of cultured cells, and their lysis by T cells that are added."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.immune import kill_probability
from immunodose.immune_mhc1 import mhc1_expression
from immunodose.scenario_arms import CultureArm
from immunodose.scenario_culture import CultureScenario

if TYPE_CHECKING:
    import xarray as xr

IFN_GAMMA_DALTON = 34_000.0  # homodimer; Hickey JW et al. 2024 and b16_signaling use it too
_AVOGADRO = 6.02214076e23  # mol-1, exact (SI)
_G_PER_NG, _ML_PER_UM3 = 1e-9, 1e-12
_HOURS_PER_DAY = 24.0
_ANTIBODY_AHEAD_D = 1.0  # given a day before the T cells, so that it is bound when they come


@dataclass(frozen=True, slots=True)
class CultureBiology:
    """Parameter sets by name; those given replace the ones that ship."""

    given: Mapping[str, ParameterSet]

    def find(self, name: str, kind: str) -> ParameterSet:
        """Return a set of the demanded kind."""
        return resolve(self.given.get(name, name), kind=kind)

    def line(self, name: str) -> ParameterSet:
        """Return a cell line."""
        return self.find(name, "cell_line")

    def of_arm(self, name: str) -> dict[str, Any]:
        """Return what the calls of the response take as `parameters`."""
        line = self.line(name)
        if "signaling" not in line.info:
            raise InputError(
                f"cell line {name!r} names no signaling set, which MHC-I needs. Add the top-level "
                'key signaling = "..." to its file.'
            )
        return {"tumor": line, "signaling": self.find(line.info["signaling"], "signaling")}

    def used(self, scenario: CultureScenario) -> list[ParameterSet]:
        """Return the sets of a scenario, each once."""
        return [resolve(self.given.get(name, name)) for name in scenario.parameter_sets]


def ifn_gamma_molecules(concentration_ng_per_mL: float, line: ParameterSet) -> float:
    """Return interferon-gamma in the tissue volume of one cell, molecules.

    Parameters
    ----------
    concentration_ng_per_mL
        Concentration in the medium, ng/mL.
    line
        Cell line with `cell_radius` and `packing_fraction`.

    Examples
    --------
    >>> from immunodose.data.parameters import resolve
    >>> round(ifn_gamma_molecules(5.0, resolve("b16k1")))
    423
    """
    if concentration_ng_per_mL == 0.0:
        return 0.0
    cell_um3 = 4.0 / 3.0 * math.pi * line.value("cell_radius") ** 3
    tissue_mL = cell_um3 / line.value("packing_fraction") * _ML_PER_UM3
    per_mL = concentration_ng_per_mL * _G_PER_NG / IFN_GAMMA_DALTON * _AVOGADRO
    return per_mL * tissue_mL


def with_mhc1(
    scenario: CultureScenario,
    arm: CultureArm,
    cells: xr.Dataset,
    biology: CultureBiology,
    n_threads: int | None,
) -> xr.Dataset:
    """Return the cells with MHC-I, complexes and signals at the scenario's times."""
    parameters = biology.of_arm(arm.cell_line)
    molecules = ifn_gamma_molecules(arm.ifn_gamma_ng_per_mL, parameters["tumor"])
    return mhc1_expression(
        cells,
        parameters=parameters,
        time_d=list(scenario.times_d),
        mechanism=scenario.mechanism_of(arm),
        ifn_gamma_molecules=molecules,
        signals=True,
        rng=scenario.rng,
        n_threads=n_threads,
    )


def with_lysis(
    scenario: CultureScenario,
    arm: CultureArm,
    cells: xr.Dataset,
    biology: CultureBiology,
    n_threads: int | None,
) -> xr.Dataset:
    """Return the cells with the probability that T cells of the assay kill them.

    MHC-I is that at the start of the assay. T cells stay and neither grow nor die; radiation death
    is not counted, as in a test that subtracts spontaneous release.
    """
    assay = scenario.assay
    assert assay is not None  # checked by CultureScenario
    parameters = {"tumor": biology.line(arm.cell_line)}
    if assay.killing is not None:
        parameters["killing"] = biology.find(assay.killing, "killing")
    names = ["mhc1_surface", "pmhc_surface", "pdl1_fold"]
    at_start = cells[names].sel(time=assay.time_d).drop_vars("time")
    at_start = at_start.assign(survival_probability=("cell", np.ones(cells.sizes["cell"])))
    kept = ("mhc1_parameters", "mhc1_recognized_peptide_share", "mechanism")
    at_start.attrs = {name: cells.attrs[name] for name in kept if name in cells.attrs}
    options: dict[str, Any] = {"law": assay.law}
    if arm.antibody is not None:
        agent = biology.find(arm.antibody.agent, "antibody")
        options["checkpoint"] = {
            "agent": agent,
            "amount_nmol": arm.antibody.amount_nmol,
            "time_d": -_ANTIBODY_AHEAD_D,
        }
    if assay.killing is not None:
        options["pd1"] = True
    killed = kill_probability(
        at_start,
        parameters=parameters,
        host=biology.find(assay.effectors, "host"),
        time_d=assay.duration_h / _HOURS_PER_DAY,
        effector_to_target_ratio=assay.effector_to_target_ratio,
        merge=False,
        n_threads=n_threads,
        **options,
    )
    return cells.assign(kill_probability_immune=killed["kill_probability_immune"])
