// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/electron_cole.hpp"

#include <algorithm>
#include <cmath>

namespace immunodose {
namespace {

// Cole's E(R) holds from this residual range on; below it the MIRD code integrates two
// polynomial pieces of dE/dx (Eq. 5, docs/theory/physics.md).
constexpr double join_range_um = 0.02;
constexpr double low_piece_range_um = 0.0038;

double cole_formula_keV(double r) {
  return 5.9 * std::pow(r + 0.007, 0.565) + 0.00413 * std::pow(r, 1.33) - 0.367;
}

double lowest_piece_keV(double r) {
  return r * (10.5 + r * (1126.05 / 2.0 + r * (-9.251137e5 / 3.0 +
                                               r * (2.59298e8 / 4.0 + r * (4.96439e10 / 5.0)))));
}

double middle_piece_keV(double r) {
  const double from = low_piece_range_um;
  return lowest_piece_keV(from) + 29.5 * (r - from) - 0.5 * 666.67 * (r * r - from * from);
}

}  // namespace

double cole_energy_keV(double range_um) {
  if (range_um <= 0.0) return 0.0;
  if (range_um < low_piece_range_um) return lowest_piece_keV(range_um);
  if (range_um < join_range_um) return middle_piece_keV(range_um);
  // The formula starts 2.2 eV below the end of the pieces: E(R) waits there for 0.14 nm, so that
  // it never falls.
  return std::max(cole_formula_keV(range_um), middle_piece_keV(join_range_um));
}

double cole_range_um(double energy_keV) {
  if (energy_keV <= 0.0) return 0.0;
  double low = 0.0;
  double high = 1.0;
  while (cole_energy_keV(high) < energy_keV) high *= 2.0;
  // Bisection to the last bit: E(R) never falls but has kinks, so no derivative is used.
  while (true) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) return high;
    (cole_energy_keV(middle) < energy_keV ? low : high) = middle;
  }
}

}  // namespace immunodose
