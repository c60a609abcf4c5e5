// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/photon_physics.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr double pi = constants::pi;
constexpr double rest_keV = constants::electron_rest_energy_keV;
constexpr double fine_structure = 1.0 / constants::inverse_fine_structure;
constexpr double radius_squared_cm2 = constants::electron_radius_cm * constants::electron_radius_cm;
constexpr double electrons_per_g = 0.55508 * constants::avogadro_per_mol;  // Z/A of water, ICRU 90
// Sum of the squared charges of H2O over its 10 electrons: the nuclei make pairs with Z^2.
constexpr double charge_squared_per_electron = (8.0 * 8.0 + 2.0) / 10.0;
constexpr double pair_scale_cm2_per_g = fine_structure * radius_squared_cm2 * electrons_per_g;

struct Compton {
  double total;      // cm2/g
  double scattered;  // cm2/g, weighted with the energy share that the photon keeps
};

// Eqs. Ph-1 and Ph-2: Klein-Nishina formula, integrated over angles.
Compton compton_cm2_per_g(double energy_keV) {
  const double k = energy_keV / rest_keV;
  const double one_2k = 1.0 + 2.0 * k;
  const double log_2k = std::log1p(2.0 * k);
  const double scale = pi * radius_squared_cm2 * electrons_per_g;
  const double total = 2.0 * ((1.0 + k) / (k * k) * (2.0 * (1.0 + k) / one_2k - log_2k / k) +
                              log_2k / (2.0 * k) - (1.0 + 3.0 * k) / (one_2k * one_2k));
  const double scattered =
      log_2k / (k * k * k) +
      2.0 * (1.0 + k) * (2.0 * k * k - 2.0 * k - 1.0) / (k * k * one_2k * one_2k) +
      8.0 * k * k / (3.0 * one_2k * one_2k * one_2k);
  return {scale * total, scale * scattered};
}

// Eq. Ph-3: our fit to what mu_en of NIST [Hubbell & Seltzer 1995, NISTIR 5632] leaves beside
// Klein-Nishina, 1-100 keV, and to the shape of Elam, Ravel & Sieber 2002 (Radiat Phys Chem
// 63:121) from there to 800 keV.
double photoelectric_cm2_per_g(double energy_keV) {
  constexpr double fit_end_keV = 800.0;
  constexpr double power_beyond = 1.2;  // towards 1/E; 1e-4 of mu at 800 keV, less above
  constexpr double c[] = {5.552718e-4,  -1.217482e-4, 6.967783e-3,
                          -7.330878e-2, -3.138162,    1.597304};
  const double x = std::log(std::fmin(energy_keV, fit_end_keV) / 10.0);
  double sum = 0.0;
  for (const double coefficient : c) sum = sum * x + coefficient;
  const double fit = std::exp(sum);
  return energy_keV > fit_end_keV ? fit * std::pow(fit_end_keV / energy_keV, power_beyond) : fit;
}

// Eq. Ph-4, in units of fine_structure r_e^2 Z^2 [Maximon 1968, J Res NBS 72B:79]: the Born
// approximation without screening, one series near the threshold k = 2 and one above k = 4.
double maximon(double k) {
  if (k <= 2.0) return 0.0;
  if (k < 4.0) {
    const double e = (2.0 * k - 4.0) / (2.0 + k + 2.0 * std::sqrt(2.0 * k));
    const double series =
        1.0 + e * (0.5 + e * (23.0 / 40.0 + e * (11.0 / 60.0 + e * (29.0 / 960.0))));
    return 2.0 * pi / 3.0 * std::pow((k - 2.0) / k, 3) * series;
  }
  constexpr double zeta_3 = 1.2020569031595942;
  const double log_2k = std::log(2.0 * k);
  const double q = 4.0 / (k * k);
  const double second = 6.0 * log_2k - 3.5 + log_2k * log_2k * (2.0 / 3.0 * log_2k - 1.0) -
                        pi * pi / 3.0 * log_2k + 2.0 * zeta_3 + pi * pi / 6.0;
  return 28.0 / 9.0 * log_2k - 218.0 / 27.0 +
         q * (second -
              q * (3.0 / 16.0 * log_2k + 0.125 + q * (29.0 / 2304.0 * log_2k - 77.0 / 13824.0)));
}

