# SPDX-License-Identifier: BSD-3-Clause
"""What the validation page measures: one function per quantity of tests/validation/cases.

Each takes the columns of a case by name and returns the value and its standard error (0 if exact).
"""

from __future__ import annotations

import csv
import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

import immunodose as imd
from immunodose import _core
from immunodose.kernels import shipped_table
from immunodose.physics import physics_model

Value = tuple[float, float]
Floats = npt.NDArray[np.float64]

DATA = Path(__file__).parents[1] / "tests" / "data"
SEED = 20261128
TABLE_DENSITY = 0.998  # g/cm3, of the ICRU 90 tables of water
MIRD_PAIRS = {
    "C<-C": ("cell", "cell"),
    "C<-CS": ("cell", "membrane"),
    "N<-N": ("nucleus", "nucleus"),
    "N<-Cy": ("nucleus", "cytoplasm"),
    "N<-CS": ("nucleus", "membrane"),
}
CELL_UM = {"cell_radius_um": 5.0, "nucleus_radius_um": 4.0}
# Histories that give 0.3 to 1 % for S(nucleus <- nucleus) in seconds.
CONDENSED_HISTORIES = 100_000
DETAILED_HISTORIES = {10.0: 20_000, 20.0: 40_000, 100.0: 20_000}
CHAIN_HISTORIES = 60_000
CELLDOSE_ENERGY_KEV = 1436e3  # released in one cell of 7 um: 1 MeV per um3


@functools.cache
def _electrons(density: float) -> _core.physics.ElectronPhysics:
    return _core.physics.ElectronPhysics(density_g_per_cm3=density)


def _exact(values: Floats, scale: float = 1.0) -> Value:
    return float(values[0]) * scale, 0.0


def electron_mass_stopping(energy_keV: float) -> Value:
    """Collision stopping power over density, MeV cm2/g."""
    stopping = _electrons(TABLE_DENSITY).stopping_keV_per_um(np.array([energy_keV]))
    return _exact(stopping, 10.0 / TABLE_DENSITY)


def electron_range_beyond_10_keV(energy_keV: float) -> Value:
    """Range less that of 10 keV by total (collision and radiative) stopping, um g/cm3."""
    log_energy = np.linspace(np.log(10.0), np.log(energy_keV), 2001)
    energy = np.exp(log_energy)
    collision = _electrons(TABLE_DENSITY).stopping_keV_per_um(energy) * 10.0 / TABLE_DENSITY
    total = collision + _core.physics.electron_radiative_mass_stopping(energy)
    # MeV cm2/g is 0.1 keV/um at 1 g/cm3.
    return float(np.trapezoid(energy / (0.1 * total), log_energy)), 0.0


def electron_csda_range(energy_keV: float) -> Value:
    """Range times density, um g/cm3; below 10 keV by collisions alone."""
    start = _electrons(TABLE_DENSITY).csda_range_um(np.array([10.0]))
    return _exact(start, TABLE_DENSITY)[0] + electron_range_beyond_10_keV(energy_keV)[0], 0.0


def alpha_mass_stopping(energy_keV: float) -> Value:
    """Total stopping power over density, MeV cm2/g."""
    let = _core.physics.alpha_let_keV_per_um(np.array([energy_keV]), TABLE_DENSITY)
    return _exact(let, 10.0 / TABLE_DENSITY)


def alpha_csda_range(energy_keV: float) -> Value:
    """Range times density, um g/cm3."""
    return _exact(
        _core.physics.alpha_range_um(np.array([energy_keV]), TABLE_DENSITY), TABLE_DENSITY
    )


def slow_stopping(energy_keV: float) -> Value:
    """Stopping power at unit density, keV/um."""
    return _exact(_electrons(1.0).stopping_keV_per_um(np.array([energy_keV])))


def slow_track_length(energy_keV: float) -> Value:
    """CSDA length from the energy down to 0.1 keV, nm."""
    lengths = _electrons(1.0).csda_range_um(np.array([0.1, energy_keV]))
    return float(lengths[1] - lengths[0]) * 1e3, 0.0


def inelastic_mean_free_path(energy_keV: float) -> Value:
    """Mean free path between energy losses, nm."""
    return 1e3 / float(_electrons(1.0).inelastic_rate_per_um(np.array([energy_keV]))[0]), 0.0


