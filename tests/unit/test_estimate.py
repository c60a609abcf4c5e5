# SPDX-License-Identifier: BSD-3-Clause
"""What a population dose will need, against what it takes, and the refusal of too much."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import population_estimate
from immunodose.errors import InputError, ResourceError
from immunodose.physics import physics_model
from immunodose.population_plan import Extent, plan_sweeps

LINUX = sys.platform.startswith("linux")


def labeled(n_side: int, nuclide: str = "Lu-177", *, spacing_um: float = 10.2) -> xr.Dataset:
    cells = imd.cells.lattice(
        shape=(n_side,) * 3, spacing_um=spacing_um, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    return imd.label(cells, nuclide, decays_per_cell=1.0)


# Peak of one dose in a process that has run a small one, beside the estimate of the same.
PEAK = """
import json, sys
import numpy as np
import immunodose as imd

def status_MB(name):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024e-6 for line in file if line.startswith(name))

def scene(n, spectrum, shifted=False):
    cells = imd.cells.lattice(shape=(n, n, n), spacing_um=10.2, cell_radius_um=5.0,
                              nucleus_radius_um=4.0)
    if shifted:  # nuclei off their centers
        shift = np.random.default_rng(1).uniform(-0.5, 0.5, (3, n**3))
        cells = cells.assign({f"nucleus_offset_{a}": ("cell", by) for a, by in zip("xyz", shift)})
    return imd.label(cells, spectrum, decays_per_cell=1.0)

def peak(cells, options):
    before = status_MB("VmRSS:")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts at what is held now
    dose = imd.absorbed_dose(cells, **options)
    added = status_MB("VmHWM:") - before
    return [added, imd.estimate(cells, **options), dose["absorbed_dose"].nbytes * 1e-6]

options = {"physics": "mird", "n_threads": 1}
spectra = [imd.emissions_from_csv(file) for file in sys.argv[1:]]
for spectrum in spectra:
    for shifted in (False, True):
        imd.absorbed_dose(scene(10, spectrum, shifted), **options)
