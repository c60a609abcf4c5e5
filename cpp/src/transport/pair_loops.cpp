// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/pair_loops.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "immunodose/core/error.hpp"

#if IMMUNODOSE_HAS_AVX2_TARGET
#include <immintrin.h>
#endif

namespace immunodose {
namespace {

constexpr std::size_t lanes = pair_lanes;
using Lanes = std::array<float, lanes>;

double total(const Lanes& sums) {
  double all = 0.0;
  for (const float sum : sums) all += static_cast<double>(sum);
  return all;
}

float floor_of(const PairTables& tables) {
  return tables.clamped ? 0.0F : -std::numeric_limits<float>::infinity();
}

IMMUNODOSE_INLINED float square_um2(const PairBuffer& near, std::size_t i,
                                    const PairTarget& target) {
  const float dx = near.x[i] - target.x;
  const float dy = near.y[i] - target.y;
  const float dz = near.z[i] - target.z;
  return (dx * dx + dy * dy + dz * dz) - (near.shrink_um2[i] + target.shrink_um2);
}

// Squared distance between a target and the box of a group; low sides first.
float box_square_um2(const PairBuffer& near, std::size_t group, const PairTarget& target) {
  const std::array<float, 3> at{target.x, target.y, target.z};
  float square = 0.0F;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const float below = near.box[axis][group] - at[axis];
    const float above = at[axis] - near.box[axis + 3][group];
    const float gap = std::max(std::max(below, above), 0.0F);
    square += gap * gap;
  }
  return square;
}

void find_groups_baseline(const PairBuffer& near, std::size_t first, const PairTarget& target,
                          float reach_um2, PairGroups& groups) {
  groups.clear();
  for (std::size_t group = first; group < near.n_groups(); ++group) {
    if (box_square_um2(near, group, target) < reach_um2) {
      groups.push_back(static_cast<std::uint32_t>(group));
    }
  }
}

// One column: lanes of pairs.
double single_baseline(const PairBuffer& near, const PairGroups& groups, const PairTarget& target,
                       const PairTables& tables) {
  const float floor = floor_of(tables);
  Lanes sums{};
  for (const std::uint32_t group : groups) {
    const std::size_t i = group * lanes;
    for (std::size_t k = 0; k < lanes; ++k) {
      const float square = square_um2(near, i + k, target);
      const float* const entry = target.rows + 2 * (near.row[i + k] + tables.grid.cell(square));
      sums[k] += near.weight[i + k] * std::max(entry[0] + entry[1] * square, floor);
    }
  }
  return total(sums);
}

double both_ways_baseline(PairBuffer& near, const PairGroups& groups, const PairTarget& target,
                          std::size_t own, float weight, const PairTables& tables) {
  const float floor = floor_of(tables);
  Lanes sums{};
  for (const std::uint32_t group : groups) {
    const std::size_t i = group * lanes;
    for (std::size_t k = 0; k < lanes; ++k) {
      const float square = square_um2(near, i + k, target);
      const std::int32_t cell = i + k > own ? tables.grid.cell(square) : tables.grid.outside();
      const float* const entry = target.rows + 2 * cell;
      const float value = std::max(entry[0] + entry[1] * square, floor);
      sums[k] += near.weight[i + k] * value;
      near.received[i + k] += weight * value;
    }
  }
  return total(sums);
}

#if IMMUNODOSE_HAS_AVX2_TARGET

// The operations of single_baseline for eight pairs.
struct Octet {
  __m256 x, y, z, shrink, floor;
  __m256i first, outside;
  const double* rows;  // value and slope of a cell are one load of 64 bits

  IMMUNODOSE_AVX2_TARGET Octet(const PairTarget& target, const PairTables& tables)
      : x(_mm256_set1_ps(target.x)),
        y(_mm256_set1_ps(target.y)),
        z(_mm256_set1_ps(target.z)),
        shrink(_mm256_set1_ps(target.shrink_um2)),
        floor(_mm256_set1_ps(floor_of(tables))),
        first(_mm256_set1_epi32(tables.grid.first())),
        outside(_mm256_set1_epi32(tables.grid.outside())),
        rows(reinterpret_cast<const double*>(target.rows)) {}

