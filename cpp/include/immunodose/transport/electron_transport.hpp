// SPDX-License-Identifier: BSD-3-Clause
// Follows one electron or positron and all its delta rays to the cut-off, in water.
// Collision by collision (detailed) or in steps that group the soft ones (condensed).
// docs/theory/electrons.md, sections 6 and 7.
#pragma once
#include <cmath>
#include <limits>
#include <vector>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/physics/bremsstrahlung.hpp"
#include "immunodose/physics/condensed_electron.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/physics/water_oscillators.hpp"
#include "immunodose/transport/direction.hpp"
#include "immunodose/transport/particle.hpp"

namespace immunodose {

enum class ElectronMode { detailed, condensed };

struct ElectronOptions {
  ElectronMode mode = ElectronMode::condensed;
  double cutoff_keV = 0.05;      // slower electrons are absorbed where they are
  double longest_step_um = 5.0;  // of condensed steps
  // A particle is absorbed where it is if this many CSDA ranges do not lead out of its region.
  double reach_factor = 1.2;
};

class ElectronTransport {
 public:
  // `condensed` may be null in detailed mode; both must outlive this object.
  ElectronTransport(const ElectronPhysics& physics, const CondensedElectron* condensed,
                    const ElectronOptions& options)
      : physics_(physics), condensed_(condensed), options_(options) {
    if (options.mode == ElectronMode::condensed && condensed == nullptr) {
      throw InputError("condensed transport needs its tables");
    }
    if (options.cutoff_keV < electron_min_energy_keV) {
      throw InputError("cutoff_keV lies below the lowest energy of the electron model");
    }
  }

  template <Scorer S>
  void operator()(const Particle& start, Stream& random, S& scorer,
                  std::vector<Particle>& photons) {
    if (start.energy_keV > electron_max_energy_keV) {
      throw InputError("electron energy lies above the electron model (3000 keV)");
    }
    stack_.clear();
    stack_.push_back(start);
    while (!stack_.empty()) {
      Flight flight{stack_.back()};
      stack_.pop_back();
      if constexpr (requires { scorer.begin(flight.particle); }) scorer.begin(flight.particle);
      follow(flight, random, scorer, photons);
    }
  }

 private:
  // An electron under way, with what is known of the distance to the next surface.
  struct Flight {
    Particle particle;
    double clearance_um = -1.0;
    int until_check = 0;

    void move(double length_um) {
      particle.position_um = particle.position_um + length_um * particle.direction;
      clearance_um -= length_um;
    }
  };

  template <class S>
  void follow(Flight& flight, Stream& random, S& scorer, std::vector<Particle>& photons) {
    Particle& e = flight.particle;
    for (;;) {
      if constexpr (requires { scorer.energy(e.energy_keV); }) scorer.energy(e.energy_keV);
      if (ends(flight, scorer)) {
        scorer.point(e.position_um, e.weight * e.energy_keV);
        if (e.kind == ParticleKind::positron) annihilate(e, random, photons);
        return;
      }
      if constexpr (requires { scorer.roulette(e, random); }) {
        if (!scorer.roulette(e, random)) return;
      }
      if (options_.mode == ElectronMode::detailed) {
        detailed_step(flight, random, scorer, photons);
      } else {
        condensed_step(flight, random, scorer, photons);
      }
    }
  }

  template <class S>
  bool ends(Flight& flight, S& scorer) const {
    const double energy = flight.particle.energy_keV;
    if (energy <= options_.cutoff_keV) return true;
    if (--flight.until_check > 0 && flight.clearance_um > 0.0) {
      return stays(energy, flight.clearance_um);
    }
    constexpr int steps_between_checks = 8;
    flight.until_check = steps_between_checks;
    flight.clearance_um = scorer.clearance(flight.particle.position_um);
    return stays(energy, flight.clearance_um);
  }

  bool stays(double energy_keV, double clearance_um) const {
    return options_.reach_factor * physics_.csda_range_um(energy_keV) < clearance_um;
  }

  template <class S>
  void detailed_step(Flight& flight, Stream& random, S& scorer, std::vector<Particle>& photons) {
    Particle& e = flight.particle;
    const ElectronRates rates = physics_.rates(e.energy_keV);
    const double total = rates.elastic + rates.distant + rates.close + rates.radiative;
    flight.move(-std::log(random.uniform32()) / total);
    double chosen = random.uniform32() * total;
    if ((chosen -= rates.elastic) < 0.0) {
      scatter(e, physics_.elastic(e.energy_keV), 0.0, random);
    } else if ((chosen -= rates.distant) < 0.0) {
      distant_collision(flight, random, scorer);
    } else if ((chosen -= rates.close) < 0.0) {
      const bool tail = random.uniform32() < physics_.close_tail_share(e.energy_keV);
      const double loss =
          tail ? hard_loss(e.energy_keV, ElectronPhysics::close_split_keV, random)
               : physics_.sample_close_loss(e.energy_keV, random.uniform32(), random.uniform32());
      close_collision(flight, loss, random, scorer);
    } else {
      radiate(e, random, photons);
    }
  }

