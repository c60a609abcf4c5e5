# SPDX-License-Identifier: BSD-3-Clause
"""Run a scenario under several hypotheses, and say which experiment would tell them apart."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from immunodose.compare_spread import samples_needed, separations, z_sum
from immunodose.culture import dosed_arm, responded
from immunodose.culture_immune import CultureBiology
from immunodose.data.parameters import resolve
from immunodose.errors import InputError, ValidityWarning
from immunodose.immune_mechanism import SPREADS, WEIGHTINGS, Mechanism
from immunodose.provenance import base_attrs
from immunodose.rng import random_root
from immunodose.scenario import parameter_set_names
from immunodose.scenario_culture import CultureScenario
from immunodose.scenario_file import Scenario
from immunodose.schema import build
from immunodose.threads import resolve_threads
from immunodose.tumor_model import Biology, build_models
from immunodose.typing import FloatArray, Progress

if TYPE_CHECKING:
    import xarray as xr

Hypotheses: TypeAlias = "Mapping[str, Mechanism] | Sequence[Mechanism] | None"
# Mean over cells and spread between cells of one arm under one hypothesis, (time,) each.
Outcomes = dict[str, tuple[FloatArray, FloatArray]]

# The models stop halving their steps at 1e-3 of MHC-I and 1e-4 of probabilities: two results of
# hypotheses that agree differ by at most twice that.
_MODEL_ERROR = 2e-3
_TRIGGERS = ("damage", "sting", "membrane")
_WORDS = {
    "per_gy": "per Gy",
    "per_track": "per track",
    "none": "no spread",
    "field": "spread by diffusion",
    "well_mixed": "well mixed",
}


def all_hypotheses(*, spread: str = "field", trex1_window: bool = False) -> dict[str, Mechanism]:
    """Return damage, STING or membrane, per Gy or per track, without and with spread: twelve.

    Parameters
    ----------
    spread
        What stands for "with spread": `"field"` or `"well_mixed"`.
    trex1_window
        Whether all of them have the TREX1 window.

    Examples
    --------
    >>> len(all_hypotheses())
    12
    """
    if spread not in SPREADS[1:]:
        raise InputError(f"invalid spread={spread!r} (allowed: {', '.join(SPREADS[1:])}).")
    return labeled(
        [
            Mechanism(triggers=trigger, weighting=weighting, spread=kind, trex1_window=trex1_window)
            for trigger, weighting, kind in itertools.product(
                _TRIGGERS, WEIGHTINGS, (SPREADS[0], spread)
            )
        ]
    )


def labeled(hypotheses: Sequence[Mechanism]) -> dict[str, Mechanism]:
    """Return hypotheses by a label that says what they are; no two alike."""
    found: dict[str, Mechanism] = {}
    for mechanism in hypotheses:
        if not isinstance(mechanism, Mechanism):
            raise InputError(f"invalid hypothesis {mechanism!r} (allowed: immunodose.Mechanism).")
        words = [" and ".join(mechanism.triggers), _WORDS[mechanism.weighting]]
        words.append(_WORDS[mechanism.spread])
        words += ["TREX1 window"] if mechanism.trex1_window else []
        words += [f"no {node}" for node in mechanism.knockouts]
        words += [f"{node} inhibited by {value:g}" for node, value in mechanism.inhibition.items()]
        label = ", ".join(words)
        if label in found:
            raise InputError(f"hypothesis {label!r} stands twice. Give each once.")
        found[label] = mechanism
    return found


def compare_mechanisms(
    scenario: Scenario | CultureScenario,
    hypotheses: Hypotheses = None,
    *,
    significance: float = 0.05,
    power: float = 0.9,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run a scenario under each hypothesis of what raises MHC-I, and compare the outcomes.

    Parameters
    ----------
    scenario
        A study in mice, or a culture that measures `"mhc1_surface"`.
    hypotheses
        `Mechanism` objects, or a mapping from labels to them, at least two. None: damage, STING or
        membrane; per Gy or per track; without and with spread (by diffusion) - twelve, without the
        TREX1 window.
    significance, power
        Two-sided error, and probability to see the difference, of the experiment that
        `samples_needed` is for; both above 0 and below 1.
    n_threads
        Threads (>= 1); None for all that this process may use. The result does not depend on it.
    progress
        Called with done, total and a text after each hypothesis of each arm.

    Returns
    -------
    xarray.Dataset
        Dims `hypothesis` (labels), `other` (the same), `outcome`, `arm`, `time`.
        `mhc1_surface_mean` and `mhc1_surface_sd` (hypothesis, arm, time) [molecules],
        `immune_kill` (hypothesis, arm, time) and, of mice, `surviving_fraction` (hypothesis, arm,
        time) [1]. Of each pair: `separation` (outcome, hypothesis, other) [1], the largest
        difference over arms and times in units of the spread between cells, `separation_arm` and
        `separation_time` [d] where that is, `samples_needed` (outcome, hypothesis, other) [1],
        cells of each group that show it (inf: none do), and the differences there,
        `mhc1_surface_difference` [molecules], `immune_kill_difference` and
        `surviving_fraction_difference` [1] (hypothesis, other): `other` minus `hypothesis`.

    Raises
    ------
    InputError
        Fewer than two hypotheses, one that stands twice, a culture that does not measure MHC-I,
        or what a hypothesis needs is missing (membrane doses: `physics = "kernel"`).

    Notes
    -----
    Eq. 1 and 2 of docs/user/compare.md. Cells are the samples (flow cytometry, single-cell
    readings); spread between dishes or animals is not in the models and comes on top. Doses are
    computed once and shared, as are all random numbers: hypotheses differ by nothing else.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import immunodose as imd
    >>> from immunodose.scenario import builtin_scenario
    >>> study = builtin_scenario("radiation_peptides")
    >>> two = [imd.Mechanism(triggers=trigger, weighting="per_gy", spread="none",
    ...                      trex1_window=False) for trigger in ("damage", "membrane")]
    >>> imd.compare_mechanisms(study, two).sizes["hypothesis"]
    2
    """
    z = z_sum(significance, power)
    resolve_threads(n_threads)
    named = _named(hypotheses)
    _require_membranes(scenario, named)
    root = random_root(scenario.rng)
    scenario = replace(scenario, rng=root)
    of_culture = isinstance(scenario, CultureScenario)
    found: list[list[Outcomes]] = []  # (arm, hypothesis)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        arms = (_culture_arms if of_culture else _tumor_arms)(scenario, n_threads)  # type: ignore[arg-type]
        total = len(arms) * len(named)
        for _, evaluate in arms:
            found.append([])
            for mechanism in named.values():
                found[-1].append(evaluate(mechanism))
                if progress is not None:
                    progress(sum(map(len, found)), total, "hypotheses of arms")
    messages = list(dict.fromkeys(str(item.message) for item in caught))
    if messages:
        warnings.warn(
            f"{len(messages)} limits of validity were met, such as: {messages[0]} "
            "All stand in attrs['warnings'].",
            ValidityWarning,
            stacklevel=2,
        )
    attrs = _attributes(scenario, named, messages)
    attrs.update(significance=significance, power=power)
    return _compared(scenario, list(named), [name for name, _ in arms], found, z, attrs)


