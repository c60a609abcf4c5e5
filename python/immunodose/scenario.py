# SPDX-License-Identifier: BSD-3-Clause
"""Run a scenario: every cell line in every host at every activity, as one Dataset."""

from __future__ import annotations

import importlib.resources
import inspect
import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from immunodose.data.nuclides import emissions
from immunodose.errors import DataNotFoundError, InputError, ValidityWarning, did_you_mean
from immunodose.memory import require_memory
from immunodose.provenance import base_attrs
from immunodose.rng import random_root
from immunodose.scenario_culture import CultureScenario
from immunodose.scenario_file import Scenario
from immunodose.source import nuclide_name
from immunodose.threads import available_cpus, resolve_threads
from immunodose.typing import Progress

if TYPE_CHECKING:
    import xarray as xr

    from immunodose.tumor_model import Biology, TumorModel

__all__ = [
    "CultureScenario",
    "Scenario",
    "builtin_scenario",
    "builtin_scenario_names",
    "builtin_scenario_text",
    "estimate",
    "parameter_set_names",
    "run",
]

# Sizes measured on the built-in scenario.
_TIME_VALUES, _FIXED_VALUES, _FILE_VALUES = 8, 80, 29
_SECONDS_PER_PAIR = 2e-8


def builtin_scenario_names() -> tuple[str, ...]:
    """Return the names of the scenarios that the package ships.

    Examples
    --------
    >>> "ac225_ta99_b16" in builtin_scenario_names()
    True
    """
    folder = importlib.resources.files("immunodose.data") / "scenarios"
    names = (item.name for item in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml")))


def builtin_scenario_text(name: str) -> str:
    """Return the text of a built-in scenario, comments included."""
    names = builtin_scenario_names()
    if name not in names:
        raise DataNotFoundError(
            f"no built-in scenario is named {name!r} (available: {', '.join(names)})."
            f"{did_you_mean(name, names)}"
        )
    folder = importlib.resources.files("immunodose.data") / "scenarios"
    return (folder / f"{name}.toml").read_text(encoding="utf-8")


@overload
def builtin_scenario(name: Literal["ac225_ta99_b16"]) -> Scenario: ...
@overload
def builtin_scenario(name: str) -> Scenario | CultureScenario: ...
def builtin_scenario(name: str) -> Scenario | CultureScenario:
    """Return a scenario that the package ships.

    Parameters
    ----------
    name
        One of `builtin_scenario_names()`.

    Raises
    ------
    DataNotFoundError
        There is no scenario of that name.

    Examples
    --------
    >>> builtin_scenario("ac225_ta99_b16").n_arms
    12
    """
    return Scenario.from_string(builtin_scenario_text(name))


def parameter_set_names(scenario: Scenario | CultureScenario) -> tuple[str, ...]:
    """Return the parameter sets that a scenario uses."""
    if isinstance(scenario, CultureScenario):
        return scenario.parameter_sets
    from immunodose.tumor_model import T_CELL

    return (*scenario.cell_lines, *scenario.hosts, scenario.agent, T_CELL)


def run(
    scenario: Scenario | CultureScenario,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
    client: object | None = None,
) -> xr.Dataset:
    """Run every arm of a scenario.

    Parameters
    ----------
    scenario
        The design.
    n_threads
        Threads (>= 1); None for all that this process may use. The result does not depend on it.
    progress
        Called with done, total and a text after each step.
    client
        A Dask client; not used yet, must be None.

    Returns
    -------
    xarray.Dataset
        Dims `arm`, `cell`, `time`; coords of `arm`: `cell_line`, `host`,
        `administered_activity` [Bq]. Per cell at the last time: `absorbed_dose` of the nucleus
        (arm, cell, emission) [Gy], `hit_decay_moment`, `survival_probability`, `mhc1_surface`,
        the kill probabilities and fractions. Per arm in time: `surviving_fraction`,
        `tumor_control_probability`, `effector_supply`, `effector_to_target_ratio`,
        `mhc1_surface_mean`. Per arm: the columns of `summary`, `absorbed_dose_mean` (arm, target,
        emission, origin) [Gy]. Of a `CultureScenario`: dims `arm`, `cell`, ...; what it measures
        (docs/user/cultures.md). Attributes: the scenario as TOML, the sets, all
        assumed values as JSON, the random root, the physics, the warnings.

    Raises
    ------
    DataNotFoundError
        A parameter set does not exist.
    InputError
        A set does not define a value that the run needs, or is of the wrong kind.
    ResourceError
        More threads or memory (by `estimate`) needed than this process may use.

    Notes
    -----
    All arms share the random root, so that they differ by design only. Doses are computed once
    per tumor at 1 kBq and scaled (docs/user/constanzo2025.md).

    Examples
    --------
    >>> from dataclasses import replace
    >>> import immunodose as imd
    >>> small = replace(builtin_scenario("ac225_ta99_b16"), n_tumor_cells=300,
    ...                 hosts=("athymic",), cell_lines=("b16k1",),
    ...                 administered_activity_kBq=(9.25,))
    >>> imd.run(small).sizes["arm"]
    1
    """
    from immunodose.arms import assemble
    from immunodose.tumor_model import Biology, build_models

    if client is not None:
        raise InputError("client is not used yet. Leave it out; one run uses all CPUs.")
    if not isinstance(scenario, (Scenario, CultureScenario)):
        raise InputError(
            f"scenario is no Scenario (got {type(scenario).__name__}). "
            "Read it with immunodose.Scenario.from_toml(path)."
        )
    resolve_threads(n_threads)
    if isinstance(scenario, CultureScenario):
        from immunodose.culture import run_culture

        return run_culture(scenario, n_threads=n_threads, progress=progress)
    require_memory(
        _run_estimate(scenario)["memory (MB)"],
        what=f"a run of {scenario.n_arms} arms with {scenario.n_tumor_cells} tumor cells each",
        remedy="Give a smaller tumor, fewer times or fewer arms (see `immunodose estimate`).",
    )
    root = random_root(scenario.rng)
    scenario = replace(scenario, rng=root)
    pairs = [(line, host) for line in scenario.cell_lines for host in scenario.hosts]
    biologies = [Biology.named(line, host, scenario.agent) for line, host in pairs]
    arms, labels = [], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models = build_models(
            biologies,
            n_tumor_cells=scenario.n_tumor_cells,
            physics=scenario.physics,
            rng=root,
            n_threads=n_threads,
            progress=progress,
        )
        for pair, model in zip(pairs, models, strict=True):
            for activity_kBq in scenario.administered_activity_kBq:
                arms.append(model.evaluate(activity_kBq, scenario.times_d))
                labels.append((*pair, activity_kBq))
                if progress is not None:
                    progress(len(arms), scenario.n_arms, "arms")
    messages = list(dict.fromkeys(str(item.message) for item in caught))
    if messages:
        warnings.warn(
            f"{len(messages)} limits of validity were met, such as: {messages[0]} "
            "All stand in attrs['warnings'].",
            ValidityWarning,
            stacklevel=2,
        )
    attrs = _attributes(scenario, biologies, models[0], messages)
    return assemble(arms, labels, scenario.times_d, attrs)


# What `absorbed_dose` states about its result.
_DOSE_ATTRS = (
    "energy_not_scored_keV_per_decay",
    "cross_dose_class_spread",
    "density_g_per_cm3",
    "membrane_thickness_nm",
)


def _attributes(
    scenario: Scenario, biologies: Sequence[Biology], model: TumorModel, messages: list[str]
) -> dict[str, Any]:
    sets = {name: item for biology in biologies for name, item in biology.sets().items()}
    assumed = {
        name: [
            {"key": key, "value": value, "unit": item.entries[key].unit}
            for key, value in item.assumed().items()
        ]
        for name, item in sets.items()
    }
    nuclide = nuclide_name(str(model.unit["nuclide"].values[0]))
    return base_attrs(
        title=scenario.title,
        scenario=scenario.to_toml(),
        parameter_sets=json.dumps(
            {name: checksum for item in biologies for name, checksum in item.fingerprints().items()}
        ),
        assumed=json.dumps({name: entries for name, entries in assumed.items() if entries}),
        random_root=str(scenario.rng),
        physics=scenario.physics,
        warnings=json.dumps(messages),
        nuclide=nuclide,
        data_source=str(emissions(nuclide).attrs["data_source"]),
        **{name: model.unit.attrs[name] for name in _DOSE_ATTRS},
        note="Research use; not for treatment decisions.",
    )


def estimate(subject: Scenario | CultureScenario | xr.Dataset, **options: Any) -> dict[str, float]:
    """Return what a run of a scenario, or a dose of labeled cells, will need, without running it.

    Parameters
    ----------
    subject
        A scenario, or a labeled population as `absorbed_dose` takes it.
    **options
        With a population: the arguments of `absorbed_dose`, which has the defaults; with `time_h`
        those of `absorbed_dose_rate`.

    Returns
    -------
    dict
        Of a scenario: numbers of arms, tumors, cells and pairs of cells; memory in MB; size of the
        file in MB; time in s on this machine's CPUs (a rough guess from the number of pairs).

        Of a population: numbers of cells, of pairs that are summed and of decays transported;
        memory in MB at its peak, and what it consists of: libraries and tables of a fresh process,
        the cells, the result, working arrays; how much of it meshes take before the result is
        complete; the largest size of the file in MB; time in s on idle CPUs (tables warm), and the
        factor within which it is known.

    Raises
    ------
    InputError
        For unlabeled cells, an unknown option, or a wrong method, physics, split, dtype, summation
        or rtol.

    Notes
    -----
    The memory of a population is an upper bound: at most 1.5 times what whole processes took, at
    most twice what a call added (docs/theory/population.md, section 6). Its time comes from rates
    of one machine, scaled by a probe of some milliseconds.

    Examples
    --------
    >>> estimate(builtin_scenario("ac225_ta99_b16"))["arms"]
    12.0
    >>> import immunodose as imd
    >>> cells = imd.cells.lattice(shape=(10, 10, 10), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=5.0)
    >>> labeled = imd.label(cells, "Lu-177", decays_per_cell=100.0)
    >>> needs = imd.estimate(labeled, physics="mird", split=("target",))
    >>> round(needs["memory: output (MB)"], 3)
    0.032
    """
    if not isinstance(subject, (Scenario, CultureScenario)):
        return _dose_estimate(subject, options)
    if options:
        raise InputError(f"{min(options)!r} has no effect on a scenario. Leave it out.")
    if isinstance(subject, CultureScenario):
        from immunodose.culture import culture_needs

        return culture_needs(subject)
    return _run_estimate(subject)


def _dose_estimate(cells: xr.Dataset, options: dict[str, Any]) -> dict[str, float]:
    from immunodose.dose_rate import absorbed_dose_rate
    from immunodose.dose_rate_estimate import rate_needs
    from immunodose.population import absorbed_dose
    from immunodose.population_estimate import dose_needs

    of_rate = "time_h" in options
    function = absorbed_dose_rate if of_rate else absorbed_dose
    known = inspect.signature(function)
    for name in options:
        if name not in known.parameters or name == "cells":
            raise InputError(
                f"{function.__name__} has no argument {name!r}."
                f"{did_you_mean(name, known.parameters)}"
            )
    bound = known.bind(cells, **options)
    bound.apply_defaults()
    return (rate_needs if of_rate else dose_needs)(cells, bound.arguments)


def _run_estimate(scenario: Scenario) -> dict[str, float]:
    from immunodose.tumor_model import Biology, sites

    biologies = [
        Biology.named(line, host, scenario.agent)
        for line in scenario.cell_lines
        for host in scenario.hosts
    ]
    n_cells = float(sites(scenario.n_tumor_cells, biologies))
    tumors = float(len(scenario.cell_lines) * len(scenario.hosts))
    values_per_cell = len(scenario.times_d) * _TIME_VALUES + _FIXED_VALUES
    return {
        "arms": float(scenario.n_arms),
        "tumors": tumors,
        "cells per tumor": n_cells,
        "pairs of cells": tumors * n_cells**2,
        "memory (MB)": n_cells * scenario.n_arms * values_per_cell * 8e-6,
        "file (MB)": n_cells * scenario.n_arms * _FILE_VALUES * 8e-6,
        "time (s)": tumors * n_cells**2 * _SECONDS_PER_PAIR / available_cpus() + 1.0,
    }
