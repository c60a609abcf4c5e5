# SPDX-License-Identifier: BSD-3-Clause
"""What is done to the cells of one arm of a culture: agents, beam, interferon, drugs, antibody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from immunodose.errors import InputError
from immunodose.scenario_tables import from_table, names, number, shares, text, whole

_TABLE: dict[str, Any] = {"table": True}


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
class Antibody:
    """An antibody to PD-1 or PD-L1, given a day before the killer cells.

    Parameters
    ----------
    agent
        Parameter set of kind antibody.
    amount_nmol
        Amount, nmol (>= 0).
    """

    agent: str
    amount_nmol: float

    def __post_init__(self) -> None:
        text("agent", self.agent)
        number("amount_nmol", self.amount_nmol)


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
    ifn_gamma_ng_per_mL
        Interferon-gamma added at time 0 and kept at this concentration, ng/mL.
    knockouts
        Nodes that the cells lack (`Mechanism`).
    inhibition
        Share of a node's activity that a drug takes, 0 to 1 (`Mechanism`).
    antibody
        Antibody to PD-1 or PD-L1 in the assay, or None.
    """

    name: str
    cell_line: str
    label: tuple[Labeling, ...] = ()
    beam: Beam | None = None
    ifn_gamma_ng_per_mL: float = 0.0
    knockouts: tuple[str, ...] = ()
    inhibition: tuple[tuple[str, float], ...] = field(default=(), metadata=_TABLE)
    antibody: Antibody | None = None

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
        if self.antibody is not None and not isinstance(self.antibody, Antibody):
            antibody = from_table(Antibody, self.antibody, f"antibody of arm {self.name!r}")
            object.__setattr__(self, "antibody", antibody)
        number("ifn_gamma_ng_per_mL", self.ifn_gamma_ng_per_mL)
        knockouts = names("knockouts", self.knockouts, allow_empty=True)
        object.__setattr__(self, "knockouts", knockouts)
        object.__setattr__(self, "inhibition", shares("inhibition", self.inhibition))
