// SPDX-License-Identifier: BSD-3-Clause
// One alpha in cells: a straight track whose energy follows the residual range, with straggling.
// docs/theory/single_cell_monte_carlo.md, section 3.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "immunodose/core/streams.hpp"
#include "immunodose/physics/alpha_stopping.hpp"
#include "immunodose/transport/cell_tally.hpp"
#include "immunodose/transport/particle.hpp"

namespace immunodose {

enum class Straggling { off, on };

class AlphaTracker {
 public:
  // `slowing` outlives this object and has the same density.
  AlphaTracker(const AlphaSlowing& slowing, double density_g_per_cm3, Straggling straggling)
      : slowing_(slowing), density_(density_g_per_cm3), straggling_(straggling) {}

  void operator()(const Particle& alpha, Stream& random, CellTally& tally);

 private:
  // From `path_um` on the alpha has the residual range; `excess_keV` more or less than the mean
  // loss is spread evenly over the step.
  struct Step {
    double path_um;
    double length_um;
    double range_um;
    double excess_keV;
  };

  void walk(double energy_keV, double last_um, Stream& random);
  double excess_keV(double energy_keV, double mean_loss_keV, double length_um,
                    Stream& random) const;
  double energy_left_keV(double path_um) const;

  const AlphaSlowing& slowing_;
  double density_;
  Straggling straggling_;
  std::vector<std::pair<std::size_t, CellChords>> cut_;
  std::vector<Step> steps_;
};

}  // namespace immunodose
