// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/far_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "immunodose/core/quadrature.hpp"

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

// sin(x) / x, j1(x) / x and j2(x) / x^2, with series where they would cancel.
constexpr double short_argument = 0.6;
struct SineCosine {
  double sine;
  double cosine;
};
double bessel_0(double x, SineCosine of) {
  const double y = x * x;
  if (x > short_argument) return of.sine / x;
  return 1.0 + y / 6.0 * (-1.0 + y / 20.0 * (1.0 - y / 42.0 * (1.0 - y / 72.0)));
}
double bessel_1_ratio(double x, SineCosine of) {
  const double y = x * x;
  if (x > short_argument) return (of.sine / x - of.cosine) / y;
  return (1.0 - y / 10.0 * (1.0 - y / 28.0 * (1.0 - y / 54.0 * (1.0 - y / 88.0)))) / 3.0;
}
double bessel_2_ratio(double x, SineCosine of) {
  const double y = x * x;
  if (x > short_argument) {
    const double inverse = 1.0 / y;
    return ((3.0 * inverse - 1.0) * of.sine / x - 3.0 * inverse * of.cosine) * inverse;
  }
  return (1.0 - y / 14.0 * (1.0 - y / 36.0 * (1.0 - y / 66.0 * (1.0 - y / 104.0)))) / 15.0;
}

// Calls visitor(i, k r, sine and cosine of k r) for k = first + i step; between exact angles, which
// come often enough that rounding stays below 1e-14, they are turned by a constant angle.
template <class Visitor>
void visit_angles(double first, double step, double r, std::size_t n, const Visitor& visitor) {
  constexpr std::size_t turns = 32;
  const SineCosine turn{std::sin(step * r), std::cos(step * r)};
  SineCosine at{};
  for (std::size_t i = 0; i < n; ++i) {
    const double angle = (first + static_cast<double>(i) * step) * r;
    if (i % turns == 0) {
      at = {std::sin(angle), std::cos(angle)};
    } else {
      at = {at.sine * turn.cosine + at.cosine * turn.sine,
            at.cosine * turn.cosine - at.sine * turn.sine};
    }
    visitor(i, angle, at);
  }
}

}  // namespace

FarKernel::FarKernel(const SquareGrid& grid, std::span<const double> value, double cut_um)
    : cut_um_(cut_um), cut2_um2_(cut_um * cut_um), grid_(grid) {
  edge_um2_ = grid.edges_um2();
  const auto& edge_um2 = edge_um2_;
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

// Inside the cut by a Gauss rule. Outside, F is a + b r^2 from edge to edge, and what is left after
// two integrations by parts are the kinks at the edges. Eq. P19.
void FarKernel::transform(double first_per_um, double step_per_um, std::span<double> values) const {
  std::fill(values.begin(), values.end(), 0.0);
  const auto add = [&](double r, double weight, auto bessel) {
    visit_angles(first_per_um, step_per_um, r, values.size(),
                 [&](std::size_t i, double angle, SineCosine of) {
                   values[i] += weight * bessel(angle, of);
                 });
  };
  constexpr std::size_t n_nodes = 64;
  static const QuadratureRule rule = gauss_legendre(n_nodes);
  for (std::size_t i = 0; i < n_nodes; ++i) {
    const double r = cut_um_ * rule.node[i];
    add(r, cut_um_ * rule.weight[i] * r * r * inside(r * r), bessel_0);
  }
  auto cell = static_cast<std::size_t>(grid_.cell(static_cast<float>(cut2_um2_)));
  add(cut_um_, -cut_um_ * cut2_um2_ * (line_[cell][0] + line_[cell][1] * cut2_um2_),
      bessel_1_ratio);
  double square = cut2_um2_;
  double slope_before = 0.0;
  for (; cell < line_.size(); ++cell) {
    const double r = std::sqrt(square);
    const double slope = line_[cell][1];
    add(r, 2.0 * (slope - slope_before) * square * square * r, bessel_2_ratio);
    slope_before = slope;
    if (cell + 1 < line_.size()) square = edge_um2_[cell + 1];
  }
  for (double& value : values) value *= 4.0 * std::numbers::pi;
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
