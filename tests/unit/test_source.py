# SPDX-License-Identifier: BSD-3-Clause
"""Labeling: amounts, regions, several agents, messages."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import xarray as xr

from immunodose.errors import DataNotFoundError, InputError, UnitError
from immunodose.schema import attributes, validate
from immunodose.source import label, nuclide_name, stored_emissions

TIA = "time_integrated_activity"
MEDIUM = "medium_time_integrated_activity_concentration"


def make_cells(n: int = 4, **variables: Any) -> xr.Dataset:
    attrs = {"units": "um", "long_name": "radius"}
    return xr.Dataset(
        {
            "cell_radius": ("cell", np.full(n, 6.0), attrs),
            "nucleus_radius": ("cell", np.full(n, 3.0), attrs),
            **{name: ("cell", np.asarray(values)) for name, values in variables.items()},
        },
        coords={"cell": ("cell", np.arange(n), attributes("cell"))},
        attrs={"made_by": "test"},
    )


def totals(labeled: xr.Dataset, nuclide: str = "Lu-177") -> np.ndarray:
    return labeled[TIA].sel(nuclide=nuclide).sum("source").values


def custom(yield_per_decay: float = 1.0, **attrs: Any) -> xr.Dataset:
    return xr.Dataset(
        {
            "energy": ("line", np.array([5000.0, 100.0])),
            "yield_per_decay": ("line", np.array([yield_per_decay, 0.5])),
            "emission": ("line", np.array(["alpha", "auger_ce"])),
            "line_nuclide": ("line", np.array(["X-1", "Y-1"])),
            "continuous": ("line", np.zeros(2, dtype=np.int8)),
        },
        attrs={"nuclide": "X-1", "half_life_s": 3600.0, **attrs},
    )


def records(labeled: xr.Dataset) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(labeled.attrs["labels"])
    return found


def test_default_is_equal_activity_on_the_membrane() -> None:
    cells = make_cells()
    labeled = label(cells, "177Lu", decays_per_cell=100.0)
    assert labeled[TIA].dims == ("nuclide", "cell", "source")
    assert labeled["source"].values.tolist() == ["nucleus", "cytoplasm", "membrane"]
    assert labeled["nuclide"].values.tolist() == ["Lu-177"]
    np.testing.assert_array_equal(labeled[TIA].values[0], [[0.0, 0.0, 100.0]] * 4)
    assert labeled[MEDIUM].values.tolist() == [0.0]
    assert "retention" not in labeled
    assert "activity_rate_constant" not in labeled
    assert labeled.attrs["made_by"] == "test"
    assert records(labeled)[0]["random_root"] is None
    assert TIA not in cells
    validate(labeled)


def test_whole_cell_is_split_by_volume() -> None:
    labeled = label(
        make_cells(), "Lu-177", decays_per_cell=80.0, localization={"cell": 0.5, "nucleus": 0.5}
    )
    # (3 / 6)**3 = 1/8 of the cell is nucleus
    np.testing.assert_allclose(labeled[TIA].values[0], [[45.0, 35.0, 0.0]] * 4, rtol=1e-14)


def test_weights_by_name_and_as_array() -> None:
    antigen = np.array([0.0, 1.0, 2.0, 5.0])
    cells = make_cells(antigen=antigen)
    by_name = label(cells, "Lu-177", decays_per_cell=10.0, weights="antigen")
    np.testing.assert_allclose(totals(by_name), [0.0, 5.0, 10.0, 25.0], rtol=1e-14)
    as_array = label(cells, "Lu-177", decays_per_cell=10.0, weights=antigen)
    np.testing.assert_array_equal(totals(by_name), totals(as_array))
    assert [records(d)[0]["weights"] for d in (by_name, as_array)] == ["antigen", "array"]


def test_labeled_fraction() -> None:
    labeled = label(make_cells(10), "Lu-177", decays_per_cell=7.0, labeled_fraction=0.3, rng=5)
    assert sorted(totals(labeled)) == [0.0] * 7 + [7.0] * 3
    assert records(labeled)[0]["random_root"] == 5
    assert records(labeled)[0]["n_labeled"] == 3
    again = label(make_cells(10), "Lu-177", decays_per_cell=7.0, labeled_fraction=0.3, rng=5)
    xr.testing.assert_identical(labeled, again)
    none = label(make_cells(10), "Lu-177", decays_per_cell=7.0, labeled_fraction=0.0)
    assert totals(none).sum() == 0.0


def test_drawn_root_is_recorded_and_repeats() -> None:
    first = label(make_cells(50), "Lu-177", decays_per_cell=7.0, labeled_fraction=0.5)
    root = records(first)[0]["random_root"]
    second = label(make_cells(50), "Lu-177", decays_per_cell=7.0, labeled_fraction=0.5, rng=root)
    xr.testing.assert_identical(first, second)


def test_every_cell_is_labeled_equally_often() -> None:
    cells, n_runs = make_cells(8), 200
    count = sum(
        totals(label(cells, "Lu-177", decays_per_cell=1.0, labeled_fraction=0.25, rng=seed))
        for seed in range(n_runs)
    )
    # 50 expected, standard deviation sqrt(200 / 4 * 3 / 4) = 6.1; 5.5 sigma: 3e-7 for 8 cells
    assert np.abs(count - n_runs / 4).max() < 5.5 * math.sqrt(n_runs * 0.25 * 0.75)


@pytest.mark.statistical
@pytest.mark.parametrize(("distribution", "sd"), [("normal", 33.0), ("lognormal", 80.0)])
def test_distribution_has_the_mean_and_sd(distribution: str, sd: float) -> None:
    n = 200_000
    labeled = label(
        make_cells(n), "Lu-177", decays_per_cell=100.0, distribution=distribution, sd=sd, rng=11
    )
    values = totals(labeled)
    assert values.min() >= 0.0
    # 5 standard errors (false alarm 6e-7): sd / sqrt(n)
    assert abs(values.mean() - 100.0) < 5.0 * sd / math.sqrt(n)
    kurtosis = 3.0 if distribution == "normal" else np.mean((values - 100.0) ** 4) / sd**4
    bias = 0.009 if distribution == "normal" else 0.0
    assert abs(values.std() / sd - 1.0) < bias + 5.0 * math.sqrt((kurtosis - 1.0) / 4.0 / n)
    redrawn = records(labeled)[0]["normal_redrawn"]
    if distribution == "normal":
        expected = n * 0.5 * math.erfc(100.0 / 33.0 / math.sqrt(2.0))
        assert abs(redrawn - expected) < 5.0 * math.sqrt(expected)
    else:
        assert redrawn == 0
        logs = np.log(values)
        skewness = np.mean((logs - logs.mean()) ** 3) / logs.std() ** 3
        assert abs(skewness) < 5.0 * math.sqrt(6.0 / n)


def test_only_tumor_cells_are_labeled() -> None:
    cells = make_cells(cell_type=["tumor", "cd8_t_cell", "tumor", "tumor"])
    labeled = label(cells, "Lu-177", decays_per_cell=5.0)
    assert totals(labeled).tolist() == [5.0, 0.0, 5.0, 5.0]
    both = label(cells, "Lu-177", decays_per_cell=5.0, labeled_cell_types=("tumor", "cd8_t_cell"))
    assert totals(both).tolist() == [5.0] * 4
    one = label(cells, "Lu-177", decays_per_cell=5.0, labeled_cell_types="cd8_t_cell")
    assert totals(one).tolist() == [0.0, 5.0, 0.0, 0.0]


def test_medium() -> None:
    direct = label(make_cells(), "Lu-177", decays_per_cell=0.0, medium_decays_per_um3=0.2)
    assert direct[MEDIUM].values.tolist() == [0.2]
    shared = label(
        make_cells(),
        "Lu-177",
        decays_per_cell=100.0,
        localization={"membrane": 0.75, "medium": 0.25},
        medium_volume_um3=500.0,
        medium_decays_per_um3=0.1,
    )
    np.testing.assert_allclose(totals(shared), 75.0)
    np.testing.assert_allclose(shared[MEDIUM].values, 100.0 / 500.0 + 0.1)


def test_second_agent_gets_its_own_row() -> None:
    labeled = label(make_cells(), "Lu-177", decays_per_cell=10.0)
    both = label(labeled, "Ac-225", decays_per_cell=3.0, localization={"nucleus": 1.0})
    assert both["nuclide"].values.tolist() == ["Lu-177", "Ac-225"]
    np.testing.assert_array_equal(totals(both), 10.0)
    np.testing.assert_array_equal(totals(both, "Ac-225"), 3.0)
    assert len(records(both)) == 2
    validate(both)


def test_same_agent_adds_up_and_another_half_life_does_not() -> None:
    labeled = label(make_cells(), "Lu-177", decays_per_cell=10.0)
    twice = label(labeled, "177Lu", decays_per_cell=5.0, localization={"nucleus": 1.0})
    assert twice["nuclide"].values.tolist() == ["Lu-177"]
    np.testing.assert_array_equal(totals(twice), 15.0)
    timed = label(twice, "177Lu", decays_per_cell=2.0, effective_half_life_h=20.0)
    assert timed["nuclide"].values.tolist() == ["Lu-177", "Lu-177#2"]
    np.testing.assert_allclose(
        timed["activity_rate_constant"].values, [math.nan, math.log(2.0) / 72000.0]
    )
    assert timed["activity_rate_constant"].attrs["units"] == "s-1"
    again = label(timed, "177Lu", decays_per_cell=2.0, effective_half_life_h=20.0)
    assert totals(again, "Lu-177#2").tolist() == [4.0] * 4
    third = label(again, "177Lu", decays_per_cell=2.0, effective_half_life_h=30.0)
    assert third["nuclide"].values.tolist()[-1] == "Lu-177#3"
    assert [nuclide_name(name) for name in third["nuclide"].values] == ["Lu-177"] * 3
    assert [record["row"] for record in records(third)][-2:] == ["Lu-177#2", "Lu-177#3"]


def test_retention() -> None:
    labeled = label(
        make_cells(), "Ac-225", decays_per_cell=1.0, retention={"221Fr": 0.5, "Bi-213": 0.2}
    )
    kept = labeled["retention"].sel(nuclide="Ac-225")
    assert float(kept.sel(progeny="Fr-221")) == 0.5
    assert float(kept.sel(progeny="Bi-213")) == 0.2
    assert float(kept.sel(progeny="At-217")) == 1.0
    assert {"Po-213", "Tl-209"} <= set(kept["progeny"].values.tolist())
    both = label(labeled, "Lu-177", decays_per_cell=1.0)
    assert both["retention"].sel(nuclide="Lu-177").values.tolist() == [1.0] * kept.size
    same = label(both, "Ac-225", decays_per_cell=1.0, retention={"Fr-221": 0.5, "Bi-213": 0.2})
    assert same["nuclide"].values.tolist() == ["Ac-225", "Lu-177"]
    other = label(same, "Ac-225", decays_per_cell=1.0, retention=0.0)
    assert other["nuclide"].values.tolist() == ["Ac-225", "Lu-177", "Ac-225#2"]
    assert float(other["retention"].sel(nuclide="Ac-225#2").sum()) == 0.0
    validate(other)


def test_emissions_of_the_user() -> None:
    labeled = label(make_cells(), custom(), decays_per_cell=1.0, retention={"Y-1": 0.5})
    assert labeled["nuclide"].values.tolist() == ["X-1"]
    back = stored_emissions(labeled)["X-1"]
    xr.testing.assert_identical(back, custom())
    assert back["continuous"].dtype == np.int8
    other = label(labeled, custom(0.5), decays_per_cell=1.0, retention={"Y-1": 0.5})
    assert other["nuclide"].values.tolist() == ["X-1", "X-1#2"]
    assert set(stored_emissions(other)) == {"X-1", "X-1#2"}
    with pytest.raises(InputError, match="lacks \\['energy'\\]"):
        label(make_cells(), custom().drop_vars("energy"), decays_per_cell=1.0)
    with pytest.raises(InputError, match=r"attrs\['nuclide'\] = None"):
        label(make_cells(), custom(nuclide=None), decays_per_cell=1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"decays_per_cell": -1.0}, InputError, "activity cannot be negative"),
        ({"decays_per_cell": math.nan}, InputError, "invalid decays_per_cell=nan"),
        ({"decays_per_cell": "3"}, InputError, "one number"),
        ({"decays_per_cell": None}, InputError, "one number"),
        ({"decays_per_cell": [1.0, 2.0]}, InputError, "one number"),
        ({"labeled_fraction": 40.0}, UnitError, "looks like percent"),
        ({"labeled_fraction": -0.1}, InputError, "fraction from 0 to 1"),
        ({"labeled_fraction": 0.1}, InputError, "labels no cell"),
        ({"distribution": "log-normal", "sd": 1.0}, InputError, "Did you mean 'lognormal'"),
        ({"distribution": "normal"}, InputError, "needs sd"),
        ({"sd": 2.0}, InputError, "sd=2 has no effect"),
        ({"distribution": "normal", "sd": 5.0}, InputError, "Use distribution='lognormal'"),
        ({"distribution": "lognormal", "sd": 0.0}, InputError, "both > 0, or both 0"),
        ({"distribution": "lognormal", "sd": -1.0}, InputError, "invalid sd=-1"),
        ({"weights": "antigens"}, InputError, "Did you mean 'antigen'"),
        ({"weights": "name"}, InputError, "one number per cell"),
        ({"weights": [1.0, 2.0]}, InputError, r"shape \(2,\)"),
        ({"weights": [1.0, -2.0, 1.0, 1.0]}, InputError, r"weights\[1\] is -2 \(1 of 4"),
        ({"weights": [1.0, 1.0, math.nan, 1.0]}, InputError, r"weights\[2\] is nan"),
        ({"weights": [0.0] * 4}, InputError, "0 in all 4 labeled cells"),
        ({"labeled_cell_types": ("tumor",)}, InputError, "no effect"),
        ({"localization": {}}, InputError, "invalid localization"),
        ({"localization": {"nucles": 1.0}}, InputError, "Did you mean 'nucleus'"),
        ({"localization": {"nucleus": 0.5}}, InputError, "sums to 0.5"),
        ({"localization": {"nucleus": 60.0, "cell": 40.0}}, UnitError, "not percent"),
        ({"localization": {"nucleus": 1.5, "cell": -0.5}}, InputError, "from 0 to 1"),
        ({"localization": {"medium": 1.0}}, InputError, "Give medium_volume_um3"),
        ({"medium_volume_um3": 5.0}, InputError, "medium_volume_um3 has no effect"),
        ({"medium_decays_per_um3": -1.0}, InputError, "invalid medium_decays_per_um3=-1"),
        ({"effective_half_life_h": 20.0 * 3600.0}, UnitError, "not seconds"),
        ({"effective_half_life_h": 0.0}, InputError, "invalid effective_half_life_h=0"),
        (
            {"effective_half_life_h": "physical"},
            InputError,
            r"invalid effective_half_life_h='physical' .* number in h; .* of Lu-177 is 1\d\d",
        ),
        ({"retention": 50.0}, InputError, "no radioactive progeny"),
        ({"nuclide": "Ac-225", "retention": 50.0}, UnitError, "looks like percent"),
        ({"nuclide": "Ac-225", "retention": {"Fr-222": 0.5}}, InputError, "mean 'Fr-221'"),
        ({"nuclide": "Ac-225", "retention": {"Ac-225": 0.5}}, InputError, "no progeny of Ac-225"),
        ({"nuclide": 177}, InputError, "of type int"),
        ({"nuclide": "Lu-175"}, InputError, "stable"),
        ({"nuclide": "Lu-199"}, DataNotFoundError, "Lu-199"),
    ],
)
def test_messages(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    cells = make_cells(antigen=[1.0] * 4, name=["a"] * 4)
    given = {"nuclide": "Lu-177", "decays_per_cell": 10.0, **arguments}
    with pytest.raises(error, match=message):
        label(cells, given.pop("nuclide"), **given)


def test_messages_about_cells() -> None:
    with pytest.raises(InputError, match="no Dataset with dim 'cell'"):
        label(xr.Dataset(), "Lu-177", decays_per_cell=1.0)
    with pytest.raises(InputError, match="has no cell"):
        label(make_cells(0), "Lu-177", decays_per_cell=1.0)
    with pytest.raises(InputError, match="already holds absorbed_dose"):
        label(make_cells(absorbed_dose=[1.0] * 4), "Lu-177", decays_per_cell=1.0)
    with pytest.raises(InputError, match="needs nucleus_radius"):
        label(
            make_cells().drop_vars("nucleus_radius"),
            "Lu-177",
            decays_per_cell=1.0,
            localization={"cell": 1.0},
        )
    with pytest.raises(InputError, match="present: cd8_t_cell"):
        label(make_cells(cell_type=["cd8_t_cell"] * 4), "Lu-177", decays_per_cell=1.0)
    armed = make_cells().assign(antigen=(("arm", "cell"), np.ones((2, 4))))
    with pytest.raises(InputError, match="has dims"):
        label(armed, "Lu-177", decays_per_cell=1.0, weights="antigen")


def test_time_courses_are_stored_with_their_rows() -> None:
    shape = xr.Dataset(
        {
            "activity_amplitude": ("exponential", [3.0, 1.0, 0.0]),
            "activity_rate_constant": ("exponential", [3e-5, 1e-5, np.nan]),
        }
    )
    cells = xr.Dataset(coords={"cell": [0, 1]})
    first = label(cells, "Y-90", decays_per_cell=1.0, effective_half_life_h=10.0)
    both = label(first, "Lu-177", decays_per_cell=1.0, kinetics=shape)
    assert both["activity_rate_constant"].dims == ("nuclide", "exponential")
    np.testing.assert_allclose(both["activity_exponential_share"], [[1.0, 0.0], [0.5, 0.5]])
    assert np.isnan(both["activity_rate_constant"].values[0, 1])
    # The same course joins its row, another opens one.
    again = label(both, "Lu-177", decays_per_cell=2.0, kinetics=shape)
    assert again["nuclide"].values.tolist() == ["Y-90", "Lu-177"]
    np.testing.assert_array_equal(again["time_integrated_activity"].sum("source")[1], [3.0, 3.0])
    third = label(again, "Lu-177", decays_per_cell=2.0, medium_effective_half_life_h=1.0)
    assert third["nuclide"].values.tolist() == ["Y-90", "Lu-177", "Lu-177#2"]
    np.testing.assert_allclose(
        third["medium_activity_rate_constant"], [np.nan, np.nan, math.log(2.0) / 3600.0]
    )


@pytest.mark.parametrize(
    ("kinetics", "message"),
    [
        ({"activity_amplitude": 1.0}, "Call immunodose.biokinetics"),
        ({"activity_amplitude": ("compartment", [1.0, 2.0])}, "kinetics.sel"),
        ({"nuclide": "Ac-225"}, "that of Ac-225, but Lu-177"),
        ({"activity_rate_constant": -1.0}, "rates > 0"),
        ({"activity_amplitude": np.nan}, "finite"),
        ({"activity_amplitude": -1.0}, "activity above 0"),
    ],
)
def test_messages_about_kinetics(kinetics: dict[str, Any], message: str) -> None:
    base = {"activity_amplitude": 1.0, "activity_rate_constant": 1e-5}
    variables = kinetics if message.startswith("Call") else {**base, **kinetics}
    with pytest.raises(InputError, match=message):
        label(
            xr.Dataset(coords={"cell": [0]}),
            "Lu-177",
            decays_per_cell=1.0,
            kinetics=xr.Dataset(variables),
        )


def test_messages_about_progeny_that_leave() -> None:
    cells = xr.Dataset(coords={"cell": [0]})

    def labeled(nuclide: str, **options: Any) -> xr.Dataset:
        return label(cells, nuclide, decays_per_cell=1.0, **options)

    with pytest.raises(InputError, match=r"half_life_h names 'Po-999'.*progeny of Ac-225"):
        labeled("Ac-225", progeny_biological_half_life_h={"Po-999": 1.0})
    with pytest.raises(InputError, match="finite, > 0"):
        labeled("Ac-225", progeny_biological_half_life_h={"Bi-213": 0.0})
    with pytest.raises(InputError, match="no progeny of known half-life"):
        labeled("Lu-177", progeny_biological_half_life_h={"Hf-177": 1.0})
    with pytest.raises(InputError, match="both state"):
        labeled("Lu-177", effective_half_life_h=1.0, kinetics=xr.Dataset())
    with pytest.raises(InputError, match="invalid medium_effective_half_life_h"):
        labeled("Lu-177", medium_effective_half_life_h=-1.0)