  IMMUNODOSE_AVX2_TARGET __m256 square(const PairBuffer& near, std::size_t i) const {
    const __m256 dx = _mm256_sub_ps(_mm256_loadu_ps(&near.x[i]), x);
    const __m256 dy = _mm256_sub_ps(_mm256_loadu_ps(&near.y[i]), y);
    const __m256 dz = _mm256_sub_ps(_mm256_loadu_ps(&near.z[i]), z);
    return _mm256_sub_ps(_mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy)),
                                       _mm256_mul_ps(dz, dz)),
                         _mm256_add_ps(_mm256_loadu_ps(&near.shrink_um2[i]), shrink));
  }

  IMMUNODOSE_AVX2_TARGET __m256i cell(__m256 square) const {
    const __m256i key = _mm256_srai_epi32(_mm256_castps_si256(square), SquareGrid::shift);
    return _mm256_min_epu32(_mm256_sub_epi32(key, first), outside);
  }

  // Two entries; `pair` holds their two numbers.
  IMMUNODOSE_AVX2_TARGET __m128 entries(std::uint64_t pair) const {
    const __m128d low = _mm_load_sd(rows + static_cast<std::uint32_t>(pair));
    return _mm_castpd_ps(_mm_loadh_pd(low, rows + (pair >> 32)));
  }

  // Loads one by one: gather instructions are slower on AMD processors.
  IMMUNODOSE_AVX2_TARGET __m256 value(__m256i row, __m256 square) const {
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
    return _mm256_max_ps(_mm256_add_ps(intercept, _mm256_mul_ps(slope, square)), floor);
  }
};

IMMUNODOSE_AVX2_TARGET double total_avx2(__m256 sums) {
  Lanes stored;
  _mm256_storeu_ps(stored.data(), sums);
  return total(stored);
}

IMMUNODOSE_AVX2_TARGET double single_avx2(const PairBuffer& near, const PairGroups& groups,
                                          const PairTarget& target, const PairTables& tables) {
  const Octet octet(target, tables);
  __m256 sums = _mm256_setzero_ps();
  for (const std::uint32_t group : groups) {
    const std::size_t i = group * lanes;
    const __m256 square = octet.square(near, i);
    const __m256i row = _mm256_add_epi32(
        octet.cell(square), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&near.row[i])));
    sums = _mm256_add_ps(sums,
                         _mm256_mul_ps(_mm256_loadu_ps(&near.weight[i]), octet.value(row, square)));
  }
  return total_avx2(sums);
}

IMMUNODOSE_AVX2_TARGET double both_ways_avx2(PairBuffer& near, const PairGroups& groups,
                                             const PairTarget& target, std::size_t own,
                                             float weight, const PairTables& tables) {
  const Octet octet(target, tables);
  const __m256 weights = _mm256_set1_ps(weight);
  const __m256i number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256 sums = _mm256_setzero_ps();
  for (const std::uint32_t group : groups) {
    const std::size_t i = group * lanes;
    const __m256 square = octet.square(near, i);
    __m256i cell = octet.cell(square);
    if (i <= own) {
      const __m256i behind =
          _mm256_cmpgt_epi32(number, _mm256_set1_epi32(static_cast<int>(own - i)));
      cell = _mm256_blendv_epi8(octet.outside, cell, behind);
    }
    const __m256 value = octet.value(cell, square);
    sums = _mm256_add_ps(sums, _mm256_mul_ps(_mm256_loadu_ps(&near.weight[i]), value));
    float* const received = &near.received[i];
    _mm256_storeu_ps(received,
                     _mm256_add_ps(_mm256_loadu_ps(received), _mm256_mul_ps(weights, value)));
  }
  return total_avx2(sums);
}

// Row m: the numbers of the bits that are set in m.
constexpr auto set_bits = [] {
  std::array<std::array<std::uint8_t, lanes>, 256> numbers{};
  for (std::size_t mask = 0; mask < numbers.size(); ++mask) {
    std::size_t n = 0;
    for (std::uint8_t bit = 0; bit < lanes; ++bit) {
      if ((mask >> bit & 1U) != 0) numbers[mask][n++] = bit;
    }
  }
  return numbers;
}();

IMMUNODOSE_AVX2_TARGET void find_groups_avx2(const PairBuffer& near, std::size_t first,
                                             const PairTarget& target, float reach_um2,
                                             PairGroups& groups) {
  const std::size_t end = near.n_groups();
  groups.resize(end + lanes);  // room for all: written without asking
  std::uint32_t* to = groups.data();
  const __m256 limit = _mm256_set1_ps(reach_um2);
  const __m256 zero = _mm256_setzero_ps();
  const __m256 at[3] = {_mm256_set1_ps(target.x), _mm256_set1_ps(target.y),
                        _mm256_set1_ps(target.z)};
  for (std::size_t begin = first - first % lanes; begin < end; begin += lanes) {
    __m256 square = zero;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const __m256 below = _mm256_sub_ps(_mm256_loadu_ps(&near.box[axis][begin]), at[axis]);
      const __m256 above = _mm256_sub_ps(at[axis], _mm256_loadu_ps(&near.box[axis + 3][begin]));
      const __m256 gap = _mm256_max_ps(_mm256_max_ps(below, above), zero);
      square = _mm256_add_ps(square, _mm256_mul_ps(gap, gap));
    }
    auto inside =
        static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(square, limit, _CMP_LT_OQ)));
    if (begin < first) inside &= 0xFFU << (first - begin);
    const auto bits = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(set_bits[inside].data()));
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(to),
        _mm256_add_epi32(_mm256_cvtepu8_epi32(bits), _mm256_set1_epi32(static_cast<int>(begin))));
    to += std::popcount(inside);
  }
  groups.resize(static_cast<std::size_t>(to - groups.data()));
}

