# SPDX-License-Identifier: BSD-3-Clause
"""Invariants 30 to 36 of the immune and host layers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import immunodose as imd
from immunodose.data.parameters import resolve
from immunodose.immune_host import host_state
from immunodose.immune_kill import _cells, effectors_of, kill_inputs
from immunodose.immune_time import make_grid, output_times, relax

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


SETTINGS = settings(max_examples=settings.default.max_examples // 4)
SEEDS = st.integers(0, 2**32)
CELLS = st.integers(1, 25)
TIMES = [0.0, 1.0, 4.0, 14.0]
KILL_NAMES = (
    "kill_probability_radiation",
    "kill_probability_immune",
    "kill_probability",
    "kill_fraction_radiation",
    "kill_fraction_immune",
)
CD8_KEYS = (
    "effector_to_target_ratio",
    "effector_priming_gain",
    "effector_loss_rate",
    "antigen_clearance_rate",
    "priming_delay",
    "killing_rate_constant",
    "pmhc_half_kill",
    "pmhc_power",
)


def scene(n_cells: int, seed: int) -> xr.Dataset:
    """Cells with doses of two nuclides, survival and MHC-I at random."""
    rng = np.random.default_rng(seed)
    ds = xr.Dataset(
        {
            "absorbed_dose": (("cell", "nuclide"), rng.exponential(2.0, (n_cells, 2))),
            "survival_probability": ("cell", rng.random(n_cells)),
            "mhc1_baseline": ("cell", rng.lognormal(8.0, 1.0, n_cells)),
        }
    )
    ds["mhc1_surface"] = ("cell", ds["mhc1_baseline"].values * rng.uniform(1.0, 3.0, n_cells))
    if rng.random() < 0.7:
        ds["activity_rate_constant"] = (("nuclide",), rng.uniform(0.05, 3.0, 2) / 86400.0)
    return ds


# Hosts that are untreated on purpose.
UNTREATED = imd.simulate_host(host=HOST, time_d=TIMES)


def kill(ds: xr.Dataset, host: Any = UNTREATED, **overrides: float) -> xr.Dataset:
    return imd.kill_probability(
        ds, parameters=LINE, host=host, time_d=TIMES, merge=False, **overrides
    )


def drawn(seed: int) -> dict[str, float]:
    """CD8 parameters drawn log-uniformly within a factor of 3 and their ranges."""
    rng = np.random.default_rng(seed)
    host = HOST
    values = {key: host.value(key) * 3.0 ** rng.uniform(-1.0, 1.0) for key in CD8_KEYS}
    return {
        key: float(np.clip(value, host.entry(key).low, host.entry(key).high))
        for key, value in values.items()
    }


@SETTINGS
@given(CELLS, SEEDS)
def test_probabilities_combine_and_causes_share(n_cells: int, seed: int) -> None:
    out = kill(scene(n_cells, seed), **drawn(seed))
    for name in KILL_NAMES:
        values = out[name].values
        assert ((values >= 0.0) & (values <= 1.0 + 1e-12)).all()
        assert (np.diff(values, axis=1) >= -1e-12).all()  # the dead stay dead
    alive = (1.0 - out.kill_probability_radiation) * (1.0 - out.kill_probability_immune)
    np.testing.assert_allclose(out.kill_probability, 1.0 - alive, atol=1e-14)
    both = out.kill_fraction_radiation + out.kill_fraction_immune
    np.testing.assert_allclose(both, out.kill_probability, atol=1e-12)
    np.testing.assert_allclose(alive + both, 1.0, atol=1e-12)  # survivors and first causes


@SETTINGS
@given(CELLS, SEEDS)
def test_athymic_host_ignores_every_cd8_parameter(n_cells: int, seed: int) -> None:
    ds = scene(n_cells, seed)
    plain, other = kill(ds, "athymic"), kill(ds, "athymic", **drawn(seed))
    for name in (*KILL_NAMES, "effector_to_target_ratio"):
        assert plain[name].values.tobytes() == other[name].values.tobytes()
    assert (plain.kill_probability_immune == 0.0).all()
    assert (plain.effector_to_target_ratio == 0.0).all()
    none = kill(ds, effector_to_target_ratio=0.0)
    assert (none.kill_probability_immune == 0.0).all()


@SETTINGS
@given(CELLS, SEEDS)
def test_cd8_kill_rises_with_mhc1_and_needs_it(n_cells: int, seed: int) -> None:
    ds = scene(n_cells, seed)
    overrides = drawn(seed)
    kills = [
        kill(ds.assign(mhc1_surface=factor * ds.mhc1_surface), **overrides).kill_probability_immune
        for factor in (0.0, 1.0, 4.0, 1e6, 1e9)
    ]
    assert (kills[0] == 0.0).all()
    # Each case is solved to 1e-4 of the kill on a time grid of its own.
    for less, more in itertools.pairwise(kills):
        assert (more >= less - 2e-4).all()
    saturated = kills[-1].values
    np.testing.assert_allclose(saturated, saturated[:1].repeat(n_cells, axis=0), atol=1e-3)


@SETTINGS
@given(CELLS, SEEDS, st.floats(0.0, 14.0))
def test_silenced_cells_stay_at_baseline(n_cells: int, seed: int, time_d: float) -> None:
    ds = scene(n_cells, seed)
    silenced = imd.mhc1_expression(ds, parameters=LINE, time_d=time_d, mhc1_inducibility=0.0)
    assert (silenced.mhc1_surface == ds.mhc1_baseline).all()
    lost = imd.mhc1_expression(ds, parameters=LINE, time_d=time_d, mhc1_assembly=0.0)
    assert (lost.mhc1_surface == 0.0).all()
    assert (lost.pmhc_surface == 0.0).all()
    induced = imd.mhc1_expression(ds, parameters=LINE, time_d=time_d)
    assert (induced.mhc1_surface >= ds.mhc1_baseline).all()
    top = 1.0 + 0.5 * LINE.value("mhc1_induction_max")
    assert (induced.mhc1_surface <= top * ds.mhc1_baseline * (1.0 + 1e-12)).all()


@SETTINGS
@given(CELLS, SEEDS)
def test_zero_dose_is_the_untreated_tumor(n_cells: int, seed: int) -> None:
    """A zero dose with a time course, an acute zero dose, an undisturbed host: the same bits."""
    ds = scene(n_cells, seed)
    zero = ds.assign(
        absorbed_dose=0.0 * ds.absorbed_dose, survival_probability=("cell", np.ones(n_cells))
    )
    acute = zero.drop_vars("activity_rate_constant", errors="ignore")
    results = []
    for case in (zero, acute):
        out = imd.mhc1_expression(case, parameters=LINE, time_d=TIMES)
        host = imd.simulate_host(host=HOST, organ_doses={"blood": {"alpha": 0.0}}, time_d=TIMES)
        results.append((out.mhc1_surface.values, kill(out, host).kill_probability.values))
    for one, other in zip(*results, strict=True):
        assert one.tobytes() == other.tobytes()


@SETTINGS
@given(SEEDS, st.floats(0.0, 5.0), st.floats(0.0, 5.0), st.floats(0.01, 3.0))
def test_more_dose_never_leaves_more_lymphocytes(
    seed: int, blood_Gy: float, marrow_Gy: float, rate_per_d: float
) -> None:
    rng = np.random.default_rng(seed)

    def supply(blood: float, marrow: float) -> npt.NDArray[np.float64]:
        out = imd.simulate_host(
            host=HOST, time_d=TIMES, organ_rate_constant_per_d=rate_per_d,
            organ_doses={
                "blood": {"alpha": blood, "beta": 0.3 * blood}, "marrow": {"beta": marrow},
            },
        )  # fmt: skip
        return np.asarray(out.effector_supply.values)

    less = supply(blood_Gy, marrow_Gy)
    assert ((less >= 0.0) & (less <= 1.0 + 1e-12)).all()
    assert (supply(blood_Gy + rng.random(), marrow_Gy) <= less + 1e-5).all()
    assert (supply(blood_Gy, marrow_Gy + rng.random()) <= less + 1e-5).all()


@SETTINGS
@given(CELLS, SEEDS)
def test_bits_do_not_depend_on_threads_or_on_other_cells(n_cells: int, seed: int) -> None:
    ds = scene(n_cells, seed)
    one = imd.kill_probability(ds, parameters=LINE, host=UNTREATED, time_d=TIMES, n_threads=1)
    many = imd.kill_probability(ds, parameters=LINE, host=UNTREATED, time_d=TIMES)
    assert one.kill_probability.values.tobytes() == many.kill_probability.values.tobytes()
    mhc1 = imd.mhc1_expression(ds, parameters=LINE, time_d=TIMES)
    last = imd.mhc1_expression(ds.isel(cell=[-1]), parameters=LINE, time_d=TIMES)
    np.testing.assert_allclose(mhc1.mhc1_surface[-1], last.mhc1_surface[0], rtol=1e-4)


@SETTINGS
@given(st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=20))
def test_control_is_the_product_and_falls_with_spread(survival: list[float]) -> None:
    values = np.array(survival)

    def control(cells: npt.NDArray[np.float64]) -> float:
        row = imd.summary(xr.Dataset({"survival_probability": ("cell", cells)}))
        return float(row.tumor_control_probability)

    np.testing.assert_allclose(control(values), np.prod(1.0 - values), rtol=1e-9, atol=1e-300)
    assert control(values[1:]) >= control(values)
    assert control(0.5 * values) >= control(values)
    # equal mean dose: for survival exp(-D) spread in D never helps control
    even = np.full(values.size, np.exp(np.log(values).mean()))
    assert control(even) >= control(values) - 1e-12


STEPS = (0.4, 0.2, 0.1, 0.05)


def order_of(values: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Observed order from the differences of results at halved steps."""
    change = [np.abs(b - a).max() for a, b in itertools.pairwise(values)]
    return np.log2(np.array(change[:-1]) / np.array(change[1:]))


