# SPDX-License-Identifier: BSD-3-Clause
"""Figures: drawn from a run without global state, and as PNG bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from immunodose import plot
from immunodose.errors import InputError, ValidityWarning
from immunodose.scenario import builtin_scenario, run


@pytest.fixture(scope="module")
def result() -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        return run(replace(builtin_scenario("ac225_ta99_b16"), n_tumor_cells=300))


@pytest.mark.parametrize(
    "draw", [plot.dose_histogram, plot.survivor_map, plot.kill_budget, plot.overview]
)
def test_figures_have_ink(result: xr.Dataset, draw: Callable[[xr.Dataset], Figure]) -> None:
    import matplotlib.image

    picture = matplotlib.image.imread(io.BytesIO(plot.png_bytes(draw(result), dpi=60)))
    assert np.ptp(picture[..., :3]) > 0.5


def test_no_global_state(result: xr.Dataset) -> None:
    import matplotlib.pyplot as plt

    plot.overview(result)
    assert plt.get_fignums() == []


def test_histogram_counts_every_tumor_cell(result: xr.Dataset) -> None:
    axes = plot.dose_histogram(result).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(labels) == 2
    assert "b16k1 = b16f10, 9.25 kBq" in labels[0]


def test_budget_has_three_parts_per_arm(result: xr.Dataset) -> None:
    axes = plot.kill_budget(result).axes[0]
    widths = np.array([patch.get_width() for patch in axes.patches]).reshape(-1, 3)
    assert widths.shape[0] == result.sizes["arm"]
    np.testing.assert_allclose(widths.sum(axis=1), 1.0, atol=5e-3)


def test_map_of_an_activity_that_is_not_there(result: xr.Dataset) -> None:
    with pytest.raises(InputError, match=r"administered_activity_Bq=5\.0"):
        plot.survivor_map(result, administered_activity_Bq=5.0)


def test_missing_variables_are_named(result: xr.Dataset) -> None:
    with pytest.raises(InputError, match="absorbed_dose"):
        plot.dose_histogram(result.drop_vars("absorbed_dose"))


def test_dpi(result: xr.Dataset) -> None:
    with pytest.raises(InputError, match="invalid dpi=5"):
        plot.png_bytes(plot.kill_budget(result), dpi=5)
