// SPDX-License-Identifier: BSD-3-Clause
#include "doctest.h"
#include "immunodose/core/philox.hpp"
#include "immunodose/core/streams.hpp"

using namespace immunodose;

// Published known answers: Random123 tests/kat_vectors, philox4x32 10 rounds.
TEST_CASE("Philox4x32-10 gives the published vectors") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) ==
        PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("streams of different histories differ, the same stream repeats") {
  Stream a(7, Stage::packing_moves, 3);
  Stream b(7, Stage::packing_moves, 3);
  Stream c(7, Stage::packing_moves, 4);
  const double first = a.uniform();
  CHECK(first == b.uniform());
  CHECK(first != c.uniform());
  CHECK(first > 0.0);
  CHECK(first < 1.0);
}
