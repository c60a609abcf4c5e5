// SPDX-License-Identifier: BSD-3-Clause
// Hard spheres in a ball (spheroid) or disks in a circle (colony).
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/geometry/sphere_packing.hpp"

namespace immunodose {

struct Packing {
  Centers centers;
  std::vector<double> radius_um;  // of each cell, or one for all
  double fraction_reached;        // of the volume (area); below `fraction` the packing failed
  double fraction;                // of the radii asked for
};

// Spheres of the given radii (one per cell, or one for all n_cells) at random places inside
// outer_radius_um around the origin, none overlapping. Random points are pushed apart at a smaller
// size, mixed by hard-sphere Monte Carlo moves [Metropolis et al. 1953, doi:10.1063/1.1699114],
// and grown step by step; n_sweeps sweeps end the work (docs/theory/geometry.md). Where growth
// stops, fraction_reached says so and the centers are empty. Same bits for any n_threads.
Packing pack_random(PackingSpace space, std::vector<double> cell_radius_um, std::int64_t n_cells,
                    double outer_radius_um, std::int64_t n_sweeps, std::uint64_t root,
                    int n_threads, const StopPoll& stop = {});

// Equal spheres on a close-packed lattice, widened to fill the ball, turned at random, and loosened
// by n_sweeps Monte Carlo sweeps. Throws GeometryError if the lattice cannot hold n_cells.
Centers pack_close(PackingSpace space, double cell_radius_um, std::int64_t n_cells,
                   double outer_radius_um, std::int64_t n_sweeps, std::uint64_t root, int n_threads,
                   const StopPoll& stop = {});

}  // namespace immunodose
