// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/electron_collisions.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/constants.hpp"
#include "immunodose/physics/bremsstrahlung.hpp"
#include "immunodose/transport/direction.hpp"

namespace immunodose {

using constants::electron_rest_energy_keV;

double sample_hard_loss(const ElectronPhysics& physics, double energy_keV, double threshold_keV,
                        Stream& random) {
  // From 1/W^2 by inversion, then rejection.
  const double inverse_low = 1.0 / threshold_keV;
  const double inverse_high = 1.0 / largest_loss_keV(energy_keV);
  for (;;) {
    const double u = random.uniform32();
    const double loss = 1.0 / (inverse_low - u * (inverse_low - inverse_high));
    if (random.uniform32() < physics.hard_acceptance(energy_keV, loss)) return loss;
  }
}

double knock_on_cosine(double energy_keV, double loss_keV) {
  constexpr double rest = 2.0 * electron_rest_energy_keV;
  return std::min(1.0,
                  std::sqrt(loss_keV * (energy_keV + rest) / (energy_keV * (loss_keV + rest))));
}

double sample_soft_loss(double mean_keV, double variance_keV2, Stream& random) {
  const double ratio = variance_keV2 / (mean_keV * mean_keV);
  // Mean and variance are kept by a sum of three uniform numbers (many collisions), one uniform
  // number, or one with an atom at no loss (few collisions). Eq. E22.
  constexpr double nearly_normal = 1.0 / 9.0;
  constexpr double uniform = 1.0 / 3.0;
  if (ratio <= nearly_normal) {
    // The sum less 3/2 has the variance 1/4.
    return mean_keV * (1.0 + 2.0 * std::sqrt(ratio) * (random.sum_of_thirds() - 1.5));
  }
  const double u = random.uniform32();
  if (ratio <= uniform) return mean_keV * (1.0 + std::sqrt(12.0 * ratio) * (u - 0.5));
  const double none = (3.0 * ratio - 1.0) / (3.0 * ratio + 3.0);
  const double widest = 1.5 * mean_keV * (ratio + 1.0);
  return u < none ? 0.0 : widest * (u - none) / (1.0 - none);
}

void radiate(Particle& electron, Stream& random, std::vector<Particle>& photons) {
  double photon = 0.0;
  while (photon == 0.0) {
    photon = sample_bremsstrahlung_keV(electron.energy_keV, random.uniform32(), random.uniform32());
  }
  const double cosine = sample_bremsstrahlung_cosine(electron.energy_keV, random.uniform32());
  photons.push_back({ParticleKind::photon, photon, electron.position_um,
                     deflected(electron.direction, cosine, random_azimuth(random)),
                     electron.weight});
  electron.energy_keV -= photon;
}

void annihilate(const Particle& positron, Stream& random, std::vector<Particle>& photons) {
  const Vec3 direction = isotropic_direction(random);
  for (const double sign : {1.0, -1.0}) {
    photons.push_back({ParticleKind::photon, electron_rest_energy_keV, positron.position_um,
                       sign * direction, positron.weight});
  }
}

}  // namespace immunodose
