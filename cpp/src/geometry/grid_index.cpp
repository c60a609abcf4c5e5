// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/grid_index.hpp"

#include <atomic>
#include <memory>
#include <numeric>
#include <tuple>

#include "immunodose/core/error.hpp"

namespace immunodose {

namespace {

constexpr double max_bins_per_axis = 1048576.0;  // 2^20: three of them fit a 64-bit key
// All bins are numbered where they take little more memory than the points themselves.
constexpr double most_dense_bins_per_point = 4.0;
constexpr double least_dense_bins = 4096.0;
constexpr std::int64_t points_per_block = 16384;
constexpr std::int64_t bins_per_block = 2048;

struct Bounds {
  double low = 0.0;
  double extent = 0.0;
};

Bounds bounds(std::span<const double> values) {
  if (values.empty()) return {};
  // Four at a time: one comparison does not wait for the one before.
  constexpr std::size_t lanes = 4;
  std::array<double, lanes> low;
  low.fill(values[0]);
  std::array<double, lanes> high = low;
  std::size_t i = 0;
  for (; i + lanes <= values.size(); i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      low[k] = values[i + k] < low[k] ? values[i + k] : low[k];
      high[k] = values[i + k] > high[k] ? values[i + k] : high[k];
    }
  }
  for (; i < values.size(); ++i) {
    low[0] = std::min(low[0], values[i]);
    high[0] = std::max(high[0], values[i]);
  }
  const double least = *std::min_element(low.begin(), low.end());
  return {least, *std::max_element(high.begin(), high.end()) - least};
}

struct NumberedPoint {
  Vec3 at;
  std::int64_t id;
  std::uint32_t curve;  // place along a space-filling curve through the bin
};

bool before(const NumberedPoint& a, const NumberedPoint& b) {
  return std::tie(a.curve, a.at.x, a.at.y, a.at.z, a.id) <
         std::tie(b.curve, b.at.x, b.at.y, b.at.z, b.id);
}

constexpr std::size_t n_parts = 64;  // of a bin: 4 x 4 x 4

// Place of a point along a Morton curve through the parts of its bin.
std::uint32_t curve_place(Vec3 offset_um, double edge_um) {
  constexpr double parts = 4.0;
  const auto part = [&](double offset) {
    return static_cast<std::uint32_t>(std::clamp(offset * parts / edge_um, 0.0, parts - 1.0));
  };
  const auto spread = [](std::uint32_t i) { return (i & 1U) | ((i & 2U) << 2U); };
  return spread(part(offset_um.x)) | (spread(part(offset_um.y)) << 1U) |
         (spread(part(offset_um.z)) << 2U);
}

}  // namespace

struct GridIndex::Sorter {
  GridIndex& grid;
  std::span<const double> x_um, y_um, z_um;
  int n_threads;
  const StopPoll& stop;

  std::size_t size() const { return x_um.size(); }
  Vec3 at(std::size_t i) const { return {x_um[i], y_um[i], z_um[i]}; }
  NumberedPoint numbered(std::size_t i) const {
    const Bin bin = grid.bin_of(at(i));
    const Vec3 low =
        grid.low_ + grid.edge_um_ * Vec3{static_cast<double>(bin[0]), static_cast<double>(bin[1]),
                                         static_cast<double>(bin[2])};
    return {at(i), static_cast<std::int64_t>(i), curve_place(at(i) - low, grid.edge_um_)};
  }

  void sort() {
    grid.order_.resize(size());
    grid.points_.resize(size());
    const double n_bins = static_cast<double>(grid.n_bins_[0]) *
                          static_cast<double>(grid.n_bins_[1]) *
                          static_cast<double>(grid.n_bins_[2]);
    if (n_bins > most_dense_bins_per_point * static_cast<double>(size()) + least_dense_bins) {
      sort_by_key();
    } else {
      sort_by_counting(static_cast<std::size_t>(n_bins));
    }
    grid.starts_.push_back(grid.size());
  }

