// SPDX-License-Identifier: BSD-3-Clause
// Condensed electrons: the many soft collisions of a flight become one loss, and few large turns
// whose first two angular moments per path are those of all soft deflections.
// Eqs. E19-E23, docs/theory/electrons.md.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "immunodose/physics/electron_physics.hpp"

namespace immunodose {

struct CondensedOptions {
  // Lengths that need not be resolved, as a share of the smallest region (resolved_share).
  double resolution_um = 0.0;
};

// Share of the radius of the smallest nucleus of a scene that its electrons need not resolve.
inline constexpr double resolved_share = 0.05;

// At one energy; lengths in um. An event is a turn, a hard collision or a bremsstrahlung photon.
struct CondensedRates {
  double depth;            // events from the lowest energy up to here, as soft losses lead. Eq. E21
  double path_um;          // of soft losses from here to the lowest energy
  double soft_stopping;    // keV/um
  double soft_straggling;  // keV2/um
  double narrow_share;     // of the events: narrow turns
  double turn_share;       // narrow and wide (isotropic) turns
  double close_share;      // turns and hard collisions
  double widest_turn;      // 1 - cosine of a narrow turn is uniform up to here. Eq. E20
  double range_um;         // all losses together (CSDA)
};

class CondensedElectron {
 public:
  CondensedElectron(const ElectronPhysics& physics, const CondensedOptions& options);

  CondensedRates at(double energy_keV) const;
  double resolution_um() const { return options_.resolution_um; }
  // Close collisions with a larger loss are single. Eq. E19.
  double hard_loss_keV(double energy_keV) const {
    constexpr double least = 1.0;  // keV
    constexpr double share = 0.1;
    return std::max(least, std::min(share * energy_keV, resolved_keV_));
  }
  // Where soft losses have brought an electron.
  struct Fall {
    double energy_keV;
    double path_um;
  };
  // Where `depth` events are left.
  Fall at_depth(double depth) const;
  // Energy where this path is left.
  double energy_at_path_keV(double path_um) const;
  // Mean way forward of the energy that an electron leaves until it stops, um. Eq. E24.
  double penetration_um(double energy_keV) const;

 private:
  struct Moments {
    double first;   // 1 - cosine per um, of soft deflections
    double second;  // 1 - P2(cosine) per um
    double whole;   // 1 - cosine per um, of all collisions
  };
  Moments moments_of(const ElectronPhysics& physics, std::size_t i, const LossSpectrum& spectrum,
                     const ElasticScattering& elastic) const;
  CondensedRates make_node(const ElectronPhysics& physics, std::size_t i);
  void integrate();
  void invert();

  static constexpr double falls_per_event = 8.0;
  // Widths of narrow turns over those of turns that need no wide ones.
  static constexpr double narrow_share = 0.5;

  CondensedOptions options_;
  double resolved_keV_ = 0.0;  // energy with a CSDA range of resolution_um
  std::vector<CondensedRates> nodes_;
  std::vector<double> event_rate_;      // per um, by node
  std::vector<double> whole_turn_;      // 1 - cosine per um, by node
  std::vector<double> penetration_um_;  // by node
  std::vector<Fall> falls_;             // at multiples of 1/falls_per_event in depth
};

// Inline: callers need some of the rates.
inline CondensedRates CondensedElectron::at(double energy_keV) const {
  const auto place = ElectronPhysics::energies.find(energy_keV);
  const CondensedRates& a = nodes_[place.cell];
  const CondensedRates& b = nodes_[place.cell + 1];
  const auto mix = [&](double low, double high) { return low + place.fraction * (high - low); };
  return {mix(a.depth, b.depth),
          mix(a.path_um, b.path_um),
          mix(a.soft_stopping, b.soft_stopping),
          mix(a.soft_straggling, b.soft_straggling),
          mix(a.narrow_share, b.narrow_share),
          mix(a.turn_share, b.turn_share),
          mix(a.close_share, b.close_share),
          mix(a.widest_turn, b.widest_turn),
          mix(a.range_um, b.range_um)};
}

inline CondensedElectron::Fall CondensedElectron::at_depth(double depth) const {
  const double position = depth * falls_per_event;
  const auto i = static_cast<std::size_t>(position);
  const double t = position - static_cast<double>(i);
  const Fall& a = falls_[i];
  const Fall& b = falls_[i + 1];
  return {a.energy_keV + t * (b.energy_keV - a.energy_keV),
          a.path_um + t * (b.path_um - a.path_um)};
}

inline double CondensedElectron::penetration_um(double energy_keV) const {
  const auto place = ElectronPhysics::energies.find(energy_keV);
  const double low = penetration_um_[place.cell];
  return low + place.fraction * (penetration_um_[place.cell + 1] - low);
}

}  // namespace immunodose
