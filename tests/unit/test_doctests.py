# SPDX-License-Identifier: BSD-3-Clause
"""The examples in the docstrings of the installed package run as printed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import immunodose

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def module_names() -> list[str]:
    walked = pkgutil.walk_packages(immunodose.__path__, "immunodose.")
    names = [module.name for module in walked if not module.name.startswith("immunodose._core")]
    return ["immunodose", *(name for name in names if not name.endswith("__main__"))]


@pytest.mark.parametrize("name", module_names())
def test_examples(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("doctest"))
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=OPTIONS).failed == 0
