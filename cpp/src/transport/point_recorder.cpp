// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/point_recorder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TrackParticle label_of(ParticleKind kind) {
  if (kind == ParticleKind::photon) return TrackParticle::photon;
  return kind == ParticleKind::positron ? TrackParticle::positron : TrackParticle::electron;
}

}  // namespace

void PointRecorder::open(TrackParticle particle, std::int64_t parent, Vec3 position_um,
                         double energy_keV, double let) {
  particle_ = particle;
  parent_ = parent;
  track_ = n_tracks_++;
  position_um_ = position_um;
  add(energy_keV, let);
}

void PointRecorder::reach(Vec3 position_um, double energy_keV, double deposited_keV, double let) {
  position_um_ = position_um;
  pending_keV_ += deposited_keV;
  add(energy_keV, let);
}

void PointRecorder::take(const Particle& particle, const std::vector<Particle>& queue) {
  queue_ = &queue;
  queue_before_ = queue.size();
  last_ = particle;
  // Without a parent it is the emitted particle itself.
  parents_.assign(1, queue_parents_.empty() ? -1 : queue_parents_.back());
  if (!queue_parents_.empty()) queue_parents_.pop_back();
  if (particle.kind == ParticleKind::photon) begin(particle);
}

void PointRecorder::leave(double escaped_keV, const Ball& world) {
  if (last_.kind == ParticleKind::photon && escaped_keV > 0.0) {
    adopt();
    const double path_um = path_out_um(world, last_.position_um, last_.direction);
    reach(last_.position_um + path_um * last_.direction, escaped_keV, 0.0, nan);
    under_way_ = false;  // it does not come to rest
    return;
  }
  // The electrons of a pair start where the photon ends; so does a photoelectron.
  if (last_.kind == ParticleKind::photon && queue_->size() > queue_before_) {
    point(queue_->back().position_um, 0.0);
  }
  finish();
}

void PointRecorder::finish() {
  adopt();
  // The particle comes to rest where it left its last energy.
  if (under_way_ && (pending_keV_ > 0.0 || energy_keV_ > 0.0)) add(0.0, nan);
  under_way_ = false;
}

void PointRecorder::begin(const Particle& particle) {
  const std::int64_t parent = parents_.back();
  parents_.pop_back();
  finish();
  under_way_ = true;
  open(label_of(particle.kind), parent, particle.position_um, particle.energy_keV,
       let_of(particle));
}

void PointRecorder::at(const Particle& particle) {
  adopt();
  last_ = particle;
  const bool moved = norm(particle.position_um - position_um_) > 0.0;
  // The energy after a step, against the sum of its parts, is rounded.
  const bool slowed = std::abs(particle.energy_keV - energy_keV_) > 1e-9 * energy_keV_;
  if (!moved && !slowed && pending_keV_ == 0.0) return;
  position_um_ = particle.position_um;
  add(particle.energy_keV, let_of(particle));
}

void PointRecorder::segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV) {
  position_um_ = position_um + length_um * direction;
  pending_keV_ += energy_keV;
  const double left_keV = std::max(0.0, energy_keV_ - energy_keV);
  add(left_keV, let_keV_per_um(left_keV));
}

double PointRecorder::let_of(const Particle& particle) const {
  return particle.kind == ParticleKind::photon ? nan : let_keV_per_um(particle.energy_keV);
}

double PointRecorder::let_keV_per_um(double energy_keV) const {
  return energy_keV < electron_min_energy_keV ? nan : electrons_->stopping_keV_per_um(energy_keV);
}

void PointRecorder::add(double energy_keV, double let) {
  if (static_cast<std::int64_t>(points_.x_um.size()) >= max_points_) {
    throw InputError("the track has more than max_points=" + std::to_string(max_points_) +
                     " points. Raise max_points, or give electron_mode='condensed', which has "
                     "fewer points.");
  }
  points_.x_um.push_back(position_um_.x);
  points_.y_um.push_back(position_um_.y);
  points_.z_um.push_back(position_um_.z);
  points_.energy_keV.push_back(energy_keV);
  points_.let_keV_per_um.push_back(let);
  points_.deposited_keV.push_back(pending_keV_);
  points_.particle.push_back(static_cast<std::int64_t>(particle_));
  points_.emission.push_back(static_cast<std::int64_t>(emission_));
  points_.track.push_back(track_);
  points_.parent.push_back(parent_);
  energy_keV_ = energy_keV;
  pending_keV_ = 0.0;
}

}  // namespace immunodose
