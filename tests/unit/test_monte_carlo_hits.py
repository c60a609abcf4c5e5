# SPDX-License-Identifier: BSD-3-Clause
"""Hits and LET of means with their errors, and the electron cut-off, of Monte Carlo doses."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import _core
from immunodose.errors import InputError
from immunodose.population_hits import hit_variables
from immunodose.testing import assert_same_bits, assert_schema
from immunodose.typing import EMISSIONS, FloatArray


def pair(nuclide: str | xr.Dataset, decays_per_cell: float) -> xr.Dataset:
    """Two touching cells, the first of which is labeled in its nucleus."""
    cells = imd.cells.lattice(
        shape=(2, 1, 1), spacing_um=10.0, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    return imd.label(
        cells, nuclide, decays_per_cell=decays_per_cell, localization={"nucleus": 1.0},
        weights=np.array([1.0, 0.0]),
    )  # fmt: skip


def transport(cells: xr.Dataset, **options: Any) -> xr.Dataset:
    return imd.absorbed_dose(
        cells, method="monte_carlo", merge=False, **{"n_threads": 1, "rng": 3, **options}
    )


def test_mean_hits_are_those_of_the_quadrature() -> None:
    # 211At in the nucleus of the first cell: 100 decays there.
    n_decays = 100.0
    found = transport(
        pair("At-211", 50.0), n_histories=1_280_000, n_threads=None, emissions=("alpha",),
        straggling=False,
    )  # fmt: skip
    assert_schema(found)
    own = imd.hit_statistics(
        "At-211", cell_radius_um=5.0, nucleus_radius_um=4.0, source="nucleus"
    )["hits_per_decay"].item()  # fmt: skip
    # Hits of the neighbor by NumPy: share of the solid angle that its nucleus covers, from uniform
    # points. Alphas of 211At reach through both cells.
    random = np.random.default_rng(1)
    start = random.normal(size=(1_000_000, 3))
    start *= (4.0 * np.cbrt(random.uniform(size=len(start))) / np.linalg.norm(start, axis=1))[
        :, None
    ]
    distance = np.linalg.norm(np.array([10.0, 0.0, 0.0]) - start, axis=1)
    share = float(np.mean(0.5 * (1.0 - np.sqrt(1.0 - (4.0 / distance) ** 2))))
    hits = found.sel(target="nucleus", emission="alpha")
    for cell, expected in enumerate((own, own * share)):
        mean = float(hits["mean_hit_count"][cell]) / n_decays
        error = float(hits["mean_hit_count_stderr"][cell]) / n_decays
        assert error < 0.004 * mean
        # False alarms: 6e-7.
        assert abs(mean - expected) < 5.0 * error + 1e-6


def test_the_error_of_a_let_is_that_of_a_ratio() -> None:
    """Sums of 20 batches, by NumPy from the residuals of the ratio (Eq. MC-12)."""
    n_batches = 20
    random = np.random.default_rng(2)
    weight = random.gamma(3.0, size=n_batches)
    product = weight * random.normal(5.0, 1.0, size=n_batches)
    hits = random.poisson(9.0, size=n_batches).astype(float)
    covariance = np.cov(product, weight) / n_batches

    def cell(value: float) -> FloatArray:
        return np.full((1, 4, 1), value)

    result = {
        "emissions": np.array([EMISSIONS.index("beta")]),
        "hits": cell(hits.mean()),
        "hits_variance": cell(hits.var(ddof=1) / n_batches),
        "energy_let": cell(product.mean()),
        "region_keV": cell(weight.mean()),
        "energy_let_variance": cell(covariance[0, 0]),
        "region_keV_variance": cell(covariance[1, 1]),
        "energy_let_keV_covariance": cell(covariance[0, 1]),
    }
    found = hit_variables([result])
    beta = EMISSIONS.index("beta")
    let = product.mean() / weight.mean()
    residual = (product - let * weight) / weight.mean()
    np.testing.assert_allclose(found["let_dose_mean"].values[..., beta], let, rtol=1e-12)
    np.testing.assert_allclose(
        found["let_dose_mean_stderr"].values[..., beta],
        residual.std(ddof=1) / np.sqrt(n_batches), rtol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        found["mean_hit_count_stderr"].values[..., beta],
        hits.std(ddof=1) / np.sqrt(n_batches), rtol=1e-12,
    )  # fmt: skip
    # Two nuclides that are not correlated: sums and variances add.
    two = hit_variables([result, result])
    np.testing.assert_allclose(two["let_dose_mean"].values[..., beta], let, rtol=1e-12)
    np.testing.assert_allclose(
        two["let_dose_mean_stderr"].values[..., beta],
        found["let_dose_mean_stderr"].values[..., beta] / np.sqrt(2.0), rtol=1e-12,
    )  # fmt: skip


def test_errors_of_hits_and_let_are_their_spread() -> None:
    cells = pair("At-211", 1.0)
    runs = [
        transport(cells, n_histories=1600, n_batches=16, emissions=("alpha",), rng=seed)
        .sel(target="nucleus", emission="alpha")
        .isel(cell=1)
        for seed in range(24)
    ]
    for name in ("mean_hit_count", "let_dose_mean"):
        values = np.array([float(run[name]) for run in runs])
        stated = np.mean([float(run[name + "_stderr"]) ** 2 for run in runs])
        ratio = float(values.var(ddof=1) / stated)
        # Chi-square over 23 degrees of freedom: 1e-6 on either side.
        assert 0.2 < ratio < 3.0, (name, ratio)


def test_let_of_a_mean_is_that_of_a_realization() -> None:
    mean = transport(pair("At-211", 1.0), n_histories=6400, emissions=("alpha",))
    drawn = transport(pair("At-211", 3200.0), realization=True, emissions=("alpha",))
    at = {"target": "nucleus", "emission": "alpha"}
    for cell in (0, 1):
        let = mean.isel(cell=cell).sel(at)
        other = float(drawn["let_dose_mean"].isel(cell=cell).sel(at))
        # Both have 6400 decays: errors alike.
        error = np.sqrt(2.0) * float(let["let_dose_mean_stderr"])
        assert abs(float(let["let_dose_mean"]) - other) < 5.0 * error  # false alarms: 6e-7
        assert 0.0 < error < 0.02 * other


def slowing_let(energy_keV: float) -> float:
    """Mean stopping power (keV/um) over the energies of an electron that stops, by NumPy."""
    physics = _core.physics.ElectronPhysics(density_g_per_cm3=1.0)
    energy = np.geomspace(0.03, energy_keV, 4000)
    stopping = physics.stopping_keV_per_um(energy)
    rest = 0.03 * stopping[0]
    area = 0.5 * np.sum(np.diff(energy) * (stopping[1:] + stopping[:-1]))
    return float((area + rest) / energy_keV)


@pytest.mark.parametrize(
    ("energy_keV", "n_histories", "lost"), [(10.0, 3200, 0.003), (50.0, 1600, 0.05)]
)
def test_let_of_electrons_does_not_depend_on_size_or_mode(
    tmp_path: Path, energy_keV: float, n_histories: int, lost: float
) -> None:
    """Whole electrons in a large cell have the CSDA mean; smaller cells lose the slow ends.

    `lost`: what those that leave the largest cell take away (ranges of 2.6 and 43 um).
    """
    line = one_line(tmp_path, energy_keV)
    before = 0.0
    for radius_um in (2.5, 10.0, 90.0):
        cell = imd.cells.lattice(
            shape=(1, 1, 1), spacing_um=300.0, cell_radius_um=1.1 * radius_um,
            nucleus_radius_um=radius_um,
        )  # fmt: skip
        labeled = imd.label(cell, line, decays_per_cell=1.0, localization={"nucleus": 1.0})
        modes = [
            transport(labeled, n_histories=n_histories, electron_mode=mode)
            .isel(cell=0)
            .sel(target="cell", emission="auger_ce")
            for mode in ("detailed", "condensed")
        ]
        let = [float(mode["let_dose_mean"]) for mode in modes]
        error = float(np.hypot(*(float(mode["let_dose_mean_stderr"]) for mode in modes)))
        # False alarms: 6e-7; 1 % for the grouped losses.
        assert abs(let[1] - let[0]) < 5.0 * error + 0.01 * let[0]
        assert let[0] > before
        before = let[0]
    whole = slowing_let(energy_keV)
    assert whole * (1.0 - lost) < let[0] < whole * 1.003


def test_let_of_photons_is_that_of_their_electrons(tmp_path: Path) -> None:
    file = tmp_path / "photon.csv"
    file.write_text("energy_keV,yield_per_decay,emission\n5,1,photon\n")
    cell = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=5e3, cell_radius_um=100.0, nucleus_radius_um=90.0
    )
    labeled = imd.label(
        cell, imd.emissions_from_csv(file), decays_per_cell=1.0, localization={"nucleus": 1.0}
    )
    found = transport(labeled, n_histories=1600).isel(cell=0).sel(target="cell")
    # A photoelectron of 5 keV less the binding energy of the K shell, which stays as an electron.
    binding_keV = 0.538
    electron = 5.0 - binding_keV
    expected = (electron * slowing_let(electron) + binding_keV * slowing_let(binding_keV)) / 5.0
    assert float(found["let_dose_mean"].sel(emission="photon")) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("options", [{"realization": True}, {"n_histories": 64}], ids=str)
def test_hits_can_be_left_out(options: dict[str, Any]) -> None:
    cells = pair("Lu-177", 20.0)
    full = transport(cells, **options)
    lean = transport(cells, hits=False, **options)
    assert (full.attrs.pop("hits"), lean.attrs.pop("hits")) == (1, 0)
    assert_same_bits(full[list(lean.data_vars)], lean)
    left_out = set(full.data_vars) - set(lean.data_vars)
    names = {"hit_count", "let_dose_mean"} if "realization" in options else {
        "mean_hit_count", "let_dose_mean", "mean_hit_count_stderr", "let_dose_mean_stderr",
    }  # fmt: skip
    assert left_out == names


def one_line(folder: Path, keV: float) -> xr.Dataset:
    file = folder / "line.csv"
    file.write_text(f"energy_keV,yield_per_decay,emission\n{keV},1,auger_ce\n")
    return imd.emissions_from_csv(file)


@pytest.mark.parametrize("mode", ["detailed", "condensed"])
def test_what_is_left_at_the_cutoff_is_stated(tmp_path: Path, mode: str) -> None:
    def world(keV: float, cutoff_keV: float) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dose = transport(
                pair(one_line(tmp_path, keV), 50.0), n_histories=320, electron_mode=mode,
                electron_cutoff_keV=cutoff_keV,
            )  # fmt: skip
        stated: dict[str, float] = json.loads(dose.attrs["world"])["line"]
        return stated

    # Slower than the cut-off: all of it, at once.
    below = world(0.04, 0.05)
    assert below["electron_energy_fraction_below_cutoff"] == 1.0
    assert below["electron_energy_fraction_at_cutoff"] == pytest.approx(1.0, abs=1e-6)
    # Followed down to a lower one.
    above = world(0.04, 0.03)
    assert above["electron_energy_fraction_below_cutoff"] == 0.0
    # Followed or not, a nucleus far larger than its range ends it at once: nothing came down.
    assert 0.0 <= above["electron_energy_fraction_at_cutoff"] < 1.0
    shares = [world(20.0, cutoff)["electron_energy_fraction_at_cutoff"] for cutoff in (0.03, 0.3)]
    assert 0.0 < shares[0] < shares[1] < 1.0


def test_s_values_with_a_lower_cutoff(tmp_path: Path) -> None:
    line = one_line(tmp_path, 0.045)
    given: dict[str, Any] = {
        "cell_radius_um": 5.0, "nucleus_radius_um": 4.0, "physics": "monte_carlo",
        "n_histories": 6400, "rng": 1, "electron_mode": "detailed",
    }  # fmt: skip
    with pytest.warns(imd.errors.ValidityWarning, match="below 50 eV"):
        absorbed = imd.s_values(line, **given)
    followed = imd.s_values(line, **given, electron_cutoff_keV=0.03)
    at = {"target": "cytoplasm", "source": "membrane"}
    assert float(absorbed["s_value"].sel(at).sum()) == 0.0
    assert float(followed["s_value"].sel(at).sum()) > 0.0
    assert absorbed.attrs["electron_energy_fraction_at_cutoff"] == pytest.approx(1.0)
    assert followed.attrs["electron_cutoff_keV"] == 0.03
    assert followed.attrs["electron_energy_fraction_at_cutoff"] < 1.0


def test_a_track_of_the_slowest_electron() -> None:
    points = imd.track("electron", energy_keV=0.03, electron_cutoff_keV=0.03, rng=1)
    assert float(points["energy_deposited"].sum()) == pytest.approx(0.03)
    longer = imd.track("electron", energy_keV=0.2, electron_cutoff_keV=0.03, rng=1)
    assert float(longer["energy"].min()) <= 0.03


@pytest.mark.parametrize("cutoff_keV", [0.02, 1.5, float("nan"), "50"])
def test_cutoffs_out_of_range(cutoff_keV: Any) -> None:
    match = "invalid electron_cutoff_keV=.*0.03 to 1"
    with pytest.raises(InputError, match=match):
        transport(pair("Lu-177", 1.0), electron_cutoff_keV=cutoff_keV)
    with pytest.raises(InputError, match=match):
        imd.track("electron", energy_keV=1.0, electron_cutoff_keV=cutoff_keV)
    with pytest.raises(InputError, match=match):
        imd.s_values(
            "Lu-177", cell_radius_um=5.0, nucleus_radius_um=4.0, physics="monte_carlo",
            electron_cutoff_keV=cutoff_keV,
        )  # fmt: skip