def _named(hypotheses: Hypotheses) -> dict[str, Mechanism]:
    if hypotheses is None:
        return all_hypotheses()
    if isinstance(hypotheses, Mapping):
        labeled(list(hypotheses.values()))
        named = {str(key): value for key, value in hypotheses.items()}
    else:
        named = labeled(list(hypotheses))
    if len(named) < 2:
        raise InputError(f"{len(named)} hypotheses are nothing to compare. Give at least two.")
    return named


def _require_membranes(
    scenario: Scenario | CultureScenario, named: Mapping[str, Mechanism]
) -> None:
    """Raise InputError where a hypothesis needs membrane doses that the physics does not give."""
    of_nuclide = isinstance(scenario, Scenario) or any(arm.label for arm in scenario.arms)
    needing = [name for name, item in named.items() if item.has("membrane")]
    if of_nuclide and needing and scenario.physics == "mird":
        raise InputError(
            f'hypothesis {needing[0]!r} needs membrane doses, which physics="mird" does not give. '
            'Set physics = "kernel", or give hypotheses without the trigger "membrane".'
        )


Evaluate = Callable[[Mechanism], Outcomes]


def _culture_arms(scenario: CultureScenario, n_threads: int | None) -> list[tuple[str, Evaluate]]:
    if "mhc1_surface" not in scenario.measured:
        raise InputError(
            'the culture does not measure "mhc1_surface", on which hypotheses differ. Add it to '
            "measured, with [time] and [mechanism]."
        )
    biology = CultureBiology({})
    assert scenario.rng is not None  # compare_mechanisms has drawn it
    rng: int = scenario.rng

    def arm_of(index: int) -> tuple[str, Evaluate]:
        arm = scenario.arms[index]
        line = biology.line(arm.cell_line)
        cells = dosed_arm(scenario, arm, line, rng=rng, n_threads=n_threads)

        def evaluate(mechanism: Mechanism) -> Outcomes:
            plain = replace(mechanism, knockouts=(), inhibition={})
            own = {**mechanism.inhibition, **dict(arm.inhibition)}
            absent = tuple(dict.fromkeys((*mechanism.knockouts, *arm.knockouts)))
            treated = replace(
                arm,
                knockouts=absent,
                inhibition=tuple((n, v) for n, v in own.items() if n not in absent),
            )
            only = replace(scenario, mechanism=plain, arms=(treated,))
            result = responded(only, treated, cells, biology, n_threads)
            outcomes = {"mhc1_surface": _of_cells(result["mhc1_surface"], slice(None))}
            if "lysis" in scenario.measured:
                killed = result["kill_probability_immune"].values
                outcomes["immune_kill"] = _of_probability(killed[:, None])
            return outcomes

        return arm.name, evaluate

    return [arm_of(index) for index in range(scenario.n_arms)]


