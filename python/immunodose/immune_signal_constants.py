# SPDX-License-Identifier: BSD-3-Clause
"""The numbers of the signaling model that are the same for all cells, under one mechanism."""

from __future__ import annotations

from dataclasses import dataclass, field

from immunodose import _core
from immunodose.errors import InputError
from immunodose.immune_course import PoolRates
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_signal_sets import SignalSets

# Pools that a mechanism does not use lose nothing; their tables are not read.
_UNUSED = 0.0


@dataclass(slots=True)
class SignalNumbers:
    """Response curves as (poisson, half, power), and numbers of `SignalConstants`, by name."""

    curves: dict[str, tuple[bool, float, float]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    ifn1_diffusion_um2_per_d: float = 0.0
    vesicle_diffusion_um2_per_d: float = 0.0
    vesicles: bool = False

    def core(self) -> _core.immune.SignalConstants:
        """Return the constants of the kernel."""
        constants = _core.immune.SignalConstants()
        for name, (poisson, half, power) in self.curves.items():
            setattr(constants, name, _core.immune.ResponseCurve(poisson, half, power))
        for name, number in self.numbers.items():
            setattr(constants, name, number)
        return constants


def pool_rates(mechanism: Mechanism, sets: SignalSets) -> PoolRates:
    """Return the loss rates of the pools that the mechanism uses (Eqs. 1-4)."""
    sting = mechanism.has("sting")
    window = sting and mechanism.trex1_window
    return PoolRates(
        damage=1.0 / sets.value("mhc1_memory_time"),
        membrane=(
            1.0 / sets.value("membrane_memory_time") if mechanism.has("membrane") else _UNUSED
        ),
        window=1.0 / sets.value("trex1_window_time") if window else _UNUSED,
        transfer=sets.value("dna_transfer_rate") if sting else _UNUSED,
        clearance=sets.value("dna_clearance_rate") if sting else _UNUSED,
    )


def signal_numbers(
    mechanism: Mechanism, sets: SignalSets, *, with_ifn_gamma: bool
) -> SignalNumbers:
    """Return the numbers that the mechanism needs, and read no others."""
    found = SignalNumbers()
    per_track = mechanism.weighting == "per_track"
    poisson = (True, 1.0, 1.0)

    def curve(half: str, power: str) -> tuple[bool, float, float]:
        return (False, sets.value(half), sets.value(power))

    found.curves["damage"] = (
        poisson if per_track else curve("mhc1_induction_dose", "mhc1_induction_power")
    )
    found.numbers["mhc1_turnover"] = sets.value("mhc1_turnover_rate")
    if mechanism.has("damage"):
        _damage(found, mechanism, sets)
    if mechanism.has("sting"):
        _sting(found, mechanism, sets, poisson if per_track else None)
    if mechanism.has("membrane"):
        found.curves["membrane"] = (
            poisson if per_track else curve("membrane_response_dose", "membrane_response_power")
        )
        found.numbers["membrane_gain"] = sets.value("membrane_induction_max")
    _peptides(found, sets)
    if with_ifn_gamma:
        # The interferon route of each cell carries the activity of its receptor.
        found.curves["ifn_gamma"] = curve("ifn_gamma_half", "ifn_gamma_power")
        found.numbers["mhc1_ifn_gamma_gain"] = sets.value("mhc1_ifn_gamma_max")
        found.numbers["pdl1_rate"] = sets.value("pdl1_rate")
        found.numbers["pdl1_excess"] = sets.value("pdl1_fold_max") - 1.0
    return found


def _damage(found: SignalNumbers, mechanism: Mechanism, sets: SignalSets) -> None:
    """Damage (Eq. 12) with its mTOR-driven part, and vesicles (Eq. 10)."""
    blocked = sets.value("mtor_share") * (1.0 - mechanism.activity("mtor"))
    found.numbers["damage_gain"] = sets.value("mhc1_induction_max") * (1.0 - blocked)
    gain = sets.value("vesicle_induction_max") * mechanism.activity("stat1")
    release = mechanism.activity("atm", "atr", "chk1")
    rate = sets.value("vesicle_rate") * release
    found.vesicles = gain > 0.0 and rate > 0.0
    if not found.vesicles:
        return
    found.numbers["vesicle_gain"] = gain
    found.numbers["vesicle_rate"] = rate
    found.numbers["vesicle_loss"] = sets.value("vesicle_loss_rate")
    half, power = sets.value("vesicle_response_half"), sets.value("vesicle_response_power")
    found.curves["vesicle"] = (False, half, power)
    if mechanism.spread == "field":
        found.vesicle_diffusion_um2_per_d = sets.value("vesicle_diffusion")


def _sting(
    found: SignalNumbers,
    mechanism: Mechanism,
    sets: SignalSets,
    poisson: tuple[bool, float, float] | None,
) -> None:
    """Cytosolic DNA, TREX1 and type-I interferon (Eqs. 7-9)."""
    found.curves["dna"] = poisson or (False, sets.value("ifn1_dna_half"), 1.0)
    found.numbers["ifn1_rate"] = sets.value("ifn1_rate") * mechanism.activity("cgas", "sting")
    found.numbers["ifn1_loss"] = sets.value("ifn1_loss_rate")
    found.numbers["ifn1_gain"] = sets.value("ifn1_induction_max") * mechanism.activity(
        "ifnar", "stat1"
    )
    half, power = sets.value("ifn1_response_half"), sets.value("ifn1_response_power")
    found.curves["ifn1"] = (False, half, power)
    if mechanism.spread == "field":
        found.ifn1_diffusion_um2_per_d = sets.value("ifn1_diffusion")
    if mechanism.trex1_window:
        found.curves["window"] = (False, sets.value("trex1_dose"), sets.value("trex1_power"))
        found.numbers["trex1_rate"] = sets.value("trex1_rate") * mechanism.activity("trex1")
        found.numbers["trex1_loss"] = sets.value("trex1_loss_rate")
        found.numbers["trex1_half"] = sets.value("trex1_inhibition_half")


def _peptides(found: SignalNumbers, sets: SignalSets) -> None:
    """Shares of the peptide classes (Eq. 14); together they stay within all of MHC-I."""
    own = sets.value("recognized_peptide_share")
    induced = sets.value("radiation_induced_share_max")
    if own + induced > 1.0:
        raise InputError(
            f"recognized_peptide_share={own:g} and radiation_induced_share_max={induced:g} sum to "
            "more than 1 (they are shares of one pool of MHC-I). Lower one of them."
        )
    found.numbers["recognized_share"] = own
    found.numbers["induced_share"] = induced
