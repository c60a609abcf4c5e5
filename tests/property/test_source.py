# SPDX-License-Identifier: BSD-3-Clause
"""Invariants of labeling: decays are conserved, additive and in proportion."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from immunodose.source import label

TIA = "time_integrated_activity"
MEDIUM = "medium_time_integrated_activity_concentration"

sizes = st.integers(1, 40)
# Below the smallest normal double a share of the decays is rounded away.
means = st.just(0.0) | st.floats(1e-200, 1e6)
seeds = st.integers(0, 2**64 - 1)
parts = st.lists(st.just(0.0) | st.floats(1e-9, 1.0), min_size=5, max_size=5).filter(
    lambda p: sum(p) > 0.1
)
profile = settings(max_examples=60)


def make_cells(n: int, ratio: float = 0.7) -> xr.Dataset:
    return xr.Dataset(
        {
            "cell_radius": ("cell", np.full(n, 8.0)),
            "nucleus_radius": ("cell", np.full(n, 8.0 * ratio)),
        },
        coords={"cell": np.arange(n)},
    )


@profile
@given(n=sizes, mean=means, split=parts, ratio=st.floats(0.1, 1.0), seed=seeds)
def test_no_decay_is_lost(n: int, mean: float, split: list[float], ratio: float, seed: int) -> None:
    names = ("nucleus", "cytoplasm", "membrane", "cell", "medium")
    localization = {name: part / sum(split) for name, part in zip(names, split, strict=True)}
    localization["cell"] = 1.0 - sum(v for key, v in localization.items() if key != "cell")
    localization["cell"] = min(max(localization["cell"], 0.0), 1.0)
    volume = 1000.0 if localization["medium"] > 0.0 else None
    labeled = label(
        make_cells(n, ratio),
        "Lu-177",
        decays_per_cell=mean,
        localization=localization,
        medium_volume_um3=volume,
        rng=seed,
    )
    total = float(labeled[TIA].sum()) + float(labeled[MEDIUM].sum()) * (volume or 0.0)
    np.testing.assert_allclose(total, n * mean, rtol=1e-8)
    assert (labeled[TIA].values >= 0.0).all()


@profile
@given(n=sizes, mean=means, factor=st.just(0.0) | st.floats(1e-6, 10.0), seed=seeds)
def test_twice_is_the_sum(n: int, mean: float, factor: float, seed: int) -> None:
    cells = make_cells(n)
    once = label(cells, "Lu-177", decays_per_cell=mean, labeled_fraction=1.0, rng=seed)
    twice = label(once, "Lu-177", decays_per_cell=mean * factor, rng=seed)
    np.testing.assert_allclose(
        twice[TIA].values, once[TIA].values * (1.0 + factor), rtol=1e-12, atol=0.0
    )


@profile
@given(weights=st.lists(st.floats(0.0, 1e3), min_size=2, max_size=30), mean=means, seed=seeds)
def test_weights_share_out_in_proportion(weights: list[float], mean: float, seed: int) -> None:
    weights[0] = max(weights[0], 1e-3)
    labeled = label(
        make_cells(len(weights)), "Lu-177", decays_per_cell=mean, weights=weights, rng=seed
    )
    values = labeled[TIA].sum("source").values[0]
    np.testing.assert_allclose(values.mean(), mean, rtol=1e-12)
    np.testing.assert_allclose(
        values * np.sum(weights), np.asarray(weights) * values.sum(), rtol=1e-9, atol=1e-9
    )


@profile
@given(
    n=sizes,
    share=st.floats(0.0, 1.0),
    shape=st.sampled_from(["uniform", "normal", "lognormal"]),
    seed=seeds,
)
def test_same_root_same_bits(n: int, share: float, shape: str, seed: int) -> None:
    share = share if share * n >= 0.5 else 1.0
    arguments = {"decays_per_cell": 50.0, "labeled_fraction": share, "distribution": shape}
    sd = None if shape == "uniform" else 15.0
    first, second = (
        label(make_cells(n), "Lu-177", sd=sd, rng=seed, **arguments)  # type: ignore[arg-type]
        for _ in range(2)
    )
    xr.testing.assert_identical(first, second)
    values = first[TIA].sum("source").values[0]
    assert (values >= 0.0).all()
    assert np.count_nonzero(values) == np.floor(share * n + 0.5)
