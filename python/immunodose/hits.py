# SPDX-License-Identifier: BSD-3-Clause
"""Alpha hits of one nucleus: how many, how large, and how they cluster by decay."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from immunodose import _core
from immunodose.cells.checks import require_scalar_radii
from immunodose.data.chains import ChainStructure, chain_structure
from immunodose.data.nuclides import emissions, nuclide_label
from immunodose.errors import GeometryError, InputError, did_you_mean
from immunodose.physics import require_density
from immunodose.provenance import base_attrs
from immunodose.rng import RngLike, random_root
from immunodose.schema import build
from immunodose.threads import resolve_threads
from immunodose.typing import SOURCES, FloatArray, FloatLike, IntArray

if TYPE_CHECKING:
    import xarray as xr

# Columns of the core's hit channels: traversals, P(hit), E[z^k] k = 1..5, sum of single z^2.
_TRAVERSALS, _HIT, _DOSE, _SQUARE, _SINGLE_SQUARE = 0, 1, 2, 3, 7
# Scores of a history: traversals, whether it hits, z, sum of single z^2, z^2.
_N, _HITS, _Z, _SQUARES, _SQUARED_SUM = 0, 1, 2, 3, 4

HitMethod: TypeAlias = Literal["quadrature", "monte_carlo"]
HIT_METHODS: tuple[HitMethod, ...] = ("quadrature", "monte_carlo")
_DEFAULT_HISTORIES = 100_000


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
    nucleus_offset_um: float = 0.0,
    source: str | Sequence[str] = SOURCES,
    retention: Mapping[str, float] | None = None,
    chain: bool = True,
    method: HitMethod = "quadrature",
    n_histories: int | None = None,
    straggling: bool = False,
    rng: RngLike = None,
    n_threads: int | None = None,
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
    nucleus_offset_um
        Distance between the centers of nucleus and cell, um; the nucleus must stay inside.
    source
        One or several of nucleus, cytoplasm, membrane (a surface at the cell radius).
    retention
        Progeny -> fraction in [0, 1] that stays at the site of the parent.
    chain
        Whether progeny are included.
    method
        "quadrature", or "monte_carlo": decays followed one by one through their chain.
    n_histories
        Decays per source for "monte_carlo", >= 1; None takes 100,000.
    straggling
        Whether losses and ranges fluctuate ("monte_carlo" only).
    rng
        Seed of "monte_carlo": int, SeedSequence, Generator or None; its root is in the attrs.
    n_threads
        Threads of "monte_carlo"; the same bits for any number. None takes all CPUs.
    specific_energy_Gy
        Bin edges of the density, ascending, in Gy; None takes bins of 1 % of the largest single
        hit up to the largest sum of a chain (20 % beyond it with `straggling`).
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
        ``specific_energy_density`` (source, per, specific_energy) [Gy-1]. With "monte_carlo" each
        has a partner ``..._stderr``.

    Raises
    ------
    InputError
        For a nuclide without alphas, an unknown source, edges that do not ascend, n_histories
        below 1, or histories of which none hits.
    GeometryError
        For a nucleus that leaves its cell.

    Notes
    -----
    Straight CSDA tracks; the alphas of one decay and its retained progeny start from one place
    in independent directions. Eqs. 12-16c of docs/theory/hits.md.

    Examples
    --------
    >>> hits = hit_statistics("At-211", cell_radius_um=7.0, nucleus_radius_um=5.0,
    ...                       source="membrane")
    >>> hits["hits_per_decay"].values.round(3)
    array([0.15])
    """
    require_scalar_radii(cell_radius_um, nucleus_radius_um, allow_unusual=allow_unusual)
    density = require_density(density_g_per_cm3, allow_unusual=allow_unusual)
    offset = _offset(nucleus_offset_um, cell_radius_um, nucleus_radius_um)
    sources = _sources(source)
    histories = _histories(method, n_histories, straggling, rng, n_threads)
    chain_of = alpha_chain(nuclide, chain=chain, retention=retention)
    if chain_of is None:
        raise InputError(
            f"{nuclide_label(nuclide)} emits no alpha particles, so it has no alpha hits."
        )
    cell = _HitCell(chain_of, float(cell_radius_um), float(nucleus_radius_um), offset, density)
    edges = _edges(specific_energy_Gy, cell, margin=1.2 if straggling else 1.0)
    columns = [
        cell.quadrature(name, edges)
        if histories is None
        else cell.monte_carlo(name, edges, histories)
        for name in sources
    ]
    tracks = "straggling" if straggling else "no straggling"
    drawn = {} if histories is None else {"n_histories": histories.count, "rng": histories.root}
    return build(
        {
            name: (_DIMS[name.removesuffix("_stderr")], np.stack([c[name] for c in columns]))
            for name in columns[0]
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
            nucleus_offset_um=offset,
            density_g_per_cm3=density,
            method=method,
            model=f"straight CSDA alpha tracks, ICRU 90 stopping power, {tracks}",
            **drawn,
        ),
    )


