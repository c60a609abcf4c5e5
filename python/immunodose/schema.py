# SPDX-License-Identifier: BSD-3-Clause
"""Every variable that can stand in a Dataset, declared once: dims, units, meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError
from immunodose.schema_agents import AGENT_VARIABLES
from immunodose.schema_response import RESPONSE_VARIABLES
from immunodose.schema_variable import Variable as Variable

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

SCHEMA_VERSION = 1


_COMPARED = ("hypothesis", "arm", "time")

VARIABLES: dict[str, Variable] = {
    **RESPONSE_VARIABLES,
    # coordinates
    "x": Variable("um", "x coordinate of the cell center", ("arm", "cell", "point")),
    "y": Variable("um", "y coordinate of the cell center", ("arm", "cell", "point")),
    "z": Variable("um", "z coordinate of the cell center", ("arm", "cell", "point")),
    "cell": Variable("1", "cell number", ("cell",)),
    "time": Variable("d", "time after administration", ("time",)),
    "distance": Variable("um", "center-to-center distance of source and target", ("distance",)),
    "radius": Variable("um", "radial distance from a point source", ("radius",)),
    "specific_energy": Variable(
        "Gy",
        "specific energy",
        ("specific_energy", "arm", "cell", "nuclide", "target", "emission", "origin"),
    ),
    "moment": Variable("1", "order of the moment of the specific energy per decay", ("moment",)),
    # cells
    "cell_radius": Variable("um", "cell radius", ("arm", "cell")),
    "nucleus_radius": Variable("um", "radius of the nucleus", ("arm", "cell")),
    "nucleus_offset_x": Variable(
        "um", "x of the center of the nucleus from that of its cell", ("arm", "cell")
    ),
    "nucleus_offset_y": Variable(
        "um", "y of the center of the nucleus from that of its cell", ("arm", "cell")
    ),
    "nucleus_offset_z": Variable(
        "um", "z of the center of the nucleus from that of its cell", ("arm", "cell")
    ),
    "cell_type": Variable("1", "cell type", ("arm", "cell")),
    "viable": Variable("1", "1 for viable cells, 0 for necrotic ones", ("arm", "cell")),
    "distance_to_vessel": Variable(
        "um", "distance of the cell center to the wall of the nearest vessel", ("arm", "cell")
    ),
    "vessel_point": Variable("um", "point on the axis of the vessel", ("vessel", "axis")),
    "vessel_direction": Variable("1", "unit vector along the vessel", ("vessel", "axis")),
    "antigen": Variable("1", "relative expression of the targeted antigen", ("arm", "cell")),
    "radiosensitivity": Variable(
        "1", "dose of the same effect in a cell of the parameter set, per dose", ("arm", "cell")
    ),
    "oxygen": Variable("mmHg", "partial pressure of oxygen", ("arm", "cell")),
    "mhc1_baseline": Variable(
        "molecules", "surface MHC-I per cell before treatment", ("arm", "cell")
    ),
    "mhc1_inducibility": Variable(
        "1", "inducibility of MHC-I by radiation, 0 silenced to 1 open", ("arm", "cell")
    ),
    "ifn_gamma_route": Variable(
        "1", "intact share of the interferon-gamma route (IFNGR, JAK)", ("arm", "cell")
    ),
    "mhc1_assembly": Variable(
        "1", "intact share of MHC-I assembly (beta-2-microglobulin, TAP)", ("arm", "cell")
    ),
    # nuclear data
    "energy": Variable("keV", "emission energy (mean of the bin if continuous)", ("line", "point")),
    "yield_per_decay": Variable("1", "yield per decay of the parent", ("line",)),
    "emission": Variable("1", "emission class", ("line", "point")),
    "line_nuclide": Variable("1", "nuclide that emits the line", ("line",)),
    "continuous": Variable("1", "whether the line is a bin of a continuous spectrum", ("line",)),
    "decays_per_parent_decay": Variable(
        "1", "decays of each member of the chain per decay of the parent", ("member",)
    ),
    # S values and kernels
    "s_value": Variable(
        "Gy Bq-1 s-1",
        "absorbed dose to the target per decay in the source",
        ("target", "source", "distance", "emission"),
    ),
    "energy_per_decay": Variable("keV", "mean emitted energy per decay", ("emission",)),
    "energy_not_scored": Variable(
        "keV", "mean energy per decay that this physics model does not transport", ("emission",)
    ),
    "s_value_stderr": Variable(
        "Gy Bq-1 s-1",
        "standard error of the absorbed dose to the target per decay in the source",
        ("target", "source", "distance", "emission"),
    ),
    "energy_escaped": Variable(
        "keV", "mean energy per decay that photons carry out of the world", ("emission",)
    ),
    "energy_escaped_stderr": Variable(
        "keV", "standard error of the mean escaped energy per decay", ("emission",)
    ),
    "energy_fraction_within": Variable(
        "1", "fraction of the emitted energy deposited within the radius", ("radius", "emission")
    ),
    "dose_kernel": Variable(
        "Gy", "absorbed dose per decay at the radius from a point source", ("radius", "emission")
    ),
    # hits
    "hits_per_decay": Variable("1", "mean alpha traversals of the nucleus per decay", ("source",)),
    "hit_probability_per_decay": Variable(
        "1", "probability that a decay hits the nucleus at least once", ("source",)
    ),
    "frequency_mean_specific_energy": Variable(
        "Gy", "frequency-mean specific energy", ("source", "per")
    ),
    "dose_mean_specific_energy": Variable("Gy", "dose-mean specific energy", ("source", "per")),
    "specific_energy_density": Variable(
        "Gy-1",
        "probability density of the specific energy of one traversal or of one decay that hits",
        ("source", "per", "specific_energy"),
    ),
    "hits_per_decay_stderr": Variable("1", "standard error of hits_per_decay", ("source",)),
    "hit_probability_per_decay_stderr": Variable(
        "1", "standard error of hit_probability_per_decay", ("source",)
    ),
    "frequency_mean_specific_energy_stderr": Variable(
        "Gy", "standard error of frequency_mean_specific_energy", ("source", "per")
    ),
    "dose_mean_specific_energy_stderr": Variable(
        "Gy", "standard error of dose_mean_specific_energy", ("source", "per")
    ),
    "specific_energy_density_stderr": Variable(
        "Gy-1",
        "standard error of specific_energy_density",
        ("source", "per", "specific_energy"),
    ),
    "hit_mean": Variable("1", "expected alpha traversals of the nucleus", ("arm", "cell")),
    "hit_decay_moment": Variable(
        "1",
        "sum over decays of E[z^k; hit], z in Gy: k=0 decays that hit, k=1 alpha dose in Gy",
        ("arm", "cell", "moment"),
    ),
    "unhit_probability": Variable(
        "1", "probability that no alpha hits the nucleus", ("arm", "cell")
    ),
    # tracks
    "let": Variable("keV um-1", "stopping power at the energy of the particle", ("point",)),
    "energy_deposited": Variable(
        "keV", "energy left at the point and on the way to it", ("point",)
    ),
    "particle": Variable("1", "kind of particle", ("point",)),
    "point_cell": Variable(
        "1", "number of the cell in which the point left energy, -1 the medium", ("point",)
    ),
    "point_region": Variable("1", "region in which the point left energy", ("point",)),
    "track": Variable("1", "number of the track", ("point",)),
    "parent_track": Variable(
        "1", "number of the track that set it free, -1 if the decay did", ("point",)
    ),
    # activity
    "time_integrated_activity": Variable(
        "Bq s", "time-integrated activity (number of decays)", ("nuclide", "cell", "source")
    ),
    "medium_time_integrated_activity_concentration": Variable(
        "Bq s um-3", "time-integrated activity concentration of the medium", ("nuclide",)
    ),
    "labeled_decays": Variable(
        "1", "decays of all agents in the cell and on its membrane", ("arm", "cell")
    ),
    "retention": Variable(
        "1",
        "fraction of decays of a progeny nuclide that stay at the site of the parent",
        ("nuclide", "progeny"),
    ),
    "activity_rate_constant": Variable(
        "s-1",
        "effective rate constant of the activity",
        ("nuclide", "compartment", "cell", "source", "exponential"),
    ),
    "activity_amplitude": Variable(
        "Bq g-1",
        "activity extrapolated to time zero: concentration of a compartment, activity of a cell",
        ("nuclide", "compartment", "cell", "source", "exponential"),
        units_per_cell="Bq",
    ),
    "activity_exponential_share": Variable(
        "1",
        "share of the time-integrated activity that an exponential gives",
        ("nuclide", "exponential"),
    ),
    "medium_activity_rate_constant": Variable(
        "s-1", "effective rate constant of the activity in the medium", ("nuclide",)
    ),
    "progeny_rate_constant": Variable(
        "s-1",
        "rate at which a progeny nuclide decays or leaves the site of the parent",
        ("nuclide", "progeny"),
    ),
    "time_integrated_activity_concentration": Variable(
        "Bq s g-1", "time-integrated activity concentration", ("nuclide", "compartment")
    ),
    "administered_activity": Variable("Bq", "administered activity", ("arm",)),
    # dose
    "absorbed_dose": Variable(
        "Gy",
        "absorbed dose",
        ("arm", "cell", "nuclide", "target", "emission", "origin"),
    ),
    "absorbed_dose_rate": Variable(
        "Gy h-1",
        "absorbed dose rate",
        ("arm", "cell", "nuclide", "target", "emission", "origin", "time"),
    ),
    "absorbed_dose_component": Variable(
        "Gy",
        "absorbed dose by decays of one time course (attribute time_courses)",
        ("arm", "cell", "target", "component"),
    ),
    "external_beam_dose": Variable(
        "Gy", "absorbed dose of each fraction of an external beam", ("arm", "cell", "fraction")
    ),
    "fraction_time": Variable("d", "time of each fraction of an external beam", ("fraction",)),
    "lea_catcheside_factor": Variable(
        "1", "Lea-Catcheside dose protraction factor", ("arm", "cell", "target")
    ),
    "absorbed_dose_stderr": Variable(
        "Gy",
        "standard error of the absorbed dose",
        ("arm", "cell", "nuclide", "target", "emission", "origin"),
    ),
    "hit_count": Variable(
        "1",
        "emitted particles that left energy in the target, secondaries included",
        ("arm", "cell", "target", "emission"),
    ),
    "mean_hit_count": Variable(
        "1",
        "expected number of emitted particles that leave energy in the target",
        ("arm", "cell", "target", "emission"),
    ),
    "mean_hit_count_stderr": Variable(
        "1",
        "standard error of the expected number of hits",
        ("arm", "cell", "target", "emission"),
    ),
    "let_dose_mean_stderr": Variable(
        "keV um-1",
        "standard error of the dose-mean linear energy transfer",
        ("arm", "cell", "target", "emission"),
    ),
    "let_dose_mean": Variable(
        "keV um-1", "dose-mean linear energy transfer", ("arm", "cell", "target", "emission")
    ),
    "energy_account": Variable("keV", "energy by what became of it", ("arm", "fate", "emission")),
    "organ_absorbed_dose": Variable("Gy", "mean absorbed dose of the organ", ("arm", "organ")),
    # parameter sets
    "value": Variable("1", "value in the unit named by the variable unit", ("parameter",)),
    "range_low": Variable("1", "lowest plausible value, in the same unit", ("parameter",)),
    "range_high": Variable("1", "highest plausible value, in the same unit", ("parameter",)),
    "overridden": Variable("1", "whether the value replaces that of the set", ("parameter",)),
    "n_assumed": Variable("1", "number of values that are assumed", ("set",)),
    # host
    "lymphocyte_count": Variable(
        "1",
        "lymphocytes relative to the untreated host",
        ("arm", "subset", "compartment", "time"),
    ),
    "white_cell_nadir": Variable(
        "1", "lowest white blood cell count relative to the untreated host", ("arm",)
    ),
    "effector_supply": Variable(
        "1", "supply of effector CD8 T cells relative to the undepleted host", ("arm", "time")
    ),
    "effector_to_target_ratio": Variable(
        "1", "effector CD8 T cells per tumor cell in the tumor", ("arm", "time")
    ),
    # summary, over the tumor cells
    "nucleus_dose_mean": Variable("Gy", "mean absorbed dose to the nucleus", ("arm",)),
    "nucleus_dose_p5": Variable(
        "Gy", "5th percentile of the absorbed dose to the nucleus", ("arm",)
    ),
    "nucleus_dose_p95": Variable(
        "Gy", "95th percentile of the absorbed dose to the nucleus", ("arm",)
    ),
    "self_dose_share": Variable("1", "share of the nucleus dose from the cell itself", ("arm",)),
    "cross_dose_share": Variable("1", "share of the nucleus dose from elsewhere", ("arm",)),
    "unhit_fraction": Variable("1", "expected fraction of nuclei that no alpha hits", ("arm",)),
    "radiation_kill": Variable("1", "mean net probability of death by radiation", ("arm",)),
    "immune_kill": Variable("1", "mean net probability of death by CD8 T cells", _COMPARED),
    "mhc1_surface_mean": Variable("molecules", "mean surface MHC-I per cell", _COMPARED),
    "mhc1_fold": Variable("1", "mean surface MHC-I relative to the baseline", ("arm",)),
    "surviving_fraction_upper_limit": Variable(
        "1",
        "fraction that at most survives with 95 % probability, if under 1 survivor is expected",
        ("arm",),
    ),
    # agents
    **{name: Variable(*entry) for name, entry in AGENT_VARIABLES.items()},
}


def attributes(name: str, dims: Sequence[Any] = ()) -> dict[str, str]:
    """Return `units` and `long_name` of a declared variable with these dims."""
    try:
        variable = VARIABLES[name]
    except KeyError:
        raise InputError(f"variable {name!r} is not declared in immunodose.schema.") from None
    return {"units": variable.units_of(dims), "long_name": variable.long_name}


def data_array(
    name: str, dims: tuple[str, ...], values: npt.ArrayLike, **attrs: Any
) -> xr.Variable:
    """Make one declared variable with its attributes; unknown names and dims are errors."""
    import xarray as xr

    declared = VARIABLES.get(name)
    if declared is not None:
        unexpected = [dim for dim in dims if dim not in declared.dims]
        if unexpected:
            raise InputError(
                f"variable {name!r} has no dims {unexpected} (schema: {declared.dims})."
            )
    lazy = hasattr(values, "__dask_graph__")  # stays unevaluated
    data = values if lazy else np.asarray(values)
    return xr.Variable(dims, data, {**attributes(name, dims), **attrs})


def build(
    variables: Mapping[str, tuple[tuple[str, ...], npt.ArrayLike]],
    *,
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Build a Dataset of declared variables, each with `units` and `long_name`.

    `coords` maps a name to label values (strings) or to `(dims, values)`.
    """
    import xarray as xr

    built_coords: dict[str, Any] = {}
    for name, value in (coords or {}).items():
        if name in VARIABLES and not isinstance(value, xr.Variable):
            dims, values = value if isinstance(value, tuple) else ((name,), value)
            declared = attributes(name) if np.asarray(values).dtype.kind in "fiu" else {}
            built_coords[name] = xr.Variable(dims, np.asarray(values), declared)
        else:
            built_coords[name] = value
    return xr.Dataset(
        {name: data_array(name, dims, values) for name, (dims, values) in variables.items()},
        coords=built_coords,
        attrs=dict(attrs or {}),
    )


def validate(dataset: xr.Dataset) -> None:
    """Raise InputError if a variable lacks units, long_name, or disagrees with the schema."""
    for name, variable in dataset.variables.items():
        declared = VARIABLES.get(str(name))
        if declared is None or variable.dtype.kind not in "fiub":
            continue
        units = declared.units_of(variable.dims)
        if variable.attrs.get("units") != units:
            raise InputError(
                f"variable {name!r} has units {variable.attrs.get('units')!r} (schema: {units!r})."
            )
        if "long_name" not in variable.attrs:
            raise InputError(f"variable {name!r} has no long_name.")
