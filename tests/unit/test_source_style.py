# SPDX-License-Identifier: BSD-3-Clause
"""Rules for sources that the linters do not know."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import immunodose
from immunodose import schema

PACKAGE = Path(immunodose.__file__).parent
REPOSITORY = Path(__file__).parents[2]
FOLDERS = ("bench", "cpp", "examples", "python", "scripts", "tests")
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = {".py": 500, ".cpp": 500, ".hpp": 300}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*suffixes: str) -> list[Path]:
    return sorted(
        path
        for folder in FOLDERS
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in suffixes and "third_party" not in path.parts
    )


def short(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def code_lines(function: Function) -> int:
    """Return the length of a function without its docstring."""
    body = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = (body.end_lineno or 0) - body.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def cpp_function_lengths(text: str) -> Iterator[tuple[int, int]]:
    """Yield (first line, length) of each top-level block, which our format ends with `}`."""
    start = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line == "}":
            yield start, number - start + 1
        elif line[:1].strip() and not line.startswith(("#", "//", ")", "}")):
            start = number


@pytest.mark.parametrize("path", sources(".py", ".pyi", ".cpp", ".hpp", ".sh"), ids=short)
def test_license_line(path: Path) -> None:
    head = path.read_text("utf-8").splitlines()[:2]
    assert any("SPDX-License-Identifier: BSD-3-Clause" in line for line in head)


@pytest.mark.parametrize("path", sources(".py", ".cpp", ".hpp"), ids=short)
def test_file_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE_LINES[path.suffix]


@pytest.mark.parametrize("path", sources(".py"), ids=short)
def test_python_functions_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    long = {f.name: code_lines(f) for f in functions(tree) if code_lines(f) > MAX_FUNCTION_LINES}
    assert not long


@pytest.mark.parametrize("path", sources(".cpp", ".hpp"), ids=short)
def test_cpp_functions_are_short(path: Path) -> None:
    lengths = cpp_function_lengths(path.read_text("utf-8"))
    long = [(line, length) for line, length in lengths if length > MAX_FUNCTION_LINES]
    assert not long, "(line, length) of functions that are too long"


def public_definitions(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            if "overload" in map(ast.unparse, node.decorator_list):
                continue  # the implementation has the docstring
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    without = [d.name for d in public_definitions(tree.body) if not ast.get_docstring(d)]
    assert not without


def test_schema_names_are_unique() -> None:
    tables = [
        node.value
        for path in sorted(Path(schema.__file__).parent.glob("schema*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target).endswith("VARIABLES")
    ]
    assert len(tables) > 1
    keys = [
        ast.literal_eval(key) for t in tables if isinstance(t, ast.Dict) for key in t.keys if key
    ]
    assert keys
    assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_no_upper_pins() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(name for extra in extras for name in extra)]
    assert requirements
    assert [name for name in requirements if re.search(r"<|==|~=", name)] == []
