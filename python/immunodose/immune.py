# SPDX-License-Identifier: BSD-3-Clause
"""Death of tumor cells by radiation and by killer cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immunodose.immune_causes import chosen_causes, solve_causes
from immunodose.immune_host import host_state
from immunodose.immune_kill import kill_inputs, kill_variables, solve
from immunodose.immune_killers import CheckpointLike, KillOptions, NaturalKiller
from immunodose.immune_time import output_times
from immunodose.provenance import base_attrs
from immunodose.response_inputs import (
    ParameterLike,
    ParametersByType,
    merged,
)
from immunodose.schema import build
from immunodose.threads import resolve_threads
from immunodose.typing import FloatLike

if TYPE_CHECKING:
    import xarray as xr

_PLAIN = KillOptions.of(
    law="mass_action", recognition="hill", proofreading=False, pd1=False, checkpoint=None,
    treg=False, nk=None,
)  # fmt: skip


def kill_probability(
    ds: xr.Dataset,
    *,
    parameters: ParametersByType,
    host: ParameterLike,
    time_d: FloatLike,
    law: str | None = None,
    recognition: str = "hill",
    proofreading: bool = False,
    pd1: bool = False,
    checkpoint: CheckpointLike = None,
    treg: bool = False,
    nk: NaturalKiller = None,
    merge: bool = True,
    n_threads: int | None = None,
    **overrides: float,
) -> xr.Dataset:
    """Add the probability that each cell has died of radiation, of killer cells, of either.

    Parameters
    ----------
    ds
        Dataset of `survival_probability` and `mhc1_surface` (with `pmhc_surface` where these come
        from a mechanism: radiation-induced peptides are recognized too);
        `activity_rate_constant` gives the time course of radiation death. Cells of type
        `"cd8_t_cell"` are the T cells of the untreated tumor.
    parameters
        Cell-line set (name, Dataset, ParameterSet), or a mapping with the entry `"tumor"` and,
        where the choices below need more than the host set, `"killing"` (such as `"ctl_nk"`).
    host
        `"immunocompetent"`, `"athymic"`, another host set (all untreated: supply 1), or the
        Dataset of `simulate_host`, whose `effector_supply` is then used.
    time_d
        Times after administration (d, >= 0): a number, or a rising sequence.
    law
        Law of CD8 killing by name, see `killing_laws`; None is Eq. 9 of docs/theory/immune.md.
    recognition
        `"hill"`, or `"at_least_k"` complexes of a Poisson number.
    proofreading
        Whether only complexes count that complete kinetic proofreading.
    pd1
        Whether PD-L1 inhibits CD8 T cells; needs the variable `pdl1_fold` (cell[, time]).
    checkpoint
        `Checkpoint` or a mapping with its fields: an antibody to PD-1 or PD-L1; None for none.
    treg
        Whether regulatory T cells suppress CD8 killing.
    nk
        None, or what natural killer cells see: `"missing_self"` (and ligands) or `"ligand"` alone;
        needs the variable `nk_ligand_fold` (cell[, time]; 1 is the untreated cell).
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
        `white_cell_nadir` of a simulated host. With any of the choices also
        `kill_probability_ctl`, `kill_fraction_ctl` and, with `nk`, `kill_probability_nk` and
        `kill_fraction_nk`, of which `kill_probability_immune` is the combination.

    Raises
    ------
    InputError
        If a needed variable or parameter is missing, no number of T cells is given, or a time
        lies outside the times of `mhc1_surface` or `effector_supply`, or `mhc1_surface` comes
        from another cell-line set or share of recognized peptides, a law or choice is unknown, or
        an override or antibody has no effect with the choices.

    Warns
    -----
    ValidityWarning
        If cells have a dose but the host is untreated, or `mhc1_surface` is that of another time.

    Notes
    -----
    Eq. 5-12 of docs/theory/immune.md; with any of the choices Eq. 1-14 of docs/theory/killing.md.
    `mhc1_surface` with times is linear between them, without times constant. The step is halved
    until the results move by less than 1e-4. An athymic host has no CD8 killing whatever the
    choices.

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
    outputs, threads = output_times(time_d), resolve_threads(n_threads)
    options = KillOptions.of(
        law=law or "mass_action", recognition=recognition, proofreading=proofreading, pd1=pd1,
        checkpoint=checkpoint, treg=treg, nk=nk,
    )  # fmt: skip
    attrs: dict[str, Any] = {}
    if law is None and options == _PLAIN:
        inputs = kill_inputs(ds, parameters, host_state(host), overrides, outputs)
        solution = solve(inputs, outputs, threads)
    else:
        inputs, causes = chosen_causes(
            ds, parameters, host_state(host), options, overrides, outputs
        )
        solution = solve_causes(inputs, causes, outputs, threads)
        attrs = causes.attrs()
    coords = {"cell": ds["cell"].values} if "cell" in ds.coords else {}
    new = build(
        kill_variables(inputs, solution, outputs),
        coords={**coords, **outputs.coords()},
        attrs=base_attrs(**inputs.attrs, **attrs, kill_step_d=solution.step_d),
    )
    return merged(ds, new, merge=merge)
