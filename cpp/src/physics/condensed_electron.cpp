// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/condensed_electron.hpp"

#include <algorithm>
#include <cmath>

namespace immunodose {
namespace {

// A running integral at one loss.
double running_at(const LossSpectrum& spectrum, const std::vector<double>& sum, double loss) {
  const auto& w = spectrum.loss_keV;
  if (loss >= w.back()) return sum.back();
  const auto i = static_cast<std::size_t>(std::upper_bound(w.begin(), w.end(), loss) - w.begin());
  const double t = (loss - w[i - 1]) / (w[i] - w[i - 1]);
  return (1.0 - t) * sum[i - 1] + t * sum[i];
}

// Squared 1 - cosine per um of close collisions below a loss: their angle follows from it.
double square_of_close(const LossSpectrum& spectrum, double energy_keV, double below_keV) {
  const auto& w = spectrum.loss_keV;
  double sum = 0.0;
  for (std::size_t i = 1; i < w.size() && w[i] <= below_keV; ++i) {
    const double middle = 0.5 * (w[i] + w[i - 1]);
    const double x = 1.0 - deflection_cosine(energy_keV, middle, middle);
    sum += (spectrum.close.per_um[i] - spectrum.close.per_um[i - 1]) * x * x;
  }
  return sum;
}

}  // namespace

CondensedElectron::CondensedElectron(const ElectronPhysics& physics,
                                     const CondensedOptions& options)
    : options_(options) {
  const auto& grid = ElectronPhysics::energies;
  for (std::size_t i = 0; i < grid.n_cells(); ++i) {
    if (physics.csda_range_um(grid.node(i)) > options.resolution_um) break;
    resolved_keV_ = grid.node(i);
  }
  nodes_.reserve(grid.n_nodes());
  for (std::size_t i = 0; i < grid.n_nodes(); ++i) nodes_.push_back(make_node(physics, i));
  integrate();
  invert();
}

CondensedElectron::Moments CondensedElectron::moments_of(const ElectronPhysics& physics,
                                                         std::size_t i,
                                                         const LossSpectrum& spectrum,
                                                         const ElasticScattering& elastic) const {
  const double density = physics.density_g_per_cm3();
  const double distant =
      physics.distant_scale_at_node(i) * spectrum.distant.transport_per_um.back();
  const double hard = hard_loss_keV(ElectronPhysics::energies.node(i));
  const double close = running_at(spectrum, spectrum.close.transport_per_um, hard);
  const double turned = elastic.transport_below(1.0);
  // 1 - P2 = 3 x - 3/2 x^2 with x = 1 - cosine; x^2 of distant collisions is negligible.
  const double square = elastic.square_transport() +
                        square_of_close(spectrum, ElectronPhysics::energies.node(i), hard);
  Moments m{};
  m.first = density * (turned + distant + close);
  m.second = 3.0 * m.first - 1.5 * density * square;
  m.whole = density * (turned + distant + spectrum.close.transport_per_um.back());
  return m;
}

CondensedRates CondensedElectron::make_node(const ElectronPhysics& physics, std::size_t i) {
  const double energy_keV = ElectronPhysics::energies.node(i);
  const double density = physics.density_g_per_cm3();
  const LossSpectrum spectrum = loss_spectrum(physics.losses(), energy_keV);
  const double scale = physics.distant_scale_at_node(i);
  const double hard = hard_loss_keV(ElectronPhysics::energies.node(i));
  const Moments m = moments_of(physics, i, spectrum, elastic_scattering(energy_keV));
  CondensedRates node{};
  // Eq. E20; nothing turns more than isotropic events do.
  const double widest = std::min(2.0, 3.0 - m.second / m.first);
  node.widest_turn = narrow_share * widest;
  const double wide = (widest - node.widest_turn) / (2.0 - node.widest_turn);
  const double narrow_turns = (1.0 - wide) * m.first / (0.5 * node.widest_turn);
  const double turns = narrow_turns + wide * m.first;
  const double close =
      density * (spectrum.close.rate() - running_at(spectrum, spectrum.close.per_um, hard));
  // Tables are read below their last node.
  const double below_last =
      std::min(energy_keV, std::nextafter(ElectronPhysics::energies.last(), 0.0));
  const double radiative = physics.rates(below_last).radiative;
  const double events = turns + close + radiative;
  node.narrow_share = narrow_turns / events;
  node.turn_share = turns / events;
  node.close_share = (turns + close) / events;
  node.soft_stopping = density * (scale * spectrum.distant.stopping() +
                                  running_at(spectrum, spectrum.close.keV_per_um, hard));
  node.soft_straggling = density * (scale * spectrum.distant.keV2_per_um.back() +
                                    running_at(spectrum, spectrum.close.keV2_per_um, hard));
  node.range_um = physics.csda_range_um(below_last);
  event_rate_.push_back(events);
  whole_turn_.push_back(m.whole);
  return node;
}

// Paths, depths (Eq. E21) and penetrations (Eq. E24) by the trapezoidal rule from node to node.
void CondensedElectron::integrate() {
  const auto& grid = ElectronPhysics::energies;
  penetration_um_.assign(nodes_.size(), 0.0);
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    CondensedRates& now = nodes_[i];
    const CondensedRates& last = nodes_[i - 1];
    now.path_um = last.path_um;
    now.depth = last.depth;
    if (grid.node(i - 1) < electron_min_energy_keV) continue;
    const double half = 0.5 * (grid.node(i) - grid.node(i - 1));
    now.path_um += half * (1.0 / now.soft_stopping + 1.0 / last.soft_stopping);
    now.depth +=
        half * (event_rate_[i] / now.soft_stopping + event_rate_[i - 1] / last.soft_stopping);
    const double step_um = now.range_um - last.range_um;
    const double turn = 0.5 * (whole_turn_[i] + whole_turn_[i - 1]) * step_um;
    const double kept = std::exp(-turn);
    const double forward_um = turn > 0.0 ? step_um * (1.0 - kept) / turn : step_um;
    // Energy of the last node moves by the whole step, that lost in it by half of it.
    const double energy = grid.node(i - 1);
    penetration_um_[i] =
        (energy * (forward_um + kept * penetration_um_[i - 1]) + 2.0 * half * 0.5 * forward_um) /
        grid.node(i);
  }
}

