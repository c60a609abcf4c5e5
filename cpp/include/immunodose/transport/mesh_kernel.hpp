// SPDX-License-Identifier: BSD-3-Clause
// The far part of a kernel for the convolution on a mesh: with a free boundary its values at the
// nodes, in a periodic box those of all images. Eqs. P18 and P19, docs/theory/population.md.
#pragma once
#include "immunodose/core/parallel.hpp"
#include "immunodose/geometry/periodic_box.hpp"
#include "immunodose/transport/far_kernel.hpp"
#include "immunodose/transport/particle_mesh.hpp"

namespace immunodose {

// `reach_um`: beyond it the kernel is zero.
MeshKernel mesh_kernel(const FarKernel& far, const MeshShape& shape, const PeriodicBox& box,
                       double reach_um, int n_threads, const StopPoll& stop);

// Terms that are summed for the images of a periodic box, 0 without a box.
double mesh_kernel_terms(const MeshShape& shape, const PeriodicBox& box, double spacing_um,
                         double cut_um, double reach_um);

}  // namespace immunodose
