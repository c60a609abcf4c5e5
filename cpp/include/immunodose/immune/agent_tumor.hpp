// SPDX-License-Identifier: BSD-3-Clause
// Tumor cells of the agent model: first cause of death, recovery from hits, clearance, division
// (Eq. 5 and 10-13, docs/theory/agents.md).
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/immune/agent_bins.hpp"

namespace immunodose {

enum class TumorState : std::uint8_t { alive = 0, dying = 1, cleared = 2 };
constexpr std::uint8_t cause_radiation = 1;
constexpr std::uint8_t cause_first_attack = 2;  // and one more for each further attack

// State, one entry per row; changed in place. Times in days, infinite where nothing is due.
struct TumorCells {
  std::span<const std::int64_t> id;
  std::span<float> target_x_um;  // infinite where the cell is no target
  std::span<std::uint8_t> state;
  std::span<float> event_d;      // the next of what is due for this cell
  std::span<float> radiation_d;  // death by radiation
  std::span<float> division_d;   // attempt to divide
  std::span<float> death_d;
  std::span<std::uint8_t> cause;
  std::span<std::uint8_t> hits;
  std::span<float> hit_d;  // of the last hit
  std::size_t size() const { return id.size(); }
};

// One per hit of the step: the target's row, the id and attack of the killer, the time.
struct HitColumns {
  std::span<const std::int32_t> target;
  std::span<const std::int64_t> killer_id;
  std::span<const std::int32_t> attack;
  std::span<const float> time_min;
};

struct TumorOptions {
  std::uint64_t root = 0;
  std::int64_t step = 0;
  double begin_d = 0.0;
  double end_d = 0.0;
  std::vector<std::int32_t> hits_to_kill{1};  // by attack
  double recovery_per_d = 0.0;                // of one hit
  double radiation_clearance_per_d = 0.0;
  double immune_clearance_per_d = 0.0;
  double division_per_d = 0.0;
  int n_threads = 1;
};

struct TumorEvents {  // rows, ascending
  std::vector<std::int64_t> died, cleared, dividing;
};

TumorEvents step_tumor_cells(TumorCells cells, const HitColumns& hits, const TumorOptions& options,
                             const StopPoll& stop = {});

// Time (d) until the next attempt to divide of each cell, an exponential number of its own.
std::vector<float> division_waits_d(std::span<const std::int64_t> id, std::int64_t step,
                                    double division_per_d, std::uint64_t root);

// When radiation kills each cell (Eq. 10): where -w_i(t) ln S_i, counted from time_d[from] on (all
// of it for from < 0), reaches an exponential number of the cell. `share` has one row for all
// cells or one per cell.
struct RadiationCourse {
  std::span<const double> log_survival;
  std::span<const double> share;
  std::span<const double> delivered;  // (component, time)
  std::span<const double> time_d;
};
std::vector<float> radiation_death_d(std::span<const std::int64_t> id,
                                     const RadiationCourse& course, std::int64_t from,
                                     std::uint64_t root, int n_threads, const StopPoll& stop = {});

// Places for the daughters of `mothers` (rows, in the order of their ids): touching the mother, in
// the first of `n_tries` random directions where no cell that is still there overlaps by more than
// `overlap` of the sum of the radii. NaN where there is no room. (mother, axis)
struct DivisionSpace {
  Points at;
  std::span<const std::int32_t> starts;
  std::span<const std::uint8_t> state;
  std::span<const float> radius_um;
  std::span<const std::int64_t> id;
};
std::vector<float> daughter_places(const DivisionSpace& space, const AgentBins& bins,
                                   std::span<const std::int64_t> mothers, double overlap,
                                   int n_tries, std::uint64_t root, std::int64_t step);

}  // namespace immunodose
