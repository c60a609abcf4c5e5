// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/track_recorder.hpp"

#include <algorithm>
#include <memory>

#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/transport/direction.hpp"
#include "immunodose/transport/photon_transport.hpp"

namespace immunodose {
namespace {

// A scorer that keeps where energy was left.
class Recorder {
 public:
  explicit Recorder(TrackPoints& points, const ElectronPhysics* electrons)
      : points_(points), electrons_(electrons) {}

  void start(EmissionClass emission) {
    emission_ = emission;
    ++particle_;
    branch_ = -1;
  }
  void begin(const Particle& electron) {
    ++branch_;
    energy(electron.energy_keV);
    add(electron.position_um, let());
  }
  void energy(double energy_keV) { energy_keV_ = energy_keV; }
  void point(Vec3 position_um, double) { add(position_um, let()); }
  void segment(Vec3 position_um, Vec3 direction, double length_um, double) {
    if (length_um > 0.0) add(position_um + length_um * direction, let());
  }
  double clearance(Vec3) const { return 0.0; }

  void add(Vec3 position_um, double let_keV_per_um) {
    points_.x_um.push_back(position_um.x);
    points_.y_um.push_back(position_um.y);
    points_.z_um.push_back(position_um.z);
    points_.energy_keV.push_back(energy_keV_);
    points_.let_keV_per_um.push_back(let_keV_per_um);
    points_.particle.push_back(particle_);
    points_.branch.push_back(std::max<std::int64_t>(0, branch_));
    points_.emission.push_back(static_cast<std::int64_t>(emission_));
  }

 private:
  double let() const {
    if (electrons_ == nullptr) return 0.0;
    return electrons_->stopping_keV_per_um(std::max(energy_keV_, electron_min_energy_keV));
  }

  TrackPoints& points_;
  const ElectronPhysics* electrons_;
  EmissionClass emission_ = EmissionClass::alpha;
  std::int64_t particle_ = -1;
  std::int64_t branch_ = -1;
  double energy_keV_ = 0.0;
};

void record_alpha(double energy_keV, const AlphaTrackTable& table, const TrackOptions& options,
                  Stream& stream, Recorder& recorder) {
  AlphaStepper stepper(table, energy_keV, options.straggling, stream);
  const Vec3 direction = isotropic_direction(stream);
  double at_um = 0.0;
  while (true) {
    recorder.energy(stepper.energy_keV());
    recorder.add(at_um * direction,
                 stepper.stopped() ? 0.0 : table.let_keV_per_um(stepper.energy_keV()));
    if (stepper.stopped()) return;
    stepper.advance(options.alpha_step_um);
    at_um += options.alpha_step_um;
  }
}

}  // namespace

TrackPoints record_decay(const DecaySampler& decays, const TrackOptions& options) {
  const AlphaTrackTable alphas(options.density_g_per_cm3, alpha_max_energy_keV);
  const ElectronPhysics physics(options.density_g_per_cm3);
  const CondensedElectron condensed(physics, CondensedOptions{});
  ElectronOptions electron_options;
  electron_options.mode = options.electron_mode;
  ElectronTransport electrons(physics, &condensed, electron_options);
  const PhotonPhysics photon_physics(options.density_g_per_cm3);
  const PhotonTransport photons(photon_physics);
  TrackPoints points;
  Recorder recorder(points, &physics);
  Stream stream(options.root, Stage::track_history, 0);
  std::vector<Particle> queue;
  const auto emit = [&](EmissionClass emission, double energy_keV) {
    recorder.start(emission);
    recorder.energy(energy_keV);
    if (emission == EmissionClass::alpha) {
      record_alpha(energy_keV, alphas, options, stream, recorder);
      return;
    }
    if (emission == EmissionClass::recoil) {
      recorder.add({}, 0.0);
      return;
    }
    const bool photon = emission == EmissionClass::photon;
    queue.assign(1, {photon ? ParticleKind::photon : ParticleKind::electron, energy_keV, {},
                     isotropic_direction(stream)});
    while (!queue.empty()) {
      const Particle particle = queue.back();
      queue.pop_back();
      if (particle.kind == ParticleKind::photon) {
        photons(particle, stream, recorder, Ball{{}, options.world_radius_um}, queue);
      } else {
        electrons(particle, stream, recorder, queue);
      }
    }
  };
  decays(stream, emit, [] {});
  return points;
}

}  // namespace immunodose
