// SPDX-License-Identifier: BSD-3-Clause
// Points sorted into the bins of a uniform grid, for neighbor search in O(1) per neighbor.
//
// The order is canonical: it depends on the coordinates alone (bin, then x, y, z), so anything
// summed along it is the same bit for bit however the caller numbered the points. Only points
// at one and the same place are ordered by their number.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/vec3.hpp"

namespace immunodose {

class GridIndex {
 public:
  // Bins of edge `edge_um` (> 0); longer where the points span more than 2^20 bins per axis.
  // Coordinates must be finite and of equal length. Empty bins take no memory.
  GridIndex(std::span<const double> x_um, std::span<const double> y_um,
            std::span<const double> z_um, double edge_um);

  std::int64_t size() const { return static_cast<std::int64_t>(order_.size()); }
  double edge_um() const { return edge_um_; }

  // order()[rank] is the caller's number of the point at this rank.
  std::span<const std::int64_t> order() const { return order_; }
  Vec3 point(std::int64_t rank) const { return points_[static_cast<std::size_t>(rank)]; }

  // Calls visitor(rank, squared_distance_um2) for each point within `reach_um` of `center`
  // (the center's own point too), in ascending rank; a visitor that returns false ends the visit.
  template <class Visitor>
  void visit(Vec3 center, double reach_um, Visitor&& visitor) const;

  // Calls visitor(begin, end) for ascending ranges of ranks that hold all points within `reach_um`
  // of `center`, and others; a visitor that returns false ends the visit.
  template <class Visitor>
  void visit_ranges(Vec3 center, double reach_um, Visitor&& visitor) const;

 private:
  using Bin = std::array<std::int64_t, 3>;

  Bin bin_of(Vec3 point) const;
  static std::uint64_t key_of(Bin bin) {
    return (static_cast<std::uint64_t>(bin[2]) << 42) | (static_cast<std::uint64_t>(bin[1]) << 21) |
           static_cast<std::uint64_t>(bin[0]);
  }
  std::int64_t first_rank(std::uint64_t key) const {
    const auto it = std::lower_bound(keys_.begin(), keys_.end(), key);
    return starts_[static_cast<std::size_t>(it - keys_.begin())];
  }

  double edge_um_;
  Vec3 low_{};
  Bin n_bins_{1, 1, 1};
  std::vector<std::int64_t> order_;
  std::vector<Vec3> points_;          // by rank
  std::vector<std::uint64_t> keys_;   // occupied bins, ascending
  std::vector<std::int64_t> starts_;  // first rank of each occupied bin, then size()
};

template <class Visitor>
void GridIndex::visit(Vec3 center, double reach_um, Visitor&& visitor) const {
  const double limit_um2 = reach_um * reach_um;
  visit_ranges(center, reach_um, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t rank = begin; rank < end; ++rank) {
      const Vec3 offset = point(rank) - center;
      const double squared = dot(offset, offset);
      if (squared <= limit_um2 && !visitor(rank, squared)) return false;
    }
    return true;
  });
}

template <class Visitor>
void GridIndex::visit_ranges(Vec3 center, double reach_um, Visitor&& visitor) const {
  const Bin low = bin_of(center - Vec3{reach_um, reach_um, reach_um});
  const Bin high = bin_of(center + Vec3{reach_um, reach_um, reach_um});
  const std::int64_t n_rows = (high[1] - low[1] + 1) * (high[2] - low[2] + 1);
  if (n_rows > static_cast<std::int64_t>(keys_.size())) {  // fewer bins than rows to look up
    visitor(std::int64_t{0}, size());
    return;
  }
  for (std::int64_t iz = low[2]; iz <= high[2]; ++iz) {
    for (std::int64_t iy = low[1]; iy <= high[1]; ++iy) {
      // Bins of one row along x have adjacent keys, hence adjacent ranks.
      const std::int64_t begin = first_rank(key_of({low[0], iy, iz}));
      const std::int64_t end = first_rank(key_of({high[0], iy, iz}) + 1);
      if (!visitor(begin, end)) return;
    }
  }
}

}  // namespace immunodose
