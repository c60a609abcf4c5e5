// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/alpha_straggling.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "immunodose/core/constants.hpp"

namespace immunodose {
namespace {

constexpr double alpha_rest_energy_keV = 3727379.4;  // CODATA 2018
constexpr double alpha_mass_u = 4.001506179;         // CODATA 2018

double beta_squared(double energy_keV) {
  const double gamma = 1.0 + energy_keV / alpha_rest_energy_keV;
  return 1.0 - 1.0 / (gamma * gamma);
}

// Share of Bohr's variance that electrons of an atom give to a slow ion [Lindhard J, Scharff M,
// Mat Fys Medd Dan Vid Selsk 1953;27(15)]; capped at 1, which it passes at chi = 2.3.
double lindhard_scharff(double beta2, double atomic_number) {
  constexpr double fine_structure_squared = 5.3251354e-5;  // CODATA 2018: (v0 / c)^2
  const double chi = beta2 / (fine_structure_squared * atomic_number);
  if (chi >= 3.0) return 1.0;
  return std::min(1.0, 0.5 * std::sqrt(chi) * (1.36 - 0.016 * chi));
}

}  // namespace

double alpha_effective_charge_squared(double energy_keV) {
  constexpr double c[] = {1.475e-3, -1.135e-2, 2.402e-2, -1.429e-3, 0.1266, 0.2865};
  const double x = std::log(std::max(1.0, energy_keV / alpha_mass_u));
  double sum = 0.0;
  for (const double coefficient : c) sum = sum * x + coefficient;
  return 4.0 * -std::expm1(-sum);
}

double alpha_loss_variance_keV2(double energy_keV, double length_um, double density_g_per_cm3) {
  constexpr double four_pi_na_re2_mec2_MeV_cm2 = 0.307075;  // PDG 2022, per mol
  constexpr double water_z_over_a_mol_per_g = 0.55508;      // ICRU 90
  constexpr double keV_per_um_per_MeV_per_cm = 0.1;
  constexpr double per_charge_keV2_per_um = four_pi_na_re2_mec2_MeV_cm2 * water_z_over_a_mol_per_g *
                                            keV_per_um_per_MeV_per_cm *
                                            constants::electron_rest_energy_keV;
  const double beta2 = beta_squared(energy_keV);
  // Of the 10 electrons of a molecule of water 2 belong to hydrogen, 8 to oxygen.
  const double slow = 0.2 * lindhard_scharff(beta2, 1.0) + 0.8 * lindhard_scharff(beta2, 8.0);
  const double relativistic = (1.0 - 0.5 * beta2) / (1.0 - beta2);
  return per_charge_keV2_per_um * density_g_per_cm3 * length_um * relativistic * slow *
         alpha_effective_charge_squared(energy_keV);
}

AlphaStraggling::AlphaStraggling(const AlphaSlowing& slowing, double density_g_per_cm3) {
  constexpr std::size_t n_energies = 1200;
  step_ = std::log(alpha_max_energy_keV / alpha_min_energy_keV) / (n_energies - 1);
  const auto per_log_energy = [&](double log_energy) {
    const double energy = alpha_min_energy_keV * std::exp(log_energy);
    const double let = slowing.let_keV_per_um(energy);
    return energy * alpha_loss_variance_keV2(energy, 1.0, density_g_per_cm3) / (let * let * let);
  };
  variance_.assign(n_energies, per_log_energy(0.0));
  for (std::size_t i = 1; i < n_energies; ++i) {  // Simpson's rule per interval
    const double x = static_cast<double>(i) * step_;
    variance_[i] =
        variance_[i - 1] +
        step_ / 6.0 *
            (per_log_energy(x - step_) + 4.0 * per_log_energy(x - 0.5 * step_) + per_log_energy(x));
  }
}

double AlphaStraggling::range_variance_um2(double energy_keV) const {
  if (energy_keV <= alpha_min_energy_keV) {
    return variance_.front() * std::max(0.0, energy_keV) / alpha_min_energy_keV;
  }
  const double position = std::log(energy_keV / alpha_min_energy_keV) / step_;
  const auto i = std::min(variance_.size() - 2, static_cast<std::size_t>(position));
  const double t = position - static_cast<double>(i);
  return (1.0 - t) * variance_[i] + t * variance_[i + 1];
}

}  // namespace immunodose
