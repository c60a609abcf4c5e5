# SPDX-License-Identifier: BSD-3-Clause
"""Names, published energies per decay, retention, horizons, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose import _core, schema
from immunodose.data import nuclide_names
from immunodose.data.decay_data import (
    DEFAULT_SOURCE,
    DecayBranch,
    NuclearDataSource,
    half_life_overrides,
)
from immunodose.data.nuclides import chain_structure, emissions, nuclide_label
from immunodose.errors import DataNotFoundError, InputError, UnitError, ValidityWarning
from immunodose.typing import FloatArray

CHARGED = ("alpha", "recoil", "beta", "auger_ce")
ELECTRONS = ("beta", "auger_ce")


def energy_keV(table: xr.Dataset, *classes: str) -> float:
    return float((table.energy * table.yield_per_decay)[table.emission.isin(classes)].sum())


def total_yield(table: xr.Dataset, emission: str) -> float:
    return float(table.yield_per_decay[table.emission == emission].sum())


# --- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Ac-225", "225Ac", "Ac225", "225-Ac", "ac-225", " AC225 "])
def test_spellings_of_one_nuclide(name: str) -> None:
    assert nuclide_label(name) == "Ac-225"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Tc-99m", "Tc-99m"),
        ("99mTc", "Tc-99m"),
        ("Tc99m", "Tc-99m"),
        ("99Mo", "Mo-99"),
        ("99mo", "Mo-99"),  # not oxygen-99m
        ("212nBi", "Bi-212n"),
        ("3H", "H-3"),
    ],
)
def test_metastable_and_ambiguous_names(name: str, expected: str) -> None:
    assert nuclide_label(name) == expected


@pytest.mark.parametrize(
    ("name", "hint"), [("Ac-2225", "Ac-225"), ("Lu-717", "Lu-17"), ("Act225", "Ac-225")]
)
def test_unknown_nuclide_names_similar_ones(name: str, hint: str) -> None:
    with pytest.raises(DataNotFoundError, match=f"Did you mean .*{hint}"):
        emissions(name)


@pytest.mark.parametrize("name", ["Xx-12", "", "water", "0Ac", "Ac-0"])
def test_no_nuclide_at_all(name: str) -> None:
    with pytest.raises(DataNotFoundError, match="emissions_from_csv"):
        emissions(name)


@pytest.mark.parametrize("name", ["Pb-208", "209Bi", "C12"])
def test_stable_nuclide_is_no_source(name: str) -> None:
    with pytest.raises(InputError, match="is stable"):
        emissions(name)


@pytest.mark.parametrize("value", [225, None, ["Ac-225"]])
def test_nuclide_of_a_wrong_type(value: object) -> None:
    with pytest.raises(InputError, match="neither a name nor an emissions Dataset"):
        emissions(value)  # type: ignore[arg-type]


def test_normalize_wants_text() -> None:
    with pytest.raises(InputError, match="not a name"):
        nuclide_names.normalize(5, ["Ac-225"], data_source="x")  # type: ignore[arg-type]


# --- energies per decay ---------------------------------------------------------------------


@pytest.mark.parametrize(("nuclide", "expected_keV"), [("177Lu", 147.9), ("161Tb", 202.5)])
def test_electron_energy_per_decay(nuclide: str, expected_keV: float) -> None:
    assert energy_keV(emissions(nuclide), *ELECTRONS) == pytest.approx(expected_keV, rel=5e-4)


@pytest.mark.parametrize(
    ("nuclide", "horizon_d", "alphas", "charged_MeV"),
    [
        ("225Ac", None, 4.000, 28.68),
        ("223Ra", None, 4.000, 27.92),
        ("227Th", None, 5.000, 33.98),
        ("211At", 5.0, 1.000, 6.92),  # 207Bi lives 32 years
        ("212Pb", None, 1.000, 8.85),
        ("213Bi", None, 1.000, 9.14),
        ("149Tb", 20 * 365.25, 0.167, 0.856),  # 145Pm lives 17.7 years
        ("149Tb", None, 0.167, 0.857),
    ],
)
def test_whole_chains(
    nuclide: str, horizon_d: float | None, alphas: float, charged_MeV: float
) -> None:
    table = emissions(nuclide, chain_horizon_d=horizon_d)
    assert total_yield(table, "alpha") == pytest.approx(alphas, rel=5e-4)
    assert total_yield(table, "recoil") == pytest.approx(alphas, rel=5e-4)
    # 0.1 % and the rounding of the last printed digit
    assert energy_keV(table, *CHARGED) / 1e3 == pytest.approx(
        charged_MeV, rel=1e-3, abs=1e-3 if nuclide == "149Tb" else 5e-3
    )


def test_parent_alone() -> None:
    with pytest.warns(ValidityWarning, match="chain=False leaves out"):
        table = emissions("149Tb", chain=False)
    assert energy_keV(table, *CHARGED) == pytest.approx(768, rel=1e-3)
    assert set(table.line_nuclide.values) == {"Tb-149"}
    assert table.member.values.tolist() == ["Tb-149"]


def test_energy_of_the_progeny_left_out_is_stated() -> None:
    whole = emissions("225Ac")
    with pytest.warns(ValidityWarning, match="chain=False leaves out") as caught:
        parent = emissions("225Ac", chain=False)
    assert len(caught) == 1
    all_keV, parent_keV = (energy_keV(table, *CHARGED, "photon") for table in (whole, parent))
    left_out_keV = parent.attrs["progeny_energy_left_out_keV"]
    assert left_out_keV == pytest.approx(all_keV - parent_keV, rel=1e-9)
    share = parent.attrs["progeny_energy_left_out_share"]
    assert share == pytest.approx(left_out_keV / all_keV, rel=1e-9)
    assert f"{left_out_keV:.4g} keV" in str(caught[0].message)
    assert f"({share:.3g} of" in str(caught[0].message)
    # No progeny, nothing left out, no warning.
    assert emissions("177Lu", chain=False).attrs["progeny_energy_left_out_keV"] == 0.0


def test_both_beta_signs_of_cu64() -> None:
    table = emissions("64Cu")
    assert total_yield(table, "beta") == pytest.approx(0.39 + 0.174083, rel=1e-12)
    expected = 0.39 * 190.428 + 0.174083 * 278.22
    assert energy_keV(table, "beta") == pytest.approx(expected, rel=1e-12)
    annihilation = np.isclose(table.energy, 511.0) & (table.emission == "photon")
    assert float(table.yield_per_decay[annihilation].sum()) == pytest.approx(2 * 0.174083, rel=1e-6)


def test_beta_spectrum_is_continuous_and_the_rest_is_not() -> None:
    table = emissions("177Lu")
    beta = table.emission.values == "beta"
    assert np.array_equal(table.continuous.values == 1, beta)
    energies = table.energy.values[beta]
    assert 100 < beta.sum() < 300
    assert (energies[2:] / energies[1:-1] < 1.06).all()
    assert (np.diff(energies) > 0).all()
    assert 485 < energies.max() < 500  # end point 498.3 keV


def test_soft_x_rays_stay_photons_with_a_local_limit() -> None:
    table = emissions("161Tb")
    photon = table.where(table.emission == "photon", drop=True)
    soft = photon.energy < table.attrs["photon_local_below_keV"]
    share = float(photon.yield_per_decay[soft].sum() / photon.yield_per_decay.sum())
    assert table.attrs["photon_local_below_keV"] == 1.0
    assert 0.8 < share < 0.96


# --- chains ---------------------------------------------------------------------------------


def test_horizon_of_thorium_227() -> None:
    table = emissions("227Th", chain_horizon_d=15)
    # two members in closed form
    parent, daughter = np.log(2) / 18.68, np.log(2) / 11.43
    decayed = -np.expm1(-parent * 15)
    atoms = parent / (daughter - parent) * (np.exp(-parent * 15) - np.exp(-daughter * 15))
    expected = (decayed - atoms) / decayed
    ratio = float(table.decays_per_parent_decay.sel(member="Ra-223"))
    assert ratio == pytest.approx(expected, rel=1e-12)
    assert ratio == pytest.approx(0.37, abs=5e-3)
    assert table.attrs["chain_horizon_d"] == 15
    left_out = table.attrs["progeny_energy_left_out_keV"]
    whole = emissions("227Th")
    missing = float((whole.energy * whole.yield_per_decay).sum()) - float(
        (table.energy * table.yield_per_decay).sum()
    )
    assert left_out == pytest.approx(missing, rel=1e-9)
    assert whole.attrs["progeny_energy_left_out_keV"] == 0.0


def test_lost_daughter_takes_its_progeny_with_it() -> None:
    whole = emissions("225Ac")
    lost = emissions("225Ac", retention={"Fr-221": 0.0})
    assert set(lost.line_nuclide.values) == {"Ac-225"}
    half = emissions("225Ac", retention={"213Bi": 0.5})
    ratio = half.decays_per_parent_decay / whole.decays_per_parent_decay
    expected = dict.fromkeys(whole.member.values, 0.5)
    expected |= {"Ac-225": 1.0, "Fr-221": 1.0, "At-217": 1.0}
    for name, value in expected.items():
        assert float(ratio.sel(member=name)) == pytest.approx(value, rel=1e-12)
    assert json.loads(half.attrs["retention"]) == {"Bi-213": 0.5}


def test_chain_structure_of_actinium_225() -> None:
    chain = chain_structure("225Ac")
    assert chain.members[:4] == ("Ac-225", "Fr-221", "At-217", "Bi-213")
    assert set(chain.members) == {*chain.members[:4], "Po-213", "Tl-209", "Pb-209"}
    edges = {
        (chain.members[p], chain.members[d] if d >= 0 else "stable"): (f, a)
        for p, d, f, a in zip(
            chain.parent_index, chain.daughter_index, chain.fraction, chain.is_alpha, strict=True
        )
    }
    assert edges["Bi-213", "Po-213"] == (pytest.approx(0.9791), False)
    assert edges["Bi-213", "Tl-209"] == (pytest.approx(0.0209), True)
    assert edges["Po-213", "Pb-209"] == (pytest.approx(1.0), True)
    assert edges["Pb-209", "stable"] == (pytest.approx(1.0), False)
    alphas = sum(
        n * float(y.sum())
        for n, y in zip(chain.decays_per_parent_decay, chain.alpha_yield, strict=True)
    )
    assert alphas == pytest.approx(4.0, rel=1e-4)
    assert [len(e) for e in chain.alpha_energy_keV] == [len(y) for y in chain.alpha_yield]


@pytest.mark.parametrize("nuclide", ["225Ac", "227Th", "211At", "212Pb", "149Tb"])
def test_alpha_edges_agree_with_alpha_lines(nuclide: str) -> None:
    chain = chain_structure(nuclide)
    by_edge = np.zeros(len(chain.members))
    np.add.at(by_edge, chain.parent_index, chain.branching * chain.is_alpha)
    by_line = [float(yields.sum()) for yields in chain.alpha_yield]
    np.testing.assert_allclose(by_line, by_edge, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("horizon", [0.0, -1.0, np.nan, np.inf, "5"])
def test_horizon_must_be_positive(horizon: float) -> None:
    with pytest.raises(InputError, match="chain_horizon_d"):
        emissions("227Th", chain_horizon_d=horizon)


@pytest.mark.parametrize(
    ("retention", "error", "match"),
    [
        ({"Fr-212": 0.5}, InputError, "not in the chain of Ac-225"),
        ({"Fr-2211": 0.5}, DataNotFoundError, "Did you mean Fr-221"),
        ({"Ac-225": 0.5}, InputError, "is the parent"),
        ({"Fr-221": 50}, UnitError, "percent"),
        ({"Fr-221": -0.1}, InputError, r"\[0, 1\]"),
        ({"Fr-221": np.nan}, InputError, r"\[0, 1\]"),
        ({"Fr-221": "0.5"}, InputError, "not a number"),
        ({"Fr-221": 0.5, "221Fr": 0.7}, InputError, "twice"),
    ],
)
def test_wrong_retention(
    retention: Mapping[str, float], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        emissions("225Ac", retention=retention)


def test_retention_is_a_mapping() -> None:
    with pytest.raises(InputError, match="not a mapping"):
        emissions("225Ac", retention=0.5)  # type: ignore[arg-type]


def test_retention_needs_a_chain() -> None:
    with pytest.raises(InputError, match="not in the chain"):
        emissions("225Ac", chain=False, retention={"Fr-221": 0.5})


def test_horizon_without_a_chain_has_no_effect_and_is_refused() -> None:
    with pytest.raises(InputError, match="no effect"):
        emissions("225Ac", chain=False, chain_horizon_d=5.0)


@pytest.mark.parametrize(
    ("nuclide", "measured_d", "icrp_d"), [("161Tb", 6.953, 6.906), ("225Ac", 9.920, 10.0)]
)
def test_half_life_sources(nuclide: str, measured_d: float, icrp_d: float) -> None:
    default = emissions(nuclide)
    measured = emissions(nuclide, half_life_source="measured")
    assert default.attrs["half_life_s"] == pytest.approx(icrp_d * 86400, rel=1e-9)
    assert measured.attrs["half_life_s"] == pytest.approx(measured_d * 86400, rel=1e-12)
    assert "half_life_references" not in default.attrs
    label = nuclide_label(nuclide)
    assert "Appl. Radiat. Isot." in json.loads(measured.attrs["half_life_references"])[label]
    assert half_life_overrides()[label]["icrp107_half_life_d"] == icrp_d


def test_half_lives_agree_with_the_chain_library() -> None:
    import radioactivedecay

    for nuclide in DEFAULT_SOURCE.radionuclides():
        expected = radioactivedecay.DEFAULTDATA.half_life(nuclide, "s")
        assert DEFAULT_SOURCE.half_life_s(nuclide) == pytest.approx(expected, rel=1e-12), nuclide


def test_unknown_half_life_source() -> None:
    with pytest.raises(InputError, match="half_life_source"):
        emissions("225Ac", half_life_source="ensdf")  # type: ignore[arg-type]


@pytest.mark.parametrize("nuclide", ["Cf-252", "Cm-248", "Bk-250"])
def test_fission_and_neutrons_are_refused_by_name(nuclide: str) -> None:
    with pytest.raises(InputError, match=r"C[fm]-\d+ \(neutron, fission, betaD\)"):
        emissions(nuclide)


def test_negligible_fission_is_left_out_and_reported() -> None:
    with pytest.warns(ValidityWarning, match="chain=False leaves out"):
        table = emissions("238U", chain=False)
    # 238U: 1.09E-6 neutrons and 5.45E-7 fissions of about 200 MeV per decay
    assert 0.05 < table.attrs["energy_left_out_keV"] < 0.2


# --- the Dataset and other sources ----------------------------------------------------------


def test_dataset_follows_the_schema() -> None:
    table = emissions("225Ac")
    schema.validate(table)
    assert table.energy.attrs["units"] == "keV"
    assert set(table.emission.values) == {"alpha", "recoil", "beta", "auger_ce", "photon"}
    assert table.continuous.dtype == np.int8
    assert "icrp107-database" in table.attrs["data_source"]
    assert json.loads(table.attrs["branching"])["Bi-213"]["Po-213"] == pytest.approx(0.9791)
    assert json.loads(table.attrs["half_lives_s"])["Fr-221"] == pytest.approx(294.0)
    assert (table.yield_per_decay > 0).all()
    assert (table.energy > 0).all()


def test_a_dataset_passes_unchanged() -> None:
    table = emissions("177Lu")
    assert emissions(table) is table
    assert nuclide_label(table) == "Lu-177"
    with pytest.raises(InputError, match="no effect"):
        emissions(table, chain=False)
    with pytest.raises(InputError, match="no effect"):
        emissions(table, half_life_source="measured")
    with pytest.raises(InputError, match="lacks"):
        emissions(table.drop_vars("energy"))
    with pytest.raises(InputError, match="no attribute 'nuclide'"):
        nuclide_label(table.drop_attrs())


class OwnData:
    """Two made-up nuclides, H-3 -> He-9 -> stable."""

    name = "own data"

    def radionuclides(self) -> frozenset[str]:
        return frozenset({"H-3", "He-9"})

    def is_stable(self, nuclide: str) -> bool:
        return nuclide == "Li-9"

    def half_life_s(self, nuclide: str) -> float:
        return {"H-3": 100.0, "He-9": 10.0}[nuclide]

    def branches(self, nuclide: str) -> tuple[DecayBranch, ...]:
        if nuclide == "H-3":
            return (DecayBranch("He-9", 0.25, False), DecayBranch(None, 0.75, False))
        return (DecayBranch("Li-9", 1.0, True),)

    def emission_lists(self, nuclide: str) -> dict[str, FloatArray]:
        key = "gamma" if nuclide == "H-3" else "alpha"
        return {key: np.array([[1000.0, 0.5]])}

    def beta_density(self, nuclide: str) -> FloatArray:
        return np.empty((0, 2))


def test_another_data_source() -> None:
    own = OwnData()
    assert isinstance(own, NuclearDataSource)
    assert isinstance(DEFAULT_SOURCE, NuclearDataSource)
    table = emissions("3H", source=own)
    assert table.yield_per_decay.values.tolist() == [0.5, 0.125]
    assert table.emission.values.tolist() == ["photon", "alpha"]
    assert table.attrs["data_source"] == "own data"
    with pytest.raises(DataNotFoundError, match="own data"):
        emissions("225Ac", source=own)


@pytest.mark.parametrize("half_life_s", [0.0, -1.0, np.nan, np.inf])
def test_wrong_half_life_of_another_source(half_life_s: float) -> None:
    class Wrong(OwnData):
        def half_life_s(self, nuclide: str) -> float:
            return half_life_s

    with pytest.raises(InputError, match="half-life of H-3"):
        emissions("3H", source=Wrong())


@pytest.mark.parametrize("row", [[-1.0, 0.5], [0.0, 0.5], [np.nan, 0.5], [1.0, -0.5]])
def test_wrong_line_of_another_source(row: list[float]) -> None:
    class Wrong(OwnData):
        def emission_lists(self, nuclide: str) -> dict[str, FloatArray]:
            return {"gamma": np.array([row])}

    with pytest.raises(InputError, match="H-3 in own data has a line"):
        emissions("3H", source=Wrong())


def test_beta_lines_without_a_spectrum() -> None:
    class Wrong(OwnData):
        def emission_lists(self, nuclide: str) -> dict[str, FloatArray]:
            return {"beta-": np.array([[100.0, 1.0]])}

    with pytest.raises(InputError, match="no spectrum"):
        emissions("3H", source=Wrong())


def test_loop_in_another_source() -> None:
    class Wrong(OwnData):
        def branches(self, nuclide: str) -> tuple[DecayBranch, ...]:
            return (DecayBranch({"H-3": "He-9", "He-9": "H-3"}[nuclide], 1.0, False),)

    with pytest.raises(InputError, match="its own progeny"):
        emissions("3H", source=Wrong())


def test_chain_libraries_are_imported_only_for_a_chain() -> None:
    code = (
        "import sys; import immunodose as imd; imd.parameters('b16k1'); "
        "assert 'radioactivedecay' not in sys.modules; imd.emissions('Lu-177'); "
        "assert 'radioactivedecay' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bindings_by_keyword_and_their_errors() -> None:
    chain = {
        "rate_per_s": np.array([1.0, 2.0]),
        "edge_parent": np.array([0]),
        "edge_daughter": np.array([1]),
        "edge_fraction": np.array([1.0]),
        "retention": np.ones(2),
        "initial_atoms": np.array([1.0, 0.0]),
    }
    atoms, decays = _core.physics.evolve_decay_chain(**chain, duration_s=1.0)
    assert atoms[1] == pytest.approx(np.exp(-1) - np.exp(-2), rel=1e-13)
    assert decays[0] == pytest.approx(1 - np.exp(-1), rel=1e-13)
    assert _core.physics.decays_to_infinity(**chain).tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="duration_s"):
        _core.physics.evolve_decay_chain(**chain, duration_s=-1.0)
    with pytest.raises(InputError, match="topological order"):
        _core.physics.decays_to_infinity(**{**chain, "edge_daughter": np.array([0])})


def test_public_name() -> None:
    assert imd.emissions is emissions
