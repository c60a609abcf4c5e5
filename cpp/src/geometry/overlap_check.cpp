// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/overlap_check.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "immunodose/core/error.hpp"
#include "immunodose/core/simd.hpp"
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

struct Sphere {
  float x, y, z, radius;
};

// Cells around a bin in single precision, relative to its center, in groups that are compact in
// space: most groups are left out by their box.
class Candidates {
 public:
  static constexpr std::size_t lanes = 8;

  void clear() { n_ = 0; }
  std::size_t n_groups() const { return (n_ + lanes - 1) / lanes; }
  std::size_t size() const { return n_; }
  std::int64_t rank(std::size_t i) const { return rank_[i]; }

  // Adds those of the ranks [begin, end) whose center lies within `half_um` of the center of the
  // bin along every axis.
  void add(const GridIndex& cells, std::span<const double> radius_um, std::int64_t begin,
           std::int64_t end, Vec3 center, double half_um) {
    resize(n_ + place(end - begin));
    for (std::int64_t rank = begin; rank < end; ++rank) {
      const Vec3 at = cells.point(rank) - center;
      x_[n_] = static_cast<float>(at.x);
      y_[n_] = static_cast<float>(at.y);
      z_[n_] = static_cast<float>(at.z);
      radius_[n_] = static_cast<float>(radius_um[place(rank)]);
      rank_[n_] = rank;
      const double apart = std::max({std::abs(at.x), std::abs(at.y), std::abs(at.z)});
      n_ += apart <= half_um ? 1U : 0U;
    }
  }

  // Fills the last group with cells far from all, and finds the boxes; whole lanes of them too.
  void finish() {
    constexpr float far_um = 1e18F;
    const std::size_t n_boxes = (n_groups() + lanes - 1) / lanes * lanes;
    resize(n_boxes * lanes);
    for (std::size_t i = n_; i < n_boxes * lanes; ++i) {
      x_[i] = y_[i] = z_[i] = far_um;
      radius_[i] = 0.0F;
    }
    for (auto& side : box_) side.resize(n_boxes);
    largest_.resize(n_boxes);
    for (std::size_t group = 0; group < n_boxes; ++group) {
      find_box(x_, group, box_[0][group], box_[3][group]);
      find_box(y_, group, box_[1][group], box_[4][group]);
      find_box(z_, group, box_[2][group], box_[5][group]);
      float least = 0.0F;
      find_box(radius_, group, least, largest_[group]);
    }
  }

  // Bit k: whether a cell of group `first` + k may overlap a sphere by its box.
  unsigned near_groups(std::size_t first, const Sphere& own) const {
    const std::array<float, 3> at{own.x, own.y, own.z};
    std::array<float, lanes> beyond;
    for (std::size_t k = 0; k < lanes; ++k) {
      const float contact = slack * (own.radius + largest_[first + k]);
      beyond[k] = -contact * contact;
    }
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const float* const low = &box_[axis][first];
      const float* const high = &box_[axis + 3][first];
      for (std::size_t k = 0; k < lanes; ++k) {
        const float gap = std::max(std::max(low[k] - at[axis], at[axis] - high[k]), 0.0F);
        beyond[k] += gap * gap;
      }
    }
    return lanes_up_to_zero(beyond);
  }

  // Bit k: whether cell k of a group may overlap a sphere: rounding is on the safe side.
  unsigned near_cells(std::size_t group, const Sphere& own) const {
    const std::size_t begin = group * lanes;
    std::array<float, lanes> beyond;
    for (std::size_t k = 0; k < lanes; ++k) {
      const float dx = x_[begin + k] - own.x;
      const float dy = y_[begin + k] - own.y;
      const float dz = z_[begin + k] - own.z;
      const float contact = slack * (own.radius + radius_[begin + k]);
      beyond[k] = dx * dx + dy * dy + dz * dz - contact * contact;
    }
    return lanes_up_to_zero(beyond);
  }

 private:
  static constexpr float slack = 1.0001F;

  void resize(std::size_t n) {
    if (n <= x_.size()) return;
    for (auto* values : {&x_, &y_, &z_, &radius_}) values->resize(n);
    rank_.resize(n);
  }
  static void find_box(const std::vector<float>& at, std::size_t group, float& low, float& high) {
    const auto first = at.begin() + static_cast<std::ptrdiff_t>(group * lanes);
    low = high = *first;
    for (std::size_t k = 1; k < lanes; ++k) {
      low = std::min(low, first[static_cast<std::ptrdiff_t>(k)]);
      high = std::max(high, first[static_cast<std::ptrdiff_t>(k)]);
    }
  }

  std::size_t n_ = 0;
  std::vector<float> x_, y_, z_, radius_;
  std::vector<std::int64_t> rank_;
  std::array<std::vector<float>, 6> box_;  // of each group: low x, y, z, then high
  std::vector<float> largest_;             // radius of each group
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
    const double reach = 2.0 * largest;
    near.clear();
    cells_.visit_around(
        low, low + Vec3{edge, edge, edge}, reach, [&](std::int64_t from, std::int64_t to) {
          if (equal_) to = std::min(to, end);  // of equal cells the lower ranks
          if (from >= to) return;
          near.add(cells_, radius_um_, from, to, center, slack * (0.5 * edge + reach));
        });
    near.finish();
    for (std::int64_t rank = first; rank < end; ++rank) search(rank, center, near, report);
  }

 private:
  // Overlaps of one cell with smaller ones (and equal ones of lower rank), so that each pair is
  // met once and a search never reaches beyond twice the cell's own radius.
  void search(std::int64_t rank, Vec3 center, const Candidates& near, OverlapReport& report) const {
    const Vec3 at = cells_.point(rank) - center;
    const Sphere own{static_cast<float>(at.x), static_cast<float>(at.y), static_cast<float>(at.z),
                     static_cast<float>(radius_um_[place(rank)])};
    std::int64_t n_found = 0;
    for (std::size_t first = 0; first < near.n_groups(); first += Candidates::lanes) {
      for (unsigned groups = near.near_groups(first, own); groups != 0; groups &= groups - 1) {
        const std::size_t group = first + static_cast<std::size_t>(std::countr_zero(groups));
        for (unsigned cells = near.near_cells(group, own); cells != 0; cells &= cells - 1) {
          const std::size_t i =
              group * Candidates::lanes + static_cast<std::size_t>(std::countr_zero(cells));
          if (!overlaps(rank, near.rank(i), report)) continue;
          if (++n_found < max_pairs_per_cell) continue;
          report.is_lower_bound = true;
          return;
        }
      }
    }
  }

  // Whether two cells overlap in double precision; then the report counts them.
  bool overlaps(std::int64_t rank, std::int64_t other, OverlapReport& report) const {
    const double radius = radius_um_[place(rank)];
    const double other_radius = radius_um_[place(other)];
    if (other_radius > radius || (other_radius == radius && other >= rank)) return false;
    const Vec3 offset = cells_.point(other) - cells_.point(rank);
    const double squared = dot(offset, offset);
    const double contact_um = radius + other_radius;
    if (squared >= keep_ * keep_ * contact_um * contact_um) return false;
    const double depth_um = contact_um - std::sqrt(squared);
    if (depth_um > report.depth_um) {
      report.depth_um = depth_um;
      report.first = rank;
      report.second = other;
    }
    ++report.n_pairs;
    return true;
  }

  static constexpr double slack = 1.0001;  // of single precision

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