def photon_mass_absorption(energy_keV: float) -> Value:
    """Mass energy-absorption coefficient, cm2/g."""
    per_um = _core.physics.photon_energy_absorption_per_um(np.array([energy_keV]), 1.0)
    return _exact(per_um, 1e4)


@functools.cache
def _kernel(energy_keV: float) -> tuple[Floats, Floats]:
    """Return scaled distances and the energy fraction absorbed within them."""
    edge, energy, _, _ = shipped_table().fold(np.array([energy_keV]), np.ones(1), 1.0)
    within = np.concatenate([[0.0], np.cumsum(energy)]) / energy_keV
    range_um = float(_electrons(1.0).csda_range_um(np.array([energy_keV]))[0])
    return edge / range_um, within


def scaled_kernel(energy_keV: float, bin_width: float, scaled_distance: float) -> Value:
    """Energy fraction per scaled distance, averaged over a bin of the reference."""
    x, within = _kernel(energy_keV)
    low, high = max(0.0, scaled_distance - bin_width / 2), scaled_distance + bin_width / 2
    inside = np.interp([low, high], x, within)
    return float(inside[1] - inside[0]) / (high - low), 0.0


def kernel_mean_radius(energy_keV: float) -> Value:
    """Mean distance of absorbed energy over the CSDA range."""
    x, within = _kernel(energy_keV)
    return float(np.diff(within) @ (0.5 * (x[1:] + x[:-1]))) / float(within[-1]), 0.0


def kernel_distance(energy_keV: float, what: str) -> Value:
    """Mean distance of absorbed energy, or that within which half or 90 % of it lies, um."""
    edge_um, energy, _, _ = shipped_table().fold(np.array([energy_keV]), np.ones(1), 1.0)
    if what == "mean":
        return float(energy @ (0.5 * (edge_um[1:] + edge_um[:-1])) / energy.sum()), 0.0
    within = np.concatenate([[0.0], np.cumsum(energy)]) / energy.sum()
    return float(np.interp({"half": 0.5, "90 %": 0.9}[what], within, edge_um)), 0.0


@functools.cache
def _mird_spectrum() -> xr.Dataset:
    return imd.emissions_from_csv(DATA / "mird_lu177_spectrum.csv")


@functools.cache
def _mird_s_values(distance_um: tuple[float, ...]) -> xr.Dataset:
    return imd.s_values(
        _mird_spectrum(),
        cell_radius_um=5.0,
        nucleus_radius_um=3.0,
        distance_um=np.array(distance_um),
        physics="mird",
    )


def _total(ds: xr.Dataset, target: str, source: str) -> Floats:
    """Return S summed over emissions, by distance."""
    values: Floats = ds["s_value"].sel(target=target, source=source).sum("emission").values
    return values


def mird_s_value(pair: str, distance_um: float) -> Value:
    """S of the straight-track model with the MIRD code's own spectrum, Gy."""
    return _exact(_total(_mird_s_values((distance_um,)), *MIRD_PAIRS[pair]))


