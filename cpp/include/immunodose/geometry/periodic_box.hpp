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
  bool repeats_everywhere() const { return repeats(0) && repeats(1) && repeats(2); }
  // Boxes that reach into one around this box, `reach_um` away on all sides, this one included.
  double copies_within(double reach_um) const {
    double copies = 1.0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (repeats(axis)) copies *= 1.0 + 2.0 * reach_um / edge_um[axis];
    }
    return copies;
  }
};

// Copies of points, each moved by whole edges of the box.
struct PointImages {
  LargeVector<std::int64_t> point;
  LargeVector<double> x_um, y_um, z_um;
};

// All images within `reach_um` of the smallest box around the points, which must not be longer than
// the periodic box; without the points themselves.
PointImages images_around(std::span<const double> x_um, std::span<const double> y_um,
                          std::span<const double> z_um, const PeriodicBox& box, double reach_um);

// How many these are: as a real number, since they may be more than an integer counts.
double count_images(std::span<const double> x_um, std::span<const double> y_um,
                    std::span<const double> z_um, const PeriodicBox& box, double reach_um);

// Calls visitor(apart_um, is_image) for a point at `apart_um` from the origin and all images of it
// that lie within `reach_um` of the origin.
template <class Visitor>
void visit_images(const PeriodicBox& box, Vec3 apart_um, double reach_um, Visitor&& visitor) {
  const auto along = [&](std::size_t axis, double at_um, double square_um2, const auto& found) {
    if (square_um2 < 0.0) return;
    const double reach = std::sqrt(square_um2);
    if (!box.repeats(axis)) {
      if (std::abs(at_um) <= reach) found(at_um, false);
      return;
    }
    const double edge = box.edge_um[axis];
    const auto last = static_cast<std::int64_t>(std::floor((reach - at_um) / edge));
    for (auto i = static_cast<std::int64_t>(std::ceil((-reach - at_um) / edge)); i <= last; ++i) {
      found(i == 0 ? at_um : at_um + static_cast<double>(i) * edge, i != 0);
    }
  };
  const double square = reach_um * reach_um;
  along(2, apart_um.z, square, [&](double z, bool moved_z) {
    along(1, apart_um.y, square - z * z, [&](double y, bool moved_y) {
      along(0, apart_um.x, square - z * z - y * y,
            [&](double x, bool moved_x) { visitor(Vec3{x, y, z}, moved_x || moved_y || moved_z); });
    });
  });
}

}  // namespace immunodose
