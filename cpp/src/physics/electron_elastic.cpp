// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/electron_elastic.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/constants.hpp"
#include "immunodose/physics/electron_stopping.hpp"

namespace immunodose {
namespace {

constexpr std::size_t n_energies = 28;
constexpr double first_energy_keV = 0.01;
constexpr double energy_ratio = 1.6;

struct CrossSections {
  double total;      // squared Bohr radii
  double transport;  // integral of (1 - cosine)
};

// At 0.01 keV times powers of 1.6; made by scripts/partial_waves.py. Eqs. E12-E13.
constexpr std::array<CrossSections, n_energies> oxygen = {
    {{46.172, 23.486},       {38.756, 19.066},       {24.872, 15.081},
     {15.325, 10.988},       {10.066, 7.455},        {7.1959, 4.6924},
     {5.4146, 2.7422},       {4.1247, 1.5024},       {3.1029, 0.77958},
     {2.2722, 0.38588},      {1.6103, 0.18343},      {1.1055, 0.08436},
     {0.73933, 0.037831},    {0.48509, 0.016662},    {0.31447, 0.0072507},
     {0.20273, 0.0031333},   {0.13076, 0.0013504},   {0.084911, 0.00058298},
     {0.055927, 0.00025335}, {0.037705, 0.00011147}, {0.026267, 4.9868e-05},
     {0.019185, 2.2865e-05}, {0.01485, 1.0777e-05},  {0.012249, 5.2056e-06},
     {0.010741, 2.5489e-06}, {0.009908, 1.2451e-06}, {0.0094739, 5.9755e-07},
     {0.0092616, 2.7912e-07}}};
constexpr std::array<CrossSections, n_energies> hydrogen = {
    {{11.629, 10.02},          {6.9039, 5.2692},         {4.1417, 2.6392},
     {2.521, 1.2699},          {1.5521, 0.59317},        {0.96204, 0.27116},
     {0.5985, 0.12197},        {0.37311, 0.054163},      {0.23291, 0.023796},
     {0.14553, 0.010359},      {0.091005, 0.0044736},    {0.056965, 0.0019188},
     {0.035704, 0.00081825},   {0.022422, 0.00034733},   {0.014122, 0.00014696},
     {0.0089363, 6.2087e-05},  {0.0056957, 2.625e-05},   {0.0036711, 1.1142e-05},
     {0.0024066, 4.7672e-06},  {0.0016178, 2.0673e-06},  {0.001127, 9.1414e-07},
     {0.00082312, 4.1465e-07}, {0.0006371, 1.9348e-07},  {0.00052553, 9.2566e-08},
     {0.00046083, 4.4911e-08}, {0.00042507, 2.1747e-08}, {0.00040645, 1.035e-08},
     {0.00039734, 4.7971e-09}}};

// Cubic through four neighbors in double-logarithmic scale.
double interpolate(const std::array<CrossSections, n_energies>& table,
                   double CrossSections::* member, double position) {
  const double last = static_cast<double>(n_energies) - 3.0;
  const double base = std::clamp(std::floor(position), 1.0, last);
  const double t = position - base;
  const auto i = static_cast<std::size_t>(base);
  const auto value = [&](std::size_t k) { return std::log(table[k].*member); };
  const double a = value(i - 1);
  const double b = value(i);
  const double c = value(i + 1);
  const double d = value(i + 2);
  return std::exp(a * t * (t - 1.0) * (t - 2.0) / -6.0 +
                  b * (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0 +
                  c * (t + 1.0) * t * (t - 2.0) / -2.0 + d * (t + 1.0) * t * (t - 1.0) / 6.0);
}

// Transport over total cross-section of a screened Rutherford shape. Eq. E14.
double transport_share(double eta) {
  return 2.0 * eta * ((1.0 + eta) * std::log1p(1.0 / eta) - 1.0);
}

// The screening that gives the wanted share, which rises with eta.
double solve_screening(double share) {
  double low = -40.0;  // logarithms
  double high = 7.0;
  for (int iteration = 0; iteration < 60; ++iteration) {
    const double middle = 0.5 * (low + high);
    (transport_share(std::exp(middle)) < share ? low : high) = middle;
  }
  return std::exp(0.5 * (low + high));
}

ScreenedRutherford shape(const std::array<CrossSections, n_energies>& table, double position,
                         double atoms_per_um3, double spin) {
  constexpr double bohr_um = 5.29177210903e-5;  // [CODATA 2018]
  const double total = interpolate(table, &CrossSections::total, position);
  const double transport = interpolate(table, &CrossSections::transport, position);
  return {total * bohr_um * bohr_um * atoms_per_um3, solve_screening(transport / total), spin};
}

// Integrals of mu and mu^2 over a screened Rutherford shape of unit rate, up to mu_cut.
struct Moments {
  double first;
  double second;
};

Moments moments_below(double eta, double mu_cut) {
  const double norm = eta * (1.0 + eta);
  const double logarithm = std::log1p(mu_cut / eta);
  const double ratio = mu_cut / (eta + mu_cut);
  return {norm * (logarithm - ratio), norm * (mu_cut - 2.0 * eta * logarithm + eta * ratio)};
}

}  // namespace

double ElasticScattering::transport_below(double mu_cut) const {
  double sum = 0.0;
  for (const auto& part : element) {
    const Moments m = moments_below(part.screening, mu_cut);
    sum += 2.0 * part.rate_per_um * (m.first - part.spin * m.second);
  }
  return sum;
}

double ElasticScattering::square_transport() const {
  double sum = 0.0;
  for (const auto& part : element) {
    const double eta = part.screening;
    const double second = moments_below(eta, 1.0).second;
    const double logarithm = std::log1p(1.0 / eta);
    // mu^3 over the shape: as the moments above, one power further.
    const double third = eta * (1.0 + eta) *
                         (0.5 - 2.0 * eta + 3.0 * eta * eta * logarithm - eta * eta / (1.0 + eta));
    sum += 4.0 * part.rate_per_um * (second - part.spin * third);
  }
  return sum;
}

ElasticScattering elastic_scattering(double energy_keV) {
  constexpr double molecules_per_um3 = constants::water_molecules_per_um3;
  const double position = std::log(energy_keV / first_energy_keV) / std::log(energy_ratio);
  ElasticScattering scattering;
  const double beta2 = electron_beta_squared(energy_keV);
  // Eq. E15: the Mott over the spinless cross-section to first order in Z; the term that both have,
  // pi alpha Z beta sqrt(mu), is in the partial waves.
  const auto spin = [&](double z) {
    return beta2 + constants::pi * constants::fine_structure * z * std::sqrt(beta2);
  };
  scattering.element[0] = shape(oxygen, position, molecules_per_um3, spin(8.0));
  scattering.element[1] = shape(hydrogen, position, 2.0 * molecules_per_um3, spin(1.0));
  return scattering;
}

}  // namespace immunodose
