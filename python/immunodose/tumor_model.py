# SPDX-License-Identifier: BSD-3-Clause
"""One tumor of a cell line in a host: dose per unit of administered activity, then response.

Dose, hits and organ doses are linear in the administered activity, so they are computed once per
tumor at 1 kBq and scaled (Eq. 1-3, docs/user/constanzo2025.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import cells as cell_builders
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.immune import kill_probability
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_mhc1 import mhc1_expression
from immunodose.population import absorbed_dose
from immunodose.response import survival
from immunodose.schema import data_array
from immunodose.source import label
from immunodose.source_kinetics import biokinetics, one_exponential
from immunodose.systemic import Regimen, simulate_host
from immunodose.typing import Physics
from immunodose.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    import xarray as xr

T_CELL = "cd8_t_cell"
GAIN = "effector_priming_gain"  # the one number that is fitted to the study
_UM3_PER_G = 1e12  # at 1 g/cm3
_LINEAR = ("absorbed_dose", "hit_mean", "hit_decay_moment")
_KEPT = (
    "cell_type",
    "cell_radius",
    "nucleus_radius",
    "antigen",
    "activity_rate_constant",
    *_LINEAR,
)


@dataclass(frozen=True, slots=True)
class Biology:
    """The parameter sets of one tumor in one host."""

    line: ParameterSet
    host: ParameterSet
    agent: ParameterSet
    t_cell: ParameterSet

    @classmethod
    def named(cls, line: str, host: str, agent: str) -> Biology:
        """Look the sets up by name, each of the kind that its place demands."""
        return cls(
            resolve(line, kind="cell_line"),
            resolve(host, kind="host"),
            resolve(agent, kind="agent"),
            resolve(T_CELL, kind="immune_cell"),
        )

    def sets(self) -> dict[str, ParameterSet]:
        """Return the sets by name."""
        return {item.name: item for item in (self.line, self.host, self.agent, self.t_cell)}

    def fingerprints(self) -> dict[str, str]:
        """Return a checksum of the values of each set, by name."""
        return {name: item.fingerprint() for name, item in self.sets().items()}

    def has_cd8(self) -> bool:
        """Return whether the host has CD8 T cells."""
        return self.host.value("cd8_present") > 0.0

    def with_overrides(self, **overrides: float) -> Biology:
        """Replace values of the line and of the host, in whichever set has the key."""
        line = {key: value for key, value in overrides.items() if key in self.line.entries}
        host = {key: value for key, value in overrides.items() if key in self.host.entries}
        unknown = sorted(set(overrides) - set(line) - set(host))
        if unknown:
            raise InputError(
                f"override {unknown[0]!r} is neither in {self.line.name!r} nor in "
                f"{self.host.name!r}."
            )
        return replace(
            self,
            line=self.line.with_overrides(**line),
            host=self.host.with_overrides(**host),
        )


@dataclass(frozen=True, slots=True)
class TumorModel:
    """One tumor with its dose per kBq; any activity is evaluated without transport.

    `unit` holds the per-cell input of the response models at 1 kBq.
    """

    biology: Biology
    unit: xr.Dataset
    random_root: int

    def with_overrides(self, **overrides: float) -> TumorModel:
        """Return the same tumor and doses with other response, MHC-I or host values."""
        return replace(self, biology=self.biology.with_overrides(**overrides))

    def mean_dose_Gy_per_kBq(self) -> float:
        """Return the mean nucleus dose of the tumor cells per administered kBq."""
        dose = self.unit["absorbed_dose"]
        if "target" in dose.dims:
            dose = dose.sel(target="nucleus")
        totals = dose.sum([dim for dim in dose.dims if dim != "cell"]).values
        return float(totals[self.unit["cell_type"].values == "tumor"].mean())

    def dosed(self, activity_kBq: float) -> xr.Dataset:
        """Return doses, hits and MHC-I baseline at an administered activity (kBq, >= 0)."""
        changed: dict[str, Any] = {}
        for name in _LINEAR:
            if name in self.unit:
                variable = self.unit[name]
                changed[name] = (variable.dims, variable.values * activity_kBq, variable.attrs)
        hits = changed["hit_decay_moment"][1][:, 0]
        changed["unhit_probability"] = data_array("unhit_probability", ("cell",), np.exp(-hits))
        dosed = self.unit.assign(changed)
        line = self.biology.line
        return cell_builders.lognormal(
            dosed,
            name="mhc1_baseline",
            median=line.value("mhc1_baseline"),
            sd_ln=line.value("mhc1_baseline_sd_ln"),
            rng=self.random_root,
        )

    def responded(
        self, activity_kBq: float, times_d: Sequence[float], mechanism: Mechanism | None = None
    ) -> xr.Dataset:
        """Return the doses with survival and surface MHC-I in time; no T cells yet.

        Without a mechanism MHC-I follows the plain law of the cell line.
        """
        sets = {"tumor": self.biology.line, T_CELL: self.biology.t_cell}
        dosed = survival(self.dosed(activity_kBq), parameters=sets)
        return mhc1_expression(
            dosed,
            parameters=self.biology.line,
            time_d=solver_times(times_d),
            mechanism=mechanism,
            rng="required" if mechanism is None else self.random_root,  # cells that lost a route
        )

    def hosted(self, activity_kBq: float, times_d: Sequence[float]) -> xr.Dataset:
        """Return the state of the host in time; it does not depend on the tumor."""
        return simulate_host(
            host=self.biology.host,
            regimen=Regimen(self.biology.agent, 1e3 * activity_kBq),
            time_d=solver_times(times_d),
        )

    def killed(
        self,
        responded: xr.Dataset,
        host: xr.Dataset,
        times_d: Sequence[float],
        *,
        priming_gain_per_d: float | None = None,
    ) -> xr.Dataset:
        """Return kill probabilities, effectors in the tumor and the host's supply in time."""
        changes = {} if priming_gain_per_d is None else {GAIN: priming_gain_per_d}
        options: dict[str, Any] = {"time_d": solver_times(times_d), "host": host, **changes}
        killed = kill_probability(responded, parameters=self.biology.line, **options)
        named = {name: host[name] for name in host.data_vars if name not in killed}
        return killed.assign(named).sel(time=list(times_d))

    def evaluate(
        self, activity_kBq: float, times_d: Sequence[float], mechanism: Mechanism | None = None
    ) -> xr.Dataset:
        """Return everything about one arm: dose, response, MHC-I, kill, host."""
        host = self.hosted(activity_kBq, times_d)
        return self.killed(self.responded(activity_kBq, times_d, mechanism), host, times_d)


