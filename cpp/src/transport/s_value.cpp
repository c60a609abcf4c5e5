// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/s_value.hpp"

#include <algorithm>
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
  for (std::size_t i = 0; i < distance_um.size(); ++i) {
    const double d = distance_um[i];
    if (kernel.edge_um.size() < 2 || d - overlap.reach_um() >= kernel.reach_um()) continue;
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
