// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/geometry/sphere_scene.hpp"
#include "immunodose/transport/direction.hpp"

using namespace immunodose;

namespace {

struct Cells {
  std::vector<double> x, y, z, radius, nucleus, offset;
  SphereScene scene(double membrane_um) const {
    return SphereScene({x, y, z, radius, nucleus, offset, membrane_um});
  }
};

// Cells of mixed radii that do not overlap, by random insertion; nuclei off-center.
Cells random_cells(std::size_t n, double edge_um, double smallest_um, double largest_um) {
  Stream stream(5, Stage::packing_start, n);
  Cells cells;
  for (int tries = 0; tries < 200000 && cells.x.size() < n; ++tries) {
    const Vec3 center{edge_um * stream.uniform(), edge_um * stream.uniform(),
                      edge_um * stream.uniform()};
    const double radius = smallest_um + (largest_um - smallest_um) * stream.uniform();
    bool free = true;
    for (std::size_t i = 0; i < cells.x.size() && free; ++i) {
      const Vec3 other{cells.x[i], cells.y[i], cells.z[i]};
      free = norm(center - other) >= radius + cells.radius[i];
    }
    if (!free) continue;
    cells.x.push_back(center.x);
    cells.y.push_back(center.y);
    cells.z.push_back(center.z);
    cells.radius.push_back(radius);
    cells.nucleus.push_back(0.5 * radius);
    const Vec3 way = isotropic_direction(stream);
    for (const double part : {way.x, way.y, way.z}) cells.offset.push_back(0.3 * radius * part);
  }
  return cells;
}

Chord brute_chord(Ball ball, Vec3 start, Vec3 direction, double length_um) {
  const Vec3 to = ball.center_um - start;
  const double along = dot(to, direction);
  const double square = ball.radius_um * ball.radius_um - dot(to, to) + along * along;
  if (square <= 0.0) return {};
  const double half = std::sqrt(square);
  return {std::max(0.0, along - half), std::min(length_um, along + half)};
}

std::vector<Crossing> brute_force(const SphereScene& scene, Vec3 start, Vec3 direction,
                                  double length_um) {
  std::vector<Crossing> found;
  for (std::int64_t rank = 0; rank < scene.n_cells(); ++rank) {
    const Chord whole = brute_chord(scene.cell(rank), start, direction, length_um);
    if (whole.length_um() <= 0.0) continue;
    found.push_back({rank, whole, brute_chord(scene.inside(rank), start, direction, length_um),
                     brute_chord(scene.nucleus(rank), start, direction, length_um)});
  }
  std::sort(found.begin(), found.end(), [](const Crossing& a, const Crossing& b) {
    return a.whole.entry_um < b.whole.entry_um;
  });
  return found;
}

bool same(const Chord& a, const Chord& b) {
  if (a.length_um() == 0.0 && b.length_um() == 0.0) return true;
  return std::abs(a.entry_um - b.entry_um) < 1e-9 && std::abs(a.exit_um - b.exit_um) < 1e-9;
}

void compare(const SphereScene& scene, Vec3 start, Vec3 direction, double length_um) {
  std::vector<Crossing> buffer;
  std::vector<Crossing> found;
  scene.trace(start, direction, length_um, buffer, [&](const Crossing& crossing) {
    found.push_back(crossing);
    return true;
  });
  const auto expected = brute_force(scene, start, direction, length_um);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].cell == expected[i].cell);
    REQUIRE(same(found[i].whole, expected[i].whole));
    REQUIRE(same(found[i].inside, expected[i].inside));
    REQUIRE(same(found[i].nucleus, expected[i].nucleus));
  }
}

double brute_distance(const SphereScene& scene, Vec3 point) {
  double nearest = std::numeric_limits<double>::infinity();
  for (std::int64_t rank = 0; rank < scene.n_cells(); ++rank) {
    for (const Ball ball : {scene.cell(rank), scene.inside(rank), scene.nucleus(rank)}) {
      nearest = std::min(nearest, std::abs(norm(point - ball.center_um) - ball.radius_um));
    }
  }
  return nearest;
}

}  // namespace

