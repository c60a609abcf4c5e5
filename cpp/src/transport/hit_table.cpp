// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/hit_table.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/quadrature.hpp"

namespace immunodose {
namespace {

constexpr std::size_t n_moments = HitChannels::n_moments;

// Distribution of the specific energy of a mark: no-hit probability and moments, order 0..5
// (order 0 is 1: all probability, hits or not).
struct Mark {
  double no_hit = 1.0;
  std::array<double, n_moments> moment{1.0};
};

constexpr std::array<std::array<double, n_moments>, n_moments> binomial = {
    {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}, {1, 5, 10, 10, 5, 1}}};

// Sum of two independent marks. Eq. 14.
Mark convolve(const Mark& a, const Mark& b) {
  Mark sum;
  sum.no_hit = a.no_hit * b.no_hit;
  for (std::size_t k = 0; k < n_moments; ++k) {
    sum.moment[k] = 0.0;
    for (std::size_t j = 0; j <= k; ++j) {
      sum.moment[k] += binomial[k][j] * a.moment[j] * b.moment[k - j];
    }
  }
  return sum;
}

void add_weighted(Mark& sum, double weight, const Mark& mark) {
  sum.no_hit += weight * mark.no_hit;
  for (std::size_t k = 0; k < n_moments; ++k) sum.moment[k] += weight * mark.moment[k];
}

Mark zero_mark() {
  Mark mark;
  mark.no_hit = 0.0;
  mark.moment.fill(0.0);
  return mark;
}

// Lines of one member within 10 keV become one: 0.1 um of range at most.
std::vector<AlphaChain::Line> merge_lines(const AlphaChain& chain) {
  constexpr double width_keV = 10.0;
  auto lines = chain.lines;
  std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
    return a.member != b.member ? a.member < b.member : a.energy_keV < b.energy_keV;
  });
  std::vector<AlphaChain::Line> merged;
  double group_start = 0.0;
  for (const auto& line : lines) {
    if (line.yield <= 0.0) continue;
    if (!merged.empty() && merged.back().member == line.member &&
        line.energy_keV <= group_start + width_keV) {
      auto& group = merged.back();
      const double total = group.yield + line.yield;
      group.energy_keV = (group.energy_keV * group.yield + line.energy_keV * line.yield) / total;
      group.yield = total;
    } else {
      merged.push_back(line);
      group_start = line.energy_keV;
    }
  }
  return merged;
}

// Calls visit(entry_um, exit_um, weight) for straight paths through a ball of radius R from a
// point at distance rho; weights are shares of the solid angle. `track_um` is where the track
// ends: the quadrature is split there.
class BallPaths {
 public:
  explicit BallPaths(std::size_t n_points) : rule_(gauss_legendre(n_points)) {}

  template <class Visit>
  void operator()(double rho, double radius, double track_um, const Visit& visit) const {
    if (rho < radius) {
      from_inside(rho, radius, track_um, visit);
    } else {
      from_outside(rho, radius, track_um, visit);
    }
  }

 private:
  // Integration over the half chord c: dOmega/4pi = c dc / (2 rho^2 mu). Eq. 12.
  template <class Visit>
  void from_outside(double rho, double radius, double track_um, const Visit& visit) const {
    const double offset2 = (rho - radius) * (rho + radius);
    const auto add_panel = [&](double low, double high) {
      for (std::size_t k = 0; k < rule_.node.size(); ++k) {
        const double c = low + (high - low) * rule_.node[k];
        const double along = std::sqrt(offset2 + c * c);  // rho * mu
        const double weight = (high - low) * rule_.weight[k] * c / (2.0 * rho * along);
        visit(along - c, along + c, weight);
      }
    };
    // The track ends at the entry (c_entry) or at the exit (c_exit) of paths with this c.
    const double c_entry = (offset2 - track_um * track_um) / (2.0 * track_um);
    const double c_exit = -c_entry;
    split(0.0, radius, {c_entry, c_exit}, add_panel);
  }

  template <class Visit>
  void from_inside(double rho, double radius, double track_um, const Visit& visit) const {
    if (rho < 1e-9 * radius) {
      visit(0.0, radius, 1.0);
      return;
    }
    const auto add_panel = [&](double low, double high) {
      for (std::size_t k = 0; k < rule_.node.size(); ++k) {
        const double mu = low + (high - low) * rule_.node[k];
        const double across2 = rho * rho * (1.0 - mu * mu);
        const double exit = rho * mu + std::sqrt(std::max(0.0, radius * radius - across2));
        visit(0.0, exit, 0.5 * (high - low) * rule_.weight[k]);
      }
    };
    const double mu_end =
        (track_um * track_um + rho * rho - radius * radius) / (2.0 * rho * track_um);
    split(-1.0, 1.0, {mu_end, 0.0}, add_panel);
  }

