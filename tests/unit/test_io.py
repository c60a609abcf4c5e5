# SPDX-License-Identifier: BSD-3-Clause
"""Files: whole or absent, and what is turned away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import immunodose
from immunodose import io
from immunodose.errors import FileError, InputError
from immunodose.io import load, save
from immunodose.schema import SCHEMA_VERSION


def example() -> xr.Dataset:
    return xr.Dataset(
        {
            "absorbed_dose": (
                ("cell", "target"),
                np.array([[1.0, np.nan], [np.inf, -0.0], [1e-300, 0.1]]),
                {"units": "Gy", "long_name": "absorbed dose"},
            ),
            "outside": ("cell", np.array([True, False, True])),
            "cell_type": ("cell", np.array(["tumor", "", "CD8⁺"])),
            "flag": ("cell", np.array([-1, 0, 1], dtype=np.int8)),
            "single": ("cell", np.array([1, 2, 3], dtype=np.float32)),
            "time": ("time", np.array([0.0, 1.0]), {"units": "d"}),
            "days": ("time", np.array([0.0, 1.0]), {"units": "days since 2000-01-01"}),
            "scalar": ((), np.int64(2**62 + 1)),
            "empty": ("none", np.zeros(0)),
            "no_text": ("none", np.zeros(0, dtype="<U4")),
        },
        coords={
            "cell": np.arange(3),
            "target": np.array(["nucleus", "cell"]),
            "x": ("cell", np.array([1.0, 2.0, 3.0]), {"units": "um"}),
        },
        attrs={
            "text": "é" * 100_000,
            "empty": "",
            "root": 2**62 + 1,
            "number": 0.1,
            "names": ["a", "b"],
            "numbers": [1, 2],
            "array": np.array([0.5, 1.5]),
            "one": ["x"],
        },
    )


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


@pytest.fixture(params=["a.nc", "a.zarr"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "a.zarr":
        pytest.importorskip("zarr")
    return tmp_path / str(request.param)


def test_round_trip(path: Path) -> None:
    before = example()
    save(before, path)
    assert names(path.parent) == [path.name]
    back = load(path)
    assert back.attrs.pop("one") == "x"  # NetCDF knows no list of one element
    expected = example()
    del expected.attrs["one"]
    xr.testing.assert_identical(back, expected)
    xr.testing.assert_identical(before, example())
    for name, variable in expected.variables.items():
        assert back[name].dtype.kind == variable.dtype.kind, name
        assert back[name].dtype.itemsize == variable.dtype.itemsize or variable.dtype.kind == "U"
    assert np.signbit(back["absorbed_dose"].values[1, 1])
    assert type(back.attrs["root"]) is int
    again = path.with_name("again" + path.suffix)
    save(back, str(again))
    xr.testing.assert_identical(load(again), back)


def test_replaces_an_older_file(path: Path) -> None:
    save(example(), path)
    save(xr.Dataset(attrs={"second": 1}), path)
    assert load(path).attrs == {"second": 1}
    assert names(path.parent) == [path.name]


def test_failed_write_leaves_the_older_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(xr.Dataset(attrs={"first": 1}), path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(io.os, "fsync", full)
        with pytest.raises(FileError, match="No space left on device"):
            save(example(), path)
    assert names(path.parent) == [path.name]
    assert load(path).attrs == {"first": 1}


def test_interrupt_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(io, "_flush", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(example(), path)
    assert names(path.parent) == []


def test_silent_zeros_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = io._netcdf_bytes

    def zeros(*arguments: Any) -> bytes:
        content = bytes(original(*arguments))
        ones = np.ones(2000).tobytes()
        assert ones in content
        return content.replace(ones, bytes(len(ones)))

    with monkeypatch.context() as context:
        context.setattr(io, "_netcdf_bytes", zeros)
        with pytest.raises(FileError, match="could not be written"):
            save(xr.Dataset({"a": ("cell", np.ones(5000))}), tmp_path / "a.nc")
    assert names(tmp_path) == []


FULL_DISK = """
import os, resource, signal, sys
import numpy as np, xarray as xr
from immunodose.errors import FileError
from immunodose.io import load, save
path = os.path.join(sys.argv[1], "a.nc")
save(xr.Dataset(attrs={"first": 1}), path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    save(xr.Dataset({"a": ("cell", np.ones(20000))}), path)
except FileError as error:
    print(error)
print(os.listdir(sys.argv[1]) == ["a.nc"], load(path).attrs == {"first": 1})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE on Windows")
@pytest.mark.parametrize("limit_bytes", [1000, 100_000])
def test_full_disk(tmp_path: Path, limit_bytes: int) -> None:
    source = str(Path(immunodose.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, str(tmp_path), str(limit_bytes)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "could not be written" in done.stdout
    assert done.stdout.strip().endswith("True True")


def test_truncated_and_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    save(xr.Dataset({"a": ("cell", np.arange(5000.0))}), path)
    content = path.read_bytes()
    for keep in (0, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:keep])
        with pytest.raises(FileError, match=r"a\.nc' is truncated"):
            load(path)
    place = content.index(np.arange(2000.0, 2010.0).tobytes())
    path.write_bytes(content[:place] + b"\x01" + content[place + 1 :])
    with pytest.raises(FileError, match="checksum differs"):
        load(path)


def large() -> xr.Dataset:
    values = np.random.default_rng(1).integers(0, 9, size=(4, 50_000)) / 8
    values[1, 7] = np.nan
    words = np.array(["tumor", "", "CD8⁺"])[np.arange(200_000) % 3]
    return xr.Dataset({"a": (("arm", "cell"), values), "cell_type": ("cell_2", words)})


def test_large_variables_are_compressed_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    save(large(), path)
    assert path.stat().st_size < 0.3 * large()["a"].nbytes
    back = load(path)
    assert back["a"].values.tobytes() == large()["a"].values.tobytes()
    xr.testing.assert_identical(back, large())


def test_damage_in_compressed_content(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    save(large(), path)
    content = path.read_bytes()
    for place in range(len(content) // 20, len(content), len(content) // 10):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(FileError):
            load(path)


def test_changed_attribute_and_lost_variable(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    for change in ("attribute", "variable"):
        save(example(), path)
        with h5py.File(path, "r+") as file:
            if change == "attribute":
                file["absorbed_dose"].attrs["units"] = "mGy"
            else:
                del file["single"]
        with pytest.raises(FileError, match="checksum differs"):
            load(path)


def test_foreign_and_newer_files(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    xr.Dataset({"a": ("cell", np.ones(3))}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FileError, match=r"not written by immunodose\.save"):
        load(path)
    save(example(), path)
    with h5py.File(path, "r+") as file:
        file.attrs["immunodose_file_schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(FileError, match=r"reads up to 1\)\. Update immunodose"):
        load(path)
    path.write_text("no NetCDF")
    with pytest.raises(FileError, match=r"no \.nc file"):
        load(path)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        load(tmp_path / "absent.nc")
    with pytest.raises(FileError, match="Make it first"):
        save(example(), tmp_path / "absent" / "a.nc")
    with pytest.raises(InputError, match=r"ends in '\.pkl'"):
        save(example(), tmp_path / "a.pkl")
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        save(example(), tmp_path / "folder.nc")


def test_zarr_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install immunodose\[zarr\]"):
        save(example(), tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "value", [True, None, {"a": 1}, [], [1, "a"], [True, 2], 2**64, [2**63, 1], 1j]
)
def test_attrs_that_files_cannot_hold(value: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'wrong' of the Dataset"):
        save(xr.Dataset(attrs={"wrong": value}), tmp_path / "a.nc")
    with pytest.raises(InputError, match="'wrong' of 'a'"):
        save(xr.Dataset({"a": ((), 1.0, {"wrong": value})}), tmp_path / "a.nc")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (xr.Dataset({"a": ("cell", np.array(["x", np.nan], dtype=object))}), "nan at position 1"),
        (xr.Dataset({"a": ("cell", np.array([1j]))}), "dtype complex128"),
        (xr.Dataset({"a/b": ("cell", np.ones(1))}), "allowed: text without '/'"),
        (xr.Dataset(attrs={"_FillValue": 1}), "reserved"),
        (xr.Dataset(attrs={"immunodose_file_complete": 1}), "set by save itself"),
        (xr.Dataset(attrs={"a": "b\x00c"}), "signs that files cannot hold"),
        (xr.DataArray([1.0]), "only an xarray.Dataset"),
    ],
)
def test_content_that_files_cannot_hold(dataset: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        save(dataset, tmp_path / "a.nc")
    assert names(tmp_path) == []
