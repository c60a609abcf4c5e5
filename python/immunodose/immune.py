# SPDX-License-Identifier: BSD-3-Clause
"""Surface MHC-I after irradiation, and death by radiation and by CD8 T cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from immunodose import _core
from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.immune_host import host_state
from immunodose.immune_kill import kill_inputs, kill_variables, solve
from immunodose.immune_time import TimeGrid, converged, output_times
from immunodose.provenance import base_attrs
from immunodose.response_inputs import (
    TUMOR,
    DoseHistory,
    ParameterLike,
    ParametersByType,
    cell_types,
    check_values,
    dose_history,
    merged,
    nucleus_dose,
    require_effect,
    tumor_set,
)
from immunodose.rng import ROOT_ITSELF, RngLike, generator
from immunodose.schema import build
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray, FloatLike

if TYPE_CHECKING:
    import xarray as xr

_INDUCTION_TOLERANCE = 1e-5
_SAMPLE = 64


def mhc1_expression(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    time_d: FloatLike,
    host: ParameterLike | None = None,
    rng: RngLike | Literal["required"] = "required",
    merge: bool = True,
    n_threads: int | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Add the surface MHC-I of each tumor cell after irradiation.

    Parameters
    ----------
    ds
        Dataset of `absorbed_dose`; `activity_rate_constant` gives its time course (acute
        without), `mhc1_baseline` (cell) the surface MHC-I before treatment.
    parameters
        Cell-line set (name, Dataset, ParameterSet), or a mapping with the entry `"tumor"`.
    time_d
        Times after administration (d, >= 0): a number, or a rising sequence.
    host
        Recorded if given. This model has no signals of the host (interferon-gamma) yet.
    rng
        Seed of the lognormal baseline (median `mhc1_baseline`, `mhc1_baseline_sd_ln`); required
        if `ds` has no `mhc1_baseline`.
    merge
        Whether to return `ds` with the new variables, or only these.
    n_threads
        Threads (>= 1); None for all that this process may use.
    **overrides
        Values that replace those of the set.

    Returns
    -------
    xarray.Dataset
        `mhc1_surface` and `pmhc_surface` (cell[, time]) [molecules], `mhc1_baseline` (cell)
        [molecules]; NaN for cells that are not tumor cells.

    Raises
    ------
    InputError
        If a needed variable, parameter or `rng` is missing or out of range.

    Notes
    -----
    Eq. 1-4 of docs/theory/immune.md: relaxation to a baseline raised by a leaky memory of the
    absorbed dose to the nucleus. Cells of inducibility 0 stay at their baseline exactly, cells
    of assembly 0 at zero. The step is halved until q(t) moves by less than 1e-5 of its largest
    value.

    References
    ----------
    Reits EA et al. J Exp Med 2006;203:1259.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> cells = xr.Dataset({"absorbed_dose": ("cell", np.array([0.0, 5.0]))})
    >>> out = mhc1_expression(cells, parameters="b16f10", time_d=7.0, rng=1,
    ...                       mhc1_inducibility=0.0, mhc1_assembly=1.0)
    >>> bool((out.mhc1_surface == out.mhc1_baseline).all())
    True
    """
    item = tumor_set(parameters)
    require_effect("mhc1_expression", overrides, item.entries)
    _refuse_baseline(ds, overrides)
    item = item.with_overrides(**overrides)
    outputs = output_times(time_d)
    is_tumor = cell_types(ds) == TUMOR
    dose, history = nucleus_dose(ds), dose_history(ds)
    baseline, attrs = _baseline(ds, item, rng)
    induction = np.zeros((dose.size, outputs.time_d.size))
    induction[is_tumor], step = _induction(
        item, dose[is_tumor], history, is_tumor, outputs, resolve_threads(n_threads)
    )
    if host is not None:
        attrs["mhc1_host"] = host_state(host).parameters.name
    gain = item.value("mhc1_inducibility") * item.value("mhc1_induction_max")
    start = item.value("mhc1_assembly") * baseline[:, None]
    surface = np.where(is_tumor[:, None], start * (1.0 + gain * induction), np.nan)
    pmhc = item.value("recognized_peptide_share") * surface
    dims = ("cell", *outputs.dims)
    new = build(
        {
            "mhc1_baseline": (("cell",), baseline),
            "mhc1_surface": (dims, outputs.shaped(surface)),
            "pmhc_surface": (
                dims,
                outputs.shaped(pmhc),
            ),
        },
        coords={**({"cell": ds["cell"].values} if "cell" in ds.coords else {}), **outputs.coords()},
        attrs=base_attrs(
            **attrs,
            mhc1_step_d=step,
            mhc1_time_d=float(outputs.time_d[0]) if outputs.scalar else None,
            mhc1_recognized_peptide_share=item.value("recognized_peptide_share"),
            **item.attrs("mhc1_parameters"),
        ),
    )
    result = merged(ds, new, merge=merge)
    if not outputs.scalar:
        result.attrs.pop("mhc1_time_d", None)  # of an earlier call for one time
    return result


