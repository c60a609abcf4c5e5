# SPDX-License-Identifier: BSD-3-Clause
"""Datasets of the agent engine: populations in time, the fate of each cell, snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunodose.immune_agent_cells import GONE
from immunodose.immune_agent_inputs import EXHAUSTED, NK_CELL, PRIMED_NK, AgentInputs
from immunodose.immune_agent_model import AgentModel, Counts
from immunodose.immune_agent_signals import AgentSignals
from immunodose.immune_agent_tumor import Record
from immunodose.immune_kill import T_CELL
from immunodose.immune_time import OutputTimes
from immunodose.provenance import base_attrs
from immunodose.schema import build

if TYPE_CHECKING:
    import xarray as xr

_STATES = ("alive", "dying")
_TUMOR_STATES = ("alive", "dying", "cleared")


def agent_dataset(
    inputs: AgentInputs,
    record: Record,
    outputs: OutputTimes,
    states: list[tuple[Counts, dict[str, float]]],
    attrs: dict[str, Any],
) -> xr.Dataset:
    """Return populations at the output times, and what became of every tumor cell."""
    result = build(
        {
            **_in_time(inputs, outputs, states, record.n_initial),
            "death_cause": (("cell",), record.cause.astype(np.int8)),
            "death_time": (("cell",), _or_nan(record.death_d)),
            "birth_time": (("cell",), record.birth_d.astype(np.float64)),
            "cleared_time": (("cell",), _or_nan(record.cleared_d)),
            "parent_cell": (("cell",), record.parent),
        },
        coords={
            "cell": np.arange(record.parent.size),
            "state": list(_STATES),
            "cause": ["radiation", *inputs.attacks],
            **({"phenotype": list(inputs.names)} if inputs.names else {}),
            **outputs.coords(),
        },
        attrs=base_attrs(
            agent_reach_um=inputs.reach_um, initial_tumor_cells=record.n_initial, **attrs
        ),
    )
    flags = ("alive", "radiation", *inputs.attacks)
    result["death_cause"].attrs.update(
        flag_values=list(range(len(flags))), flag_meanings=" ".join(flags)
    )
    return result


def _in_time(
    inputs: AgentInputs,
    outputs: OutputTimes,
    states: list[tuple[Counts, dict[str, float]]],
    n_initial: int,
) -> dict[str, tuple[tuple[str, ...], Any]]:
    dims = outputs.dims

    def series(values: list[Any]) -> npt.NDArray[Any]:
        return outputs.shaped(np.asarray(values))

    def table(rows: list[Any]) -> npt.NDArray[Any]:
        return outputs.shaped(np.asarray(rows).T)

    counts = [count for count, _ in states]
    deaths = table([c.deaths[1 : 2 + len(inputs.attacks)] for c in counts])
    found: dict[str, tuple[tuple[str, ...], Any]] = {
        name: (dims, series([means[name] for _, means in states])) for name in states[0][1]
    }
    found["tumor_cell_count"] = (("state", *dims), table([(c.alive, c.dying) for c in counts]))
    found["death_count"] = (("cause", *dims), deaths)
    found["death_fraction"] = (("cause", *dims), deaths / n_initial)
    found["birth_count"] = (dims, series([c.born for c in counts]))
    found["surviving_fraction"] = (dims, series([c.alive / n_initial for c in counts]))
    number = {name: series([c.immune[k] for c in counts]) for k, name in enumerate(inputs.names)}
    none = series([0 for _ in counts])
    found["effector_to_target_ratio"] = (dims, number.get(T_CELL, none) / n_initial)
    found["exhausted_to_target_ratio"] = (dims, number.get(EXHAUSTED, none) / n_initial)
    primed, all_nk = number.get(PRIMED_NK, none), number.get(NK_CELL, none)
    all_nk = np.maximum(all_nk + primed, 1)
    found["nk_primed_fraction"] = (dims, primed / all_nk)
    if inputs.names:
        found["immune_cell_count"] = (("phenotype", *dims), table([c.immune for c in counts]))
        found["immune_cell_entered"] = (("phenotype", *dims), table([c.entered for c in counts]))
        found["contact_fraction"] = (dims, series([c.contact_fraction for c in counts]))
    return found


def _or_nan(times_d: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.where(np.isfinite(times_d), times_d.astype(np.float64), np.nan)


def snapshot_dataset(
    model: AgentModel, signals: AgentSignals, inputs: AgentInputs, time_d: float
) -> xr.Dataset:
    """Return all cells at one time: places, states, MHC-I; T and NK cells by their number."""
    tumor, immune = model.tumor, model.immune
    by_id = np.argsort(tumor.id)
    kept = np.flatnonzero(immune["phenotype"] != GONE)
    kept = kept[np.argsort(immune["id"][kept])]
    names = np.array([*inputs.names, ""])
    rows = immune["target"][kept]
    held = np.where(rows >= 0, tumor.id[rows], -1)
    return build(
        {
            "tumor_cell_state": (("cell",), tumor.state[by_id].astype(np.int8)),
            "mhc1_surface": (("cell",), signals.model.mhc1[by_id]),
            "pmhc_surface": (("cell",), signals.model.pmhc[by_id]),
            "immune_cell_x": (("immune_cell",), immune["x_um"][kept]),
            "immune_cell_y": (("immune_cell",), immune["y_um"][kept]),
            "immune_cell_z": (("immune_cell",), immune["z_um"][kept]),
            "immune_cell_phenotype": (
                ("immune_cell",), names[immune["phenotype"][kept]].astype(np.str_),
            ),
            "immune_cell_target": (("immune_cell",), held.astype(np.int64)),
        },
        coords={
            "cell": tumor.id[by_id],
            **{
                axis: (("cell",), tumor.at[i][by_id].astype(np.float64))
                for i, axis in enumerate("xyz")
            },
            "immune_cell": immune["id"][kept],
        },
        attrs=base_attrs(
            engine="agents",
            snapshot_time_d=time_d,
            tumor_cell_states=json.dumps(_TUMOR_STATES),
        ),
    )  # fmt: skip
