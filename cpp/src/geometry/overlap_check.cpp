// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/overlap_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "immunodose/core/error.hpp"
#include "immunodose/geometry/grid_index.hpp"

namespace immunodose {

namespace {

constexpr std::int64_t bins_per_block = 16;

// Coordinates in the wrong unit can put all cells at one place; without a cap the count would
// then take N^2/2 steps. A sphere touches at most 12 others of its size, so 200 is ample.
constexpr std::int64_t max_pairs_per_cell = 200;

double median(std::span<const double> values) {
  std::vector<double> copy(values.begin(), values.end());
  const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
  std::nth_element(copy.begin(), middle, copy.end());
  return *middle;
}

std::size_t place(std::int64_t number) { return static_cast<std::size_t>(number); }

// Cells around a bin in single precision, relative to its center.
struct Candidates {
  static constexpr std::size_t block = 16;
  std::vector<float> x, y, z, radius;
  std::vector<std::int64_t> rank;

  void clear() {
    for (auto* values : {&x, &y, &z, &radius}) values->clear();
    rank.clear();
  }
  void pad() {  // far from all
    constexpr float far_um = 1e18F;
    while (x.size() % block != 0) {
      x.push_back(far_um);
      y.push_back(0.0F);
      z.push_back(0.0F);
      radius.push_back(0.0F);
    }
  }
  // Whether any cell of a block may overlap a sphere: rounding is on the safe side.
  bool may_overlap(std::size_t begin, Vec3 at, double own_radius_um) const {
    constexpr float slack = 1.0001F;
    const auto own_x = static_cast<float>(at.x);
    const auto own_y = static_cast<float>(at.y);
    const auto own_z = static_cast<float>(at.z);
    const auto own = static_cast<float>(own_radius_um);
    std::array<float, block> beyond;
    for (std::size_t k = 0; k < block; ++k) {
      const float dx = x[begin + k] - own_x;
      const float dy = y[begin + k] - own_y;
      const float dz = z[begin + k] - own_z;
      const float contact = slack * (own + radius[begin + k]);
      beyond[k] = dx * dx + dy * dy + dz * dz - contact * contact;
    }
    for (std::size_t half = block / 2; half > 0; half /= 2) {
      for (std::size_t k = 0; k < half; ++k) beyond[k] = std::min(beyond[k], beyond[k + half]);
    }
    return beyond[0] < 0.0F;
  }
};

class PairSearch {
 public:
  PairSearch(const GridIndex& cells, std::span<const double> radius_um, double relative_tolerance)
      : cells_(cells), keep_(1.0 - relative_tolerance) {
    radius_um_.reserve(radius_um.size());
    for (const std::int64_t id : cells.order()) radius_um_.push_back(radius_um[place(id)]);
    const auto [low, high] = std::minmax_element(radius_um_.begin(), radius_um_.end());
    equal_ = *low == *high;
  }

  // Adds the overlaps of the cells of a bin.
  void operator()(std::int64_t bin, Candidates& near, OverlapReport& report) const {
    const std::int64_t first = cells_.bin_start(bin);
    const std::int64_t end = cells_.bin_start(bin + 1);
    const double edge = cells_.edge_um();
    const Vec3 low = cells_.bin_low(bin);
    const Vec3 center = low + 0.5 * Vec3{edge, edge, edge};
    const double largest = *std::max_element(radius_um_.begin() + first, radius_um_.begin() + end);
    near.clear();
    cells_.visit_around(low, low + Vec3{edge, edge, edge}, 2.0 * largest,
                        [&](std::int64_t from, std::int64_t to) {
                          if (equal_) to = std::min(to, end);  // of equal cells the lower ranks
                          for (std::int64_t rank = from; rank < to; ++rank) {
                            const Vec3 at = cells_.point(rank) - center;
                            near.x.push_back(static_cast<float>(at.x));
                            near.y.push_back(static_cast<float>(at.y));
                            near.z.push_back(static_cast<float>(at.z));
                            near.radius.push_back(static_cast<float>(radius_um_[place(rank)]));
                            near.rank.push_back(rank);
                          }
                        });
    near.pad();
    for (std::int64_t rank = first; rank < end; ++rank) search(rank, center, near, report);
  }

