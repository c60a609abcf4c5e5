// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/track_recorder.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/transport/direction.hpp"
#include "immunodose/transport/photon_transport.hpp"
#include "immunodose/transport/point_recorder.hpp"

namespace immunodose {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

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
    recorder_ = std::make_unique<PointRecorder>(points_, options.max_points, electrons_.get());
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
    ElectronOptions electron_options;
    electron_options.mode = options_.electron_mode;
    electron_options.cutoff_keV = options_.cutoff_keV;
    ElectronTransport electrons(*electrons_, condensed_.get(), electron_options);
    const PhotonTransport photons(*photons_);
    const Ball world{{}, options_.world_radius_um};
    queue_.assign(1, first);
    while (!queue_.empty()) {
      const Particle particle = queue_.back();
      queue_.pop_back();
      recorder_->take(particle, queue_);
      double escaped_keV = 0.0;
      if (particle.kind == ParticleKind::photon) {
        escaped_keV = photons(particle, stream_, *recorder_, world, queue_);
      } else {
        electrons(particle, stream_, *recorder_, queue_);
      }
      recorder_->leave(escaped_keV, world);
      points_.escaped_keV += escaped_keV;
    }
  }

  TrackOptions options_;
  Stream stream_;
  TrackPoints points_;
  std::unique_ptr<AlphaTrackTable> alphas_;
  std::unique_ptr<ElectronPhysics> electrons_;
  std::unique_ptr<CondensedElectron> condensed_;
  std::unique_ptr<PhotonPhysics> photons_;
  std::unique_ptr<PointRecorder> recorder_;
  std::vector<Particle> queue_;
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
