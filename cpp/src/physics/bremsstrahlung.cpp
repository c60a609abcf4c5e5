// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/bremsstrahlung.hpp"

#include <cmath>

#include "immunodose/physics/electron_stopping.hpp"

namespace immunodose {
namespace {

// Thin-target shape 1/k (1 - x + 3/4 x^2), x = k/T: that of complete screening
// [Koch & Motz, Rev Mod Phys 1959;31:920]. Its strength is that of the radiative stopping power.
constexpr double quadratic = 0.75;

double shape(double x) { return 1.0 - x + quadratic * x * x; }

}  // namespace

double bremsstrahlung_rate_per_um(double energy_keV) {
  if (energy_keV <= 2.0 * bremsstrahlung_min_energy_keV) return 0.0;
  const double x = bremsstrahlung_min_energy_keV / energy_keV;
  const double photons = -std::log(x) - (1.0 - x) + 0.5 * quadratic * (1.0 - x * x);
  const double energy = energy_keV * (1.0 - 0.5 + quadratic / 3.0);  // integral of k times shape
  return 0.1 * electron_radiative_mass_stopping(energy_keV) * photons / energy;
}

double sample_bremsstrahlung_keV(double energy_keV, double u, double accept) {
  const double x = std::pow(bremsstrahlung_min_energy_keV / energy_keV, 1.0 - u);
  return accept < shape(x) ? x * energy_keV : 0.0;
}

double sample_bremsstrahlung_cosine(double energy_keV, double u) {
  const double beta = std::sqrt(electron_beta_squared(energy_keV));
  return (2.0 * u - 1.0 + beta) / (1.0 + beta * (2.0 * u - 1.0));
}

}  // namespace immunodose
