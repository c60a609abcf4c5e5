# SPDX-License-Identifier: BSD-3-Clause
"""A missing or too old prerequisite is named before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "scripts" / "check_prerequisites.sh"

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "CXX"}
    return subprocess.run(
        [shutil.which("sh") or "sh", str(SCRIPT)],
        env={**inherited, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def program(folder: Path, name: str, body: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)
    return str(path)


def test_prints_the_python_when_all_is_there() -> None:
    result = check()
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == sys.executable


def test_names_a_missing_python() -> None:
    result = check(PYTHON="no-such-python")
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed (found: no no-such-python)" in result.stderr
    assert result.stdout == ""


def test_names_an_old_python(tmp_path: Path) -> None:
    old = program(tmp_path, "python3", 'echo "Python 3.9.2"; [ "$1" = --version ]')
    result = check(PYTHON=old)
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed (found: Python 3.9.2)" in result.stderr


def test_names_a_python_without_venv(tmp_path: Path) -> None:
    bare = program(tmp_path, "python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    assert f"{bare} cannot make virtual environments" in check(PYTHON=bare).stderr


def test_names_a_python_without_headers(tmp_path: Path) -> None:
    bare = program(tmp_path, "python3", 'case "$2" in *Python.h*) exit 1 ;; esac')
    result = check(PYTHON=bare)
    assert result.returncode == 1
    assert f"{bare} has no headers (Python.h)" in result.stderr


def test_names_a_missing_compiler() -> None:
    result = check(CXX="no-such-compiler")
    assert result.returncode == 1
    assert "a C++20 compiler is needed (found none of: no-such-compiler)" in result.stderr


def test_names_an_old_compiler(tmp_path: Path) -> None:
    old = program(tmp_path, "g++", '[ "$1" = --version ] && echo "g++ 7.5.0"')
    result = check(CXX=old)
    assert result.returncode == 1
    assert f"{old} does not compile C++20 (g++ 7.5.0)" in result.stderr


def test_names_a_missing_make(tmp_path: Path) -> None:
    for tool in ("mktemp", "rm", "cat", "sed", "head"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    compiler = program(tmp_path, "g++", "exit 0")
    result = check(PATH=str(tmp_path), CXX=compiler)
    assert result.returncode == 1
    assert "make is needed (not found)" in result.stderr
