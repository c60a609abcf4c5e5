// SPDX-License-Identifier: BSD-3-Clause
// Alpha hits of a nucleus and the moments of the specific energy that one decay imparts.
// One decay of the parent with its retained progeny is one event: its alphas are a cluster.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/geometry/region_overlap.hpp"
#include "immunodose/physics/alpha_stopping.hpp"
#include "immunodose/transport/hit_source.hpp"

namespace immunodose {

// Decay chain as a graph; member 0 is the parent, daughters come after their parents.
struct AlphaChain {
  std::vector<double> decays_per_parent_decay;  // per member, retention and horizon included
  struct Edge {
    std::int64_t parent;
    std::int64_t daughter;
    double fraction;  // of the decays of the parent
    bool is_alpha;
  };
  std::vector<Edge> edges;
  struct Line {
    std::int64_t member;
    double energy_keV;
    double yield;  // per decay of the member
  };
  std::vector<Line> lines;
};

// Per decay of the parent at one place: linear channels that add up over decays.
struct HitChannels {
  static constexpr std::size_t n_moments = 6;
  // Columns: mean traversals; M_0 = P(at least one hit); M_k = E[z^k], k = 1..5, z in Gy;
  // last: sum over single traversals of z^2.
  static constexpr std::size_t traversals = 0;
  static constexpr std::size_t first_moment = 1;
  static constexpr std::size_t single_square = first_moment + n_moments;
  static constexpr std::size_t count = single_square + 1;
};
using HitVector = std::array<double, HitChannels::count>;

// The channels as a function of the distance between decay and nucleus center, tabulated once
// for a nucleus radius. Eqs. 12-16, docs/theory/hits.md.
class PointHitTable {
 public:
  PointHitTable(const AlphaChain& chain, double nucleus_radius_um, double density_g_per_cm3,
                const AlphaSlowing& slowing);

  HitVector at(double rho_um) const;
  // Mean over decays uniform in `source`, centered at distance_um from the nucleus center.
  HitVector source_mean(const HitSource& source) const;
  HitVector source_mean(Region source, double distance_um) const {
    return source_mean(HitSource{source, distance_um, 0.0});
  }
  // Integral over all space (um3): hits per unit concentration of decays everywhere.
  HitVector space_integral() const;
  double reach_um() const { return rho_um_.back(); }
  std::size_t size() const { return value_.size(); }
  const HitVector* data() const { return value_.data(); }

 private:
  std::vector<double> rho_um_;
  std::vector<HitVector> value_;
};

}  // namespace immunodose
