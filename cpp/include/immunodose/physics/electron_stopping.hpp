// SPDX-License-Identifier: BSD-3-Clause
// Stopping power of electrons in liquid water (ICRU 90, I = 78 eV). Eqs. E3-E6,
// docs/theory/electrons.md.
#pragma once

namespace immunodose {

inline constexpr double water_mean_excitation_keV = 0.078;  // [ICRU 90]

double electron_beta_squared(double energy_keV);

// Density effect of Sternheimer, exact for the oscillators of water; 0 below about 0.5 MeV.
double water_density_effect(double energy_keV);

// Berger-Seltzer collision stopping power, MeV cm2/g; valid from 1 keV up.
double electron_collision_mass_stopping(double energy_keV);

// Radiative stopping power, MeV cm2/g: our fit to ICRU 90 from 1 keV to 10 MeV, within 2.5 %.
double electron_radiative_mass_stopping(double energy_keV);

}  // namespace immunodose
