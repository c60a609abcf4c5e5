# SPDX-License-Identifier: BSD-3-Clause
"""What a survival model is and gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from immunodose.data.parameters import ParameterSet
from immunodose.response_quality import AlphaSource
from immunodose.typing import EMISSIONS, FloatArray

HIGH_LET = ("alpha", "recoil")
LOW_LET = ("beta", "auger_ce", "photon")


@dataclass(frozen=True, slots=True)
class SurvivalInputs:
    """What a survival model gets: some cells of one type, and their parameter set.

    Attributes
    ----------
    dose_Gy
        Dose to the nucleus by emission class, (cell,) each; all five classes are there. Times
        `radiosensitivity` and over the oxygen effect, if the Dataset has them.
    hit_moment
        `hit_decay_moment` (cell, 6), scaled likewise; None if the Dataset has none.
    parameters
        The parameter set of the cells.
    n_threads
        Threads that the model may use.
    alphas
        Where the quality of the alphas is known from (only of "mkm" and "smk").
    oxygen_mmHg, radiosensitivity
        Per-cell modifiers that "mkm" and "smk" apply themselves; None for all other models.
    """

    dose_Gy: Mapping[str, FloatArray]
    hit_moment: FloatArray | None
    parameters: ParameterSet
    n_threads: int
    factor: Callable[[], FloatArray]
    alphas: AlphaSource | None = None
    oxygen_mmHg: FloatArray | None = None
    radiosensitivity: FloatArray | None = None

    def value(self, key: str) -> float:
        """Return a parameter in its unit; InputError if the set does not define it."""
        return self.parameters.value(key)

    def protraction(self) -> FloatArray:
        """Return the Lea-Catcheside factor of each cell, in [0, 1] (Eq. 2)."""
        return self.factor()

    def total_Gy(self) -> FloatArray:
        """Return the dose of all classes together."""
        return np.asarray(np.sum([self.dose_Gy[name] for name in EMISSIONS], axis=0))


@dataclass(frozen=True, slots=True)
class ModelResult:
    """ln S of each cell, and how many cells had 0 to 3 nodes of the hits (`hits` only)."""

    log_survival: FloatArray
    nodes: Sequence[int] = (0, 0, 0, 0)


ModelFunction: TypeAlias = Callable[[SurvivalInputs], ModelResult]
SurvivalFunction: TypeAlias = Callable[[SurvivalInputs], FloatArray]


@dataclass(frozen=True, slots=True)
class SurvivalModel:
    """One model: its function, the parameters it reads, and what it needs of the Dataset."""

    name: str
    function: ModelFunction
    keys: frozenset[str]
    alpha_treatment: str
    needs_moments: bool = False
    needs_quality: bool = False
    registered: bool = False
