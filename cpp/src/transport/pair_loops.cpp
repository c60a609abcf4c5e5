// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/pair_loops.hpp"

#include <algorithm>
#include <array>
#include <limits>

#if IMMUNODOSE_HAS_AVX2_TARGET
#include <immintrin.h>
#endif

namespace immunodose {
namespace {

constexpr std::size_t lanes = PairBuffer::lanes;
using Lanes = std::array<float, lanes>;

double total(const Lanes& sums) {
  double all = 0.0;
  for (const float sum : sums) all += static_cast<double>(sum);
  return all;
}

float square_um2(const PairBuffer& near, std::size_t i, const PairTarget& target) {
  const float dx = near.x[i] - target.x;
  const float dy = near.y[i] - target.y;
  const float dz = near.z[i] - target.z;
  return (dx * dx + dy * dy + dz * dz) - (near.shrink_um2[i] + target.shrink_um2);
}

// One column: lanes of pairs.
double single_baseline(const PairBuffer& near, const PairTarget& target, const SquareGrid& grid,
                       float floor) {
  Lanes sums{};
  for (std::size_t i = 0; i < near.size(); i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      const float square = square_um2(near, i + k, target);
      const float* const entry = target.rows + 2 * (near.row[i + k] + grid.cell(square));
      sums[k] += near.weight[i + k] * std::max(entry[0] + entry[1] * square, floor);
    }
  }
  return total(sums);
}

#if IMMUNODOSE_HAS_AVX2_TARGET

struct Octet {
  __m256 x, y, z, shrink, floor;
  __m256i first, outside;
  const float* rows;

  // The operations of single_baseline for eight pairs.
  IMMUNODOSE_AVX2_TARGET __m256 operator()(const PairBuffer& near, std::size_t i) const {
    const __m256 dx = _mm256_sub_ps(_mm256_loadu_ps(&near.x[i]), x);
    const __m256 dy = _mm256_sub_ps(_mm256_loadu_ps(&near.y[i]), y);
    const __m256 dz = _mm256_sub_ps(_mm256_loadu_ps(&near.z[i]), z);
    const __m256 square =
        _mm256_sub_ps(_mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)),
                                    _mm256_mul_ps(dz, dz)),
                      _mm256_add_ps(_mm256_loadu_ps(&near.shrink_um2[i]), shrink));
    const __m256i key = _mm256_srai_epi32(_mm256_castps_si256(square), SquareGrid::shift);
    const __m256i cell = _mm256_min_epu32(_mm256_sub_epi32(key, first), outside);
    // Eight pairs out of reach add zeros, in every version.
    if (_mm256_movemask_epi8(_mm256_cmpeq_epi32(cell, outside)) == -1) return _mm256_setzero_ps();
    const __m256i row =
        _mm256_add_epi32(cell, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&near.row[i])));
    // Value and slope of a pair are one load of 64 bits; this order of the pairs lets one shuffle
    // each bring back the order of the lanes.
    const __m256i order = _mm256_permute4x64_epi64(row, 0b11'01'10'00);
    const auto* const entries = reinterpret_cast<const long long*>(rows);
    const __m256 a =
        _mm256_castsi256_ps(_mm256_i32gather_epi64(entries, _mm256_castsi256_si128(order), 8));
    const __m256 b =
        _mm256_castsi256_ps(_mm256_i32gather_epi64(entries, _mm256_extracti128_si256(order, 1), 8));
    const __m256 value = _mm256_shuffle_ps(a, b, 0x88);
    const __m256 slope = _mm256_shuffle_ps(a, b, 0xDD);
    return _mm256_mul_ps(_mm256_loadu_ps(&near.weight[i]),
                         _mm256_max_ps(_mm256_add_ps(value, _mm256_mul_ps(slope, square)), floor));
  }
};

IMMUNODOSE_AVX2_TARGET double single_avx2(const PairBuffer& near, const PairTarget& target,
                                          const SquareGrid& grid, float floor) {
  const Octet octet{_mm256_set1_ps(target.x),
                    _mm256_set1_ps(target.y),
                    _mm256_set1_ps(target.z),
                    _mm256_set1_ps(target.shrink_um2),
                    _mm256_set1_ps(floor),
                    _mm256_set1_epi32(grid.first()),
                    _mm256_set1_epi32(grid.outside()),
                    target.rows};
  __m256 low = _mm256_setzero_ps();
  __m256 high = _mm256_setzero_ps();
  for (std::size_t i = 0; i < near.size(); i += lanes) {
    low = _mm256_add_ps(low, octet(near, i));
    high = _mm256_add_ps(high, octet(near, i + 8));
  }
  Lanes sums;
  _mm256_storeu_ps(sums.data(), low);
  _mm256_storeu_ps(sums.data() + 8, high);
  return total(sums);
}

