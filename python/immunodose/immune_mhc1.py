# SPDX-License-Identifier: BSD-3-Clause
"""Surface MHC-I after irradiation: the plain law of the cell line, or a mechanism."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from immunodose import _core
from immunodose.data.parameters import ParameterSet
from immunodose.errors import InputError
from immunodose.immune_baseline import cell_property, mhc1_baseline
from immunodose.immune_host import host_state
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_mhc1_signals import mechanism_variables
from immunodose.immune_time import TimeGrid, converged, output_times
from immunodose.provenance import base_attrs
from immunodose.response_inputs import (
    TUMOR,
    DoseHistory,
    ParameterLike,
    ParametersByType,
    cell_types,
    dose_history,
    merged,
    nucleus_dose,
    require_effect,
    tumor_set,
)
from immunodose.rng import RngLike
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
    mechanism: Mechanism | None = None,
    ifn_gamma_molecules: FloatLike = 0.0,
    signals: bool = False,
    voxel_um: float | None = None,
    merge: bool = True,
    n_threads: int | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Add the surface MHC-I of each tumor cell after irradiation.

    Parameters
    ----------
    ds
        Dataset of `absorbed_dose`; `activity_rate_constant` gives its time course (acute
        without), `mhc1_baseline` (cell) the surface MHC-I before treatment, `mhc1_inducibility`
        and `mhc1_assembly` (cell) what a cell has left of these routes.
    parameters
        Cell-line set (name, Dataset, ParameterSet), or a mapping with the entry `"tumor"` and,
        with a mechanism, `"signaling"` (else the signaling set that the cell-line file names).
    time_d
        Times after administration (d, >= 0): a number, or a rising sequence.
    host
        Recorded if given; neither model reads it. Interferon-gamma of T cells: `immune_response`.
    rng
        Seed of the lognormal baseline (median `mhc1_baseline`, `mhc1_baseline_sd_ln`); required
        if `ds` has no `mhc1_baseline`, or if cells that have lost a route are drawn.
    mechanism
        Hypothesis (`immunodose.Mechanism`) of what raises MHC-I; None for the plain law of the
        cell line alone: dose to the nucleus, no interferon, no spread.
    ifn_gamma_molecules
        Constant interferon-gamma that the cells meet, molecules per tissue volume of one cell: a
        number or (cell,). Needs a mechanism.
    signals
        Whether to return the signals too. Needs a mechanism.
    voxel_um
        Edge of the voxels of `spread="field"`; None for twice the width of a cell's tissue.
    merge
        Whether to return `ds` with the new variables, or only these.
    n_threads
        Threads (>= 1); None for all that this process may use.
    **overrides
        Values that replace those of the sets.

    Returns
    -------
    xarray.Dataset
        `mhc1_surface` and `pmhc_surface` (cell[, time]) [molecules], `mhc1_baseline` (cell)
        [molecules]; NaN for cells that are not tumor cells. With `signals`: `damage_response`,
        `ifn1_level`, `trex1_level`, `vesicle_level`, `pdl1_fold`, `nk_ligand_fold` (cell[, time])
        and `peptide_surface` (cell, peptide[, time]) [molecules].

    Raises
    ------
    InputError
        If a needed variable, parameter or `rng` is missing or out of range.

    Notes
    -----
    Eq. 1-4 of docs/theory/immune.md: relaxation to a baseline raised by a leaky memory of the
    absorbed dose to the nucleus. Cells of inducibility 0 stay at their baseline exactly, cells
    of assembly 0 at zero. The step is halved until q(t) moves by less than 1e-5 of its largest
    value. With a mechanism: Eqs. 1-21 of docs/theory/signaling.md; the step is halved until MHC-I
    and signals move by less than 1e-3 of their largest value.

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
    if mechanism is not None:
        return _by_mechanism(
            ds, parameters, time_d, host, rng, mechanism, ifn_gamma_molecules, signals, voxel_um,
            merge, n_threads, overrides,
        )  # fmt: skip
    _refuse_mechanism_options(ifn_gamma_molecules, signals, voxel_um)
    item = tumor_set(parameters)
    require_effect("mhc1_expression", overrides, item.entries)
    _refuse_per_cell(ds, overrides)
    item = item.with_overrides(**overrides)
    outputs = output_times(time_d)
    is_tumor = cell_types(ds) == TUMOR
    dose, history = nucleus_dose(ds), dose_history(ds)
    baseline, attrs = mhc1_baseline(ds, item, rng)
    inducibility = cell_property(ds, item, "mhc1_inducibility", is_tumor)
    induction, step = _induction(
        item, dose[is_tumor], history, is_tumor, outputs, resolve_threads(n_threads),
        inducible=bool(inducibility.any()),
    )  # fmt: skip
    if host is not None:
        attrs["mhc1_host"] = host_state(host).parameters.name
    gain = inducibility * item.value("mhc1_induction_max")
    start = cell_property(ds, item, "mhc1_assembly", is_tumor) * baseline[is_tumor]
    surface = np.full((dose.size, outputs.time_d.size), np.nan)
    surface[is_tumor] = start[:, None] * (1.0 + gain[:, None] * induction)
    pmhc = item.value("recognized_peptide_share") * surface
    dims = ("cell", *outputs.dims)
    new = build(
        {
            "mhc1_baseline": (("cell",), baseline),
            "mhc1_surface": (dims, outputs.shaped(surface)),
            "pmhc_surface": (dims, outputs.shaped(pmhc)),
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
    return _merged(ds, new, merge=merge, scalar=outputs.scalar)


def _merged(ds: xr.Dataset, new: xr.Dataset, *, merge: bool, scalar: bool) -> xr.Dataset:
    result = merged(ds, new, merge=merge)
    if not scalar:
        result.attrs.pop("mhc1_time_d", None)  # of an earlier call for one time
    if "mechanism" not in new.attrs:
        result.attrs.pop("mechanism", None)  # of an earlier call with one
    return result


def _refuse_mechanism_options(
    ifn_gamma_molecules: FloatLike, signals: bool, voxel_um: float | None
) -> None:
    for name, given in (
        ("ifn_gamma_molecules", bool(np.any(np.asarray(ifn_gamma_molecules) != 0.0))),
        ("signals", signals),
        ("voxel_um", voxel_um is not None),
    ):
        if given:
            raise InputError(
                f"{name} has no effect without a mechanism. Give mechanism=immunodose.Mechanism("
                "...), or leave it out."
            )


def _by_mechanism(
    ds: xr.Dataset,
    parameters: ParametersByType,
    time_d: FloatLike,
    host: ParameterLike | None,
    rng: RngLike | Literal["required"],
    mechanism: Mechanism,
    ifn_gamma_molecules: FloatLike,
    signals: bool,
    voxel_um: float | None,
    merge: bool,
    n_threads: int | None,
    overrides: Mapping[str, float],
) -> xr.Dataset:
    _refuse_per_cell(ds, overrides)
    outputs = output_times(time_d)
    variables, attrs = mechanism_variables(
        ds, parameters=parameters, mechanism=mechanism, outputs=outputs, rng=rng,
        ifn_gamma_molecules=ifn_gamma_molecules, signals=signals, voxel_um=voxel_um,
        n_threads=n_threads, overrides=overrides,
    )  # fmt: skip
    if host is not None:
        attrs["mhc1_host"] = host_state(host).parameters.name
    coords: dict[str, Any] = {name: ds[name].values for name in ("cell",) if name in ds.coords}
    if signals:
        coords["peptide"] = np.array(["tumor_specific", "radiation_induced", "self"])
    new = build(
        variables,
        coords={**coords, **outputs.coords()},
        attrs=base_attrs(**attrs, mhc1_time_d=float(outputs.time_d[0]) if outputs.scalar else None),
    )
    return _merged(ds, new, merge=merge, scalar=outputs.scalar)


def _refuse_per_cell(ds: xr.Dataset, overrides: Mapping[str, float]) -> None:
    for key, name in (
        ("mhc1_baseline", "mhc1_baseline"),
        ("mhc1_baseline_sd_ln", "mhc1_baseline"),
        ("mhc1_inducibility", "mhc1_inducibility"),
        ("mhc1_assembly", "mhc1_assembly"),
        ("ifn_gamma_route", "ifn_gamma_route"),
    ):
        if key in overrides and name in ds:
            raise InputError(
                f"override {key} has no effect: the Dataset holds {name} of each cell. Drop that "
                "variable, or leave the override out."
            )


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
    *,
    inducible: bool,
) -> tuple[FloatArray, float]:
    """Return the filtered induction q (cell, output) and the time step."""
    if not dose.any() or not inducible:
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