@SETTINGS
@given(st.floats(0.05, 2.0), st.floats(0.1, 3.0), st.floats(0.0, 5.0), st.floats(0.1, 2.0))
def test_halving_the_step_of_the_relaxation_quarters_its_error(
    loss: float, rate: float, initial: float, gain: float
) -> None:
    """dy/dt = g exp(-k t) - loss y (invariant 26): linear forcing per step is of order 2."""
    outputs = output_times([0.0, 2.0, 6.0])
    errors = []
    for step in STEPS:
        grid = make_grid(outputs, step)
        t = grid.time_d
        y = relax(t, loss, gain * np.exp(-rate * t), initial)[grid.output_index]
        times = outputs.time_d
        # g (exp(-k t) - exp(-loss t)) / (loss - k), stable where the two rates meet
        x = (loss - rate) * times
        ratio = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=np.abs(x) > 1e-12)
        exact = initial * np.exp(-loss * times) + gain * times * np.exp(-rate * times) * ratio
        errors.append(float(np.abs(y - exact).max()))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders[1:], 2.0, atol=0.15)


@pytest.mark.filterwarnings("ignore:the supply of T cells")
@SETTINGS
@given(SEEDS)
def test_halving_the_step_of_the_kill_shows_order_two(seed: int) -> None:
    """Effectors and both hazards together, the grid refined by hand (invariant 26)."""
    ds = scene(4, seed).drop_vars("activity_rate_constant", errors="ignore")
    rate_per_s = np.random.default_rng(seed).uniform(0.1, 1.0, 2) / 86400.0
    ds["activity_rate_constant"] = (("nuclide",), rate_per_s)
    outputs = output_times(TIMES)
    inputs = kill_inputs(ds, LINE, host_state(HOST), {}, outputs)
    delay_d = inputs.effectors.priming_delay_d
    cells, effectors = [], []
    for step in (0.2, 0.1, 0.05, 0.025):
        grid = make_grid(outputs, step, [delay_d - 1e-9, delay_d])
        in_time = effectors_of(inputs, grid, 1)
        effectors.append(in_time[grid.output_index])
        cells.append(np.stack(_cells(inputs, grid, in_time, slice(None), 1)))
    for values in (effectors, cells):
        assert order_of(values)[-1] == pytest.approx(2.0, abs=0.3)
