// SPDX-License-Identifier: BSD-3-Clause
// Fluctuations of the energy loss and of the range of alpha particles in liquid water.
#pragma once
#include <vector>

#include "immunodose/physics/alpha_stopping.hpp"

namespace immunodose {

// Squared effective charge of helium, from 0 to 4. Eq. 6b, docs/theory/physics.md.
double alpha_effective_charge_squared(double energy_keV);

// Variance (keV2) of the electronic energy loss over `length_um`, small against the range, by an
// alpha of `energy_keV`, 0 < energy_keV <= alpha_max_energy_keV. Eq. 6a, docs/theory/physics.md.
double alpha_loss_variance_keV2(double energy_keV, double length_um, double density_g_per_cm3);

// Range straggling at one density; built once, then read-only.
class AlphaStraggling {
 public:
  explicit AlphaStraggling(const AlphaSlowing& slowing, double density_g_per_cm3 = 1.0);

  // Variance (um2) of the range; that of the path between two energies is the difference. Eq. 6c.
  double range_variance_um2(double energy_keV) const;

 private:
  double step_;
  std::vector<double> variance_;  // at alpha_min_energy_keV * exp(i * step_)
};

}  // namespace immunodose
