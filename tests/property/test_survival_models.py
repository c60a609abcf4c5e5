# SPDX-License-Identifier: BSD-3-Clause
"""Invariants 27 and 28 for every survival model of the package, and for per-cell modifiers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

import immunodose as imd
from immunodose.data.parameters import resolve

SETTINGS = settings(max_examples=settings.default.max_examples // 8)
MODELS = ("lq", "hits", "mkm", "smk")
LINE = resolve(
    "hsg", validity_dose_max=100.0, validity_let_max=300.0, oxygen_enhancement_high_let=1.3
)
SLACK = 1e-9
# Largest dose per class (Gy), and LETs of alphas that nuclides emit.
DOSE = st.lists(st.floats(0.0, 6.0), min_size=2, max_size=2)
LET = st.floats(65.0, 220.0)


def scene(
    alpha: list[float], beta: list[float], let: float, factor: list[float], oxygen: list[float]
) -> xr.Dataset:
    n = len(alpha)
    z = 0.2  # Gy of one decay that hits
    moments = np.array([[dose / z * z**k for k in range(6)] for dose in alpha])
    return xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), np.stack([alpha, beta], axis=1)),
            "hit_decay_moment": (("cell", "moment"), moments),
            "let_dose_mean": (("cell", "emission"), np.full((n, 2), let)),
            "lea_catcheside_factor": (("cell",), factor),
            "oxygen": (("cell",), oxygen),
        },
        coords={"emission": ["alpha", "beta"]},
    )


@pytest.mark.parametrize("model", MODELS)
@SETTINGS
@given(DOSE, LET, st.floats(0.0, 1.0), st.floats(0.0, 100.0), st.floats(1.01, 3.0))
@example([5e-324, 0.0], 65.0, 0.0, 0.0, 2.0)  # its square is zero
@example([1e-161, 0.0], 65.0, 1.0, 0.0, 2.0)
@pytest.mark.filterwarnings("ignore::immunodose.errors.ValidityWarning")
def test_survival_is_a_probability_and_falls_with_dose(
    model: str, dose: list[float], let: float, factor: float, oxygen: float, more: float
) -> None:
    """Cells: as given; more alphas; more betas; slower; less oxygen; none."""
    a, b = dose
    ds = scene(
        [a, more * a, a, a, a, 0.0], [b, b, more * b, b, b, 0.0], let,
        [factor, factor, factor, 0.5 * factor, factor, 1.0],
        [oxygen, oxygen, oxygen, oxygen, 0.5 * oxygen, oxygen],
    )  # fmt: skip
    out = imd.survival(ds, parameters=LINE, model=model, dose_rate="lea_catcheside")
    s = out["survival_probability"].values
    assert ((s >= 0.0) & (s <= 1.0)).all()
    assert s[5] == 1.0
    assert s[1] <= s[0] + SLACK
    assert s[2] <= s[0] + SLACK
    assert s[3] >= s[0] - SLACK
    assert s[4] >= s[0] - SLACK
    bed, eqd2, weighted = (out[name].values for name in ("bed", "eqd2", "rbe_weighted_dose"))
    assert (eqd2 <= bed + SLACK).all()
    assert (weighted <= bed + SLACK).all()


@SETTINGS
@given(st.floats(0.0, 50.0), st.floats(0.05, 2.0))
@pytest.mark.filterwarnings("ignore::immunodose.errors.ValidityWarning")
def test_unhit_cells_survive_the_alphas(mean_hits: float, z_Gy: float) -> None:
    """However high the dose of one hit, the unhit share of the cells survives: S >= exp(-n)."""
    moments = np.array([[mean_hits * z_Gy**k for k in range(6)]])
    ds = xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), moments[:, 1:2]),
            "hit_decay_moment": (("cell", "moment"), moments),
        },
        coords={"emission": ["alpha"]},
    )
    out = imd.survival(ds, parameters=LINE, model="hits", dose_rate="acute")
    survived = float(out["survival_probability"][0])
    assert survived >= np.exp(-mean_hits) * (1.0 - SLACK)
    # One event kills more than its published, hit-averaged slope says.
    assert survived <= np.exp(mean_hits * np.expm1(-2.034 * z_Gy)) * (1.0 + SLACK)


@SETTINGS
@given(st.lists(st.floats(0.0, 6.0), min_size=3, max_size=3), st.floats(0.0, 1.0))
def test_classes_with_equal_coefficients_are_one(dose: list[float], factor: float) -> None:
    """Cross terms stay: three low-LET classes act as one of their total dose (invariant 29)."""
    names = ["beta", "auger_ce", "photon"]
    values = np.array([dose, [sum(dose), 0.0, 0.0]])
    ds = xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), values),
            "lea_catcheside_factor": (("cell",), [factor, factor]),
        },
        coords={"emission": names},
    )
    out = imd.survival(ds, parameters=LINE, model="lq", dose_rate="lea_catcheside")
    s = out["survival_probability"].values
    np.testing.assert_allclose(s[0], s[1], rtol=1e-10)
