// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <cstring>

#include "doctest.h"
#include "immunodose/core/streams.hpp"
#include "immunodose/transport/neighbor_sum.hpp"

using namespace immunodose;

namespace {

constexpr double reach_um = 60.0;
constexpr double cell_um = 10.0;

// 1 / d^2 up to the reach, times the number of the column.
PairTables tables(std::int64_t width) {
  PairTables found{SquareGrid(0.8 * cell_um, reach_um), width, 1, true, {}};
  found.row.resize(static_cast<std::size_t>(found.table_size()));
  std::vector<double> values;
  for (const double square : found.grid.edges_um2()) {
    for (std::int64_t c = 0; c < width; ++c) {
      values.push_back(static_cast<double>(c + 1) * (1.0 / square - 1.0 / (reach_um * reach_um)));
    }
  }
  found.fill(0, 0, static_cast<std::size_t>(width), values);
  return found;
}

struct Scene {
  std::vector<double> x, y, z;
  std::vector<float> weight;

  // Of `labeled` of them in a hundred decay.
  explicit Scene(int n_side, double labeled = 1.0) {
    Stream stream(5, Stage::packing_start, 1);
    for (int i = 0; i < n_side * n_side * n_side; ++i) {
      const auto at = [&](int site) { return (cell_um + 1.0) * site + stream.uniform(); };
      x.push_back(at(i % n_side));
      y.push_back(at(i / n_side % n_side));
      z.push_back(at(i / n_side / n_side));
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      weight.push_back(static_cast<float>(stream.uniform()));
      if (stream.uniform() >= labeled) weight.back() = 0.0F;
    }
  }

  NeighborSources sources(const GridIndex& cells, std::int64_t width, bool listed) const {
    NeighborSources list;
    for (std::int64_t rank = 0; rank < cells.size(); ++rank) {
      const float own =
          weight[static_cast<std::size_t>(cells.order()[static_cast<std::size_t>(rank)])];
      if (listed) list.first.push_back(static_cast<std::int64_t>(list.rank.size()));
      if (listed && own == 0.0F) continue;
      if (listed) list.rank.push_back(rank);
      list.weight.insert(list.weight.end(), static_cast<std::size_t>(width), own);
    }
    if (listed) list.first.push_back(static_cast<std::int64_t>(list.rank.size()));
    return list;
  }

  // (target, column); `listed` sources are summed one way.
  std::vector<double> sums(std::int64_t width, bool listed, SimdLevel simd, int n_threads,
                           double edge_um = 30.0) const {
    const PairTables pairs = tables(width);
    const GridIndex cells(x, y, z, edge_um);
    std::vector<double> all(x.size() * static_cast<std::size_t>(width));
    sum_over_neighbors(cells, sources(cells, pairs.width(), listed), {}, pairs, reach_um, simd,
                       n_threads, {},
                       [&](std::int64_t first, std::int64_t end, std::span<double> rows) {
                         for (std::int64_t rank = first; rank < end; ++rank) {
                           const auto id = cells.order()[static_cast<std::size_t>(rank)];
                           std::copy_n(&rows[static_cast<std::size_t>((rank - first) * width)],
                                       width, &all[static_cast<std::size_t>(id * width)]);
                         }
                       });
    return all;
  }

  double exact(std::size_t target) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double dx = x[i] - x[target];
      const double dy = y[i] - y[target];
      const double dz = z[i] - z[target];
      const double square = dx * dx + dy * dy + dz * dz;
      if (i == target || square > reach_um * reach_um) continue;
      sum += static_cast<double>(weight[i]) * (1.0 / square - 1.0 / (reach_um * reach_um));
    }
    return sum;
  }
};

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("sums over neighbors are those of a double loop, for one column and for many") {
  for (const double labeled : {1.0, 0.3}) {
    const Scene scene(9, labeled);
    for (const std::int64_t width : {1, 4, 12, 16, 20}) {
      for (const bool listed : {false, true}) {
        const auto sums = scene.sums(width, listed, simd_level(), 2);
        for (std::size_t target = 0; target < scene.x.size(); target += 7) {
          const double exact = scene.exact(target);
          for (std::int64_t c = 0; c < width; ++c) {
            const double found =
                sums[target * static_cast<std::size_t>(width) + static_cast<std::size_t>(c)];
            // Linear in cells of 1/128 of an octave: 1.5e-5 at most.
            CHECK(found == doctest::Approx(static_cast<double>(c + 1) * exact).epsilon(3e-5));
          }
        }
      }
    }
  }
}

TEST_CASE("pairs counted both ways in many chunks give the sums of one chunk") {
  const Scene scene(9);
  for (const double edge_um : {8.0, 15.0, 40.0, 400.0}) {
    const auto sums = scene.sums(1, false, simd_level(), 2, edge_um);
    for (std::size_t target = 0; target < scene.x.size(); target += 5) {
      CHECK(sums[target] == doctest::Approx(scene.exact(target)).epsilon(3e-5));
    }
  }
}

TEST_CASE("the version of the loops and the number of threads do not change a bit") {
  const Scene scene(8);
  for (const bool listed : {false, true}) {
    for (const std::int64_t width : {1, 12}) {
      const auto baseline = scene.sums(width, listed, SimdLevel::baseline, 1);
      CHECK(same_bits(scene.sums(width, listed, simd_level(), 1), baseline));
      CHECK(same_bits(scene.sums(width, listed, simd_level(), 3), baseline));
    }
  }
}
