# SPDX-License-Identifier: BSD-3-Clause
"""Survival models by name, per-cell modifiers, bad input, and a user's own function."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import response as oracle

import immunodose as imd
from immunodose import response_registry
from immunodose.data.parameter_file import Parameter
from immunodose.data.parameters import ParameterSet, resolve
from immunodose.errors import InputError, ValidityWarning
from immunodose.response_models import SurvivalInputs
from immunodose.testing import assert_same_bits, assert_schema

HSG = resolve("hsg", validity_dose_max=100.0, validity_let_max=300.0)
LINE = resolve("b16f10", low_let_alpha=0.2, low_let_beta=0.05, validity_dose_max=50.0)


def cells(dose: dict[str, list[float]], **per_cell: Any) -> xr.Dataset:
    """Cells with these doses to the nucleus by emission class (Gy)."""
    values = np.array(list(dose.values()), dtype=float).T
    ds = xr.Dataset(
        {"absorbed_dose": (("cell", "emission"), values)},
        coords={"cell": np.arange(values.shape[0]), "emission": list(dose)},
    )
    for name, value in per_cell.items():
        dims = ("cell", "moment") if name == "hit_decay_moment" else ("cell",)
        if name == "let_dose_mean":
            dims, value = ("cell", "emission"), np.repeat(np.array(value)[:, None], len(dose), 1)
        ds[name] = (dims, value)
    return ds


def survive(ds: xr.Dataset, line: Any = LINE, **options: Any) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)
        return imd.survival(ds, parameters=line, **{"dose_rate": "acute", **options})


def effect(ds: xr.Dataset, line: Any = LINE, **options: Any) -> np.ndarray:
    return np.asarray(-np.log(survive(ds, line, **options)["survival_probability"].values))


def with_keys(line: ParameterSet, **values: float) -> ParameterSet:
    """A set with further keys of any value."""
    new = {key: Parameter(key, value, "1", -1e9, 1e9, "fit", "t") for key, value in values.items()}
    return ParameterSet("test", "cell_line", "T", {**line.entries, **new})


def hits(n: list[float], z_Gy: float) -> np.ndarray:
    return np.array([[number * z_Gy**k for k in range(6)] for number in n])


def test_classes_take_coefficients_of_their_own() -> None:
    ds = cells({"beta": [2.0], "auger_ce": [1.0]})
    own = with_keys(LINE, auger_ce_alpha=0.5, auger_ce_beta=0.2)
    cross = (np.sqrt(0.05) * 2.0 + np.sqrt(0.2)) ** 2
    np.testing.assert_allclose(effect(ds, own), 0.4 + 0.5 + cross, rtol=1e-12)
    np.testing.assert_allclose(effect(ds), 0.6 + 0.05 * 9.0, rtol=1e-12)
    with pytest.raises(InputError, match="only one of auger_ce_alpha"):
        survive(ds, with_keys(LINE, auger_ce_alpha=0.5))


def test_mkm_equals_its_formula() -> None:
    """Eq. 21 and 1 with z* of the oracle; betas keep the low-LET coefficients."""
    let = 100.0
    ds = cells({"alpha": [0.8], "beta": [1.5]}, let_dose_mean=[let])
    energy = oracle.fast_alpha_energy_keV(let)
    _, saturated = oracle.region_specific_energy(energy, let, 0.29, 55.0)
    alpha = 0.150 + 0.0593 * saturated
    expected = alpha * 0.8 + 0.150 * 1.5 + 0.0593 * (0.8 + 1.5) ** 2
    np.testing.assert_allclose(effect(ds, HSG, model="mkm"), expected, rtol=2e-3)


def test_smk_equals_its_formula() -> None:
    let, dose = 100.0, 0.8
    energy = oracle.fast_alpha_energy_keV(let)
    domain, saturated = oracle.region_specific_energy(energy, let, 0.28, 66.0)
    nucleus, _ = oracle.region_specific_energy(energy, let, 8.1, 1e9)
    alpha, beta = 0.174 + 0.0568 * saturated, 0.0568 * saturated / domain
    bracket = 1.0 + dose * nucleus * (-beta + 0.5 * (alpha + 2.0 * beta * dose) ** 2)
    expected = alpha * dose + beta * dose**2 - np.log(bracket)
    found = effect(cells({"alpha": [dose]}, let_dose_mean=[let]), HSG, model="smk")
    np.testing.assert_allclose(found, expected, rtol=3e-3)


def test_smk_is_the_compound_poisson_of_small_events() -> None:
    """Eq. 23 against the exact mean over equal events (Eq. 6-9 with G = 1)."""
    ds = cells({"alpha": [0.5]}, let_dose_mean=[80.0])
    quality = imd.radiation_quality([5.6e3], parameters=HSG, model="smk", let_keV_per_um=[80.0])
    alpha, beta = float(quality.survival_alpha[0]), float(quality.survival_beta[0])
    z = float(quality.nucleus_specific_energy[0])
    exact = oracle.survival_series(
        np.array([0.5 / z]), np.array([z]), alpha=alpha, beta=beta, g=1.0, linear=0.0, root=0.0
    )
    np.testing.assert_allclose(effect(ds, HSG, model="smk"), -np.log(exact), rtol=0.02)


def test_events_too_large_for_smk_are_refused() -> None:
    small = resolve(HSG, smk_nucleus_radius=1.0)
    with pytest.raises(InputError, match=r'expansion of "smk" fails.*model="hits"'):
        survive(cells({"alpha": [0.5]}, let_dose_mean=[200.0]), small, model="smk")


def test_nuclides_give_the_quality_of_their_alphas() -> None:
    lattice = imd.cells.lattice(
        shape=(2, 1, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    labeled = imd.label(lattice, "At-211", decays_per_cell=20.0)
    dosed = imd.absorbed_dose(labeled, split=("emission",), n_threads=1)
    alpha = float(dosed["absorbed_dose"].sel(emission="alpha")[0])
    recoil = float(dosed["absorbed_dose"].sel(emission="recoil")[0])
    quality = imd.radiation_quality("At-211", parameters=HSG)
    out = survive(dosed, HSG, model="mkm")
    found = -np.log(float(out.survival_probability[0]))
    low = float(dosed["absorbed_dose"][0].sum()) - alpha - recoil
    total = alpha + recoil + low
    by_hand = float(quality.survival_alpha) * (alpha + recoil) + 0.15 * low + 0.0593 * total**2
    np.testing.assert_allclose(found, by_hand, rtol=1e-9)
    assert "slowing down" in out.attrs["survival_alpha_quality"]


def test_quality_must_be_known() -> None:
    with pytest.raises(InputError, match="LET of the alphas is not known"):
        survive(cells({"alpha": [1.0]}), HSG, model="mkm")
    with pytest.raises(InputError, match=r"let_dose_mean\[0\] of alphas = 500"):
        survive(cells({"alpha": [1.0]}, let_dose_mean=[500.0]), HSG, model="mkm")
    with pytest.raises(InputError, match=r"let_dose_mean\[1, 'alpha'\] = nan"):
        survive(cells({"alpha": [1.0] * 2}, let_dose_mean=[90.0, np.nan]), HSG, model="mkm")
    with pytest.raises(InputError, match="does not define 'mkm_domain_radius'"):
        survive(cells({"alpha": [1.0]}, let_dose_mean=[90.0]), LINE, model="mkm")


def test_alphas_beyond_the_let_of_the_data_are_flagged() -> None:
    ds = cells({"alpha": [1.0, 1.0, 0.0]}, let_dose_mean=[60.0, 120.0, np.nan])
    with pytest.warns(ValidityWarning, match="1 cells get 100 % of their alpha energy at LETs"):
        out = imd.survival(ds, parameters="hsg", model="mkm", dose_rate="acute")
    assert out.outside_validity.values.tolist() == [0, 1, 0]


@pytest.mark.parametrize("model", ["lq", "hits", "mkm", "smk"])
def test_oxygen_and_sensitivity_change_the_dose(model: str) -> None:
    """Low LET: dose over R times sensitivity, whatever the model."""
    moment = hits([0.0] * 3, 0.0)
    line = with_keys(HSG, oxygen_enhancement_high_let=1.4)
    ds = cells({"beta": [2.0] * 3}, oxygen=[0.0, 3.0, 1e12], hit_decay_moment=moment)
    ds["radiosensitivity"] = ("cell", [1.0, 1.0, 1.5])
    r = np.array([2.9, 6.0 / (3.0 + 3.0 / 2.9), 1.0])
    dose = 2.0 / r * [1.0, 1.0, 1.5]
    np.testing.assert_allclose(
        effect(ds, line, model=model), 0.15 * dose + 0.0593 * dose**2, rtol=1e-9
    )
    assert json.loads(survive(ds, line, model=model).attrs["survival_modifiers"]) == [
        "oxygen", "radiosensitivity",
    ]  # fmt: skip


def test_hits_scale_with_sensitivity() -> None:
    moment = hits([0.7, 0.7], 0.2)
    ds = cells({"alpha": [0.14, 0.14]}, hit_decay_moment=moment)
    ds["radiosensitivity"] = ("cell", [1.0, 1.3])
    larger = cells({"alpha": [0.7 * 0.26]}, hit_decay_moment=hits([0.7], 0.26))
    np.testing.assert_allclose(effect(ds)[1], effect(larger)[0], rtol=1e-10)
    assert effect(ds)[1] > effect(ds)[0]


def test_oxygen_matters_less_for_alphas_of_high_let() -> None:
    """The published law: enhancement 2.9 at low LET, falling with the energy of domains."""
    ratio = []
    for let in (70.0, 200.0):
        two = cells({"alpha": [1.0, 1.0]}, let_dose_mean=[let, let], oxygen=[0.0, 1e9])
        found = effect(two, HSG, model="mkm")
        ratio.append(found[1] / found[0])
    assert 1.0 < ratio[1] < ratio[0] < 2.9


def test_the_spread_of_sensitivity_is_the_mean_over_draws() -> None:
    line = with_keys(LINE, radiosensitivity_sd_ln=0.3)
    found = float(survive(cells({"beta": [4.0]}), line).survival_probability[0])
    dose = 4.0 * np.exp(0.3 * np.random.default_rng(2).standard_normal(200_000))
    drawn = np.exp(-0.2 * dose - 0.05 * dose**2)
    error = drawn.std() / np.sqrt(drawn.size)
    assert abs(found - drawn.mean()) < 5.0 * error  # one in two million
    # The variable says what each cell has, so the spread is not applied again.
    known = cells({"beta": [4.0]}, radiosensitivity=[1.0])
    np.testing.assert_allclose(effect(known, line), 0.8 + 0.8, rtol=1e-12)


def test_given_factor_is_taken() -> None:
    ds = cells({"beta": [2.0]}, lea_catcheside_factor=[0.25])
    out = survive(ds, dose_rate="lea_catcheside")
    np.testing.assert_allclose(-np.log(out.survival_probability), 0.4 + 0.25 * 0.2, rtol=1e-12)
    assert out.attrs["survival_dose_rate"] == "lea_catcheside_factor (stated)"
    with pytest.raises(InputError, match=r"lea_catcheside_factor\[0\] = 1.5"):
        survive(cells({"beta": [2.0]}, lea_catcheside_factor=[1.5]), dose_rate="lea_catcheside")
    with pytest.raises(InputError, match=r"Call immunodose.lea_catcheside"):
        survive(cells({"beta": [2.0]}), dose_rate="lea_catcheside")


def test_repopulation_lowers_bed_where_it_is_stated() -> None:
    ds = cells({"beta": [4.0]})
    line = with_keys(LINE, repopulation_doubling_time=5.0, repopulation_delay=3.0)
    plain, grown = survive(ds, line), survive(ds, line, treatment_time_d=13.0)
    lost = np.log(2.0) * 10.0 / (0.2 * 5.0)
    np.testing.assert_allclose(plain.bed - grown.bed, lost, rtol=1e-12)
    np.testing.assert_allclose(grown.eqd2, grown.bed / 1.5, rtol=1e-12)
    assert grown.survival_probability[0] == plain.survival_probability[0]
    assert survive(ds, line, treatment_time_d=2.0).bed[0] == plain.bed[0]
    with pytest.raises(InputError, match="does not define 'repopulation_doubling_time'"):
        survive(ds, treatment_time_d=13.0)


def test_extrapolation_is_kept_blanked_or_refused() -> None:
    ds = cells({"beta": [1.0, 60.0]})
    assert survive(ds).survival_probability[1] > 0.0
    blank = survive(ds, on_extrapolate="nan")
    for name in ("survival_probability", "bed", "eqd2", "rbe_weighted_dose"):
        assert np.isnan(blank[name].values).tolist() == [False, True]
    assert blank.outside_validity.values.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"cell 1 lies beyond the data.*1 of 2 cells"):
        survive(ds, on_extrapolate="raise")
    with pytest.raises(InputError, match="invalid on_extrapolate='clip'"):
        survive(ds, on_extrapolate="clip")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_registry, "_MODELS", dict(response_registry._MODELS))


@pytest.mark.usefixtures("registry")
def test_a_registered_function_is_a_model() -> None:
    def threshold(inputs: SurvivalInputs) -> np.ndarray:
        """Linear beyond a dose that does nothing; G weighs a quadratic term."""
        effective = np.maximum(inputs.total_Gy() - inputs.value("dose_without_effect"), 0.0)
        return np.asarray(np.exp(-inputs.protraction() * effective))

    imd.register_survival_model("threshold", threshold, parameters=["dose_without_effect"])
    assert "threshold" in imd.survival_models()
    line = with_keys(LINE, dose_without_effect=1.0)
    ds = cells({"beta": [0.5, 3.0]}, radiosensitivity=[1.0, 2.0])
    np.testing.assert_allclose(effect(ds, line, model="threshold"), [0.0, 5.0])
    changed = effect(ds, line, model="threshold", dose_without_effect=2.0)
    np.testing.assert_allclose(changed, [0.0, 4.0])
    with pytest.raises(InputError, match=r"high_let_alpha=1.0 has no effect with model='thresh"):
        survive(ds, line, model="threshold", high_let_alpha=1.0)


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.array([0.5, 1.5]), r"returned 1.5 for cell 1 of 2 \(allowed: 0 to 1"),
        (np.array([0.5, np.nan]), "returned nan for cell 1"),
        (np.array([0.5]), r"of shape \(1,\) \(needed: numbers of shape \(2,\)"),
        (np.array(["a", "b"]), "needed: numbers"),
    ],
)
def test_bad_answers_of_a_registered_function(answer: Any, message: str) -> None:
    imd.register_survival_model("bad", lambda inputs: answer)
    with pytest.raises(InputError, match=f"survival model 'bad' .*{message}"):
        survive(cells({"beta": [1.0, 2.0]}), model="bad")


def test_bad_registrations() -> None:
    with pytest.raises(InputError, match="one of the package"):
        imd.register_survival_model("hits", lambda inputs: np.ones(1))
    with pytest.raises(InputError, match="invalid name='My model'"):
        imd.register_survival_model("My model", lambda inputs: np.ones(1))
    with pytest.raises(InputError, match="cannot be called"):
        imd.register_survival_model("mine", 3.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ds", "options", "message"),
    [
        (cells({"beta": [1.0]}), {"model": "mkn"}, "unknown survival model 'mkn'.*Did you mean"),
        (cells({"beta": [1.0]}), {"model": "hits"}, "needs hit_decay_moment"),
        (cells({"beta": [1.0]}, oxygen=[-1.0]), {}, r"oxygen\[0\] = -1.0"),
        (cells({"beta": [1.0]}, radiosensitivity=[np.nan]), {}, r"radiosensitivity\[0\] = nan"),
        (cells({"beta": [1.0]}, oxygen=[5.0]), {}, "does not define 'oxygen_half_effect'"),
        (cells({"beta": [1.0]}), {"treatment_time_d": -1.0}, "invalid treatment_time_d"),
        (
            cells({"beta": [1.0]}),
            {"model": "lq", "high_let_reference_let": 90.0},
            r"no effect with model='lq'.*models that do: hits",
        ),
        (cells({"beta": [1.0]}), {"low_let_alpha": -0.1}, "invalid low_let_alpha=-0.1 Gy-1"),
        (cells({"beta": [1.0]}), {"oxygen_half_effect_mmHg": 3.0}, "Did you mean 'oxygen_half_ef"),
    ],
)
def test_bad_input_is_named(ds: xr.Dataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        survive(ds, **options)


def test_results_follow_the_schema_and_threads_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    n = 20_000
    ds = cells({"alpha": rng.random(n).tolist(), "beta": rng.random(n).tolist()})
    ds["let_dose_mean"] = (("cell", "emission"), rng.uniform(70.0, 200.0, (n, 2)))
    for model in ("lq", "mkm", "smk"):
        one = survive(ds, HSG, model=model, n_threads=1)
        assert_schema(survive(ds, HSG, model=model, merge=False))
        assert_same_bits(one, survive(ds, HSG, model=model, n_threads=2))


def test_dask_gives_the_same_bits() -> None:
    pytest.importorskip("dask.array")
    rng = np.random.default_rng(5)
    n = 500
    moment = hits(rng.random(n).tolist(), 0.2)
    ds = cells({"alpha": moment[:, 1].tolist(), "beta": rng.random(n).tolist()})
    ds = ds.assign(hit_decay_moment=(("cell", "moment"), moment), oxygen=("cell", rng.random(n)))
    ds["cell_type"] = ("cell", np.where(rng.random(n) < 0.5, "tumor", "cd8_t_cell"))
    line = with_keys(
        HSG, oxygen_enhancement_high_let=1.4, low_let_beta=0.05, radiosensitivity_sd_ln=0.2
    )
    sets = {"tumor": line, "cd8_t_cell": line}
    for model in ("lq", "hits"):
        eager = survive(ds, sets, model=model)
        lazy = survive(ds.chunk({"cell": 130}), sets, model=model)
        assert lazy.survival_probability.chunks is not None
        for name in ("survival_probability", "bed", "outside_validity"):
            np.testing.assert_array_equal(lazy[name].values, eager[name].values)
    bad = ds.assign(oxygen=("cell", np.full(n, -1.0))).chunk({"cell": 130})
    with pytest.raises(InputError, match="oxygen"):
        survive(bad, sets).survival_probability.compute()
