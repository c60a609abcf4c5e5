# SPDX-License-Identifier: BSD-3-Clause
"""A user's spectrum from CSV, and each mistake with its row."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import immunodose as imd
from immunodose import schema
from immunodose.data.nuclides import emissions, emissions_from_csv, nuclide_label
from immunodose.errors import FileError, InputError, ValidityWarning

GOOD = """# my spectrum
energy_keV, yield_per_decay, emission, continuous, nuclide
5829.7, 0.5, alpha, 0, Ac-225

# a comment between rows
120.5, 0.2, beta, 1, Pb-209
18.0,0.01,photon,,Ac-225
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "mine.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_reads_columns_comments_and_labels(tmp_path: Path) -> None:
    table = emissions_from_csv(write(tmp_path, GOOD))
    schema.validate(table)
    assert table.energy.values.tolist() == [5829.7, 120.5, 18.0]  # order kept
    assert table.yield_per_decay.values.tolist() == [0.5, 0.2, 0.01]
    assert table.emission.values.tolist() == ["alpha", "beta", "photon"]
    assert table.continuous.values.tolist() == [0, 1, 0]
    assert table.line_nuclide.values.tolist() == ["Ac-225", "Pb-209", "Ac-225"]
    assert nuclide_label(table) == "Ac-225"
    assert table.attrs["photon_local_below_keV"] == 1.0
    assert "mine.csv" in table.attrs["data_source"]
    assert emissions(table) is table


def test_label_is_the_keyword_or_the_file_stem(tmp_path: Path) -> None:
    file = write(tmp_path, "energy_keV,yield_per_decay,emission\n100,1,auger_ce\n")
    assert nuclide_label(emissions_from_csv(file)) == "mine"
    assert nuclide_label(emissions_from_csv(file, nuclide="X")) == "X"
    assert emissions_from_csv(file, nuclide="X").line_nuclide.values.tolist() == ["X"]
    with pytest.raises(InputError, match="nuclide is empty"):
        emissions_from_csv(file, nuclide=" ")


