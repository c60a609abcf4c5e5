# SPDX-License-Identifier: BSD-3-Clause
"""Absorbed dose rate of every cell in time: one sum over cells per time course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose import _core
from immunodose.dose_rate_estimate import require_rate_memory
from immunodose.dose_rate_inputs import (
    RatePart,
    RateSetting,
    kernels_of,
    prepared_rate,
    rate_axes,
    splits_kernels,
    times_s,
)
from immunodose.dose_rate_sources import HalfLife, TimedDecays
from immunodose.population_box import BoxLike, box_attr
from immunodose.population_columns import dose_places
from immunodose.population_inputs import SPLIT_DIMS, with_result
from immunodose.population_shapes import warn_of_class_spread
from immunodose.population_sums import (
    DEFAULT_RTOL,
    class_spread,
    sum_over_cells,
    summation_attr,
    warn_of_mesh_error,
)
from immunodose.provenance import base_attrs
from immunodose.schema import build
from immunodose.source_rows import course_variables
from immunodose.source_time import TimeCourses, courses_of_chains
from immunodose.threads import percent_reported
from immunodose.typing import EMISSIONS, ORIGINS, FloatArray, FloatLike, Physics, Progress
from immunodose.units import NM_PER_UM, SECONDS_PER_DAY, SECONDS_PER_HOUR

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr


def absorbed_dose_rate(
    cells: xr.Dataset,
    *,
    time_h: FloatLike,
    effective_half_life_h: HalfLife | Mapping[str, HalfLife] | None = None,
    physics: Physics | None = None,
    split: Sequence[str] = ("target",),
    targets: Sequence[str] | None = None,
    membrane_thickness_nm: float = 10.0,
    density_g_per_cm3: float = 1.0,
    rtol: float = DEFAULT_RTOL,
    summation: str = "auto",
    periodic_box_um: BoxLike | None = None,
    dtype: str = "float64",
    n_threads: int | None = None,
    merge: bool = True,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the absorbed dose rate of every cell at given times.

    Parameters
    ----------
    cells
        A labeled population. When its decays happen is read from what `label` stored
        (`effective_half_life_h`, `kinetics`, `medium_effective_half_life_h`,
        `progeny_biological_half_life_h`), or from ``activity_amplitude`` (nuclide, cell, source,
        exponential) [Bq; a negative one for an uptake phase] with ``activity_rate_constant``
        (exponential, and any of nuclide, cell, source) [s-1], assigned by the caller.
    time_h
        Times after administration in h, >= 0: one number, or ascending numbers.
    effective_half_life_h
        For rows that were labeled without a time course: effective half-life in h from time 0, or
        "physical" for activity that stays; one for all of them, or a mapping of rows to these.
    physics
        "kernel" (the default) or "mird", as in `absorbed_dose`.
    split
        Dims of the result beside `cell` and `time`, any of nuclide, target, emission, origin.
    targets
        Those of nucleus, cytoplasm, membrane, cell to score; None takes all, or the nucleus if
        `split` has no target.
    membrane_thickness_nm, density_g_per_cm3, rtol, summation, periodic_box_um, n_threads
        As in `absorbed_dose`.
    dtype
        "float64" or "float32" for both results.
    merge
        Whether the variables of `cells` are kept in the result.
    progress
        Called with done, total and a text: several times per time course, in hundredths, with its
        name, and after the times. Ctrl-C, or what it raises, stops the call.

    Returns
    -------
    Dataset
        ``absorbed_dose_rate`` (cell, dims of `split`, time) [Gy h-1], without dim `time` (d) for a
        scalar; NaN for a membrane without thickness. ``absorbed_dose_component`` (cell, target,
        component) [Gy]: the dose of all decays of one nuclide and member of its chain that share
        a time course. ``activity_rate_constant`` (nuclide) [s-1] where it was given here. The
        attribute ``time_courses`` (JSON) holds these courses; with it
        `lea_catcheside` and `survival` find their factor without time steps.

    Raises
    ------
    InputError
        For times that are negative, not finite or not ascending, rows without a time course,
        unlabeled cells, unknown names.
    ResourceError
        For more memory than there is (by `immunodose.estimate`; the message lists the options that
        fit), or for more threads than allowed.

    Notes
    -----
    Eqs. R1-R3 of docs/theory/dose_rate.md. Doses are summed over cells once for each time course
    and member of the chain, never per time; the integral over all time is `absorbed_dose`. Members
    that stay decay with the delay of the chain. Activity does not move between cells.

    Examples
    --------
    >>> import immunodose as imd
    >>> from immunodose.data.parameter_file import Parameter
    >>> from immunodose.data.parameters import ParameterSet
    >>> values = {"tumor_uptake": (5.0, "percent g-1"), "tumor_biological_half_life": (60.0, "h")}
    >>> entries = {key: Parameter(key, value, unit, 0.0, 100.0, "assumed", "example")
    ...            for key, (value, unit) in values.items()}
    >>> agent = ParameterSet("example", "agent", "Example", entries, {"nuclide": "Lu-177"})
    >>> kinetics = imd.biokinetics(agent=agent, administered_activity_Bq=10e6,
    ...                            compartments=["tumor"]).sel(compartment="tumor")
    >>> cells = imd.cells.lattice(shape=(2, 1, 1), spacing_um=14.0, cell_radius_um=7.0,
    ...                           nucleus_radius_um=5.0)
    >>> cell_mass_g = 14.0**3 * 1e-12
    >>> decays = float(kinetics["time_integrated_activity_concentration"]) * cell_mass_g
    >>> labeled = imd.label(cells, "Lu-177", decays_per_cell=decays, kinetics=kinetics)
    >>> rate = imd.absorbed_dose_rate(labeled, time_h=[0.0, 24.0, 72.0], targets=["nucleus"])
    >>> rate["absorbed_dose_rate"].sel(cell=0, target="nucleus").values.round(4)
    array([0.0012, 0.0008, 0.0004])
    >>> g = imd.lea_catcheside(rate, repair_half_time_min=90.0)
    >>> g["lea_catcheside_factor"].sel(target="nucleus").values.round(4)
    array([0.0333, 0.0333])
    """
    setting, parts, size = prepared_rate(cells, locals())
    require_rate_memory(cells, setting, parts, size, time_h)
    times = times_s(time_h)
    courses = courses_of_chains(
        [(part.decays.chain, part.decays.course, tuple(part.models)) for part in parts]
    )
    dose, reports = _dose_of_components(cells, parts, setting, progress)
    # Eq. R1, in Gy per h
    density = courses.density_per_s(times) * SECONDS_PER_HOUR
    rate = _core.response.sum_of_courses(
        dose=dose.reshape(-1, dose.shape[-1]),
        density=density,
        single_precision=dtype == "float32",
        n_threads=setting.n_threads,
    )
    report = percent_reported(progress, len(parts), len(parts) + 1, "times")
    if report is not None:
        report(1.0)
    values = rate.reshape(*dose.shape[:-1], times.size)
    component = dose.astype(dtype, copy=False)
    result = _dataset(cells, setting, parts, (values, component), time_h)
    if effective_half_life_h is not None:
        decays = [part.decays for part in parts]
        result = result.assign(_stored(cells, decays).data_vars)
    result.attrs = _attrs(setting, reports, courses)
    return with_result(cells, result) if merge else result


