# SPDX-License-Identifier: BSD-3-Clause
"""The findings of Deng S et al. 2024 as numbers: vesicles of irradiated cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immunodose.errors import InputError
from immunodose.findings import Finding
from immunodose.findings_arms import RAISED, UNCHANGED, ArmResult, arms_where, untouched
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

SCENARIO = "bystander_vesicles"
SENDERS = ("atm", "atr", "chk1")
RECEIVER = "stat1"


def deng2024(dataset: xr.Dataset) -> tuple[Finding, ...]:
    """Evaluate the findings of Deng S et al. 2024.

    Parameters
    ----------
    dataset
        Result of the scenario `bystander_vesicles`.

    Returns
    -------
    tuple of Finding
        (a) MHC-I of unirradiated cells rises, (b) so does their lysis, (c) inhibition of ATM, ATR
        or CHK1 blocks it, (d) so does loss of STAT1; defined in docs/user/deng2024.md.

    Raises
    ------
    InputError
        An arm that the findings compare is missing.
    """
    beams = arms_where(dataset, lambda arm: untouched(arm) and arm.beam is not None, "of a beam")
    half = [arm for arm in beams if 0.0 < arm.dose_Gy().mean() < arm.dose_Gy().max()]
    none = [arm for arm in beams if arm.dose_Gy().max() == 0.0]
    if not half or not none:
        raise InputError("the findings need an untreated arm and one with half irradiated.")
    cold = half[0].dose_Gy() == 0.0

    def fold(arm: ArmResult) -> float:
        return float(_highest(arm, cold) / _highest(none[0], cold))

    inhibited = {node: fold(_inhibited(dataset, node)) for node in SENDERS}
    without_stat1 = fold(
        arms_where(dataset, lambda arm: RECEIVER in arm.knockouts, f"without {RECEIVER}")[0]
    )
    lysis = [
        float(arm.dataset["kill_probability_immune"].values[cold].mean())
        for arm in (half[0], none[0])
    ]
    killed = lysis[0] / lysis[1] if lysis[1] > 0.0 else 0.0
    raised = fold(half[0])
    most = max(inhibited.values())
    return (
        Finding(
            "a",
            "MHC-I of unirradiated cells beside irradiated ones over untreated",
            raised,
            f"{int(cold.sum())} of {cold.size} cells unirradiated",
            f">= {RAISED:g}",
            raised >= RAISED,
        ),
        Finding(
            "b",
            "lysis of these cells by CTL over untreated",
            killed,
            f"lysis {lysis[0]:.3g} and {lysis[1]:.3g}",
            f"> {UNCHANGED:g}",
            killed > UNCHANGED,
        ),
        Finding(
            "c",
            "the same as (a) with ATM, ATR or CHK1 inhibited, highest",
            most,
            ", ".join(f"{node} {value:.3g}" for node, value in inhibited.items()),
            f"<= {UNCHANGED:g}, (a) raised",
            most <= UNCHANGED and raised >= RAISED,
        ),
        Finding(
            "d",
            "the same as (a) without STAT1",
            without_stat1,
            "",
            f"<= {UNCHANGED:g}, (a) raised",
            without_stat1 <= UNCHANGED and raised >= RAISED,
        ),
    )


def _inhibited(dataset: xr.Dataset, node: str) -> ArmResult:
    arms = arms_where(dataset, lambda arm: node in dict(arm.inhibition), f"with {node} inhibited")
    return arms[0]


def _highest(arm: ArmResult, rows: FloatArray) -> float:
    values = arm.dataset["mhc1_surface"].transpose("cell", "time").values[rows]
    return float(values.mean(axis=0).max())
