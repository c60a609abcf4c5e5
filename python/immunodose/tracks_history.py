# SPDX-License-Identifier: BSD-3-Clause
"""One decay of a realization, transported once more with its points kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from immunodose import _core
from immunodose.errors import InputError
from immunodose.monte_carlo import prepare
from immunodose.population_inputs import agents_of
from immunodose.population_options import MonteCarloOptions

if TYPE_CHECKING:
    import xarray as xr

REGIONS = ("nucleus", "cytoplasm", "membrane", "medium")  # the order of the core's CellRegion

_CALL = "absorbed_dose(cells, method='monte_carlo', realization=True)"


def record_history(
    dose: xr.Dataset, history: int, max_points: int
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return the points of decay number `history` of a realization, and what the attrs state.

    Sources, cells and settings are those of `dose`, the result of `absorbed_dose`.
    """
    counts = _decays_by_nuclide(dose)
    row, first = _nuclide_of(history, counts)
    options = MonteCarloOptions.from_attrs(dose.attrs)
    run = prepare(
        dose,
        options,
        kept=("target", "emission", "origin"),
        membrane_thickness_nm=float(dose.attrs["membrane_thickness_nm"]),
        density_g_per_cm3=float(dose.attrs["density_g_per_cm3"]),
        n_threads=None,
    )
    sources = agents_of(dose)
    label = list(counts)[row]
    if [source.label for source in sources] != list(counts):
        raise _changed(f"nuclides {[source.label for source in sources]}", str(list(counts)))
    decays, call, world = run.set_up(sources[row])
    points = _core.transport.record_history(
        run.scene.core, decays, call, sources[row].activity,
        count_index=run.count_index(row, sources[row]), first_history=first,
        history=history - first, max_points=max_points,
    )  # fmt: skip
    if points["n_histories"] != counts[label]:
        raise _changed(f"{points['n_histories']} decays of {label}", str(counts[label]))
    return points, {
        "source": label,
        "random_root": str(run.root),
        "history": history,
        "decay_cell": points["decay_cell"],
        "decay_region": REGIONS[points["decay_region"]],
        "electron_mode": options.electron_mode,
        "electron_cutoff_keV": options.electron_cutoff_keV,
        "straggling": int(options.straggling),
        "lost_daughters": options.lost_daughters,
        "membrane_thickness_nm": run.scene.membrane_thickness_nm,
        "density_g_per_cm3": run.scene.density_g_per_cm3,
        "world_radius_um": world["radius_um"],
    }


def _decays_by_nuclide(dose: xr.Dataset) -> dict[str, int]:
    if dose.attrs.get("method") != "monte_carlo" or not dose.attrs.get("realization"):
        raise InputError(
            f"the cells are no realization: their decays were not drawn. Call {_CALL} and track "
            "its result."
        )
    if "time_integrated_activity" not in dose:
        raise InputError(
            f"the realization has no time_integrated_activity. Call {_CALL} with merge=True, which "
            "keeps the cells."
        )
    counts: dict[str, int] = json.loads(dose.attrs["n_histories"])
    return counts


def _nuclide_of(history: int, counts: Mapping[str, int]) -> tuple[int, int]:
    """Row of the nuclide whose decay has this number, and the number of its first decay."""
    first = 0
    for row, count in enumerate(counts.values()):
        if history < first + count:
            return row, first
        first += count
    raise InputError(
        f"history={history} is none of the {first} decays of this realization "
        f"(allowed: {f'0 to {first - 1}' if first else 'none, it has no decay'}; its attribute "
        "n_histories states them by nuclide)."
    )


def _changed(found: str, before: str) -> InputError:
    return InputError(
        f"the cells have {found}, the realization had {before}: cells, activity or the version of "
        f"immunodose changed since. Call {_CALL} again."
    )
