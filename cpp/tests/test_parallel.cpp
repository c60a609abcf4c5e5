// SPDX-License-Identifier: BSD-3-Clause
#include <atomic>
#include <stdexcept>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/parallel.hpp"

using namespace immunodose;

TEST_CASE("every item is visited once for any thread count") {
  for (const int n_threads : {1, 2, 7}) {
    std::vector<int> visits(1003, 0);
    parallel_for(1003, 10, n_threads, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    for (const int count : visits) CHECK(count == 1);
  }
}

TEST_CASE("a worker's error reaches the caller") {
  CHECK_THROWS_AS(run_blocks(8, 2,
                             [](std::int64_t b) {
                               if (b == 5) throw std::domain_error("block 5");
                             }),
                  std::domain_error);
}

TEST_CASE("a stop request interrupts the run") {
  std::atomic<bool> release{false};
  CHECK_THROWS_AS(run_blocks(
                      2, 2,
                      [&](std::int64_t) {
                        while (!release) {
                        }
                      },
                      [&] {
                        release = true;
                        return true;
                      }),
                  Interrupted);
}
