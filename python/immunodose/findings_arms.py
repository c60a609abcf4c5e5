# SPDX-License-Identifier: BSD-3-Clause
"""What the findings of a culture read: its arms beside their designs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immunodose.errors import InputError
from immunodose.scenario_arms import CultureArm
from immunodose.scenario_culture import CultureScenario
from immunodose.scenario_file import Scenario
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

RAISED = 1.1  # "raised": at least 10 % above; our reading of an ordinal word
UNCHANGED = 1.02  # "not raised", "blocked": at most 2 % above


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm: its design and its part of the Dataset."""

    design: CultureArm
    dataset: xr.Dataset

    def mhc1(self) -> FloatArray:
        """Return the mean surface MHC-I in time."""
        return np.asarray(self.dataset["mhc1_surface_mean"].values)

    def highest_fold(self) -> float:
        """Return the highest mean surface MHC-I over that at time 0 (0 stays 0)."""
        values = self.mhc1()
        return float(values.max() / values[0]) if values[0] > 0.0 else 0.0

    def lysis(self) -> float:
        """Return the mean probability that T cells of the assay kill a cell."""
        return float(self.dataset["immune_kill"])

    def dose_Gy(self) -> FloatArray:
        """Return the dose of each nucleus."""
        dose = self.dataset["absorbed_dose"].sel(target="nucleus")
        return np.asarray(dose.sum(["emission", "origin"]).values)


def culture_of(dataset: xr.Dataset) -> CultureScenario:
    """Return the design of a result, which must be that of a culture."""
    scenario = Scenario.from_string(str(dataset.attrs.get("scenario", "")))
    if not isinstance(scenario, CultureScenario):
        raise InputError("the Dataset does not come from a culture.")
    return scenario


def arms_where(
    dataset: xr.Dataset, chosen: Callable[[CultureArm], bool], what: str
) -> list[ArmResult]:
    """Return the arms whose design is chosen, at least one.

    Parameters
    ----------
    dataset
        Result of a culture.
    chosen
        Whether an arm is meant.
    what
        How a message names them.

    Raises
    ------
    InputError
        There is none.
    """
    found = [
        ArmResult(arm, dataset.isel(arm=index))
        for index, arm in enumerate(culture_of(dataset).arms)
        if chosen(arm)
    ]
    if not found:
        raise InputError(f"the Dataset has no arm {what}, which the findings compare.")
    return found


def untouched(arm: CultureArm) -> bool:
    """Return whether an arm has no drug, knock-out, interferon or antibody."""
    return not (arm.knockouts or arm.inhibition or arm.ifn_gamma_ng_per_mL or arm.antibody)
