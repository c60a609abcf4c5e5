// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/self_dose.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace immunodose {
namespace {

// More shapes than this are interpolated, if a sample of them agrees with exact values.
constexpr std::size_t most_exact_shapes = 128;
constexpr std::size_t most_nodes = 9;
constexpr std::size_t n_samples = 12;
constexpr double largest_error = 2e-5;  // relative to the largest value of a column

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

}  // namespace

SelfDose::SelfDose(const PopulationTables& tables, const Channels& channels)
    : tables_(tables), channels_(channels) {
  const auto shapes = tables.input().shape;
  if (shapes.size() > most_exact_shapes && interpolate()) return;
  radius_um_.clear();
  rows_ = exact_rows(shapes);
}

std::vector<double> SelfDose::exact_rows(std::span<const CellShape> shapes) const {
  const std::size_t width = channels_.width();
  std::vector<double> rows(shapes.size() * row_size(), 0.0);
  const auto hits = tables_.hit_tables(channels_, shapes);
  parallel_for(
      static_cast<std::int64_t>(shapes.size()), 1, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          for (std::size_t source = 0; source < n_source_compartments; ++source) {
            if (!tables_.is_used(source)) continue;
            const auto row =
                tables_.values(channels_, shapes[i], shapes[i], source, {0.0}, hits[i].get());
            std::copy(row->begin(), row->end(), &rows[i * row_size() + source * width]);
          }
        }
      },
      tables_.stop());
  return rows;
}

// Whether the interpolation agrees with exact values of a sample.
bool SelfDose::interpolate() {
  const auto shapes = tables_.input().shape;
  double low_um = shapes[0].cell_radius_um;
  double high_um = low_um;
  double low = shapes[0].nucleus_radius_um / low_um;
  double high = low;
  for (const CellShape& shape : shapes) {
    const double ratio = shape.nucleus_radius_um / shape.cell_radius_um;
    low_um = std::min(low_um, shape.cell_radius_um);
    high_um = std::max(high_um, shape.cell_radius_um);
    low = std::min(low, ratio);
    high = std::max(high, ratio);
  }
  radius_um_ = chebyshev_points(low_um, high_um);
  ratio_ = chebyshev_points(low, high);
  std::vector<CellShape> nodes;
  for (const double radius : radius_um_) {
    // Nuclei as large as their cell have no cytoplasm: such a node cannot stand for others.
    if (ratio_.back() * radius >= radius - tables_.input().membrane_thickness_um) return false;
    for (const double ratio : ratio_) nodes.push_back({radius, ratio * radius});
  }
  rows_ = exact_rows(nodes);
  std::vector<CellShape> sample;
  for (std::size_t i = 0; i < n_samples; ++i) {
    sample.push_back(shapes[(2 * i + 1) * shapes.size() / (2 * n_samples)]);
  }
  const auto exact = exact_rows(sample);
  std::vector<double> largest(row_size(), 0.0);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    largest[i % row_size()] = std::max(largest[i % row_size()], std::abs(exact[i]));
  }
  std::vector<double> found(row_size());
  for (std::size_t i = 0; i < sample.size(); ++i) {
    interpolated(sample[i], found);
    for (std::size_t c = 0; c < found.size(); ++c) {
      if (std::abs(found[c] - exact[i * row_size() + c]) > largest_error * largest[c]) return false;
    }
  }
  return true;
}

void SelfDose::interpolated(const CellShape& shape, std::vector<double>& values) const {
  const auto radius = polynomial_weights(radius_um_, shape.cell_radius_um);
  const auto ratio = polynomial_weights(ratio_, shape.nucleus_radius_um / shape.cell_radius_um);
  std::fill(values.begin(), values.end(), 0.0);
  const double* row = rows_.data();
  for (const double a : radius) {
    for (const double b : ratio) {
      for (std::size_t c = 0; c < values.size(); ++c) values[c] += a * b * row[c];
      row += values.size();
    }
  }
}

void SelfDose::row(std::size_t shape, std::vector<double>& values) const {
  values.resize(row_size());
  if (!radius_um_.empty()) return interpolated(tables_.input().shape[shape], values);
  std::copy_n(&rows_[shape * row_size()], row_size(), values.begin());
}

}  // namespace immunodose
