# SPDX-License-Identifier: BSD-3-Clause
"""Quantities of the validation page with more than one cell, and with stored Monte Carlo runs.

Each takes the columns of a case by name and returns the value and its standard error (0 if exact).
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from validation_runs import (
    DETAILED_EMITTERS,
    DETAILED_SHAPES,
    SHAPES_UM,
    SOURCES,
    TARGETS,
    key_of,
    measured,
    runs_by_key,
    spectrum,
)

import immunodose as imd
from immunodose import _core
from immunodose.threads import resolve_threads

Value = tuple[float, float]
Floats = npt.NDArray[np.float64]

SEED = 20261128
MEMBRANE_UM = 0.01
# Pairs farther apart than this share of the electron's CSDA range are left out: what little gets
# there is too rare for a Monte Carlo of any length to say something about one per cent.
LARGEST_GAP = 0.6

CELLDOSE_ENERGY_KEV = 1436e3  # released in every cell of 7 um: 1 MeV per um3
CELLDOSE_SPACING_UM = 14.0  # cells of a cubic lattice that touch
CLUSTER_HISTORIES = 192_000
ELECTRONS = ("beta", "auger_ce")
RINGS = {"center": 0, "first neighbors": 1, "second neighbors": 2}

PHOTON_HISTORIES = 384_000  # of nuclides with hard photons: a few seconds each
STEP_HISTORIES = 128_000
ACCOUNT_HISTORIES = 6_400


@functools.cache
def _run(mode: str, shape: str, emitter: str, source: str) -> dict[str, Any]:
    return runs_by_key()[mode, shape, emitter, source]


def _stored(mode: str, shape: str, emitter: str, place: str, target: str, source: str) -> Value:
    run = _run(mode, shape, emitter, source)
    index = TARGETS.index(target)
    return run[f"{place}_Gy"][index], run[f"{place}_stderr_Gy"][index]


def _volumes(shape: str) -> Floats:
    """Volumes of nucleus, cytoplasm and membrane, up to a factor."""
    cell, nucleus = SHAPES_UM[shape]
    inside = cell - MEMBRANE_UM
    return np.array([nucleus**3, inside**3 - nucleus**3, cell**3 - inside**3])


def monte_carlo_s_value(
    mode: str, shape: str, emitter: str, place: str, target: str, source: str
) -> Value:
    """S of two regions from the stored runs, both ways together where they are independent."""
    if source == "cell":
        share = _volumes(shape) / _volumes(shape).sum()
        found = np.array([_stored(mode, shape, emitter, place, target, s) for s in SOURCES])
        return float(share @ found[:, 0]), float(np.sqrt(share**2 @ found[:, 1] ** 2))
    one, one_error = _stored(mode, shape, emitter, place, target, source)
    if target in (source, "cell"):
        return one, one_error
    # S(target <- source) = S(source <- target) in water of one density.
    other, other_error = _stored(mode, shape, emitter, place, source, target)
    weight = other_error**2 / (one_error**2 + other_error**2)
    error = one_error * other_error / np.hypot(one_error, other_error)
    return weight * one + (1.0 - weight) * other, float(error)


@functools.cache
def _kernel(shape: str, emitter: str) -> xr.Dataset:
    cell, nucleus = SHAPES_UM[shape]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the small share of energies below the tables
        return imd.s_values(
            spectrum(emitter),
            cell_radius_um=cell,
            nucleus_radius_um=nucleus,
            distance_um=[0.0, 2.0 * cell * (1.0 + 1e-9)],
        )


def kernel_over_stored(
    shape: str, emitter: str, place: str, target_region: str, source_region: str
) -> Value:
    """Kernel over condensed Monte Carlo, in a cell or from it to one that touches it."""
    return _kernel_over("condensed", shape, emitter, place, target_region, source_region)


def kernel_over_detailed(
    shape: str, emitter: str, place: str, target_region: str, source_region: str
) -> Value:
    """Kernel over detailed Monte Carlo, as above."""
    return _kernel_over("detailed", shape, emitter, place, target_region, source_region)


def _kernel_over(
    mode: str, shape: str, emitter: str, place: str, target: str, source: str
) -> Value:
    picked = _kernel(shape, emitter)["s_value"].sel(target=target, source=source)
    kernel = float(picked.isel(distance=int(place == "neighbor")).sum())
    value, error = monte_carlo_s_value(mode, shape, emitter, place, target, source)
    return kernel / value, kernel / value * error / value


@functools.cache
def _photon_emitter_run(emitter: str, source: str) -> dict[str, Any]:
    return measured(("condensed", "5/4", emitter, source), PHOTON_HISTORIES)


def kernel_over_photon_emitter(
    emitter: str, place: str, target_region: str, source_region: str
) -> Value:
    """Kernel over condensed Monte Carlo, all emissions of a nuclide in a 5/4 um cell."""
    run = _photon_emitter_run(emitter, source_region)
    index = TARGETS.index(target_region)
    value, error = run[f"{place}_Gy"][index], run[f"{place}_stderr_Gy"][index]
    picked = _kernel("5/4", emitter)["s_value"].sel(target=target_region, source=source_region)
    kernel = float(picked.isel(distance=int(place == "neighbor")).sum())
    return kernel / value, kernel / value * error / value


def condensed_over_stored(
    shape: str, emitter: str, place: str, target_region: str, source_region: str
) -> Value:
    """Condensed over detailed Monte Carlo."""
    where = shape, emitter, place, target_region, source_region
    a, a_error = monte_carlo_s_value("condensed", *where)
    b, b_error = monte_carlo_s_value("detailed", *where)
    return a / b, a / b * float(np.hypot(a_error / a, b_error / b))


def within_reach(
    shape: str, emitter: str, place: str, target_region: str, source_region: str
) -> bool:
    """Whether electrons of one energy get well into the region; nuclides have some that do."""
    if not emitter.endswith(" keV"):
        return True
    cell, nucleus = SHAPES_UM[shape]
    inner = [region == "nucleus" for region in (target_region, source_region)]
    both = {target_region, source_region}
    gap_um = (cell - nucleus) * sum(inner)
    if place == "self":
        gap_um = cell - nucleus if both == {"nucleus", "membrane"} else 0.0
    return gap_um <= LARGEST_GAP * _range_um(float(emitter.removesuffix(" keV")))


@functools.cache
def _range_um(energy_keV: float) -> float:
    physics = _core.physics.ElectronPhysics(density_g_per_cm3=1.0)
    return float(physics.csda_range_um(np.array([energy_keV]))[0])


def stored_note() -> str:
    """Say when and with how many histories the stored runs were made."""
    runs = list(runs_by_key().values())
    dates = sorted({run["date"] for run in runs})
    counts = {
        mode: sorted({run["histories"] for run in runs if run["mode"] == mode})
        for mode in ("condensed", "detailed")
    }
    said = "; ".join(
        f"{mode}: {' or '.join(f'{count:,}' for count in found)} histories for each source region"
        for mode, found in counts.items()
    )
    missing = len(DETAILED_SHAPES) * len(DETAILED_EMITTERS) * len(SOURCES) - sum(
        key_of(run)[0] == "detailed" for run in runs
    )
    return (
        f"Stored runs of {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, root of random "
        f"numbers {runs[0]['root']}; {said}"
        + (f"; {missing} detailed runs are missing" if missing else "")
        + "."
    )


@functools.cache
def _cluster() -> tuple[xr.Dataset, npt.NDArray[np.int64]]:
    """Cell, its 6 neighbors on a cubic lattice and the 12 next ones; the ring of each."""
    steps = np.array([p for p in itertools.product((-1, 0, 1), repeat=3) if np.abs(p).sum() <= 2])
    places = CELLDOSE_SPACING_UM * (1.0 + 1e-9) * steps
    cells = imd.cells.from_arrays(
        x_um=places[:, 0], y_um=places[:, 1], z_um=places[:, 2],
        cell_radius_um=7.0, nucleus_radius_um=5.0,
    )  # fmt: skip
    return cells, np.abs(steps).sum(axis=1)


@functools.cache
def _cluster_dose(nuclide: str, source: str, method: str) -> tuple[Floats, Floats]:
    """Dose of electrons to each nucleus by origin, and its standard error, Gy."""
    lines = imd.emissions(nuclide)
    own = np.isin(lines["emission"].values.astype(str), ELECTRONS)
    per_decay_keV = float((lines["energy"] * lines["yield_per_decay"]).values[own].sum())
    labeled = imd.label(
        _cluster()[0],
        nuclide,
        decays_per_cell=CELLDOSE_ENERGY_KEV / per_decay_keV,
        localization={source: 1.0},
    )
    options: dict[str, Any] = {"split": ("emission", "origin"), "merge": False}
    if method == "monte_carlo":
        options.update(n_histories=CLUSTER_HISTORIES, rng=SEED, emissions=ELECTRONS)
    found = imd.absorbed_dose(labeled, method=method, **options)
    dose = found["absorbed_dose"].sel(emission=list(ELECTRONS)).sum("emission").values
    if method == "kernel":
        return dose, np.zeros_like(dose)
    error = found["absorbed_dose_stderr"].sel(emission=list(ELECTRONS)) ** 2
    return dose, np.sqrt(error.sum("emission").values)


def cluster_nucleus_dose(nuclide: str, source_region: str, place: str, method: str) -> Value:
    """Mean dose to the nuclei of a ring, every cell releasing 1436 MeV of electrons, Gy."""
    dose, error = _cluster_dose(nuclide, source_region, method)
    ring = _cluster()[1] == RINGS[place]
    count = int(ring.sum())
    return float(dose[ring].sum()) / count, float(np.sqrt((error[ring] ** 2).sum())) / count


def cluster_self_share(nuclide: str, source_region: str, place: str) -> Value:
    """Share of the dose to the nuclei of a ring that comes from their own cell, percent."""
    dose, _ = _cluster_dose(nuclide, source_region, "kernel")
    ring = _cluster()[1] == RINGS[place]
    return 100.0 * float(dose[ring, 0].sum() / dose[ring].sum()), 0.0


def single_nucleus_dose(nuclide: str, source_region: str) -> Value:
    """Dose to the nucleus of a lone 7/5 um cell that releases 1436 MeV of electrons, Gy."""
    s = imd.s_values(nuclide, cell_radius_um=7.0, nucleus_radius_um=5.0)
    own = s.sel(emission=list(ELECTRONS))
    picked = own["s_value"].sel(target="nucleus", source=source_region).isel(distance=0)
    return float(picked.sum()) * CELLDOSE_ENERGY_KEV / float(own["energy_per_decay"].sum()), 0.0


def population_energy_account(nuclide: str) -> Value:
    """Energy of all fates over the emitted energy, every emission of a chain transported."""
    labeled = imd.label(_cluster()[0], nuclide, decays_per_cell=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # energies beyond the tables: they are in the account
        found = imd.absorbed_dose(
            labeled, method="monte_carlo", n_histories=ACCOUNT_HISTORIES, rng=SEED, merge=False
        )
    account = found["energy_account"].sum("emission")
    fates = [str(fate) for fate in account["fate"].values if fate != "emitted"]
    return float(account.sel(fate=fates).sum() / account.sel(fate="emitted")), 0.0


@functools.cache
def _batches(shape: str, energy_keV: float, longest_step_um: float) -> Floats:
    """Energy (source, batch, distance, target) in a cell and one that touches it."""
    cell, nucleus = SHAPES_UM[shape]
    axes = [(cell,) * 3, (nucleus,) * 3, (0.0,) * 3]
    n_batches = 64
    keV, _ = _core.transport.cell_monte_carlo(
        source_axes_um=axes, target_axes_um=axes, membrane_um=MEMBRANE_UM,
        distance_um=np.array([0.0, 2.0 * cell]), source_regions=[0, 1, 2],
        emissions=[(0, np.array([energy_keV]), np.ones(1))],
        n_batches=n_batches, histories_per_batch=STEP_HISTORIES // n_batches, root=SEED,
        density_g_per_cm3=1.0, world_radius_um=1e5, detailed=False, cutoff_keV=0.05,
        longest_step_um=longest_step_um, straggling=True, n_threads=resolve_threads(None),
    )  # fmt: skip
    return keV[:, 0]


def long_over_short_steps(
    shape: str, energy_keV: float, place: str, target_region: str, source_region: str
) -> Value:
    """S with condensed steps of at most 5 um over that with steps of at most 1 um."""
    picked = []
    for longest_um in (5.0, 1.0):
        keV = _batches(shape, energy_keV, longest_um)[
            SOURCES.index(source_region), :, int(place == "neighbor"), SOURCES.index(target_region)
        ]
        picked.append((keV.mean(), keV.std(ddof=1) / np.sqrt(keV.size)))
    (a, a_error), (b, b_error) = picked
    return float(a / b), float(a / b * np.hypot(a_error / a, b_error / b))


QUANTITIES: dict[str, Callable[..., Value]] = {
    function.__name__: function
    for function in (
        kernel_over_stored, kernel_over_detailed, kernel_over_photon_emitter,
        condensed_over_stored, cluster_nucleus_dose,
        cluster_self_share, single_nucleus_dose, population_energy_account, long_over_short_steps,
    )
}  # fmt: skip

# Cases of a grid that count; all of them where nothing is given.
APPLIES: dict[str, Callable[..., bool]] = {
    "kernel_over_stored": within_reach,
    "kernel_over_detailed": within_reach,
    "condensed_over_stored": within_reach,
}
