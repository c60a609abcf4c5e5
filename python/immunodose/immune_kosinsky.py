# SPDX-License-Identifier: BSD-3-Clause
"""The model of Kosinsky 2018 for CT26 tumors under radiation and anti-PD-L1, as published."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import ConvergenceError, InputError
from immunodose.immune_checkpoint import AntibodyCourse, Checkpoint, antibody_course
from immunodose.immune_time import output_times
from immunodose.provenance import base_attrs
from immunodose.response_inputs import ParameterLike
from immunodose.schema import build
from immunodose.typing import FloatArray, FloatLike

if TYPE_CHECKING:
    import xarray as xr

_RTOL = 1e-8
_ATOL = 1e-10
_DSB_DEATH = 0.2  # of the paper: lethal pairs per alpha and squared breaks, so alpha/beta is 10 Gy
_VARIABLES = (
    "tumor_volume",
    "tumor_volume_moribund",
    "unrepaired_dsb",
    "effector_precursor_count",
    "effector_count",
    "pdl1_level",
)


@dataclass(frozen=True, slots=True)
class Fractions:
    """Equal irradiations: each gives its dose at a constant rate."""

    dose_Gy: FloatArray
    start_d: FloatArray
    duration_d: float

    def edges_d(self) -> FloatArray:
        """Return when a fraction begins or ends."""
        return np.concatenate([self.start_d, self.start_d + self.duration_d])

    def rate_Gy_per_d(self, time_d: float) -> float:
        """Return the dose rate at a time that is no edge."""
        inside = (time_d > self.start_d) & (time_d < self.start_d + self.duration_d)
        return float(self.dose_Gy[inside].sum() / self.duration_d)


def kosinsky2018(
    *,
    time_d: FloatLike,
    parameters: ParameterLike = "kosinsky2018",
    fraction_dose_Gy: FloatLike = (),
    fraction_time_d: FloatLike = (),
    fraction_duration_d: float = 0.01,
    checkpoint: Checkpoint | Mapping[str, Any] | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Solve the published model of CT26 tumors under radiation and an antibody to PD-L1.

    Parameters
    ----------
    time_d
        Times after inoculation (d, >= 0): a number, or a rising sequence.
    parameters
        Set of kind published_model with the keys of `"kosinsky2018"`.
    fraction_dose_Gy
        Dose of each fraction (Gy, >= 0): a number for all, or one for each time.
    fraction_time_d
        Start of each fraction (d, >= 0).
    fraction_duration_d
        How long a fraction takes (d, > 0).
    checkpoint
        `Checkpoint` or a mapping with its fields; None for no antibody.
    **overrides
        Values that replace those of the set.

    Returns
    -------
    xarray.Dataset
        `tumor_volume` (living) and `tumor_volume_moribund` ([time]) [mm3], `effector_count`,
        `effector_precursor_count`, `unrepaired_dsb` and `pdl1_level` ([time]) [1].

    Raises
    ------
    InputError
        If a value is out of range, or doses do not match times.
    ConvergenceError
        If the differential equations could not be solved.

    Notes
    -----
    Eq. 1-8 of docs/theory/kosinsky2018.md, with the repair term of the paper (U/tau), which the
    public export of the model inverts. The measured volume is the sum of both parts. Relative
    tolerance 1e-8.

    References
    ----------
    Kosinsky Y et al. J Immunother Cancer 2018;6:17, doi:10.1186/s40425-018-0327-9.

    Examples
    --------
    >>> out = kosinsky2018(time_d=[7.0, 14.0], influx_half_antigen=6.95)
    >>> (out.tumor_volume + out.tumor_volume_moribund).values.round(1)
    array([134. , 410.8])
    """
    item = resolve(parameters, kind="published_model").with_overrides(**overrides)
    outputs = output_times(time_d)
    fractions = _fractions(fraction_dose_Gy, fraction_time_d, fraction_duration_d)
    course = None if checkpoint is None else antibody_course(checkpoint)
    states = _solve(_Model(item, course), fractions, outputs.time_d)
    attrs: dict[str, Any] = {
        "fraction_dose_Gy": fractions.dose_Gy,
        "fraction_time_d": fractions.start_d,
        "fraction_duration_d": fractions.duration_d,
    }
    if course is not None:
        attrs["checkpoint_amount_nmol"] = course.amount_nmol
        attrs["checkpoint_time_d"] = course.time_d
        attrs.update(course.parameters.attrs("checkpoint_antibody"))
    return build(
        {
            name: (outputs.dims, outputs.shaped(values))
            for name, values in zip(_VARIABLES, states, strict=True)
        },
        coords=outputs.coords(),
        attrs=base_attrs(**attrs, **item.attrs("parameters")),
    )


