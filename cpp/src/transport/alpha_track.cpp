// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/alpha_track.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/constants.hpp"
#include "immunodose/physics/alpha_straggling.hpp"

namespace immunodose {
namespace {

// Share of the residual range that a step covers; results do not depend on it (tested).
constexpr double step_share = 0.1;
// Residual range below which the end of the track does not straggle (an alpha of 2-4 keV).
constexpr double last_um = 0.1;
// Longest track over its mean; range straggling is 1-2 % [ICRU 49].
constexpr double longest = 1.2;

// Standard normal [Box and Muller 1958, Ann Math Stat 29:610-611].
double normal(Stream& random) {
  const double radius = std::sqrt(-2.0 * std::log(random.uniform()));
  return radius * std::cos(2.0 * constants::pi * random.uniform());
}

}  // namespace

void AlphaTracker::operator()(const Particle& alpha, Stream& random, CellTally& tally) {
  const double range = slowing_.range_um(alpha.energy_keV);
  const double path = straggling_ == Straggling::on ? longest * range + last_um : range;
  cut_.clear();
  double last_exit = 0.0;
  tally.visit_chords(alpha.position_um, alpha.direction, path,
                     [&](std::size_t cell, const CellChords& chords) {
                       cut_.emplace_back(cell, chords);
                       last_exit = std::max(last_exit, chords.cell.exit_um);
                     });
  tally.count(alpha.weight * alpha.energy_keV);
  if (cut_.empty()) return;
  walk(alpha.energy_keV, last_exit, random);
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

// Steps up to the path length where the last cell ends. Eq. S7.
void AlphaTracker::walk(double energy_keV, double last_path_um, Stream& random) {
  steps_.clear();
  double path = 0.0;
  double range = slowing_.range_um(energy_keV);
  if (straggling_ == Straggling::on) {
    while (path < last_path_um && range > last_um) {
      const double length = std::min(step_share * range, last_path_um - path);
      const double mean_left = slowing_.energy_keV(range - length);
      const double excess = excess_keV(energy_keV, energy_keV - mean_left, length, random);
      steps_.push_back({path, length, range, excess});
      energy_keV = mean_left - excess;
      range = slowing_.range_um(energy_keV);
      path += length;
    }
  }
  constexpr double any_um = 1.0;  // no excess to spread
  steps_.push_back({path, any_um, range, 0.0});
}

// Gaussian, cut where the loss would be negative or twice its mean, which keeps the mean. Eq. S8.
double AlphaTracker::excess_keV(double energy_keV, double mean_loss_keV, double length_um,
                                Stream& random) const {
  const double spread = std::sqrt(alpha_loss_variance_keV2(energy_keV, length_um, density_));
  const double largest = std::min(mean_loss_keV, energy_keV - mean_loss_keV);
  for (;;) {
    const double excess = spread * normal(random);
    if (std::abs(excess) < largest) return excess;
  }
}

double AlphaTracker::energy_left_keV(double path_um) const {
  const auto after =
      std::upper_bound(steps_.begin(), steps_.end(), path_um,
                       [](double path, const Step& step) { return path < step.path_um; });
  const Step& step = after == steps_.begin() ? steps_.front() : *(after - 1);
  const double along = path_um - step.path_um;
  return slowing_.energy_keV(step.range_um - along) - step.excess_keV * along / step.length_um;
}

}  // namespace immunodose
