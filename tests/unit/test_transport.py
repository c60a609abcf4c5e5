# SPDX-License-Identifier: BSD-3-Clause
"""S values and alpha hits against published tables, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.reference import transport as oracle

import immunodose as imd
from immunodose import _core, schema
from immunodose.errors import (
    DataNotFoundError,
    GeometryError,
    InputError,
    UnitError,
    ValidityWarning,
)
from immunodose.typing import FloatArray

DATA = Path(__file__).parents[1] / "data"
CELL = {"cell_radius_um": 5.0, "nucleus_radius_um": 3.0, "physics": "mird"}
# Column of the table -> target, source.
PAIRS = {
    "C<-C": ("cell", "cell"),
    "C<-CS": ("cell", "membrane"),
    "N<-N": ("nucleus", "nucleus"),
    "N<-Cy": ("nucleus", "cytoplasm"),
    "N<-CS": ("nucleus", "membrane"),
}

# Straight CSDA alpha tracks of 211At and its progeny in unit-density water, ICRU 90; quadrature of
# this project written independently of the package (relative error below 1e-3): cell um,
# nucleus um, source, hits per decay, frequency mean Gy, dose mean Gy, S Gy per decay.
AT211 = [
    (5.0, 4.0, "membrane", 0.2000, 0.2221, 0.2577, 0.04442),
    (5.0, 4.0, "cytoplasm", 0.2787, 0.2109, 0.2505, 0.05878),
    (5.0, 4.0, "nucleus", 1.0000, 0.1295, 0.1868, 0.12947),
    (7.0, 5.0, "membrane", 0.1501, 0.1471, 0.1697, 0.02207),
    (7.0, 5.0, "cytoplasm", 0.2303, 0.1392, 0.1641, 0.03207),
    (7.0, 5.0, "nucleus", 1.0000, 0.0832, 0.1203, 0.08324),
    (8.6, 4.5, "membrane", 0.0739, 0.1886, 0.2160, 0.01394),
    (8.6, 4.5, "cytoplasm", 0.1388, 0.1782, 0.2073, 0.02475),
    (8.6, 4.5, "nucleus", 1.0000, 0.1025, 0.1480, 0.10253),
    (10.0, 5.0, "membrane", 0.0670, 0.1551, 0.1776, 0.01039),
    (10.0, 5.0, "cytoplasm", 0.1288, 0.1460, 0.1697, 0.01881),
    (10.0, 5.0, "nucleus", 1.0000, 0.0832, 0.1203, 0.08324),
]


def rows_of(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@pytest.fixture(scope="module")
def mird_spectrum() -> xr.Dataset:
    return imd.emissions_from_csv(DATA / "mird_lu177_spectrum.csv")


@pytest.fixture(scope="module")
def mird_rows() -> dict[str, FloatArray]:
    rows = rows_of("mird_lu177_s_values.csv")
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def total(ds: xr.Dataset, target: str, source: str) -> FloatArray:
    values: FloatArray = ds.s_value.sel(target=target, source=source).sum("emission").values
    return values


@pytest.mark.parametrize("pair", PAIRS)
def test_mird_mode_reproduces_the_mird_code(
    pair: str, mird_spectrum: xr.Dataset, mird_rows: dict[str, FloatArray]
) -> None:
    """177Lu with the MIRD code's own spectrum: 1 % self, 2 % cross where S > 1e-12."""
    distance, expected = mird_rows["distance_um"], mird_rows[pair]
    s = total(imd.s_values(mird_spectrum, **CELL, distance_um=distance), *PAIRS[pair])
    assert distance[0] == 0.0
    np.testing.assert_allclose(s[0], expected[0], rtol=0.005)
    counts = (distance > 0.0) & (expected > 1e-12)
    assert counts.sum() > 40
    np.testing.assert_allclose(s[counts], expected[counts], rtol=0.01)
    assert distance[-1] == 1581.0
    assert s[-1] == 0.0


