# SPDX-License-Identifier: BSD-3-Clause
"""Antibodies to PD-1 or PD-L1: concentration after injections, and the share that is occupied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.response_inputs import ParameterLike
from immunodose.typing import FloatArray, FloatLike

_FIELDS = ("agent", "amount_nmol", "time_d")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Injections of one antibody against PD-1 or PD-L1.

    Attributes
    ----------
    agent
        Set of kind antibody: name, Dataset of `parameters`, or ParameterSet.
    amount_nmol
        Amount of each injection (nmol, >= 0): a number for all, or one for each time.
    time_d
        Times of the injections (d, finite; 0 is the administration of the radiopharmaceutical,
        earlier ones are negative).

    Examples
    --------
    >>> Checkpoint("anti_pdl1", 1.33, (7.0, 9.0, 11.0)).agent
    'anti_pdl1'
    """

    agent: ParameterLike
    amount_nmol: FloatLike
    time_d: FloatLike


@dataclass(frozen=True, slots=True)
class AntibodyCourse:
    """A checked course of injections with the constants of its antibody."""

    parameters: ParameterSet
    amount_nmol: FloatArray
    time_d: FloatArray

    def breaks_d(self) -> FloatArray:
        """Return the times at which the concentration bends; an amount of 0 bends nothing."""
        return self.time_d[self.amount_nmol > 0.0]

    def concentration_nM(self, time_d: FloatArray) -> FloatArray:
        """Return the concentration in the tumor (nmol per L) at each time (Eq. 5)."""
        absorption = self.parameters.value("absorption_rate")
        elimination = self.parameters.value("elimination_rate")
        slow, fast = min(absorption, elimination), max(absorption, elimination)
        since = np.maximum(time_d[:, None] - self.time_d[None, :], 0.0)  # before: nothing yet
        x = (fast - slow) * since
        # (1 - exp(-x))/x, which is 1 at equal rates
        ratio = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x > 0.0)
        shape = absorption * since * np.exp(-slow * since) * ratio
        volume_L = self.parameters.value("distribution_volume")
        return np.asarray(shape @ (self.amount_nmol / volume_L))

    def occupancy(self, time_d: FloatArray) -> FloatArray:
        """Return the occupied share of its target, in [0, 1); exactly 0 without antibody."""
        concentration = self.concentration_nM(time_d)
        half = self.parameters.value("dissociation_constant")
        return np.asarray(concentration / (concentration + half))


def antibody_course(checkpoint: Checkpoint | Mapping[str, Any]) -> AntibodyCourse:
    """Check a `Checkpoint`, or a mapping with its fields.

    Raises
    ------
    InputError
        If a field is missing or unknown, a number is negative or not finite, or the amounts do
        not match the times.

    Examples
    --------
    >>> import numpy as np
    >>> course = antibody_course({"agent": "anti_pdl1", "amount_nmol": 1.33, "time_d": [0.0]})
    >>> course.occupancy(np.array([0.0, 1.0])).round(2)
    array([0.  , 0.93])
    """
    if isinstance(checkpoint, Mapping):
        if set(checkpoint) != set(_FIELDS):
            raise InputError(
                f"invalid checkpoint keys {sorted(checkpoint)} (needed: {sorted(_FIELDS)})."
            )
        checkpoint = Checkpoint(**checkpoint)
    if not isinstance(checkpoint, Checkpoint):
        raise InputError(
            f"invalid checkpoint={checkpoint!r} (allowed: a Checkpoint, a mapping with "
            f"{', '.join(_FIELDS)}, or None)."
        )
    item = resolve(checkpoint.agent, kind="antibody")
    times = _numbers("time_d", checkpoint.time_d, low=-np.inf)
    amounts = _numbers("amount_nmol", checkpoint.amount_nmol, low=0.0)
    if amounts.size == 1:
        amounts = np.full(times.size, amounts[0])
    if amounts.size != times.size:
        raise InputError(
            f"checkpoint has {amounts.size} amount_nmol for {times.size} time_d (allowed: one "
            "for all, or one for each)."
        )
    return AntibodyCourse(item, amounts, times)


def _numbers(name: str, given: FloatLike, *, low: float) -> FloatArray:
    raw = np.asarray(given)
    if raw.dtype.kind not in "iuf" or raw.ndim > 1 or raw.size == 0:
        raise InputError(f"invalid checkpoint {name}={given!r} (allowed: a number or 1-D numbers).")
    values = np.atleast_1d(raw.astype(np.float64))
    bad = ~(np.isfinite(values) & (values >= low))
    if bad.any():
        i = int(np.argmax(bad))
        bound = "" if low == -np.inf else f" and >= {low:g}"
        raise InputError(
            f"invalid checkpoint {name}[{i}] = {values[i]:g} (allowed: finite{bound})."
        )
    return values
