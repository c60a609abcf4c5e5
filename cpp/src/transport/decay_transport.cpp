// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/decay_transport.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <type_traits>

#include "immunodose/core/cumulative_cursor.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/transport/direction.hpp"
#include "immunodose/transport/track_scorer.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t block = 512;         // histories; the result does not depend on it
constexpr std::int64_t large_block = 8192;  // cells or compartments, little work each

Vec3 uniform_in_shell(Vec3 center_um, double inner_um, double outer_um, Stream& stream) {
  const double inner3 = inner_um * inner_um * inner_um;
  const double outer3 = outer_um * outer_um * outer_um;
  const double radius = std::cbrt(inner3 + (outer3 - inner3) * stream.uniform());
  return center_um + std::clamp(radius, inner_um, outer_um) * isotropic_direction(stream);
}

// Sums the fixed-point tally into the kept dims: visit(index, keV) in ascending order of index.
template <class Add>
void reduce_cell(const RegionTally& tally, std::int64_t rank, const KeptDims& kept,
                 std::vector<double>& row, const Add& add) {
  const std::size_t n_emissions = kept.emission ? tally.n_columns() : 1;
  const std::size_t n_origins = kept.origin ? RegionTally::n_origins : 1;
  std::fill(row.begin(), row.end(), 0.0);
  const std::size_t n_regions = kept.target ? n_cell_regions : 1;  // the nucleus is the first
  for (std::size_t region = 0; region < n_regions; ++region) {
    for (std::size_t column = 0; column < tally.n_columns(); ++column) {
      for (std::size_t origin = 0; origin < RegionTally::n_origins; ++origin) {
        const double energy = tally.energy_keV(rank, region, column, origin);
        const std::size_t e = kept.emission ? column : 0;
        const std::size_t o = kept.origin ? origin : 0;
        row[(region * n_emissions + e) * n_origins + o] += energy;
        if (kept.target) row[(n_cell_regions * n_emissions + e) * n_origins + o] += energy;
      }
    }
  }
  for (std::size_t i = 0; i < row.size(); ++i) add(i, row[i]);
}

std::size_t row_size(const KeptDims& kept, std::size_t n_columns) {
  return (kept.target ? RegionTally::n_targets : 1) * (kept.emission ? n_columns : 1) *
         (kept.origin ? RegionTally::n_origins : 1);
}

}  // namespace

// What a thread needs for one history after the other. S: HistoryScorer or TrackScorer, whose
// constructor takes `more`.
template <class S>
class DecayTransport::Worker {
 public:
  template <class... More>
  Worker(const DecayTransport& engine, RegionTally& tally, double world_radius_um, More&&... more)
      : engine_(engine),
        options_(engine.options_),
        world_radius_um_(world_radius_um),
        world_{engine.scene_.bounds().center_um, world_radius_um},
        scorer_(engine.scene_, tally, engine.electrons_.get(), more...) {
    if (engine.electrons_ != nullptr) {
      photons_ = std::make_unique<PhotonTransport>(*engine.photons_);
      ElectronOptions options;
      options.mode = options_.electron_mode;
      options.cutoff_keV = options_.cutoff_keV;
      electrons_ =
          std::make_unique<ElectronTransport>(*engine.electrons_, engine.condensed_.get(), options);
    }
  }

  void history(std::uint64_t number, const Source& source) {
    Stream stream(options_.root, Stage::decay_history, number);
    place_ = engine_.sample_place(source, world_radius_um_, stream, position_um_);
    origin_ = source.cell;
    gone_ = false;
    engine_.decays_(
        stream, [&](EmissionClass emission, double energy) { emit(emission, energy, stream); },
        [&] { lose(stream); });
  }

 private:
  void lose(Stream& stream) {
    if (gone_) return;
    if (options_.lost == LostDaughters::to_medium) {
      place_ =
          engine_.sample_place({-1, CellRegion::nucleus}, world_radius_um_, stream, position_um_);
      return;
    }
    // Outside of cells there is no cell to move in.
    if (options_.lost == LostDaughters::leave || place_.cell < 0) {
      gone_ = true;
      return;
    }
    const Ball ball = engine_.scene_.cell(place_.cell);
    position_um_ = uniform_in_shell(ball.center_um, 0.0, ball.radius_um, stream);
    place_.region = engine_.scene_.region(place_.cell, position_um_);
  }

