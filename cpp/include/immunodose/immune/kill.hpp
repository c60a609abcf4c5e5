// SPDX-License-Identifier: BSD-3-Clause
// Death of each cell by radiation and by CD8 T cells, as competing hazards in time.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// How the delivered share of the dose grows: share (cell, component), delivered (component, time).
struct Delivery {
  std::span<const double> share;
  std::span<const double> delivered;
};

// Mean of S_i^{w_i(t)} over the cells at each time (Eq. 8, docs/theory/immune.md). One thread
// sums one time in the order of the cells.
std::vector<double> mean_survival(std::span<const double> log_survival, const Delivery& delivery,
                                  std::int64_t n_times, int n_threads, const StopPoll& stop = {});

struct KillParameters {
  double rate_per_d = 0.0;  // per effector per target
  double half_pmhc = 1.0;
  double power = 1.0;
};

// The common time grid: effectors per target, and where pMHC is read: pMHC(t_j) lies between its
// columns left[j] and left[j] + 1, at `weight[j]` of the way.
struct KillTimes {
  std::span<const double> time_d;
  std::span<const double> effectors;
  std::span<const std::int64_t> pmhc_left;
  std::span<const double> pmhc_weight;
  std::span<const std::int64_t> output_index;
};

// All (cell, output). Net probabilities as if alone; fractions say which cause came first.
struct KillResult {
  std::vector<double> radiation;
  std::vector<double> immune;
  std::vector<double> first_radiation;
  std::vector<double> first_immune;
};

// Eq. 9-12, docs/theory/immune.md. `pmhc` is (cell, column).
KillResult kill_of_cells(std::span<const double> log_survival, const Delivery& delivery,
                         std::span<const double> pmhc, const KillTimes& times,
                         KillParameters parameters, int n_threads, const StopPoll& stop = {});

}  // namespace immunodose
