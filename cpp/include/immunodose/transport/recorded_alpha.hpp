// SPDX-License-Identifier: BSD-3-Clause
// An AlphaStepper that keeps the ends of its pieces.
#pragma once
#include <algorithm>
#include <vector>

#include "immunodose/geometry/sphere_scene.hpp"
#include "immunodose/physics/alpha_track.hpp"

namespace immunodose {

class RecordedAlpha {
 public:
  struct Piece {
    Place place;
    double to_um;  // along the track
    double lost_keV;
    double left_keV;
  };

  RecordedAlpha(AlphaStepper& stepper, const AlphaTrackTable& table)
      : stepper_(stepper), table_(table) {}

  double reach_um() const { return stepper_.reach_um(); }
  bool stopped() const { return stepper_.stopped(); }
  // Where the next piece lies; without a call it is the medium.
  void in(Place place) { place_ = place; }
  AlphaLoss advance(double length_um) {
    const double residual_um = table_.range_um(stepper_.energy_keV());
    const AlphaLoss loss = stepper_.advance(length_um);
    // It stops within the piece, after its residual range.
    keep(loss, stepper_.stopped() ? std::min(residual_um, length_um) : length_um);
    return loss;
  }
  AlphaLoss stop() {
    const double residual_um = table_.range_um(stepper_.energy_keV());
    const AlphaLoss loss = stepper_.stop();
    keep(loss, residual_um);
    return loss;
  }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  void keep(const AlphaLoss& loss, double length_um) {
    if (loss.energy_keV > 0.0) {
      at_um_ += length_um;
      pieces_.push_back({place_, at_um_, loss.energy_keV, stepper_.energy_keV()});
    } else if (!stopped()) {
      at_um_ += std::max(0.0, length_um);
    }
    place_ = {};
  }

  AlphaStepper& stepper_;
  const AlphaTrackTable& table_;
  Place place_;
  double at_um_ = 0.0;
  std::vector<Piece> pieces_;
};

}  // namespace immunodose
