// SPDX-License-Identifier: BSD-3-Clause
// Follows one electron or positron and all its delta rays to the cut-off, in water.
// Collision by collision (detailed) or in flights between few large events (condensed).
// docs/theory/electrons.md, sections 6 and 7.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
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
#include "immunodose/transport/electron_options.hpp"
#include "immunodose/transport/electron_scoring.hpp"
#include "immunodose/transport/particle.hpp"

namespace immunodose {

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
    if (condensed != nullptr) {
      const CondensedRates lowest = condensed->at(options.cutoff_keV);
      least_depth_ = lowest.depth;
      lowest_ = {options.cutoff_keV, lowest.path_um};
    }
  }

  template <Scorer S>
  void operator()(const Particle& start, Stream& random, S& scorer,
                  std::vector<Particle>& photons) {
    if (start.energy_keV > electron_max_energy_keV) {
      throw InputError("electron energy lies above the electron model (3000 keV)");
    }
    stack_.assign(1, start);
    start_um_ = start.position_um;
    last_flight_um_ = 0.0;
    least_grouped_keV_ = std::numeric_limits<double>::infinity();
    if (options_.mode == ElectronMode::condensed && start.energy_keV > options_.cutoff_keV) {
      if (start.energy_keV > least_start_keV) least_grouped_keV_ = least_grouped_keV;
      near_um2_ = scorer.clearance(start.position_um) < thin_um ? near_start_um2 : 0.0;
      last_flight_um_ = std::min(condensed_->resolution_um(),
                                 last_flight_share * physics_.csda_range_um(start.energy_keV));
    }
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
      tell_energy(e, e.energy_keV, scorer);
      if constexpr (requires { scorer.at(e); }) scorer.at(e);
      if (ends(flight, scorer)) {
        tell_stopped(e, scorer);
        if (e.energy_keV > 0.0) scorer.point(e.position_um, e.weight * e.energy_keV);
        count_slow(e.energy_keV, e.weight, options_, scorer);
        if (e.kind == ParticleKind::positron) annihilate(e, random, photons);
        return;
      }
      if constexpr (requires { scorer.roulette(e, random); }) {
        if (!scorer.roulette(e, random)) return;
      }
      const Vec3 off_um = e.position_um - start_um_;
      if (e.energy_keV < least_grouped_keV_ || dot(off_um, off_um) < near_um2_) {
        detailed_step(flight, random, scorer, photons);
      } else {
        condensed_flight(flight, random, scorer, photons);
      }
    }
  }

  template <class S>
  bool ends(Flight& flight, S& scorer) const {
    const double energy = flight.particle.energy_keV;
    if (energy <= options_.cutoff_keV) return true;
    if (physics_.csda_range_um(energy) < last_flight_um_) {
      tell_stopped(flight.particle, scorer);
      last_flight(flight.particle, scorer);
      return true;
    }
    // Long flights leave the clearance behind: it is asked for now and then.
    const bool in_flights = energy >= least_grouped_keV_;
    if (--flight.until_check > 0 && (in_flights || flight.clearance_um > 0.0)) return false;
    flight.until_check = in_flights ? 4 : 8;
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

  // One straight flight to the next event. The depth of events is known along the way that soft
  // losses lead, so no event is turned down. Eqs. E19-E23.
  template <class S>
  void condensed_flight(Flight& flight, Stream& random, S& scorer, std::vector<Particle>& photons) {
    Particle& e = flight.particle;
    const CondensedRates rates = condensed_->at(e.energy_keV);
    const double depth = rates.depth + fast_log(random.uniform32());
    bool has_event = depth > least_depth_;
    CondensedElectron::Fall end = has_event ? condensed_->at_depth(depth) : lowest_;
    if (rates.path_um - end.path_um > options_.longest_step_um) {
      end.path_um = rates.path_um - options_.longest_step_um;
      end.energy_keV = condensed_->energy_at_path_keV(end.path_um);
      has_event = false;
    }
    fly(flight, end, rates, random, scorer);
    if (!has_event || e.energy_keV <= options_.cutoff_keV) return;
    const CondensedRates now = condensed_->at(e.energy_keV);
    const double chosen = random.uniform32();
    if (chosen < now.narrow_share) {
      // What is left of the number is as random.
      const double turn = now.widest_turn * chosen / now.narrow_share;
      e.direction = turned(e.direction, turn, random_azimuth(random));
    } else if (chosen < now.turn_share) {
      e.direction = isotropic_direction(random);
    } else if (chosen >= now.close_share) {
      radiate(e, random, photons);
    } else {
      const double hard = condensed_->hard_loss_keV(e.energy_keV);
      if (largest_loss_keV(e.energy_keV) <= hard) return;
      const double loss = sample_hard_loss(physics_, e.energy_keV, hard, random);
      close_collision(flight, loss, random, scorer);
    }
  }

  // Moves along one flight with its soft loss; no energy is left where it stops on the way.
  template <class S>
  void fly(Flight& flight, const CondensedElectron::Fall& end, const CondensedRates& rates,
           Stream& random, S& scorer) const {
    Particle& e = flight.particle;
    double length_um = rates.path_um - end.path_um;
    const double mean = e.energy_keV - end.energy_keV;
    if (!(length_um > 0.0 && mean > 0.0)) return;
    // Losses change along the flight in proportion to the stopping power.
    const double tilt = std::max(-1.0, 1.0 - rates.soft_stopping * length_um / mean);
    double loss = sample_soft_loss(mean, rates.soft_straggling * length_um, random);
    if (loss > e.energy_keV) {
      length_um *= e.energy_keV / loss;
      loss = e.energy_keV;
    }
    tell_energy(e, e.energy_keV - 0.5 * loss, scorer);
    score_way(e, length_um, loss, tilt, scorer);
    flight.move(length_um);
    e.energy_keV -= loss;
  }

  // All that is left, uniformly along twice the mean way forward. Eq. E24.
  template <class S>
  void last_flight(Particle& e, S& scorer) const {
    const double forward_um = condensed_->penetration_um(e.energy_keV);
    score_way(e, 2.0 * forward_um, e.energy_keV, 0.0, scorer);
    e.position_um = e.position_um + forward_um * e.direction;
    e.energy_keV = 0.0;
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
                        isotropic_direction(random), e.weight, let_energy_keV(e)});
    } else {
      scorer.point(e.position_um, e.weight * loss);
      count_slow(secondary, e.weight, options_, scorer);
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
      const double along = knock_on_cosine(e.energy_keV, loss);
      Particle knocked{ParticleKind::electron,
                       secondary,
                       e.position_um,
                       deflected(e.direction, along, {-azimuth.cosine, -azimuth.sine}),
                       e.weight,
                       let_energy_keV(e)};
      if (physics_.csda_range_um(secondary) < last_flight_um_) {
        knocked.energy_keV = loss;  // the binding energy goes with the rest
        last_flight(knocked, scorer);
      } else {
        scorer.point(e.position_um, e.weight * water_binding_keV);
        if constexpr (requires { scorer.secondary(); }) scorer.secondary();
        stack_.push_back(knocked);
      }
    } else {
      scorer.point(e.position_um, e.weight * loss);
      count_slow(secondary, e.weight, options_, scorer);
    }
    e.direction = deflected(e.direction, cosine, azimuth);
    e.energy_keV -= loss;
  }

  const ElectronPhysics& physics_;
  const CondensedElectron* condensed_;
  ElectronOptions options_;
  // Electrons end in one flight below this share of their first ancestor's CSDA range. Eq. E24.
  static constexpr double last_flight_share = 0.03;
  // Single collisions: below the first; where the first ancestor starts below the second; and
  // near its start (third), if a surface is nearer to that than the last: thin membranes.
  static constexpr double least_grouped_keV = 1.0, least_start_keV = 10.0;
  static constexpr double near_start_um2 = 0.1 * 0.1, thin_um = 0.02;
  Vec3 start_um_{};
  double least_grouped_keV_ = 0.0, last_flight_um_ = 0.0, least_depth_ = 0.0, near_um2_ = 0.0;
  CondensedElectron::Fall lowest_{};
  std::vector<Particle> stack_;
};

}  // namespace immunodose
