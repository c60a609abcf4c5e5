// SPDX-License-Identifier: BSD-3-Clause
// Follows the electrons that photons set free along a line from the origin, and scores their energy
// by distance from the origin. Eq. Ph-12, docs/theory/photons.md.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/physics/photon_physics.hpp"
#include "immunodose/physics/secondary_electrons.hpp"

namespace immunodose {

struct PhotonKernelOptions {
  std::int64_t n_histories = 65536;  // collisions, at least 64
  double cutoff_keV = 0.05;
  std::uint64_t random_root = 1;
  int n_threads = 1;
};

// Of one process; the energy is that of the fastest electron.
struct SecondaryElectronKernel {
  std::vector<double> equivalent_share;  // at SecondaryElectronTable::scaled_distance
  std::vector<double> stderr_share;
  double csda_range_um = 0.0;
};

SecondaryElectronKernel build_photon_kernel(const ElectronPhysics& physics, PhotonProcess process,
                                            double electron_keV, const PhotonKernelOptions& options,
                                            const StopPoll& stop = {});

}  // namespace immunodose
