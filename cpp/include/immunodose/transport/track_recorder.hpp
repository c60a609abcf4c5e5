// SPDX-License-Identifier: BSD-3-Clause
// One decay, or one particle, as points with energy and LET, for drawing and debugging.
// Section 6, docs/theory/monte_carlo.md.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/transport/decay_sampler.hpp"
#include "immunodose/transport/electron_transport.hpp"

namespace immunodose {

enum class TrackParticle : std::uint8_t { alpha = 0, recoil, electron, positron, photon };

// One entry per point; the points of a track follow each other.
struct TrackPoints {
  std::vector<double> x_um, y_um, z_um;
  std::vector<double> energy_keV;           // of the particle when it leaves the point; 0 at rest
  std::vector<double> let_keV_per_um;       // at that energy; NaN for photons, recoils and at rest
  std::vector<double> deposited_keV;        // at the point and on the way to it
  std::vector<std::int64_t> particle;       // TrackParticle
  std::vector<std::int64_t> emission;       // EmissionClass of the emitted particle it stems from
  std::vector<std::int64_t> track, parent;  // parent -1: emitted by the decay
  // In a population: where the deposit was left. The caller's number of the cell (-1: the medium)
  // and CellRegion (n_cell_regions: the medium).
  std::vector<std::int64_t> cell, region;
  double emitted_keV = 0.0;
  double escaped_keV = 0.0;  // by photons that leave the world
  double left_keV = 0.0;     // not followed: after a daughter left, above 3 MeV, or by choice
};

struct TrackOptions {
  std::uint64_t root;
  std::uint64_t history;  // stream of Stage::track_history
  double density_g_per_cm3;
  bool straggling;
  ElectronMode electron_mode;
  double cutoff_keV;       // of electrons
  double alpha_step_um;    // between the points of an alpha track
  double world_radius_um;  // photons are followed in this ball around the origin
  std::int64_t max_points;
};

// All particles start at the origin. Throws InputError beyond max_points.
TrackPoints record_decay(const DecaySampler& decays, const TrackOptions& options);
TrackPoints record_particle(TrackParticle particle, double energy_keV, const TrackOptions& options);

}  // namespace immunodose
