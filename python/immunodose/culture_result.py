# SPDX-License-Identifier: BSD-3-Clause
"""Put the arms of a culture together as one Dataset with dims arm, cell and time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.culture_immune import CultureBiology
from immunodose.data.nuclides import emissions
from immunodose.provenance import base_attrs
from immunodose.scenario_culture import CultureScenario
from immunodose.schema import build
from immunodose.typing import EMISSIONS, ORIGINS, TARGETS, FloatArray

if TYPE_CHECKING:
    import xarray as xr

_DOSE_DIMS = ("cell", "target", "emission", "origin")
_SHAPE = ("cell_radius", "nucleus_radius")
_FOLLOWED = ("mhc1_surface", "pmhc_surface", "vesicle_level", "ifn1_level")

Variables = dict[str, tuple[tuple[str, ...], Any]]


def assembled(
    scenario: CultureScenario,
    arms: Sequence[xr.Dataset],
    biology: CultureBiology,
    messages: Sequence[str],
) -> xr.Dataset:
    """Return the arms as one Dataset; emissions that no arm has are left out."""
    found = {str(name) for arm in arms for name in arm["absorbed_dose"]["emission"].values}
    kept = [str(name) for name in EMISSIONS if name in found]
    variables: Variables = {
        "absorbed_dose": (("arm", *_DOSE_DIMS), _doses(arms, kept)),
        "labeled_decays": (("arm", "cell"), np.stack([_decays(arm) for arm in arms])),
        **{name: (("arm", "cell"), _stacked(arms, name)) for name in _SHAPE},
        **_outcomes(scenario, arms),
    }
    coords: dict[str, Any] = {
        "arm": [arm.name for arm in scenario.arms],
        "cell_line": ("arm", [arm.cell_line for arm in scenario.arms]),
        "cell": np.arange(arms[0].sizes["cell"], dtype=np.int64),
        "target": list(TARGETS),
        "emission": kept,
        "origin": list(ORIGINS),
        **{name: (("arm", "cell"), _stacked(arms, name)) for name in "xyz"},
    }
    if scenario.times_d:
        coords["time"] = np.array(scenario.times_d)
        coords["peptide"] = arms[0]["peptide"].values.tolist()
    return build(variables, coords=coords, attrs=_attributes(scenario, biology, messages))


def _stacked(arms: Sequence[xr.Dataset], name: str, *dims: str) -> FloatArray:
    return np.stack([arm[name].transpose("cell", *dims).values for arm in arms])


def _doses(arms: Sequence[xr.Dataset], kept: list[str]) -> FloatArray:
    shape = (len(arms), arms[0].sizes["cell"], len(TARGETS), len(kept), len(ORIGINS))
    dose = np.zeros(shape)
    for row, arm in enumerate(arms):
        part = arm["absorbed_dose"].transpose(*_DOSE_DIMS)
        for i, emission in enumerate(part["emission"].values.tolist()):
            for j, origin in enumerate(part["origin"].values.tolist()):
                place = (kept.index(emission), ORIGINS.index(origin))
                dose[row][:, :, place[0], place[1]] = part.values[:, :, i, j]
    return dose


def _decays(arm: xr.Dataset) -> FloatArray:
    if "time_integrated_activity" not in arm:
        return np.zeros(arm.sizes["cell"])
    return np.asarray(arm["time_integrated_activity"].sum(["nuclide", "source"]).values)


def _outcomes(scenario: CultureScenario, arms: Sequence[xr.Dataset]) -> Variables:
    variables: Variables = {}
    if "survival" in scenario.measured:
        alive = _stacked(arms, "survival_probability")
        variables["survival_probability"] = (("arm", "cell"), alive)
        variables["surviving_fraction"] = (("arm",), alive.mean(axis=1))
    if "mhc1_surface" in scenario.measured:
        for name in _FOLLOWED:
            variables[name] = (("arm", "cell", "time"), _stacked(arms, name, "time"))
        variables["mhc1_surface_mean"] = (("arm", "time"), variables["mhc1_surface"][1].mean(1))
        peptides = _stacked(arms, "peptide_surface", "peptide", "time")
        variables["peptide_surface"] = (("arm", "cell", "peptide", "time"), peptides)
    if "lysis" in scenario.measured:
        killed = _stacked(arms, "kill_probability_immune")
        variables["kill_probability_immune"] = (("arm", "cell"), killed)
        variables["immune_kill"] = (("arm",), killed.mean(axis=1))
    return variables


def _attributes(
    scenario: CultureScenario, biology: CultureBiology, messages: Sequence[str]
) -> dict[str, Any]:
    sets = biology.used(scenario)
    assumed = {
        item.name: [
            {"key": key, "value": value, "unit": item.entries[key].unit}
            for key, value in item.assumed().items()
        ]
        for item in sets
    }
    nuclides = list(dict.fromkeys(agent.nuclide for arm in scenario.arms for agent in arm.label))
    sources = {str(emissions(name).attrs["data_source"]) for name in nuclides}
    overrides = {item.name: item.overrides() for item in sets if item.overrides()}
    return base_attrs(
        title=scenario.title,
        design="culture",
        scenario=scenario.to_toml(),
        parameter_sets=json.dumps({item.name: item.fingerprint() for item in sets}),
        overrides=json.dumps(overrides),
        assumed=json.dumps({name: entries for name, entries in assumed.items() if entries}),
        random_root=str(scenario.rng),
        physics=scenario.physics,
        warnings=json.dumps(list(messages)),
        nuclide=", ".join(nuclides) or "none",
        data_source="; ".join(sorted(sources)) or "none",
        note="Research use; not for treatment decisions.",
    )
