// SPDX-License-Identifier: BSD-3-Clause
// Keeps where particles were and what they left, with who set them free: the hooks of the
// transports as points. Section 6, docs/theory/monte_carlo.md.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/ball.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/transport/particle.hpp"
#include "immunodose/transport/track_recorder.hpp"

namespace immunodose {

// A scorer whose deposits are gathered until the next point of the track.
class PointRecorder {
 public:
  // `electrons` gives the LET of electrons, null where none are transported.
  PointRecorder(TrackPoints& points, std::int64_t max_points, const ElectronPhysics* electrons)
      : points_(points), max_points_(max_points), electrons_(electrons) {}

  // Class of the emitted particle from now on.
  void emission(EmissionClass emission) { emission_ = emission; }

  // A track that is not transported step by step: its points one by one.
  void open(TrackParticle particle, std::int64_t parent, Vec3 position_um, double energy_keV,
            double let);
  void reach(Vec3 position_um, double energy_keV, double deposited_keV, double let);

  // Before a particle, just taken from the queue of an emitted one, is transported, and after it;
  // `escaped_keV` is what a photon took out of `world`. The queue must stay where it is.
  void take(const Particle& particle, const std::vector<Particle>& queue);
  void leave(double escaped_keV, const Ball& world);
  // Ends the track under way, if there is one.
  void finish();

  // Scorer concept and the hooks of the transports (electron_transport.hpp, photon_transport.hpp).
  void begin(const Particle& particle);
  void at(const Particle& particle);
  void secondary() { parents_.push_back(track_); }
  void point(Vec3 position_um, double energy_keV) {
    position_um_ = position_um;
    pending_keV_ += energy_keV;
  }
  void segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV);
  double clearance(Vec3) const { return 0.0; }

  // What the next point will hold, and where the last deposit was.
  double pending_keV() const { return pending_keV_; }
  Vec3 position_um() const { return position_um_; }

 private:
  double let_of(const Particle& particle) const;
  double let_keV_per_um(double energy_keV) const;
  void add(double energy_keV, double let);
  // What was appended to the queue since the last call stems from the track under way.
  void adopt() {
    if (queue_ != nullptr) queue_parents_.resize(queue_->size(), track_);
  }

  TrackPoints& points_;
  std::int64_t max_points_;
  const ElectronPhysics* electrons_;
  EmissionClass emission_ = EmissionClass::alpha;
  TrackParticle particle_ = TrackParticle::alpha;
  std::int64_t n_tracks_ = 0;
  std::int64_t track_ = -1;
  std::int64_t parent_ = -1;
  Vec3 position_um_;
  double energy_keV_ = 0.0;
  double pending_keV_ = 0.0;
  bool under_way_ = false;
  std::vector<std::int64_t> parents_;  // of the electrons that wait in the transport, in its order
  const std::vector<Particle>* queue_ = nullptr;
  std::vector<std::int64_t> queue_parents_;
  std::size_t queue_before_ = 0;  // its size when the particle under way was taken
  Particle last_{};               // at the last call of `at`
};

}  // namespace immunodose
