// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/far_kernel.hpp"

#include <algorithm>
#include <cmath>

namespace immunodose {
namespace {

// Least squares of ln(value * square) = a + b t + c t^2 around the cut.
std::array<double, 3> fit_logarithm(std::span<const double> edge_um2, std::span<const double> value,
                                    double cut2_um2) {
  constexpr double low = -0.3;
  constexpr double high = 0.4;
  std::array<double, 5> power{};
  std::array<double, 3> moment{};
  for (std::size_t i = 0; i < edge_um2.size(); ++i) {
    const double t = edge_um2[i] / cut2_um2 - 1.0;
    if (t < low || t > high || value[i] <= 0.0) continue;
    const double y = std::log(value[i] * edge_um2[i]);
    double p = 1.0;
    for (std::size_t k = 0; k < 5; ++k, p *= t) {
      power[k] += p;
      if (k < 3) moment[k] += p * y;
    }
  }
  // Cramer's rule for the symmetric system of three equations.
  const auto det = [](const std::array<double, 9>& m) {
    return m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
           m[2] * (m[3] * m[7] - m[4] * m[6]);
  };
  const std::array<double, 9> matrix{power[0], power[1], power[2], power[1], power[2],
                                     power[3], power[2], power[3], power[4]};
  const double all = det(matrix);
  std::array<double, 3> solution{};
  for (std::size_t k = 0; k < 3; ++k) {
    auto changed = matrix;
    for (std::size_t row = 0; row < 3; ++row) changed[3 * row + k] = moment[row];
    solution[k] = det(changed) / all;
  }
  return solution;
}

}  // namespace

FarKernel::FarKernel(const SquareGrid& grid, std::span<const double> value, double cut_um)
    : cut_um_(cut_um), cut2_um2_(cut_um * cut_um), grid_(grid) {
  const auto edge_um2 = grid.edges_um2();
  for (std::size_t i = 0; i + 1 < value.size(); ++i) {
    const double slope = (value[i + 1] - value[i]) / (edge_um2[i + 1] - edge_um2[i]);
    line_.push_back({value[i] - slope * edge_um2[i], slope});
  }
  line_.push_back({0.0, 0.0});  // outside
  const auto [a, b, c] = fit_logarithm(edge_um2, value, cut2_um2_);
  // Series of exp(a + b t + c t^2), times that of 1 / (1 + t).
  std::array<double, n_terms> series{};
  series[0] = std::exp(a) / cut2_um2_;
  for (std::size_t n = 0; n + 1 < n_terms; ++n) {
    const double before = n == 0 ? 0.0 : series[n - 1];
    series[n + 1] = (b * series[n] + 2.0 * c * before) / static_cast<double>(n + 1);
  }
  for (std::size_t n = 0; n < n_terms; ++n) {
    term_[n] = series[n] - (n == 0 ? 0.0 : term_[n - 1]);
  }
}

// Of f(u), u = r^2: 6 f' + 4 u f''.
double FarKernel::inside_laplacian(double square_um2) const {
  const double t = square_um2 / cut2_um2_ - 1.0;
  double first = 0.0;
  double second = 0.0;
  for (std::size_t n = n_terms - 1; n > 0; --n) {
    const auto order = static_cast<double>(n);
    first = first * t + order * term_[n];
    if (n > 1) second = second * t + order * (order - 1.0) * term_[n];
  }
  return 6.0 * first / cut2_um2_ + 4.0 * square_um2 * second / (cut2_um2_ * cut2_um2_);
}

}  // namespace immunodose