  void emit(EmissionClass emission, double energy_keV, Stream& stream) {
    scorer_.account(Fate::emitted, emission, energy_keV);
    if (gone_ || !options_.transported[static_cast<std::size_t>(emission)] ||
        lies_above_transport(emission, energy_keV)) {
      scorer_.account(gone_ ? Fate::left : Fate::not_transported, emission, energy_keV);
      return;
    }
    scorer_.start(emission, origin_);
    if (emission == EmissionClass::alpha) {
      alpha(alpha_starts_.at(*engine_.alphas_, energy_keV), stream);
    } else if (emission == EmissionClass::recoil) {
      if constexpr (requires { scorer_.recoil(place_, position_um_, energy_keV); }) {
        scorer_.recoil(place_, position_um_, energy_keV);
      } else {
        scorer_.local(place_, energy_keV);
      }
    } else {
      follow(emission,
             {is_electron(emission) ? ParticleKind::electron : ParticleKind::photon, energy_keV,
              position_um_, isotropic_direction(stream)},
             stream);
    }
    scorer_.finish();
  }

  void alpha(const AlphaStart& start, Stream& stream) {
    const Vec3 direction = isotropic_direction(stream);
    if constexpr (std::is_same_v<S, HistoryScorer>) {
      if (!options_.straggling) {
        SteadyAlpha stepper(*engine_.alphas_, start);
        return scorer_.alpha(position_um_, direction, stepper);
      }
    }
    AlphaStepper stepper(*engine_.alphas_, start, options_.straggling, stream);
    scorer_.alpha(position_um_, direction, stepper);
  }

  // Electrons, and photons that could free such electrons, beyond the electron model.
  static bool lies_above_transport(EmissionClass emission, double energy_keV) {
    return (is_electron(emission) || emission == EmissionClass::photon) &&
           energy_keV > electron_max_energy_keV;
  }

  // An electron or photon with all that it sets free.
  void follow(EmissionClass emission, const Particle& first, Stream& stream) {
    double escaped_keV = 0.0;
    queue_.assign(1, first);
    while (!queue_.empty()) {
      const Particle particle = queue_.back();
      queue_.pop_back();
      if constexpr (requires { scorer_.take(particle, queue_); }) scorer_.take(particle, queue_);
      double out_keV = 0.0;
      if (particle.kind == ParticleKind::photon) {
        out_keV = (*photons_)(particle, stream, scorer_, world_, queue_);
      } else {
        (*electrons_)(particle, stream, scorer_, queue_);
      }
      if constexpr (requires { scorer_.leave(out_keV, world_); }) scorer_.leave(out_keV, world_);
      escaped_keV += out_keV;
    }
    scorer_.account(Fate::escaped, emission, escaped_keV);
  }

  const DecayTransport& engine_;
  const DecayTransportOptions& options_;
  double world_radius_um_;
  Ball world_;
  S scorer_;
  std::unique_ptr<ElectronTransport> electrons_;
  std::unique_ptr<PhotonTransport> photons_;
  std::vector<Particle> queue_;
  AlphaStarts alpha_starts_;
  Vec3 position_um_;
  Place place_;
  std::int64_t origin_ = -1;
  bool gone_ = false;
};

DecayTransport::DecayTransport(const SphereScene& scene, const DecaySampler& decays,
                               const DecayTransportOptions& options)
    : scene_(scene), decays_(decays), options_(options) {
  bool electrons = false;
  for (std::size_t c = 0; c < n_emission_classes; ++c) {
    const auto emission = static_cast<EmissionClass>(c);
    if (!options.transported[c] || !decays.emits(emission)) continue;
    emissions_.push_back(emission);
    electrons = electrons || is_electron(emission) || emission == EmissionClass::photon;
    if (emission == EmissionClass::alpha) {
      const double highest = decays.largest_energy_keV(emission);
      if (highest > alpha_max_energy_keV) {
        throw InputError("alpha energy above the stopping-power fit (12000 keV)");
      }
      alphas_ = std::make_unique<AlphaTrackTable>(options.density_g_per_cm3, highest);
    }
  }
  if (!electrons) return;
  electrons_ = std::make_unique<ElectronPhysics>(options.density_g_per_cm3);
  photons_ = std::make_unique<PhotonPhysics>(options.density_g_per_cm3);
  if (options.electron_mode == ElectronMode::condensed) {
    double smallest_um = std::numeric_limits<double>::infinity();
    for (std::int64_t rank = 0; rank < scene.n_cells(); ++rank) {
      smallest_um = std::min(smallest_um, scene.nucleus(rank).radius_um);
    }
    condensed_ = std::make_unique<CondensedElectron>(
        *electrons_, CondensedOptions{resolved_share * smallest_um});
  }
}

