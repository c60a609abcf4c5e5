// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_bins.hpp"

#include <limits>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr double most_bins_per_point = 4.0;
constexpr double least_bins = 4096.0;
constexpr double most_bins_per_axis = 4096.0;

}  // namespace

AgentBins::AgentBins(Points points, double reach_um) {
  if (!(reach_um > 0.0) || !std::isfinite(reach_um)) throw InputError("reach must be > 0 um");
  const std::array<std::span<const float>, 3> axes{points.x, points.y, points.z};
  std::array<double, 3> extent{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (axes[axis].size() != points.size()) throw InputError("coordinates of unequal length");
    if (axes[axis].empty()) continue;
    const auto [low, high] = std::minmax_element(axes[axis].begin(), axes[axis].end());
    low_um_[axis] = static_cast<double>(*low);
    extent[axis] = static_cast<double>(*high) - low_um_[axis];
    if (!std::isfinite(extent[axis])) throw InputError("coordinates must be finite");
  }
  // Half a reach along x, where rows are cut; two along y and z: two rows each hold all in reach.
  edge_um_ = {0.5 * reach_um, 2.0 * reach_um, 2.0 * reach_um};
  const double limit = most_bins_per_point * static_cast<double>(points.size()) + least_bins;
  while (true) {
    double total = 1.0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double n = std::floor(extent[axis] / edge_um_[axis]) + 1.0;
      if (n > most_bins_per_axis) {
        total = std::numeric_limits<double>::infinity();
        break;
      }
      n_bins_[axis] = static_cast<std::int64_t>(n);
      total *= n;
    }
    if (total <= limit) break;
    for (double& edge : edge_um_) edge *= 1.25;
  }
  prepare();
}

std::vector<std::int64_t> order_by_cubes(Points points, std::span<const std::uint8_t> kept,
                                         double edge_um) {
  constexpr std::int64_t most_cubes = 64;  // along an axis; farther ones share the last
  const std::size_t n = points.size();
  if (kept.size() != n || points.y.size() != n || points.z.size() != n || !(edge_um > 0.0)) {
    throw InputError("arrays of points of unequal length, or no edge");
  }
  if (n == 0) return {};
  const auto low = [](std::span<const float> values) {
    return static_cast<double>(*std::min_element(values.begin(), values.end()));
  };
  const std::array<double, 3> from{low(points.x), low(points.y), low(points.z)};
  const auto spread = [&](float position, double start) {
    const double place = (static_cast<double>(position) - start) / edge_um;
    const auto i = static_cast<std::uint32_t>(std::min(place, most_cubes - 1.0));
    std::uint32_t bits = 0;
    for (unsigned k = 0; k < 6; ++k) bits |= ((i >> k) & 1U) << (3 * k);
    return bits;
  };
  std::vector<std::uint32_t> cube(n);
  std::vector<std::int64_t> next(static_cast<std::size_t>(most_cubes * most_cubes * most_cubes) +
                                 1);
  for (std::size_t i = 0; i < n; ++i) {
    cube[i] = spread(points.x[i], from[0]) | (spread(points.y[i], from[1]) << 1U) |
              (spread(points.z[i], from[2]) << 2U);
    if (kept[i] != 0) ++next[cube[i] + 1];
  }
  for (std::size_t c = 1; c < next.size(); ++c) next[c] += next[c - 1];
  std::vector<std::int64_t> order(static_cast<std::size_t>(next.back()));
  for (std::size_t i = 0; i < n; ++i) {
    if (kept[i] != 0)
      order[static_cast<std::size_t>(next[cube[i]]++)] = static_cast<std::int64_t>(i);
  }
  return order;
}

SortedPoints sorted_points(const AgentBins& bins, Points points, std::span<const std::int64_t> id,
                           std::span<const std::uint8_t> kept) {
  const std::size_t n = points.size();
  if (id.size() != n || kept.size() != n) throw InputError("arrays of points of unequal length");
  if (n >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw InputError("more points than 32 bits number");
  }
  SortedPoints sorted;
  sorted.starts.assign(static_cast<std::size_t>(bins.size()) + 1, 0);
  std::vector<std::int32_t> bin(n, -1);
  std::size_t n_kept = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (kept[i] == 0) continue;
    bin[i] = static_cast<std::int32_t>(bins.of(points.x[i], points.y[i], points.z[i]));
    ++sorted.starts[static_cast<std::size_t>(bin[i]) + 1];
    ++n_kept;
  }
  for (std::size_t b = 1; b < sorted.starts.size(); ++b) sorted.starts[b] += sorted.starts[b - 1];
  sorted.order.resize(n_kept);
  std::vector<std::int32_t> next(sorted.starts.begin(), sorted.starts.end() - 1);
  for (std::size_t i = 0; i < n; ++i) {
    if (bin[i] < 0) continue;
    const auto rank = static_cast<std::size_t>(next[static_cast<std::size_t>(bin[i])]++);
    sorted.order[rank] = static_cast<std::int64_t>(i);
  }
  for (std::size_t b = 0; b + 1 < sorted.starts.size(); ++b) {
    const auto begin = sorted.order.begin() + sorted.starts[b];
    const auto end = sorted.order.begin() + sorted.starts[b + 1];
    if (end - begin < 2) continue;
    std::sort(begin, end, [&](std::int64_t a, std::int64_t c) {
      return id[static_cast<std::size_t>(a)] < id[static_cast<std::size_t>(c)];
    });
  }
  return sorted;
}

}  // namespace immunodose
