// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/water_oscillators.hpp"

#include <cmath>

#include "immunodose/core/constants.hpp"

namespace immunodose {
namespace {

constexpr double eV_per_keV = 1e3;

// Our fit (Eq. E1) to photoabsorption of water vapor at 40-200 eV and of its atoms at 250 eV-3 keV
// [Henke et al. 1993], the loss function of the liquid at 12-26 eV [Segelstein 1981] and its
// refractive index, held to 10 electrons and I = 78 eV [ICRU 90]. What it meets and misses:
// docs/theory/electrons.md, section 1, and tests/unit/test_optical_data.py. Energies in eV.
struct Drude {
  double strength, energy, width, fall_at, fall_power;
};
constexpr Drude outer{4.2591, 21.913, 12.621, 258.4, 4.997};
constexpr Drude inner{4.3677, 41.797, 40.545, 970.4, 1.513};
constexpr double gap_eV = 9.0;
constexpr double gap_width_eV = 0.8;
constexpr double k_strength = 1.8229;

double drude(const Drude& part, double w) {
  const double detuning = w * w - part.energy * part.energy;
  const double damped = part.width * w;
  return 2.0 / constants::pi * w * part.strength * damped /
         (detuning * detuning + damped * damped) /
         (1.0 + std::pow(w / part.fall_at, part.fall_power));
}

}  // namespace

double oscillator_strength_per_keV(double loss_keV) {
  if (loss_keV < water_gap_keV) return 0.0;
  const double w = loss_keV * eV_per_keV;
  const double edge = 1.0 / (1.0 + std::exp(-(w - gap_eV) / gap_width_eV));
  double strength = edge * (drude(outer, w) + drude(inner, w));
  const double k_edge = oxygen_k_edge_keV * eV_per_keV;
  if (w > k_edge)
    strength += k_strength * oxygen_k_power / k_edge * std::pow(k_edge / w, oxygen_k_power + 1.0);
  return strength * eV_per_keV;
}

}  // namespace immunodose