_DIMS: dict[str, tuple[str, ...]] = {
    "hits_per_decay": ("source",),
    "hit_probability_per_decay": ("source",),
    "frequency_mean_specific_energy": ("source", "per"),
    "dose_mean_specific_energy": ("source", "per"),
    "specific_energy_density": ("source", "per", "specific_energy"),
}


@dataclass(frozen=True, slots=True)
class _Histories:
    count: int
    straggling: bool
    root: int
    n_threads: int


@dataclass(frozen=True, slots=True)
class _HitCell:
    chain: _core.transport.AlphaChain
    cell_radius_um: float
    nucleus_radius_um: float
    nucleus_offset_um: float
    density_g_per_cm3: float

    def largest_Gy(self) -> tuple[float, float]:
        """Largest specific energy of a traversal and of a decay."""
        single, decay = _core.transport.largest_specific_energy(
            chain=self.chain,
            nucleus_radius_um=self.nucleus_radius_um,
            density_g_per_cm3=self.density_g_per_cm3,
        )
        return single, decay

    def _place(self, source: str) -> tuple[tuple[float, float], float, float]:
        """Radii of the source, distance of its center from the nucleus, radius of its hole."""
        cell, nucleus = self.cell_radius_um, self.nucleus_radius_um
        return {
            "nucleus": ((0.0, nucleus), 0.0, 0.0),
            "cytoplasm": ((0.0, cell), self.nucleus_offset_um, nucleus),
            "membrane": ((cell, cell), self.nucleus_offset_um, 0.0),
        }[source]

    def quadrature(self, source: str, edge_Gy: FloatArray) -> dict[str, FloatArray]:
        """Results of one source by quadrature."""
        region, distance, hole = self._place(source)
        channels = _core.transport.hit_channels(
            chain=self.chain,
            nucleus_radius_um=self.nucleus_radius_um,
            source_um=region,
            distance_um=np.array([distance]),
            density_g_per_cm3=self.density_g_per_cm3,
            hole_um=hole,
        )[0]
        histograms = [
            function(
                chain=self.chain,
                nucleus_radius_um=self.nucleus_radius_um,
                source_um=region,
                density_g_per_cm3=self.density_g_per_cm3,
                edge_Gy=edge_Gy,
                distance_um=distance,
                hole_um=hole,
            )
            for function in (
                _core.transport.single_traversal_histogram,
                _core.transport.decay_histogram,
            )
        ]
        events = channels[[_TRAVERSALS, _HIT]]
        dose = channels[_DOSE]
        return {
            "hits_per_decay": channels[_TRAVERSALS],
            "hit_probability_per_decay": channels[_HIT],
            "frequency_mean_specific_energy": dose / events,
            "dose_mean_specific_energy": channels[[_SINGLE_SQUARE, _SQUARE]] / dose,
            "specific_energy_density": np.stack(histograms) / events[:, None] / np.diff(edge_Gy),
        }

    def monte_carlo(
        self, source: str, edge_Gy: FloatArray, histories: _Histories
    ) -> dict[str, FloatArray]:
        """Results of one source by histories, with standard errors."""
        region, distance, hole = self._place(source)
        sums, products, counts = _core.transport.hit_histories(
            chain=self.chain,
            nucleus_radius_um=self.nucleus_radius_um,
            source_um=region,
            distance_um=distance,
            hole_um=hole,
            density_g_per_cm3=self.density_g_per_cm3,
            edge_Gy=edge_Gy,
            root=histories.root,
            # Numbers of their own for each source, whichever are asked for.
            first_history=SOURCES.index(source) << 48,
            n_histories=histories.count,
            straggling=histories.straggling,
            n_threads=histories.n_threads,
        )
        if sums[_N] == 0.0:
            raise InputError(
                f"none of n_histories={histories.count} decays in the {source} hits the nucleus, "
                "so there is no mean of hits. Give more histories, or method='quadrature'."
            )
        return _sampled(sums, products, counts, np.diff(edge_Gy), histories.count)


