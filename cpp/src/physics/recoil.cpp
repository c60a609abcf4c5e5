// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/recoil.hpp"

#include <cmath>
#include <string>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/quadrature.hpp"

namespace immunodose {
namespace {

// Reduced stopping power at reduced energy epsilon [Ziegler, Biersack, Littmark 1985].
double reduced_stopping(double epsilon) {
  if (epsilon > 30.0) return std::log(epsilon) / (2.0 * epsilon);
  return std::log1p(1.1383 * epsilon) /
         (2.0 * (epsilon + 0.01321 * std::pow(epsilon, 0.21226) + 0.19593 * std::sqrt(epsilon)));
}

// Stopping cross section of one atom, 1e-15 eV cm2.
double atom_stopping(double energy_keV, double z1, double m1, double z2, double m2) {
  const double screening = (m1 + m2) * (std::pow(z1, 0.23) + std::pow(z2, 0.23));
  const double epsilon = 32.53 * m2 * energy_keV / (z1 * z2 * screening);
  return 8.462 * z1 * z2 * m1 * reduced_stopping(epsilon) / screening;
}

void check(double energy_keV, int mass_number, int atomic_number) {
  if (!(energy_keV > 0.0) || atomic_number < 1 || mass_number < atomic_number) {
    throw InputError("recoil of " + std::to_string(energy_keV) + " keV, mass number " +
                     std::to_string(mass_number) + ", atomic number " +
                     std::to_string(atomic_number) + " (allowed: energy > 0, 1 <= Z <= A)");
  }
}

double let(double energy_keV, double mass, double z, double density_g_per_cm3) {
  constexpr double hydrogen_u = 1.008, oxygen_u = 15.999;  // IUPAC 2021
  // Molecules per cm3 and g: N_A / 18.015 g/mol; 1e-15 eV/cm is 1e-22 keV/um.
  constexpr double keV_per_um = constants::avogadro_per_mol / (2.0 * hydrogen_u + oxygen_u) * 1e-22;
  return keV_per_um * density_g_per_cm3 *
         (2.0 * atom_stopping(energy_keV, z, mass, 1.0, hydrogen_u) +
          atom_stopping(energy_keV, z, mass, 8.0, oxygen_u));
}

}  // namespace

double recoil_let_keV_per_um(double energy_keV, int mass_number, int atomic_number,
                             double density_g_per_cm3) {
  check(energy_keV, mass_number, atomic_number);
  return let(energy_keV, mass_number, atomic_number, density_g_per_cm3);
}

double recoil_range_um(double energy_keV, int mass_number, int atomic_number,
                       double density_g_per_cm3) {
  check(energy_keV, mass_number, atomic_number);
  // The stopping power rises as T^0.79 from 0: in T = T0 u^8 the integrand has no singularity.
  const QuadratureRule rule = gauss_legendre(64);
  double sum = 0.0;
  for (std::size_t k = 0; k < rule.node.size(); ++k) {
    const double u2 = rule.node[k] * rule.node[k];
    const double u7 = u2 * u2 * u2 * rule.node[k];
    sum += rule.weight[k] * 8.0 * u7 /
           let(energy_keV * u7 * rule.node[k], mass_number, atomic_number, density_g_per_cm3);
  }
  return energy_keV * sum;
}

}  // namespace immunodose
