# SPDX-License-Identifier: BSD-3-Clause
"""The variables of `mhc1_expression` under a mechanism."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from immunodose.errors import ConvergenceError, InputError
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_signals import SignalModel
from immunodose.immune_time import OutputTimes, make_grid
from immunodose.response_inputs import TUMOR, ParametersByType, cell_types, check_values
from immunodose.rng import RngLike
from immunodose.typing import FloatArray, FloatLike

if TYPE_CHECKING:
    import xarray as xr

Array32 = npt.NDArray[np.float32]
Variables = dict[str, tuple[tuple[str, ...], Any]]

_TOLERANCE = 1e-3
_FIRST_STEP_D = 0.25
_HALVINGS = 8
_SAMPLE = 256

_SIGNALS: dict[str, Callable[[SignalModel], Array32]] = {
    "damage_response": lambda model: model.damage,
    "ifn1_level": lambda model: model.ifn1,
    "trex1_level": lambda model: model.trex1,
    "vesicle_level": lambda model: model.vesicles,
    "pdl1_fold": lambda model: model.pdl1_fold,
    "nk_ligand_fold": lambda model: model.nk_ligand,
}
_SURFACE: dict[str, Callable[[SignalModel], Array32]] = {
    "mhc1_surface": lambda model: model.mhc1,
    "pmhc_surface": lambda model: model.pmhc,
}


def mechanism_variables(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    mechanism: Mechanism,
    outputs: OutputTimes,
    rng: RngLike | Literal["required"],
    ifn_gamma_molecules: FloatLike,
    signals: bool,
    voxel_um: float | None,
    n_threads: int | None,
    overrides: Mapping[str, float],
) -> tuple[Variables, dict[str, Any]]:
    """Return variables with their dims, and attributes."""
    is_tumor = cell_types(ds) == TUMOR
    ifn_gamma = _ifn_gamma(ifn_gamma_molecules, is_tumor)
    model = SignalModel.prepare(
        ds, parameters=parameters, mechanism=mechanism, rng=rng, n_threads=n_threads,
        overrides=overrides, with_ifn_gamma=bool(np.any(ifn_gamma > 0.0)), voxel_um=voxel_um,
    )  # fmt: skip
    wanted = {**_SURFACE, **(_SIGNALS if signals else {})}
    values, step_d = _converged(model, outputs, ifn_gamma, wanted, signals)
    model.sets.require_effect(overrides, "mhc1_expression")
    dims = ("cell", *outputs.dims)
    variables: Variables = {
        "mhc1_baseline": (("cell",), _of_all(model.cells.baseline[:, None], is_tumor)[:, 0])
    }
    for name in wanted:
        variables[name] = (dims, outputs.shaped(_of_all(values[name], is_tumor)))
    if signals:
        classes = [values[name] for name in ("tumor_specific", "radiation_induced", "self")]
        stacked = np.stack([_of_all(value, is_tumor) for value in classes], axis=1)
        variables["peptide_surface"] = (
            ("cell", "peptide", *outputs.dims),
            outputs.shaped(stacked),
        )
    attrs: dict[str, Any] = {
        **model.attrs,
        "mhc1_step_d": step_d,
        "mhc1_recognized_peptide_share": model.sets.value("recognized_peptide_share"),
        "mhc1_ifn_gamma_molecules_mean": float(np.mean(ifn_gamma)),
    }
    return variables, attrs


def _ifn_gamma(given: FloatLike, is_tumor: npt.NDArray[np.bool_]) -> Array32:
    """Return the constant interferon-gamma: 0-d, or one value per tumor cell."""
    values = np.asarray(given, dtype=np.float64)
    if values.ndim and values.shape != is_tumor.shape:
        raise InputError(
            f"ifn_gamma_molecules has shape {values.shape} (allowed: a number or "
            f"{is_tumor.shape}, one per cell)."
        )
    check_values("ifn_gamma_molecules", np.atleast_1d(values))
    return (values[is_tumor] if values.ndim else values).astype(np.float32)


def _of_all(values: Array32, is_tumor: npt.NDArray[np.bool_]) -> FloatArray:
    """Spread rows of the tumor cells over all cells; the others are NaN."""
    result = np.full((is_tumor.size, values.shape[1]), np.nan)
    result[is_tumor] = values
    return result


def _solve(
    model: SignalModel,
    outputs: OutputTimes,
    step_d: float,
    ifn_gamma: Array32,
    wanted: Mapping[str, Callable[[SignalModel], Array32]],
    peptides: bool,
) -> dict[str, Array32]:
    """Return (cell, output) of each wanted array, on a grid of steps of at most `step_d`."""
    grid = make_grid(outputs, step_d, model.breaks_d())
    found: dict[str, list[Array32]] = {name: [] for name in wanted}

    def keep() -> None:
        for name, read in wanted.items():
            found[name].append(read(model).copy())
        if peptides:
            for name, value in model.pmhc_by_class().items():
                found.setdefault(name, []).append(value)

    model.start(grid.time_d)
    chosen = set(grid.output_index.tolist())
    if 0 in chosen:
        keep()
    amount: float | Array32 = ifn_gamma if ifn_gamma.ndim else float(ifn_gamma)
    for j in range(grid.time_d.size - 1):
        model.advance(j, amount)
        if j + 1 in chosen:
            keep()
    return {name: np.stack(columns, axis=1) for name, columns in found.items()}


def _converged(
    model: SignalModel,
    outputs: OutputTimes,
    ifn_gamma: Array32,
    wanted: Mapping[str, Callable[[SignalModel], Array32]],
    peptides: bool,
) -> tuple[dict[str, Array32], float]:
    """Halve the step until a sample of cells (all, where signals spread) settles."""
    rows = np.argsort(model.cells.pools["damage"].sum(axis=0), kind="stable")
    alone = model.mechanism.spread == "none" and rows.size > _SAMPLE
    trial, amount = model, ifn_gamma
    if alone:
        chosen = rows[np.linspace(0, rows.size - 1, _SAMPLE).astype(np.int64)]
        trial = model.sample(chosen)
        amount = ifn_gamma[chosen] if ifn_gamma.ndim else ifn_gamma
    step_d = _FIRST_STEP_D
    before = _solve(trial, outputs, step_d, amount, wanted, peptides)
    for _ in range(_HALVINGS):
        step_d *= 0.5
        now = _solve(trial, outputs, step_d, amount, wanted, peptides)
        changes = [
            float(np.max(np.abs(now[name] - before[name]), initial=0.0))
            / max(float(np.max(np.abs(now[name]), initial=0.0)), 1e-30)
            for name in now
        ]
        if max(changes) <= _TOLERANCE:
            return (
                _solve(model, outputs, step_d, ifn_gamma, wanted, peptides) if alone else now
            ), step_d
        before = now
    raise ConvergenceError(
        f"mhc1_expression did not converge: halving the step to {step_d:g} d still changed a "
        f"variable by {max(changes):g} of its largest value. Check rate constants for values far "
        "above 1 per minute."
    )