# MHC-I and host are handed from model to model as linear between these times (d): a quarter of a
# day in place of half a day changes surviving fraction, effectors and supply of the study by less
# than 0.4 % (tests/unit/test_scenario.py).
_SOLVER_STEP_D = 0.5


def solver_times(times_d: Sequence[float]) -> list[float]:
    """Return the output times and a grid between them, so that results do not depend on them."""
    times = np.asarray(times_d, dtype=np.float64)
    grid = np.arange(0.0, times[-1], _SOLVER_STEP_D)
    return [float(value) for value in np.union1d(grid, times)]


def build_models(
    biologies: Sequence[Biology],
    *,
    n_tumor_cells: int,
    physics: Physics,
    rng: int,
    n_threads: int | None = None,
    progress: Any = None,
    nucleus_only: bool = False,
) -> list[TumorModel]:
    """Pack, label and dose one tumor per biology, all from one random root.

    Parameters
    ----------
    biologies
        The parameter sets of each tumor.
    n_tumor_cells
        Least number of tumor cells of each tumor (>= 1). Hosts with T cells have some of the
        sites taken by them; all tumors have the same sites in units of the cell radius.
    physics
        Transport model of `absorbed_dose`.
    rng
        Root of the random numbers of every tumor, so that they differ by their sets only.
    n_threads
        Threads (>= 1); None for all that this process may use.
    progress
        Called with done, total and a text.
    nucleus_only
        Whether doses to the other compartments, which no response model reads, are left out.

    Returns
    -------
    list of TumorModel
        In the order of `biologies`. Tumors whose geometry, labeling and agent agree are
        computed once.
    """
    n_sites = sites(n_tumor_cells, biologies)
    computed: dict[Any, xr.Dataset] = {}
    models = []
    for index, biology in enumerate(biologies):
        key = _dose_key(biology)
        if key not in computed:
            computed[key] = _dose_per_kBq(
                biology,
                n_tumor_cells,
                n_sites,
                physics=physics,
                rng=rng,
                n_threads=n_threads,
                nucleus_only=nucleus_only,
            )
        models.append(TumorModel(biology, computed[key], rng))
        if progress is not None:
            progress(index + 1, len(biologies), "tumors with dose")
    return models


def _dose_key(biology: Biology) -> Any:
    """Values on which geometry, labeling and dose depend."""
    line = [biology.line.value(key) for key in GEOMETRY_KEYS]
    t_cells = _t_cell_share(biology)
    t_radii = [biology.t_cell.value(key) for key in ("cell_radius", "nucleus_radius")]
    if t_cells == 0.0:
        t_radii = []
    agent = sorted((key, item.value) for key, item in biology.agent.entries.items())
    return (*line, t_cells, *t_radii, biology.agent.name, str(agent))


GEOMETRY_KEYS = ("cell_radius", "nucleus_radius", "packing_fraction", "antigen_sd_ln")


def _t_cell_share(biology: Biology) -> float:
    return biology.host.value("effector_to_target_ratio") if biology.has_cd8() else 0.0


def tumor_cells(biology: Biology, n_tumor_cells: int, n_sites: int, *, rng: int) -> xr.Dataset:
    """Return the packed tumor with its T cells and antigen, before labeling."""
    line = biology.line
    radius_um = line.value("cell_radius")
    packing = line.value("packing_fraction")
    cells = cell_builders.spheroid(
        radius_um=radius_um * (n_sites / packing) ** (1.0 / 3.0),
        cell_radius_um=radius_um,
        nucleus_radius_um=line.value("nucleus_radius"),
        packing_fraction=packing,
        rng=rng,
    )
    cells = cell_builders.with_cell_type(
        cells,
        cell_type=T_CELL,
        fraction=round(n_tumor_cells * _t_cell_share(biology)) / n_sites,
        cell_radius_um=biology.t_cell.value("cell_radius"),
        nucleus_radius_um=biology.t_cell.value("nucleus_radius"),
        rng=rng,
    )
    return cell_builders.lognormal(
        cells, name="antigen", median=1.0, sd_ln=line.value("antigen_sd_ln"), rng=rng
    )


