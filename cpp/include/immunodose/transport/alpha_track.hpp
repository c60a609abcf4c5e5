// SPDX-License-Identifier: BSD-3-Clause
// One alpha in cells that may overlap: a straight track cut where it meets their surfaces.
// docs/theory/single_cell_monte_carlo.md, section 3.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "immunodose/core/streams.hpp"
#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/transport/cell_tally.hpp"
#include "immunodose/transport/particle.hpp"

namespace immunodose {

enum class Straggling { off, on };

class AlphaTracker {
 public:
  // `table` outlives this object.
  AlphaTracker(const AlphaTrackTable& table, Straggling straggling)
      : table_(table), straggling_(straggling) {}

  void operator()(const Particle& alpha, Stream& random, CellTally& tally);

 private:
  void walk(AlphaStepper& stepper);
  double energy_left_keV(double path_um) const;

  const AlphaTrackTable& table_;
  Straggling straggling_;
  std::vector<std::pair<std::size_t, CellChords>> cut_;
  std::vector<double> surface_um_;  // path lengths to the surfaces, ascending
  std::vector<double> left_keV_;    // energy there
};

}  // namespace immunodose
