// SPDX-License-Identifier: BSD-3-Clause
// Radiation-driven rise of surface MHC-I.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// x^n / (x^n + K^n) for x >= 0, n > 0, K > 0; 0 at 0.
double hill(double x, double half, double power);

struct InductionParameters {
  double half_dose_Gy = 0.0;
  double power = 1.0;
  double turnover_per_d = 0.0;
};

// Follows dq/dt = k_out (H(x_i) - q), q(0) = 0, for every cell (Eq. 2-4, docs/theory/immune.md):
// x_i(t) = sum_m dose_Gy[i, m] memory[m, t]. Exponential step with H linear within it (second
// order). `time_d` rises from 0; `output_index` picks its entries to return. Returns (cell,
// output).
std::vector<double> filtered_induction(std::span<const double> dose_Gy,
                                       std::span<const double> memory,
                                       std::span<const double> time_d,
                                       std::span<const std::int64_t> output_index,
                                       InductionParameters parameters, int n_threads,
                                       const StopPoll& stop = {});

}  // namespace immunodose
