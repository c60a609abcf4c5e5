# SPDX-License-Identifier: BSD-3-Clause
"""Expected DNA double-strand breaks of each nucleus, by emission class."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.data.parameters import ParameterSet, ParametersLike, resolve
from immunodose.errors import InputError
from immunodose.provenance import base_attrs
from immunodose.response_inputs import merged, nucleus_dose, warn
from immunodose.schema import build
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

_ELECTRONS = ("beta", "auger_ce", "photon")
_CLASSES = ("alpha", "recoil", *_ELECTRONS)

_ELECTRON_REST_ENERGY_KEV = 510.99895  # CODATA 2018
_WATER_I_KEV = 0.078  # mean excitation energy of liquid water, ICRU Report 90 (2016)
_WATER_Z_OVER_A_MOL_PER_G = 0.55508  # 10 electrons per 18.015 g
# 2 pi N_A r_e^2 m c^2 = 0.15354 MeV cm2 mol-1, at 1 g cm-3 in keV um-1.
_BETHE_KEV_PER_UM = 0.0153537
_ALPHA_LET_LIMIT_KEV_PER_UM = 300.0  # above the Bragg peak of alphas in water
_ELECTRON_GRID_KEV = np.geomspace(0.2, 1000.0, 1024)


def dsb_yield_per_gray(
    emission: str,
    *,
    parameters: ParametersLike,
    let_keV_per_um: npt.ArrayLike | None = None,
    energy_keV: npt.ArrayLike | None = None,
    **overrides: float,
) -> FloatArray:
    """Return the initial double-strand breaks per gray and nucleus of one emission class.

    Parameters
    ----------
    emission
        `"alpha"`, `"recoil"`, `"beta"`, `"auger_ce"` or `"photon"`.
    parameters
        Name of a set of kind `dna_damage` (`"dsb_yields"`), a Dataset of `parameters` or a
        ParameterSet.
    let_keV_per_um
        Dose-mean LET in water of density 1 g cm-3: of alphas above 0 to 300, of electrons
        0.187 to 23.8; any shape.
    energy_keV
        Instead of the LET, the kinetic energy of alphas (1 to 12000) or electrons (0.01 to 3000)
        at that place (not the starting energy, and not that of a photon); any shape.
    **overrides
        Values that replace those of the set, e.g. `genome_size_Gbp`.

    Returns
    -------
    numpy.ndarray
        Yield [Gy-1], of the shape of the LET or energy. That of recoils is one assumed number,
        so give neither.

    Raises
    ------
    InputError
        If the class is unknown, not exactly one of LET and energy is given (none for recoils), or
        a value is out of range.

    Warns
    -----
    ValidityWarning
        If a value lies beyond the data behind the fit.

    Notes
    -----
    Eq. 1-4 of docs/theory/dna_damage.md.

    References
    ----------
    Kundrat P et al. Sci Rep 2020;10:15775. Stewart RD et al. Phys Med Biol 2015;60:8249.

    Examples
    --------
    >>> float(dsb_yield_per_gray("alpha", parameters="dsb_yields", let_keV_per_um=100.0).round(1))
    107.4
    """
    item = resolve(parameters, kind="dna_damage", **overrides)
    _check_class(emission)
    scale = item.value("low_let_yield_per_Gbp") * item.value("genome_size_Gbp")
    if emission == "recoil":
        if let_keV_per_um is not None or energy_keV is not None:
            raise InputError(
                "the yield of recoils is one assumed number (recoil_relative_yield), which "
                "let_keV_per_um and energy_keV do not change. Give neither."
            )
        return np.asarray(scale * item.value("recoil_relative_yield"))
    if (let_keV_per_um is None) == (energy_keV is None):
        raise InputError(
            f"emission {emission!r} needs exactly one of let_keV_per_um and energy_keV."
        )
    if energy_keV is not None:
        relative, outside = _from_energy(item, emission, energy_keV)
    else:
        assert let_keV_per_um is not None
        relative, outside = _from_let(item, emission, _numbers("let_keV_per_um", let_keV_per_um))
    if outside.any():
        warn({}, _limit_text(item, emission, int(outside.sum()), "values"))
    return np.asarray(scale * relative)


def dsb_yields(
    ds: xr.Dataset, *, parameters: ParametersLike, merge: bool = True, **overrides: float
) -> xr.Dataset:
    """Add the expected initial double-strand breaks of each nucleus, by emission class.

    Parameters
    ----------
    ds
        Dataset of `absorbed_dose` with dims `cell` and `emission`. With `let_dose_mean`
        (cell, target, emission) [keV um-1] each cell has its own yield, else each class has
        that of its `reference_let_...`.
    parameters
        Name of a set of kind `dna_damage` (`"dsb_yields"`), a Dataset of `parameters` or a
        ParameterSet.
    merge
        Whether to return `ds` with the new variables, or only these.
    **overrides
        Values that replace those of the set, e.g. `genome_size_Gbp`, one for all cells.

    Returns
    -------
    xarray.Dataset
        `dsb_yield_per_gray` (emission, or cell and emission with `let_dose_mean`) [Gy-1], NaN
        where a class gives a nucleus no dose and so has no LET; `dsb_expected` (cell, emission)
        [1], before any repair. Attributes: `dsb_let` (JSON object, per class the LET used in keV
        um-1 or "let_dose_mean"), `dsb_outside_validity` (JSON object, the number of cells per
        class beyond the data), `dsb_parameters`, `..._overrides` and `..._assumed`.

    Raises
    ------
    InputError
        If a needed variable or dim is missing, or a value is out of range.

    Warns
    -----
    ValidityWarning
        If the LET of cells lies beyond the data behind the fit.

    Notes
    -----
    Eq. 1-5 of docs/theory/dna_damage.md. Expected numbers, linear in dose; the breaks of one
    cell vary more than Poisson numbers do, because tracks hit or miss.

    References
    ----------
    Kundrat P et al. Sci Rep 2020;10:15775. Stewart RD et al. Phys Med Biol 2015;60:8249.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> dose = xr.Dataset({"absorbed_dose": (("cell", "emission"), np.ones((1, 2)))},
    ...     coords={"emission": ["alpha", "beta"]})
    >>> dsb_yields(dose, parameters="dsb_yields").dsb_expected.values.round(1)
    array([[110.2,  44. ]])
    """
    item = resolve(parameters, kind="dna_damage", **overrides)
    if not hasattr(ds, "data_vars"):
        raise InputError(
            f"ds is {ds!r} (a Dataset with absorbed_dose is needed). Call absorbed_dose first."
        )
    dose = nucleus_dose(ds, "emission")
    labels = [str(label) for label in ds["absorbed_dose"]["emission"].values]
    for label in labels:
        _check_class(label)
    let = _dose_mean_let(ds, labels, dose)
    scale = item.value("low_let_yield_per_Gbp") * item.value("genome_size_Gbp")
    per_gray = np.empty((dose.shape[0] if let is not None else 1, len(labels)))
    used: dict[str, Any] = {}
    outside: dict[str, int] = {}
    for j, label in enumerate(labels):
        column, used[label], outside[label] = _class_yield(item, label, let, dose, j)
        per_gray[:, j] = scale * column
    attrs: dict[str, Any] = {"warnings": ds.attrs.get("warnings", "[]")}
    for label, count in outside.items():
        if count:
            warn(attrs, _limit_text(item, label, count, "cells"))
    attrs.update(dsb_let=json.dumps(used), dsb_outside_validity=json.dumps(outside))
    attrs.update(item.attrs("dsb_parameters"))
    # No dose, no breaks, although the yield is unknown there.
    expected = np.where(dose > 0.0, dose * per_gray, 0.0)
    dims = ("cell", "emission") if let is not None else ("emission",)
    coords = {name: ds[name].values for name in ("cell", "emission") if name in ds.coords}
    new = build(
        {
            "dsb_yield_per_gray": (dims, per_gray if let is not None else per_gray[0]),
            "dsb_expected": (("cell", "emission"), expected),
        },
        coords=coords,
        attrs=base_attrs(**attrs),
    )
    return merged(ds, new, merge=merge)


def _class_yield(
    item: ParameterSet, label: str, let: FloatArray | None, dose: FloatArray, j: int
) -> tuple[FloatArray, float | str | None, int]:
    """Return the relative yield of one class, the LET that it rests on, cells beyond the data."""
    if label == "recoil":
        return np.full(1, item.value("recoil_relative_yield")), None, 0
    if let is None:
        reference = item.value(f"reference_let_{label}")
        relative, beyond = _from_let(item, label, np.array([reference]))
        return relative, reference, int((dose[:, j] > 0.0).sum()) if beyond[0] else 0
    hit = dose[:, j] > 0.0  # elsewhere the LET is a mean over nothing
    column = np.full(dose.shape[0], np.nan)
    column[hit], beyond = _from_let(item, label, let[hit, j])
    return column, "let_dose_mean", int(beyond.sum())


def _from_let(
    item: ParameterSet, emission: str, let_keV_per_um: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return the yield relative to the low-LET limit, and where the LET is beyond the data."""
    if emission == "alpha":
        _check_range(emission, "LET", let_keV_per_um, 0.0, _ALPHA_LET_LIMIT_KEV_PER_UM, "keV um-1")
        relative = _helium_relative(item, let_keV_per_um)
        return relative, let_keV_per_um > item.value("helium_let_max")
    let_grid, beta2_inverse = _electron_table()
    _check_range(emission, "LET", let_keV_per_um, let_grid[0], let_grid[-1], "keV um-1")
    log_x = np.interp(np.log(let_keV_per_um), np.log(let_grid), np.log(beta2_inverse))
    relative = _electron_relative(item, np.exp(log_x))
    return relative, let_keV_per_um > item.value("electron_let_max")