def decays_per_cell(biology: Biology, time_integrated_concentration_Bq_s_per_g: float) -> float:
    """Return the decays in the tissue that belongs to one cell (Eq. 1, constanzo2025.md)."""
    radius_um = biology.line.value("cell_radius")
    tissue_um3 = 4.0 / 3.0 * math.pi * radius_um**3 / biology.line.value("packing_fraction")
    return time_integrated_concentration_Bq_s_per_g * tissue_um3 / _UM3_PER_G


def sites(n_tumor_cells: int, biologies: Sequence[Biology]) -> int:
    """Return the cells of each tumor: the tumor cells asked for and the most T cells."""
    shares = [b.host.value("effector_to_target_ratio") for b in biologies if b.has_cd8()]
    return n_tumor_cells + round(n_tumor_cells * max(shares, default=0.0))


def _dose_per_kBq(
    biology: Biology,
    n_tumor_cells: int,
    n_sites: int,
    *,
    physics: Physics,
    rng: int,
    n_threads: int | None,
    nucleus_only: bool,
) -> xr.Dataset:
    """Return per-cell doses and the kinetics of the agent at 1 kBq."""
    kinetics = one_exponential(
        biokinetics(agent=biology.agent, administered_activity_Bq=1e3), "a scenario"
    )
    tumor = kinetics.sel(compartment="tumor")
    internalized = biology.agent.value("internalized_fraction")
    rate_per_s = float(tumor["activity_rate_constant"])
    cells = tumor_cells(biology, n_tumor_cells, n_sites, rng=rng)
    labeled = label(
        cells,
        str(kinetics["nuclide"].values),
        decays_per_cell=decays_per_cell(
            biology, float(tumor["time_integrated_activity_concentration"])
        ),
        localization={"membrane": 1.0 - internalized, "cytoplasm": internalized},
        weights="antigen",
        retention=biology.agent.value("progeny_retention"),
        effective_half_life_h=math.log(2.0) / rate_per_s / SECONDS_PER_HOUR,
        rng=rng,
    )
    targets = () if nucleus_only else ("target",)
    split = (*targets, "emission", "origin")
    return absorbed_dose(labeled, physics=physics, split=split, n_threads=n_threads)


def model_from_result(dataset: xr.Dataset, line: str, host: str) -> TumorModel:
    """Return the tumor of a line and host of a run, with its doses per kBq.

    Parameters
    ----------
    dataset
        Result of `immunodose.run`.
    line, host
        Names of the arm.
    """
    from immunodose.scenario_file import Scenario

    scenario = Scenario.from_string(str(dataset.attrs["scenario"]))
    if not isinstance(scenario, Scenario):
        raise InputError("the Dataset comes from a culture, which has no tumor in a host.")
    activity = dataset["administered_activity"].values / 1e3
    chosen = (
        (dataset["cell_line"].values == line) & (dataset["host"].values == host) & (activity > 0.0)
    )
    if not chosen.any():
        raise InputError(
            f"the Dataset has no arm of {line!r} in {host!r} with activity above zero."
        )
    index = int(np.flatnonzero(chosen)[0])
    arm = dataset.isel(arm=index).reset_coords(drop=True).drop_vars("time")
    unit = arm[["cell_type", "absorbed_dose", "hit_decay_moment", "hit_mean"]]
    for name in ("absorbed_dose", "hit_decay_moment", "hit_mean"):
        unit[name] = arm_per_kBq(unit[name], activity[index])
    biology = Biology.named(line, host, scenario.agent)
    recorded = json.loads(str(dataset.attrs["parameter_sets"]))
    for name, checksum in biology.fingerprints().items():
        if recorded.get(name) != checksum:
            raise InputError(
                f"parameter set {name!r} has other values now than when the Dataset was made, so "
                "its arms cannot be evaluated again. Run the scenario again."
            )
    if scenario.rng is None:
        raise InputError("the Dataset does not record its random root. Run the scenario again.")
    # The dose rate in the tumor is that of the agent, the same at every activity.
    kinetics = one_exponential(
        biokinetics(agent=biology.agent, administered_activity_Bq=1e3), "a scenario"
    )
    rate = kinetics["activity_rate_constant"].sel(compartment="tumor").values
    unit = unit.assign(
        activity_rate_constant=data_array("activity_rate_constant", ("nuclide",), [rate])
    )
    return TumorModel(biology, unit, scenario.rng)


def arm_per_kBq(variable: xr.DataArray, activity_kBq: float) -> xr.DataArray:
    """Return a linear variable at 1 kBq."""
    return variable.copy(data=variable.values / activity_kBq)