def test_actinium_225_agrees_with_monte_carlo() -> None:
    """Nucleus dose of the 225Ac chain by Geant4 [Ruigrok 2022, doi:10.1007/s00259-022-05821-w]."""
    published = [
        (6.3, 3.7, "membrane", 1.05e-1), (8.6, 4.5, "membrane", 5.63e-2),
        (6.3, 3.7, "cytoplasm", 1.78e-1), (8.6, 4.5, "cytoplasm", 1.01e-1),
    ]  # fmt: skip
    for cell, nucleus, source, expected in published:
        ds = imd.s_values("Ac-225", cell_radius_um=cell, nucleus_radius_um=nucleus, physics="mird")
        np.testing.assert_allclose(total(ds, "nucleus", source)[0], expected, rtol=0.04)


@pytest.mark.parametrize(
    ("cell", "nucleus", "source", "hits", "frequency_mean", "dose_mean", "s_alpha"), AT211
)
def test_astatine_211_hits_and_specific_energy(
    cell: float, nucleus: float, source: str, hits: float, frequency_mean: float,
    dose_mean: float, s_alpha: float,
) -> None:  # fmt: skip
    out = imd.hit_statistics(
        "At-211", cell_radius_um=cell, nucleus_radius_um=nucleus, source=source
    )
    schema.validate(out)
    np.testing.assert_allclose(out.hits_per_decay, [hits], rtol=0.003)
    single = out.sel(per="traversal", source=source)
    np.testing.assert_allclose(single.frequency_mean_specific_energy, frequency_mean, rtol=0.003)
    np.testing.assert_allclose(single.dose_mean_specific_energy, dose_mean, rtol=0.003)
    ds = imd.s_values("At-211", cell_radius_um=cell, nucleus_radius_um=nucleus, physics="mird")
    alpha = ds.s_value.sel(target="nucleus", source=source, emission="alpha", distance=0.0)
    np.testing.assert_allclose(alpha, s_alpha, rtol=0.003)
    # One alpha per decay, so clusters of decays and traversals are the same thing.
    np.testing.assert_allclose(out.hit_probability_per_decay, out.hits_per_decay, rtol=1e-4)


@pytest.mark.parametrize("emission", ["alpha", "auger_ce"])
@pytest.mark.parametrize("pair", [("cell", "cell"), ("nucleus", "cytoplasm"), ("cytoplasm",
                                  "membrane"), ("nucleus", "membrane")])  # fmt: skip
@pytest.mark.parametrize("distance", [0.0, 14.0, 41.0])
def test_s_values_equal_ray_tracing(emission: str, pair: tuple[str, str], distance: float) -> None:
    """Chords of random rays: E(R - in) - E(R - out); 6 standard errors with a fixed stream."""
    energy = 5500.0 if emission == "alpha" else 55.0
    call = imd.s_values_alpha if emission == "alpha" else imd.s_values_electron
    radii = {"cell_radius_um": 7.0, "nucleus_radius_um": 4.0}
    ds = call(energy, **radii, physics="mird", distance_um=distance)
    got = total(ds, *pair)[0]
    regions = {"cell": (0.0, 7.0), "nucleus": (0.0, 4.0), "cytoplasm": (4.0, 7.0),
               "membrane": (7.0, 7.0)}  # fmt: skip
    mean, error = oracle.s_value_by_rays(
        energy, alpha=emission == "alpha", target=regions[pair[0]], source=regions[pair[1]],
        distance_um=distance, n=200_000, seed=7,
    )  # fmt: skip
    assert error < 0.004 * mean
    assert abs(got - mean) < 6.0 * error


def test_a_lost_daughter_takes_its_dose_along() -> None:
    kwargs: dict[str, Any] = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0, "physics": "mird"}
    alone = {}
    for again in (0, 1):  # the second time from the cache
        with pytest.warns(ValidityWarning, match="chain=False leaves out") as caught:
            alone[again] = imd.s_values("Ac-225", **kwargs, chain=False)
        assert len(caught) == 1
        assert 0.7 < alone[again].attrs["progeny_energy_left_out_share"] < 0.85
    whole, lost, parent = (
        table.s_value.sel(emission="alpha", distance=0.0)
        for table in (
            imd.s_values("Ac-225", **kwargs),
            imd.s_values("Ac-225", **kwargs, retention={"Fr-221": 0.0}),
            alone[1],
        )
    )
    np.testing.assert_allclose(lost.sel(target="nucleus"), parent.sel(target="nucleus"), rtol=1e-9)
    ratio = float(lost.sel(target="nucleus", source="membrane") /
                  whole.sel(target="nucleus", source="membrane"))  # fmt: skip
    assert 0.25 < ratio < 0.33


