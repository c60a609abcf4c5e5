# SPDX-License-Identifier: BSD-3-Clause
"""Invariants 30, 32, 34 and 35 of whole calls: control and activity, hosts, `immune_response`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_immune import HOST, LINE

import immunodose as imd

SETTINGS = settings(max_examples=max(3, settings.default.max_examples // 25), deadline=None)
SEEDS = st.integers(0, 2**32)
TIMES = [0.0, 4.0]
SETS: Any = {"tumor": LINE, "signaling": "b16_signaling", "killing": "ctl_nk"}
UNTREATED = imd.simulate_host(host=HOST, time_d=[0.0, 4.0])


def tumor(n_cells: int, seed: int) -> xr.Dataset:
    """Cells with doses of two classes, of which some have none."""
    rng = np.random.default_rng(seed)
    dose = rng.exponential(1.0, (n_cells, 2)) * (rng.random((n_cells, 1)) < 0.8)
    return xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), dose),
            "survival_probability": ("cell", np.exp(-0.4 * dose.sum(axis=1))),
            "mhc1_baseline": ("cell", rng.lognormal(8.0, 1.0, n_cells)),
            "activity_rate_constant": (("nuclide",), [rng.uniform(0.1, 1.0) / 86400.0]),
        },
        coords={"emission": ["beta", "photon"]},
    )


def respond(ds: xr.Dataset, **more: Any) -> xr.Dataset:
    mechanism = imd.Mechanism(
        triggers="damage", weighting="per_gy", spread="none", trex1_window=False
    )
    options: dict[str, Any] = {
        "parameters": SETS, "host": UNTREATED, "time_d": TIMES, "mechanism": mechanism,
        "engine": "mean_field", "law": "mass_action", "ifn_gamma": True, "exhaustion": True,
        "pd1": True, "nk": "missing_self", "outputs_per_cell_time_d": TIMES,
    }  # fmt: skip
    return imd.immune_response(ds, **{**options, **more})


@SETTINGS
@given(SEEDS, st.integers(2, 40), st.floats(1.05, 4.0))
@pytest.mark.filterwarnings("ignore::immunodose.errors.ValidityWarning")
def test_without_immune_kill_control_rises_with_activity(
    seed: int, n_cells: int, factor: float
) -> None:
    """And is the product over the dose histogram (cells of equal dose share a factor)."""
    ds = tumor(n_cells, seed)
    unit = ds.absorbed_dose.isel(cell=np.random.default_rng(seed).integers(0, n_cells, 60)) + 0.5
    ds = xr.Dataset({"absorbed_dose": unit, "mhc1_surface": ("cell", np.full(60, 1e5))})
    last = 0.0
    for activity in (3.0, 3.0 * factor, 3.0 * factor**2):
        treated = ds.assign(absorbed_dose=activity * ds.absorbed_dose)
        treated = imd.survival(treated, parameters=LINE, dose_rate="acute", low_let_alpha=0.4)
        killed = imd.kill_probability(treated, parameters=LINE, host="athymic", time_d=1.0)
        control = float(imd.summary(killed).tumor_control_probability)
        survival, count = np.unique(treated.survival_probability.values, return_counts=True)
        expected = float(np.prod((1.0 - survival) ** count))
        assert control == pytest.approx(expected, rel=1e-9)
        assert control >= last
        last = control
    assert last > 0.0


@SETTINGS
@given(SEEDS, st.floats(0.01, 3.0), st.floats(0.01, 2.0))
def test_lymphocytes_without_dose_or_turnover_stay(
    seed: int, blood_Gy: float, rate_per_d: float
) -> None:
    """No dose: 1 whatever the turnover. No turnover: they only fall, whatever the marrow gets."""
    none = imd.simulate_host(
        host=HOST, time_d=TIMES, organ_doses={"blood": {"beta": 0.0}, "marrow": {"beta": 0.0}},
        lymphocyte_turnover_rate=rate_per_d,
    )  # fmt: skip
    assert (none.effector_supply == 1.0).all()
    still: Any = {"lymphocyte_turnover_rate": 0.0, "organ_rate_constant_per_d": rate_per_d}
    blood = {"blood": {"beta": blood_Gy}}
    fallen = imd.simulate_host(host=HOST, time_d=TIMES, organ_doses=blood, **still)
    assert (np.diff(fallen.effector_supply) <= 1e-12).all()
    marrow = imd.simulate_host(
        host=HOST, time_d=TIMES, organ_doses={**blood, "marrow": {"beta": 5.0}}, **still
    )
    np.testing.assert_allclose(marrow.effector_supply, fallen.effector_supply, rtol=1e-12)
    conserved = imd.simulate_host(
        host=HOST, time_d=TIMES, organ_doses={"marrow": {"beta": 5.0}}, **still
    )
    assert (conserved.effector_supply == 1.0).all()


@SETTINGS
@given(SEEDS, st.integers(1, 12), st.booleans())
def test_zero_activity_is_the_untreated_tumor(seed: int, n_cells: int, nk: bool) -> None:
    """A zero dose with a time course and an acute zero dose: the same bits, no radiation death."""
    ds = tumor(n_cells, seed)
    zero = ds.assign(absorbed_dose=0.0 * ds.absorbed_dose, survival_probability=1.0 + 0.0 * ds.cell)
    choice = {"nk": "missing_self" if nk else None}
    one = respond(zero, **choice)
    other = respond(zero.drop_vars("activity_rate_constant"), **choice)
    for name in one.data_vars:
        assert one[name].values.tobytes() == other[name].values.tobytes(), name
    assert (one.kill_probability_radiation == 0.0).all()
    assert (one.surviving_fraction[1:] < 1.0).all()  # the T cells of the untreated tumor


@SETTINGS
@given(SEEDS, st.booleans())
def test_t_cells_need_mhc1_and_nk_cells_its_lack(seed: int, pd1: bool) -> None:
    """Cells of one tumor, alike but for MHC-I: CTL kill rises with it, NK kill falls; no B2M, no
    CTL kill."""
    n = 12
    ds = tumor(1, seed).isel(cell=np.zeros(n, dtype=int))
    order = np.random.default_rng(seed).permutation(n)
    baseline = np.geomspace(10.0, 1e7, n)[order]
    lost = np.arange(n) == int(np.argmax(baseline))
    ds = ds.assign(
        mhc1_baseline=("cell", baseline), mhc1_assembly=("cell", np.where(lost, 0.0, 1.0))
    )
    out = respond(ds, pd1=pd1)
    ctl, nk = out.kill_probability_ctl.values, out.kill_probability_nk.values
    assert (ctl[lost] == 0.0).all()
    assert (ctl[~lost, -1] > 0.0).all()
    rank = np.argsort(np.where(lost, 0.0, baseline))  # without B2M: no MHC-I at all
    assert (np.diff(ctl[rank], axis=0) >= -1e-6).all()
    assert (np.diff(nk[rank], axis=0) <= 1e-6).all()
    assert nk[lost][0, -1] > nk[rank[-1], -1]
