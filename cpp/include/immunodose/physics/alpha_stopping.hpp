// SPDX-License-Identifier: BSD-3-Clause
// Stopping power and CSDA range of alpha particles in liquid water (ICRU 90, I = 78 eV).
#pragma once
#include <vector>

namespace immunodose {

// The range of the fits; no alpha of the ICRP-107 nuclides lies above.
inline constexpr double alpha_min_energy_keV = 1.0;
inline constexpr double alpha_max_energy_keV = 12000.0;

// Mass stopping powers in MeV cm2/g. Eqs. 1-3, docs/theory/physics.md.
double alpha_electronic_mass_stopping(double energy_keV);
double alpha_nuclear_mass_stopping(double energy_keV);

// Range, residual energy and LET at one density; built once, then read-only.
class AlphaSlowing {
 public:
  explicit AlphaSlowing(double density_g_per_cm3 = 1.0);

  // Total (electronic + nuclear) linear stopping power, keV/um.
  double let_keV_per_um(double energy_keV) const;
  // CSDA range, um; 0 <= energy_keV <= alpha_max_energy_keV.
  double range_um(double energy_keV) const;
  // Energy left at a residual range, keV: the inverse of range_um.
  double energy_keV(double residual_range_um) const;

 private:
  double keV_per_um_factor_;
  std::vector<double> log_energy_;
  std::vector<double> range_;
  // Second table for the inverse, uniform in sqrt(range): E and dE/dsqrt(R) at each node.
  double root_step_ = 0.0;
  std::vector<double> root_energy_;
  std::vector<double> root_slope_;
};

}  // namespace immunodose
