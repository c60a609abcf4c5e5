# SPDX-License-Identifier: BSD-3-Clause
"""A diffusing, decaying signal on a grid of voxels around the cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.errors import InputError
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray, IntArray

_MOST_VOXELS = 2**28
_SPARE = 0.125  # of the width, on a side that grows


class SignalField:
    """Amounts of one signal in voxels; faces are closed, so only decay changes the total.

    Parameters
    ----------
    positions_um
        Cell centers (n, 3); the grid covers them and half a cell around.
    tissue_volume_um3
        Tissue volume of one cell. Concentrations are amounts in that volume, so that a uniform
        tumor has that of a single cell which keeps its own signal.
    voxel_um
        Edge of a voxel.
    diffusion_um2_per_d, decay_per_d
        Diffusion coefficient and loss rate (>= 0).
    margin_um
        Further width on every side, e.g. for T cells that come from the rim.
    n_threads
        Threads (>= 1); None for all that this process may use. Results do not depend on it.

    Raises
    ------
    InputError
        If a value is out of range, or a point lies outside the grid.

    Notes
    -----
    Eqs. 19-21 of docs/theory/signaling.md. The step is exact in time on the grid for sources that
    are constant in it: stable for any step, it keeps the total to rounding and has no negative
    amounts beyond rounding (which `sample` gives as 0). The error is that of the voxels.

    References
    ----------
    Hochbruck M, Ostermann A. Acta Numerica 2010;19:209.

    Examples
    --------
    >>> field = SignalField(np.array([[0.0, 0.0, 0.0], [90.0, 0.0, 0.0]]), tissue_volume_um3=1e3,
    ...                     voxel_um=10.0, diffusion_um2_per_d=1e4, decay_per_d=0.0)
    >>> field.deposit(np.array([[0.0, 0.0, 0.0]]), 5.0)
    >>> field.advance(0.1)
    >>> round(field.total(), 9)
    5.0
    """

    def __init__(
        self,
        positions_um: npt.ArrayLike,
        tissue_volume_um3: float,
        voxel_um: float,
        diffusion_um2_per_d: float,
        decay_per_d: float,
        *,
        margin_um: float = 0.0,
        n_threads: int | None = None,
    ) -> None:
        points = _points(positions_um)
        if not len(points):
            raise InputError("positions_um holds no cell (the grid must cover at least one).")
        _positive("tissue_volume_um3", tissue_volume_um3, "um3")
        _positive("voxel_um", voxel_um, "um")
        for name, value in (
            ("diffusion_um2_per_d", diffusion_um2_per_d),
            ("decay_per_d", decay_per_d),
            ("margin_um", margin_um),
        ):
            if not (math.isfinite(value) and value >= 0.0):
                raise InputError(f"invalid {name}={value} (allowed: finite and >= 0).")
        low, high = points.min(axis=0), points.max(axis=0)
        width = high - low + tissue_volume_um3 ** (1.0 / 3.0) + 2.0 * margin_um
        shape = np.maximum(np.ceil(width / voxel_um - 1e-9), 1.0)
        if float(shape.prod()) > _MOST_VOXELS:
            raise InputError(
                f"voxel_um={voxel_um:g} gives {shape.prod():.3g} voxels (allowed: up to "
                f"{_MOST_VOXELS}). Give a larger voxel_um."
            )
        self.shape: tuple[int, int, int] = tuple(int(n) for n in shape)  # type: ignore[assignment]
        self.origin_um = 0.5 * (low + high) - 0.5 * voxel_um * shape
        self.voxel_um = float(voxel_um)
        self.diffusion_um2_per_d = float(diffusion_um2_per_d)
        self.decay_per_d = float(decay_per_d)
        self.amount = np.zeros(self.shape)
        self._modes: FloatArray | None = None  # cosine modes of `amount`
        self._last: tuple[float, FloatArray, FloatArray] | None = None
        self._per_cell = tissue_volume_um3 / voxel_um**3
        self._n_threads = resolve_threads(n_threads)

    def locate(self, points_um: npt.ArrayLike) -> IntArray:
        """Return the number of the voxel of each point (n, 3), which the other methods take too."""
        points = _points(points_um)
        index = np.floor((points - self.origin_um) / self.voxel_um).astype(np.int64)
        # The upper faces belong to the last voxels.
        upper = self.origin_um + self.voxel_um * np.array(self.shape)
        index = np.where(points == upper, index - 1, index)
        outside = ((index < 0) | (index >= np.array(self.shape))).any(axis=1)
        if outside.any():
            i = int(np.argmax(outside))
            raise InputError(
                f"points_um[{i}] = {points[i]} um lies outside the grid, which spans "
                f"{self.origin_um} to {upper} um ({int(outside.sum())} such points). Give a larger "
                "margin_um."
            )
        return np.asarray(np.ravel_multi_index(index.T, self.shape), dtype=np.int64)

    def cover(self, points_um: npt.ArrayLike) -> None:
        """Add empty voxels on the sides where points lie outside, and some more for the next."""
        points = _points(points_um)
        upper = self.origin_um + self.voxel_um * np.array(self.shape)
        below = np.ceil((self.origin_um - points.min(axis=0)) / self.voxel_um)
        above = np.ceil((points.max(axis=0) - upper) / self.voxel_um)
        spare = np.ceil(_SPARE * np.array(self.shape))
        added = [np.where(n > 0.0, n + spare, 0.0).astype(np.int64) for n in (below, above)]
        if not (added[0].any() or added[1].any()):
            return
        shape = np.array(self.shape) + added[0] + added[1]
        if float(shape.astype(np.float64).prod()) > _MOST_VOXELS:
            raise InputError(
                f"the cells have spread over {shape} voxels (allowed: {_MOST_VOXELS} in all). Give "
                "a larger voxel_um."
            )
        self.amount = np.pad(self.amount, np.stack(added, axis=1).tolist())
        self.origin_um = self.origin_um - self.voxel_um * added[0]
        self.shape = tuple(int(n) for n in shape)  # type: ignore[assignment]
        self._modes, self._last = None, None

    def deposit(self, points_um: npt.ArrayLike, amount: npt.ArrayLike) -> None:
        """Add an amount (a number, or one per point) to the voxel of each point."""
        voxel = self._voxels(points_um)
        values = np.broadcast_to(np.asarray(amount, dtype=np.float32), voxel.shape)
        self._add(self.amount, voxel, values)
        self._modes = None

    def advance(
        self,
        dt_d: float,
        *,
        points_um: npt.ArrayLike | None = None,
        rate_per_d: npt.ArrayLike | None = None,
    ) -> None:
        """Decay and diffuse for `dt_d`, while points release `rate_per_d` (constant in the step).

        Exact on the grid, whatever the step.
        """
        if not (math.isfinite(dt_d) and dt_d >= 0.0):
            raise InputError(f"invalid dt_d={dt_d} (allowed: finite and >= 0).")
        released = None
        if points_um is not None and rate_per_d is not None:
            voxel = self._voxels(points_um)
            rates = np.broadcast_to(np.asarray(rate_per_d, dtype=np.float32), voxel.shape)
            released = np.zeros(self.shape)
            self._add(released, voxel, rates)
        decay, rise = self._factors(dt_d)
        if self.diffusion_um2_per_d == 0.0:
            self.amount *= decay
            if released is not None:
                self.amount += rise * released
            return
        from scipy.fft import dctn, idctn

        modes = dctn(self.amount, norm="ortho") if self._modes is None else self._modes
        modes *= decay
        if released is not None:
            modes += rise * dctn(released, norm="ortho")
        self._modes = modes
        self.amount = idctn(modes, norm="ortho")

    def _factors(self, dt_d: float) -> tuple[FloatArray, FloatArray]:
        """Return what each mode keeps over a step, and what a unit rate adds to it (Eq. 20)."""
        dt_d = float(f"{dt_d:.12g}")  # steps of one grid differ by rounding: one set of factors
        if self._last is not None and self._last[0] == dt_d:
            return self._last[1], self._last[2]
        loss_per_d = np.asarray(self.decay_per_d)
        if self.diffusion_um2_per_d > 0.0:
            scale = 4.0 * self.diffusion_um2_per_d / self.voxel_um**2
            axes = [scale * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2 for n in self.shape]
            loss_per_d = self.decay_per_d + (
                axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
            )
        x = loss_per_d * dt_d
        risen = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x > 0.0)
        self._last = (dt_d, np.exp(-x), dt_d * risen)
        return self._last[1], self._last[2]

    def sample(
        self, points_um: npt.ArrayLike, *, out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the concentration at each point: amount per tissue volume of one cell."""
        voxel = self._voxels(points_um)
        value = np.empty(voxel.size, dtype=np.float32) if out is None else out
        _core.immune.sample_voxels(self.amount, voxel, self._per_cell, value, self._n_threads)
        return value

    def total(self) -> float:
        """Return the amount in the whole grid."""
        return float(self.amount.sum())

    def _voxels(self, points_um: npt.ArrayLike) -> IntArray:
        given = np.asarray(points_um)
        if given.ndim == 1 and given.dtype == np.int64:
            return given
        return self.locate(given)

    def clear(self) -> None:
        """Remove all of the signal."""
        self.amount, self._modes = np.zeros(self.shape), None

    def _add(self, grid: FloatArray, voxel: IntArray, values: npt.NDArray[np.float32]) -> None:
        if not values.min(initial=0.0) >= 0.0 or not np.isfinite(values.max(initial=0.0)):
            i = int(np.argmax(~(np.isfinite(values) & (values >= 0.0))))
            raise InputError(f"amount[{i}] = {values[i]} (allowed: finite and >= 0).")
        _core.immune.deposit_in_voxels(grid, voxel, np.ascontiguousarray(values), self._n_threads)


def _points(given: npt.ArrayLike) -> FloatArray:
    points = np.asarray(given, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points have shape {points.shape} (allowed: (n, 3), in um).")
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(f"point {i} is {points[i]} um (allowed: finite).")
    return points


def _positive(name: str, value: Any, unit: str) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise InputError(f"invalid {name}={value} {unit} (allowed: finite and > 0).")
