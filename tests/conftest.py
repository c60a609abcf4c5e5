# SPDX-License-Identifier: BSD-3-Clause
"""Hypothesis profiles: `default` for `make test`, `nightly` for `make test-all`."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

NIGHTLY_EXAMPLES = 10_000
NIGHTLY_FACTOR = 100  # for tests that choose their own, smaller number of examples

settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize=True,  # the same examples in every run; `nightly` draws fresh ones
)
settings.register_profile(
    "nightly",
    settings.get_profile("default"),
    derandomize=False,
    max_examples=NIGHTLY_EXAMPLES,
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `nightly`, raise the number of examples of tests that choose their own."""
    if PROFILE != "nightly":
        return
    for item in items:
        test = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
        if not is_hypothesis_test(test):
            continue
        chosen = test._hypothesis_internal_use_settings  # no public way to change it afterwards
        n_examples = min(NIGHTLY_EXAMPLES, NIGHTLY_FACTOR * chosen.max_examples)
        test._hypothesis_internal_use_settings = settings(chosen, max_examples=n_examples)
