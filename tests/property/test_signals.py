# SPDX-License-Identifier: BSD-3-Clause
"""Invariants of signals, spread and MHC-I (BIOLOGY section 7; 20, 31, 32, 34)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from immunodose.immune_mechanism import NODES, SPREADS, WEIGHTINGS, Mechanism
from immunodose.immune_signals import SignalField, SignalModel

SETTINGS = settings(max_examples=settings.default.max_examples // 10)
SEEDS = st.integers(0, 2**32)
CELLS = st.integers(1, 40)
TIME_D = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 14.0])
PROPERTIES = ("mhc1_inducibility", "ifn_gamma_route", "mhc1_assembly")
STATES = ("mhc1", "pmhc", "pdl1_fold", "ifn1", "vesicles", "damage", "trex1", "nk_ligand")

MECHANISMS = st.builds(
    Mechanism,
    triggers=st.lists(
        st.sampled_from(["damage", "sting", "membrane"]), min_size=1, max_size=3, unique=True
    ),
    weighting=st.sampled_from(WEIGHTINGS),
    spread=st.sampled_from(SPREADS),
    trex1_window=st.booleans(),
    inhibition=st.dictionaries(st.sampled_from(NODES), st.floats(0.0, 1.0), max_size=2),
)
SPREADING = st.builds(
    Mechanism,
    triggers=st.just(("damage", "sting")),
    weighting=st.sampled_from(WEIGHTINGS),
    spread=st.sampled_from(["well_mixed", "field"]),
    trex1_window=st.booleans(),
)


def scene(n_cells: int, seed: int) -> xr.Dataset:
    """Cells at random places with doses to nucleus and membrane, hits, and their own routes."""
    rng = np.random.default_rng(seed)
    dose = rng.uniform(0.0, 9.0, (n_cells, 2, 3)) * (rng.random((n_cells, 2, 3)) < 0.7)
    ds = xr.Dataset(
        {
            "absorbed_dose": (("cell", "target", "emission"), dose),
            "hit_mean": ("cell", dose[:, 0, 0] / rng.uniform(0.1, 0.5)),
            "mhc1_baseline": ("cell", rng.lognormal(8.0, 1.0, n_cells)),
            **{name: ("cell", rng.random(n_cells)) for name in PROPERTIES},
        },
        coords={
            "target": ["nucleus", "membrane"],
            "emission": ["alpha", "beta", "auger_ce"],
            **{name: ("cell", rng.uniform(0.0, 120.0, n_cells)) for name in "xyz"},
        },
    )
    if rng.random() < 0.7:
        ds["activity_rate_constant"] = (("nuclide",), [rng.uniform(0.05, 3.0) / 86400.0])
    return ds


def solved(
    ds: xr.Dataset,
    mechanism: Mechanism,
    *,
    gamma: float | npt.NDArray[np.float32] = 0.0,
    **overrides: float,
) -> SignalModel:
    model = SignalModel.prepare(
        ds, parameters="b16k1", mechanism=mechanism, n_threads=1, overrides=overrides
    )
    model.start(TIME_D)
    for j in range(TIME_D.size - 1):
        model.advance(j, gamma)
    return model


def bits(model: SignalModel) -> dict[str, bytes]:
    return {name: getattr(model, name).tobytes() for name in STATES}


def with_value(ds: xr.Dataset, name: str, value: float) -> xr.Dataset:
    return ds.assign({name: ("cell", np.full(ds.sizes["cell"], value))})


@SETTINGS
@given(CELLS, SEEDS, MECHANISMS)
def test_silenced_cells_stay_at_baseline_unless_interferon_gamma_comes(
    n_cells: int, seed: int, mechanism: Mechanism
) -> None:
    ds = with_value(scene(n_cells, seed), "mhc1_inducibility", 0.0)
    model = solved(ds, mechanism)
    baseline = model.cells.assembly * model.cells.baseline
    assert model.mhc1.tobytes() == baseline.tobytes()
    # Its route is separate: open by s_i and the receiver's nodes, whatever e_i is.
    rescued = solved(ds, mechanism, gamma=1000.0)
    open_route = rescued.cells.ifn_gamma_route * rescued.cells.assembly > 1e-3
    assert (rescued.mhc1[open_route] > baseline[open_route]).all()
    shut = solved(with_value(ds, "ifn_gamma_route", 0.0), mechanism, gamma=1000.0)
    assert shut.mhc1.tobytes() == baseline.tobytes()


@SETTINGS
@given(CELLS, SEEDS, MECHANISMS)
def test_cells_without_assembly_stay_at_zero_under_everything(
    n_cells: int, seed: int, mechanism: Mechanism
) -> None:
    model = solved(with_value(scene(n_cells, seed), "mhc1_assembly", 0.0), mechanism, gamma=1e4)
    assert not model.mhc1.any()
    assert not model.pmhc.any()


@SETTINGS
@given(CELLS, SEEDS, MECHANISMS)
def test_zero_activity_is_the_untreated_tumor(
    n_cells: int, seed: int, mechanism: Mechanism
) -> None:
    """A zero dose with a time course and an acute zero dose: the same bits, nothing raised."""
    ds = scene(n_cells, seed)
    zero = ds.assign(absorbed_dose=0.0 * ds.absorbed_dose, hit_mean=0.0 * ds.hit_mean)
    one = solved(zero, mechanism)
    other = solved(zero.drop_vars("activity_rate_constant", errors="ignore"), mechanism)
    assert bits(one) == bits(other)
    assert one.mhc1.tobytes() == (one.cells.assembly * one.cells.baseline).tobytes()
    for name in ("ifn1", "vesicles", "damage", "trex1"):
        assert not getattr(one, name).any()


@SETTINGS
@given(CELLS, SEEDS, MECHANISMS, st.floats(0.0, 2000.0))
def test_results_stay_in_range_and_classes_within_mhc1(
    n_cells: int, seed: int, mechanism: Mechanism, gamma: float
) -> None:
    ds = scene(n_cells, seed)
    model = solved(ds, mechanism, gamma=gamma)
    for name in STATES:
        values = getattr(model, name)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert (values >= 0.0).all()
    assert (model.damage <= 1.0).all()
    value = model.sets.value
    # Shares of steady values: at most 1; MHC-I at most its value with every term saturated.
    assert (model.ifn1 <= 1.0 + 1e-5).all()
    gains = ("mhc1_induction_max", "membrane_induction_max", "ifn1_induction_max",
             "vesicle_induction_max")  # fmt: skip
    most = ds.mhc1_baseline.values * (1.0 + sum(map(value, gains))) + value("mhc1_ifn_gamma_max")
    assert (model.mhc1 <= most * (1.0 + 1e-5)).all()
    classes = model.pmhc_by_class()
    total = np.sum(list(classes.values()), axis=0, dtype=np.float64)
    np.testing.assert_allclose(total, model.mhc1, rtol=1e-5)
    shown = classes["tumor_specific"] + classes["radiation_induced"]
    np.testing.assert_allclose(model.pmhc, shown, rtol=1e-5)
    assert (model.pmhc <= model.mhc1).all()


@pytest.mark.parametrize("spread", SPREADS)
def test_bits_do_not_depend_on_threads(spread: Any) -> None:
    """More cells than one thread takes at once; the counts go past the CPUs of this machine."""
    ds = scene(70_001, 4)
    mechanism = Mechanism(
        triggers=("damage", "sting", "membrane"), weighting="per_gy", spread=spread,
        trex1_window=True,
    )  # fmt: skip
    found = []
    for n_threads in (1, 2, 3, 7):
        model = SignalModel.prepare(ds, parameters="b16k1", mechanism=mechanism, n_threads=1)
        model._n_threads = n_threads
        for signal in model._spread.signals.values():
            if signal.grid is not None:
                signal.grid._n_threads = n_threads
        model.start(TIME_D)
        for j in range(3):
            model.advance(j, 50.0)
        found.append(bits(model))
    assert all(one == found[0] for one in found[1:])


@SETTINGS
@given(CELLS, SEEDS, MECHANISMS)
def test_more_dose_never_lowers_damage_driven_mhc1(
    n_cells: int, seed: int, mechanism: Mechanism
) -> None:
    """Without the window every route rises with the dose."""
    open_ = copy.copy(mechanism)
    object.__setattr__(open_, "trex1_window", False)
    ds = scene(n_cells, seed)
    more = ds.assign(absorbed_dose=1.1 * ds.absorbed_dose, hit_mean=1.1 * ds.hit_mean)
    less, higher = solved(ds, open_), solved(more, open_)
    for name in ("mhc1", "pmhc", "ifn1", "vesicles", "damage"):
        assert (getattr(higher, name) >= getattr(less, name) * (1.0 - 1e-5)).all()


@SETTINGS
@given(CELLS, SEEDS, MECHANISMS)
def test_without_trex1_there_is_no_window(n_cells: int, seed: int, mechanism: Mechanism) -> None:
    ds = scene(n_cells, seed)
    fields = {name: getattr(mechanism, name) for name in ("triggers", "weighting", "spread")}
    off = solved(ds, Mechanism(**fields, trex1_window=False))
    knocked = solved(ds, Mechanism(**fields, trex1_window=True, knockouts="trex1"))
    for name in STATES:
        np.testing.assert_array_equal(getattr(off, name), getattr(knocked, name), err_msg=name)
    on = solved(ds, Mechanism(**fields, trex1_window=True))
    assert (on.ifn1 <= off.ifn1 * (1.0 + 1e-5)).all()


@SETTINGS
@given(CELLS, SEEDS)
def test_without_diffusion_only_emitters_respond(n_cells: int, seed: int) -> None:
    """A silent cell far from the others stays at its baseline; with diffusion it rises."""
    ds = scene(n_cells + 1, seed)
    ds["absorbed_dose"][-1] = 0.0
    ds["hit_mean"][-1] = 0.0
    ds["absorbed_dose"][0, 0] = 5.0
    ds["x"][-1] = 300.0
    for name in ("mhc1_inducibility", "mhc1_assembly"):
        ds = with_value(ds, name, 1.0)
    still = {"ifn1_diffusion": 0.0, "vesicle_diffusion": 0.0}
    fields: dict[str, Any] = {
        "triggers": ("damage", "sting"), "weighting": "per_gy", "trex1_window": False,
    }  # fmt: skip
    alone = solved(ds, Mechanism(**fields, spread="none"))
    closed = solved(ds, Mechanism(**fields, spread="field"), **still)
    open_ = solved(ds, Mechanism(**fields, spread="field"))
    for model in (alone, closed):
        assert model.mhc1[-1] == model.cells.baseline[-1]
        assert model.ifn1[-1] == 0.0
    assert open_.mhc1[-1] > open_.cells.baseline[-1]


@SETTINGS
@given(st.integers(2, 40), SEEDS, SPREADING, st.booleans())
def test_the_total_signal_does_not_depend_on_how_it_spreads(
    n_cells: int, seed: int, mechanism: Mechanism, emit_all: bool
) -> None:
    """Sum over the tumor of the well-mixed signal = that of cells alone = that of the grid."""
    ds = scene(n_cells, seed)
    fields = {name: getattr(mechanism, name) for name in ("triggers", "weighting", "trex1_window")}
    alone = solved(ds, Mechanism(**fields, spread="none"))
    spread = solved(ds, mechanism)
    for name, key in (("ifn1", "ifn1"), ("vesicles", "vesicle")):
        total = getattr(alone, name).sum(dtype=np.float64)
        grid = spread._spread.signals[key].grid
        found = getattr(spread, name).sum(dtype=np.float64) if grid is None else grid.total()
        np.testing.assert_allclose(found, total, rtol=2e-5, atol=1e-12)


@SETTINGS
@given(st.integers(1, 30), SEEDS, st.floats(0.0, 1e7), st.floats(0.0, 50.0), st.floats(1e-3, 100.0))
def test_a_field_keeps_its_total_and_its_sign_for_any_step(
    n_points: int, seed: int, diffusion: float, decay: float, dt_d: float
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.0, 150.0, (n_points, 3))
    field = SignalField(points, 3000.0, rng.uniform(10.0, 60.0), diffusion, decay)
    field.deposit(points, rng.exponential(1.0, n_points))
    total = field.total()
    for _ in range(3):
        field.advance(dt_d)
        total *= np.exp(-decay * float(f"{dt_d:.12g}"))
        np.testing.assert_allclose(field.total(), total, rtol=1e-9, atol=1e-12)
        assert (field.amount >= -1e-9 * (1.0 + np.abs(field.amount).max())).all()
        assert (field.sample(points) >= 0.0).all()


@SETTINGS
@given(CELLS, SEEDS)
def test_knockouts_close_their_own_route(n_cells: int, seed: int) -> None:
    """Each node stops what it carries and nothing else."""
    ds = scene(n_cells, seed)
    given_ = {"weighting": "per_gy", "spread": "well_mixed", "trex1_window": True}

    def run(triggers: Any, *knockouts: str, gamma: float = 0.0) -> SignalModel:
        mechanism = Mechanism(triggers=triggers, knockouts=knockouts, **given_)  # type: ignore[arg-type]
        return solved(ds, mechanism, gamma=gamma)

    sting, damage = run("sting"), run("damage")
    baseline = sting.cells.assembly * sting.cells.baseline
    for node in ("sting", "cgas"):
        assert run("sting", node).mhc1.tobytes() == baseline.tobytes()
        assert bits(run("damage", node)) == bits(damage)
    for node in ("ifnar", "stat1"):  # the receiver is deaf, the signal is there
        deaf = run("sting", node)
        assert deaf.mhc1.tobytes() == baseline.tobytes()
        assert deaf.ifn1.tobytes() == sting.ifn1.tobytes()
    for node in ("atm", "atr", "chk1"):
        assert not run("damage", node).vesicles.any()
        assert bits(run("sting", node)) == bits(sting)
    for node in ("ifngr", "stat1"):
        assert run("sting", node, "sting", gamma=500.0).mhc1.tobytes() == baseline.tobytes()
    assert not run(("damage", "sting"), "b2m", gamma=500.0).mhc1.any()
    assert (run("damage", "mtor").mhc1 <= damage.mhc1).all()
    assert bits(run("damage", "host_sting")) == bits(damage)


@SETTINGS
@given(CELLS, SEEDS)
def test_cells_that_no_track_hits_stay_silent_per_track_only(n_cells: int, seed: int) -> None:
    """Per track, a cell responds by its own hits; its response is at most P(hit)."""
    ds = scene(n_cells, seed)
    ds["absorbed_dose"][:, :, 1:] = 0.0
    ds["absorbed_dose"][:, 0, 0] = 2.0
    ds["hit_mean"][:] = np.random.default_rng(seed).exponential(1.0, n_cells)
    ds["hit_mean"][0] = 0.0
    fields: dict[str, Any] = {"triggers": "damage", "spread": "none", "trex1_window": False}
    per_track = solved(ds, Mechanism(**fields, weighting="per_track"))
    per_gy = solved(ds, Mechanism(**fields, weighting="per_gy"))
    assert per_track.damage[0] == 0.0
    assert per_track.mhc1[0] == (per_track.cells.assembly * per_track.cells.baseline)[0]
    assert (per_track.damage <= -np.expm1(-ds.hit_mean.values) + 1e-6).all()
    np.testing.assert_allclose(per_gy.damage, per_gy.damage[0], rtol=1e-6)  # one dose, one response
