// SPDX-License-Identifier: BSD-3-Clause
// Distances of many points to the nearest of many straight lines (axes of vessels).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

struct Line {
  Vec3 point_um;
  Vec3 direction;  // unit vector
};

// Points are sorted into the bins of a grid of edge_um; only lines that can be nearest to some
// place of a bin (distance to its center at most the least one plus the diagonal) are tested.
// Exact; same bits for any n_threads. There must be at least one line.
std::vector<double> line_distances_um(std::span<const double> x_um, std::span<const double> y_um,
                                      std::span<const double> z_um, std::span<const Line> lines,
                                      double edge_um, int n_threads, const StopPoll& stop = {});

}  // namespace immunodose