#endif

// Squares and rows of one block of sources, for the loops over columns.
struct Block {
  static constexpr std::size_t size = 256;
  std::array<float, size> square;
  std::array<std::int32_t, size> cell;
};

inline void find_cells(const PairBuffer& near, std::size_t begin, std::size_t n,
                       const PairTarget& target, const SquareGrid& grid, Block& block) {
  for (std::size_t k = 0; k < n; ++k) {
    const float square = square_um2(near, begin + k, target);
    block.square[k] = square;
    block.cell[k] = grid.cell(square);
  }
}

// Many columns: lanes of columns, `width` a multiple of four.
template <std::size_t fixed_width>
void wide_sum(const PairBuffer& near, const PairTarget& target, const SquareGrid& grid,
              std::size_t width, float floor, std::span<double> sums) {
  const std::size_t n_columns = fixed_width == 0 ? width : fixed_width;
  constexpr std::size_t most = 64;
  std::array<float, fixed_width == 0 ? most : fixed_width> part;
  Block block;
  std::fill(sums.begin(), sums.end(), 0.0);
  const std::int32_t outside = grid.outside();
  for (std::size_t begin = 0; begin < near.size(); begin += Block::size) {
    const std::size_t n = std::min(Block::size, near.size() - begin);
    find_cells(near, begin, n, target, grid, block);
    for (std::size_t from = 0; from < n_columns; from += part.size()) {
      const std::size_t columns = std::min(part.size(), n_columns - from);
      part.fill(0.0F);
      for (std::size_t k = 0; k < n; ++k) {
        if (block.cell[k] == outside) continue;
        const auto row = static_cast<std::size_t>(near.row[begin + k] + block.cell[k]);
        const float* const value = target.rows + 2 * n_columns * row + from;
        const float* const slope = value + n_columns;
        const float weight = near.weight[begin + k];
        const float square = block.square[k];
        for (std::size_t c = 0; c < columns; ++c) {
          part[c] += weight * std::max(value[c] + slope[c] * square, floor);
        }
      }
      for (std::size_t c = 0; c < columns; ++c) sums[from + c] += static_cast<double>(part[c]);
    }
  }
}

}  // namespace

std::size_t PairBuffer::extend(std::size_t n) {
  const std::size_t begin = size_;
  size_ += n;
  // Grown in steps, so that most bins find their memory ready.
  const std::size_t room = size_ + lanes;
  if (x.size() < room) {
    const std::size_t grown = room + room / 2;
    for (auto* values : {&x, &y, &z, &weight, &shrink_um2}) values->resize(grown);
    row.resize(grown);
  }
  return begin;
}

void PairBuffer::pad() {
  constexpr float far_um = 1e12F;
  const std::size_t n = (lanes - size_ % lanes) % lanes;
  const std::size_t begin = extend(n);
  for (std::size_t i = begin; i < size_; ++i) {
    x[i] = far_um;
    y[i] = z[i] = weight[i] = shrink_um2[i] = 0.0F;
    row[i] = 0;
  }
}

void sum_pairs(const PairBuffer& near, const PairTarget& target, const SquareGrid& grid,
               std::int64_t width, bool clamped, SimdLevel simd, std::span<double> sums) {
  const float floor = clamped ? 0.0F : -std::numeric_limits<float>::infinity();
  if (width == 1) {
#if IMMUNODOSE_HAS_AVX2_TARGET
    if (simd == SimdLevel::avx2) {
      sums[0] = single_avx2(near, target, grid, floor);
      return;
    }
#endif
    static_cast<void>(simd);
    sums[0] = single_baseline(near, target, grid, floor);
    return;
  }
  const auto columns = static_cast<std::size_t>(width);
  if (columns == 4) return wide_sum<4>(near, target, grid, columns, floor, sums);
  if (columns == 8) return wide_sum<8>(near, target, grid, columns, floor, sums);
  if (columns == 12) return wide_sum<12>(near, target, grid, columns, floor, sums);
  wide_sum<0>(near, target, grid, columns, floor, sums);
}

}  // namespace immunodose