class _Model:
    """Right-hand side of Eq. 1-6 between two edges of the treatment."""

    def __init__(self, item: ParameterSet, course: AntibodyCourse | None) -> None:
        self.of = {key: item.value(key) for key in item.entries}
        self.course = course

    def start(self) -> FloatArray:
        """Return the state at day 0: a small tumor, nothing else."""
        return np.array([self.of["initial_tumor_volume"], 0.0, 0.0, 0.0, 0.0, 0.0])

    def pdl1_free(self, time_d: float) -> float:
        """Return the share of PD-L1 that no antibody holds."""
        if self.course is None:
            return 1.0
        return 1.0 - float(self.course.occupancy(np.array([time_d]))[0])

    def change(self, time_d: float, state: FloatArray, rate_Gy_per_d: float) -> list[float]:
        """Return the time derivative of the state."""
        living, moribund, dsb, precursors, effectors, pdl1 = state
        of = self.of
        volume = living + moribund
        killed = of["kill_rate_per_effector"] * effectors + of["spontaneous_death_rate"]
        death = of["moribund_clearance_rate"] * moribund / volume + killed
        half = of["antigen_half_death_rate"]
        antigen = volume * death**2 / (death**2 + half**2)
        influx = of["max_influx"] * antigen / (antigen + of["influx_half_antigen"])
        inhibited = pdl1 * self.pdl1_free(time_d)
        suppressed = antigen / (antigen + of["suppression_half_antigen"])
        active = (1.0 - inhibited) * (1.0 - suppressed) * precursors
        alpha, tau, per_gray = (
            of["radiation_alpha"], of["dsb_repair_time"], of["dsb_per_gray"],
        )  # fmt: skip
        hit = living * alpha * (rate_Gy_per_d + _DSB_DEATH / (tau * per_gray**2) * dsb**2)
        growth = of["tumor_growth_rate"] * living * (1.0 - living / of["tumor_volume_max"])
        return [
            growth - hit - killed * living,
            hit - of["moribund_clearance_rate"] * moribund,
            per_gray * rate_Gy_per_d - dsb / tau,
            influx
            + (of["proliferation_rate"] - of["differentiation_rate"]) * active
            - of["precursor_loss_rate"] * precursors,
            of["differentiation_rate"] * active - of["effector_apoptosis_rate"] * effectors,
            of["pdl1_rate"] * (effectors / (of["pdl1_half_effectors"] + effectors) - pdl1),
        ]


def _solve(model: _Model, fractions: Fractions, time_d: FloatArray) -> FloatArray:
    """Return the states (variable, output); the solver starts anew at every edge."""
    from scipy.integrate import solve_ivp

    edges = [fractions.edges_d(), np.array([0.0, time_d[-1]])]
    if model.course is not None:
        edges.append(model.course.breaks_d())
    grid = np.unique(np.concatenate(edges))
    grid = grid[(grid >= 0.0) & (grid <= time_d[-1])]
    state = model.start()
    found = np.empty((state.size, time_d.size))
    found[:, time_d == 0.0] = state[:, None]
    for left, right in itertools.pairwise(grid):
        rate = fractions.rate_Gy_per_d(0.5 * (left + right))
        inside = (time_d > left) & (time_d <= right)
        solution = solve_ivp(
            model.change, (left, right), state, method="LSODA", args=(rate,),
            t_eval=np.unique(np.append(time_d[inside], right)), rtol=_RTOL, atol=_ATOL,
        )  # fmt: skip
        if not solution.success:
            raise ConvergenceError(
                f"kosinsky2018 could not be solved from {left:g} to {right:g} d "
                f"({solution.message}). Check the overrides for extreme rates."
            )
        found[:, inside] = solution.y[:, : int(inside.sum())]
        state = solution.y[:, -1]
    return found


def _fractions(dose_Gy: FloatLike, time_d: FloatLike, duration_d: float) -> Fractions:
    dose, start = _checked("fraction_dose_Gy", dose_Gy), _checked("fraction_time_d", time_d)
    if not (np.isfinite(duration_d) and duration_d > 0.0):
        raise InputError(f"invalid fraction_duration_d={duration_d} (allowed: finite and > 0).")
    if dose.size == 1:
        dose = np.full(start.size, dose[0])
    if dose.size != start.size:
        raise InputError(
            f"fraction_dose_Gy has {dose.size} values for {start.size} fraction_time_d (allowed: "
            "one for all, or one for each)."
        )
    return Fractions(dose, start, float(duration_d))


def _checked(name: str, given: FloatLike) -> FloatArray:
    raw = np.asarray(given)
    if raw.dtype.kind not in "iuf" or raw.ndim > 1:
        raise InputError(f"invalid {name}={given!r} (allowed: a number or 1-D numbers).")
    values = np.atleast_1d(raw.astype(np.float64))
    bad = ~(np.isfinite(values) & (values >= 0.0))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(f"invalid {name}[{i}] = {values[i]:g} (allowed: finite and >= 0).")
    return values
