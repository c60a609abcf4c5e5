// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/signal_field.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t points_per_block = 32768;
constexpr std::int64_t points_per_voxel = 2;
constexpr std::int64_t most_partial_grids = 16;
constexpr std::int64_t values_per_block = 8192;

void require_points(std::size_t n_voxels_given, std::size_t n_values) {
  if (n_voxels_given != n_values) {
    throw InputError("voxel: got " + std::to_string(n_voxels_given) + " values, expected " +
                     std::to_string(n_values));
  }
}

// The voxel as an index, checked where it is used: one pass over the points.
std::size_t index_of(std::span<const std::int64_t> voxel, std::size_t point, std::size_t n_voxels) {
  const auto index = static_cast<std::size_t>(voxel[point]);  // a negative number becomes too large
  if (index >= n_voxels) {
    throw InputError("voxel[" + std::to_string(point) + "] = " + std::to_string(voxel[point]) +
                     " is outside the grid");
  }
  return index;
}

}  // namespace

void deposit_in_voxels(std::span<double> grid, std::span<const std::int64_t> voxel,
                       std::span<const float> amount, int n_threads, const StopPoll& stop) {
  require_points(voxel.size(), amount.size());
  const auto n = static_cast<std::int64_t>(voxel.size());
  // Partial sums pay where a grid has far fewer voxels than there are points.
  const std::int64_t n_parts = std::clamp<std::int64_t>(
      n / (points_per_voxel * static_cast<std::int64_t>(grid.size()) + points_per_block), 1,
      most_partial_grids);
  const std::int64_t per_part = (n + n_parts - 1) / n_parts;
  if (n_parts == 1) {
    for (std::size_t i = 0; i < voxel.size(); ++i) {
      grid[index_of(voxel, i, grid.size())] += static_cast<double>(amount[i]);
    }
    return;
  }
  std::vector<double> parts(grid.size() * static_cast<std::size_t>(n_parts));
  run_blocks(
      n_parts, n_threads,
      [&](std::int64_t part) {
        double* const sum = parts.data() + static_cast<std::size_t>(part) * grid.size();
        const std::int64_t end = std::min(n, (part + 1) * per_part);
        for (std::int64_t i = part * per_part; i < end; ++i) {
          const auto at = static_cast<std::size_t>(i);
          sum[index_of(voxel, at, grid.size())] += static_cast<double>(amount[at]);
        }
      },
      stop);
  parallel_for(
      static_cast<std::int64_t>(grid.size()), values_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          double sum = 0.0;
          for (std::size_t part = 0; part < static_cast<std::size_t>(n_parts); ++part) {
            sum += parts[part * grid.size() + i];
          }
          grid[i] += sum;
        }
      },
      stop);
}

void sample_voxels(std::span<const double> grid, std::span<const std::int64_t> voxel, double factor,
                   std::span<float> value, int n_threads, const StopPoll& stop) {
  require_points(voxel.size(), value.size());
  parallel_for(
      static_cast<std::int64_t>(voxel.size()), points_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const double amount = grid[index_of(voxel, i, grid.size())];
          value[i] = static_cast<float>(amount > 0.0 ? factor * amount : 0.0);
        }
      },
      stop);
}

}  // namespace immunodose
