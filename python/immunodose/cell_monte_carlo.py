# SPDX-License-Identifier: BSD-3-Clause
"""S values by Monte Carlo: ellipsoidal cells, nucleus off the center, every emission followed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

import numpy as np

from immunodose import _core
from immunodose.cells.checks import (
    as_numbers,
    require_distances,
)
from immunodose.data.nuclides import emissions, nuclide_label
from immunodose.emission_kernels import (
    ELECTRON_CUTOFF_KEV,
    electron_fraction_below_cutoff,
    photon_fraction_at_decay,
    require_electron_cutoff,
)
from immunodose.errors import InputError, ValidityWarning, did_you_mean
from immunodose.physics import TOLERATED_BELOW, require_density, require_physics
from immunodose.provenance import base_attrs
from immunodose.rng import RngLike, random_root
from immunodose.schema import build
from immunodose.threads import resolve_threads
from immunodose.transport_shapes import CellShape, cell_shape, shape_attrs, source_shape
from immunodose.typing import EMISSIONS, SOURCES, TARGETS, Emission, FloatArray, FloatLike
from immunodose.units import GRAY_NG_PER_KEV, NG_PER_UM3, NM_PER_UM

if TYPE_CHECKING:
    import xarray as xr

ElectronMode = Literal["condensed", "detailed"]

# Batches of equal size give the standard error; the count is part of the result's identity.
N_BATCHES = 64
DEFAULT_HISTORIES = 100_000

# Photons that come farther than this from the cell are as good as gone: 10 cm, 1.5 mean free
# paths at 662 keV; their return to one cell lies far below any standard error.
DEFAULT_WORLD_RADIUS_UM = 1e5

# Of the transport of electrons and of photons whose secondaries are electrons, keV.
_HIGHEST_KEV = 3000.0
_HIGHEST_ALPHA_KEV = 12000.0
_TOLERATED_SHARE = 1e-3

# Share of the cell below which a region holds nothing but rounding.
_NO_VOLUME = 1e-12
_ROUNDING = 1e-12

# EmittedKind of the core.
_ELECTRON, _PHOTON, _ALPHA, _LOCAL = range(4)
_KIND: dict[Emission, int] = {
    "alpha": _ALPHA,
    "recoil": _LOCAL,
    "beta": _ELECTRON,
    "auger_ce": _ELECTRON,
    "photon": _PHOTON,
}
_HIGHEST_OF_KIND = {
    _ELECTRON: _HIGHEST_KEV,
    _PHOTON: _HIGHEST_KEV,
    _ALPHA: _HIGHEST_ALPHA_KEV,
    _LOCAL: np.inf,
}


class MonteCarloOptions(TypedDict, total=False):
    """Keyword arguments of S values that only `physics="monte_carlo"` knows."""

    n_histories: int
    rng: RngLike
    n_threads: int | None
    electron_mode: ElectronMode
    electron_cutoff_keV: float
    nucleus_offset_um: FloatLike
    cell_semi_axes_um: Sequence[float] | None
    nucleus_semi_axes_um: Sequence[float] | None
    world_radius_um: float
    alpha_straggling: bool


def refuse_monte_carlo_options(options: Mapping[str, object], physics: str | None) -> None:
    """Raise if options of the Monte Carlo engine are given to another transport model."""
    _refuse_unknown(options)
    if options:
        raise InputError(
            f"physics={require_physics(physics)!r} does not know {', '.join(sorted(options))}. "
            "Leave out or give physics='monte_carlo'."
        )


def _refuse_unknown(options: Mapping[str, object]) -> None:
    """Raise TypeError for a keyword that no model knows, as Python does."""
    allowed = MonteCarloOptions.__annotations__
    for name in options:
        if name not in allowed:
            raise TypeError(f"unexpected keyword argument {name!r}.{did_you_mean(name, allowed)}")


@dataclass(frozen=True, slots=True)
class _Class:
    """Lines of one emission class that are transported, and the energy of the others."""

    emission: Emission
    energy_keV: FloatArray
    yields: FloatArray
    not_scored_keV: float

    @property
    def total_yield(self) -> float:
        """Particles per decay that are transported."""
        return float(self.yields.sum())

    @property
    def emitted_keV(self) -> float:
        """Energy per decay, whether transported or not."""
        return float(np.sum(self.energy_keV * self.yields)) + self.not_scored_keV


@dataclass(frozen=True, slots=True)
class _Run:
    """What does not depend on the cell."""

    n_histories: int
    root: int
    n_threads: int
    electron_mode: ElectronMode
    electron_cutoff_keV: float
    world_radius_um: float
    alpha_straggling: bool


def monte_carlo_s_values(
    nuclide: str | xr.Dataset,
    *,
    radii_um: tuple[float | None, float | None],
    source_radii_um: tuple[float | None, float | None],
    distance_um: FloatLike,
    membrane_um: float,
    retention: Mapping[str, float] | None,
    chain: bool,
    density_g_per_cm3: float,
    allow_unusual: bool,
    options: MonteCarloOptions,
) -> xr.Dataset:
    """Return `s_value`, `s_value_stderr` and the energy balance; see `s_values`."""
    _refuse_unknown(options)
    density = require_density(density_g_per_cm3, allow_unusual=allow_unusual)
    target = cell_shape(
        radii_um,
        (options.get("cell_semi_axes_um"), options.get("nucleus_semi_axes_um")),
        options.get("nucleus_offset_um", 0.0),
        allow_unusual,
    )
    source = source_shape(source_radii_um, target, allow_unusual)
    # Along x, where both cells are widest: the plane between them touches each at one point.
    distance = require_distances(
        distance_um,
        touching_um=source.cell[0] + target.cell[0],
        same_cell=source == target,
        extents="their semi-axes along x",
    )
    run = _run(options)
    table = emissions(nuclide, chain=chain, retention=retention)
    classes = _classes(table)
    below = electron_fraction_below_cutoff(table, run.electron_cutoff_keV)
    _warn_of_slow_electrons(below, nuclide_label(table), run.electron_cutoff_keV)
    ascending, position = np.unique(distance, return_inverse=True)
    deposited, balance = _histories(source, target, membrane_um, ascending, classes, run, density)
    per_emission = deposited[:, :, :, position] * (N_BATCHES / run.n_histories)
    value, stderr = _s_values(per_emission, classes, source, target, membrane_um, density)
    return build(
        {
            "s_value": (("target", "source", "distance", "emission"), value),
            "s_value_stderr": (("target", "source", "distance", "emission"), stderr),
            **_energy_variables(balance * (N_BATCHES / run.n_histories), classes),
        },
        coords={
            "target": list(TARGETS),
            "source": list(TARGETS),
            "distance": distance,
            "emission": list(EMISSIONS),
        },
        attrs={
            **_attrs(table, density, run),
            "electron_energy_fraction_below_cutoff": below,
            "electron_energy_fraction_at_cutoff": _fraction_at_cutoff(balance, classes),
            "photon_energy_fraction_at_decay": photon_fraction_at_decay(table),
            "membrane_thickness_nm": membrane_um * NM_PER_UM,
            **shape_attrs("", target),
            **shape_attrs("source_", source),
        },
    )


def _histories(
    source: CellShape,
    target: CellShape,
    membrane_um: float,
    distance_um: FloatArray,
    classes: Sequence[_Class],
    run: _Run,
    density: float,
) -> tuple[FloatArray, FloatArray]:
    """Sums of all batches: (source, class, batch, distance, region) and the energy balance."""
    return _core.transport.cell_monte_carlo(
        source_axes_um=source.axes,
        target_axes_um=target.axes,
        membrane_um=membrane_um,
        distance_um=distance_um,
        source_regions=_possible_sources(source, membrane_um),
        emissions=[(_KIND[c.emission], c.energy_keV, c.yields) for c in classes],
        n_batches=N_BATCHES,
        histories_per_batch=run.n_histories // N_BATCHES,
        root=run.root,
        density_g_per_cm3=density,
        world_radius_um=run.world_radius_um,
        detailed=run.electron_mode == "detailed",
        cutoff_keV=run.electron_cutoff_keV,
        longest_step_um=np.inf,
        straggling=run.alpha_straggling,
        n_threads=run.n_threads,
    )


def _s_values(
    per_emission_keV: FloatArray,  # (source, class, batch, distance, region of the target)
    classes: Sequence[_Class],
    source: CellShape,
    target: CellShape,
    membrane_um: float,
    density: float,
) -> tuple[FloatArray, FloatArray]:
    """S and its standard error, (target, source, distance, emission)."""
    n_distances = per_emission_keV.shape[3]
    n_targets = len(TARGETS)
    keV = np.full((n_targets, len(classes), N_BATCHES, n_distances, n_targets), np.nan)
    yields = np.array([c.total_yield for c in classes])[:, None, None, None]
    keV[_possible_sources(source, membrane_um), ..., :-1] = per_emission_keV * yields
    keV[..., -1] = keV[..., :-1].sum(axis=-1)
    source_um3 = np.array(_core.transport.cell_volumes_um3(source.axes, membrane_um))
    target_um3 = np.array(_core.transport.cell_volumes_um3(target.axes, membrane_um))
    # A decay anywhere in the cell is one in its regions in proportion to their volumes. Eq. S8.
    weights = source_um3 / source_um3.sum()
    filled = weights > _NO_VOLUME
    keV[-1] = np.tensordot(weights[filled], keV[:-1][filled], axes=1)
    mass_ng = np.append(target_um3, target_um3.sum()) * density * NG_PER_UM3
    empty = np.append(target_um3 <= _NO_VOLUME * target_um3.sum(), False)
    gray = np.where(empty, np.nan, GRAY_NG_PER_KEV / np.where(empty, 1.0, mass_ng))
    # (source, class, distance, target) -> (target, source, distance, class)
    mean = np.transpose(keV.mean(axis=2) * gray, (3, 0, 2, 1))
    error = np.transpose(keV.std(axis=2, ddof=1) * gray, (3, 0, 2, 1)) / np.sqrt(N_BATCHES)
    value = np.zeros((*mean.shape[:3], len(EMISSIONS)))
    value[empty] = np.nan
    stderr = np.full_like(value, np.nan)
    for k, c in enumerate(classes):
        column = EMISSIONS.index(c.emission)
        value[..., column] = mean[..., k]
        # No spread but rounding (nothing scored, or all of it every time) is no error.
        spread = error[..., k] > _ROUNDING * np.abs(mean[..., k])
        stderr[..., column] = np.where(spread, error[..., k], np.nan)
    return value, stderr


def _possible_sources(shape: CellShape, membrane_um: float) -> list[int]:
    """Regions that decays can start in; without a volume only surfaces of spheres."""
    volumes = np.array(_core.transport.cell_volumes_um3(shape.axes, membrane_um))
    has_volume = volumes > _NO_VOLUME * volumes.sum()
    round_cell = len(set(shape.cell)) == 1
    is_surface = [False, shape.is_sphere, round_cell]
    return [i for i in range(len(SOURCES)) if has_volume[i] or is_surface[i]]


def _energy_variables(
    balance_keV: FloatArray,  # (source, class, batch, 4), per emission
    classes: Sequence[_Class],
) -> dict[str, tuple[tuple[str, ...], FloatArray]]:
    """Emitted, not scored and escaped energy (keV per decay) of each emission class."""
    names = ("energy_per_decay", "energy_not_scored", "energy_escaped", "energy_escaped_stderr")
    rows = {name: np.zeros(len(EMISSIONS)) for name in names}
    rows["energy_escaped_stderr"][:] = np.nan
    for k, c in enumerate(classes):
        column = EMISSIONS.index(c.emission)
        rows["energy_per_decay"][column] = c.emitted_keV
        rows["energy_not_scored"][column] = c.not_scored_keV
        escaped = balance_keV[:, k, :, 2].ravel() * c.total_yield
        rows["energy_escaped"][column] = escaped.mean()
        if escaped.any():
            error = escaped.std(ddof=1) / np.sqrt(escaped.size)
            rows["energy_escaped_stderr"][column] = error
    return {name: (("emission",), row) for name, row in rows.items()}


def _fraction_at_cutoff(balance_keV: FloatArray, classes: Sequence[_Class]) -> float:
    """Share of what electrons and photons left in water that electrons left at the cut-off."""
    light = [k for k, c in enumerate(classes) if _KIND[c.emission] in (_ELECTRON, _PHOTON)]
    if not light:
        return 0.0
    per_decay = np.array([classes[k].total_yield for k in light])
    _, left, _, slow = per_decay @ balance_keV.mean(axis=(0, 2))[light]
    return float(slow / left) if left else 0.0


def _classes(table: xr.Dataset) -> list[_Class]:
    """Lines of each class within the range of its transport model."""
    label = table["emission"].values.astype(str)
    energy = table["energy"].values.astype(np.float64)
    yields = table["yield_per_decay"].values.astype(np.float64)
    classes = []
    for emission in EMISSIONS:
        own = (label == emission) & (yields > 0.0) & (energy > 0.0)
        if not own.any():
            continue
        highest = _HIGHEST_OF_KIND[_KIND[emission]]
        within = own & (energy <= highest)
        beyond_keV = float(np.sum((energy * yields)[own & ~within]))
        total_keV = float(np.sum((energy * yields)[own]))
        if not within.any():
            raise InputError(
                f"all {emission} energies of {nuclide_label(table)} lie above {highest:g} keV, the "
                "end of the transport model. Give physics='kernel', or remove these lines."
            )
        if beyond_keV > _TOLERATED_SHARE * total_keV:
            warnings.warn(
                f"{beyond_keV / total_keV:.2g} of the {emission} energy of "
                f"{nuclide_label(table)} lies above {highest:g} keV, the end of the transport "
                "model; it is not scored (see energy_not_scored).",
                ValidityWarning,
                stacklevel=4,
            )
        classes.append(_Class(emission, energy[within], yields[within], beyond_keV))
    if not classes:
        raise InputError(f"{nuclide_label(table)} emits nothing that can be transported.")
    return classes


def _warn_of_slow_electrons(share: float, label: str, cutoff_keV: float) -> None:
    """Warn as the deterministic models do of electrons below their tables."""
    if share > TOLERATED_BELOW:
        warnings.warn(
            f"{share:.0%} of the electron energy of {label} comes with electrons below "
            f"{1e3 * cutoff_keV:g} eV, the cut-off of physics='monte_carlo', which "
            "absorbs them at the decay. Doses to whole nuclei and cells are little affected, those "
            "across a membrane and within 0.1 um of the decay are.",
            ValidityWarning,
            stacklevel=4,
        )


def _flag(name: str, value: object) -> bool:
    """Return a bool argument, or raise InputError."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"invalid {name}={value!r} (allowed: True or False).")
    return bool(value)