DecayTransport::Source DecayTransport::source_of(std::size_t slot, std::size_t n_slots) {
  if (slot + 1 == n_slots) return {-1, CellRegion::nucleus};
  return {static_cast<std::int64_t>(slot / n_cell_regions),
          static_cast<CellRegion>(slot % n_cell_regions)};
}

// One slot per cell (by rank) and region, then the medium.
LargeVector<double> DecayTransport::activity_by_rank(const DecaySources& sources) const {
  const auto order = scene_.order();
  const auto& given = sources.time_integrated_activity;
  if (given.size() != order.size() * n_cell_regions) {
    throw InputError("time_integrated_activity must have one value per cell and compartment");
  }
  LargeVector<double> activity(given.size() + 1);
  activity.back() = sources.medium_decays;
  parallel_for(scene_.n_cells(), large_block, options_.n_threads,
               [&](std::int64_t first, std::int64_t last) {
                 double* to = &activity[static_cast<std::size_t>(first) * n_cell_regions];
                 for (std::int64_t rank = first; rank < last; ++rank) {
                   const auto id = static_cast<std::size_t>(order[static_cast<std::size_t>(rank)]);
                   to = std::copy_n(&given[id * n_cell_regions], n_cell_regions, to);
                 }
               });
  return activity;
}

// Eq. MC-9.
Place DecayTransport::sample_place(const Source& source, double world_radius_um, Stream& stream,
                                   Vec3& position_um) const {
  if (source.cell < 0) {
    const Ball bounds = scene_.bounds();
    Place place;
    do {
      position_um = uniform_in_shell(bounds.center_um, 0.0, world_radius_um, stream);
      place = scene_.locate(position_um);
    } while (place.cell >= 0);
    return place;
  }
  const Ball nucleus = scene_.nucleus(source.cell);
  const Ball inside = scene_.inside(source.cell);
  if (source.region == CellRegion::nucleus) {
    position_um = uniform_in_shell(nucleus.center_um, 0.0, nucleus.radius_um, stream);
  } else if (source.region == CellRegion::membrane) {
    const double outer = scene_.cell(source.cell).radius_um;
    position_um = uniform_in_shell(inside.center_um, inside.radius_um, outer, stream);
    // A membrane without thickness has no mass: what stays at its place is in the cytoplasm.
    if (inside.radius_um >= outer) return {source.cell, CellRegion::cytoplasm};
  } else if (!scene_.has_offsets()) {
    position_um = uniform_in_shell(inside.center_um, nucleus.radius_um, inside.radius_um, stream);
  } else {
    do {
      position_um = uniform_in_shell(inside.center_um, 0.0, inside.radius_um, stream);
    } while (norm(position_um - nucleus.center_um) < nucleus.radius_um &&
             nucleus.radius_um < inside.radius_um);
  }
  return {source.cell, source.region};
}

template <class MakeSlotOf>
void DecayTransport::run(std::int64_t n, std::int64_t first_history, double world_radius_um,
                         const MakeSlotOf& make_slot_of, std::size_t n_slots, RegionTally& tally,
                         const StopPoll& stop) const {
  parallel_for(
      n, block, options_.n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        Worker<HistoryScorer> worker(*this, tally, world_radius_um);
        auto slot_of = make_slot_of(begin);
        for (std::int64_t i = begin; i < end; ++i) {
          worker.history(static_cast<std::uint64_t>(first_history + i),
                         source_of(slot_of(i), n_slots));
        }
      },
      stop);
  tally.check_range();
}

// Decays up to and with each slot: a Poisson number in each.
LargeVector<std::int64_t> DecayTransport::count_decays(const LargeVector<double>& activity,
                                                       std::int64_t count_index,
                                                       const StopPoll& stop) const {
  const std::size_t n_slots = activity.size();
  LargeVector<std::int64_t> until(n_slots);
  parallel_for(
      static_cast<std::int64_t>(n_slots), large_block, options_.n_threads,
      [&](std::int64_t first, std::int64_t last) {
        for (auto slot = static_cast<std::size_t>(first); slot < static_cast<std::size_t>(last);
             ++slot) {
          until[slot] = 0;
          if (activity[slot] <= 0.0) continue;
          // Numbered by the caller's cells, so that the numbers do not depend on the grid.
          const std::int64_t index =
              slot + 1 == n_slots
                  ? static_cast<std::int64_t>(slot)
                  : scene_.order()[slot / n_cell_regions] * std::int64_t{n_cell_regions} +
                        static_cast<std::int64_t>(slot % n_cell_regions);
          Stream stream(options_.root, Stage::decay_count,
                        static_cast<std::uint64_t>(count_index + index));
          until[slot] = poisson_number(stream, activity[slot]);
        }
      },
      stop);
  std::partial_sum(until.begin(), until.end(), until.begin());
  return until;
}

