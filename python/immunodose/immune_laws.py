# SPDX-License-Identifier: BSD-3-Clause
"""Laws of CD8 killing by name: those of the package, and a user's own function on arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from immunodose.errors import InputError, did_you_mean
from immunodose.typing import FloatArray

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Lookup(Protocol):
    """Anything that gives parameters by key."""

    def value(self, key: str) -> float:
        """Return a parameter in its unit; InputError if it is not defined."""


@dataclass(frozen=True, slots=True)
class KillingInputs:
    """What a law gets at one time: the populations, and n tumor cells.

    Attributes
    ----------
    effectors
        CD8 T cells per tumor cell of the untreated tumor, exhausted ones by what they still do.
    targets
        Living tumor cells per tumor cell of the untreated tumor, in [0, 1].
    pmhc
        Complexes of MHC-I with a recognized peptide per cell (n,).
    pdl1_fold
        PD-L1 relative to the untreated cell (n,); all 1 where PD-1 is not considered.
    susceptibility
        Recognition by the complexes times what PD-1 leaves, in [0, 1] (n,).
    parameters
        The host set and the set of kind killing.
    """

    effectors: float
    targets: float
    pmhc: FloatArray
    pdl1_fold: FloatArray
    susceptibility: FloatArray
    parameters: Lookup

    def value(self, key: str) -> float:
        """Return a parameter in its unit; InputError if no set defines it."""
        return self.parameters.value(key)


Strength: TypeAlias = Callable[[float, float, Lookup], float]
LawFunction: TypeAlias = Callable[[KillingInputs], FloatArray]


@dataclass(frozen=True, slots=True)
class KillingLaw:
    """One law: `strength` (hazard per day of a fully susceptible cell), or a user's `function`."""

    name: str
    keys: frozenset[str]
    strength: Strength | None = None
    function: LawFunction | None = None
    hits: bool = False

    @property
    def registered(self) -> bool:
        """Return whether a user registered it."""
        return self.function is not None


def _mass_action(effectors: float, targets: float, of: Lookup) -> float:
    return of.value("killing_rate_constant") * effectors


def _saturating(effectors: float, targets: float, of: Lookup) -> float:
    crowding = 1.0 + effectors / of.value("effector_half_saturation")
    return of.value("killing_rate_constant") * effectors / crowding


def _double_saturation(effectors: float, targets: float, of: Lookup) -> float:
    if effectors == 0.0:
        return 0.0
    half = of.value("target_half_saturation")
    crowding = half + targets + (1.0 + half) * effectors / of.value("effector_half_saturation")
    return of.value("killing_rate_constant") * (1.0 + half) * effectors / crowding


def _de_pillis(effectors: float, targets: float, of: Lookup) -> float:
    if effectors == 0.0:
        return 0.0
    power = of.value("de_pillis_power")
    # (E/T)^l/(s + (E/T)^l), written so that no target left is its limit 1
    crowd = math.pow(effectors, power)
    return (
        of.value("de_pillis_rate")
        * crowd
        / (of.value("de_pillis_half") * math.pow(targets, power) + crowd)
    )


def _multi_hit(effectors: float, targets: float, of: Lookup) -> float:
    return of.value("hit_rate_constant") * effectors


_RATE = "killing_rate_constant"
_LAWS: dict[str, KillingLaw] = {
    law.name: law
    for law in (
        KillingLaw("mass_action", frozenset({_RATE}), _mass_action),
        KillingLaw("saturating", frozenset({_RATE, "effector_half_saturation"}), _saturating),
        KillingLaw(
            "double_saturation",
            frozenset({_RATE, "effector_half_saturation", "target_half_saturation"}),
            _double_saturation,
        ),
        KillingLaw(
            "de_pillis",
            frozenset({"de_pillis_rate", "de_pillis_half", "de_pillis_power"}),
            _de_pillis,
        ),
        KillingLaw(
            "multi_hit",
            frozenset({"hit_rate_constant", "hits_to_kill", "hit_recovery_time"}),
            _multi_hit,
            hits=True,
        ),
    )
}


