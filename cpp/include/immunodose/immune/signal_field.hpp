// SPDX-License-Identifier: BSD-3-Clause
// Amounts of a diffusing signal on a regular grid, row-major (x, y, z) (docs/theory/signaling.md).
#pragma once
#include <cstdint>
#include <span>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// Adds the amount of each point to its voxel. The sum over the points of a voxel has a
// fixed order, whatever the number of threads.
void deposit_in_voxels(std::span<double> grid, std::span<const std::int64_t> voxel,
                       std::span<const float> amount, int n_threads, const StopPoll& stop = {});

// Reads factor times the amount in the voxel of each point; rounding below 0 is read as 0.
void sample_voxels(std::span<const double> grid, std::span<const std::int64_t> voxel, double factor,
                   std::span<float> value, int n_threads, const StopPoll& stop = {});

}  // namespace immunodose
