// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/track_recorder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/transport/direction.hpp"
#include "immunodose/transport/photon_transport.hpp"

namespace immunodose {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TrackParticle label_of(ParticleKind kind) {
  if (kind == ParticleKind::photon) return TrackParticle::photon;
  return kind == ParticleKind::positron ? TrackParticle::positron : TrackParticle::electron;
}

// A scorer that keeps where a particle was and what it left. Deposits are gathered until the next
// point of the track.
class Recorder {
 public:
  Recorder(TrackPoints& points, std::int64_t max_points, const ElectronPhysics* electrons)
      : points_(points), max_points_(max_points), electrons_(electrons) {}

  void emission(EmissionClass emission) { emission_ = emission; }

  void open(TrackParticle particle, std::int64_t parent, Vec3 position_um, double energy_keV,
            double let) {
    particle_ = particle;
    parent_ = parent;
    track_ = n_tracks_++;
    position_um_ = position_um;
    add(energy_keV, let);
  }
  void reach(Vec3 position_um, double energy_keV, double deposited_keV, double let) {
    position_um_ = position_um;
    pending_keV_ += deposited_keV;
    add(energy_keV, let);
  }
  // The particle comes to rest where it left its last energy.
  void close() {
    if (pending_keV_ > 0.0 || energy_keV_ > 0.0) add(0.0, nan);
  }
  std::int64_t track() const { return track_; }

  // Scorer concept and the hooks of the transports (electron_transport.hpp, photon_transport.hpp).
  void begin(const Particle& particle) {
    const std::int64_t parent = parents_.back();
    parents_.pop_back();
    if (under_way_) finish();
    under_way_ = true;
    open(label_of(particle.kind), parent, particle.position_um, particle.energy_keV,
         let_of(particle));
  }
  void at(const Particle& particle) {
    adopt();
    const bool moved = norm(particle.position_um - position_um_) > 0.0;
    // The energy after a step, against the sum of its parts, is rounded.
    const bool slowed = std::abs(particle.energy_keV - energy_keV_) > 1e-9 * energy_keV_;
    if (!moved && !slowed && pending_keV_ == 0.0) return;
    position_um_ = particle.position_um;
    add(particle.energy_keV, let_of(particle));
  }
  void secondary() { parents_.push_back(track_); }
  void point(Vec3 position_um, double energy_keV) {
    position_um_ = position_um;
    pending_keV_ += energy_keV;
  }
  void segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV) {
    position_um_ = position_um + length_um * direction;
    pending_keV_ += energy_keV;
    const double left_keV = std::max(0.0, energy_keV_ - energy_keV);
    add(left_keV, let_keV_per_um(left_keV));
  }
  double clearance(Vec3) const { return 0.0; }

  // Before and after the transport of one particle of the queue.
  void start(std::int64_t parent) { parents_.assign(1, parent); }
  void finish() {
    adopt();
    close();
    under_way_ = false;
  }
  // A photon that leaves the world does not come to rest.
  void leave_world() { under_way_ = false; }
  // What was appended to the queue since the last call stems from the track under way.
  void adopt() { queue_parents_.resize(queue_.size(), track_); }

  std::vector<Particle>& queue() { return queue_; }
  std::vector<std::int64_t>& queue_parents() { return queue_parents_; }

 private:
  double let_of(const Particle& particle) const {
    return particle.kind == ParticleKind::photon ? nan : let_keV_per_um(particle.energy_keV);
  }
  double let_keV_per_um(double energy_keV) const {
    return energy_keV < electron_min_energy_keV ? nan : electrons_->stopping_keV_per_um(energy_keV);
  }
  void add(double energy_keV, double let) {
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
  std::vector<Particle> queue_;
  std::vector<std::int64_t> queue_parents_;
};

// Transport of single particles; tables are built for what is emitted.
class TrackEngine {
 public:
  TrackEngine(const TrackOptions& options, double largest_alpha_keV, bool electrons)
      : options_(options), stream_(options.root, Stage::track_history, options.history) {
    if (largest_alpha_keV > 0.0) {
      alphas_ = std::make_unique<AlphaTrackTable>(options.density_g_per_cm3, largest_alpha_keV);
    }
    if (electrons) {
      electrons_ = std::make_unique<ElectronPhysics>(options.density_g_per_cm3);
      if (options.electron_mode == ElectronMode::condensed) {
        condensed_ = std::make_unique<CondensedElectron>(*electrons_, CondensedOptions{});
      }
      photons_ = std::make_unique<PhotonPhysics>(options.density_g_per_cm3);
    }
    recorder_ = std::make_unique<Recorder>(points_, options.max_points, electrons_.get());
  }

  Stream& stream() { return stream_; }
  TrackPoints take() { return std::move(points_); }
  void leave(double energy_keV) {
    points_.emitted_keV += energy_keV;
    points_.left_keV += energy_keV;
  }

  void emit(EmissionClass emission, TrackParticle particle, double energy_keV) {
    const bool heavy = particle == TrackParticle::alpha || particle == TrackParticle::recoil;
    if (!heavy && energy_keV > electron_max_energy_keV) {
      leave(energy_keV);  // beyond the electron model
      return;
    }
    points_.emitted_keV += energy_keV;
    recorder_->emission(emission);
    if (particle == TrackParticle::alpha) {
      follow_alpha(energy_keV);
    } else if (particle == TrackParticle::recoil) {
      recorder_->open(particle, -1, {}, energy_keV, nan);
      recorder_->reach({}, 0.0, energy_keV, nan);
    } else {
      const ParticleKind kind = particle == TrackParticle::photon     ? ParticleKind::photon
                                : particle == TrackParticle::positron ? ParticleKind::positron
                                                                      : ParticleKind::electron;
      follow({kind, energy_keV, {}, isotropic_direction(stream_)});
    }
  }

