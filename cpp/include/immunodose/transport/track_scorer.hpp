// SPDX-License-Identifier: BSD-3-Clause
// Scores one history of a cell population as HistoryScorer does, and keeps its points: in which
// cell and region each deposit was left. Section 6, docs/theory/monte_carlo.md.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/geometry/sphere_scene.hpp"
#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/transport/history_scorer.hpp"
#include "immunodose/transport/point_recorder.hpp"

namespace immunodose {

class TrackScorer {
 public:
  // `alphas`, `electrons`: null where none are transported. All must outlive this object.
  TrackScorer(const SphereScene& scene, RegionTally& tally, const ElectronPhysics* electrons,
              const AlphaTrackTable* alphas, std::int64_t max_points, TrackPoints& points)
      : scene_(scene),
        alphas_(alphas),
        points_(points),
        scorer_(scene, tally, electrons),
        recorder_(points, max_points, electrons) {}

  void start(EmissionClass emission, std::int64_t origin) {
    scorer_.start(emission, origin);
    recorder_.emission(emission);
  }
  void finish() { scorer_.finish(); }
  void account(Fate fate, EmissionClass emission, double energy_keV);

  // Scorer concept and the hooks of the transports. HistoryScorer hears the same calls in the same
  // order as without a record: what it answers decides on the random numbers.
  void point(Vec3 position_um, double energy_keV);
  void segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV,
               double tilt = 0.0);
  double clearance(Vec3 position_um) { return scorer_.clearance(position_um); }
  void energy(double energy_keV) { scorer_.energy(energy_keV); }
  void stopped(double energy_keV) { scorer_.stopped(energy_keV); }
  void begin(const Particle& particle);
  void at(const Particle& particle);
  void secondary() { recorder_.secondary(); }
  void take(const Particle& particle, const std::vector<Particle>& queue);
  void leave(double escaped_keV, const Ball& world);

  void recoil(Place place, Vec3 position_um, double energy_keV);
  void alpha(Vec3 start_um, Vec3 direction, AlphaStepper& stepper);

 private:
  // Records, and gives the points that came with it their place: that of the deposit in them.
  template <class Record>
  void record(const Record& call) {
    const bool deposit = recorder_.pending_keV() > 0.0;
    call();
    settle(deposit ? pending_place_ : scorer_.place_of(recorder_.position_um()));
  }
  void settle(Place place);

  const SphereScene& scene_;
  const AlphaTrackTable* alphas_;
  TrackPoints& points_;
  HistoryScorer scorer_;
  PointRecorder recorder_;
  Place pending_place_;  // of the deposits that the next point will hold
  std::vector<Crossing> crossings_;
};

}  // namespace immunodose
