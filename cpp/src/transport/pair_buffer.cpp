// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "immunodose/core/error.hpp"
#include "immunodose/transport/pair_octet.hpp"

namespace immunodose {
namespace {

constexpr std::size_t lanes = pair_lanes;

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

// Box around the targets of a tile: low x, y, z, then high.
std::array<float, 6> box_of(const PairTile& tile) {
  std::array<float, 6> box{};
  const std::array<const PairLanes*, 3> axes{&tile.x, &tile.y, &tile.z};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto begin = axes[axis]->begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(tile.n);
    box[axis] = *std::min_element(begin, end);
    box[axis + 3] = *std::max_element(begin, end);
  }
  return box;
}

void find_groups_baseline(const PairBuffer& near, std::size_t first,
                          const std::array<float, 6>& box, float reach_um2, PairGroups& groups) {
  groups.clear();
  for (std::size_t group = first; group < near.n_groups(); ++group) {
    float square = 0.0F;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const float below = near.box[axis][group] - box[axis + 3];
      const float above = box[axis] - near.box[axis + 3][group];
      const float gap = std::max(std::max(below, above), 0.0F);
      square += gap * gap;
    }
    if (square < reach_um2) groups.push_back(static_cast<std::uint32_t>(group));
  }
}

#if IMMUNODOSE_HAS_AVX2_TARGET

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
                                             const std::array<float, 6>& box, float reach_um2,
                                             PairGroups& groups) {
  const std::size_t end = near.n_groups();
  groups.resize(end + lanes);  // room for all: written without asking
  std::uint32_t* to = groups.data();
  const __m256 limit = _mm256_set1_ps(reach_um2);
  const __m256 zero = _mm256_setzero_ps();
  for (std::size_t begin = first - first % lanes; begin < end; begin += lanes) {
    __m256 square = zero;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const __m256 below =
          _mm256_sub_ps(_mm256_loadu_ps(&near.box[axis][begin]), _mm256_set1_ps(box[axis + 3]));
      const __m256 above =
          _mm256_sub_ps(_mm256_set1_ps(box[axis]), _mm256_loadu_ps(&near.box[axis + 3][begin]));
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

}  // namespace

std::int64_t PairTables::width() const {
  constexpr auto whole = static_cast<std::int64_t>(lanes);
  const std::int64_t n = n_channels * n_compartments;
  return n <= 1 ? n : (n + whole - 1) / whole * whole;
}

void PairTables::fill(std::int64_t table, std::size_t first_column, std::size_t n_columns,
                      std::span<const double> values) {
  const auto edges = grid.edges_um2();
  const auto all = static_cast<std::size_t>(width());
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

void find_groups(const PairBuffer& near, std::size_t first, const PairTile& tile, float reach_um2,
                 SimdLevel simd, PairGroups& groups) {
  const auto box = box_of(tile);
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd == SimdLevel::avx2) return find_groups_avx2(near, first, box, reach_um2, groups);
#endif
  static_cast<void>(simd);
  find_groups_baseline(near, first, box, reach_um2, groups);
}

}  // namespace immunodose
