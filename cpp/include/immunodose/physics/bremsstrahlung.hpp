// SPDX-License-Identifier: BSD-3-Clause
// Radiative loss of electrons in water: photons above 1 keV. Eqs. E17-E18,
// docs/theory/electrons.md.
#pragma once

namespace immunodose {

inline constexpr double bremsstrahlung_min_energy_keV = 1.0;

// Emissions per um of water of unit density.
double bremsstrahlung_rate_per_um(double energy_keV);

// Photon energy for uniform u; `accept` (uniform) decides on it: 0 where it is to be drawn again.
double sample_bremsstrahlung_keV(double energy_keV, double u, double accept);

// Cosine of the photon to the electron for uniform u: 1/(1 - beta cosine)^2.
double sample_bremsstrahlung_cosine(double energy_keV, double u);

}  // namespace immunodose
