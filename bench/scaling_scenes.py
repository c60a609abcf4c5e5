# SPDX-License-Identifier: BSD-3-Clause
"""Cells and exact doses of the problems of scaling.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

import immunodose as imd

PACKING_FRACTION = 0.5
CELL_RADIUS_UM = 5.0
NUCLEUS_RADIUS_UM = 4.0
# Problems of bench/README.md: nuclide, emissions (None: all), source, arrangement, split.
PROBLEMS: dict[str, tuple[str, tuple[str, ...] | None, str, str, tuple[str, ...]]] = {
    "i": ("At-211", ("alpha",), "nucleus", "sc", ()),
    "i, all emissions": ("At-211", None, "nucleus", "sc", ()),
    "i, chain": ("Ac-225", ("alpha",), "nucleus", "sc", ()),
    "ii": ("Lu-177", None, "nucleus", "sc", ()),
    "ii, colony": ("Lu-177", None, "nucleus", "plane", ()),
    "iii": ("Lu-177", None, "nucleus", "sc", ()),
    "iv": ("At-211", ("alpha",), "nucleus", "sc", ()),
    "v": ("Lu-177", ("beta",), "nucleus", "sc", ()),
    "vii, 177Lu": ("Lu-177", None, "membrane", "fcc", ()),
    "vii, 225Ac": ("Ac-225", None, "membrane", "fcc", ()),
}
# In the legend of the plot.
LABELS = {
    "i": "i: alphas of 211At",
    "i, all emissions": "211At, all emissions",
    "i, chain": "alphas of 225Ac and its chain",
    "ii": "ii: 177Lu",
    "ii, colony": "177Lu, colony on a plane",
    "iii": "iii: 177Lu, all pairs",
    "iv": "iv: a track of an alpha per cell",
    "v": "v: a track of a beta per cell",
    "vii, 177Lu": "vii: 177Lu, close packed",
    "vii, 225Ac": "vii: 225Ac, close packed",
}


def sites(n_cells: int, kind: str) -> np.ndarray:
    """Centers (cell, 3) [um]: a cube of a lattice or a random colony, both at half packing; or a
    ball of close packing.
    """
    if kind == "plane":
        colony = imd.cells.colony(
            n_cells=n_cells,
            cell_radius_um=CELL_RADIUS_UM,
            nucleus_radius_um=NUCLEUS_RADIUS_UM,
            packing_fraction=PACKING_FRACTION,
            rng=1,
        )
        return np.stack([colony[axis].values for axis in "xyz"], axis=1)
    if kind == "sc":
        n_side = round(n_cells ** (1.0 / 3.0))
        edge = CELL_RADIUS_UM * (4.0 / 3.0 * np.pi / PACKING_FRACTION) ** (1.0 / 3.0)
        return np.stack(np.unravel_index(np.arange(n_side**3), (n_side,) * 3), axis=1) * edge
    n_side = int((n_cells / 4.0) ** (1.0 / 3.0) * 1.5) + 2
    corner = np.stack(np.unravel_index(np.arange(n_side**3), (n_side,) * 3), axis=1)
    basis = 0.5 * np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    # The edge of the cube is sqrt(8) radii; a trifle more, so that rounding is no overlap.
    point = (corner[:, None] + basis).reshape(-1, 3) * (8.0**0.5 * CELL_RADIUS_UM * (1.0 + 1e-9))
    out = np.linalg.norm(point - point.mean(axis=0), axis=1)
    return point[np.argsort(out, kind="stable")[:n_cells]]


def emissions_of(nuclide: str, kept: tuple[str, ...] | None) -> str | xr.Dataset:
    """Return the nuclide, or the emissions of some of its classes."""
    if kept is None:
        return nuclide
    table = imd.emissions(nuclide)
    own = np.isin(table["emission"].values.astype(str), kept)
    return table.isel({table["energy"].dims[0]: np.flatnonzero(own)})


def scene(problem: str, n_cells: int, *, hard: bool, sources: tuple[str, ...] = ()) -> xr.Dataset:
    """Return a lattice, every cell labeled; or `hard`: jittered, 30 % labeled, mixed radii."""
    nuclide, kept, source, kind, _ = PROBLEMS[problem]
    site = sites(n_cells, kind)
    radius = np.full(len(site), CELL_RADIUS_UM)
    options: dict[str, Any] = {}
    if hard:
        rng = np.random.default_rng(1)
        radius = rng.choice([4.0, 4.5], len(site))
        site = site + rng.uniform(-0.5, 0.5, site.shape)
        options = {"labeled_fraction": 0.3, "distribution": "lognormal", "sd": 1.0, "rng": 1}
    x, y, z = site.T
    cells = imd.cells.from_arrays(
        x_um=x,
        y_um=y,
        z_um=z,
        cell_radius_um=radius,
        nucleus_radius_um=radius * (NUCLEUS_RADIUS_UM / CELL_RADIUS_UM),
    )
    places = sources or (source,)
    return imd.label(
        cells,
        emissions_of(nuclide, kept),
        decays_per_cell=1.0,
        localization={name: 1.0 / len(places) for name in places},
        **options,
    )


def exact_doses(
    cells: xr.Dataset, problem: str, sample: np.ndarray, n_distances: int
) -> np.ndarray:
    """Dose of some cells as a sum of S values over all others, nothing cut off (to 1e-5)."""
    nuclide, kept, source, _, _ = PROBLEMS[problem]
    table = emissions_of(nuclide, kept)
    at = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    radius = cells["cell_radius"].values
    activity = cells["time_integrated_activity"].sel(source=source).values[0]
    longest = float(np.linalg.norm(np.ptp(at, axis=0))) + 1.0
    doses = np.zeros(len(sample))
    for to in np.unique(radius[sample]):
        for own in np.unique(radius):
            step = np.geomspace(to + own, max(longest, to + own + 1.0), n_distances)
            radii = {
                "cell_radius_um": to,
                "nucleus_radius_um": to * NUCLEUS_RADIUS_UM / CELL_RADIUS_UM,
                "source_cell_radius_um": own,
                "source_nucleus_radius_um": own * NUCLEUS_RADIUS_UM / CELL_RADIUS_UM,
            }
            value = imd.s_values(table, distance_um=step, **radii)
            value = value.s_value.sel(target="nucleus", source=source).sum("emission").values
            for i, cell in enumerate(sample):
                if radius[cell] != to:
                    continue
                apart = np.linalg.norm(at - at[cell], axis=1)
                others = (radius == own) & (apart > 0.0)
                per_square = np.interp(apart[others], step, value * step**2, right=0.0)
                doses[i] += np.sum(activity[others] * per_square / apart[others] ** 2)
        self_radii = {name: radii[name] for name in ("cell_radius_um", "nucleus_radius_um")}
        self_dose = imd.s_values(table, **self_radii).s_value.sel(target="nucleus", source=source)
        same = radius[sample] == to
        doses[same] += activity[sample[same]] * float(self_dose.sum())
    return doses


def pairs_within(cells: xr.Dataset, reach_um: float, sample: np.ndarray) -> float:
    """Number of pairs of a labeled cell and another, within a reach, from some cells."""
    at = np.stack([cells[axis].values for axis in "xyz"], axis=1)
    labeled = cells["time_integrated_activity"].sum("source").values[0] > 0.0
    near = [
        np.count_nonzero(labeled & (((at - at[c]) ** 2).sum(axis=1) < reach_um**2)) for c in sample
    ]
    return float(np.mean(near)) * len(at)


def largest_error(sweeps: list[dict[str, Any]]) -> float | None:
    """Return the largest error that was measured; None where none was."""
    found = [one["measured_error"] for one in sweeps if one["measured_error"] is not None]
    return max(found, default=None)
