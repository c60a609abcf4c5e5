// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/s_value.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/quadrature.hpp"

namespace immunodose {
namespace {

// Integral of overlap(r) over [from, to], smooth inside: r * gamma is a polynomial of degree
// <= 6 there, so four points leave only the 1/r factor, which a bin hardly varies.
template <class Overlap>
double smooth_integral(const QuadratureRule& rule, const Overlap& overlap, double from, double to) {
  double sum = 0.0;
  for (std::size_t k = 0; k < rule.node.size(); ++k) {
    sum += rule.weight[k] * overlap(from + (to - from) * rule.node[k]);
  }
  return (to - from) * sum;
}

struct Rules {
  QuadratureRule panel = gauss_legendre(4);   // between two points where the overlap is not smooth
  QuadratureRule narrow = gauss_legendre(2);  // a small part of such a panel
};

// Sum over kernel bins of dE/dr times the integral of the overlap, split where it is not smooth.
template <class Overlap>
double folded_energy(const RadialKernel& kernel, const Rules& rules, const Overlap& overlap,
                     const std::vector<double>& breakpoints, double window_low,
                     double window_high) {
  const auto& edge = kernel.edge_um;
  const auto first = std::upper_bound(edge.begin(), edge.end(), window_low);
  auto bin = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, first - edge.begin() - 1));
  auto next_break = std::upper_bound(breakpoints.begin(), breakpoints.end(), edge[bin]);
  double sum = 0.0;
  for (; bin + 1 < edge.size() && edge[bin] < window_high; ++bin) {
    const double low = edge[bin];
    const double high = edge[bin + 1];
    if (kernel.energy_keV[bin] <= 0.0) continue;
    while (next_break != breakpoints.end() && *next_break <= low) ++next_break;
    double integral = 0.0;
    double from = low;
    for (auto point = next_break; point != breakpoints.end() && *point < high; ++point) {
      integral += smooth_integral(rules.panel, overlap, from, *point);
      from = *point;
    }
    // r * gamma has degree <= 5 in a panel: two points on a tenth of it err by less than 2e-6 of
    // the panel's integral (measured on u^2 to u^5).
    const double panel_low = next_break == breakpoints.begin() ? 0.0 : *std::prev(next_break);
    const double panel_high = next_break == breakpoints.end() ? window_high : *next_break;
    const bool narrow = from == low && 10.0 * (high - low) < panel_high - panel_low;
    integral += smooth_integral(narrow ? rules.narrow : rules.panel, overlap, from, high);
    sum += kernel.energy_keV[bin] / (high - low) * integral;
  }
  return sum;
}

// Between two breakpoints of regions that lie apart, 2 d r gamma(r; d) is a polynomial of
// w = |d - r| of degree 5 at most (Eqs. 9-11 hold powers up to 5 of w g(w) once integrated).
class TailPolynomial {
 public:
  static constexpr std::size_t n_terms = 6;

  // On [low, high] of w. Newton's divided differences at six nodes, then powers of t in [-1, 1].
  TailPolynomial(const RegionOverlap& overlap, double low_um, double high_um)
      : middle_um_(0.5 * (low_um + high_um)), per_half_um_(2.0 / (high_um - low_um)) {
    constexpr std::array<double, n_terms> node{-0.95, -0.6, -0.2, 0.2, 0.6, 0.95};
    std::array<double, n_terms> difference{};
    for (std::size_t i = 0; i < n_terms; ++i) {
      difference[i] = overlap.tail(middle_um_ + node[i] / per_half_um_);
    }
    for (std::size_t k = 1; k < n_terms; ++k) {
      for (std::size_t i = n_terms - 1; i >= k; --i) {
        difference[i] = (difference[i] - difference[i - 1]) / (node[i] - node[i - k]);
      }
    }
    for (std::size_t i = n_terms; i > 0; --i) {  // Horner's scheme on polynomials
      for (std::size_t k = n_terms - 1; k > 0; --k) {
        term_[k] = term_[k - 1] - node[i - 1] * term_[k];
      }
      term_[0] = difference[i - 1] - node[i - 1] * term_[0];
    }
  }

