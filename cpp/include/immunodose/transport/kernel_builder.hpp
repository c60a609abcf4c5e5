// SPDX-License-Identifier: BSD-3-Clause
// Makes the dose-point kernel of one electron energy with the project's own transport: energy
// deposited around an isotropic point source, by scaled distance. Eqs. K1-K3,
// docs/theory/kernels.md.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/physics/electron_kernel.hpp"
#include "immunodose/physics/electron_physics.hpp"

namespace immunodose {

struct KernelBuildOptions {
  std::int64_t n_histories = 100000;     // that start
  std::int64_t n_far_histories = 10000;  // that are followed to the end, in the mean
  double cutoff_keV = 0.05;
  std::uint64_t random_root = 1;
  int n_threads = 1;
};

// By scaled distance x = r / CSDA range: 32 bins an octave from 2^-20 to 2, and one from 0.
struct ScaledKernel {
  static constexpr auto scaled_distance = ElectronKernelTable::scaled_distance;
  std::vector<double> fraction_within;  // of the energy, at each node of scaled_distance
  std::vector<double> stderr_within;
  double radiated_fraction = 0.0;  // bremsstrahlung, which leaves
  double csda_range_um = 0.0;
};

ScaledKernel build_kernel(const ElectronPhysics& physics, double energy_keV,
                          const KernelBuildOptions& options, const StopPoll& stop = {});

}  // namespace immunodose
