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

constexpr std::size_t lanes = 8;
using Lanes = std::array<float, lanes>;
constexpr float far_um = 1e18F;
constexpr float slack = 1.0001F;  // of single precision, on the safe side

// Eight cells in single precision, relative to the center of a bin.
struct Octet {
  Lanes x, y, z, radius;
};

// Whether any cell of one octet may overlap any of another, or of itself (`same`). Both versions
// of the loops ask the same.
template <bool same>
IMMUNODOSE_INLINED bool any_may_overlap(const Octet& a, const Octet& b) {
  Lanes least;
  least.fill(1.0F);
  for (std::size_t k = 0; k < lanes; ++k) {
    Lanes beyond;
    for (std::size_t i = 0; i < lanes; ++i) {
      const float dx = b.x[i] - a.x[k];
      const float dy = b.y[i] - a.y[k];
      const float dz = b.z[i] - a.z[k];
      const float contact = slack * (a.radius[k] + b.radius[i]);
      beyond[i] = dx * dx + dy * dy + dz * dz - contact * contact;
    }
    for (std::size_t i = same ? k + 1 : 0; i < lanes; ++i) {
      least[i] = beyond[i] < least[i] ? beyond[i] : least[i];
    }
  }
  return lanes_up_to_zero(least) != 0;
}

template <bool same>
bool may_overlap_baseline(const Octet& a, const Octet& b) {
  return any_may_overlap<same>(a, b);
}

#if IMMUNODOSE_HAS_AVX2_TARGET
template <bool same>
IMMUNODOSE_AVX2_TARGET bool may_overlap_avx2(const Octet& a, const Octet& b) {
  return any_may_overlap<same>(a, b);
}
#endif

template <bool same>
bool may_overlap(const Octet& a, const Octet& b) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (cpu_has_avx2) return may_overlap_avx2<same>(a, b);
#endif
  return may_overlap_baseline<same>(a, b);
}

// Cells around a bin in octets that are compact in space: most are left out by their box. The
// cells of the bin itself come first.
class Candidates {
 public:
  void clear() { n_ = 0; }
  std::size_t n_octets() const { return (n_ + lanes - 1) / lanes; }
  std::size_t size() const { return n_; }
  std::int64_t rank(std::size_t i) const { return rank_[i]; }
  const Octet& octet(std::size_t i) const { return octet_[i]; }

  // Adds those of the ranks [begin, end) whose center lies within `half_um` of the center of the
  // bin along every axis.
  void add(const GridIndex& cells, std::span<const double> radius_um, std::int64_t begin,
           std::int64_t end, Vec3 center, double half_um) {
    if (begin >= end) return;
    resize(n_ + place(end - begin) + lanes);
    for (std::int64_t rank = begin; rank < end; ++rank) {
      const Vec3 at = cells.point(rank) - center;
      Octet& to = octet_[n_ / lanes];
      const std::size_t lane = n_ % lanes;
      to.x[lane] = static_cast<float>(at.x);
      to.y[lane] = static_cast<float>(at.y);
      to.z[lane] = static_cast<float>(at.z);
      to.radius[lane] = static_cast<float>(radius_um[place(rank)]);
      rank_[n_] = rank;
      const double apart = std::max({std::abs(at.x), std::abs(at.y), std::abs(at.z)});
      n_ += apart <= half_um ? 1U : 0U;
    }
  }

  // Fills the last octet with cells far from all, and finds the boxes.
  void finish() {
    for (std::size_t i = n_; i < n_octets() * lanes; ++i) {
      Octet& last = octet_[i / lanes];
      last.x[i % lanes] = last.y[i % lanes] = last.z[i % lanes] = far_um;
      last.radius[i % lanes] = 0.0F;
    }
    const std::size_t n_boxes = (n_octets() + lanes - 1) / lanes;
    box_.resize(n_boxes);
    for (std::size_t i = 0; i < n_boxes * lanes; ++i) {
      Boxes& to = box_[i / lanes];
      const std::size_t lane = i % lanes;
      for (std::size_t axis = 0; axis < 3; ++axis)
        to.low[axis][lane] = to.high[axis][lane] = far_um;
      to.radius[lane] = 0.0F;
      if (i >= n_octets()) continue;
      const Octet& own = octet_[i];
      const std::array<const Lanes*, 3> axes{&own.x, &own.y, &own.z};
      for (std::size_t axis = 0; axis < 3; ++axis) {
        to.low[axis][lane] = *std::min_element(axes[axis]->begin(), axes[axis]->end());
        to.high[axis][lane] = *std::max_element(axes[axis]->begin(), axes[axis]->end());
      }
      to.radius[lane] = *std::max_element(own.radius.begin(), own.radius.end());
    }
  }

