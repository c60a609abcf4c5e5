// SPDX-License-Identifier: BSD-3-Clause
// Work cut into numbered blocks; any thread may compute any block, each block writes its own
// output, so results do not depend on the number of threads.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>

namespace immunodose {

// Called about every 50 ms on the calling thread; return true to stop (Ctrl-C).
using StopPoll = std::function<bool()>;

// Runs block(b) for b in [0, n_blocks) on up to n_threads threads. Rethrows the first error of
// the lowest block; throws Interrupted if `stop` says so.
void run_blocks(std::int64_t n_blocks, int n_threads,
                const std::function<void(std::int64_t)>& block, const StopPoll& stop = {});

// Asks `stop` between runs that are each too short for run_blocks to ask it.
class PollBetween {
 public:
  explicit PollBetween(const StopPoll& stop) : stop_(stop) {}
  void operator()();  // throws Interrupted if it says so

 private:
  const StopPoll& stop_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Runs body(begin, end) over [0, n_items) in blocks of `block_size` items.
void parallel_for(std::int64_t n_items, std::int64_t block_size, int n_threads,
                  const std::function<void(std::int64_t, std::int64_t)>& body,
                  const StopPoll& stop = {});

}  // namespace immunodose
