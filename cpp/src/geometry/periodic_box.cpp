// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/periodic_box.hpp"

#include <algorithm>

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
  double first(double at_um) const { return std::ceil((low_um - at_um) / edge_um); }
  double last(double at_um) const { return std::floor((high_um - at_um) / edge_um); }
  double count(double at_um) const {
    return std::isfinite(edge_um) ? last(at_um) - first(at_um) + 1.0 : 1.0;
  }
  std::array<std::int64_t, 2> range(double at_um) const {
    if (!std::isfinite(edge_um)) return {0, 0};
    return {static_cast<std::int64_t>(first(at_um)), static_cast<std::int64_t>(last(at_um))};
  }
  double at(double at_um, std::int64_t image) const {
    return image == 0 ? at_um : at_um + static_cast<double>(image) * edge_um;
  }
};

}  // namespace

double count_images(std::span<const double> x_um, std::span<const double> y_um,
                    std::span<const double> z_um, const PeriodicBox& box, double reach_um) {
  if (x_um.empty() || !box.repeats()) return 0.0;
  const AxisImages x(x_um, box.edge_um[0], reach_um);
  const AxisImages y(y_um, box.edge_um[1], reach_um);
  const AxisImages z(z_um, box.edge_um[2], reach_um);
  double count = 0.0;
  for (std::size_t point = 0; point < x_um.size(); ++point) {
    count += x.count(x_um[point]) * y.count(y_um[point]) * z.count(z_um[point]) - 1.0;
  }
  return count;
}

PointImages images_around(std::span<const double> x_um, std::span<const double> y_um,
                          std::span<const double> z_um, const PeriodicBox& box, double reach_um) {
  PointImages found;
  const double count = count_images(x_um, y_um, z_um, box, reach_um);
  if (count == 0.0) return found;
  const auto n = static_cast<std::size_t>(count);
  found.point.resize(n);
  found.x_um.resize(n);
  found.y_um.resize(n);
  found.z_um.resize(n);
  const AxisImages x(x_um, box.edge_um[0], reach_um);
  const AxisImages y(y_um, box.edge_um[1], reach_um);
  const AxisImages z(z_um, box.edge_um[2], reach_um);
  std::size_t next = 0;
  for (std::size_t point = 0; point < x_um.size(); ++point) {
    const auto [first_x, last_x] = x.range(x_um[point]);
    const auto [first_y, last_y] = y.range(y_um[point]);
    const auto [first_z, last_z] = z.range(z_um[point]);
    for (std::int64_t k = first_z; k <= last_z; ++k) {
      for (std::int64_t j = first_y; j <= last_y; ++j) {
        for (std::int64_t i = first_x; i <= last_x; ++i) {
          if (i == 0 && j == 0 && k == 0) continue;
          found.point[next] = static_cast<std::int64_t>(point);
          found.x_um[next] = x.at(x_um[point], i);
          found.y_um[next] = y.at(y_um[point], j);
          found.z_um[next] = z.at(z_um[point], k);
          ++next;
        }
      }
    }
  }
  return found;
}

}  // namespace immunodose
