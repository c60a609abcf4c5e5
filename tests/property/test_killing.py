# SPDX-License-Identifier: BSD-3-Clause
"""Invariants 31, 33 to 35 of the named laws, PD-1, antibodies and natural killer cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_immune import CELLS, LINE, SEEDS, TIMES, UNTREATED, drawn, scene
from tests.unit.test_killing import LAWS

import immunodose as imd
from immunodose import _core
from immunodose.data.parameters import resolve

SETTINGS = settings(max_examples=max(5, settings.default.max_examples // 8))
KILLING = resolve("ctl_nk", treg_to_target_ratio=0.05, treg_half_suppression=0.2)
CTL_KEYS = (
    "effector_half_saturation", "target_half_saturation", "de_pillis_rate", "hit_rate_constant",
    "pd1_half_inhibition", "treg_to_target_ratio",
)  # fmt: skip
law = st.sampled_from(LAWS)
recognition = st.sampled_from(["hill", "at_least_k"])
nk = st.sampled_from([None, "missing_self", "ligand"])


def with_signals(n_cells: int, seed: int) -> xr.Dataset:
    rng = np.random.default_rng(seed + 1)
    return scene(n_cells, seed).assign(
        pdl1_fold=("cell", rng.uniform(0.0, 8.0, n_cells)),
        nk_ligand_fold=("cell", rng.uniform(1.0, 4.0, n_cells)),
    )


def kill(ds: xr.Dataset, *, host: Any = UNTREATED, killing: Any = KILLING, **more: Any) -> Any:
    sets: Any = {"tumor": LINE, "killing": killing}
    return imd.kill_probability(ds, parameters=sets, host=host, time_d=TIMES, merge=False, **more)


def antibody(amount_nmol: float) -> dict[str, Any]:
    return {"agent": "anti_pdl1", "amount_nmol": amount_nmol, "time_d": [0.5, 3.0]}


@SETTINGS
@given(CELLS, SEEDS, law, recognition, nk, st.booleans(), st.booleans())
def test_probabilities_combine_and_causes_share(
    n_cells: int, seed: int, law: str, recognition: str, nk: Any, pd1: bool, treg: bool
) -> None:
    out = kill(
        with_signals(n_cells, seed), law=law, recognition=recognition, nk=nk, pd1=pd1, treg=treg
    )
    for name in out.data_vars:
        if str(name).startswith("kill_"):
            values = out[name].values
            assert ((values >= 0.0) & (values <= 1.0 + 1e-12)).all()
            assert (np.diff(values, axis=1) >= -1e-12).all()  # the dead stay dead
    alive = 1.0 - out.kill_probability_ctl
    first = out.kill_fraction_radiation + out.kill_fraction_ctl
    if nk is not None:
        alive = alive * (1.0 - out.kill_probability_nk)
        first = first + out.kill_fraction_nk
    np.testing.assert_allclose(out.kill_probability_immune, 1.0 - alive, atol=1e-12)
    both = 1.0 - (1.0 - out.kill_probability_radiation) * alive
    np.testing.assert_allclose(out.kill_probability, both, atol=1e-12)
    np.testing.assert_allclose(first, out.kill_probability, atol=1e-10)


@SETTINGS
@given(CELLS, SEEDS, law, recognition, st.booleans())
def test_ctl_kill_rises_with_mhc1_and_needs_it(
    n_cells: int, seed: int, law: str, recognition: str, pd1: bool
) -> None:
    """More MHC-I on one cell, the rest of the tumor (so E and T) as it was."""
    ds = with_signals(40, seed)
    # cells without MHC-I at which nothing aims keep T near 1; the steps stay the same
    values = np.concatenate([[0.0], np.geomspace(1.0, 1e8, 39)])
    order = np.random.default_rng(seed).permutation(40)
    same = ds.assign(
        mhc1_surface=("cell", values[order]), pdl1_fold=("cell", np.full(40, 2.0)),
        survival_probability=("cell", np.full(40, 0.5)),
    )  # fmt: skip
    same["absorbed_dose"] = same["absorbed_dose"] * 0.0 + 1.0
    out = kill(same, law=law, recognition=recognition, pd1=pd1)
    found = np.empty_like(out.kill_probability_ctl.values)
    found[order] = out.kill_probability_ctl.values
    assert (found[0] == 0.0).all()
    assert (np.diff(found, axis=0) >= -1e-9).all()


@SETTINGS
@given(SEEDS)
def test_nk_kill_falls_with_mhc1_at_fixed_ligands(seed: int) -> None:
    ds = with_signals(40, seed)
    order = np.random.default_rng(seed).permutation(40)
    values = np.concatenate([[0.0], np.geomspace(1.0, 1e8, 39)])
    same = ds.assign(
        mhc1_surface=("cell", values[order]), nk_ligand_fold=("cell", np.full(40, 1.5))
    )
    out = kill(same, host="athymic", nk="missing_self")
    found = np.empty_like(out.kill_probability_nk.values)
    found[order] = out.kill_probability_nk.values
    assert (np.diff(found, axis=0) <= 1e-12).all()
    assert (found[0] > found[-1])[1:].all()
    blind = kill(same, host="athymic", nk="ligand").kill_probability_nk.values
    np.testing.assert_allclose(blind, blind[:1].repeat(40, axis=0), rtol=1e-12)


@SETTINGS
@given(CELLS, SEEDS, law, law, nk, st.floats(0.0, 100.0))
def test_athymic_host_ignores_every_ctl_and_checkpoint_parameter(
    n_cells: int, seed: int, one: str, other: str, nk: Any, amount_nmol: float
) -> None:
    ds = with_signals(n_cells, seed)
    rng = np.random.default_rng(seed)
    plain = kill(ds, host="athymic", law=one, nk=nk)
    drawn_keys = {}
    for key in CTL_KEYS:
        item = KILLING.entry(key)
        drawn_keys[key] = float(
            np.clip(item.value * 3.0 ** rng.uniform(-1, 1), item.low, item.high)
        )
    host = resolve("athymic", **{k: v for k, v in drawn(seed).items() if k != "cd8_present"})
    changed = kill(
        ds, host=host, killing=resolve(KILLING, **drawn_keys), law=other, recognition="at_least_k",
        pd1=True, treg=True, checkpoint=antibody(amount_nmol), nk=nk,
    )  # fmt: skip
    for name in plain.data_vars:
        assert plain[name].values.tobytes() == changed[name].values.tobytes(), name


@SETTINGS
@given(CELLS, SEEDS, law, st.floats(0.01, 100.0))
def test_no_antibody_no_effect_and_no_t_cells_no_effect(
    n_cells: int, seed: int, law: str, amount_nmol: float
) -> None:
    ds = with_signals(n_cells, seed)
    zero = kill(ds, law=law, pd1=True, checkpoint=antibody(0.0))
    none = kill(ds, law=law, pd1=True)
    given = kill(ds, law=law, pd1=True, checkpoint=antibody(amount_nmol))
    for name in none.data_vars:
        assert zero[name].values.tobytes() == none[name].values.tobytes(), name
    assert (given.kill_probability_ctl >= zero.kill_probability_ctl - 3e-4).all()
    bare = kill(ds, law=law, pd1=True, effector_to_target_ratio=0.0)
    with_antibody = kill(
        ds, law=law, pd1=True, checkpoint=antibody(amount_nmol), effector_to_target_ratio=0.0
    )
    for name in bare.data_vars:
        assert bare[name].values.tobytes() == with_antibody[name].values.tobytes(), name


@SETTINGS
@given(CELLS, SEEDS, law, nk)
def test_bits_do_not_depend_on_threads(n_cells: int, seed: int, law: str, nk: Any) -> None:
    ds = with_signals(n_cells, seed)
    one = kill(ds, law=law, nk=nk, n_threads=1)
    many = kill(ds, law=law, nk=nk)
    for name in one.data_vars:
        assert one[name].values.tobytes() == many[name].values.tobytes()


@SETTINGS
@given(SEEDS, st.integers(1, 6), st.floats(1e-3, 200.0), st.floats(0.0, 100.0), st.integers(2, 40))
def test_the_hit_chain_does_not_depend_on_the_steps(
    seed: int, n_hits: int, hit_per_d: float, recovery_per_d: float, n_steps: int
) -> None:
    """A frozen hit rate: any number of steps gives the same to rounding, and a probability."""
    rate = np.random.default_rng(seed).uniform(0.0, 1.0, 20)
    totals = []
    for n in (1, n_steps):
        hits = np.zeros((20, n_hits))
        hits[:, 0] = 1.0
        before, step, total = rate.copy(), np.zeros(20), np.zeros(20)
        half = 0.5 * hit_per_d * 1.3 / n
        for _ in range(n):
            _core.immune.advance_hits(
                rate=rate, weight_before=half, weight_now=half, before=before, n_hits=n_hits,
                recovery_per_d=recovery_per_d, step_d=1.3 / n, hits=hits, exponent=step,
                n_threads=1,
            )  # fmt: skip
            total += step
        totals.append(total)
        assert (hits >= 0.0).all()
        np.testing.assert_allclose(hits.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(*totals, rtol=1e-9, atol=1e-14)
    assert (totals[0] <= 1.3 * rate * hit_per_d * (1.0 + 1e-12)).all()  # no faster than one hit


@pytest.mark.parametrize("n_threads", [1, 2])
@SETTINGS
@given(SEEDS, st.integers(1, 9000))
def test_a_step_of_many_cells_equals_numpy(n_threads: int, seed: int, n: int) -> None:
    """Block sums, first causes and exponents of the kernel against plain formulas."""
    rng = np.random.default_rng(seed)
    log_survival = -rng.exponential(3.0, n)
    share = rng.dirichlet([1.0, 1.0], n)
    before, now = np.array([0.1, 0.2]), np.array([0.5, 0.2])
    rate, old = rng.exponential(1.0, n), rng.exponential(1.0, n)
    exponent, first, first_radiation = rng.random(n), np.zeros(n), np.zeros(n)
    value, past = rng.random(n), exponent.copy()
    was = old.copy()
    sums = _core.immune.compete(
        log_survival=log_survival, share=share, delivered_before=before, delivered_now=now,
        killers=[(rate, 0.2, 0.7, old, exponent, first)], first_radiation=first_radiation,
        values=[value], n_threads=n_threads,
    )  # fmt: skip
    radiation = -(share @ (now - before)) * log_survival
    step = 0.2 * was + 0.7 * rate
    alive = np.exp((share @ before) * log_survival - past)
    died = alive * -np.expm1(-(radiation + step))
    np.testing.assert_allclose(exponent, past + step, rtol=1e-13)
    np.testing.assert_array_equal(old, rate)
    np.testing.assert_allclose(first, died * step / (radiation + step), rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(
        first_radiation, died * radiation / (radiation + step), rtol=1e-10, atol=1e-300
    )
    survivors = _core.immune.radiation_survivors(
        log_survival=log_survival, share=share, delivered=now, n_threads=n_threads
    )
    np.testing.assert_allclose(survivors, np.exp((share @ now) * log_survival).sum(), rtol=1e-11)
    left = alive - died
    expected = [left.sum(), first_radiation.sum(), first.sum(), (left * value).sum()]
    np.testing.assert_allclose(sums, expected, rtol=1e-10, atol=1e-12 * n)