#endif

// Pairs of one block that are not out of reach, for the loops over columns.
struct Block {
  static constexpr std::size_t n_groups = 32;
  static constexpr std::size_t size = n_groups * lanes;
  std::array<float, size> square;
  std::array<std::int32_t, size> cell;
  std::array<std::uint32_t, size> source;
  std::size_t n = 0;

  IMMUNODOSE_INLINED void find(const PairBuffer& near, std::span<const std::uint32_t> groups,
                               const PairTarget& target, const SquareGrid& grid) {
    n = 0;
    const std::int32_t outside = grid.outside();
    for (const std::uint32_t group : groups) {
      const std::size_t i = group * lanes;
      Lanes own_square;
      std::array<std::int32_t, lanes> own_cell;
      for (std::size_t k = 0; k < lanes; ++k) {
        own_square[k] = square_um2(near, i + k, target);
        own_cell[k] = grid.cell(own_square[k]);
      }
      for (std::size_t k = 0; k < lanes; ++k) {
        square[n] = own_square[k];
        cell[n] = own_cell[k];
        source[n] = static_cast<std::uint32_t>(i + k);
        n += own_cell[k] != outside ? 1U : 0U;
      }
    }
  }
};

// Many columns: lanes of columns.
template <std::size_t fixed_width>
IMMUNODOSE_INLINED void wide_sum(const PairBuffer& near, const PairGroups& groups,
                                 const PairTarget& target, const PairTables& tables,
                                 std::span<double> sums) {
  const std::size_t width = fixed_width == 0 ? static_cast<std::size_t>(tables.width) : fixed_width;
  constexpr std::size_t most = 16;
  std::array<float, fixed_width == 0 ? most : fixed_width> part;
  Block block;
  const float floor = floor_of(tables);
  std::fill(sums.begin(), sums.end(), 0.0);
  for (std::size_t begin = 0; begin < groups.size(); begin += Block::n_groups) {
    const std::size_t n = std::min(Block::n_groups, groups.size() - begin);
    block.find(near, std::span(groups).subspan(begin, n), target, tables.grid);
    for (std::size_t from = 0; from < width; from += part.size()) {
      const std::size_t columns =
          fixed_width == 0 ? std::min(part.size(), width - from) : fixed_width;
      part.fill(0.0F);
      for (std::size_t k = 0; k < block.n; ++k) {
        const std::size_t source = block.source[k];
        const auto row = static_cast<std::size_t>(near.row[source] + block.cell[k]);
        const float* const value = target.rows + 2 * width * row + from;
        const float* const slope = value + width;
        const float* const weight = near.weight.data() + source * width + from;
        const float square = block.square[k];
        for (std::size_t c = 0; c < columns; ++c) {
          const float dose = value[c] + slope[c] * square;
          part[c] += weight[c] * (dose > floor ? dose : floor);
        }
      }
      for (std::size_t c = 0; c < columns; ++c) sums[from + c] += static_cast<double>(part[c]);
    }
  }
}

IMMUNODOSE_INLINED void wide_sums(const PairBuffer& near, const PairGroups& groups,
                                  const PairTarget& target, const PairTables& tables,
                                  std::span<double> sums) {
  switch (tables.width) {
    case 4:
      return wide_sum<4>(near, groups, target, tables, sums);
    case 8:
      return wide_sum<8>(near, groups, target, tables, sums);
    case 12:
      return wide_sum<12>(near, groups, target, tables, sums);
    default:
      return wide_sum<0>(near, groups, target, tables, sums);
  }
}

#if IMMUNODOSE_HAS_AVX2_TARGET
IMMUNODOSE_AVX2_TARGET void wide_sums_avx2(const PairBuffer& near, const PairGroups& groups,
                                           const PairTarget& target, const PairTables& tables,
                                           std::span<double> sums) {
  wide_sums(near, groups, target, tables, sums);
}
#endif

}  // namespace