def _run(options: MonteCarloOptions) -> _Run:
    """Check what does not depend on the cell, and fill in the defaults."""
    asked = options.get("n_histories", DEFAULT_HISTORIES)
    whole = isinstance(asked, (int, np.integer)) and not isinstance(asked, bool)
    if not whole or not N_BATCHES <= int(asked) <= 10**12:
        raise InputError(
            f"invalid n_histories={asked!r} (allowed: an int from {N_BATCHES} to 1e12, for each "
            f"source and emission class; rounded up to a multiple of {N_BATCHES} batches)."
        )
    mode = options.get("electron_mode", "condensed")
    if mode not in get_args(ElectronMode):
        raise InputError(
            f"unknown electron_mode={mode!r} (allowed: condensed, detailed)."
            f"{did_you_mean(mode, get_args(ElectronMode))}"
        )
    world = options.get("world_radius_um", DEFAULT_WORLD_RADIUS_UM)
    if as_numbers("world_radius_um", world).ndim != 0 or not 0.0 < world < np.inf:
        raise InputError(f"invalid world_radius_um={world!r} (allowed: finite, > 0).")
    return _Run(
        n_histories=-(-int(asked) // N_BATCHES) * N_BATCHES,
        root=random_root(options.get("rng")),
        n_threads=resolve_threads(options.get("n_threads")),
        electron_mode=mode,
        electron_cutoff_keV=require_electron_cutoff(
            options.get("electron_cutoff_keV", ELECTRON_CUTOFF_KEV)
        ),
        world_radius_um=float(world),
        alpha_straggling=_flag("alpha_straggling", options.get("alpha_straggling", True)),
    )


def _attrs(table: xr.Dataset, density: float, run: _Run) -> dict[str, object]:
    """Attributes that state source, model and settings."""
    kept = ("progeny_energy_left_out_keV", "progeny_energy_left_out_share")
    return base_attrs(
        nuclide=nuclide_label(table),
        **{name: table.attrs[name] for name in kept if name in table.attrs},
        physics="monte_carlo",
        density_g_per_cm3=density,
        electron_mode=run.electron_mode,
        electron_cutoff_keV=run.electron_cutoff_keV,
        alpha_straggling=int(run.alpha_straggling),
        world_radius_um=run.world_radius_um,
        n_histories=run.n_histories,
        n_batches=N_BATCHES,
        random_root=str(run.root),
        physics_note=(
            "histories of single emissions; recoils and electrons below the cut-off are absorbed "
            "where they are; beta particles of both signs move as electrons"
        ),
    )