def _dose_of_components(
    cells: xr.Dataset,
    parts: Sequence[RatePart],
    setting: RateSetting,
    progress: Progress | None,
) -> tuple[FloatArray, list[Any]]:
    """Return the dose of each component (cell, dims of split, component) and the reports."""
    n_rows = int(cells.sizes["nuclide"])
    axes = rate_axes(setting, n_rows)
    n_components = sum(len(part.models) for part in parts)
    # nuclide, target, emission, origin; of length 1 where not kept
    full = (axes.get("nuclide", 1), len(setting.targets), axes.get("emission", 1))
    shape = (int(cells.sizes["cell"]), *full, axes.get("origin", 1), n_components)
    dose = np.zeros(shape)
    lengths = dict(zip((*SPLIT_DIMS, "component"), shape[1:], strict=True))
    places = dose_places(lengths, tuple(lengths))
    own_targets = [setting.targets.index(name) for name in setting.scored]
    reports = []
    first = 0
    for number, part in enumerate(parts):
        to_report = percent_reported(progress, number, len(parts) + 1, part.decays.name)
        kernels = kernels_of(part)
        split = splits_kernels(part, setting)
        row = places[part.decays.row if "nuclide" in axes else 0, own_targets]
        columns = [
            row[:, EMISSIONS.index(emission) if "emission" in axes else 0, :, first + member]
            for member, emission, _ in (kernels if split else kernels[:1])
        ]
        report = sum_over_cells(
            cells,
            part.decays.agent,
            [kernel for _, _, kernel in kernels],
            dose=dose,
            places=np.stack(columns, axis=1),
            shapes=setting.shapes,
            targets=setting.scored,
            membrane_um=setting.membrane_um,
            density=setting.density,
            alpha_chain=None,
            split_emission_origin=(split, "origin" in setting.kept),
            summation=setting.summation,
            rtol=setting.rtol,
            box_um=setting.box_um,
            n_threads=setting.n_threads,
            report=to_report,
        )
        if to_report is not None:
            to_report(1.0)
        labels = [emission for _, emission, _ in kernels]
        reports.append((part.decays.name, labels, report))
        first += len(part.models)
    for t, name in enumerate(setting.targets):
        if name not in setting.scored:
            dose[:, :, t] = np.nan
    return dose.reshape(shape[0], *axes.values(), n_components), reports


