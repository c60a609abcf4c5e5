// SPDX-License-Identifier: BSD-3-Clause
// Many columns: lanes of columns, pair after pair.
#include "immunodose/transport/pair_columns.hpp"

#include <algorithm>

#include "immunodose/transport/pair_octet.hpp"

namespace immunodose {
namespace {

constexpr std::size_t no_group = std::numeric_limits<std::size_t>::max();

struct Columns {
  const PairGroups& groups;
  const PairTile& tile;
  std::size_t own;  // group of the targets themselves, where pairs count both ways
  float reach_um2;
  const PairTables& tables;
  std::size_t from;  // first column

  std::size_t width() const { return static_cast<std::size_t>(tables.width()); }
  float* sums_of(std::size_t k, std::span<float> sums) const { return &sums[k * width() + from]; }
  // Lanes that count of a group, for one target.
  unsigned behind(std::size_t group, std::size_t k) const {
    return group == own ? ~0U << (k + 1) : ~0U;
  }
};

template <std::size_t n_columns, bool both_ways, class Buffer>
std::int64_t columns_baseline(Buffer& near, const Columns& all, std::span<float> sums) {
  const std::size_t width = all.width();
  const float floor = pair_floor(all.tables);
  std::int64_t n_pairs = 0;
  for (const std::uint32_t group : all.groups) {
    const std::size_t first = group * pair_lanes;
    const unsigned in_reach = targets_in_reach(near, group, all.tile, all.reach_um2);
    n_pairs += std::popcount(in_reach);
    for (unsigned bits = in_reach; bits != 0; bits &= bits - 1) {
      const auto k = static_cast<std::size_t>(std::countr_zero(bits));
      const PairSquares pairs(near, first, all.tile, k, all.tables.grid);
      float* const sum = all.sums_of(k, sums);
      for (std::size_t lane = 0; lane < pair_lanes; ++lane) {
        if (pairs.cell[lane] == all.tables.grid.outside()) continue;
        if ((all.behind(group, k) >> lane & 1U) == 0) continue;
        const std::size_t source = first + lane;
        const auto row = static_cast<std::size_t>(near.row[source] + pairs.cell[lane]);
        const float* const value = all.tile.rows[k] + 2 * width * row + all.from;
        const float* const weight = &near.weight[source * width + all.from];
        for (std::size_t c = 0; c < n_columns; ++c) {
          const float line = value[c] + value[width + c] * pairs.square[lane];
          const float dose = line > floor ? line : floor;
          sum[c] += weight[c] * dose;
          if constexpr (both_ways) {
            near.received[source * width + all.from + c] +=
                near.weight[(all.own * pair_lanes + k) * width + all.from + c] * dose;
          }
        }
      }
    }
  }
  return n_pairs * static_cast<std::int64_t>(pair_lanes);
}

#if IMMUNODOSE_HAS_AVX2_TARGET

// One target and the lanes of a group that count.
struct LanesOfTarget {
  const float* rows;  // tables of the target
  std::size_t first;  // source of the group
  std::size_t own;    // source that the target is, where pairs count both ways
  alignas(32) PairLanes square;
  alignas(32) std::array<std::int32_t, pair_lanes> row;
};

template <std::size_t n_columns, bool both_ways, class Buffer>
IMMUNODOSE_AVX2_TARGET inline void add_lanes(Buffer& near, const Columns& all, std::size_t width,
                                             const LanesOfTarget& pairs, unsigned lanes,
                                             float* to) {
  constexpr std::size_t n = n_columns / pair_lanes;  // registers
  const __m256 floor = _mm256_set1_ps(pair_floor(all.tables));
  __m256 sum[n];
  [[maybe_unused]] __m256 own_weight[n];
  for (std::size_t r = 0; r < n; ++r) {
    sum[r] = _mm256_loadu_ps(to + r * pair_lanes);
    if constexpr (both_ways) {
      own_weight[r] = _mm256_loadu_ps(&near.weight[pairs.own * width + all.from + r * pair_lanes]);
    }
  }
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<std::size_t>(std::countr_zero(lanes));
    const std::size_t place = (pairs.first + lane) * width + all.from;
    const float* const value =
        pairs.rows + 2 * width * static_cast<std::size_t>(pairs.row[lane]) + all.from;
    const __m256 square = _mm256_broadcast_ss(&pairs.square[lane]);
    for (std::size_t r = 0; r < n; ++r) {
      const std::size_t c = r * pair_lanes;
      const __m256 line = _mm256_add_ps(_mm256_loadu_ps(value + c),
                                        _mm256_mul_ps(_mm256_loadu_ps(value + width + c), square));
      const __m256 dose = _mm256_max_ps(line, floor);
      const __m256 weight = _mm256_loadu_ps(&near.weight[place + c]);
      sum[r] = _mm256_add_ps(sum[r], _mm256_mul_ps(weight, dose));
      if constexpr (both_ways) {
        float* const received = &near.received[place + c];
        _mm256_storeu_ps(
            received, _mm256_add_ps(_mm256_loadu_ps(received), _mm256_mul_ps(own_weight[r], dose)));
      }
    }
  }
  for (std::size_t r = 0; r < n; ++r) _mm256_storeu_ps(to + r * pair_lanes, sum[r]);
}

template <std::size_t n_columns, bool both_ways, class Buffer>
IMMUNODOSE_AVX2_TARGET std::int64_t columns_avx2(Buffer& near, const Columns& all,
                                                 std::span<float> sums) {
  const std::size_t width = all.width();
  const TileAvx2 targets(all.tile, all.reach_um2);
  const GridAvx2 grid(all.tables.grid);
  std::int64_t n_pairs = 0;
  LanesOfTarget pairs;
  for (const std::uint32_t group : all.groups) {
    pairs.first = group * pair_lanes;
    const unsigned in_reach = targets.in_reach(near, group);
    if (in_reach == 0) continue;
    n_pairs += std::popcount(in_reach);
    const SourcesAvx2 sources(near, pairs.first);
    const __m256i row =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&near.row[pairs.first]));
    for (unsigned bits = in_reach; bits != 0; bits &= bits - 1) {
      const auto k = static_cast<std::size_t>(std::countr_zero(bits));
      const __m256 square = sources.square(all.tile, k);
      const __m256i cell = grid.cell(square);
      const auto beyond = static_cast<unsigned>(
          _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(cell, grid.outside))));
      const unsigned lanes = ~beyond & 0xFFU & all.behind(group, k);
      if (lanes == 0) continue;
      _mm256_store_ps(pairs.square.data(), square);
      _mm256_store_si256(reinterpret_cast<__m256i*>(pairs.row.data()), _mm256_add_epi32(cell, row));
      pairs.rows = all.tile.rows[k];
      pairs.own = all.own * pair_lanes + k;
      add_lanes<n_columns, both_ways>(near, all, width, pairs, lanes, all.sums_of(k, sums));
    }
  }
  return n_pairs * static_cast<std::int64_t>(pair_lanes);
}

