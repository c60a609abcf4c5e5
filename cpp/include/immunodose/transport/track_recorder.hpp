// SPDX-License-Identifier: BSD-3-Clause
// One decay, or one particle, as points with energy and LET, for drawing and debugging.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/transport/decay_sampler.hpp"
#include "immunodose/transport/electron_transport.hpp"

namespace immunodose {

struct TrackPoints {
  std::vector<double> x_um, y_um, z_um;
  std::vector<double> energy_keV;      // of the particle when it gets to the point
  std::vector<double> let_keV_per_um;  // there
  std::vector<std::int64_t> particle;  // of the decay, in the order of emission
  std::vector<std::int64_t> branch;    // 0: the particle itself, then its secondaries
  std::vector<std::int64_t> emission;
};

struct TrackOptions {
  std::uint64_t root;
  double density_g_per_cm3;
  bool straggling;
  ElectronMode electron_mode;
  double alpha_step_um;    // between the points of an alpha track
  double world_radius_um;  // photons are followed in this ball around the decay
};

// All particles start at the origin; the stream is that of Stage::track_history, number 0.
TrackPoints record_decay(const DecaySampler& decays, const TrackOptions& options);

}  // namespace immunodose