DecayTransportResult DecayTransport::realization(const DecaySources& sources, const KeptDims& kept,
                                                 std::int64_t count_index,
                                                 std::int64_t first_history, std::int64_t begin,
                                                 std::int64_t end, const StopPoll& stop) const {
  const auto until = count_decays(activity_by_rank(sources), count_index, stop);
  const std::int64_t n_all = until.back();
  const std::int64_t from = std::clamp(begin, std::int64_t{0}, n_all);
  const std::int64_t to = end < 0 ? n_all : std::clamp(end, from, n_all);
  RegionTally tally(scene_.n_cells(), emissions_, options_.with_hits, options_.n_threads);
  run(
      to - from, first_history + from, sources.world_radius_um,
      [&](std::int64_t first) {
        return [cursor = CumulativeCursor<std::int64_t>(until, from + first),
                from](std::int64_t i) mutable { return cursor.at(from + i); };
      },
      until.size(), tally, stop);
  DecayTransportResult result;
  result.n_histories = n_all;
  const std::size_t width = row_size(kept, tally.n_columns());
  const auto n_cells = static_cast<std::size_t>(scene_.n_cells());
  result.energy_keV.resize(width * n_cells);
  if (tally.with_hits()) {
    for (auto* values : {&result.energy_let, &result.region_keV}) {
      values->resize(n_cells * RegionTally::n_targets * tally.n_columns());
    }
    result.hits.resize(result.energy_let.size());
  }
  parallel_for(
      scene_.n_cells(), large_block, options_.n_threads,
      [&](std::int64_t first, std::int64_t last) {
        std::vector<double> row(width);
        for (std::int64_t rank = first; rank < last; ++rank) {
          const auto id = static_cast<std::size_t>(scene_.order()[static_cast<std::size_t>(rank)]);
          double* const out = result.energy_keV.data() + id * width;
          reduce_cell(tally, rank, kept, row, [&](std::size_t i, double keV) { out[i] = keV; });
          if (tally.with_hits()) add_hits(tally, rank, result);
        }
      },
      stop);
  add_account(tally, 1.0, result);
  return result;
}

RecordedDecay DecayTransport::record(const DecaySources& sources, std::int64_t count_index,
                                     std::int64_t first_history, std::int64_t history,
                                     std::int64_t max_points, const StopPoll& stop) const {
  const auto until = count_decays(activity_by_rank(sources), count_index, stop);
  RecordedDecay decay;
  decay.n_histories = until.back();
  if (history < 0 || history >= decay.n_histories) {
    throw InputError("history=" + std::to_string(history) + " is none of the " +
                     std::to_string(decay.n_histories) +
                     " decays of these sources. Were cells or activity changed since the "
                     "realization?");
  }
  const std::size_t slot = CumulativeCursor<std::int64_t>(until, history).at(history);
  const Source source = source_of(slot, until.size());
  if (source.cell >= 0) {
    decay.cell = scene_.order()[static_cast<std::size_t>(source.cell)];
    decay.region = static_cast<std::int64_t>(source.region);
  } else {
    decay.region = n_cell_regions;
  }
  RegionTally tally(scene_.n_cells(), emissions_, false, 1);
  Worker<TrackScorer> worker(*this, tally, sources.world_radius_um, alphas_.get(), max_points,
                             decay.points);
  worker.history(static_cast<std::uint64_t>(first_history + history), source);
  return decay;
}

void DecayTransport::add_account(const RegionTally& tally, double factor,
                                 DecayTransportResult& result) {
  for (std::size_t f = 0; f < n_fates; ++f) {
    for (std::size_t c = 0; c < n_emission_classes; ++c) {
      result.account_keV[f * n_emission_classes + c] =
          factor * tally.account_keV(static_cast<Fate>(f), c);
    }
  }
}

