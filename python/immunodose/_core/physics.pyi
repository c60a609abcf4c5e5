# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

def evolve_decay_chain(
    rate_per_s: _Floats,
    edge_parent: _Ints,
    edge_daughter: _Ints,
    edge_fraction: _Floats,
    retention: _Floats,
    initial_atoms: _Floats,
    duration_s: float,
) -> tuple[_Floats, _Floats]: ...
def decays_to_infinity(
    rate_per_s: _Floats,
    edge_parent: _Ints,
    edge_daughter: _Ints,
    edge_fraction: _Floats,
    retention: _Floats,
    initial_atoms: _Floats,
) -> _Floats: ...