def test_dims_names_and_provenance() -> None:
    ds = imd.s_values("At-211", **CELL, distance_um=[0.0, 10.0, 500.0])
    schema.validate(ds)
    assert ds.s_value.dims == ("target", "source", "distance", "emission")
    assert ds.attrs["nuclide"] == "At-211"
    assert ds.attrs["physics"] == "mird"
    assert ds.attrs["membrane_thickness_nm"] == 0.0
    assert float(ds.energy_not_scored.sel(emission="recoil")) > 100.0
    # Beyond reach and radii nothing, not almost nothing.
    assert (ds.s_value.sel(distance=500.0, emission="alpha", target="nucleus") == 0.0).all()


def test_membrane_without_thickness_has_no_dose() -> None:
    ds = imd.s_values("Lu-177", **CELL, membrane_thickness_nm=8.0)
    assert np.isnan(ds.s_value.sel(target="membrane")).all()
    assert not np.isnan(ds.s_value.sel(target=["nucleus", "cytoplasm", "cell"])).any()


def test_a_spectrum_may_replace_a_nuclide() -> None:
    named = imd.s_values("Lu-177", **CELL)
    given = imd.s_values(imd.emissions("Lu-177"), **CELL)
    np.testing.assert_array_equal(named.s_value.values, given.s_value.values)
    with pytest.raises(InputError, match="retention"):
        imd.s_values(imd.emissions("Ac-225"), **CELL, retention={"Fr-221": 0.5})


def test_source_cell_may_differ() -> None:
    mixed = imd.s_values(
        "At-211", **CELL, distance_um=[12.0, 30.0], source_cell_radius_um=7.0,
        source_nucleus_radius_um=6.0,
    )  # fmt: skip
    turned = imd.s_values(
        "At-211", cell_radius_um=7.0, nucleus_radius_um=6.0, physics="mird",
        distance_um=[12.0, 30.0], source_cell_radius_um=5.0, source_nucleus_radius_um=3.0,
    )  # fmt: skip
    forward = mixed.s_value.sel(target="nucleus", source="cytoplasm")
    backward = turned.s_value.sel(target="cytoplasm", source="nucleus")
    np.testing.assert_allclose(forward, backward, rtol=1e-11)
    assert (forward.sel(emission="alpha") > 0.0).all()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"distance_um": 9.0}, GeometryError, r"overlap at distance_um\[0\]=9.*radii sum to 10"),
        ({"distance_um": [0.0, np.nan]}, InputError, r"distance_um\[1\]=nan"),
        ({"distance_um": "20 um"}, InputError, "distance_um must hold real numbers"),
        ({"distance_um": -1.0}, InputError, r"distance_um\[0\]=-1"),
        ({"distance_um": []}, InputError, "distance_um is empty"),
        ({"distance_um": [[20.0]]}, InputError, "one-dimensional"),
        ({"nucleus_radius_um": 6.0}, GeometryError, "nucleus_radius_um=6 exceeds"),
        ({"cell_radius_um": 5000.0, "nucleus_radius_um": 3000.0}, UnitError, "5000 nm are 5 um"),
        ({"cell_radius_um": 0.005}, UnitError, "0.005 mm are 5 um"),
        ({"cell_radius_um": float("nan")}, InputError, "cell_radius_um holds NaN"),
        ({"cell_radius_um": [5.0, 6.0]}, InputError, "must be one number"),
        ({"physics": "track"}, InputError, "unknown physics='track'.*kernel, mird.*monte_carlo"),
        ({"nuclide": "Lu-1777"}, DataNotFoundError, "Did you mean.*Lu-177"),
        ({"nuclide": "Bi-209"}, InputError, "stable"),
        ({"nuclide": 177}, InputError, "neither a name nor"),
        ({"source_cell_radius_um": 6.0}, InputError, "self-dose, which has one cell"),
        ({"membrane_thickness_nm": 5000.0}, UnitError, "exceeds 1000 nm"),
        ({"membrane_thickness_nm": -1.0}, InputError, "membrane_thickness_nm=-1"),
        ({"membrane_thickness_nm": float("nan")}, InputError, "membrane_thickness_nm=nan"),
        ({"density_g_per_cm3": -1.0}, InputError, "density_g_per_cm3=-1"),
        ({"retention": {"Fr-221": 50.0}, "nuclide": "Ac-225"}, UnitError, "percent"),
    ],
)  # fmt: skip
def test_errors_of_s_values(change: dict[str, Any], error: type[Exception], match: str) -> None:
    given: dict[str, Any] = {**CELL, "nuclide": "Lu-177", **change}
    nuclide = given.pop("nuclide")
    with pytest.raises(error, match=match):
        imd.s_values(nuclide, **given)


