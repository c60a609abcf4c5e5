# SPDX-License-Identifier: BSD-3-Clause
"""S values: mean absorbed dose to a compartment per decay in another, at any distance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np

from immunodose import _core
from immunodose.cell_monte_carlo import (
    MonteCarloOptions,
    monte_carlo_s_values,
    refuse_monte_carlo_options,
)
from immunodose.cells.checks import as_numbers, require_distances, require_scalar_radii
from immunodose.emission_kernels import RadialKernel
from immunodose.errors import GeometryError, InputError, UnitError
from immunodose.physics import (
    PhysicsModel,
    energy_variables,
    model_attrs,
    physics_model,
    require_physics,
    warn_of_electrons,
)
from immunodose.schema import build
from immunodose.transport_shapes import offset_vector_um
from immunodose.typing import EMISSIONS, TARGETS, FloatArray, FloatLike, Physics
from immunodose.units import NM_PER_UM

if TYPE_CHECKING:
    import xarray as xr

# Membranes of cells are 4-10 nm; thicker "membranes" suggest um given as nm.
_LARGEST_MEMBRANE_NM = 1000.0
_HIGHEST_STRAGGLED_ALPHA_KEV = 11_800.0
# A shorter offset is none: doses change with its square, by less than 1e-8.
_SHORTEST_OFFSET_UM = 1e-4


@dataclass(frozen=True, slots=True)
class _Part:
    """Ball, shell or surface, with its share of the volume of a compartment (below 0: cut out)."""

    share: float
    radii_um: tuple[float, float]
    offset_um: float


@dataclass(frozen=True, slots=True)
class _Cell:
    cell_radius_um: float
    nucleus_radius_um: float
    membrane_um: float
    offset_um: float = 0.0

    def region(self, compartment: str) -> tuple[float, float]:
        """Inner and outer radius of a compartment; equal radii are a surface."""
        inside = self.cell_radius_um - self.membrane_um
        return {
            "nucleus": (0.0, self.nucleus_radius_um),
            "cytoplasm": (self.nucleus_radius_um, inside),
            "membrane": (inside, self.cell_radius_um),
            "cell": (0.0, self.cell_radius_um),
        }[compartment]

    def parts(self, compartment: str) -> tuple[_Part, ...]:
        """Compartment as a sum of concentric regions, each at its own offset."""
        if compartment == "nucleus":
            return (_Part(1.0, self.region(compartment), self.offset_um),)
        if compartment != "cytoplasm" or self.offset_um == 0.0:
            return (_Part(1.0, self.region(compartment), 0.0),)
        inside = self.cell_radius_um - self.membrane_um
        nucleus = (self.nucleus_radius_um / inside) ** 3
        return (
            _Part(1.0 / (1.0 - nucleus), (0.0, inside), 0.0),
            _Part(-nucleus / (1.0 - nucleus), (0.0, self.nucleus_radius_um), self.offset_um),
        )


def s_values(
    nuclide: str | xr.Dataset,
    *,
    cell_radius_um: float | None = None,
    nucleus_radius_um: float | None = None,
    distance_um: FloatLike = 0.0,
    source_cell_radius_um: float | None = None,
    source_nucleus_radius_um: float | None = None,
    membrane_thickness_nm: float = 10.0,
    retention: Mapping[str, float] | None = None,
    chain: bool = True,
    physics: Physics | None = None,
    density_g_per_cm3: float = 1.0,
    allow_unusual: bool = False,
    **monte_carlo: Unpack[MonteCarloOptions],
) -> xr.Dataset:
    """Return S values between the compartments of one cell or of two cells.

    Parameters
    ----------
    nuclide
        Name of a nuclide ("Ac-225", "225Ac", "Ac225") or an emissions Dataset.
    cell_radius_um, nucleus_radius_um
        Radii of the target cell, 0.5 to 100 um (`allow_unusual` for others); the nucleus is
        concentric unless `nucleus_offset_um` says otherwise.
    distance_um
        Center-to-center distances: 0 is the self-dose; otherwise at least the sum of the radii.
    source_cell_radius_um, source_nucleus_radius_um
        Radii of the source cell; None means those of the target cell.
    membrane_thickness_nm
        Thickness of the shell inside the cell radius that is the membrane; 0 to the cytoplasm.
        `physics="mird"` uses zero thickness whatever is given, as its tables do.
    retention
        Progeny -> fraction in [0, 1] that stays at the site of the parent.
    chain
        Whether progeny are included.
    physics
        "kernel" (the default): integral over kernels of electrons that scatter and lose energy
        with straggling, alphas with straggling, photons to 1 mm, recoils at the decay. "mird":
        straight CSDA tracks of alphas and electrons, no photons or recoils, as in the MIRD tables.
        "monte_carlo": every emission followed, history by history.
    density_g_per_cm3
        Density of the water, 0.2 to 3 (`allow_unusual` for others > 0).
    allow_unusual
        Whether radii outside 0.5 to 100 um, membranes above 1000 nm, or such a density, pass.
    **monte_carlo
        `nucleus_offset_um` (along x, or a vector) of the center of the nucleus; other models than
        "monte_carlo" know it at distance 0. Of `physics="monte_carlo"` only: `n_histories` of each
        source and emission class (64 or more; default 100,000), `rng`, `n_threads`,
        `electron_mode` ("condensed", the default, or "detailed": every collision),
        `electron_cutoff_keV` (slower electrons are absorbed where they are; 0.03 to 1, default
        0.05),
        `cell_semi_axes_um` and `nucleus_semi_axes_um` (x, y, z, in place of the radii),
        `world_radius_um` beyond which photons escape (default 1e5), `alpha_straggling`.

    Returns
    -------
    Dataset
        ``s_value`` (target, source, distance, emission) [Gy Bq-1 s-1], that is Gy per decay; the
        membrane target is NaN where the membrane has no thickness. ``energy_per_decay``,
        ``energy_not_scored`` (of classes not transported) and ``energy_escaped`` (bremsstrahlung;
        photons beyond 1 mm, or beyond `world_radius_um`) (emission) [keV]. Monte Carlo adds
        ``s_value_stderr`` (NaN where undefined) and ``energy_escaped_stderr`` (emission) [keV], and
        the attributes ``electron_energy_fraction_below_cutoff`` (of emissions) and
        ``..._at_cutoff`` (share of what electrons and photons left that electrons left after they
        had come down to the cut-off; in condensed mode of those followed singly).

    Raises
    ------
    InputError
        For radii, distances or thickness that are not finite or out of range.
    UnitError
        For radii, a membrane or a density that suggest another unit.
    GeometryError
        For a nucleus that is not inside its cell or a distance at which the cells overlap.

    Warns
    -----
    ValidityWarning
        If `chain=False` leaves out energy of progeny, if much of the electron energy lies outside
        the tables of the model (see Notes), or if 0.1 % of the energy of a class lies above the
        Monte Carlo transport (electrons and photons 3000 keV, alphas 12000 keV).

    Notes
    -----
    The Monte Carlo model is that of docs/theory/single_cell_monte_carlo.md; the others are a
    one-dimensional integral of kernel times overlap, exact but for the kernel's bins: Eq. 7 of
    docs/theory/transport.md, with the kernels of docs/theory/kernels.md (`kernel`) or Eq. 6 of
    docs/theory/physics.md (`mird`). The attributes ``electron_energy_fraction_below_tables``
    (0.1 keV; 0.6 keV for `mird`) and ``electron_energy_fraction_above_tables`` (3000 keV) warn
    above 5 % and 1 %.

    References
    ----------
    Goddu et al. 1997, MIRD Cellular S Values, Society of Nuclear Medicine.

    Examples
    --------
    >>> s = s_values("Lu-177", cell_radius_um=7.0, nucleus_radius_um=5.0, physics="mird")
    >>> f"{float(s.s_value.sel(target='nucleus', source='membrane', distance=0).sum()):.2e}"
    '1.75e-04'
    """
    if physics == "monte_carlo":
        return monte_carlo_s_values(
            nuclide,
            radii_um=(cell_radius_um, nucleus_radius_um),
            source_radii_um=(source_cell_radius_um, source_nucleus_radius_um),
            distance_um=distance_um,
            membrane_um=effective_membrane_um(
                physics, membrane_thickness_nm, allow_unusual=allow_unusual
            ),
            retention=retention,
            chain=chain,
            density_g_per_cm3=density_g_per_cm3,
            allow_unusual=allow_unusual,
            options=monte_carlo,
        )
    offset_um = monte_carlo.pop("nucleus_offset_um", 0.0)
    refuse_monte_carlo_options(monte_carlo, physics)
    if cell_radius_um is None or nucleus_radius_um is None:
        raise InputError("give cell_radius_um and nucleus_radius_um in um (one is missing).")
    model = physics_model(
        nuclide,
        physics=require_physics(physics),
        chain=chain,
        retention=retention,
        density_g_per_cm3=density_g_per_cm3,
        allow_unusual=allow_unusual,
    )
    warn_of_electrons(model)
    return _s_values(
        model,
        radii_um=(cell_radius_um, nucleus_radius_um),
        source_radii_um=(source_cell_radius_um, source_nucleus_radius_um),
        distance_um=distance_um,
        membrane_um=effective_membrane_um(
            model.physics, membrane_thickness_nm, allow_unusual=allow_unusual
        ),
        nucleus_offset_um=offset_vector_um(offset_um),
        allow_unusual=allow_unusual,
    )


def s_values_alpha(
    energy_keV: float,
    *,
    cell_radius_um: float | None = None,
    nucleus_radius_um: float | None = None,
    distance_um: FloatLike = 0.0,
    source_cell_radius_um: float | None = None,
    source_nucleus_radius_um: float | None = None,
    membrane_thickness_nm: float = 10.0,
    physics: Physics | None = None,
    density_g_per_cm3: float = 1.0,
    allow_unusual: bool = False,
    **monte_carlo: Unpack[MonteCarloOptions],
) -> xr.Dataset:
    """Return S values of one alpha particle of `energy_keV` (1 to 12000 keV) per decay.

    With straggling (`physics="kernel"`) to 11800 keV. All other parameters, results and errors are
    those of `s_values`.

    Examples
    --------
    >>> s = s_values_alpha(5870.0, cell_radius_um=7.0, nucleus_radius_um=5.0, physics="mird")
    >>> round(float(s.s_value.sel(target="nucleus", source="nucleus", emission="alpha").sum()), 3)
    0.092
    """
    # With straggling an alpha may reach beyond the stopping powers from 11800 keV on.
    highest_keV = _HIGHEST_STRAGGLED_ALPHA_KEV if physics in (None, "kernel") else 12000.0
    table = _one_line("alpha", energy_keV, (1.0, highest_keV))
    return s_values(
        table,
        cell_radius_um=cell_radius_um,
        nucleus_radius_um=nucleus_radius_um,
        distance_um=distance_um,
        source_cell_radius_um=source_cell_radius_um,
        source_nucleus_radius_um=source_nucleus_radius_um,
        membrane_thickness_nm=membrane_thickness_nm,
        physics=physics,
        density_g_per_cm3=density_g_per_cm3,
        allow_unusual=allow_unusual,
        **monte_carlo,
    )


def s_values_electron(
    energy_keV: float,
    *,
    cell_radius_um: float | None = None,
    nucleus_radius_um: float | None = None,
    distance_um: FloatLike = 0.0,
    source_cell_radius_um: float | None = None,
    source_nucleus_radius_um: float | None = None,
    membrane_thickness_nm: float = 10.0,
    physics: Physics | None = None,
    density_g_per_cm3: float = 1.0,
    allow_unusual: bool = False,
    **monte_carlo: Unpack[MonteCarloOptions],
) -> xr.Dataset:
    """Return S values of one electron of `energy_keV` (0.03 to 3000 keV) per decay.

    All other parameters, results and errors are those of `s_values`.

    Examples
    --------
    >>> s = s_values_electron(10.0, cell_radius_um=5.0, nucleus_radius_um=4.0, physics="mird")
    >>> f"{float(s.s_value.sel(target='cell', source='cell', emission='auger_ce').sum()):.2e}"
    '2.30e-03'
    """
    table = _one_line("auger_ce", energy_keV, (0.03, 3000.0))
    return s_values(
        table,
        cell_radius_um=cell_radius_um,
        nucleus_radius_um=nucleus_radius_um,
        distance_um=distance_um,
        source_cell_radius_um=source_cell_radius_um,
        source_nucleus_radius_um=source_nucleus_radius_um,
        membrane_thickness_nm=membrane_thickness_nm,
        physics=physics,
        density_g_per_cm3=density_g_per_cm3,
        allow_unusual=allow_unusual,
        **monte_carlo,
    )


def _one_line(emission: str, energy_keV: float, allowed_keV: tuple[float, float]) -> xr.Dataset:
    low, high = allowed_keV
    if as_numbers("energy_keV", energy_keV).ndim != 0:
        raise InputError("energy_keV must be one number here; a spectrum goes to s_values.")
    if not np.isfinite(energy_keV) or not low <= energy_keV <= high:
        raise InputError(
            f"energy_keV={energy_keV} lies outside the tables ({low:g} to {high:g} keV). Is it in "
            "another unit (MeV, eV)? A spectrum with harder lines goes to s_values."
        )
    label = f"{energy_keV:g} keV {emission}"
    return build(
        {
            "energy": (("line",), np.array([energy_keV], dtype=np.float64)),
            "yield_per_decay": (("line",), np.ones(1)),
            "emission": (("line",), np.array([emission])),
            "line_nuclide": (("line",), np.array([label])),
            "continuous": (("line",), np.zeros(1, dtype=np.int8)),
        },
        attrs={"nuclide": label},
    )


def _s_values(
    model: PhysicsModel,
    *,
    radii_um: tuple[float, float],
    source_radii_um: tuple[float | None, float | None],
    distance_um: FloatLike,
    membrane_um: float,
    nucleus_offset_um: tuple[float, float, float],
    allow_unusual: bool,
) -> xr.Dataset:
    target = _cell(radii_um, membrane_um, allow_unusual)
    given = [
        own if radius is None else radius
        for own, radius in zip(radii_um, source_radii_um, strict=True)
    ]
    source = _cell((given[0], given[1]), membrane_um, allow_unusual, prefix="source_")
    distance = _distances(distance_um, source, target)
    offset_um = math.hypot(*nucleus_offset_um)
    if offset_um >= _SHORTEST_OFFSET_UM:
        source = target = _displaced(target, offset_um, distance, model.physics)
    value = np.zeros((len(TARGETS), len(TARGETS), distance.size, len(EMISSIONS)))
    for t, target_name in enumerate(TARGETS):
        if len(set(target.region(target_name))) == 1:  # no mass, no dose
            value[t] = np.nan
            continue
        for s, source_name in enumerate(TARGETS):
            for e, emission in enumerate(EMISSIONS):
                kernel = model.kernels.get(emission)
                if kernel is None:
                    continue
                value[t, s, :, e] = _pair_s_values(
                    kernel,
                    source.parts(source_name),
                    target.parts(target_name),
                    distance,
                    model.density_g_per_cm3,
                )
    return build(
        {
            "s_value": (("target", "source", "distance", "emission"), value),
            **energy_variables(model),
        },
        coords={
            "target": list(TARGETS),
            "source": list(TARGETS),
            "distance": distance,
            "emission": list(EMISSIONS),
        },
        attrs={
            **model_attrs(model),
            "membrane_thickness_nm": membrane_um * NM_PER_UM,
            "cell_radius_um": target.cell_radius_um,
            "nucleus_radius_um": target.nucleus_radius_um,
            "nucleus_offset_um": list(nucleus_offset_um),
            "source_cell_radius_um": source.cell_radius_um,
            "source_nucleus_radius_um": source.nucleus_radius_um,
        },
    )


def _pair_s_values(
    kernel: RadialKernel,
    sources: tuple[_Part, ...],
    targets: tuple[_Part, ...],
    distance_um: FloatArray,
    density_g_per_cm3: float,
) -> FloatArray:
    """S values between compartments: Eq. 7, and Eq. 7a where parts are displaced."""
    total = np.zeros(distance_um.size)
    for source in sources:
        for target in targets:
            apart_um = abs(source.offset_um - target.offset_um)
            value = _core.transport.s_values(
                edge_um=kernel.edge_um,
                energy_keV=kernel.energy_keV,
                source_um=source.radii_um,
                target_um=target.radii_um,
                distance_um=distance_um if apart_um == 0.0 else np.full_like(total, apart_um),
                density_g_per_cm3=density_g_per_cm3,
            )
            total += source.share * target.share * value
    return total


def _displaced(cell: _Cell, offset_um: float, distance_um: FloatArray, physics: str) -> _Cell:
    """Return the cell with its nucleus off the center, where it can be and the model knows it."""
    inside_um = cell.cell_radius_um - cell.membrane_um
    if offset_um > (inside_um - cell.nucleus_radius_um) * (1.0 + 1e-9):
        raise GeometryError(
            f"the nucleus ({cell.nucleus_radius_um:g} um) leaves the inside of its cell "
            f"({inside_um:g} um) at nucleus_offset_um={offset_um:g}. Give an offset of at most "
            f"{inside_um - cell.nucleus_radius_um:g} um."
        )
    if np.any(distance_um > 0.0):
        index = int(np.flatnonzero(distance_um > 0.0)[0])
        raise InputError(
            f"physics={physics!r} knows nucleus_offset_um at distance 0 only (got distance_um"
            f"[{index}]={distance_um[index]:g}). Leave one out or give physics='monte_carlo'."
        )
    return replace(cell, offset_um=offset_um)


def effective_membrane_um(
    physics: Physics, membrane_thickness_nm: float, *, allow_unusual: bool = False
) -> float:
    """Membrane thickness that a model uses: the `mird` tables know only a surface."""
    if not np.isfinite(membrane_thickness_nm) or membrane_thickness_nm < 0.0:
        raise InputError(
            f"invalid membrane_thickness_nm={membrane_thickness_nm} (allowed: finite, >= 0)."
        )
    if membrane_thickness_nm > _LARGEST_MEMBRANE_NM and not allow_unusual:
        raise UnitError(
            f"membrane_thickness_nm={membrane_thickness_nm:g} exceeds 1000 nm. "
            "Is it in another unit? Cell membranes are 4 to 10 nm thick. S values take it with "
            "allow_unusual=True."
        )
    return 0.0 if physics == "mird" else membrane_thickness_nm / NM_PER_UM


def _distances(distance_um: FloatLike, source: _Cell, target: _Cell) -> FloatArray:
    return require_distances(
        distance_um,
        touching_um=source.cell_radius_um + target.cell_radius_um,
        same_cell=source == target,
        extents="the radii",
    )


def _cell(
    radii_um: tuple[float, float], membrane_um: float, allow_unusual: bool, *, prefix: str = ""
) -> _Cell:
    cell_radius, nucleus_radius = require_scalar_radii(
        *radii_um, allow_unusual=allow_unusual, prefix=prefix
    )
    if nucleus_radius > cell_radius - membrane_um:
        raise GeometryError(
            f"the nucleus ({prefix}nucleus_radius_um={nucleus_radius:g}) reaches into the membrane "
            f"of its cell ({cell_radius:g} um less {membrane_um * NM_PER_UM:g} nm). Give a smaller "
            "nucleus."
        )
    return _Cell(cell_radius, nucleus_radius, membrane_um)