  // Calls visitor(octet) for those from `own` on whose box comes within contact of that of `own`;
  // a visitor that returns false ends the visit.
  template <class Visitor>
  void visit_near(std::size_t own, std::size_t first, Visitor&& visitor) const {
    const Boxes& of_own = box_[own / lanes];
    const std::size_t k = own % lanes;
    for (std::size_t i = first / lanes; i < box_.size(); ++i) {
      const Boxes& other = box_[i];
      Lanes beyond;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const float contact = slack * (of_own.radius[k] + other.radius[lane]);
        beyond[lane] = -contact * contact;
      }
      for (std::size_t axis = 0; axis < 3; ++axis) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          const float gap = std::max(std::max(other.low[axis][lane] - of_own.high[axis][k],
                                              of_own.low[axis][k] - other.high[axis][lane]),
                                     0.0F);
          beyond[lane] += gap * gap;
        }
      }
      for (unsigned bits = lanes_up_to_zero(beyond); bits != 0; bits &= bits - 1) {
        const std::size_t octet = i * lanes + static_cast<std::size_t>(std::countr_zero(bits));
        if (octet < first || octet >= n_octets()) continue;
        if (!visitor(octet)) return;
      }
    }
  }

 private:
  struct Boxes {  // of eight octets
    std::array<Lanes, 3> low, high;
    Lanes radius;  // the largest of each
  };

  void resize(std::size_t n) {
    if (n <= rank_.size()) return;
    octet_.resize((n + lanes - 1) / lanes);
    rank_.resize(octet_.size() * lanes);
  }

  std::size_t n_ = 0;
  std::vector<Octet> octet_;
  std::vector<std::int64_t> rank_;
  std::vector<Boxes> box_;
};

// Ratio of the largest to the smallest radius up to which pairs are met once.
constexpr double most_alike = 2.0;

class PairSearch {
 public:
  PairSearch(const GridIndex& cells, std::span<const double> radius_um, double relative_tolerance)
      : cells_(cells), keep_(1.0 - relative_tolerance) {
    radius_um_.reserve(radius_um.size());
    for (const std::int64_t id : cells.order()) radius_um_.push_back(radius_um[place(id)]);
    const auto [low, high] = std::minmax_element(radius_um_.begin(), radius_um_.end());
    symmetric_ = *high <= most_alike * *low;
    largest_ = *high;
  }

  // Adds the overlaps of the cells of a bin.
  void operator()(std::int64_t bin, Candidates& near, OverlapReport& report) const {
    const std::int64_t first = cells_.bin_start(bin);
    const std::int64_t end = cells_.bin_start(bin + 1);
    const double edge = cells_.edge_um();
    const Vec3 low = cells_.bin_low(bin);
    const Vec3 center = low + 0.5 * Vec3{edge, edge, edge};
    const double largest = *std::max_element(radius_um_.begin() + first, radius_um_.begin() + end);
    const double reach = symmetric_ ? largest + largest_ : 2.0 * largest;
    const double half = static_cast<double>(slack) * (0.5 * edge + reach);
    near.clear();
    near.add(cells_, radius_um_, first, end, center, half);
    const std::size_t n_own = near.size();
    cells_.visit_around(low, low + Vec3{edge, edge, edge}, reach,
                        [&](std::int64_t from, std::int64_t to) {
                          // Of like cells those of higher rank: each pair is met once.
                          if (!symmetric_) {
                            near.add(cells_, radius_um_, from, std::min(to, first), center, half);
                          }
                          near.add(cells_, radius_um_, std::max(from, end), to, center, half);
                        });
    near.finish();
    for (std::size_t own = 0; own * lanes < n_own; ++own) {
      search(own, std::min(lanes, n_own - own * lanes), near, report);
    }
  }

 private:
  using Counts = std::array<std::int64_t, lanes>;

  // Overlaps of an octet of the bin: in single precision first, then pair by pair.
  void search(std::size_t own, std::size_t n_own, const Candidates& near,
              OverlapReport& report) const {
    Counts found{};
    near.visit_near(own, symmetric_ ? own : 0, [&](std::size_t other) {
      const bool may = other == own ? may_overlap<true>(near.octet(own), near.octet(own))
                                    : may_overlap<false>(near.octet(own), near.octet(other));
      return !may || compare(own, n_own, other, near, found, report);
    });
  }

  // Returns whether any cell of the octet has still overlaps to count.
  bool compare(std::size_t own, std::size_t n_own, std::size_t other, const Candidates& near,
               Counts& found, OverlapReport& report) const {
    const std::size_t first = other * lanes;
    const std::size_t end = std::min(near.size(), first + lanes);
    bool any_left = false;
    for (std::size_t k = 0; k < n_own; ++k) {
      const std::size_t i = own * lanes + k;
      for (std::size_t j = first; j < end && found[k] < max_pairs_per_cell; ++j) {
        if (j == i || (symmetric_ && j < i)) continue;
        if (overlaps(near.rank(i), near.rank(j), report)) ++found[k];
      }
      if (found[k] < max_pairs_per_cell) {
        any_left = true;
      } else {
        report.is_lower_bound = true;
      }
    }
    return any_left;
  }

  // Whether a cell overlaps another in double precision; then the report counts them. Where sizes
  // differ much, only smaller ones, or equal ones of higher rank: a search never reaches beyond
  // twice the cell's own radius.
  bool overlaps(std::int64_t rank, std::int64_t other, OverlapReport& report) const {
    const double radius = radius_um_[place(rank)];
    const double other_radius = radius_um_[place(other)];
    const bool is_later = other_radius < radius || (other_radius == radius && other > rank);
    if (!symmetric_ && !is_later) return false;
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

  const GridIndex& cells_;
  double keep_;
  bool symmetric_ = false;  // a pair is met once, from its lower rank
  double largest_ = 0.0;
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
