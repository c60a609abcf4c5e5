// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/alpha_track.hpp"

#include <array>
#include <cstddef>

#include "immunodose/core/quadrature.hpp"
#include "immunodose/physics/alpha_straggling.hpp"

namespace immunodose {
namespace {

// Nodes of the table: cubics between 500 of them err by less than 2e-5 of the
// energy left, 3e-7 above 10 keV, and stay in the cache (Eq. MC-4).
constexpr std::size_t n_nodes = 500;

// Energy, energy-LET and variance with their derivatives in sqrt(range), times the step.
struct Node {
  std::array<double, 3> value{};
  std::array<double, 3> slope{};
};

// Coefficients of the cubic through two nodes.
std::array<double, 4> hermite(const Node& low, const Node& high, std::size_t c) {
  const double rise = high.value[c] - low.value[c];
  return {low.value[c], low.slope[c], 3.0 * rise - 2.0 * low.slope[c] - high.slope[c],
          low.slope[c] + high.slope[c] - 2.0 * rise};
}

}  // namespace

AlphaTrackTable::AlphaTrackTable(double density_g_per_cm3, double max_energy_keV)
    : slowing_(density_g_per_cm3) {
  const double highest = std::clamp(max_energy_keV, alpha_min_energy_keV, alpha_max_energy_keV);
  const double root_step = std::sqrt(slowing_.range_um(highest)) / static_cast<double>(n_nodes - 2);
  nodes_per_root_ = 1.0 / root_step;
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
  losses_.resize(n_nodes - 1);
  variance_.resize(n_nodes - 1);
  Node low{};
  for (std::size_t i = 0; i < n_nodes; ++i) {
    const double root = static_cast<double>(i) * root_step;
    Node high = low;
    if (i > 0) {
      for (std::size_t k = 0; k < rule.node.size(); ++k) {
        const Slopes inner = slopes(root - root_step * (1.0 - rule.node[k]));
        high.value[1] += root_step * rule.weight[k] * inner.energy_let;
        high.value[2] += root_step * rule.weight[k] * inner.variance;
      }
    }
    const Slopes own = slopes(root);
    high.value[0] = slowing_.energy_keV(root * root);
    high.slope = {root_step * own.energy, root_step * own.energy_let, root_step * own.variance};
    if (i > 0) {
      for (std::size_t power = 0; power < 4; ++power) {
        losses_[i - 1].power[power][0] = hermite(low, high, 0)[power];
        losses_[i - 1].power[power][1] = hermite(low, high, 1)[power];
        variance_[i - 1].power[power] = hermite(low, high, 2)[power];
      }
    }
    low = high;
  }
}

}  // namespace immunodose
