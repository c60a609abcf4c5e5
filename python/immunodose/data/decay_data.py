# SPDX-License-Identifier: BSD-3-Clause
"""Where nuclear data come from: one interface, and the default behind it.

The default reads the installed packages `icrp107_database` (emissions, half-lives) and
`radioactivedecay` (progeny, branching); none of their data are copied (DATA_LICENSES.md).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata, resources
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from immunodose.data.nuclide_names import normalize, spellings
from immunodose.errors import DataNotFoundError, InputError
from immunodose.typing import FloatArray
from immunodose.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

HalfLifeSource: TypeAlias = Literal["icrp107", "measured"]

# Tropical year in days, as in radioactivedecay, so that both give the same half-life.
YEAR_D = 365.2422
_UNIT_S = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": SECONDS_PER_HOUR,
    "d": SECONDS_PER_DAY,
    "y": YEAR_D * SECONDS_PER_DAY,
}

EMISSION_LISTS: tuple[str, ...] = (
    "alpha", "alpha recoil", "beta-", "beta+", "auger", "IE", "gamma", "X", "annihilation",
    "neutron", "fission", "betaD",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DecayBranch:
    """One way in which a nuclide decays.

    `daughter` is None when the decay leaves no nuclide of the data source (spontaneous fission).
    """

    daughter: str | None
    fraction: float
    is_alpha: bool


@runtime_checkable
class NuclearDataSource(Protocol):
    """What immunodose asks of nuclear data; give an object of your own to replace the default.

    Names are of the form "Ac-225"; energies in keV.
    """

    @property
    def name(self) -> str:
        """Name and version of the data, recorded in every result."""

    def radionuclides(self) -> frozenset[str]:
        """Names of all nuclides that decay."""

    def is_stable(self, nuclide: str) -> bool:
        """Whether the data list the nuclide as stable."""

    def half_life_s(self, nuclide: str) -> float:
        """Half-life in s."""

    def branches(self, nuclide: str) -> tuple[DecayBranch, ...]:
        """Decay branches of one radionuclide."""

    def emission_lists(self, nuclide: str) -> Mapping[str, FloatArray]:
        """Rows (energy in keV, yield per decay) for each name in EMISSION_LISTS.

        Beta rows give mean energies. Names may be left out where nothing is emitted.
        """

    def beta_density(self, nuclide: str) -> FloatArray:
        """Rows (energy in keV, electrons per keV and decay), both signs; 0 rows if none."""


class Icrp107Source:
    """ICRP Publication 107 as installed: `icrp107_database` and `radioactivedecay`."""

    @property
    def name(self) -> str:
        """Name and versions of the two packages."""
        return (
            f"ICRP Publication 107 (icrp107-database {metadata.version('icrp107-database')}, "
            f"radioactivedecay {metadata.version('radioactivedecay')})"
        )

    def radionuclides(self) -> frozenset[str]:
        """Names of the 1252 radionuclides."""
        return _icrp107_names()

    def is_stable(self, nuclide: str) -> bool:
        """Whether the nuclide is a stable end of a chain in ICRP-107."""
        return nuclide not in self.radionuclides() and nuclide in _chain_table().nuclide_dict

    def half_life_s(self, nuclide: str) -> float:
        """Half-life in s."""
        record = _icrp107_record(nuclide)
        return float(record["half_life"]) * _UNIT_S[record["time_unit"]]

    def branches(self, nuclide: str) -> tuple[DecayBranch, ...]:
        """Decay branches; sums above 1 by rounding are scaled to 1, sums below are kept."""
        table = _chain_table()
        index = table.nuclide_dict[nuclide]
        fractions = np.asarray(table.bfs[index], dtype=float)
        fractions = fractions / max(1.0, float(fractions.sum()))
        known = table.nuclide_dict
        return tuple(
            DecayBranch(str(daughter) if daughter in known else None, float(fraction), mode == "α")
            for daughter, fraction, mode in zip(
                table.progeny[index], fractions, table.modes[index], strict=True
            )
        )

    def emission_lists(self, nuclide: str) -> Mapping[str, FloatArray]:
        """Rows (energy in keV, yield per decay) by list name."""
        lists = _icrp107_record(nuclide)["emissions"]
        return {key: _rows_in_keV(lists[key], 1.0) for key in EMISSION_LISTS if lists.get(key)}

    def beta_density(self, nuclide: str) -> FloatArray:
        """Rows (energy in keV, electrons per keV and decay), both signs."""
        return _rows_in_keV(_icrp107_record(nuclide)["emissions"].get("b-spectra") or [], 1e-3)


def _rows_in_keV(rows: list[list[float]], per_keV: float) -> FloatArray:
    return np.asarray(rows, dtype=float).reshape(-1, 2) * (1e3, per_keV)


@cache
def _icrp107_names() -> frozenset[str]:
    folder = resources.files("icrp107_database") / "icrp107"
    return frozenset(
        file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")
    )


@lru_cache(maxsize=64)
def _icrp107_record(nuclide: str) -> dict[str, Any]:
    file = resources.files("icrp107_database") / "icrp107" / f"{nuclide}.json"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataNotFoundError(f"nuclide {nuclide!r} is not in ICRP Publication 107.") from None
    record: dict[str, Any] = json.loads(json.loads(text))  # JSON inside a JSON string
    return record


@cache
def _chain_table() -> Any:
    import radioactivedecay  # about 2 s, hence only when a chain is asked for

    return radioactivedecay.DEFAULTDATA


DEFAULT_SOURCE: NuclearDataSource = Icrp107Source()


def radionuclide(nuclide: str, source: NuclearDataSource) -> str:
    """Return the normalized name of a radionuclide of the data source.

    Parameters
    ----------
    nuclide
        Any accepted spelling.
    source
        Nuclear data.

    Returns
    -------
    str
        Name of the form "Ac-225".

    Raises
    ------
    InputError
        If the nuclide is stable.
    DataNotFoundError
        If it is unknown.

    Examples
    --------
    >>> radionuclide("225Ac", DEFAULT_SOURCE)
    'Ac-225'
    """
    try:
        return normalize(nuclide, source.radionuclides(), data_source=source.name)
    except DataNotFoundError:
        stable = [name for name in spellings(nuclide) if source.is_stable(name)]
        if not stable:
            raise
        raise InputError(
            f"nuclide {nuclide!r}: {stable[0]} is stable (a source decays). Name a radionuclide."
        ) from None


@cache
def half_life_overrides() -> dict[str, dict[str, Any]]:
    """Return the measured half-lives that differ from ICRP-107, with their references.

    Returns
    -------
    dict
        By nuclide: `half_life_d`, `uncertainty_d`, `icrp107_half_life_d`, `reference`.

    Examples
    --------
    >>> half_life_overrides()["Ac-225"]["half_life_d"]
    9.92
    """
    file = resources.files("immunodose.data") / "half_life_overrides.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def half_life_s(
    nuclide: str, source: NuclearDataSource, *, half_life_source: HalfLifeSource = "icrp107"
) -> float:
    """Return the half-life of a nuclide in s.

    Parameters
    ----------
    nuclide
        Normalized name.
    source
        Nuclear data.
    half_life_source
        "icrp107" takes the value of the data source; "measured" takes the override table first
        (161Tb, 225Ac).

    Returns
    -------
    float
        Half-life in s.

    Raises
    ------
    InputError
        If `half_life_source` is another word.

    Examples
    --------
    >>> half_life_s("Ac-225", DEFAULT_SOURCE) / 86400
    10.0
    """
    if half_life_source not in ("icrp107", "measured"):
        raise InputError(
            f"half_life_source = {half_life_source!r} (must be 'icrp107', the value of the data "
            "source, or 'measured', the override table with references)."
        )
    override = half_life_overrides().get(nuclide) if half_life_source == "measured" else None
    if override is not None:
        return float(override["half_life_d"]) * SECONDS_PER_DAY
    return source.half_life_s(nuclide)
