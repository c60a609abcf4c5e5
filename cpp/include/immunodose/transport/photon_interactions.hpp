// SPDX-License-Identifier: BSD-3-Clause
// What one photon interaction leaves behind: energies and directions, drawn from their
// distributions. docs/theory/photons.md, section 2.
#pragma once
#include <cmath>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/core/vec3.hpp"
#include "immunodose/transport/direction.hpp"

namespace immunodose {

struct Outgoing {
  double energy_keV;
  Vec3 direction;
};

struct ComptonPair {
  Outgoing photon;
  Outgoing electron;
};

// Klein-Nishina on a free electron at rest, Eq. Ph-1: the energy share e of the photon has the
// density (e + 1/e) (1 - e sin^2/(1 + e^2)), a mixture times a rejection [Butcher & Messel 1960,
// Nucl Phys 20:15].
inline ComptonPair compton_scattering(double energy_keV, Vec3 direction, Stream& random) {
  const double k = energy_keV / constants::electron_rest_energy_keV;
  const double lowest = 1.0 / (1.0 + 2.0 * k);
  const double log_part = -std::log(lowest);
  const double square_part = 0.5 * (1.0 - lowest * lowest);
  double share = 1.0;
  double one_minus_cosine = 0.0;
  for (;;) {
    const bool inverse = random.uniform() * (log_part + square_part) < log_part;
    const double u = random.uniform();
    share = inverse ? std::exp(-log_part * u)
                    : std::sqrt(lowest * lowest + (1.0 - lowest * lowest) * u);
    one_minus_cosine = std::fmin(2.0, (1.0 - share) / (k * share));
    const double sine_squared = one_minus_cosine * (2.0 - one_minus_cosine);
    if (random.uniform() < 1.0 - share * sine_squared / (1.0 + share * share)) break;
  }
  const double left = share * energy_keV;
  const Vec3 turned = deflected(direction, 1.0 - one_minus_cosine, random_azimuth(random));
  // Momentum is conserved: the electron takes the difference, in keV/c.
  const Vec3 momentum = energy_keV * direction - left * turned;
  const double size = norm(momentum);
  const Vec3 recoil = size > 0.0 ? (1.0 / size) * momentum : direction;
  return {{left, turned}, {energy_keV - left, recoil}};
}

// Polar cosine of a photoelectron from the K shell, Eq. Ph-8 [Sauter 1931, Ann Phys 403:454]:
// nu = 1 - cosine from nu/(A + nu)^3 by inversion, the rest by rejection.
inline double photoelectron_cosine(double electron_keV, Stream& random) {
  const double gamma = 1.0 + electron_keV / constants::electron_rest_energy_keV;
  const double beta = std::sqrt(1.0 - 1.0 / (gamma * gamma));
  const double a = 1.0 / beta - 1.0;
  const double spin = 0.5 * beta * gamma * (gamma - 1.0) * (gamma - 2.0);
  const auto rest = [&](double nu) { return (2.0 - nu) * (1.0 / (a + nu) + spin); };
  for (;;) {
    const double u = random.uniform();
    const double nu =
        2.0 * a * (2.0 * u + (a + 2.0) * std::sqrt(u)) / ((a + 2.0) * (a + 2.0) - 4.0 * u);
    // `rest` falls from nu = 0 on (up to 10 MeV, checked numerically).
    if (random.uniform() * rest(0.0) < rest(nu)) return 1.0 - nu;
  }
}

// Polar cosine of either particle of a pair, Eq. Ph-9: density 1/(1 - beta cosine)^2, the leading
// term at high energy.
inline double pair_cosine(double kinetic_keV, Stream& random) {
  const double gamma = 1.0 + kinetic_keV / constants::electron_rest_energy_keV;
  const double beta = std::sqrt(1.0 - 1.0 / (gamma * gamma));
  const double u = 2.0 * random.uniform() - 1.0;
  return (u + beta) / (u * beta + 1.0);
}

}  // namespace immunodose
