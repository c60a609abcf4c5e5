# SPDX-License-Identifier: BSD-3-Clause
"""Kernels of photons: where the electrons that they set free leave their energy."""

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

FORMAT = "immunodose photon kernels 1"
FILE_NAME = "photon_kernels_water.npz"

# Grid of the shipped file: 25 energies of the fastest electron, ratio 1.437.
ENERGY_RANGE_KEV = (0.5, 3000.0)
N_ENERGIES = 25
N_HISTORIES = 32768  # of each process and energy
RANDOM_ROOT = 20261129
CUTOFF_KEV = 0.05
PROCESSES = ("compton", "photoelectric", "pair")  # in the order of the core


@dataclass(frozen=True, slots=True)
class PhotonKernels:
    """Equivalent distances of each process by scaled distance (r over the CSDA range).

    `energy_keV` and `csda_range_um` are those of the fastest electron that a photon sets free.
    `equivalent_share` (process, energy, scaled_distance) is the distance within which a photon
    would leave the energy that it leaves within r, if its electrons stayed where they are made,
    over r. `stderr` is its standard error.
    """

    process: tuple[str, ...]
    energy_keV: FloatArray
    csda_range_um: FloatArray
    scaled_distance: FloatArray
    equivalent_share: FloatArray
    stderr: FloatArray
    attrs: dict[str, Any]

    def photon_energy_keV(self, process: str) -> FloatArray:
        """Energy of the photons whose fastest electrons by a process have `energy_keV`."""
        return _core.physics.photon_of_fastest_electron_keV(
            process=self.process.index(process), electron_keV=self.energy_keV
        )

    def mean_displacement(self) -> FloatArray:
        """Mean way outwards of the energy far from the source, over the CSDA range."""
        mean: FloatArray = self.scaled_distance[-1] * (1.0 - self.equivalent_share[..., -1])
        return mean


@functools.lru_cache(maxsize=1)
def shipped_photon_kernels() -> PhotonKernels:
    """Return the kernels that ship with the package."""
    with resources.as_file(resources.files("immunodose.data") / "kernels" / FILE_NAME) as path:
        return load_photon_kernels(path)


@functools.lru_cache(maxsize=1)
def shipped_photon_table() -> _core.physics.SecondaryElectronTable:
    """Return the core's table of the shipped kernels."""
    kernels = shipped_photon_kernels()
    return _core.physics.SecondaryElectronTable(
        electron_energy_keV=kernels.energy_keV,
        csda_range_um=kernels.csda_range_um,
        equivalent_share=kernels.equivalent_share,
    )


def load_photon_kernels(path: str | os.PathLike[str]) -> PhotonKernels:
    """Read a file of photon kernels.

    Parameters
    ----------
    path
        File that `build_photon_kernels` wrote.

    Returns
    -------
    PhotonKernels
        Energies [keV], ranges [um] and shares [1].

    Raises
    ------
    FileError
        If the file is absent, truncated or of another kind.

    Examples
    --------
    >>> kernels = shipped_photon_kernels()
    >>> kernels.equivalent_share.shape[:2], float(kernels.energy_keV[0])
    ((3, 25), 0.5)
    """
    attrs, arrays = read_kernel_file(path, FORMAT)
    try:
        return PhotonKernels(
            process=PROCESSES,
            energy_keV=arrays["energy_keV"],
            csda_range_um=arrays["csda_range_um"],
            scaled_distance=_core.physics.photon_kernel_scaled_distances(),
            equivalent_share=arrays["equivalent_share"].astype(np.float64),
            stderr=arrays["stderr"].astype(np.float64),
            attrs=attrs,
        )
    except KeyError as error:
        raise no_kernel_file(path, error) from error


def build_photon_kernels(
    path: str | os.PathLike[str],
    *,
    effort: float = 1.0,
    n_energies: int = N_ENERGIES,
    rng: int = RANDOM_ROOT,
    n_threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> PhotonKernels:
    """Make the kernels by Monte Carlo and write them to one file, whole or not at all.

    Parameters
    ----------
    path
        File to write (.npz).
    effort
        Factor > 0 on the number of histories; 1 is that of the shipped file (three minutes on two
        cores).
    n_energies
        Energies of the fastest electron from 0.5 to 3000 keV in equal ratios, at least 2.
    rng
        Root of the random streams, 0 to 2**64 - 1.
    n_threads
        Threads; None takes the CPUs that this process may use. The file is the same bit for bit.
    progress
        Called with a line of text after each energy.

    Returns
    -------
    PhotonKernels
        What was written.

    Raises
    ------
    InputError
        For an effort, a number of energies or an rng out of range.
    FileError
        If the file cannot be written.

    Notes
    -----
    Eqs. Ph-12 and Ph-13 of docs/theory/photons.md.
    """
    target = Path(path)
    require_build(target, effort, n_energies, rng)
    threads = resolve_threads(n_threads)
    energies = np.geomspace(*ENERGY_RANGE_KEV, n_energies)
    physics = _core.physics.ElectronPhysics(density_g_per_cm3=1.0)
    n_nodes = _core.physics.photon_kernel_scaled_distances().size
    share = np.empty((len(PROCESSES), n_energies, n_nodes))
    stderr = np.empty_like(share)
    n_histories = max(64, int(N_HISTORIES * effort))  # one or more in each block of the builder
    for row, energy in enumerate(energies):
        for index in range(len(PROCESSES)):
            share[index, row], stderr[index, row], _ = _core.physics.build_photon_kernel(
                physics=physics,
                process=index,
                electron_keV=float(energy),
                n_histories=n_histories,
                cutoff_keV=CUTOFF_KEV,
                random_root=(rng + row * len(PROCESSES) + index) % 2**64,
                n_threads=threads,
            )
        if progress is not None:
            progress(f"{row + 1}/{n_energies}: electrons to {energy:.4g} keV, {n_histories} each")
    kernels = PhotonKernels(
        process=PROCESSES,
        energy_keV=energies,
        csda_range_um=physics.csda_range_um(energies),
        scaled_distance=_core.physics.photon_kernel_scaled_distances(),
        equivalent_share=share,
        stderr=stderr,
        attrs={
            "format": FORMAT,
            "version": __version__,
            "random_root": rng,
            "effort": effort,
            "cutoff_keV": CUTOFF_KEV,
            "medium": "liquid water, 1 g/cm3",
            "made_by": "immunodose kernels build --photons",
        },
    )
    write_kernel_file(
        target,
        kernels.attrs,
        {
            "energy_keV": kernels.energy_keV,
            "csda_range_um": kernels.csda_range_um,
            "equivalent_share": kernels.equivalent_share.astype(np.float32),
            "stderr": kernels.stderr.astype(np.float16),
        },
    )
    return kernels
