// SPDX-License-Identifier: BSD-3-Clause
// Constants with unit and reference. Internal units: um, keV, s, ng, Gy, Bq.
#pragma once
#include <numbers>

namespace immunodose::constants {

inline constexpr double pi = std::numbers::pi;

// 1 keV = 1.602176634e-16 J, exact [SI Brochure, 9th edition, 2019].
inline constexpr double joule_per_keV = 1.602176634e-16;

// 1 ng = 1e-12 kg, so 1 keV in 1 ng is this many gray.
inline constexpr double gray_ng_per_keV = joule_per_keV / 1e-12;

// 1 um3 of water of 1 g/cm3 weighs 1e-3 ng.
inline constexpr double ng_per_um3_at_unit_density = 1e-3;

// Electron rest energy in keV [CODATA 2018].
inline constexpr double electron_rest_energy_keV = 510.99895;

// Fine-structure constant and its inverse, each to its published digits (they agree within 4e-11)
// [CODATA 2018].
inline constexpr double fine_structure = 7.2973525693e-3;
inline constexpr double inverse_fine_structure = 137.035999084;

// Classical electron radius [CODATA 2018].
inline constexpr double electron_radius_um = 2.8179403262e-9;
inline constexpr double electron_radius_cm = 2.8179403262e-13;

// Avogadro constant, exact [SI Brochure, 9th edition, 2019].
inline constexpr double avogadro_per_mol = 6.02214076e23;

// Molar mass of water [conventional atomic masses, IUPAC: 2 x 1.00794 + 15.9994 g/mol].
inline constexpr double water_g_per_mol = 18.01528;

// Molecules in 1 um3 of water of 1 g/cm3: 3.3428e10.
inline constexpr double water_molecules_per_um3 = avogadro_per_mol / water_g_per_mol * 1e-12;

}  // namespace immunodose::constants
