# SPDX-License-Identifier: BSD-3-Clause
"""The arguments of `absorbed_dose` that only method="monte_carlo" has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunodose.emission_kernels import ELECTRON_CUTOFF_KEV, require_electron_cutoff
from immunodose.errors import InputError
from immunodose.population_inputs import check_choice, check_names
from immunodose.rng import RngLike
from immunodose.typing import EMISSIONS

ELECTRON_MODES = ("condensed", "detailed")
# The order of the core's LostDaughters.
LOST_DAUGHTERS = ("leave", "cell", "medium")
DEFAULT_HISTORIES_PER_BATCH = 3200

# In the attributes of a result, what None stands for.
_ALL = "all"
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class MonteCarloOptions:
    """The arguments of `absorbed_dose` that only this method has, with their defaults."""

    realization: bool = False
    n_histories: int | None = None
    n_batches: int = 32
    electron_mode: str = "condensed"
    electron_cutoff_keV: float = ELECTRON_CUTOFF_KEV
    straggling: bool = True
    lost_daughters: str = "leave"
    emissions: Sequence[str] | None = None
    medium_margin_um: float | None = None
    hits: bool = True
    rng: RngLike = None

    def require_default(self, method: str) -> None:
        """Raise InputError if an argument is set that another method would ignore."""
        for name in self.__slots__:
            value, default = getattr(self, name), getattr(MonteCarloOptions(), name)
            if value is not default and value != default:
                raise InputError(
                    f"{name}={value!r} has no effect with method={method!r}. Leave it out, or "
                    "give method='monte_carlo'."
                )

    def check(self) -> None:
        """Raise InputError for values out of range and combinations without effect."""
        for name, allowed in (
            ("electron_mode", ELECTRON_MODES),
            ("lost_daughters", LOST_DAUGHTERS),
        ):
            value = getattr(self, name)
            check_choice(name, value, allowed)
        require_electron_cutoff(self.electron_cutoff_keV)
        for name in ("realization", "straggling", "hits"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise InputError(f"invalid {name}={getattr(self, name)!r} (allowed: True, False).")
        if self.realization and (self.n_histories is not None or self.n_batches != 32):
            raise InputError(
                "n_histories and n_batches have no effect with realization=True, which transports "
                "every decay once. Leave them out."
            )
        if not _is_count(self.n_batches) or self.n_batches < 2:
            raise InputError(f"invalid n_batches={self.n_batches!r} (allowed: an int >= 2).")
        count = self.n_histories
        if count is not None and (
            not _is_count(count) or count < self.n_batches or count % self.n_batches
        ):
            raise InputError(
                f"invalid n_histories={count!r} (allowed: a multiple of n_batches="
                f"{self.n_batches}, so that all batches are equal)."
            )
        if self.emissions is not None:
            check_names("emissions", "emission", self.emissions, EMISSIONS)

    def attrs(self) -> dict[str, Any]:
        """Return the settings as attributes of a result; the root is stated apart."""
        margin_um = self.medium_margin_um
        return {
            "realization": int(self.realization),
            "n_batches": None if self.realization else self.n_batches,
            "electron_mode": self.electron_mode,
            "electron_cutoff_keV": float(self.electron_cutoff_keV),
            "straggling": int(self.straggling),
            "lost_daughters": self.lost_daughters,
            "hits": int(self.hits),
            "emissions": _ALL if self.emissions is None else ",".join(self.emissions),
            "medium_margin_um": _DEFAULT if margin_um is None else float(margin_um),
        }

    @staticmethod
    def from_attrs(attrs: Mapping[Any, Any]) -> MonteCarloOptions:
        """Return the settings that the attributes of a realization state."""
        emissions, margin_um = attrs["emissions"], attrs["medium_margin_um"]
        return MonteCarloOptions(
            realization=True,
            electron_mode=str(attrs["electron_mode"]),
            electron_cutoff_keV=float(attrs["electron_cutoff_keV"]),
            straggling=bool(attrs["straggling"]),
            lost_daughters=str(attrs["lost_daughters"]),
            emissions=None if emissions == _ALL else tuple(filter(None, emissions.split(","))),
            medium_margin_um=None if margin_um == _DEFAULT else float(margin_um),
            rng=int(attrs["random_root"]),
        )


def _is_count(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
