# SPDX-License-Identifier: BSD-3-Clause
"""The finding of Tailor et al. 2022 as numbers: radiation widens the immunopeptidome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immunodose.errors import InputError
from immunodose.findings import Finding
from immunodose.findings_arms import ArmResult, arms_where, untouched
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

SCENARIO = "radiation_peptides"
INDUCED = "radiation_induced"
_ROUNDING = 1e-5  # of single precision


def tailor2022(dataset: xr.Dataset) -> tuple[Finding, ...]:
    """Evaluate the finding of Tailor et al. 2022.

    Parameters
    ----------
    dataset
        Result of the scenario `radiation_peptides`.

    Returns
    -------
    tuple of Finding
        (a) a class of peptides appears that untreated cells do not show, (b) none of the others is
        lost, (c) all classes together are surface MHC-I; defined in docs/user/tailor2022.md.

    Raises
    ------
    InputError
        There is no irradiated or no unirradiated arm.
    """
    arms = arms_where(dataset, lambda arm: untouched(arm) and arm.beam is not None, "of a beam")
    none = [arm for arm in arms if arm.dose_Gy().max() == 0.0]
    most = max(arms, key=lambda arm: float(arm.dose_Gy().mean()))
    if not none or most.dose_Gy().max() == 0.0:
        raise InputError("the findings need an irradiated and an unirradiated arm.")
    induced = [_at_end(arm, INDUCED) for arm in (most, none[0])]
    kept = {
        name: _at_end(most, name) / _at_end(none[0], name)
        for name in most.dataset["peptide"].values.tolist()
        if name != INDUCED
    }
    least = min(kept.values())
    balance = max(_imbalance(arm) for arm in arms)
    return (
        Finding(
            "a",
            "complexes of radiation-induced peptides per irradiated cell",
            induced[0],
            f"untreated {induced[1]:g}",
            "above 0, untreated 0",
            induced[0] > 0.0 and induced[1] == 0.0,
        ),
        Finding(
            "b",
            "complexes of each other class, irradiated over untreated, least",
            least,
            ", ".join(f"{name} {value:.3g}" for name, value in kept.items()),
            ">= 1",
            least >= 1.0,
        ),
        Finding(
            "c",
            "sum of the classes over surface MHC-I, largest distance from 1",
            balance,
            "",
            f"<= {_ROUNDING:g}",
            balance <= _ROUNDING,
        ),
    )


def _at_end(arm: ArmResult, name: str) -> float:
    return float(arm.dataset["peptide_surface"].sel(peptide=name).isel(time=-1).mean("cell"))


def _imbalance(arm: ArmResult) -> float:
    classes: FloatArray = arm.dataset["peptide_surface"].sum("peptide").values
    surface: FloatArray = arm.dataset["mhc1_surface"].values
    return float(np.abs(classes - surface).max() / surface.max())
