# SPDX-License-Identifier: BSD-3-Clause
"""The findings that Sari and Rock 2023 review, as numbers: loss of presentation and its rescue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immunodose.errors import InputError
from immunodose.findings import Finding
from immunodose.findings_arms import ArmResult, arms_where, culture_of

if TYPE_CHECKING:
    import xarray as xr

SCENARIO = "mhc1_loss_rescue"
RESISTANT = 0.5  # lysis at most half of that of cells that present
RESCUED = 0.8  # lysis at least 80 % of it


def sari_rock2023(dataset: xr.Dataset) -> tuple[Finding, ...]:
    """Evaluate the findings that Sari and Rock 2023 review.

    Parameters
    ----------
    dataset
        Result of the scenario `mhc1_loss_rescue`; its first line presents, its second has lost it.

    Returns
    -------
    tuple of Finding
        (a) loss is resistance to CTL, (b) and to checkpoint antibodies, (c) interferon-gamma
        rescues, (d) not without its receptor, (e) nor without beta-2-microglobulin; defined in
        docs/user/sari_rock2023.md.

    Raises
    ------
    InputError
        An arm that the findings compare is missing.
    """
    lines = culture_of(dataset).cell_lines
    if len(lines) != 2:
        raise InputError(f"the findings need two lines, one that presents first (got {lines}).")
    presenting, lost = lines

    def lysis(line: str, *, interferon: bool, antibody: bool, knockouts: tuple[str, ...]) -> float:
        found: ArmResult = arms_where(
            dataset,
            lambda arm: (
                arm.cell_line == line
                and (arm.ifn_gamma_ng_per_mL > 0.0) == interferon
                and (arm.antibody is not None) == antibody
                and arm.knockouts == knockouts
            ),
            f"of {line} with interferon={interferon}, antibody={antibody}, knockouts={knockouts}",
        )[0]
        return found.lysis()

    whole = lysis(presenting, interferon=False, antibody=False, knockouts=())
    blocked = lysis(presenting, interferon=False, antibody=True, knockouts=())
    shares = {
        "a": lysis(lost, interferon=False, antibody=False, knockouts=()) / whole,
        "b": lysis(lost, interferon=False, antibody=True, knockouts=()) / blocked,
        "c": lysis(lost, interferon=True, antibody=True, knockouts=()) / blocked,
        "d": lysis(lost, interferon=True, antibody=True, knockouts=("ifngr",)) / blocked,
        "e": lysis(lost, interferon=True, antibody=True, knockouts=("b2m",)) / blocked,
    }
    alone = lysis(lost, interferon=True, antibody=False, knockouts=()) / whole
    statements = {
        "a": "without presentation",
        "b": "without presentation, both with anti-PD-L1",
        "c": "with interferon-gamma, both with anti-PD-L1",
        "d": "the same, its receptor lost",
        "e": "the same, no beta-2-microglobulin",
    }
    beside = {
        "a": f"lysis of presenting cells {whole:.3g}",
        "c": f"neither with antibody {alone:.3g}",
    }
    rules = dict.fromkeys(("a", "b", "d"), (f"<= {RESISTANT:g}", lambda share: share <= RESISTANT))
    rules["c"] = (f">= {RESCUED:g}", lambda share: share >= RESCUED)
    rules["e"] = ("0", lambda share: share == 0.0)
    return tuple(
        Finding(
            key,
            f"lysis over that of presenting cells, {statements[key]}",
            share,
            beside.get(key, ""),
            rules[key][0],
            rules[key][1](share),
        )
        for key, share in shares.items()
    )