def _tumor_arms(scenario: Scenario, n_threads: int | None) -> list[tuple[str, Evaluate]]:
    pairs = [(line, host) for line in scenario.cell_lines for host in scenario.hosts]
    models = build_models(
        [Biology.named(line, host, scenario.agent) for line, host in pairs],
        n_tumor_cells=scenario.n_tumor_cells,
        physics=scenario.physics,
        rng=random_root(scenario.rng),
        n_threads=n_threads,
    )

    def arm_of(index: int, activity_kBq: float) -> tuple[str, Evaluate]:
        model = models[index]
        tumor = model.unit["cell_type"].values == "tumor"

        def evaluate(mechanism: Mechanism) -> Outcomes:
            result = model.evaluate(activity_kBq, scenario.times_d, mechanism)
            killed = {
                name: result[name].transpose("cell", "time").values[tumor]
                for name in ("kill_probability", "kill_probability_immune")
            }
            return {
                "mhc1_surface": _of_cells(result["mhc1_surface"], tumor),
                "immune_kill": _of_probability(killed["kill_probability_immune"]),
                "surviving_fraction": _of_probability(1.0 - killed["kill_probability"]),
            }

        return f"{', '.join(pairs[index])}, {activity_kBq:g} kBq", evaluate

    return [
        arm_of(index, activity)
        for index in range(len(pairs))
        for activity in scenario.administered_activity_kBq
    ]


def _of_cells(values: xr.DataArray, rows: Any) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation over cells at each time."""
    cells = np.asarray(values.transpose("cell", "time").values, dtype=np.float64)[rows]
    return cells.mean(axis=0), cells.std(axis=0)


def _of_probability(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of probabilities (cell, time), and the spread of the cells that are counted.

    A cell is dead or alive: the standard deviation of one is sqrt(p (1 - p)).
    """
    mean = values.mean(axis=0)
    return mean, np.sqrt(np.clip(mean * (1.0 - mean), 0.0, None))


