// SPDX-License-Identifier: BSD-3-Clause
// Energy that photon lines leave around a point source.
#pragma once
#include "immunodose/physics/photon_physics.hpp"
#include "immunodose/physics/radial_kernel.hpp"
#include "immunodose/physics/secondary_electrons.hpp"

namespace immunodose {

struct PhotonKernel {
  RadialKernel kernel;
  double escaped_keV = 0.0;  // per decay, absorbed beyond the reach
};

// Deposit of one photon energy around a point, Eq. Ph-10: exact to first order in the distance,
// and all of the energy in the end.
struct PhotonDecline {
  double absorption_per_um;  // of the energy, at the source
  double buildup_per_um;     // b: the absorption grows as 1 + b r from scattered photons
  double decline_per_um;     // lambda

  // Share of the energy absorbed between two distances, `width_um` apart.
  double share_between(double from_um, double width_um) const;
  double share_beyond(double distance_um) const;
};

PhotonDecline photon_decline(double energy_keV, const PhotonPhysics& physics);

// Electrons carry their energy as the table says (Eq. Ph-15), or are absorbed where they are made
// (null). Lines below photon_min_energy_keV stay at the source (first bin, 0.01 nm wide);
// 0 < reach_um < infinity. Every other deposit ends at reach_um; the rest is `escaped_keV`.
PhotonKernel photon_kernel(const SpectrumLines& lines, double density_g_per_cm3, double reach_um,
                           const SecondaryElectronTable* electrons = nullptr);

}  // namespace immunodose
