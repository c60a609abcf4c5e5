# SPDX-License-Identifier: BSD-3-Clause
"""Parameter sets: format, look-up, overrides, messages."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import immunodose as imd
from immunodose.data import parameters as module
from immunodose.data.parameter_file import RESERVED_KEYS, STATUSES, parse
from immunodose.data.parameters import ParameterSet, perturbed, resolve, to_dataset
from immunodose.errors import DataNotFoundError, FileError, InputError
from immunodose.schema import validate

MINIMAL = Path(__file__).parents[1] / "data" / "minimal_cell_line.toml"

GOOD = """
name = "s"
kind = "cell_line"
title = "S"
[parameters.alpha]
value = 0.3
unit = "Gy-1"
range = [0.1, 0.5]
status = "fit"
source = "made up"
"""


@pytest.fixture
def minimal() -> ParameterSet:
    return resolve(MINIMAL)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the test set and a second one are part of the package."""
    first = resolve(MINIMAL)
    second = dataclasses.replace(
        first, name="other", entries={"alpha": first.entries["alpha"]}, kind="host"
    )
    sets = {"minimal_cell_line": first, "other": second}
    monkeypatch.setattr(module, "_names", lambda: tuple(sets))
    original = module._shipped.__wrapped__
    monkeypatch.setattr(
        module, "_shipped", lambda name: sets[name] if name in sets else original(name)
    )


def test_shipped_sets_follow_the_format() -> None:
    for name in module._names():
        found = module._shipped(name)
        assert found.name == name
        for key, item in found.entries.items():
            assert key not in RESERVED_KEYS
            assert item.status in STATUSES
            assert item.source.strip()
            assert item.unit.strip()
            assert math.isnan(item.value) or item.low <= item.value <= item.high
        validate(to_dataset(found))


def test_listing(shipped: None) -> None:
    listing = imd.parameters()
    assert listing.sizes == {"set": 2}
    assert listing["name"].values.tolist() == ["minimal_cell_line", "other"]
    assert listing["kind"].values.tolist() == ["cell_line", "host"]
    assert listing["n_assumed"].values.tolist() == [3, 0]
    validate(listing)


def test_one_set_as_dataset() -> None:
    dataset = imd.parameters(MINIMAL, alpha=0.2)
    assert dataset.attrs["name"] == "minimal_cell_line"
    assert dataset.attrs["kind"] == "cell_line"
    alpha = dataset.sel(parameter="alpha")
    assert float(alpha["value"]) == 0.2
    assert alpha["unit"].item() == "Gy-1"
    assert (float(alpha["range_low"]), float(alpha["range_high"])) == (0.1, 0.5)
    assert alpha["status"].item() == "measured"
    assert int(alpha["overridden"]) == 1
    assert dataset["overridden"].dtype == np.int8
    validate(dataset)


@pytest.mark.parametrize("given", [MINIMAL, str(MINIMAL), imd.parameters(MINIMAL)])
def test_resolve_accepts_every_form(given: object) -> None:
    found = resolve(given, kind="cell_line", alpha=0.4)  # type: ignore[arg-type]
    assert found.value("alpha") == 0.4
    assert found.overrides() == {"alpha": 0.4}
    assert resolve(found).value("alpha") == 0.4


def test_dataset_keeps_overrides_and_info(minimal: ParameterSet) -> None:
    changed = dataclasses.replace(minimal, info={"nuclide": "Ac-225"}).with_overrides(alpha=0.2)
    back = resolve(to_dataset(changed))
    assert back.info == {"nuclide": "Ac-225"}
    assert back.overrides() == {"alpha": 0.2}
    assert repr(back) == repr(changed)


def test_attrs_name_overrides_and_assumed_values(minimal: ParameterSet) -> None:
    attrs = minimal.with_overrides(mhc1_gain=3).attrs("response")
    assert attrs["response"] == "minimal_cell_line"
    assert json.loads(attrs["response_overrides"]) == {"mhc1_gain": 3.0}
    assert [item["key"] for item in json.loads(attrs["response_assumed"])] == [
        "ifng_scale",
        "offset",
    ]
    assert all(isinstance(value, str) for value in attrs.values())


def test_undefined_key_lists_the_sets_that_define_it(shipped: None) -> None:
    lacking = dataclasses.replace(resolve(MINIMAL), name="lacking", entries={})
    with pytest.raises(InputError, match="no biological parameter has a silent default") as error:
        lacking.value("alpha")
    assert "'alpha'" in str(error.value)
    assert "minimal_cell_line, other" in str(error.value)


def test_nan_is_undefined_until_overridden(minimal: ParameterSet) -> None:
    with pytest.raises(InputError, match="override it: open_value="):
        minimal.value("open_value")
    assert not minimal.defines("open_value")
    assert minimal.with_overrides(open_value=2.0).value("open_value") == 2.0


def test_unknown_set_suggests_and_lists(shipped: None) -> None:
    with pytest.raises(DataNotFoundError, match="Did you mean 'minimal_cell_line'") as error:
        resolve("minimal_cell_lines")
    assert "available: minimal_cell_line, other" in str(error.value)


