# SPDX-License-Identifier: BSD-3-Clause
"""Long Monte Carlo runs of the validation page: one cell with twelve touching neighbors.

python scripts/validation_runs.py                 add what tests/validation/long_runs.json lacks
python scripts/validation_runs.py --again         measure everything again
python scripts/validation_runs.py --mode detailed only these (with --again: these again)

About an hour on two cores. The page compares the stored results with today's kernels, which takes
seconds; every run keeps its date, version, root of random numbers and histories.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

import immunodose as imd

Floats = npt.NDArray[np.float64]

RUNS_FILE = Path(__file__).resolve().parents[1] / "tests" / "validation" / "long_runs.json"
ROOT = 20261128
N_BATCHES = 64
TARGETS = ("nucleus", "cytoplasm", "membrane", "cell")
SOURCES = ("nucleus", "cytoplasm", "membrane")
MODES = ("condensed", "detailed")

# Cell and nucleus radius, um: from a platelet to a large tumor cell.
SHAPES_UM = {"5/4": (5.0, 4.0), "2/1.5": (2.0, 1.5), "1/0.7": (1.0, 0.7), "10/5": (10.0, 5.0)}
EMITTERS = ("10 keV", "30 keV", "100 keV", "300 keV", "Lu-177")
# Many Auger electrons; in one size.
AUGER_SHAPE, AUGER_EMITTERS = "5/4", ("Tb-161", "I-125")
# Every collision costs 14 times as much, hence fewer sizes and energies.
DETAILED_SHAPES = ("5/4", "2/1.5")
DETAILED_EMITTERS = ("5 keV", "10 keV", "20 keV", "50 keV")

# Multiples of N_BATCHES that give 0.2 to 0.6 % in most pairs of regions. Stored runs have at least
# as many.
CONDENSED_HISTORIES = 320_000
FAST_HISTORIES = 480_000  # of 300 keV, which leaves less in a cell
TEN_KEV_HISTORIES = 160_000  # condensed follows every collision up to 10 keV
DETAILED_HISTORIES = 160_000
SLOW_HISTORIES = 96_000  # of 50 keV, every collision
AUGER_HISTORIES = 48_000  # decays with ten electrons and more

Key = tuple[str, str, str, str]  # mode, shape, emitter, source


def plan() -> Iterator[tuple[Key, int]]:
    """Yield every run with its histories."""
    for shape in SHAPES_UM:
        for emitter, source in itertools.product(EMITTERS, SOURCES):
            special = {"300 keV": FAST_HISTORIES, "10 keV": TEN_KEV_HISTORIES}
            histories = special.get(emitter, CONDENSED_HISTORIES)
            yield ("condensed", shape, emitter, source), histories
        for emitter, source in itertools.product(DETAILED_EMITTERS, SOURCES):
            if shape in DETAILED_SHAPES and emitter not in EMITTERS:
                yield ("condensed", shape, emitter, source), CONDENSED_HISTORIES
            if shape in DETAILED_SHAPES:
                histories = SLOW_HISTORIES if emitter == "50 keV" else DETAILED_HISTORIES
                yield ("detailed", shape, emitter, source), histories
    for emitter, source in itertools.product(AUGER_EMITTERS, SOURCES):
        yield ("condensed", AUGER_SHAPE, emitter, source), AUGER_HISTORIES


def spectrum(emitter: str) -> str | xr.Dataset:
    """Return a nuclide, or the one-line spectrum of "20 keV"."""
    if not emitter.endswith(" keV"):
        return emitter
    table = imd.emissions("Lu-177").isel(line=[0])
    energy = np.array([float(emitter.removesuffix(" keV"))])
    return table.assign(
        energy=table["energy"].copy(data=energy),
        yield_per_decay=table["yield_per_decay"].copy(data=[1.0]),
        emission=("line", ["auger_ce"], table["emission"].attrs),
        line_nuclide=("line", [f"{emitter} electron"], table["line_nuclide"].attrs),
        continuous=table["continuous"].copy(data=[0]),
    ).assign_attrs(nuclide=f"{emitter} electron")


def touching_cells(shape: str) -> xr.Dataset:
    """Return a cell in the middle of its twelve neighbors of cubic close packing, at contact."""
    cell_um, nucleus_um = SHAPES_UM[shape]
    steps = itertools.product((-1.0, 0.0, 1.0), repeat=3)
    around = np.array([step for step in steps if np.abs(step).sum() == 2.0])
    # Apart by rounding: cells that overlap are refused.
    places = np.vstack([np.zeros(3), around / np.sqrt(2.0)]) * 2.0 * cell_um * (1.0 + 1e-9)
    return imd.cells.from_arrays(
        x_um=places[:, 0], y_um=places[:, 1], z_um=places[:, 2],
        cell_radius_um=cell_um, nucleus_radius_um=nucleus_um,
    )  # fmt: skip


def measured(key: Key, histories: int) -> dict[str, Any]:
    """Transport decays in one region of the cell in the middle; doses in Gy per decay."""
    mode, shape, emitter, source = key
    cells = touching_cells(shape)
    only_middle = np.eye(cells.sizes["cell"])[0]
    labeled = imd.label(
        cells,
        spectrum(emitter),
        decays_per_cell=1.0 / only_middle.size,
        localization={source: 1.0},
        weights=only_middle,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the small share of energies below the tables
        found = imd.absorbed_dose(
            labeled, method="monte_carlo", split=("target",), n_histories=histories,
            n_batches=N_BATCHES, electron_mode=mode, rng=ROOT, merge=False,
        )  # fmt: skip
    dose = found["absorbed_dose"].sel(target=list(TARGETS)).values
    error = found["absorbed_dose_stderr"].sel(target=list(TARGETS)).values
    neighbors = len(dose) - 1
    return {
        "mode": mode, "shape": shape, "emitter": emitter, "source": source,
        "histories": histories, "root": ROOT, "version": imd.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "self_Gy": rounded(dose[0]), "self_stderr_Gy": rounded(error[0]),
        # Neighbors are hit by different histories: their errors are taken as independent.
        "neighbor_Gy": rounded(dose[1:].mean(axis=0)),
        "neighbor_stderr_Gy": rounded(np.sqrt((error[1:] ** 2).sum(axis=0)) / neighbors),
    }  # fmt: skip


def rounded(values: Floats) -> list[float]:
    """Round to six digits."""
    return [float(f"{value:.6g}") for value in values]


def key_of(run: dict[str, Any]) -> Key:
    """Return what identifies a run."""
    return run["mode"], run["shape"], run["emitter"], run["source"]


def stored_runs() -> list[dict[str, Any]]:
    """Return the runs of the file, none if it is absent."""
    if not RUNS_FILE.exists():
        return []
    runs: list[dict[str, Any]] = json.loads(RUNS_FILE.read_text("utf-8"))["runs"]
    return runs


@functools.cache
def runs_by_key() -> dict[Key, dict[str, Any]]:
    """Return the stored runs by mode, shape, emitter and source."""
    return {key_of(run): run for run in stored_runs()}


def write(runs: list[dict[str, Any]]) -> None:
    """Write the file, one run a line."""
    lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)
    head = f'{{"format": "immunodose validation runs 1", "targets": {json.dumps(TARGETS)},\n'
    RUNS_FILE.write_text(f'{head} "runs": [\n{lines}\n]}}\n', "utf-8")


def main() -> None:
    """Measure what is missing; the file is written after every run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="also what the file has")
    parser.add_argument("--mode", choices=MODES, help="only runs of this mode")
    options = parser.parse_args()
    modes = MODES if options.mode is None else (options.mode,)
    runs = {key_of(run): run for run in stored_runs()}
    for key, histories in plan():
        if key[0] in modes and (options.again or key not in runs):
            runs[key] = measured(key, histories)
            write(list(runs.values()))
            print(*key, flush=True)


if __name__ == "__main__":
    main()
