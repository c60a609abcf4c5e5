// SPDX-License-Identifier: BSD-3-Clause
// Clusters cut from close-packed lattices: face-centered cubic in space, triangular in the plane.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/packing_space.hpp"

namespace immunodose {

// The smallest radius of the ball (circle) in which n spheres (disks) fit on such a lattice, over
// the trial centers site, holes and middles of bonds (Eq. 5, docs/theory/geometry.md).
double smallest_outer_radius_um(PackingSpace space, double cell_radius_um, std::int64_t n_cells);

// The most spheres (disks) that fit in this way into a given outer radius (Eq. 6).
std::int64_t max_cells(PackingSpace space, double cell_radius_um, double outer_radius_um);

// The tightest such cluster of n sites, widened until its outermost sites lie reach_um from the
// origin, turned at random; which of the equally far outermost sites are taken is random too.
std::vector<Vec3> close_packed_positions(PackingSpace space, std::int64_t n, double reach_um,
                                         std::uint64_t root);

}  // namespace immunodose
