# SPDX-License-Identifier: BSD-3-Clause
"""What is attached to the cells: nuclide, rate constant, retention of progeny, own spectrum."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.emissions_table import check_emissions_table
from immunodose.errors import InputError, UnitError, did_you_mean
from immunodose.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    import xarray as xr

# Published half-lives of one nuclide differ by less (Ac-225: 9.92 and 10.0 d).
_HALF_LIFE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Agent:
    """One nuclide as labeled: NaN half-life if unknown, `spectrum` JSON of a user's emissions."""

    nuclide: str
    half_life_s: float
    spectrum: str | None


def identify(nuclide: str | xr.Dataset) -> Agent:
    """Return the agent of a nuclide name or of an emissions Dataset."""
    from immunodose.data.decay_data import DEFAULT_SOURCE, half_life_s, radionuclide

    if isinstance(nuclide, str):
        known = radionuclide(nuclide, DEFAULT_SOURCE)
        return Agent(known, half_life_s(known, DEFAULT_SOURCE), None)
    if not hasattr(nuclide, "data_vars"):
        raise InputError(
            f"nuclide={nuclide!r} is of type {type(nuclide).__name__} (allowed: a name such as "
            "'Lu-177', or the Dataset of immunodose.emissions)."
        )
    name = nuclide.attrs.get("nuclide")
    if not isinstance(name, str) or not name or "#" in name:
        raise InputError(
            f"the emissions Dataset has attrs['nuclide'] = {name!r} (allowed: a name without '#')."
            " Give the Dataset of immunodose.emissions or emissions_from_csv."
        )
    check_emissions_table(nuclide)
    half_life = float(nuclide.attrs.get("half_life_s", math.nan))
    return Agent(name, half_life, spectrum_to_json(nuclide))


def spectrum_to_json(emissions: xr.Dataset) -> str:
    """Return an emissions Dataset as JSON text, which an attribute can hold."""
    content = emissions.to_dict()
    for kind in ("coords", "data_vars"):
        for name, item in content[kind].items():
            item["dtype"] = emissions[name].dtype.str
    return json.dumps(content, default=_plain)


def spectrum_from_json(content: Mapping[str, Any]) -> xr.Dataset:
    """Return the emissions Dataset that `spectrum_to_json` stored (after json.loads)."""
    import xarray as xr

    dataset = xr.Dataset.from_dict(dict(content))
    for kind in ("coords", "data_vars"):
        for name, item in content[kind].items():
            if np.dtype(item["dtype"]).kind in "iufb":
                attrs = dataset[name].attrs
                dataset[name] = dataset[name].astype(item["dtype"])
                dataset[name].attrs.update(attrs)
    return dataset


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise InputError(f"the emissions Dataset holds {value!r}, which cannot be stored as text.")


def rate_constant(agent: Agent, half_life_h: float | None, argument: str) -> float:
    """Return the rate constant in s-1 of an effective half-life (NaN if none is given)."""
    if half_life_h is None:
        return math.nan
    if isinstance(half_life_h, (str, bool)):
        raise InputError(
            f"invalid {argument}={half_life_h!r} (allowed: a number in h; the physical half-life "
            f"of {agent.nuclide} is {agent.half_life_s / SECONDS_PER_HOUR:.6g} h)."
        )
    if not (math.isfinite(half_life_h) and half_life_h > 0.0):
        raise InputError(f"invalid {argument}={half_life_h} (allowed: finite and > 0).")
    seconds = half_life_h * SECONDS_PER_HOUR
    if seconds > agent.half_life_s * (1.0 + _HALF_LIFE_TOLERANCE):
        raise UnitError(
            f"invalid {argument}={half_life_h:g} (the physical half-life of "
            f"{agent.nuclide} is {agent.half_life_s / SECONDS_PER_HOUR:.4g} h; clearance only "
            "shortens it). Give hours, not seconds or minutes."
        )
    return math.log(2.0) / seconds