  // Soft deflection and loss at a random point of the step, then the hard collision if the step
  // ends in one. Eqs. E20-E23.
  template <class S>
  void condensed_step(Flight& flight, Stream& random, S& scorer, std::vector<Particle>& photons) {
    Particle& e = flight.particle;
    const CondensedRates rates = condensed_->at(e.energy_keV);
    const double radiative = physics_.rates(e.energy_keV).radiative;
    const double total = rates.hard_elastic + rates.hard_close + radiative;
    const double free_um = -std::log(random.uniform32()) / total;
    const double limit_um = std::min(rates.longest_step, options_.longest_step_um);
    double step_um = std::min(free_um, limit_um);
    double loss = soft_loss(e.energy_keV, step_um, rates, random);
    const bool stops = loss >= e.energy_keV;
    if (stops) {
      step_um *= e.energy_keV / loss;
      loss = e.energy_keV;
    }
    const double hinge_um = random.uniform32() * step_um;
    const double share = hinge_um / step_um;
    scorer.segment(e.position_um, e.direction, hinge_um, e.weight * loss * share);
    flight.move(hinge_um);
    soft_deflection(e, rates.soft_transport * step_um, random);
    scorer.segment(e.position_um, e.direction, step_um - hinge_um, e.weight * loss * (1.0 - share));
    flight.move(step_um - hinge_um);
    e.energy_keV -= loss;
    if (stops || free_um > limit_um || e.energy_keV <= options_.cutoff_keV) return;
    double chosen = random.uniform32() * total;
    if ((chosen -= rates.hard_elastic) < 0.0) {
      scatter(e, physics_.elastic(e.energy_keV), rates.mu_cut, random);
    } else if ((chosen -= rates.hard_close) < 0.0) {
      if (largest_loss_keV(e.energy_keV) <= condensed_->hard_loss_keV()) return;
      close_collision(flight, hard_loss(e.energy_keV, condensed_->hard_loss_keV(), random), random,
                      scorer);
    } else {
      radiate(e, random, photons);
    }
  }

  // Loss of the soft collisions of a step: mean of the energy at its middle, and a spread. Eq. E21.
  double soft_loss(double energy_keV, double step_um, const CondensedRates& rates,
                   Stream& random) const {
    const double first = rates.soft_stopping * step_um;
    const double middle = energy_keV - 0.5 * first;
    const double mean = middle > ElectronPhysics::energies.first()
                            ? condensed_->at(middle).soft_stopping * step_um
                            : first;
    const double spread = std::sqrt(rates.soft_straggling * step_um);
    constexpr double wide = 3.0;
    if (mean > wide * spread) {
      // Twelve-fold sums are near enough to a normal law: the third moment is what soft cuts lose.
      double sum = 0.0;
      for (int i = 0; i < 3; ++i) sum += random.uniform32();
      return mean + spread * 2.0 * (sum - 1.5);  // variance of the sum: 3/12
    }
    // Few collisions: either none or a uniform loss with the same mean and variance.
    const double ratio = spread * spread / (mean * mean);
    if (ratio <= 1.0 / 3.0) return mean + spread * std::sqrt(12.0) * (random.uniform32() - 0.5);
    const double none = (3.0 * ratio - 1.0) / (3.0 * ratio + 3.0);
    const double widest = 1.5 * mean * (ratio + 1.0);
    const double u = random.uniform32();
    return u < none ? 0.0 : widest * (u - none) / (1.0 - none);
  }

  // Mean 1 - cosine of many small deflections; mu = (1 - cosine)/2 is exponential. Eq. E20.
  void soft_deflection(Particle& e, double transport, Stream& random) const {
    const double mean_mu = 0.5 * (1.0 - std::exp(-transport));
    if (mean_mu <= 0.0) return;
    double mu;
    do {
      mu = -mean_mu * std::log(random.uniform32());
    } while (mu > 1.0);
    e.direction = deflected(e.direction, 1.0 - 2.0 * mu, random_azimuth(random));
  }

  void scatter(Particle& e, const ElasticScattering& elastic, double mu_cut, Stream& random) const {
    const auto& parts = elastic.element;
    const double above0 = parts[0].rate_per_um * (1.0 - parts[0].share_below(mu_cut));
    const double above1 = parts[1].rate_per_um * (1.0 - parts[1].share_below(mu_cut));
    const auto& part = parts[random.uniform32() * (above0 + above1) < above0 ? 0 : 1];
    const double below = part.share_below(mu_cut);
    const double mu = part.quantile(below + (1.0 - below) * random.uniform32());
    // Spin factor 1 - beta^2 mu: otherwise nothing happens.
    if (random.uniform32() < elastic.beta2 * mu) return;
    e.direction = deflected(e.direction, 1.0 - 2.0 * mu, random_azimuth(random));
  }

