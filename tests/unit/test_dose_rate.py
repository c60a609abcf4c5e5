# SPDX-License-Identifier: BSD-3-Clause
"""Dose rates in time against stepped chains and all pairs, and every error."""

from __future__ import annotations

import functools
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import dose_rate as oracle

import immunodose as imd
from immunodose.data.chains import chain_structure
from immunodose.errors import InputError, UnitError
from immunodose.source_time import (
    Chain,
    Exponentials,
    TimeCourses,
    courses_of_chains,
    exponentials,
)
from immunodose.testing import assert_same_bits, assert_schema

TIMES_H = np.array([0.0, 0.5, 3.0, 30.0, 200.0])
SPLIT = {"membrane": 0.6, "cytoplasm": 0.4}


def lattice(n: int = 3) -> xr.Dataset:
    return imd.cells.lattice(
        shape=(n, 1, 1), spacing_um=15.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )


def rate_of(cells: xr.Dataset, **options: Any) -> xr.Dataset:
    given = {"time_h": TIMES_H, "physics": "mird", "n_threads": 1, "targets": ["nucleus"]}
    return imd.absorbed_dose_rate(cells, **{**given, **options})


@functools.cache
def lutetium() -> xr.Dataset:
    return imd.label(
        lattice(),
        "Lu-177",
        decays_per_cell=50.0,
        weights=[1.0, 2.0, 0.0],
        localization=SPLIT,
        effective_half_life_h=70.0,
    )


@functools.cache
def moving_chain() -> xr.Dataset:
    """225Ac whose francium leaves in part and whose bismuth is cleared."""
    return imd.label(
        lattice(),
        "Ac-225",
        decays_per_cell=2.0,
        weights=[1.0, 3.0, 0.0],
        localization=SPLIT,
        effective_half_life_h=60.0,
        retention={"Fr-221": 0.6},
        progeny_biological_half_life_h={"Bi-213": 0.5},
    )


@functools.cache
def moving_rate() -> xr.Dataset:
    return rate_of(moving_chain())


def stepped() -> dict[str, np.ndarray]:
    solved = chain_structure("Ac-225")
    members = solved.members
    chain = [
        (
            name,
            float(solved.half_life_s[i]),
            {
                members[d]: float(f)
                for p, d, f in zip(
                    solved.parent_index, solved.daughter_index, solved.branching, strict=True
                )
                if p == i and d >= 0
            },
        )
        for i, name in enumerate(members)
    ]
    per_s = math.log(2.0) / 3600.0
    return oracle.stepped_activity(
        chain, per_s / 60.0, {"Fr-221": 0.6}, {"Bi-213": per_s / 0.5}, TIMES_H * 3600.0
    )


def test_chain_with_moving_daughters_equals_the_stepped_chain_over_all_pairs() -> None:
    activity = stepped()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # progeny that chain=False leaves out, on purpose
        emitters = {name: imd.emissions(name, chain=False) for name in activity}
    decays = moving_chain()["time_integrated_activity"].values[0]
    expected = oracle.rate_to_nuclei(lattice(), decays, emitters, activity) * 3600.0
    found = moving_rate()["absorbed_dose_rate"].sel(target="nucleus").values
    np.testing.assert_allclose(found, expected, rtol=3e-4)
    # The delay shows: without progeny at time 0 the rate starts lower than it is at 3 h.
    assert (found[:, 2] > 1.5 * found[:, 0]).all()


def test_members_follow_the_stepped_chain() -> None:
    courses = TimeCourses.from_json(moving_rate().attrs["time_courses"])
    activity = stepped()
    names = [str(name).split(": ")[1] for name in moving_rate()["component"].values]
    density = courses.density_per_s(TIMES_H * 3600.0)
    decays = courses.delivered(np.array([1e12]))
    np.testing.assert_allclose(decays, 1.0, rtol=1e-10)
    for name, found in zip(names, density, strict=True):
        total = float(
            moving_chain_decays()[name]  # decays per decay of the parent
        )
        np.testing.assert_allclose(found * total, activity[name], rtol=1e-5, atol=1e-13)


def moving_chain_decays() -> dict[str, float]:
    solved = chain_structure("Ac-225", retention=stored_retention())
    return dict(zip(solved.members, solved.decays_per_parent_decay.tolist(), strict=True))


def stored_retention() -> dict[str, float]:
    row = moving_chain()["retention"].sel(nuclide="Ac-225")
    pairs = zip(row["progeny"].values.tolist(), row.values.tolist(), strict=True)
    return {name: value for name, value in pairs if value != 1.0}