def _sampled(
    sums: FloatArray, products: FloatArray, counts: IntArray, width_Gy: FloatArray, n: int
) -> dict[str, FloatArray]:
    """Means and standard errors of scores per history (Eq. 16b, docs/theory/hits.md)."""

    def ratio(top: int, bottom: int) -> tuple[float, float]:
        # Error of a ratio of sums, to first order in the errors.
        value = sums[top] / sums[bottom]
        spread = (
            products[top, top]
            - 2.0 * value * products[top, bottom]
            + value**2 * products[bottom, bottom]
        )
        return value, np.sqrt(max(0.0, spread)) / sums[bottom]

    frequency = np.array([ratio(_Z, _N), ratio(_Z, _HITS)])
    dose = np.array([ratio(_SQUARES, _Z), ratio(_SQUARED_SUM, _Z)])
    mean = sums[[_N, _HITS]] / n
    variance = np.maximum(0.0, products[[_N, _HITS], [_N, _HITS]] / n - mean**2)
    error = np.sqrt(variance / n)
    traversals, squared, times_n, decays = counts.astype(np.float64)
    share = np.stack([traversals / sums[_N], decays / sums[_HITS]])
    spread = np.stack(
        [
            squared - 2.0 * share[0] * times_n + share[0] ** 2 * products[_N, _N],
            decays * (1.0 - share[1]),
        ]
    )
    share_error = np.sqrt(np.maximum(0.0, spread)) / sums[[_N, _HITS]][:, None]
    return {
        "hits_per_decay": mean[0],
        "hit_probability_per_decay": mean[1],
        "frequency_mean_specific_energy": frequency[:, 0],
        "dose_mean_specific_energy": dose[:, 0],
        "specific_energy_density": share / width_Gy,
        "hits_per_decay_stderr": error[0],
        "hit_probability_per_decay_stderr": error[1],
        "frequency_mean_specific_energy_stderr": frequency[:, 1],
        "dose_mean_specific_energy_stderr": dose[:, 1],
        "specific_energy_density_stderr": share_error / width_Gy,
    }


def _histories(
    method: str, n_histories: int | None, straggling: bool, rng: RngLike, n_threads: int | None
) -> _Histories | None:
    if method not in HIT_METHODS:
        raise InputError(
            f"unknown method={method!r} (available: {', '.join(HIT_METHODS)})."
            f"{did_you_mean(method, HIT_METHODS)}"
        )
    threads = resolve_threads(n_threads)
    if method == "quadrature":
        given = {"n_histories": n_histories, "rng": rng, "straggling": straggling or None}
        idle = [name for name, value in given.items() if value is not None]
        if idle:
            raise InputError(
                f"{', '.join(idle)} has no effect with method='quadrature'. "
                "Leave it out, or give method='monte_carlo'."
            )
        return None
    count = _DEFAULT_HISTORIES if n_histories is None else n_histories
    whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
    if not (whole and 1 <= count < 1 << 48):
        raise InputError(f"invalid n_histories={count!r} (allowed: an int >= 1, below 2**48).")
    return _Histories(int(count), bool(straggling), random_root(rng), threads)


def _offset(nucleus_offset_um: float, cell_radius_um: float, nucleus_radius_um: float) -> float:
    number = isinstance(nucleus_offset_um, (int, float, np.integer, np.floating))
    if not (number and np.isfinite(nucleus_offset_um) and nucleus_offset_um >= 0.0):
        raise InputError(
            f"invalid nucleus_offset_um={nucleus_offset_um!r} (allowed: finite, >= 0 um)."
        )
    room = float(cell_radius_um) - float(nucleus_radius_um)
    if nucleus_offset_um > room * (1.0 + 1e-12):
        raise GeometryError(
            f"nucleus_offset_um={nucleus_offset_um:g} moves the nucleus (radius "
            f"{nucleus_radius_um:g} um) out of its cell (radius {cell_radius_um:g} um). "
            f"Give at most {room:g} um."
        )
    return float(nucleus_offset_um)


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


def _edges(specific_energy_Gy: FloatLike | None, cell: _HitCell, *, margin: float) -> FloatArray:
    if specific_energy_Gy is None:
        single, decay = cell.largest_Gy()
        n_bins = int(np.ceil(100.0 * margin * decay / single - 1e-9))
        automatic: FloatArray = np.linspace(0.0, 0.01 * n_bins * single, n_bins + 1)
        return automatic
    edges = np.asarray(specific_energy_Gy, dtype=np.float64)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.isfinite(edges)):
        raise InputError("specific_energy_Gy must hold at least two finite edges in Gy.")
    if edges[0] < 0.0 or np.any(np.diff(edges) <= 0.0):
        raise InputError("specific_energy_Gy must start at >= 0 Gy and ascend strictly.")
    return edges