def test_errors_of_single_energies() -> None:
    with pytest.raises(InputError, match="1 to 12000 keV"):
        imd.s_values_alpha(5.8e4, **CELL)
    with pytest.raises(InputError, match="one number"):
        imd.s_values_alpha([5000.0, 6000.0], **CELL)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="energy_keV must hold real numbers"):
        imd.s_values_alpha("5 MeV", **CELL)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"0\.03 to 3000 keV"):
        imd.s_values_electron(float("nan"), **CELL)
    with pytest.raises(InputError, match=r"0\.03 to 3000 keV"):
        imd.s_values_electron(3001.0, **CELL)


def test_kernel_is_the_default_model() -> None:
    given = imd.s_values_electron(10.0, **{**CELL, "physics": "kernel"})
    default = imd.s_values_electron(10.0, **{**CELL, "physics": None})
    assert default.attrs["physics"] == "kernel"
    np.testing.assert_array_equal(default.s_value.values, given.s_value.values)


def test_unusual_radii_pass_when_meant() -> None:
    ds = imd.s_values(
        "At-211", cell_radius_um=300.0, nucleus_radius_um=0.1, physics="mird", allow_unusual=True
    )
    # Almost all alpha energy stays inside a ball much larger than the range.
    mass_ng = 4.0 / 3.0 * np.pi * 300.0**3 * 1e-3
    energy_keV = float(ds.s_value.sel(target="cell", source="cell", emission="alpha").sum())
    energy_keV *= mass_ng / 1.602176634e-4
    assert 0.8 < energy_keV / float(ds.energy_per_decay.sel(emission="alpha")) < 0.95


def test_unusual_density_passes_when_meant() -> None:
    given: dict[str, Any] = {**CELL, "density_g_per_cm3": 4.0}
    with pytest.raises(UnitError, match="kg/m3"):
        imd.s_values("Lu-177", **given)
    with pytest.raises(UnitError, match="kg/m3"):
        imd.hit_statistics(
            "At-211", cell_radius_um=7.0, nucleus_radius_um=5.0, density_g_per_cm3=4.0
        )
    assert float(imd.s_values("Lu-177", **given, allow_unusual=True).s_value.max()) > 0.0


# --- hit_statistics -------------------------------------------------------------------------


def test_density_of_single_hits_is_normalized_and_has_the_means() -> None:
    out = imd.hit_statistics("Ac-225", cell_radius_um=7.0, nucleus_radius_um=5.0)
    z = out.specific_energy.values
    width = z[1] - z[0]
    for source in out.source.values:
        for per in ("traversal", "decay"):
            row = out.sel(source=source, per=per)
            density = row.specific_energy_density.values
            mean = float(row.frequency_mean_specific_energy)
            np.testing.assert_allclose((density * width).sum(), 1.0, rtol=1e-3)
            np.testing.assert_allclose((density * z * width).sum(), mean, rtol=2e-3)
            np.testing.assert_allclose(
                (density * z**2 * width).sum() / (density * z * width).sum(),
                float(row.dose_mean_specific_energy), rtol=3e-3,
            )  # fmt: skip