def mird_largest_cross_difference(pair: str) -> Value:
    """Ours over the MIRD code at the distance of the largest difference (S above 1e-12 Gy)."""
    with (DATA / "mird_lu177_s_values.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    distance = tuple(float(row["distance_um"]) for row in rows)
    expected = np.array([float(row[pair]) for row in rows])
    counts = (np.array(distance) > 0.0) & (expected > 1e-12)
    ratio = _total(_mird_s_values(distance), *MIRD_PAIRS[pair])[counts] / expected[counts]
    return float(ratio[np.argmax(np.abs(ratio - 1.0))]), 0.0


def nucleus_dose_of_177Lu(source_region: str) -> Value:
    """Dose to the nucleus when all charged particles release 1436 MeV in the cell, Gy."""
    ds = _s_values("Lu-177", 7.0, 5.0, 10.0)
    electrons = float(ds["energy_per_decay"].sel(emission=["beta", "auger_ce"]).sum())
    return float(_total(ds, "nucleus", source_region)[0]) * CELLDOSE_ENERGY_KEV / electrons, 0.0


@functools.cache
def _s_values(nuclide: str, cell_um: float, nucleus_um: float, membrane_nm: float) -> xr.Dataset:
    return imd.s_values(
        nuclide,
        cell_radius_um=cell_um,
        nucleus_radius_um=nucleus_um,
        membrane_thickness_nm=membrane_nm,
    )


@functools.cache
def _monte_carlo(
    emitter: str, cell_um: float, nucleus_um: float, mode: str, histories: int
) -> xr.Dataset:
    """S values by Monte Carlo of a nuclide or of an electron ("20 keV")."""
    options: dict[str, Any] = {
        "cell_radius_um": cell_um,
        "nucleus_radius_um": nucleus_um,
        "physics": "monte_carlo",
        "n_histories": histories,
        "rng": SEED,
        "electron_mode": mode,
        "allow_unusual": True,
    }
    if emitter.endswith(" keV"):
        return imd.s_values_electron(float(emitter.removesuffix(" keV")), **options)
    return imd.s_values(
        emitter, membrane_thickness_nm=7.5 if emitter == "Ac-225" else 10.0, **options
    )


def _with_error(ds: xr.Dataset, target: str, source: str) -> Value:
    """Return the self-dose S of all emissions and its standard error."""
    pick = ds.sel(target=target, source=source).isel(distance=0)
    error = np.sqrt(float((pick["s_value_stderr"] ** 2).sum()))
    return float(pick["s_value"].sum()), float(error)


def nucleus_s_value_of_225Ac(
    cell_um: float, nucleus_um: float, source_region: str, physics: str
) -> Value:
    """S of the whole chain to the nucleus, membrane of 7.5 nm, Gy."""
    if physics == "kernel":
        ds = _s_values("Ac-225", cell_um, nucleus_um, 7.5)
        return float(_total(ds, "nucleus", source_region)[0]), 0.0
    ds = _monte_carlo("Ac-225", cell_um, nucleus_um, "condensed", CHAIN_HISTORIES)
    return _with_error(ds, "nucleus", source_region)


@functools.cache
def _electron_s_values(energy_keV: float) -> xr.Dataset:
    return imd.s_values_electron(energy_keV, **CELL_UM, physics="kernel")


def electron_s_value(energy_keV: float, target_region: str, physics: str) -> Value:
    """S of one electron from the nucleus of a 5/4 um cell, Gy."""
    if physics == "kernel":
        return float(_total(_electron_s_values(energy_keV), target_region, "nucleus")[0]), 0.0
    histories = DETAILED_HISTORIES[energy_keV]
    ds = _monte_carlo(f"{energy_keV:g} keV", 5.0, 4.0, "detailed", histories)
    return _with_error(ds, target_region, "nucleus")


def electron_cell_s_value(
    cell_um: float, nucleus_um: float, energy_keV: float, target_region: str, source_region: str
) -> Value:
    """S of one electron by kernels, membrane of 10 nm, Gy."""
    ds = imd.s_values_electron(energy_keV, cell_radius_um=cell_um, nucleus_radius_um=nucleus_um)
    return float(_total(ds, target_region, source_region)[0]), 0.0


@functools.cache
def _hits(cell_um: float, nucleus_um: float, method: str) -> xr.Dataset:
    random = {} if method == "quadrature" else {"rng": SEED, "n_histories": 2_000_000}
    return imd.hit_statistics(
        "At-211",
        cell_radius_um=cell_um,
        nucleus_radius_um=nucleus_um,
        method=method,  # type: ignore[arg-type]
        **random,  # type: ignore[arg-type]
    )


def hits_of_211At(
    cell_um: float, nucleus_um: float, source_region: str, what: str, method: str
) -> Value:
    """Hits per decay, or a mean specific energy of one traversal in Gy."""
    ds = _hits(cell_um, nucleus_um, method).sel(source=source_region)
    if "per" in ds[what].dims:
        ds = ds.sel(per="traversal")
    error = f"{what}_stderr"
    return float(ds[what]), float(ds[error]) if error in ds else 0.0


def nucleus_s_value_of_211At(cell_um: float, nucleus_um: float, source_region: str) -> Value:
    """S of straight alphas to the nucleus; the membrane is a surface, Gy."""
    ds = imd.s_values(
        "At-211", cell_radius_um=cell_um, nucleus_radius_um=nucleus_um, physics="mird"
    )
    picked = ds["s_value"].sel(target="nucleus", source=source_region, emission="alpha")
    return float(picked.isel(distance=0)), 0.0


def kernel_over_monte_carlo(emitter: str, target_region: str, source_region: str) -> Value:
    """Ratio of S values in a 5/4 um cell."""
    if emitter.endswith(" keV"):
        kernel = _electron_s_values(float(emitter.removesuffix(" keV")))
    else:
        kernel = _s_values(emitter, 5.0, 4.0, 10.0)
    ds = _monte_carlo(emitter, 5.0, 4.0, "condensed", CONDENSED_HISTORIES)
    value, error = _with_error(ds, target_region, source_region)
    ratio = float(_total(kernel, target_region, source_region)[0]) / value
    return ratio, ratio * error / value


def condensed_over_detailed(energy_keV: float, target_region: str, source_region: str) -> Value:
    """Ratio of S values in a 5/4 um cell."""
    emitter = f"{energy_keV:g} keV"
    histories = DETAILED_HISTORIES[energy_keV]
    grouped = _monte_carlo(emitter, 5.0, 4.0, "condensed", CONDENSED_HISTORIES)
    every = _monte_carlo(emitter, 5.0, 4.0, "detailed", histories)
    a, a_error = _with_error(grouped, target_region, source_region)
    b, b_error = _with_error(every, target_region, source_region)
    return a / b, a / b * float(np.hypot(a_error / a, b_error / b))


def kernel_energy_balance(nuclide: str) -> Value:
    """(Absorbed + escaped + not scored) over emitted energy, all emissions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # progeny left out: no part of the balance
        model = physics_model(nuclide, physics="kernel")
    absorbed = sum(float(kernel.energy_keV.sum()) for kernel in model.kernels.values())
    lost = sum(model.escaped_keV.values()) + sum(model.not_scored_keV.values())
    return (absorbed + lost) / sum(model.emitted_keV.values()), 0.0


def monte_carlo_energy_balance(energy_keV: float) -> Value:
    """(Absorbed + escaped) over emitted energy, in a cell wider than the electron's reach."""
    radius_um = 1.3 * float(_electrons(1.0).csda_range_um(np.array([energy_keV]))[0])
    ds = _monte_carlo(f"{energy_keV:g} keV", radius_um, 1.0, "condensed", 640)
    value, error = _with_error(ds, "cell", "nucleus")
    per_Gy_keV = 4.0 / 3.0 * np.pi * radius_um**3 * 1e-15 / 1.602176634e-16
    escaped = float(ds["energy_escaped"].sum())
    escaped_error = float(ds["energy_escaped_stderr"].sum())
    total_error = float(np.hypot(error * per_Gy_keV, escaped_error))
    return (value * per_Gy_keV + escaped) / energy_keV, total_error / energy_keV


@functools.cache
def _dsb() -> xr.DataArray:
    dose = xr.Dataset(
        {"absorbed_dose": (("cell", "target", "emission"), np.ones((1, 1, 2)))},
        coords={"cell": [0], "target": ["nucleus"], "emission": ["alpha", "beta"]},
    )
    found: xr.DataArray = imd.dsb_yields(dose, parameters="dsb_yields")["dsb_yield_per_gray"]
    return found


def dsb_yield(nuclide: str) -> Value:
    """Double-strand breaks per gray of the main emission, LET by class."""
    return float(_dsb().sel(emission="alpha" if nuclide == "Ac-225" else "beta")), 0.0


def dsb_ratio() -> Value:
    """Yield of alphas over that of betas."""
    return dsb_yield("Ac-225")[0] / dsb_yield("Lu-177")[0], 0.0


QUANTITIES: dict[str, Callable[..., Value]] = {
    function.__name__: function
    for function in (
        electron_mass_stopping, electron_csda_range, electron_range_beyond_10_keV,
        alpha_mass_stopping, alpha_csda_range, slow_stopping, slow_track_length,
        inelastic_mean_free_path, photon_mass_absorption, scaled_kernel, kernel_mean_radius,
        kernel_distance,
        mird_s_value, mird_largest_cross_difference, nucleus_dose_of_177Lu,
        nucleus_s_value_of_225Ac, electron_s_value, electron_cell_s_value, hits_of_211At,
        nucleus_s_value_of_211At, kernel_over_monte_carlo,
        condensed_over_detailed, kernel_energy_balance, monte_carlo_energy_balance,
        dsb_yield, dsb_ratio,
    )
}  # fmt: skip
