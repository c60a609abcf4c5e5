// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_tumor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/core/simd.hpp"
#include "immunodose/immune/agent_random.hpp"

#if IMMUNODOSE_HAS_AVX2_TARGET
#include <immintrin.h>
#endif

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 65536;
constexpr float never = std::numeric_limits<float>::infinity();
constexpr double minutes_per_day = 1440.0;
constexpr std::uint8_t alive = static_cast<std::uint8_t>(TumorState::alive);
constexpr std::uint8_t dying = static_cast<std::uint8_t>(TumorState::dying);
constexpr std::uint8_t cleared = static_cast<std::uint8_t>(TumorState::cleared);

void check(const TumorCells& cells, const HitColumns& hits, const TumorOptions& options) {
  const std::size_t n = cells.size();
  for (const std::size_t size :
       {cells.target_x_um.size(), cells.state.size(), cells.event_d.size(),
        cells.radiation_d.size(), cells.division_d.size(), cells.death_d.size(), cells.cause.size(),
        cells.hits.size(), cells.hit_d.size()}) {
    if (size != n) throw InputError("arrays of tumor cells of unequal length");
  }
  if (hits.killer_id.size() != hits.target.size() || hits.attack.size() != hits.target.size() ||
      hits.time_min.size() != hits.target.size()) {
    throw InputError("arrays of hits of unequal length");
  }
  for (const std::int32_t row : hits.target) {
    if (row < 0 || static_cast<std::size_t>(row) >= n) throw InputError("a hit of no tumor cell");
  }
  for (const std::int32_t needed : options.hits_to_kill) {
    if (needed < 1 || needed > 255) throw InputError("hits_to_kill must be 1 to 255");
  }
  for (const std::int32_t attack : hits.attack) {
    if (attack < 0 || static_cast<std::size_t>(attack) >= options.hits_to_kill.size()) {
      throw InputError("a hit of an attack that has no hits_to_kill");
    }
  }
}

// Rows whose next event is due, by block.
#if IMMUNODOSE_HAS_AVX2_TARGET
IMMUNODOSE_AVX2_TARGET std::size_t due_avx2(std::span<const float> event_d, std::size_t begin,
                                            std::size_t end, float end_d,
                                            std::vector<std::int64_t>& rows) {
  const __m256 limit = _mm256_set1_ps(end_d);
  for (; begin + 8 <= end; begin += 8) {
    const __m256 times = _mm256_loadu_ps(event_d.data() + begin);
    auto due = static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(times, limit, _CMP_LE_OQ)));
    for (; due != 0; due &= due - 1) {
      rows.push_back(static_cast<std::int64_t>(begin) + std::countr_zero(due));
    }
  }
  return begin;
}
#endif

std::vector<std::int64_t> due_rows(std::span<const float> event_d, float end_d, int n_threads,
                                   const StopPoll& stop) {
  const auto n = static_cast<std::int64_t>(event_d.size());
  std::vector<std::vector<std::int64_t>> parts(
      static_cast<std::size_t>((n + cells_per_block - 1) / cells_per_block));
  run_blocks(
      static_cast<std::int64_t>(parts.size()), n_threads,
      [&](std::int64_t b) {
        auto& rows = parts[static_cast<std::size_t>(b)];
        auto row = static_cast<std::size_t>(b * cells_per_block);
        const auto end = static_cast<std::size_t>(std::min(n, (b + 1) * cells_per_block));
#if IMMUNODOSE_HAS_AVX2_TARGET
        if (cpu_has_avx2) row = due_avx2(event_d, row, end, end_d, rows);
#endif
        for (; row < end; ++row) {
          if (event_d[row] <= end_d) rows.push_back(static_cast<std::int64_t>(row));
        }
      },
      stop);
  std::vector<std::int64_t> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Hits that are left after `gap_d`, each lost at the same rate (Eq. 5). The word's stream belongs
// to the cell, the step and the number of the hit in it.
int hits_left(int hits, double gap_d, double recovery_per_d, Stream& stream) {
  if (recovery_per_d == 0.0) return hits;
  int left = 0;
  for (int k = 0; k < hits; ++k) {
    left += exponential(stream.next_word()) > recovery_per_d * gap_d ? 1 : 0;
  }
  return left;
}

// Sets death_d and cause of the cells that T or NK cells kill in this step; returns their rows.
std::vector<std::int64_t> kill_by_hits(TumorCells& cells, const HitColumns& hits,
                                       const TumorOptions& options) {
  std::vector<std::size_t> order(hits.target.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (hits.target[a] != hits.target[b]) return hits.target[a] < hits.target[b];
    if (hits.time_min[a] != hits.time_min[b]) return hits.time_min[a] < hits.time_min[b];
    return hits.killer_id[a] < hits.killer_id[b];
  });
  std::vector<std::int64_t> killed;
  for (std::size_t first = 0; first < order.size();) {
    const auto row = static_cast<std::size_t>(hits.target[order[first]]);
    Stream stream(options.root, Stage::tumor_recovery, agent_history(cells.id[row], options.step));
    bool is_alive = cells.state[row] == alive;
    for (; first < order.size() && static_cast<std::size_t>(hits.target[order[first]]) == row;
         ++first) {
      const std::size_t hit = order[first];
      const double time_d =
          options.begin_d + static_cast<double>(hits.time_min[hit]) / minutes_per_day;
      if (!is_alive || !(static_cast<float>(time_d) < cells.radiation_d[row])) continue;
      const int needed = options.hits_to_kill[static_cast<std::size_t>(hits.attack[hit])];
      if (needed > 1) {
        const double gap_d = time_d - static_cast<double>(cells.hit_d[row]);
        const int left = hits_left(cells.hits[row], gap_d, options.recovery_per_d, stream);
        cells.hits[row] = static_cast<std::uint8_t>(left + 1);
        cells.hit_d[row] = static_cast<float>(time_d);
        if (left + 1 < needed) continue;
      }
      cells.death_d[row] = static_cast<float>(time_d);
      cells.cause[row] = static_cast<std::uint8_t>(cause_first_attack + hits.attack[hit]);
      killed.push_back(static_cast<std::int64_t>(row));
      is_alive = false;
    }
  }
  return killed;
}