#endif

template <std::size_t n_columns, bool both_ways, class Buffer>
std::int64_t sum_block(Buffer& near, const Columns& all, SimdLevel simd, std::span<float> sums) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd == SimdLevel::avx2) return columns_avx2<n_columns, both_ways>(near, all, sums);
#endif
  static_cast<void>(simd);
  return columns_baseline<n_columns, both_ways>(near, all, sums);
}

// Blocks of columns that registers hold.
template <bool both_ways, class Buffer>
std::int64_t sum_blocks(Buffer& near, Columns all, SimdLevel simd, std::span<float> sums) {
  constexpr std::size_t most = 3 * pair_lanes;
  std::fill(sums.begin(), sums.end(), 0.0F);
  std::int64_t n_pairs = 0;
  for (; all.from < all.width(); all.from += most) {
    const std::size_t left = std::min(most, all.width() - all.from);
    if (left == pair_lanes) {
      n_pairs = sum_block<pair_lanes, both_ways>(near, all, simd, sums);
    } else if (left == 2 * pair_lanes) {
      n_pairs = sum_block<2 * pair_lanes, both_ways>(near, all, simd, sums);
    } else {
      n_pairs = sum_block<most, both_ways>(near, all, simd, sums);
    }
  }
  return n_pairs;
}

}  // namespace

std::int64_t sum_columns(const PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                         float reach_um2, const PairTables& tables, SimdLevel simd,
                         std::span<float> sums) {
  return sum_blocks<false>(near, {groups, tile, no_group, reach_um2, tables, 0}, simd, sums);
}

std::int64_t sum_columns_both_ways(PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                                   std::size_t own, float reach_um2, const PairTables& tables,
                                   SimdLevel simd, std::span<float> sums) {
  return sum_blocks<true>(near, {groups, tile, own, reach_um2, tables, 0}, simd, sums);
}

}  // namespace immunodose
