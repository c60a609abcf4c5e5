// SPDX-License-Identifier: BSD-3-Clause
// The voxel index of tumor cells: bins that are short along x and wide along y and z, so that all
// cells within reach of a point lie in about four ranges of rows.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

struct Points {
  std::span<const float> x, y, z;
  std::size_t size() const { return x.size(); }
};

class AgentBins {
 public:
  // Bins for cells of which one looks `reach_um` far. Wider ones where the points are sparse.
  AgentBins(Points points, double reach_um);
  AgentBins(std::array<double, 3> low_um, std::array<double, 3> edge_um,
            std::array<std::int64_t, 3> n_bins)
      : low_um_(low_um), edge_um_(edge_um), n_bins_(n_bins) {
    prepare();
  }

  std::array<double, 3> low_um() const { return low_um_; }
  std::array<double, 3> edge_um() const { return edge_um_; }
  std::array<std::int64_t, 3> n_bins() const { return n_bins_; }
  std::int64_t size() const { return n_bins_[0] * n_bins_[1] * n_bins_[2]; }

  // Points outside of the box belong to the bins at its border.
  std::int64_t along(std::size_t axis, double position_um) const {
    const double place = (position_um - low_um_[axis]) * per_um_[axis];
    return static_cast<std::int64_t>(std::min(std::max(place, 0.0), last_[axis]));
  }
  std::int64_t number(std::int64_t ix, std::int64_t iy, std::int64_t iz) const {
    return (iz * n_bins_[1] + iy) * n_bins_[0] + ix;
  }
  std::int64_t of(float x_um, float y_um, float z_um) const {
    return number(along(0, static_cast<double>(x_um)), along(1, static_cast<double>(y_um)),
                  along(2, static_cast<double>(z_um)));
  }

  struct Range {
    std::int32_t begin, end;
  };
  // Between which bins of `starts` rows of bins lie that hold all points within `reach_um` of a
  // place; their number, above n where they are more than n.
  template <std::size_t n>
  std::size_t rows(float x_um, float y_um, float z_um, double reach_um,
                   std::array<Range, n>& rows) const;

  // Calls visitor(begin, end) for ascending ranges of rows that hold all points within `reach_um`
  // of a place; `starts` is that of `sorted`.
  template <class Visitor>
  void visit(std::span<const std::int32_t> starts, double x_um, double y_um, double z_um,
             double reach_um, Visitor&& visitor) const {
    const double reach = reach_um * slack;
    const std::int64_t x_low = along(0, x_um - reach), x_high = along(0, x_um + reach);
    const std::int64_t y_low = along(1, y_um - reach), y_high = along(1, y_um + reach);
    const std::int64_t z_low = along(2, z_um - reach), z_high = along(2, z_um + reach);
    for (std::int64_t iz = z_low; iz <= z_high; ++iz) {
      for (std::int64_t iy = y_low; iy <= y_high; ++iy) {
        const auto row = static_cast<std::size_t>(number(0, iy, iz));
        const std::int32_t begin = starts[row + static_cast<std::size_t>(x_low)];
        const std::int32_t end = starts[row + static_cast<std::size_t>(x_high) + 1];
        if (begin < end) visitor(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
      }
    }
  }

 private:
  // The float distances decide; a little more than the reach makes up for their rounding.
  static constexpr double slack = 1.0 + 1e-4;

  void prepare() {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      per_um_[axis] = 1.0 / edge_um_[axis];
      last_[axis] = static_cast<double>(n_bins_[axis] - 1);
    }
  }

  std::array<double, 3> low_um_{};
  std::array<double, 3> edge_um_{1.0, 1.0, 1.0};
  std::array<std::int64_t, 3> n_bins_{1, 1, 1};
  std::array<double, 3> per_um_{};  // bins
  std::array<double, 3> last_{};    // number of the last bin
};

template <std::size_t n>
std::size_t AgentBins::rows(float x_um, float y_um, float z_um, double reach_um,
                            std::array<Range, n>& rows) const {
  const double reach = reach_um * slack;
  const auto x = static_cast<double>(x_um), y = static_cast<double>(y_um),
             z = static_cast<double>(z_um);
  const std::int64_t first = along(0, x - reach), after = along(0, x + reach) + 1;
  const std::int64_t y_low = along(1, y - reach), y_high = along(1, y + reach);
  const std::int64_t z_low = along(2, z - reach), z_high = along(2, z + reach);
  if ((y_high - y_low + 1) * (z_high - z_low + 1) > static_cast<std::int64_t>(n)) return n + 1;
  std::size_t count = 0;
  for (std::int64_t iz = z_low; iz <= z_high; ++iz) {
    for (std::int64_t iy = y_low; iy <= y_high; ++iy) {
      const std::int64_t row = number(0, iy, iz);
      rows[count++] = {static_cast<std::int32_t>(row + first),
                       static_cast<std::int32_t>(row + after)};
    }
  }
  return count;
}

// Points by bin, those of one bin by their persistent number: order[row] is the caller's place of
// a row, starts[bin] the first row of a bin. Points that are not kept (`kept` 0) are left out.
struct SortedPoints {
  std::vector<std::int64_t> order;
  std::vector<std::int32_t> starts;
};
// An order in which neighbors are near each other in memory: the cubes of `edge_um` along a Morton
// curve, inside of them as given. Points that are not kept are left out.
std::vector<std::int64_t> order_by_cubes(Points points, std::span<const std::uint8_t> kept,
                                         double edge_um);

SortedPoints sorted_points(const AgentBins& bins, Points points, std::span<const std::int64_t> id,
                           std::span<const std::uint8_t> kept);

}  // namespace immunodose
