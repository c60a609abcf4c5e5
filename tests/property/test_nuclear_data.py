# SPDX-License-Identifier: BSD-3-Clause
"""Invariants of decay chains (atoms, signs, equilibrium, additivity) and of emission tables."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator
from tests.reference.decay import bateman, branching_products, midpoint_steps

import immunodose as imd
from immunodose import _core
from immunodose.data.chains import chain_structure
from immunodose.data.decay_data import DEFAULT_SOURCE
from immunodose.data.spectra import BETA_LISTS, nuclide_lines

Chain = tuple[list[float], list[tuple[int, int, float]], list[float]]

LN2 = math.log(2)
half_lives = st.floats(-7, 18).map(lambda exponent: 10.0**exponent)


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Branched chains of 1-6 members whose branching sums stay at or below 1."""
    n = draw(st.integers(1, 6))
    rates = [LN2 / draw(half_lives) for _ in range(n)]
    edges = []
    for parent in range(n - 1):
        left = 1.0
        for daughter in range(parent + 1, n):
            fraction = draw(st.floats(0, 1)) * left
            left -= fraction
            edges.append((parent, daughter, fraction))
    retention = [1.0, *(draw(st.floats(0, 1)) for _ in range(n - 1))]
    return rates, edges, retention


def arrays(chain: Chain) -> dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]:
    rates, edges, retention = chain
    return {
        "rate_per_s": np.array(rates),
        "edge_parent": np.array([e[0] for e in edges], dtype=np.int64),
        "edge_daughter": np.array([e[1] for e in edges], dtype=np.int64),
        "edge_fraction": np.array([e[2] for e in edges], dtype=float),
        "retention": np.array(retention),
    }


