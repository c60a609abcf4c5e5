# SPDX-License-Identifier: BSD-3-Clause
"""Convolutions on the mesh of the population engine, by SciPy's Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.fft

FloatField = npt.NDArray[np.float32]


class MeshConvolver:
    """One density convolved with kernels that are even along every axis. Eq. P8 of population.md.

    The density is zero outside `shape`; transforms of lines known to be zero are skipped, and
    results outside `shape` are never computed.
    """

    def __init__(self, n_threads: int) -> None:
        self._workers = n_threads
        self._shape: tuple[int, ...] = ()
        self._n: tuple[int, ...] = ()
        self._transform: npt.NDArray[np.complex64] = np.empty(0, dtype=np.complex64)

    def set_density(self, density: FloatField, n_transform: Sequence[int]) -> None:
        """Take a density (z, y, x) on a mesh padded with zeros to `n_transform` nodes."""
        self._shape = density.shape
        self._n = tuple(n_transform)
        lines = scipy.fft.rfft(density, n=self._n[2], axis=2, workers=self._workers)
        lines = scipy.fft.fft(lines, n=self._n[1], axis=1, workers=self._workers, overwrite_x=True)
        self._transform = scipy.fft.fft(
            lines, n=self._n[0], axis=0, workers=self._workers, overwrite_x=True
        )

    def convolve(
        self, octant: FloatField, factor: Sequence[Sequence[float]], last: bool
    ) -> npt.NDArray[np.float32]:
        """Return the field (z, y, x) of a kernel given at 0 .. n / 2 nodes along each axis.

        After the `last` kernel the density is gone.
        """
        kernel = scipy.fft.dctn(octant, type=1, workers=self._workers)
        for axis, values in enumerate(factor):
            shape = [1, 1, 1]
            shape[axis] = -1
            kernel *= np.asarray(values, dtype=np.float32).reshape(shape)
        product = self._transform if last else self._transform.copy()
        for z, own_z in _halves(self._n[0]):
            for y, own_y in _halves(self._n[1]):
                product[z, y] *= kernel[own_z, own_y]
        back = scipy.fft.ifft(product, axis=0, workers=self._workers, overwrite_x=True)
        back = back[: self._shape[0]]
        back = scipy.fft.ifft(back, axis=1, workers=self._workers)[:, : self._shape[1]]
        field = scipy.fft.irfft(back, n=self._n[2], axis=2, workers=self._workers)
        return np.ascontiguousarray(field[:, :, : self._shape[2]], dtype=np.float32)


def _halves(n: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Frequencies of a transform of even size, and where an even kernel has them."""
    half = n // 2
    return (
        (slice(0, half + 1), slice(0, half + 1)),
        (slice(half + 1, n), slice(half - 1, 0, -1)),
    )