// Eq. Ph-5, in units of fine_structure r_e^2 [Haug 1975, Z Naturforsch 30a:1099, interpolations
// of his numerical cross-section; Haug 1981, 36a:413].
double haug(double k) {
  if (k <= 4.0) return 0.0;
  const double u = k - 4.0;
  if (k < 4.6) return 1e-3 * u * u * (5.6 + u * (20.4 + u * (-10.9 + u * (-3.6 + u * 7.4))));
  if (k < 6.0) return 0.582814 + k * (-0.29842 + k * (0.04354 - k * 0.0012977));
  if (k < 18.0) {
    return (3.1247 + k * (-1.3394 + k * 0.14612)) / (1.0 + k * (0.4648 + k * 0.016683));
  }
  const double log_2k = std::log(2.0 * k);
  const double correction = 27.9 + log_2k * (-11.0 + log_2k * (3.863 - 4.0 / 3.0 * log_2k));
  return 28.0 / 9.0 * log_2k - 218.0 / 27.0 + correction / k;
}

// Share of the energy given to electrons that ends as bremsstrahlung: our fit to what mu_en of
// NIST lacks of our mu_tr, 0.5-10 MeV.
double bremsstrahlung_share(double energy_keV) {
  return 0.00148 * std::pow(energy_keV / 1000.0, 1.36);
}

void check_energy(double energy_keV) {
  if (energy_keV >= photon_min_energy_keV && energy_keV <= photon_max_energy_keV) return;
  throw InputError("photon energy " + std::to_string(energy_keV) +
                   " keV lies outside the photon model (1-10000 keV); absorb slower photons "
                   "where they are emitted");
}

}  // namespace

double fastest_electron_keV(PhotonProcess process, double photon_keV) {
  const double twice_k = 2.0 * photon_keV / rest_keV;
  switch (process) {
    case PhotonProcess::compton:
      return photon_keV * twice_k / (1.0 + twice_k);  // scattered backwards
    case PhotonProcess::photoelectric:
      return std::max(0.0, photon_keV - oxygen_k_binding_keV);
    case PhotonProcess::pair:
      return std::max(0.0, photon_keV - 2.0 * rest_keV);  // the other one has nothing
  }
  throw InputError("unknown photon process");
}

double photon_of_fastest_electron_keV(PhotonProcess process, double electron_keV) {
  switch (process) {
    case PhotonProcess::compton:
      return 0.5 * (electron_keV + std::sqrt(electron_keV * (electron_keV + 2.0 * rest_keV)));
    case PhotonProcess::photoelectric:
      return electron_keV + oxygen_k_binding_keV;
    case PhotonProcess::pair:
      return electron_keV + 2.0 * rest_keV;
  }
  throw InputError("unknown photon process");
}

PhotonPhysics::PhotonPhysics(double density_g_per_cm3)
    : density_(density_g_per_cm3), g_per_cm2_um_(1e-4 * density_g_per_cm3) {
  if (!(density_g_per_cm3 > 0.0) || !std::isfinite(density_g_per_cm3)) {
    throw InputError("density_g_per_cm3 is " + std::to_string(density_g_per_cm3) +
                     "; give a positive, finite density");
  }
}

PhotonAttenuation PhotonPhysics::attenuation_per_um(double energy_keV) const {
  check_energy(energy_keV);
  const double k = energy_keV / rest_keV;
  return {g_per_cm2_um_ * compton_cm2_per_g(energy_keV).total,
          g_per_cm2_um_ * photoelectric_cm2_per_g(energy_keV),
          g_per_cm2_um_ * pair_scale_cm2_per_g * charge_squared_per_electron * maximon(k),
          g_per_cm2_um_ * pair_scale_cm2_per_g * haug(k)};
}

std::array<double, n_photon_processes> PhotonPhysics::energy_transfers_per_um(
    double energy_keV) const {
  const PhotonAttenuation mu = attenuation_per_um(energy_keV);
  const double kept = g_per_cm2_um_ * compton_cm2_per_g(energy_keV).scattered;
  const double kinetic_share = std::max(0.0, 1.0 - 2.0 * rest_keV / energy_keV);
  return {mu.compton - kept, mu.photoelectric, kinetic_share * (mu.pair + mu.triplet)};
}

double PhotonPhysics::energy_transfer_per_um(double energy_keV) const {
  const auto [compton, photoelectric, pair] = energy_transfers_per_um(energy_keV);
  return compton + photoelectric + pair;
}

double PhotonPhysics::energy_absorption_per_um(double energy_keV) const {
  return energy_transfer_per_um(energy_keV) * (1.0 - bremsstrahlung_share(energy_keV));
}

}  // namespace immunodose
