// SPDX-License-Identifier: BSD-3-Clause
// What the loops over pairs share: a group of sources against the targets of a tile, in plain
// lanes and with AVX2; both do the same operations in the same order.
#pragma once
#include <bit>
#include <limits>

#include "immunodose/transport/pair_loops.hpp"

#if IMMUNODOSE_HAS_AVX2_TARGET
#include <immintrin.h>
#endif

namespace immunodose {

using PairLanes = std::array<float, pair_lanes>;

inline float pair_floor(const PairTables& tables) {
  return tables.clamped ? 0.0F : -std::numeric_limits<float>::infinity();
}

// Bits of the targets within reach of the box of a group.
inline unsigned targets_in_reach(const PairBuffer& near, std::size_t group, const PairTile& tile,
                                 float reach_um2) {
  const std::array<const PairLanes*, 3> axes{&tile.x, &tile.y, &tile.z};
  PairLanes square{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const float low = near.box[axis][group];
    const float high = near.box[axis + 3][group];
    for (std::size_t k = 0; k < pair_lanes; ++k) {
      const float below = low - (*axes[axis])[k];
      const float above = (*axes[axis])[k] - high;
      const float outside = below < above ? above : below;
      const float gap = outside < 0.0F ? 0.0F : outside;
      square[k] += gap * gap;
    }
  }
  unsigned inside = 0;
  for (std::size_t k = 0; k < pair_lanes; ++k) {
    inside |= (square[k] < reach_um2 ? 1U : 0U) << k;
  }
  return inside & tile.all();
}

// Squared distances of a group from a target, Eq. P3, and their cells of the grid.
struct PairSquares {
  PairLanes square;
  std::array<std::int32_t, pair_lanes> cell;

  PairSquares(const PairBuffer& near, std::size_t first, const PairTile& tile, std::size_t k,
              const SquareGrid& grid) {
    for (std::size_t lane = 0; lane < pair_lanes; ++lane) {
      const std::size_t i = first + lane;
      const float dx = near.x[i] - tile.x[k];
      const float dy = near.y[i] - tile.y[k];
      const float dz = near.z[i] - tile.z[k];
      square[lane] = (dx * dx + dy * dy + dz * dz) - (near.shrink_um2[i] + tile.shrink_um2[k]);
      cell[lane] = grid.cell(square[lane]);
    }
  }
};

#if IMMUNODOSE_HAS_AVX2_TARGET

struct TileAvx2 {
  __m256 x, y, z;
  __m256 reach_um2;
  unsigned all;

  IMMUNODOSE_AVX2_TARGET TileAvx2(const PairTile& tile, float reach)
      : x(_mm256_loadu_ps(tile.x.data())),
        y(_mm256_loadu_ps(tile.y.data())),
        z(_mm256_loadu_ps(tile.z.data())),
        reach_um2(_mm256_set1_ps(reach)),
        all(tile.all()) {}

  IMMUNODOSE_AVX2_TARGET static __m256 gap(const PairBuffer& near, std::size_t axis,
                                           std::size_t group, __m256 at) {
    const __m256 below = _mm256_sub_ps(_mm256_broadcast_ss(&near.box[axis][group]), at);
    const __m256 above = _mm256_sub_ps(at, _mm256_broadcast_ss(&near.box[axis + 3][group]));
    return _mm256_max_ps(_mm256_max_ps(below, above), _mm256_setzero_ps());
  }

  IMMUNODOSE_AVX2_TARGET unsigned in_reach(const PairBuffer& near, std::size_t group) const {
    const __m256 gap_x = gap(near, 0, group, x);
    const __m256 gap_y = gap(near, 1, group, y);
    const __m256 gap_z = gap(near, 2, group, z);
    const __m256 square =
        _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(gap_x, gap_x), _mm256_mul_ps(gap_y, gap_y)),
                      _mm256_mul_ps(gap_z, gap_z));
    return all &
           static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(square, reach_um2, _CMP_LT_OQ)));
  }
};

// Eight sources.
struct SourcesAvx2 {
  __m256 x, y, z, shrink;

  IMMUNODOSE_AVX2_TARGET SourcesAvx2(const PairBuffer& near, std::size_t first)
      : x(_mm256_loadu_ps(&near.x[first])),
        y(_mm256_loadu_ps(&near.y[first])),
        z(_mm256_loadu_ps(&near.z[first])),
        shrink(_mm256_loadu_ps(&near.shrink_um2[first])) {}

  IMMUNODOSE_AVX2_TARGET __m256 square(const PairTile& tile, std::size_t k) const {
    const __m256 dx = _mm256_sub_ps(x, _mm256_broadcast_ss(&tile.x[k]));
    const __m256 dy = _mm256_sub_ps(y, _mm256_broadcast_ss(&tile.y[k]));
    const __m256 dz = _mm256_sub_ps(z, _mm256_broadcast_ss(&tile.z[k]));
    return _mm256_sub_ps(_mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)),
                                       _mm256_mul_ps(dz, dz)),
                         _mm256_add_ps(shrink, _mm256_broadcast_ss(&tile.shrink_um2[k])));
  }
};

struct GridAvx2 {
  __m256i first, outside;

  IMMUNODOSE_AVX2_TARGET explicit GridAvx2(const SquareGrid& grid)
      : first(_mm256_set1_epi32(grid.first())), outside(_mm256_set1_epi32(grid.outside())) {}

  IMMUNODOSE_AVX2_TARGET __m256i cell(__m256 square) const {
    const __m256i key = _mm256_srai_epi32(_mm256_castps_si256(square), SquareGrid::shift);
    return _mm256_min_epu32(_mm256_sub_epi32(key, first), outside);
  }
  // Lanes up to a number are outside.
  IMMUNODOSE_AVX2_TARGET __m256i behind(__m256i cell, std::size_t lane) const {
    const __m256i number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i later = _mm256_cmpgt_epi32(number, _mm256_set1_epi32(static_cast<int>(lane)));
    return _mm256_blendv_epi8(outside, cell, later);
  }
};

#endif

}  // namespace immunodose
