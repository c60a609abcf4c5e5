// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/alpha_track.hpp"

#include <cstddef>

#include "immunodose/core/quadrature.hpp"
#include "immunodose/physics/alpha_straggling.hpp"

namespace immunodose {
namespace {

// Nodes of the table: a cubic between 1500 of them is good to 1e-6 (Eq. MC-4).
constexpr std::size_t n_nodes = 1500;

}  // namespace

AlphaTrackTable::AlphaTrackTable(double density_g_per_cm3, double max_energy_keV)
    : slowing_(density_g_per_cm3) {
  const double highest = std::clamp(max_energy_keV, alpha_min_energy_keV, alpha_max_energy_keV);
  root_step_ = std::sqrt(slowing_.range_um(highest)) / static_cast<double>(n_nodes - 2);
  nodes_per_root_ = 1.0 / root_step_;
  nodes_.resize(n_nodes);
  const QuadratureRule rule = gauss_legendre(3);
  // Derivatives in u = sqrt(R), where dR = 2 u du and dE = LET dR.
  struct Slopes {
    double energy, energy_let, variance;
  };
  const auto slopes = [&](double root) {
    const double energy = slowing_.energy_keV(root * root);
    const double let = slowing_.let_keV_per_um(energy);
    const double variance =
        alpha_loss_variance_keV2(std::max(energy, alpha_min_energy_keV), 1.0, density_g_per_cm3) /
        (let * let);
    return Slopes{2.0 * root * let, 2.0 * root * let * let, 2.0 * root * variance};
  };
  double energy_let = 0.0;
  double variance = 0.0;
  for (std::size_t i = 0; i < n_nodes; ++i) {
    const double root = static_cast<double>(i) * root_step_;
    if (i > 0) {
      for (std::size_t k = 0; k < rule.node.size(); ++k) {
        const Slopes inner = slopes(root - root_step_ * (1.0 - rule.node[k]));
        energy_let += root_step_ * rule.weight[k] * inner.energy_let;
        variance += root_step_ * rule.weight[k] * inner.variance;
      }
    }
    const Slopes own = slopes(root);
    nodes_[i] = {{slowing_.energy_keV(root * root), energy_let, variance},
                 {root_step_ * own.energy, root_step_ * own.energy_let, root_step_ * own.variance}};
  }
}

}  // namespace immunodose