 private:
  // Overlaps of one cell with smaller ones (and equal ones of lower rank), so that each pair is
  // met once and a search never reaches beyond twice the cell's own radius.
  void search(std::int64_t rank, Vec3 center, const Candidates& near, OverlapReport& report) const {
    const double radius = radius_um_[place(rank)];
    const Vec3 at = cells_.point(rank);
    std::int64_t n_found = 0;
    for (std::size_t begin = 0; begin < near.rank.size(); begin += Candidates::block) {
      if (!near.may_overlap(begin, at - center, radius)) continue;
      const std::size_t end = std::min(near.rank.size(), begin + Candidates::block);
      for (std::size_t i = begin; i < end; ++i) {
        const std::int64_t other = near.rank[i];
        const double other_radius = radius_um_[place(other)];
        if (other_radius > radius || (other_radius == radius && other >= rank)) continue;
        const Vec3 offset = cells_.point(other) - at;
        const double squared = dot(offset, offset);
        const double contact_um = radius + other_radius;
        if (squared >= keep_ * keep_ * contact_um * contact_um) continue;
        const double depth_um = contact_um - std::sqrt(squared);
        if (depth_um > report.depth_um) {
          report.depth_um = depth_um;
          report.first = rank;
          report.second = other;
        }
        ++report.n_pairs;
        if (++n_found < max_pairs_per_cell) continue;
        report.is_lower_bound = true;
        return;
      }
    }
  }

  const GridIndex& cells_;
  double keep_;
  bool equal_ = false;
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

GridIndex sort_cells(std::span<const double> x_um, std::span<const double> y_um,
                     std::span<const double> z_um, std::span<const double> radius_um, int n_threads,
                     const StopPoll& stop) {
  constexpr double cells_per_bin = 64.0;
  constexpr double widest_radii = 10.0;  // where cells lie far apart
  const auto extent = [](std::span<const double> values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return std::max(1.0, *high - *low);
  };
  double edge_um = 1.0;
  if (!x_um.empty()) {
    const double box = extent(x_um) * extent(y_um) * extent(z_um);
    edge_um = std::min(std::cbrt(cells_per_bin * box / static_cast<double>(x_um.size())),
                       widest_radii * median(radius_um));
  }
  return GridIndex(x_um, y_um, z_um, edge_um, n_threads, stop);
}

OverlapReport find_overlaps(std::span<const double> x_um, std::span<const double> y_um,
                            std::span<const double> z_um, std::span<const double> radius_um,
                            double relative_tolerance, int n_threads, const StopPoll& stop) {
  if (radius_um.size() != x_um.size()) throw InputError("radii of another length");
  if (x_um.empty()) return {};
  return find_overlaps(sort_cells(x_um, y_um, z_um, radius_um, n_threads, stop), radius_um,
                       relative_tolerance, n_threads, stop);
}

OverlapReport find_overlaps(const GridIndex& cells, std::span<const double> radius_um,
                            double relative_tolerance, int n_threads, const StopPoll& stop) {
  if (static_cast<std::int64_t>(radius_um.size()) != cells.size()) {
    throw InputError("radii of another length");
  }
  if (cells.size() == 0) return {};
  const PairSearch search(cells, radius_um, relative_tolerance);
  const std::int64_t n_blocks = (cells.n_occupied() + bins_per_block - 1) / bins_per_block;
  std::vector<OverlapReport> blocks(static_cast<std::size_t>(n_blocks));
  run_blocks(
      n_blocks, n_threads,
      [&](std::int64_t block) {
        Candidates near;
        const std::int64_t end = std::min(cells.n_occupied(), (block + 1) * bins_per_block);
        for (std::int64_t bin = block * bins_per_block; bin < end; ++bin) {
          search(bin, near, blocks[place(block)]);
        }
      },
      stop);
  OverlapReport report = merge(blocks);
  if (report.n_pairs > 0) {
    report.first = cells.order()[place(report.first)];
    report.second = cells.order()[place(report.second)];
    if (report.first > report.second) std::swap(report.first, report.second);
  }
  return report;
}

}  // namespace immunodose
