# SPDX-License-Identifier: BSD-3-Clause
"""One decay, or one particle, as points with energy and LET, for drawing and debugging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard

import numpy as np

from immunodose import _core
from immunodose.data.nuclides import nuclide_label
from immunodose.emission_kernels import (
    ELECTRON_CUTOFF_KEV,
    LOWEST_CUTOFF_KEV,
    require_electron_cutoff,
)
from immunodose.errors import DataNotFoundError, InputError, did_you_mean
from immunodose.monte_carlo import decay_sampler
from immunodose.physics import require_density
from immunodose.population_options import ELECTRON_MODES
from immunodose.provenance import base_attrs
from immunodose.rng import RngLike, random_root
from immunodose.schema import data_array
from immunodose.tracks_history import REGIONS, record_history
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
    "electron": (LOWEST_CUTOFF_KEV, 3000.0),
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
# The settings that the tracks of a realization share with it.
_HISTORY_ARGUMENTS = ("history", "max_points")


def track(
    nuclide_or_particle: str | xr.Dataset,
    *,
    energy_keV: float | None = None,
    rng: RngLike = None,
    history: int = 0,
    electron_mode: ElectronMode = "detailed",
    electron_cutoff_keV: float = ELECTRON_CUTOFF_KEV,
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

    Given the result of ``absorbed_dose(..., realization=True)`` it draws one of its decays where
    it happened.

    Parameters
    ----------
    nuclide_or_particle
        Nuclide (one decay with all that follows in its chain), emissions Dataset, or "alpha",
        "electron", "positron", "photon" for one particle of `energy_keV`; or a realization, from
        which all settings are taken but `history` and `max_points`.
    energy_keV
        Kinetic energy of a single particle, keV: alpha 1 to 12000, electron 0.03 to 3000, positron
        up to 3000, photon 1 to 10000.
    rng
        Seed: int, SeedSequence, Generator or None; its root is in the attrs.
    history
        Number of the history, >= 0: with the same root and arguments it is the same to the bit.
        Of a realization: its decays, nuclide by nuclide as in its attribute ``n_histories``.
    electron_mode
        "detailed" (a point at every collision) or "condensed" (points at the ends and in the
        middle of steps).
    electron_cutoff_keV
        Electrons of this energy and less are absorbed where they are, keV, 0.03 to 1.
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
        left, an electron or photon above 3000 keV, or a class not transported): the deposits and
        the last two sum to the first. Of a realization also ``point_cell`` (number along
        ``cell``, -1 the medium) and ``point_region`` (nucleus, cytoplasm, membrane, medium), in
        which the deposit of the point was left, and the attributes ``decay_cell`` and
        ``decay_region``.

    Raises
    ------
    InputError
        For a particle without energy or out of range, more than `max_points`
        points, arguments without effect, cells that are no realization, and a history that it
        does not have.
    DataNotFoundError
        For an unknown nuclide.

    Notes
    -----
    Section 6 of docs/theory/monte_carlo.md. Without cells, histories have streams of their own:
    the random numbers of a realization depend on the surfaces that are crossed. Its deposits,
    summed over all its histories, are its ``specific_energy``, to the rounding of the tally
    (3e-8 keV per emitted particle and region).

    Examples
    --------
    >>> import numpy as np
    >>> alpha = track("alpha", energy_keV=5000.0, straggling=False, rng=1)
    >>> end = alpha.isel(point=-1)
    >>> float(np.hypot(np.hypot(end["x"], end["y"]), end["z"]).round(1))
    38.0
    >>> float(alpha["energy_deposited"].sum().round(6))
    5000.0

    A decay of a population:

    >>> import immunodose as imd
    >>> cells = imd.cells.lattice(shape=(2, 1, 1), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=5.0)
    >>> labeled = imd.label(cells, "At-211", decays_per_cell=3.0)
    >>> dose = imd.absorbed_dose(labeled, method="monte_carlo", realization=True, rng=1)
    >>> dose.attrs["n_histories"]
    '{"At-211": 10}'
    >>> decay = track(dose, history=7)
    >>> decay.attrs["decay_cell"], decay.attrs["decay_region"]
    (1, 'membrane')
    """
    if _is_population(nuclide_or_particle):
        return _track_of_realization(nuclide_or_particle, locals())
    density = require_density(density_g_per_cm3, allow_unusual=allow_unusual)
    _check(history, electron_mode, max_points, alpha_step_um, world_radius_um)
    root = random_root(rng)
    options = _core.transport.TrackOptions(
        root=root,
        history=int(history),
        density_g_per_cm3=density,
        straggling=bool(straggling),
        detailed=electron_mode == "detailed",
        cutoff_keV=require_electron_cutoff(electron_cutoff_keV),
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
        sampler = _sampler(nuclide_or_particle, chain, retention)
        points = _core.transport.record_decay(sampler, options)
        emission = np.array(EMISSIONS)[points["emission"]]
    attrs = base_attrs(
        source=label,
        random_root=str(root),
        history=int(history),
        electron_mode=electron_mode,
        electron_cutoff_keV=float(electron_cutoff_keV),
        straggling=int(straggling),
        density_g_per_cm3=density,
        alpha_step_um=float(alpha_step_um),
        world_radius_um=float(world_radius_um),
        **{name: points[name] for name in ("emitted_keV", "escaped_keV", "left_keV")},
    )
    return _dataset(points, emission, attrs)


def _sampler(
    nuclide: str | xr.Dataset, chain: bool, retention: Mapping[str, float] | None
) -> _core.transport.DecaySampler:
    try:
        return decay_sampler(nuclide, chain=chain, retention=retention)
    except DataNotFoundError as error:
        raise DataNotFoundError(f"{error} Single particles: {', '.join(_ENERGY_KEV)}.") from error


def _is_population(source: str | xr.Dataset) -> TypeGuard[xr.Dataset]:
    return not isinstance(source, str) and (
        "realization" in source.attrs or "time_integrated_activity" in source
    )


def _track_of_realization(dose: xr.Dataset, given: Mapping[str, Any]) -> xr.Dataset:
    for name, default in (track.__kwdefaults__ or {}).items():
        value = given[name]
        if name not in _HISTORY_ARGUMENTS and value is not default and value != default:
            raise InputError(
                f"{name}={value!r} has no effect on a history of a realization, which was drawn "
                f"with its own. Leave it out, or draw another realization with it."
            )
    _check_count("history", given["history"], 0)
    _check_count("max_points", given["max_points"], 1)
    points, stated = record_history(dose, int(given["history"]), int(given["max_points"]))
    attrs = base_attrs(
        **stated, **{name: points[name] for name in ("emitted_keV", "escaped_keV", "left_keV")}
    )
    dataset = _dataset(points, np.array(EMISSIONS)[points["emission"]], attrs)
    places = {"point_cell": points["cell"], "point_region": np.array(REGIONS)[points["region"]]}
    return dataset.assign(
        {name: data_array(name, ("point",), value) for name, value in places.items()}
    )


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
    _check_count("history", history, 0)
    _check_count("max_points", max_points, 1)
    for name, length in (("alpha_step_um", alpha_step_um), ("world_radius_um", world_radius_um)):
        if not (np.isfinite(length) and length > 0.0):
            raise InputError(f"invalid {name}={length!r} (allowed: finite, > 0).")


def _check_count(name: str, count: int, least: int) -> None:
    whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
    if not whole or not least <= int(count) < 2**63:
        raise InputError(f"invalid {name}={count!r} (allowed: an int >= {least}).")


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
