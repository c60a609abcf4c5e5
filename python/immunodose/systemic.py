# SPDX-License-Identifier: BSD-3-Clause
"""Blood and marrow dose of a regimen, and what it leaves of lymphocytes and white cells."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.nuclides import emissions
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.immune_host import set_attributes
from immunodose.immune_time import OutputTimes, TimeGrid, converged, output_times, relax
from immunodose.provenance import base_attrs
from immunodose.response_inputs import ParameterLike
from immunodose.schema import build
from immunodose.source_kinetics import biokinetics, one_exponential
from immunodose.typing import FloatArray, FloatLike
from immunodose.units import GRAY_G_PER_KEV, MINUTES_PER_DAY, SECONDS_PER_DAY

if TYPE_CHECKING:
    import xarray as xr

ORGANS = ("blood", "marrow")

_HIGH_LET = ("alpha", "recoil")
_LOW_LET = ("beta", "auger_ce")
_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Regimen:
    """One injection: agent set and administered activity in Bq (>= 0)."""

    agent: ParameterLike
    administered_activity_Bq: float


@dataclass(frozen=True, slots=True)
class OrganDose:
    """Dose of one organ in all, and its rate constant (infinite: acute at time 0)."""

    high_let_Gy: float
    low_let_Gy: float
    rate_per_d: float

    @property
    def total_Gy(self) -> float:
        """Return the dose of both LET classes."""
        return self.high_let_Gy + self.low_let_Gy

    def delivered(self, time_d: FloatArray) -> FloatArray:
        """Return the share delivered at each time."""
        if math.isinf(self.rate_per_d):
            return np.ones(time_d.size)
        return np.asarray(-np.expm1(-self.rate_per_d * time_d))


def simulate_host(
    *,
    host: ParameterLike,
    regimen: Regimen | Mapping[str, Any] | None = None,
    organ_doses: Mapping[str, Mapping[str, float]] | None = None,
    organ_rate_constant_per_d: float | None = None,
    time_d: FloatLike,
    **overrides: float,
) -> xr.Dataset:
    """Follow blood and marrow of a host under a radiopharmaceutical.

    Parameters
    ----------
    host
        Host set: name, Dataset of `parameters`, or ParameterSet.
    regimen
        `Regimen` or a mapping with its fields; None with no `organ_doses` is the untreated host.
    organ_doses
        Doses (Gy, >= 0) in place of a regimen: organ (blood, marrow) -> emission -> dose, all
        decays; acute unless `organ_rate_constant_per_d` is given.
    organ_rate_constant_per_d
        Effective rate constant of `organ_doses` (> 0, d-1).
    time_d
        Times after administration (d, >= 0): a number, or a rising sequence. `kill_probability`
        needs a sequence from 0 to its own last time, and takes the supply as linear between.
    **overrides
        Values that replace those of the host set.

    Returns
    -------
    xarray.Dataset
        `organ_absorbed_dose` (organ) [Gy], `lymphocyte_count` (subset, compartment[, time]) [1,
        relative to the untreated host], `white_cell_nadir` () [1], `effector_supply` ([time]) [1].

    Raises
    ------
    InputError
        If a value is missing or out of range, or regimen and organ_doses are both given.

    Notes
    -----
    Eq. 1-5 of docs/theory/host.md. Blood and marrow take the energy of the charged particles of
    the decays in them (equilibrium, all progeny in place); photons and other organs add nothing.

    References
    ----------
    Elgqvist J et al. J Nucl Med 2005;46:464.

    Examples
    --------
    >>> out = simulate_host(host="immunocompetent", time_d=[0.0, 14.0])
    >>> out.lymphocyte_count.values.ravel(), float(out.white_cell_nadir)
    (array([1., 1.]), 1.0)
    """
    item = resolve(host, kind="host").with_overrides(**overrides)
    outputs = output_times(time_d)
    if regimen is not None and organ_doses is not None:
        raise InputError("regimen and organ_doses are both given. Give one of them.")
    if organ_doses is None and organ_rate_constant_per_d is not None:
        raise InputError("organ_rate_constant_per_d has no effect without organ_doses.")
    attrs: dict[str, Any] = {}
    if regimen is not None:
        doses, attrs = _of_regimen(regimen)
    else:
        doses = _given(organ_doses or {}, organ_rate_constant_per_d)
    lymphocytes, step = _lymphocytes(item, doses, outputs)
    nadir = math.exp(-item.value("white_cell_marrow_sensitivity") * doses["marrow"].total_Gy)
    count = outputs.shaped(lymphocytes)
    return build(
        {
            "organ_absorbed_dose": (("organ",), [doses[organ].total_Gy for organ in ORGANS]),
            "lymphocyte_count": (("subset", "compartment", *outputs.dims), count[None, None]),
            "white_cell_nadir": ((), nadir),
            "effector_supply": (outputs.dims, count),
        },
        coords={
            "organ": list(ORGANS),
            "subset": ["cd8"],
            "compartment": ["blood"],
            **outputs.coords(),
        },
        attrs=base_attrs(**attrs, **set_attributes(item), host_step_d=step),
    )


def _of_regimen(
    regimen: Regimen | Mapping[str, Any],
) -> tuple[dict[str, OrganDose], dict[str, Any]]:
    if not isinstance(regimen, (Regimen, Mapping)):
        raise InputError(
            f"invalid regimen={regimen!r} (allowed: a mapping with agent and "
            "administered_activity_Bq, or None)."
        )
    if not isinstance(regimen, Regimen):
        fields = {"agent", "administered_activity_Bq"}
        if set(regimen) != fields:
            raise InputError(f"invalid regimen keys {sorted(regimen)} (needed: {sorted(fields)}).")
        regimen = Regimen(**regimen)
    kinetics = biokinetics(
        agent=regimen.agent,
        administered_activity_Bq=regimen.administered_activity_Bq,
        compartments=ORGANS,
    )
    kinetics = one_exponential(kinetics, "simulate_host")
    high, low = _gray_g_per_decay(str(kinetics["nuclide"].values))
    doses = {}
    for organ in ORGANS:
        here = kinetics.sel(compartment=organ)
        decays_per_g = float(here["time_integrated_activity_concentration"])
        rate = float(here["activity_rate_constant"]) * SECONDS_PER_DAY
        doses[organ] = OrganDose(decays_per_g * high, decays_per_g * low, rate)
    kept = {key: value for key, value in kinetics.attrs.items() if key.startswith("agent")}
    return doses, {**kept, "administered_activity_Bq": float(regimen.administered_activity_Bq)}


@functools.cache
def _gray_g_per_decay(nuclide: str) -> tuple[float, float]:
    """Return the energy per decay of high and low LET as Gy in 1 g."""
    lines = emissions(nuclide)
    energy = (lines["energy"] * lines["yield_per_decay"]).values
    classes = lines["emission"].values.astype(str)
    high, low = (energy[np.isin(classes, names)].sum() for names in (_HIGH_LET, _LOW_LET))
    return float(high) * GRAY_G_PER_KEV, float(low) * GRAY_G_PER_KEV


def _given(
    organ_doses: Mapping[str, Mapping[str, float]], rate_per_d: float | None
) -> dict[str, OrganDose]:
    if rate_per_d is not None and not (math.isfinite(rate_per_d) and rate_per_d > 0.0):
        raise InputError(
            f"invalid organ_rate_constant_per_d={rate_per_d} (allowed: finite and > 0)."
        )
    unknown = [organ for organ in organ_doses if organ not in ORGANS]
    if unknown:
        raise InputError(f"unknown organ {unknown[0]!r} in organ_doses (allowed: {ORGANS}).")
    rate = math.inf if rate_per_d is None else rate_per_d
    found = {}
    for organ in ORGANS:
        by_emission = dict(organ_doses.get(organ, {}))
        for emission, dose in by_emission.items():
            if emission not in (*_HIGH_LET, *_LOW_LET, "photon"):
                raise InputError(f"unknown emission {emission!r} in organ_doses[{organ!r}].")
            if not (math.isfinite(dose) and dose >= 0.0):
                raise InputError(
                    f"invalid organ_doses[{organ!r}][{emission!r}] = {dose} Gy "
                    "(allowed: finite and >= 0)."
                )
        high = math.fsum(dose for name, dose in by_emission.items() if name in _HIGH_LET)
        low = math.fsum(dose for name, dose in by_emission.items() if name not in _HIGH_LET)
        found[organ] = OrganDose(high, low, rate)
    return found


def _lymphocytes(
    item: ParameterSet, doses: Mapping[str, OrganDose], outputs: OutputTimes
) -> tuple[FloatArray, float]:
    """Return lymphocytes relative to the untreated host at the outputs, and the step."""
    blood, marrow = doses["blood"], doses["marrow"]
    if blood.total_Gy == 0.0 and marrow.total_Gy == 0.0:
        return np.ones(outputs.time_d.size), 0.0
    turnover = item.value("lymphocyte_turnover_rate")
    sensitivity = item.value("white_cell_marrow_sensitivity")
    protraction = 1.0
    if math.isfinite(blood.rate_per_d):
        repair = math.log(2.0) * MINUTES_PER_DAY / item.value("lymphocyte_repair_half_time")
        protraction = blood.rate_per_d / (blood.rate_per_d + repair)
    linear = item.value("lymphocyte_alpha_sensitivity") * blood.high_let_Gy
    linear += item.value("lymphocyte_low_let_alpha") * blood.low_let_Gy
    quadratic = item.value("lymphocyte_low_let_beta") * protraction * blood.low_let_Gy**2

    def solved(grid: TimeGrid) -> FloatArray:
        delivered = blood.delivered(grid.time_d)
        effect = linear * delivered + quadratic * delivered**2  # Eq. 3
        inflow = turnover * np.exp(-sensitivity * marrow.total_Gy * marrow.delivered(grid.time_d))
        loss = turnover + np.diff(effect) / np.diff(grid.time_d)
        return relax(grid.time_d, loss, inflow, float(np.exp(-effect[0])))[grid.output_index]

    grid, step = converged(solved, outputs, tolerance=_TOLERANCE, what="simulate_host")
    return solved(grid), step