 private:
  void follow_alpha(double energy_keV) {
    AlphaStepper stepper(*alphas_, energy_keV, options_.straggling, stream_);
    const Vec3 direction = isotropic_direction(stream_);
    recorder_->open(TrackParticle::alpha, -1, {}, energy_keV, alphas_->let_keV_per_um(energy_keV));
    double at_um = 0.0;
    while (!stepper.stopped()) {
      const double residual_um = alphas_->range_um(stepper.energy_keV());
      const double loss_keV = stepper.advance(options_.alpha_step_um).energy_keV;
      // It stops within the last step, after its residual range.
      at_um += stepper.stopped() ? std::min(residual_um, options_.alpha_step_um)
                                 : options_.alpha_step_um;
      const double left_keV = stepper.energy_keV();
      recorder_->reach(at_um * direction, left_keV, loss_keV,
                       stepper.stopped() ? nan : alphas_->let_keV_per_um(left_keV));
    }
  }

  // An electron, positron or photon with all that it sets free.
  void follow(const Particle& first) {
    std::vector<Particle>& queue = recorder_->queue();
    std::vector<std::int64_t>& parents = recorder_->queue_parents();
    ElectronOptions electron_options;
    electron_options.mode = options_.electron_mode;
    ElectronTransport electrons(*electrons_, condensed_.get(), electron_options);
    queue.assign(1, first);
    parents.assign(1, -1);
    while (!queue.empty()) {
      const Particle particle = queue.back();
      recorder_->start(parents.back());
      queue.pop_back();
      parents.pop_back();
      if (particle.kind == ParticleKind::photon) {
        follow_photon(particle);
      } else {
        electrons(particle, stream_, *recorder_, queue);
        recorder_->finish();
      }
    }
  }

  void follow_photon(const Particle& photon) {
    std::vector<Particle>& queue = recorder_->queue();
    const std::size_t before = queue.size();
    const Ball world{{}, options_.world_radius_um};
    recorder_->begin(photon);
    last_ = photon;
    PhotonTransport transport(*photons_);
    PhotonScorer scorer{*recorder_, last_};
    const double escaped_keV = transport(photon, stream_, scorer, world, queue);
    recorder_->adopt();
    points_.escaped_keV += escaped_keV;
    if (escaped_keV > 0.0) {
      const double path_um = path_out_um(world, last_.position_um, last_.direction);
      recorder_->reach(last_.position_um + path_um * last_.direction, escaped_keV, 0.0, nan);
      recorder_->leave_world();
      return;
    }
    // The electrons of a pair start where the photon ends; so does a photoelectron.
    if (queue.size() > before) recorder_->point(queue.back().position_um, 0.0);
    recorder_->finish();
  }

  // Also keeps the photon after its last collision.
  struct PhotonScorer {
    Recorder& recorder;
    Particle& last;
    void at(const Particle& photon) {
      recorder.at(photon);
      last = photon;
    }
    void point(Vec3 position_um, double keV) { recorder.point(position_um, keV); }
    void segment(Vec3, Vec3, double, double) {}
    double clearance(Vec3) const { return 0.0; }
  };

  TrackOptions options_;
  Stream stream_;
  TrackPoints points_;
  std::unique_ptr<AlphaTrackTable> alphas_;
  std::unique_ptr<ElectronPhysics> electrons_;
  std::unique_ptr<CondensedElectron> condensed_;
  std::unique_ptr<PhotonPhysics> photons_;
  std::unique_ptr<Recorder> recorder_;
  Particle last_{};
};

TrackParticle particle_of(EmissionClass emission) {
  switch (emission) {
    case EmissionClass::alpha:
      return TrackParticle::alpha;
    case EmissionClass::recoil:
      return TrackParticle::recoil;
    case EmissionClass::photon:
      return TrackParticle::photon;
    default:
      return TrackParticle::electron;
  }
}

}  // namespace

TrackPoints record_decay(const DecaySampler& decays, const TrackOptions& options) {
  const bool electrons = decays.emits(EmissionClass::beta) ||
                         decays.emits(EmissionClass::auger_ce) ||
                         decays.emits(EmissionClass::photon);
  TrackEngine engine(options, decays.largest_energy_keV(EmissionClass::alpha), electrons);
  bool gone = false;
  decays(
      engine.stream(),
      [&](EmissionClass emission, double energy_keV) {
        if (gone) {
          engine.leave(energy_keV);
        } else {
          engine.emit(emission, particle_of(emission), energy_keV);
        }
      },
      [&] { gone = true; });
  return engine.take();
}

TrackPoints record_particle(TrackParticle particle, double energy_keV,
                            const TrackOptions& options) {
  const bool alpha = particle == TrackParticle::alpha;
  TrackEngine engine(options, alpha ? energy_keV : 0.0,
                     !alpha && particle != TrackParticle::recoil);
  engine.emit(EmissionClass::alpha, particle, energy_keV);
  return engine.take();
}

}  // namespace immunodose
