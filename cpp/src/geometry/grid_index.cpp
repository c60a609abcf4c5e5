// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/grid_index.hpp"

#include <numeric>
#include <tuple>

#include "immunodose/core/error.hpp"

namespace immunodose {

namespace {

constexpr double max_bins_per_axis = 1048576.0;  // 2^20: three of them fit a 64-bit key
// All bins are numbered where they take little more memory than the points themselves.
constexpr double most_dense_bins_per_point = 4.0;
constexpr double least_dense_bins = 4096.0;

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
  order_points(x_um, y_um, z_um, key);

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

// By bin, then x, y, z, then the caller's number.
void GridIndex::order_points(std::span<const double> x_um, std::span<const double> y_um,
                             std::span<const double> z_um, const std::vector<std::uint64_t>& key) {
  const std::size_t n = key.size();
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  const auto rank_key = [&](std::int64_t id) {
    const auto i = static_cast<std::size_t>(id);
    return std::tuple(key[i], x_um[i], y_um[i], z_um[i], id);
  };
  const auto before = [&](std::int64_t a, std::int64_t b) { return rank_key(a) < rank_key(b); };
  const double n_bins = static_cast<double>(n_bins_[0]) * static_cast<double>(n_bins_[1]) *
                        static_cast<double>(n_bins_[2]);
  if (n_bins > most_dense_bins_per_point * static_cast<double>(n) + least_dense_bins) {
    std::sort(order_.begin(), order_.end(), before);
    return;
  }
  sort_by_counting(key);
  for (std::size_t bin = 0; bin + 1 < dense_.size(); ++bin) {
    if (dense_[bin + 1] - dense_[bin] < 2) continue;
    std::sort(order_.begin() + dense_[bin], order_.begin() + dense_[bin + 1], before);
  }
}

void GridIndex::sort_by_counting(const std::vector<std::uint64_t>& key) {
  const auto place = [&](std::size_t i) {
    const auto axis = [&](unsigned at) {
      return static_cast<std::int64_t>((key[i] >> at) & axis_mask);
    };
    return place_of({axis(0), axis(axis_bits), axis(2 * axis_bits)});
  };
  dense_.assign(static_cast<std::size_t>(n_bins_[0] * n_bins_[1] * n_bins_[2]) + 1, 0);
  for (std::size_t i = 0; i < key.size(); ++i) ++dense_[place(i) + 1];
  std::partial_sum(dense_.begin(), dense_.end(), dense_.begin());
  std::vector<std::int64_t> next(dense_.begin(), dense_.end() - 1);
  for (std::size_t i = 0; i < key.size(); ++i) {
    order_[static_cast<std::size_t>(next[place(i)]++)] = static_cast<std::int64_t>(i);
  }
}

}  // namespace immunodose
