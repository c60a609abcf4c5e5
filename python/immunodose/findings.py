# SPDX-License-Identifier: BSD-3-Clause
"""The five findings of Constanzo et al. 2025 as numbers, and the one calibration."""

from __future__ import annotations

import functools
import itertools
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from immunodose.errors import ConvergenceError, InputError, ValidityWarning
from immunodose.tumor_model import GAIN, TumorModel, model_from_result

if TYPE_CHECKING:
    import xarray as xr

RATIO_BAND = (3.0, 5.0)
RATIO_TARGET = 4.0
_SEARCH_STEPS = 25


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its number, the number beside it, and whether it holds."""

    key: str
    statement: str
    value: float
    beside: str
    rule: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one arm comes to at the last time."""

    surviving_fraction: float
    white_cell_nadir: float
    mhc1_fold: float

    @property
    def log_kill(self) -> float:
        """Return -ln of the surviving fraction (none left: of the smallest number)."""
        return -math.log(max(self.surviving_fraction, sys.float_info.min))


@dataclass(slots=True)
class Study:
    """The four tumors of the study and its two activities; outcomes are kept once computed.

    Parameters
    ----------
    high, low
        The MHC-I-high and the MHC-I-low line in the host with CD8 T cells.
    high_athymic, low_athymic
        The same lines in the host without.
    activity_kBq, double_activity_kBq
        The lower and the higher activity.
    times_d
        Times at which the outcome is followed; the last one counts.
    gain
        Priming gain in d-1 in place of that of the host's set.
    """

    high: TumorModel
    low: TumorModel
    high_athymic: TumorModel
    low_athymic: TumorModel
    activity_kBq: float
    double_activity_kBq: float
    times_d: tuple[float, ...]
    gain: float | None = None
    _outcomes: dict[tuple[str, float], Outcome] = field(default_factory=dict)
    _responses: dict[tuple[str, float], xr.Dataset] = field(default_factory=dict)
    _hosts: dict[tuple[str, float], xr.Dataset] = field(default_factory=dict)

    @classmethod
    def from_result(cls, dataset: xr.Dataset) -> Study:
        """Take the doses of a run with two lines, two hosts and two activities above zero."""
        lines = list(dict.fromkeys(dataset["cell_line"].values.tolist()))
        hosts = list(dict.fromkeys(dataset["host"].values.tolist()))
        activities = sorted({float(a) / 1e3 for a in dataset["administered_activity"].values if a})
        if len(lines) != 2 or len(hosts) != 2 or len(activities) < 2:
            raise InputError(
                f"the findings need 2 cell lines, 2 hosts and at least 2 activities above zero "
                f"(the Dataset has {lines}, {hosts}, {activities} kBq)."
            )
        models = {
            (line, host): model_from_result(dataset, line, host) for line in lines for host in hosts
        }
        return cls.of_models(models, activities, tuple(dataset["time"].values.tolist()))

    @classmethod
    def of_models(
        cls,
        models: Mapping[tuple[str, str], TumorModel],
        activities_kBq: Sequence[float],
        times_d: tuple[float, ...],
    ) -> Study:
        """Find out which line is MHC-I high and which host has T cells.

        Parameters
        ----------
        models
            Tumor by line and host, two of each.
        activities_kBq
            Rising activities above zero; the first two count.
        times_d
            Times to follow.
        """
        lines = sorted({line for line, _ in models}, key=lambda line: _mhc1(models, line))
        hosts = sorted({host for _, host in models}, key=lambda host: _cd8(models, host))
        low, high = lines
        athymic, competent = hosts
        return cls(
            models[high, competent],
            models[low, competent],
            models[high, athymic],
            models[low, athymic],
            activities_kBq[0],
            activities_kBq[1],
            times_d,
        )

    def with_overrides(self, **overrides: float) -> Study:
        """Return the study with values replaced in every set of lines and hosts that has them."""
        return self.mapped(lambda model: model.with_overrides(**overrides))

    def mapped(self, change: Callable[[TumorModel], TumorModel]) -> Study:
        """Return the study with each of its four tumors changed."""
        return replace(
            self,
            high=change(self.high),
            low=change(self.low),
            high_athymic=change(self.high_athymic),
            low_athymic=change(self.low_athymic),
            _outcomes={},
            _responses={},
            _hosts={},
        )

    def with_gain(self, gain: float) -> Study:
        """Return the study with another priming gain; only T cells are computed anew."""
        return replace(self, gain=gain, _outcomes={})

    def outcome(self, tumor: str, activity_kBq: float) -> Outcome:
        """Return the outcome of `high`, `low`, `high_athymic` or `low_athymic`."""
        key = (tumor, activity_kBq)
        if key not in self._outcomes:
            with warnings.catch_warnings():  # the run has reported the limits of its arms
                warnings.simplefilter("ignore", ValidityWarning)
                self._outcomes[key] = _outcome_of(self._killed(tumor, activity_kBq))
        return self._outcomes[key]

    def _killed(self, tumor: str, activity_kBq: float) -> xr.Dataset:
        model: TumorModel = getattr(self, tumor)
        key = (tumor, activity_kBq)
        if key not in self._responses:
            self._responses[key] = model.responded(activity_kBq, self.times_d)
        place = (model.biology.host.name, activity_kBq)
        if place not in self._hosts:
            self._hosts[place] = model.hosted(activity_kBq, self.times_d)
        return model.killed(
            self._responses[key],
            self._hosts[place],
            self.times_d,
            priming_gain_per_d=self.gain,
        )


