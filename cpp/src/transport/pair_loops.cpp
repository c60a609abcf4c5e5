// SPDX-License-Identifier: BSD-3-Clause
// One column: lanes of sources. The loops over many columns are in pair_columns.cpp.
#include "immunodose/transport/pair_loops.hpp"

#include "immunodose/transport/pair_columns.hpp"
#include "immunodose/transport/pair_octet.hpp"

namespace immunodose {
namespace {

float total(const PairLanes& sums) {
  double all = 0.0;
  for (const float sum : sums) all += static_cast<double>(sum);
  return static_cast<float>(all);
}

// Group that holds the targets themselves; none where pairs count one way.
constexpr std::size_t no_group = std::numeric_limits<std::size_t>::max();

struct OneColumn {
  const PairGroups& groups;
  const PairTile& tile;
  std::size_t own;
  float reach_um2;
  const PairTables& tables;
};

template <bool both_ways, class Buffer>
std::int64_t sum_baseline(Buffer& near, const OneColumn& column, std::span<float> sums) {
  const auto& [groups, tile, own, reach_um2, tables] = column;
  const float floor = pair_floor(tables);
  std::array<PairLanes, pair_lanes> sum{};
  std::int64_t n_pairs = 0;
  for (const std::uint32_t group : groups) {
    const std::size_t first = group * pair_lanes;
    const unsigned in_reach = targets_in_reach(near, group, tile, reach_um2);
    n_pairs += std::popcount(in_reach);
    for (unsigned bits = in_reach; bits != 0; bits &= bits - 1) {
      const auto k = static_cast<std::size_t>(std::countr_zero(bits));
      const PairSquares pairs(near, first, tile, k, tables.grid);
      for (std::size_t lane = 0; lane < pair_lanes; ++lane) {
        const bool counts = group != own || lane > k;
        std::int32_t cell = counts ? pairs.cell[lane] : tables.grid.outside();
        if constexpr (!both_ways) cell += near.row[first + lane];
        const float* const entry = tile.rows[k] + 2 * cell;
        const float line = entry[0] + entry[1] * pairs.square[lane];
        const float value = line > floor ? line : floor;
        sum[k][lane] += near.weight[first + lane] * value;
        if constexpr (both_ways) {
          near.received[first + lane] += near.weight[own * pair_lanes + k] * value;
        }
      }
    }
  }
  for (std::size_t k = 0; k < tile.n; ++k) sums[k] = total(sum[k]);
  return n_pairs * static_cast<std::int64_t>(pair_lanes);
}

#if IMMUNODOSE_HAS_AVX2_TARGET

// Value and slope of a cell are one load of 64 bits.
struct LookUp {
  const double* rows;

  // Two entries; `pair` holds their two numbers.
  IMMUNODOSE_AVX2_TARGET __m128 entries(std::uint64_t pair) const {
    const __m128d low = _mm_load_sd(rows + static_cast<std::uint32_t>(pair));
    return _mm_castpd_ps(_mm_loadh_pd(low, rows + (pair >> 32)));
  }