void PairTables::fill(std::int64_t table, std::size_t first_column, std::size_t n_columns,
                      std::span<const double> values) {
  const auto edges = grid.edges_um2();
  const auto all = static_cast<std::size_t>(width);
  if (values.size() != edges.size() * n_columns || first_column + n_columns > all) {
    throw InputError("table of pairs: wrong size");
  }
  float* to = row.data() + table * table_size() + first_column;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    const double* const low = &values[i * n_columns];
    const double* const high = low + n_columns;
    for (std::size_t c = 0; c < n_columns; ++c) {
      const double slope = (high[c] - low[c]) / (edges[i + 1] - edges[i]);
      to[c] = static_cast<float>(low[c] - slope * edges[i]);
      to[all + c] = static_cast<float>(slope);
    }
    to += row_size();
  }
}

namespace {

// Halves against each other: four lanes at a time.
void find_box(const float* at, float* low, float* high) {
  std::array<float, 4> least;
  std::array<float, 4> most;
  for (std::size_t k = 0; k < 4; ++k) {
    least[k] = at[k + 4] < at[k] ? at[k + 4] : at[k];
    most[k] = at[k] < at[k + 4] ? at[k + 4] : at[k];
  }
  *low = std::min(std::min(least[0], least[1]), std::min(least[2], least[3]));
  *high = std::max(std::max(most[0], most[1]), std::max(most[2], most[3]));
}

}  // namespace

std::size_t PairBuffer::extend(std::size_t n) {
  const std::size_t begin = size_;
  size_ += n;
  const std::size_t room = size_ + lanes;
  if (x.size() < room) {  // grown in steps, so that most bins find their memory ready
    const std::size_t grown = room + room / 2;
    for (auto* values : {&x, &y, &z, &shrink_um2}) values->resize(grown);
    weight.resize(grown * n_weights);
    row.resize(grown);
  }
  return begin;
}

void PairBuffer::finish() {
  constexpr float far_um = 1e12F;
  const std::size_t n = (lanes - size_ % lanes) % lanes;
  const std::size_t begin = extend(n);
  for (std::size_t i = begin; i < size_; ++i) {
    x[i] = far_um;
    y[i] = z[i] = shrink_um2[i] = 0.0F;
    std::fill_n(&weight[i * n_weights], n_weights, 0.0F);
    row[i] = 0;
  }
  const std::size_t boxes = (n_groups() + lanes - 1) / lanes * lanes;
  if (box[0].size() < boxes) {
    for (auto& side : box) side.resize(boxes + boxes / 2);
  }
  const std::array<const Floats*, 3> axes{&x, &y, &z};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    float* const low = box[axis].data();
    float* const high = box[axis + 3].data();
    for (std::size_t g = 0; g < begin / lanes; ++g)
      find_box(axes[axis]->data() + g * lanes, low + g, high + g);
    if (begin % lanes != 0) {  // without the sources that fill it up
      const float* const at = axes[axis]->data() + begin / lanes * lanes;
      low[begin / lanes] = *std::min_element(at, at + begin % lanes);
      high[begin / lanes] = *std::max_element(at, at + begin % lanes);
    }
    for (std::size_t g = n_groups(); g < boxes; ++g) low[g] = high[g] = far_um;
  }
}

void find_groups(const PairBuffer& near, std::size_t first, const PairTarget& target,
                 float reach_um2, SimdLevel simd, PairGroups& groups) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd == SimdLevel::avx2) return find_groups_avx2(near, first, target, reach_um2, groups);
#endif
  static_cast<void>(simd);
  find_groups_baseline(near, first, target, reach_um2, groups);
}

void sum_pairs(const PairBuffer& near, const PairGroups& groups, const PairTarget& target,
               const PairTables& tables, SimdLevel simd, std::span<double> sums) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd == SimdLevel::avx2) {
    if (tables.width > 1) return wide_sums_avx2(near, groups, target, tables, sums);
    sums[0] = single_avx2(near, groups, target, tables);
    return;
  }
#endif
  static_cast<void>(simd);
  if (tables.width > 1) return wide_sums(near, groups, target, tables, sums);
  sums[0] = single_baseline(near, groups, target, tables);
}

double sum_pairs_both_ways(PairBuffer& near, const PairGroups& groups, const PairTarget& target,
                           std::size_t own, float weight, const PairTables& tables,
                           SimdLevel simd) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd == SimdLevel::avx2) return both_ways_avx2(near, groups, target, own, weight, tables);
#endif
  static_cast<void>(simd);
  return both_ways_baseline(near, groups, target, own, weight, tables);
}

}  // namespace immunodose