def test_an_offset_of_zero_and_a_small_one_agree() -> None:
    given: dict[str, Any] = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0}
    centered = imd.hit_statistics("Ac-225", **given)
    near = imd.hit_statistics("Ac-225", **given, nucleus_offset_um=1e-4)
    for name in ("hits_per_decay", "hit_probability_per_decay", "dose_mean_specific_energy"):
        np.testing.assert_allclose(near[name], centered[name], rtol=2e-4)
    # Off the center more membrane lies near the nucleus than far: hits do not depend linearly.
    far = imd.hit_statistics("Ac-225", **given, nucleus_offset_um=2.0)
    assert float(far.hits_per_decay.sel(source="membrane")) > 1.02 * float(
        centered.hits_per_decay.sel(source="membrane")
    )
    np.testing.assert_array_equal(
        far.hits_per_decay.sel(source="nucleus"), centered.hits_per_decay.sel(source="nucleus")
    )


def test_hits_of_a_spectrum() -> None:
    table = imd.emissions("At-211")
    with_chain = imd.hit_statistics("At-211", cell_radius_um=7.0, nucleus_radius_um=5.0)
    given = imd.hit_statistics(table, cell_radius_um=7.0, nucleus_radius_um=5.0)
    np.testing.assert_allclose(given.hits_per_decay, with_chain.hits_per_decay, rtol=1e-4)
    with pytest.raises(InputError, match="not which follow each other"):
        imd.hit_statistics(imd.emissions("Ac-225"), cell_radius_um=7.0, nucleus_radius_um=5.0)
    for extra in ({"retention": {"Po-211": 0.5}}, {"chain": False}):
        with pytest.raises(InputError, match="no effect on an emissions Dataset"):
            imd.hit_statistics(table, cell_radius_um=7.0, nucleus_radius_um=5.0, **extra)


@pytest.mark.parametrize(
    ("nuclide", "change", "match"),
    [
        ("Lu-177", {}, "no alpha"),
        (211, {}, "neither a name nor"),
        ("At-211", {"source": "nucles"}, "unknown source 'nucles'.*Did you mean 'nucleus'"),
        ("At-211", {"source": []}, "names no compartment"),
        ("At-211", {"specific_energy_Gy": [0.2, 0.1]}, "ascend"),
        ("At-211", {"specific_energy_Gy": [0.2]}, "at least two"),
        ("At-211", {"specific_energy_Gy": [-0.1, 0.2]}, "start at >= 0"),
        ("At-211", {"specific_energy_Gy": [0.1, np.nan]}, "finite edges"),
        ("At-211", {"density_g_per_cm3": np.inf}, "density_g_per_cm3=inf"),
        ("At-211", {"nucleus_radius_um": 8.0}, "exceeds"),
        ("At-211", {"cell_radius_um": 7000.0}, "another unit"),
        ("At-211", {"nucleus_offset_um": 2.1}, "out of its cell.*at most 2 um"),
        ("At-211", {"nucleus_offset_um": -1.0}, "nucleus_offset_um=-1.0"),
        ("At-211", {"method": "montecarlo"}, "unknown method='montecarlo'.*Did you mean"),
        ("At-211", {"n_histories": 10}, "n_histories has no effect"),
        ("At-211", {"straggling": True}, "straggling has no effect"),
        ("At-211", {"method": "monte_carlo", "n_histories": 0}, "n_histories=0"),
        ("At-211", {"method": "monte_carlo", "n_histories": 1.5}, "n_histories=1.5"),
        ("At-211", {"method": "monte_carlo", "rng": -1}, "rng=-1"),
        ("Ac-225", {"retention": {"Fr-221": 1.5}}, "retention"),
        (
            "At-211",
            {"method": "monte_carlo", "n_histories": 1, "rng": 0, "nucleus_radius_um": 0.5},
            "none of n_histories=1",
        ),
    ],
)
def test_errors_of_hit_statistics(nuclide: Any, change: dict[str, Any], match: str) -> None:
    given: dict[str, Any] = {"cell_radius_um": 7.0, "nucleus_radius_um": 5.0, **change}
    with pytest.raises(InputError, match=match):
        imd.hit_statistics(nuclide, **given)


