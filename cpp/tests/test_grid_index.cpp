// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/geometry/overlap_check.hpp"

using namespace immunodose;

namespace {

struct Points {
  std::vector<double> x, y, z;
  Vec3 at(std::size_t i) const { return {x[i], y[i], z[i]}; }
};

Points random_points(std::size_t n, double edge_um) {
  Stream stream(11, Stage::packing_start, 7);
  Points points;
  for (std::size_t i = 0; i < n; ++i) {
    points.x.push_back(edge_um * stream.uniform());
    points.y.push_back(edge_um * stream.uniform());
    points.z.push_back(edge_um * stream.uniform());
  }
  return points;
}

std::set<std::int64_t> found(const GridIndex& index, Vec3 center, double reach_um) {
  std::set<std::int64_t> ids;
  index.visit(center, reach_um, [&](std::int64_t rank, double) {
    ids.insert(index.order()[static_cast<std::size_t>(rank)]);
    return true;
  });
  return ids;
}

}  // namespace

TEST_CASE("a visit finds exactly the points within reach, in ascending rank") {
  const Points points = random_points(500, 100.0);
  for (const double edge_um : {0.01, 3.0, 25.0, 1000.0}) {
    const GridIndex index(points.x, points.y, points.z, edge_um);
    REQUIRE(index.size() == 500);
    for (const Vec3 center : {points.at(3), Vec3{-5.0, 50.0, 50.0}, Vec3{1e9, -1e300, 0.0}}) {
      std::set<std::int64_t> expected;
      for (std::size_t i = 0; i < 500; ++i) {
        const Vec3 offset = points.at(i) - center;
        if (dot(offset, offset) <= 20.0 * 20.0) expected.insert(static_cast<std::int64_t>(i));
      }
      CHECK(found(index, center, 20.0) == expected);
    }
    std::int64_t last = -1;
    index.visit({50.0, 50.0, 50.0}, 40.0, [&](std::int64_t rank, double) {
      CHECK(rank > last);
      last = rank;
      return true;
    });
  }
}

TEST_CASE("a visitor that returns false ends the visit") {
  const Points points = random_points(100, 10.0);
  const GridIndex index(points.x, points.y, points.z, 1.0);
  int n = 0;
  index.visit({5.0, 5.0, 5.0}, 100.0, [&](std::int64_t, double) { return ++n < 3; });
  CHECK(n == 3);
}

TEST_CASE("the order does not depend on the numbering") {
  const Points points = random_points(300, 50.0);
  Points reversed = points;
  for (auto* axis : {&reversed.x, &reversed.y, &reversed.z})
    std::reverse(axis->begin(), axis->end());
  const GridIndex index(points.x, points.y, points.z, 5.0);
  const GridIndex other(reversed.x, reversed.y, reversed.z, 5.0);
  for (std::size_t rank = 0; rank < 300; ++rank) {
    CHECK(index.order()[rank] == 299 - other.order()[rank]);
  }
}

TEST_CASE("far clusters take no memory between them") {
  const std::vector<double> x{0.0, 1.0, 1e12, 1e12 + 1.0};
  const std::vector<double> zero(4, 0.0);
  const GridIndex index(x, zero, zero, 1.0);
  CHECK(index.edge_um() > 1.0);
  CHECK(found(index, {1e12, 0.0, 0.0}, 1.5) == std::set<std::int64_t>{2, 3});
}

TEST_CASE("an index refuses what it cannot sort") {
  const std::vector<double> one{0.0}, two{0.0, 1.0};
  const std::vector<double> wide{-1e308, 1e308};
  CHECK_THROWS_AS(GridIndex(one, one, two, 1.0), InputError);
  CHECK_THROWS_AS(GridIndex(one, one, one, 0.0), InputError);
  CHECK_THROWS_AS(GridIndex(wide, two, two, 1.0), InputError);
}

TEST_CASE("overlaps: count, worst pair and depth of a row of spheres") {
  const std::vector<double> x{0.0, 9.0, 21.0, 29.5};
  const std::vector<double> zero(4, 0.0);
  const std::vector<double> radius{5.0, 5.0, 5.0, 5.0};
  const OverlapReport report = find_overlaps(x, zero, zero, radius, 1e-9, 2);
  CHECK(report.n_pairs == 2);
  CHECK(report.first == 2);
  CHECK(report.second == 3);
  CHECK(report.depth_um == doctest::Approx(1.5));
  CHECK(!report.is_lower_bound);
}

TEST_CASE("a small sphere inside a large one overlaps by the sum of radii minus the distance") {
  const std::vector<double> x{0.0, 3.0, 100.0};
  const std::vector<double> zero(3, 0.0);
  const std::vector<double> radius{30.0, 1.0, 1.0};
  const OverlapReport report = find_overlaps(x, zero, zero, radius, 1e-9, 1);
  CHECK(report.n_pairs == 1);
  CHECK(report.depth_um == doctest::Approx(28.0));
}

TEST_CASE("overlaps of random spheres, alike and of many sizes, are those of a double loop") {
  Stream stream(4, Stage::packing_start, 2);
  for (const double least_um : {0.3, 2.0, 3.0}) {
    constexpr std::size_t n = 600;
    constexpr double largest_um = 3.0;
    std::vector<double> x, y, z, radius;
    for (std::size_t i = 0; i < n; ++i) {
      for (auto* axis : {&x, &y, &z}) axis->push_back(60.0 * stream.uniform());
      radius.push_back(least_um + (largest_um - least_um) * stream.uniform());
    }
    std::int64_t n_pairs = 0;
    double depth_um = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const double apart = std::hypot(x[i] - x[j], y[i] - y[j], z[i] - z[j]);
        if (apart >= radius[i] + radius[j]) continue;
        ++n_pairs;
        depth_um = std::max(depth_um, radius[i] + radius[j] - apart);
      }
    }
    const OverlapReport report = find_overlaps(x, y, z, radius, 1e-9, 2);
    CHECK(report.n_pairs == n_pairs);
    CHECK(report.depth_um == doctest::Approx(depth_um).epsilon(1e-12));
  }
}

TEST_CASE("no cells, no overlaps") { CHECK(find_overlaps({}, {}, {}, {}, 1e-9, 1).n_pairs == 0); }
