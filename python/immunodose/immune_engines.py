# SPDX-License-Identifier: BSD-3-Clause
"""The immune response after a dose: one call, engines by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from immunodose.errors import InputError, did_you_mean
from immunodose.immune_agent_space import AgentSpace
from immunodose.immune_agents import agents
from immunodose.immune_killers import CheckpointLike, KillOptions, NaturalKiller
from immunodose.immune_mechanism import Mechanism, require_mechanism
from immunodose.immune_response_run import ResponseInputs, mean_field
from immunodose.immune_time import output_times
from immunodose.response_inputs import ParameterLike, ParametersByType
from immunodose.rng import RngLike
from immunodose.threads import resolve_threads
from immunodose.typing import FloatLike, Progress

if TYPE_CHECKING:
    import xarray as xr


def immune_response(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    host: ParameterLike,
    time_d: FloatLike,
    mechanism: Mechanism,
    engine: str,
    law: str,
    ifn_gamma: bool,
    exhaustion: bool,
    pd1: bool,
    nk: NaturalKiller,
    recognition: str = "hill",
    proofreading: bool = False,
    checkpoint: CheckpointLike = None,
    treg: bool = False,
    macrophages: bool = False,
    outputs_per_cell_time_d: FloatLike | None = None,
    space: AgentSpace | None = None,
    rng: RngLike | str = "required",
    n_threads: int | None = None,
    progress: Progress | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Follow signals, MHC-I, killer cells and the death of every tumor cell together.

    Parameters
    ----------
    ds
        Dataset of `absorbed_dose` and `survival_probability`; `activity_rate_constant` gives the
        time course; what the mechanism needs, see `Mechanism`. Cells of type `"cd8_t_cell"` are
        the T cells of the untreated tumor.
    parameters
        Mapping with `"tumor"` (cell line), `"killing"` (such as `"ctl_nk"`) and `"signaling"`
        (which the cell line may name itself).
    host
        As in `kill_probability`.
    time_d
        Times of the population values after administration (d, >= 0): a rising sequence.
    mechanism
        What raises MHC-I.
    engine
        `"mean_field"`: effectors meet all cells alike. `"agents"`: every T and NK cell searches
        and kills on its own; `parameters` has an entry `"agents"` too (`"t_and_nk_agents"`).
    law
        Law of CD8 killing by name, see `killing_laws`.
    ifn_gamma
        Whether engaged T cells release interferon-gamma, which raises MHC-I and PD-L1.
    exhaustion
        Whether engaged T cells become exhausted.
    pd1
        Whether PD-L1 inhibits CD8 T cells.
    nk
        None, or what natural killer cells see: `"missing_self"` (and ligands) or `"ligand"` alone.
    recognition, proofreading, checkpoint, treg
        As in `kill_probability`.
    macrophages
        Whether macrophages take up cells by their damage.
    outputs_per_cell_time_d
        Times at which the values of every cell are kept (rising; none without).
    space
        With `engine="agents"`: where cells come in, growth, time step, snapshots.
    rng
        Seed of what is drawn per cell; required if something is.
    n_threads
        Threads (>= 1); None for all that this process may use. No bit depends on it.
    progress
        Called with the steps done, their total, and "immune_response".
    **overrides
        Values that replace those of the sets, by their key.

    Returns
    -------
    xarray.Dataset
        In time: `surviving_fraction`, `mhc1_surface_mean` [molecules], `pdl1_fold_mean` and
        `engaged_fraction` (means over the living), `death_fraction` (cause, time; first causes),
        `effector_to_target_ratio` (active), `exhausted_to_target_ratio`, `treg_to_target_ratio`,
        `nk_primed_fraction`, `ifn_gamma_mean` [molecules], `antibody_occupancy`, all else [1].
        For each cell at `cell_time`, float32, NaN for cells that are not tumor cells:
        `mhc1_surface`, `pmhc_surface`, `kill_probability` and its causes, `kill_fraction_*`,
        `log_survival` (of which `summary` takes the tumor control probability).

        Agents give the same in time (of the cells that are there), `tumor_cell_count` (state,
        time), `death_count` (cause, time), `birth_count`, `immune_cell_count` and
        `immune_cell_entered` (phenotype, time), `contact_fraction`; and of every tumor cell that
        ever was (cell; the given ones first) `death_time`, `birth_time`, `cleared_time` [d; NaN
        where it has not happened], `death_cause` (code, attribute `flag_meanings`), `parent_cell`.

    Raises
    ------
    InputError
        If a variable, parameter or choice is missing, unknown or out of range, or an override has
        no effect.
    ResourceError
        If the memory does not suffice.
    ConvergenceError
        If the step cannot be made small enough.

    Warns
    -----
    ValidityWarning
        If cells have a dose but the host is untreated.

    Notes
    -----
    Eq. 1-17 of docs/theory/killing.md on the signals of docs/theory/signaling.md. The step is
    chosen on a sample of cells so that its estimated error is below 1e-3. An athymic host has no
    CD8 T cells, whatever the choices.

    References
    ----------
    Halle S et al. Immunity 2016;44:233. Kosinsky Y et al. J Immunother Cancer 2018;6:17.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import immunodose as imd
    >>> cells = xr.Dataset({"absorbed_dose": (("cell", "emission"), np.full((50, 1), 2.0))},
    ...                    coords={"emission": ["alpha"]})
    >>> cells = cells.assign(survival_probability=("cell", np.full(50, 0.5)))
    >>> mechanism = imd.Mechanism(triggers="damage", weighting="per_gy", spread="none",
    ...                           trex1_window=False)
    >>> host = imd.simulate_host(host="immunocompetent", time_d=[0.0, 14.0])
    >>> out = imd.immune_response(cells, parameters={"tumor": "b16k1", "killing": "ctl_nk"},
    ...     host=host, time_d=[0.0, 7.0, 14.0], mechanism=mechanism, engine="mean_field",
    ...     law="mass_action", ifn_gamma=True, exhaustion=False, pd1=True, nk=None, rng=1)
    >>> bool((np.diff(out.surviving_fraction) < 0.0).all())
    True
    """
    if engine not in ENGINES:
        raise InputError(
            f"unknown engine {engine!r} (available: {', '.join(ENGINES)})."
            f"{did_you_mean(engine, ENGINES)}"
        )
    for name, flag in (
        ("ifn_gamma", ifn_gamma), ("exhaustion", exhaustion), ("macrophages", macrophages),
    ):  # fmt: skip
        if not isinstance(flag, bool):
            raise InputError(f"invalid {name}={flag!r} (allowed: True or False).")
    options = KillOptions.of(
        law=law, recognition=recognition, proofreading=proofreading, pd1=pd1,
        checkpoint=checkpoint, treg=treg, nk=nk,
    )  # fmt: skip
    at_cells = None if outputs_per_cell_time_d is None else output_times(outputs_per_cell_time_d)
    inputs = ResponseInputs(
        ds=ds, parameters=parameters, host=host, outputs=output_times(time_d),
        cell_outputs=at_cells, mechanism=require_mechanism(mechanism), options=options,
        ifn_gamma=ifn_gamma, exhaustion=exhaustion, macrophages=macrophages, rng=rng,
        n_threads=resolve_threads(n_threads), progress=progress, overrides=overrides,
        space=space,
    )  # fmt: skip
    return ENGINES[engine](inputs)


ENGINES: dict[str, Callable[[ResponseInputs], xr.Dataset]] = {
    "mean_field": mean_field,
    "agents": agents,
}
"""Engines by name; another one takes the same inputs and gives the same population variables."""
