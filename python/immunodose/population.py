# SPDX-License-Identifier: BSD-3-Clause
"""Absorbed dose of every cell of a population, from itself, its neighbors and the medium."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.cells.checks import checked_cells
from immunodose.emission_kernels import ELECTRON_CUTOFF_KEV
from immunodose.hits import alpha_chain
from immunodose.monte_carlo import population_dose as transported_dose
from immunodose.physics import (
    PhysicsModel,
    physics_model,
    require_density,
    require_physics,
    warn_of_electrons,
)
from immunodose.population_box import Box, BoxLike, box_attr, require_inside
from immunodose.population_columns import dose_places
from immunodose.population_estimate import DoseOptions, require_dose_memory
from immunodose.population_inputs import Agent, agents_of, with_result
from immunodose.population_options import MonteCarloOptions
from immunodose.population_shapes import CellShapes, cell_shapes, warn_of_class_spread
from immunodose.population_sums import (
    DEFAULT_RTOL,
    N_HIT_COLUMNS,
    class_spread,
    sum_over_cells,
    summation_attr,
    summation_options,
    warn_of_mesh_error,
)
from immunodose.provenance import base_attrs
from immunodose.rng import RngLike
from immunodose.schema import data_array
from immunodose.threads import percent_reported
from immunodose.transport import effective_membrane_um
from immunodose.typing import (
    EMISSIONS,
    ORIGINS,
    TARGETS,
    FloatArray,
    IntArray,
    Physics,
    Progress,
)
from immunodose.units import NM_PER_UM

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

N_MOMENTS = N_HIT_COLUMNS - 1


@dataclass(frozen=True, slots=True)
class _AgentSums:
    model: PhysicsModel
    report: list[dict[str, Any]]  # what was done, per sweep


@dataclass(frozen=True, slots=True)
class _Result:
    """Doses and hits of all agents, which the core adds to: no copy stands beside them."""

    kept: tuple[str, ...]
    targets: Sequence[str]
    scored: Sequence[str]  # targets that have a mass
    places: IntArray  # columns: (nuclide, target, emission, origin)
    dose_Gy: npt.NDArray[Any]  # (cell, dims kept)
    chains: Sequence[_core.transport.AlphaChain | None]  # of the agents whose hits are scored
    hits: FloatArray | None  # (cell, hits and moments)

    @staticmethod
    def of(
        cells: xr.Dataset,
        rows: Sequence[Agent],
        kept: tuple[str, ...],
        dtype: str,
        membrane_um: float,
    ) -> _Result:
        targets = TARGETS if "target" in kept else ("nucleus",)
        lengths = {
            "nuclide": len(rows),
            "target": len(targets),
            "emission": len(EMISSIONS),
            "origin": len(ORIGINS),
        }
        places = dose_places(lengths, kept)
        n_cells = cells.sizes["cell"]
        dose = np.zeros((n_cells, *(lengths[name] for name in kept)), dtype=dtype)
        massless = [t for t, name in enumerate(targets) if name == "membrane" and not membrane_um]
        for t in massless:
            dose.reshape(n_cells, -1)[:, np.unique(places[:, t])] = np.nan
        chains = [
            alpha_chain(row.nuclide, retention=row.retention) if "emission" in kept else None
            for row in rows
        ]
        has_hits = any(chain is not None for chain in chains)
        return _Result(
            kept=kept,
            targets=targets,
            scored=[name for t, name in enumerate(targets) if t not in massless],
            places=places,
            dose_Gy=dose,
            chains=chains,
            hits=np.zeros((n_cells, N_HIT_COLUMNS)) if has_hits else None,
        )

    def places_of(self, row: int, emissions: Sequence[int]) -> IntArray:
        """Return the columns of an agent's (target, kernel, origin); length 1 where summed."""
        own = self.places[row, [self.targets.index(name) for name in self.scored]]
        own = own[:, emissions] if "emission" in self.kept else own[:, :1]
        return np.ascontiguousarray(own if "origin" in self.kept else own[:, :, :1])


