// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/core/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "immunodose/core/error.hpp"
#include "immunodose/core/progress.hpp"

namespace immunodose {
namespace {

constexpr auto poll_interval = std::chrono::milliseconds(50);

struct SharedState {
  std::atomic<std::int64_t> next_block{0};
  std::atomic<bool> cancelled{false};
  std::mutex mutex;
  std::condition_variable finished;
  int running = 0;
  std::int64_t failed_block = std::numeric_limits<std::int64_t>::max();
  std::exception_ptr error;
};

void work(SharedState& state, std::int64_t n_blocks,
          const std::function<void(std::int64_t)>& block) {
  while (!state.cancelled.load(std::memory_order_relaxed)) {
    const std::int64_t b = state.next_block.fetch_add(1);
    if (b >= n_blocks) break;
    try {
      block(b);
    } catch (...) {
      const std::lock_guard lock(state.mutex);
      if (b < state.failed_block) {
        state.failed_block = b;
        state.error = std::current_exception();
      }
      state.cancelled = true;
    }
  }
  const std::lock_guard lock(state.mutex);
  --state.running;
  state.finished.notify_one();
}

// One worker needs no thread: it asks the poll itself, between blocks.
void run_here(std::int64_t n_blocks, const std::function<void(std::int64_t)>& block,
              const StopPoll& stop) {
  auto last_poll = std::chrono::steady_clock::now();
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    block(b);
    if (!stop || std::chrono::steady_clock::now() - last_poll < poll_interval) continue;
    set_loop_progress(static_cast<double>(b + 1) / static_cast<double>(n_blocks));
    if (stop()) throw Interrupted();
    last_poll = std::chrono::steady_clock::now();
  }
  set_loop_progress(1.0);
}

}  // namespace

void run_blocks(std::int64_t n_blocks, int n_threads,
                const std::function<void(std::int64_t)>& block, const StopPoll& stop) {
  if (n_blocks <= 0) return;
  const auto n_workers = static_cast<int>(std::clamp<std::int64_t>(n_threads, 1, n_blocks));
  if (n_workers == 1) return run_here(n_blocks, block, stop);
  SharedState state;
  state.running = n_workers;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(n_workers));
  for (int t = 0; t < n_workers; ++t) {
    threads.emplace_back([&] { work(state, n_blocks, block); });
  }
  bool interrupted = false;
  {
    std::unique_lock lock(state.mutex);
    while (!state.finished.wait_for(lock, poll_interval, [&] { return state.running == 0; })) {
      if (interrupted || !stop) continue;
      lock.unlock();  // the poll may take the interpreter lock; workers must not wait for it
      const std::int64_t taken = std::min(state.next_block.load(), n_blocks) - n_workers;
      set_loop_progress(static_cast<double>(std::max<std::int64_t>(taken, 0)) /
                        static_cast<double>(n_blocks));
      interrupted = stop();
      lock.lock();
      if (interrupted) state.cancelled = true;
    }
  }
  for (auto& thread : threads) thread.join();
  set_loop_progress(1.0);
  if (interrupted) throw Interrupted();
  if (state.error) std::rethrow_exception(state.error);
}

void PollBetween::operator()() {
  const auto now = std::chrono::steady_clock::now();
  if (!stop_ || now - last_ < poll_interval) return;
  last_ = now;
  if (stop_()) throw Interrupted();
}

void parallel_for(std::int64_t n_items, std::int64_t block_size, int n_threads,
                  const std::function<void(std::int64_t, std::int64_t)>& body,
                  const StopPoll& stop) {
  const std::int64_t n_blocks = (n_items + block_size - 1) / block_size;
  run_blocks(
      n_blocks, n_threads,
      [&](std::int64_t b) { body(b * block_size, std::min(n_items, (b + 1) * block_size)); }, stop);
}

}  // namespace immunodose
