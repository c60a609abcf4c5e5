# SPDX-License-Identifier: BSD-3-Clause
"""The findings of Reits et al. 2006 as numbers: gamma rays, MHC-I, recognition by CTL."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from immunodose.findings import Finding
from immunodose.findings_arms import RAISED, ArmResult, arms_where, untouched

if TYPE_CHECKING:
    import xarray as xr

SCENARIO = "gamma_mhc1_rise"
MANY_DAYS = 7.0  # "many days": still raised a week later
_STEP = 1.02  # a higher dose gives at least 2 % more


def reits2006(dataset: xr.Dataset) -> tuple[Finding, ...]:
    """Evaluate the findings of Reits et al. 2006.

    Parameters
    ----------
    dataset
        Result of the scenario `gamma_mhc1_rise`.

    Returns
    -------
    tuple of Finding
        (a) rise with dose, (b) for many days, (c) CTL recognize irradiated cells, (d) part of the
        rise needs mTOR; defined in docs/user/reits2006.md.

    Raises
    ------
    InputError
        An arm that the findings compare is missing.
    """
    by_dose = sorted(
        arms_where(dataset, lambda arm: untouched(arm) and arm.beam is not None, "of a beam alone"),
        key=_dose,
    )
    inhibited = arms_where(
        dataset, lambda arm: "mtor" in dict(arm.inhibition), "with mTOR inhibited"
    )[0]
    none, most = by_dose[0], by_dose[-1]
    return (
        _with_dose(by_dose),
        _lasting(most),
        _recognized(none, most),
        _by_mtor(most, inhibited),
    )


def _dose(arm: ArmResult) -> float:
    return float(arm.dose_Gy().mean())


def _with_dose(arms: list[ArmResult]) -> Finding:
    folds = [arm.highest_fold() for arm in arms]
    steps = [b / a if a > 0.0 else 0.0 for a, b in itertools.pairwise(folds)]
    doses = ", ".join(f"{_dose(arm):g}" for arm in arms)
    return Finding(
        "a",
        "highest MHC-I fold of each dose over that of the next lower one, least",
        min(steps),
        f"folds {', '.join(f'{fold:.3g}' for fold in folds)} at {doses} Gy",
        f">= {_STEP:g}, none without dose",
        min(steps) >= _STEP and folds[0] == 1.0,
    )


def _lasting(most: ArmResult) -> Finding:
    times = most.dataset["time"].values
    values = most.mhc1()[times >= MANY_DAYS]
    least = float(values.min() / most.mhc1()[0]) if most.mhc1()[0] > 0.0 else 0.0
    return Finding(
        "b",
        f"MHC-I from day {MANY_DAYS:g} on over that before, highest dose, least",
        least,
        f"until day {times[-1]:g}",
        f">= {RAISED:g}",
        least >= RAISED,
    )


def _recognized(none: ArmResult, most: ArmResult) -> Finding:
    ratio = most.lysis() / none.lysis() if none.lysis() > 0.0 else 0.0
    return Finding(
        "c",
        "lysis by CTL, highest dose over none",
        ratio,
        f"lysis {most.lysis():.3g} and {none.lysis():.3g}",
        f">= {RAISED:g}",
        ratio >= RAISED,
    )


def _by_mtor(most: ArmResult, inhibited: ArmResult) -> Finding:
    rises = [np.asarray(arm.highest_fold() - 1.0) for arm in (inhibited, most)]
    share = float(rises[0] / rises[1]) if rises[1] > 0.0 else 1.0
    return Finding(
        "d",
        "rise of MHC-I with mTOR inhibited over that without, highest dose",
        share,
        f"folds {inhibited.highest_fold():.3g} and {most.highest_fold():.3g}",
        "above 0, <= 0.9",
        0.0 < share <= 0.9,
    )
