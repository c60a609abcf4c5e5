// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/overlap_check.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "immunodose/core/error.hpp"
#include "immunodose/geometry/grid_index.hpp"

namespace immunodose {

namespace {

constexpr std::int64_t block_size = 1024;

// Coordinates in the wrong unit can put all cells at one place; without a cap the count would
// then take N^2/2 steps. A sphere touches at most 12 others of its size, so 200 is ample.
constexpr std::int64_t max_pairs_per_cell = 200;

double median(std::span<const double> values) {
  std::vector<double> copy(values.begin(), values.end());
  const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
  std::nth_element(copy.begin(), middle, copy.end());
  return *middle;
}

class PairSearch {
 public:
  PairSearch(const GridIndex& index, std::span<const double> radius_um, double relative_tolerance)
      : index_(index), keep_(1.0 - relative_tolerance) {
    radius_um_.reserve(radius_um.size());
    for (const std::int64_t id : index.order()) {
      radius_um_.push_back(radius_um[static_cast<std::size_t>(id)]);
    }
  }

  // Adds the overlaps of one cell with smaller ones (and equal ones of lower rank), so that each
  // pair is met once and a search never reaches beyond twice the cell's own radius.
  void operator()(std::int64_t rank, OverlapReport& report) const {
    const double radius = radius_um_[static_cast<std::size_t>(rank)];
    std::int64_t n_found = 0;
    index_.visit(index_.point(rank), 2.0 * radius, [&](std::int64_t other, double squared) {
      const double other_radius = radius_um_[static_cast<std::size_t>(other)];
      if (other_radius > radius || (other_radius == radius && other >= rank)) return true;
      const double contact_um = radius + other_radius;
      if (squared >= keep_ * keep_ * contact_um * contact_um) return true;
      const double depth_um = contact_um - std::sqrt(squared);
      if (depth_um > report.depth_um) {
        report.depth_um = depth_um;
        report.first = rank;
        report.second = other;
      }
      ++report.n_pairs;
      if (++n_found < max_pairs_per_cell) return true;
      report.is_lower_bound = true;
      return false;
    });
  }

 private:
  const GridIndex& index_;
  double keep_;
  std::vector<double> radius_um_;  // by rank
};

OverlapReport merge(const std::vector<OverlapReport>& blocks) {
  OverlapReport total;
  for (const OverlapReport& block : blocks) {
    if (block.depth_um > total.depth_um) {
      total.depth_um = block.depth_um;
      total.first = block.first;
      total.second = block.second;
    }
    total.n_pairs += block.n_pairs;
    total.is_lower_bound = total.is_lower_bound || block.is_lower_bound;
  }
  return total;
}

}  // namespace

OverlapReport find_overlaps(std::span<const double> x_um, std::span<const double> y_um,
                            std::span<const double> z_um, std::span<const double> radius_um,
                            double relative_tolerance, int n_threads, const StopPoll& stop) {
  if (radius_um.size() != x_um.size()) throw InputError("radii of another length");
  if (x_um.empty()) return {};
  const GridIndex index(x_um, y_um, z_um, 2.0 * median(radius_um), n_threads, stop);
  const PairSearch search(index, radius_um, relative_tolerance);
  const std::int64_t n_blocks = (index.size() + block_size - 1) / block_size;
  std::vector<OverlapReport> blocks(static_cast<std::size_t>(n_blocks));
  run_blocks(
      n_blocks, n_threads,
      [&](std::int64_t block) {
        const std::int64_t end = std::min(index.size(), (block + 1) * block_size);
        for (std::int64_t rank = block * block_size; rank < end; ++rank) {
          search(rank, blocks[static_cast<std::size_t>(block)]);
        }
      },
      stop);
  OverlapReport report = merge(blocks);
  if (report.n_pairs > 0) {
    report.first = index.order()[static_cast<std::size_t>(report.first)];
    report.second = index.order()[static_cast<std::size_t>(report.second)];
    if (report.first > report.second) std::swap(report.first, report.second);
  }
  return report;
}

}  // namespace immunodose