def cluster(n: int, energy_keV: float = 7000.0) -> _core.transport.AlphaChain:
    """A chain of n equal alphas, one after the other."""
    return _core.transport.AlphaChain(
        decays_per_parent_decay=np.ones(n),
        edge_parent=np.arange(n - 1), edge_daughter=np.arange(1, n), edge_fraction=np.ones(n - 1),
        edge_is_alpha=np.ones(n - 1, dtype=np.int64), line_member=np.arange(n),
        line_energy_keV=np.full(n, energy_keV), line_yield=np.ones(n),
    )  # fmt: skip


@pytest.mark.parametrize("p", [0.15, 0.5, 1.0])
def test_four_equal_alphas_are_a_compound_poisson(p: float) -> None:
    """Variance (1 + 3p) x mean; unhit 0.45 (p = 0.15) and 0.78 (p = 1) at one mean hit."""
    rho, radius = 10.0, None
    if p < 0.5:  # outside: p is half of 1 - cos of the angle that the nucleus covers
        radius = rho * np.sqrt(1.0 - (1.0 - 2.0 * p) ** 2)
    else:
        radius = rho if p == 0.5 else 2.0 * rho
    row = _core.transport.hit_channels(
        chain=cluster(4), nucleus_radius_um=float(radius), source_um=(rho, rho),
        distance_um=np.zeros(1), density_g_per_cm3=1.0,
    )[0]  # fmt: skip
    traversals, hit, mean, square, single_square = row[0], row[1], row[2], row[3], row[7]
    np.testing.assert_allclose(traversals, 4.0 * p, rtol=2e-3)
    np.testing.assert_allclose(hit, 1.0 - (1.0 - p) ** 4, rtol=2e-3)
    unhit = np.exp(-hit / traversals)  # at one mean hit
    np.testing.assert_allclose(unhit, {0.15: 0.45, 0.5: 0.626, 1.0: 0.78}[p], atol=0.005)
    # z of four independent alphas: E[z^2] = 4 q + 12 m^2 with q, m of one alpha.
    single = mean / 4.0
    np.testing.assert_allclose(square, single_square + 12.0 * single**2, rtol=1e-3)


def test_messages_name_what_was_given() -> None:
    with pytest.raises(InputError, match="physics='kernel' does not know n_histories"):
        imd.s_values("Lu-177", cell_radius_um=7.0, nucleus_radius_um=5.0, n_histories=64)
    with pytest.raises(GeometryError, match="source_nucleus_radius_um=5 exceeds source_cell"):
        imd.s_values(
            "Lu-177", cell_radius_um=7.0, nucleus_radius_um=5.0, source_cell_radius_um=4.0,
            distance_um=20.0,
        )  # fmt: skip
    with pytest.raises(InputError, match="1 to 11800 keV"):
        imd.s_values_alpha(11_900.0, cell_radius_um=7.0, nucleus_radius_um=5.0)
    thick = imd.s_values(
        "Lu-177", cell_radius_um=7.0, nucleus_radius_um=5.0, membrane_thickness_nm=1500.0,
        allow_unusual=True,
    )  # fmt: skip
    assert thick.attrs["membrane_thickness_nm"] == 1500.0


@pytest.mark.parametrize(
    "name", ["nucleus_offset_X", "nucleus_offset", "nucleus_ofset_x", "nucleus_offset_x_um"]
)
def test_misspelled_offsets_are_refused(name: str) -> None:
    cells = imd.cells.lattice(
        shape=(2, 1, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    shifted = imd.label(cells, "Lu-177", decays_per_cell=1.0).assign({name: ("cell", np.ones(2))})
    for method in ("kernel", "monte_carlo"):
        with pytest.raises(InputError, match=f"'{name}' would not move nuclei"):
            imd.absorbed_dose(shifted, method=method)
