// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/alpha_track.hpp"

#include <algorithm>

namespace immunodose {

void AlphaTracker::operator()(const Particle& alpha, Stream& random, CellTally& tally) {
  AlphaStepper stepper(table_, alpha.energy_keV, straggling_ == Straggling::on, random);
  cut_.clear();
  tally.visit_chords(
      alpha.position_um, alpha.direction, stepper.reach_um(),
      [&](std::size_t cell, const CellChords& chords) { cut_.emplace_back(cell, chords); });
  tally.count(alpha.weight * alpha.energy_keV);
  if (cut_.empty()) return;
  walk(stepper);
  const auto lost = [&](const PathPart& chord) {
    return chord.length_um() > 0.0
               ? alpha.weight * (energy_left_keV(chord.enter_um) - energy_left_keV(chord.exit_um))
               : 0.0;
  };
  for (const auto& [cell, chords] : cut_) {
    const double nucleus = lost(chords.nucleus);
    const double inside = lost(chords.inside);
    tally.add(cell, SolidRegion::nucleus, nucleus);
    tally.add(cell, SolidRegion::cytoplasm, inside - nucleus);
    tally.add(cell, SolidRegion::membrane, lost(chords.cell) - inside);
  }
}

// Chords of overlapping cells interlace, so the energy is kept at every surface on the way.
void AlphaTracker::walk(AlphaStepper& stepper) {
  surface_um_.clear();
  left_keV_.clear();
  for (const auto& [cell, chords] : cut_) {
    for (const PathPart& chord : {chords.nucleus, chords.inside, chords.cell}) {
      if (chord.length_um() <= 0.0) continue;
      surface_um_.push_back(chord.enter_um);
      surface_um_.push_back(chord.exit_um);
    }
  }
  std::sort(surface_um_.begin(), surface_um_.end());
  double at_um = 0.0;
  for (const double surface_um : surface_um_) {
    stepper.advance(surface_um - at_um);
    at_um = surface_um;
    left_keV_.push_back(stepper.energy_keV());
  }
}

double AlphaTracker::energy_left_keV(double path_um) const {
  const auto found = std::lower_bound(surface_um_.begin(), surface_um_.end(), path_um);
  return left_keV_[static_cast<std::size_t>(found - surface_um_.begin())];
}

}  // namespace immunodose
