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
  State at(double residual_range_um) const {
    State state = losses(residual_range_um);
    state.range_variance_um2 = range_variance_um2(residual_range_um);
    return state;
  }
  // The same without the variance of the range.
  State losses(double residual_range_um) const;
  double range_variance_um2(double residual_range_um) const;
  double range_um(double energy_keV) const { return slowing_.range_um(energy_keV); }
  double let_keV_per_um(double energy_keV) const { return slowing_.let_keV_per_um(energy_keV); }

 private:
  // Coefficients of the cubics in the place between two nodes, from 0 to 1; of energy and
  // energy-LET side by side, in one line of the cache.
  struct alignas(64) Losses {
    double power[4][2];
  };
  struct alignas(32) Variance {
    double power[4];
  };
  struct Place {
    std::size_t interval;
    double fraction;
  };
  Place place(double residual_range_um) const {
    const double position = std::sqrt(residual_range_um) * nodes_per_root_;
    const auto i = std::min(losses_.size() - 1, static_cast<std::size_t>(position));
    return {i, position - static_cast<double>(i)};
  }

  AlphaSlowing slowing_;
  double nodes_per_root_;
  std::vector<Losses> losses_;
  std::vector<Variance> variance_;
};

inline AlphaTrackTable::State AlphaTrackTable::losses(double residual_range_um) const {
  if (residual_range_um <= 0.0) return {0.0, 0.0, 0.0};
  const auto [i, t] = place(residual_range_um);
  const auto& c = losses_[i].power;
  return {c[0][0] + t * (c[1][0] + t * (c[2][0] + t * c[3][0])),
          c[0][1] + t * (c[1][1] + t * (c[2][1] + t * c[3][1])), 0.0};
}

inline double AlphaTrackTable::range_variance_um2(double residual_range_um) const {
  if (residual_range_um <= 0.0) return 0.0;
  const auto [i, t] = place(residual_range_um);
  const auto& c = variance_[i].power;
  return c[0] + t * (c[1] + t * (c[2] + t * c[3]));
}

// An alpha at its start; the range of an energy takes longer than a track.
struct AlphaStart {
  AlphaStart(const AlphaTrackTable& table, double energy)
      : energy_keV(energy), range_um(table.range_um(energy)), state(table.at(range_um)) {
    state.energy_keV = energy;
  }
  double energy_keV;
  double range_um;
  AlphaTrackTable::State state;
};

// The starts of the last energies: decays have few.
class AlphaStarts {
 public:
  const AlphaStart& at(const AlphaTrackTable& table, double energy_keV) {
    for (const AlphaStart& start : starts_) {
      if (start.energy_keV == energy_keV) return start;
    }
    constexpr std::size_t most = 16;
    if (starts_.size() < most) return starts_.emplace_back(table, energy_keV);
    oldest_ = (oldest_ + 1) % most;
    return starts_[oldest_] = AlphaStart(table, energy_keV);
  }

 private:
  std::vector<AlphaStart> starts_;
  std::size_t oldest_ = 0;
};

// What a piece of track leaves; nothing is created: the losses of all pieces sum to the energy.
struct AlphaLoss {
  double energy_keV = 0.0;
  double energy_let_keV2_per_um = 0.0;
};

// Goes on to another state and returns what is lost on the way.
inline AlphaLoss move_to(AlphaTrackTable::State& state, const AlphaTrackTable::State& next) {
  const AlphaLoss loss{state.energy_keV - next.energy_keV,
                       state.energy_let_keV2_per_um - next.energy_let_keV2_per_um};
  state = next;
  return loss;
}

class AlphaStepper {
 public:
  AlphaStepper(const AlphaTrackTable& table, double energy_keV, bool straggling, Stream& stream)
      : AlphaStepper(table, AlphaStart(table, energy_keV), straggling, stream) {}
  AlphaStepper(const AlphaTrackTable& table, const AlphaStart& start, bool straggling,
               Stream& stream)
      : table_(table),
        straggling_(straggling),
        stream_(stream),
        residual_um_(start.range_um),
        state_(start.state) {}

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
    return move_to(state_, straggling_ ? table_.at(residual_um_) : table_.losses(residual_um_));
  }

  // Leaves all that is left.
  AlphaLoss stop() {
    residual_um_ = 0.0;
    return move_to(state_, {0.0, 0.0, 0.0});
  }

 private:
  const AlphaTrackTable& table_;
  bool straggling_;
  Stream& stream_;
  double residual_um_;
  AlphaTrackTable::State state_;
};

// An AlphaStepper without straggling and without what only straggling needs.
class SteadyAlpha {
 public:
  SteadyAlpha(const AlphaTrackTable& table, const AlphaStart& start)
      : table_(table), residual_um_(start.range_um), state_(start.state) {}

  bool stopped() const { return residual_um_ <= 0.0; }
  double reach_um() const { return residual_um_; }

  AlphaLoss advance(double length_um) {
    if (length_um <= 0.0 || stopped()) return {};
    residual_um_ = std::max(0.0, residual_um_ - length_um);
    return move_to(state_, table_.losses(residual_um_));
  }
  AlphaLoss stop() {
    residual_um_ = 0.0;
    return move_to(state_, {0.0, 0.0, 0.0});
  }

 private:
  const AlphaTrackTable& table_;
  double residual_um_;
  AlphaTrackTable::State state_;
};

}  // namespace immunodose
