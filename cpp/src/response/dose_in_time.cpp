// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/response/dose_in_time.hpp"

#include <array>
#include <cmath>
#include <numeric>
#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t rows_per_block = 1024;

std::size_t rows_of(std::size_t n_values, std::size_t n_columns, const char* name) {
  if (n_columns == 0 || n_values % n_columns != 0) {
    throw InputError(std::string(name) + ": " + std::to_string(n_values) +
                     " values are no rows of " + std::to_string(n_columns));
  }
  return n_values / n_columns;
}

void check_repair(const Repair& repair) {
  if (repair.rate.size() != repair.weight.size()) {
    throw InputError("repair needs one weight per rate");
  }
  for (const double rate : repair.rate) {
    if (!(std::isfinite(rate) && rate > 0.0)) {
      throw InputError("rate of repair = " + std::to_string(rate) + " (must be finite and > 0)");
    }
  }
}

// phi_k(x) = int_0^1 exp(-x w) (1 - w)^(k-1) / (k-1)! dw for k = 1..4 (Eq. R10).
std::array<double, 5> phi_functions(double x) {
  std::array<double, 5> phi{};
  if (x > 1.0) {
    phi[0] = std::exp(-x);
    double inverse_factorial = 1.0;
    for (std::size_t k = 1; k < phi.size(); ++k) {
      phi[k] = (inverse_factorial - phi[k - 1]) / x;
      inverse_factorial /= static_cast<double>(k);
    }
    return phi;
  }
  // The recurrence cancels for small x: phi_k = sum_n (-x)^n / (n + k)!.
  double inverse_factorial = 1.0;
  for (std::size_t k = 0; k < phi.size(); ++k) {
    if (k > 0) inverse_factorial /= static_cast<double>(k);
    double term = inverse_factorial;
    for (std::size_t n = 1; n <= 20; ++n) {
      phi[k] += term;
      term *= -x / static_cast<double>(n + k);
    }
  }
  return phi;
}

// One interval of a piecewise linear dose rate under one phase of repair (Eq. R9).
struct CurveStep {
  double half_h;          // dose of the interval: half_h (r0 + r1)
  double fade;            // exp(-mu h)
  double from_memory[2];  // int r exp(-mu s) ds, by r0 and r1
  double to_memory[2];    // unrepaired dose at the end, by r0 and r1
  double own[2];          // pairs inside the interval, by r0^2 + r1^2 and r0 r1
};

CurveStep curve_step(double h, double mu) {
  const auto phi = phi_functions(mu * h);
  const double late = phi[1] - phi[2];  // int_0^1 s exp(-x s) ds
  return {0.5 * h,
          phi[0],
          {h * phi[2], h * late},
          {h * late, h * phi[2]},
          {h * h * (phi[3] - phi[4]), h * h * (phi[2] - 2.0 * phi[3] + 2.0 * phi[4])}};
}

double factor_of_curve(std::span<const double> rate, std::span<const CurveStep> step,
                       std::size_t n_phases, std::span<const double> weight) {
  const std::size_t n_steps = rate.size() - 1;
  double dose = 0.0;
  for (std::size_t i = 0; i < n_steps; ++i) {
    dose += step[i * n_phases].half_h * (rate[i] + rate[i + 1]);
  }
  if (dose == 0.0) return 1.0;
  double pairs = 0.0;
  for (std::size_t p = 0; p < n_phases; ++p) {
    double memory = 0.0;  // dose not yet repaired
    double sum = 0.0;
    for (std::size_t i = 0; i < n_steps; ++i) {
      const CurveStep& s = step[i * n_phases + p];
      // Relative to the dose, whose square may underflow.
      const double r0 = rate[i] / dose;
      const double r1 = rate[i + 1] / dose;
      sum += memory * (s.from_memory[0] * r0 + s.from_memory[1] * r1) +
             s.own[0] * (r0 * r0 + r1 * r1) + s.own[1] * r0 * r1;
      memory = memory * s.fade + s.to_memory[0] * r0 + s.to_memory[1] * r1;
    }
    pairs += weight[p] * sum;
  }
  return 2.0 * pairs;
}

// Edges into each member, with the fraction of decays of the parent that go on to decay there.
struct Inflow {
  std::size_t parent;
  double fraction;
};

std::vector<std::vector<Inflow>> inflows(const DecayChain& chain) {
  std::vector<std::vector<Inflow>> into(chain.rate_per_s.size());
  for (std::size_t e = 0; e < chain.edge_fraction.size(); ++e) {
    const auto daughter = static_cast<std::size_t>(chain.edge_daughter[e]);
    into[daughter].push_back({static_cast<std::size_t>(chain.edge_parent[e]),
                              chain.edge_fraction[e] * chain.retention[daughter]});
  }
  return into;
}

}  // namespace