void DecayTransport::add_hits(const RegionTally& tally, std::int64_t rank,
                              DecayTransportResult& result) const {
  const std::size_t n_columns = tally.n_columns();
  const auto id = static_cast<std::size_t>(scene_.order()[static_cast<std::size_t>(rank)]);
  const std::size_t first = id * RegionTally::n_targets * n_columns;
  for (std::size_t column = 0; column < n_columns; ++column) {
    const std::size_t whole = first + n_cell_regions * n_columns + column;
    result.energy_let[whole] = result.region_keV[whole] = 0.0;
    for (std::size_t region = 0; region < n_cell_regions; ++region) {
      const std::size_t at = first + region * n_columns + column;
      result.hits[at] = tally.hits(rank, region, column);
      result.energy_let[at] = tally.energy_let(rank, region, column);
      result.region_keV[at] =
          tally.energy_keV(rank, region, column, 0) + tally.energy_keV(rank, region, column, 1);
      result.energy_let[whole] += result.energy_let[at];
      result.region_keV[whole] += result.region_keV[at];
    }
    result.hits[whole] = tally.hits(rank, n_cell_regions, column);
  }
}

// Mean and sum of squared deviations, updated batch by batch [Welford 1962, Technometrics 4:419];
// each batch estimates the energy of all decays.
void DecayTransport::add_batch(const RegionTally& tally, const KeptDims& kept, double factor,
                               double n_done, DecayTransportResult& result,
                               const StopPoll& stop) const {
  const std::size_t width = row_size(kept, tally.n_columns());
  parallel_for(
      scene_.n_cells(), block, options_.n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        std::vector<double> row(width);
        for (std::int64_t rank = begin; rank < end; ++rank) {
          const auto id = static_cast<std::size_t>(scene_.order()[static_cast<std::size_t>(rank)]);
          double* const mean = result.energy_keV.data() + id * width;
          double* const squares = result.variance_keV2.data() + id * width;
          reduce_cell(tally, rank, kept, row, [&](std::size_t i, double keV) {
            const double off = keV * factor - mean[i];
            mean[i] += off / n_done;
            squares[i] += off * (keV * factor - mean[i]);
          });
        }
      },
      stop);
}

DecayTransportResult DecayTransport::mean(const DecaySources& sources, const KeptDims& kept,
                                          std::int64_t count_index, std::int64_t first_history,
                                          std::int64_t n_histories, std::int64_t n_batches,
                                          const StopPoll& stop) const {
  if (n_batches < 2 || n_histories < n_batches || n_histories % n_batches != 0) {
    throw InputError("n_histories must be a multiple of n_batches, which is at least 2");
  }
  LargeVector<double> until = activity_by_rank(sources);
  std::partial_sum(until.begin(), until.end(), until.begin());
  const double total = until.back();
  const std::int64_t n_each = n_histories / n_batches;
  const double decays_per_history = total / static_cast<double>(n_each);
  RegionTally tally(scene_.n_cells(), emissions_, options_.with_hits, options_.n_threads);
  HitMoments hits(tally);
  DecayTransportResult result;
  result.n_histories = n_histories;
  result.energy_keV.assign(
      row_size(kept, tally.n_columns()) * static_cast<std::size_t>(scene_.n_cells()), 0.0);
  result.variance_keV2 = result.energy_keV;
  for (std::int64_t b = 0; b < n_batches && total > 0.0; ++b) {
    tally.clear();
    Stream stream(options_.root, Stage::decay_count, static_cast<std::uint64_t>(count_index + b));
    const double offset = stream.uniform();
    const auto position = [&](std::int64_t i) {
      return (static_cast<double>(i) + offset) * decays_per_history;
    };
    run(
        n_each, first_history + b * n_each, sources.world_radius_um,
        [&](std::int64_t first) {
          return [&position, cursor = CumulativeCursor<double>(until, position(first))](
                     std::int64_t i) mutable { return cursor.at(position(i)); };
        },
        until.size(), tally, stop);
    add_batch(tally, kept, decays_per_history, static_cast<double>(b + 1), result, stop);
    hits.add(tally, decays_per_history, options_.n_threads, stop);
  }
  const double n = static_cast<double>(n_batches);
  for (double& squares : result.variance_keV2) squares /= n * (n - 1.0);
  result.mean_hits = hits.means(scene_.order(), options_.n_threads);
  add_account(tally, decays_per_history / n, result);
  return result;
}

}  // namespace immunodose
