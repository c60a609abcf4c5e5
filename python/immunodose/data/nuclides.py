# SPDX-License-Identifier: BSD-3-Clause
"""Emissions of a nuclide and its progeny as one labeled table."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.chains import ChainStructure, chain_structure, whole_chain_decays
from immunodose.data.decay_data import (
    DEFAULT_SOURCE,
    DecayBranch,
    HalfLifeSource,
    NuclearDataSource,
    half_life_overrides,
    radionuclide,
)
from immunodose.data.emissions_csv import emissions_from_csv
from immunodose.data.emissions_table import check_emissions_table
from immunodose.data.spectra import Lines, nuclide_lines
from immunodose.errors import InputError, ValidityWarning
from immunodose.provenance import base_attrs
from immunodose.schema import build

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ChainStructure",
    "DecayBranch",
    "NuclearDataSource",
    "chain_structure",
    "emissions",
    "emissions_from_csv",
    "nuclide_label",
]

# X and other photons below this energy have ranges of at most a few um: deposited locally.
PHOTON_LOCAL_BELOW_KEV = 1.0
# Share of the emitted energy in neutrons and fission above which a chain is refused. Chains of
# ICRP-107 lie below 0.00008 (238U, 244Cm) or above 0.0002 (242Pu, 252Cf).
REFUSED_ENERGY_SHARE = 1e-4


def emissions(
    nuclide: str | xr.Dataset,
    *,
    chain: bool = True,
    chain_horizon_d: float | None = None,
    half_life_source: HalfLifeSource = "icrp107",
    retention: Mapping[str, float] | None = None,
    source: NuclearDataSource | None = None,
) -> xr.Dataset:
    """Return all radiations of a nuclide and its progeny.

    Parameters
    ----------
    nuclide
        Name of the parent ("Ac-225", "225Ac", "Ac225"); an emissions Dataset is returned as it is
        (then no other argument may be given).
    chain
        Whether progeny are included.
    chain_horizon_d
        Time in d after which decays no longer count, > 0; None counts all progeny.
    half_life_source
        "icrp107", or "measured" for the override table (161Tb, 225Ac).
    retention
        Progeny -> fraction in [0, 1] of its new atoms that stay at the site of the parent; a lost
        atom takes its own progeny with it.
    source
        Nuclear data; None is ICRP-107 as installed.

    Returns
    -------
    Dataset
        ``energy`` (line) [keV]; ``yield_per_decay`` (line) [1], per decay of the parent;
        ``emission`` (line), alpha, recoil, beta, auger_ce or photon; ``line_nuclide`` (line);
        ``continuous`` (line) [1], 1 for a bin of a beta spectrum; ``decays_per_parent_decay``
        (member) [1]. Attributes state half-lives, branching, horizon and data source.

    Raises
    ------
    DataNotFoundError
        For an unknown nuclide.
    InputError
        For a stable nuclide, a chain with neutrons or fission, and values out of range.

    Warns
    -----
    ValidityWarning
        If `chain=False` leaves out energy of progeny.

    Notes
    -----
    Beta rows are bins of the full spectrum of both signs; neutrinos are no radiation here.
    Annihilation quanta are photons. Photons below `photon_local_below_keV` are kept and meant to
    be deposited locally. Attribute `energy_left_out_keV` is the energy per decay of neutrons and
    fission below the limit; `progeny_energy_left_out_keV` that of progeny beyond the horizon, not
    retained, or left out by `chain=False`. See docs/theory/nuclear_data.md.

    References
    ----------
    ICRP Publication 107, Ann. ICRP 38(3), 2008.

    Examples
    --------
    >>> table = emissions("Lu-177")
    >>> electrons = table.emission.isin(["beta", "auger_ce"])
    >>> float((table.energy * table.yield_per_decay).where(electrons, drop=True).sum().round(1))
    147.9
    """
    if not isinstance(nuclide, str):
        unused = chain and half_life_source == "icrp107"
        unused = unused and all(value is None for value in (chain_horizon_d, retention, source))
        return _given_emissions(nuclide, only_argument=unused)
    table = named_emissions(
        nuclide,
        chain=chain,
        chain_horizon_d=chain_horizon_d,
        half_life_source=half_life_source,
        retention=retention,
        source=source,
    )
    message = progeny_warning(table.attrs)
    if message is not None:
        warnings.warn(message, ValidityWarning, stacklevel=2)
    return table


def named_emissions(
    nuclide: str,
    *,
    chain: bool = True,
    chain_horizon_d: float | None = None,
    half_life_source: HalfLifeSource = "icrp107",
    retention: Mapping[str, float] | None = None,
    source: NuclearDataSource | None = None,
) -> xr.Dataset:
    """Return `emissions` of a name without its warning, for callers that give it themselves."""
    if not isinstance(chain, (bool, np.bool_)):
        raise InputError(f"invalid chain={chain!r} (allowed: True or False).")
    data = DEFAULT_SOURCE if source is None else source
    solved = chain_structure(
        radionuclide(nuclide, data),
        chain=chain,
        chain_horizon_d=chain_horizon_d,
        half_life_source=half_life_source,
        retention=retention,
        source=data,
    )
    lines = [nuclide_lines(name, data) for name in solved.members]
    left_out_keV = _refuse_neutrons_and_fission(solved, lines)
    attrs = _attrs(solved, data, chain=chain, half_life_source=half_life_source)
    attrs["energy_left_out_keV"] = left_out_keV
    if chain:
        attrs["progeny_energy_left_out_keV"] = _progeny_energy_left_out_keV(solved, lines)
    else:
        attrs.update(_parent_alone(solved, lines[0], half_life_source, data))
    return _dataset(solved, lines, attrs)


def _parent_alone(
    solved: ChainStructure,
    parent: Lines,
    half_life_source: HalfLifeSource,
    data: NuclearDataSource,
) -> dict[str, Any]:
    """Return the energy of all progeny of the parent, and its share of that of the chain."""
    whole = chain_structure(solved.members[0], half_life_source=half_life_source, source=data)
    of_progeny = math.fsum(
        float(n) * nuclide_lines(name, data).total_energy_keV()
        for name, n in zip(whole.members[1:], whole.decays_per_parent_decay[1:], strict=True)
    )
    total = of_progeny + float(parent.total_energy_keV())
    return {
        "progeny_energy_left_out_keV": of_progeny,
        "progeny_energy_left_out_share": of_progeny / total if total > 0.0 else 0.0,
    }


def progeny_warning(attrs: Mapping[str, Any]) -> str | None:
    """Return what `chain=False` left out, from the attributes of a table; None if nothing."""
    share = float(attrs.get("progeny_energy_left_out_share", 0.0))
    if share == 0.0:
        return None
    return (
        f"chain=False leaves out {float(attrs['progeny_energy_left_out_keV']):.4g} keV per decay "
        f"of the progeny of {attrs['nuclide']} ({share:.3g} of the energy of the whole chain). "
        "Leave chain=False out unless no progeny decays here."
    )


def nuclide_label(nuclide: str | xr.Dataset) -> str:
    """Return the label of a nuclide: "Ac-225", or attribute `nuclide` of an emissions Dataset.

    Parameters
    ----------
    nuclide
        Name in any accepted spelling, or an emissions Dataset.

    Returns
    -------
    str
        The label.

    Raises
    ------
    DataNotFoundError, InputError
        For an unknown or stable nuclide, or a Dataset without attribute `nuclide`.

    Examples
    --------
    >>> nuclide_label("177Lu")
    'Lu-177'
    """
    if isinstance(nuclide, str):
        return radionuclide(nuclide, DEFAULT_SOURCE)
    label = _require_dataset(nuclide).attrs.get("nuclide")
    if not isinstance(label, str) or not label:
        raise InputError(
            "the emissions Dataset has no attribute 'nuclide' (its label). Set "
            "dataset.attrs['nuclide'], or make it with emissions or emissions_from_csv."
        )
    return label


def _require_dataset(nuclide: xr.Dataset) -> xr.Dataset:
    if not hasattr(nuclide, "data_vars"):
        raise InputError(
            f"nuclide = {nuclide!r} is neither a name nor an emissions Dataset. Write a name like "
            "'Ac-225', or give the Dataset of emissions or emissions_from_csv."
        )
    return nuclide


def _given_emissions(table: xr.Dataset, *, only_argument: bool) -> xr.Dataset:
    _require_dataset(table)
    check_emissions_table(table)
    if not only_argument:
        raise InputError(
            "chain, chain_horizon_d, half_life_source, retention and source have no effect on an "
            "emissions Dataset (its lines are used as they are). Give them where it is made."
        )
    nuclide_label(table)
    return table


def _refuse_neutrons_and_fission(solved: ChainStructure, lines: list[Lines]) -> float:
    decays = solved.decays_per_parent_decay
    emitted = sum(n * member.total_energy_keV() for n, member in zip(decays, lines, strict=True))
    left_out = sum(n * member.energy_left_out_keV for n, member in zip(decays, lines, strict=True))
    if left_out > REFUSED_ENERGY_SHARE * emitted:
        emitters = "; ".join(
            f"{name} ({', '.join(member.left_out)})"
            for name, n, member in zip(solved.members, decays, lines, strict=True)
            if n * member.energy_left_out_keV > 0
        )
        raise InputError(
            f"the chain of {solved.members[0]} emits neutrons or fissions: {emitters} "
            f"({left_out:.4g} keV per decay beside {emitted:.4g} keV; allowed is a share of "
            f"{REFUSED_ENERGY_SHARE:g}, for immunodose does not transport them). Choose another "
            "nuclide, chain=False, or a chain_horizon_d before these progeny grow in."
        )
    return float(left_out)


def _progeny_energy_left_out_keV(solved: ChainStructure, lines: list[Lines]) -> float:
    """Return the energy of progeny that the horizon and retention leave out of the table."""
    if solved.chain_horizon_d is None and np.all(solved.retention == 1.0):
        return 0.0
    whole = whole_chain_decays(solved)
    energy = np.array([member.total_energy_keV() for member in lines])
    return float((whole - solved.decays_per_parent_decay) @ energy)


def _attrs(
    solved: ChainStructure, data: NuclearDataSource, *, chain: bool, half_life_source: str
) -> dict[str, Any]:
    members = solved.members
    branching: dict[str, dict[str, float]] = {}
    for parent, daughter, fraction in zip(
        solved.parent_index, solved.daughter_index, solved.branching, strict=True
    ):
        name = members[daughter] if daughter >= 0 else "stable"
        ways = branching.setdefault(members[parent], {})
        ways[name] = ways.get(name, 0.0) + float(fraction)
    overridden = {
        name: half_life_overrides()[name]["reference"]
        for name in members
        if half_life_source == "measured" and name in half_life_overrides()
    }
    lost = {
        name: float(kept) for name, kept in zip(members, solved.retention, strict=True) if kept < 1
    }
    return base_attrs(
        nuclide=members[0],
        half_life_s=float(solved.half_life_s[0]),
        half_lives_s=json.dumps(dict(zip(members, solved.half_life_s.tolist(), strict=True))),
        branching=json.dumps(branching),
        half_life_source=half_life_source,
        half_life_references=json.dumps(overridden) if overridden else None,
        data_source=data.name,
        chain=int(chain),
        chain_horizon_d=solved.chain_horizon_d,
        retention=json.dumps(lost) if lost else None,
        photon_local_below_keV=PHOTON_LOCAL_BELOW_KEV,
    )


def _dataset(solved: ChainStructure, lines: list[Lines], attrs: dict[str, Any]) -> xr.Dataset:
    decays = solved.decays_per_parent_decay
    yields = np.concatenate(
        [n * member.yield_per_decay for n, member in zip(decays, lines, strict=True)]
    )
    shown = yields > 0
    names = [
        name for name, member in zip(solved.members, lines, strict=True) for _ in member.emission
    ]
    columns = {
        "energy": np.concatenate([member.energy_keV for member in lines]),
        "yield_per_decay": yields,
        "emission": np.array([kind for member in lines for kind in member.emission], dtype=np.str_),
        "line_nuclide": np.array(names, dtype=np.str_),
        "continuous": np.concatenate([member.continuous for member in lines]).astype(np.int8),
    }
    if not shown.any():
        raise InputError(
            f"{solved.members[0]} emits nothing within the chain asked for. Choose another nuclide."
        )
    return build(
        {
            **{name: (("line",), values[shown]) for name, values in columns.items()},
            "decays_per_parent_decay": (("member",), solved.decays_per_parent_decay),
        },
        coords={"member": np.array(solved.members, dtype=np.str_)},
        attrs=attrs,
    )
