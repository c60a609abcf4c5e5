// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/line_distance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "immunodose/core/error.hpp"
#include "immunodose/geometry/grid_index.hpp"

namespace immunodose {

namespace {

constexpr double unit_tolerance = 1e-9;
constexpr std::int64_t bins_per_block = 16;

double squared_distance(const Line& line, Vec3 point) {
  const Vec3 offset = point - line.point_um;
  const double along = dot(offset, line.direction);
  const Vec3 across = offset - along * line.direction;
  return dot(across, across);
}

void check(std::span<const Line> lines) {
  if (lines.empty()) throw InputError("there is no line to measure distances to");
  for (const Line& line : lines) {
    if (!(std::abs(norm(line.direction) - 1.0) < unit_tolerance) ||
        !std::isfinite(norm(line.point_um))) {
      throw InputError("the direction of a line is no unit vector, or its point not finite");
    }
  }
}

// Numbers of the lines that can be nearest to a place within `half_diagonal` of the center.
void candidates(std::span<const Line> lines, Vec3 center, double half_diagonal,
                std::vector<double>& distance, std::vector<std::size_t>& found) {
  double least = std::numeric_limits<double>::infinity();
  distance.clear();
  for (const Line& line : lines) {
    distance.push_back(std::sqrt(squared_distance(line, center)));
    least = std::min(least, distance.back());
  }
  // Rounding of the two distances must not lose the nearest line.
  const double limit = (least + 2.0 * half_diagonal) * (1.0 + 1e-12);
  found.clear();
  for (std::size_t k = 0; k < lines.size(); ++k) {
    if (distance[k] <= limit) found.push_back(k);
  }
}

}  // namespace

std::vector<double> line_distances_um(std::span<const double> x_um, std::span<const double> y_um,
                                      std::span<const double> z_um, std::span<const Line> lines,
                                      double edge_um, int n_threads, const StopPoll& stop) {
  check(lines);
  const GridIndex index(x_um, y_um, z_um, edge_um, n_threads, stop);
  std::vector<double> nearest_um(x_um.size());
  const double half_um = 0.5 * index.edge_um();
  const auto work = [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> distance;
    std::vector<std::size_t> found;
    for (std::int64_t bin = begin; bin < end; ++bin) {
      const Vec3 center = index.bin_low(bin) + Vec3{half_um, half_um, half_um};
      candidates(lines, center, std::sqrt(3.0) * half_um, distance, found);
      for (std::int64_t rank = index.bin_start(bin); rank < index.bin_start(bin + 1); ++rank) {
        double least = std::numeric_limits<double>::infinity();
        for (const std::size_t k : found) {
          least = std::min(least, squared_distance(lines[k], index.point(rank)));
        }
        const auto cell = static_cast<std::size_t>(index.order()[static_cast<std::size_t>(rank)]);
        nearest_um[cell] = std::sqrt(least);
      }
    }
  };
  parallel_for(index.n_occupied(), bins_per_block, n_threads, work, stop);
  return nearest_um;
}

}  // namespace immunodose
