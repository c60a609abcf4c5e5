// SPDX-License-Identifier: BSD-3-Clause
// Which spheres of a population overlap; O(N) for any population without gross overlaps.
#pragma once
#include <cstdint>
#include <span>

#include "immunodose/core/parallel.hpp"
#include "immunodose/geometry/grid_index.hpp"

namespace immunodose {

struct OverlapReport {
  std::int64_t n_pairs = 0;  // overlapping pairs
  std::int64_t first = -1;   // the pair that overlaps most (first < second), -1 if none does
  std::int64_t second = -1;
  double depth_um = 0.0;        // sum of the radii minus the distance of this pair
  bool is_lower_bound = false;  // a cell overlapped so many others that its count was cut short
};

// Two spheres overlap if their distance is below (1 - relative_tolerance) times the sum of their
// radii (Eq. 1, docs/theory/geometry.md). Same report for any n_threads and, up to the
// renumbering of the pair, for any numbering of the cells.
OverlapReport find_overlaps(std::span<const double> x_um, std::span<const double> y_um,
                            std::span<const double> z_um, std::span<const double> radius_um,
                            double relative_tolerance, int n_threads, const StopPoll& stop = {});

// The same for cells that are sorted already, by a grid of any edge.
OverlapReport find_overlaps(const GridIndex& cells, std::span<const double> radius_um,
                            double relative_tolerance, int n_threads, const StopPoll& stop = {});

// Cells in bins that hold some 64 of them; fewer where they lie far apart. Such bins serve sums
// over neighbors as well.
GridIndex sort_cells(std::span<const double> x_um, std::span<const double> y_um,
                     std::span<const double> z_um, std::span<const double> radius_um, int n_threads,
                     const StopPoll& stop = {});

}  // namespace immunodose
