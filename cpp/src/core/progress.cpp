// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/core/progress.hpp"

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

struct State {
  double low = 0.0;  // of the innermost span, in shares of the whole
  double high = 1.0;
  double done = 0.0;
};

thread_local State state;

}  // namespace

ProgressSpan::ProgressSpan(double begin, double end) : low_(state.low), high_(state.high) {
  const double length = high_ - low_;
  state = {low_ + begin * length, low_ + end * length, low_ + begin * length};
}

ProgressSpan::~ProgressSpan() { state = {low_, high_, state.high}; }

double progress() { return state.done; }

void set_loop_progress(double fraction) {
  state.done = state.low + fraction * (state.high - state.low);
}

void end_of_span(const StopPoll& stop) {
  set_loop_progress(1.0);
  if (stop && stop()) throw Interrupted();
}

}  // namespace immunodose
