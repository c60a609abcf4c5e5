// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/shape_nodes.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace immunodose {
namespace {

constexpr std::size_t most_nodes = 9;

// Chebyshev points of an interval, ends included; one point if it has no length.
std::vector<double> chebyshev_points(double low, double high) {
  if (high - low <= 1e-9 * high) return {0.5 * (low + high)};
  std::vector<double> points;
  for (std::size_t i = 0; i < most_nodes; ++i) {
    const double angle =
        std::numbers::pi * static_cast<double>(i) / static_cast<double>(most_nodes - 1);
    points.push_back(0.5 * (low + high) - 0.5 * (high - low) * std::cos(angle));
  }
  return points;
}

// Barycentric weights of the interpolating polynomial at x, which sum to one.
std::vector<double> polynomial_weights(const std::vector<double>& points, double x) {
  std::vector<double> weight(points.size(), 0.0);
  double sum = 0.0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double apart = x - points[i];
    if (apart == 0.0 || points.size() == 1) {
      std::fill(weight.begin(), weight.end(), 0.0);
      weight[i] = 1.0;
      return weight;
    }
    const double end = i == 0 || i + 1 == points.size() ? 0.5 : 1.0;
    weight[i] = (i % 2 == 0 ? end : -end) / apart;
    sum += weight[i];
  }
  for (double& value : weight) value /= sum;
  return weight;
}

double ratio_of(const CellShape& shape) { return shape.nucleus_radius_um / shape.cell_radius_um; }

}  // namespace

ShapeNodes::ShapeNodes(std::span<const CellShape> shapes) {
  double low_um = shapes[0].cell_radius_um;
  double high_um = low_um;
  double low = ratio_of(shapes[0]);
  double high = low;
  for (const CellShape& shape : shapes) {
    low_um = std::min(low_um, shape.cell_radius_um);
    high_um = std::max(high_um, shape.cell_radius_um);
    low = std::min(low, ratio_of(shape));
    high = std::max(high, ratio_of(shape));
  }
  radius_um_ = chebyshev_points(low_um, high_um);
  ratio_ = chebyshev_points(low, high);
}

std::vector<CellShape> ShapeNodes::shapes() const {
  std::vector<CellShape> found;
  for (const double radius : radius_um_) {
    for (const double ratio : ratio_) found.push_back({radius, ratio * radius});
  }
  return found;
}

std::vector<double> ShapeNodes::weights(const CellShape& shape) const {
  const auto radius = polynomial_weights(radius_um_, shape.cell_radius_um);
  const auto ratio = polynomial_weights(ratio_, ratio_of(shape));
  std::vector<double> found;
  for (const double a : radius) {
    for (const double b : ratio) found.push_back(a * b);
  }
  return found;
}

bool ShapeNodes::have_cytoplasm(double membrane_thickness_um) const {
  return std::all_of(radius_um_.begin(), radius_um_.end(), [&](double radius) {
    return ratio_.back() * radius < radius - membrane_thickness_um;
  });
}

}  // namespace immunodose