  // Loss of a close collision above a threshold, by rejection from 1/W^2.
  double hard_loss(double energy_keV, double threshold_keV, Stream& random) const {
    const double inverse_low = 1.0 / threshold_keV;
    const double inverse_high = 1.0 / largest_loss_keV(energy_keV);
    for (;;) {
      const double u = random.uniform32();
      const double loss = 1.0 / (inverse_low - u * (inverse_low - inverse_high));
      if (random.uniform32() < physics_.hard_acceptance(energy_keV, loss)) return loss;
    }
  }

  template <class S>
  void distant_collision(Flight& flight, Stream& random, S& scorer) {
    Particle& e = flight.particle;
    const double loss =
        physics_.sample_distant_loss(e.energy_keV, random.uniform32(), random.uniform32());
    const bool transverse = random.uniform32() < physics_.transverse_share(e.energy_keV);
    const double secondary = loss - water_binding_keV;
    if (secondary > options_.cutoff_keV && !stays(secondary, flight.clearance_um)) {
      scorer.point(e.position_um, e.weight * water_binding_keV);
      stack_.push_back({ParticleKind::electron, secondary, e.position_um,
                        isotropic_direction(random), e.weight});
    } else {
      scorer.point(e.position_um, e.weight * loss);
    }
    if (!transverse) {
      const double recoil = distant_recoil(e.energy_keV, loss, random);
      const double cosine = deflection_cosine(e.energy_keV, loss, recoil);
      e.direction = deflected(e.direction, cosine, random_azimuth(random));
    }
    e.energy_keV -= loss;
  }

  // Recoil energy Q between the smallest and the loss: Q/(Q + 2 m) is log-uniform. Eq. E8.
  double distant_recoil(double energy_keV, double loss_keV, Stream& random) const {
    constexpr double rest = 2.0 * constants::electron_rest_energy_keV;
    const double least = smallest_recoil_keV(energy_keV, loss_keV);
    const double low = least / (least + rest);
    const double high = loss_keV / (loss_keV + rest);
    if (low >= high) return least;
    const double y = low * std::pow(high / low, random.uniform32());
    return rest * y / (1.0 - y);
  }

  template <class S>
  void close_collision(Flight& flight, double loss, Stream& random, S& scorer) {
    Particle& e = flight.particle;
    const Azimuth azimuth = random_azimuth(random);
    const double cosine = deflection_cosine(e.energy_keV, loss, loss);
    const double secondary = loss - water_binding_keV;
    if (secondary > options_.cutoff_keV && !stays(secondary, flight.clearance_um)) {
      scorer.point(e.position_um, e.weight * water_binding_keV);
      const double along = knock_on_cosine(e.energy_keV, loss);
      stack_.push_back({ParticleKind::electron, secondary, e.position_um,
                        deflected(e.direction, along, {-azimuth.cosine, -azimuth.sine}), e.weight});
    } else {
      scorer.point(e.position_um, e.weight * loss);
    }
    e.direction = deflected(e.direction, cosine, azimuth);
    e.energy_keV -= loss;
  }

  // Cosine of an electron knocked on with energy W from rest. Eq. E11.
  static double knock_on_cosine(double energy_keV, double loss_keV) {
    constexpr double rest = 2.0 * constants::electron_rest_energy_keV;
    return std::min(1.0,
                    std::sqrt(loss_keV * (energy_keV + rest) / (energy_keV * (loss_keV + rest))));
  }

  void radiate(Particle& e, Stream& random, std::vector<Particle>& photons) const {
    double photon = 0.0;
    while (photon == 0.0) {
      photon = sample_bremsstrahlung_keV(e.energy_keV, random.uniform32(), random.uniform32());
    }
    const double cosine = sample_bremsstrahlung_cosine(e.energy_keV, random.uniform32());
    photons.push_back({ParticleKind::photon, photon, e.position_um,
                       deflected(e.direction, cosine, random_azimuth(random)), e.weight});
    e.energy_keV -= photon;
  }

  static void annihilate(const Particle& e, Stream& random, std::vector<Particle>& photons) {
    const Vec3 direction = isotropic_direction(random);
    for (const double sign : {1.0, -1.0}) {
      photons.push_back({ParticleKind::photon, constants::electron_rest_energy_keV, e.position_um,
                         sign * direction, e.weight});
    }
  }

  const ElectronPhysics& physics_;
  const CondensedElectron* condensed_;
  ElectronOptions options_;
  std::vector<Particle> stack_;
};

}  // namespace immunodose
