// SPDX-License-Identifier: BSD-3-Clause
// Equal hard spheres in a ball (spheroid) or equal disks in a circle (colony), disordered.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// Where the centers may lie: `planar` keeps z = 0 and bounds by a circle.
enum class PackingSpace { planar, spatial };

struct Centers {
  std::vector<double> x_um;
  std::vector<double> y_um;
  std::vector<double> z_um;
};

// The smallest radius of the ball (circle) in which n spheres (disks) fit on a close-packed
// lattice: face-centered cubic in space, triangular in the plane (Eq. 3, docs/theory/geometry.md).
double smallest_outer_radius_um(PackingSpace space, double cell_radius_um, std::int64_t n_cells);

// The most spheres (disks) that fit in this way into a given outer radius (Eq. 4).
std::int64_t max_cells(PackingSpace space, double cell_radius_um, double outer_radius_um);

// Exactly n_cells centers, each sphere wholly inside outer_radius_um around the origin and none
// overlapping. Starts from the widest close-packed lattice that holds n_cells, turned at random,
// and makes n_sweeps hard-sphere Monte Carlo sweeps [Metropolis et al. 1953,
// doi:10.1063/1.1699114]. Throws GeometryError if the lattice cannot hold n_cells.
Centers pack_cells(PackingSpace space, double cell_radius_um, double outer_radius_um,
                   std::int64_t n_cells, std::int64_t n_sweeps, std::uint64_t root,
                   const StopPoll& stop = {});

}  // namespace immunodose
