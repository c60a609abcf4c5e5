// SPDX-License-Identifier: BSD-3-Clause
// What transport moves, and what a scorer of deposited energy must offer.
#pragma once
#include <concepts>
#include <cstdint>

#include "immunodose/core/vec3.hpp"

namespace immunodose {

enum class ParticleKind : std::uint8_t { electron, positron, photon, alpha };

struct Particle {
  ParticleKind kind;
  double energy_keV;
  Vec3 position_um;
  Vec3 direction;       // unit vector
  double weight = 1.0;  // of every deposit, for variance reduction
  // Of a delta ray: energy of the electron not set free by another that it stems from, when it left
  // that. Its deposits count with the LET of that electron. 0: with its own. Eq. MC-13.
  double let_energy_keV = 0.0;
};

// Where transport leaves its energy. Calls come in the order of the history; energies are weighted.
template <class S>
concept Scorer = requires(S scorer, Vec3 position_um, Vec3 direction, double value) {
  // keV left at a point.
  scorer.point(position_um, value);
  // keV left uniformly along `length_um` from a point on.
  scorer.segment(position_um, direction, value /* length_um */, value /* keV */);
  // A lower bound (um) of the distance to the nearest surface between two scored regions; 0 where
  // unknown. A particle that can go no farther than this is absorbed where it is.
  { scorer.clearance(position_um) } -> std::convertible_to<double>;
};

}  // namespace immunodose
