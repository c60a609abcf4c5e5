// SPDX-License-Identifier: BSD-3-Clause
// A box that repeats in space, and the images of points that come near the points themselves.
// Eq. P17, docs/theory/population.md.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

struct PeriodicBox {
  static constexpr double open = std::numeric_limits<double>::infinity();

  std::array<double, 3> edge_um{open, open, open};  // x, y, z; `open` does not repeat

  bool repeats(std::size_t axis) const { return std::isfinite(edge_um[axis]); }
  bool repeats() const { return repeats(0) || repeats(1) || repeats(2); }
};

// Copies of points, each moved by whole edges of the box.
struct PointImages {
  LargeVector<std::int64_t> point;
  LargeVector<double> x_um, y_um, z_um;
};

// All images within `reach_um` of the smallest box around the points, which must not be longer than
// the periodic box; without the points themselves. Throws InputError for more than `most` images.
PointImages images_around(std::span<const double> x_um, std::span<const double> y_um,
                          std::span<const double> z_um, const PeriodicBox& box, double reach_um,
                          std::int64_t most);

// Calls visitor(shift_um) for the box and all images of it that may hold a point closer than
// `reach_um` to a point of the box itself.
template <class Visitor>
void visit_shifts(const PeriodicBox& box, double reach_um, Visitor&& visitor) {
  std::array<std::int64_t, 3> last{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (box.repeats(axis)) {
      last[axis] = 1 + static_cast<std::int64_t>(reach_um / box.edge_um[axis]);
    }
  }
  const auto shift = [&](std::size_t axis, std::int64_t i) {
    return i == 0 ? 0.0 : static_cast<double>(i) * box.edge_um[axis];
  };
  for (std::int64_t k = -last[2]; k <= last[2]; ++k) {
    for (std::int64_t j = -last[1]; j <= last[1]; ++j) {
      for (std::int64_t i = -last[0]; i <= last[0]; ++i) {
        visitor(Vec3{shift(0, i), shift(1, j), shift(2, k)});
      }
    }
  }
}

}  // namespace immunodose
