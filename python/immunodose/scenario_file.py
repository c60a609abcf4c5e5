# SPDX-License-Identifier: BSD-3-Clause
"""The design of a study as one frozen object, read from and written to TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunodose.errors import FileError, InputError, UnitError
from immunodose.rng import random_root
from immunodose.scenario_culture import CULTURE, CultureScenario, culture_from_content
from immunodose.scenario_tables import (
    SCENARIO_SCHEMA_VERSION,
    check_version,
    choice,
    names,
    numbers,
    text,
    times_from_zero,
    toml,
    unknown_key,
    whole,
)
from immunodose.typing import KERNEL_MODELS, Physics

ANIMAL = "animal"

# table -> key -> whether the file must state it
_KEYS: dict[str, dict[str, bool]] = {
    "": {"schema_version": True, "title": True, "references": False},
    "tumor": {"n_tumor_cells": True},
    "treatment": {"agent": True, "administered_activity_kBq": True},
    "arms": {"cell_lines": True, "hosts": True},
    "time": {"times_d": True},
    "run": {"physics": True, "rng": False},
}


def _check_activities(activities_kBq: tuple[float, ...]) -> None:
    from immunodose.source_kinetics import USUAL_ACTIVITY_BQ

    low, high = (value * 1e-3 for value in USUAL_ACTIVITY_BQ)
    for index, value in enumerate(activities_kBq):
        if value != 0.0 and not low <= value <= high:
            raise UnitError(
                f"invalid administered_activity_kBq[{index}]={value:g} (allowed: 0, or {low:g} to "
                f"{high:g} kBq). Give kBq, not MBq or Bq."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One study: which tumors, hosts and activities, when to look, and how to compute.

    Biology is not part of it: each cell line, host and agent names a parameter set.

    Parameters
    ----------
    title
        One line that names the study.
    n_tumor_cells
        Tumor cells in each tumor, 10 to 10 million.
    agent
        Parameter set of the radiopharmaceutical.
    administered_activity_kBq
        Administered activities in kBq, each 0 or 0.01 to 1e9; every one is an arm of each line
        and host.
    cell_lines, hosts
        Parameter sets; every line is put into every host.
    times_d
        Times after administration in days, from 0, strictly increasing: the kill is followed
        from the administration on.
    physics
        Transport model: `"kernel"` (electrons that scatter, photons, recoils) or `"mird"` (straight
        CSDA tracks).
    rng
        Root of all random streams, 0 to 2**64 - 1; None draws one and records it. All lines and
        hosts share it, so that arms differ by design only.
    references
        Citations of the study.
    schema_version
        Version of the file format.

    Raises
    ------
    InputError
        A value is outside its range, or stands twice.
    UnitError
        An activity is implausible in kBq.

    Examples
    --------
    >>> study = Scenario(
    ...     title="One arm", n_tumor_cells=1000, agent="ac225_ta99",
    ...     administered_activity_kBq=[9.25], cell_lines=["b16k1"], hosts=["athymic"],
    ...     times_d=[0, 7, 14], physics="mird", rng=1)
    >>> study.n_arms
    1
    """

    title: str
    n_tumor_cells: int
    agent: str
    administered_activity_kBq: tuple[float, ...]
    cell_lines: tuple[str, ...]
    hosts: tuple[str, ...]
    times_d: tuple[float, ...]
    physics: Physics
    rng: int | None = None
    references: tuple[str, ...] = ()
    schema_version: int = SCENARIO_SCHEMA_VERSION

    def __post_init__(self) -> None:
        for key in ("title", "agent"):
            text(key, getattr(self, key))
        whole("n_tumor_cells", self.n_tumor_cells, low=10, high=10**7)
        set_value = object.__setattr__
        set_value(self, "cell_lines", names("cell_lines", self.cell_lines))
        set_value(self, "hosts", names("hosts", self.hosts))
        set_value(self, "references", names("references", self.references, allow_empty=True))
        activities = numbers(
            "administered_activity_kBq", self.administered_activity_kBq, increasing=False
        )
        _check_activities(activities)
        set_value(self, "administered_activity_kBq", activities)
        why = "the administration, because the kill is followed from there"
        set_value(self, "times_d", times_from_zero("times_d", self.times_d, why))
        if self.physics not in KERNEL_MODELS:
            raise InputError(
                f"invalid physics={self.physics!r} (a scenario names it; "
                f"allowed: {', '.join(map(repr, KERNEL_MODELS))})."
            )
        if self.rng is not None:
            set_value(self, "rng", random_root(self.rng))
        check_version(self.schema_version)

    @property
    def n_arms(self) -> int:
        """Number of arms: activities x cell lines x hosts."""
        return len(self.administered_activity_kBq) * len(self.cell_lines) * len(self.hosts)

    @classmethod
    def from_toml(cls, path: str | Path) -> Scenario | CultureScenario:
        """Read a scenario file; every unknown, misplaced or biology key is an InputError.

        A file with `design = "culture"` gives a `CultureScenario`.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise FileError(f"cannot read scenario {str(path)!r}: {error.strerror}.") from None
        try:
            return cls.from_string(content.decode("utf-8"))
        except (InputError, UnicodeDecodeError) as error:
            raise InputError(f"scenario {str(path)!r}: {error}") from None

    @classmethod
    def from_string(cls, text: str) -> Scenario | CultureScenario:
        """Read a scenario from TOML text."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"not valid TOML: {error}") from None
        design = choice("design", content.pop("design", ANIMAL), (ANIMAL, CULTURE))
        if design == CULTURE:
            return culture_from_content(content)
        return cls(**_flatten(content))

    def to_toml(self) -> str:
        """Return the scenario as TOML text; `Scenario.from_string` gives the same object."""
        lines = []
        for table, keys in _KEYS.items():
            if table:
                lines += ["", f"[{table}]"]
            for key in keys:
                value = getattr(self, key)
                if value is not None and value != ():
                    lines.append(f"{key} = {toml(value)}")
        return "\n".join(lines) + "\n"


def _flatten(content: dict[str, Any]) -> dict[str, Any]:
    """Check the keys of a parsed file and return them without their tables."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if key in _KEYS and key:
            if not isinstance(value, dict):
                raise InputError(f"{key} = {value!r} is not a table. Write [{key}].")
            for inner, inner_value in value.items():
                _check_key(key, inner)
                flat[inner] = inner_value
        else:
            _check_key("", key)
            flat[key] = value
    for table, keys in _KEYS.items():
        for key, required in keys.items():
            if required and key not in flat:
                where = f"[{table}]" if table else "the top of the file"
                raise InputError(f"{key} is missing. Add it under {where}.")
    return flat


def _check_key(table: str, key: str) -> None:
    if key in _KEYS[table]:
        return
    here = f"[{table}]" if table else "the top of the file"
    for other, keys in _KEYS.items():
        if key in keys:
            there = f"[{other}]" if other else "the top of the file"
            raise InputError(f"key {key!r} has no effect under {here}. Move it to {there}.")
    raise InputError(unknown_key(key, (*_KEYS[table], *(_KEYS if not table else ())), here))
