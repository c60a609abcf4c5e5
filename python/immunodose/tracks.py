# SPDX-License-Identifier: BSD-3-Clause
"""One decay, or one particle, as points with energy and LET, for drawing and debugging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from immunodose import _core
from immunodose.data.nuclides import nuclide_label
from immunodose.errors import InputError, did_you_mean
from immunodose.monte_carlo import ELECTRON_MODES, decay_sampler
from immunodose.physics import require_density
from immunodose.provenance import base_attrs
from immunodose.rng import RngLike, random_root
from immunodose.schema import data_array
from immunodose.typing import EMISSIONS

if TYPE_CHECKING:
    import xarray as xr

ElectronMode: TypeAlias = Literal["detailed", "condensed"]

# The order of the core's TrackParticle.
PARTICLES = ("alpha", "recoil", "electron", "positron", "photon")

# Largest and smallest energy (keV) of a particle given by itself: limits of the stopping powers
# and of the photon data (docs/theory/physics.md, electrons.md, photons.md).
_ENERGY_KEV = {
    "alpha": (1.0, 12_000.0),
    "electron": (0.05, 3000.0),
    "positron": (0.0, 3000.0),
    "photon": (1.0, 10_000.0),
}
_LONG_NAMES = {
    "x": "x coordinate of the point",
    "y": "y coordinate of the point",
    "z": "z coordinate of the point",
    "energy": "energy of the particle when it leaves the point",
    "emission": "emission class that the track stems from",
}


def track(
    nuclide_or_particle: str | xr.Dataset,
    *,
    energy_keV: float | None = None,
    rng: RngLike = None,
    history: int = 0,
    electron_mode: ElectronMode = "detailed",
    straggling: bool = True,
    chain: bool = True,
    retention: Mapping[str, float] | None = None,
    density_g_per_cm3: float = 1.0,
    alpha_step_um: float = 0.5,
    world_radius_um: float = 1000.0,
    max_points: int = 1_000_000,
    allow_unusual: bool = False,
) -> xr.Dataset:
    """Return the tracks of one decay, or of one particle, from the origin in water.

    Parameters
    ----------
    nuclide_or_particle
        Nuclide (one decay with all that follows in its chain), emissions Dataset, or "alpha",
        "electron", "positron", "photon" for one particle of `energy_keV`.
    energy_keV
        Kinetic energy of a single particle, keV: alpha 1 to 12000, electron 0.05 to 3000, positron
        up to 3000, photon 1 to 10000.
    rng
        Seed: int, SeedSequence, Generator or None; its root is in the attrs.
    history
        Number of the history, >= 0: with the same root and arguments it is the same to the bit.
    electron_mode
        "detailed" (a point at every collision) or "condensed" (points at the ends and in the
        middle of steps).
    straggling
        Whether losses and ranges of alphas fluctuate.
    chain
        Whether progeny decay too.
    retention
        Progeny -> fraction in [0, 1] that stays; what is emitted after one left is not followed.
    density_g_per_cm3
        Density of the water, 0.2 to 3 (`allow_unusual` for others > 0).
    alpha_step_um
        Distance between the points of an alpha, um, > 0.
    world_radius_um
        Radius of the ball of water in which photons are followed, um, > 0.
    max_points
        More points are an error.
    allow_unusual
        Whether such a density passes.

    Returns
    -------
    Dataset
        Per ``point``, those of a track one after the other: ``x``, ``y``, ``z`` [um]; ``energy``
        [keV] of the particle when it leaves the point, 0 where it comes to rest; ``let``
        [keV um-1], the stopping power at that energy, NaN for photons, recoils and at rest;
        ``energy_deposited`` [keV] at the point and on the way to it; ``particle`` (alpha, recoil,
        electron, positron, photon); ``emission`` (class of the emission, or the particle given);
        ``track`` and ``parent_track`` (-1: emitted by the decay). Attributes ``emitted_keV``,
        ``escaped_keV`` (by photons out of the world) and ``left_keV`` (emitted after a daughter
        left, or an electron or photon above 3000 keV): the deposits and the last two sum to the
        first.

    Raises
    ------
    InputError
        For a particle without energy or out of range, more than `max_points`
        points, and arguments without effect.
    DataNotFoundError
        For an unknown nuclide.

    Notes
    -----
    Section 6 of docs/theory/monte_carlo.md. These histories have streams of their own: they are
    not those of `absorbed_dose`, whose random numbers depend on the surfaces that are crossed.

    Examples
    --------
    >>> import numpy as np
    >>> alpha = track("alpha", energy_keV=5000.0, straggling=False, rng=1)
    >>> end = alpha.isel(point=-1)
    >>> float(np.hypot(np.hypot(end["x"], end["y"]), end["z"]).round(1))
    38.0
    >>> float(alpha["energy_deposited"].sum().round(6))
    5000.0
    """
    density = require_density(density_g_per_cm3, allow_unusual=allow_unusual)
    _check(history, electron_mode, max_points, alpha_step_um, world_radius_um)
    root = random_root(rng)
    options = _core.transport.TrackOptions(
        root=root,
        history=int(history),
        density_g_per_cm3=density,
        straggling=bool(straggling),
        detailed=electron_mode == "detailed",
        alpha_step_um=float(alpha_step_um),
        world_radius_um=float(world_radius_um),
        max_points=int(max_points),
    )
    if isinstance(nuclide_or_particle, str) and nuclide_or_particle in _ENERGY_KEV:
        label = nuclide_or_particle
        energy = _particle_energy(label, energy_keV, chain, retention)
        points = _core.transport.record_particle(PARTICLES.index(label), energy, options)
        emission = np.full(points["track"].size, label)
    else:
        label = nuclide_label(nuclide_or_particle)
        _refuse_energy(label, energy_keV)
        sampler = decay_sampler(nuclide_or_particle, chain=chain, retention=retention)
        points = _core.transport.record_decay(sampler, options)
        emission = np.array(EMISSIONS)[points["emission"]]
    attrs = base_attrs(
        source=label,
        random_root=str(root),
        history=int(history),
        electron_mode=electron_mode,
        straggling=int(straggling),
        density_g_per_cm3=density,
        alpha_step_um=float(alpha_step_um),
        world_radius_um=float(world_radius_um),
        **{name: points[name] for name in ("emitted_keV", "escaped_keV", "left_keV")},
    )
    return _dataset(points, emission, attrs)


def _dataset(points: Mapping[str, Any], emission: Any, attrs: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    values = {
        "x": points["x_um"],
        "y": points["y_um"],
        "z": points["z_um"],
        "energy": points["energy_keV"],
        "let": points["let_keV_per_um"],
        "energy_deposited": points["deposited_keV"],
        "particle": np.array(PARTICLES)[points["particle"]],
        "emission": emission,
        "track": points["track"],
        "parent_track": points["parent"],
    }
    variables = {
        name: data_array(
            name,
            ("point",),
            value,
            **({"long_name": _LONG_NAMES[name]} if name in _LONG_NAMES else {}),
        )
        for name, value in values.items()
    }
    return xr.Dataset(variables, attrs=dict(attrs))


def _check(
    history: int, electron_mode: str, max_points: int, alpha_step_um: float, world_radius_um: float
) -> None:
    if electron_mode not in ELECTRON_MODES:
        raise InputError(
            f"unknown electron_mode={electron_mode!r} (available: {', '.join(ELECTRON_MODES)})."
            f"{did_you_mean(str(electron_mode), ELECTRON_MODES)}"
        )
    for name, count, least in (("history", history, 0), ("max_points", max_points, 1)):
        whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
        if not whole or not least <= int(count) < 2**63:
            raise InputError(f"invalid {name}={count!r} (allowed: an int >= {least}).")
    for name, length in (("alpha_step_um", alpha_step_um), ("world_radius_um", world_radius_um)):
        if not (np.isfinite(length) and length > 0.0):
            raise InputError(f"invalid {name}={length!r} (allowed: finite, > 0).")


def _particle_energy(
    particle: str,
    energy_keV: float | None,
    chain: bool,
    retention: Mapping[str, float] | None,
) -> float:
    if not chain or retention is not None:
        raise InputError(
            f"chain and retention have no effect on a single {particle}. Leave them out, or give "
            "a nuclide."
        )
    low, high = _ENERGY_KEV[particle]
    if energy_keV is None:
        raise InputError(
            f"a single {particle} needs its energy: give energy_keV={low:g} to {high:g}."
        )
    if not low <= energy_keV <= high:  # NaN too
        raise InputError(
            f"invalid energy_keV={energy_keV!r} of one {particle} (allowed: {low:g} to {high:g})."
        )
    return float(energy_keV)


def _refuse_energy(label: str, energy_keV: float | None) -> None:
    if energy_keV is not None:
        raise InputError(
            f"energy_keV={energy_keV!r} has no effect on a decay of {label}. Leave it out, or give "
            f"one of the particles {', '.join(_ENERGY_KEV)}."
        )
