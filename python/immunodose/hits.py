# SPDX-License-Identifier: BSD-3-Clause
"""Alpha hits of one nucleus: how many, how large, and how they cluster by decay."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from immunodose import _core
from immunodose.cells.checks import require_scalar_radii
from immunodose.data.chains import ChainStructure, chain_structure
from immunodose.data.nuclides import emissions, nuclide_label
from immunodose.errors import InputError, did_you_mean
from immunodose.physics import require_density
from immunodose.provenance import base_attrs
from immunodose.schema import build
from immunodose.typing import SOURCES, FloatArray, FloatLike

if TYPE_CHECKING:
    import xarray as xr

# Columns of the core's hit channels: traversals, P(hit), E[z^k] k = 1..5, sum of single z^2.
_TRAVERSALS, _HIT, _DOSE, _SQUARE, _SINGLE_SQUARE = 0, 1, 2, 3, 7


def core_chain(structure: ChainStructure) -> _core.transport.AlphaChain:
    """Return the core's alpha chain of a decay chain."""
    active = structure.daughter_index >= 0  # stable ends emit nothing
    member = np.concatenate(
        [np.full(lines.size, n) for n, lines in enumerate(structure.alpha_energy_keV)]
    )
    return _core.transport.AlphaChain(
        decays_per_parent_decay=structure.decays_per_parent_decay,
        edge_parent=structure.parent_index[active].astype(np.int64),
        edge_daughter=structure.daughter_index[active].astype(np.int64),
        edge_fraction=structure.branching[active],
        edge_is_alpha=structure.is_alpha[active].astype(np.int64),
        line_member=member.astype(np.int64),
        line_energy_keV=np.concatenate(structure.alpha_energy_keV),
        line_yield=np.concatenate(structure.alpha_yield),
    )


def spectrum_chain(table: xr.Dataset) -> _core.transport.AlphaChain | None:
    """Return a chain of one member from a user's own spectrum, None without alphas.

    All alphas of a decay then come from one step: a yield above 1 cannot be told apart from a
    cluster, so it is refused.
    """
    alpha = table["emission"].values.astype(str) == "alpha"
    energy = table["energy"].values[alpha].astype(np.float64)
    yields = table["yield_per_decay"].values[alpha].astype(np.float64)
    if not np.any(yields > 0.0):
        return None
    total = float(yields.sum())
    if total > 1.0 + 1e-6:
        raise InputError(
            f"the spectrum has {total:g} alphas per decay, but says not which follow each other. "
            "Hits of a cluster need the chain: give a nuclide by name, or one agent per member."
        )
    empty = np.empty(0, dtype=np.int64)
    return _core.transport.AlphaChain(
        decays_per_parent_decay=np.ones(1),
        edge_parent=empty,
        edge_daughter=empty,
        edge_fraction=np.empty(0),
        edge_is_alpha=empty,
        line_member=np.zeros(energy.size, dtype=np.int64),
        line_energy_keV=energy,
        line_yield=yields,
    )


@functools.lru_cache(maxsize=64)
def _named_chain(
    nuclide: str,
    chain: bool,
    chain_horizon_d: float | None,
    retention: tuple[tuple[str, float], ...] | None,
) -> _core.transport.AlphaChain | None:
    structure = chain_structure(
        nuclide,
        chain=chain,
        chain_horizon_d=chain_horizon_d,
        retention=None if retention is None else dict(retention),
    )
    if sum(float(lines.sum()) for lines in structure.alpha_yield) <= 0.0:
        return None
    return core_chain(structure)


def alpha_chain(
    nuclide: str | xr.Dataset,
    *,
    chain: bool = True,
    chain_horizon_d: float | None = None,
    retention: Mapping[str, float] | None = None,
) -> _core.transport.AlphaChain | None:
    """Return the alpha chain of a nuclide or spectrum, None if it emits no alpha."""
    if not isinstance(nuclide, str):
        table = emissions(
            nuclide, chain=chain, chain_horizon_d=chain_horizon_d, retention=retention
        )
        return spectrum_chain(table)
    kept = None if retention is None else tuple(sorted(retention.items()))
    return _named_chain(nuclide, chain, chain_horizon_d, kept)


