// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/self_dose.hpp"

#include <algorithm>
#include <cmath>

namespace immunodose {
namespace {

// More shapes than this are interpolated, if a sample of them agrees with exact values.
constexpr std::size_t most_exact_shapes = 128;
constexpr std::size_t n_samples = 12;
constexpr double largest_error = 2e-5;  // relative to the largest value of a column

}  // namespace

SelfDose::SelfDose(const PopulationTables& tables, const Channels& channels)
    : tables_(tables), channels_(channels) {
  const auto shapes = tables.input().shape;
  if (shapes.size() > most_exact_shapes && interpolate()) return;
  nodes_ = {};
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
  nodes_ = ShapeNodes(shapes);
  if (!nodes_.have_cytoplasm(tables_.input().membrane_thickness_um)) return false;
  rows_ = exact_rows(nodes_.shapes());
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
  std::fill(values.begin(), values.end(), 0.0);
  const double* row = rows_.data();
  for (const double weight : nodes_.weights(shape)) {
    for (std::size_t c = 0; c < values.size(); ++c) values[c] += weight * row[c];
    row += values.size();
  }
}

void SelfDose::row(std::size_t shape, std::vector<double>& values) const {
  values.resize(row_size());
  if (!nodes_.empty()) return interpolated(tables_.input().shape[shape], values);
  std::copy_n(&rows_[shape * row_size()], row_size(), values.begin());
}

}  // namespace immunodose
