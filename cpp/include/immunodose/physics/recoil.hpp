// SPDX-License-Identifier: BSD-3-Clause
// Recoil nuclei of alpha decays in water: universal nuclear stopping, added over H and O.
#pragma once

namespace immunodose {

// Nuclear stopping power, keV/um; energy_keV > 0, mass_number and atomic_number of the recoil.
// Eq. 6e, docs/theory/physics.md.
double recoil_let_keV_per_um(double energy_keV, int mass_number, int atomic_number,
                             double density_g_per_cm3);

// Length of the path that this stopping alone allows, um: an upper bound of the range. Eq. 6f.
double recoil_range_um(double energy_keV, int mass_number, int atomic_number,
                       double density_g_per_cm3);

}  // namespace immunodose