// A cell that has died waits for its clearance.
void begin_dying(TumorCells& cells, std::size_t row, const TumorOptions& options) {
  cells.state[row] = dying;
  cells.target_x_um[row] = never;
  const double rate = cells.cause[row] == cause_radiation ? options.radiation_clearance_per_d
                                                          : options.immune_clearance_per_d;
  Stream stream(options.root, Stage::tumor_clearance, agent_history(cells.id[row], 0));
  const double delay_d = rate > 0.0 ? long_exponential(stream) / rate : 0.0;
  cells.event_d[row] =
      rate > 0.0 ? static_cast<float>(static_cast<double>(cells.death_d[row]) + delay_d) : never;
}

}  // namespace

std::vector<float> division_waits_d(std::span<const std::int64_t> id, std::int64_t step,
                                    double division_per_d, std::uint64_t root) {
  std::vector<float> waits(id.size(), never);
  if (division_per_d == 0.0) return waits;
  for (std::size_t i = 0; i < id.size(); ++i) {
    Stream stream(root, Stage::tumor_division, agent_history(id[i], step));
    waits[i] = static_cast<float>(long_exponential(stream) / division_per_d);
  }
  return waits;
}

TumorEvents step_tumor_cells(TumorCells cells, const HitColumns& hits, const TumorOptions& options,
                             const StopPoll& stop) {
  check(cells, hits, options);
  const auto end_d = static_cast<float>(options.end_d);
  TumorEvents events;
  events.died = kill_by_hits(cells, hits, options);
  const std::vector<std::int64_t> due = due_rows(cells.event_d, end_d, options.n_threads, stop);
  for (const std::int64_t number : due) {
    const auto row = static_cast<std::size_t>(number);
    if (cells.state[row] == dying) {
      cells.state[row] = cleared;
      cells.event_d[row] = never;
      events.cleared.push_back(number);
      continue;
    }
    if (cells.state[row] != alive) continue;
    const bool killed = cells.cause[row] != 0;  // in this step, by a hit before radiation
    if (!killed && cells.radiation_d[row] <= end_d) {
      cells.death_d[row] = cells.radiation_d[row];
      cells.cause[row] = cause_radiation;
      events.died.push_back(number);
    }
    if (cells.division_d[row] <= end_d && cells.division_d[row] < cells.death_d[row]) {
      events.dividing.push_back(number);
      const std::array<std::int64_t, 1> id{cells.id[row]};
      cells.division_d[row] +=
          division_waits_d(id, options.step + 1, options.division_per_d, options.root)[0];
      cells.event_d[row] = std::min(cells.radiation_d[row], cells.division_d[row]);
    }
  }
  std::sort(events.died.begin(), events.died.end());
  for (const std::int64_t row : events.died) {
    begin_dying(cells, static_cast<std::size_t>(row), options);
  }
  return events;
}

std::vector<float> radiation_death_d(std::span<const std::int64_t> id,
                                     const RadiationCourse& course, std::int64_t from,
                                     std::uint64_t root, int n_threads, const StopPoll& stop) {
  const std::size_t n_times = course.time_d.size();
  if (n_times == 0 || course.delivered.size() % n_times != 0 ||
      from >= static_cast<std::int64_t>(n_times)) {
    throw InputError("delivered: expected (component, time)");
  }
  const std::size_t n_components = course.delivered.size() / n_times;
  const bool one_share = course.share.size() == n_components;
  if (course.log_survival.size() != id.size() ||
      (!one_share && course.share.size() != n_components * id.size())) {
    throw InputError("log_survival and share: expected one row per cell");
  }
  std::vector<float> death(id.size(), never);
  const auto kill = [&](std::size_t i) {
    // Finite also where no cell survives: 0 times infinity is no number.
    const double log_survival = std::max(course.log_survival[i], -1e300);
    const std::size_t row = one_share ? 0 : i * n_components;
    const auto exponent = [&](std::size_t j) {
      double w = 0.0;
      for (std::size_t m = 0; m < n_components; ++m) {
        w += course.share[row + m] * course.delivered[m * n_times + j];
      }
      return 0.0 - w * log_survival;
    };
    Stream stream(root, Stage::tumor_radiation_death, agent_history(id[i], 0));
    const std::size_t first = from < 0 ? 0 : static_cast<std::size_t>(from);
    const double before = from < 0 ? 0.0 : exponent(first);
    const double limit = before + long_exponential(stream);
    if (!(exponent(n_times - 1) >= limit)) return;
    std::size_t low = first, high = n_times - 1;  // the first time at which the limit is reached
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (exponent(middle) >= limit) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    double time = course.time_d[low];
    if (low > first) {
      const double left = exponent(low - 1);
      const double share = (limit - left) / (exponent(low) - left);
      time = course.time_d[low - 1] + share * (course.time_d[low] - course.time_d[low - 1]);
    }
    death[i] = static_cast<float>(time);
  };
  parallel_for(
      static_cast<std::int64_t>(id.size()), 4096, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = begin; i < end; ++i) kill(static_cast<std::size_t>(i));
      },
      stop);
  return death;
}

}  // namespace immunodose
