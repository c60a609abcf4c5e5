# SPDX-License-Identifier: BSD-3-Clause
"""Transport of decays against the kernel method, closed forms and an independent oracle.

Each comparison holds to 6 standard errors (two-sided normal tail 2e-9), or to 4.5 per cell where
the errors come from 32 batches (fixed streams, so that a failure is a fault).
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import monte_carlo as oracle

import immunodose as imd
from immunodose.data.chains import chain_structure
from immunodose.typing import FloatArray

pytestmark = pytest.mark.statistical

STANDARD_ERRORS = 6.0
CELL_UM, NUCLEUS_UM = 7.0, 5.0
ALPHAS = ("alpha", "recoil")


def transport(cells: xr.Dataset, **options: Any) -> xr.Dataset:
    return imd.absorbed_dose(
        cells, method="monte_carlo", merge=False, **{"rng": 11, "emissions": ALPHAS, **options}
    )


def agree(a: FloatArray, b: FloatArray, *, resolve: float) -> None:
    """Two samples have one mean, within 6 standard errors that must resolve `resolve` of it."""
    error = math.hypot(
        oracle.standard_error(a.astype(float)), oracle.standard_error(b.astype(float))
    )
    assert STANDARD_ERRORS * error < resolve * b.mean()
    assert abs(a.mean() - b.mean()) < STANDARD_ERRORS * error


def pairs(n_pairs: int, *, distance_um: float = 14.0) -> xr.Dataset:
    """Pairs of cells, too far from each other to share alphas (225Ac: 86 um); 2 k decays first."""
    side = math.ceil(math.cbrt(n_pairs))
    site = np.stack(np.unravel_index(np.arange(n_pairs), (side,) * 3), axis=1) * 220.0
    x = np.concatenate([site[:, 0], site[:, 0] + distance_um])
    y, z = np.tile(site[:, 1], 2), np.tile(site[:, 2], 2)
    return imd.cells.from_arrays(
        x_um=x, y_um=y, z_um=z, cell_radius_um=CELL_UM, nucleus_radius_um=NUCLEUS_UM
    )


def first_of_pairs(n_pairs: int, nuclide: str, source: str, decays: float) -> xr.Dataset:
    cells = pairs(n_pairs)
    weights = np.r_[np.ones(n_pairs), np.zeros(n_pairs)]
    return imd.label(
        cells, nuclide, decays_per_cell=decays / 2.0, localization={source: 1.0}, weights=weights
    )


def test_alpha_dose_equals_the_kernel_method() -> None:
    """Random scene; 81 cells, targets and origins at 4.5 sigma (t of 31 batches: 1 % by chance)."""
    cells = imd.cells.spheroid(
        radius_um=32.0, cell_radius_um=6.5, nucleus_radius_um=4.5, packing_fraction=0.3, rng=3
    )
    labeled = imd.label(
        cells, "Ac-225", decays_per_cell=10.0, labeled_fraction=0.4, rng=1,
        localization={"nucleus": 0.3, "cytoplasm": 0.3, "membrane": 0.4},
        retention={"Fr-221": 0.5}, medium_decays_per_um3=1e-3,
    )  # fmt: skip
    exact = imd.absorbed_dose(labeled, physics="mird")["absorbed_dose"]
    found = transport(labeled, n_histories=960_000, straggling=False, membrane_thickness_nm=0.0)
    error = found["absorbed_dose_stderr"].sel(emission="alpha")
    off = found["absorbed_dose"].sel(emission="alpha") - exact.sel(emission="alpha")
    chosen = off.sel(target=["nucleus", "cell"]), error.sel(target=["nucleus", "cell"])
    standard = (chosen[0] / chosen[1].where(chosen[1] > 0.0)).values
    assert np.nanmax(np.abs(standard)) < 4.5
    total = float(found["absorbed_dose"].sel(emission="alpha", target="cell").sum())
    expected = float(exact.sel(emission="alpha", target="cell").sum())
    assert total == pytest.approx(expected, rel=0.01)
    # Straggling does not move mean doses: within 0.5 % beside the noise.
    with_straggling = transport(labeled, n_histories=960_000)["absorbed_dose"]
    again = float(with_straggling.sel(emission="alpha", target="cell").sum())
    assert again == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("source", ["membrane", "nucleus"])
def test_joint_hits_of_two_neighbors(source: str) -> None:
    """Specific energies of both nuclei of a pair, from one decay each on average."""
    n_pairs, n = 27_000, 300_000
    cells = first_of_pairs(n_pairs, "Ac-225", source, 1.0)
    result = transport(cells, realization=True, straggling=False, membrane_thickness_nm=0.0)
    z = result["specific_energy"].sel(target="nucleus", emission="alpha").sum("origin").values
    own, other = z[:n_pairs], z[n_pairs:]
    shell = (0.0, NUCLEUS_UM) if source == "nucleus" else (CELL_UM, CELL_UM)
    nuclei = [(np.zeros(3), NUCLEUS_UM), (np.array([2.0 * CELL_UM, 0.0, 0.0]), NUCLEUS_UM)]
    per_decay = oracle.joint_specific_energy(
        chain_structure("Ac-225"), source_um=shell, nuclei_um=nuclei, n=n, seed=3
    )
    rng = np.random.default_rng(4)
    decays = rng.poisson(1.0, 200_000)
    owner = np.repeat(np.arange(decays.size), decays)
    drawn = per_decay[rng.integers(0, n, owner.size)]
    expected = np.stack(
        [np.bincount(owner, weights=drawn[:, k], minlength=decays.size) for k in range(2)], axis=1
    )
    agree(own, expected[:, 0], resolve=0.09)
    agree(other, expected[:, 1], resolve=0.15)
    agree((own > 0) & (other > 0), (expected > 0).all(axis=1), resolve=0.15)
    agree(own * other, expected.prod(axis=1), resolve=0.6)
    assert np.count_nonzero(result["hit_count"].sel(target="nucleus", emission="recoil")) == (
        0 if source == "membrane" else np.count_nonzero(own)
    )


def test_hits_are_a_compound_poisson_number() -> None:
    """Nuclear source: each decay of a chain of four alphas hits four times (invariant 14)."""
    n = 20_000
    cells = first_of_pairs(n, "Ac-225", "nucleus", 1.0)
    hits = transport(cells, realization=True)["hit_count"]
    own = hits.sel(target="nucleus", emission="alpha").values[:n].astype(float)
    agree(own, 4.0 * np.random.default_rng(1).poisson(1.0, 200_000), resolve=0.06)
    # Variance (1 + 3 p) times the mean, p = 1; standard error of 16 Var: 16 sqrt((2 + 1) / n).
    assert abs(own.var() - 16.0) < STANDARD_ERRORS * 16.0 * math.sqrt(3.0 / n) + 0.01
    outside = first_of_pairs(n, "Ac-225", "membrane", 1.0)
    hits = transport(outside, realization=True)["hit_count"]
    own = hits.sel(target="nucleus", emission="alpha").values[:n].astype(float)
    p = own.mean() / 4.0
    ratio = own.var() / own.mean()
    # Relative standard error of a variance with the measured fourth moment.
    fourth = ((own - own.mean()) ** 4).mean()
    error = math.sqrt((fourth / own.var() ** 2 - 1.0) / n) * ratio
    assert STANDARD_ERRORS * error < 0.25 * ratio
    assert abs(ratio - (1.0 + 3.0 * p)) < STANDARD_ERRORS * error


def test_numbers_of_decays_are_poisson() -> None:
    n = 10_000
    cells = first_of_pairs(n, "At-211", "nucleus", 3.0)
    recoils = transport(cells, realization=True)["hit_count"]
    count = recoils.sel(target="nucleus", emission="recoil").values[:n].astype(float)
    assert abs(count.mean() - 3.0) < STANDARD_ERRORS * math.sqrt(3.0 / n)
    assert abs(count.var() - 3.0) < STANDARD_ERRORS * math.sqrt((2.0 * 9.0 + 3.0) / n)


@pytest.mark.parametrize("kept", [0.0, 0.4])
def test_lost_daughters_leave_or_move(kept: float) -> None:
    """225Ac in the nucleus: 221Fr and what follows leave, or start anywhere in the cell."""
    cells = pairs(500).isel(cell=slice(0, 500))
    labeled = imd.label(
        cells, "Ac-225", decays_per_cell=10.0, localization={"nucleus": 1.0},
        retention={"Fr-221": kept},
    )  # fmt: skip
    leave = transport(labeled, n_histories=64_000)
    account = leave["energy_account"].sel(emission="alpha")
    chain = chain_structure("Ac-225")
    energy = [float(e @ y) for e, y in zip(chain.alpha_energy_keV, chain.alpha_yield, strict=True)]
    whole = float(chain.decays_per_parent_decay @ np.array(energy))
    lost = (1.0 - kept) * (whole - energy[0])
    share = float(account.sel(fate="left") / account.sel(fate="emitted"))
    assert share == pytest.approx(lost / whole, abs=6.0 * 0.5 / math.sqrt(64_000))
    exact = imd.absorbed_dose(labeled, physics="mird")["absorbed_dose"]
    self_dose = exact.sel(target="nucleus", emission="alpha", origin="self").mean()
    found = leave["absorbed_dose"].sel(target="nucleus", emission="alpha", origin="self").mean()
    assert float(found) == pytest.approx(float(self_dose), rel=0.02)
    moved = transport(labeled, n_histories=64_000, lost_daughters="cell")
    assert float(moved["energy_account"].sel(fate="left").sum()) == 0.0
    # They give the nucleus less than at its own place, and more than none.
    stay = transport(labeled.drop_vars("retention"), n_histories=64_000)
    dose = [
        float(d["absorbed_dose"].sel(target="nucleus", emission="alpha").sum())
        for d in (leave, moved, stay)
    ]
    assert dose[0] < dose[1] < dose[2]
    in_cell = imd.label(
        cells, "Fr-221", decays_per_cell=10.0 * (1.0 - kept), localization={"cell": 1.0}
    )
    added = float(
        imd.absorbed_dose(in_cell, physics="mird")["absorbed_dose"]
        .sel(target="nucleus", emission="alpha").sum()
    )  # fmt: skip
    assert dose[1] - dose[0] == pytest.approx(added, rel=0.05)


def test_daughters_lost_to_the_medium_are_a_source_in_it() -> None:
    """225Ac in nuclei, all 221Fr to the medium, against as much 221Fr in the medium; 8 streams."""
    cells = imd.cells.spheroid(
        radius_um=32.0, cell_radius_um=6.5, nucleus_radius_um=4.5, packing_fraction=0.3, rng=3
    )
    n_cells, n = cells.sizes["cell"], 24_000
    labeled = imd.label(
        cells, "Ac-225", decays_per_cell=10.0, localization={"nucleus": 1.0},
        retention={"Fr-221": 0.0},
    )  # fmt: skip
    streams = [{"rng": k, "n_histories": n, "medium_margin_um": 30.0} for k in range(8)]
    world = json.loads(transport(labeled, **streams[0]).attrs["world"])["Ac-225"]["radius_um"]
    volume = 4.0 / 3.0 * math.pi * (world**3 - n_cells * 6.5**3)
    medium = imd.label(
        cells, "Fr-221", decays_per_cell=0.0, medium_decays_per_um3=10.0 * n_cells / volume
    )

    def in_cells(source: xr.Dataset, **options: Any) -> FloatArray:
        accounts = [transport(source, **stream, **options)["energy_account"] for stream in streams]
        for account in accounts:
            alphas = account.sel(emission="alpha")
            fates = alphas.sel(fate=["cells", "medium", "escaped", "left", "not_transported"])
            np.testing.assert_allclose(fates.sum(), alphas.sel(fate="emitted"), rtol=1e-9)
            if options.get("lost_daughters") == "medium":
                assert float(account.sel(fate="left").sum()) == 0.0
        return np.array([float(a.sel(fate="cells", emission="alpha")) for a in accounts])

    moved = in_cells(labeled, lost_daughters="medium") - in_cells(labeled, lost_daughters="leave")
    agree(moved, in_cells(medium), resolve=0.05)


def test_mean_chord_and_share_of_tracks_inside() -> None:
    """Activity everywhere: equal energy per volume inside and outside of cells."""
    cells = imd.cells.lattice(
        shape=(3, 3, 3), spacing_um=14.5, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    volume = 4.0 / 3.0 * math.pi * 7.0**3
    labeled = imd.label(
        cells, "At-211", decays_per_cell=volume, localization={"cell": 1.0},
        medium_decays_per_um3=1.0,
    )  # fmt: skip
    result = transport(labeled, n_histories=960_000)
    # 211At with its daughter: one alpha per decay; keV per um3 to Gy.
    chain = chain_structure("At-211")
    energy = [float(e @ y) for e, y in zip(chain.alpha_energy_keV, chain.alpha_yield, strict=True)]
    equilibrium = float(chain.decays_per_parent_decay @ np.array(energy)) * 1.602176634e-4 / 1e-3
    dose = result["absorbed_dose"].sel(emission="alpha").sum("origin")
    for target in ("nucleus", "cytoplasm", "cell"):
        mean = float(dose.sel(target=target).mean())
        error = result["absorbed_dose_stderr"].sel(emission="alpha", target=target)
        combined = float(np.sqrt((error**2).sum())) / 27.0
        assert 4.5 * combined < 0.03 * equilibrium
        assert abs(mean - equilibrium) < 4.5 * combined + 1e-3 * equilibrium


def test_electrons_agree_with_a_single_cell_s_value() -> None:
    """Both modes: 30 keV electrons from the nucleus; one mode against the other within 3 %."""
    cells = pairs(1).isel(cell=[0])
    from immunodose.transport import _one_line

    table = _one_line("auger_ce", 30.0, (1.0, 3000.0))
    labeled = imd.label(cells, table, decays_per_cell=1.0, localization={"nucleus": 1.0})
    doses = {}
    for mode in ("condensed", "detailed"):
        result = transport(labeled, emissions=None, electron_mode=mode, n_histories=1600 * 2, rng=2)
        doses[mode] = result["absorbed_dose"].sel(emission="auger_ce", origin="self")
        account = result["energy_account"].sum("emission")
        inside = float(account.sel(fate=["cells", "medium", "escaped"]).sum())
        assert inside == pytest.approx(float(account.sel(fate="emitted")), rel=1e-6)
    for target in ("nucleus", "cell"):
        condensed = float(doses["condensed"].sel(target=target).sum())
        assert condensed == pytest.approx(
            float(doses["detailed"].sel(target=target).sum()), rel=0.05
        )


def test_shifted_nuclei_are_hit_by_where_they_are() -> None:
    """Nucleus to nucleus, the shift is a shorter distance; from the own membrane, an exact mean."""
    offset = np.array([[1.2, 0.0, 0.9], [-1.0, 1.1, 0.0]])
    shift = {f"nucleus_offset_{axis}": offset[:, i] for i, axis in enumerate("xyz")}
    cells = imd.cells.from_arrays(
        x_um=[0.0, 15.0], y_um=[0.0, 0.0], z_um=[0.0, 0.0],
        cell_radius_um=CELL_UM, nucleus_radius_um=NUCLEUS_UM, **shift,
    )  # fmt: skip
    first = np.array([1.0, 0.0])

    def found(source: str) -> tuple[float, float, float]:
        labeled = imd.label(
            cells, "At-211", decays_per_cell=0.5, localization={source: 1.0}, weights=first
        )
        result = transport(
            labeled, n_histories=960_000, straggling=False, membrane_thickness_nm=0.0
        ).sel(target="nucleus", emission="alpha")
        dose = result["absorbed_dose"].sum("origin").values
        return (
            dose[0],
            dose[1],
            float((result["absorbed_dose_stderr"] ** 2).sum("origin")[1]) ** 0.5,
        )

    distance = float(np.linalg.norm([15.0, 0.0, 0.0] + offset[1] - offset[0]))
    assert distance < 14.0  # nuclei closer than touching cells
    # Nuclei alone, as cells of their own, have the same alphas: straight tracks in water.
    alone = imd.s_values(
        "At-211", cell_radius_um=NUCLEUS_UM, nucleus_radius_um=NUCLEUS_UM,
        distance_um=distance, physics="mird",
    )["s_value"].sel(target="nucleus", source="nucleus", emission="alpha").squeeze()  # fmt: skip
    _, cross, error = found("nucleus")
    assert STANDARD_ERRORS * error < 0.05 * cross
    assert abs(cross - float(alone)) < STANDARD_ERRORS * error
    hits = imd.hit_statistics(
        "At-211", cell_radius_um=CELL_UM, nucleus_radius_um=NUCLEUS_UM,
        nucleus_offset_um=1.5, source="membrane",
    ).squeeze()  # fmt: skip
    mean = hits["hits_per_decay"] * hits["frequency_mean_specific_energy"].sel(per="traversal")
    own, _, _ = found("membrane")
    # 960,000 decays hit 0.15 times: relative standard error below 0.4 %.
    assert own == pytest.approx(float(mean), rel=STANDARD_ERRORS * 0.004)
