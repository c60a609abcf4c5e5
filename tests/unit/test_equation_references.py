# SPDX-License-Identifier: BSD-3-Clause
"""Equation numbers named in comments and pages exist where they are said to be."""

from __future__ import annotations

import re

import pytest
from tests.unit.test_source_style import PACKAGE, REPOSITORY, short, sources

THEORY = REPOSITORY / "docs" / "theory"
TAG = r"(?:Ph-|MC-|[EKPRS])?\d+[a-z]?"
LIST = rf"{TAG}(?:(?:, |-| to | and ){TAG})*"
# What defines a number: (Eq. 5), (Ph-3), \tag{Eq. 2}, > Eq. 4: or (Eq. MC-6: in words).
DEFINITION = re.compile(
    rf"(?:\(|\{{|^> |\d{{4}}, )Eqs?\. ({LIST})[):}}]|\((Ph-\d+)\)", flags=re.MULTILINE
)
REFERENCE = re.compile(rf"\bEqs?\. ({LIST})")
# A reference that names its page.
TO_PAGE = re.compile(
    rf"Eqs?\. ({LIST})(?: of)?,?\s+(?://\s+)?(?:\[[^\]]*\]\(|docs/theory/)(\w+)\.md"
    rf"|\[[^\]]*\]\((\w+)\.md\), Eqs?\. ({LIST})"
)


def tags(text: str) -> list[str]:
    return re.findall(TAG, text)


def defined(page: str) -> set[str]:
    text = (THEORY / f"{page}.md").read_text(encoding="utf-8")
    return {tag for match in DEFINITION.findall(text) for tag in tags(" ".join(match))}


PAGES = {path.stem: defined(path.stem) for path in THEORY.glob("*.md")}
ALL = set().union(*PAGES.values())
CODE = [path for path in sources(".hpp", ".cpp") if "tests" not in path.parts]
CODE += sorted(PACKAGE.rglob("*.py"))


def test_every_equation_named_in_code_exists() -> None:
    missing = [
        f"{short(path)}: Eq. {tag}"
        for path in CODE
        for match in REFERENCE.findall(path.read_text(encoding="utf-8"))
        for tag in tags(match)
        if tag not in ALL
    ]
    assert not missing


@pytest.mark.parametrize("kind", ["code", "pages"])
def test_an_equation_is_on_the_page_that_a_reference_names(kind: str) -> None:
    paths = CODE if kind == "code" else sorted((REPOSITORY / "docs").rglob("*.md"))
    wrong, found = [], 0
    for path in paths:
        for before, page, page_first, after in TO_PAGE.findall(path.read_text(encoding="utf-8")):
            for tag in tags(before or after):
                found += 1
                if tag not in PAGES[page or page_first]:
                    wrong.append(f"{short(path)}: Eq. {tag} of {page or page_first}")
    assert not wrong
    assert found > 5  # the pattern still finds them
