// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/grid_index.hpp"

#include <numeric>
#include <tuple>

#include "immunodose/core/error.hpp"

namespace immunodose {

namespace {

constexpr double max_bins_per_axis = 1048576.0;  // 2^20: three of them fit a 64-bit key

struct Bounds {
  double low = 0.0;
  double extent = 0.0;
};

Bounds bounds(std::span<const double> values) {
  if (values.empty()) return {};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high - *low};
}

}  // namespace

GridIndex::GridIndex(std::span<const double> x_um, std::span<const double> y_um,
                     std::span<const double> z_um, double edge_um)
    : edge_um_(edge_um) {
  const std::size_t n = x_um.size();
  if (y_um.size() != n || z_um.size() != n) throw InputError("coordinates of unequal length");
  if (!(edge_um > 0.0) || !std::isfinite(edge_um)) throw InputError("bin edge must be > 0 um");
  const std::array<Bounds, 3> box{bounds(x_um), bounds(y_um), bounds(z_um)};
  for (const Bounds& axis : box) {
    edge_um_ = std::max(edge_um_, axis.extent / (max_bins_per_axis - 1.0));
  }
  if (!std::isfinite(edge_um_)) throw InputError("coordinates must be finite");
  low_ = {box[0].low, box[1].low, box[2].low};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    n_bins_[axis] = static_cast<std::int64_t>(box[axis].extent / edge_um_) + 1;
  }

  std::vector<std::uint64_t> key(n);
  for (std::size_t i = 0; i < n; ++i) key[i] = key_of(bin_of({x_um[i], y_um[i], z_um[i]}));
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  const auto rank_key = [&](std::int64_t id) {
    const auto i = static_cast<std::size_t>(id);
    return std::tuple(key[i], x_um[i], y_um[i], z_um[i], id);
  };
  std::sort(order_.begin(), order_.end(),
            [&](std::int64_t a, std::int64_t b) { return rank_key(a) < rank_key(b); });

  points_.reserve(n);
  for (const std::int64_t id : order_) {
    const auto i = static_cast<std::size_t>(id);
    if (keys_.empty() || keys_.back() != key[i]) {
      keys_.push_back(key[i]);
      starts_.push_back(static_cast<std::int64_t>(points_.size()));
    }
    points_.push_back({x_um[i], y_um[i], z_um[i]});
  }
  starts_.push_back(size());
}

GridIndex::Bin GridIndex::bin_of(Vec3 point) const {
  const std::array<double, 3> offset{point.x - low_.x, point.y - low_.y, point.z - low_.z};
  Bin bin{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    // Clamped while still a double: a far-away center must not overflow the integer.
    const double position = std::floor(offset[axis] / edge_um_);
    const auto last = static_cast<double>(n_bins_[axis] - 1);
    bin[axis] = static_cast<std::int64_t>(std::clamp(position, 0.0, last));
  }
  return bin;
}

}  // namespace immunodose