TEST_CASE("a walk over voxels finds what testing every cell finds, in order of entry") {
  for (const double smallest_um : {4.0, 0.7}) {
    const Cells cells = random_cells(60, 60.0, smallest_um, 5.0);
    const SphereScene scene = cells.scene(0.01);
    Stream stream(3, Stage::packing_start, 1);
    for (int i = 0; i < 3000; ++i) {
      const Vec3 start{120.0 * stream.uniform() - 30.0, 120.0 * stream.uniform() - 30.0,
                       120.0 * stream.uniform() - 30.0};
      const double length = i % 2 == 0 ? 90.0 * stream.uniform() : 2.0 * stream.uniform();
      compare(scene, start, isotropic_direction(stream), length);
    }
    // Along the axes, on the sides of voxels, from far away.
    for (const Vec3 way : {Vec3{1.0, 0.0, 0.0}, Vec3{0.0, -1.0, 0.0}, Vec3{0.0, 0.0, 1.0}}) {
      const Ball cell = scene.cell(7);
      compare(scene, cell.center_um - 200.0 * way, way, 500.0);
      compare(scene, cell.center_um, way, 1e-3);
      compare(scene, {cell.center_um.x, cell.center_um.y, cell.center_um.z - cell.radius_um}, way,
              80.0);
    }
  }
}

TEST_CASE("cells far apart share few large voxels") {
  Cells cells;
  cells.x = {0.0, 5000.0, 5000.0};
  cells.y = {0.0, 0.0, -3000.0};
  cells.z = {0.0, 10.0, 4000.0};
  cells.radius = {5.0, 4.0, 3.0};
  cells.nucleus = {3.0, 3.0, 2.0};
  const SphereScene scene = cells.scene(0.0);
  for (std::int64_t target = 0; target < 3; ++target) {
    const Vec3 start{100.0, 50.0, -70.0};
    const Vec3 way = scene.cell(target).center_um - start;
    compare(scene, start, (1.0 / norm(way)) * way, 2.0 * norm(way));
    CHECK(scene.locate(scene.cell(target).center_um).cell == target);
  }
  CHECK(scene.clearance({2500.0, 0.0, 0.0}) <= 2496.0);
}

TEST_CASE("places and the distance to the nearest surface") {
  const Cells cells = random_cells(60, 60.0, 2.0, 5.0);
  const SphereScene scene = cells.scene(0.1);
  Stream stream(4, Stage::packing_start, 2);
  int inside = 0;
  for (int i = 0; i < 20000; ++i) {
    const Vec3 point{100.0 * stream.uniform() - 20.0, 100.0 * stream.uniform() - 20.0,
                     100.0 * stream.uniform() - 20.0};
    const Place place = scene.locate(point);
    const double distance = brute_distance(scene, point);
    if (place.cell >= 0) {
      ++inside;
      CHECK(norm(point - scene.cell(place.cell).center_um) <= scene.cell(place.cell).radius_um);
      CHECK(scene.clearance(point) == doctest::Approx(distance).epsilon(1e-9));
      const Ball core = scene.nucleus(place.cell);
      CHECK((norm(point - core.center_um) <= core.radius_um) ==
            (place.region == CellRegion::nucleus));
    } else {
      CHECK(scene.clearance(point) <= distance * (1.0 + 1e-12));
      CHECK(scene.clearance(point) >= 0.0);
    }
  }
  CHECK(inside > 200);
}

TEST_CASE("a nucleus that leaves its cell is refused") {
  Cells cells;
  cells.x = cells.y = cells.z = {0.0};
  cells.radius = {5.0};
  cells.nucleus = {3.0};
  cells.offset = {0.0, 1.5, 1.5};
  CHECK_THROWS_AS(cells.scene(0.01), GeometryError);
  cells.offset.clear();
  cells.nucleus = {5.0};
  CHECK_THROWS_AS(cells.scene(0.01), GeometryError);
  CHECK_NOTHROW(cells.scene(0.0));
}
