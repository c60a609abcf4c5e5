// SPDX-License-Identifier: BSD-3-Clause
// What the tables, densities and histories of alpha hits share: paths through a ball, the energy
// they leave there, and the order of the alphas of a chain. Eqs. 12-15, docs/theory/hits.md.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/quadrature.hpp"
#include "immunodose/physics/alpha_stopping.hpp"
#include "immunodose/transport/hit_table.hpp"

namespace immunodose {

// Gy that 1 keV gives to a ball.
double gray_per_keV(double radius_um, double density_g_per_cm3);

// Calls visit(entry_um, exit_um, weight) for straight paths through a ball of radius R from a
// point at distance rho; weights are shares of the solid angle. `track_um` is where the track
// ends: the quadrature is split there.
class BallPaths {
 public:
  explicit BallPaths(QuadratureRule rule) : rule_(std::move(rule)) {}

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

// Hits of one alpha line from one place: mark of a single alpha. Eq. 13.
class LineMarks {
 public:
  LineMarks(double nucleus_radius_um, double density_g_per_cm3, const AlphaSlowing& slowing,
            QuadratureRule rule)
      : radius_um_(nucleus_radius_um),
        gray_per_keV_(gray_per_keV(nucleus_radius_um, density_g_per_cm3)),
        slowing_(slowing),
        paths_(std::move(rule)) {}

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
  double yield;  // per decay of the member
  double range_um;
};

// Lines of one member within 10 keV (0.1 um of range) become one.
std::vector<RangedLine> ranged_lines(const AlphaChain& chain, const AlphaSlowing& slowing);
// Alphas per decay of each member.
std::vector<double> alpha_yields(const AlphaChain& chain);

// What can follow when a member decays: probabilities that sum to 1.
struct ChainBranch {
  double probability;
  bool is_alpha;
  std::size_t daughter;  // no_daughter: stable, or not known
  static constexpr std::size_t no_daughter = static_cast<std::size_t>(-1);
};

// The branches of every member, and the share `kept` of the new atoms of each member that stay and
// decay before the horizon.
struct ChainBranches {
  ChainBranches(const AlphaChain& chain, const std::vector<double>& alpha_yield);

  std::vector<std::vector<ChainBranch>> of;
  std::vector<double> kept;
};

// Solves the chain from its ends upwards for one place. Eq. 15. A Mark is a distribution of z
// with zero(), miss(), add(weight, mark), and convolve(a, b); own[n] is the mark of the alphas of
// member n, weighted by their yield.
template <class Mark>
Mark parent_mark(const ChainBranches& branches, const std::vector<double>& alpha_yield,
                 const std::vector<Mark>& own) {
  std::vector<Mark> whole(own.size(), Mark::miss());
  for (std::size_t n = own.size(); n-- > 0;) {
    Mark sum = Mark::zero();
    for (const auto& branch : branches.of[n]) {
      const bool ends = branch.daughter == ChainBranch::no_daughter;
      Mark after = Mark::zero();
      const double kept = ends ? 0.0 : branches.kept[branch.daughter];
      if (kept > 0.0) after.add(kept, whole[branch.daughter]);
      after.add(1.0 - kept, Mark::miss());
      if (branch.is_alpha) {
        sum.add(branch.probability / alpha_yield[n], convolve(own[n], after));
      } else {
        sum.add(branch.probability, after);
      }
    }
    whole[n] = std::move(sum);
  }
  return whole.front();
}

}  // namespace immunodose
