# SPDX-License-Identifier: BSD-3-Clause
"""The Python snippets of README.md run in order and print what it says."""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return (language, content) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def snippets(text: str) -> list[tuple[str, str | None]]:
    """Return (code, expected output or None) of each Python block."""
    blocks = [*fenced_blocks(text), ("", "")]
    return [
        (code, following if next_language == "text" else None)
        for (language, code), (next_language, following) in itertools.pairwise(blocks)
        if language == "python"
    ]


def without_sizes(printed: str) -> str:
    """Drop the sizes in bytes, which older xarray does not print."""
    return re.sub(r" Size: \w+|(?<=\w) \d+B(?= )", "", printed)


def test_snippets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = snippets(README.read_text("utf-8"))
    assert found
    assert any(expected for _, expected in found), "no snippet shows what it prints"
    namespace: dict[str, Any] = {}
    for code, expected in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), namespace)
        if expected is not None:
            checker = doctest.OutputChecker()
            same = checker.check_output(
                without_sizes(expected), without_sizes(printed.getvalue()), OPTIONS
            )
            assert same, printed.getvalue()


def test_the_two_commands_stand_in_the_readme() -> None:
    shell = "".join(
        code for language, code in fenced_blocks(README.read_text("utf-8")) if language == "sh"
    )
    assert "make demo" in shell
    assert "make test" in shell
