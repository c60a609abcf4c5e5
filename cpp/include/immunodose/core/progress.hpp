// SPDX-License-Identifier: BSD-3-Clause
// How much of a call is done: spans that the caller of loops opens, and in them the blocks that
// the running loop has taken (parallel.hpp). Read it in a StopPoll, which runs on the same thread.
#pragma once
#include "immunodose/core/parallel.hpp"

namespace immunodose {

// While it lives, what the loops of this thread do counts from `begin` to `end` of the span around
// it; the outermost is the whole call, from 0 to 1.
class ProgressSpan {
 public:
  ProgressSpan(double begin, double end);
  ~ProgressSpan();
  ProgressSpan(const ProgressSpan&) = delete;
  ProgressSpan& operator=(const ProgressSpan&) = delete;

 private:
  double low_, high_;  // of the span around this one
};

// Share of the call that is done, by the running loop of this thread or the last one.
double progress();
// Of the running loop; called by run_blocks.
void set_loop_progress(double fraction);
// Asks the poll at the end of a span, however short; throws Interrupted if it says so.
void end_of_span(const StopPoll& stop);

}  // namespace immunodose