def killing_law(name: str) -> KillingLaw:
    """Return the law of that name, or raise InputError with the names there are."""
    if name not in _LAWS:
        raise InputError(
            f"unknown law {name!r} (available: {', '.join(_LAWS)}).{did_you_mean(name, _LAWS)} "
            "immunodose.register_killing_law adds one."
        )
    return _LAWS[name]


def killing_laws() -> tuple[str, ...]:
    """Return the names that `kill_probability` and `immune_response` take as `law`.

    Examples
    --------
    >>> killing_laws()[:5]
    ('mass_action', 'saturating', 'double_saturation', 'de_pillis', 'multi_hit')
    """
    return tuple(_LAWS)


def register_killing_law(
    name: str, function: LawFunction, *, parameters: Sequence[str] = ()
) -> None:
    """Make a Python function on arrays a law of CD8 killing.

    Parameters
    ----------
    name
        Name for `law=name`: lower case, digits, underscores. A name of the package cannot be
        replaced; one registered before can.
    function
        Called at each time with the `KillingInputs` of n tumor cells, it returns their hazard,
        n finite numbers >= 0 (d-1). Suppression by regulatory T cells is applied afterwards.
    parameters
        Keys that it reads by `inputs.value(key)`, of the host set or of the set of kind killing;
        calls take overrides of these.

    Raises
    ------
    InputError
        For an invalid or reserved name, or something that cannot be called. The calls that use
        the law raise it when the function returns other than n finite numbers >= 0 (with the
        first index).

    Notes
    -----
    Without CD8 T cells (athymic host) the function is not called. It must depend only on its
    inputs: it is called once per time step, and again with smaller steps until results settle.

    References
    ----------
    The example is the ratio-dependent functional response: Arditi R, Ginzburg LR. J Theor Biol
    1989;139:311.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import immunodose as imd
    >>> def ratio_dependent(inputs):
    ...     "Every effector is always busy: targets share the kills of all effectors."
    ...     per_target = inputs.effectors / (inputs.targets + inputs.effectors)
    ...     return inputs.value("killing_rate_constant") * per_target * inputs.susceptibility
    >>> imd.register_killing_law("ratio", ratio_dependent, parameters=["killing_rate_constant"])
    >>> cells = xr.Dataset({"survival_probability": ("cell", np.array([1.0, 1.0])),
    ...     "mhc1_surface": ("cell", np.array([1e6, 0.0]))})
    >>> out = imd.kill_probability(cells, parameters="b16f10", host="immunocompetent", time_d=7.0,
    ...     law="ratio", effector_to_target_ratio=0.1)
    >>> out.kill_probability_ctl.values.round(2)
    array([0.81, 0.  ])
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"invalid name={name!r} of a killing law (allowed: lower case, digits, '_')."
        )
    if name in _LAWS and not _LAWS[name].registered:
        raise InputError(f"the killing law {name!r} is one of the package. Use another name.")
    if not callable(function):
        raise InputError(f"function={function!r} of killing law {name!r} cannot be called.")

    def checked(inputs: KillingInputs) -> FloatArray:
        n_cells = inputs.pmhc.size
        found = np.asarray(function(inputs))
        if found.shape != (n_cells,) or found.dtype.kind not in "fiub":
            raise InputError(
                f"killing law {name!r} returned {found.dtype} of shape {found.shape} (needed: "
                f"numbers of shape {(n_cells,)}, one hazard per day per cell)."
            )
        bad = ~(np.isfinite(found) & (found >= 0.0))
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(
                f"killing law {name!r} returned {found[i]} for cell {i} of {n_cells} (allowed: "
                f"finite and >= 0; {int(bad.sum())} such values)."
            )
        return found.astype(np.float64)

    _LAWS[name] = KillingLaw(name, frozenset(parameters), function=checked)
