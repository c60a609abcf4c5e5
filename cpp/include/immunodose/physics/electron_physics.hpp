// SPDX-License-Identifier: BSD-3-Clause
// Everything that a moving electron looks up, tabulated over energy. Built once, then read-only
// and shared by all threads. docs/theory/electrons.md.
#pragma once
#include <array>
#include <cstddef>
#include <vector>

#include "immunodose/core/octave_grid.hpp"
#include "immunodose/physics/electron_elastic.hpp"
#include "immunodose/physics/electron_inelastic.hpp"

namespace immunodose {

// Energies that can be transported; slower electrons are absorbed where they are.
inline constexpr double electron_min_energy_keV = 0.03;
inline constexpr double electron_max_energy_keV = 3000.0;

// Rates per um at one energy.
struct ElectronRates {
  double elastic;
  double distant;
  double close;
  double radiative;
  double oxygen;  // share of the elastic collisions, as a rate
};

// Of elastic collisions with one element, see ScreenedRutherford.
struct ElasticShape {
  double screening;
  double spin;
};

class ElectronPhysics {
 public:
  explicit ElectronPhysics(double density_g_per_cm3 = 1.0);

  using Energies = OctaveGrid<5>;
  static constexpr Energies energies{-7, 12};
  using Rows = OctaveGrid<3>;  // of the samplers
  static constexpr Rows rows{-7, 12};

  double density_g_per_cm3() const { return density_; }
  ElectronRates rates(double energy_keV) const;
  ElasticScattering elastic(double energy_keV) const;
  ElasticShape elastic_shape(std::size_t element, double energy_keV) const;
  // Collision stopping power, keV/um, and its path integral from 0, um.
  double stopping_keV_per_um(double energy_keV) const;
  double csda_range_um(double energy_keV) const;
  // Mean of the stopping power over the energies from 0, keV/um: the dose-mean LET of an electron
  // that is stopped.
  double slowing_let_keV_per_um(double energy_keV) const;
  double transverse_share(double energy_keV) const;

  // Energy loss of a collision; `u` uniform, `v` chooses between neighboring rows.
  double sample_distant_loss(double energy_keV, double u, double v) const;
  // Losses of close collisions up to close_split_keV; those above follow sample_hard_loss.
  static constexpr double close_split_keV = 0.2;
  double close_tail_share(double energy_keV) const;
  double sample_close_loss(double energy_keV, double u, double v) const;
  // Acceptance of a loss drawn from 1/W^2 above a threshold: n(W)/10 times Moller/Rutherford / 2.5.
  double hard_acceptance(double energy_keV, double loss_keV) const;
  static constexpr double hard_bound = 2.5;

  const LossGrid& losses() const { return losses_; }
  // Factor that makes the stopping power that of ICRU 90. Eq. E10.
  double distant_scale(double energy_keV) const { return scale_at(energy_keV); }
  // The same at a node of `energies`.
  double distant_scale_at_node(std::size_t i) const { return nodes_[i].distant_scale; }

 private:
  struct Node {
    double elastic, distant, close, radiative, oxygen;
    double stopping, range;
    ElasticShape shape[ElasticScattering::n_elements];
    double transverse_share, close_tail_share;
    double distant_scale;
  };
  static constexpr std::size_t n_quantiles = 129;
  static constexpr std::size_t n_levels = 4;
  static constexpr double zoom = 16.0;

  double scale_at(double energy_keV) const;
  Node make_node(double energy_keV, const LossSpectrum& spectrum) const;
  void add_sampler_row(const LossSpectrum& spectrum);
  void integrate_ranges();
  void average_stopping();
  double interpolate(double energy_keV, double Node::* member) const {
    const auto place = energies.find(energy_keV);
    const double low = nodes_[place.cell].*member;
    return low + place.fraction * (nodes_[place.cell + 1].*member - low);
  }
  std::size_t row_of(double energy_keV, double v) const;

  double density_;
  LossGrid losses_;
  double scale_below_join_ = 1.0;
  std::vector<Node> nodes_;
  std::vector<double> slowing_let_;  // by node, keV/um
  // (row, level, quantile): losses of equal probability. Each level resolves the last 1/zoom of
  // the probability of the level before, where losses spread over decades.
  std::vector<float> distant_;
  // (row, quantile)
  std::vector<float> close_;
};

inline ElectronRates ElectronPhysics::rates(double energy_keV) const {
  const auto place = energies.find(energy_keV);
  const Node& low = nodes_[place.cell];
  const Node& high = nodes_[place.cell + 1];
  const auto mix = [&](double a, double b) { return a + place.fraction * (b - a); };
  return {mix(low.elastic, high.elastic), mix(low.distant, high.distant),
          mix(low.close, high.close), mix(low.radiative, high.radiative),
          mix(low.oxygen, high.oxygen)};
}

inline ElasticShape ElectronPhysics::elastic_shape(std::size_t element, double energy_keV) const {
  const auto place = energies.find(energy_keV);
  const ElasticShape& low = nodes_[place.cell].shape[element];
  const ElasticShape& high = nodes_[place.cell + 1].shape[element];
  return {low.screening + place.fraction * (high.screening - low.screening),
          low.spin + place.fraction * (high.spin - low.spin)};
}

inline double ElectronPhysics::stopping_keV_per_um(double energy_keV) const {
  return interpolate(energy_keV, &Node::stopping);
}

inline double ElectronPhysics::csda_range_um(double energy_keV) const {
  return interpolate(energy_keV, &Node::range);
}

inline double ElectronPhysics::slowing_let_keV_per_um(double energy_keV) const {
  const auto place = energies.find(energy_keV);
  const double low = slowing_let_[place.cell];
  return low + place.fraction * (slowing_let_[place.cell + 1] - low);
}

inline double ElectronPhysics::transverse_share(double energy_keV) const {
  return interpolate(energy_keV, &Node::transverse_share);
}

inline double ElectronPhysics::close_tail_share(double energy_keV) const {
  return interpolate(energy_keV, &Node::close_tail_share);
}

}  // namespace immunodose
