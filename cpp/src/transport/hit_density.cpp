// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/hit_density.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/quadrature.hpp"
#include "immunodose/transport/hit_marks.hpp"

namespace immunodose {
namespace {

// Directions of one place. A histogram of Gauss points has their gaps, the same at every place;
// evenly spaced points with another shift at each place (golden ratio) fill them.
QuadratureRule shifted_rule(std::size_t n_points, std::size_t place) {
  constexpr double golden = 0.6180339887498949;
  const double count = static_cast<double>(n_points);
  const double shift = std::fmod(0.5 + golden * static_cast<double>(place), 1.0);
  QuadratureRule rule{std::vector<double>(n_points), std::vector<double>(n_points, 1.0 / count)};
  for (std::size_t i = 0; i < n_points; ++i) {
    rule.node[i] = (static_cast<double>(i) + shift) / count;
  }
  return rule;
}

// Many directions where all decays lie at one distance, which smooths nothing.
std::size_t n_directions(const HitSource& source) { return source.is_shell() ? 4000 : 100; }

// Probability masses at multiples of the grid step; the miss is kept apart.
struct GridMark {
  double no_hit = 0.0;
  std::vector<double> hit;

  static GridMark zero() { return {}; }
  static GridMark miss() { return {1.0, {}}; }
  void add(double weight, const GridMark& mark) {
    no_hit += weight * mark.no_hit;
    if (hit.size() < mark.hit.size()) hit.resize(mark.hit.size(), 0.0);
    for (std::size_t i = 0; i < mark.hit.size(); ++i) hit[i] += weight * mark.hit[i];
  }
  // Shares the weight between two nodes, so that the mean is exact.
  void deposit(double position, double weight) {
    const auto i = static_cast<std::size_t>(position);
    if (hit.size() < i + 2) hit.resize(i + 2, 0.0);
    const double t = position - static_cast<double>(i);
    hit[i] += (1.0 - t) * weight;
    hit[i + 1] += t * weight;
  }
};

GridMark convolve(const GridMark& a, const GridMark& b) {
  GridMark sum;
  sum.no_hit = a.no_hit * b.no_hit;
  const std::size_t both = a.hit.empty() || b.hit.empty() ? 0 : a.hit.size() + b.hit.size() - 1;
  sum.hit.assign(std::max({a.hit.size(), b.hit.size(), both}), 0.0);
  for (std::size_t i = 0; i < a.hit.size(); ++i) sum.hit[i] += a.hit[i] * b.no_hit;
  for (std::size_t j = 0; j < b.hit.size(); ++j) sum.hit[j] += b.hit[j] * a.no_hit;
  for (std::size_t i = 0; i < a.hit.size(); ++i) {
    double* const row = sum.hit.data() + i;
    for (std::size_t j = 0; j < b.hit.size(); ++j) row[j] += a.hit[i] * b.hit[j];
  }
  return sum;
}

// Calls visit(rho, share) for places of the source.
template <class Visit>
void visit_places(const HitSource& source, double reach_um, std::size_t n_radii,
                  const Visit& visit) {
  if (source.is_shell()) {
    visit(source.low_um(), 1.0);
    return;
  }
  const auto points = source.panels(reach_um);
  if (points.size() < 2) return;
  const QuadratureRule rule = gauss_legendre(n_radii / (points.size() - 1));
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const double width = points[i + 1] - points[i];
    for (std::size_t k = 0; k < rule.node.size(); ++k) {
      const double rho = points[i] + width * rule.node[k];
      visit(rho, width * rule.weight[k] * source.density(rho));
    }
  }
}

double reach_of(const std::vector<RangedLine>& lines) {
  double reach = 0.0;
  for (const auto& line : lines) reach = std::max(reach, line.range_um);
  return reach;
}

// Largest energy (keV) that a track of this range leaves on a chord.
double largest_energy_keV(double range_um, double chord_um, const AlphaSlowing& slowing) {
  if (chord_um >= range_um) return slowing.energy_keV(range_um);
  constexpr int n_starts = 2000;
  double largest = 0.0;
  for (int i = 0; i <= n_starts; ++i) {
    const double left = (range_um - chord_um) * i / n_starts;
    largest = std::max(largest, slowing.energy_keV(left + chord_um) - slowing.energy_keV(left));
  }
  return largest;
}

// Spreads the mass of grid nodes over one step each and adds up what falls into every bin.
std::vector<double> rebin(const std::vector<double>& mass, double step_Gy,
                          std::span<const double> edge_Gy) {
  std::vector<double> histogram(edge_Gy.size() - 1, 0.0);
  for (std::size_t i = 0; i < mass.size(); ++i) {
    const double low = std::max(0.0, (static_cast<double>(i) - 0.5) * step_Gy);
    const double high = (static_cast<double>(i) + 0.5) * step_Gy;
    const auto first = std::upper_bound(edge_Gy.begin(), edge_Gy.end(), low) - edge_Gy.begin();
    for (auto b = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, first - 1));
         b < histogram.size() && edge_Gy[b] < high; ++b) {
      const double inside = std::min(high, edge_Gy[b + 1]) - std::max(low, edge_Gy[b]);
      histogram[b] += mass[i] * std::max(0.0, inside) / (high - low);
    }
  }
  return histogram;
}

}  // namespace

