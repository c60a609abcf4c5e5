// SPDX-License-Identifier: BSD-3-Clause
// Points at random, one in each box of a grid: no order beyond neighboring boxes, since a point
// uniform in its box leaves no Bragg peak, and even on long scales.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/packing_space.hpp"

namespace immunodose {

// n points within reach_um of the origin; the grid is turned and shifted at random. Eq. 3,
// docs/theory/geometry.md. Same points for any number of threads.
std::vector<Vec3> scattered_points(PackingSpace space, std::int64_t n, double reach_um,
                                   std::uint64_t root, int n_threads);

}  // namespace immunodose