found = [peak(scene(34, spectrum), options) for spectrum in spectra]
found += [peak(scene(28, spectrum, True), {**options, "split": ()}) for spectrum in spectra]
print(json.dumps(found))
"""


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_memory_is_an_upper_bound_within_a_factor(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("near.csv", "far.csv")]
    for file, energy_keV in zip(files, (20, 130), strict=True):  # cell list; mesh
        file.write_text(f"energy_keV,yield_per_decay,emission\n{energy_keV},1,auger_ce\n")
    # Freed memory goes back at once, so that the peak is what was held together.
    returned = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", PEAK, *map(str, files)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **returned}
    )
    # The core may take a finer mesh than the first, which is allowed for.
    for (added_MB, needs, output_MB), factor in zip(
        json.loads(done.stdout), (1.5, 2.0, 1.8, 2.2), strict=True
    ):
        fixed = needs["memory: libraries and tables (MB)"] + needs["memory: input (MB)"]
        expected_MB = needs["memory (MB)"] - fixed
        assert added_MB <= expected_MB <= factor * added_MB
        assert needs["memory: output (MB)"] == pytest.approx(output_MB, rel=0.01)
        parts = needs["memory: output (MB)"] + needs["memory: working (MB)"]
        assert expected_MB == pytest.approx(parts)


@pytest.mark.parametrize("split", [(), ("target", "emission", "origin")])
@pytest.mark.parametrize("nuclide", ["Lu-177", "At-211"])
@pytest.mark.parametrize("summation", ["auto", "particle_mesh", "cell_list"])
@pytest.mark.parametrize("n_side", [6, 16])
def test_the_plan_is_what_the_core_does(
    n_side: int, summation: str, nuclide: str, split: tuple[str, ...]
) -> None:
    cells = labeled(n_side, nuclide)
    dose = imd.absorbed_dose(cells, physics="mird", split=split, summation=summation)
    done = json.loads(dose.attrs["summation"])
    edge = (n_side - 1) * 10.2
    kernels = physics_model(nuclide, physics="mird").kernels
    hits = "emission" in split and "alpha" in kernels
    plans = [
        plan_sweeps(
            Extent(n_side**3, (edge, edge, edge), 5.0, 5.0),
            kernels,
            summation=summation,
            rtol=1e-3,
            split_emission="emission" in split,
            alpha_reach_um=kernels["alpha"].reach_um if hits else None,
            attempt=attempt,
        )
        for attempt in range(3)
    ]
    assert [(s.emissions, s.summation) for s in plans[0]] == [
        (sweep["emissions"], sweep["summation"]) for sweep in done
    ]
    for number, sweep in enumerate(done):
        meshes = [plan[number].mesh for plan in plans]
        allowed = [0.0 if mesh is None else mesh.spacing_um for mesh in meshes]
        # A finer mesh follows where the first errs too much.
        assert np.isclose(sweep["mesh_spacing_um"], allowed, rtol=1e-9).any()


def test_cells_far_apart_need_no_grid_between_them() -> None:
    near = labeled(10)
    x = near["x"].values
    far = imd.cells.from_arrays(
        x_um=np.concatenate([x, x + 1e6]),
        **{f"{axis}_um": np.tile(near[axis].values, 2) for axis in "yz"},
        cell_radius_um=np.full(2 * x.size, 5.0),
        nucleus_radius_um=np.full(2 * x.size, 4.0),
    )
    far = imd.label(far, "Lu-177", decays_per_cell=1.0)
    needs = imd.estimate(far, physics="mird", split=("origin",))
    assert needs["memory: meshes (MB)"] == 0.0
    assert needs["memory: working (MB)"] < 10.0
    one = imd.absorbed_dose(near, physics="mird", split=("origin",))["absorbed_dose"]
    two = imd.absorbed_dose(far, physics="mird", split=("origin",))
    assert {s["summation"] for s in json.loads(two.attrs["summation"])} == {"cell_list"}
    for half in (slice(0, x.size), slice(x.size, None)):
        found = two["absorbed_dose"].isel(cell=half).values
        np.testing.assert_allclose(found, one.values, rtol=5e-6)


@pytest.mark.parametrize(
    ("options", "free_MB", "message"),
    [
        ({}, 6.0, r"needs about [\d.]+ MB of memory, 6 MB are .* These fit: dtype="),
        ({}, 1.0, r"No other split, dtype or summation fits: give at most about \d+ cells"),
        ({"split": ()}, 1.0, r"No other split, dtype or summation fits"),
        ({"method": "monte_carlo", "n_histories": 64}, 10.0, r"fit: .*split=\(\), hits=False"),
        ({"method": "monte_carlo", "n_histories": 64}, 1.0, r"No other split, dtype or hits=False"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_fits(
    options: dict[str, object], free_MB: float, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = labeled(20)
    if "method" not in options:
        options = {"physics": "mird", **options}
    monkeypatch.setattr(population_estimate, "available_memory_MB", lambda: free_MB)
    with pytest.raises(ResourceError, match=message):
        imd.absorbed_dose(cells, **options)


@pytest.mark.parametrize(
    ("options", "free_MB", "offered"),
    [
        ({"physics": "mird"}, 4.6, r"split=\(\) .*; split=\(\), summation='cell_list' \("),
        # Nothing else than all three together.
        ({"physics": "mird"}, 4.0, r"split=\(\), dtype='float32', summation='cell_list' \("),
        ({"method": "monte_carlo", "n_histories": 64}, 10.0, r"split=\(\), hits=False \("),
    ],
)
def test_an_option_that_is_offered_does_fit(
    options: dict[str, Any], free_MB: float, offered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each offer is the text of arguments, and the call that it names starts."""
    cells = labeled(20)
    monkeypatch.setattr(population_estimate, "available_memory_MB", lambda: free_MB)
    with pytest.raises(ResourceError, match=f"These fit: .*{offered}") as refused:
        imd.absorbed_dose(cells, **options)
    offers = str(refused.value).partition("These fit: ")[2].rstrip(".").split("; ")
    for offer in offers:
        text = offer.rpartition(" (")[0]
        imd.absorbed_dose(cells, **options, **eval(f"dict({text})"))


def test_options_are_those_of_the_dose(tmp_path: Path) -> None:
    cells = labeled(8)
    with pytest.raises(InputError, match=r"no argument 'splitt'.*split"):
        imd.estimate(cells, splitt=("target",))
    with pytest.raises(InputError, match="unknown method='exact'"):
        imd.estimate(cells, method="exact")
    with pytest.raises(InputError, match="rtol"):
        imd.estimate(cells, rtol=1.0)
    with pytest.raises(InputError, match="'split' has no effect on a scenario"):
        imd.estimate(imd.scenario.builtin_scenario("ac225_ta99_b16"), split=())
    whole = imd.estimate(cells, physics="mird")
    part = imd.estimate(cells, physics="mird", split=(), dtype="float32", merge=False)
    assert part["memory: output (MB)"] == pytest.approx(whole["memory: output (MB)"] / 80)
    dose = imd.absorbed_dose(cells, physics="mird")
    imd.save(dose, tmp_path / "dose.nc")
    assert (tmp_path / "dose.nc").stat().st_size * 1e-6 < whole["file (MB)"] + 0.1


def test_histories_cost_time_and_not_memory() -> None:
    cells = labeled(8)
    few = imd.estimate(cells, method="monte_carlo", n_histories=6400)
    many = imd.estimate(cells, method="monte_carlo", n_histories=6400000)
    assert many["decays transported"] == 6400000.0
    assert many["time (s)"] > 50.0 * few["time (s)"]
    assert many["memory (MB)"] == few["memory (MB)"]
    decays = imd.estimate(cells, method="monte_carlo", realization=True)
    assert decays["decays transported"] == pytest.approx(512.0)
