// SPDX-License-Identifier: BSD-3-Clause
// Follows one electron or positron and all its delta rays to the cut-off, in water.
// Collision by collision (detailed) or in steps that group the soft ones (condensed).
// docs/theory/electrons.md, sections 6 and 7.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/fast_math.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/physics/condensed_electron.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/physics/water_oscillators.hpp"
#include "immunodose/transport/direction.hpp"
#include "immunodose/transport/electron_collisions.hpp"
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
      if constexpr (requires { scorer.at(e); }) scorer.at(e);
      if (ends(flight, scorer)) {
        scorer.point(e.position_um, e.weight * e.energy_keV);
        if (e.kind == ParticleKind::positron) annihilate(e, random, photons);
        return;
      }
      if constexpr (requires { scorer.roulette(e, random); }) {
        if (!scorer.roulette(e, random)) return;
      }
      const double limit_um = step_limit(e, scorer);
      if (limit_um > 0.0) {
        condensed_step(flight, limit_um, random, scorer, photons);
      } else {
        detailed_step(flight, random, scorer, photons);
      }
    }
  }

  // Longest condensed step here; 0 where single collisions are followed: in detailed mode, and
  // where so few collisions fit into a step that grouping them gains nothing.
  template <class S>
  double step_limit(const Particle& e, S& scorer) const {
    if (options_.mode == ElectronMode::detailed) return 0.0;
    double limit_um = options_.longest_step_um;
    if constexpr (requires { scorer.longest_step(e.position_um); }) {
      limit_um = std::min(limit_um, scorer.longest_step(e.position_um));
    }
    constexpr double fewest_collisions = 4.0;
    const ElectronRates rates = physics_.rates(e.energy_keV);
    const double collisions = limit_um * (rates.elastic + rates.distant + rates.close);
    return collisions < fewest_collisions ? 0.0 : limit_um;
  }

  template <class S>
  bool ends(Flight& flight, S& scorer) const {
    const double energy = flight.particle.energy_keV;
    if (energy <= options_.cutoff_keV) return true;
    if (--flight.until_check > 0 && flight.clearance_um > 0.0) return false;
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
    flight.move(-fast_log(random.uniform32()) / total);
    double chosen = random.uniform32() * total;
    if ((chosen -= rates.elastic) < 0.0) {
      const std::size_t element = chosen + rates.oxygen < 0.0 ? 1 : 0;
      const double turn =
          sample_elastic_deflection(physics_.elastic_shape(element, e.energy_keV), random);
      if (turn > 0.0) e.direction = turned(e.direction, turn, random_azimuth(random));
    } else if ((chosen -= rates.distant) < 0.0) {
      distant_collision(flight, random, scorer);
    } else if ((chosen -= rates.close) < 0.0) {
      const bool tail = random.uniform32() < physics_.close_tail_share(e.energy_keV);
      const double loss =
          tail ? sample_hard_loss(physics_, e.energy_keV, ElectronPhysics::close_split_keV, random)
               : physics_.sample_close_loss(e.energy_keV, random.uniform32(), random.uniform32());
      close_collision(flight, loss, random, scorer);
    } else {
      radiate(e, random, photons);
    }
  }

  // Soft deflection and loss at a random point of the step, then the hard collision if the step
  // ends in one. Rates rise as the electron slows down: those of the end of the longest step
  // bound them, and a collision is real in proportion. Eqs. E20-E23.
  template <class S>
  void condensed_step(Flight& flight, double longest_um, Stream& random, S& scorer,
                      std::vector<Particle>& photons) {
    Particle& e = flight.particle;
    const CondensedRates rates = condensed_->at(e.energy_keV);
    const double limit_um = std::min(rates.longest_step, longest_um);
    const double least =
        std::max(e.energy_keV - 1.5 * limit_um * rates.soft_stopping, options_.cutoff_keV);
    const CondensedRates slowest = condensed_->at(least);
    const double elastic = std::max(rates.hard_elastic, slowest.hard_elastic);
    const double close = std::max(rates.hard_close, slowest.hard_close);
    const double radiative = physics_.rates(e.energy_keV).radiative;
    const double free_um = -fast_log(random.uniform32()) / (elastic + close + radiative);
    const bool stops = soft_step(flight, std::min(free_um, limit_um), rates, random, scorer);
    if (stops || free_um > limit_um || e.energy_keV <= options_.cutoff_keV) return;
    const CondensedRates now = condensed_->at(e.energy_keV);
    double chosen = random.uniform32() * (elastic + close + radiative);
    if (chosen < elastic) {
      if (chosen < now.hard_elastic) {
        scatter_elastically(e, physics_.elastic(e.energy_keV), now.mu_cut, random);
      }
    } else if ((chosen -= elastic) < close) {
      if (chosen >= now.hard_close ||
          largest_loss_keV(e.energy_keV) <= condensed_->hard_loss_keV()) {
        return;
      }
      close_collision(flight,
                      sample_hard_loss(physics_, e.energy_keV, condensed_->hard_loss_keV(), random),
                      random, scorer);
    } else {
      radiate(e, random, photons);
    }
  }

  // Moves along one step with its soft loss and deflection; true if the electron stops in it.
  template <class S>
  bool soft_step(Flight& flight, double step_um, const CondensedRates& rates, Stream& random,
                 S& scorer) const {
    Particle& e = flight.particle;
    double loss = sample_soft_loss(*condensed_, e.energy_keV, step_um, rates, random);
    const bool stops = loss >= e.energy_keV;
    if (stops) {
      step_um *= e.energy_keV / loss;
      loss = e.energy_keV;
    }
    const double share = random.uniform32();
    const double hinge_um = share * step_um;
    scorer.segment(e.position_um, e.direction, hinge_um, e.weight * loss * share);
    flight.move(hinge_um);
    const double at_hinge = std::max(e.energy_keV - share * loss, options_.cutoff_keV);
    deflect_softly(e, condensed_->at(at_hinge).soft_transport * step_um, random);
    scorer.segment(e.position_um, e.direction, step_um - hinge_um, e.weight * loss * (1.0 - share));
    flight.move(step_um - hinge_um);
    e.energy_keV -= loss;
    return stops;
  }

  template <class S>
  void distant_collision(Flight& flight, Stream& random, S& scorer) {
    Particle& e = flight.particle;
    const Stream::Halves choice = random.halves();
    const double loss =
        physics_.sample_distant_loss(e.energy_keV, random.uniform32(), choice.first);
    const bool transverse = choice.second < physics_.transverse_share(e.energy_keV);
    const double secondary = loss - water_binding_keV;
    if (secondary > options_.cutoff_keV && !stays(secondary, flight.clearance_um)) {
      scorer.point(e.position_um, e.weight * water_binding_keV);
      if constexpr (requires { scorer.secondary(); }) scorer.secondary();
      stack_.push_back({ParticleKind::electron, secondary, e.position_um,
                        isotropic_direction(random), e.weight});
    } else {
      scorer.point(e.position_um, e.weight * loss);
    }
    if (!transverse) {
      const double turn = sample_distant_deflection(e.energy_keV, loss, random);
      e.direction = turned(e.direction, turn, random_azimuth(random));
    }
    e.energy_keV -= loss;
  }

  template <class S>
  void close_collision(Flight& flight, double loss, Stream& random, S& scorer) {
    Particle& e = flight.particle;
    const Azimuth azimuth = random_azimuth(random);
    const double cosine = deflection_cosine(e.energy_keV, loss, loss);
    const double secondary = loss - water_binding_keV;
    if (secondary > options_.cutoff_keV && !stays(secondary, flight.clearance_um)) {
      scorer.point(e.position_um, e.weight * water_binding_keV);
      if constexpr (requires { scorer.secondary(); }) scorer.secondary();
      const double along = knock_on_cosine(e.energy_keV, loss);
      stack_.push_back({ParticleKind::electron, secondary, e.position_um,
                        deflected(e.direction, along, {-azimuth.cosine, -azimuth.sine}), e.weight});
    } else {
      scorer.point(e.position_um, e.weight * loss);
    }
    e.direction = deflected(e.direction, cosine, azimuth);
    e.energy_keV -= loss;
  }

  const ElectronPhysics& physics_;
  const CondensedElectron* condensed_;
  ElectronOptions options_;
  std::vector<Particle> stack_;
};

}  // namespace immunodose