  template <class AddPanel>
  static void split(double low, double high, std::array<double, 2> points,
                    const AddPanel& add_panel) {
    std::sort(points.begin(), points.end());
    double from = low;
    for (const double point : points) {
      if (point > from && point < high) {
        add_panel(from, point);
        from = point;
      }
    }
    add_panel(from, high);
  }

  QuadratureRule rule_;
};

double ball_mass_ng(double radius_um, double density_g_per_cm3) {
  return Region{0.0, radius_um}.measure() * density_g_per_cm3 *
         constants::ng_per_um3_at_unit_density;
}

// Hits of one alpha line from one place: mark of a single alpha. Eq. 13.
class LineMarks {
 public:
  LineMarks(double nucleus_radius_um, double density_g_per_cm3, const AlphaSlowing& slowing,
            std::size_t n_points)
      : radius_um_(nucleus_radius_um),
        gray_per_keV_(constants::gray_ng_per_keV /
                      ball_mass_ng(nucleus_radius_um, density_g_per_cm3)),
        slowing_(slowing),
        paths_(n_points) {}

  template <class Visit>  // visit(z_Gy, weight) for every path that hits
  void visit_hits(double rho_um, double range_um, const Visit& visit) const {
    paths_(rho_um, radius_um_, range_um, [&](double entry, double exit, double weight) {
      if (entry >= range_um) return;
      const double energy = slowing_.energy_keV(range_um - entry) -
                            (exit < range_um ? slowing_.energy_keV(range_um - exit) : 0.0);
      visit(energy * gray_per_keV_, weight);
    });
  }

 private:
  double radius_um_;
  double gray_per_keV_;
  const AlphaSlowing& slowing_;
  BallPaths paths_;
};

struct RangedLine {
  std::size_t member;
  double yield;
  double range_um;
};

std::vector<RangedLine> ranged_lines(const AlphaChain& chain, const AlphaSlowing& slowing) {
  std::vector<RangedLine> ranged;
  for (const auto& line : merge_lines(chain)) {
    if (line.energy_keV > alpha_max_energy_keV) {
      throw InputError("alpha energy above the stopping-power fit (12000 keV)");
    }
    ranged.push_back(
        {static_cast<std::size_t>(line.member), line.yield, slowing.range_um(line.energy_keV)});
  }
  return ranged;
}

// Solves the chain from its ends upwards for one place. Eq. 15.
class ChainMarks {
 public:
  explicit ChainMarks(const AlphaChain& chain)
      : chain_(chain), kept_(chain.decays_per_parent_decay.size(), 1.0) {
    // Share of the daughters' decays that happen here and before the horizon.
    std::vector<double> fed(kept_.size(), 0.0);
    for (const auto& edge : chain.edges) {
      fed[index(edge.daughter)] +=
          chain.decays_per_parent_decay[index(edge.parent)] * edge.fraction;
    }
    for (std::size_t n = 1; n < kept_.size(); ++n) {
      kept_[n] = fed[n] > 0.0 ? std::min(1.0, chain.decays_per_parent_decay[n] / fed[n]) : 0.0;
    }
  }

  // own[n]: mark of the alphas of member n, weighted by yield (moment[0] = alpha yield).
  Mark parent(const std::vector<Mark>& own) const {
    std::vector<Mark> whole(own.size());
    for (std::size_t n = own.size(); n-- > 0;) whole[n] = member(n, own, whole);
    return whole.front();
  }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  Mark member(std::size_t n, const std::vector<Mark>& own, const std::vector<Mark>& whole) const {
    const double alpha_yield = own[n].moment[0];
    Mark sum = zero_mark();
    double alpha_left = alpha_yield;
    double others_left = 1.0 - alpha_yield;
    for (const auto& edge : chain_.edges) {
      if (index(edge.parent) != n) continue;
      const std::size_t d = index(edge.daughter);
      Mark daughter = zero_mark();
      add_weighted(daughter, kept_[d], whole[d]);
      add_weighted(daughter, 1.0 - kept_[d], Mark{});
      double& left = edge.is_alpha ? alpha_left : others_left;
      const double fraction = std::min(edge.fraction, left);
      left -= fraction;
      if (fraction <= 0.0) continue;
      if (edge.is_alpha) {
        add_weighted(sum, fraction / alpha_yield, convolve(own[n], daughter));
      } else {
        add_weighted(sum, fraction, daughter);
      }
    }
    if (alpha_yield > 0.0) add_weighted(sum, alpha_left / alpha_yield, own[n]);
    add_weighted(sum, others_left, Mark{});
    return sum;
  }

