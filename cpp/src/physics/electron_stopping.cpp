// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/electron_stopping.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "immunodose/core/constants.hpp"

namespace immunodose {
namespace {

using constants::electron_rest_energy_keV;

constexpr double z_over_a = 0.55508;    // water, mol/g [ICRU 90]
constexpr double half_k = 0.153537450;  // K/2 of the Bethe formula, MeV cm2/mol [PDG 2022]

// Oscillators of water: strengths, and binding energies in eV [Sternheimer, Berger, Seltzer, At
// Data Nucl Data Tables 1984;30:261]; plasma energy in eV at 0.998 g/cm3, the density of ICRU 90.
constexpr std::array<double, 4> strength = {0.2, 0.2, 0.2, 0.4};
constexpr std::array<double, 4> binding_eV = {13.6, 538.0, 28.48, 13.62};
constexpr double plasma_eV = 21.448;

// Squares of the oscillator energies in units of the plasma energy, scaled so that their mean
// logarithm is that of I. Eq. E4.
std::array<double, 4> scaled_oscillators() {
  const double log_i = std::log(water_mean_excitation_keV * 1e3 / plasma_eV);
  double low = 0.1;
  double high = 10.0;
  std::array<double, 4> square{};
  for (int iteration = 0; iteration < 100; ++iteration) {
    const double factor = 0.5 * (low + high);
    double sum = 0.0;
    for (std::size_t i = 0; i < strength.size(); ++i) {
      const double nu = factor * binding_eV[i] / plasma_eV;
      square[i] = nu * nu;
      sum += 0.5 * strength[i] * std::log(square[i] + 2.0 / 3.0 * strength[i]);
    }
    (sum < log_i ? low : high) = factor;
  }
  return square;
}

}  // namespace

double electron_beta_squared(double energy_keV) {
  const double tau = energy_keV / electron_rest_energy_keV;
  return tau * (tau + 2.0) / ((tau + 1.0) * (tau + 1.0));
}

double water_density_effect(double energy_keV) {
  static const std::array<double, 4> square = scaled_oscillators();
  const double beta2 = electron_beta_squared(energy_keV);
  const double wanted = 1.0 / beta2 - 1.0;
  const auto sum_over = [&](double l2) {
    double sum = 0.0;
    for (std::size_t i = 0; i < square.size(); ++i) sum += strength[i] / (square[i] + l2);
    return sum;
  };
  if (sum_over(0.0) < wanted) return 0.0;  // an insulator has no density effect at low speed
  double low = 0.0;
  double high = 1.0 / wanted;
  for (int iteration = 0; iteration < 100; ++iteration) {
    const double middle = 0.5 * (low + high);
    (sum_over(middle) > wanted ? low : high) = middle;
  }
  const double l2 = 0.5 * (low + high);
  double delta = -l2 * (1.0 - beta2);
  for (std::size_t i = 0; i < square.size(); ++i) {
    delta += strength[i] * std::log1p(l2 / (square[i] + 2.0 / 3.0 * strength[i]));
  }
  return delta;
}

double electron_collision_mass_stopping(double energy_keV) {
  const double tau = energy_keV / electron_rest_energy_keV;
  const double beta2 = electron_beta_squared(energy_keV);
  const double f_minus =
      (1.0 - beta2) * (1.0 + tau * tau / 8.0 - (2.0 * tau + 1.0) * std::numbers::ln2);
  const double logarithm = 2.0 * std::log(energy_keV / water_mean_excitation_keV);
  return half_k * z_over_a / beta2 *
         (logarithm + std::log1p(tau / 2.0) + f_minus - water_density_effect(energy_keV));
}

double electron_radiative_mass_stopping(double energy_keV) {
  // ln S = sum of c_k (ln T/MeV)^k: our fit to ICRU 90, Table A.3.
  constexpr std::array<double, 7> c = {-4.37388812e+00, 9.18793508e-01,  1.97740011e-01,
                                       -1.37919399e-02, -9.74541911e-03, -1.10055024e-03,
                                       -3.90351081e-05};
  const double x = std::log(energy_keV * 1e-3);
  double value = 0.0;
  for (std::size_t k = c.size(); k-- > 0;) value = value * x + c[k];
  return std::exp(value);
}

}  // namespace immunodose
