# SPDX-License-Identifier: BSD-3-Clause
"""The findings of Chakraborty et al. 2008 as numbers: 153Sm-EDTMP and MHC-I of tumor lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from immunodose.errors import InputError
from immunodose.findings import Finding
from immunodose.findings_arms import RAISED, UNCHANGED, ArmResult, arms_where, culture_of

if TYPE_CHECKING:
    import xarray as xr

SCENARIO = "sm153_mhc1_lines"


def chakraborty2008(dataset: xr.Dataset) -> tuple[Finding, ...]:
    """Evaluate the findings of Chakraborty et al. 2008.

    Parameters
    ----------
    dataset
        Result of the scenario `sm153_mhc1_lines`.

    Returns
    -------
    tuple of Finding
        (a) MHC-I rises in part of the lines, (b) lysis by CTL rises with it; defined in
        docs/user/chakraborty2008.md.

    Raises
    ------
    InputError
        A line has no treated or no untreated arm.
    """
    folds, lyses = [], []
    for line in culture_of(dataset).cell_lines:
        treated, untreated = _pair(dataset, line)
        folds.append(treated.highest_fold())
        lyses.append(treated.lysis() / untreated.lysis() if untreated.lysis() > 0.0 else 0.0)
    raised = np.array(folds) >= RAISED
    flat = np.array(folds) <= UNCHANGED
    share = float(raised.mean())
    # Lines that raise MHC-I gain more lysis than any of the others.
    others = max((lysis for lysis, up in zip(lyses, raised, strict=True) if not up), default=1.0)
    gained = min((lysis for lysis, up in zip(lyses, raised, strict=True) if up), default=0.0)
    return (
        Finding(
            "a",
            "share of the lines in which 153Sm raises MHC-I",
            share,
            f"folds {', '.join(f'{fold:.3g}' for fold in folds)}",
            "0.5, no change in the others",
            share == 0.5 and bool((raised | flat).all()),
        ),
        Finding(
            "b",
            "lysis by CTL after over before in lines that raise MHC-I, least",
            gained,
            f"other lines {others:.3g}",
            f">= {RAISED:g} and above the others",
            gained >= RAISED and gained > others,
        ),
    )


def _pair(dataset: xr.Dataset, line: str) -> tuple[ArmResult, ArmResult]:
    arms = arms_where(dataset, lambda arm: arm.cell_line == line, f"of {line}")
    treated = [arm for arm in arms if arm.design.label]
    untreated = [arm for arm in arms if not arm.design.label]
    if not treated or not untreated:
        raise InputError(f"line {line!r} needs a treated and an untreated arm.")
    return treated[0], untreated[0]