def absorbed_dose(
    cells: xr.Dataset,
    *,
    method: str = "kernel",
    physics: Physics | None = None,
    split: Sequence[str] = ("target", "emission", "origin"),
    membrane_thickness_nm: float = 10.0,
    density_g_per_cm3: float = 1.0,
    rtol: float = DEFAULT_RTOL,
    summation: str = "auto",
    periodic_box_um: BoxLike | None = None,
    dtype: str = "float64",
    n_threads: int | None = None,
    merge: bool = True,
    progress: Progress | None = None,
    realization: bool = False,
    n_histories: int | None = None,
    n_batches: int = 32,
    electron_mode: str = "condensed",
    electron_cutoff_keV: float = ELECTRON_CUTOFF_KEV,
    straggling: bool = True,
    lost_daughters: str = "leave",
    emissions: Sequence[str] | None = None,
    medium_margin_um: float | None = None,
    hits: bool = True,
    rng: RngLike = None,
) -> xr.Dataset:
    """Return the absorbed dose of every cell, and its alpha hits.

    Parameters
    ----------
    cells
        A labeled population: ``time_integrated_activity`` (nuclide, cell, source) [Bq s] beside
        the variables of `immunodose.cells`.
    method
        "kernel": mean doses by tables over distance. "monte_carlo": transport of decays one by
        one; the arguments from `realization` on belong to it.
    physics
        Of method "kernel": "kernel" (the default): kernels of electrons that scatter and straggle,
        straggled alphas, photons to 1 mm, recoils at the decay; or "mird": straight CSDA tracks of
        alphas and electrons. Method "monte_carlo" has its own ("monte_carlo", or None).
    rtol
        Of method "kernel": largest root mean square error of the sums over cells that a mesh may
        make, relative to the mean; 2e-5 to 0.01.
    summation
        Of method "kernel": how doses from other cells are added up. "auto" takes the fastest for
        each emission class: "direct" (all pairs, double precision) up to 500 cells, "cell_list"
        (all pairs within reach) or "particle_mesh" (near pairs, and a mesh for all others; but
        cell lists for short reach, and where a mesh would need more than 64 nodes per cell).
    periodic_box_um
        Of method "kernel": edges (x, y, z) in um of a box around the cells that repeats without
        end (bulk tissue), or one edge of a cube; inf along an axis that does not repeat. None: a
        free boundary. All images within reach are summed, as `cross`.
    split
        Dims of the result beside `cell`, any of nuclide, target, emission, origin. What is left
        out is summed; without `target` it is the nucleus.
    membrane_thickness_nm
        Thickness of the membrane; `physics="mird"` uses a surface whatever is given.
    density_g_per_cm3
        Density of the water, 0.2 to 3.
    dtype
        "float64" or "float32" for the dose, in which its parts are added up.
    n_threads
        Threads; None takes the CPUs that this process may use. The result is the same bit for
        bit.
    merge
        Whether the variables of `cells` are kept in the result, but for those of a former dose.
    progress
        Called with done, total and a text: several times per nuclide, in hundredths, with the
        nuclide; "monte_carlo" after each nuclide. Ctrl-C, or what it raises, stops the call.
    realization
        True transports the actual decays, a Poisson number in each compartment of each cell;
        False estimates the mean from `n_histories`.
    n_histories
        Decays to transport per nuclide for a mean, a multiple of `n_batches`; None takes 3200 per
        batch.
    n_batches
        Equal batches whose spread gives the standard errors, at least 2.
    electron_mode
        "condensed" (soft collisions grouped) or "detailed" (every collision).
    electron_cutoff_keV
        Electrons of this energy and less are absorbed where they are, keV, 0.03 to 1.
    straggling
        Whether the energy loss of alphas fluctuates.
    lost_daughters
        Daughters that are not retained "leave" the population with all their progeny, move to a
        random place in the same "cell", or in the "medium" (uniform in the water around the cells:
        the share that comes back to them falls with `medium_margin_um`).
    emissions
        Classes to transport, any of alpha, recoil, beta, auger_ce, photon; None takes all. The
        energy of the others is stated in ``energy_account``.
    medium_margin_um
        Width of the water around the ball that holds the cells. Activity of the medium fills it,
        photons that leave it escape; charged particles do not. None takes the largest range of
        the particles for a medium with activity, and at least 1000 um for electrons and photons.
    hits
        Whether hits and dose-mean LET are counted too; False saves their memory.
    rng
        int, SeedSequence, Generator or None, which draws entropy; the attribute `random_root`
        records it.

    Returns
    -------
    Dataset
        ``absorbed_dose`` (cell, and the dims in `split`) [Gy]: the expectation; NaN for a
        membrane target without thickness. For alpha emitters with "emission" in `split`:
        ``hit_mean`` (cell) [1], ``unhit_probability`` (cell) [1] and ``hit_decay_moment`` (cell,
        moment) [1], the sum over decays of E[z^k; hit] with z in Gy, k = 0..5.

        With "monte_carlo" instead: ``absorbed_dose`` and ``mean_hit_count`` (cell, target,
        emission) [1], emitted particles that leave energy there; or with `realization`
        ``specific_energy`` (dims of the dose) [Gy] and ``hit_count``. Both: ``let_dose_mean``
        (cell, target, emission) [keV um-1], NaN where there is none, and ``energy_account`` (fate,
        emission) [keV], what became of the emitted energy. Means have standard errors beside them:
        ``absorbed_dose_stderr``, ``mean_hit_count_stderr``, ``let_dose_mean_stderr``. The
        attribute ``world`` (JSON, by nuclide) states which share of the electron energy comes with
        emissions below the cut-off (``electron_energy_fraction_below_cutoff``), and which share of
        what electrons and photons left was left by electrons that had come down to it
        (``..._at_cutoff``; in condensed mode of those followed singly).

    Raises
    ------
    InputError
        For unlabeled cells, negative activity, unknown names in `split`, arguments without effect,
        centers that spread over more than the periodic box.
    GeometryError
        For overlapping cells (across the boundary of a periodic box too), a nucleus larger than its
        cell, or one that leaves it or (method "kernel") reaches into its membrane.
    ResourceError
        For more threads than this process may use, or more memory (by `immunodose.estimate`):
        the message lists the options that fit.

    Notes
    -----
    Eq. 17 of docs/theory/transport.md, and docs/theory/population.md for the sums over cells: the
    attribute ``summation`` (JSON) tells the method of each sweep, its reach, the error expected
    and, for a mesh, the error measured at some cells. The medium is water without end; activity in
    it fills all space outside the cells. Cells of more
    than 12 different shapes share tables for the cross-dose (self-doses stay exact): the
    attribute ``cross_dose_class_spread`` is the largest relative distance of radii to the class;
    above 0.1 it warns. ``electron_energy_fraction_below_tables`` and ``..._above_tables`` (JSON,
    by nuclide) are as in `point_kernel`.

    Examples
    --------
    >>> import immunodose as imd
    >>> cells = imd.cells.lattice(shape=(2, 1, 1), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=5.0)
    >>> labeled = imd.label(cells, "Lu-177", decays_per_cell=100.0)
    >>> dose = imd.absorbed_dose(labeled, physics="mird", split=("origin",))
    >>> dose["absorbed_dose"].sel(cell=0).values.round(4)
    array([0.0175, 0.0041])
    """
    needs = DoseOptions.of(locals())  # checks the arguments of all methods
    options = MonteCarloOptions(
        realization=realization,
        n_histories=n_histories,
        n_batches=n_batches,
        electron_mode=electron_mode,
        electron_cutoff_keV=electron_cutoff_keV,
        straggling=straggling,
        lost_daughters=lost_daughters,
        emissions=emissions,
        medium_margin_um=medium_margin_um,
        hits=hits,
        rng=rng,
    )
    require_dose_memory(cells, needs)
    by_method = transported_dose if method == "monte_carlo" else _by_kernel
    result = by_method(
        cells,
        options,
        physics=physics,
        kept=needs.kept,
        membrane_thickness_nm=membrane_thickness_nm,
        density_g_per_cm3=density_g_per_cm3,
        dtype=dtype,
        n_threads=needs.n_threads,
        progress=progress,
        **summation_options(method, summation, rtol, periodic_box_um),
    )
    return with_result(cells, result) if merge else result


