# SPDX-License-Identifier: BSD-3-Clause
"""Long calls of population doses tell how far they are, and stop when asked to."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

import numpy as np
import pytest
import xarray as xr

import immunodose as imd


def labeled(n_side: int, *nuclides: str) -> xr.Dataset:
    cells = imd.cells.lattice(
        shape=(n_side,) * 3, spacing_um=10.2, cell_radius_um=5.0, nucleus_radius_um=4.0
    )
    for nuclide in nuclides:
        cells = imd.label(cells, nuclide, decays_per_cell=1.0)
    return cells


def test_progress_after_each_nuclide_of_monte_carlo() -> None:
    cells = labeled(2, "Lu-177", "At-211")
    options: dict[str, Any] = {"method": "monte_carlo", "n_histories": 64, "rng": 1}
    calls: list[tuple[int, int, str]] = []
    dose = imd.absorbed_dose(
        cells, progress=lambda done, total, text: calls.append((done, total, text)), **options
    )
    assert calls == [(1, 2, "nuclides"), (2, 2, "nuclides")]
    assert dose.equals(imd.absorbed_dose(cells, **options))


@pytest.mark.parametrize(
    ("n_side", "options"),
    [
        (2, {"physics": "mird"}),
        (46, {"split": ("emission",)}),
        (30, {"summation": "cell_list", "split": ()}),
    ],
)
def test_progress_within_each_nuclide(n_side: int, options: dict[str, Any]) -> None:
    cells = labeled(n_side, "Lu-177", "At-211")
    calls: list[tuple[int, int, str]] = []
    dose = imd.absorbed_dose(
        cells, progress=lambda done, total, text: calls.append((done, total, text)), **options
    )
    done = [call[0] for call in calls]
    assert {call[1] for call in calls} == {200}
    assert done == sorted(set(done))  # ascending, none twice
    assert done[-1] == 200
    assert 100 in done
    for n_done, _, text in calls:
        assert text == ("Lu-177" if n_done <= 100 else "At-211")
    if n_side > 2:
        assert sum(n_done <= 100 for n_done in done) >= 3
    assert dose.equals(imd.absorbed_dose(cells, **options))


def test_progress_of_a_dose_rate() -> None:
    cells = labeled(24, "Lu-177", "At-211")
    options: dict[str, Any] = {
        "time_h": [1.0, 24.0],
        "effective_half_life_h": 5.0,
        "targets": ["nucleus"],
        "summation": "cell_list",
    }
    calls: list[tuple[int, int, str]] = []
    rate = imd.absorbed_dose_rate(
        cells, progress=lambda done, total, text: calls.append((done, total, text)), **options
    )
    done = [call[0] for call in calls]
    assert {call[1] for call in calls} == {300}
    assert done == sorted(set(done))
    assert {100, 200, 300} <= set(done)
    assert any(n_done < 100 for n_done in done)  # within the first nuclide
    assert {text for n_done, _, text in calls if n_done <= 100} == {"Lu-177"}
    assert calls[-1][2] == "times"
    assert rate.equals(imd.absorbed_dose_rate(cells, **options))
    with pytest.raises(Stop):
        imd.absorbed_dose_rate(cells, progress=_stop, **options)


PACKINGS: list[tuple[str, dict[str, Any]]] = [
    ("spheroid", {"radius_um": 200.0, "packing_fraction": 0.55}),
    ("spheroid", {"radius_um": 200.0, "packing_fraction": 0.6, "arrangement": "close_packed"}),
    ("spheroid", {"radius_um": 90.0, "packing_fraction": 0.6}),  # must grow step by step
    ("colony", {"n_cells": 30000, "packing_fraction": 0.6}),
]


@pytest.mark.parametrize(("name", "options"), PACKINGS)
def test_progress_of_packings(name: str, options: dict[str, Any]) -> None:
    build = getattr(imd.cells, name)
    given = {**options, "cell_radius_um": 5.0, "nucleus_radius_um": 4.0, "rng": 1}
    calls: list[tuple[int, int, str]] = []
    packed = build(progress=lambda *call: calls.append(call), **given)
    done = [call[0] for call in calls]
    assert {call[1:] for call in calls} == {(100, "packing")}
    assert done == sorted(set(done))
    assert done[-1] == 100
    assert len(done) >= 10
    assert packed.equals(build(**given))
    with pytest.raises(Stop):
        build(progress=_stop, **given)


def _stop(done: int, total: int, text: str) -> None:
    raise Stop(f"at {done}")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_of_the_callback_stops_the_call(n_threads: int) -> None:
    if n_threads > imd.threads.available_cpus():
        pytest.skip("one CPU")
    cells = labeled(30, "Lu-177")
    calls: list[int] = []

    def stop(done: int, total: int, text: str) -> None:
        calls.append(done)
        raise Stop(f"at {done}")

    options: dict[str, Any] = {"split": (), "summation": "cell_list", "n_threads": n_threads}
    with pytest.raises(Stop, match="at"):
        imd.absorbed_dose(cells, progress=stop, **options)
    assert len(calls) == 1
    assert calls[0] < 100  # before it was done
    assert np.isfinite(imd.absorbed_dose(cells, **options)["absorbed_dose"]).all()


class Stop(Exception):
    """Raised by the signal handler, as Ctrl-C raises KeyboardInterrupt."""


@pytest.mark.skipif(sys.platform == "win32", reason="needs setitimer")
@pytest.mark.parametrize(
    ("n_side", "options"),
    [
        (60, {"physics": "mird", "split": (), "summation": "direct"}),
        (60, {"physics": "mird", "split": (), "summation": "cell_list"}),
        (4, {"method": "monte_carlo", "n_histories": 32 * 10**6, "rng": 1}),
        (4, {"method": "monte_carlo", "realization": True, "rng": 1}),
    ],
    ids=["direct", "cell_list", "mean", "realization"],
)
def test_a_signal_stops_a_running_call(n_side: int, options: dict[str, object]) -> None:
    cells = labeled(n_side, "Lu-177")
    if options.get("realization"):
        cells["time_integrated_activity"] *= 1e6
    small = {**options, "n_histories": 64} if "n_histories" in options else options
    if not options.get("realization"):
        imd.absorbed_dose(labeled(2, "Lu-177"), **small)  # loads tables

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise Stop

    former = signal.signal(signal.SIGALRM, stop)
    delay_s = 0.5
    asked = time.perf_counter() + delay_s
    signal.setitimer(signal.ITIMER_REAL, delay_s)
    try:
        with pytest.raises(Stop):
            imd.absorbed_dose(cells, n_threads=1, **options)
        # The core looks every 50 ms, and ends its blocks; machines of tests are busy.
        assert time.perf_counter() - asked < 2.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, former)
