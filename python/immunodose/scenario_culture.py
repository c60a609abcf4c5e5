# SPDX-License-Identifier: BSD-3-Clause
"""The design of an experiment with cells in culture: clusters, colonies, single cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from immunodose.errors import InputError
from immunodose.immune_mechanism import Mechanism
from immunodose.rng import random_root
from immunodose.scenario_arms import CultureArm
from immunodose.scenario_tables import (
    SCENARIO_SCHEMA_VERSION,
    as_table,
    check_version,
    choice,
    from_table,
    names,
    number,
    text,
    times_from_zero,
    toml,
    unknown_key,
    whole,
)
from immunodose.typing import KERNEL_MODELS, Physics

CULTURE = "culture"
ARRANGEMENTS = ("cluster", "colony")
MEASURED = ("absorbed_dose", "survival", "mhc1_surface", "lysis")
# Numbers of cells of a cubic lattice within a distance of its center: whole shells only.
CLUSTER_SIZES = (1, 7, 19, 27, 33, 57, 81, 93, 123, 147, 171, 179, 203, 251)


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
class Assay:
    """Killer T cells added to the culture: what a chromium-release test measures.

    Parameters
    ----------
    time_d
        When they are added, days after the irradiation; one of the scenario's times.
    duration_h
        How long they stay, h (> 0 to 240).
    effector_to_target_ratio
        Killer T cells per cell.
    effectors
        Parameter set of kind host with the values of the T cells.
    law
        Law of killing by name (`killing_laws`).
    killing
        Parameter set of kind killing, where the law or an antibody needs one.
    """

    time_d: float
    duration_h: float
    effector_to_target_ratio: float
    effectors: str
    law: str
    killing: str | None = None

    def __post_init__(self) -> None:
        number("time_d", self.time_d)
        number("duration_h", self.duration_h, low=1e-3, high=240.0)
        number("effector_to_target_ratio", self.effector_to_target_ratio)
        for key in ("effectors", "law"):
            text(key, getattr(self, key))
        if self.killing is not None:
            text("killing", self.killing)


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
        Any of `"absorbed_dose"`, `"survival"`, `"mhc1_surface"` and `"lysis"` (by T cells).
    times_d
        Times in days from 0 at which MHC-I is measured.
    mechanism
        The hypothesis of what raises MHC-I; knock-outs and drugs belong to the arms.
    assay
        The killer T cells of `"lysis"`.
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
    >>> from immunodose.scenario_arms import Beam
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
    times_d: tuple[float, ...] = ()
    mechanism: Mechanism | None = None
    assay: Assay | None = None
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
        self._check_endpoints()
        for arm in self.arms:
            self.mechanism_of(arm)

    def _check_endpoints(self) -> None:
        """Raise InputError for a table that an endpoint needs, or that none reads."""
        follows = "mhc1_surface" in self.measured
        if "lysis" in self.measured and not follows:
            raise InputError('measured: "lysis" follows from MHC-I. Add "mhc1_surface".')
        for name, table, given, needed in (
            ("times_d", "[time]", bool(self.times_d), follows),
            ("mechanism", "[mechanism]", self.mechanism is not None, follows),
            ("assay", "[assay]", self.assay is not None, "lysis" in self.measured),
        ):
            if needed and not given:
                raise InputError(f"{name} is missing for what is measured. Add {table}.")
            if given and not needed:
                raise InputError(f"{table} has no effect on {', '.join(self.measured)}. Remove it.")
        if self.mechanism is not None and (self.mechanism.knockouts or self.mechanism.inhibition):
            raise InputError(
                "the mechanism of a culture has no knockouts and inhibition of its own. Give them "
                "to the arms."
            )
        if self.times_d:
            times = times_from_zero("times_d", self.times_d, "the irradiation")
            object.__setattr__(self, "times_d", times)
        if self.assay is not None and self.assay.time_d not in self.times_d:
            raise InputError(
                f"invalid time_d={self.assay.time_d:g} of the assay (allowed: one of times_d, "
                f"{', '.join(f'{time:g}' for time in self.times_d)})."
            )
        for arm in self.arms:
            for name, effect in (
                ("ifn_gamma_ng_per_mL", follows),
                ("knockouts", follows),
                ("inhibition", follows),
                ("antibody", self.assay is not None),
            ):
                if getattr(arm, name) and not effect:
                    raise InputError(
                        f"{name} of arm {arm.name!r} has no effect on what is measured."
                    )

    def mechanism_of(self, arm: CultureArm) -> Mechanism | None:
        """Return the hypothesis with the knock-outs and drugs of an arm."""
        if self.mechanism is None:
            return None
        return replace(self.mechanism, knockouts=arm.knockouts, inhibition=dict(arm.inhibition))

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
        """Names of all parameter sets, each once; signaling sets are named by the cell lines."""
        found = list(self.cell_lines)
        if self.assay is not None:
            found += [self.assay.effectors]
            found += [self.assay.killing] if self.assay.killing is not None else []
        found += [arm.antibody.agent for arm in self.arms if arm.antibody is not None]
        if self.mechanism is not None:
            from immunodose.data.parameters import resolve

            info = [resolve(name).info for name in self.cell_lines]
            found += [item["signaling"] for item in info if "signaling" in item]
        return tuple(dict.fromkeys(found))

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
            "time": {"times_d": self.times_d} if self.times_d else {},
            "mechanism": _mechanism_table(self.mechanism),
            "assay": {} if self.assay is None else as_table(self.assay),
            "run": {"measured": self.measured, "physics": self.physics, "rng": self.rng},
        }
        for name, table in tables.items():
            if not table:
                continue
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {toml(item)}" for key, item in table.items() if item is not None]
        for arm in self.arms:
            lines += ["", "[[arm]]"]
            lines += [f"{key} = {toml(item)}" for key, item in as_table(arm).items()]
        return "\n".join(lines) + "\n"


_TOP = ("schema_version", "title", "references")
_RUN = ("measured", "physics", "rng")
_HYPOTHESIS = ("triggers", "weighting", "spread", "trex1_window")
_NEEDED = ("culture", "run", "arm")
_TABLES = (*_NEEDED, "time", "mechanism", "assay")


def _mechanism_table(mechanism: Mechanism | None) -> dict[str, Any]:
    return {} if mechanism is None else {key: getattr(mechanism, key) for key in _HYPOTHESIS}


def culture_from_content(content: Mapping[str, Any]) -> CultureScenario:
    """Return the scenario of a parsed file with `design = "culture"`."""
    for key in content:
        if key not in (*_TOP, *_TABLES):
            here = "the top of the file"
            if key in _RUN:
                raise InputError(f"key {key!r} has no effect under {here}. Move it to [run].")
            raise InputError(unknown_key(key, (*_TOP, "design", *_TABLES), here))
    for key in (*_NEEDED, "schema_version", "title"):
        if key not in content:
            where = f"[{key}]" if key in _TABLES else "the top of the file"
            raise InputError(f"{key} is missing. Add it: {where}.")
    arms = content["arm"]
    if not isinstance(arms, list):
        raise InputError(f"arm = {arms!r} is no list of tables. Write each arm under [[arm]].")
    run = _flat(content["run"], "run", _RUN, needed=("measured", "physics"))
    optional: dict[str, Any] = {}
    if "time" in content:
        optional["times_d"] = _flat(content["time"], "time", ("times_d",))["times_d"]
    if "mechanism" in content:
        optional["mechanism"] = Mechanism(**_flat(content["mechanism"], "mechanism", _HYPOTHESIS))
    if "assay" in content:
        optional["assay"] = from_table(Assay, content["assay"], "[assay]")
    return CultureScenario(
        culture=from_table(Culture, content["culture"], "[culture]"),
        arms=tuple(from_table(CultureArm, arm, f"[[arm]] {i + 1}") for i, arm in enumerate(arms)),
        **{key: content[key] for key in _TOP if key in content},
        **run,
        **optional,
    )


def _flat(
    table: Any, name: str, known: tuple[str, ...], needed: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Return a table whose keys are known, the needed ones (None: all) there."""
    if not isinstance(table, Mapping):
        raise InputError(f"{name} = {table!r} is not a table. Write [{name}].")
    for key in table:
        if key not in known:
            raise InputError(unknown_key(key, known, f"[{name}]"))
    for key in known if needed is None else needed:
        if key not in table:
            raise InputError(f"{key} is missing. Add it under [{name}].")
    return dict(table)
