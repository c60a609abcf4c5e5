# SPDX-License-Identifier: BSD-3-Clause
"""A user's own driver of surface MHC-I: a function on arrays, called once per time step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.typing import FloatArray

TRIGGERS = ("damage", "sting", "membrane")
_NAME = re.compile(r"[a-z][a-z0-9_]*")

StateArray: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mhc1DriverInputs:
    """What a driver gets: n tumor cells in the middle of one time step.

    Attributes
    ----------
    time_d
        Time after administration (d).
    dose_Gy
        Dose to the nucleus after all decays, (n,) by emission class; only `"all"` if the Dataset
        has no dim `emission`.
    mhc1, ifn1, vesicles
        State at the start of the step, (n,) float32: molecules, and relative to their highest
        steady values.
    ifn_gamma
        Interferon-gamma that each cell meets, (n,) molecules per tissue volume of one cell.
    parameters
        The signaling set, then the cell-line set.
    """

    time_d: float
    dose_Gy: Mapping[str, StateArray]
    mhc1: StateArray
    ifn1: StateArray
    vesicles: StateArray
    ifn_gamma: StateArray
    parameters: tuple[ParameterSet, ...]
    memory: Callable[[float], FloatArray]
    delivered: Callable[[], FloatArray]

    def value(self, key: str) -> float:
        """Return a parameter in its unit, of the signaling set or else of the cell line."""
        for item in self.parameters[:-1]:
            if item.defines(key):
                return item.value(key)
        return self.parameters[-1].value(key)

    def total_Gy(self) -> FloatArray:
        """Return the dose of all classes together after all decays, (n,)."""
        doses = [np.asarray(dose, np.float64) for dose in self.dose_Gy.values()]
        return np.asarray(np.sum(doses, axis=0))

    def delivered_Gy(self) -> FloatArray:
        """Return the dose so far, (n,)."""
        return self.delivered()

    def memory_Gy(self, memory_time_d: float) -> FloatArray:
        """Return what a leaky memory of that time keeps of the dose so far, (n,)."""
        if not (np.isfinite(memory_time_d) and memory_time_d > 0.0):
            raise InputError(f"invalid memory_time_d={memory_time_d} (allowed: finite, > 0 d).")
        return self.memory(memory_time_d)


Mhc1DriverFunction: TypeAlias = Callable[[Mhc1DriverInputs], npt.ArrayLike]


@dataclass(frozen=True, slots=True)
class Mhc1Driver:
    """A registered driver: its function and the parameters it reads."""

    name: str
    function: Mhc1DriverFunction
    keys: frozenset[str]

    def rise(self, inputs: Mhc1DriverInputs) -> StateArray:
        """Return the relative rise of each cell, checked."""
        n_cells = inputs.mhc1.size
        found = np.asarray(self.function(inputs))
        if found.shape != (n_cells,) or found.dtype.kind not in "fiub":
            raise InputError(
                f"MHC-I driver {self.name!r} returned {found.dtype} of shape {found.shape} "
                f"(needed: numbers of shape {(n_cells,)}, one relative rise per tumor cell)."
            )
        values = found.astype(np.float32)
        bad = ~(np.isfinite(values) & (values >= 0.0))
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(
                f"MHC-I driver {self.name!r} returned {found[i]} for tumor cell {i} of {n_cells} "
                f"(allowed: finite and >= 0; {int(bad.sum())} such values)."
            )
        return values


_DRIVERS: dict[str, Mhc1Driver] = {}


def mhc1_driver(name: str) -> Mhc1Driver | None:
    """Return a registered driver, None if there is none of that name."""
    return _DRIVERS.get(name)


def mhc1_drivers() -> tuple[str, ...]:
    """Return the names that `Mechanism` takes as triggers: those of the package come first.

    Examples
    --------
    >>> mhc1_drivers()[:3]
    ('damage', 'sting', 'membrane')
    """
    return (*TRIGGERS, *_DRIVERS)


def register_mhc1_driver(
    name: str, function: Mhc1DriverFunction, *, parameters: Sequence[str] = ()
) -> None:
    """Make a Python function on arrays a trigger of surface MHC-I.

    Parameters
    ----------
    name
        Name for `Mechanism(triggers=...)`: lower case, digits, underscores. A name of the package
        cannot be replaced; one registered before can.
    function
        Called once per time step with a `Mhc1DriverInputs` of n tumor cells, it returns their
        relative rise of MHC-I at full inducibility, n finite numbers >= 0.
    parameters
        Keys of the signaling or cell-line set that it reads by `inputs.value(key)`.

    Raises
    ------
    InputError
        For an invalid or reserved name, or something that cannot be called. The calls that use
        the driver raise it when the function returns other numbers (with the first index).

    Notes
    -----
    The rise stands inside the bracket of Eq. 12 of docs/theory/signaling.md: inducibility and
    assembly gate it like the triggers of the package.

    References
    ----------
    The example is a threshold on the dose so far, as Santin AD et al. 1997 saw at 25 to 100 Gy.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import immunodose as imd
    >>> def above_threshold(inputs):
    ...     "Cells that have got 1 Gy double their MHC-I."
    ...     return np.where(inputs.delivered_Gy() >= 1.0, 1.0, 0.0)
    >>> imd.register_mhc1_driver("above_threshold", above_threshold)
    >>> mechanism = imd.Mechanism(triggers="above_threshold", weighting="per_gy", spread="none",
    ...                           trex1_window=False)
    >>> cells = xr.Dataset({"absorbed_dose": ("cell", np.array([0.5, 2.0])),
    ...                     "mhc1_baseline": ("cell", np.array([100.0, 100.0]))})
    >>> out = imd.mhc1_expression(cells, parameters="b16k1", mechanism=mechanism, time_d=20.0,
    ...                           mhc1_inducibility=1.0)
    >>> out.mhc1_surface.values.round(1).tolist()
    [100.0, 200.0]
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"invalid name={name!r} of an MHC-I driver (allowed: lower case, digits, '_')."
        )
    if name in TRIGGERS:
        raise InputError(f"the trigger {name!r} is one of the package. Use another name.")
    if not callable(function):
        raise InputError(f"function={function!r} of MHC-I driver {name!r} cannot be called.")
    _DRIVERS[name] = Mhc1Driver(name, function, frozenset(parameters))