  double operator()(double w_um) const {
    const double t = (w_um - middle_um_) * per_half_um_;
    double sum = term_[n_terms - 1];
    for (std::size_t k = n_terms - 1; k > 0; --k) sum = sum * t + term_[k - 1];
    return sum;
  }

 private:
  double middle_um_;
  double per_half_um_;
  std::array<double, n_terms> term_{};
};

// Regions that lie apart: gamma is an even function of d - r, over 2 d r.
class ApartRegions {
 public:
  ApartRegions(const RadialKernel& kernel, const Rules& rules, const RegionOverlap& overlap)
      : kernel_(kernel), rules_(rules), end_um_(overlap.tail_breakpoints()) {
    for (std::size_t i = 0; i + 1 < end_um_.size(); ++i) {
      piece_.emplace_back(overlap, end_um_[i], end_um_[i + 1]);
    }
  }

  // Sum over kernel bins of dE/dr times the integral of the overlap.
  double folded_energy(double distance_um) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < piece_.size(); ++i) {
      sum += panel(piece_[i], distance_um, distance_um - end_um_[i + 1], distance_um - end_um_[i]);
      sum += panel(piece_[i], distance_um, distance_um + end_um_[i], distance_um + end_um_[i + 1]);
    }
    return sum / (2.0 * distance_um);
  }

 private:
  double panel(const TailPolynomial& tail, double distance_um, double from, double to) const {
    const auto& edge = kernel_.edge_um;
    if (from >= edge.back()) return 0.0;
    const auto overlap = [&](double r) { return tail(std::abs(distance_um - r)) / r; };
    const auto first = std::upper_bound(edge.begin(), edge.end(), from);
    auto bin = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, first - edge.begin() - 1));
    double sum = 0.0;
    for (; bin + 1 < edge.size() && edge[bin] < to; ++bin) {
      if (kernel_.energy_keV[bin] <= 0.0) continue;
      const double width = edge[bin + 1] - edge[bin];
      const bool whole = edge[bin] >= from && edge[bin + 1] <= to;
      const bool narrow = whole && 10.0 * width < to - from;
      sum += kernel_.energy_keV[bin] / width *
             smooth_integral(narrow ? rules_.narrow : rules_.panel, overlap,
                             std::max(edge[bin], from), std::min(edge[bin + 1], to));
    }
    return sum;
  }

  const RadialKernel& kernel_;
  const Rules& rules_;
  std::vector<double> end_um_;  // of the pieces
  std::vector<TailPolynomial> piece_;
};

}  // namespace

std::vector<double> s_values(const RadialKernel& kernel, Region source, Region target,
                             std::span<const double> distance_um, double density_g_per_cm3) {
  if (target.is_surface()) throw InputError("a target of zero thickness has no mass");
  const RegionOverlap overlap(source, target);
  const Rules rules;
  const double mass_ng =
      target.measure() * density_g_per_cm3 * constants::ng_per_um3_at_unit_density;
  const double scale = constants::gray_ng_per_keV / (mass_ng * source.measure());
  std::vector<double> dose(distance_um.size(), 0.0);
  const ApartRegions apart(kernel, rules, overlap);
  for (std::size_t i = 0; i < distance_um.size(); ++i) {
    const double d = distance_um[i];
    if (kernel.edge_um.size() < 2 || d - overlap.reach_um() >= kernel.reach_um()) continue;
    if (d >= overlap.reach_um()) {
      dose[i] = scale * apart.folded_energy(d);
      continue;
    }
    const auto points = overlap.breakpoints(d);
    const double low = std::max(0.0, d - overlap.reach_um());
    const double high = d + overlap.reach_um();
    const double energy_volume =
        d == 0.0
            ? folded_energy(
                  kernel, rules, [&](double r) { return overlap.concentric(r); }, points, low, high)
            : folded_energy(
                  kernel, rules, [&](double r) { return overlap.averaged(r, d); }, points, low,
                  high);
    dose[i] = scale * energy_volume;
  }
  return dose;
}

}  // namespace immunodose