std::array<double, 2> largest_specific_energy(const AlphaChain& chain, double nucleus_radius_um,
                                              double density_g_per_cm3) {
  const AlphaSlowing slowing(density_g_per_cm3);
  const auto yields = alpha_yields(chain);
  const ChainBranches branches(chain, yields);
  std::vector<double> own(yields.size(), 0.0);
  for (const auto& line : ranged_lines(chain, slowing)) {
    own[line.member] = std::max(
        own[line.member], largest_energy_keV(line.range_um, 2.0 * nucleus_radius_um, slowing));
  }
  std::vector<double> whole(own.size(), 0.0);
  for (std::size_t n = own.size(); n-- > 0;) {
    for (const auto& branch : branches.of[n]) {
      const bool ends = branch.daughter == ChainBranch::no_daughter;
      const double after = ends ? 0.0 : whole[branch.daughter];
      whole[n] = std::max(whole[n], after + (branch.is_alpha ? own[n] : 0.0));
    }
  }
  const double factor = gray_per_keV(nucleus_radius_um, density_g_per_cm3);
  return {factor * *std::max_element(own.begin(), own.end()), factor * whole.front()};
}

std::vector<double> single_traversal_histogram(const AlphaChain& chain, double nucleus_radius_um,
                                               const HitSource& source, double density_g_per_cm3,
                                               std::span<const double> edge_Gy) {
  constexpr std::size_t n_radii = 256;
  const AlphaSlowing slowing(density_g_per_cm3);
  std::vector<double> histogram(edge_Gy.size() - 1, 0.0);
  for (const auto& line : ranged_lines(chain, slowing)) {
    const double decays = chain.decays_per_parent_decay[line.member] * line.yield;
    const double reach = nucleus_radius_um + line.range_um;
    std::size_t place = 0;
    visit_places(source, reach, n_radii, [&](double rho, double share) {
      const LineMarks marks(nucleus_radius_um, density_g_per_cm3, slowing,
                            shifted_rule(n_directions(source), place++));
      marks.visit_hits(rho, line.range_um, [&](double z, double weight) {
        const auto upper = std::upper_bound(edge_Gy.begin(), edge_Gy.end(), z);
        if (upper == edge_Gy.begin() || upper == edge_Gy.end()) return;
        histogram[static_cast<std::size_t>(upper - edge_Gy.begin() - 1)] += decays * share * weight;
      });
    });
  }
  return histogram;
}

std::vector<double> decay_histogram(const AlphaChain& chain, double nucleus_radius_um,
                                    const HitSource& source, double density_g_per_cm3,
                                    std::span<const double> edge_Gy) {
  constexpr std::size_t n_radii = 128;
  constexpr double steps_per_largest_hit = 256.0;
  const AlphaSlowing slowing(density_g_per_cm3);
  const auto yields = alpha_yields(chain);
  const ChainBranches branches(chain, yields);
  const auto lines = ranged_lines(chain, slowing);
  const double step_Gy = largest_specific_energy(chain, nucleus_radius_um, density_g_per_cm3)[0] /
                         steps_per_largest_hit;
  GridMark mean;
  std::size_t place = 0;
  visit_places(source, nucleus_radius_um + reach_of(lines), n_radii, [&](double rho, double share) {
    const LineMarks marks(nucleus_radius_um, density_g_per_cm3, slowing,
                          shifted_rule(n_directions(source), place++));
    std::vector<GridMark> own(yields.size());
    for (const auto& line : lines) {
      GridMark& mark = own[line.member];
      double hit = 0.0;
      marks.visit_hits(rho, line.range_um, [&](double z, double weight) {
        hit += weight;
        mark.deposit(z / step_Gy, line.yield * weight);
      });
      mark.no_hit += line.yield * (1.0 - hit);
    }
    mean.add(share, parent_mark(branches, yields, own));
  });
  return rebin(mean.hit, step_Gy, edge_Gy);
}

}  // namespace immunodose
