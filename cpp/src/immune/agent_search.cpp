// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_search.hpp"

#include <algorithm>
#include <bit>

#include "immunodose/core/simd.hpp"

#if IMMUNODOSE_HAS_AVX2_TARGET
#include <immintrin.h>
#endif

namespace immunodose {
namespace {

struct Place {
  float x, y, z, square_um2;
};

// Appends the rows of [begin, end) within reach; returns the new end of what was found.
std::int32_t* scan(const Points& at, std::size_t begin, std::size_t end, Place place,
                   std::int32_t* found) {
  for (std::size_t row = begin; row < end; ++row) {
    const float dx = at.x[row] - place.x;
    const float dy = at.y[row] - place.y;
    const float dz = at.z[row] - place.z;
    if (dx * dx + dy * dy + dz * dz <= place.square_um2) {
      *found++ = static_cast<std::int32_t>(row);
    }
  }
  return found;
}

#if IMMUNODOSE_HAS_AVX2_TARGET

IMMUNODOSE_AVX2_TARGET std::int32_t* scan_avx2(const Points& at, std::size_t begin, std::size_t end,
                                               Place place, std::int32_t* found) {
  constexpr std::size_t lanes = 8;
  const __m256 x = _mm256_set1_ps(place.x);
  const __m256 y = _mm256_set1_ps(place.y);
  const __m256 z = _mm256_set1_ps(place.z);
  const __m256 limit = _mm256_set1_ps(place.square_um2);
  std::size_t row = begin;
  // The last loads may read rows after `end`, but not beyond the arrays.
  for (; row < end && row + lanes <= at.size(); row += lanes) {
    const __m256 dx = _mm256_sub_ps(_mm256_loadu_ps(at.x.data() + row), x);
    const __m256 dy = _mm256_sub_ps(_mm256_loadu_ps(at.y.data() + row), y);
    const __m256 dz = _mm256_sub_ps(_mm256_loadu_ps(at.z.data() + row), z);
    const __m256 square = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)),
                                        _mm256_mul_ps(dz, dz));
    auto near = static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(square, limit, _CMP_LE_OQ)));
    if (end - row < lanes) near &= (1U << (end - row)) - 1U;
    for (; near != 0; near &= near - 1) {
      *found++ = static_cast<std::int32_t>(row) + std::countr_zero(near);
    }
  }
  return row < end ? scan(at, row, end, place, found) : found;
}

// Which of the eight rows from `row` on are within reach.
IMMUNODOSE_AVX2_TARGET inline unsigned near_avx2(const Points& at, std::size_t row, __m256 x,
                                                 __m256 y, __m256 z, __m256 limit) {
  const __m256 dx = _mm256_sub_ps(_mm256_loadu_ps(at.x.data() + row), x);
  const __m256 dy = _mm256_sub_ps(_mm256_loadu_ps(at.y.data() + row), y);
  const __m256 dz = _mm256_sub_ps(_mm256_loadu_ps(at.z.data() + row), z);
  const __m256 square = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)),
                                      _mm256_mul_ps(dz, dz));
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(square, limit, _CMP_LE_OQ)));
}

#endif

}  // namespace

#if IMMUNODOSE_HAS_AVX2_TARGET

// Sixteen rows at a time without a branch: most ranges have about ten.
IMMUNODOSE_AVX2_TARGET std::int32_t TargetSearch::choose_avx2(float x_um, float y_um, float z_um,
                                                              std::uint32_t word,
                                                              const SearchRanges& ranges) {
  if (ranges.size > ranges.of.size()) return too_many;
  constexpr std::size_t lanes = 16;
  const __m256 x = _mm256_set1_ps(x_um);
  const __m256 y = _mm256_set1_ps(y_um);
  const __m256 z = _mm256_set1_ps(z_um);
  const __m256 limit = _mm256_set1_ps(square_um2_);
  std::size_t n_groups = 0;
  unsigned n_found = 0;
  for (std::size_t range = 0; range < ranges.size; ++range) {
    const auto end = static_cast<std::size_t>(ranges.of[range].end);
    for (auto row = static_cast<std::size_t>(ranges.of[range].begin); row < end; row += lanes) {
      if (row + lanes > at_.size() || n_groups == groups_.size()) return too_many;
      unsigned near =
          near_avx2(at_, row, x, y, z, limit) | (near_avx2(at_, row + 8, x, y, z, limit) << 8);
      const std::size_t left = end - row;
      near &= (1U << (left < lanes ? left : lanes)) - 1U;
      groups_[n_groups] = {static_cast<std::int32_t>(row), near};
      n_groups += near != 0 ? 1 : 0;
      n_found += static_cast<unsigned>(std::popcount(near));
    }
  }
  if (n_found == 0) return -1;
  auto place = static_cast<unsigned>((static_cast<std::uint64_t>(word) * n_found) >> 32);
  std::size_t group = 0;
  for (;; ++group) {
    const auto here = static_cast<unsigned>(std::popcount(groups_[group].near));
    if (place < here) break;
    place -= here;
  }
  unsigned near = groups_[group].near;
  for (; place > 0; --place) near &= near - 1;
  return groups_[group].row + std::countr_zero(near);
}

#endif

std::int32_t TargetSearch::choose(float x_um, float y_um, float z_um, std::uint32_t word,
                                  const SearchRanges& ranges,
                                  std::span<const std::int32_t> left_out) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (cpu_has_avx2 && left_out.empty()) {
    const std::int32_t row = choose_avx2(x_um, y_um, z_um, word, ranges);
    if (row != too_many) return row;
  }
#endif
  return choose_of_list(x_um, y_um, z_um, word, left_out);
}

std::int32_t TargetSearch::choose_of_list(float x_um, float y_um, float z_um, std::uint32_t word,
                                          std::span<const std::int32_t> left_out) {
  const std::span<const std::int32_t> found = in_reach(x_um, y_um, z_um, left_out);
  if (found.empty()) return -1;
  return found[(static_cast<std::uint64_t>(word) * found.size()) >> 32];
}

std::span<const std::int32_t> TargetSearch::in_reach(float x_um, float y_um, float z_um,
                                                     std::span<const std::int32_t> left_out) {
  const Place place{x_um, y_um, z_um, square_um2_};
  std::size_t n = 0;
  bins_.visit(starts_, static_cast<double>(x_um), static_cast<double>(y_um),
              static_cast<double>(z_um), reach_um_, [&](std::size_t begin, std::size_t end) {
                if (found_.size() < n + end - begin) found_.resize(2 * (n + end - begin));
                std::int32_t* const next = found_.data() + n;
#if IMMUNODOSE_HAS_AVX2_TARGET
                std::int32_t* const last = cpu_has_avx2 ? scan_avx2(at_, begin, end, place, next)
                                                        : scan(at_, begin, end, place, next);
#else
                std::int32_t* const last = scan(at_, begin, end, place, next);
#endif
                n = static_cast<std::size_t>(last - found_.data());
              });
  for (const std::int32_t row : left_out) {
    const auto end = found_.begin() + static_cast<std::ptrdiff_t>(n);
    n = static_cast<std::size_t>(std::remove(found_.begin(), end, row) - found_.begin());
  }
  return {found_.data(), n};
}

}  // namespace immunodose
