// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/kill.hpp"

#include <cmath>
#include <cstddef>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/immune/antigen.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 128;

void require_size(std::size_t found, std::size_t expected, const char* name) {
  if (found != expected) {
    throw InputError(std::string(name) + ": got " + std::to_string(found) + " values, expected " +
                     std::to_string(expected));
  }
}

// The radiation exponent -w_i(t_j) ln S_i.
class RadiationExponent {
 public:
  RadiationExponent(std::span<const double> log_survival, const Delivery& delivery,
                    std::size_t n_times)
      : log_survival_(log_survival), delivery_(delivery), n_times_(n_times) {
    n_components_ = n_times == 0 ? 0 : delivery.delivered.size() / n_times;
    require_size(delivery.delivered.size(), n_components_ * n_times, "delivered");
    require_size(delivery.share.size(), n_components_ * log_survival.size(), "share");
  }

  double operator()(std::size_t cell, std::size_t time) const {
    double w = 0.0;
    for (std::size_t m = 0; m < n_components_; ++m) {
      w += delivery_.share[cell * n_components_ + m] * delivery_.delivered[m * n_times_ + time];
    }
    return 0.0 - w * log_survival_[cell];  // not -0 for a cell without dose
  }

 private:
  std::span<const double> log_survival_;
  Delivery delivery_;
  std::size_t n_times_;
  std::size_t n_components_;
};

// Running state of one cell: cumulative exponents and probabilities of the first cause.
struct CellState {
  double radiation = 0.0;
  double immune = 0.0;
  double first_radiation = 0.0;
  double first_immune = 0.0;

  // Within a step the causes share deaths by their hazards (Eq. 12).
  void advance(double radiation_step, double immune_step) {
    const double both = radiation_step + immune_step;
    if (both > 0.0) {
      const double died = std::exp(-radiation - immune) * -std::expm1(-both);
      first_radiation += died * (radiation_step / both);
      first_immune += died * (immune_step / both);
    }
    radiation += radiation_step;
    immune += immune_step;
  }
};

void validate(const KillTimes& times, std::size_t n_columns) {
  const std::size_t n_times = times.time_d.size();
  require_size(times.effectors.size(), n_times, "effectors");
  require_size(times.pmhc_left.size(), n_times, "pmhc_left");
  require_size(times.pmhc_weight.size(), n_times, "pmhc_weight");
  for (std::size_t j = 0; j < n_times; ++j) {
    const std::int64_t last = times.pmhc_left[j] + (times.pmhc_weight[j] == 0.0 ? 0 : 1);
    if (times.pmhc_left[j] < 0 || static_cast<std::size_t>(last) >= n_columns) {
      throw InputError("pmhc_left[" + std::to_string(j) + "] is no column of pmhc");
    }
  }
}

// Hazard of CD8 killing at time j for a cell with these pMHC columns (Eq. 9).
double hazard(std::span<const double> pmhc, const KillTimes& times, KillParameters parameters,
              std::size_t j) {
  if (times.effectors[j] == 0.0) return 0.0;
  const auto left = static_cast<std::size_t>(times.pmhc_left[j]);
  const double weight = times.pmhc_weight[j];
  const double amount =
      weight == 0.0 ? pmhc[left] : pmhc[left] + weight * (pmhc[left + 1] - pmhc[left]);
  return parameters.rate_per_d * times.effectors[j] *
         hill(amount, parameters.half_pmhc, parameters.power);
}

// Follows cell i over the grid and stores it at the output times.
void follow(std::size_t i, const RadiationExponent& exponent, std::span<const double> pmhc,
            const KillTimes& times, KillParameters parameters, KillResult& result) {
  CellState state;
  const std::size_t n_outputs = times.output_index.size();
  double hazard_before = 0.0;
  std::size_t output = 0;
  for (std::size_t j = 0; j < times.time_d.size(); ++j) {
    const double hazard_now = hazard(pmhc, times, parameters, j);
    const double h = j > 0 ? times.time_d[j] - times.time_d[j - 1] : 0.0;
    const double radiation_now = exponent(i, j);
    state.advance(radiation_now - state.radiation, 0.5 * (hazard_before + hazard_now) * h);
    state.radiation = radiation_now;  // no drift from summed differences
    hazard_before = hazard_now;
    while (output < n_outputs && times.output_index[output] == static_cast<std::int64_t>(j)) {
      const std::size_t at = i * n_outputs + output;
      result.radiation[at] = -std::expm1(-state.radiation);
      result.immune[at] = -std::expm1(-state.immune);
      result.first_radiation[at] = state.first_radiation;
      result.first_immune[at] = state.first_immune;
      ++output;
    }
  }
}

}  // namespace

std::vector<double> mean_survival(std::span<const double> log_survival, const Delivery& delivery,
                                  std::int64_t n_times, int n_threads, const StopPoll& stop) {
  const RadiationExponent exponent(log_survival, delivery, static_cast<std::size_t>(n_times));
  std::vector<double> mean(static_cast<std::size_t>(n_times));
  run_blocks(
      n_times, n_threads,
      [&](std::int64_t time) {
        const auto j = static_cast<std::size_t>(time);
        double sum = 0.0;
        for (std::size_t i = 0; i < log_survival.size(); ++i) sum += std::exp(-exponent(i, j));
        mean[j] = sum / static_cast<double>(log_survival.size());
      },
      stop);
  return mean;
}

KillResult kill_of_cells(std::span<const double> log_survival, const Delivery& delivery,
                         std::span<const double> pmhc, const KillTimes& times,
                         KillParameters parameters, int n_threads, const StopPoll& stop) {
  const std::size_t n_cells = log_survival.size();
  const RadiationExponent exponent(log_survival, delivery, times.time_d.size());
  const std::size_t n_columns = n_cells == 0 ? 1 : pmhc.size() / n_cells;
  require_size(pmhc.size(), n_columns * n_cells, "pmhc");
  validate(times, n_columns);
  const std::size_t n_values = n_cells * times.output_index.size();
  KillResult result{std::vector<double>(n_values), std::vector<double>(n_values),
                    std::vector<double>(n_values), std::vector<double>(n_values)};
  parallel_for(
      static_cast<std::int64_t>(n_cells), cells_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto cell = begin; cell < end; ++cell) {
          const auto i = static_cast<std::size_t>(cell);
          follow(i, exponent, pmhc.subspan(i * n_columns, n_columns), times, parameters, result);
        }
      },
      stop);
  return result;
}

}  // namespace immunodose
