// SPDX-License-Identifier: BSD-3-Clause
// Mean absorbed dose to a region per decay in another: kernel times overlap, one dimension.
#pragma once
#include <span>
#include <vector>

#include "immunodose/geometry/region_overlap.hpp"
#include "immunodose/physics/radial_kernel.hpp"

namespace immunodose {

// Gy per decay for each center-to-center distance (0: concentric). Eq. 7,
// docs/theory/transport.md; exact but for the bins of the kernel. Symmetric in the regions.
std::vector<double> s_values(const RadialKernel& kernel, Region source, Region target,
                             std::span<const double> distance_um, double density_g_per_cm3);

}  // namespace immunodose
