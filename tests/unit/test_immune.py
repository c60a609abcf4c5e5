# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import trapezoid
from tests.reference import immune as oracle

import immunodose as imd
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import ConvergenceError, InputError, ValidityWarning
from immunodose.immune_time import converged, make_grid, output_times, relax
from immunodose.response_inputs import READ_BY

# Values of its own, so that a new fit of the shipped sets does not change what is tested.
LINE = resolve(
    "b16k1", recognized_peptide_share=1e-3, mhc1_baseline=5e4, mhc1_baseline_sd_ln=0.9,
    mhc1_inducibility=0.5, mhc1_induction_max=3.0, mhc1_induction_dose=1.0,
    mhc1_induction_power=1.0, mhc1_memory_time=5.0, mhc1_turnover_rate=0.5, mhc1_assembly=1.0,
)  # fmt: skip
HOST = resolve(
    "immunocompetent", pmhc_power=1.0, pmhc_half_kill=3.0, killing_rate_constant=2.0,
    effector_to_target_ratio=0.002, effector_priming_gain=0.3, priming_delay=1.5,
    effector_loss_rate=0.2, antigen_clearance_rate=0.1725,
)  # fmt: skip


RATE_PER_D = 0.3


def cells_with(
    *,
    dose: list[float] | None = None,
    survival: list[float] | None = None,
    mhc1: list[float] | None = None,
    rate_per_d: float | None = RATE_PER_D,
    cell_type: list[str] | None = None,
) -> xr.Dataset:
    ds = xr.Dataset()
    for name, values in (
        ("absorbed_dose", dose),
        ("survival_probability", survival),
        ("mhc1_surface", mhc1),
    ):
        if values is not None:
            ds[name] = ("cell", np.array(values, dtype=float))
    if rate_per_d is not None:
        ds["activity_rate_constant"] = (("nuclide",), [rate_per_d / 86400.0])
    if cell_type is not None:
        ds["cell_type"] = ("cell", cell_type)
    return ds


# MHC-I


@pytest.mark.parametrize("power", [1.0, 2.5])
@pytest.mark.parametrize("time_d", [1.0, 7.0])
def test_mhc1_equals_the_euler_oracle(power: float, time_d: float) -> None:
    ds = cells_with(dose=[0.0, 0.7, 4.0])
    ds["mhc1_baseline"] = ("cell", [100.0, 200.0, 300.0])
    out = imd.mhc1_expression(
        ds, parameters=LINE, time_d=time_d, mhc1_inducibility=0.4, mhc1_induction_max=3.0,
        mhc1_induction_dose=1.5, mhc1_induction_power=power, mhc1_memory_time=5.0,
        mhc1_turnover_rate=0.6, mhc1_assembly=0.5,
    )  # fmt: skip
    fold = [
        oracle.mhc1_fold(
            dose, rate_per_d=RATE_PER_D, time_d=time_d, gain=1.2, half_dose_Gy=1.5, power=power,
            memory_d=5.0, turnover_per_d=0.6,
        )
        for dose in (0.0, 0.7, 4.0)
    ]  # fmt: skip
    expected = 0.5 * np.array([100.0, 200.0, 300.0]) * fold
    np.testing.assert_allclose(out.mhc1_surface, expected, rtol=5e-5)
    np.testing.assert_allclose(out.pmhc_surface, 1e-3 * expected, rtol=5e-5)
    assert out.mhc1_surface.dims == ("cell",)
    for name in ("mhc1_baseline", "mhc1_surface", "pmhc_surface"):
        assert out[name].attrs["units"] == "molecules"
        assert "per cell" in out[name].attrs["long_name"]


def test_acute_dose_fades_with_the_memory() -> None:
    """For half dose far above D the induction is linear, so q(t) has a closed form."""
    ds = cells_with(dose=[1e-3], rate_per_d=None)
    ds["mhc1_baseline"] = ("cell", [1.0])
    k, tau, t = 0.5, 5.0, 3.0
    out = imd.mhc1_expression(
        ds, parameters=LINE, time_d=t, mhc1_inducibility=1.0, mhc1_induction_max=50.0,
        mhc1_induction_dose=100.0, mhc1_memory_time=tau, mhc1_turnover_rate=k,
    )  # fmt: skip
    q = k * (math.exp(-t / tau) - math.exp(-k * t)) / (k - 1.0 / tau) * 1e-3 / 100.0
    assert float(out.mhc1_surface[0]) - 1.0 == pytest.approx(50.0 * q, rel=1e-4)


