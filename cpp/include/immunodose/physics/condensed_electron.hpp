// SPDX-License-Identifier: BSD-3-Clause
// Grouping of the many soft collisions of an electron, for condensed steps: collisions harder
// than two cut-offs stay single, the others act as one deflection and one loss per step.
// Eqs. E19-E23, docs/theory/electrons.md.
#pragma once
#include <cstddef>
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
  CondensedRates make_node(const ElectronPhysics& physics, std::size_t i) const;

  CondensedOptions options_;
  std::vector<CondensedRates> nodes_;
};

// Inline: most callers need one or two of the rates.
inline CondensedRates CondensedElectron::at(double energy_keV) const {
  const auto place = ElectronPhysics::energies.find(energy_keV);
  const CondensedRates& a = nodes_[place.cell];
  const CondensedRates& b = nodes_[place.cell + 1];
  const auto mix = [&](double low, double high) { return low + place.fraction * (high - low); };
  return {mix(a.hard_elastic, b.hard_elastic),
          mix(a.hard_close, b.hard_close),
          mix(a.mu_cut, b.mu_cut),
          mix(a.soft_transport, b.soft_transport),
          mix(a.soft_stopping, b.soft_stopping),
          mix(a.soft_straggling, b.soft_straggling),
          mix(a.longest_step, b.longest_step)};
}

}  // namespace immunodose