def _refuse_baseline(ds: xr.Dataset, overrides: Mapping[str, float]) -> None:
    given = [key for key in ("mhc1_baseline", "mhc1_baseline_sd_ln") if key in overrides]
    if given and "mhc1_baseline" in ds:
        raise InputError(
            f"override {given[0]} has no effect: the Dataset holds mhc1_baseline of each cell. "
            "Drop that variable, or leave the override out."
        )


def _baseline(
    ds: xr.Dataset, item: ParameterSet, rng: RngLike | Literal["required"]
) -> tuple[FloatArray, dict[str, Any]]:
    if "mhc1_baseline" in ds:
        given = ds["mhc1_baseline"]
        if given.dims != ("cell",):
            raise InputError(f"mhc1_baseline has dims {given.dims} (allowed: cell).")
        values = np.asarray(given.values, dtype=np.float64)
        others = np.where(cell_types(ds) == TUMOR, values, 0.0)
        check_values("mhc1_baseline", others)
        return values, {}
    if rng == "required":
        raise InputError(
            "the Dataset has no 'mhc1_baseline' and rng is not given. Give rng=... to draw the "
            "baseline of each cell, or assign mhc1_baseline (cell)."
        )
    random, root = generator(rng, purpose=ROOT_ITSELF)
    normal = random.standard_normal(int(ds.sizes["cell"]))
    drawn = item.value("mhc1_baseline") * np.exp(item.value("mhc1_baseline_sd_ln") * normal)
    values = np.where(cell_types(ds) == TUMOR, drawn, np.nan)
    return values, {"mhc1_rng_root": str(root)}


def _memory(history: DoseHistory, memory_time_d: float, time_d: FloatArray) -> FloatArray:
    """Return what is left at each time of one Gy of each component (Eq. 3)."""
    parts = []
    if history.rate_per_d is not None:
        rate = history.rate_per_d[:, None]
        slow, fast = np.minimum(rate, 1.0 / memory_time_d), np.maximum(rate, 1.0 / memory_time_d)
        x = (fast - slow) * time_d[None, :]
        # (1 - exp(-x))/x, which is 1 at equal rates
        ratio = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x > 0.0)
        parts.append(rate * time_d[None, :] * np.exp(-slow * time_d[None, :]) * ratio)
    if history.pulse_time_d is not None:
        since = time_d[None, :] - history.pulse_time_d[:, None]
        parts.append(np.where(since >= 0.0, np.exp(-np.maximum(since, 0.0) / memory_time_d), 0.0))
    if parts:
        return np.concatenate(parts)
    return np.exp(-time_d / memory_time_d)[None, :]


