// SPDX-License-Identifier: BSD-3-Clause
// Grouping of the many soft collisions of an electron, for condensed steps: collisions harder
// than two cut-offs stay single, the others act as one deflection and one loss per step.
// Eqs. E19-E23, docs/theory/electrons.md.
#pragma once
#include <vector>

#include "immunodose/physics/electron_physics.hpp"

namespace immunodose {

struct CondensedOptions {
  double hard_loss_keV = 1.0;       // close collisions above are single
  double mean_deflection = 0.1;     // 1 - cosine gathered between two hard elastic collisions
  double largest_loss_share = 0.1;  // of the energy, per step
};

// At one energy; lengths in um.
struct CondensedRates {
  double hard_elastic;
  double hard_close;
  double mu_cut;           // elastic deflections above are hard
  double soft_transport;   // mean 1 - cosine of the soft collisions, per um
  double soft_stopping;    // keV/um
  double soft_straggling;  // keV2/um
  double longest_step;
};

class CondensedElectron {
 public:
  CondensedElectron(const ElectronPhysics& physics, const CondensedOptions& options);

  CondensedRates at(double energy_keV) const;
  double hard_loss_keV() const { return options_.hard_loss_keV; }

 private:
  CondensedRates make_node(const ElectronPhysics& physics, double energy_keV) const;

  CondensedOptions options_;
  std::vector<CondensedRates> nodes_;
};

}  // namespace immunodose