def _by_kernel(
    cells: xr.Dataset,
    options: MonteCarloOptions,
    *,
    physics: Physics | None,
    kept: tuple[str, ...],
    membrane_thickness_nm: float,
    density_g_per_cm3: float,
    dtype: str,
    n_threads: int,
    progress: Progress | None,
    summation: str,
    rtol: float,
    box_um: Box,
) -> xr.Dataset:
    options.require_default("kernel")
    model_name, density = require_physics(physics), require_density(density_g_per_cm3)
    sorted_cells = checked_cells(cells, allow_unusual=True, n_threads=n_threads)
    require_inside(cells, box_um, n_threads)
    rows = agents_of(cells)
    membrane_um = effective_membrane_um(model_name, membrane_thickness_nm)
    shapes = cell_shapes(cells)
    result = _Result.of(cells, rows, kept, dtype, membrane_um)
    sums = _add_agents(
        cells,
        rows,
        result,
        progress,
        shapes=shapes,
        sorted_cells=sorted_cells,
        physics=model_name,
        membrane_um=membrane_um,
        density=density,
        summation=summation,
        rtol=rtol,
        box_um=box_um,
        n_threads=n_threads,
    )
    for model in {agent.model.nuclide: agent.model for agent in sums}.values():
        warn_of_electrons(model)
    sweeps = [(agent.model.nuclide, list(agent.model.kernels), agent.report) for agent in sums]
    spread = class_spread(shapes, sweeps)
    warn_of_class_spread(spread)
    warn_of_mesh_error(sweeps, rtol)
    del rows, shapes, sorted_cells  # room for the hits
    dataset = _dose_dataset(cells, result)
    dataset.attrs = _attrs(
        cells,
        [agent.model for agent in sums],
        physics=model_name,
        method="kernel",
        membrane_thickness_nm=membrane_um * NM_PER_UM,
        density_g_per_cm3=density,
        cross_dose_class_spread=spread,
        rtol=rtol,
        **box_attr(box_um),
        summation=summation_attr(sweeps),
        simd=_core.transport.simd_level(),
    )
    return dataset


