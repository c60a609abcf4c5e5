# SPDX-License-Identifier: BSD-3-Clause
"""Quality of alphas for microdosimetric models: specific energy of domains and nuclei."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.data.nuclides import emissions
from immunodose.data.parameters import ParameterSet, ParametersLike, resolve
from immunodose.errors import InputError, did_you_mean
from immunodose.provenance import base_attrs
from immunodose.schema import build
from immunodose.typing import FloatArray, FloatLike

if TYPE_CHECKING:
    import xarray as xr

# The range of the stopping powers (ICRU 90) of alphas that nuclides emit.
_LOWEST_KEV = 1.0
_HIGHEST_KEV = 12000.0
_N_ENERGIES = 200
_N_SHARE = 4000  # 3 keV apart: the energy at a LET is good to that
MICRODOSIMETRIC = ("mkm", "smk")


@dataclass(frozen=True, slots=True)
class DomainTable:
    """Specific energies over the energy of an alpha; energies ascend."""

    energy_keV: FloatArray
    let_keV_per_um: FloatArray
    domain_Gy: FloatArray
    saturated_Gy: FloatArray
    nucleus_Gy: FloatArray

    def columns(self) -> FloatArray:
        """Return domain, saturated and nucleus specific energy (3, energy)."""
        return np.stack([self.domain_Gy, self.saturated_Gy, self.nucleus_Gy])

    def at_let(self, let_keV_per_um: FloatArray) -> FloatArray:
        """Return the three columns of fast alphas, above the peak of the stopping power."""
        peak = int(np.argmax(self.let_keV_per_um))
        grid = self.let_keV_per_um[peak:][::-1]
        bad = ~((let_keV_per_um >= grid[0]) & (let_keV_per_um <= grid[-1]))
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(
                f"let_dose_mean[{i}] of alphas = {let_keV_per_um[i]:g} keV um-1 (allowed: "
                f"{grid[0]:.3g} to {grid[-1]:.3g}, what alphas up to 12 MeV have in water; "
                f"{int(bad.sum())} such cells)."
            )
        return np.stack(
            [np.interp(let_keV_per_um, grid, column[peak:][::-1]) for column in self.columns()]
        )

    def slowing_mean(self, energy_keV: FloatArray, weight: FloatArray) -> FloatArray:
        """Return the columns averaged over all energy that alphas lose until they rest (Eq. 20)."""
        steps = np.diff(self.energy_keV)
        columns = self.columns()
        integral = np.concatenate(
            [
                np.zeros((3, 1)),
                np.cumsum(0.5 * (columns[:, 1:] + columns[:, :-1]) * steps, axis=1),
            ],
            axis=1,
        )
        at_lines = np.stack([np.interp(energy_keV, self.energy_keV, row) for row in integral])
        return np.asarray((at_lines @ weight) / (energy_keV @ weight))


def energy_share_above(let_keV_per_um: float, energy_keV: FloatArray, weight: FloatArray) -> float:
    """Return the share of the energy that slowing alphas lose above a LET."""
    grid = np.linspace(_LOWEST_KEV, _HIGHEST_KEV, _N_SHARE)
    above = _core.physics.alpha_let_keV_per_um(grid, 1.0) > let_keV_per_um
    below_keV = np.concatenate([[0.0], np.cumsum(above[1:] * np.diff(grid))])
    return float(np.interp(energy_keV, grid, below_keV) @ weight / (energy_keV @ weight))


@functools.lru_cache(maxsize=32)
def _table(domain_um: float, saturation_Gy: float, nucleus_um: float | None) -> DomainTable:
    energy = np.geomspace(_LOWEST_KEV, _HIGHEST_KEV, _N_ENERGIES)
    let = _core.physics.alpha_let_keV_per_um(energy, 1.0)
    return _columns(energy, let, domain_um, saturation_Gy, nucleus_um)


def _columns(
    energy_keV: FloatArray,
    let_keV_per_um: FloatArray,
    domain_um: float,
    saturation_Gy: float,
    nucleus_um: float | None,
) -> DomainTable:
    domain, saturated = _core.response.region_specific_energies(
        energy_keV=energy_keV,
        let_keV_per_um=let_keV_per_um,
        radius_um=domain_um,
        saturation_Gy=saturation_Gy,
        n_threads=1,
    )
    nucleus = np.zeros(energy_keV.size)
    if nucleus_um is not None:
        nucleus, _ = _core.response.region_specific_energies(
            energy_keV=energy_keV,
            let_keV_per_um=let_keV_per_um,
            radius_um=nucleus_um,
            saturation_Gy=math.inf,
            n_threads=1,
        )
    return DomainTable(energy_keV, let_keV_per_um, domain, saturated, nucleus)


def _geometry(item: ParameterSet, model: str) -> tuple[float, float, float | None]:
    nucleus = item.value("smk_nucleus_radius") if model == "smk" else None
    return item.value(f"{model}_domain_radius"), item.value(f"{model}_saturation"), nucleus


def domain_table(item: ParameterSet, model: str) -> DomainTable:
    """Return the table of a parameter set for "mkm" or "smk", 1 keV to 12 MeV."""
    return _table(*_geometry(item, model))


@dataclass(frozen=True, slots=True)
class AlphaSource:
    """Where the quality of the alphas of some cells comes from: LET per cell, or spectra.

    `let_keV_per_um` (cell,), NaN where no alpha gives a dose; else `spectra` of the rows
    (energies in keV, yields) with the share of each row in the alpha dose, (cell, row).
    """

    let_keV_per_um: FloatArray | None
    spectra: tuple[tuple[FloatArray, FloatArray], ...] = ()
    share: FloatArray | None = None

    def rows(self, rows: Any) -> AlphaSource:
        """Return the source of some of the cells."""
        return AlphaSource(
            None if self.let_keV_per_um is None else self.let_keV_per_um[rows],
            self.spectra,
            None if self.share is None else self.share[rows],
        )

    def columns(self, table: DomainTable, dosed: FloatArray) -> FloatArray:
        """Return domain, saturated, nucleus specific energy (3, cell); 0 without alpha dose."""
        result = np.zeros((3, dosed.size))
        hit = dosed > 0.0
        if not hit.any():
            return result
        if self.let_keV_per_um is not None:
            let = self.let_keV_per_um[hit]
            if np.isnan(let).any():
                i = int(np.flatnonzero(hit)[np.argmax(np.isnan(let))])
                raise InputError(
                    f"let_dose_mean[{i}, 'alpha'] = nan, but alphas give that nucleus "
                    f"{dosed[i]:g} Gy. Call immunodose.absorbed_dose again, or drop it."
                )
            result[:, hit] = table.at_let(let)
            return result
        by_row = np.stack([table.slowing_mean(*spectrum) for spectrum in self.spectra], axis=1)
        assert self.share is not None
        for k in range(len(self.spectra)):  # one order for any number of cells
            result[:, hit] += by_row[:, k, None] * self.share[hit, k]
        return result

    def share_above(self, limit_keV_per_um: float, n_cells: int) -> FloatArray:
        """Return the share of the alpha energy given off above a LET, (cell,)."""
        if self.let_keV_per_um is not None:
            return np.asarray(self.let_keV_per_um > limit_keV_per_um, dtype=np.float64)
        by_row = np.array([energy_share_above(limit_keV_per_um, *one) for one in self.spectra])
        assert self.share is not None
        total = np.zeros(n_cells)
        for k, value in enumerate(by_row):
            total += value * self.share[:, k]
        return total


def alpha_lines(table: xr.Dataset) -> tuple[FloatArray, FloatArray]:
    """Return energies (keV) and yields of the alphas of an emissions Dataset."""
    is_alpha = table["emission"].values.astype(str) == "alpha"
    energy = table["energy"].values[is_alpha].astype(np.float64)
    weight = table["yield_per_decay"].values[is_alpha].astype(np.float64)
    return energy[weight > 0.0], weight[weight > 0.0]


def radiation_quality(
    alphas: str | xr.Dataset | FloatLike,
    *,
    parameters: ParametersLike,
    model: str = "mkm",
    let_keV_per_um: FloatLike | None = None,
    retention: Mapping[str, float] | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Return specific energies of alphas in domains, and the coefficients that follow.

    Parameters
    ----------
    alphas
        A nuclide (with its chain) or an emissions Dataset: mean over all the energy that its
        alphas lose until they rest. Or energies in keV: short segments of a track.
    parameters
        Name, Dataset or ParameterSet of a cell line with the keys of the model, e.g. "hsg".
    model
        "mkm" or "smk".
    let_keV_per_um
        LET of each energy (> 0), needed above 12 MeV; None takes the stopping power of water
        (ICRU 90), for 1 keV to 12 MeV.
    retention
        Progeny -> fraction that stays, as in `emissions`.
    **overrides
        Values that replace those of the set.

    Returns
    -------
    xarray.Dataset
        `domain_specific_energy` and `domain_specific_energy_saturated` [Gy], dose means per event
        without and with overkill; `nucleus_specific_energy` [Gy] ("smk" only);
        `survival_alpha` [Gy-1], `survival_beta` [Gy-2]; `energy_share_above_let` [1], the share of
        the energy at LETs above `validity_let_max` of the set (nuclides only). With dim `energy`
        [keV] for energies, else scalars.

    Raises
    ------
    InputError
        For an unknown model, a set without its keys, energies out of range, a nuclide without
        alphas.

    Notes
    -----
    Eqs. 13-22 of docs/theory/response.md. The track has a core and a penumbra of delta electrons
    (Kiefer-Chatterjee); domains are cylinders along the track, 1 g/cm3.

    References
    ----------
    Chatterjee A, Schaefer HJ. Radiat Environ Biophys 1976;13:215. Kiefer J, Straaten H. Phys Med
    Biol 1986;31:1201. Kase Y et al. Phys Med Biol 2008;53:37. Inaniwa T, Kanematsu N. Phys Med
    Biol 2018;63:095011.

    Examples
    --------
    >>> quality = radiation_quality("At-211", parameters="hsg")
    >>> bool(quality["domain_specific_energy"] > quality["domain_specific_energy_saturated"])
    True
    """
    if model not in MICRODOSIMETRIC:
        raise InputError(
            f"unknown model={model!r} (available: {', '.join(MICRODOSIMETRIC)})."
            f"{did_you_mean(model, MICRODOSIMETRIC)}"
        )
    item = resolve(parameters).with_overrides(**overrides)
    by_name = isinstance(alphas, str) or hasattr(alphas, "data_vars")
    if by_name and let_keV_per_um is not None:
        raise InputError("let_keV_per_um has no effect for a nuclide. Leave it out.")
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    if by_name:
        dims: tuple[str, ...] = ()
        energy, weight = _lines_of(alphas, retention)
        table = domain_table(item, model)
        domain, saturated, nucleus = table.slowing_mean(energy, weight)
        if item.defines("validity_let_max"):
            share = energy_share_above(item.value("validity_let_max"), energy, weight)
            variables["energy_share_above_let"] = ((), share)
    else:
        dims = ("energy",)
        energy, let = _segments(alphas, let_keV_per_um)
        segment = _columns(energy, let, *_geometry(item, model))
        domain, saturated, nucleus = segment.columns()
        coords["energy"] = energy
    alpha, beta = lq_coefficients(item, model, np.asarray(domain), np.asarray(saturated))
    variables.update(
        domain_specific_energy=(dims, domain),
        domain_specific_energy_saturated=(dims, saturated),
        survival_alpha=(dims, alpha),
        survival_beta=(dims, beta),
    )
    if model == "smk":
        variables["nucleus_specific_energy"] = (dims, nucleus)
    attrs = base_attrs(model=model, domain_radius_um=item.value(f"{model}_domain_radius"))
    return build(variables, coords=coords, attrs={**attrs, **item.attrs("quality_parameters")})


