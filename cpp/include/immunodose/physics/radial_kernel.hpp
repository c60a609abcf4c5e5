// SPDX-License-Identifier: BSD-3-Clause
// Energy deposited around a point source as a function of distance, summed over a spectrum.
#pragma once
#include <span>
#include <vector>

namespace immunodose {

struct SpectrumLines {
  std::span<const double> energy_keV;
  std::span<const double> yield_per_decay;
};

// Energy per decay deposited between consecutive edges; exact in energy, uniform inside a bin.
// Any transport model fills one of these: it is the seam between physics and S values.
struct RadialKernel {
  std::vector<double> edge_um;     // edge_um[0] = 0
  std::vector<double> energy_keV;  // size edge_um.size() - 1

  double reach_um() const { return edge_um.empty() ? 0.0 : edge_um.back(); }
  double total_energy_keV() const;
};

// alpha_straggled spreads the range of each alpha line. Eq. 6d, docs/theory/physics.md.
enum class Slowing { alpha, alpha_straggled, electron_cole };

// Straight tracks in the continuous slowing-down approximation. Eq. 6, docs/theory/physics.md.
RadialKernel csda_kernel(const SpectrumLines& lines, Slowing slowing, double density_g_per_cm3);

// Longest CSDA range of the lines, um.
double csda_reach_um(const SpectrumLines& lines, Slowing slowing, double density_g_per_cm3);

}  // namespace immunodose