def _mhc1(models: Mapping[tuple[str, str], TumorModel], line: str) -> float:
    return next(
        m.biology.line.value("mhc1_baseline") for key, m in models.items() if key[0] == line
    )


def _cd8(models: Mapping[tuple[str, str], TumorModel], host: str) -> float:
    return next(m.biology.host.value("cd8_present") for key, m in models.items() if key[1] == host)


def _outcome_of(killed: xr.Dataset) -> Outcome:
    is_tumor = killed["cell_type"].values == "tumor"
    dead = killed["kill_probability"].isel(time=-1).values[is_tumor]
    mhc1 = killed["mhc1_surface"].transpose("time", "cell").values[:, is_tumor].mean(axis=1)
    return Outcome(
        float((1.0 - dead).mean()),
        float(killed["white_cell_nadir"]),
        float(mhc1.max() / mhc1[0]),
    )


def iso_effect_ratio(study: Study) -> float:
    """Return finding (a): how much less dose the MHC-I-high tumor needs for the same log-kill.

    Parameters
    ----------
    study
        The four tumors.

    Returns
    -------
    float
        Mean dose of the MHC-I-low tumor at the lower activity over that of the MHC-I-high tumor
        at the smallest activity whose log-kill is the same; NaN if no activity up to the higher
        one reaches it, infinity if T cells alone do.

    Notes
    -----
    Eq. 6, docs/user/constanzo2025.md. Log-kill need not grow with activity, so the activities
    are searched upward on a grid before the root is refined.
    """
    target = study.outcome("low", study.activity_kBq).log_kill

    def excess(activity_kBq: float) -> float:
        return study.outcome("high", activity_kBq).log_kill - target

    if excess(0.0) >= 0.0:
        return math.inf
    one = study.activity_kBq
    grid = [0.0, *np.geomspace(one / 64, one, 9)[:-1].tolist(), one, study.double_activity_kBq]
    for below, above in itertools.pairwise(grid):
        if excess(above) >= 0.0:
            activity = _root(excess, below, above)
            low_dose = study.low.mean_dose_Gy_per_kBq() * study.activity_kBq
            return low_dose / (study.high.mean_dose_Gy_per_kBq() * activity)
    return math.nan


def _root(function: Callable[[float], float], below: float, above: float) -> float:
    """Return where the function changes sign between a negative and a positive end."""
    from scipy.optimize import brentq

    return float(brentq(function, below, above, rtol=1e-3, xtol=1e-6))


# Factor 4 in the gain: a bracket then takes a few steps, and a root a few more.
_BRACKET_STEP = math.log(4.0)


