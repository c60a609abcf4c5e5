# SPDX-License-Identifier: BSD-3-Clause
"""Datasets of the agent engine: populations in time, the fate of each cell, snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunodose.immune_agent_cells import GONE
from immunodose.immune_agent_inputs import AgentInputs
from immunodose.immune_agent_model import AgentModel, Counts
from immunodose.immune_agent_signals import AgentSignals
from immunodose.immune_time import OutputTimes
from immunodose.provenance import base_attrs
from immunodose.schema import build

if TYPE_CHECKING:
    import xarray as xr

_STATES = ("alive", "dying")
_TUMOR_STATES = ("alive", "dying", "cleared")


def agent_dataset(
    ds: xr.Dataset,
    inputs: AgentInputs,
    model: AgentModel,
    signals: AgentSignals,
    outputs: OutputTimes,
    counts: list[Counts],
    means: list[tuple[float, float]],
    root: int,
    step_d: float,
) -> xr.Dataset:
    """Return what `simulate_agents` returns."""
    record = model.tumor.record
    names = ("alive", *inputs.attacks)
    causes = ("radiation", *inputs.attacks)
    variables = {
        **_in_time(inputs, outputs, counts, means, record.n_initial),
        "death_cause": (("cell",), record.cause.astype(np.int8)),
        "death_time": (("cell",), _or_nan(record.death_d)),
        "birth_time": (("cell",), record.birth_d.astype(np.float64)),
        "cleared_time": (("cell",), _or_nan(record.cleared_d)),
        "parent_cell": (("cell",), record.parent),
    }
    result = build(
        variables,
        coords={
            "cell": np.arange(record.parent.size),
            "state": list(_STATES),
            "cause": list(causes),
            **({"phenotype": list(inputs.names)} if inputs.names else {}),
            **outputs.coords(),
        },
        attrs=base_attrs(
            engine="agents",
            random_root_agents=str(root),
            agent_step_d=step_d,
            agent_reach_um=inputs.reach_um,
            initial_tumor_cells=record.n_initial,
            warnings=ds.attrs.get("warnings", "[]"),
            **inputs.options.attrs(),
            **inputs.sets.attrs(),
            **signals.model.attrs,
        ),
    )
    flags = ("alive", "radiation", *names[1:])
    result["death_cause"].attrs.update(
        flag_values=list(range(len(flags))), flag_meanings=" ".join(flags)
    )
    return result


def _in_time(
    inputs: AgentInputs,
    outputs: OutputTimes,
    counts: list[Counts],
    means: list[tuple[float, float]],
    n_initial: int,
) -> dict[str, tuple[tuple[str, ...], Any]]:
    dims = outputs.dims

    def series(values: list[Any]) -> npt.NDArray[Any]:
        return outputs.shaped(np.asarray(values))

    def table(rows: list[Any]) -> npt.NDArray[Any]:
        return outputs.shaped(np.asarray(rows).T)

    n_causes = 1 + len(inputs.attacks)
    alive = [c.alive for c in counts]
    found: dict[str, tuple[tuple[str, ...], Any]] = {
        "tumor_cell_count": (("state", *dims), table([(c.alive, c.dying) for c in counts])),
        "death_count": (
            ("cause", *dims), table([c.deaths[1 : 1 + n_causes] for c in counts]),
        ),
        "birth_count": (dims, series([c.born for c in counts])),
        "surviving_fraction": (dims, series([n / n_initial for n in alive])),
        "mhc1_surface_mean": (dims, series([m for m, _ in means])),
        "ifn_gamma_mean": (dims, series([g for _, g in means])),
    }  # fmt: skip
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
