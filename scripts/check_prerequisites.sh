#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Names each missing or too old prerequisite: Python >= 3.11 with venv and headers, make, a C++20
# compiler.
# Prints the chosen Python on stdout; every complaint goes to stderr. Honors PYTHON and CXX.
set -u

status=0

complain() {
  echo "error: $1" >&2
  status=1
}

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

has_headers='import os, sys, sysconfig
sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))'

find_python() {
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    if "$candidate" -c "$new_enough" >/dev/null 2>&1; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

check_python() {
  if ! python=$(find_python); then
    seen=$("${PYTHON:-python3}" --version 2>&1) || seen="no ${PYTHON:-python3}"
    complain "Python 3.11 or newer is needed (found: $seen). Install it, or name one: make PYTHON=/path/to/python3.12 ..."
  elif ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    complain "$python cannot make virtual environments (venv or ensurepip is missing). Install it, e.g. apt-get install python3-venv."
  elif ! "$python" -c "$has_headers" >/dev/null 2>&1; then
    complain "$python has no headers (Python.h), which the C++ module needs. Install them, e.g. apt-get install python3-dev."
  fi
}

check_make() {
  command -v make >/dev/null 2>&1 || complain "make is needed (not found). Install it, e.g. apt-get install make."
}

find_compiler() {
  for candidate in ${CXX:-c++ g++ clang++}; do
    if command -v "$candidate" >/dev/null 2>&1; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

check_compiler() {
  if ! compiler=$(find_compiler); then
    complain "a C++20 compiler is needed (found none of: ${CXX:-c++ g++ clang++}). Install one, e.g. apt-get install g++, or name it: make CXX=/path/to/g++ ..."
    return
  fi
  folder=$(mktemp -d) || exit 1
  cat >"$folder/probe.cpp" <<'PROBE'
#include <concepts>
#include <numbers>
#include <span>
template <std::floating_point T>
constexpr T twice(T x) { return T{2} * x; }
int main() {
  const double values[] = {std::numbers::pi};
  return twice(std::span<const double>(values)[0]) > 6.0 ? 0 : 1;
}
PROBE
  if ! "$compiler" -std=c++20 "$folder/probe.cpp" -o "$folder/probe" >"$folder/log" 2>&1; then
    version=$("$compiler" --version 2>/dev/null | head -n 1)
    complain "$compiler does not compile C++20 (${version:-unknown version}). GCC 11, Clang 14 or newer is needed; name one: make CXX=/path/to/g++ ..."
    sed 's/^/  /' "$folder/log" | head -n 5 >&2
  fi
  rm -rf "$folder"
}

check_python
check_make
check_compiler
[ "$status" -eq 0 ] && echo "$python"
exit "$status"