  // Loads one by one: gather instructions are slower on AMD processors.
  IMMUNODOSE_AVX2_TARGET __m256 line(__m256i row, __m256 square) const {
    const __m128i low = _mm256_castsi256_si128(row);
    const __m128i high = _mm256_extracti128_si256(row, 1);
    const auto number = [](std::int64_t bits) { return static_cast<std::uint64_t>(bits); };
    const __m128 a = entries(number(_mm_cvtsi128_si64(low)));
    const __m128 b = entries(number(_mm_extract_epi64(low, 1)));
    const __m128 c = entries(number(_mm_cvtsi128_si64(high)));
    const __m128 d = entries(number(_mm_extract_epi64(high, 1)));
    const __m256 ac = _mm256_insertf128_ps(_mm256_castps128_ps256(a), c, 1);
    const __m256 bd = _mm256_insertf128_ps(_mm256_castps128_ps256(b), d, 1);
    const __m256 intercept = _mm256_shuffle_ps(ac, bd, 0x88);
    const __m256 slope = _mm256_shuffle_ps(ac, bd, 0xDD);
    return _mm256_add_ps(intercept, _mm256_mul_ps(slope, square));
  }
};

template <bool both_ways, class Buffer>
IMMUNODOSE_AVX2_TARGET std::int64_t sum_avx2(Buffer& near, const OneColumn& column,
                                             std::span<float> sums) {
  const auto& [groups, tile, own, reach_um2, tables] = column;
  const TileAvx2 targets(tile, reach_um2);
  const GridAvx2 grid(tables.grid);
  const __m256 floor = _mm256_set1_ps(pair_floor(tables));
  __m256 sum[pair_lanes];
  for (__m256& own_sum : sum) own_sum = _mm256_setzero_ps();
  std::int64_t n_pairs = 0;
  for (const std::uint32_t group : groups) {
    const std::size_t first = group * pair_lanes;
    const unsigned in_reach = targets.in_reach(near, group);
    if (in_reach == 0) continue;
    n_pairs += std::popcount(in_reach);
    const SourcesAvx2 sources(near, first);
    const __m256 weight = _mm256_loadu_ps(&near.weight[first]);
    [[maybe_unused]] __m256 received = _mm256_setzero_ps();
    [[maybe_unused]] __m256i row = _mm256_setzero_si256();
    if constexpr (both_ways) {
      received = _mm256_loadu_ps(&near.received[first]);
    } else {
      row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&near.row[first]));
    }
    for (unsigned bits = in_reach; bits != 0; bits &= bits - 1) {
      const auto k = static_cast<std::size_t>(std::countr_zero(bits));
      const __m256 square = sources.square(tile, k);
      __m256i cell = grid.cell(square);
      if constexpr (both_ways) {
        if (group == own) cell = grid.behind(cell, k);
      } else {
        cell = _mm256_add_epi32(cell, row);
      }
      const LookUp table{reinterpret_cast<const double*>(tile.rows[k])};
      const __m256 value = _mm256_max_ps(table.line(cell, square), floor);
      sum[k] = _mm256_add_ps(sum[k], _mm256_mul_ps(weight, value));
      if constexpr (both_ways) {
        const __m256 own_weight = _mm256_broadcast_ss(&near.weight[own * pair_lanes + k]);
        received = _mm256_add_ps(received, _mm256_mul_ps(own_weight, value));
      }
    }
    if constexpr (both_ways) _mm256_storeu_ps(&near.received[first], received);
  }
  for (std::size_t k = 0; k < tile.n; ++k) {
    PairLanes lanes;
    _mm256_storeu_ps(lanes.data(), sum[k]);
    sums[k] = total(lanes);
  }
  return n_pairs * static_cast<std::int64_t>(pair_lanes);
}

#endif

template <bool both_ways, class Buffer>
std::int64_t sum_one(Buffer& near, const OneColumn& column, SimdLevel simd, std::span<float> sums) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd == SimdLevel::avx2) return sum_avx2<both_ways>(near, column, sums);
#endif
  static_cast<void>(simd);
  return sum_baseline<both_ways>(near, column, sums);
}

}  // namespace

std::int64_t sum_pairs(const PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                       float reach_um2, const PairTables& tables, SimdLevel simd,
                       std::span<float> sums) {
  if (tables.width() > 1) return sum_columns(near, groups, tile, reach_um2, tables, simd, sums);
  return sum_one<false>(near, {groups, tile, no_group, reach_um2, tables}, simd, sums);
}

std::int64_t sum_pairs_both_ways(PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                                 std::size_t own, float reach_um2, const PairTables& tables,
                                 SimdLevel simd, std::span<float> sums) {
  if (tables.width() > 1) {
    return sum_columns_both_ways(near, groups, tile, own, reach_um2, tables, simd, sums);
  }
  return sum_one<true>(near, {groups, tile, own, reach_um2, tables}, simd, sums);
}

}  // namespace immunodose
