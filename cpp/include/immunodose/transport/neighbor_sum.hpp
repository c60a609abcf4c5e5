// SPDX-License-Identifier: BSD-3-Clause
// Sums over all sources within reach of every target, from tables over squared distance. Eq. P1,
// docs/theory/population.md. Single precision inside a target, each target sums its neighbors in
// an order that depends on positions alone: same bits for any thread count and numbering.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/core/simd.hpp"
#include "immunodose/transport/square_grid.hpp"

namespace immunodose {

// Piecewise linear in the squared distance: rows of `width` values and `width` slopes, one row per
// cell of the grid, `n_tables` tables behind each other. The row outside is zero.
struct PairTables {
  SquareGrid grid;
  std::int64_t width;
  bool clamped;  // what falls below zero is zero: ends of tracks in the middle of a cell
  std::vector<float> row;

  std::int64_t row_size() const { return 2 * width; }
  std::int64_t table_size() const { return row_size() * grid.size(); }
  // Fills table number `table` from the values at grid.edges_um2(), (edge, column).
  void fill(std::int64_t table, std::span<const double> values);
};

// One entry per cell and compartment that decays.
struct NeighborSources {
  std::vector<double> x_um, y_um, z_um;
  std::vector<float> weight;
  std::vector<float> shrink_um2;    // taken off the squared distance, Eq. P3
  std::vector<std::int32_t> table;  // of the source, counted within a target class
};

struct NeighborTargets {
  std::span<const double> x_um, y_um, z_um;
  std::vector<float> shrink_um2;
  std::vector<std::int32_t> table;  // first table of the class of the target
};

// Called for each target, from any thread, with its `width` sums.
using PairResult = std::function<void(std::int64_t target, std::vector<double>& sums)>;

// Number of pairs whose distance was computed.
std::int64_t sum_over_neighbors(const NeighborSources& sources, const NeighborTargets& targets,
                                const PairTables& tables, double reach_um, SimdLevel simd,
                                int n_threads, const StopPoll& stop, const PairResult& result);

}  // namespace immunodose
