// SPDX-License-Identifier: BSD-3-Clause
// Transports the decays of a cell population one by one: each decay is a history with a stream
// of its own, so any one can be re-run alone. docs/theory/monte_carlo.md.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/transport/decay_sampler.hpp"
#include "immunodose/transport/electron_transport.hpp"
#include "immunodose/transport/history_scorer.hpp"
#include "immunodose/transport/hit_moments.hpp"
#include "immunodose/transport/photon_transport.hpp"
#include "immunodose/transport/region_tally.hpp"
#include "immunodose/transport/track_recorder.hpp"

namespace immunodose {

// Where a daughter that is not retained goes: out of the population, to a uniform point of the cell
// that it is in, or to one of the medium (the world without its cells).
enum class LostDaughters { leave = 0, to_cell = 1, to_medium = 2 };

struct DecayTransportOptions {
  std::uint64_t root;
  double density_g_per_cm3;
  bool straggling = true;
  LostDaughters lost = LostDaughters::leave;
  ElectronMode electron_mode = ElectronMode::condensed;
  double cutoff_keV = 0.05;  // of electrons
  bool with_hits = true;     // count hits and LET
  std::array<bool, n_emission_classes> transported{};
  int n_threads = 1;
};

struct DecaySources {
  std::span<const double> time_integrated_activity;  // (cell, nucleus/cytoplasm/membrane), Bq s
  double medium_decays = 0.0;                        // in the world, outside of the cells
  double world_radius_um = 0.0;  // ball around bounds().center_um; photons that leave it escape
};

// Which dims of the energy are kept; the others are summed (without `target`: the nucleus).
struct KeptDims {
  bool target = true;
  bool emission = true;
  bool origin = true;
};

struct DecayTransportResult {
  LargeVector<double> energy_keV;     // (cell, target, emission, origin)
  LargeVector<double> variance_keV2;  // of that mean; empty for a realization
  LargeVector<std::int64_t> hits;     // (cell, target, emission); realization only, as are:
  LargeVector<double> energy_let;     // keV2/um
  LargeVector<double> region_keV;     // keV, the weights of the LET
  HitMeans mean_hits;                 // of a mean
  std::array<double, n_fates * n_emission_classes> account_keV{};
  std::int64_t n_histories = 0;
};

// One decay of a realization, with its points.
struct RecordedDecay {
  TrackPoints points;
  std::int64_t cell = -1;        // of the decay, the caller's number; -1: the medium
  std::int64_t region = 0;       // CellRegion; n_cell_regions: the medium
  std::int64_t n_histories = 0;  // of the whole realization
};

class DecayTransport {
 public:
  DecayTransport(const SphereScene& scene, const DecaySampler& decays,
                 const DecayTransportOptions& options);

  // Poisson numbers of decays. `count_index` numbers the first source compartment, `first_history`
  // the first decay, so that several nuclides have streams of their own. Only the decays in
  // [begin, end) are transported; end < 0 means all.
  DecayTransportResult realization(const DecaySources& sources, const KeptDims& kept,
                                   std::int64_t count_index, std::int64_t first_history,
                                   std::int64_t begin, std::int64_t end,
                                   const StopPoll& stop) const;

  // Runs decay number `history` of a realization once more and keeps its points. Throws InputError
  // for a number that is none, and beyond max_points.
  RecordedDecay record(const DecaySources& sources, std::int64_t count_index,
                       std::int64_t first_history, std::int64_t history, std::int64_t max_points,
                       const StopPoll& stop) const;

  // Mean over n_histories in n_batches of equal size, spread over the sources by systematic
  // sampling. Eq. MC-10.
  DecayTransportResult mean(const DecaySources& sources, const KeptDims& kept,
                            std::int64_t count_index, std::int64_t first_history,
                            std::int64_t n_histories, std::int64_t n_batches,
                            const StopPoll& stop) const;

  struct Source {
    std::int64_t cell;  // rank, -1: the medium
    CellRegion region;
  };
  // Draws the place of a decay, uniform in its source. Eq. MC-9.
  Place sample_place(const Source& source, double world_radius_um, Stream& stream,
                     Vec3& position_um) const;

  // Classes with a column in the results, ascending.
  const std::vector<EmissionClass>& emissions() const { return emissions_; }

 private:
  template <class S>
  class Worker;

  static Source source_of(std::size_t slot, std::size_t n_slots);
  LargeVector<double> activity_by_rank(const DecaySources& sources) const;
  template <class SlotOf>
  void run(std::int64_t n, std::int64_t first_history, double world_radius_um,
           const SlotOf& make_slot_of, std::size_t n_slots, RegionTally& tally,
           const StopPoll& stop) const;
  LargeVector<std::int64_t> count_decays(const LargeVector<double>& activity,
                                         std::int64_t count_index, const StopPoll& stop) const;
  void add_batch(const RegionTally& tally, const KeptDims& kept, double factor, double n_done,
                 DecayTransportResult& result, const StopPoll& stop) const;
  static void add_account(const RegionTally& tally, double factor, DecayTransportResult& result);
  void add_hits(const RegionTally& tally, std::int64_t rank, DecayTransportResult& result) const;

  const SphereScene& scene_;
  const DecaySampler& decays_;
  DecayTransportOptions options_;
  std::vector<EmissionClass> emissions_;
  std::unique_ptr<AlphaTrackTable> alphas_;
  std::unique_ptr<ElectronPhysics> electrons_;
  std::unique_ptr<CondensedElectron> condensed_;
  std::unique_ptr<PhotonPhysics> photons_;  // wherever there are electrons
};

}  // namespace immunodose
