# SPDX-License-Identifier: BSD-3-Clause
"""The two parameter sets of the signaling model, and a record of what was read of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError
from immunodose.response_inputs import ParametersByType, tumor_set

_LINE_PREFIX, _SIGNALING_PREFIX = "mhc1_parameters", "signaling_parameters"


@dataclass(frozen=True, slots=True)
class SignalSets:
    """Cell line and signaling set; `value` remembers every key that it gave."""

    line: ParameterSet
    signaling: ParameterSet
    read: set[str] = field(default_factory=set)

    def value(self, key: str) -> float:
        """Return a value of the set that has the key; InputError if it is not defined."""
        item = self.signaling if key in self.signaling.entries else self.line
        found = item.value(key)
        self.read.add(key)
        return found

    def defines(self, key: str) -> bool:
        """Return whether one of the sets gives a value for the key."""
        return self.signaling.defines(key) or self.line.defines(key)

    def require_effect(self, overrides: Mapping[str, float], call: str) -> None:
        """Raise InputError for an override of a key that nothing read."""
        for key, value in overrides.items():
            if key not in self.read:
                raise InputError(
                    f"override {key}={value} has no effect in {call} under this mechanism, which "
                    "does not read it. Leave it out, or choose a mechanism that does."
                )

    def assumed(self) -> dict[str, float]:
        """Return the assumed values among those that were read."""
        return {**self._used(self.line).assumed(), **self._used(self.signaling).assumed()}

    def attrs(self) -> dict[str, str]:
        """Return provenance of both sets: names, overrides, and the assumed values read."""
        return {
            **self._used(self.line).attrs(_LINE_PREFIX),
            **self._used(self.signaling).attrs(_SIGNALING_PREFIX),
        }

    def _used(self, item: ParameterSet) -> ParameterSet:
        return replace(item, entries={k: v for k, v in item.entries.items() if k in self.read})


def signal_sets(parameters: ParametersByType, overrides: Mapping[str, float]) -> SignalSets:
    """Return the sets that `parameters` names, with the overrides of both.

    The signaling set is the entry `"signaling"` of a mapping, or else the one that the cell-line
    file names by its top-level string `signaling`.
    """
    line = tumor_set(parameters)
    given: object = None
    if isinstance(parameters, Mapping) and not hasattr(parameters, "data_vars"):
        given = parameters.get("signaling")
    given = line.info.get("signaling") if given is None else given
    if given is None:
        raise InputError(
            f"parameter set {line.name!r} names no signaling set, which a mechanism needs. Give "
            f'parameters={{"tumor": {line.name!r}, "signaling": ...}} (immunodose.parameters() '
            "lists the sets of kind 'signaling')."
        )
    signaling = resolve(given, kind="signaling")  # type: ignore[arg-type]
    known = {key: value for key, value in overrides.items() if key in signaling.entries}
    rest = {key: value for key, value in overrides.items() if key not in known}
    return SignalSets(line.with_overrides(**rest), signaling.with_overrides(**known))
