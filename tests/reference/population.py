# SPDX-License-Identifier: BSD-3-Clause
"""Dose and hits of a population as a direct double sum over cells; Eqs. 17-18, transport.md."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

import immunodose as imd
from immunodose import _core
from immunodose.hits import alpha_chain
from immunodose.source import nuclide_name, stored_emissions
from immunodose.typing import EMISSIONS, SOURCES, TARGETS
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

Array = npt.NDArray[np.float64]


def _shapes(cells: xr.Dataset) -> list[tuple[float, float]]:
    radii = zip(cells["cell_radius"].values, cells["nucleus_radius"].values, strict=True)
    return [(float(a), float(b)) for a, b in radii]


def _distances(cells: xr.Dataset) -> Array:
    points = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    distance = np.sqrt(((points[:, np.newaxis] - points) ** 2).sum(axis=-1))
    return np.asarray(distance)


def _by_shape(shapes: list[tuple[float, float]]) -> dict[tuple[float, float], Array]:
    return {
        shape: np.array([i for i, own in enumerate(shapes) if own == shape])
        for shape in sorted(set(shapes))
    }


def _agent(cells: xr.Dataset, row: int) -> tuple[str | xr.Dataset, dict[str, float] | None]:
    label = str(cells["nuclide"].values[row])
    nuclide = stored_emissions(cells).get(label, nuclide_name(label))
    if "retention" not in cells:
        return nuclide, None
    kept = cells["retention"].values[row]
    pairs = dict(zip(cells["progeny"].values.tolist(), kept.tolist(), strict=True))
    return nuclide, {name: value for name, value in pairs.items() if value != 1.0} or None


def _activity(cells: xr.Dataset, row: int) -> tuple[Array, Array]:
    """Decays (cell, source + whole cell) of the cells, and to be taken off the medium."""
    shapes = _shapes(cells)
    own = np.zeros((len(shapes), len(TARGETS)))
    table = cells["time_integrated_activity"].transpose("nuclide", "cell", "source")
    own[:, : len(SOURCES)] = table.sel(source=list(SOURCES)).values[row]
    medium = float(cells["medium_time_integrated_activity_concentration"].values[row])
    volume = np.array([4.0 / 3.0 * np.pi * radius**3 for radius, _ in shapes])
    background = np.zeros_like(own)
    background[:, TARGETS.index("cell")] = medium * volume
    return own, background


def dose(cells: xr.Dataset, row: int, *, density_g_per_cm3: float = 1.0) -> Array:
    """Absorbed dose (cell, target, emission, origin) in Gy of one agent, `mird` physics."""
    nuclide, retention = _agent(cells, row)
    own, background = _activity(cells, row)
    distance = _distances(cells)
    groups = _by_shape(_shapes(cells))
    total = np.zeros((len(own), len(TARGETS), len(EMISSIONS), 2))
    for shape, targets in groups.items():
        for source_shape, sources in groups.items():
            for i in targets:
                others = sources[sources != i]
                kinds = [(others, distance[i, others], 1, own[others] - background[others])]
                if i in sources:
                    kinds.append((np.array([i]), np.zeros(1), 0, own[[i]]))
                    kinds.append((np.array([i]), np.zeros(1), 1, -background[[i]]))
                for cells_from, apart, origin, decays in kinds:
                    if not cells_from.size:
                        continue
                    given = {} if apart[0] == 0.0 else _source_radii(source_shape)
                    s = imd.s_values(
                        nuclide,
                        cell_radius_um=shape[0],
                        nucleus_radius_um=shape[1],
                        distance_um=apart,
                        retention=retention,
                        physics="mird",
                        density_g_per_cm3=density_g_per_cm3,
                        allow_unusual=True,
                        **given,
                    )["s_value"].transpose("target", "emission", "distance", "source")
                    total[i, ..., origin] += np.einsum("teds,ds->te", s.values, decays)
    medium = float(cells["medium_time_integrated_activity_concentration"].values[row])
    return total + _everywhere(nuclide, retention, density_g_per_cm3)[:, np.newaxis] * [0.0, medium]


def _source_radii(shape: tuple[float, float]) -> dict[str, float]:
    return {"source_cell_radius_um": shape[0], "source_nucleus_radius_um": shape[1]}


def _everywhere(
    nuclide: str | xr.Dataset, retention: dict[str, float] | None, density_g_per_cm3: float
) -> Array:
    """Dose per unit concentration of activity in all space: emitted energy over density."""
    s = imd.s_values(
        nuclide, cell_radius_um=5.0, nucleus_radius_um=3.0, retention=retention, physics="mird"
    )
    scored = s["energy_per_decay"].values - s["energy_not_scored"].values
    return np.asarray(scored * GRAY_NG_PER_KEV / (density_g_per_cm3 * NG_PER_UM3))


def hits(cells: xr.Dataset, row: int, *, density_g_per_cm3: float = 1.0) -> Array:
    """Traversals and moments 0..5 (cell, 7) of one agent without activity in the medium."""
    nuclide, retention = _agent(cells, row)
    chain = alpha_chain(nuclide, retention=retention)
    own, _ = _activity(cells, row)
    distance = _distances(cells)
    groups = _by_shape(_shapes(cells))
    total = np.zeros((len(own), 7))
    if chain is None:
        return total
    for (_, nucleus_um), targets in groups.items():
        for (cell_um, source_nucleus_um), sources in groups.items():
            regions = ((0.0, source_nucleus_um), (source_nucleus_um, cell_um), (cell_um, cell_um))
            for s, region in enumerate(regions):
                decays = own[sources, s]
                if not decays.any():
                    continue
                per_decay = _core.transport.hit_channels(
                    chain=chain,
                    nucleus_radius_um=nucleus_um,
                    source_um=region,
                    distance_um=distance[np.ix_(targets, sources)].ravel(),
                    density_g_per_cm3=density_g_per_cm3,
                )[:, :7].reshape(targets.size, sources.size, 7)
                total[targets] += np.einsum("ijc,j->ic", per_decay, decays)
    return total
