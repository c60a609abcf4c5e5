// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/condensed_electron.hpp"

#include <algorithm>
#include <cmath>

namespace immunodose {
namespace {

// Deflection above which elastic collisions have the rate `wanted`; 0 if all have less.
double solve_mu_cut(const ElasticScattering& elastic, double wanted) {
  if (elastic.rate_per_um() <= wanted) return 0.0;
  double low = -40.0;  // logarithms
  double high = 0.0;
  for (int iteration = 0; iteration < 60; ++iteration) {
    const double middle = 0.5 * (low + high);
    (elastic.rate_above(std::exp(middle)) > wanted ? low : high) = middle;
  }
  return std::exp(0.5 * (low + high));
}

// A running integral at one loss.
double running_at(const LossSpectrum& spectrum, const std::vector<double>& sum, double loss) {
  const auto& w = spectrum.loss_keV;
  if (loss >= w.back()) return sum.back();
  const auto i = static_cast<std::size_t>(std::upper_bound(w.begin(), w.end(), loss) - w.begin());
  const double t = (loss - w[i - 1]) / (w[i] - w[i - 1]);
  return (1.0 - t) * sum[i - 1] + t * sum[i];
}

}  // namespace

CondensedElectron::CondensedElectron(const ElectronPhysics& physics,
                                     const CondensedOptions& options)
    : options_(options) {
  const auto& grid = ElectronPhysics::energies;
  nodes_.reserve(grid.n_nodes());
  for (std::size_t i = 0; i < grid.n_nodes(); ++i) {
    nodes_.push_back(make_node(physics, i));
  }
}

CondensedRates CondensedElectron::make_node(const ElectronPhysics& physics, std::size_t i) const {
  const double energy_keV = ElectronPhysics::energies.node(i);
  const double density = physics.density_g_per_cm3();
  const LossSpectrum spectrum = loss_spectrum(physics.losses(), energy_keV);
  const ElasticScattering elastic = elastic_scattering(energy_keV);
  const double scale = physics.distant_scale_at_node(i);
  const double hard = options_.hard_loss_keV;
  const double free_path = 1.0 / elastic.rate_per_um();
  const double transport_path = 1.0 / elastic.transport_below(1.0);
  const double stopping = scale * spectrum.distant.stopping() + spectrum.close.stopping();
  const double loss_path = options_.largest_loss_share * energy_keV / std::max(stopping, 1e-9);
  const double grouped = std::min(options_.mean_deflection * transport_path, loss_path);
  const double hard_path = std::max(free_path, grouped);
  CondensedRates node{};
  node.mu_cut = solve_mu_cut(elastic, 1.0 / hard_path);
  node.hard_elastic = density * elastic.rate_above(node.mu_cut);
  node.hard_close =
      density * (spectrum.close.rate() - running_at(spectrum, spectrum.close.per_um, hard));
  node.soft_transport = density * (elastic.transport_below(node.mu_cut) +
                                   scale * spectrum.distant.transport_per_um.back() +
                                   running_at(spectrum, spectrum.close.transport_per_um, hard));
  node.soft_stopping = density * (scale * spectrum.distant.stopping() +
                                  running_at(spectrum, spectrum.close.keV_per_um, hard));
  node.soft_straggling = density * (scale * spectrum.distant.keV2_per_um.back() +
                                    running_at(spectrum, spectrum.close.keV2_per_um, hard));
  node.longest_step = std::max(free_path, 2.0 * grouped) / density;
  return node;
}

}  // namespace immunodose
