// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/hit_table.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/quadrature.hpp"
#include "immunodose/transport/hit_marks.hpp"

namespace immunodose {
namespace {

constexpr std::size_t n_moments = HitChannels::n_moments;

// Distribution of the specific energy of a mark: no-hit probability and moments, order 0..5
// (order 0 is all probability, hits or not).
struct MomentMark {
  double no_hit = 0.0;
  std::array<double, n_moments> moment{};

  static MomentMark zero() { return {}; }
  static MomentMark miss() { return {1.0, {1.0}}; }
  void add(double weight, const MomentMark& mark) {
    no_hit += weight * mark.no_hit;
    for (std::size_t k = 0; k < n_moments; ++k) moment[k] += weight * mark.moment[k];
  }
};

constexpr std::array<std::array<double, n_moments>, n_moments> binomial = {
    {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}, {1, 5, 10, 10, 5, 1}}};

// Sum of two independent marks. Eq. 14.
MomentMark convolve(const MomentMark& a, const MomentMark& b) {
  MomentMark sum;
  sum.no_hit = a.no_hit * b.no_hit;
  for (std::size_t k = 0; k < n_moments; ++k) {
    for (std::size_t j = 0; j <= k; ++j) {
      sum.moment[k] += binomial[k][j] * a.moment[j] * b.moment[k - j];
    }
  }
  return sum;
}

// Radii that resolve the square-root rise of the solid angle at the nucleus surface.
std::vector<double> radial_nodes(double nucleus_radius_um, double reach_um) {
  constexpr double root_step = 0.02;
  constexpr double widest_um = 0.1;
  // The chance of a hit jumps at the surface: one node on either side.
  constexpr double just_inside = 1.0 - 1e-9;
  std::vector<double> nodes{just_inside * nucleus_radius_um, nucleus_radius_um};
  const auto grade = [&](double sign, double span_um) {
    double offset = 0.0;
    for (int k = 1; offset < span_um; ++k) {
      const double root = static_cast<double>(k) * root_step;
      offset = std::min(span_um, std::min(root * root, offset + widest_um));
      nodes.push_back(nucleus_radius_um + sign * offset);
    }
  };
  grade(-1.0, nucleus_radius_um);
  grade(1.0, reach_um);
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace

PointHitTable::PointHitTable(const AlphaChain& chain, double nucleus_radius_um,
                             double density_g_per_cm3, const AlphaSlowing& slowing) {
  constexpr std::size_t n_points = 12;
  const LineMarks marks(nucleus_radius_um, density_g_per_cm3, slowing, gauss_legendre(n_points));
  const auto yields = alpha_yields(chain);
  const ChainBranches branches(chain, yields);
  const auto lines = ranged_lines(chain, slowing);
  double reach = 0.0;
  for (const auto& line : lines) reach = std::max(reach, line.range_um);
  rho_um_ = radial_nodes(nucleus_radius_um, reach);
  value_.resize(rho_um_.size());
  std::vector<MomentMark> own(chain.decays_per_parent_decay.size());
  for (std::size_t i = 0; i < rho_um_.size(); ++i) {
    HitVector& value = value_[i];
    value.fill(0.0);
    std::fill(own.begin(), own.end(), MomentMark::zero());
    for (const auto& line : lines) {
      MomentMark& mark = own[line.member];
      const double decays = chain.decays_per_parent_decay[line.member] * line.yield;
      double hit = 0.0;
      marks.visit_hits(rho_um_[i], line.range_um, [&](double z, double weight) {
        hit += weight;
        double power = weight;
        for (std::size_t k = 1; k < n_moments; ++k) {
          power *= z;
          mark.moment[k] += line.yield * power;
        }
        value[HitChannels::traversals] += decays * weight;
        value[HitChannels::single_square] += decays * weight * z * z;
      });
      mark.moment[0] += line.yield;
      mark.no_hit += line.yield * (1.0 - hit);
    }
    const MomentMark whole = parent_mark(branches, yields, own);
    value[HitChannels::first_moment] = 1.0 - whole.no_hit;
    for (std::size_t k = 1; k < n_moments; ++k) {
      value[HitChannels::first_moment + k] = whole.moment[k];
    }
  }
}

HitVector PointHitTable::at(double rho_um) const {
  HitVector result{};
  if (rho_um >= rho_um_.back()) return result;
  const auto upper = std::upper_bound(rho_um_.begin(), rho_um_.end(), rho_um);
  const auto i = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, upper - rho_um_.begin() - 1));
  const double t = (rho_um - rho_um_[i]) / (rho_um_[i + 1] - rho_um_[i]);
  for (std::size_t c = 0; c < result.size(); ++c) {
    result[c] = (1.0 - t) * value_[i][c] + t * value_[i + 1][c];
  }
  return result;
}

HitVector PointHitTable::source_mean(const HitSource& source) const {
  if (source.is_shell()) return at(source.low_um());
  const QuadratureRule rule = gauss_legendre(2);
  std::vector<double> points = source.panels(reach_um());
  if (points.empty()) return {};
  const double low = points.front();
  const double high = points.back();
  for (const double node : rho_um_) {
    if (node > low && node < high) points.push_back(node);
  }
  std::sort(points.begin(), points.end());
  HitVector sum{};
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const double width = points[i + 1] - points[i];
    if (width <= 0.0) continue;
    for (std::size_t k = 0; k < rule.node.size(); ++k) {
      const double rho = points[i] + width * rule.node[k];
      const double density = source.density(rho);
      const HitVector value = at(rho);
      for (std::size_t c = 0; c < sum.size(); ++c) {
        sum[c] += width * rule.weight[k] * density * value[c];
      }
    }
  }
  return sum;
}

HitVector PointHitTable::space_integral() const {
  const QuadratureRule rule = gauss_legendre(2);
  HitVector sum{};
  for (std::size_t i = 0; i + 1 < rho_um_.size(); ++i) {
    const double width = rho_um_[i + 1] - rho_um_[i];
    for (std::size_t k = 0; k < rule.node.size(); ++k) {
      const double rho = rho_um_[i] + width * rule.node[k];
      const HitVector value = at(rho);
      for (std::size_t c = 0; c < sum.size(); ++c) {
        sum[c] += width * rule.weight[k] * 4.0 * constants::pi * rho * rho * value[c];
      }
    }
  }
  return sum;
}

}  // namespace immunodose
