// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/neighbor_sum.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include "immunodose/core/error.hpp"
#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/transport/pair_loops.hpp"

namespace immunodose {
namespace {

// Bins of a few cells: larger ones share a list of neighbors among more targets, but hold more
// sources beyond the reach.
constexpr double points_per_bin = 8.0;
constexpr double least_bins_per_reach = 1.0;

double bin_edge_um(const NeighborTargets& targets, double reach_um) {
  const auto extent = [](std::span<const double> values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return *high - *low;
  };
  const auto n = static_cast<double>(targets.x_um.size());
  const double box = std::max(extent(targets.x_um), 1.0) * std::max(extent(targets.y_um), 1.0) *
                     std::max(extent(targets.z_um), 1.0);
  const double edge = std::cbrt(points_per_bin * box / n);
  return std::min(edge, reach_um / least_bins_per_reach);
}

NeighborSources reordered(const NeighborSources& from, std::span<const std::int64_t> order) {
  const auto take = [&](const auto& values) {
    auto to = values;
    for (std::size_t i = 0; i < order.size(); ++i) {
      to[i] = values[static_cast<std::size_t>(order[i])];
    }
    return to;
  };
  return {take(from.x_um),   take(from.y_um),       take(from.z_um),
          take(from.weight), take(from.shrink_um2), take(from.table)};
}

void copy_relative(const double* from, std::size_t n, double origin, float* to) {
  for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i] - origin);
}

class NeighborSummer {
 public:
  NeighborSummer(const NeighborSources& sources, const NeighborTargets& targets,
                 const PairTables& tables, double reach_um, SimdLevel simd)
      : tables_(tables),
        reach_um_(reach_um),
        simd_(simd),
        targets_(targets),
        source_grid_(sources.x_um, sources.y_um, sources.z_um, bin_edge_um(targets, reach_um)),
        target_grid_(targets.x_um, targets.y_um, targets.z_um, bin_edge_um(targets, reach_um)),
        sources_(reordered(sources, source_grid_.order())) {
    for (std::int32_t& table : sources_.table) table *= tables.grid.size();  // to its first row
  }

  std::int64_t run(int n_threads, const StopPoll& stop, const PairResult& result) {
    std::atomic<std::int64_t> n_pairs{0};
    constexpr std::int64_t block = 16;
    parallel_for(
        target_grid_.n_occupied(), block, n_threads,
        [&](std::int64_t begin, std::int64_t end) {
          PairBuffer near;
          std::vector<double> sums(static_cast<std::size_t>(tables_.width));
          std::int64_t counted = 0;
          for (std::int64_t bin = begin; bin < end; ++bin) {
            counted += score_bin(bin, near, sums, result);
          }
          n_pairs += counted;
        },
        stop);
    return n_pairs;
  }

 private:
  std::int64_t score_bin(std::int64_t bin, PairBuffer& near, std::vector<double>& sums,
                         const PairResult& result) const {
    const double edge = target_grid_.edge_um();
    const Vec3 low = target_grid_.bin_low(bin);
    const Vec3 high = low + Vec3{edge, edge, edge};
    const Vec3 center = 0.5 * (low + high);
    collect(low, high, center, near);
    const std::int64_t first = target_grid_.bin_start(bin);
    const std::int64_t last = target_grid_.bin_start(bin + 1);
    for (std::int64_t rank = first; rank < last; ++rank) {
      const auto id = target_grid_.order()[static_cast<std::size_t>(rank)];
      const Vec3 at = target_grid_.point(rank) - center;
      const auto i = static_cast<std::size_t>(id);
      const PairTarget target{
          static_cast<float>(at.x), static_cast<float>(at.y), static_cast<float>(at.z),
          targets_.shrink_um2[i],
          tables_.row.data() + static_cast<std::int64_t>(targets_.table[i]) * tables_.table_size()};
      sum_pairs(near, target, tables_.grid, tables_.width, tables_.clamped, simd_, sums);
      result(id, sums);
    }
    return (last - first) * static_cast<std::int64_t>(near.size());
  }

  // The sources within reach of a bin, relative to its center so that single precision is enough.
  void collect(Vec3 low, Vec3 high, Vec3 center, PairBuffer& near) const {
    near.clear();
    source_grid_.visit_around(low, high, reach_um_,
                              [&](std::int64_t begin, std::int64_t end, double half_um) {
                                auto from = static_cast<std::size_t>(begin);
                                auto last = static_cast<std::size_t>(end);
                                // Sources of a bin are sorted by x: those at the ends of the row
                                // that lie out of reach.
                                while (from < last && sources_.x_um[from] < low.x - half_um) ++from;
                                while (from < last && sources_.x_um[last - 1] > high.x + half_um)
                                  --last;
                                const std::size_t n = last - from;
                                const std::size_t to = near.extend(n);
                                copy_relative(&sources_.x_um[from], n, center.x, &near.x[to]);
                                copy_relative(&sources_.y_um[from], n, center.y, &near.y[to]);
                                copy_relative(&sources_.z_um[from], n, center.z, &near.z[to]);
                                std::copy_n(&sources_.weight[from], n, &near.weight[to]);
                                std::copy_n(&sources_.shrink_um2[from], n, &near.shrink_um2[to]);
                                std::copy_n(&sources_.table[from], n, &near.row[to]);
                              });
    near.pad();
  }

  const PairTables& tables_;
  double reach_um_;
  SimdLevel simd_;
  const NeighborTargets& targets_;
  GridIndex source_grid_;
  GridIndex target_grid_;
  NeighborSources sources_;  // in the order of source_grid_
};

}  // namespace

void PairTables::fill(std::int64_t table, std::span<const double> values) {
  const auto edges = grid.edges_um2();
  const auto n = static_cast<std::size_t>(width);
  if (values.size() != edges.size() * n) throw InputError("table of pairs: wrong size");
  float* to = row.data() + table * table_size();
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    for (std::size_t c = 0; c < n; ++c) {
      const double slope =
          (values[(i + 1) * n + c] - values[i * n + c]) / (edges[i + 1] - edges[i]);
      to[c] = static_cast<float>(values[i * n + c] - slope * edges[i]);
      to[n + c] = static_cast<float>(slope);
    }
    to += row_size();
  }
  std::fill_n(to, row_size(), 0.0F);
}

std::int64_t sum_over_neighbors(const NeighborSources& sources, const NeighborTargets& targets,
                                const PairTables& tables, double reach_um, SimdLevel simd,
                                int n_threads, const StopPoll& stop, const PairResult& result) {
  const auto n_rows =
      static_cast<double>(tables.row.size()) / static_cast<double>(tables.row_size());
  if (n_rows > std::numeric_limits<std::int32_t>::max()) {
    throw InputError("tables of pairs have more than 2^31 - 1 rows: give fewer cell sizes");
  }
  if (targets.x_um.empty()) return 0;
  return NeighborSummer(sources, targets, tables, reach_um, simd).run(n_threads, stop, result);
}

}  // namespace immunodose
