# SPDX-License-Identifier: BSD-3-Clause
"""docs/variables.md says what schema.py declares."""

from __future__ import annotations

import runpy
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_page_is_current() -> None:
    page = runpy.run_path(str(REPOSITORY / "scripts" / "make_variables_doc.py"))["page"]()
    written = (REPOSITORY / "docs" / "variables.md").read_text("utf-8")
    assert written == page, "run: make docs"
