# SPDX-License-Identifier: BSD-3-Clause
"""Imports and includes point only down the layers, and `import immunodose` stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import immunodose

PACKAGE = Path(immunodose.__file__).parent
REPOSITORY = Path(__file__).parents[2]

# Top layer first; a module may import its own layer (without cycles) and those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli", "commands", "plot", "tables"),
    ("findings", "robustness", "compare"),
    ("scenario", "arms", "tumor_model", "culture"),
    ("scenario_file", "scenario_culture", "scenario_arms", "scenario_tables"),
    ("summarize",),
    ("systemic", "immune"),
    ("response", "dna_damage"),
    ("io",),
    ("dose", "population", "hits", "transport", "monte_carlo", "cell_monte_carlo", "tracks"),
    ("source", "biokinetics", "cells"),
    ("physics", "emission_kernels"),
    ("kernels", "photon_kernels"),
    ("kernel_files",),
    ("data",),
    (
        "schema",
        "provenance",
        "units",
        "rng",
        "threads",
        "memory",
        "cgroup",
        "mesh",
        "typing",
        "errors",
        "_version",
    ),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ANY_LAYER = {"_core", "testing"}  # `_core` may be imported, `testing` may import, everywhere

INCLUDES: dict[str, set[str]] = {
    "core": {"core"},
    "physics": {"core", "physics"},
    "geometry": {"core", "geometry"},
    "transport": {"core", "physics", "geometry", "transport"},
    "response": {"core", "physics", "geometry", "transport", "response"},
    "immune": {"core", "physics", "geometry", "transport", "response", "immune"},
}


def package_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes except those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from runtime_nodes(child)


def layer_of(module: str) -> str:
    """Return the layer of a module; `response_inputs` is a part of `response`."""
    top = module.split(".")[0]
    return top if top in RANK or top in ANY_LAYER else top.split("_")[0]


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the package, relative to it, that a file imports when it runs."""
    known = {module_name(file) for file in package_files()} | {"_core"}
    found: set[str] = set()
    for node in runtime_nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: write absolute imports"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix("immunodose.")
                found.add(f"immunodose.{inner}" if inner in known else base)
    return {name.removeprefix("immunodose.") for name in found if name.startswith("immunodose.")}


@pytest.mark.parametrize("path", package_files(), ids=module_name)
def test_imports_point_down_the_layers(path: Path) -> None:
    importer = layer_of(module_name(path))
    if importer in {"", "__main__", *ANY_LAYER}:
        return
    assert importer in RANK, f"add the module {importer!r} to LAYERS"
    for imported in sorted(imported_modules(path)):
        top = layer_of(imported)
        if top not in ANY_LAYER:
            assert RANK[top] >= RANK[importer], f"{importer} imports {imported}, a higher layer"
        assert top != "testing", f"{importer} imports {imported}, which is for tests"


def test_imports_have_no_cycle() -> None:
    graph = {
        name: imported_modules(path) - {name}
        for path in package_files()
        if (name := module_name(path))
    }
    assert list(TopologicalSorter(graph).static_order())


def cpp_files() -> list[Path]:
    roots = [REPOSITORY / "cpp" / "include" / "immunodose", REPOSITORY / "cpp" / "src"]
    return sorted(file for root in roots for file in root.rglob("*.[ch]pp"))


@pytest.mark.parametrize("path", cpp_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_includes_point_down_the_layers(path: Path) -> None:
    layer = path.parent.name
    assert layer in INCLUDES, f"add the layer {layer!r} to INCLUDES"
    included = re.findall(r'#include "immunodose/(\w+)/', path.read_text("utf-8"))
    assert set(included) <= INCLUDES[layer]


def test_every_header_is_included_by_its_full_name() -> None:
    for path in cpp_files():
        for name in re.findall(r'#include "([^"]+)"', path.read_text("utf-8")):
            assert name.startswith("immunodose/"), f"{path.name} includes {name}"


def test_import_is_light() -> None:
    code = "import sys, immunodose; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in result.stdout.split()}
    assert not loaded & {"numpy", "xarray", "scipy", "matplotlib", "radioactivedecay"}


@pytest.mark.parametrize("name", immunodose.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(immunodose, name) is not None
