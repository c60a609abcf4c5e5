// SPDX-License-Identifier: BSD-3-Clause
// Range-energy relation of electrons in water that the MIRD cellular tables use
// [Cole 1969, Radiat Res 38:7-33; Goddu et al. 1997, MIRD Cellular S Values].
#pragma once

namespace immunodose {

// Energy (keV) left to an electron whose residual range is `range_um` >= 0, unit-density water.
// Eqs. 4-5, docs/theory/physics.md.
double cole_energy_keV(double range_um);

// Inverse of cole_energy_keV; energy_keV >= 0.
double cole_range_um(double energy_keV);

}  // namespace immunodose
