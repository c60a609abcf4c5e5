// SPDX-License-Identifier: BSD-3-Clause
// Gathers what one emitted particle leaves in each cell, secondaries included, and hands it to
// the shared tally as one deposit per cell: a particle hits a region once. One per thread.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "immunodose/geometry/sphere_scene.hpp"
#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/transport/region_tally.hpp"

namespace immunodose {

class HistoryScorer {
 public:
  // `electrons` gives the LET of electrons, null where none are transported.
  HistoryScorer(const SphereScene& scene, RegionTally& tally, const ElectronPhysics* electrons);
  // The account of all histories goes to the tally at the end: threads would wait for each other.
  ~HistoryScorer();
  HistoryScorer(const HistoryScorer&) = delete;
  HistoryScorer& operator=(const HistoryScorer&) = delete;

  // A particle emitted by a decay in `origin` (-1: in the medium).
  void start(EmissionClass emission, std::int64_t origin);
  void finish();

  // Scorer concept (particle.hpp); `energy` gives the LET of what follows, `stopped` that of an
  // electron that leaves all its energy. Eq. MC-13.
  void point(Vec3 position_um, double energy_keV);
  // The energy per length rises by the share `tilt` of its mean from the middle to the end.
  void segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV,
               double tilt = 0.0);
  double clearance(Vec3 position_um);
  void energy(double energy_keV) {
    electron_keV_ = energy_keV;
    let_ = -1.0;
  }

  void stopped(double energy_keV);
  // Of the energy given to `point`, what electrons at or below the cut-off left.
  void below_cutoff(double energy_keV) { account(Fate::below_cutoff, emission_, energy_keV); }

  // Where `point` would put its energy.
  Place place_of(Vec3 position_um) const;
  // All energy at a known place.
  void local(Place place, double energy_keV);
  // A whole alpha track. Eq. MC-6. The stepper is an AlphaStepper, a
  // SteadyAlpha or a RecordedAlpha.
  template <class Stepper>
  void alpha(Vec3 start_um, Vec3 direction, Stepper& stepper);

  void account(Fate fate, EmissionClass emission, double energy_keV) {
    add_account(fate, emission, in_units(energy_keV, units_per_keV));
  }

 private:
  void add_account(Fate fate, EmissionClass emission, std::int64_t units) {
    account_[static_cast<std::size_t>(fate)][static_cast<std::size_t>(emission)] += units;
  }
  double let_keV_per_um();
  bool is_free(Vec3 position_um) const {
    const Vec3 off = position_um - free_.center_um;
    return dot(off, off) < free_.radius_um * free_.radius_um;
  }
  void add(Place place, double energy_keV);
  RegionTally::Deposit& deposit(std::int64_t cell);
  void grow();
  struct Slope {  // keV/um along a segment: first + rise * t
    double first;
    double rise;
    double energy_keV(const Chord& chord) const {
      return chord.length_um() * (first + 0.5 * rise * (chord.entry_um + chord.exit_um));
    }
  };
  // Returns the energy in the cell.
  double add(const Crossing& crossing, const Slope& loss, double let);
  bool inside_last(Vec3 from_um, Vec3 to_um) const;

  const SphereScene& scene_;
  RegionTally& tally_;
  const ElectronPhysics* electrons_;
  EmissionClass emission_ = EmissionClass::alpha;
  std::int64_t origin_ = -1;
  std::int64_t last_ = -1;  // cell of the last deposit: the next is most often there too
  double electron_keV_ = 0.0;
  double let_ = -1.0;  // of the electron under way; negative: not yet looked up
  double medium_keV_ = 0.0;
  Ball free_{};  // without a surface in it, from the last call of clearance
  Place free_place_;
  std::array<std::array<std::int64_t, n_emission_classes>, n_fates> account_{};
  std::vector<RegionTally::Deposit> slots_;  // open addressing by cell
  std::size_t last_slot_ = 0;
  std::vector<std::size_t> used_;
  std::vector<Crossing> crossings_;
};

}  // namespace immunodose