def _compared(
    scenario: Scenario | CultureScenario,
    hypotheses: list[str],
    arms: list[str],
    found: list[list[Outcomes]],
    z: float,
    attrs: dict[str, Any],
) -> xr.Dataset:
    times = np.array(scenario.times_d)
    outcomes = list(found[0][0])
    variables: dict[str, tuple[tuple[str, ...], Any]] = {}
    shape = (len(outcomes), len(hypotheses), len(hypotheses))
    separation, when = np.zeros(shape), np.zeros(shape)
    where = np.empty(shape, dtype=object)
    pair = ("hypothesis", "other")
    for row, name in enumerate(outcomes):
        mean, spread = (
            np.stack([[arm[h][name][part] for arm in found] for h in range(len(hypotheses))])
            for part in (0, 1)
        )
        own_times = times if mean.shape[2] == times.size else _assay_times(scenario)
        flat = mean.reshape(len(hypotheses), -1)
        separation[row], place = separations(
            flat, spread.reshape(flat.shape), tolerance=_MODEL_ERROR
        )
        where[row] = np.array(arms)[place // mean.shape[2]]
        when[row] = own_times[place % mean.shape[2]]
        first = np.take_along_axis(flat, place, axis=1)
        second = flat[np.arange(len(hypotheses))[None, :], place]
        variables[f"{name}_difference"] = (pair, second - first)
        dims = ("hypothesis", "arm", "time") if own_times is times else ("hypothesis", "arm")
        values = mean if own_times is times else mean[:, :, 0]
        variables[name if name != "mhc1_surface" else "mhc1_surface_mean"] = (dims, values)
        if name == "mhc1_surface":
            variables["mhc1_surface_sd"] = (dims, spread)
    triple = ("outcome", *pair)
    variables["separation"] = (triple, separation)
    variables["separation_time"] = (triple, when)
    variables["samples_needed"] = (triple, samples_needed(separation, z))
    coords: dict[str, Any] = {
        "hypothesis": hypotheses,
        "other": hypotheses,
        "outcome": outcomes,
        "arm": arms,
        "time": times,
    }
    result = build(variables, coords=coords, attrs=attrs)
    text = {"long_name": "arm in which two hypotheses lie farthest apart"}
    return result.assign(separation_arm=(triple, where.astype(np.str_), text))


def _assay_times(scenario: Scenario | CultureScenario) -> FloatArray:
    assert isinstance(scenario, CultureScenario)
    assert scenario.assay is not None
    return np.array([scenario.assay.time_d])


def _attributes(
    scenario: Scenario | CultureScenario, named: Mapping[str, Mechanism], messages: list[str]
) -> dict[str, Any]:
    sets = [resolve(name) for name in _sets(scenario)]
    assumed = {
        item.name: [
            {"key": key, "value": value, "unit": item.entries[key].unit}
            for key, value in item.assumed().items()
        ]
        for item in sets
    }
    return base_attrs(
        title=f"Hypotheses compared: {scenario.title}",
        scenario=scenario.to_toml(),
        mechanisms=json.dumps({name: json.loads(item.to_json()) for name, item in named.items()}),
        parameter_sets=json.dumps({item.name: item.fingerprint() for item in sets}),
        assumed=json.dumps({name: entries for name, entries in assumed.items() if entries}),
        random_root=str(scenario.rng),
        physics=scenario.physics,
        warnings=json.dumps(messages),
        note="Research use; not for treatment decisions.",
    )


def _sets(scenario: Scenario | CultureScenario) -> list[str]:
    """Return the names of all sets, those of the signals too."""
    found = list(parameter_set_names(scenario))
    info = [resolve(name).info for name in scenario.cell_lines]
    found += [item["signaling"] for item in info if "signaling" in item]
    return list(dict.fromkeys(found))