def _add_agents(
    cells: xr.Dataset,
    rows: Sequence[Agent],
    result: _Result,
    progress: Progress | None,
    **setting: Any,
) -> list[_AgentSums]:
    """Add dose and hits of every row to the result, and report how far that is."""
    sums = []
    for number, row in enumerate(rows):
        report = percent_reported(progress, number, len(rows), row.label)
        sums.append(_add_agent(cells, row, result, number, report=report, **setting))
        if report is not None:
            report(1.0)
    return sums


def _add_agent(
    cells: xr.Dataset,
    row: Agent,
    result: _Result,
    number: int,
    *,
    shapes: CellShapes,
    sorted_cells: _core.geometry.SortedCells,
    physics: Physics,
    membrane_um: float,
    density: float,
    summation: str,
    rtol: float,
    box_um: Box,
    n_threads: int,
    report: Callable[[float], None] | None,
) -> _AgentSums:
    """Add dose and hits of one row of `time_integrated_activity` to the result."""
    model = physics_model(
        row.nuclide, physics=physics, retention=row.retention, density_g_per_cm3=density
    )
    chain = result.chains[number]
    split = ("emission" in result.kept, "origin" in result.kept)
    done = sum_over_cells(
        cells,
        row,
        list(model.kernels.values()),
        dose=result.dose_Gy,
        places=result.places_of(number, [EMISSIONS.index(name) for name in model.kernels]),
        hits=None if chain is None else result.hits,
        shapes=shapes,
        targets=result.scored,
        membrane_um=membrane_um,
        density=density,
        alpha_chain=chain,
        split_emission_origin=split,
        summation=summation,
        rtol=rtol,
        sorted_cells=sorted_cells,
        box_um=box_um,
        n_threads=n_threads,
        report=report,
    )
    return _AgentSums(model, done)


def _dose_dataset(cells: xr.Dataset, result: _Result) -> xr.Dataset:
    import xarray as xr

    variables = {
        "absorbed_dose": data_array("absorbed_dose", ("cell", *result.kept), result.dose_Gy)
    }
    if result.hits is not None:
        moments = np.ascontiguousarray(result.hits[:, 1:])
        variables["hit_mean"] = data_array(
            "hit_mean", ("cell",), np.ascontiguousarray(result.hits[:, 0])
        )
        variables["hit_decay_moment"] = data_array("hit_decay_moment", ("cell", "moment"), moments)
        variables["unhit_probability"] = data_array(
            "unhit_probability", ("cell",), np.exp(-moments[:, 0])
        )
    coords: dict[str, Any] = {
        name: cells.variables[name] for name in ("cell", "x", "y", "z") if name in cells.variables
    }
    labels: dict[str, Sequence[str]] = {
        "target": result.targets,
        "emission": EMISSIONS,
        "origin": ORIGINS,
        "nuclide": [str(name) for name in cells.variables["nuclide"].values],
    }
    coords.update({name: list(labels[name]) for name in result.kept})
    if result.hits is not None:
        coords["moment"] = data_array("moment", ("moment",), np.arange(N_MOMENTS))
    return xr.Dataset(variables, coords=coords)


def _attrs(cells: xr.Dataset, models: Sequence[PhysicsModel], **stated: Any) -> dict[str, Any]:
    names = [str(name) for name in cells.variables["nuclide"].values]
    not_scored = {
        name: {emission: keV for emission, keV in model.not_scored_keV.items() if keV > 0.0}
        for name, model in zip(names, models, strict=True)
    }
    by_name = dict(zip(names, models, strict=True))
    escaped = {
        name: {emission: keV for emission, keV in model.escaped_keV.items() if keV > 0.0}
        for name, model in by_name.items()
    }
    low = {name: model.low_electron_fraction for name, model in by_name.items()}
    high = {name: model.high_electron_fraction for name, model in by_name.items()}
    photons = {name: model.low_photon_fraction for name, model in by_name.items()}
    return base_attrs(
        energy_not_scored_keV_per_decay=json.dumps(not_scored),
        energy_escaped_keV_per_decay=json.dumps(escaped),
        electron_energy_fraction_below_tables=json.dumps(low),
        electron_energy_fraction_above_tables=json.dumps(high),
        photon_energy_fraction_at_decay=json.dumps(photons),
        **stated,
    )
