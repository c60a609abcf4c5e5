# SPDX-License-Identifier: BSD-3-Clause
"""What the immune model reads from `host=`: the parameter set and the supply of lymphocytes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.data.parameter_file import Parameter
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.response_inputs import ParameterLike, check_values
from immunodose.typing import FloatArray

if TYPE_CHECKING:
    import xarray as xr

_SET_ATTR = "host_set"


@dataclass(frozen=True, slots=True)
class HostState:
    """A host: its parameters, and its supply at `time_d` (None: undisturbed, supply 1)."""

    parameters: ParameterSet
    time_d: FloatArray | None = None
    supply: FloatArray | None = None
    white_cell_nadir: float | None = None

    def supply_at(self, time_d: FloatArray) -> FloatArray:
        """Return the supply, linear between the times of the host; no extrapolation."""
        if self.time_d is None or self.supply is None:
            return np.ones(time_d.size)
        if time_d[0] < self.time_d[0] or time_d[-1] > self.time_d[-1]:
            raise InputError(
                f"effector_supply covers {self.time_d[0]:g} to {self.time_d[-1]:g} d, needed are "
                f"{time_d[0]:g} to {time_d[-1]:g} d (it is not extrapolated). "
                "Call immunodose.simulate_host with time_d that covers them."
            )
        return np.interp(time_d, self.time_d, self.supply)

    def breaks_d(self) -> FloatArray:
        """Return the times where the supply may bend."""
        return np.zeros(0) if self.time_d is None else self.time_d


def set_attributes(host: ParameterSet) -> dict[str, str]:
    """Return the attributes from which `host_state` rebuilds the set."""
    content = {
        "name": host.name,
        "kind": host.kind,
        "title": host.title,
        "entries": {key: dataclasses.asdict(item) for key, item in host.entries.items()},
        "info": dict(host.info),
    }
    return {**host.attrs("host"), _SET_ATTR: json.dumps(content)}


def host_state(host: ParameterLike) -> HostState:
    """Read a name, a parameter Dataset, a ParameterSet, or the Dataset of `simulate_host`."""
    if not isinstance(host, (str, ParameterSet)) and not hasattr(host, "data_vars"):
        raise InputError(
            f"invalid host={host!r} (allowed: 'immunocompetent', 'athymic', another set of kind "
            "host, or the Dataset of simulate_host). A host without T cells is 'athymic'."
        )
    if isinstance(host, (str, ParameterSet)) or "effector_supply" not in host:
        return HostState(_checked(resolve(host)))
    return _simulated(host)


def _simulated(host: xr.Dataset) -> HostState:
    supply = host["effector_supply"]
    if supply.dims != ("time",):
        raise InputError(
            f"effector_supply has dims {supply.dims} (allowed: time). Call "
            "immunodose.simulate_host with time_d as a sequence from 0 to the last time."
        )
    if _SET_ATTR not in host.attrs:
        raise InputError("the host Dataset lacks attrs['host_set']. Call immunodose.simulate_host.")
    content: dict[str, Any] = json.loads(host.attrs[_SET_ATTR])
    entries = {key: Parameter(**item) for key, item in content["entries"].items()}
    parameters = ParameterSet(
        content["name"], content["kind"], content["title"], entries, content["info"]
    )
    values = np.asarray(supply.values, dtype=np.float64)
    check_values("effector_supply", values)
    nadir = float(host["white_cell_nadir"]) if "white_cell_nadir" in host else None
    return HostState(parameters, np.asarray(host["time"].values, dtype=float), values, nadir)


def _checked(found: ParameterSet) -> ParameterSet:
    if found.kind != "host":
        raise InputError(
            f"parameter set {found.name!r} is of kind {found.kind!r}, not a host. Give "
            '"immunocompetent", "athymic", another host set or the Dataset of simulate_host.'
        )
    return found
