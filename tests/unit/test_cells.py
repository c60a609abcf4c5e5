# SPDX-License-Identifier: BSD-3-Clause
"""Cell populations: what each builder gives, and one clear error for each mistake."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree
from scipy.stats import chi2, kstest
from tests.reference import geometry as oracle

from immunodose import cells
from immunodose._core import geometry
from immunodose.errors import FileError, GeometryError, InputError, ResourceError, UnitError
from immunodose.testing import assert_same_bits, assert_schema

RADII = {"cell_radius_um": 6.0, "nucleus_radius_um": 4.0}


def row(n: int = 3, **changes: Any) -> dict[str, Any]:
    """Arguments of a row of touching cells."""
    zeros = np.zeros(n)
    return {"x_um": 12.0 * np.arange(n), "y_um": zeros, "z_um": zeros, **RADII, **changes}


def centers(scene: xr.Dataset) -> np.ndarray:
    return np.stack([scene[axis].values for axis in "xyz"], axis=1)


def test_from_arrays_follows_the_contract() -> None:
    scene = cells.from_arrays(
        **row(cell_radius_um=[6.0, 5.0, 6.0]),
        antigen=[1.0, 2.0, 3.0],
        cell_type="tumor",
        glucose=(np.array([4.0, 5.0, 6.0]), "mmol L-1"),
        clone=[1, 2, 2],
    )
    assert_schema(scene)
    assert scene["cell"].values.tolist() == [0, 1, 2]
    assert scene["cell"].dtype == np.int64
    assert set(scene.coords) == {"cell", "x", "y", "z"}
    assert scene["cell_radius"].values.tolist() == [6.0, 5.0, 6.0]
    assert scene["nucleus_radius"].values.tolist() == [4.0, 4.0, 4.0]
    assert scene["cell_type"].values.tolist() == ["tumor"] * 3
    assert scene["glucose"].attrs == {"units": "mmol L-1", "long_name": "glucose"}
    assert scene["clone"].attrs == {"units": "1", "long_name": "clone"}
    assert scene["antigen"].attrs["long_name"] != "antigen"
    cells.check(scene)


def test_touching_cells_pass() -> None:
    cells.from_arrays(**row(2, x_um=[0.0, 12.0 * (1.0 - 0.9e-9)]))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x_um": [0.0, 11.0, 30.0]}, GeometryError, r"^1 pair of .* cells 0 and 1, by 1 um"),
        ({"x_um": [0.0, 11.0, 20.5]}, GeometryError, r"^2 pairs .* cells 1 and 2, by 2.5 um"),
        ({"x_um": [0.0, 12.0 * (1.0 - 1.1e-9), 30.0]}, GeometryError, r"^1 pair"),
        ({"x_um": [0.0, 0.012, 0.024]}, GeometryError, r"^3 pairs .* in mm\?"),
        ({"nucleus_radius_um": [4.0, 6.1, 4.0]}, GeometryError, r"6\.1 exceeds .*=6 .*cells 1\)"),
        ({"y_um": [0.0, np.nan, np.inf]}, InputError, r"y_um holds NaN or inf \(2 of 3.*1, 2\)"),
        ({"z_um": [np.nan] * 3}, InputError, r"^z_um"),
        ({"cell_radius_um": [6.0, 0.0, 6.0]}, InputError, r"cell_radius_um holds 0 um .*cells 1\)"),
        ({"cell_radius_um": -6.0}, InputError, r"cell_radius_um holds -6 um"),
        ({"nucleus_radius_um": -4.0}, InputError, r"nucleus_radius_um holds -4 um"),
        ({"nucleus_radius_um": np.nan}, InputError, r"nucleus_radius_um holds NaN"),
        ({"cell_radius_um": 6000.0}, UnitError, r"6000 nm are 6 um.*allow_unusual"),
        ({"cell_radius_um": 0.006, "nucleus_radius_um": 0.004}, UnitError, r"0\.006 mm are 6 um"),
        ({"nucleus_radius_um": 0.4}, UnitError, r"^nucleus_radius_um"),
        ({"z_um": [0.0]}, InputError, r"z_um has shape \(1,\), expected \(3,\)"),
        ({"cell_radius_um": [6.0, 6.0]}, InputError, r"cell_radius_um has shape \(2,\)"),
        ({"antigen": [1.0, 2.0]}, InputError, r"antigen has shape \(2,\)"),
        ({"antigen": [1.0, np.nan, 2.0]}, InputError, r"antigen holds NaN or inf .*cells 1\)"),
        ({"antigen": ([1.0, 1.0, 2.0], "mol")}, UnitError, r"antigen was given in 'mol'"),
        ({"cell_radius": [1.0] * 3}, InputError, r"'cell_radius' is a reserved name"),
        ({"energy": [1.0] * 3}, InputError, r"'energy' has no dims \['cell'\]"),
        ({"clone": [None] * 3}, InputError, r"clone must hold numbers or text"),
        ({"x_um": ["a", "b", "c"]}, InputError, r"x_um must hold real numbers"),
    ],
)
def test_mistakes(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        cells.from_arrays(**row(**changes))
    assert type(caught.value) is error


def test_empty_population() -> None:
    with pytest.raises(InputError, match="population is empty"):
        cells.from_arrays(**row(0))


def test_unusual_radii_pass_when_meant() -> None:
    scene = cells.from_arrays(**row(1, cell_radius_um=500.0), allow_unusual=True)
    assert scene["cell_radius"].item() == 500.0


def test_gross_overlap_is_counted_in_bounded_time() -> None:
    n = 20_000
    with pytest.raises(GeometryError, match=r"^at least"):
        cells.from_arrays(**row(n, x_um=1e-3 * np.arange(n) / n))


def test_overlaps_of_many_cells_equal_a_tree_search() -> None:
    draw = np.random.default_rng(5)
    centers_um = draw.uniform(0.0, 200.0, (5000, 3))
    radius_um = draw.uniform(1.0, 6.0, 5000)
    pairs = cKDTree(centers_um).query_pairs(12.0, output_type="ndarray")
    distance_um = np.linalg.norm(centers_um[pairs[:, 0]] - centers_um[pairs[:, 1]], axis=1)
    depth_um = radius_um[pairs].sum(axis=1) - distance_um
    x, y, z = centers_um.T
    reports = [
        geometry.find_overlaps(
            x_um=x,
            y_um=y,
            z_um=z,
            radius_um=radius_um,
            relative_tolerance=1e-9,
            n_threads=n_threads,
        )
        for n_threads in (1, 2, 5)
    ]
    assert reports[0] == reports[1] == reports[2]
    count, first, second, worst_um, cut_short = reports[0]
    assert count == np.count_nonzero(depth_um > 0.0) > 1000
    assert [first, second] == pairs[depth_um.argmax()].tolist()
    assert worst_um == pytest.approx(depth_um.max(), rel=1e-12)
    assert not cut_short


def test_check_names_what_is_missing() -> None:
    scene = cells.from_arrays(**row())
    with pytest.raises(InputError, match="no variable 'nucleus_radius'"):
        cells.check(scene.drop_vars("nucleus_radius"))
    with pytest.raises(InputError, match="'cell_radius' has dims"):
        cells.check(scene.assign(cell_radius=6.0))
    with pytest.raises(GeometryError, match="overlap"):
        cells.check(scene.assign_coords(x=0.99 * scene["x"]))


# lattices


@pytest.mark.parametrize(("kind", "neighbors"), [("cubic", 6), ("hcp", 12)])
def test_lattice_neighbors_stand_at_the_spacing(kind: str, neighbors: int) -> None:
    scene = cells.lattice(shape=(5, 5, 5), spacing_um=13.0, kind=kind, **RADII)
    assert scene.sizes["cell"] == 125
    distances = np.linalg.norm(centers(scene) - centers(scene)[62], axis=1)
    assert np.sum(np.abs(distances - 13.0) < 1e-9) == neighbors
    assert np.sum(distances < 13.0 - 1e-9) == 1
    np.testing.assert_allclose(centers(scene).min(axis=0), -centers(scene).max(axis=0))
    assert_schema(scene)


def test_lattice_mistakes() -> None:
    with pytest.raises(InputError, match=r"kind='hpc'.*Did you mean 'hcp'"):
        cells.lattice(shape=(2, 2, 2), spacing_um=12.0, kind="hpc", **RADII)
    with pytest.raises(InputError, match="three whole numbers"):
        cells.lattice(shape=(2, 2), spacing_um=12.0, **RADII)
    with pytest.raises(InputError, match="three whole numbers"):
        cells.lattice(shape=(2, 0, 1), spacing_um=12.0, **RADII)
    with pytest.raises(GeometryError, match="least spacing: 12 um"):
        cells.lattice(shape=(2, 2, 2), spacing_um=11.9, **RADII)
    with pytest.raises(InputError, match="spacing_um=nan"):
        cells.lattice(shape=(2, 2, 2), spacing_um=np.nan, **RADII)
    with pytest.raises(InputError, match="cell_radius_um must be one number"):
        cells.lattice(
            shape=(1, 1, 2), spacing_um=12.0, cell_radius_um=[6.0, 6.0], nucleus_radius_um=4.0
        )
    cells.lattice(shape=(4, 4, 4), spacing_um=12.0, kind="hcp", **RADII)


# spheroids and colonies


def test_spheroid_of_20000_cells() -> None:
    scene = cells.spheroid(
        radius_um=188.0, packing_fraction=0.5, rng=3, cell_radius_um=5.5, nucleus_radius_um=4.0
    )
    assert scene.sizes["cell"] == round(0.5 * (188.0 / 5.5) ** 3) == 19969
    assert scene.attrs["random_root"] == 3
    assert np.linalg.norm(centers(scene), axis=1).max() + 5.5 <= 188.0
    distances, _ = cKDTree(centers(scene)).query(centers(scene), k=2)
    assert distances[:, 1].min() >= 11.0 * (1.0 - 1e-9)


def test_spheroid_records_the_root_that_repeats_it() -> None:
    arguments = {"radius_um": 40.0, "packing_fraction": 0.3, **RADII}
    scene = cells.spheroid(**arguments, rng=None)
    again = cells.spheroid(**arguments, rng=scene.attrs["random_root"])
    assert_same_bits(scene, again)
    other = cells.spheroid(**arguments, rng=scene.attrs["random_root"] ^ 1)
    assert not np.array_equal(scene["x"], other["x"])


@pytest.mark.parametrize("ratio", [1.0, 2.3, 2.5, 3.0, 4.2, 6.7])
def test_spheroid_reaches_its_close_packing_and_no_more(ratio: float) -> None:
    offsets = ([0, 0, 0], [1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [2 / 3, 1 / 3, 1 / 3])
    reach = (ratio - 1.0) / 2.0
    most = max(oracle.fcc_count(reach, np.array(offset)) for offset in offsets)
    arguments = {"radius_um": 6.0 * ratio, "rng": 1, **RADII}
    share = ratio**-3
    arguments["arrangement"] = "close_packed"
    full = cells.spheroid(**arguments, packing_fraction=most * share)
    assert full.sizes["cell"] == most
    if (most + 1) * share <= 1.0:
        with pytest.raises(GeometryError, match=rf"holds {most} cells"):
            cells.spheroid(**arguments, packing_fraction=(most + 1) * share)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"packing_fraction": 50}, UnitError, r"percent \(50 % is 0\.5\)"),
        ({"packing_fraction": 500.0}, InputError, "above 0, below 1"),
        ({"packing_fraction": 0.0}, InputError, "packing_fraction=0"),
        ({"packing_fraction": -0.5}, InputError, "packing_fraction=-0.5"),
        ({"packing_fraction": np.nan}, InputError, "packing_fraction=nan"),
        ({"packing_fraction": 1e-4}, InputError, "less than half a cell"),
        ({"packing_fraction": 0.74}, GeometryError, "cannot be reached at random"),
        ({"radius_um": 5.0}, GeometryError, "cell_radius_um=6 exceeds radius_um=5"),
        ({"radius_um": 1e6}, ResourceError, "in another unit than um"),
        ({"radius_um": -1.0}, InputError, "radius_um=-1"),
        ({"nucleus_radius_um": 6.5}, GeometryError, "nucleus_radius_um=6.5 exceeds"),
        ({"cell_radius_um": 0.006, "nucleus_radius_um": 0.004}, UnitError, "mm are 6 um"),
        ({"rng": -1}, InputError, "rng=-1"),
    ],
)
def test_spheroid_mistakes(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"radius_um": 60.0, "packing_fraction": 0.4, "rng": 1, **RADII, **changes}
    with pytest.raises(error, match=message):
        cells.spheroid(**arguments)


def interior(seed: int) -> np.ndarray:
    """Centers within 60 um of a spheroid of 130 um: 10 cell radii away from the layered wall."""
    scene = cells.spheroid(
        radius_um=130.0, packing_fraction=0.3, rng=seed, cell_radius_um=5.0, nucleus_radius_um=3.0
    )
    points = centers(scene)
    return points[np.linalg.norm(points, axis=1) < 60.0]


@pytest.mark.statistical
def test_spheroid_is_uniform_inside() -> None:
    """Twenty spheroids; numbers in 8 shells x 8 octants of equal volume against their mean.

    Cells that cannot overlap spread more evenly than independent points, so chi-square with 63
    degrees of freedom has a false-alarm rate below its nominal 1e-7, and so have the
    Kolmogorov tests of cos(theta) and r^3 (1e-7 each).
    """
    points = np.concatenate([interior(seed) for seed in range(20)])
    radius = np.linalg.norm(points, axis=1)
    shell = np.minimum((8.0 * (radius / 60.0) ** 3).astype(int), 7)
    octant = (points > 0.0) @ np.array([1, 2, 4])
    counts = np.bincount(8 * shell + octant, minlength=64)
    expected = len(points) / 64.0
    assert np.sum((counts - expected) ** 2 / expected) < chi2.isf(1e-7, 63)
    assert kstest((points[:, 2] / radius + 1.0) / 2.0, "uniform").pvalue > 1e-7
    assert kstest((radius / 60.0) ** 3, "uniform").pvalue > 1e-7


@pytest.mark.statistical
def test_thin_spheroid_forgets_the_lattice() -> None:
    """The widest fcc lattice has no pair between its first two shells, a fluid has many.

    At a packing of 0.3 the lattice has its shells at 13.0 and 18.4 um. A hard-sphere fluid has 0.8
    of its mean density at 15.5 to 17.5 um, with a standard deviation of 0.037 over seeds, so the
    false-alarm rate of 0.6 is below 1e-8.
    """
    assert share_of_pairs(interior(3), 15.5, 17.5) > 0.6


def share_of_pairs(points: np.ndarray, low_um: float, high_um: float) -> float:
    """Density of cells between two distances from a cell, over the mean density."""
    inner = points[np.linalg.norm(points, axis=1) < 40.0]
    tree = cKDTree(points)
    near, far = (
        sum(len(found) for found in tree.query_ball_point(inner, limit))
        for limit in (low_um, high_um)
    )
    density = len(points) / 60.0**3
    return float((far - near) / (len(inner) * density * (high_um**3 - low_um**3)))


def test_colony_mistakes() -> None:
    close = {"n_cells": 7, "arrangement": "close_packed", "rng": 1, **RADII}
    with pytest.raises(GeometryError, match=r"holds 4 cells"):
        cells.colony(packing_fraction=0.79, **close)
    cells.colony(packing_fraction=7.0 / 9.0, **close)
    with pytest.raises(UnitError, match="percent"):
        cells.colony(n_cells=7, packing_fraction=60.0, rng=1, **RADII)
    with pytest.raises(InputError, match="n_cells=0"):
        cells.colony(n_cells=0, packing_fraction=0.5, rng=1, **RADII)
    with pytest.raises(InputError, match=r"n_cells=2.5"):
        cells.colony(n_cells=2.5, packing_fraction=0.5, rng=1, **RADII)


# files

HEADER = "x_um,y_um,z_um,cell_radius_um,nucleus_radius_um"


def write(folder: Path, text: str) -> Path:
    path = folder / "cells.csv"
    path.write_bytes(text.encode())
    return path


def test_from_csv(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"\ufeff{HEADER},antigen,cell_type,perfusion_distance_um\r\n"
        "0,0,0,6,4,1.5,tumor,3\r\n\r\n12.5,0,0,6,3.5,2e-1,cd8_t_cell,4\r\n",
    )
    scene = cells.from_csv(path)
    assert_schema(scene)
    assert scene["x"].values.tolist() == [0.0, 12.5]
    assert scene["nucleus_radius"].values.tolist() == [4.0, 3.5]
    assert scene["antigen"].values.tolist() == [1.5, 0.2]
    assert scene["cell_type"].values.tolist() == ["tumor", "cd8_t_cell"]
    assert scene["perfusion_distance_um"].attrs["units"] == "um"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", InputError, "is empty"),
        (f"{HEADER}\n", InputError, "population is empty"),
        ("x_um,y_um,z_um,cell_radius_um\n0,0,0,6\n", InputError, "'nucleus_radius_um' is missing"),
        (HEADER.replace("x_um", "x_mm") + "\n0,0,0,6,4\n", UnitError, "'x_mm' is there"),
        (HEADER.replace("x_um", "x") + "\n0,0,0,6,4\n", UnitError, "'x' is there"),
        (HEADER.replace(",", ";") + "\n0;0;0;6;4\n", InputError, "not separated by commas"),
        (f"{HEADER},x_um\n0,0,0,6,4,1\n", InputError, "'x_um' stands there more than once"),
        (f"{HEADER}\n0,0,0,6,4\n0,20,0,6\n", InputError, "line 3: 4 fields"),
        (f"{HEADER}\n0,0,0,6,4\n0,2O,0,6,4\n", InputError, "line 3, column 'y_um': '2O'"),
        (f"{HEADER}\n0,nan,0,6,4\n", InputError, "line 2, column 'y_um': 'nan'"),
        (f"{HEADER},antigen\n0,0,0,6,4,1\n20,0,0,6,4,\n", InputError, "line 3, column 'antigen'"),
        (f"{HEADER},cell_type\n0,0,0,6,4,\n", InputError, "line 2, column 'cell_type'"),
        (f"{HEADER}\n0,0,0,6,4\n1,0,0,6,4\n", GeometryError, "cells 0 and 1, by 11 um"),
        (f'{HEADER}\n0,"0,0,6,4\n', FileError, "no UTF-8 CSV file"),
    ],
)
def test_csv_mistakes(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cells.from_csv(write(tmp_path, text))


def test_csv_absent_or_binary(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        cells.from_csv(tmp_path / "none.csv")
    (tmp_path / "cells.csv").write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(FileError, match="no UTF-8 CSV file"):
        cells.from_csv(tmp_path / "cells.csv")


def test_from_anndata_like_objects() -> None:
    slide = types.SimpleNamespace(
        obsm={"spatial": np.array([[0.0, 10.0], [40.0, 0.0]])}, obs={"TYRP1": [1.0, 2.0]}
    )
    scene = cells.from_anndata(slide, um_per_unit=0.5, per_cell={"antigen": "TYRP1"}, **RADII)
    assert_schema(scene)
    assert centers(scene).tolist() == [[0.0, 5.0, 0.0], [20.0, 0.0, 0.0]]
    assert scene["antigen"].values.tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match="no column 'KIT'"):
        cells.from_anndata(slide, um_per_unit=0.5, per_cell={"antigen": "KIT"}, **RADII)
    with pytest.raises(InputError, match="um_per_unit=0"):
        cells.from_anndata(slide, um_per_unit=0, **RADII)
    with pytest.raises(InputError, match=r"not an AnnData.*immunodose"):
        cells.from_anndata("slide.h5ad", um_per_unit=0.5, **RADII)


# phenotype


def test_with_cell_type() -> None:
    tumor = cells.lattice(shape=(10, 10, 10), spacing_um=12.0, **RADII)
    new = {"cell_radius_um": 4.0, "nucleus_radius_um": 3.0}
    mixed = cells.with_cell_type(tumor, cell_type="cd8_t_cell", fraction=0.1, rng=1, **new)
    assert_schema(mixed)
    is_new = mixed["cell_type"].values == "cd8_t_cell"
    assert is_new.sum() == 100
    assert set(mixed["cell_type"].values[~is_new]) == {"tumor"}
    assert set(mixed["cell_radius"].values[is_new]) == {4.0}
    assert set(mixed["nucleus_radius"].values[is_new]) == {3.0}
    assert set(mixed["cell_radius"].values[~is_new]) == {6.0}
    assert mixed.attrs["random_root_cd8_t_cell"] == 1
    assert "cell_type" not in tumor
    assert set(tumor["cell_radius"].values) == {6.0}
    both = cells.with_cell_type(mixed, cell_type="nk_cell", fraction=0.9, rng=1, **new)
    names, counts = np.unique(both["cell_type"].values, return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"cd8_t_cell": 100, "nk_cell": 900}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"fraction": 10.0}, InputError, "fraction=10.0"),
        ({"fraction": -0.1}, InputError, "fraction=-0.1"),
        ({"cell_radius_um": 6.5}, GeometryError, "'cd8_t_cell' exceeds that of 8 cells"),
        ({"nucleus_radius_um": 4.5}, GeometryError, "nucleus_radius_um=4.5"),
        ({"cell_type": ""}, InputError, "cell_type=''"),
    ],
)
def test_cell_type_mistakes(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    tumor = cells.lattice(shape=(2, 2, 2), spacing_um=12.0, **RADII)
    arguments = {
        "cell_type": "cd8_t_cell",
        "fraction": 0.5,
        "cell_radius_um": 4.0,
        "nucleus_radius_um": 3.0,
        "rng": 1,
        **changes,
    }
    with pytest.raises(error, match=message):
        cells.with_cell_type(tumor, **arguments)


def test_cell_type_after_labeling() -> None:
    tumor = cells.lattice(shape=(2, 2, 2), spacing_um=12.0, **RADII)
    with pytest.raises(InputError, match="before labeling"):
        cells.with_cell_type(
            tumor.assign(absorbed_dose=("cell", np.zeros(8))),
            rng=1,
            fraction=0.5,
            cell_type="cd8_t_cell",
            cell_radius_um=4.0,
            nucleus_radius_um=3.0,
        )


@pytest.mark.statistical
def test_lognormal() -> None:
    """Kolmogorov test at a false-alarm rate of 1e-7; independence of two names at 5.3 sigma."""
    scene = cells.lattice(shape=(30, 30, 10), spacing_um=12.0, **RADII)
    scene = cells.lognormal(scene, name="antigen", median=3.0, sd_ln=0.5, rng=7)
    scene = cells.lognormal(scene, name="mhc1_baseline", median=1e5, sd_ln=0.2, rng=7)
    assert_schema(scene)
    antigen = np.log(scene["antigen"].values / 3.0) / 0.5
    mhc1 = np.log(scene["mhc1_baseline"].values / 1e5) / 0.2
    assert kstest(antigen, "norm").pvalue > 1e-7
    assert kstest(mhc1, "norm").pvalue > 1e-7
    assert abs(np.corrcoef(antigen, mhc1)[0, 1]) < 5.3 / np.sqrt(antigen.size)
    assert scene.attrs["random_root_antigen"] == 7


def test_lognormal_mistakes() -> None:
    scene = cells.lattice(shape=(2, 2, 1), spacing_um=12.0, **RADII)
    constant = cells.lognormal(scene, name="antigen", median=2.0, sd_ln=0.0, rng=1)
    assert constant["antigen"].values.tolist() == [2.0] * 4
    other = cells.lognormal(scene, name="folate_receptor", median=2.0, sd_ln=0.1, rng=1)
    assert other["folate_receptor"].attrs == {"units": "1", "long_name": "folate_receptor"}
    with pytest.raises(InputError, match="already have"):
        cells.lognormal(constant, name="antigen", median=2.0, sd_ln=0.1, rng=1)
    with pytest.raises(InputError, match="median=0"):
        cells.lognormal(scene, name="antigen", median=0.0, sd_ln=0.1, rng=1)
    with pytest.raises(InputError, match=r"sd_ln=-0.1"):
        cells.lognormal(scene, name="antigen", median=1.0, sd_ln=-0.1, rng=1)


@pytest.mark.parametrize("name", ["nucleus_offset_x_um", "nucleus_offset_um", "nucleus_offset"])
def test_a_misspelled_offset_of_the_nucleus_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}.*nucleus_offset_x, nucleus_offset_y"):
        cells.from_arrays(**row(1, **{name: [9.0]}))