def test_baseline_is_drawn_lognormal_and_recorded() -> None:
    ds = cells_with(dose=[0.0] * 20_000)
    with pytest.raises(InputError, match="rng"):
        imd.mhc1_expression(ds, parameters=LINE, time_d=0.0)
    out = imd.mhc1_expression(ds, parameters=LINE, time_d=0.0, rng=5)
    ln = np.log(out.mhc1_baseline.values)
    # Standard errors 0.0064 and 0.0045; 6 of them: false alarms below 1e-8.
    assert abs(ln.mean() - math.log(5e4)) < 0.038
    assert abs(ln.std() - 0.9) < 0.027
    assert out.attrs["mhc1_rng_root"] == "5"
    again = imd.mhc1_expression(ds, parameters=LINE, time_d=0.0, rng=5)
    assert again.mhc1_baseline.equals(out.mhc1_baseline)


def test_two_nuclides_drive_by_their_own_dose() -> None:
    """Two nuclides that share the dose of a cell equal the sum of their memories."""
    ds = xr.Dataset({"absorbed_dose": (("cell", "nuclide"), [[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])})
    ds["activity_rate_constant"] = (("nuclide",), np.array([0.2, 2.0]) / 86400.0)
    ds["mhc1_baseline"] = ("cell", np.ones(3))
    kwargs: dict[str, Any] = {"parameters": LINE, "time_d": [0.0, 2.0, 9.0]}
    out = imd.mhc1_expression(ds, mhc1_induction_dose=100.0, **kwargs)
    rise = out.mhc1_surface.values[:, 1:] - 1.0
    np.testing.assert_allclose(rise[2], 0.5 * (rise[0] + rise[1]), rtol=5e-3)
    single = xr.Dataset({"absorbed_dose": ("cell", [2.0]), "mhc1_baseline": ("cell", [1.0])})
    single["activity_rate_constant"] = (("nuclide",), np.array([2.0]) / 86400.0)
    alone = imd.mhc1_expression(single, mhc1_induction_dose=100.0, **kwargs)
    np.testing.assert_allclose(alone.mhc1_surface[0], out.mhc1_surface[1], rtol=1e-5)


# kill


def host_set() -> ParameterSet:
    return HOST


@pytest.mark.parametrize("time_d", [3.0, 12.0])
def test_kill_equals_the_euler_oracle(time_d: float) -> None:
    survival, mhc1 = [0.2, 0.7, 1.0], [500.0, 4000.0, 20000.0]
    supply = np.exp(-0.08 * np.linspace(0.0, 14.0, 141))
    host = imd.simulate_host(host=HOST, time_d=np.linspace(0.0, 14.0, 141))
    host["effector_supply"] = ("time", supply)
    out = imd.kill_probability(
        cells_with(survival=survival, mhc1=mhc1), parameters=LINE, host=host, time_d=time_d
    )
    effectors, cells = oracle.effectors_and_kill(
        np.log(survival).tolist(), [1e-3 * m for m in mhc1], rate_per_d=RATE_PER_D,
        time_d=time_d, host=host_set().value, supply=lambda t: math.exp(-0.08 * t),
    )  # fmt: skip
    assert float(out.effector_to_target_ratio) == pytest.approx(effectors, rel=1e-3)
    immune, by_radiation, by_immune = np.array(cells).T
    np.testing.assert_allclose(out.kill_probability_immune, immune, rtol=2e-3)
    np.testing.assert_allclose(out.kill_fraction_radiation, by_radiation, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(out.kill_fraction_immune, by_immune, rtol=2e-3)
    w = 1.0 - math.exp(-RATE_PER_D * time_d)
    np.testing.assert_allclose(out.kill_probability_radiation, 1.0 - np.array(survival) ** w)


def test_a_frozen_hazard_is_exact() -> None:
    """Constant effectors and MHC-I, no radiation: 1 - exp(-k E t Hill)."""
    out = imd.kill_probability(
        cells_with(survival=[1.0], mhc1=[6000.0]), parameters=LINE, host=HOST,
        time_d=[1.0, 10.0], effector_to_target_ratio=0.05,
    )  # fmt: skip
    expected = 1.0 - np.exp(-2.0 * 0.05 * np.array([1.0, 10.0]) * 6.0 / 9.0)
    np.testing.assert_allclose(out.kill_probability_immune[0], expected, rtol=1e-12)
    np.testing.assert_allclose(out.effector_to_target_ratio, 0.05, rtol=1e-12)


def test_acute_radiation_comes_first() -> None:
    ds = cells_with(survival=[0.4], mhc1=[6000.0], rate_per_d=None)
    out = imd.kill_probability(ds, parameters=LINE, host=HOST, time_d=[0.0, 5.0])
    np.testing.assert_allclose(out.kill_fraction_radiation, 0.6)
    assert float(out.kill_fraction_immune[0, 0]) == 0.0
    expected = 0.4 * out.kill_probability_immune[0, 1]
    np.testing.assert_allclose(out.kill_fraction_immune[0, 1], expected, rtol=1e-12)


def test_mhc1_in_time_is_linear_between_its_times() -> None:
    ds = cells_with(survival=[1.0])
    ds["mhc1_surface"] = (("cell", "time"), [[0.0, 6000.0, 6000.0]])
    ds = ds.assign_coords(time=[0.0, 2.0, 10.0])
    out = imd.kill_probability(ds, parameters=LINE, host=HOST, time_d=4.0)
    # integral of p/(p + 3) with p = 3 t up to 2 d, then 6/9
    exposure = 2.0 - math.log(3.0) + 2.0 * 6.0 / 9.0
    expected = 1.0 - math.exp(-2.0 * 0.002 * exposure)
    np.testing.assert_allclose(out.kill_probability_immune, expected, rtol=1e-4)
    assert "time" not in out.kill_probability.dims


def test_effectors_that_arrive_later_are_lost_to_the_dose_in_the_tumor() -> None:
    """Priming long after the T cells at the start have died: E relaxes at k_E + h_T (Eq. 7)."""
    kinds = ["tumor"] * 4 + ["cd8_t_cell"]
    ds = cells_with(survival=[0.2] * 4 + [1.0], mhc1=[6000.0] * 4 + [np.nan], cell_type=kinds)
    hit = ds.assign(survival_probability=("cell", [0.2] * 4 + [0.01]))
    spared, lost = (
        imd.kill_probability(
            case, parameters=LINE, host=HOST, time_d=[0.0, 12.0], effector_priming_gain=5.0
        ).effector_to_target_ratio.values
        for case in (ds, hit)
    )
    assert spared[0] == lost[0] == 0.25
    # Between 3 and 12 d the T cells at the start fall by exp(-ln(100) (w(12) - w(3))) = 0.2.
    assert 0.3 < lost[1] / spared[1] < 0.9


def test_t_cells_in_the_tumor_are_the_baseline_and_die() -> None:
    ds = cells_with(
        survival=[1.0, 1.0, 1.0, 1.0, 0.3], mhc1=[6000.0] * 4 + [np.nan],
        cell_type=["tumor"] * 4 + ["cd8_t_cell"],
    )  # fmt: skip
    out = imd.kill_probability(ds, parameters=LINE, host=HOST, time_d=[0.0, 5.0])
    assert float(out.effector_to_target_ratio[0]) == 0.25
    assert float(out.effector_to_target_ratio[1]) < 0.2
    assert (out.kill_probability_immune[4] == 0.0).all()
    with pytest.raises(InputError, match="has no effect"):
        imd.kill_probability(
            ds, parameters=LINE, host=HOST, time_d=1.0,
            effector_to_target_ratio=0.1,
        )  # fmt: skip


def test_no_t_cell_number_is_an_error_and_zero_is_valid() -> None:
    host = HOST
    entries = {k: v for k, v in host.entries.items() if k != "effector_to_target_ratio"}
    bare = ParameterSet("bare", "host", "Bare", entries, {})
    ds = cells_with(survival=[0.5], mhc1=[1000.0])
    with pytest.raises(InputError, match="no T-cell number"):
        imd.kill_probability(ds, parameters=LINE, host=bare, time_d=5.0)
    zero = imd.kill_probability(
        ds, parameters=LINE, host=HOST, time_d=5.0, effector_to_target_ratio=0.0
    )
    assert float(zero.kill_probability_immune[0]) == 0.0


_KILL = {"parameters": LINE, "host": HOST, "time_d": 5.0}


@pytest.mark.parametrize(
    ("ds", "kwargs", "message"),
    [
        (cells_with(mhc1=[1.0]), {}, r"Call immunodose.survival"),
        (cells_with(survival=[1.0]), {}, r"Call immunodose.mhc1_expression"),
        (cells_with(survival=[1.5], mhc1=[1.0]), {}, r"survival_probability\[0\] = 1.5"),
        (cells_with(survival=[1.0], mhc1=[-1.0]), {}, r"mhc1_surface\[0, 0\] = -1"),
        (cells_with(survival=[1.0], mhc1=[1.0]), {"time_d": -1.0}, r"time_d\[0\] = -1"),
        (cells_with(survival=[1.0], mhc1=[1.0]), {"time_d": [2.0, 1.0]}, r"strictly rising"),
        (cells_with(survival=[1.0], mhc1=[1.0]), {"host": "b16f10"}, "not a host"),
        (cells_with(survival=[1.0], mhc1=[1.0]), {"pmhc_half_kil": 2.0}, "pmhc_half_kil"),
        (
            cells_with(survival=[1.0], mhc1=[1.0], cell_type=["cd8_t_cell"]), {},
            "no cell is of type 'tumor'",
        ),
    ],
)  # fmt: skip
def test_bad_input(ds: xr.Dataset, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.kill_probability(ds, **{**_KILL, **kwargs})


def test_times_outside_mhc1_or_host_are_refused() -> None:
    ds = cells_with(survival=[1.0])
    ds["mhc1_surface"] = (("cell", "time"), [[1.0, 1.0]])
    ds = ds.assign_coords(time=[0.0, 3.0])
    with pytest.raises(InputError, match="not extrapolated"):
        imd.kill_probability(ds, **_KILL)
    host = imd.simulate_host(host=HOST, time_d=[0.0, 3.0])
    flat = cells_with(survival=[1.0], mhc1=[1.0])
    with pytest.raises(InputError, match=r"effector_supply covers 0 to 3 d"):
        imd.kill_probability(flat, **{**_KILL, "host": host})
    scalar = imd.simulate_host(host=HOST, time_d=3.0)
    with pytest.raises(InputError, match="as a sequence"):
        imd.kill_probability(flat, **{**_KILL, "host": scalar})


def test_provenance_and_merge() -> None:
    ds = cells_with(survival=[0.5], mhc1=[1000.0])
    shipped = resolve("b16k1")
    out = imd.kill_probability(ds, **{**_KILL, "parameters": shipped}, pmhc_power=2.0)
    assert out.attrs["host"] == "immunocompetent"
    assert "pmhc_power" in out.attrs["host_overrides"]
    named = [item["key"] for item in json.loads(out.attrs["kill_parameters_assumed"])]
    assert named == list(shipped.assumed())
    assert named
    assert "survival_probability" in out
    alone = imd.kill_probability(ds, **_KILL, merge=False)
    assert "survival_probability" not in alone


@pytest.mark.parametrize(
    ("call", "key", "reader"),
    [
        ("survival", "mhc1_baseline", "immunodose.mhc1_expression"),
        ("survival", "cell_radius", "builds or labels the cells"),
        ("mhc1_expression", "low_let_alpha", "immunodose.survival"),
        ("kill_probability", "low_let_alpha", "immunodose.survival"),
        ("kill_probability", "mhc1_inducibility", "immunodose.mhc1_expression"),
        ("kill_probability", "lymphocyte_turnover_rate", "immunodose.simulate_host"),
    ],
)
def test_an_override_that_the_call_does_not_read_is_refused(
    call: str, key: str, reader: str
) -> None:
    ds = cells_with(dose=[1.0], survival=[0.5], mhc1=[1000.0])
    options: dict[str, Any] = {"parameters": LINE}
    if call != "survival":
        options["time_d"] = 5.0
    if call == "kill_probability":
        options["host"] = HOST
    else:
        ds = xr.Dataset({"absorbed_dose": (("cell", "emission"), [[1.0]])})
        ds = ds.assign_coords(emission=["beta"])
    with pytest.raises(InputError, match=rf"{key}=1.0 has no effect in {call}.*{reader}"):
        getattr(imd, call)(ds, **options, **{key: 1.0})


def test_every_key_of_lines_and_hosts_has_a_reader_or_belongs_to_the_cells() -> None:
    sets = ("b16k1", "immunocompetent", "hsg", "ctl_nk")
    keys = {key for name in sets for key in resolve(name).entries}
    read = frozenset().union(*READ_BY.values())
    assert read <= keys
    assert keys - read == {
        "cell_radius", "nucleus_radius", "packing_fraction", "antigen_sd_ln",
    }  # fmt: skip


def test_an_override_of_the_baseline_needs_it_to_be_drawn() -> None:
    ds = cells_with(dose=[1.0])
    ds["mhc1_baseline"] = ("cell", [100.0])
    with pytest.raises(InputError, match="mhc1_baseline has no effect: the Dataset holds"):
        imd.mhc1_expression(ds, parameters=LINE, time_d=1.0, mhc1_baseline=5.0)


def test_routes_of_each_cell_are_read() -> None:
    """Inducibility and assembly as variables: each cell as if the set had its values."""
    routes = [(0.0, 1.0), (0.7, 1.0), (0.7, 0.25), (1.0, 0.0)]
    ds = cells_with(dose=[2.0] * 4).assign(mhc1_baseline=("cell", np.full(4, 100.0)))
    own = ds.assign(
        mhc1_inducibility=("cell", [e for e, _ in routes]),
        mhc1_assembly=("cell", [b for _, b in routes]),
    )
    found = imd.mhc1_expression(own, parameters=LINE, time_d=[0.0, 5.0]).mhc1_surface
    for i, (inducibility, assembly) in enumerate(routes):
        one = imd.mhc1_expression(
            ds, parameters=LINE, time_d=[0.0, 5.0], mhc1_inducibility=inducibility,
            mhc1_assembly=assembly,
        )  # fmt: skip
        np.testing.assert_allclose(found[i], one.mhc1_surface[i], rtol=1e-12)
    assert (found[0] == 100.0).all()
    assert (found[3] == 0.0).all()
    with pytest.raises(InputError, match="mhc1_assembly has no effect: the Dataset holds"):
        imd.mhc1_expression(own, parameters=LINE, time_d=1.0, mhc1_assembly=0.5)
    with pytest.raises(InputError, match=r"mhc1_inducibility\[1\] = 1.5"):
        imd.mhc1_expression(
            own.assign(mhc1_inducibility=("cell", [0.0, 1.5, 0.0, 0.0])), parameters=LINE,
            time_d=1.0,
        )  # fmt: skip


def test_mhc1_and_kill_must_be_of_one_line() -> None:
    ds = cells_with(dose=[0.0], survival=[0.5])
    with_mhc1 = imd.mhc1_expression(ds, parameters="b16k1", time_d=[0.0, 5.0], rng=1)
    options: dict[str, Any] = {"host": HOST, "time_d": [0.0, 5.0]}
    with pytest.raises(InputError, match=r"from parameter set 'b16k1'.* got 'b16f10'"):
        imd.kill_probability(with_mhc1, parameters="b16f10", **options)
    with pytest.raises(InputError, match=r"recognized_peptide_share=0\.5 here, but 0\.00"):
        imd.kill_probability(with_mhc1, parameters="b16k1", **options, recognized_peptide_share=0.5)
    both = imd.kill_probability(with_mhc1, parameters="b16k1", **options)
    assert both.attrs["kill_parameters"] == both.attrs["mhc1_parameters"]


def test_an_untreated_host_of_treated_cells_is_a_warning() -> None:
    ds = cells_with(dose=[1.0], survival=[0.5], mhc1=[1000.0])
    with pytest.warns(ValidityWarning, match="untreated host 'immunocompetent'") as caught:
        named = imd.kill_probability(ds, **_KILL)
    assert len(caught) == 1
    assert named.attrs["host_supply"] == "untreated"
    assert json.loads(named.attrs["warnings"]) == [str(caught[0].message)]
    # None of these warn (warnings are errors here): simulated, without CD8, without dose.
    host = imd.simulate_host(host=HOST, time_d=[0.0, 5.0])
    simulated = imd.kill_probability(ds, **{**_KILL, "host": host})
    assert simulated.attrs["host_supply"] == "simulated"
    imd.kill_probability(ds, **{**_KILL, "host": "athymic"})
    imd.kill_probability(ds.assign(absorbed_dose=0.0 * ds.absorbed_dose), **_KILL)


def test_mhc1_of_one_time_is_for_that_time() -> None:
    ds = cells_with(dose=[0.0], survival=[0.5])
    one = imd.mhc1_expression(ds, parameters=LINE, time_d=5.0, rng=1)
    assert one.attrs["mhc1_time_d"] == 5.0
    imd.kill_probability(one, **_KILL)
    with pytest.warns(ValidityWarning, match="mhc1_surface is that of 5 d.* up to 9 d"):
        imd.kill_probability(one, **{**_KILL, "time_d": 9.0})
    many = imd.mhc1_expression(one, parameters=LINE, time_d=[0.0, 5.0, 9.0])
    assert "mhc1_time_d" not in many.attrs
    last = many.isel(time=-1)
    with pytest.warns(ValidityWarning, match="mhc1_surface is that of 9 d"):
        imd.kill_probability(last, **_KILL)


@pytest.mark.parametrize(("rate_per_d", "largest"), [(0.3, 3.64e-3), (1.0, 6.15e-3)])
def test_error_of_radiation_death_in_time_by_the_delivered_share(
    rate_per_d: float, largest: float
) -> None:
    """1 - S^w of Eq. 10 against the quadratic part of 10 Gy in time (docs/theory/immune.md)."""
    alpha, beta, dose = 0.35, 0.03, 10.0
    t = np.linspace(0.0, 20.0 / rate_per_d, 401)
    pairs, whole = np.zeros(t.size), 0.0
    for weight, half_time_min in ((0.505, 11.4), (0.495, 129.6)):
        mu = math.log(2.0) * 1440.0 / half_time_min
        both = -np.expm1(-2.0 * rate_per_d * t) / (2.0 * rate_per_d)
        both += np.expm1(-(rate_per_d + mu) * t) / (rate_per_d + mu)
        pairs += weight * 2.0 * rate_per_d**2 / (mu - rate_per_d) * both
        whole += weight * rate_per_d / (mu + rate_per_d)
    w = -np.expm1(-rate_per_d * t)
    exact = -np.expm1(-alpha * dose * w - beta * dose**2 * pairs)
    survival = math.exp(-alpha * dose - beta * dose**2 * whole)
    ds = cells_with(survival=[survival], mhc1=[0.0], rate_per_d=rate_per_d)
    out = imd.kill_probability(ds, parameters=LINE, host="athymic", time_d=t)
    error = np.abs(out.kill_probability_radiation.values[0] - exact)
    assert float(error.max()) == pytest.approx(largest, rel=0.02)
    assert error[-1] < 1e-9  # all decays: exact


# time grids


def test_relaxation_is_exact_for_linear_forcing() -> None:
    t = np.array([0.0, 0.3, 2.0])
    for k in (1e-6, 0.5, 20.0):
        y = relax(t, k, 1.0 + 2.0 * t, 3.0)
        exact = 3.0 * np.exp(-k * t) - np.expm1(-k * t) / k
        exact += 2.0 * (t / k + np.expm1(-k * t) / k**2) if k > 1e-3 else t**2
        np.testing.assert_allclose(y, exact, rtol=1e-5)


def test_the_step_is_halved_until_results_settle() -> None:
    outputs = output_times([1.0])
    grid, step = converged(
        lambda g: trapezoid(np.exp(g.time_d), g.time_d, axis=0)[None],
        outputs, tolerance=1e-4, what="integral",
    )  # fmt: skip
    assert step < 0.1
    assert grid.time_d[-1] == 1.0
    with pytest.raises(ConvergenceError, match="integral did not converge"):
        converged(lambda g: 1.0 * g.output_index, outputs, tolerance=1e-4, what="integral")


def test_grids_hold_outputs_and_breaks() -> None:
    grid = make_grid(output_times([0.0, 1.0, 2.5]), 0.4, [0.7, 9.0])
    assert {0.0, 0.7, 1.0, 2.5} <= set(grid.time_d.tolist())
    assert np.diff(grid.time_d).max() <= 0.4 + 1e-12
    np.testing.assert_array_equal(grid.time_d[grid.output_index], [0.0, 1.0, 2.5])