def retained(
    agent: Agent, retention: float | Mapping[str, float] | None
) -> dict[str, float] | None:
    """Return the retained fraction of every progeny nuclide, or None if none was given."""
    if retention is None:
        return None
    progeny = _progeny(agent)
    if not progeny:
        raise InputError(
            f"retention has no effect: {agent.nuclide} has no radioactive progeny. Leave it out."
        )
    if not isinstance(retention, Mapping):
        return dict.fromkeys(progeny, fraction("retention", retention))
    named = {_progeny_name(key, agent, progeny): value for key, value in retention.items()}
    stated = {key: fraction(f"retention[{key!r}]", value) for key, value in named.items()}
    return {key: stated.get(key, 1.0) for key in progeny}


def cleared(
    agent: Agent,
    retention: Mapping[str, float],
    biological_half_life_h: Mapping[str, float] | None,
) -> tuple[dict[str, float], dict[str, float]]:
    """Return retention and rates (s-1) of progeny of which some leave before they decay (Eq. 8)."""
    kept = dict(retention)
    rates: dict[str, float] = {}
    if not biological_half_life_h:
        return kept, rates
    from immunodose.data.decay_data import DEFAULT_SOURCE, half_life_s

    progeny = _progeny(agent)
    if agent.spectrum is not None or not progeny:
        raise InputError(
            f"progeny_biological_half_life_h has no effect: {agent.nuclide} has no progeny of "
            "known half-life. Leave it out, or give the nuclide by name."
        )
    kept = {name: kept.get(name, 1.0) for name in progeny}
    for key, hours in biological_half_life_h.items():
        name = _progeny_name(key, agent, progeny, "progeny_biological_half_life_h")
        if not (math.isfinite(hours) and hours > 0.0):
            raise InputError(
                f"invalid progeny_biological_half_life_h[{key!r}]={hours} (allowed: finite, > 0)."
            )
        decay = math.log(2.0) / half_life_s(name, DEFAULT_SOURCE)
        rates[name] = decay + math.log(2.0) / (hours * SECONDS_PER_HOUR)
        kept[name] *= decay / rates[name]  # Eq. 8, docs/theory/source.md
    return kept, rates


def _progeny_name(key: str, agent: Agent, progeny: list[str], argument: str = "retention") -> str:
    from immunodose.data.nuclide_names import spellings

    for name in (key, *spellings(str(key))):
        if name in progeny:
            return name
    raise InputError(
        f"{argument} names {key!r}, which is no progeny of {agent.nuclide} (its progeny: "
        f"{', '.join(progeny)}).{did_you_mean(key, progeny)}"
    )


def _progeny(agent: Agent) -> list[str]:
    if agent.spectrum is not None:
        content = json.loads(agent.spectrum)
        found = {**content["coords"], **content["data_vars"]}.get("line_nuclide", {"data": []})
        return [name for name in dict.fromkeys(found["data"]) if name != agent.nuclide]
    from immunodose.data.decay_data import DEFAULT_SOURCE

    known = DEFAULT_SOURCE.radionuclides()
    waiting, names = [agent.nuclide], []
    while waiting:
        for branch in DEFAULT_SOURCE.branches(waiting.pop(0)):
            daughter = branch.daughter
            if daughter is not None and daughter in known and daughter not in names:
                names.append(daughter)
                waiting.append(daughter)
    return names


def fraction(name: str, value: float) -> float:
    """Return a checked fraction; UnitError if it looks like percent."""
    if not isinstance(value, bool) and isinstance(value, (int, float, np.number)):
        number = float(value)
        if 0.0 <= number <= 1.0:
            return number
        if 1.0 < number <= 100.0:
            raise UnitError(
                f"invalid {name}={number:g} (a fraction from 0 to 1; this looks like percent). "
                "Divide by 100."
            )
    raise InputError(f"invalid {name}={value!r} (allowed: a fraction from 0 to 1).")
