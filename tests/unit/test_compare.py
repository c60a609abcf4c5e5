# SPDX-License-Identifier: BSD-3-Clause
"""`compare_mechanisms`: hypotheses that must agree do, those that must differ do, and how much."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import immunodose as imd
from immunodose.cli import main
from immunodose.compare import all_hypotheses, labeled
from immunodose.compare_spread import samples_needed, separations, z_sum
from immunodose.errors import InputError
from immunodose.immune_mechanism import Mechanism
from immunodose.scenario import builtin_scenario
from immunodose.scenario_arms import Beam, CultureArm, Labeling
from immunodose.scenario_culture import Culture, CultureScenario
from immunodose.testing import assert_same_bits, assert_schema


@pytest.fixture(autouse=True)
def _no_validity_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def mechanism(**changes: Any) -> Mechanism:
    plain = {"triggers": "damage", "weighting": "per_gy", "spread": "none", "trex1_window": False}
    return Mechanism(**{**plain, **changes})


ALPHA = Labeling(
    nuclide="Ac-225",
    decays_per_cell=0.5,
    localization=(("membrane", 0.5), ("cytoplasm", 0.5)),
    effective_half_life_h=200.0,
)
BETA = Labeling(nuclide="Lu-177", decays_per_cell=3e3, effective_half_life_h=150.0)


def study(*arms: CultureArm, **changes: Any) -> CultureScenario:
    return CultureScenario(
        **{
            "title": "Alphas and betas",
            "culture": Culture(arrangement="cluster", n_cells=19),
            "arms": arms
            or (
                CultureArm(name="alpha", cell_line="b16k1", label=(ALPHA,)),
                CultureArm(name="beta", cell_line="b16k1", label=(BETA,)),
            ),
            "measured": ("absorbed_dose", "mhc1_surface"),
            "physics": "mird",
            "times_d": (0.0, 3.0, 7.0),
            "mechanism": mechanism(),
            "rng": 4,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def tracks() -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return imd.compare_mechanisms(
            study(), {"per Gy": mechanism(), "per track": mechanism(weighting="per_track")}
        )


def test_all_twelve_hypotheses() -> None:
    found = all_hypotheses()
    assert len(found) == 12
    assert "damage, per Gy, no spread" in found
    assert "membrane, per track, spread by diffusion" in found


def test_what_the_result_holds(tracks: xr.Dataset) -> None:
    assert_schema(tracks)
    assert tracks["hypothesis"].values.tolist() == ["per Gy", "per track"]
    assert tracks["mhc1_surface_mean"].dims == ("hypothesis", "arm", "time")
    assert tracks["separation"].dims == ("outcome", "hypothesis", "other")
    assert set(json.loads(tracks.attrs["mechanisms"])) == {"per Gy", "per track"}
    assert "b16_signaling" in json.loads(tracks.attrs["assumed"])


def test_low_beta_dose_tells_per_track_from_per_gray(tracks: xr.Dataset) -> None:
    """Per track few electrons trigger, so betas stay silent; alphas raise MHC-I under both."""
    end = tracks["mhc1_surface_mean"].isel(time=-1)
    start = tracks["mhc1_surface_mean"].isel(time=0)
    fold = end / start
    assert float(fold.sel(hypothesis="per Gy", arm="beta")) > 1.5
    assert float(fold.sel(hypothesis="per track", arm="beta")) < 1.2
    assert float(fold.sel(hypothesis="per track", arm="alpha")) > 1.2
    pair = tracks.sel(outcome="mhc1_surface", hypothesis="per Gy", other="per track")
    assert str(pair["separation_arm"].values) == "beta"
    assert 2.0 <= float(pair["samples_needed"]) < 100.0
    assert float(pair["mhc1_surface_difference"]) < 0.0


def test_low_alpha_dose_tells_them_apart_too() -> None:
    """Half of the nuclei unhit at 0.13 Gy: per track those stay silent, per Gy the mean counts."""
    few = replace(ALPHA, decays_per_cell=0.5)
    low = study(CultureArm(name="alpha", cell_line="b16k1", label=(few,)))
    pair = {"per Gy": mechanism(), "per track": mechanism(weighting="per_track")}
    found = imd.compare_mechanisms(low, pair)
    start = found["mhc1_surface_mean"].isel(time=0, arm=0)
    fold = (found["mhc1_surface_mean"].isel(time=-1, arm=0) / start).values
    assert fold[0] > 1.15 * fold[1] > 1.15
    assert 0.15 < float(found["separation"].max()) < 1.0


def test_the_separation_is_that_of_its_place(tracks: xr.Dataset) -> None:
    pair = tracks.sel(outcome="mhc1_surface", hypothesis="per Gy", other="per track")
    place = {"arm": str(pair["separation_arm"].values), "time": float(pair["separation_time"])}
    mean = tracks["mhc1_surface_mean"].sel(place).values
    spread = tracks["mhc1_surface_sd"].sel(place).values
    assert float(pair["mhc1_surface_difference"]) == pytest.approx(mean[1] - mean[0])
    both = math.sqrt((spread**2).mean())
    assert float(pair["separation"]) == pytest.approx(abs(mean[1] - mean[0]) / both)


def test_pairs_are_symmetric_and_equal_hypotheses_agree(tracks: xr.Dataset) -> None:
    values = tracks["separation"].sel(outcome="mhc1_surface").values
    np.testing.assert_array_equal(values, values.T)
    assert (np.diag(values) == 0.0).all()
    assert np.isinf(np.diag(tracks["samples_needed"].sel(outcome="mhc1_surface").values)).all()
    difference = tracks["mhc1_surface_difference"].values
    np.testing.assert_array_equal(difference, -difference.T)


def test_without_dose_all_hypotheses_agree() -> None:
    silent = study(CultureArm(name="none", cell_line="b16k1", beam=Beam(dose_Gy=0.0)))
    found = imd.compare_mechanisms(silent, all_hypotheses(spread="well_mixed"))
    assert (found["separation"] == 0.0).all()
    assert np.isinf(found["samples_needed"]).all()


def test_alike_cells_make_spread_invisible() -> None:
    """All cells of one dose and baseline: well mixed or not, each meets what it releases."""
    uniform = study(CultureArm(name="beam", cell_line="b16k1", beam=Beam(dose_Gy=4.0)))
    found = imd.compare_mechanisms(uniform, [mechanism(), mechanism(spread="well_mixed")])
    assert float(found["separation"].max()) == 0.0
    assert np.isinf(found["samples_needed"]).all()


def test_half_irradiated_makes_it_visible() -> None:
    half = study(
        CultureArm(name="half", cell_line="b16k1", beam=Beam(dose_Gy=20.0, irradiated_fraction=0.5))
    )
    found = imd.compare_mechanisms(half, [mechanism(), mechanism(spread="well_mixed")])
    assert float(found["separation"].max()) > 0.02


def test_a_knocked_out_trigger_is_no_trigger() -> None:
    """STING lost: cytosolic DNA has no effect, and differs from damage."""
    beam = study(CultureArm(name="beam", cell_line="b16k1", beam=Beam(dose_Gy=8.0)))
    found = imd.compare_mechanisms(
        beam,
        {
            "sting": mechanism(triggers="sting"),
            "no sting": mechanism(triggers="sting", knockouts=("sting",)),
            "damage": mechanism(),
        },
    )
    mean = found["mhc1_surface_mean"].sel(arm="beam")
    np.testing.assert_allclose(mean.sel(hypothesis="no sting"), mean[0, 0], rtol=1e-6)
    assert float(mean.sel(hypothesis="sting").max()) > 1.1 * float(mean[0, 0])
    assert float(found["separation"].sel(hypothesis="no sting", other="damage").max()) > 0.1


def test_lysis_is_an_outcome_where_it_is_measured() -> None:
    shipped = builtin_scenario("radiation_peptides")
    assert isinstance(shipped, CultureScenario)
    small = replace(shipped, culture=Culture(arrangement="colony", n_cells=40, confluence=0.5))
    found = imd.compare_mechanisms(small, [mechanism(), mechanism(triggers="membrane")])
    assert found["outcome"].values.tolist() == ["mhc1_surface", "immune_kill"]
    assert found["immune_kill"].dims == ("hypothesis", "arm")
    times = found["separation_time"].sel(outcome="immune_kill")
    assert set(np.unique(times)) <= {3.0}
    run = imd.run(small)["immune_kill"]
    np.testing.assert_array_equal(found["immune_kill"].isel(hypothesis=0), run)


def test_mice_have_a_surviving_fraction() -> None:
    mice = replace(
        builtin_scenario("ac225_ta99_b16"),
        n_tumor_cells=100,
        cell_lines=("b16k1",),
        hosts=("immunocompetent",),
        administered_activity_kBq=(0.0, 9.25),
        times_d=(0.0, 7.0, 14.0),
    )
    found = imd.compare_mechanisms(mice, [mechanism(), mechanism(triggers="sting")])
    assert found["outcome"].values.tolist() == ["mhc1_surface", "immune_kill", "surviving_fraction"]
    assert_schema(found)
    untreated = found["mhc1_surface_mean"].isel(arm=0)
    np.testing.assert_allclose(untreated, untreated[0, 0], rtol=1e-6)
    assert str(found["separation_arm"].sel(outcome="mhc1_surface").values[0, 1]).endswith(
        "9.25 kBq"
    )


def test_equal_bits_for_any_number_of_threads() -> None:
    pair = [mechanism(), mechanism(spread="well_mixed")]
    one, two = (imd.compare_mechanisms(study(), pair, n_threads=n) for n in (1, 2))
    assert_same_bits(one, two)


def test_progress_reaches_its_total() -> None:
    seen: list[tuple[int, int, str]] = []
    pair = [mechanism(), mechanism(triggers="sting")]
    imd.compare_mechanisms(study(), pair, progress=lambda *step: seen.append(step))
    assert seen[-1][:2] == (4, 4)


@pytest.mark.parametrize(
    ("hypotheses", "message"),
    [
        ([], "0 hypotheses are nothing to compare"),
        ([mechanism()], "1 hypotheses are nothing to compare"),
        ([mechanism(), mechanism()], "'damage, per Gy, no spread' stands twice"),
        ({"a": mechanism(), "b": mechanism()}, "stands twice"),
        ([mechanism(), "damage"], "invalid hypothesis 'damage'"),
    ],
)
def test_hypotheses_that_cannot_be_compared(hypotheses: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.compare_mechanisms(study(), hypotheses)


def test_a_culture_without_mhc1() -> None:
    blind = study(measured=("absorbed_dose",), times_d=(), mechanism=None)
    with pytest.raises(InputError, match='does not measure "mhc1_surface"'):
        imd.compare_mechanisms(blind, [mechanism(), mechanism(triggers="sting")])


def test_membranes_need_a_thickness() -> None:
    with pytest.raises(InputError, match='needs membrane doses, which physics="mird"'):
        imd.compare_mechanisms(study())
    with pytest.raises(InputError, match="give hypotheses without the trigger"):
        imd.compare_mechanisms(builtin_scenario("ac225_ta99_b16"))


@pytest.mark.parametrize("name", ["significance", "power"])
@pytest.mark.parametrize("value", [0.0, 1.0, 5.0, True])
def test_significance_and_power(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"invalid {name}="):
        imd.compare_mechanisms(study(), **{name: value})


def test_labels_say_what_differs() -> None:
    found = labeled([mechanism(trex1_window=True, knockouts=("trex1",), inhibition={"atm": 0.5})])
    assert list(found) == [
        "damage, per Gy, no spread, TREX1 window, no trex1, atm inhibited by 0.5"
    ]
    with pytest.raises(InputError, match="invalid spread='none'"):
        all_hypotheses(spread="none")


@given(
    st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=5),
    st.floats(0.1, 3.0),
)
def test_separation_of_one_place(means: list[float], spread: float) -> None:
    mean = np.array(means)[:, None]
    found, place = separations(mean, np.full(mean.shape, spread))
    np.testing.assert_allclose(found, np.abs(mean - mean.T) / spread)
    assert not place.any()


def test_a_difference_within_the_error_of_the_models_is_none() -> None:
    mean = np.array([[1000.0], [1001.0], [1010.0]])
    found, _ = separations(mean, np.full((3, 1), 10.0), tolerance=2e-3)
    np.testing.assert_allclose(found, [[0.0, 0.0, 1.0], [0.0, 0.0, 0.9], [1.0, 0.9, 0.0]])


def test_a_difference_without_spread_is_certain() -> None:
    found, _ = separations(np.array([[0.0], [1.0]]), np.zeros((2, 1)))
    assert math.isinf(found[0, 1])
    assert samples_needed(found, 3.24)[0, 1] == 2.0


def test_samples_give_the_power_that_they_promise() -> None:
    """Two-sample z tests on simulated cells: power 0.9 within 4 standard errors (1e-4 wrong)."""
    z = z_sum(0.05, 0.9)
    n = int(samples_needed(np.array([0.5]), z)[0])
    random = np.random.default_rng(12)
    repeats = 20_000
    shift = 0.5 + random.standard_normal(repeats) * math.sqrt(2.0 / n)
    share = float((np.abs(shift) > 1.959964 * math.sqrt(2.0 / n)).mean())
    assert abs(share - 0.9) < 4.0 * math.sqrt(0.09 / repeats) + 2e-3


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, output = tmp_path / "study.toml", tmp_path / "out.nc"
    beam = CultureArm(name="beam", cell_line="b16k1", beam=Beam(dose_Gy=4.0))
    file.write_text(study(beam).to_toml(), encoding="utf-8")
    assert main(["compare", str(file), "-o", str(output)]) == 0
    table = capsys.readouterr().out
    assert "cells needed" in table
    assert table.count("\n") > 66
    assert imd.load(output).sizes["hypothesis"] == 12
