// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/electron_physics.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/physics/bremsstrahlung.hpp"
#include "immunodose/physics/electron_stopping.hpp"
#include "immunodose/physics/water_oscillators.hpp"

namespace immunodose {
namespace {

// The stopping power is that of ICRU 90 above; below, the dielectric model keeps the factor of
// this energy (docs/theory/electrons.md, section 3).
constexpr double join_energy_keV = 5.0;

// Argument at which a running integral reaches `wanted`.
double inverse(std::span<const double> argument, std::span<const double> sum, double wanted) {
  const auto upper = std::upper_bound(sum.begin(), sum.end(), wanted);
  if (upper == sum.begin()) return argument.front();
  if (upper == sum.end()) return argument[sum.size() - 1];
  const auto i = static_cast<std::size_t>(upper - sum.begin());
  const double t = (wanted - sum[i - 1]) / (sum[i] - sum[i - 1]);
  return argument[i - 1] + t * (argument[i] - argument[i - 1]);
}

// Appends losses at n equally probable shares from `low` to `high` of a running integral.
void append_quantiles(std::vector<float>& table, const LossSpectrum& spectrum,
                      const std::vector<double>& sum, double low, double high, std::size_t n) {
  for (std::size_t q = 0; q < n; ++q) {
    const double share = low + (high - low) * static_cast<double>(q) / static_cast<double>(n - 1);
    table.push_back(static_cast<float>(inverse(spectrum.loss_keV, sum, share)));
  }
}

double running_at(const LossSpectrum& spectrum, const std::vector<double>& sum, double loss) {
  const auto& w = spectrum.loss_keV;
  if (loss >= w.back()) return sum.back();
  const auto i = static_cast<std::size_t>(std::upper_bound(w.begin(), w.end(), loss) - w.begin());
  const double t = (loss - w[i - 1]) / (w[i] - w[i - 1]);
  return (1.0 - t) * sum[i - 1] + t * sum[i];
}

double linear(const float* row, double position, std::size_t n) {
  const auto i = std::min(static_cast<std::size_t>(position), n - 2);
  const double t = position - static_cast<double>(i);
  return (1.0 - t) * static_cast<double>(row[i]) + t * static_cast<double>(row[i + 1]);
}

}  // namespace

ElectronPhysics::ElectronPhysics(double density_g_per_cm3) : density_(density_g_per_cm3) {
  const auto excess = [](const LossSpectrum& spectrum, double energy) {
    const double wanted = 0.1 * electron_collision_mass_stopping(energy);  // keV/um, Eq. E10
    return (wanted - spectrum.close.stopping()) / spectrum.distant.stopping();
  };
  scale_below_join_ = excess(loss_spectrum(losses_, join_energy_keV), join_energy_keV);
  nodes_.reserve(energies.n_nodes());
  constexpr std::size_t nodes_per_row = 4;
  for (std::size_t i = 0; i < energies.n_nodes(); ++i) {
    const double energy = energies.node(i);
    LossSpectrum spectrum = loss_spectrum(losses_, energy);
    const double scale = energy > join_energy_keV ? excess(spectrum, energy) : scale_below_join_;
    for (auto* sum : {&spectrum.distant.per_um, &spectrum.distant.keV_per_um,
                      &spectrum.distant.keV2_per_um, &spectrum.distant.transport_per_um}) {
      for (double& value : *sum) value *= scale;
    }
    nodes_.push_back(make_node(energy, spectrum));
    nodes_.back().distant_scale = scale;
    if (i % nodes_per_row == 0) add_sampler_row(spectrum);
  }
  integrate_ranges();
  average_stopping();
}

ElectronPhysics::Node ElectronPhysics::make_node(double energy_keV,
                                                 const LossSpectrum& spectrum) const {
  const ElasticScattering scattering = elastic_scattering(energy_keV);
  Node node{};
  node.elastic = density_ * scattering.rate_per_um();
  node.oxygen = density_ * scattering.element[0].rate_per_um;
  for (std::size_t k = 0; k < ElasticScattering::n_elements; ++k) {
    node.shape[k] = {scattering.element[k].screening, scattering.element[k].spin};
  }
  node.distant = density_ * spectrum.distant.rate();
  node.close = density_ * spectrum.close.rate();
  node.radiative = density_ * bremsstrahlung_rate_per_um(energy_keV);
  node.stopping = density_ * (spectrum.distant.stopping() + spectrum.close.stopping());
  node.transverse_share = spectrum.transverse_share;
  const double below = running_at(spectrum, spectrum.close.per_um, close_split_keV);
  node.close_tail_share = spectrum.close.rate() > 0.0 ? 1.0 - below / spectrum.close.rate() : 0.0;
  return node;
}

void ElectronPhysics::add_sampler_row(const LossSpectrum& spectrum) {
  const auto& distant = spectrum.distant.per_um;
  const double whole = distant.back();
  double share = 1.0;
  for (std::size_t level = 0; level < n_levels; ++level, share /= zoom) {
    append_quantiles(distant_, spectrum, distant, whole * (1.0 - share), whole, n_quantiles);
  }
  append_quantiles(close_, spectrum, spectrum.close.per_um, 0.0,
                   running_at(spectrum, spectrum.close.per_um, close_split_keV), n_quantiles);
}

void ElectronPhysics::integrate_ranges() {
  // Below the first ionization nothing slows an electron here; its way there is not a range.
  const auto inverse_stopping = [&](std::size_t i) {
    const double s = nodes_[i].stopping;
    return energies.node(i) < electron_min_energy_keV ? 0.0 : 1.0 / s;
  };
  nodes_[0].range = 0.0;
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    const double step = energies.node(i) - energies.node(i - 1);
    nodes_[i].range =
        nodes_[i - 1].range + 0.5 * step * (inverse_stopping(i) + inverse_stopping(i - 1));
  }
}