def _induction(
    item: ParameterSet,
    dose: FloatArray,
    history: DoseHistory,
    is_tumor: Any,
    outputs: Any,
    n_threads: int,
) -> tuple[FloatArray, float]:
    """Return the filtered induction q (cell, output) and the time step."""
    if not dose.any() or item.value("mhc1_inducibility") == 0.0:
        return np.zeros((dose.size, outputs.time_d.size)), 0.0
    component_dose = dose[:, None] * history.share[is_tumor]

    def solved(grid: TimeGrid, rows: Any, threads: int) -> FloatArray:
        return _core.immune.filtered_induction(
            dose_Gy=component_dose[rows],
            memory=_memory(history, item.value("mhc1_memory_time"), grid.time_d),
            time_d=grid.time_d,
            output_index=grid.output_index,
            half_dose_Gy=item.value("mhc1_induction_dose"),
            power=item.value("mhc1_induction_power"),
            turnover_per_d=item.value("mhc1_turnover_rate"),
            n_threads=threads,
        )

    order = np.argsort(dose, kind="stable")
    sample = order[np.linspace(0, dose.size - 1, min(_SAMPLE, dose.size)).astype(int)]
    grid, step = converged(
        lambda trial: solved(trial, sample, 1),
        outputs,
        breaks_d=history.breaks_d(),
        tolerance=_INDUCTION_TOLERANCE,
        what="mhc1_expression",
    )
    return solved(grid, slice(None), n_threads), step


def kill_probability(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    host: ParameterLike,
    time_d: FloatLike,
    merge: bool = True,
    n_threads: int | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Add the probability that each cell has died of radiation, of CD8 T cells, of either.

    Parameters
    ----------
    ds
        Dataset of `survival_probability` and `mhc1_surface`; `activity_rate_constant` gives the
        time course of radiation death. Cells of type `"cd8_t_cell"` are the T cells of the
        untreated tumor.
    parameters
        Cell-line set (name, Dataset, ParameterSet), or a mapping with the entry `"tumor"`.
    host
        `"immunocompetent"`, `"athymic"`, another host set (all untreated: supply 1), or the
        Dataset of `simulate_host`, whose `effector_supply` is then used.
    time_d
        Times after administration (d, >= 0): a number, or a rising sequence.
    merge
        Whether to return `ds` with the new variables, or only these.
    n_threads
        Threads (>= 1); None for all that this process may use. The result does not depend on it.
    **overrides
        Values that replace those of the host set or of the cell-line set, by their key.
        `effector_to_target_ratio=0` means that no CD8 T cell comes to this tumor at all.

    Returns
    -------
    xarray.Dataset
        `kill_probability_radiation`, `kill_probability_immune` (net, as if alone),
        `kill_probability` (either), `kill_fraction_radiation`, `kill_fraction_immune` (which
        came first) (cell[, time]) [1]; `effector_to_target_ratio` ([time]) [1]; the
        `white_cell_nadir` of a simulated host.

    Raises
    ------
    InputError
        If a needed variable or parameter is missing, no number of T cells is given, or a time
        lies outside the times of `mhc1_surface` or `effector_supply`, or `mhc1_surface` comes
        from another cell-line set or share of recognized peptides.

    Warns
    -----
    ValidityWarning
        If cells have a dose but the host is untreated, or `mhc1_surface` is that of another time.

    Notes
    -----
    Eq. 5-12 of docs/theory/immune.md. `mhc1_surface` with times is linear between them, without
    times constant. The step is halved until the results move by less than 1e-4.

    References
    ----------
    Halle S et al. Immunity 2016;44:233. Kosinsky Y et al. J Immunother Cancer 2018;6:17.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> cells = xr.Dataset({"survival_probability": ("cell", np.array([0.5, 1.0])),
    ...     "mhc1_surface": ("cell", np.array([1e3, 0.0]))})
    >>> out = kill_probability(cells, parameters="b16f10", host="athymic", time_d=7.0)
    >>> out.kill_probability.values
    array([0.5, 0. ])
    """
    outputs = output_times(time_d)
    inputs = kill_inputs(ds, parameters, host_state(host), overrides, outputs)
    solution = solve(inputs, outputs, resolve_threads(n_threads))
    coords = {"cell": ds["cell"].values} if "cell" in ds.coords else {}
    new = build(
        kill_variables(inputs, solution, outputs),
        coords={**coords, **outputs.coords()},
        attrs=base_attrs(**inputs.attrs, kill_step_d=solution.step_d),
    )
    return merged(ds, new, merge=merge)