def test_cleared_progeny_have_the_retention_of_their_rates() -> None:
    half_life_h = float(chain_structure("Bi-213").half_life_s[0]) / 3600.0
    expected = (1.0 / half_life_h) / (1.0 / half_life_h + 1.0 / 0.5)
    assert stored_retention()["Bi-213"] == pytest.approx(expected, rel=1e-14)
    assert stored_retention()["Fr-221"] == 0.6


@pytest.mark.parametrize("physics", ["mird", "kernel"])
def test_integral_over_time_is_the_absorbed_dose(physics: Any) -> None:
    cells = moving_chain() if physics == "mird" else lutetium()
    dose = imd.absorbed_dose(cells, physics=physics, split=("target",), n_threads=1)
    found = rate_of(cells, physics=physics)["absorbed_dose_component"].sum("component")
    expected = dose["absorbed_dose"].sel(target=["nucleus"])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_dose_rates_integrate_to_the_dose_of_the_components() -> None:
    # Gauss-Legendre in ln t, from long before the fastest member that matters (0.06 h) to the end.
    x, w = np.polynomial.legendre.leggauss(16)
    edges = np.linspace(math.log(1e-7), math.log(4000.0), 40)
    half = 0.5 * np.diff(edges)[:, None]
    nodes = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * x).ravel()
    result = rate_of(moving_chain(), time_h=np.exp(nodes))
    weight = (half * w).ravel() * np.exp(nodes)
    dose = result["absorbed_dose_component"].sum("component").values
    np.testing.assert_allclose(result["absorbed_dose_rate"].values @ weight, dose, rtol=1e-6)


def test_rates_add_and_scale() -> None:
    both = imd.label(lutetium(), "Lu-177", decays_per_cell=30.0, effective_half_life_h=5.0)
    alone = imd.label(lattice(), "Lu-177", decays_per_cell=30.0, effective_half_life_h=5.0)
    total = rate_of(both, split=("nuclide", "target", "origin"))
    first, second = (rate_of(c, split=("target", "origin")) for c in (lutetium(), alone))
    name = "absorbed_dose_rate"
    np.testing.assert_allclose(total[name].isel(nuclide=0), first[name], rtol=1e-12)
    np.testing.assert_allclose(total[name].isel(nuclide=1), second[name], rtol=1e-12)
    doubled = lutetium().copy(deep=True)
    doubled["time_integrated_activity"].values[:] *= 2.0
    np.testing.assert_allclose(rate_of(doubled)[name], 2.0 * first[name].sum("origin"), rtol=1e-12)
    np.testing.assert_allclose(
        rate_of(both)[name], total[name].sum(("nuclide", "origin")), rtol=1e-12
    )


def test_permuted_cells_and_other_threads_give_the_same_bits() -> None:
    order = [2, 0, 1]
    name = "absorbed_dose_rate"
    original = rate_of(lutetium(), split=("target", "emission"))
    permuted = rate_of(lutetium().isel(cell=order), split=("target", "emission"))
    assert_same_bits(permuted[name].values, original[name].values[order])
    if imd.threads.available_cpus() > 1:
        assert_same_bits(
            rate_of(lutetium(), split=("target", "emission"), n_threads=2)[name].values,
            original[name].values,
        )


def test_split_dtype_and_targets() -> None:
    full = rate_of(lutetium(), split=("target", "emission", "origin"), targets=None)
    assert_schema(full)
    name = "absorbed_dose_rate"
    assert full[name].dims == ("cell", "target", "emission", "origin", "time")
    assert full[name].attrs["units"] == "Gy h-1"
    assert np.isnan(full[name].sel(target="membrane")).all()
    np.testing.assert_allclose(full["time"], TIMES_H / 24.0)
    nucleus = rate_of(lutetium(), split=(), targets=None)
    assert nucleus[name].dims == ("cell", "time")
    summed = full[name].sel(target="nucleus").sum(("emission", "origin"))
    np.testing.assert_allclose(nucleus[name], summed, rtol=1e-12)
    small = rate_of(lutetium(), split=(), targets=None, dtype="float32")
    assert small[name].dtype == small["absorbed_dose_component"].dtype == np.float32
    np.testing.assert_array_equal(small[name], nucleus[name].values.astype(np.float32))
    scalar = rate_of(lutetium(), time_h=3.0, split=(), targets=None, merge=False)
    assert scalar[name].dims == ("cell",)
    np.testing.assert_array_equal(scalar[name], nucleus[name].isel(time=2))
    assert set(scalar.data_vars) == {name, "absorbed_dose_component"}
    cytoplasm = rate_of(lutetium(), split=(), targets=["cytoplasm"])
    np.testing.assert_allclose(
        cytoplasm[name], full[name].sel(target="cytoplasm").sum(("emission", "origin")), rtol=1e-12
    )


