# SPDX-License-Identifier: BSD-3-Clause
"""Files: the round trip is the identity; no part of a file can change unnoticed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunodose.errors import FileError
from immunodose.io import load, save

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
attr = st.one_of(text, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
attrs = st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True), attr, max_size=4)
dtypes = st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_])
numbers = dtypes.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=3, min_side=0, max_side=4))
)


@st.composite
def datasets(draw: st.DrawFn) -> xr.Dataset:
    variables = {}
    for index, values in enumerate(draw(st.lists(numbers, max_size=3))):
        dims = tuple(f"d{index}_{axis}" for axis in range(values.ndim))
        variables[f"v{index}"] = xr.Variable(dims, values, draw(attrs))
    words = draw(st.lists(text, max_size=4))
    variables["words"] = xr.Variable("word", np.array(words, dtype=np.str_), draw(attrs))
    return xr.Dataset(variables, attrs=draw(attrs)).set_coords(draw(st.sampled_from([[], "words"])))


@settings(deadline=None, max_examples=25)
@given(dataset=datasets())
def test_round_trip(dataset: xr.Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        save(dataset, path)
        back = load(path)
    xr.testing.assert_identical(back, dataset)
    for name, variable in dataset.variables.items():
        if variable.dtype.kind != "U":
            assert back[name].dtype == variable.dtype
            assert back[name].values.tobytes() == variable.values.tobytes()


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0.0, 1.0, exclude_max=True), values=st.integers(1, 500))
def test_a_truncated_file_is_refused(share: float, values: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        save(xr.Dataset({"a": ("cell", np.arange(1.0, values + 1.0))}), path)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(FileError):
            load(path)


@settings(deadline=None, max_examples=40)
@given(place=st.floats(0.0, 1.0, exclude_max=True), change=st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(place: float, change: int) -> None:
    dataset = xr.Dataset(
        {"a": ("cell", np.arange(200.0), {"units": "Gy"})},
        coords={"cell_type": ("cell", np.array(["tumor", "cd8_t_cell"] * 100))},
        attrs={"text": "value", "number": 3},
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        save(dataset, path)
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= change
        path.write_bytes(content)
        try:
            back = load(path)
        except FileError:
            return
    xr.testing.assert_identical(back, dataset)  # the byte was padding