template <class Real>
LargeVector<Real> sum_of_courses(std::span<const double> dose, std::span<const double> density,
                                 std::size_t n_courses, int n_threads, const StopPoll& stop) {
  const std::size_t n_rows = rows_of(dose.size(), n_courses, "dose");
  const std::size_t n_times = rows_of(density.size(), n_courses, "density");
  LargeVector<Real> result(n_rows * n_times);
  parallel_for(
      static_cast<std::int64_t>(n_rows), rows_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        std::vector<double> sum(n_times);
        for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end);
             ++row) {
          sum.assign(n_times, 0.0);
          for (std::size_t c = 0; c < n_courses; ++c) {
            const double own = dose[row * n_courses + c];
            const double* const course = &density[c * n_times];
            for (std::size_t t = 0; t < n_times; ++t) sum[t] += own * course[t];
          }
          Real* const out = &result[row * n_times];
          for (std::size_t t = 0; t < n_times; ++t) out[t] = static_cast<Real>(sum[t]);
        }
      },
      stop);
  return result;
}

template LargeVector<double> sum_of_courses(std::span<const double>, std::span<const double>,
                                            std::size_t, int, const StopPoll&);
template LargeVector<float> sum_of_courses(std::span<const double>, std::span<const double>,
                                           std::size_t, int, const StopPoll&);

std::vector<double> protraction_of_pairs(const DecayChain& chain,
                                         std::span<const double> initial_atoms,
                                         const Repair& repair) {
  check_decay_chain(chain);
  check_repair(repair);
  const std::size_t n = chain.rate_per_s.size();
  if (initial_atoms.size() != n) throw InputError("initial_atoms: expected one per member");
  const auto rate = chain.rate_per_s;
  const auto into = inflows(chain);
  std::vector<double> overlap(n * n, 0.0);  // int h_i h_j dt (Eq. R6)
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = rate[i] * rate[j] * initial_atoms[i] * initial_atoms[j];
      for (const auto& in : into[i]) sum += rate[i] * in.fraction * overlap[in.parent * n + j];
      for (const auto& in : into[j]) sum += rate[j] * in.fraction * overlap[i * n + in.parent];
      const double total = rate[i] + rate[j];
      overlap[i * n + j] = overlap[j * n + i] = total > 0.0 ? sum / total : 0.0;
    }
  }
  std::vector<double> pair(n * n, 0.0);
  std::vector<double> later(n * n);  // int h_i(t) int_0^t h_j(t') exp(-mu (t - t')) (Eq. R7)
  for (std::size_t p = 0; p < repair.rate.size(); ++p) {
    const double mu = repair.rate[p];
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = overlap[i * n + j];
        for (const auto& in : into[i]) sum += rate[i] * in.fraction * later[in.parent * n + j];
        later[i * n + j] = sum / (rate[i] + mu);
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        pair[i * n + j] += repair.weight[p] * (later[i * n + j] + later[j * n + i]);
      }
    }
  }
  return pair;
}

std::vector<double> lea_catcheside_of_doses(std::span<const double> dose,
                                            std::span<const double> pair, int n_threads,
                                            const StopPoll& stop) {
  const auto n = static_cast<std::size_t>(std::llround(std::sqrt(pair.size())));
  if (n * n != pair.size()) throw InputError("pair must be square");
  const std::size_t n_rows = rows_of(dose.size(), n, "dose");
  std::vector<double> factor(n_rows);
  parallel_for(
      static_cast<std::int64_t>(n_rows), rows_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end);
             ++row) {
          const auto own = dose.subspan(row * n, n);
          const double total = std::accumulate(own.begin(), own.end(), 0.0);
          double sum = 0.0;
          for (std::size_t i = 0; i < n; ++i) {
            double partners = 0.0;
            for (std::size_t j = 0; j < n; ++j) partners += own[j] / total * pair[i * n + j];
            sum += own[i] / total * partners;
          }
          factor[row] = total == 0.0 ? 1.0 : sum;
        }
      },
      stop);
  return factor;
}

std::vector<double> lea_catcheside_of_curves(std::span<const double> time,
                                             std::span<const double> dose_rate,
                                             const Repair& repair, int n_threads,
                                             const StopPoll& stop) {
  check_repair(repair);
  const std::size_t n_rows = rows_of(dose_rate.size(), time.size(), "dose_rate");
  const std::size_t n_phases = repair.rate.size();
  if (time.size() < 2) throw InputError("a curve needs two times at least");
  std::vector<CurveStep> step;
  for (std::size_t i = 0; i + 1 < time.size(); ++i) {
    if (!(time[i + 1] > time[i])) throw InputError("the times of a curve must ascend");
    for (const double mu : repair.rate) step.push_back(curve_step(time[i + 1] - time[i], mu));
  }
  std::vector<double> factor(n_rows);
  parallel_for(
      static_cast<std::int64_t>(n_rows), rows_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end);
             ++row) {
          factor[row] = factor_of_curve(dose_rate.subspan(row * time.size(), time.size()), step,
                                        n_phases, repair.weight);
        }
      },
      stop);
  return factor;
}

}  // namespace immunodose
