// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/electron_collisions.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/constants.hpp"
#include "immunodose/physics/bremsstrahlung.hpp"
#include "immunodose/transport/direction.hpp"

namespace immunodose {

using constants::electron_rest_energy_keV;

void scatter_elastically(Particle& electron, const ElasticScattering& elastic, double mu_cut,
                         Stream& random) {
  const auto& parts = elastic.element;
  const double below0 = parts[0].share_below(mu_cut);
  const double below1 = parts[1].share_below(mu_cut);
  const double above0 = parts[0].rate_per_um * (1.0 - below0);
  const double above1 = parts[1].rate_per_um * (1.0 - below1);
  const bool first = random.uniform32() * (above0 + above1) < above0;
  const auto& part = parts[first ? 0 : 1];
  const double below = first ? below0 : below1;
  const double mu = part.quantile(below + (1.0 - below) * random.uniform32());
  // Spin factor 1 - spin * mu: otherwise nothing happens.
  if (random.uniform32() < part.spin * mu) return;
  electron.direction = turned(electron.direction, 2.0 * mu, random_azimuth(random));
}

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

double sample_soft_loss(const CondensedElectron& condensed, double energy_keV, double step_um,
                        const CondensedRates& rates, Stream& random) {
  // Stopping power of the middle of the step. Eq. E21.
  const double first = rates.soft_stopping * step_um;
  const double middle = energy_keV - 0.5 * first;
  const double mean = middle > ElectronPhysics::energies.first()
                          ? condensed.at(middle).soft_stopping * step_um
                          : first;
  const double ratio = rates.soft_straggling * step_um / (mean * mean);
  // Mean and variance are kept by a sum of three uniform numbers (many collisions), one uniform
  // number, or one with an atom at no loss (few collisions). Eq. E22.
  constexpr double nearly_normal = 1.0 / 9.0;
  constexpr double uniform = 1.0 / 3.0;
  if (ratio <= nearly_normal) {
    const Stream::Halves two = random.halves();
    const double sum = two.first + two.second + random.uniform32();
    return mean * (1.0 + 2.0 * std::sqrt(ratio) * (sum - 1.5));  // variance of the sum: 1/4
  }
  const double u = random.uniform32();
  if (ratio <= uniform) return mean * (1.0 + std::sqrt(12.0 * ratio) * (u - 0.5));
  const double none = (3.0 * ratio - 1.0) / (3.0 * ratio + 3.0);
  const double widest = 1.5 * mean * (ratio + 1.0);
  return u < none ? 0.0 : widest * (u - none) / (1.0 - none);
}

void deflect_softly(Particle& electron, double transport, Stream& random) {
  // mu is exponential, with the exact mean. Eq. E20.
  const double mean_mu = 0.5 * (1.0 - fast_exp(-transport));
  if (mean_mu <= 0.0) return;
  double mu = 2.0;
  while (mu > 1.0) mu = -mean_mu * fast_log(random.uniform32());
  electron.direction = turned(electron.direction, 2.0 * mu, random_azimuth(random));
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