def test_half_lives_given_late_equal_those_of_label() -> None:
    late = imd.label(
        lattice(), "Lu-177", decays_per_cell=50.0, weights=[1.0, 2.0, 0.0], localization=SPLIT
    )
    expected = rate_of(lutetium())["absorbed_dose_rate"].values
    for given in (70.0, {"Lu-177": 70.0}):
        found = rate_of(late, effective_half_life_h=given)["absorbed_dose_rate"]
        assert_same_bits(found.values, expected)
        stored = rate_of(late, effective_half_life_h=given)["activity_rate_constant"]
        np.testing.assert_array_equal(stored, lutetium()["activity_rate_constant"])
    stays = rate_of(late, effective_half_life_h="physical")["absorbed_dose_rate"].isel(cell=0)
    half_life_h = float(chain_structure("Lu-177").half_life_s[0]) / 3600.0
    np.testing.assert_allclose(
        stays[0, 1:] / stays[0, 0], np.exp(-math.log(2.0) * TIMES_H[1:] / half_life_h), rtol=1e-12
    )


def test_medium_with_a_time_course_of_its_own() -> None:
    options: dict[str, Any] = {"decays_per_cell": 50.0, "effective_half_life_h": 70.0}
    medium = {"medium_decays_per_um3": 0.01}
    together = rate_of(imd.label(lattice(), "Lu-177", **options, **medium))
    apart = rate_of(
        imd.label(lattice(), "Lu-177", **options, **medium, medium_effective_half_life_h=2.0)
    )
    alone = rate_of(imd.label(lattice(), "Lu-177", **options))
    name, late = "absorbed_dose_rate", TIMES_H.size - 1
    of_medium = together[name] - alone[name]
    assert (of_medium > 0.0).all()
    assert apart.sizes["component"] == 2
    assert apart["component"].values[1] == "Lu-177 in medium: Lu-177"
    # Same decays, 35 times faster.
    np.testing.assert_allclose(
        (apart[name] - alone[name]).isel(time=0), 35.0 * of_medium.isel(time=0), rtol=1e-9
    )
    np.testing.assert_allclose(apart[name].isel(time=late), alone[name].isel(time=late), rtol=1e-9)


def with_amplitudes(cells: xr.Dataset, rates_h: list[float], parts: list[float]) -> xr.Dataset:
    """Cells whose stored decays come in exponentials of given rates (h-1) and shares."""
    decays = cells["time_integrated_activity"].transpose("nuclide", "cell", "source").values
    per_s = np.array(rates_h) / 3600.0
    amplitude = decays[..., None] * np.array(parts) * per_s
    return cells.drop_vars("activity_rate_constant", errors="ignore").assign(
        activity_amplitude=(("nuclide", "cell", "source", "exponential"), amplitude),
        activity_rate_constant=(("exponential",), per_s),
    )


def test_amplitudes_of_cells_with_an_uptake_phase() -> None:
    shape = xr.Dataset(
        {
            "activity_amplitude": ("exponential", [5.0, -5.0]),
            "activity_rate_constant": ("exponential", np.array([0.01, 0.4]) / 3600.0),
        }
    )
    options: dict[str, Any] = {"decays_per_cell": 50.0, "localization": SPLIT}
    labeled = imd.label(lattice(), "Lu-177", kinetics=shape, **options)
    assert labeled["activity_rate_constant"].dims == ("nuclide", "exponential")
    np.testing.assert_allclose(labeled["activity_exponential_share"].sum("exponential"), 1.0)
    assert_schema(labeled)
    expected = rate_of(labeled)
    np.testing.assert_allclose(expected["absorbed_dose_rate"].isel(time=0), 0.0, atol=1e-15)
    assert expected.sizes["component"] == 1  # one sum over cells
    share = [1.0 / 0.01, -1.0 / 0.4]
    own = with_amplitudes(
        imd.label(lattice(), "Lu-177", **options),
        [0.01, 0.4],
        [value / sum(share) for value in share],
    )
    found = rate_of(own)
    assert found.sizes["component"] == 2
    np.testing.assert_allclose(
        found["absorbed_dose_rate"], expected["absorbed_dose_rate"], rtol=1e-10, atol=1e-15
    )


