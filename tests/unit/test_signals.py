# SPDX-License-Identifier: BSD-3-Clause
"""SignalModel and SignalField against slow oracles, and the findings that set their values."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from tests.reference import signals as oracle

import immunodose as imd
from immunodose.errors import InputError, ValidityWarning
from immunodose.immune_course import Course, PoolRates, pool_tables
from immunodose.immune_mechanism import Mechanism, mechanism_from_json
from immunodose.immune_signals import SignalField, SignalModel

RATE_PER_D = 0.4
EMISSIONS = ["alpha", "beta"]
# Weights and responses without a value of 1, so that each is seen.
OVERRIDES = {
    "damage_weight_alpha": 2.0, "membrane_weight_beta": 0.5, "mhc1_induction_power": 1.5,
    "ifn1_response_power": 1.3, "vesicle_response_power": 0.8, "membrane_response_power": 2.0,
    "damage_track_probability_beta": 1e-4, "trex1_dose": 3.0, "trex1_power": 4.0,
    "ifn_gamma_power": 1.2, "mhc1_turnover_rate": 0.6,
}  # fmt: skip
TRACK_KEYS = {"damage_track_probability_beta"}
GY_KEYS = {"damage_weight_alpha", "membrane_weight_beta", "mhc1_induction_power",
           "membrane_response_power"}  # fmt: skip


def mechanism(**changed: Any) -> Mechanism:
    given = {
        "triggers": ("damage", "sting", "membrane"),
        "weighting": "per_gy",
        "spread": "none",
        "trex1_window": True,
    }
    return Mechanism(**{**given, **changed})


def population(n_cells: int = 6, *, rate_per_d: float | None = RATE_PER_D) -> xr.Dataset:
    rng = np.random.default_rng(3)
    dose = rng.exponential(1.5, (n_cells, 2, 2))
    dose[0] = 0.0
    ds = xr.Dataset(
        {
            "absorbed_dose": (("cell", "target", "emission"), dose),
            "hit_mean": ("cell", dose[:, 0, 0] / 0.25),
            "mhc1_baseline": ("cell", rng.lognormal(8.0, 1.0, n_cells)),
            "mhc1_inducibility": ("cell", rng.random(n_cells)),
            "ifn_gamma_route": ("cell", rng.random(n_cells)),
            "mhc1_assembly": ("cell", rng.random(n_cells)),
        },
        coords={"target": ["nucleus", "membrane"], "emission": EMISSIONS},
    )
    if rate_per_d is not None:
        ds["activity_rate_constant"] = (("nuclide",), [rate_per_d / 86400.0])
    return ds


def advanced(model: SignalModel, time_d: npt.NDArray[np.float64], gamma: Any = 0.0) -> SignalModel:
    model.start(time_d)
    for j in range(time_d.size - 1):
        model.advance(j, gamma)
    return model


def overrides_for(weighting: str) -> dict[str, float]:
    unread = TRACK_KEYS if weighting == "per_gy" else GY_KEYS
    return {key: value for key, value in OVERRIDES.items() if key not in unread}


def amounts_of(ds: xr.Dataset, model: SignalModel, weighting: str) -> dict[str, Any]:
    """Eqs. 5 and 6 by hand."""
    value = model.sets.value
    alpha, beta = np.moveaxis(ds.absorbed_dose.values, 2, 0)
    found = {"window": 2.5 * alpha[:, 0] + beta[:, 0]}
    for name, target in (("damage", 0), ("dna", 0), ("membrane", 1)):
        if weighting == "per_gy":
            weights = [value(f"{name}_weight_{kind}") for kind in EMISSIONS]
            tracks = [alpha[:, target], beta[:, target]]
        else:
            weights = [value(f"{name}_track_probability_{kind}") for kind in EMISSIONS]
            place = "membrane" if target else "nucleus"
            per_beta = value(f"{place}_specific_energy_per_track_beta")
            hits = (
                alpha[:, 1] / value("membrane_specific_energy_per_track_alpha")
                if target
                else ds.hit_mean.values
            )
            tracks = [hits, beta[:, target] / per_beta]
        found[name] = weights[0] * tracks[0] + weights[1] * tracks[1]
    return found


@pytest.mark.parametrize("weighting", ["per_gy", "per_track"])
@pytest.mark.parametrize("spread", ["none", "well_mixed"])
def test_the_model_equals_the_runge_kutta_oracle(weighting: str, spread: str) -> None:
    ds = population()
    model = SignalModel.prepare(
        ds, parameters="b16k1", mechanism=mechanism(weighting=weighting, spread=spread),
        overrides=overrides_for(weighting),
    )  # fmt: skip
    end, gamma = 6.0, 350.0
    expected = oracle.cells(
        amounts_of(ds, model, weighting), rate_per_d=RATE_PER_D, time_d=end,
        value=model.sets.value, per_track=weighting == "per_track",
        fixed={
            "baseline": ds.mhc1_baseline.values, "inducibility": ds.mhc1_inducibility.values,
            "route": ds.ifn_gamma_route.values, "assembly": ds.mhc1_assembly.values,
        },
        ifn_gamma=gamma, mixed=spread == "well_mixed",
    )  # fmt: skip
    errors = []
    for n_steps in (30, 60, 120):
        advanced(model, np.linspace(0.0, end, n_steps + 1), gamma)
        found = {name: getattr(model, name).astype(np.float64) for name in expected}
        errors.append(
            max(np.abs(found[name] - expected[name]).max() / expected[name].max()
                for name in expected)
        )  # fmt: skip
    assert errors[2] < 1e-3
    assert errors[1] < errors[0] / 3.0  # of second order until rounding


def test_gamma_per_cell_equals_gamma_for_all() -> None:
    time_d = np.linspace(0.0, 3.0, 31)
    model = SignalModel.prepare(population(), parameters="b16k1", mechanism=mechanism())
    advanced(model, time_d, 350.0)
    other = SignalModel.prepare(population(), parameters="b16k1", mechanism=mechanism())
    advanced(other, time_d, np.full(6, 350.0, dtype=np.float32))
    np.testing.assert_allclose(model.mhc1, other.mhc1, rtol=1e-6)
    np.testing.assert_allclose(model.pdl1_fold, other.pdl1_fold, rtol=1e-6)


def test_tables_of_steps_lines_and_exponentials() -> None:
    """A fine table of an exponential is that exponential; a fraction is an impulse response."""
    rates = PoolRates(damage=0.2, membrane=0.3, window=2.0, transfer=0.5, clearance=0.5)
    time_d = np.array([0.0, 0.7, 2.0, 9.0])
    knots = np.linspace(0.0, 40.0, 8_001)
    curve = Course(-np.expm1(-0.4 * knots), time_d=knots)
    exponential = Course(np.ones(1), rate_per_d=np.array([0.4]))
    one, other = pool_tables(curve, rates, time_d), pool_tables(exponential, rates, time_d)
    for name, table in one.items():
        np.testing.assert_allclose(table, other[name], atol=5e-6, err_msg=name)
    fraction = pool_tables(Course(np.ones(1), time_d=np.array([1.0])), rates, time_d)
    late = time_d >= 1.0
    np.testing.assert_allclose(
        fraction["window"][late], np.exp(-2.0 * (time_d[late] - 1.0)), rtol=1e-12
    )
    s = time_d[late] - 1.0  # equal rates: k s exp(-k s)
    np.testing.assert_allclose(fraction["dna"][late], 0.5 * s * np.exp(-0.5 * s), rtol=1e-12)
    assert (fraction["dna"][~late] == 0.0).all()


def test_field_equals_the_dense_exponential_and_keeps_its_total() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0.0, 50.0, (30, 3))
    field = SignalField(points, 1000.0, 12.0, 300.0, 0.7)
    field.deposit(points, 1.0)
    rates = rng.random(30).astype(np.float32)
    source = np.zeros(field.shape)
    np.add.at(source.ravel(), field.locate(points), rates.astype(np.float64))
    expected = oracle.diffused(
        field.amount, source, voxel_um=12.0, diffusion_um2_per_d=300.0, decay_per_d=0.7, time_d=2.0
    )
    for _ in range(2):
        field.advance(1.0, points_um=points, rate_per_d=rates)
    np.testing.assert_allclose(field.amount, expected, rtol=1e-10, atol=1e-12)
    total = 30.0 * math.exp(-1.4) + rates.sum(dtype=np.float64) * -math.expm1(-1.4) / 0.7
    assert field.total() == pytest.approx(total, rel=1e-6)
    np.testing.assert_allclose(
        field.sample(points), expected.ravel()[field.locate(points)] * 1000.0 / 12.0**3, rtol=1e-6
    )


def test_a_uniform_tumor_is_the_same_under_every_spread() -> None:
    n, pitch = 4, 17.0
    axes = np.meshgrid(*[np.arange(n) * pitch] * 3, indexing="ij")
    radius = (pitch**3 * 0.4 * 3.0 / (4.0 * math.pi)) ** (1.0 / 3.0)
    ds = xr.Dataset({"absorbed_dose": (("cell", "emission"), np.full((n**3, 1), 2.0))})
    ds = ds.assign_coords(
        emission=["beta"],
        **{name: ("cell", axis.ravel()) for name, axis in zip("xyz", axes, strict=True)},
    )
    ds["cell_radius"] = ("cell", np.full(n**3, radius))
    ds["mhc1_baseline"] = ("cell", np.full(n**3, 1000.0))
    found = []
    for spread in ("none", "well_mixed", "field"):
        model = SignalModel.prepare(
            ds, parameters="b16k1", mechanism=mechanism(
                spread=spread, triggers=("damage", "sting")
            ),
        )  # fmt: skip
        advanced(model, np.linspace(0.0, 7.0, 71))
        found.append((model.mhc1, model.ifn1, model.vesicles))
    assert found[0][1].min() > 0.1
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(two, one, rtol=2e-5)


# findings


def course_of_interferon(
    signaling: str, dose_Gy: float, *, n_fractions: int = 1, end_d: float,
    step_d: float, **changed: Any,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:  # fmt: skip
    ds = xr.Dataset({"mhc1_baseline": ("cell", [1000.0])})
    ds = imd.external_beam(
        ds, dose_Gy=dose_Gy, fractions=n_fractions, interval_d=1.0 if n_fractions > 1 else None
    )
    model = SignalModel.prepare(
        ds, parameters={"tumor": "b16f10", "signaling": signaling},
        mechanism=mechanism(triggers="sting", **changed),
    )  # fmt: skip
    time_d = np.linspace(0.0, end_d, round(end_d / step_d) + 1)
    model.start(time_d)
    levels = [float(model.ifn1[0])]
    for j in range(time_d.size - 1):
        model.advance(j)
        levels.append(float(model.ifn1[0]))
    return time_d, np.array(levels)


@pytest.mark.parametrize("dose_Gy", [2.0, 5.0, 8.0])
def test_interferon_peaks_at_day_7_in_b16_and_day_1_in_moc2(dose_Gy: float) -> None:
    time_d, b16 = course_of_interferon("b16_signaling", dose_Gy, end_d=20.0, step_d=0.1)
    assert time_d[b16.argmax()] == pytest.approx(7.0, abs=0.4)
    time_d, moc2 = course_of_interferon("moc2_signaling", dose_Gy, end_d=6.0, step_d=0.02)
    assert time_d[moc2.argmax()] == pytest.approx(1.0, abs=0.15)


def activity(dose_Gy: float, n_fractions: int, **changed: Any) -> dict[str, float]:
    """Both observables of the window: peak and integral to 6 d."""
    time_d, level = course_of_interferon(
        "tsa_signaling", dose_Gy, n_fractions=n_fractions, end_d=6.0, step_d=0.05, **changed
    )
    return {"peak": float(level.max()), "integral": float(np.trapezoid(level, time_d))}


def test_8_gy_x_3_is_active_and_20_to_30_gy_x_1_only_without_trex1() -> None:
    active = activity(8.0, 3)
    ablative = [activity(dose_Gy, 1) for dose_Gy in (20.0, 30.0)]
    restored = [
        activity(dose_Gy, 1, **off)
        for dose_Gy in (20.0, 30.0)
        for off in ({"trex1_window": False}, {"knockouts": "trex1"})
    ]
    single = activity(8.0, 1)
    drugged = activity(8.0, 3, inhibition={"sting": 0.5})
    for observable in ("peak", "integral"):
        for case in ablative:
            assert case[observable] < active[observable] / 5.0
        for case in restored:
            assert case[observable] > 0.7 * active[observable]
        assert single[observable] > 0.5 * active[observable]
        assert drugged[observable] == pytest.approx(0.5 * active[observable], rel=1e-5)
    for node in ("cgas", "sting"):
        assert activity(8.0, 3, knockouts=node)["peak"] == 0.0


def test_a_beam_beside_a_nuclide_keeps_its_own_course_and_class() -> None:
    """Amounts add: alphas of the nuclide with weight 2, photons of the beam with weight 1."""
    ds = population().drop_vars("hit_mean")
    ds = ds.reindex(emission=[*EMISSIONS, "photon"], fill_value=0.0)
    mask = np.array([1, 0, 1, 1, 0, 1])
    late = ds.assign(absorbed_dose=0.0 * ds.absorbed_dose)
    given = {"parameters": "b16k1", "mechanism": mechanism(triggers="damage"),
             "overrides": {"damage_weight_alpha": 2.0}}  # fmt: skip
    time_d = np.linspace(0.0, 5.0, 51)

    def damage(case: xr.Dataset, beams: bool) -> npt.NDArray[np.float64]:
        if beams:
            case = imd.external_beam(case, dose_Gy=2.0, first_fraction_d=2.0, irradiated=mask)
            case = imd.external_beam(case, dose_Gy=1.0, first_fraction_d=3.0)
        model = advanced(SignalModel.prepare(case, **given), time_d)
        response = model.damage.astype(np.float64)
        half = model.sets.value("mhc1_induction_dose")
        return half * response / (1.0 - response)  # back to the remembered amount

    both, nuclide, beam = damage(ds, True), damage(ds, False), damage(late, True)
    np.testing.assert_allclose(both, nuclide + beam, rtol=2e-3)
    memory = 2.0 * mask * math.exp(-3.0 / 6.0) + math.exp(-2.0 / 6.0)
    np.testing.assert_allclose(beam, memory, rtol=1e-3)


def test_doses_beyond_the_data_are_a_warning_that_stays() -> None:
    ds = imd.external_beam(
        xr.Dataset({"mhc1_baseline": ("cell", [1000.0])}), dose_Gy=31.0
    )  # fmt: skip
    with pytest.warns(ValidityWarning, match=r"1 cells get up to 31 Gy .* beyond the 30 Gy"):
        out = imd.mhc1_expression(
            ds, parameters="b16f10", time_d=1.0, mechanism=mechanism(triggers="damage")
        )
    assert "extrapolation" in json.loads(out.attrs["warnings"])[0]


# the seam


def test_take_copies_parents_and_drops_rows() -> None:
    time_d = np.linspace(0.0, 4.0, 41)
    rows = np.array([5, 2, 2, 1])
    for spread in ("none", "well_mixed"):
        model = SignalModel.prepare(
            population(), parameters="b16k1", mechanism=mechanism(spread=spread)
        )
        model.start(time_d)
        for j in range(20):
            model.advance(j, 100.0)
        before = model.mhc1.copy()
        whole = copy.deepcopy(model)
        model.take(rows)
        np.testing.assert_array_equal(model.mhc1, before[rows])
        assert model.n_cells == 4
        for j in range(20, 40):
            model.advance(j, 100.0)
            whole.advance(j, 100.0)
        assert (model.mhc1[1] == model.mhc1[2]).all()
        if spread == "none":
            np.testing.assert_array_equal(model.mhc1, whole.mhc1[rows])


def test_attributes_name_the_mechanism_and_what_was_assumed() -> None:
    given = mechanism(knockouts=("sting",), inhibition={"chk1": 0.9})
    model = SignalModel.prepare(population(), parameters="b16k1", mechanism=given)
    assert mechanism_from_json(model.attrs["mechanism"]) == given
    assumed = {item["key"] for item in json.loads(model.attrs["signaling_parameters_assumed"])}
    assert {"vesicle_rate", "ifn1_dna_half"} <= assumed
    assert "ifn1_diffusion" not in assumed  # not read without a field
    assert model.assumed["vesicle_rate"] == 1.0
    assert model.attrs["signaling_parameters"] == "b16_signaling"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"triggers": "damge"}, r"Did you mean 'damage'"),
        ({"triggers": ()}, r"triggers is empty"),
        ({"weighting": "per_Gy"}, r"weighting='per_Gy'.*Did you mean 'per_gy'"),
        ({"spread": "mixed"}, r"spread='mixed'"),
        ({"knockouts": ("stin",)}, r"Did you mean 'sting'"),
        ({"inhibition": {"atm": 90.0}}, r"inhibition\['atm'\] = 90.0 .*percentage"),
        ({"inhibition": {"atm": 0.5}, "knockouts": "atm"}, r"'atm' stands in knockouts and in"),
        ({"trex1_window": "yes"}, r"trex1_window='yes'"),
    ],
)
def test_a_bad_mechanism_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mechanism(**changed)


def test_bad_steps_and_bad_input_are_refused() -> None:
    ds = population()
    model = SignalModel.prepare(ds, parameters="b16k1", mechanism=mechanism(), with_ifn_gamma=False)
    with pytest.raises(InputError, match="begins at 0"):
        model.start([1.0, 2.0])
    model.start([0.0, 1.0, 2.0])
    with pytest.raises(InputError, match="prepared without it"):
        model.advance(0, 1.0)
    with pytest.raises(InputError, match=r"invalid step j=1 \(next: 0"):
        model.advance(1)
    with pytest.raises(InputError, match="outside 0 to 5"):
        model.take([6])

    def refused(changed: xr.Dataset, message: str, **options: Any) -> None:
        with pytest.raises(InputError, match=message):
            SignalModel.prepare(changed, parameters="b16k1", mechanism=mechanism(**options))

    refused(ds.drop_vars("absorbed_dose"), "Call immunodose.absorbed_dose")
    refused(ds.sel(target="nucleus"), "no target 'membrane'")
    refused(ds.drop_vars("hit_mean"), "no 'hit_mean'", weighting="per_track")
    refused(ds.drop_vars("mhc1_baseline"), "rng")
    refused(ds.sum("emission"), "no dim 'emission', but the weights of dna differ")
    refused(ds, "no 'x'", spread="field")
    with pytest.raises(InputError, match="names no signaling set"):
        SignalModel.prepare(ds, parameters="hsg", mechanism=mechanism())
    with pytest.raises(InputError, match="sum to more than 1"):
        SignalModel.prepare(
            ds, parameters="b16k1", mechanism=mechanism(),
            overrides={"radiation_induced_share_max": 0.9, "recognized_peptide_share": 0.2},
        )  # fmt: skip


def test_fields_refuse_what_they_cannot_hold() -> None:
    points = np.zeros((1, 3))
    field = SignalField(points, 1e3, 10.0, 1e3, 1.0)
    with pytest.raises(InputError, match=r"points_um\[0\].*lies outside the grid.*margin_um"):
        field.deposit(points + 100.0, 1.0)
    with pytest.raises(InputError, match=r"amount\[0\] = -1"):
        field.deposit(points, -1.0)
    with pytest.raises(InputError, match="dt_d"):
        field.advance(-1.0)
    with pytest.raises(InputError, match="voxels"):
        SignalField(np.array([[0.0, 0, 0], [1e5, 1e5, 1e5]]), 1e3, 1.0, 1e3, 1.0)


# mhc1_expression


def test_the_damage_mechanism_is_the_plain_law() -> None:
    """Per Gy, no spread, vesicles off: Eq. 1-4 of immune.md within both tolerances."""
    ds = (
        population()
        .sel(target="nucleus")
        .drop_vars(["mhc1_inducibility", "mhc1_assembly", "ifn_gamma_route"])
    )
    time_d = [0.0, 2.0, 7.0, 20.0]
    plain = imd.mhc1_expression(ds, parameters="b16k1", time_d=time_d)
    out = imd.mhc1_expression(
        ds, parameters="b16k1", time_d=time_d, mechanism=mechanism(triggers="damage"),
        vesicle_induction_max=0.0, radiation_induced_share_max=0.0,
    )  # fmt: skip
    np.testing.assert_allclose(out.mhc1_surface, plain.mhc1_surface, rtol=2e-3)
    np.testing.assert_allclose(out.pmhc_surface, plain.pmhc_surface, rtol=2e-3)


def test_signals_come_with_the_surface() -> None:
    out = imd.mhc1_expression(
        population(), parameters="b16k1", time_d=[0.0, 3.0], mechanism=mechanism(),
        ifn_gamma_molecules=300.0, signals=True,
    )  # fmt: skip
    for name in ("damage_response", "ifn1_level", "vesicle_level", "pdl1_fold", "nk_ligand_fold"):
        assert out[name].dims == ("cell", "time")
        assert "units" in out[name].attrs
    np.testing.assert_allclose(out.peptide_surface.sum("peptide"), out.mhc1_surface, rtol=1e-5)
    assert float(out.pdl1_fold[1, 1]) > 1.0
    with pytest.raises(InputError, match="signals has no effect without a mechanism"):
        imd.mhc1_expression(population(), parameters="b16k1", time_d=1.0, signals=True)
    with pytest.raises(InputError, match=r"trex1_dose=3\.0 has no effect in mhc1_expression under"):
        imd.mhc1_expression(
            population(), parameters="b16k1", time_d=1.0, trex1_dose=3.0,
            mechanism=mechanism(trex1_window=False),
        )  # fmt: skip


def test_a_registered_driver_is_gated_and_checked() -> None:
    imd.register_mhc1_driver("test_flat", lambda inputs: np.full(inputs.mhc1.size, 2.0))
    ds = population()
    out = imd.mhc1_expression(
        ds, parameters="b16k1", time_d=60.0, mechanism=mechanism(triggers="test_flat"), merge=False
    )
    expected = ds.mhc1_assembly * ds.mhc1_baseline * (1.0 + 2.0 * ds.mhc1_inducibility)
    np.testing.assert_allclose(out.mhc1_surface, expected, rtol=1e-4)
    imd.register_mhc1_driver("test_flat", lambda inputs: -np.ones(inputs.mhc1.size))
    with pytest.raises(InputError, match=r"returned -1\.0 for tumor cell 0 of 6"):
        imd.mhc1_expression(
            ds, parameters="b16k1", time_d=1.0, mechanism=mechanism(triggers="test_flat")
        )
    with pytest.raises(InputError, match="one of the package"):
        imd.register_mhc1_driver("sting", lambda inputs: inputs.mhc1)


def test_a_driver_sees_dose_and_memory() -> None:
    seen: list[tuple[float, float, float]] = []

    def watch(inputs: Any) -> Any:
        seen.append((inputs.time_d, inputs.delivered_Gy()[1], inputs.memory_Gy(2.0)[1]))
        return np.zeros(inputs.mhc1.size)

    imd.register_mhc1_driver("test_watch", watch)
    ds = population().sel(target="nucleus")
    model = SignalModel.prepare(ds, parameters="b16k1", mechanism=mechanism(triggers="test_watch"))
    advanced(model, np.array([0.0, 1.0, 2.0]))
    total = float(ds.absorbed_dose[1].sum())
    for time_d, delivered, remembered in seen:
        assert delivered == pytest.approx(-total * math.expm1(-RATE_PER_D * time_d), rel=1e-5)
        fading = math.exp(-RATE_PER_D * time_d) - math.exp(-time_d / 2.0)
        assert remembered == pytest.approx(total * RATE_PER_D * fading / (0.5 - 0.4), rel=1e-5)
    assert [time_d for time_d, _, _ in seen] == [0.5, 1.5]
