# SPDX-License-Identifier: BSD-3-Clause
"""Laws of killing, PD-1, NK cells: kernels against NumPy oracles, choices, messages."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp
from tests.reference import killing as oracle
from tests.unit.test_immune import HOST, LINE, cells_with

import immunodose as imd
from immunodose import _core, immune_laws
from immunodose.data.parameters import resolve
from immunodose.errors import InputError
from immunodose.immune_checkpoint import antibody_course
from immunodose.immune_killers import KillParameters
from immunodose.immune_laws import KillingInputs
from immunodose.schema import validate

KILLING = resolve("ctl_nk", treg_to_target_ratio=0.1, treg_half_suppression=0.2)
SETS: Any = {"tumor": LINE, "killing": KILLING}
BOTH = KillParameters(HOST, KILLING)
LAWS = ("mass_action", "saturating", "double_saturation", "de_pillis", "multi_hit")
ANTIBODY = {"agent": "anti_pdl1", "amount_nmol": 1.33, "time_d": [0.0, 2.0]}


@pytest.fixture
def own_laws() -> Iterator[None]:
    """Forget the laws that a test registers."""
    before = dict(immune_laws._LAWS)
    yield
    immune_laws._LAWS.clear()
    immune_laws._LAWS.update(before)


def seen(ds: xr.Dataset) -> xr.Dataset:
    """Add what PD-1 and NK cells look at."""
    n = ds.sizes["cell"]
    return ds.assign(pdl1_fold=("cell", np.full(n, 2.0)), nk_ligand_fold=("cell", np.ones(n)))


# kernels


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("power", [1.0, 2.0, 2.7])
@pytest.mark.parametrize("at_least", [0, 1, 3])
def test_susceptibility_equals_the_formulas(dtype: Any, power: float, at_least: int) -> None:
    rng = np.random.default_rng(3)
    pmhc = rng.lognormal(1.0, 3.0, 5000).astype(dtype)
    pmhc[:3] = 0.0
    fold = rng.uniform(0.0, 8.0, pmhc.size).astype(dtype)
    recognized, out = np.zeros_like(pmhc), np.zeros_like(pmhc)
    _core.immune.susceptibility(
        pmhc=pmhc, pdl1_fold=fold, at_least=at_least, half=3.0, power=power, proofread=0.5,
        free_share=0.3, pdl1_half=1.5, pdl1_power=power, recognition=recognized, out=out,
        n_threads=2,
    )  # fmt: skip
    f = oracle.recognition(
        pmhc.astype(float), half=3.0, power=power, at_least=at_least, proofread=0.5
    )
    left = oracle.pd1_left(fold.astype(float), free=0.3, half=1.5, power=power)
    rtol = 2e-8 if dtype is np.float64 else 3e-7
    np.testing.assert_allclose(recognized, f, rtol=rtol, atol=1e-37)
    np.testing.assert_allclose(out, f * left, rtol=2 * rtol, atol=1e-37)
    assert (out[:3] == 0.0).all()


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_missing_self_equals_the_formula(power: float) -> None:
    mhc1 = np.geomspace(1e-3, 1e7, 999)
    ligand = np.linspace(1.0, 3.0, mhc1.size)
    out = np.zeros(mhc1.size)
    _core.immune.missing_self(mhc1=mhc1, ligand=ligand, half=5e3, power=power, out=out, n_threads=1)
    np.testing.assert_allclose(out, ligand / (1.0 + (mhc1 / 5e3) ** power), rtol=3e-8)
    _core.immune.missing_self(mhc1=None, ligand=None, half=1.0, power=1.0, out=out, n_threads=1)
    assert (out == 1.0).all()


def test_arrays_of_other_types_or_sizes_are_refused() -> None:
    out = np.zeros(3)
    with pytest.raises(TypeError):
        _core.immune.missing_self(
            mhc1=np.zeros(3, np.float32), ligand=None, half=1.0, power=1.0, out=out, n_threads=1
        )
    with pytest.raises(InputError, match="mhc1: got 2 values, expected 3"):
        _core.immune.missing_self(
            mhc1=np.zeros(2), ligand=None, half=1.0, power=1.0, out=out, n_threads=1
        )


@pytest.mark.parametrize("hit_per_d", [0.0, 0.5, 40.0, 5e4])
@pytest.mark.parametrize("n_hits", [1, 3, 8])
def test_the_hit_chain_equals_the_matrix_exponential(hit_per_d: float, n_hits: int) -> None:
    hits = np.zeros((1, n_hits))
    hits[0, 0] = 1.0
    step = np.zeros(1)
    _core.immune.advance_hits(
        rate=np.ones(1), weight_before=0.005 * hit_per_d, weight_now=0.005 * hit_per_d,
        before=np.ones(1), n_hits=n_hits, recovery_per_d=28.8, step_d=0.01, hits=hits,
        exponent=step, n_threads=1,
    )  # fmt: skip
    dead = oracle.hit_death(hit_per_d, 28.8, n_hits, 0.01)
    assert -math.expm1(-step[0]) == pytest.approx(dead, rel=1e-9, abs=1e-300)


# laws


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(("effectors", "targets"), [(0.001, 1.0), (0.3, 0.2), (5.0, 1e-6)])
def test_laws_equal_their_formulas(name: str, effectors: float, targets: float) -> None:
    law = immune_laws.killing_law(name)
    assert law.strength is not None
    found = law.strength(effectors, targets, BOTH)
    assert found == pytest.approx(oracle.law(name, effectors, targets, BOTH.value), rel=1e-12)
    assert law.strength(0.0, targets, BOTH) == 0.0
    assert math.isfinite(law.strength(effectors, 0.0, BOTH))


def test_laws_agree_where_they_must() -> None:
    """Few effectors, untreated tumor: k E. No target half-saturation: k E/T."""
    few = 1e-6
    for name in LAWS[:3]:
        law = immune_laws.killing_law(name)
        assert law.strength is not None
        assert law.strength(few, 1.0, BOTH) == pytest.approx(2.0 * few, rel=1e-5)
    handling = KillParameters(
        HOST, resolve(KILLING, target_half_saturation=0.0, effector_half_saturation=1e6)
    )
    law = immune_laws.killing_law("double_saturation")
    assert law.strength is not None
    assert law.strength(0.01, 0.1, handling) == pytest.approx(2.0 * 0.01 / 0.1, rel=1e-5)


@pytest.mark.parametrize("law", LAWS)
def test_a_frozen_hazard_is_exact_for_any_law(law: str) -> None:
    """No radiation, steady E, few enough that T stays 1: as one step of the oracle."""
    ds = cells_with(survival=[1.0] * 50, mhc1=[6000.0] + [0.0] * 49)
    out = imd.kill_probability(
        ds, parameters=SETS, host=HOST, time_d=[0.5, 3.0], law=law, effector_to_target_ratio=1e-4
    )
    hazard = oracle.law(law, 1e-4, 1.0, BOTH.value) * 6.0 / 9.0
    times = np.array([0.5, 3.0])
    expected = 1.0 - np.exp(-hazard * times)
    if law == "multi_hit":
        expected = np.array([oracle.hit_death(hazard, 28.8, 3, t) for t in times])
        np.testing.assert_allclose(out.kill_probability_ctl[0], expected, rtol=1e-4)
        return
    # T falls by the kill of 1 cell in 50, which only two laws see
    exact = law in ("mass_action", "saturating")
    np.testing.assert_allclose(out.kill_probability_ctl[0], expected, rtol=1e-11 if exact else 1e-3)
    assert (out.kill_probability_ctl[1:] == 0.0).all()


def test_mass_action_by_name_equals_the_plain_call() -> None:
    ds = cells_with(survival=[0.2, 0.7, 1.0], mhc1=[500.0, 4000.0, 2e4])
    options: dict[str, Any] = {"parameters": SETS, "host": HOST, "time_d": [0.0, 3.0, 12.0]}
    plain = imd.kill_probability(ds, **options)
    named = imd.kill_probability(ds, **options, law="mass_action", merge=False)
    assert "kill_probability_ctl" not in plain
    for name in plain.data_vars:
        if name in named:
            np.testing.assert_allclose(named[name], plain[name], rtol=3e-4, atol=1e-7)
    np.testing.assert_allclose(
        named.kill_probability_ctl, named.kill_probability_immune, atol=1e-15
    )
    assert named.attrs["kill_law"] == "mass_action"
    validate(named)


def test_radiation_ctl_and_nk_equal_the_euler_oracle() -> None:
    """Two components of one course, T-dependent law, missing self and priming together."""
    survival, mhc1 = [0.3, 0.8, 1.0], np.array([500.0, 4000.0, 2e4])
    ds = seen(cells_with(survival=survival, mhc1=mhc1.tolist()))
    time_d = 6.0
    out = imd.kill_probability(
        ds, parameters=SETS, host=HOST, time_d=time_d, law="double_saturation", nk="missing_self",
        effector_to_target_ratio=0.2, effector_priming_gain=0.0, nk_to_target_ratio=0.5,
        nk_priming_rate=2.0,
    )  # fmt: skip
    pmhc = 1e-3 * mhc1
    found = oracle.two_killers(
        np.log(survival).tolist(), rate_per_d=0.3, time_d=time_d,
        ctl=lambda t, targets: (
            oracle.law("double_saturation", 0.2, targets, BOTH.value) * pmhc / (pmhc + 3.0)
        ),
        nk=1.0 / (1.0 + (mhc1 / 5e3) ** 4), nk_rate_per_d=2.0 * 0.5, priming_per_d=2.0,
    )  # fmt: skip
    for name, key in (
        ("kill_probability_ctl", "net_ctl"),
        ("kill_probability_nk", "net_nk"),
        ("kill_fraction_radiation", "radiation"),
        ("kill_fraction_ctl", "ctl"),
        ("kill_fraction_nk", "nk"),
    ):
        np.testing.assert_allclose(out[name], found[key], rtol=2e-3, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(1.0 - out.kill_probability, found["alive"], rtol=2e-3)


def test_suppression_and_pd1_scale_the_hazard() -> None:
    ds = seen(cells_with(survival=[1.0], mhc1=[6000.0]))
    options: dict[str, Any] = {
        "parameters": SETS, "host": HOST, "time_d": 2.0, "law": "mass_action",
        "effector_to_target_ratio": 0.01,
    }  # fmt: skip

    def exponent(**more: Any) -> float:
        out = imd.kill_probability(ds, **options, **more)
        return -math.log1p(-float(out.kill_probability_ctl[0]))

    plain = exponent()
    assert exponent(treg=True) == pytest.approx(plain / 1.5, rel=1e-9)
    assert exponent(pd1=True) == pytest.approx(plain / (1.0 + (2.0 / 3.0) ** 2), rel=1e-9)
    proofread = exponent(proofreading=True, proofreading_steps=2.0)
    assert proofread == pytest.approx(plain * (1.5 / 4.5) / (6.0 / 9.0), rel=1e-9)
    counted = exponent(recognition="at_least_k", pmhc_needed=1.0)
    assert counted == pytest.approx(plain * (1.0 - math.exp(-6.0)) / (6.0 / 9.0), rel=1e-9)


# antibody


def test_concentration_equals_the_ode() -> None:
    course = antibody_course(ANTIBODY)
    times = np.array([0.5, 1.9, 4.0, 30.0])
    v, ka, ke = 0.003, 8.0, 0.15
    state, last, found = np.array([1.33, 0.0]), 0.0, []
    for stop, dose in ((2.0, 1.33), (30.0, 0.0)):
        inside = times[(times > last) & (times <= stop)]
        solution = solve_ivp(
            lambda t, y: [-ka * y[0], ka * y[0] / v - ke * y[1]], (last, stop), state,
            t_eval=[*inside, stop] if stop not in inside else inside, rtol=1e-10, atol=1e-12,
            method="LSODA",
        )  # fmt: skip
        found.extend(solution.y[1][: inside.size])
        state, last = solution.y[:, -1] + [dose, 0.0], stop
    np.testing.assert_allclose(course.concentration_nM(times), found, rtol=1e-6)
    occupancy = course.occupancy(np.array([-1.0, 0.0, 1.0]))
    assert (occupancy[:2] == 0.0).all()
    assert 0.9 < occupancy[2] < 1.0
    equal = antibody_course({**ANTIBODY, "agent": resolve("anti_pdl1", elimination_rate=8.0)})
    at_one = 8.0 * 1.33 / v * math.exp(-8.0)
    assert equal.concentration_nM(np.array([1.0]))[0] == pytest.approx(at_one)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount_nmol": -1.0}, r"amount_nmol\[0\] = -1 \(allowed: finite and >= 0\)"),
        ({"time_d": [0.0, math.nan]}, r"time_d\[1\] = nan"),
        ({"amount_nmol": [1.0, 2.0, 3.0]}, "3 amount_nmol for 2 time_d"),
        ({"agent": "b16f10"}, "needed here: 'antibody'"),
        ({"dose": 3.0}, "invalid checkpoint keys"),
        ({"time_d": "monday"}, "allowed: a number or 1-D numbers"),
    ],
)
def test_bad_antibody_courses(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        antibody_course({**ANTIBODY, **change})
    with pytest.raises(InputError, match="allowed: a Checkpoint, a mapping"):
        antibody_course(3.0)  # type: ignore[arg-type]


# a user's law


def test_a_registered_law_is_used_and_checked(own_laws: None) -> None:
    def half(inputs: KillingInputs) -> Any:
        assert (inputs.pdl1_fold == 1.0).all()
        return inputs.value("killing_rate_constant") * inputs.effectors * inputs.susceptibility

    imd.register_killing_law("mine", half, parameters=["killing_rate_constant"])
    assert imd.killing_laws()[:5] == LAWS
    assert "mine" in imd.killing_laws()
    ds = cells_with(survival=[0.4, 0.9], mhc1=[900.0, 6000.0])
    options: dict[str, Any] = {"parameters": LINE, "host": HOST, "time_d": [1.0, 9.0]}
    mine = imd.kill_probability(ds, law="mine", **options)
    same = imd.kill_probability(ds, law="mass_action", **options)
    np.testing.assert_allclose(mine.kill_probability_ctl, same.kill_probability_ctl, rtol=1e-10)
    for returned, message in (
        (lambda inputs: 1.0, "returned float64 of shape"),
        (lambda inputs: np.full(inputs.pmhc.size, -1.0), r"returned -1.0 for cell 0 of 2"),
        (lambda inputs: np.full(inputs.pmhc.size, np.nan), r"returned nan for cell 0"),
        (lambda inputs: np.full(inputs.pmhc.size, "x"), "one hazard per day per cell"),
    ):
        imd.register_killing_law("mine", returned)
        with pytest.raises(InputError, match=message):
            imd.kill_probability(ds, law="mine", **options)
        imd.kill_probability(ds, law="mine", **{**options, "host": "athymic"})  # not called
    with pytest.raises(InputError, match="one of the package"):
        imd.register_killing_law("multi_hit", half)
    with pytest.raises(InputError, match="lower case"):
        imd.register_killing_law("My law", half)
    with pytest.raises(InputError, match="cannot be called"):
        imd.register_killing_law("mine", 3.0)  # type: ignore[arg-type]


# bad input


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"law": "mas_action"}, r"unknown law 'mas_action'.*Did you mean 'mass_action'"),
        ({"recognition": "hil"}, r"unknown recognition 'hil'.*Did you mean 'hill'"),
        ({"nk": "missing_selves"}, r"unknown nk.*Did you mean 'missing_self'"),
        ({"pd1": 1}, r"invalid pd1=1 \(allowed: True or False\)"),
        ({"checkpoint": ANTIBODY}, "checkpoint has no effect with pd1=False"),
        ({"law": "saturating", "nk_mhc1_half": 3.0}, "override nk_mhc1_half=3.0 has no effect"),
        ({"law": "de_pillis", "killing_rate_constant": 3.0}, "has no effect in kill_probability"),
        ({"law": "multi_hit", "hits_to_kill": 2.5}, "hits_to_kill=2.5 .allowed: a whole number"),
        ({"law": "multi_hit", "hit_rate_constant": -1.0}, "invalid hit_rate_constant=-1 d-1"),
        ({"pd1": True}, r"no 'pdl1_fold'. Call immunodose.mhc1_expression"),
        ({"nk": "ligand"}, "no 'nk_ligand_fold'"),
    ],
)
def test_bad_choices(more: dict[str, Any], message: str) -> None:
    ds = cells_with(survival=[1.0], mhc1=[1.0])
    with pytest.raises(InputError, match=message):
        imd.kill_probability(ds, parameters=SETS, host=HOST, time_d=5.0, **more)


def test_what_is_missing_is_named() -> None:
    ds = cells_with(survival=[1.0], mhc1=[1.0])
    with pytest.raises(InputError, match=r"'effector_half_saturation' is needed.*\"ctl_nk\""):
        imd.kill_probability(ds, parameters=LINE, host=HOST, time_d=5.0, law="saturating")
    bare: Any = {"tumor": LINE, "killing": "ctl_nk"}
    with pytest.raises(InputError, match="does not define 'treg_"):
        imd.kill_probability(ds, parameters=bare, host=HOST, time_d=5.0, treg=True)
    wrong: Any = {"tumor": LINE, "killing": "b16f10"}
    with pytest.raises(InputError, match="needed here: 'killing'"):
        imd.kill_probability(ds, parameters=wrong, host=HOST, time_d=5.0, law="multi_hit")
    spoiled = seen(ds).assign(pdl1_fold=("cell", [-1.0]))
    with pytest.raises(InputError, match=r"pdl1_fold\[0, 0\] = -1"):
        imd.kill_probability(spoiled, parameters=SETS, host=HOST, time_d=5.0, pd1=True)
    lines = seen(ds).assign(pdl1_fold=("x", [1.0, 2.0]))
    with pytest.raises(InputError, match=r"pdl1_fold has dims \('x',\)"):
        imd.kill_probability(lines, parameters=SETS, host=HOST, time_d=5.0, pd1=True)


def test_t_cells_in_an_athymic_host_are_an_error() -> None:
    ds = cells_with(survival=[1.0, 1.0], mhc1=[1.0, np.nan], cell_type=["tumor", "cd8_t_cell"])
    for law in (None, "multi_hit"):
        with pytest.raises(InputError, match=r"holds 1 cells of type 'cd8_t_cell' but .*athymic"):
            imd.kill_probability(ds, parameters=SETS, host="athymic", time_d=1.0, law=law)


def test_signals_in_time_are_linear_between_their_times() -> None:
    ds = cells_with(survival=[1.0])
    ds["mhc1_surface"] = (("cell", "time"), [[6000.0, 6000.0]])
    ds["nk_ligand_fold"] = (("cell", "time"), [[1.0, 3.0]])
    ds = ds.assign_coords(time=[0.0, 4.0])
    out = imd.kill_probability(
        ds, parameters=SETS, host="athymic", time_d=4.0, nk="ligand", nk_to_target_ratio=0.01,
        nk_priming_rate=100.0, merge=False,
    )  # fmt: skip
    # int L dt = 8, less the delay of priming, about 1/100 d
    assert -math.log1p(-float(out.kill_probability_nk[0])) == pytest.approx(0.16, rel=5e-3)
    assert (out.kill_probability_ctl == 0.0).all()
    assert dataclasses.is_dataclass(imd.Checkpoint)
