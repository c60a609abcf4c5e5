# SPDX-License-Identifier: BSD-3-Clause
"""Specific energy of domains: the oracle, published tracks, and survival of HSG and V79 cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.reference import response as oracle

import immunodose as imd
from immunodose import _core
from immunodose.errors import InputError
from immunodose.testing import assert_schema

# ICRU Report 90, Table A.12: energies (keV) of helium ions with these LETs (keV/um) in water,
# log-log between its rows.
HSG_HELIUM = {18.6: (38443.0, 0.679), 33.0: (18584.0, 1.123), 70.3: (6786.0, 2.034)}
V79_HELIUM = {38.1: (15429.0, 0.667), 73.9: (6335.0, 1.196)}


def alphas(line: str, model: str, data: dict[float, tuple[float, float]]) -> tuple[Any, Any]:
    """Initial slopes and the published ones (least squares on curves of Inaniwa 2018)."""
    let = np.array(list(data))
    energy, published = np.array(list(data.values())).T
    quality = imd.radiation_quality(energy, parameters=line, model=model, let_keV_per_um=let)
    slope = quality["survival_alpha"].values
    if model == "smk":  # of Eq. 23 at low dose
        nucleus = quality["nucleus_specific_energy"].values
        slope = slope - nucleus * (0.5 * slope**2 - quality["survival_beta"].values)
    return slope, published


@pytest.mark.parametrize("model", ["mkm", "smk"])
def test_helium_on_hsg_cells(model: str) -> None:
    """Within 10 % (issue: MKM; domain radius 0.29 um, SMK 0.28 um); SMK within 3 %."""
    slope, published = alphas("hsg", model, HSG_HELIUM)
    np.testing.assert_allclose(slope, published, rtol=0.10 if model == "mkm" else 0.03)
    assert (np.diff(slope) > 0.0).all()


@pytest.mark.parametrize("model", ["mkm", "smk"])
def test_helium_on_v79_cells(model: str) -> None:
    """Within 8 % at two LETs; at 18.6 keV/um both models are 13 % above the curve."""
    slope, published = alphas("v79", model, V79_HELIUM)
    np.testing.assert_allclose(slope, published, rtol=0.08)


@pytest.mark.parametrize(
    ("distance_um", "published_Gy", "tolerance"),
    [(0.0040022, 2.0197, 0.04), (0.25794, 1.9394, 0.04), (0.30634, 1.8264, 0.04),
     (0.55441, 0.020283, 0.06), (1.279, 0.0030977, 0.06)],
)  # fmt: skip
def test_published_energy_of_a_domain(
    distance_um: float, published_Gy: float, tolerance: float
) -> None:
    """Helium of 50 MeV/u, domain 0.32 um: read off a figure of Inaniwa 2010 (PMB 55:6721)."""
    found = _core.response.segment_specific_energy(
        energy_keV=50e3 * 4.0015, let_keV_per_um=4.96, radius_um=0.32, distance_um=distance_um
    )
    assert found == pytest.approx(published_Gy, rel=tolerance)


@pytest.mark.parametrize("distance_um", [0.0, 0.1, 0.2895, 0.29, 0.2905, 0.31, 0.4])
@pytest.mark.parametrize(("energy_keV", "let"), [(5000.0, 88.0), (20000.0, 31.0), (300.0, 190.0)])
def test_energy_at_a_distance_equals_the_oracle(
    energy_keV: float, let: float, distance_um: float
) -> None:
    found = _core.response.segment_specific_energy(
        energy_keV=energy_keV, let_keV_per_um=let, radius_um=0.29, distance_um=distance_um
    )
    expected = oracle.cylinder_energy(energy_keV, let, 0.29, distance_um)
    assert found == pytest.approx(expected, rel=5e-3, abs=1e-6)


@pytest.mark.parametrize(("energy_keV", "let"), [(5000.0, 88.0), (20000.0, 31.0), (1000.0, 193.0)])
@pytest.mark.parametrize(("radius_um", "saturation_Gy"), [(0.29, 55.0), (8.1, 1e9)])
def test_means_equal_the_oracle(
    energy_keV: float, let: float, radius_um: float, saturation_Gy: float
) -> None:
    mean, saturated = _core.response.region_specific_energies(
        energy_keV=[energy_keV], let_keV_per_um=[let], radius_um=radius_um,
        saturation_Gy=saturation_Gy, n_threads=1,
    )  # fmt: skip
    expected = oracle.region_specific_energy(energy_keV, let, radius_um, saturation_Gy)
    np.testing.assert_allclose([mean[0], saturated[0]], expected, rtol=3e-3)


def test_a_domain_is_not_a_nucleus() -> None:
    """At 130 keV/um about 74 Gy in a domain of 0.3 um, 0.27 Gy in a nucleus of 5 um (chords)."""
    energy = oracle.fast_alpha_energy_keV(130.0)
    mean, _ = _core.response.region_specific_energies(
        energy_keV=[energy], let_keV_per_um=[130.0], radius_um=0.3, saturation_Gy=1e9, n_threads=1
    )
    assert mean[0] == pytest.approx(74.0, rel=0.05)


def test_slowing_down_is_the_mean_over_lost_energy() -> None:
    quality = imd.radiation_quality("At-211", parameters="hsg")
    table = imd.emissions("At-211")
    lines = table.isel(line=table["emission"].values == "alpha")
    total = weighted = 0.0
    for energy, weight in zip(lines["energy"].values, lines["yield_per_decay"].values, strict=True):
        grid = np.linspace(1.0, energy, 400)
        at = imd.radiation_quality(grid, parameters="hsg")
        weighted += weight * np.trapezoid(at["domain_specific_energy_saturated"].values, grid)
        total += weight * energy
    expected = weighted / total
    assert float(quality["domain_specific_energy_saturated"]) == pytest.approx(expected, rel=2e-3)
    assert_schema(quality)


def test_most_alpha_energy_of_actinium_lies_above_the_data() -> None:
    """BIOLOGY of the project: 89 % above 74 keV/um."""
    quality = imd.radiation_quality("Ac-225", parameters="hsg", validity_let_max=74.0)
    assert float(quality["energy_share_above_let"]) == pytest.approx(0.89, abs=0.012)


def test_overkill_bounds_the_saturated_energy() -> None:
    quality = imd.radiation_quality(np.geomspace(10.0, 12000.0, 30), parameters="hsg")
    free, less = (
        quality[name].values
        for name in ("domain_specific_energy", "domain_specific_energy_saturated")
    )
    assert (less < free).all()
    weak = imd.radiation_quality([5000.0], parameters="hsg", mkm_saturation=1000.0)
    gap = weak["domain_specific_energy"] - weak["domain_specific_energy_saturated"]
    assert 0.0 < float(gap[0]) < 0.01 * float(weak["domain_specific_energy"][0])


@pytest.mark.parametrize(
    ("alphas_given", "options", "message"),
    [
        ("Lu-177", {}, "has no alphas"),
        ("At-211", {"model": "lem"}, "unknown model='lem'"),
        ("At-211", {"parameters": "b16f10"}, "does not define 'mkm_domain_radius'.*hsg"),
        ("At-211", {"let_keV_per_um": 90.0}, "no effect for a nuclide"),
        (20000.0, {}, r"invalid energy_keV 20000.0.*give let_keV_per_um"),
        ([5000.0, np.nan], {}, "invalid energy_keV nan"),
        ([5000.0], {"let_keV_per_um": [90.0, 80.0]}, r"has shape \(2,\)"),
        ([5000.0], {"let_keV_per_um": 1.0}, "less than the penumbra"),
        ([5000.0], {"mkm_domain_radius": 290.0}, "invalid mkm_domain_radius=290 um"),
    ],
)
def test_bad_input(alphas_given: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.radiation_quality(alphas_given, **{"parameters": "hsg", **options})
