// SPDX-License-Identifier: BSD-3-Clause
// What electrons tell a scorer beside their deposits, where it asks: with which LET these count,
// and how much of them came from electrons at the cut-off. Sections 2 and 4,
// docs/theory/monte_carlo.md.
#pragma once
#include "immunodose/core/vec3.hpp"
#include "immunodose/transport/electron_options.hpp"
#include "immunodose/transport/particle.hpp"

namespace immunodose {

// The energy whose LET the deposits of a delta ray of this electron count with. Eq. MC-13.
inline double let_energy_keV(const Particle& electron) {
  return electron.let_energy_keV > 0.0 ? electron.let_energy_keV : electron.energy_keV;
}

// Before deposits of an electron that then has this energy.
template <class S>
void tell_energy(const Particle& electron, double energy_keV, S& scorer) {
  if constexpr (requires { scorer.energy(energy_keV); }) {
    scorer.energy(electron.let_energy_keV > 0.0 ? electron.let_energy_keV : energy_keV);
  }
}

// Before the deposit of all that is left of an electron, or of energy as of one that stops.
template <class S>
void tell_stopped(double energy_keV, S& scorer) {
  if constexpr (requires { scorer.stopped(energy_keV); }) {
    if (energy_keV > 0.0) scorer.stopped(energy_keV);
  }
}
template <class S>
void tell_stopped(const Particle& electron, S& scorer) {
  if (electron.let_energy_keV == 0.0) tell_stopped(electron.energy_keV, scorer);
}

// After a deposit: whether an electron at or below the cut-off left it.
template <class S>
void count_slow(double energy_keV, double weight, const ElectronOptions& options, S& scorer) {
  if constexpr (requires { scorer.below_cutoff(energy_keV); }) {
    if (energy_keV > 0.0 && energy_keV <= options.cutoff_keV) {
      scorer.below_cutoff(weight * energy_keV);
    }
  }
}

// Energy along a straight way, with the density 1 + tilt (2 t/length - 1) times the mean.
template <class S>
void score_way(const Particle& e, double length_um, double loss_keV, double tilt, S& scorer) {
  const double keV = e.weight * loss_keV;
  if constexpr (requires { scorer.segment(e.position_um, e.direction, 1.0, 1.0, tilt); }) {
    scorer.segment(e.position_um, e.direction, length_um, keV, tilt);
  } else {
    const double half_um = 0.5 * length_um;
    const Vec3 middle = e.position_um + half_um * e.direction;
    scorer.segment(e.position_um, e.direction, half_um, (0.5 - 0.25 * tilt) * keV);
    scorer.segment(middle, e.direction, half_um, (0.5 + 0.25 * tilt) * keV);
  }
}

}  // namespace immunodose
