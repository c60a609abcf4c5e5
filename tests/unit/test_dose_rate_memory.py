# SPDX-License-Identifier: BSD-3-Clause
"""Dose rates that do not fit into memory are refused by the count of `estimate`."""

from __future__ import annotations

from typing import Any

import pytest
import xarray as xr

import immunodose as imd
from immunodose import dose_rate_estimate, memory
from immunodose.dose_rate_inputs import prepared_rate
from immunodose.errors import ResourceError

TIMES_H = [1.0, 5.0, 24.0, 100.0]


def labeled(n_side: int, *nuclides: str) -> xr.Dataset:
    cells = imd.cells.lattice(
        shape=(n_side,) * 3, spacing_um=10.2, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    for nuclide in nuclides:
        cells = imd.label(cells, nuclide, decays_per_cell=1.0, effective_half_life_h=5.0)
    return cells


def needed_MB(cells: xr.Dataset, **options: Any) -> float:
    """Memory of a call by `estimate`, without the cells and the libraries."""
    needs = imd.estimate(cells, **options)
    return needs["memory: output (MB)"] + needs["memory: working (MB)"]


@pytest.mark.parametrize(
    "options",
    [
        {"physics": "mird", "targets": ["nucleus"]},
        {"split": ("target", "emission", "origin")},
        {"dtype": "float32", "split": (), "summation": "particle_mesh"},
    ],
)
def test_a_rate_starts_if_the_estimate_fits(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = labeled(12, "Lu-177")
    needs_MB = needed_MB(cells, time_h=TIMES_H, **options)
    monkeypatch.setattr(memory, "available_memory_MB", lambda: 1.001 * needs_MB)
    imd.absorbed_dose_rate(cells, time_h=TIMES_H, **options)
    monkeypatch.setattr(memory, "available_memory_MB", lambda: 0.999 * needs_MB)
    with pytest.raises(ResourceError, match=f"needs about {needs_MB:.3g} MB of memory"):
        imd.absorbed_dose_rate(cells, time_h=TIMES_H, **options)


def test_columns_of_a_chain_count() -> None:
    """With 250 bytes per cell while doses are summed, 225Ac would start in half of its memory."""
    cells = labeled(46, "Ac-225")
    setting, parts, size = prepared_rate(cells, _arguments(time_h=24.0))
    working_MB = needed_MB(cells, time_h=24.0)
    assert working_MB > 2.0 * size.needs(250.0 * size.n_cells).peak * 1e-6
    # What is compared with the free memory before anything is planned is more than that.
    assert dose_rate_estimate.most_needed_MB(setting, parts, size) > working_MB


def _arguments(**given: Any) -> dict[str, Any]:
    from immunodose.dose_rate import absorbed_dose_rate

    return {**(absorbed_dose_rate.__kwdefaults__ or {}), **given}


@pytest.mark.parametrize(
    ("nuclides", "split", "share"),
    [
        (("Lu-177",), ("target",), 0.95),
        (("Lu-177", "At-211"), ("nuclide", "target", "emission", "origin"), 0.6),
        (("Lu-177", "At-211"), ("nuclide", "target", "emission", "origin"), 0.37),
    ],
)
def test_an_option_that_is_offered_does_fit(
    nuclides: tuple[str, ...], split: tuple[str, ...], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = labeled(12, *nuclides)
    options: dict[str, Any] = {"physics": "mird", "split": split, "time_h": TIMES_H}
    free_MB = share * needed_MB(cells, **options)
    monkeypatch.setattr(memory, "available_memory_MB", lambda: free_MB)
    with pytest.raises(ResourceError) as refused:
        imd.absorbed_dose_rate(cells, **options)
    offers = str(refused.value).partition("These fit: ")[2].rstrip(".").split("; ")
    for offer in offers:
        text, _, size = offer.rpartition(" (")
        given = {**options, **eval(f"dict({text})")}
        assert needed_MB(cells, **given) == pytest.approx(float(size.split()[0]), rel=0.01)
        imd.absorbed_dose_rate(cells, **given)


def test_where_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory_MB", lambda: 1.0)
    with pytest.raises(ResourceError, match=r"nor one time: give at most about \d+ cells"):
        imd.absorbed_dose_rate(labeled(12, "Lu-177"), time_h=TIMES_H)