  const AlphaChain& chain_;
  std::vector<double> kept_;
};

// Radii that resolve the square-root rise of the solid angle at the nucleus surface.
std::vector<double> radial_nodes(double nucleus_radius_um, double reach_um) {
  constexpr double root_step = 0.02;
  constexpr double widest_um = 0.1;
  std::vector<double> nodes{nucleus_radius_um};
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

// Area (um2) of the sphere of radius rho around the nucleus that lies inside the source.
double sphere_area_inside(Region source, double rho, double distance) {
  const double outer = sphere_cap_area(rho, source.outer_um, distance);
  return source.inner_um > 0.0 ? outer - sphere_cap_area(rho, source.inner_um, distance) : outer;
}

}  // namespace

PointHitTable::PointHitTable(const AlphaChain& chain, double nucleus_radius_um,
                             double density_g_per_cm3, const AlphaSlowing& slowing) {
  constexpr std::size_t n_points = 12;
  const LineMarks marks(nucleus_radius_um, density_g_per_cm3, slowing, n_points);
  const ChainMarks chain_marks(chain);
  const auto lines = ranged_lines(chain, slowing);
  double reach = 0.0;
  for (const auto& line : lines) reach = std::max(reach, line.range_um);
  rho_um_ = radial_nodes(nucleus_radius_um, reach);
  value_.resize(rho_um_.size());
  std::vector<Mark> own(chain.decays_per_parent_decay.size());
  for (std::size_t i = 0; i < rho_um_.size(); ++i) {
    HitVector& value = value_[i];
    value.fill(0.0);
    std::fill(own.begin(), own.end(), zero_mark());
    for (const auto& line : lines) {
      Mark& mark = own[line.member];
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
    const Mark whole = chain_marks.parent(own);
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

HitVector PointHitTable::source_mean(Region source, double distance_um) const {
  const bool surface = source.is_surface();
  if (surface && distance_um == 0.0) return at(source.outer_um);
  const QuadratureRule rule = gauss_legendre(2);
  const double low = std::max(0.0, distance_um > source.outer_um ? distance_um - source.outer_um
                                   : surface                     ? source.outer_um - distance_um
                                                                 : 0.0);
  const double high = std::min(reach_um(), distance_um + source.outer_um);
  std::vector<double> points{low, high};
  for (const double radius : {source.inner_um, source.outer_um}) {
    for (const double point : {std::abs(distance_um - radius), distance_um + radius}) {
      if (point > low && point < high) points.push_back(point);
    }
  }
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
      // Density of rho: Eq. 16.
      const double density = surface
                                 ? rho / (2.0 * source.outer_um * distance_um)
                                 : sphere_area_inside(source, rho, distance_um) / source.measure();
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

std::vector<double> single_traversal_histogram(const AlphaChain& chain, double nucleus_radius_um,
                                               Region source, double density_g_per_cm3,
                                               std::span<const double> edge_Gy) {
  constexpr std::size_t n_points = 64;
  constexpr std::size_t n_radii = 400;
  const AlphaSlowing slowing(density_g_per_cm3);
  const LineMarks marks(nucleus_radius_um, density_g_per_cm3, slowing, n_points);
  const QuadratureRule radii = gauss_legendre(n_radii);
  std::vector<double> histogram(edge_Gy.size() - 1, 0.0);
  for (const auto& line : ranged_lines(chain, slowing)) {
    const double decays = chain.decays_per_parent_decay[line.member] * line.yield;
    const auto add_place = [&](double rho, double share) {
      marks.visit_hits(rho, line.range_um, [&](double z, double weight) {
        const auto upper = std::upper_bound(edge_Gy.begin(), edge_Gy.end(), z);
        if (upper == edge_Gy.begin() || upper == edge_Gy.end()) return;
        histogram[static_cast<std::size_t>(upper - edge_Gy.begin() - 1)] += decays * share * weight;
      });
    };
    if (source.is_surface()) {
      add_place(source.outer_um, 1.0);
      continue;
    }
    const double width = source.outer_um - source.inner_um;
    for (std::size_t k = 0; k < n_radii; ++k) {
      const double rho = source.inner_um + width * radii.node[k];
      const double area = 4.0 * constants::pi * rho * rho;
      add_place(rho, width * radii.weight[k] * area / source.measure());
    }
  }
  return histogram;
}

}  // namespace immunodose
