# SPDX-License-Identifier: BSD-3-Clause
"""Dose-point kernels of electrons: the file that ships, and how it is made."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from immunodose import _core
from immunodose._version import __version__
from immunodose.kernel_files import (
    no_kernel_file,
    read_kernel_file,
    require_build,
    write_kernel_file,
)
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray

FORMAT = "immunodose electron kernels 1"
FILE_NAME = "electron_kernels_water.npz"

# Grid of the shipped file: 36 energies, ratio 1.343.
ENERGY_RANGE_KEV = (0.1, 3000.0)
N_ENERGIES = 36
RANDOM_ROOT = 20261128
CUTOFF_KEV = 0.05


@dataclass(frozen=True, slots=True)
class ElectronKernels:
    """Kernels of all energies by scaled distance (r over the CSDA range).

    `fraction_within` (energy, scaled_distance) is the fraction of the electron's energy absorbed
    within a distance; `stderr` its standard error; `radiated` leaves as bremsstrahlung.
    """

    energy_keV: FloatArray
    csda_range_um: FloatArray
    radiated_fraction: FloatArray
    scaled_distance: FloatArray
    fraction_within: FloatArray
    stderr: FloatArray
    attrs: dict[str, Any]

    def mean_scaled_radius(self) -> FloatArray:
        """Mean distance of the absorbed energy over the CSDA range, at each energy."""
        edge = np.concatenate([[0.0], self.scaled_distance])
        share = np.diff(self.fraction_within, axis=1, prepend=0.0)
        middle = 0.5 * (edge[1:] + edge[:-1])
        mean: FloatArray = share @ middle / self.fraction_within[:, -1]
        return mean


@functools.lru_cache(maxsize=1)
def shipped_kernels() -> ElectronKernels:
    """Return the kernels that ship with the package."""
    with resources.as_file(resources.files("immunodose.data") / "kernels" / FILE_NAME) as path:
        return load_kernels(path)


@functools.lru_cache(maxsize=1)
def shipped_table() -> _core.physics.ElectronKernelTable:
    """Return the core's table of the shipped kernels."""
    kernels = shipped_kernels()
    return _core.physics.ElectronKernelTable(
        energy_keV=kernels.energy_keV,
        csda_range_um=kernels.csda_range_um,
        radiated_fraction=kernels.radiated_fraction,
        fraction_within=kernels.fraction_within,
    )


def load_kernels(path: str | os.PathLike[str]) -> ElectronKernels:
    """Read a kernel file.

    Parameters
    ----------
    path
        File that `build_kernels` wrote.

    Returns
    -------
    ElectronKernels
        Energies [keV], ranges [um] and fractions [1].

    Raises
    ------
    FileError
        If the file is absent, truncated or of another kind.

    Examples
    --------
    >>> kernels = shipped_kernels()
    >>> kernels.energy_keV.size, float(kernels.energy_keV[0])
    (36, 0.1)
    """
    attrs, arrays = read_kernel_file(path, FORMAT)
    try:
        return ElectronKernels(
            energy_keV=arrays["energy_keV"],
            csda_range_um=arrays["csda_range_um"],
            radiated_fraction=arrays["radiated_fraction"],
            scaled_distance=_core.physics.kernel_scaled_distances(),
            fraction_within=arrays["fraction_within"].astype(np.float64),
            stderr=arrays["stderr"].astype(np.float64),
            attrs=attrs,
        )
    except KeyError as error:
        raise no_kernel_file(path, error) from error


def histories(energy_keV: float, effort: float) -> tuple[int, int]:
    """Return the histories that start, and those followed to the end in the mean.

    Far from the source the fate of an electron spreads its energy over all distances and few
    histories suffice; close to it a history leaves a few losses only, so more are started.
    """
    # Not less than one per block of the builder, or thinning could leave a block without any.
    far = max(64.0, 30000.0 * min(1.0, (100.0 / energy_keV) ** 0.3) * effort)
    ratio = 2.0 ** np.clip(np.round(np.log2(energy_keV / 10.0)), 1.0, 5.0)
    return int(far * ratio), int(far)


def build_kernels(
    path: str | os.PathLike[str],
    *,
    effort: float = 1.0,
    n_energies: int = N_ENERGIES,
    rng: int = RANDOM_ROOT,
    n_threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> ElectronKernels:
    """Make the kernels by Monte Carlo and write them to one file, whole or not at all.

    Parameters
    ----------
    path
        File to write (.npz).
    effort
        Factor > 0 on the number of histories; 1 is that of the shipped file (about half an hour).
    n_energies
        Energies from 0.1 to 3000 keV in equal ratios, at least 2.
    rng
        Root of the random streams, 0 to 2**64 - 1.
    n_threads
        Threads; None takes the CPUs that this process may use. The file is the same bit for bit.
    progress
        Called with a line of text after each energy.

    Returns
    -------
    ElectronKernels
        What was written.

    Raises
    ------
    InputError
        For an effort, a number of energies or an rng out of range.
    FileError
        If the file cannot be written.

    Notes
    -----
    Eqs. K1-K3 of docs/theory/kernels.md.
    """
    target = Path(path)
    require_build(target, effort, n_energies, rng)
    threads = resolve_threads(n_threads)
    energies = np.geomspace(*ENERGY_RANGE_KEV, n_energies)
    physics = _core.physics.ElectronPhysics(density_g_per_cm3=1.0)
    rows = []
    for index, energy in enumerate(energies):
        start, far = histories(float(energy), effort)
        rows.append(
            _core.physics.build_electron_kernel(
                physics=physics,
                energy_keV=float(energy),
                n_histories=start,
                n_far_histories=far,
                cutoff_keV=CUTOFF_KEV,
                random_root=(rng + index) % 2**64,
                n_threads=threads,
            )
        )
        if progress is not None:
            progress(f"{index + 1}/{n_energies}: {energy:.4g} keV, {start} histories")
    kernels = ElectronKernels(
        energy_keV=energies,
        csda_range_um=np.array([row[3] for row in rows]),
        radiated_fraction=np.array([row[2] for row in rows]),
        scaled_distance=_core.physics.kernel_scaled_distances(),
        fraction_within=np.stack([row[0] for row in rows]),
        stderr=np.stack([row[1] for row in rows]),
        attrs={
            "format": FORMAT,
            "version": __version__,
            "random_root": rng,
            "effort": effort,
            "cutoff_keV": CUTOFF_KEV,
            "medium": "liquid water, 1 g/cm3",
            "made_by": "immunodose kernels build",
        },
    )
    write_kernel_file(
        target,
        kernels.attrs,
        {
            "energy_keV": kernels.energy_keV,
            "csda_range_um": kernels.csda_range_um,
            "radiated_fraction": kernels.radiated_fraction,
            "fraction_within": kernels.fraction_within.astype(np.float32),
            "stderr": kernels.stderr.astype(np.float16),
        },
    )
    return kernels