def test_each_region_of_each_cell_can_have_its_own_rate() -> None:
    base = imd.label(lattice(), "Lu-177", decays_per_cell=50.0, localization=SPLIT)
    decays = base["time_integrated_activity"].values
    rate = np.full(decays.shape[1:], 0.02) / 3600.0
    rate[1, 2] = 0.5 / 3600.0  # the membrane of cell 1
    own = base.assign(
        activity_amplitude=(
            ("nuclide", "cell", "source", "exponential"),
            (decays * rate)[..., None],
        ),
        activity_rate_constant=(("cell", "source", "exponential"), rate[..., None]),
    )
    fast, slow = (base.copy(deep=True) for _ in range(2))
    fast["time_integrated_activity"].values[0] *= rate == rate[1, 2]
    slow["time_integrated_activity"].values[0] *= rate == rate[0, 0]
    expected = sum(
        rate_of(cells, effective_half_life_h=math.log(2.0) / per_h)["absorbed_dose_rate"].values
        for cells, per_h in ((fast, 0.5), (slow, 0.02))
    )
    np.testing.assert_allclose(rate_of(own)["absorbed_dose_rate"], expected, rtol=1e-12)


def test_emissions_of_a_chain_equal_its_name() -> None:
    table = imd.emissions("At-211", retention={"Po-211": 0.5})
    options: dict[str, Any] = {"decays_per_cell": 5.0, "effective_half_life_h": 7.0}
    by_name = imd.label(lattice(), "At-211", retention={"Po-211": 0.5}, **options)
    found = rate_of(imd.label(lattice(), table, **options))["absorbed_dose_rate"]
    np.testing.assert_allclose(found, rate_of(by_name)["absorbed_dose_rate"], rtol=1e-9)
    short = imd.emissions("At-211", chain_horizon_d=5)
    with pytest.raises(InputError, match="not when they decay"):
        rate_of(imd.label(lattice(), short, **options))


def test_equal_rates_in_a_chain_are_no_special_case() -> None:
    a = 0.3
    one = exponentials([a])
    chain = TimeCourses(
        np.array([a, a]),
        np.array([0]),
        np.array([0]),
        np.array([1]),
        np.ones(1),
        np.array([[0.0, 1.0]]),
    )
    t = np.array([0.0, 1e-6, 1.0, 30.0])
    np.testing.assert_allclose(chain.density_per_s(t)[0], a * a * t * np.exp(-a * t), rtol=1e-12)
    np.testing.assert_allclose(
        chain.delivered(t)[0], 1.0 - (1.0 + a * t) * np.exp(-a * t), rtol=1e-9, atol=1e-16
    )
    np.testing.assert_allclose(one.delivered(t)[0], 1.0 - np.exp(-a * t), atol=1e-15)


def test_no_activity_gives_exact_zeros() -> None:
    zero = imd.label(lattice(), "Lu-177", decays_per_cell=0.0, effective_half_life_h=70.0)
    result = rate_of(zero)
    assert (result["absorbed_dose_rate"] == 0.0).all()
    factor = imd.lea_catcheside(result, repair_half_time_min=60.0)["lea_catcheside_factor"]
    assert (factor == 1.0).all()


