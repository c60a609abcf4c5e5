// SPDX-License-Identifier: BSD-3-Clause
// Equal hard spheres in a ball (spheroid) or equal disks in a circle (colony), disordered.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/geometry/close_packing.hpp"

namespace immunodose {

struct Centers {
  std::vector<double> x_um;
  std::vector<double> y_um;
  std::vector<double> z_um;
};

// Exactly n_cells centers, each sphere wholly inside outer_radius_um around the origin and none
// overlapping. A close-packed lattice, widened to fill the ball, is melted by hard-sphere Monte
// Carlo sweeps [Metropolis et al. 1953, doi:10.1063/1.1699114]; where it would not melt at full
// size, it melts at a smaller diameter and overlaps are then pushed apart. Where that fails (near
// random close packing) the lattice stays, loosened. n_sweeps sweeps at full size end each way;
// 0 gives the bare lattice. Throws GeometryError if the lattice cannot hold n_cells.
Centers pack_cells(PackingSpace space, double cell_radius_um, double outer_radius_um,
                   std::int64_t n_cells, std::int64_t n_sweeps, std::uint64_t root,
                   const StopPoll& stop = {});

}  // namespace immunodose
