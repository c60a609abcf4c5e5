#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds the C++ library without Python in folder $1, with the sanitizer flags $2 if given,
# and runs its tests.
set -eu

build=$1
flags=${2:-}
build_type=Release
[ -z "$flags" ] || build_type=RelWithDebInfo

cmake -S . -B "$build" -G Ninja -Wno-dev \
  -DCMAKE_BUILD_TYPE="$build_type" -DCMAKE_CXX_FLAGS="$flags" \
  -DIMMUNODOSE_PYTHON=OFF -DIMMUNODOSE_TESTS=ON -DIMMUNODOSE_WERROR=ON
cmake --build "$build"
"$build/immunodose_tests"