def test_attributes_state_what_was_done() -> None:
    attrs = rate_of(lutetium()).attrs
    sweeps = json.loads(attrs["dose_rate_summation"])
    assert {emission for sweep in sweeps for emission in sweep["emissions"]} >= {"beta", "auger_ce"}
    assert attrs["dose_rate_physics"] == "mird"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_h": [-1.0, 0.0]}, r"time_h\[0\] = -1.0"),
        ({"time_h": [0.0, np.nan]}, r"time_h\[1\] = nan"),
        ({"time_h": [0.0, np.inf]}, r"time_h\[1\] = inf"),
        ({"time_h": [2.0, 1.0]}, "ascending"),
        ({"time_h": [1.0, 1.0]}, "ascending"),
        ({"time_h": []}, "not empty"),
        ({"time_h": [[1.0]]}, "invalid time_h"),
        ({"time_h": "now"}, "invalid time_h"),
        ({"split": ("time",)}, "unknown dim 'time'"),
        ({"targets": ["nucleolus"]}, "Did you mean 'nucleus'"),
        ({"targets": []}, "not none"),
        ({"targets": ["nucleus", "cell"], "split": ()}, "do not add"),
        ({"dtype": "float16"}, "unknown dtype"),
        ({"rtol": 1.0}, "invalid rtol"),
        ({"effective_half_life_h": 3.0}, "has no effect"),
    ],
)
def test_messages(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rate_of(lutetium(), **options)


def test_messages_about_the_time_course() -> None:
    bare = imd.label(lattice(), "Lu-177", decays_per_cell=50.0)
    with pytest.raises(InputError, match=r"Call immunodose.label\(..., effective_half_life_h"):
        rate_of(bare)
    with pytest.raises(InputError, match=r"Call immunodose.label\(cells"):
        rate_of(lattice())
    for given, message in (("biological", "invalid"), ({"Y-90": 1.0}, "names 'Y-90'"), (-1, "> 0")):
        with pytest.raises(InputError, match=message):
            rate_of(bare, effective_half_life_h=given)
    with pytest.raises(UnitError, match="Give hours"):
        rate_of(bare, effective_half_life_h=1e4)
    good = with_amplitudes(bare, [0.02], [1.0])
    rate_of(good)
    with pytest.raises(InputError, match="has no effect"):
        rate_of(good, effective_half_life_h=1.0)
    with pytest.raises(InputError, match="Assign the sum"):
        rate_of(with_amplitudes(bare, [0.02], [1.1]))
    with pytest.raises(InputError, match="rate > 0"):
        rate_of(good.assign(activity_rate_constant=(("exponential",), [-1.0])))
    with pytest.raises(InputError, match="needs activity_rate_constant"):
        rate_of(good.drop_vars("activity_rate_constant"))
    with pytest.raises(InputError, match="allowed with activity_amplitude"):
        rate_of(good.assign(activity_rate_constant=(("nuclide",), [1e-6])))
    with pytest.raises(InputError, match="allowed here"):
        rate_of(good.assign(activity_amplitude=(("nuclide",), [1.0])))
    with pytest.raises(InputError, match="Label all agents first"):
        imd.label(good, "Y-90", decays_per_cell=1.0)
    many = np.linspace(0.01, 0.1, 65).tolist()
    with pytest.raises(InputError, match="65 distinct values"):
        rate_of(with_amplitudes(bare, many, [1.0 / 65] * 65))
    wet = imd.label(lattice(), "Lu-177", decays_per_cell=50.0, medium_decays_per_um3=0.1)
    with pytest.raises(InputError, match="medium_effective_half_life_h"):
        rate_of(with_amplitudes(wet, [0.02], [1.0]))


def test_times_of_an_earlier_result_are_not_mixed() -> None:
    first = rate_of(lutetium())
    again = rate_of(first)  # same times
    assert_same_bits(again["absorbed_dose_rate"].values, first["absorbed_dose_rate"].values)
    other = first.assign(mhc1_surface=(("cell", "time"), np.ones((3, TIMES_H.size))))
    with pytest.raises(InputError, match="merge=False"):
        rate_of(other, time_h=[1.0, 2.0])


def test_a_saved_dose_rate_gives_the_same_factor(tmp_path: Path) -> None:
    result = moving_rate()
    imd.save(result, tmp_path / "rate.nc")
    loaded = imd.load(tmp_path / "rate.nc")
    first, again = (
        imd.lea_catcheside(ds, parameters="b16f10")["lea_catcheside_factor"].values
        for ds in (result, loaded)
    )
    assert_same_bits(again, first)


def test_long_lists_of_time_courses_can_be_saved(tmp_path: Path) -> None:
    chain = Chain(
        ("a", "b", "c", "d"),
        np.array([1.0, 2.0, 3.0, 4.0]) / 3.0,
        np.array([0, 1, 2]),
        np.array([1, 2, 3]),
        np.array([0.9, 0.7, 1.0]),
        np.array([1.0, 0.9, 0.63, 0.63]),
    )
    rates = np.linspace(0.01, 0.1, 64) / 7.0
    parts = [(chain, Exponentials((rate,), (1.0,)), chain.members) for rate in rates.tolist()]
    courses = courses_of_chains(parts)
    assert courses.weight.shape == (256, 256)
    np.testing.assert_allclose(courses.delivered(np.array([1e6])), 1.0, rtol=1e-12)
    text = courses.to_json()
    imd.save(xr.Dataset(attrs={"time_courses": text}), tmp_path / "many.nc")
    assert imd.load(tmp_path / "many.nc").attrs["time_courses"] == text
    assert TimeCourses.from_json(text).to_json() == text
