# SPDX-License-Identifier: BSD-3-Clause
"""How far the five findings rest on the assumed values: draw them all again, many times."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from immunodose.data.parameters import ParameterSet, perturbed
from immunodose.errors import ConvergenceError, InputError, ValidityWarning
from immunodose.findings import Study, calibrate, evaluate
from immunodose.rng import RngLike, random_root
from immunodose.scenario_file import Scenario
from immunodose.tumor_model import Biology, build_models

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


@dataclass(frozen=True, slots=True)
class _Draw:
    """One independent unit of work: equal draws give equal bits wherever they run."""

    scenario: Scenario
    biology: tuple[Biology, ...]
    seed: np.random.SeedSequence
    factor: float
    n_threads: int | None


def robustness(
    scenario: Scenario,
    *,
    n_draws: int = 200,
    rng: RngLike,
    n_tumor_cells: int = 1000,
    factor: float = 2.0,
    n_threads: int | None = None,
    mapper: Callable[..., Iterable[Any]] = map,
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
    factor
        Every assumed value is multiplied or divided by up to this factor (>= 1), log-uniform,
        within its stated range.
    n_threads
        Threads (>= 1) of each draw; None for all that this process may use.
    mapper
        Applies a function to every draw: `map`, or the `map` of an executor or Dask client.
        The result does not depend on it.
    progress
        Called with done, total and a text.

    Returns
    -------
    Robustness
        Shares with the fitted priming gain held fixed, and with the gain refitted in each draw.

    Raises
    ------
    InputError
        For a number of draws out of range.
    """
    if isinstance(n_draws, bool) or not isinstance(n_draws, int) or not 1 <= n_draws <= 100_000:
        raise InputError(f"invalid n_draws={n_draws!r} (allowed: an int, 1 to 100000).")
    root = random_root(rng)
    small = replace(scenario, n_tumor_cells=n_tumor_cells)
    biology = study_biology(small)
    draws = [
        _Draw(small, biology, seed, factor, n_threads)
        for seed in np.random.SeedSequence(root).spawn(n_draws)
    ]
    fixed, refitted = dict.fromkeys(KEYS, 0), dict.fromkeys(KEYS, 0)
    failed = 0
    for number, (held, refit) in enumerate(mapper(_evaluate_draw, draws)):
        failed += refit is None
        for key in KEYS:
            fixed[key] += held[key]
            refitted[key] += refit is not None and refit[key]
        if progress is not None:
            progress(number + 1, n_draws, "draws of the assumed values")
    return Robustness(
        n_draws,
        {key: count / n_draws for key, count in fixed.items()},
        {key: count / n_draws for key, count in refitted.items()},
        failed,
        root,
    )


def _evaluate_draw(draw: _Draw) -> tuple[dict[str, bool], dict[str, bool] | None]:
    """Return which findings hold, gain held fixed and refitted (None: no gain fits)."""
    scenario = draw.scenario
    drawn = draw_biology(draw.biology, rng=draw.seed, factor=draw.factor)
    with warnings.catch_warnings():  # doses beyond the data are part of a draw
        warnings.simplefilter("ignore", ValidityWarning)
        tumors = build_models(
            drawn,
            n_tumor_cells=scenario.n_tumor_cells,
            physics=scenario.physics,
            rng=random_root(scenario.rng),
            n_threads=draw.n_threads,
            nucleus_only=True,
        )
        models = {(item.biology.line.name, item.biology.host.name): item for item in tumors}
        activities = sorted(value for value in scenario.administered_activity_kBq if value > 0.0)
        study = Study.of_models(models, activities, scenario.times_d)
        held = {finding.key: bool(finding.holds) for finding in evaluate(study)}
        try:
            study = study.with_gain(calibrate(study))
        except ConvergenceError:
            return held, None
        return held, {finding.key: bool(finding.holds) for finding in evaluate(study)}


def study_biology(scenario: Scenario) -> tuple[Biology, ...]:
    """Return the parameter sets of every line in every host."""
    return tuple(
        Biology.named(line, host, scenario.agent)
        for line in scenario.cell_lines
        for host in scenario.hosts
    )
