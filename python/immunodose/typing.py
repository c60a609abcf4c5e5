# SPDX-License-Identifier: BSD-3-Clause
"""Type aliases of the public functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
RealArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""float32 or float64."""
FloatLike: TypeAlias = float | npt.ArrayLike
Attrs: TypeAlias = dict[str, Any]
Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with the steps done, their total, and what they are."""

Target: TypeAlias = Literal["nucleus", "cytoplasm", "membrane", "cell"]
Source: TypeAlias = Literal["nucleus", "cytoplasm", "membrane", "cell"]
Emission: TypeAlias = Literal["alpha", "recoil", "beta", "auger_ce", "photon"]
Physics: TypeAlias = Literal["kernel", "mird", "monte_carlo"]

KERNEL_MODELS: tuple[Physics, ...] = ("kernel", "mird")
"""The deterministic models, the default first; Monte Carlo is a method of its own."""

TARGETS: tuple[Target, ...] = ("nucleus", "cytoplasm", "membrane", "cell")
SOURCES: tuple[Source, ...] = ("nucleus", "cytoplasm", "membrane")
EMISSIONS: tuple[Emission, ...] = ("alpha", "recoil", "beta", "auger_ce", "photon")
ORIGINS: tuple[str, ...] = ("self", "cross")