def test_wrong_kind_lists_the_right_sets(shipped: None) -> None:
    with pytest.raises(InputError, match=r"needed here: 'host'\)\. Give one of: other"):
        resolve("minimal_cell_line", kind="host")
    with pytest.raises(InputError, match="invalid kind='mouse'"):
        resolve("other", kind="mouse")


def test_override_errors(minimal: ParameterSet) -> None:
    with pytest.raises(InputError, match="Did you mean 'alpha'"):
        resolve(minimal, alhpa=0.3)
    with pytest.raises(InputError, match=r"allows 0\.1 to 0\.5 Gy-1"):
        resolve(minimal, alpha=30.0)
    for wrong in ("0.3", True, [0.3], None):
        with pytest.raises(InputError, match="allowed: one number"):
            resolve(minimal, alpha=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="allows"):
        resolve(minimal, alpha=math.nan)
    with pytest.raises(InputError, match="need the name"):
        imd.parameters(None, alpha=0.3)


def test_unusable_arguments(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="could not be read"):
        resolve(tmp_path / "absent.toml")
    with pytest.raises(InputError, match="type int"):
        resolve(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="lacks"):
        resolve(imd.parameters(MINIMAL).drop_vars("status"))
    spoiled = imd.parameters(MINIMAL)
    spoiled["value"][0] = 7.0
    with pytest.raises(InputError, match="invalid alpha=7"):
        resolve(spoiled)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "s"', "", "no top-level key 'name'"),
        ('title = "S"', "title = 3", "top-level key 'title' is 3"),
        ('kind = "cell_line"', 'kind = "cell_lines"', "Did you mean 'cell_line'"),
        ("value = 0.3", "", "no field 'value'"),
        ("value = 0.3", "value = true", "holds True"),
        ("value = 0.3", "value = 0.6", "outside its range"),
        ("[0.1, 0.5]", "[0.5, 0.1]", "low <= high"),
        ("[0.1, 0.5]", "0.5", "allowed: \\[low, high\\]"),
        ('"Gy-1"', '""', "empty unit"),
        ('"Gy-1"', '"%IA g-1"', "udunits"),
        ('"Gy-1"', '"cell"', "udunits"),
        ('"fit"', '"guess"', "has status 'guess'"),
        ('"made up"', '" "', "empty source"),
        ("value =", "vallue =", "Did you mean 'value'"),
        ("parameters.alpha", "parameters.name", "invalid key"),
        ("[parameters.alpha]", "[parameters]\nalpha = 3\n[other]", "is 3"),
        ("[parameters.alpha]", "[param.alpha]", "defines no parameters"),
        ('name = "s"', "name = ", "not valid TOML"),
    ],
)
def test_malformed_files(old: str, new: str, message: str) -> None:
    parse(GOOD, "good.toml")
    text = GOOD.replace(old, new)
    if "[other]" in new:
        text = text.split("[other]")[0]
    with pytest.raises(InputError, match=message) as error:
        parse(text, "bad.toml")
    assert "bad.toml" in str(error.value)


def test_user_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace('title = "S"', 'title = "S"\nnuclide = "Lu-177"'))
    found = resolve(path)
    assert found.info == {"nuclide": "Lu-177"}
    assert found.value("alpha") == 0.3


def test_perturbed_draws_assumed_values_only(minimal: ParameterSet) -> None:
    drawn = [perturbed(minimal, rng=seed) for seed in range(400)]
    assert perturbed(minimal, rng=3).overrides() == drawn[3].overrides()
    for item in drawn:
        assert set(item.overrides()) == {"mhc1_gain", "ifng_scale"}
        assert item.value("alpha") == 0.3
        assert item.value("offset") == 0.0
    gain = np.array([item.value("mhc1_gain") for item in drawn])
    assert gain.min() >= 1.5  # range cuts 2 / 2
    assert gain.max() <= 4.0
    scale = np.log2(np.array([item.value("ifng_scale") for item in drawn]) / 4.0)
    # uniform on [-1, 1]: standard deviation of the mean 1/sqrt(3 * 400); 5 sigma: 6e-7
    assert abs(scale.mean()) < 5.0 / math.sqrt(3 * 400)
    assert scale.min() < -0.95  # missed with probability 0.975**400 = 4e-5 (rng is fixed)
    assert scale.max() > 0.95
    kept = minimal.with_overrides(ifng_scale=5.0)
    assert perturbed(kept, rng=1).value("ifng_scale") == 5.0
    with pytest.raises(InputError, match=re.escape("invalid factor=0.5")):
        perturbed(minimal, rng=1, factor=0.5)


def test_perturbed_negative_value(minimal: ParameterSet) -> None:
    item = dataclasses.replace(minimal.entries["offset"], value=-0.5)
    changed = dataclasses.replace(minimal, entries={"offset": item})
    values = [perturbed(changed, rng=seed).value("offset") for seed in range(50)]
    assert -1.0 <= min(values) < -0.5 < max(values) <= -0.25
