// SPDX-License-Identifier: BSD-3-Clause
// The innermost loops of the cross-dose: up to eight targets, the sources around them. Sources
// stand in groups of eight that are compact in space; groups out of reach are left out by their
// boxes. A group stays in registers while all targets that it reaches are served.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/simd.hpp"
#include "immunodose/transport/square_grid.hpp"

namespace immunodose {

inline constexpr std::size_t pair_lanes = 8;  // sources of a group, targets of a tile

// Piecewise linear in the squared distance. A row per cell of the grid: `width` values, then
// `width` slopes; tables stand behind each other. The row outside is zero.
struct PairTables {
  SquareGrid grid;
  std::int64_t n_channels;      // that a target receives
  std::int64_t n_compartments;  // of the sources, each with a column per channel
  bool clamped;  // what falls below zero is zero: ends of tracks in the middle of a cell
  std::vector<float> row;

  // Columns: (compartment, channel); more than one are filled up to whole lanes.
  std::int64_t width() const;
  std::int64_t row_size() const { return 2 * width(); }
  std::int64_t table_size() const { return row_size() * grid.size(); }
  // Fills columns of a table from their values at grid.edges_um2(), (edge, column).
  void fill(std::int64_t table, std::size_t first_column, std::size_t n_columns,
            std::span<const double> values);
};

// Sources near a bin of targets, as parallel arrays of whole groups.
struct PairBuffer {
  using Floats = LargeVector<float>;

  explicit PairBuffer(std::int64_t width) : n_weights(static_cast<std::size_t>(width)) {}

  std::size_t n_weights;  // per source: one for each column
  Floats x, y, z, shrink_um2, weight;
  LargeVector<std::int32_t> row;  // first row of the table of the source
  Floats received;                // (source, column): from targets, where pairs count both ways
  std::array<Floats, 6> box;      // of each group: low x, y, z, then high; padded to whole groups

  std::size_t size() const { return size_; }
  std::size_t n_groups() const { return size_ / pair_lanes; }
  void clear() { size_ = 0; }
  std::size_t extend(std::size_t n);  // the former size
  // Fills the last group with sources of no weight, out of reach, and finds the boxes.
  void finish();

 private:
  std::size_t size_ = 0;
};

// Up to eight targets that are compact in space.
struct PairTile {
  std::array<float, pair_lanes> x{}, y{}, z{}, shrink_um2{};
  std::array<const float*, pair_lanes> rows{};  // tables of the class of each
  std::size_t n = 0;

  unsigned all() const { return (1U << n) - 1U; }  // a bit for each target
};

// Numbers of the groups from `first` on whose box comes within a distance of that of the targets.
using PairGroups = LargeVector<std::uint32_t>;
void find_groups(const PairBuffer& near, std::size_t first, const PairTile& tile, float reach_um2,
                 SimdLevel simd, PairGroups& groups);

// sums[k][c] = sum over sources of weight_c * max(floor, value_c + slope_c * square distance), for
// target k and column c. Returns the number of pairs that were looked at.
std::int64_t sum_pairs(const PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                       float reach_um2, const PairTables& tables, SimdLevel simd,
                       std::span<float> sums);

// One table for all: the targets are the first sources of group `own`, and sum the sources behind
// them, which receive the weights of the targets times the same.
std::int64_t sum_pairs_both_ways(PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                                 std::size_t own, float reach_um2, const PairTables& tables,
                                 SimdLevel simd, std::span<float> sums);

}  // namespace immunodose
