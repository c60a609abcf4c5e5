# SPDX-License-Identifier: BSD-3-Clause
"""The findings of Larouze et al. 2023 as numbers: 161Tb and 177Lu in cells and clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immunodose.data.nuclides import emissions
from immunodose.errors import InputError
from immunodose.findings import Finding
from immunodose.scenario_culture import CultureScenario
from immunodose.scenario_file import Scenario
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

SINGLE_CELL, CLUSTER = "lu177_tb161_single_cell", "lu177_tb161_cluster"
_TB, _LU = "Tb-161", "Lu-177"
_PLACES = ("membrane", "cytoplasm", "nucleus")
SEVERAL = 2.0  # "several times": at least twice, for every place and target
TWICE_BAND = (1.5, 2.5)  # "about 2 times"


@dataclass(frozen=True, slots=True)
class _Arm:
    """One arm of a result: doses (cell, origin) by target, decays, energy of what counts."""

    dataset: xr.Dataset
    nuclide: str
    left_out: tuple[str, ...]

    def dose(self, target: str) -> FloatArray:
        """Return the dose (cell, origin) of the emissions that count."""
        kept = ~np.isin(self.dataset["emission"].values, self.left_out)
        dose = self.dataset["absorbed_dose"].sel(target=target).isel(emission=kept)
        return np.asarray(dose.sum("emission").transpose("cell", "origin").values)

    @property
    def decays(self) -> FloatArray:
        """Return the decays of each cell."""
        return np.asarray(self.dataset["labeled_decays"].values)

    def energy_MeV(self) -> float:
        """Return the energy of the electrons that count, all cells together."""
        lines = emissions(self.nuclide)
        kept = np.isin(lines["emission"].values, ("beta", "auger_ce"))
        kept &= ~np.isin(lines["emission"].values, self.left_out)
        per_decay = float((lines["energy"] * lines["yield_per_decay"]).values[kept].sum())
        return per_decay * float(self.decays.sum()) * 1e-3


def larouze2023(
    single: xr.Dataset, cluster: xr.Dataset, *, without: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Evaluate the findings of Larouze et al. 2023.

    Parameters
    ----------
    single, cluster
        Results of the scenarios `lu177_tb161_single_cell` and `lu177_tb161_cluster`.
    without
        Emission classes to leave out, such as ("auger_ce",): what remains shows what they do.

    Returns
    -------
    tuple of Finding
        (a) dose per decay of 161Tb over 177Lu in single cells, (b) cross-dose at equal energy,
        (c) unlabeled cells, (d) dual targeting; defined in docs/user/larouze2023.md.

    Raises
    ------
    InputError
        An arm that the findings compare is missing.
    """
    left_out = tuple(without)
    return (
        _per_decay(single, left_out),
        _cross_dose(cluster, left_out),
        _unlabeled(cluster, left_out),
        _dual(cluster, left_out),
    )


def _arm(
    dataset: xr.Dataset, nuclide: str, place: str, left_out: tuple[str, ...], kind: str
) -> _Arm:
    """Return the arm of a nuclide and place: `kind` is "all", "missed" or "dual"."""
    scenario = Scenario.from_string(str(dataset.attrs["scenario"]))
    if not isinstance(scenario, CultureScenario):
        raise InputError("the Dataset does not come from a culture.")
    for index, arm in enumerate(scenario.arms):
        if not arm.label:
            continue
        first = arm.label[0]
        found = "dual" if len(arm.label) > 1 else "all" if first.labeled_fraction == 1 else "missed"
        same = first.nuclide == nuclide and dict(first.localization) == {place: 1.0}
        if same and found == kind:
            return _Arm(dataset.isel(arm=index), nuclide, left_out)
    raise InputError(f"the Dataset has no arm of {nuclide} on {place!r} of kind {kind!r}.")


def _per_decay(single: xr.Dataset, left_out: tuple[str, ...]) -> Finding:
    ratios = {}
    for place in _PLACES:
        tb, lu = (_arm(single, name, place, left_out, "all") for name in (_TB, _LU))
        for target in ("membrane", "nucleus"):
            per_decay = [
                float(arm.dose(target).sum() / arm.decays.sum())  # one cell
                for arm in (tb, lu)
            ]
            ratios[f"{place} to {target}"] = per_decay[0] / per_decay[1]
    lowest, highest = (pick(ratios, key=lambda key: ratios[key]) for pick in (min, max))
    return Finding(
        "a",
        f"dose per decay of 161Tb over 177Lu, single cell, lowest of 6 ({lowest})",
        ratios[lowest],
        f"highest {ratios[highest]:.3g} ({highest})",
        f">= {SEVERAL:g}",
        ratios[lowest] >= SEVERAL,
    )


def _cross_dose(cluster: xr.Dataset, left_out: tuple[str, ...]) -> Finding:
    ratios = []
    for place in _PLACES:
        tb, lu = (_arm(cluster, name, place, left_out, "all") for name in (_TB, _LU))
        cross = [float(arm.dose("nucleus")[:, 1].mean() / arm.energy_MeV()) for arm in (tb, lu)]
        ratios.append(cross[0] / cross[1] if cross[1] > 0.0 else math.nan)
    mean = float(np.mean(ratios))
    return Finding(
        "b",
        "cross-dose to nuclei of a cluster at equal energy, 161Tb over 177Lu",
        mean,
        f"{min(ratios):.3g} to {max(ratios):.3g} by place",
        f"{TWICE_BAND[0]:g} to {TWICE_BAND[1]:g}",
        TWICE_BAND[0] <= mean <= TWICE_BAND[1],
    )


def _unlabeled(cluster: xr.Dataset, left_out: tuple[str, ...]) -> Finding:
    """Compare cells without target with the same cells of the cluster where all are labeled."""
    shares, own = [], 0.0
    for nuclide in (_LU, _TB):
        for place, target in (("membrane", "membrane"), ("nucleus", "nucleus")):
            missed, full = (_arm(cluster, nuclide, place, left_out, k) for k in ("missed", "all"))
            cold = missed.decays == 0.0
            if not cold.any():
                raise InputError("no cell of the cluster is unlabeled.")
            own = max(own, float(missed.dose(target)[cold, 0].max()))
            shares.append(float(missed.dose(target)[cold].sum() / full.dose(target)[cold].sum()))
    return Finding(
        "c",
        "dose of cells without target over that with it, labeled place, largest of 4",
        max(shares),
        f"self-dose {own:.3g} Gy, smallest {min(shares):.3g}",
        "above 0, <= 0.5, self-dose 0",
        0.0 < max(shares) <= 0.5 and own == 0.0,
    )


def _dual(cluster: xr.Dataset, left_out: tuple[str, ...]) -> Finding:
    """Compare how unevenly one and two agents dose the place that they label."""
    gains = []
    for nuclide in (_LU, _TB):
        for place in _PLACES:
            target = "nucleus" if place == "cytoplasm" else place
            one, two = (_arm(cluster, nuclide, place, left_out, k) for k in ("missed", "dual"))
            spread = [
                float(dose.std() / dose.mean())
                for dose in (arm.dose(target).sum(axis=1) for arm in (one, two))
            ]
            gains.append(spread[1] / spread[0])
    return Finding(
        "d",
        "relative spread of dose between cells, two agents over one, largest of 6",
        max(gains),
        f"smallest {min(gains):.3g}",
        "< 1",
        max(gains) < 1.0,
    )
