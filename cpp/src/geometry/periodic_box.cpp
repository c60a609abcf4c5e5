// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/periodic_box.hpp"

#include <algorithm>
#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

// Along one axis: the interval in which images are wanted, and the edge.
struct AxisImages {
  double low_um = 0.0;
  double high_um = 0.0;
  double edge_um = PeriodicBox::open;

  AxisImages(std::span<const double> at_um, double edge, double reach_um) : edge_um(edge) {
    const auto [low, high] = std::minmax_element(at_um.begin(), at_um.end());
    low_um = *low - reach_um;
    high_um = *high + reach_um;
  }
  std::array<std::int64_t, 2> range(double at_um) const {
    if (!std::isfinite(edge_um)) return {0, 0};
    return {static_cast<std::int64_t>(std::ceil((low_um - at_um) / edge_um)),
            static_cast<std::int64_t>(std::floor((high_um - at_um) / edge_um))};
  }
  double at(double at_um, std::int64_t image) const {
    return image == 0 ? at_um : at_um + static_cast<double>(image) * edge_um;
  }
};

}  // namespace

PointImages images_around(std::span<const double> x_um, std::span<const double> y_um,
                          std::span<const double> z_um, const PeriodicBox& box, double reach_um,
                          std::int64_t most) {
  PointImages found;
  if (x_um.empty() || !box.repeats()) return found;
  const AxisImages x(x_um, box.edge_um[0], reach_um);
  const AxisImages y(y_um, box.edge_um[1], reach_um);
  const AxisImages z(z_um, box.edge_um[2], reach_um);
  double expected = static_cast<double>(x_um.size());
  for (const AxisImages* axis : {&x, &y, &z}) {
    if (std::isfinite(axis->edge_um)) expected *= (axis->high_um - axis->low_um) / axis->edge_um;
  }
  if (expected > static_cast<double>(most)) {
    throw InputError("a periodic box with " + std::to_string(x_um.size()) + " cells has some " +
                     std::to_string(static_cast<std::int64_t>(expected)) +
                     " images within reach, more than " + std::to_string(most) +
                     ": give summation='auto' or 'particle_mesh', or a larger box");
  }
  for (std::size_t point = 0; point < x_um.size(); ++point) {
    const auto [first_x, last_x] = x.range(x_um[point]);
    const auto [first_y, last_y] = y.range(y_um[point]);
    const auto [first_z, last_z] = z.range(z_um[point]);
    for (std::int64_t k = first_z; k <= last_z; ++k) {
      for (std::int64_t j = first_y; j <= last_y; ++j) {
        for (std::int64_t i = first_x; i <= last_x; ++i) {
          if (i == 0 && j == 0 && k == 0) continue;
          found.point.push_back(static_cast<std::int64_t>(point));
          found.x_um.push_back(x.at(x_um[point], i));
          found.y_um.push_back(y.at(y_um[point], j));
          found.z_um.push_back(z.at(z_um[point], k));
        }
      }
    }
  }
  return found;
}

}  // namespace immunodose
