# SPDX-License-Identifier: BSD-3-Clause
"""Surface MHC-I after irradiation, and death by radiation and by CD8 T cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immunodose.immune_host import host_state
from immunodose.immune_kill import kill_inputs, kill_variables, solve
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
