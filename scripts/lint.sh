#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Format, lint and type checks; runs all of them and fails if one did.
set -u

status=0

check() {
  echo "== $1 $2"
  "$@" || status=1
}

cpp_files=$(find cpp -path cpp/third_party -prune -o \( -name '*.hpp' -o -name '*.cpp' \) -print)

check ruff check .
check ruff format --check .
# shellcheck disable=SC2086 # one word per file
check clang-format --dry-run --Werror $cpp_files
check mypy --strict
check stubtest immunodose._core --allowlist tests/stubtest_allowlist.txt \
  --mypy-config-file pyproject.toml --ignore-unused-allowlist
check codespell .

exit "$status"
