// SPDX-License-Identifier: BSD-3-Clause
// Draws the outcome of single collisions and of grouped soft ones. Eqs. E8-E23,
// docs/theory/electrons.md.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/fast_math.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/physics/condensed_electron.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/transport/particle.hpp"

namespace immunodose {

// Loss of a close collision above a threshold below the largest loss.
double sample_hard_loss(const ElectronPhysics& physics, double energy_keV, double threshold_keV,
                        Stream& random);

// 1 - cosine of an elastic collision that may be turned down by the spin factor: then 0.
inline double sample_elastic_deflection(const ElasticShape& shape, Stream& random) {
  const double u = random.uniform32();
  const double mu = shape.screening * u / (1.0 + shape.screening - u);
  return random.uniform32() < shape.spin * mu ? 0.0 : 2.0 * mu;
}

// 1 - cosine of the deflection in a distant longitudinal collision: the recoil energy Q lies
// between the smallest one and the loss, Q/(Q + 2 m) is log-uniform. Eq. E8.
inline double sample_distant_deflection(double energy_keV, double loss_keV, Stream& random) {
  constexpr double mass = constants::electron_rest_energy_keV;
  const double left = energy_keV - loss_keV;
  if (left <= 0.0) return 0.0;
  const double before = std::sqrt(energy_keV * (energy_keV + 2.0 * mass));
  const double after = std::sqrt(left * (left + 2.0 * mass));
  // Smallest momentum transfer: p - p' without cancellation.
  const double least = loss_keV * (energy_keV + left + 2.0 * mass) / (before + after);
  const double root = std::sqrt(mass * mass + least * least) + mass;
  const double low = least * least / (root * root);
  const double high = loss_keV / (loss_keV + 2.0 * mass);
  if (low >= high) return 0.0;
  const double y = low * fast_exp(random.uniform32() * fast_log(high / low));
  const double square = 4.0 * mass * mass * y / ((1.0 - y) * (1.0 - y));  // of the transfer
  return std::clamp((square - least * least) / (2.0 * before * after), 0.0, 2.0);
}

// Cosine of an electron knocked on with energy W from rest. Eq. E11.
double knock_on_cosine(double energy_keV, double loss_keV);

// Loss of many soft collisions with this mean and variance; the mean is positive. Eq. E22.
double sample_soft_loss(double mean_keV, double variance_keV2, Stream& random);

// Emits one bremsstrahlung photon.
void radiate(Particle& electron, Stream& random, std::vector<Particle>& photons);

// Two annihilation quanta of a positron at rest.
void annihilate(const Particle& positron, Stream& random, std::vector<Particle>& photons);

}  // namespace immunodose
