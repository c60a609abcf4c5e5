// SPDX-License-Identifier: BSD-3-Clause
// Squared distances cut into cells by the leading bits of a float: neither a root nor a division
// finds the cell of a pair. Eq. P2, docs/theory/population.md.
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

namespace immunodose {

class SquareGrid {
 public:
  // Cells of distances between `shortest_um` and `longest_um`, both > 0; the last stands for all
  // that lies outside.
  SquareGrid(double shortest_um, double longest_um);

  std::int32_t first() const { return first_; }
  std::int32_t size() const { return size_; }
  std::int32_t outside() const { return size_ - 1; }
  // Squared distances (um2) between the cells, ascending: size() of them.
  std::vector<double> edges_um2() const;

  // Distances below the first cell, those of a cell to itself among them, are outside as well.
  std::int32_t cell(float square_um2) const {
    const auto place = static_cast<std::uint32_t>(key(square_um2) - first_);
    const auto last = static_cast<std::uint32_t>(size_ - 1);
    return static_cast<std::int32_t>(place < last ? place : last);
  }

  static constexpr int shift = 16;  // leaves 2^7 cells per octave: 2e-5 of linear interpolation
  static std::int32_t key(float square_um2) {
    return std::bit_cast<std::int32_t>(square_um2) >> shift;
  }

 private:
  std::int32_t first_;
  std::int32_t size_;
};

}  // namespace immunodose
