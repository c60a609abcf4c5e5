# SPDX-License-Identifier: BSD-3-Clause
"""A user's spectrum from CSV, and each mistake with its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunodose import schema
from immunodose.data.nuclides import emissions, emissions_from_csv, nuclide_label
from immunodose.errors import FileError, InputError

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
        (HEADER + "1,0,beta\n", "every yield_per_decay is 0"),
        (HEADER.replace("\n", ",continuous\n") + "1,1,beta,2\n", "row 2: continuous = '2'"),
    ],
)
def test_mistakes_name_the_row(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        emissions_from_csv(write(tmp_path, text))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        emissions_from_csv(tmp_path / "absent.csv")
    file = tmp_path / "binary.csv"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileError, match="UTF-8"):
        emissions_from_csv(file)
