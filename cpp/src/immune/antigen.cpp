// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/antigen.hpp"

#include <cmath>
#include <cstddef>
#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 128;

// One exponential step: q' = decay q + old H_old + fresh H_new.
struct Step {
  double decay = 1.0;
  double old_share = 0.0;
  double fresh_share = 0.0;
};

std::vector<Step> steps_of(std::span<const double> time_d, double rate_per_d) {
  std::vector<Step> steps(time_d.size() - 1);
  for (std::size_t j = 0; j < steps.size(); ++j) {
    const double x = rate_per_d * (time_d[j + 1] - time_d[j]);
    const double risen = -std::expm1(-x);
    // Mean weight of the end of the step under exp(-rate (t_end - t)) with a linear target.
    const double fresh = x > 1e-3 ? 1.0 - risen / x : x * (0.5 - x * (1.0 / 6.0 - x / 24.0));
    steps[j] = {1.0 - risen, risen - fresh, fresh};
  }
  return steps;
}

}  // namespace

double hill(double x, double half, double power) {
  const double ratio = half / x;  // infinite at 0, which gives 0
  return 1.0 / (1.0 + (power == 1.0 ? ratio : std::pow(ratio, power)));
}

std::vector<double> filtered_induction(std::span<const double> dose_Gy,
                                       std::span<const double> memory,
                                       std::span<const double> time_d,
                                       std::span<const std::int64_t> output_index,
                                       InductionParameters parameters, int n_threads,
                                       const StopPoll& stop) {
  const std::size_t n_times = time_d.size();
  if (n_times == 0 || memory.size() % n_times != 0 || memory.empty()) {
    throw InputError("memory: got " + std::to_string(memory.size()) +
                     " values, expected a multiple of the number of times");
  }
  const std::size_t n_components = memory.size() / n_times;
  if (dose_Gy.size() % n_components != 0) {
    throw InputError("dose_Gy: got " + std::to_string(dose_Gy.size()) +
                     " values, expected a multiple of the number of components");
  }
  const std::size_t n_cells = dose_Gy.size() / n_components;
  const std::size_t n_outputs = output_index.size();
  const std::vector<Step> steps = steps_of(time_d, parameters.turnover_per_d);
  std::vector<double> induction(n_cells * n_outputs);
  parallel_for(
      static_cast<std::int64_t>(n_cells), cells_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const auto target = [&](std::size_t j) {
            double x = 0.0;
            for (std::size_t m = 0; m < n_components; ++m) {
              x += dose_Gy[i * n_components + m] * memory[m * n_times + j];
            }
            return hill(x, parameters.half_dose_Gy, parameters.power);
          };
          double q = 0.0;
          double old_target = target(0);
          std::size_t output = 0;
          for (std::size_t j = 0; j < n_times; ++j) {
            if (j > 0) {
              const double fresh_target = target(j);
              const Step& step = steps[j - 1];
              q = step.decay * q + step.old_share * old_target + step.fresh_share * fresh_target;
              old_target = fresh_target;
            }
            while (output < n_outputs && output_index[output] == static_cast<std::int64_t>(j)) {
              induction[i * n_outputs + output] = q;
              ++output;
            }
          }
        }
      },
      stop);
  return induction;
}

}  // namespace immunodose
