// SPDX-License-Identifier: BSD-3-Clause
// Sums over all sources within reach of every target, from tables over squared distance. Eq. P1,
// docs/theory/population.md. Single precision inside a target, each target sums its neighbors in
// an order that depends on positions alone: same bits for any thread count and numbering.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/core/simd.hpp"
#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/transport/pair_loops.hpp"

namespace immunodose {

// Cells that decay, in the order of their grid. What is empty holds nothing but zeros.
struct NeighborSources {
  LargeVector<std::int64_t> rank;   // of each source in the grid; empty: every cell is a source
  LargeVector<std::int64_t> first;  // source of each rank or after it, then their number
  LargeVector<float> weight;        // (source, column)
  LargeVector<float> shrink_um2;    // taken off the squared distance, Eq. P3
  LargeVector<std::int32_t> table;  // of the source, counted within a target class
};

// All cells of the grid, by rank.
struct NeighborTargets {
  LargeVector<float> shrink_um2;
  LargeVector<std::int32_t> table;    // first table of the class of the target
  LargeVector<char> is_silent;        // images are sources alone: their sums are zero
  LargeVector<std::int64_t> partner;  // rank of the source that is left out; empty: none
};

// Called from any thread with the sums of the ranks [first, end): (rank, column).
using PairResult =
    std::function<void(std::int64_t first, std::int64_t end, std::span<double> sums)>;

// Number of pairs whose distance was computed. Where one table serves all cells and every cell is
// a source, a distance serves both directions.
std::int64_t sum_over_neighbors(const GridIndex& cells, const NeighborSources& sources,
                                const NeighborTargets& targets, const PairTables& tables,
                                double reach_um, SimdLevel simd, int n_threads,
                                const StopPoll& stop, const PairResult& result);

}  // namespace immunodose
