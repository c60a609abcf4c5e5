# SPDX-License-Identifier: BSD-3-Clause
"""Convolutions on the mesh of the population engine, by SciPy's Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import scipy.fft

FloatField = npt.NDArray[np.float32]
ComplexField = npt.NDArray[np.complex64]

# Rows along y whose lines along z are transformed, multiplied and transformed back together: they
# fit the cache, and the transform of the whole mesh is never stored.
_ROWS_PER_BLOCK = 4


class MeshConvolver:
    """One density convolved with kernels that are even along every axis. Eq. P8 of population.md.

    The density is zero outside `shape`; transforms of lines known to be zero are skipped, and
    results outside `shape` are never computed.
    """

    def __init__(self, n_threads: int) -> None:
        self._workers = n_threads
        self._shape: tuple[int, ...] = ()
        self._n: tuple[int, ...] = ()
        self._lines: ComplexField = np.empty(0, dtype=np.complex64)

    def set_density(self, density: FloatField, n_transform: Sequence[int]) -> None:
        """Take a density (z, y, x) on a mesh padded with zeros to `n_transform` nodes."""
        self._shape = density.shape
        self._n = tuple(n_transform)
        n_z, n_y, _ = density.shape
        lines = np.zeros((n_z, self._n[1], self._n[2] // 2 + 1), dtype=np.complex64)
        lines[:, :n_y] = scipy.fft.rfft(density, n=self._n[2], axis=2, workers=self._workers)
        self._lines = scipy.fft.fft(lines, axis=1, workers=self._workers, overwrite_x=True)

    def convolve(
        self, octant: FloatField, factor: Sequence[Sequence[float]], last: bool, is_transform: bool
    ) -> FloatField:
        """Return the field (z, y, x) of a kernel given at 0 .. n / 2 nodes along each axis.

        Or of its transform at as many frequencies. After the `last` kernel the density is gone.
        """
        kernel = octant.copy()  # the caller's
        if not is_transform:
            kernel = scipy.fft.dctn(octant, type=1, workers=self._workers)
        for axis, values in enumerate(factor):
            shape = [1, 1, 1]
            shape[axis] = -1
            kernel *= np.asarray(values, dtype=np.float32).reshape(shape)
        # Twice along x: for the real and the imaginary part. The rest of the mesh block by block.
        kernel = np.repeat(kernel, 2, axis=2)
        planes, rows = _even(self._n[0])[:, np.newaxis], _even(self._n[1])
        back = self._lines if last else np.empty_like(self._lines)

        def along_z(first: int) -> None:
            block = slice(first, first + _ROWS_PER_BLOCK)
            product = scipy.fft.fft(self._lines[:, block], n=self._n[0], axis=0)
            as_real = product.view(np.float32)
            as_real *= kernel[planes, rows[block]]
            field = scipy.fft.ifft(product, axis=0, overwrite_x=True)
            back[:, block] = field[: self._shape[0]]

        with ThreadPoolExecutor(self._workers) as pool:
            for _ in pool.map(along_z, range(0, self._n[1], _ROWS_PER_BLOCK)):
                pass
        back = scipy.fft.ifft(back, axis=1, workers=self._workers, overwrite_x=True)
        field = scipy.fft.irfft(
            back[:, : self._shape[1]], n=self._n[2], axis=2, workers=self._workers
        )
        return np.ascontiguousarray(field[:, :, : self._shape[2]], dtype=np.float32)


def _even(n: int) -> npt.NDArray[np.intp]:
    """Where a kernel that is even along an axis has the `n` frequencies of a transform."""
    frequency = np.arange(n)
    return np.minimum(frequency, n - frequency)