def hit_statistics(
    nuclide: str | xr.Dataset,
    *,
    cell_radius_um: float,
    nucleus_radius_um: float,
    source: str | Sequence[str] = SOURCES,
    retention: Mapping[str, float] | None = None,
    chain: bool = True,
    specific_energy_Gy: FloatLike | None = None,
    density_g_per_cm3: float = 1.0,
    allow_unusual: bool = False,
) -> xr.Dataset:
    """Return the alpha hits of a cell's own nucleus per decay in its compartments.

    Parameters
    ----------
    nuclide
        Name of an alpha emitter (with its chain) or an emissions Dataset.
    cell_radius_um, nucleus_radius_um
        Radii of the cell, 0.5 to 100 um (`allow_unusual` for others).
    source
        One or several of nucleus, cytoplasm, membrane (a surface at the cell radius).
    retention
        Progeny -> fraction in [0, 1] that stays at the site of the parent.
    chain
        Whether progeny are included.
    specific_energy_Gy
        Bin edges of the density, ascending, in Gy; None takes 200 bins up to the largest value.
    density_g_per_cm3
        Density of the water, 0.2 to 3 (`allow_unusual` for others > 0).
    allow_unusual
        Whether radii outside 0.5 to 100 um, or such a density, pass.

    Returns
    -------
    Dataset
        ``hits_per_decay`` (source) [1]; ``hit_probability_per_decay`` (source) [1], at least one
        hit, chain included; ``frequency_mean_specific_energy``, ``dose_mean_specific_energy``
        (source, per) [Gy], per "traversal" and per "decay" that hits;
        ``specific_energy_density`` (source, specific_energy) [Gy-1] of a single traversal.

    Raises
    ------
    InputError
        For a nuclide without alphas, an unknown source, or edges that do not ascend.

    Notes
    -----
    Straight CSDA tracks without straggling; the alphas of one decay and its retained progeny
    start from one place in independent directions. Eqs. 12-16 of docs/theory/hits.md.

    Examples
    --------
    >>> hits = hit_statistics("At-211", cell_radius_um=7.0, nucleus_radius_um=5.0,
    ...                       source="membrane")
    >>> hits["hits_per_decay"].values.round(3)
    array([0.15])
    """
    require_scalar_radii(cell_radius_um, nucleus_radius_um, allow_unusual=allow_unusual)
    density = require_density(density_g_per_cm3, allow_unusual=allow_unusual)
    sources = _sources(source)
    chain_of = alpha_chain(nuclide, chain=chain, retention=retention)
    if chain_of is None:
        raise InputError(f"{nuclide!r} emits no alpha particles, so it has no alpha hits.")
    cell = _HitCell(chain_of, cell_radius_um, nucleus_radius_um, density)
    channels = np.array([cell.channels(name) for name in sources])
    edges = _edges(specific_energy_Gy, channels)
    density_of_z = np.array([cell.histogram(name, edges) for name in sources])
    density_of_z /= channels[:, [_TRAVERSALS]] * np.diff(edges)
    dose = channels[:, _DOSE]
    return build(
        {
            "hits_per_decay": (("source",), channels[:, _TRAVERSALS]),
            "hit_probability_per_decay": (("source",), channels[:, _HIT]),
            "frequency_mean_specific_energy": (
                ("source", "per"),
                np.stack([dose / channels[:, _TRAVERSALS], dose / channels[:, _HIT]], axis=1),
            ),
            "dose_mean_specific_energy": (
                ("source", "per"),
                np.stack([channels[:, _SINGLE_SQUARE] / dose, channels[:, _SQUARE] / dose], axis=1),
            ),
            "specific_energy_density": (("source", "specific_energy"), density_of_z),
        },
        coords={
            "source": list(sources),
            "per": ["traversal", "decay"],
            "specific_energy": 0.5 * (edges[1:] + edges[:-1]),
        },
        attrs=base_attrs(
            nuclide=nuclide_label(nuclide),
            cell_radius_um=float(cell_radius_um),
            nucleus_radius_um=float(nucleus_radius_um),
            density_g_per_cm3=density,
            model="straight CSDA alpha tracks, ICRU 90 stopping power, no straggling",
        ),
    )


@dataclass(frozen=True, slots=True)
class _HitCell:
    chain: _core.transport.AlphaChain
    cell_radius_um: float
    nucleus_radius_um: float
    density_g_per_cm3: float

    def _region(self, source: str) -> tuple[float, float]:
        return {
            "nucleus": (0.0, self.nucleus_radius_um),
            "cytoplasm": (self.nucleus_radius_um, self.cell_radius_um),
            "membrane": (self.cell_radius_um, self.cell_radius_um),
        }[source]

    def channels(self, source: str) -> FloatArray:
        """Hit channels per decay in a compartment of the own cell."""
        rows = _core.transport.hit_channels(
            chain=self.chain,
            nucleus_radius_um=self.nucleus_radius_um,
            source_um=self._region(source),
            distance_um=np.zeros(1),
            density_g_per_cm3=self.density_g_per_cm3,
        )
        first: FloatArray = rows[0]
        return first

    def histogram(self, source: str, edge_Gy: FloatArray) -> FloatArray:
        """Traversals per decay in bins of the specific energy."""
        return _core.transport.single_traversal_histogram(
            chain=self.chain,
            nucleus_radius_um=self.nucleus_radius_um,
            source_um=self._region(source),
            density_g_per_cm3=self.density_g_per_cm3,
            edge_Gy=edge_Gy,
        )


def _sources(source: str | Sequence[str]) -> tuple[str, ...]:
    names = (source,) if isinstance(source, str) else tuple(source)
    for name in names:
        if name not in SOURCES:
            raise InputError(
                f"unknown source {name!r} (allowed: {', '.join(SOURCES)})."
                f"{did_you_mean(name, SOURCES)}"
            )
    if not names:
        raise InputError(f"source names no compartment (allowed: {', '.join(SOURCES)}).")
    return names


def _edges(specific_energy_Gy: FloatLike | None, channels: FloatArray) -> FloatArray:
    if specific_energy_Gy is None:
        # No single traversal imparts more than the stopped track; 4 dose means hold all of it.
        largest = 4.0 * float(np.max(channels[:, _SINGLE_SQUARE] / channels[:, _DOSE]))
        return np.linspace(0.0, largest, 201)
    edges = np.asarray(specific_energy_Gy, dtype=np.float64)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.isfinite(edges)):
        raise InputError("specific_energy_Gy must hold at least two finite edges in Gy.")
    if edges[0] < 0.0 or np.any(np.diff(edges) <= 0.0):
        raise InputError("specific_energy_Gy must start at >= 0 Gy and ascend strictly.")
    return edges
