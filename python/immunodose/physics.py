# SPDX-License-Identifier: BSD-3-Clause
"""From emissions to energy deposited around a point: the seam between models and S values."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.nuclides import (
    emissions,
    named_emissions,
    nuclide_label,
    progeny_warning,
)
from immunodose.emission_kernels import (
    EmissionKernel,
    KernelMaker,
    RadialKernel,
    mird_kernel,
    photon_fraction_at_decay,
    transported_kernel,
)
from immunodose.errors import InputError, UnitError, ValidityWarning, did_you_mean
from immunodose.kernels import shipped_kernels
from immunodose.provenance import base_attrs
from immunodose.schema import build
from immunodose.typing import EMISSIONS, KERNEL_MODELS, Emission, FloatArray, FloatLike, Physics
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3

if TYPE_CHECKING:
    import xarray as xr


_LEFT_OUT = ("progeny_energy_left_out_keV", "progeny_energy_left_out_share")

# The stopping powers are those of liquid water, scaled by density.
_PLAUSIBLE_G_PER_CM3 = (0.2, 3.0)

_MAKERS: dict[Physics, KernelMaker] = {"kernel": transported_kernel, "mird": mird_kernel}
_ELECTRONS: tuple[Emission, ...] = ("beta", "auger_ce")
# Shares of the electron energy outside the tables of a model that pass without a warning.
TOLERATED_BELOW = 0.05
_TOLERATED_ABOVE = 0.01
_NOTES: dict[Physics, str] = {
    "kernel": (
        "dose-point kernels of the package's own Monte Carlo for electrons, straight alphas with "
        "energy straggling, photons and the electrons they set free to 1 mm, recoils absorbed at "
        "the decay"
    ),
    "mird": "straight CSDA tracks; recoils and photons not transported, see energy_not_scored",
}


@dataclass(frozen=True, slots=True)
class PhysicsModel:
    """Kernels of one nuclide under one transport model.

    `kernels` has the emission classes that the model transports; `emitted_keV`, `not_scored_keV`
    (not transported) and `escaped_keV` (bremsstrahlung, photons beyond 1 mm) are mean energies per
    decay of every class; `left_out` has the attributes of the emissions that tell which progeny
    are not among them. `low_electron_fraction` and `high_electron_fraction` are the shares of the
    electron energy outside the tables of the model, `low_photon_fraction` is that of the photon
    energy below 1 keV, absorbed at the decay.
    """

    nuclide: str
    physics: Physics
    density_g_per_cm3: float
    kernels: Mapping[Emission, RadialKernel]
    emitted_keV: Mapping[Emission, float]
    not_scored_keV: Mapping[Emission, float]
    escaped_keV: Mapping[Emission, float]
    left_out: Mapping[str, Any]
    low_electron_fraction: float
    high_electron_fraction: float
    low_photon_fraction: float

    @property
    def lowest_electron_keV(self) -> float:
        """Energy below which an electron counts in `low_electron_fraction`."""
        return 0.6 if self.physics == "mird" else float(shipped_kernels().energy_keV[0])


def require_physics(physics: str | None) -> Physics:
    """Return the name of a deterministic model (None: "kernel"), or raise InputError."""
    if physics is None:
        return KERNEL_MODELS[0]
    if physics == "monte_carlo":
        raise InputError(
            "physics='monte_carlo' belongs to s_values. For cells use absorbed_dose(..., "
            "method='monte_carlo'); kernels come from the same transport: physics='kernel'."
        )
    if physics not in KERNEL_MODELS:
        raise InputError(
            f"unknown physics={physics!r} (available: {', '.join(KERNEL_MODELS)}; s_values also "
            "has monte_carlo)."
            f"{did_you_mean(physics, KERNEL_MODELS)}"
        )
    return physics


def require_density(density_g_per_cm3: float, *, allow_unusual: bool = False) -> float:
    """Return the density of a medium like tissue, 0.2 to 3 g/cm3, or raise InputError."""
    number = isinstance(density_g_per_cm3, (int, float, np.integer, np.floating))
    if not (number and np.isfinite(density_g_per_cm3) and density_g_per_cm3 > 0.0):
        raise InputError(
            f"invalid density_g_per_cm3={density_g_per_cm3!r} (allowed: finite, > 0; water is 1)."
        )
    low, high = _PLAUSIBLE_G_PER_CM3
    if not (allow_unusual or low <= density_g_per_cm3 <= high):
        raise UnitError(
            f"density_g_per_cm3={density_g_per_cm3:g} is not that of a tissue ({low:g} to {high:g} "
            "g/cm3; lung is 0.26, water 1, bone 1.9). Is it in kg/m3? Divide by 1000."
        )
    return float(density_g_per_cm3)


def physics_model(
    nuclide: str | xr.Dataset,
    *,
    physics: Physics,
    chain: bool = True,
    chain_horizon_d: float | None = None,
    retention: Mapping[str, float] | None = None,
    density_g_per_cm3: float = 1.0,
    allow_unusual: bool = False,
) -> PhysicsModel:
    """Return the kernels of a nuclide; those of a named nuclide are cached."""
    density = require_density(density_g_per_cm3, allow_unusual=allow_unusual)
    if isinstance(nuclide, str) and (retention is None or isinstance(retention, Mapping)):
        kept = None if retention is None else tuple(sorted(retention.items()))
        model = _named_model(nuclide, physics, chain, chain_horizon_d, kept, density)
        # Not in the cached part, which would warn the first time only.
        message = progeny_warning(model.left_out)
        if message is not None:
            warnings.warn(message, ValidityWarning, stacklevel=3)
        return model
    table = emissions(nuclide, chain=chain, chain_horizon_d=chain_horizon_d, retention=retention)
    return _model(table, physics, density)


@functools.lru_cache(maxsize=64)
def _named_model(
    nuclide: str,
    physics: Physics,
    chain: bool,
    chain_horizon_d: float | None,
    retention: tuple[tuple[str, float], ...] | None,
    density_g_per_cm3: float,
) -> PhysicsModel:
    kept = None if retention is None else dict(retention)
    table = named_emissions(nuclide, chain=chain, chain_horizon_d=chain_horizon_d, retention=kept)
    return _model(table, physics, density_g_per_cm3)


@functools.lru_cache(maxsize=128)
def _emission_kernel(
    physics: Physics, emission: Emission, energy_keV: bytes, yields: bytes, density: float
) -> EmissionKernel:
    """Return the kernel of some lines: spectra that come again need no new one."""
    return _MAKERS[physics](emission, np.frombuffer(energy_keV), np.frombuffer(yields), density)


def _model(table: xr.Dataset, physics: Physics, density_g_per_cm3: float) -> PhysicsModel:
    classes = table["emission"].values.astype(str)
    energy = table["energy"].values.astype(np.float64)
    yields = table["yield_per_decay"].values.astype(np.float64)
    kernels: dict[Emission, RadialKernel] = {}
    emitted: dict[Emission, float] = {}
    not_scored: dict[Emission, float] = {}
    escaped: dict[Emission, float] = {}
    below = above = electrons_keV = 0.0
    for emission in EMISSIONS:
        own = classes == emission
        emitted[emission] = float(np.sum(energy[own] * yields[own]))
        not_scored[emission] = escaped[emission] = 0.0
        if emitted[emission] == 0.0:
            continue
        made = _emission_kernel(
            physics, emission, energy[own].tobytes(), yields[own].tobytes(), density_g_per_cm3
        )
        if made.kernel is None:
            not_scored[emission] = emitted[emission]
        else:
            kernels[emission] = made.kernel
        escaped[emission] = made.escaped_keV
        if emission in _ELECTRONS:
            electrons_keV += emitted[emission]
            below += made.below_tables_keV
            above += made.above_tables_keV
    label = nuclide_label(table)
    return PhysicsModel(
        nuclide=label,
        physics=physics,
        density_g_per_cm3=density_g_per_cm3,
        kernels=kernels,
        emitted_keV=emitted,
        not_scored_keV=not_scored,
        escaped_keV=escaped,
        left_out={"nuclide": label, **{k: table.attrs[k] for k in _LEFT_OUT if k in table.attrs}},
        low_electron_fraction=below / electrons_keV if electrons_keV > 0.0 else 0.0,
        high_electron_fraction=above / electrons_keV if electrons_keV > 0.0 else 0.0,
        low_photon_fraction=photon_fraction_at_decay(table) if "photon" in kernels else 0.0,
    )


def warn_of_electrons(model: PhysicsModel) -> None:
    """Warn if much of the electron energy lies outside the tables of the model."""
    low = model.low_electron_fraction
    if low > TOLERATED_BELOW:
        why = (
            "where the range-energy relation of physics='mird' is a convention and tracks (under "
            "40 nm) are not straight"
            if model.physics == "mird"
            else "below the tables of physics='kernel', where they are absorbed within a few nm"
        )
        warnings.warn(
            f"{low:.0%} of the electron energy of {model.nuclide} comes with electrons below "
            f"{model.lowest_electron_keV:g} keV, {why}. Doses to whole nuclei and cells are little "
            "affected, those across a membrane and within 0.1 um of the decay are.",
            ValidityWarning,
            stacklevel=3,
        )
    if model.high_electron_fraction > _TOLERATED_ABOVE:
        warnings.warn(
            f"{model.high_electron_fraction:.1%} of the electron energy of {model.nuclide} comes "
            "with electrons above the tables (3000 keV): they have the scaled kernel of 3000 keV.",
            ValidityWarning,
            stacklevel=3,
        )


def point_kernel(
    nuclide: str | xr.Dataset,
    *,
    radius_um: FloatLike | None = None,
    physics: Physics | None = None,
    chain: bool = True,
    retention: Mapping[str, float] | None = None,
    density_g_per_cm3: float = 1.0,
) -> xr.Dataset:
    """Return the absorbed dose around an isotropic point source in water.

    Parameters
    ----------
    nuclide
        Name of a nuclide or an emissions Dataset.
    radius_um
        Radii > 0 in um, strictly ascending; None takes the model's own bin edges.
    physics
        "kernel" (the default): scattered electrons, straggled alphas, photons to 1 mm, recoils at
        the decay. "mird": straight CSDA tracks of alphas and electrons, as in the MIRD tables.
    chain
        Whether progeny are included.
    retention
        Progeny -> fraction in [0, 1] that stays at the site of the parent.
    density_g_per_cm3
        Density of the water, 0.2 to 3.

    Returns
    -------
    Dataset
        ``energy_fraction_within`` (radius, emission) [1], of the emitted energy;
        ``dose_kernel`` (radius, emission) [Gy], per decay, mean over the bin that holds the
        radius; ``energy_per_decay``, ``energy_not_scored``, ``energy_escaped`` (emission) [keV]:
        emitted, of classes that the model does not transport, and leaving (bremsstrahlung, photons
        beyond 1 mm).

    Raises
    ------
    InputError
        For radii that are not finite, positive and ascending, or a density that is not > 0.
    UnitError
        For a density outside its range.

    Warns
    -----
    ValidityWarning
        If `chain=False` leaves out energy of progeny.

    Notes
    -----
    `kernel`: Eqs. K1-K6 of docs/theory/kernels.md. `mird`: Eq. 6 of docs/theory/physics.md;
    classes that it does not transport are zero. The attributes
    ``electron_energy_fraction_below_tables`` (0.1 keV; 0.6 keV for `mird`) and
    ``electron_energy_fraction_above_tables`` (3000 keV) warn above 5 % and 1 %;
    ``photon_energy_fraction_at_decay`` comes in photons below 1 keV.

    Examples
    --------
    >>> kernel = point_kernel("Lu-177", radius_um=[10.0, 2000.0])
    >>> kernel["energy_fraction_within"].sel(emission="beta").values.round(2)
    array([0.04, 1.  ])
    """
    model = physics_model(
        nuclide,
        physics=require_physics(physics),
        chain=chain,
        retention=retention,
        density_g_per_cm3=density_g_per_cm3,
    )
    warn_of_electrons(model)
    radius = _radii(radius_um, model)
    within = np.zeros((radius.size, len(EMISSIONS)))
    dose = np.zeros_like(within)
    for column, emission in enumerate(EMISSIONS):
        kernel = model.kernels.get(emission)
        if kernel is None:
            continue
        cumulative = np.concatenate([[0.0], np.cumsum(kernel.energy_keV)])
        within[:, column] = (
            np.interp(radius, kernel.edge_um, cumulative) / model.emitted_keV[emission]
        )
        dose[:, column] = _dose_at(radius, kernel, model.density_g_per_cm3)
    return build(
        {
            "energy_fraction_within": (("radius", "emission"), within),
            "dose_kernel": (("radius", "emission"), dose),
            **energy_variables(model),
        },
        coords={"radius": radius, "emission": list(EMISSIONS)},
        attrs=model_attrs(model),
    )


def _radii(radius_um: FloatLike | None, model: PhysicsModel) -> FloatArray:
    if radius_um is None:
        edges = [kernel.edge_um[1:] for kernel in model.kernels.values()]
        return np.unique(np.concatenate(edges)) if edges else np.empty(0)
    given = np.asarray(radius_um)
    if given.dtype.kind not in "fiu":
        raise InputError(f"radius_um must hold real numbers in um (got dtype {given.dtype}).")
    radius = np.atleast_1d(given.astype(np.float64))
    if radius.size == 0:
        raise InputError("radius_um is empty. Give at least one radius, or None for the bin edges.")
    bad = ~np.isfinite(radius) | (radius <= 0.0)
    if bad.any():
        index = int(np.flatnonzero(bad)[0])
        raise InputError(f"radius_um[{index}]={radius[index]} (allowed: finite, > 0).")
    if radius.ndim != 1 or np.any(np.diff(radius) <= 0.0):
        raise InputError("radius_um must be one-dimensional and strictly ascending.")
    return radius


def _dose_at(radius: FloatArray, kernel: RadialKernel, density_g_per_cm3: float) -> FloatArray:
    """Mean absorbed dose in Gy of the bin that holds each radius."""
    index = np.searchsorted(kernel.edge_um, radius, side="right") - 1
    inside = index < kernel.energy_keV.size
    index = np.minimum(index, kernel.energy_keV.size - 1)
    low, high = kernel.edge_um[index], kernel.edge_um[index + 1]
    mass_ng = 4.0 / 3.0 * np.pi * (high**3 - low**3) * density_g_per_cm3 * NG_PER_UM3
    dose: FloatArray = np.where(inside, kernel.energy_keV[index] * GRAY_NG_PER_KEV / mass_ng, 0.0)
    return dose


def energy_variables(
    model: PhysicsModel,
) -> dict[str, tuple[tuple[str, ...], FloatArray]]:
    """Variables that account for the emitted energy of each class."""
    return {
        "energy_per_decay": (
            ("emission",),
            np.array([model.emitted_keV[emission] for emission in EMISSIONS]),
        ),
        "energy_not_scored": (
            ("emission",),
            np.array([model.not_scored_keV[emission] for emission in EMISSIONS]),
        ),
        "energy_escaped": (
            ("emission",),
            np.array([model.escaped_keV[emission] for emission in EMISSIONS]),
        ),
    }


def model_attrs(model: PhysicsModel) -> dict[str, object]:
    """Provenance of everything computed with a model."""
    return base_attrs(
        **model.left_out,
        physics=model.physics,
        density_g_per_cm3=model.density_g_per_cm3,
        electron_energy_fraction_below_tables=model.low_electron_fraction,
        electron_energy_fraction_above_tables=model.high_electron_fraction,
        photon_energy_fraction_at_decay=model.low_photon_fraction,
        physics_note=_NOTES[model.physics],
    )
