// SPDX-License-Identifier: BSD-3-Clause
// Additive hits that recover: a birth-death chain with the last hit lethal, solved by the matrix
// exponential of each step.
#include <cmath>
#include <cstddef>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/immune/competition.hpp"

namespace immunodose {
namespace {

constexpr int most_hits = 8;
constexpr std::int64_t cells_per_block = 256;
constexpr double smallest = 1e-300;

constexpr int most_states = most_hits + 1;  // the last one is dead

using Matrix = std::array<double, most_states * most_states>;

void multiply(const Matrix& a, const Matrix& b, int n, Matrix& out) {
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0.0;
      for (int k = 0; k < n; ++k) {
        sum += a[static_cast<std::size_t>(i * n + k)] * b[static_cast<std::size_t>(k * n + j)];
      }
      out[static_cast<std::size_t>(i * n + j)] = sum;
    }
  }
}

// exp(A h) of the chain by uniformization: with u = h A/2^m + theta I >= 0 every term is positive,
// so nothing cancels at any step; then m squarings.
Matrix propagator(double hit_per_d, const HitModel& model, double step_d) {
  const int n = model.n_hits + 1;
  const double fastest = hit_per_d + (n - 2) * model.recovery_per_d;
  double theta = fastest * step_d;
  double h = step_d;
  int squarings = 0;
  while (theta > 0.5) {
    theta *= 0.5;
    h *= 0.5;
    ++squarings;
  }
  Matrix uniform{};
  for (int s = 0; s + 1 < n; ++s) {
    const auto at = static_cast<std::size_t>(s * n + s);
    uniform[at] = (n - 2 - s) * model.recovery_per_d * h;  // theta - (hit + recovery) h
    uniform[at + 1] = hit_per_d * h;
    if (s > 0) uniform[at - 1] = s * model.recovery_per_d * h;
  }
  uniform[static_cast<std::size_t>(n * n - 1)] = theta;
  Matrix result{};
  Matrix term{};
  for (int s = 0; s < n; ++s) term[static_cast<std::size_t>(s * n + s)] = 1.0;
  const auto size = static_cast<std::size_t>(n * n);
  for (int k = 1; k <= 14; ++k) {  // 0.5^15/15! is 2e-17
    Matrix next{};
    multiply(term, uniform, n, next);
    for (std::size_t i = 0; i < size; ++i) {
      result[i] += term[i];
      term[i] = next[i] / k;
    }
  }
  const double scale = std::exp(-theta);
  for (std::size_t i = 0; i < size; ++i) result[i] *= scale;
  for (int k = 0; k < squarings; ++k) {
    Matrix square{};
    multiply(result, result, n, square);
    result = square;
  }
  return result;
}

// Advances the distribution among the living of one cell; returns -ln of the share that is left.
template <class Real>
double advance_cell(Real* state, double hit_per_d, const HitModel& model, double step_d) {
  const int n = model.n_hits;
  const Matrix matrix = propagator(hit_per_d, model, step_d);
  std::array<double, most_states> next{};
  double alive = 0.0;
  for (int j = 0; j <= n; ++j) {
    for (int i = 0; i < n; ++i) {
      next[static_cast<std::size_t>(j)] +=
          static_cast<double>(state[i]) * matrix[static_cast<std::size_t>(i * (n + 1) + j)];
    }
    if (j < n) alive += next[static_cast<std::size_t>(j)];
  }
  if (!(alive > smallest)) return -std::log(smallest);  // gone; the state no longer counts
  for (int j = 0; j < n; ++j) {
    state[j] = static_cast<Real>(next[static_cast<std::size_t>(j)] / alive);
  }
  // Of the dead where they are few, so that 1 - probability loses no digits.
  const double dead =
      next[static_cast<std::size_t>(n)] / (alive + next[static_cast<std::size_t>(n)]);
  return dead < 0.5 ? -std::log1p(-dead)
                    : -std::log(alive / (alive + next[static_cast<std::size_t>(n)]));
}

}  // namespace

template <class Real>
void advance_hits(std::span<const Real> rate, double weight_before, double weight_now,
                  std::span<Real> before, const HitModel& model, double step_d,
                  std::span<Real> hits, std::span<Real> exponent, int n_threads,
                  const StopPoll& stop) {
  const std::size_t n = rate.size();
  if (model.n_hits < 1 || model.n_hits > most_hits) {
    throw InputError("n_hits: got " + std::to_string(model.n_hits) + ", expected 1 to 8");
  }
  const auto n_hits = static_cast<std::size_t>(model.n_hits);
  if (before.size() != n || exponent.size() != n || hits.size() != n * n_hits) {
    throw InputError("hits: got " + std::to_string(hits.size()) + " values, expected " +
                     std::to_string(n * n_hits));
  }
  parallel_for(
      static_cast<std::int64_t>(n), cells_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const double hit_per_d = (weight_before * static_cast<double>(before[i]) +
                                    weight_now * static_cast<double>(rate[i])) /
                                   step_d;
          exponent[i] =
              static_cast<Real>(advance_cell(&hits[i * n_hits], hit_per_d, model, step_d));
          before[i] = rate[i];
        }
      },
      stop);
}

template void advance_hits<float>(std::span<const float>, double, double, std::span<float>,
                                  const HitModel&, double, std::span<float>, std::span<float>, int,
                                  const StopPoll&);
template void advance_hits<double>(std::span<const double>, double, double, std::span<double>,
                                   const HitModel&, double, std::span<double>, std::span<double>,
                                   int, const StopPoll&);

}  // namespace immunodose