def calibrate(study: Study, *, ratio: float = RATIO_TARGET) -> float:
    """Return the priming gain at which the iso-effect ratio of finding (a) takes a value.

    Parameters
    ----------
    study
        The four tumors.
    ratio
        Wanted ratio of doses (> 1).

    Returns
    -------
    float
        `effector_priming_gain` in d-1, within the range of the host's set.

    Raises
    ------
    InputError
        The ratio is not above 1.
    ConvergenceError
        No gain of the allowed range gives the ratio.

    Notes
    -----
    Doses are linear in activity, so the wanted ratio states at which activity the MHC-I-high
    tumor must reach the log-kill of the MHC-I-low one: one root in the gain (Eq. 7,
    docs/user/constanzo2025.md).
    """
    if not ratio > 1.0:
        raise InputError(f"invalid ratio={ratio!r} (allowed: above 1).")
    doses = study.low.mean_dose_Gy_per_kBq() / study.high.mean_dose_Gy_per_kBq()
    activity = study.activity_kBq * doses / ratio
    entry = study.high.biology.host.entry(GAIN)

    @functools.cache
    def excess(ln_gain: float) -> float:
        changed = study.with_gain(min(math.exp(ln_gain), entry.high))
        return (
            changed.outcome("high", activity).log_kill
            - changed.outcome("low", study.activity_kBq).log_kill
        )

    low, high = math.log(max(entry.low, 1e-6)), math.log(entry.high)
    # Bracket outward from the value at hand, which is rarely far off.
    above = min(max(math.log(max(entry.value, math.exp(low))), low), high)
    below = above
    while excess(below) >= 0.0 and below > low:
        above, below = below, max(low, below - _BRACKET_STEP)
    while excess(above) < 0.0 and above < high:
        below, above = above, min(high, above + _BRACKET_STEP)
    if excess(below) < 0.0 <= excess(above):
        return min(math.exp(_root(excess, below, above)), entry.high)
    raise ConvergenceError(
        f"no {GAIN} from {entry.low:g} to {entry.high:g} {entry.unit} gives an iso-effect ratio of "
        f"{ratio:g}. T cells are too weak or too strong in the MHC-I-high line whatever the gain."
    )


def evaluate(study: Study) -> tuple[Finding, ...]:
    """Return the five findings of a study.

    Parameters
    ----------
    study
        The four tumors.

    Returns
    -------
    tuple of Finding
        (a) to (e) of Constanzo et al. 2025, defined in docs/user/constanzo2025.md.
    """
    one, two = study.activity_kBq, study.double_activity_kBq
    ratio = iso_effect_ratio(study)
    high, high_two = study.outcome("high", one), study.outcome("high", two)
    low, nude, low_nude = (study.outcome(n, one) for n in ("low", "high_athymic", "low_athymic"))
    contrast = _ratio(high, nude)
    low_contrast = _ratio(low, low_nude)
    doubled = _ratio(high_two, high)
    nadirs = (high.white_cell_nadir, high_two.white_cell_nadir)
    return (
        Finding(
            "a",
            "dose for equal log-kill, MHC-I low over high, with CD8 T cells",
            ratio,
            f"log-kill {low.log_kill:.3g}",
            f"{RATIO_BAND[0]:g} to {RATIO_BAND[1]:g}",
            RATIO_BAND[0] <= ratio <= RATIO_BAND[1],
        ),
        Finding(
            "b",
            f"SF with over without CD8 T cells, MHC-I high, {one:g} kBq",
            contrast,
            f"MHC-I low {low_contrast:.3g}",
            "<= 0.9",
            contrast <= 0.9,
        ),
        Finding(
            "c",
            f"SF({two:g} kBq) / SF({one:g} kBq), MHC-I high, with CD8 T cells",
            doubled,
            f"SF {high_two.surviving_fraction:.3g} and {high.surviving_fraction:.3g}",
            ">= 0.9",
            doubled >= 0.9,
        ),
        Finding(
            "d",
            f"white-cell nadir at {two:g} kBq over that at {one:g} kBq",
            nadirs[1] / nadirs[0],
            f"nadirs {nadirs[1]:.2f} and {nadirs[0]:.2f}",
            "< 1, both nadirs < 1",
            nadirs[1] < nadirs[0] < 1.0,
        ),
        Finding(
            "e",
            f"surface MHC-I after {one:g} kBq over before, MHC-I high",
            high.mhc1_fold,
            f"MHC-I low {low.mhc1_fold:.3g}",
            ">= 1.1, low <= 1.05",
            high.mhc1_fold >= 1.1 and low.mhc1_fold <= 1.05,
        ),
    )


def _ratio(above: Outcome, below: Outcome) -> float:
    """Return a ratio of surviving fractions; NaN, which holds for no rule, without survivors."""
    if below.surviving_fraction == 0.0:
        return math.nan
    return above.surviving_fraction / below.surviving_fraction


def findings(dataset: xr.Dataset) -> tuple[Finding, ...]:
    """Evaluate the five findings of Constanzo et al. 2025 on the result of a run.

    Parameters
    ----------
    dataset
        Result of `immunodose.run` with two cell lines, two hosts, two activities above zero.

    Returns
    -------
    tuple of Finding
        Number, rule and whether it holds, for (a) to (e). The iso-effect activity of (a) is
        searched with everything recomputed but the transport, which is linear in activity.

    Raises
    ------
    InputError
        The design lacks an arm that the findings compare.
    """
    return evaluate(Study.from_result(dataset))