def evolve(chain: Chain, atoms: npt.ArrayLike, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    return _core.physics.evolve_decay_chain(
        **arrays(chain), initial_atoms=np.asarray(atoms, dtype=float), duration_s=duration_s
    )


def pure(chain: Chain) -> np.ndarray:
    return np.eye(len(chain[0]))[0]


def linear(rates: list[float]) -> Chain:
    return rates, [(i, i + 1, 1.0) for i in range(len(rates) - 1)], [1.0] * len(rates)


@given(chains(), st.floats(-8, 18))
def test_atoms_are_conserved_and_nothing_is_negative(chain: Chain, exponent: float) -> None:
    atoms, decays = evolve(chain, pure(chain), 10.0**exponent)
    _, edges, retention = chain
    assert np.isfinite(atoms).all()
    assert np.isfinite(decays).all()
    assert (atoms >= 0).all()
    assert (decays >= 0).all()
    # Atoms now = atoms made and kept - decays, member by member.
    made = pure(chain)
    for parent, daughter, fraction in edges:
        made[daughter] += decays[parent] * fraction * retention[daughter]
    np.testing.assert_allclose(atoms + decays, made, rtol=1e-11, atol=1e-300)


@given(chains(), st.floats(-6, 15), st.floats(-6, 15))
def test_decays_add_over_intervals(chain: Chain, first: float, second: float) -> None:
    between, early = evolve(chain, pure(chain), 10.0**first)
    end, late = evolve(chain, between, 10.0**second)
    atoms, decays = evolve(chain, pure(chain), 10.0**first + 10.0**second)
    np.testing.assert_allclose(early + late, decays, rtol=1e-10, atol=1e-290)
    # The exponent of an exponential carries the rounding of rate * time.
    slack = 1e-10 + 4e-16 * max(chain[0]) * (10.0**first + 10.0**second)
    if slack < 1e-3:
        np.testing.assert_allclose(end, atoms, rtol=slack, atol=1e-290)


@given(st.lists(half_lives, min_size=1, max_size=5, unique=True), st.floats(-7, 18))
def test_linear_chains_agree_with_bateman(members: list[float], exponent: float) -> None:
    rates = [LN2 / half_life for half_life in members]
    time_s = 10.0**exponent
    atoms, decays = evolve(linear(rates), np.eye(len(rates))[0], time_s)
    expected_atoms, expected_decays = bateman(rates, time_s, digits=300)
    np.testing.assert_allclose(decays, expected_decays, rtol=1e-11, atol=1e-250)
    visible = np.array(expected_atoms) > 1e-200  # exp(-x) loses log10(x) digits
    np.testing.assert_allclose(
        atoms[visible], np.array(expected_atoms)[visible], rtol=1e-11, atol=1e-250
    )


@given(chains())
def test_late_decays_are_the_branching_products(chain: Chain) -> None:
    rates, edges, retention = chain
    all_decays = _core.physics.decays_to_infinity(**arrays(chain), initial_atoms=pure(chain))
    expected = branching_products(len(rates), edges, retention)
    np.testing.assert_allclose(all_decays, expected, rtol=1e-12, atol=1e-300)
    _, late = evolve(chain, pure(chain), 1e3 / min(rates))
    np.testing.assert_allclose(late, expected, rtol=1e-10, atol=1e-300)


@given(chains())
@settings(max_examples=30)
def test_mild_chains_agree_with_small_steps(chain: Chain) -> None:
    _, edges, retention = chain
    mild = [1.0 + 0.5 * i for i in range(len(chain[0]))], edges, retention
    atoms, decays = evolve(mild, pure(mild), 1.3)
    slow_atoms, slow_decays = midpoint_steps(*mild, time_s=1.3, n_steps=2000)
    np.testing.assert_allclose(atoms, slow_atoms, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(decays, slow_decays, rtol=1e-5, atol=1e-9)


@given(half_lives, st.floats(0.001, 30), st.integers(2, 6))
def test_equal_half_lives_give_the_gamma_limit(half_life: float, x: float, n: int) -> None:
    rate = LN2 / half_life
    atoms, _ = evolve(linear([rate] * n), np.eye(n)[0], x / rate)
    expected = [math.exp(-x) * x**k / math.factorial(k) for k in range(n)]
    np.testing.assert_allclose(atoms, expected, rtol=1e-12)


@given(st.floats(3, 12), st.floats(1e-7, 1e6))
def test_secular_and_transient_equilibrium(longer: float, daughter_half_life: float) -> None:
    parent, daughter = LN2 / (daughter_half_life * 10.0**longer), LN2 / daughter_half_life
    atoms, _ = evolve(linear([parent, daughter]), [1.0, 0.0], 100 * daughter_half_life)
    ratio = atoms[1] * daughter / (atoms[0] * parent)
    assert ratio == pytest.approx(daughter / (daughter - parent), rel=1e-12)


@given(st.sampled_from(sorted(DEFAULT_SOURCE.radionuclides())))
@example("Cu-64")
@example("N-16")
@settings(max_examples=60)
def test_beta_bins_keep_yield_and_energy(nuclide: str) -> None:
    lists = DEFAULT_SOURCE.emission_lists(nuclide)
    rows = np.concatenate([lists[key] for key in BETA_LISTS if key in lists] or [np.empty((0, 2))])
    lines = nuclide_lines(nuclide, DEFAULT_SOURCE)
    beta = np.array(lines.emission, dtype=object) == "beta"
    assert lines.yield_per_decay[beta].sum() == pytest.approx(rows[:, 1].sum(), rel=1e-12)
    energy = lines.energy_keV[beta] @ lines.yield_per_decay[beta]
    assert energy == pytest.approx(rows[:, 0] @ rows[:, 1], rel=1e-12)
    assert (lines.yield_per_decay > 0).any() or not len(rows)
    assert (lines.energy_keV > 0).all()
    assert np.array_equal(lines.continuous == 1, beta)


def test_all_beta_spectra_need_little_renormalization() -> None:
    n_spectra = 0
    for nuclide in sorted(DEFAULT_SOURCE.radionuclides()):
        lists = DEFAULT_SOURCE.emission_lists(nuclide)
        rows = [lists[key] for key in BETA_LISTS if key in lists]
        if not rows or nuclide in ("N-16", "Es-254m", "Es-255", "Cm-250"):
            continue
        n_spectra += 1
        energy, height = DEFAULT_SOURCE.beta_density(nuclide).T
        total = PchipInterpolator(energy, height).integrate(energy[0], energy[-1])
        assert float(total) == pytest.approx(np.concatenate(rows)[:, 1].sum(), rel=2e-3), nuclide
    assert n_spectra == 926  # of 1252 nuclides


@given(st.floats(0, 1), st.floats(0.01, 1000))
@settings(max_examples=40)
def test_retention_scales_the_progeny(kept: float, horizon_d: float) -> None:
    whole = chain_structure("Ac-225", chain_horizon_d=horizon_d)
    partial = chain_structure("Ac-225", chain_horizon_d=horizon_d, retention={"221Fr": kept})
    assert partial.decays_per_parent_decay[0] == 1.0
    np.testing.assert_allclose(
        partial.decays_per_parent_decay[1:],
        kept * whole.decays_per_parent_decay[1:],
        rtol=1e-12,
        atol=1e-290,
    )


@given(
    st.sampled_from(["Ac-225", "Th-227", "Ra-223", "Pb-212", "At-211"]),
    st.none() | st.floats(0.01, 1e4),
    st.floats(0.001, 1),
)
@settings(max_examples=40)
def test_edges_carry_the_decays(nuclide: str, horizon_d: float | None, kept: float) -> None:
    progeny = chain_structure(nuclide).members[1:]
    retention = dict.fromkeys(progeny, kept)
    chain = chain_structure(nuclide, chain_horizon_d=horizon_d, retention=retention)
    decays = np.eye(len(chain.members))[0]
    inside = chain.daughter_index >= 0
    for parent, daughter, fraction in zip(
        chain.parent_index[inside],
        chain.daughter_index[inside],
        chain.fraction[inside],
        strict=True,
    ):
        decays[daughter] += decays[parent] * fraction
    np.testing.assert_allclose(decays, chain.decays_per_parent_decay, rtol=1e-12)
    assert (chain.daughter_index[inside] > chain.parent_index[inside]).all()


def test_decays_grow_with_the_horizon() -> None:
    horizons_d = (0.1, 1.0, 15.0, 100.0, 1e4)
    rows = [
        imd.emissions("Th-227", chain_horizon_d=h).decays_per_parent_decay.values
        for h in horizons_d
    ]
    assert (np.diff(rows, axis=0) >= -1e-15).all()