void ElectronPhysics::average_stopping() {
  // Slower electrons count with the stopping power of the slowest that the model follows.
  const double slowest = interpolate(electron_min_energy_keV, &Node::stopping);
  const auto let = [&](std::size_t i) {
    return energies.node(i) < electron_min_energy_keV ? slowest : nodes_[i].stopping;
  };
  double sum = energies.node(0) * slowest;
  slowing_let_.assign(1, slowest);
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    sum += 0.5 * (energies.node(i) - energies.node(i - 1)) * (let(i) + let(i - 1));
    slowing_let_.push_back(sum / energies.node(i));
  }
}

ElasticScattering ElectronPhysics::elastic(double energy_keV) const {
  const double oxygen = interpolate(energy_keV, &Node::oxygen);
  const double both = interpolate(energy_keV, &Node::elastic);
  const ElasticShape a = elastic_shape(0, energy_keV);
  const ElasticShape b = elastic_shape(1, energy_keV);
  ElasticScattering scattering;
  scattering.element[0] = {oxygen, a.screening, a.spin};
  scattering.element[1] = {both - oxygen, b.screening, b.spin};
  return scattering;
}

double ElectronPhysics::scale_at(double energy_keV) const {
  if (energy_keV <= join_energy_keV) return scale_below_join_;
  const LossSpectrum spectrum = loss_spectrum(losses_, energy_keV);
  return (0.1 * electron_collision_mass_stopping(energy_keV) - spectrum.close.stopping()) /
         spectrum.distant.stopping();
}

std::size_t ElectronPhysics::row_of(double energy_keV, double v) const {
  const auto place = rows.find(energy_keV);
  return place.cell + (v < place.fraction ? 1 : 0);
}

double ElectronPhysics::sample_distant_loss(double energy_keV, double u, double v) const {
  constexpr double steps = static_cast<double>(n_quantiles - 1);
  double tail = 1.0 - u;
  std::size_t level = 0;
  for (; tail < 1.0 / zoom && level + 1 < n_levels; ++level) tail *= zoom;
  const float* const row = &distant_[(row_of(energy_keV, v) * n_levels + level) * n_quantiles];
  const double position = (1.0 - tail) * steps;
  double loss = linear(row, position, n_quantiles);
  if (position > steps - 1.0) {
    // The last step reaches to the largest loss: its losses follow the power law of the K shell.
    loss = static_cast<double>(row[n_quantiles - 2]) *
           std::pow(steps - position, -1.0 / (oxygen_k_power + 1.0));
  }
  return std::min(loss, largest_loss_keV(energy_keV));
}

double ElectronPhysics::sample_close_loss(double energy_keV, double u, double v) const {
  const std::size_t start = row_of(energy_keV, v) * n_quantiles;
  const double loss = linear(&close_[start], u * static_cast<double>(n_quantiles - 1), n_quantiles);
  return std::min(loss, largest_loss_keV(energy_keV));
}

double ElectronPhysics::hard_acceptance(double energy_keV, double loss_keV) const {
  return losses_.free_count_at(loss_keV) / electrons_per_molecule *
         moller_ratio(energy_keV, loss_keV) / hard_bound;
}

}  // namespace immunodose