def lq_coefficients(
    item: ParameterSet,
    model: str,
    domain_Gy: FloatArray,
    saturated_Gy: FloatArray,
    oxygen: FloatArray | float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Return alpha and beta of the alphas (Eq. 21, 22); `oxygen` divides the domain's energy."""
    alpha0, beta0 = item.value(f"{model}_alpha"), item.value(f"{model}_beta")
    alpha = alpha0 / oxygen + beta0 * saturated_Gy / np.square(oxygen)
    beta = beta0 / np.square(oxygen) * np.ones_like(domain_Gy)
    if model == "smk":
        share = np.divide(
            saturated_Gy, domain_Gy, out=np.ones_like(domain_Gy), where=domain_Gy > 0.0
        )
        beta = beta * share
    return np.asarray(alpha), np.asarray(beta)


def _lines_of(alphas: Any, retention: Mapping[str, float] | None) -> tuple[FloatArray, FloatArray]:
    table = emissions(alphas, retention=retention) if isinstance(alphas, str) else alphas
    energy, weight = alpha_lines(table)
    if energy.size == 0:
        raise InputError(f"{alphas if isinstance(alphas, str) else 'the spectrum'} has no alphas.")
    return energy, weight


def _segments(alphas: Any, let: FloatLike | None) -> tuple[FloatArray, FloatArray]:
    energy = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
    highest = np.inf if let is not None else _HIGHEST_KEV
    bad = ~(np.isfinite(energy) & (energy >= _LOWEST_KEV) & (energy <= highest))
    if energy.ndim != 1 or energy.size == 0 or bad.any():
        first = energy[bad][0] if bad.any() else energy.shape
        raise InputError(
            f"invalid energy_keV {first} of alphas (allowed: one number or a sequence, "
            f"{_LOWEST_KEV:g} to {_HIGHEST_KEV:g} keV; above, give let_keV_per_um). Check the "
            "unit."
        )
    if let is None:
        return energy, _core.physics.alpha_let_keV_per_um(energy, 1.0)
    given = np.atleast_1d(np.asarray(let, dtype=np.float64))
    if given.shape != energy.shape:
        raise InputError(
            f"let_keV_per_um has shape {given.shape}, the energies {energy.shape} (must be equal)."
        )
    return energy, given
