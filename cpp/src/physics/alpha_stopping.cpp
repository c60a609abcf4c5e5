// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/alpha_stopping.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "immunodose/core/constants.hpp"

namespace immunodose {
namespace {

constexpr double keV_per_MeV = 1000.0;

// Eq. 1: five-parameter form of ICRU 49, our least-squares fit to the electronic stopping power
// of ICRU 90, Table A.12, 1 keV - 1 MeV; largest residual 0.033 %.
double low_energy_stopping(double energy_keV) {
  const double t = energy_keV / keV_per_MeV;
  const double low = 98.9294467 * std::pow(energy_keV, 0.532463847);
  const double high = 1162.53901 / t * std::log(1.0 + 56.5540149 / t + 14.3966984 * t);
  return low * high / (low + high);
}

// Eq. 2: Bethe formula (I = 78 eV) with a fitted correction to the stopping number for shell,
// Barkas and Bloch terms; fit to the same table, 1 - 12 MeV, largest residual 0.059 %.
double bethe_stopping(double energy_keV) {
  constexpr double alpha_rest_energy_MeV = 3727.3794;       // CODATA 2018
  constexpr double four_pi_na_re2_mec2_MeV_cm2 = 0.307075;  // PDG 2022, per mol
  constexpr double charge_number_squared = 4.0;
  constexpr double water_z_over_a_mol_per_g = 0.55508;  // ICRU 90
  constexpr double mean_excitation_energy_MeV = 78e-6;  // ICRU 90
  const double t = energy_keV / keV_per_MeV;
  const double gamma = 1.0 + t / alpha_rest_energy_MeV;
  const double beta2 = 1.0 - 1.0 / (gamma * gamma);
  const double electron_MeV = constants::electron_rest_energy_keV / keV_per_MeV;
  const double bethe =
      std::log(2.0 * electron_MeV * beta2 * gamma * gamma / mean_excitation_energy_MeV) - beta2;
  const double inverse = 1.0 / t;
  const double correction = -0.48271426 * std::sqrt(inverse) +
                            inverse * (0.48003058 + inverse * (0.00361386 - inverse * 0.22801914));
  return four_pi_na_re2_mec2_MeV_cm2 * charge_number_squared * water_z_over_a_mol_per_g / beta2 *
         (bethe + correction);
}

}  // namespace

double alpha_electronic_mass_stopping(double energy_keV) {
  // The two fits differ by less than 0.1 % between 1 and 1.2 MeV; the crossfade keeps the
  // stopping power continuous.
  constexpr double join_keV = 1000.0;
  constexpr double joined_keV = 1200.0;
  if (energy_keV <= join_keV) return low_energy_stopping(energy_keV);
  const double high = bethe_stopping(energy_keV);
  if (energy_keV >= joined_keV) return high;
  const double weight = (energy_keV - join_keV) / (joined_keV - join_keV);
  return (1.0 - weight) * low_energy_stopping(energy_keV) + weight * high;
}

// Eq. 3: log-log polynomial fitted to the nuclear stopping power of the same table, 0.1 %.
double alpha_nuclear_mass_stopping(double energy_keV) {
  const double x = std::log(energy_keV / keV_per_MeV);
  constexpr double c[] = {5.15537231e-06,  5.04900057e-05,  -2.53543855e-04, 6.04839496e-04,
                          -1.10007838e-02, -8.54275570e-01, 1.06414343e+00};
  double sum = 0.0;
  for (const double coefficient : c) sum = sum * x + coefficient;
  return std::exp(sum);
}

AlphaSlowing::AlphaSlowing(double density_g_per_cm3) : keV_per_um_factor_(0.1 * density_g_per_cm3) {
  constexpr std::size_t n_energies = 1200;
  constexpr std::size_t n_roots = 4000;
  const double log_low = std::log(alpha_min_energy_keV);
  const double step = (std::log(alpha_max_energy_keV) - log_low) / (n_energies - 1);
  log_energy_.resize(n_energies);
  range_.resize(n_energies);
  const auto range_per_log_energy = [&](double log_energy) {
    const double energy = std::exp(log_energy);
    return energy / let_keV_per_um(energy);
  };
  // Below 1 keV (33 nm of range) the stopping power is held at its 1 keV value.
  double range = range_per_log_energy(log_low);
  for (std::size_t i = 0; i < n_energies; ++i) {
    const double x = log_low + static_cast<double>(i) * step;
    if (i > 0) {  // Simpson's rule per interval
      range += step / 6.0 *
               (range_per_log_energy(x - step) + 4.0 * range_per_log_energy(x - 0.5 * step) +
                range_per_log_energy(x));
    }
    log_energy_[i] = x;
    range_[i] = range;
  }
  root_step_ = std::sqrt(range_.back()) / (n_roots - 1);
  root_energy_.resize(n_roots);
  root_slope_.resize(n_roots);
  for (std::size_t i = 1; i < n_roots; ++i) {
    const double root = static_cast<double>(i) * root_step_;
    // Newton on the range table; dR/dE = 1/LET.
    const double target = std::min(root * root, range_.back());
    double energy = i > 1 ? root_energy_[i - 1] : alpha_min_energy_keV;
    for (int iteration = 0; iteration < 30; ++iteration) {
      const double step_keV = (target - range_um(energy)) * let_keV_per_um(energy);
      energy = std::clamp(energy + step_keV, 0.0, alpha_max_energy_keV);
      if (std::abs(step_keV) < 1e-10 * energy) break;
    }
    root_energy_[i] = energy;
    root_slope_[i] = 2.0 * root * let_keV_per_um(energy);
  }
}

double AlphaSlowing::let_keV_per_um(double energy_keV) const {
  const double energy = std::max(energy_keV, alpha_min_energy_keV);
  return keV_per_um_factor_ *
         (alpha_electronic_mass_stopping(energy) + alpha_nuclear_mass_stopping(energy));
}

double AlphaSlowing::range_um(double energy_keV) const {
  if (energy_keV <= alpha_min_energy_keV) {
    return energy_keV / let_keV_per_um(alpha_min_energy_keV);
  }
  const double x = std::log(energy_keV);
  const double step = log_energy_[1] - log_energy_[0];
  const auto last = log_energy_.size() - 2;
  const auto i = std::min(last, static_cast<std::size_t>((x - log_energy_[0]) / step));
  // Exact integral from the node below: Simpson again, so that range and LET stay consistent.
  const double width = x - log_energy_[i];
  const auto integrand = [&](double y) {
    const double energy = std::exp(y);
    return energy / let_keV_per_um(energy);
  };
  return range_[i] + width / 6.0 *
                         (integrand(log_energy_[i]) +
                          4.0 * integrand(log_energy_[i] + 0.5 * width) + integrand(x));
}

double AlphaSlowing::energy_keV(double residual_range_um) const {
  if (residual_range_um <= 0.0) return 0.0;
  const double position = std::sqrt(residual_range_um) / root_step_;
  const auto i = std::min(root_energy_.size() - 2, static_cast<std::size_t>(position));
  const double t = position - static_cast<double>(i);
  const double u = 1.0 - t;
  // Cubic Hermite interpolation in sqrt(R), where E is smooth down to R = 0.
  return root_energy_[i] * u * u * (1.0 + 2.0 * t) + root_energy_[i + 1] * t * t * (3.0 - 2.0 * t) +
         root_step_ * t * u * (root_slope_[i] * u - root_slope_[i + 1] * t);
}

}  // namespace immunodose