void CondensedElectron::invert() {
  const auto& grid = ElectronPhysics::energies;
  const auto n = static_cast<std::size_t>(nodes_.back().depth * falls_per_event) + 1;
  falls_.reserve(n + 1);
  std::size_t i = 1;
  for (std::size_t k = 0; k <= n; ++k) {
    const double depth = static_cast<double>(k) / falls_per_event;
    while (i + 1 < nodes_.size() && nodes_[i].depth < depth) ++i;
    const CondensedRates& a = nodes_[i - 1];
    const CondensedRates& b = nodes_[i];
    const double t = b.depth > a.depth ? (depth - a.depth) / (b.depth - a.depth) : 1.0;
    falls_.push_back({grid.node(i - 1) + t * (grid.node(i) - grid.node(i - 1)),
                      a.path_um + t * (b.path_um - a.path_um)});
  }
}

double CondensedElectron::energy_at_path_keV(double path_um) const {
  const auto& grid = ElectronPhysics::energies;
  const auto beyond =
      std::upper_bound(nodes_.begin(), nodes_.end(), path_um,
                       [](double path, const CondensedRates& node) { return path < node.path_um; });
  const auto i = std::clamp<std::size_t>(static_cast<std::size_t>(beyond - nodes_.begin()), 1,
                                         nodes_.size() - 1);
  const double t = (path_um - nodes_[i - 1].path_um) / (nodes_[i].path_um - nodes_[i - 1].path_um);
  return grid.node(i - 1) + t * (grid.node(i) - grid.node(i - 1));
}

}  // namespace immunodose
