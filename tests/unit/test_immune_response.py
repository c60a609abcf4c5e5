# SPDX-License-Identifier: BSD-3-Clause
"""The mean-field immune response: oracle, the one-way calls, invariants, messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import killing as oracle
from tests.unit.test_immune import HOST, LINE

import immunodose as imd
from immunodose import memory
from immunodose.data.parameters import resolve
from immunodose.errors import InputError, ResourceError, ValidityWarning
from immunodose.schema import validate

SETTINGS = settings(max_examples=max(3, settings.default.max_examples // 25), deadline=None)
# The one-way calls know one class of peptides.
SIGNALING = resolve("b16_signaling", radiation_induced_share_max=0.0)
KILLING = resolve("ctl_nk")
SETS: Any = {"tumor": LINE, "signaling": SIGNALING, "killing": KILLING}
TIMES = [0.0, 1.0, 3.0, 8.0]
DAMAGE = imd.Mechanism(triggers="damage", weighting="per_gy", spread="none", trex1_window=False)
UNTREATED = imd.simulate_host(host=HOST, time_d=[0.0, 30.0])
ANTIBODY = {"agent": "anti_pdl1", "amount_nmol": 1.0, "time_d": [1.0]}


def tumor(n_cells: int, seed: int = 0, dose_Gy: float = 2.0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    dose = dose_Gy * rng.exponential(1.0, (n_cells, 1))
    return xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), dose),
            "survival_probability": ("cell", np.exp(-0.4 * dose[:, 0])),
            "mhc1_baseline": ("cell", rng.lognormal(8.0, 1.0, n_cells)),
            "activity_rate_constant": (("nuclide",), [0.3 / 86400.0]),
        },
        coords={"emission": ["alpha"]},
    )


def respond(ds: xr.Dataset, **more: Any) -> xr.Dataset:
    options: dict[str, Any] = {
        "parameters": SETS, "host": UNTREATED, "time_d": TIMES, "mechanism": DAMAGE,
        "engine": "mean_field", "law": "mass_action", "ifn_gamma": True, "exhaustion": True,
        "pd1": True, "nk": None, "outputs_per_cell_time_d": [1.0, 8.0], "rng": 1,
    }  # fmt: skip
    return imd.immune_response(ds, **{**options, **more})


def test_feedback_and_exhaustion_equal_the_euler_oracle() -> None:
    """No response to damage (inducibility 0), no priming: all rise is by interferon-gamma."""
    ds = tumor(4).assign(mhc1_baseline=("cell", [300.0, 2e3, 6e3, 5e4]))
    out = respond(
        ds, mhc1_inducibility=0.0, effector_priming_gain=0.0, effector_to_target_ratio=0.03,
        exhaustion_rate=0.4, time_d=[0.0, 4.0], outputs_per_cell_time_d=[4.0],
    )  # fmt: skip
    changed = {
        "effector_to_target_ratio": 0.03, "exhaustion_rate": 0.4, "effector_priming_gain": 0.0,
    }  # fmt: skip

    def of(key: str) -> float:
        if key in changed:
            return changed[key]
        found = [item for item in (HOST, KILLING, SIGNALING, LINE) if item.defines(key)]
        return found[0].value(key)

    expected = oracle.mean_field(
        ds.mhc1_baseline.values, of, rate_per_d=0.3,
        log_survival=np.log(ds.survival_probability.values), time_d=4.0,
    )  # fmt: skip
    assert expected["mhc1"][0] > 2e3  # the feedback matters
    np.testing.assert_allclose(out.mhc1_surface[:, 0], expected["mhc1"], rtol=2e-3)
    np.testing.assert_allclose(out.kill_probability_ctl[:, 0], expected["killed"], atol=5e-4)
    names = ("effector_to_target_ratio", "exhausted_to_target_ratio", "ifn_gamma_mean")
    found = [float(out[name][-1]) for name in (*names, "surviving_fraction")]
    np.testing.assert_allclose(found, expected["populations"], rtol=2e-3)


def test_without_feedback_it_is_the_two_one_way_calls() -> None:
    ds = tumor(40)
    out = respond(ds, ifn_gamma=False, exhaustion=False, pd1=False, outputs_per_cell_time_d=TIMES)
    one_way = imd.mhc1_expression(
        ds, parameters=SETS, mechanism=DAMAGE, time_d=np.linspace(0.0, 8.0, 81), rng=1
    )
    kill = imd.kill_probability(
        one_way, parameters=SETS, host=UNTREATED, time_d=TIMES, law="mass_action", merge=False
    )
    names = ("kill_probability_ctl", "kill_probability", "kill_fraction_radiation")
    for name in names:
        np.testing.assert_allclose(out[name], kill[name], atol=2e-3)
    effectors = kill.effector_to_target_ratio
    np.testing.assert_allclose(
        out.effector_to_target_ratio, effectors, atol=1e-3 * float(effectors.max())
    )
    left = 1.0 - kill.kill_probability.mean("cell")
    np.testing.assert_allclose(out.surviving_fraction, left, atol=1e-3)


def test_output_is_labeled_and_recorded() -> None:
    kinds = ["tumor", "cd8_t_cell", "tumor", "tumor"]
    ds = tumor(4).assign(cell_type=("cell", kinds))
    out = respond(ds, nk="missing_self")
    validate(out)
    assert out.kill_probability.dims == ("cell", "cell_time")
    assert out.kill_probability.dtype == np.float32
    assert np.isnan(out.kill_probability.values[1]).all()
    assert list(out.cause.values) == ["radiation", "ctl", "nk"]
    assert float(out.effector_to_target_ratio[0]) == pytest.approx(1.0 / 3.0)
    assert list(out.cell_type.values) == kinds
    assert np.isfinite(imd.summary(out).surviving_fraction)
    np.testing.assert_allclose(np.exp(out.log_survival), 1.0 - out.kill_probability, atol=1e-6)
    for name in ("response_step_d", "response_step_error", "mechanism", "kill_law", "host"):
        assert name in out.attrs
    total = out.surviving_fraction + out.death_fraction.sum("cause")
    np.testing.assert_allclose(total, 1.0, atol=2e-6)
    assert float(out.attrs["response_step_error"]) <= 1e-3


def test_progress_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int, str]] = []
    respond(tumor(3), progress=lambda *call: calls.append(call))
    assert calls[-1][0] == calls[-1][1] == len(calls)
    assert calls[0][2] == "immune_response"

    class Stop(Exception):
        pass

    def stop(done: int, total: int, what: str) -> None:
        raise Stop

    with pytest.raises(Stop):
        respond(tumor(3), progress=stop)
    monkeypatch.setattr(memory, "available_memory_MB", lambda: 1e-6)
    with pytest.raises(ResourceError, match=r"immune_response of 3 cells with 2 outputs per cell"):
        respond(tumor(3))


def test_the_estimated_error_is_of_the_order_of_the_error() -> None:
    """The outputs against those of a run forced to small steps by many output times."""
    ds = tumor(30)
    coarse = respond(ds, effector_to_target_ratio=0.05, nk="ligand", law="double_saturation")
    many = np.unique(np.append(np.linspace(0.0, 8.0, 401), TIMES))
    fine = respond(
        ds, effector_to_target_ratio=0.05, nk="ligand", law="double_saturation", time_d=many
    )
    assert fine.attrs["response_step_d"] < 0.2 * coarse.attrs["response_step_d"]
    for name in ("kill_probability", "kill_probability_nk", "kill_fraction_immune"):
        np.testing.assert_allclose(coarse[name], fine[name], atol=1.5e-3)


def test_macrophages_take_damaged_cells() -> None:
    ds = tumor(5).assign(absorbed_dose=(("cell", "emission"), [[0.0]] * 2 + [[3.0]] * 3))
    out = respond(
        ds, macrophages=True, macrophage_to_target_ratio=0.1, macrophage_damage_half=0.5,
        macrophage_killing_rate_constant=2.0,
    )  # fmt: skip
    taken = out.kill_probability_macrophage.values
    assert (taken[:2] == 0.0).all()
    assert (taken[2:, 1] > 0.05).all()
    with pytest.raises(InputError, match="does not define 'macrophage_"):
        respond(ds, macrophages=True)


def test_what_spreads_comes_from_cells_that_were_not_taken() -> None:
    """T cells leave less interferon to the others, unless each cell meets its own alone."""
    fold = {}
    for spread in ("well_mixed", "none"):
        mechanism = imd.Mechanism(
            triggers="sting",
            weighting="per_gy",
            spread=spread,
            trex1_window=False,  # type: ignore[arg-type]
        )
        mhc1 = [
            respond(tumor(20), mechanism=mechanism, ifn_gamma=False, effector_to_target_ratio=ratio)
            .mhc1_surface[:, -1].values
            for ratio in (0.0, 0.3)
        ]  # fmt: skip
        fold[spread] = mhc1[1] / mhc1[0]
    assert (fold["well_mixed"] < 0.98).all()
    np.testing.assert_allclose(fold["none"], 1.0, rtol=2e-3)


@pytest.mark.parametrize("engine", ["plain", "mean_field"])
def test_without_host_sting_there_is_no_priming(engine: str) -> None:
    """As without priming gain; STING of the tumor cells is another switch."""
    ds = tumor(10)
    found = {}
    for name, knockouts, more in (
        ("all", (), {}),
        ("unprimed", (), {"effector_priming_gain": 0.0}),
        ("host", ("host_sting",), {}),
        ("tumor", ("sting",), {}),
    ):
        mechanism = imd.Mechanism(
            triggers="damage", weighting="per_gy", spread="none", trex1_window=False,
            knockouts=knockouts,
        )  # fmt: skip
        if engine == "mean_field":
            out = respond(ds, mechanism=mechanism, **more)
        else:
            one_way = imd.mhc1_expression(
                ds, parameters=SETS, mechanism=mechanism, time_d=TIMES, rng=1
            )
            out = imd.kill_probability(
                one_way, parameters=SETS, host=UNTREATED, time_d=TIMES, merge=False, **more
            )
        found[name] = out.kill_probability.values
    assert found["host"].tobytes() == found["unprimed"].tobytes()
    assert found["tumor"].tobytes() == found["all"].tobytes()
    assert (found["all"][:, -1] > found["host"][:, -1] + 1e-3).all()


def test_no_warning_is_lost() -> None:
    with pytest.warns(ValidityWarning):
        out = respond(tumor(5, dose_Gy=100.0), host=HOST)
    text = out.attrs["warnings"]
    assert "untreated host" in text
    assert "beyond the" in text


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"engine": "meanfield"}, InputError, r"unknown engine .*Did you mean 'mean_field'"),
        ({"ifn_gamma": 1}, InputError, r"invalid ifn_gamma=1"),
        ({"law": "x"}, InputError, "unknown law 'x'"),
        ({"exhaustion": False, "exhaustion_rate": 1.0}, InputError, "exhaustion_rate=1.0 has no"),
        ({"ifn_gamma": False, "ifn_gamma_half": 9.0}, InputError, "ifn_gamma_half=9.0 has no"),
        ({"low_let_alpha": 0.2}, InputError, "low_let_alpha=0.2 has no effect"),
        ({"no_such_key": 0.2}, InputError, "has no parameter 'no_such_key'"),
        ({"nk_to_target_ratio": -1.0}, InputError, "invalid nk_to_target_ratio=-1"),
        ({"mechanism": "damage"}, InputError, "mechanism"),
        ({"parameters": {"tumor": LINE}, "exhaustion": True}, InputError, "'exhaustion_rate' is"),
        ({"time_d": [2.0, 1.0]}, InputError, "strictly rising"),
        ({"time_d": [0.0, 40.0]}, InputError, "effector_supply covers 0 to 30 d"),
    ],
)
def test_bad_input(more: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        respond(tumor(3), **more)


def test_bad_datasets_and_hosts() -> None:
    with pytest.raises(InputError, match=r"Call immunodose.survival"):
        respond(tumor(3).drop_vars("survival_probability"))
    with pytest.raises(InputError, match=r"survival_probability\[1\] = 1.5"):
        respond(tumor(3).assign(survival_probability=("cell", [1.0, 1.5, 0.0])))
    mixed = tumor(2).assign(cell_type=("cell", ["tumor", "cd8_t_cell"]))
    with pytest.raises(InputError, match="has no CD8 T cells"):
        respond(mixed, host="athymic")
    with pytest.warns(ValidityWarning, match="untreated host"):
        out = respond(tumor(3), host=HOST)
    assert "untreated host" in out.attrs["warnings"]


# invariants


@SETTINGS
@given(st.integers(0, 99), st.sampled_from(imd.killing_laws()[:5]), st.booleans())
def test_probabilities_and_the_dead(seed: int, law: str, nk: bool) -> None:
    out = respond(tumor(12, seed), law=law, nk="missing_self" if nk else None)
    for name in out.data_vars:
        if str(name).startswith("kill_"):
            values = out[name].values
            assert ((values >= 0.0) & (values <= 1.0 + 1e-6)).all()
            assert (np.diff(values, axis=1) >= -1e-6).all()
    assert (np.diff(out.surviving_fraction) <= 1e-9).all()
    alive = (1.0 - out.kill_probability_radiation) * (1.0 - out.kill_probability_immune)
    np.testing.assert_allclose(out.kill_probability, 1.0 - alive, atol=1e-6)
    first = out.kill_fraction_radiation + out.kill_fraction_immune
    np.testing.assert_allclose(first, out.kill_probability, atol=5e-6)


@SETTINGS
@given(st.integers(0, 99), st.sampled_from(imd.killing_laws()[:5]), st.floats(0.0, 9.0))
def test_athymic_host_ignores_every_ctl_and_antibody_choice(
    seed: int, law: str, amount_nmol: float
) -> None:
    ds = tumor(10, seed)
    plain = respond(ds, host="athymic", nk="missing_self", ifn_gamma=False, exhaustion=False)
    host = resolve("athymic", effector_to_target_ratio=0.5, killing_rate_constant=9.0)
    other = respond(
        ds, host=host, nk="missing_self", law=law, recognition="at_least_k",
        checkpoint={**ANTIBODY, "amount_nmol": amount_nmol}, exhaustion_rate=3.0,
    )  # fmt: skip
    for name in plain.data_vars:
        assert plain[name].values.tobytes() == other[name].values.tobytes(), name
    assert (plain.kill_probability_immune > 0.0).any()  # the NK cells


@SETTINGS
@given(st.integers(0, 99), st.floats(0.1, 9.0))
def test_antibody_of_zero_is_none_and_needs_t_cells(seed: int, amount_nmol: float) -> None:
    ds = tumor(10, seed)
    zero = respond(ds, checkpoint={**ANTIBODY, "amount_nmol": 0.0})
    none = respond(ds)
    given_one = respond(ds, checkpoint={**ANTIBODY, "amount_nmol": amount_nmol})
    for name in none.data_vars:
        assert zero[name].values.tobytes() == none[name].values.tobytes(), name
    later = {"cell_time": 8.0}
    better = given_one.kill_probability_ctl.sel(later) - none.kill_probability_ctl.sel(later)
    assert (better >= -2e-3).all()
    empty = [
        respond(ds, checkpoint=course, effector_to_target_ratio=0.0)
        for course in (None, {**ANTIBODY, "amount_nmol": amount_nmol})
    ]
    for name in empty[0].data_vars:
        assert empty[0][name].values.tobytes() == empty[1][name].values.tobytes(), name


@SETTINGS
@given(st.integers(0, 99))
def test_bits_do_not_depend_on_threads(seed: int) -> None:
    ds = tumor(700, seed)
    one, two = (respond(ds, nk="ligand", n_threads=n) for n in (1, None))
    for name in one.data_vars:
        assert one[name].values.tobytes() == two[name].values.tobytes(), name


def test_control_of_many_cells_keeps_its_digits() -> None:
    """Single precision knows no probability of death between 1 - 6e-8 and 1."""
    n = 1000
    cells = xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), np.full((n, 1), 5.0)),
            "survival_probability": ("cell", np.full(n, 1e-8)),
            "mhc1_baseline": ("cell", np.full(n, 1e3)),
        },
        coords={"emission": ["alpha"]},
    )
    athymic = imd.simulate_host(host="athymic", time_d=[0.0, 1.0])
    out = imd.immune_response(
        cells,
        parameters="b16k1",
        host=athymic,
        mechanism=imd.Mechanism(
            triggers="damage", weighting="per_gy", spread="none", trex1_window=False
        ),
        time_d=1.0,
        outputs_per_cell_time_d=1.0,
        engine="mean_field",
        law="mass_action",
        ifn_gamma=False,
        exhaustion=False,
        pd1=False,
        nk=None,
        rng=1,
    )
    control = float(imd.summary(out).tumor_control_probability)
    assert control == pytest.approx(np.exp(n * np.log1p(-1e-8)), rel=1e-9)
    assert control < 1.0