  // Few points in many bins.
  void sort_by_key() {
    struct Entry {
      std::uint64_t key;
      NumberedPoint point;
    };
    std::vector<Entry> entries;
    entries.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) {
      entries.push_back({key_of(grid.bin_of(at(i))), numbered(i)});
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.key != b.key ? a.key < b.key : before(a.point, b.point);
    });
    for (std::size_t rank = 0; rank < entries.size(); ++rank) {
      const Entry& entry = entries[rank];
      if (grid.keys_.empty() || grid.keys_.back() != entry.key) {
        grid.keys_.push_back(entry.key);
        grid.starts_.push_back(static_cast<std::int64_t>(rank));
      }
      grid.order_[rank] = entry.point.id;
      grid.points_[rank] = entry.point.at;
    }
  }

  // Threads count and place points in any order; sorting inside the bins makes it canonical.
  void sort_by_counting(std::size_t n_bins) {
    LargeVector<std::uint32_t> place(size());
    const auto counts = std::make_unique<std::atomic<std::int64_t>[]>(n_bins);
    const auto for_points = [&](const auto& body) {
      parallel_for(
          static_cast<std::int64_t>(size()), points_per_block, n_threads,
          [&](std::int64_t begin, std::int64_t end) {
            for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
              body(i);
            }
          },
          stop);
    };
    for_points([&](std::size_t i) {
      const std::size_t bin = grid.place_of(grid.bin_of(at(i)));
      place[i] = static_cast<std::uint32_t>(bin);
      counts[bin].fetch_add(1, std::memory_order_relaxed);
    });
    number_bins(counts.get(), n_bins);
    for_points([&](std::size_t i) {
      const auto rank = counts[place[i]].fetch_add(1, std::memory_order_relaxed);
      grid.order_[static_cast<std::size_t>(rank)] = static_cast<std::int64_t>(i);
    });
    parallel_for(
        static_cast<std::int64_t>(grid.keys_.size()), bins_per_block, n_threads,
        [&](std::int64_t begin, std::int64_t end) { sort_inside(begin, end); }, stop);
  }

  // Counts become the first rank of their bin.
  void number_bins(std::atomic<std::int64_t>* counts, std::size_t n_bins) {
    grid.dense_.reserve(n_bins + 1);
    std::int64_t rank = 0;
    std::size_t bin = 0;
    for (std::int64_t iz = 0; iz < grid.n_bins_[2]; ++iz) {
      for (std::int64_t iy = 0; iy < grid.n_bins_[1]; ++iy) {
        for (std::int64_t ix = 0; ix < grid.n_bins_[0]; ++ix, ++bin) {
          const std::int64_t n = counts[bin].load(std::memory_order_relaxed);
          counts[bin].store(rank, std::memory_order_relaxed);
          grid.dense_.push_back(rank);
          if (n > 0) {
            grid.keys_.push_back(key_of({ix, iy, iz}));
            grid.starts_.push_back(rank);
          }
          rank += n;
        }
      }
    }
    grid.dense_.push_back(rank);
  }

  void sort_inside(std::int64_t first_bin, std::int64_t end_bin) {
    std::vector<NumberedPoint> unsorted;
    std::vector<NumberedPoint> points;
    for (auto bin = static_cast<std::size_t>(first_bin); bin < static_cast<std::size_t>(end_bin);
         ++bin) {
      const auto first = static_cast<std::size_t>(grid.starts_[bin]);
      const bool is_last = bin + 1 == grid.starts_.size();
      const std::size_t end = is_last ? size() : static_cast<std::size_t>(grid.starts_[bin + 1]);
      unsorted.clear();
      for (std::size_t rank = first; rank < end; ++rank) {
        unsorted.push_back(numbered(static_cast<std::size_t>(grid.order_[rank])));
      }
      sort_along_curve(unsorted, points);
      for (std::size_t rank = first; rank < end; ++rank) {
        grid.order_[rank] = points[rank - first].id;
        grid.points_[rank] = points[rank - first].at;
      }
    }
  }

  // Most parts of a bin hold a point or two: counted first, then sorted.
  static void sort_along_curve(const std::vector<NumberedPoint>& unsorted,
                               std::vector<NumberedPoint>& points) {
    constexpr std::size_t few = 12;
    if (unsorted.size() <= few) {
      points = unsorted;
      std::sort(points.begin(), points.end(), before);
      return;
    }
    std::array<std::size_t, n_parts + 1> next{};
    for (const NumberedPoint& point : unsorted) ++next[point.curve + 1];
    std::partial_sum(next.begin(), next.end(), next.begin());
    points.resize(unsorted.size());
    for (const NumberedPoint& point : unsorted) points[next[point.curve]++] = point;
    std::size_t begin = 0;  // by now each part ends where the next one began
    for (std::size_t part = 0; part < n_parts; ++part) {
      const auto at = [&](std::size_t i) {
        return points.begin() + static_cast<std::ptrdiff_t>(i);
      };
      if (next[part] > begin + 1) std::sort(at(begin), at(next[part]), before);
      begin = next[part];
    }
  }
};

GridIndex::GridIndex(std::span<const double> x_um, std::span<const double> y_um,
                     std::span<const double> z_um, double edge_um, int n_threads,
                     const StopPoll& stop)
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
  extent_ = {box[0].extent, box[1].extent, box[2].extent};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    n_bins_[axis] = static_cast<std::int64_t>(box[axis].extent / edge_um_) + 1;
  }
  Sorter{*this, x_um, y_um, z_um, n_threads, stop}.sort();
}

}  // namespace immunodose
