# SPDX-License-Identifier: BSD-3-Clause
"""The hypothesis of a run: what triggers MHC-I, how it is weighted, whether it spreads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from immunodose.errors import InputError, did_you_mean
from immunodose.immune_drivers import TRIGGERS, Mhc1Driver, mhc1_driver, mhc1_drivers

Weighting: TypeAlias = Literal["per_gy", "per_track"]
Spread: TypeAlias = Literal["none", "field", "well_mixed"]

WEIGHTINGS: tuple[Weighting, ...] = ("per_gy", "per_track")
SPREADS: tuple[Spread, ...] = ("none", "field", "well_mixed")

NODES: tuple[str, ...] = (
    "sting",
    "cgas",
    "ifnar",
    "trex1",
    "atm",
    "atr",
    "chk1",
    "mtor",
    "stat1",
    "ifngr",
    "b2m",
    "host_sting",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One hypothesis of how radiation raises MHC-I, with knock-outs and drugs.

    Parameters
    ----------
    triggers
        `"damage"` (nuclear DNA damage and vesicles), `"sting"` (cytosolic DNA and type-I
        interferon), `"membrane"` (dose to the membrane), a name of `register_mhc1_driver`, or
        several of them.
    weighting
        `"per_gy"`: a response to the weighted dose. `"per_track"`: to the number of triggering
        tracks, so that cells that no track hit stay silent.
    spread
        Of interferon and vesicles: `"none"` (each cell keeps its own), `"field"` (they diffuse on
        a grid), `"well_mixed"` (all cells meet the mean).
    trex1_window
        Whether a high dose within the window induces TREX1, which stops interferon.
    knockouts
        Nodes that are absent: sting, cgas, ifnar, trex1, atm, atr, chk1, mtor, stat1, ifngr, b2m
        (of the tumor cells), host_sting (of the host's dendritic cells: priming of T cells).
    inhibition
        Share in [0, 1] of the activity of a node that a drug takes, e.g. `{"chk1": 0.9}`.

    Raises
    ------
    InputError
        For an unknown name, a share outside [0, 1], or a node in both `knockouts` and
        `inhibition`.

    References
    ----------
    Reits EA et al. J Exp Med 2006;203:1259. Vanpouille-Box C et al. Nat Commun 2017;8:15618.
    Deng S et al. Cancer Lett 2024;592:216898.

    Examples
    --------
    >>> mechanism = Mechanism(triggers=("damage", "sting"), weighting="per_track",
    ...                       spread="none", trex1_window=True, knockouts=("trex1",))
    >>> mechanism.activity("trex1"), mechanism.activity("sting")
    (0.0, 1.0)
    """

    triggers: str | Sequence[str]
    weighting: Weighting
    spread: Spread
    trex1_window: bool
    knockouts: str | Sequence[str] = ()
    inhibition: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every field, and turn single names into tuples."""
        triggers = _names("triggers", self.triggers, mhc1_drivers())
        if not triggers:
            raise InputError(
                f"triggers is empty (allowed: one or more of {', '.join(mhc1_drivers())})."
            )
        _choice("weighting", self.weighting, WEIGHTINGS)
        _choice("spread", self.spread, SPREADS)
        if not isinstance(self.trex1_window, (bool, np.bool_)):
            raise InputError(f"invalid trex1_window={self.trex1_window!r} (allowed: True, False).")
        knockouts = _names("knockouts", self.knockouts, NODES)
        inhibition = {node: _share(node, value) for node, value in self.inhibition.items()}
        _names("inhibition", tuple(inhibition), NODES)
        both = [node for node in knockouts if node in inhibition]
        if both:
            raise InputError(
                f"node {both[0]!r} stands in knockouts and in inhibition (a knock-out is an "
                "inhibition of 1). Leave one of them out."
            )
        for name, value in (
            ("triggers", triggers),
            ("knockouts", knockouts),
            ("inhibition", inhibition),
        ):
            object.__setattr__(self, name, value)

    def has(self, trigger: str) -> bool:
        """Return whether a trigger counts."""
        return trigger in self.triggers

    def activity(self, *nodes: str) -> float:
        """Return what knock-outs and drugs leave of a chain of nodes, in [0, 1]."""
        left = 1.0
        for node in nodes:
            if node not in NODES:
                raise InputError(f"unknown node {node!r} (allowed: {', '.join(NODES)}).")
            left *= 0.0 if node in self.knockouts else 1.0 - self.inhibition.get(node, 0.0)
        return left

    def drivers(self) -> tuple[Mhc1Driver, ...]:
        """Return the registered drivers among the triggers."""
        found = (mhc1_driver(name) for name in self.triggers if name not in TRIGGERS)
        return tuple(driver for driver in found if driver is not None)

    def to_json(self) -> str:
        """Return the mechanism as text, which an attribute can hold."""
        content: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**content, "trex1_window": bool(self.trex1_window)})


def mechanism_from_json(text: str) -> Mechanism:
    """Return the mechanism that an attribute `mechanism` holds.

    Examples
    --------
    >>> given = Mechanism(triggers="damage", weighting="per_gy", spread="none", trex1_window=False)
    >>> mechanism_from_json(given.to_json()) == given
    True
    """
    return Mechanism(**json.loads(text))


def stated_activity(attrs: Mapping[Any, Any], node: str) -> float:
    """Return what the mechanism of a Dataset leaves of a node; 1 where none is stated."""
    if "mechanism" not in attrs:
        return 1.0
    content = json.loads(attrs["mechanism"])
    if node in content["knockouts"]:
        return 0.0
    return 1.0 - float(content["inhibition"].get(node, 0.0))


def require_mechanism(mechanism: object) -> Mechanism:
    """Return the mechanism, or raise InputError that shows how to make one."""
    if isinstance(mechanism, Mechanism):
        return mechanism
    raise InputError(
        f"invalid mechanism={mechanism!r} (allowed: an immunodose.Mechanism, for example "
        'Mechanism(triggers="damage", weighting="per_gy", spread="none", trex1_window=False)).'
    )


def _names(argument: str, given: object, allowed: Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, Sequence):
        raise InputError(f"invalid {argument}={given!r} (allowed: a name or several).")
    for name in names:
        if name not in allowed:
            raise InputError(
                f"unknown name {name!r} in {argument} (allowed: {', '.join(allowed)})."
                f"{did_you_mean(name, allowed)}"
            )
    return tuple(dict.fromkeys(names))


def _choice(argument: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise InputError(
            f"invalid {argument}={given!r} (allowed: {', '.join(allowed)})."
            f"{did_you_mean(given, allowed)}"
        )


def _share(node: str, value: float) -> float:
    if isinstance(value, (bool, str)) or not 0.0 <= value <= 1.0:
        raise InputError(
            f"inhibition[{node!r}] = {value!r} (allowed: 0 to 1, the share of the activity that "
            "the drug takes; a percentage must be divided by 100)."
        )
    return float(value)
