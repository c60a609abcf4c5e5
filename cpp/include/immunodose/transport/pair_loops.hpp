// SPDX-License-Identifier: BSD-3-Clause
// The innermost loops of the cross-dose: one target, the sources around it.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/simd.hpp"
#include "immunodose/transport/square_grid.hpp"

namespace immunodose {

// Sources near a bin of targets, as parallel arrays padded to whole groups of lanes.
struct PairBuffer {
  static constexpr std::size_t lanes = 16;

  std::vector<float> x, y, z, weight, shrink_um2;
  std::vector<std::int32_t> row;  // first row of the table of the source

  std::size_t size() const { return size_; }
  void clear() { size_ = 0; }
  std::size_t extend(std::size_t n);  // the former size
  void pad();                         // with sources of no weight, out of reach

 private:
  std::size_t size_ = 0;
};

struct PairTarget {
  float x, y, z, shrink_um2;
  const float* rows;  // tables of its class
};

// sums[c] = sum over sources of weight * max(floor, value_c + slope_c * square distance).
void sum_pairs(const PairBuffer& near, const PairTarget& target, const SquareGrid& grid,
               std::int64_t width, bool clamped, SimdLevel simd, std::span<double> sums);

}  // namespace immunodose
