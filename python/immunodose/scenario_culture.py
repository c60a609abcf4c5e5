# SPDX-License-Identifier: BSD-3-Clause
"""The design of an experiment with cells in culture: clusters, colonies, single cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from immunodose.errors import InputError
from immunodose.rng import random_root
from immunodose.scenario_tables import (
    SCENARIO_SCHEMA_VERSION,
    as_table,
    check_version,
    choice,
    from_table,
    names,
    number,
    shares,
    text,
    toml,
    unknown_key,
    whole,
)
from immunodose.typing import KERNEL_MODELS, Physics

CULTURE = "culture"
ARRANGEMENTS = ("cluster", "colony")
MEASURED = ("absorbed_dose", "survival")
# Numbers of cells of a cubic lattice within a distance of its center: whole shells only.
CLUSTER_SIZES = (1, 7, 19, 27, 33, 57, 81, 93, 123, 147, 171, 179, 203, 251)
_TABLE: dict[str, Any] = {"table": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Culture:
    """How the cells lie.

    Parameters
    ----------
    arrangement
        `"cluster"`: whole shells of a cubic lattice of cells that touch (1, 7, 19, 27, ... cells);
        `"colony"`: at random on a plane.
    n_cells
        Cells of each arm, 1 to 1e6.
    confluence
        Share of the area that the cells of a colony cover, above 0 to 0.75.
    """

    arrangement: str
    n_cells: int
    confluence: float | None = None

    def __post_init__(self) -> None:
        choice("arrangement", self.arrangement, ARRANGEMENTS)
        whole("n_cells", self.n_cells, low=1, high=10**6)
        if self.arrangement == "cluster":
            if self.n_cells not in CLUSTER_SIZES:
                raise InputError(
                    f"invalid n_cells={self.n_cells} (allowed for a cluster, whole shells: "
                    f"{', '.join(map(str, CLUSTER_SIZES))})."
                )
            if self.confluence is not None:
                raise InputError("confluence has no effect on a cluster. Remove it.")
        elif self.confluence is None:
            raise InputError("a colony needs confluence, the share of the area that cells cover.")
        else:
            number("confluence", self.confluence, low=1e-6, high=0.75)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """One agent: its nuclide, how much, where in the cell, on which share of the cells.

    Parameters
    ----------
    nuclide
        Name such as `"Lu-177"`.
    decays_per_cell
        Mean decays per labeled cell; or give `electron_energy_MeV_per_cell`.
    electron_energy_MeV_per_cell
        Energy that electrons (beta, Auger and conversion electrons) of the labeled cell release.
    localization
        Fractions over nucleus, cytoplasm, membrane, cell, sum 1.
    labeled_fraction
        Share of the cells that are labeled, drawn at random for each agent (nearest whole number).
    medium_decays_per_um3
        Decays per um3 of the medium.
    effective_half_life_h
        Effective half-life in h; needed where the time course matters.
    """

    nuclide: str
    decays_per_cell: float | None = None
    electron_energy_MeV_per_cell: float | None = None
    localization: tuple[tuple[str, float], ...] = field(
        default=(("membrane", 1.0),), metadata=_TABLE
    )
    labeled_fraction: float = 1.0
    medium_decays_per_um3: float = 0.0
    effective_half_life_h: float | None = None

    def __post_init__(self) -> None:
        text("nuclide", self.nuclide)
        object.__setattr__(self, "localization", shares("localization", self.localization))
        number("labeled_fraction", self.labeled_fraction, high=1.0)
        number("medium_decays_per_um3", self.medium_decays_per_um3)
        amounts = ("decays_per_cell", "electron_energy_MeV_per_cell")
        given = [name for name in amounts if getattr(self, name) is not None]
        if len(given) != 1:
            raise InputError(
                f"a label of {self.nuclide} states {' and '.join(given) or 'no amount'}. Give one "
                f"of {' or '.join(amounts)}."
            )
        number(given[0], getattr(self, given[0]))
        if self.effective_half_life_h is not None:
            number("effective_half_life_h", self.effective_half_life_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """External beam: dose of each fraction, and on which share of the cells.

    Parameters
    ----------
    dose_Gy
        Dose of each fraction, Gy.
    fractions
        Number of fractions.
    interval_d
        Days between fractions.
    irradiated_fraction
        Share of the cells that are irradiated, drawn at random (nearest whole number).
    """

    dose_Gy: float
    fractions: int = 1
    interval_d: float | None = None
    irradiated_fraction: float = 1.0

    def __post_init__(self) -> None:
        number("dose_Gy", self.dose_Gy)
        whole("fractions", self.fractions, low=1, high=1000)
        number("irradiated_fraction", self.irradiated_fraction, high=1.0)
        if (self.interval_d is None) != (self.fractions == 1):
            raise InputError(
                f"fractions={self.fractions} with interval_d={self.interval_d} (several fractions "
                "need an interval, one has none)."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CultureArm:
    """One arm: a cell line and what is done to it.

    Parameters
    ----------
    name
        Label of the arm.
    cell_line
        Parameter set of the line.
    label
        Agents, in order.
    beam
        External beam, or None.
    """

    name: str
    cell_line: str
    label: tuple[Labeling, ...] = ()
    beam: Beam | None = None

    def __post_init__(self) -> None:
        text("name", self.name)
        text("cell_line", self.cell_line)
        if not isinstance(self.label, (tuple, list)):
            raise InputError(f"invalid label={self.label!r} (a list of tables is needed).")
        where = f"label of arm {self.name!r}"
        labels = tuple(
            item if isinstance(item, Labeling) else from_table(Labeling, item, where)
            for item in self.label
        )
        object.__setattr__(self, "label", labels)
        if self.beam is not None and not isinstance(self.beam, Beam):
            beam = from_table(Beam, self.beam, f"beam of arm {self.name!r}")
            object.__setattr__(self, "beam", beam)


@dataclass(frozen=True, slots=True, kw_only=True)
class CultureScenario:
    """One experiment in culture: how the cells lie, its arms, what is measured.

    Biology is not part of it: each cell line names a parameter set. Files state
    `design = "culture"`, tables `[culture]`, `[run]` and one `[[arm]]` per arm.

    Parameters
    ----------
    title
        One line that names the study.
    culture
        How the cells lie; all arms have the same sites in units of the cell radius.
    arms
        What is done, in order.
    measured
        Any of `"absorbed_dose"` and `"survival"`.
    physics
        Transport model, as in `Scenario`.
    rng
        Root of all random streams; None draws one and records it. All arms share it.
    references
        Citations of the study.
    schema_version
        Version of the file format.

    Raises
    ------
    InputError
        A value is outside its range, an arm's name stands twice, a key has no effect.

    Examples
    --------
    >>> study = CultureScenario(
    ...     title="One cell", culture=Culture(arrangement="cluster", n_cells=1),
    ...     arms=[CultureArm(name="beam", cell_line="hsg", beam=Beam(dose_Gy=2.0))],
    ...     measured=["absorbed_dose"], physics="mird", rng=1)
    >>> study.n_arms
    1
    """

    title: str
    culture: Culture
    arms: tuple[CultureArm, ...]
    measured: tuple[str, ...]
    physics: Physics
    rng: int | None = None
    references: tuple[str, ...] = ()
    schema_version: int = SCENARIO_SCHEMA_VERSION

    def __post_init__(self) -> None:
        text("title", self.title)
        set_value = object.__setattr__
        set_value(self, "arms", tuple(self.arms))
        if not self.arms:
            raise InputError("arms is empty. Give at least one [[arm]].")
        names("name of the arms", [arm.name for arm in self.arms])
        set_value(self, "references", names("references", self.references, allow_empty=True))
        set_value(self, "measured", names("measured", self.measured))
        for index, item in enumerate(self.measured):
            choice(f"measured[{index}]", item, MEASURED)
        choice("physics", self.physics, KERNEL_MODELS)
        if self.rng is not None:
            set_value(self, "rng", random_root(self.rng))
        check_version(self.schema_version)

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return len(self.arms)

    @property
    def cell_lines(self) -> tuple[str, ...]:
        """Parameter sets of the lines, each once."""
        return tuple(dict.fromkeys(arm.cell_line for arm in self.arms))

    @property
    def parameter_sets(self) -> tuple[str, ...]:
        """Names of all parameter sets, each once."""
        return self.cell_lines

    def to_toml(self) -> str:
        """Return the scenario as TOML text; `Scenario.from_string` gives the same object."""
        lines = [
            f"schema_version = {self.schema_version}",
            f"design = {toml(CULTURE)}",
            f"title = {toml(self.title)}",
        ]
        if self.references:
            lines.append(f"references = {toml(self.references)}")
        tables = {
            "culture": as_table(self.culture),
            "run": {"measured": self.measured, "physics": self.physics, "rng": self.rng},
        }
        for name, table in tables.items():
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {toml(item)}" for key, item in table.items() if item is not None]
        for arm in self.arms:
            lines += ["", "[[arm]]"]
            lines += [f"{key} = {toml(item)}" for key, item in as_table(arm).items()]
        return "\n".join(lines) + "\n"


_TOP = ("schema_version", "title", "references")
_RUN = ("measured", "physics", "rng")
_TABLES = ("culture", "run", "arm")


def culture_from_content(content: Mapping[str, Any]) -> CultureScenario:
    """Return the scenario of a parsed file with `design = "culture"`."""
    for key in content:
        if key not in (*_TOP, *_TABLES):
            here = "the top of the file"
            if key in _RUN:
                raise InputError(f"key {key!r} has no effect under {here}. Move it to [run].")
            raise InputError(unknown_key(key, (*_TOP, "design", *_TABLES), here))
    for key in (*_TABLES, "schema_version", "title"):
        if key not in content:
            where = f"[{key}]" if key in _TABLES else "the top of the file"
            raise InputError(f"{key} is missing. Add it: {where}.")
    arms = content["arm"]
    if not isinstance(arms, list):
        raise InputError(f"arm = {arms!r} is no list of tables. Write each arm under [[arm]].")
    run = content["run"]
    if not isinstance(run, Mapping):
        raise InputError(f"run = {run!r} is not a table. Write [run].")
    for key in run:
        if key not in _RUN:
            raise InputError(unknown_key(key, _RUN, "[run]"))
    for key in ("measured", "physics"):
        if key not in run:
            raise InputError(f"{key} is missing. Add it under [run].")
    return CultureScenario(
        culture=from_table(Culture, content["culture"], "[culture]"),
        arms=tuple(from_table(CultureArm, arm, f"[[arm]] {i + 1}") for i, arm in enumerate(arms)),
        **{key: content[key] for key in _TOP if key in content},
        **run,
    )