def _from_energy(
    item: ParameterSet, emission: str, energy_keV: npt.ArrayLike
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return what `_from_let` returns, for a particle of the given kinetic energy."""
    energy = _numbers("energy_keV", energy_keV)
    if emission == "photon":
        raise InputError(
            "a photon breaks DNA by its secondary electrons, whose energy it does not tell. "
            "Give let_keV_per_um of these, or emission='beta' with their energy_keV."
        )
    if emission == "alpha":
        _check_range(emission, "energy", energy, 1.0, 12000.0, "keV")
        let = _core.physics.alpha_let_keV_per_um(np.ascontiguousarray(energy.ravel()), 1.0)
        return _from_let(item, emission, let.reshape(energy.shape))
    _check_range(emission, "energy", energy, 0.01, 3000.0, "keV")
    relative = _electron_relative(item, _inverse_beta2(energy))
    return relative, energy < item.value("electron_energy_min")


def _helium_relative(item: ParameterSet, let_keV_per_um: FloatArray) -> FloatArray:
    """Eq. 2 of docs/theory/dna_damage.md."""
    rise = (item.value("helium_rise") * let_keV_per_um) ** item.value("helium_rise_power")
    turnover = item.value("helium_turnover") * let_keV_per_um
    loss = 1.0 + turnover ** item.value("helium_turnover_power")
    return np.asarray((1.0 + rise / item.value("helium_plateau")) / loss)


def _electron_relative(item: ParameterSet, x: FloatArray) -> FloatArray:
    """Eq. 3 of docs/theory/dna_damage.md; x = 1 / beta^2 of the electron."""
    a, b, c, d = (item.value(f"electron_rbe_{name}") for name in "abcd")
    bracket = b ** (1.0 - d) + c * x * (d - 1.0)
    return np.asarray(a + b - bracket ** (1.0 / (1.0 - d)))


def _inverse_beta2(energy_keV: FloatArray) -> FloatArray:
    tau = energy_keV / _ELECTRON_REST_ENERGY_KEV
    return np.asarray((tau + 1.0) ** 2 / (tau * (tau + 2.0)))


def _electron_let_keV_per_um(energy_keV: FloatArray) -> FloatArray:
    """Eq. 4 of docs/theory/dna_damage.md: Bethe formula without density effect."""
    tau = energy_keV / _ELECTRON_REST_ENERGY_KEV
    x = _inverse_beta2(energy_keV)
    shape = 1.0 - 1.0 / x + (tau**2 / 8.0 - (2.0 * tau + 1.0) * np.log(2.0)) / (tau + 1.0) ** 2
    excitation = _WATER_I_KEV / _ELECTRON_REST_ENERGY_KEV
    log_term = np.log(tau**2 * (tau + 2.0) / (2.0 * excitation**2))
    return np.asarray(_BETHE_KEV_PER_UM * _WATER_Z_OVER_A_MOL_PER_G * x * (log_term + shape))


@functools.cache
def _electron_table() -> tuple[FloatArray, FloatArray]:
    """Return rising LET [keV um-1] of electrons in water and 1 / beta^2 at that LET."""
    let = _electron_let_keV_per_um(_ELECTRON_GRID_KEV)
    return let[::-1], _inverse_beta2(_ELECTRON_GRID_KEV)[::-1]


def _dose_mean_let(ds: xr.Dataset, labels: list[str], dose: FloatArray) -> FloatArray | None:
    """Return the dose-mean LET of the nuclei (cell, emission); None if the Dataset has none."""
    if "let_dose_mean" not in ds:
        return None
    variable = ds["let_dose_mean"]
    if not {"cell", "emission"} <= set(variable.dims) <= {"cell", "target", "emission"}:
        raise InputError(
            f"let_dose_mean has dims {variable.dims} (allowed: cell, target, emission). Call "
            "immunodose.absorbed_dose again, or drop let_dose_mean to use reference LETs."
        )
    if "target" in variable.dims:
        if "nucleus" not in variable["target"].values:
            raise InputError("let_dose_mean has no target 'nucleus'.")
        variable = variable.sel(target="nucleus")
    let = np.asarray(variable.transpose("cell", "emission").values, dtype=np.float64)
    for j, label in enumerate(labels):
        lost = np.isnan(let[:, j]) & (dose[:, j] > 0.0)
        if label != "recoil" and lost.any():
            i = int(np.argmax(lost))
            raise InputError(
                f"let_dose_mean[{i}, {label!r}] = nan, but that class gives the nucleus "
                f"{dose[i, j]:g} Gy (a dose needs a LET; {int(lost.sum())} such cells). Call "
                "immunodose.absorbed_dose again, or drop let_dose_mean to use reference LETs."
            )
    return let


def _check_class(emission: str) -> None:
    if emission not in _CLASSES:
        raise InputError(f"unknown emission {emission!r} (allowed: {', '.join(_CLASSES)}).")


def _numbers(name: str, values: npt.ArrayLike) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"invalid {name}={values!r} (allowed: numbers).") from None


def _check_range(
    emission: str, name: str, values: FloatArray, low: float, high: float, unit: str
) -> None:
    flat = values.ravel()
    bad = ~(np.isfinite(flat) & (flat > 0.0) & (flat >= low) & (flat <= high))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"{name}[{i}] = {flat[i]:g} {unit} of {emission!r} (allowed: above 0, {low:.3g} to "
            f"{high:.3g} {unit}, what these particles can have in water; {int(bad.sum())} such "
            "values). Check the unit."
        )


def _limit_text(item: ParameterSet, emission: str, count: int, what: str) -> str:
    if emission == "alpha":
        limit = f"LET up to {item.value('helium_let_max'):g} keV um-1"
    else:
        limit = (
            f"LET up to {item.value('electron_let_max'):g} keV um-1, energy from "
            f"{item.value('electron_energy_min'):g} keV"
        )
    return (
        f"{count} {what} of class {emission!r} lie beyond the data behind set {item.name!r} "
        f"({limit}). Their break yield is an extrapolation."
    )
