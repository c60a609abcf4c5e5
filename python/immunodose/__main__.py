# SPDX-License-Identifier: BSD-3-Clause
"""`python -m immunodose` is the command line."""

from __future__ import annotations

from immunodose.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
