// SPDX-License-Identifier: BSD-3-Clause
// How electrons are followed. docs/theory/electrons.md, sections 6 and 7.
#pragma once
#include <limits>

namespace immunodose {

enum class ElectronMode { detailed, condensed };

struct ElectronOptions {
  ElectronMode mode = ElectronMode::condensed;
  double cutoff_keV = 0.05;  // slower electrons are absorbed where they are
  // Condensed flights are cut to this length; the result does not depend on it.
  double longest_step_um = std::numeric_limits<double>::infinity();
  // A particle is absorbed where it is if this many CSDA ranges do not lead out of its region.
  double reach_factor = 1.2;
};

}  // namespace immunodose
