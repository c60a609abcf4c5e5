# SPDX-License-Identifier: BSD-3-Clause
"""Per-cell arrays of the signaling model: amounts, fixed properties, state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.errors import InputError
from immunodose.immune_baseline import cell_property, mhc1_baseline
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_signal_sets import SignalSets
from immunodose.immune_spread import Spreading
from immunodose.immune_triggers import Amounts
from immunodose.rng import RngLike, generator
from immunodose.typing import IntArray

if TYPE_CHECKING:
    import xarray as xr

Array32 = npt.NDArray[np.float32]
_NONE: Array32 = np.zeros(0, dtype=np.float32)

_FIXED = ("baseline", "inducibility", "ifn_gamma_route", "assembly")
_STATE = ("trex1", "ifn1", "vesicle", "mhc1", "pdl1", "damage_response", "pmhc")


@dataclass(slots=True)
class SignalCells:
    """Arrays of float32 over tumor cells; empty where the mechanism does not use them."""

    pools: Mapping[str, Array32]
    dose_Gy: Mapping[str, Array32]
    baseline: Array32
    inducibility: Array32
    ifn_gamma_route: Array32
    assembly: Array32
    attrs: dict[str, str] = field(default_factory=dict)
    ifn_gamma: Array32 = field(default_factory=_NONE.copy)
    driver: Array32 = field(default_factory=_NONE.copy)
    trex1: Array32 = field(default_factory=_NONE.copy)
    ifn1: Array32 = field(default_factory=_NONE.copy)
    vesicle: Array32 = field(default_factory=_NONE.copy)
    mhc1: Array32 = field(default_factory=_NONE.copy)
    pdl1: Array32 = field(default_factory=_NONE.copy)
    damage_response: Array32 = field(default_factory=_NONE.copy)
    pmhc: Array32 = field(default_factory=_NONE.copy)

    def reset(self, spread: Spreading, *, with_pdl1: bool) -> None:
        """Set the untreated state: MHC-I at its baseline, no signals."""
        n_cells = self.baseline.size

        def zeros(used: bool) -> Array32:
            return np.zeros(n_cells if used else 0, dtype=np.float32)

        self.trex1 = zeros("window" in self.pools)
        self.ifn1 = zeros("dna" in self.pools)
        self.vesicle = zeros(spread.vesicles)
        self.mhc1 = self.assembly * self.baseline
        self.pdl1 = np.ones(n_cells if with_pdl1 else 0, dtype=np.float32)
        self.damage_response, self.pmhc = zeros(True), zeros(True)
        self.ifn_gamma = self.driver = _NONE

    def take(self, rows: IntArray) -> SignalCells:
        """Return the gathered rows of every array."""

        def taken(values: Array32) -> Array32:
            return np.ascontiguousarray(values[..., rows]) if values.size else values

        arrays: Any = {name: taken(getattr(self, name)) for name in (*_FIXED, *_STATE)}
        arrays_of = {id(amount): taken(amount) for amount in self.pools.values()}  # some are shared
        return replace(
            self,
            pools={name: arrays_of[id(amount)] for name, amount in self.pools.items()},
            dose_Gy={name: taken(dose) for name, dose in self.dose_Gy.items()},
            ifn_gamma=_NONE,
            driver=_NONE,
            **arrays,
        )

    def core(self) -> _core.immune.SignalArrays:
        """Return the arrays for the kernel, which writes the state in place."""
        arrays = _core.immune.SignalArrays()
        for name in ("damage", "dna", "membrane", "window"):
            setattr(arrays, name, self.pools.get(name, _NONE))
        for name in (*_FIXED, *_STATE, "ifn_gamma", "driver"):
            setattr(arrays, name, getattr(self, name))
        return arrays


def signal_cells(
    ds: xr.Dataset,
    sets: SignalSets,
    mechanism: Mechanism,
    amounts: Amounts,
    is_tumor: npt.NDArray[np.bool_],
    rng: RngLike | Literal["required"],
) -> SignalCells:
    """Return the cells with their fixed properties; lost routes are drawn if a set says so."""
    baseline, attrs = mhc1_baseline(ds, sets, rng)
    inducibility = cell_property(ds, sets, "mhc1_inducibility", is_tumor)
    route = cell_property(ds, sets, "ifn_gamma_route", is_tumor)
    assembly = cell_property(ds, sets, "mhc1_assembly", is_tumor)
    for key, values in (
        ("silenced_fraction", inducibility),
        ("ifngr_lost_fraction", route),
        ("b2m_lost_fraction", assembly),
    ):
        lost = _lost(sets, key, is_tumor, rng, attrs)
        if lost is not None:
            values[lost] = 0.0
    route *= mechanism.activity("ifngr", "stat1")
    assembly *= mechanism.activity("b2m")
    kept = amounts.dose_Gy if mechanism.drivers() else {}
    return SignalCells(
        amounts.pools,
        kept,
        baseline=baseline[is_tumor].astype(np.float32),
        inducibility=inducibility.astype(np.float32),
        ifn_gamma_route=route.astype(np.float32),
        assembly=assembly.astype(np.float32),
        attrs=attrs,
    )


def _lost(
    sets: SignalSets,
    key: str,
    is_tumor: npt.NDArray[np.bool_],
    rng: RngLike | Literal["required"],
    attrs: dict[str, str],
) -> npt.NDArray[np.bool_] | None:
    """Draw which tumor cells have lost a route; None if no fraction is defined."""
    if not sets.defines(key):
        return None
    fraction = sets.value(key)
    if rng == "required":
        raise InputError(
            f"{key}={fraction:g} is defined and rng is not given. Give rng=... to draw which "
            "cells have lost it."
        )
    random, root = generator(rng, purpose=key)
    attrs["mhc1_rng_root"] = str(root)
    # One number per cell of the Dataset: other cells do not shift the draws.
    return np.asarray(random.random(is_tumor.size)[is_tumor] < fraction)