def _dataset(
    cells: xr.Dataset,
    setting: RateSetting,
    parts: Sequence[RatePart],
    values: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    time_h: FloatLike,
) -> xr.Dataset:
    rate, component = values
    axes = tuple(rate_axes(setting, int(cells.sizes["nuclide"])))
    scalar = np.ndim(time_h) == 0
    summed = tuple(i + 1 for i, name in enumerate(axes) if name != "target")
    component = component.sum(axis=summed).reshape(
        component.shape[0], len(setting.targets), component.shape[-1]
    )
    labels: dict[str, Any] = {
        "target": list(setting.targets),
        "emission": list(EMISSIONS),
        "origin": list(ORIGINS),
        "nuclide": [str(name) for name in cells["nuclide"].values],
    }
    coords: dict[str, Any] = {
        name: cells[name].variable for name in ("cell", "x", "y", "z") if name in cells
    }
    coords.update({name: np.array(labels[name], dtype=np.str_) for name in (*axes, "target")})
    names = [f"{part.decays.name}: {member}" for part in parts for member in part.models]
    coords["component"] = np.array(names, dtype=np.str_)
    if not scalar:
        coords["time"] = np.asarray(time_h, dtype=np.float64) * SECONDS_PER_HOUR / SECONDS_PER_DAY
    return build(
        {
            "absorbed_dose_rate": (
                ("cell", *axes) if scalar else ("cell", *axes, "time"),
                rate[..., 0] if scalar else rate,
            ),
            "absorbed_dose_component": (("cell", "target", "component"), component),
        },
        coords=coords,
    )


def _stored(cells: xr.Dataset, decays: Sequence[TimedDecays]) -> xr.Dataset:
    """Return the time courses of the rows as `label` would have stored them."""
    first = {one.row: one.course for one in reversed(decays)}
    courses = [first[row] for row in range(int(cells.sizes["nuclide"]))]
    return build(course_variables(courses), coords={"nuclide": cells["nuclide"].variable})


def _attrs(setting: RateSetting, reports: list[Any], courses: TimeCourses) -> dict[str, Any]:
    spread = class_spread(setting.shapes, reports)
    warn_of_class_spread(spread)
    warn_of_mesh_error(reports, setting.rtol)
    return base_attrs(
        time_courses=courses.to_json(),
        dose_rate_physics=setting.physics,
        dose_rate_membrane_thickness_nm=setting.membrane_um * NM_PER_UM,
        dose_rate_density_g_per_cm3=setting.density,
        dose_rate_rtol=setting.rtol,
        **{f"dose_rate_{name}": edge for name, edge in box_attr(setting.box_um).items()},
        dose_rate_summation=summation_attr(reports),
        dose_rate_cross_dose_class_spread=spread,
    )
