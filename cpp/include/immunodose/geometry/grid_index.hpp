// SPDX-License-Identifier: BSD-3-Clause
// Points sorted into the bins of a uniform grid, for neighbor search in O(1) per neighbor.
//
// The order is canonical: it depends on the coordinates alone (bin, then a space-filling curve
// through the bin, then x, y, z), so anything summed along it is the same bit for bit however the
// caller numbered the points. Only points at one and the same place are ordered by their number.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

class GridIndex {
 public:
  // Bins of edge `edge_um` (> 0); longer where the points span more than 2^20 bins per axis.
  // Coordinates must be finite and of equal length. Empty bins take no memory.
  GridIndex(std::span<const double> x_um, std::span<const double> y_um,
            std::span<const double> z_um, double edge_um, int n_threads = 1,
            const StopPoll& stop = {});

  std::int64_t size() const { return static_cast<std::int64_t>(order_.size()); }
  double edge_um() const { return edge_um_; }

  // order()[rank] is the caller's number of the point at this rank.
  std::span<const std::int64_t> order() const { return order_; }
  Vec3 point(std::int64_t rank) const { return points_[static_cast<std::size_t>(rank)]; }
  Vec3 low_um() const { return low_; }        // of the box around the points
  Vec3 extent_um() const { return extent_; }  // of that box

  // Calls visitor(rank, squared_distance_um2) for each point within `reach_um` of `center`
  // (the center's own point too), in ascending rank; a visitor that returns false ends the visit.
  template <class Visitor>
  void visit(Vec3 center, double reach_um, Visitor&& visitor) const;

  // Calls visitor(begin, end) for ascending ranges of ranks that hold all points within `reach_um`
  // of `center`, and others; a visitor that returns false ends the visit.
  template <class Visitor>
  void visit_ranges(Vec3 center, double reach_um, Visitor&& visitor) const;

  // Bins along x, y, z, and the ranks [begin, end) of one row of bins along x.
  std::array<std::int64_t, 3> n_bins() const { return n_bins_; }
  std::array<std::int64_t, 2> row(std::int64_t iy, std::int64_t iz) const {
    return {first_rank({0, iy, iz}), next_rank({n_bins_[0] - 1, iy, iz})};
  }

  // Occupied bins in the order of ranks: bin i holds the ranks [bin_start(i), bin_start(i + 1)).
  std::int64_t n_occupied() const { return static_cast<std::int64_t>(keys_.size()); }
  std::int64_t bin_start(std::int64_t i) const { return starts_[static_cast<std::size_t>(i)]; }
  Vec3 bin_low(std::int64_t i) const {
    const std::uint64_t key = keys_[static_cast<std::size_t>(i)];
    const auto axis = [key](unsigned place) {
      return static_cast<double>((key >> place) & axis_mask);
    };
    return low_ + edge_um_ * Vec3{axis(0), axis(axis_bits), axis(2 * axis_bits)};
  }

  // End of the ranks of all bins up to and including the layer that holds z.
  std::int64_t layer_end(double z_um) const {
    return next_rank({n_bins_[0] - 1, n_bins_[1] - 1, axis_bin(2, z_um - low_.z)});
  }

  // Calls visitor(begin, end) for ascending ranges of ranks that hold all points within
  // `reach_um` of a box, and others of the same bins.
  template <class Visitor>
  void visit_around(Vec3 low, Vec3 high, double reach_um, Visitor&& visitor) const;

 private:
  using Bin = std::array<std::int64_t, 3>;

  Bin bin_of(Vec3 point) const {
    return {axis_bin(0, point.x - low_.x), axis_bin(1, point.y - low_.y),
            axis_bin(2, point.z - low_.z)};
  }
  // Clamped while still a double: a far-away center must not overflow the integer.
  std::int64_t axis_bin(std::size_t axis, double offset_um) const {
    const auto last = static_cast<double>(n_bins_[axis] - 1);
    return static_cast<std::int64_t>(std::clamp(offset_um / edge_um_, 0.0, last));
  }
  static constexpr unsigned axis_bits = 21;
  static constexpr std::uint64_t axis_mask = (std::uint64_t{1} << axis_bits) - 1;
  static std::uint64_t key_of(Bin bin) {
    return (static_cast<std::uint64_t>(bin[2]) << (2 * axis_bits)) |
           (static_cast<std::uint64_t>(bin[1]) << axis_bits) | static_cast<std::uint64_t>(bin[0]);
  }
  std::size_t place_of(Bin bin) const {
    return static_cast<std::size_t>((bin[2] * n_bins_[1] + bin[1]) * n_bins_[0] + bin[0]);
  }
  // First rank in or after a bin.
  std::int64_t first_rank(Bin bin) const {
    if (!dense_.empty()) return dense_[place_of(bin)];
    const auto it = std::lower_bound(keys_.begin(), keys_.end(), key_of(bin));
    return starts_[static_cast<std::size_t>(it - keys_.begin())];
  }
  // First rank after a bin and all before it.
  std::int64_t next_rank(Bin bin) const {
    if (!dense_.empty()) return dense_[place_of(bin) + 1];
    const auto it = std::upper_bound(keys_.begin(), keys_.end(), key_of(bin));
    return starts_[static_cast<std::size_t>(it - keys_.begin())];
  }
  struct Sorter;  // the points as they came, while they are sorted

  double edge_um_;
  Vec3 low_{};
  Vec3 extent_{};
  Bin n_bins_{1, 1, 1};
  LargeVector<std::int64_t> order_;
  LargeVector<Vec3> points_;          // by rank
  std::vector<std::uint64_t> keys_;   // occupied bins, ascending
  std::vector<std::int64_t> starts_;  // first rank of each occupied bin, then size()
  std::vector<std::int64_t> dense_;   // first rank of every bin, where there are not too many
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
      if (!visitor(first_rank({low[0], iy, iz}), next_rank({high[0], iy, iz}))) return;
    }
  }
}

template <class Visitor>
void GridIndex::visit_around(Vec3 low_um, Vec3 high_um, double reach_um, Visitor&& visitor) const {
  const Vec3 reach{reach_um, reach_um, reach_um};
  const Bin low = bin_of(low_um - reach);
  const Bin high = bin_of(high_um + reach);
  const auto n_rows = (high[1] - low[1] + 1) * (high[2] - low[2] + 1);
  if (dense_.empty() && n_rows > n_occupied()) {
    visitor(std::int64_t{0}, size());
    return;
  }
  // Distance along an axis between the box and a bin.
  const auto gap = [this](double origin, double from, double to, std::int64_t bin) {
    const double bin_low = origin + edge_um_ * static_cast<double>(bin);
    return std::max({0.0, bin_low - to, from - (bin_low + edge_um_)});
  };
  for (std::int64_t iz = low[2]; iz <= high[2]; ++iz) {
    const double z = gap(low_.z, low_um.z, high_um.z, iz);
    for (std::int64_t iy = low[1]; iy <= high[1]; ++iy) {
      const double y = gap(low_.y, low_um.y, high_um.y, iy);
      const double left2 = reach_um * reach_um - y * y - z * z;
      if (left2 < 0.0) continue;
      const double half = std::sqrt(left2);
      const std::int64_t begin = first_rank({axis_bin(0, low_um.x - half - low_.x), iy, iz});
      const std::int64_t end = next_rank({axis_bin(0, high_um.x + half - low_.x), iy, iz});
      if (begin < end) visitor(begin, end);
    }
  }
}

}  // namespace immunodose
