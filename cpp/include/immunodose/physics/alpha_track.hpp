// SPDX-License-Identifier: BSD-3-Clause
// One alpha particle followed piece by piece along its straight track: energy, LET, straggling.
// Eqs. MC-4 to MC-6, docs/theory/monte_carlo.md.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "immunodose/core/sampling.hpp"
#include "immunodose/physics/alpha_stopping.hpp"

namespace immunodose {

// Energy, integral of the squared stopping power and variance of the range against the residual
// range; built once, then read-only.
class AlphaTrackTable {
 public:
  AlphaTrackTable(double density_g_per_cm3, double max_energy_keV);

  struct State {
    double energy_keV;
    double energy_let_keV2_per_um;  // integral of LET over the energy that is left
    double range_variance_um2;      // of the residual range
  };
  State at(double residual_range_um) const { return at<true>(residual_range_um); }
  template <bool with_variance>
  State at(double residual_range_um) const;
  double range_variance_um2(double residual_range_um) const {
    return residual_range_um > 0.0 ? column(place(residual_range_um), 2) : 0.0;
  }
  double range_um(double energy_keV) const { return slowing_.range_um(energy_keV); }
  double let_keV_per_um(double energy_keV) const { return slowing_.let_keV_per_um(energy_keV); }

 private:
  // Value and derivative in sqrt(range), times the step, of the three columns.
  struct Node {
    double value[3];
    double slope[3];
  };
  // Between which nodes, with the weights of their values and slopes.
  struct Place {
    const Node* node;
    double from_a, from_b, slope_a, slope_b;
  };
  Place place(double residual_range_um) const;
  static double column(const Place& p, std::size_t c) {
    return p.node[0].value[c] * p.from_a + p.node[1].value[c] * p.from_b +
           p.node[0].slope[c] * p.slope_a - p.node[1].slope[c] * p.slope_b;
  }

  AlphaSlowing slowing_;
  double root_step_;
  double nodes_per_root_;
  std::vector<Node> nodes_;
};

inline AlphaTrackTable::Place AlphaTrackTable::place(double residual_range_um) const {
  const double position = std::sqrt(residual_range_um) * nodes_per_root_;
  const auto i = std::min(nodes_.size() - 2, static_cast<std::size_t>(position));
  const double t = position - static_cast<double>(i);
  const double u = 1.0 - t;
  return {&nodes_[i], u * u * (1.0 + 2.0 * t), t * t * (3.0 - 2.0 * t), t * u * u, t * t * u};
}

template <bool with_variance>
AlphaTrackTable::State AlphaTrackTable::at(double residual_range_um) const {
  if (residual_range_um <= 0.0) return {0.0, 0.0, 0.0};
  const Place p = place(residual_range_um);
  return {column(p, 0), column(p, 1), with_variance ? column(p, 2) : 0.0};
}

// What a piece of track leaves; nothing is created: the losses of all pieces sum to the energy.
struct AlphaLoss {
  double energy_keV = 0.0;
  double energy_let_keV2_per_um = 0.0;
};

class AlphaStepper {
 public:
  AlphaStepper(const AlphaTrackTable& table, double energy_keV, bool straggling, Stream& stream)
      : table_(table),
        straggling_(straggling),
        stream_(stream),
        residual_um_(table.range_um(energy_keV)),
        state_(table.at(residual_um_)) {
    state_.energy_keV = energy_keV;
  }

  double energy_keV() const { return state_.energy_keV; }
  bool stopped() const { return residual_um_ <= 0.0; }
  // No track gets farther: 10 standard deviations of the range beyond its mean.
  double reach_um() const {
    return residual_um_ + (straggling_ ? 10.0 * std::sqrt(state_.range_variance_um2) : 0.0);
  }

  AlphaLoss advance(double length_um) {
    if (length_um <= 0.0 || stopped()) return {};
    double left_um = residual_um_ - length_um;
    if (straggling_) {
      // Eq. MC-5: a loss too large by d keV is a track too long by d / LET.
      const double variance = state_.range_variance_um2 - table_.range_variance_um2(left_um);
      if (variance > 0.0) left_um += std::sqrt(variance) * normal_number(stream_);
    }
    residual_um_ = std::clamp(left_um, 0.0, residual_um_);
    return move_to(straggling_ ? table_.at<true>(residual_um_) : table_.at<false>(residual_um_));
  }

  // Leaves all that is left.
  AlphaLoss stop() {
    residual_um_ = 0.0;
    return move_to({0.0, 0.0, 0.0});
  }

 private:
  AlphaLoss move_to(const AlphaTrackTable::State& next) {
    const AlphaLoss loss{state_.energy_keV - next.energy_keV,
                         state_.energy_let_keV2_per_um - next.energy_let_keV2_per_um};
    state_ = next;
    return loss;
  }

  const AlphaTrackTable& table_;
  bool straggling_;
  Stream& stream_;
  double residual_um_;
  AlphaTrackTable::State state_;
};

}  // namespace immunodose
