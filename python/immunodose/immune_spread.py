# SPDX-License-Identifier: BSD-3-Clause
"""How interferon and vesicles reach other cells: not at all, by a field, or well mixed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunodose.errors import InputError
from immunodose.immune_field import SignalField
from immunodose.immune_mechanism import Mechanism
from immunodose.immune_signal_constants import SignalNumbers
from immunodose.immune_signal_sets import SignalSets
from immunodose.response_inputs import check_values
from immunodose.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import xarray as xr

Array32 = npt.NDArray[np.float32]
_VOXEL_PER_CELL_WIDTH = 2.0


@dataclass(slots=True)
class Signal:
    """One signal that spreads: its loss, and its field or its mean."""

    loss_per_d: float
    grid: SignalField | None = None
    mean: float = 0.0
    now: Array32 = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    before: Array32 = field(default_factory=lambda: np.zeros(0, dtype=np.float32))


@dataclass(slots=True)
class Spreading:
    """Spread of the signals of one model; `kind` is that of the mechanism."""

    kind: str
    vesicles: bool
    signals: dict[str, Signal]
    positions_um: FloatArray | None = None
    voxel: IntArray | None = None

    def reset(self, n_cells: int) -> None:
        """Start without any signal."""
        for signal in self.signals.values():
            signal.mean = 0.0
            if signal.grid is not None:
                signal.now = np.zeros(n_cells, dtype=np.float32)
                signal.before = np.zeros(n_cells, dtype=np.float32)
                signal.grid.clear()

    def advance(self, cells: Any, duration_d: float, emitting: Array32 | None) -> None:
        """Turn what the cells release per day into what they meet in the middle of the step."""
        for name, signal in self.signals.items():
            values: Array32 = getattr(cells, name)
            if emitting is not None:
                values *= emitting
            if signal.grid is None:
                before = signal.mean
                gain_per_d = float(values.mean(dtype=np.float64))
                signal.mean = _relaxed(signal, gain_per_d, duration_d)
                values.fill(0.5 * (before + signal.mean))
                continue
            assert self.voxel is not None
            signal.grid.advance(duration_d, points_um=self.voxel, rate_per_d=values)
            signal.before, signal.now = signal.now, signal.before
            signal.grid.sample(self.voxel, out=signal.now)
            np.add(signal.before, signal.now, out=values)
            values *= np.float32(0.5)

    def show(self, cells: Any) -> None:
        """Leave the signals at the end of the step in the arrays of the cells."""
        for name, signal in self.signals.items():
            values: Array32 = getattr(cells, name)
            if signal.grid is None:
                values.fill(signal.mean)
            else:
                values[...] = signal.now

    def of(self, values: Array32, n_cells: int) -> Array32:
        """Return the array, or zeros where the mechanism has no such signal."""
        return values if values.size else np.zeros(n_cells, dtype=np.float32)

    def take(self, rows: IntArray, positions_um: npt.ArrayLike | None) -> None:
        """Gather rows, at new positions if given."""
        for signal in self.signals.values():
            if signal.now.size:
                signal.now, signal.before = signal.now[rows], signal.before[rows]
        if self.positions_um is None:
            return
        kept = self.positions_um[rows]
        self.positions_um = kept if positions_um is None else np.asarray(positions_um, np.float64)
        if len(self.positions_um) != rows.size:
            raise InputError(
                f"positions_um holds {len(self.positions_um)} points (needed: {rows.size}, one "
                "per row)."
            )
        grids = [s.grid for s in self.signals.values() if s.grid is not None]
        for grid in grids:
            grid.cover(self.positions_um)
        self.voxel = grids[0].locate(self.positions_um) if grids else None


def _relaxed(signal: Signal, gain_per_d: float, duration_d: float) -> float:
    x = signal.loss_per_d * duration_d
    rise = -math.expm1(-x) / signal.loss_per_d if x > 0.0 else duration_d
    return math.exp(-x) * signal.mean + rise * gain_per_d


def tissue_volume_um3(ds: xr.Dataset, sets: SignalSets, is_tumor: npt.NDArray[np.bool_]) -> float:
    """Return the tissue volume of one tumor cell: its own over the packing fraction."""
    if "cell_radius" in ds:
        radius = np.broadcast_to(np.asarray(ds["cell_radius"].values, np.float64), is_tumor.shape)
        radius = check_values("cell_radius", radius)[is_tumor]
    else:
        radius = np.array([sets.value("cell_radius")])
    volume = 4.0 / 3.0 * math.pi * float(np.mean(radius**3))
    return volume / sets.value("packing_fraction")


def cell_positions_um(ds: xr.Dataset, is_tumor: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the centers of the tumor cells, (n, 3)."""
    missing = [name for name in "xyz" if name not in ds.variables]
    if missing:
        raise InputError(
            f"the Dataset has no {missing[0]!r}: a signal that spreads by a field needs the place "
            "of each cell. Use immunodose.cells, or spread='well_mixed'."
        )
    axes = [np.asarray(ds[name].values, dtype=np.float64)[is_tumor] for name in "xyz"]
    return np.ascontiguousarray(np.stack(axes, axis=1))


def spreading(
    ds: xr.Dataset,
    sets: SignalSets,
    mechanism: Mechanism,
    numbers: SignalNumbers,
    is_tumor: npt.NDArray[np.bool_],
    voxel_um: float | None,
    n_threads: int,
) -> Spreading:
    """Return the spread of the signals that the mechanism has."""
    result = Spreading(mechanism.spread, numbers.vesicles, {})
    if mechanism.spread == "none":
        if voxel_um is not None:
            raise InputError("voxel_um has no effect with spread='none'. Leave it out.")
        return result
    present = {"ifn1": mechanism.has("sting"), "vesicle": numbers.vesicles}
    losses = {name: numbers.numbers[f"{name}_loss"] for name, used in present.items() if used}
    result.signals = {name: Signal(loss) for name, loss in losses.items()}
    if mechanism.spread != "field" or not result.signals:
        return result
    diffusion = {
        "ifn1": numbers.ifn1_diffusion_um2_per_d,
        "vesicle": numbers.vesicle_diffusion_um2_per_d,
    }
    volume = tissue_volume_um3(ds, sets, is_tumor)
    result.positions_um = cell_positions_um(ds, is_tumor)
    edge = _VOXEL_PER_CELL_WIDTH * volume ** (1.0 / 3.0) if voxel_um is None else voxel_um
    for name, signal in result.signals.items():
        signal.grid = SignalField(
            result.positions_um, volume, edge, diffusion[name], signal.loss_per_d,
            n_threads=n_threads,
        )  # fmt: skip
        result.voxel = signal.grid.locate(result.positions_um)
    return result
