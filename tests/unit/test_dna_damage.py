# SPDX-License-Identifier: BSD-3-Clause
"""Double-strand breaks: published values, properties, provenance and bad input."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import dna_damage as oracle

import immunodose as imd
from immunodose.data.parameters import resolve
from immunodose.dna_damage import _electron_let_keV_per_um
from immunodose.errors import InputError, ValidityWarning
from immunodose.schema import validate

SET = "dsb_yields"


def dose_dataset(**by_class: list[float]) -> xr.Dataset:
    values = np.stack([np.array(column) for column in by_class.values()], axis=1)
    return xr.Dataset(
        {"absorbed_dose": (("cell", "target", "emission"), values[:, None, :])},
        coords={
            "cell": np.arange(values.shape[0]), "target": ["nucleus"], "emission": list(by_class),
        },
    )  # fmt: skip


def with_let(ds: xr.Dataset, *rows: list[float]) -> xr.Dataset:
    return ds.assign(let_dose_mean=(("cell", "target", "emission"), np.array(rows)[:, None, :]))


def per_Gbp(emission: str, **kwargs: Any) -> Any:
    return imd.dsb_yield_per_gray(emission, parameters=SET, genome_size_Gbp=1.0, **kwargs)


def test_alpha_yields_are_the_published_curve() -> None:
    # Kundrat 2020: 6.8 per Gy and Gbp in the low-LET limit, about 20 for slow light ions.
    assert per_Gbp("alpha", let_keV_per_um=1e-6) == pytest.approx(6.8, rel=1e-6)
    let = np.array([1.0, 5.0, 20.0, 50.0, 100.0, 150.0])
    expected = [oracle.helium_per_Gy_and_Gbp(value) for value in let]
    np.testing.assert_allclose(per_Gbp("alpha", let_keV_per_um=let), expected, rtol=1e-12)
    with pytest.warns(ValidityWarning):
        assert per_Gbp("alpha", let_keV_per_um=200.0) == pytest.approx(20.0, rel=0.03)


def test_electron_yields_are_the_published_fit() -> None:
    # MCDS by Stewart 2018: fast electrons as 60Co (TOPAS codes 0.995 below x = 2).
    assert per_Gbp("beta", energy_keV=1000.0) / 6.8 == pytest.approx(0.995, abs=0.003)
    assert per_Gbp("beta", energy_keV=1.0) / 6.8 == pytest.approx(1.578, rel=1e-3)
    energy = np.array([0.1, 0.5, 2.0, 10.0, 100.0])
    expected = [6.8 * oracle.mcds_rbe(1.0 / oracle.electron_beta_squared(e)) for e in energy]
    for emission in ("beta", "auger_ce"):
        np.testing.assert_allclose(per_Gbp(emission, energy_keV=energy), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("energy_keV", "icru90"),  # ICRU Report 90, Table A.3, electronic, MeV cm2 g-1
    [(1.0, 118.1), (2.0, 74.36), (5.0, 38.06), (10.0, 22.39), (50.0, 6.564), (300.0, 2.344)],
)
def test_electron_let_is_that_of_icru90(energy_keV: float, icru90: float) -> None:
    # 0.1 %: the table has four digits; the density effect is left out (1 % at 1 MeV).
    found = float(_electron_let_keV_per_um(np.array(energy_keV)))
    assert found == pytest.approx(icru90 / 10.0, rel=1e-3)
    assert found == pytest.approx(oracle.electron_let_keV_per_um(energy_keV), rel=1e-4)


def test_electron_let_stands_for_its_energy() -> None:
    let = np.array([0.2, 0.5, 0.91, 4.3, 11.0])
    expected = [
        6.8 * oracle.mcds_rbe(1.0 / oracle.electron_beta_squared(oracle.electron_energy_keV(value)))
        for value in let
    ]
    for emission in ("beta", "auger_ce", "photon"):
        np.testing.assert_allclose(per_Gbp(emission, let_keV_per_um=let), expected, rtol=1e-4)


def test_one_yield_at_the_dose_mean_let_is_nearly_the_mean_yield() -> None:
    # What docs/theory/dna_damage.md states: within 1 % while an electron slows down to 1 keV.
    for start_keV in (5.0, 10.0, 50.0, 134.0):
        energy = np.geomspace(1.0, start_keV, 400)
        let = _electron_let_keV_per_um(energy)
        mean = np.trapezoid(per_Gbp("beta", energy_keV=energy), energy) / (start_keV - 1.0)
        dose_mean_let = np.trapezoid(let, energy) / (start_keV - 1.0)
        assert per_Gbp("beta", let_keV_per_um=dose_mean_let) == pytest.approx(mean, rel=0.01)


def test_reference_lets_are_dose_means_of_slowing_electrons() -> None:
    item = resolve(SET)
    for name, start_keV in (("beta", 134.0), ("auger_ce", 10.0), ("photon", 50.0)):
        energy = np.geomspace(1.0, start_keV, 1000)
        mean = np.trapezoid(_electron_let_keV_per_um(energy), energy) / (start_keV - 1.0)
        assert item.value(f"reference_let_{name}") == pytest.approx(mean, rel=0.02)


def test_two_codes_agree_on_alphas() -> None:
    # PARTRAC fit against the MCDS fit at the speed of the alpha, Zeff of Barkas; independent
    # codes, so 15 % only (found: 11 to 12 %).
    for energy_keV in (4000.0, 5500.0, 8000.0):
        beta = np.sqrt(1.0 - 1.0 / (1.0 + energy_keV / 3.7274e6) ** 2)
        charge = 2.0 * (1.0 - np.exp(-125.0 * beta * 2.0 ** (-2.0 / 3.0)))
        relative = per_Gbp("alpha", energy_keV=energy_keV) / 6.8
        assert relative == pytest.approx(oracle.mcds_rbe((charge / beta) ** 2), rel=0.15)


def test_ratio_of_225ac_to_177lu() -> None:
    # Rumiantcev 2023: initial RBE 1.98 to 2.21 (TOPAS-nBio) over all cell shapes; another code,
    # another LET in the nucleus, so 25 %. Its absolute yields are 1.8 times ours.
    out = imd.dsb_yields(dose_dataset(alpha=[1.0], beta=[1.0]), parameters=SET)
    alpha, beta = out.dsb_expected.values[0]
    assert alpha / beta == pytest.approx(2.1, rel=0.25)
    assert beta == pytest.approx(35.0, rel=0.3)  # Ward 1988: about 35 per Gy and mammalian cell


def test_expected_breaks_are_dose_times_yield() -> None:
    ds = dose_dataset(alpha=[0.0, 0.5, 1.0], recoil=[0.0, 0.1, 0.2], beta=[2.0, 0.0, 4.0])
    out = imd.dsb_yields(ds, parameters=SET)
    assert out.dsb_yield_per_gray.dims == ("emission",)
    np.testing.assert_allclose(
        out.dsb_expected, ds.absorbed_dose.values[:, 0, :] * out.dsb_yield_per_gray.values
    )
    factor = 6.8 * 6.37
    alpha = oracle.helium_per_Gy_and_Gbp(108.0) * 6.37
    electron = oracle.mcds_rbe(1 / oracle.electron_beta_squared(oracle.electron_energy_keV(0.91)))
    np.testing.assert_allclose(
        out.dsb_yield_per_gray, [alpha, 3.4 * factor, electron * factor], rtol=1e-4
    )
    assert "absorbed_dose" in out
    validate(out[["dsb_yield_per_gray", "dsb_expected"]])
    only = imd.dsb_yields(ds, parameters=SET, merge=False)
    assert set(only.data_vars) == {"dsb_yield_per_gray", "dsb_expected"}


def test_origins_are_summed_and_only_the_nucleus_counts() -> None:
    dose = np.arange(1.0, 9.0).reshape(1, 2, 2, 2)
    ds = xr.Dataset(
        {"absorbed_dose": (("cell", "target", "emission", "origin"), dose)},
        coords={"target": ["cytoplasm", "nucleus"], "emission": ["alpha", "beta"]},
    )
    out = imd.dsb_yields(ds, parameters=SET)
    np.testing.assert_allclose(out.dsb_expected[0] / out.dsb_yield_per_gray, [5 + 6, 7 + 8])


def test_breaks_are_linear_in_dose_and_genome() -> None:
    ds = dose_dataset(alpha=[0.3, 1.0], auger_ce=[2.0, 0.0], photon=[0.0, 3.0])
    one = imd.dsb_yields(ds, parameters=SET).dsb_expected
    three = imd.dsb_yields(3.0 * ds, parameters=SET).dsb_expected
    np.testing.assert_allclose(three, 3.0 * one, rtol=1e-12)
    tetraploid = imd.dsb_yields(ds, parameters=SET, genome_size_Gbp=12.74)
    np.testing.assert_allclose(tetraploid.dsb_expected, 2.0 * one, rtol=1e-12)
    halved = imd.dsb_yields(ds, parameters=SET, low_let_yield_per_Gbp=3.4).dsb_expected
    np.testing.assert_allclose(halved, 0.5 * one, rtol=1e-12)


def test_yield_rises_with_let_up_to_the_peak() -> None:
    alpha = per_Gbp("alpha", let_keV_per_um=np.linspace(0.5, 162.0, 500))
    assert (np.diff(alpha) > 0.0).all()
    electron = per_Gbp("beta", let_keV_per_um=np.geomspace(0.19, 11.8, 500))
    assert (np.diff(electron) > 0.0).all()
    assert (np.diff(per_Gbp("beta", energy_keV=np.geomspace(0.1, 3000.0, 500))) < 0.0).all()


def test_each_cell_has_the_yield_of_its_let() -> None:
    ds = dose_dataset(alpha=[1.0, 2.0, 0.0], beta=[1.0, 1.0, 1.0], recoil=[0.1, 0.0, 0.0])
    nan = np.nan
    given = with_let(ds, [80.0, 1.0, nan], [120.0, 2.0, nan], [nan, 0.5, nan])
    out = imd.dsb_yields(given, parameters=SET)
    assert out.dsb_yield_per_gray.dims == ("cell", "emission")
    alpha = [oracle.helium_per_Gy_and_Gbp(value) * 6.37 for value in (80.0, 120.0)]
    np.testing.assert_allclose(out.dsb_yield_per_gray[:2, 0], alpha, rtol=1e-12)
    assert np.isnan(out.dsb_yield_per_gray[2, 0])
    np.testing.assert_allclose(out.dsb_expected[:, 0], [alpha[0], 2.0 * alpha[1], 0.0])
    assert out.dsb_yield_per_gray[1, 1] > out.dsb_yield_per_gray[0, 1]
    assert json.loads(out.attrs["dsb_let"]) == {
        "alpha": "let_dose_mean", "beta": "let_dose_mean", "recoil": None,
    }  # fmt: skip


def test_let_beyond_the_data_is_flagged() -> None:
    ds = with_let(dose_dataset(alpha=[1.0, 1.0, 0.0]), [100.0], [200.0], [400.0])
    with pytest.warns(ValidityWarning, match=r"1 cells of class 'alpha' .*162 keV um-1"):
        out = imd.dsb_yields(ds, parameters=SET)
    assert json.loads(out.attrs["dsb_outside_validity"]) == {"alpha": 1}
    assert len(json.loads(out.attrs["warnings"])) == 1
    with pytest.warns(ValidityWarning, match=r"2 values of class 'beta' .*energy from 0.1 keV"):
        per_Gbp("beta", energy_keV=[0.05, 0.09, 0.1])
    with pytest.warns(ValidityWarning, match="11.81 keV um-1"):
        per_Gbp("auger_ce", let_keV_per_um=15.0)
    with pytest.warns(ValidityWarning, match="3 cells"):
        imd.dsb_yields(
            dose_dataset(alpha=[1.0, 2.0, 3.0]), parameters=SET, reference_let_alpha=180.0
        )


def test_provenance_lists_what_is_assumed() -> None:
    out = imd.dsb_yields(dose_dataset(beta=[1.0]), parameters=SET, reference_let_beta=0.5)
    assert out.attrs["dsb_parameters"] == SET
    assert json.loads(out.attrs["dsb_parameters_overrides"]) == {"reference_let_beta": 0.5}
    assumed = {row["key"] for row in json.loads(out.attrs["dsb_parameters_assumed"])}
    assert assumed == {
        "helium_let_max", "electron_energy_min", "recoil_relative_yield", "reference_let_auger_ce",
        "reference_let_photon",
    }  # fmt: skip
    assert json.loads(out.attrs["dsb_let"]) == {"beta": 0.5}
    assert json.loads(out.attrs["dsb_outside_validity"]) == {"beta": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        imd.dsb_yields(out, parameters=imd.parameters(SET))  # replaces its own variables


def test_missing_inputs_name_the_call() -> None:
    with pytest.raises(InputError, match=r"Call immunodose\.absorbed_dose"):
        imd.dsb_yields(xr.Dataset(), parameters=SET)
    without = dose_dataset(beta=[1.0]).sum("emission")
    with pytest.raises(InputError, match="split that includes 'emission'"):
        imd.dsb_yields(without, parameters=SET)
    with pytest.raises(TypeError, match="parameters"):
        imd.dsb_yields(dose_dataset(beta=[1.0]))  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"kind 'cell_line'.*'dna_damage'"):
        imd.dsb_yields(dose_dataset(beta=[1.0]), parameters="b16f10")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[np.nan], [100.0]], r"let_dose_mean\[0, 'alpha'\] = nan.*needs a LET"),
        ([[0.0], [100.0]], r"LET\[0\] = 0 keV um-1.*above 0"),
        ([[100.0], [301.0]], r"LET\[1\] = 301 keV um-1"),
        ([[np.inf], [100.0]], r"LET\[0\] = inf"),
    ],
)
def test_bad_let_is_refused(rows: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.dsb_yields(with_let(dose_dataset(alpha=[1.0, 1.0]), *rows), parameters=SET)


def test_bad_shapes_and_doses_are_refused() -> None:
    ds = dose_dataset(alpha=[1.0])
    with pytest.raises(InputError, match="let_dose_mean has dims"):
        imd.dsb_yields(ds.assign(let_dose_mean=("cell", [100.0])), parameters=SET)
    other = with_let(ds, [100.0]).assign_coords(target=["cytoplasm"])
    with pytest.raises(InputError, match="no target 'nucleus'"):
        imd.dsb_yields(other, parameters=SET)
    alone = ds.sel(target="nucleus", drop=True).assign(
        let_dose_mean=xr.DataArray([[[9.0]]], dims=("cell", "target", "emission"))
    )
    with pytest.raises(InputError, match="let_dose_mean has no target"):
        imd.dsb_yields(alone.assign_coords(target=["cytoplasm"]), parameters=SET)
    with pytest.raises(InputError, match=r"absorbed_dose.*-1\.0"):
        imd.dsb_yields(dose_dataset(alpha=[-1.0]), parameters=SET)
    with pytest.raises(InputError, match="unknown emission 'neutron'"):
        imd.dsb_yields(dose_dataset(neutron=[1.0]), parameters=SET)


@pytest.mark.parametrize(
    ("emission", "kwargs", "message"),
    [
        ("gamma", {"let_keV_per_um": 1.0}, "unknown emission 'gamma'"),
        ("alpha", {}, "exactly one of"),
        ("alpha", {"let_keV_per_um": 1.0, "energy_keV": 1.0}, "exactly one of"),
        ("recoil", {"let_keV_per_um": 1.0}, "Give neither"),
        ("photon", {"energy_keV": 208.0}, "secondary electrons"),
        ("alpha", {"energy_keV": 0.5}, r"energy\[0\] = 0.5 keV"),
        ("beta", {"energy_keV": [1.0, np.nan]}, r"energy\[1\] = nan"),
        ("beta", {"let_keV_per_um": 0.1}, r"LET\[0\] = 0.1 keV um-1 of 'beta'.*0.186"),
        ("beta", {"let_keV_per_um": 30.0}, "23.9 keV um-1"),
        ("beta", {"let_keV_per_um": "high"}, "allowed: numbers"),
        ("beta", {"energy_keV": 1.0, "genome_size_Gbp": 0.0}, "invalid genome_size_Gbp=0"),
        ("beta", {"energy_keV": 1.0, "genome": 6.0}, "has no parameter 'genome'"),
    ],
)
def test_bad_arguments_are_refused(emission: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        imd.dsb_yield_per_gray(emission, parameters=SET, **kwargs)


def test_shape_is_kept() -> None:
    assert per_Gbp("alpha", energy_keV=np.full((2, 3), 5000.0)).shape == (2, 3)
    assert per_Gbp("beta", let_keV_per_um=1.0).shape == ()
    assert per_Gbp("recoil") == pytest.approx(3.4 * 6.8)
