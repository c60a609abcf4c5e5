# SPDX-License-Identifier: BSD-3-Clause
"""How far the five findings rest on the assumed values: draw them all again, many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from immunodose.data.parameters import ParameterSet, perturbed
from immunodose.errors import ConvergenceError, InputError
from immunodose.findings import Study, calibrate, evaluate
from immunodose.rng import RngLike, random_root
from immunodose.scenario_file import Scenario
from immunodose.tumor_model import Biology, TumorModel, build_models

KEYS = ("a", "b", "c", "d", "e")


@dataclass(frozen=True, slots=True)
class Robustness:
    """Share of draws in which each finding holds, gain held fixed and gain refitted.

    `refit_failed` counts the draws in which no gain gives the ratio of finding (a); none of the
    findings counts as holding there.
    """

    n_draws: int
    fixed_gain: dict[str, float]
    refitted_gain: dict[str, float]
    refit_failed: int
    random_root: int


def draw_biology(
    biology: tuple[Biology, ...], *, rng: RngLike, factor: float
) -> tuple[Biology, ...]:
    """Draw every assumed value of several tumors again; equal assumed values move together.

    Parameters
    ----------
    biology
        The parameter sets of each tumor.
    rng
        Seed of the draw.
    factor
        Largest factor (>= 1).

    Returns
    -------
    tuple of Biology
        Where two sets of a kind have the same assumed value of a key, they keep one value.
    """
    sets: dict[str, ParameterSet] = {}
    for item in biology:
        sets.update(item.sets())
    seeds = np.random.SeedSequence(random_root(rng)).spawn(len(sets))
    drawn: dict[str, ParameterSet] = {}
    for (name, base), seed in zip(sorted(sets.items()), seeds, strict=True):
        new = perturbed(base, rng=seed, factor=factor)
        for earlier in drawn:
            if sets[earlier].kind == base.kind:
                new = _aligned(new, base, drawn[earlier], sets[earlier])
        drawn[name] = new
    return tuple(
        Biology(*(drawn[s.name] for s in (b.line, b.host, b.agent, b.t_cell))) for b in biology
    )


def _aligned(
    new: ParameterSet, base: ParameterSet, other: ParameterSet, other_base: ParameterSet
) -> ParameterSet:
    """Give keys that both base sets assume equal the value drawn for the other set."""
    entries = dict(new.entries)
    common = base.assumed().items() & other_base.assumed().items()
    for key, _ in common:
        entries[key] = replace(entries[key], value=other.entries[key].value, overridden=True)
    return replace(new, entries=entries)


def robustness(
    scenario: Scenario,
    *,
    n_draws: int = 200,
    rng: RngLike,
    n_tumor_cells: int = 500,
    n_geometries: int = 20,
    factor: float = 2.0,
    n_threads: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Robustness:
    """Return the share of draws of all assumed values in which each finding holds.

    Parameters
    ----------
    scenario
        A study of two lines, two hosts and at least two activities above zero.
    n_draws
        Number of draws (1 to 100000).
    rng
        Seed of the draws.
    n_tumor_cells
        Size of the tumors of the draws (10 or more); the geometry keeps the scenario's root.
    n_geometries
        Number of draws (>= 1) of the values behind geometry, labeling and transport (radii,
        packing, spread of antigen, kinetics and place of the agent), each used in several draws
        of all others; as many as `n_draws` draws everything each time.
    factor
        Every assumed value is multiplied or divided by up to this factor (>= 1), log-uniform,
        within its stated range.
    n_threads
        Threads (>= 1) of each computation; None for all that this process may use.
    progress
        Called with done, total and a text.

    Returns
    -------
    Robustness
        Shares with the fitted priming gain held fixed, and with the gain refitted in each draw.
    """
    for name, value in (("n_draws", n_draws), ("n_geometries", n_geometries)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
            raise InputError(f"invalid {name}={value!r} (allowed: an int, 1 to 100000).")
    root = random_root(rng)
    small = replace(scenario, n_tumor_cells=n_tumor_cells)
    base = study_biology(small)
    seeds = np.random.SeedSequence(root).spawn(n_draws)
    fixed, refitted = dict.fromkeys(KEYS, 0), dict.fromkeys(KEYS, 0)
    failed = 0
    doses: dict[int, list[TumorModel]] = {}
    for number, seed in enumerate(seeds):
        geometry = number % min(n_geometries, n_draws)
        drawn = draw_biology(base, rng=seed, factor=factor)
        if geometry not in doses:
            doses[geometry] = _tumors(small, drawn, root, n_threads)
        study = _study(small, doses[geometry], drawn)
        _count(fixed, study)
        try:
            _count(refitted, study.with_gain(calibrate(study)))
        except ConvergenceError:
            failed += 1
        if progress is not None:
            progress(number + 1, n_draws, "draws of the assumed values")
    return Robustness(
        n_draws,
        {key: count / n_draws for key, count in fixed.items()},
        {key: count / n_draws for key, count in refitted.items()},
        failed,
        root,
    )


def _tumors(
    scenario: Scenario, drawn: tuple[Biology, ...], root: int, n_threads: int | None
) -> list[TumorModel]:
    """Return the tumors of one draw of the geometry."""
    return build_models(
        drawn,
        n_tumor_cells=scenario.n_tumor_cells,
        physics=scenario.physics,
        rng=root if scenario.rng is None else scenario.rng,
        n_threads=n_threads,
        lean=True,
    )


def _study(scenario: Scenario, tumors: list[TumorModel], drawn: tuple[Biology, ...]) -> Study:
    """Return the study of a draw with the doses, agent and geometry of the given tumors."""
    models = {}
    for tumor, biology in zip(tumors, drawn, strict=True):
        kept = replace(biology, agent=tumor.biology.agent)
        models[kept.line.name, kept.host.name] = replace(tumor, biology=kept)
    activities = sorted(value for value in scenario.administered_activity_kBq if value > 0.0)
    return Study.of_models(models, activities, scenario.times_d)


def _count(counts: dict[str, int], study: Study) -> None:
    for finding in evaluate(study):
        counts[finding.key] += finding.holds


def study_biology(scenario: Scenario) -> tuple[Biology, ...]:
    """Return the parameter sets of every line in every host."""
    return tuple(
        Biology.named(line, host, scenario.agent)
        for line in scenario.cell_lines
        for host in scenario.hosts
    )