HEADER = "energy_keV,yield_per_decay,emission\n"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        (HEADER, "no rows"),
        ("energy_keV,emission\n1,alpha\n", "'yield_per_decay' is missing"),
        ("energy_kev,yield_per_decay,emission\n1,1,alpha\n", "Did you mean 'energy_keV'"),
        ("energy_keV,energy_keV,emission\n1,1,alpha\n", "appears twice"),
        (HEADER + "100,1,beta\n-5,1,beta\n", "row 3: energy_keV = '-5'"),
        (HEADER + "100,-1,beta\n", "row 2: yield_per_decay = '-1'"),
        (HEADER + "nan,1,beta\n", "row 2: energy_keV = 'nan'"),
        (HEADER + "inf,1,beta\n", "row 2: energy_keV = 'inf'"),
        (HEADER + "0,1,beta\n", "row 2: energy_keV = 0"),
        (HEADER + "# c\nabc,1,beta\n", "row 3: energy_keV = 'abc'"),
        (HEADER + ",1,beta\n", "row 2: energy_keV = ''"),
        (HEADER + "1,1,betta\n", "row 2: emission = 'betta'.*Did you mean 'beta'"),
        (HEADER + "1,1\n", "row 2: 2 cells"),
        (HEADER + "5,1,beta\n5.8e6,1,alpha\n", "row 3: .*above the alpha model.*keV, not eV"),
        (HEADER + "11801,1,alpha\n", "row 2: energy_keV = 11801 .*at most 11800 keV"),
        (HEADER + "20001,1,auger_ce\n", "row 2: .*at most 20000 keV"),
        (HEADER + "20001,1,beta\n", "row 2: .*at most 20000 keV"),
        (HEADER + "10001,1,photon\n", "row 2: .*at most 10000 keV"),
        (HEADER + "1,0,beta\n", "every yield_per_decay is 0"),
        (HEADER.replace("\n", ",continuous\n") + "1,1,beta,2\n", "row 2: continuous = '2'"),
    ],
)
def test_mistakes_name_the_row(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        emissions_from_csv(write(tmp_path, text))


SPECTRUM = "energy_keV,yield_per_decay,emission,continuous,nuclide\n"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("10,0.5,beta,1,Y-90\n5,0.5,beta,1,Y-90\n", "row 3: .*unsorted.*5 after 10 in row 2"),
        ("5,0.5,beta,1,\n5,0.5,beta,1,\n", "row 3: .*unsorted"),
        ("5,0.5,beta,1,Y-90\n9,0.51,beta,1,Y-90\n", "beta rows of Y-90 .*normalized.*1.01"),
        ("5,40,beta,1,\n9,60,beta,1,\n", "beta rows of one nuclide .*normalized.*100.*percent"),
        ("5,1,beta,0,\n9,1,beta,0,\n", "beta rows of one nuclide .*adds up to 2;.*Of a chain"),
        ("5800,50.7,alpha,0,Ac-225\n", "alpha rows of Ac-225 .*normalized.*50.7"),
    ],
)
def test_malformed_spectra(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        emissions_from_csv(write(tmp_path, SPECTRUM + text))


def test_chains_branches_and_discrete_lines_are_no_malformed_spectra(tmp_path: Path) -> None:
    """Two nuclides, each in order; a rounded total of 1.004; lines in any order; many electrons."""
    text = (
        "5,0.5,beta,1,Sr-90\n9,0.5,beta,1,Sr-90\n4,0.504,beta,1,Y-90\n8,0.5,beta,1,Y-90\n"
        "3,7,auger_ce,0,Y-90\n1,9,auger_ce,0,Y-90\n6,0.02,beta,1,Zr-90\n"
    )
    assert emissions_from_csv(write(tmp_path, SPECTRUM + text)).sizes["line"] == 7
    branches = "5,0.2,beta,1,\n9,0.1,beta,1,\n5800,0.4,alpha,0,\n"
    assert emissions_from_csv(write(tmp_path, SPECTRUM + branches)).sizes["line"] == 3


def test_a_density_over_energy_is_warned_of(tmp_path: Path) -> None:
    # A triangle with its peak in the middle, in rows of 20 keV.
    width_keV = 20.0
    energy = np.arange(1, 40) * width_keV
    share = 1.0 - np.abs(np.arange(-19, 20) / 20.0)
    per_keV = share / (share.sum() * width_keV)

    def spectrum(yields: npt.NDArray[np.float64]) -> Path:
        rows = "".join(f"{e},{y},beta,1,\n" for e, y in zip(energy, yields, strict=True))
        return write(tmp_path, SPECTRUM + rows)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        emissions_from_csv(spectrum(per_keV * width_keV))
        emissions_from_csv(spectrum(0.3 * per_keV * width_keV))
    with pytest.warns(ValidityWarning, match=r"add up to 0.05 .* density per keV\?"):
        emissions_from_csv(spectrum(per_keV))
    with pytest.raises(InputError, match=r"not normalized .*adds up to 50"):
        emissions_from_csv(spectrum(1e3 * per_keV))


@pytest.mark.parametrize("emission", ["auger_ce", "photon", "recoil"])
def test_many_particles_per_decay_are_warned_of(tmp_path: Path, emission: str) -> None:
    for nuclide, many in (("I-125", 100.0), ("", 200.0)):
        for factor in (0.5, 0.51):
            text = "".join(f"{k},{many * factor},{emission},0,{nuclide}\n" for k in (1, 2))
            file = write(tmp_path, SPECTRUM + text)
            if factor == 0.5:
                emissions_from_csv(file)
                continue
            with pytest.warns(ValidityWarning, match=f"{emission} rows .*percent, or counts"):
                emissions_from_csv(file)


@pytest.mark.parametrize(
    ("energy_keV", "emission"),
    [(11800, "alpha"), (20000, "beta"), (20000, "auger_ce"), (10000, "photon")],
)
def test_the_highest_energies_pass_the_kernels(
    tmp_path: Path, energy_keV: float, emission: str
) -> None:
    table = emissions_from_csv(write(tmp_path, HEADER + f"{energy_keV},1,{emission}\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidityWarning)  # electrons above 3000 keV are scaled
        s = imd.s_values(table, cell_radius_um=7.0, nucleus_radius_um=5.0)
    assert float(s["s_value"].sum()) > 0.0


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        emissions_from_csv(tmp_path / "absent.csv")
    file = tmp_path / "binary.csv"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileError, match="UTF-8"):
        emissions_from_csv(file)


def test_a_line_is_of_a_continuous_spectrum_or_not(tmp_path: Path) -> None:
    table = emissions_from_csv(write(tmp_path, GOOD))
    half = table.assign(continuous=("line", np.array([0.0, 0.5, 0.0])))
    with pytest.raises(InputError, match=r"continuous\[1\] = 0.5 .*allowed: 0 or 1"):
        emissions(half)
