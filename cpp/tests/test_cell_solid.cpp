// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "doctest.h"
#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/geometry/cell_solid.hpp"
#include "immunodose/transport/cell_tally.hpp"

using namespace immunodose;

namespace {

const CellShapeAxes round_cell{{5.0, 5.0, 5.0}, {3.0, 3.0, 3.0}, {}, 0.01};
const CellShapeAxes long_cell{{8.0, 5.0, 4.0}, {3.0, 2.5, 2.0}, {1.5, -0.5, 0.3}, 0.4};

Vec3 random_vector(std::mt19937_64& rng, double size) {
  std::uniform_real_distribution<double> coordinate(-size, size);
  return {coordinate(rng), coordinate(rng), coordinate(rng)};
}

Vec3 random_direction(std::mt19937_64& rng) {
  const Vec3 v = random_vector(rng, 1.0);
  return (1.0 / norm(v)) * v;
}

// Path lengths in nucleus, cytoplasm and membrane, point by point.
std::array<double, 3> stepped_lengths(const CellSolid& cell, Vec3 start, Vec3 direction,
                                      double length) {
  constexpr int n = 20000;
  std::array<double, 3> found{};
  for (int i = 0; i < n; ++i) {
    const SolidRegion region = cell.region(start + ((i + 0.5) * length / n) * direction);
    if (region != SolidRegion::outside) found[static_cast<std::size_t>(region)] += length / n;
  }
  return found;
}

}  // namespace

TEST_CASE("chords are the path lengths inside, found point by point") {
  std::mt19937_64 rng(1);
  for (const auto& axes : {round_cell, long_cell}) {
    const std::vector<CellSolid> cells{CellSolid({1.0, 2.0, 3.0}, axes)};
    for (int k = 0; k < 40; ++k) {
      const Vec3 start = Vec3{1.0, 2.0, 3.0} + random_vector(rng, 9.0);
      const Vec3 direction = random_direction(rng);
      const double length = k % 2 == 0 ? 30.0 : 4.0;
      const auto expected = stepped_lengths(cells[0], start, direction, length);
      CellTally tally(cells);
      tally.segment(start, direction, length, length);  // 1 keV/um
      for (std::size_t r = 0; r < n_solid_regions; ++r) {
        // Two crossings, each to one step.
        CHECK(std::abs(tally.energy_keV()[r] - expected[r]) < 2.1 * length / 20000);
      }
      CHECK(tally.total_keV() == doctest::Approx(length));
    }
  }
}

TEST_CASE("a far ray keeps its chord") {
  const Ellipsoid ball({0.0, 0.0, 0.0}, {5.0, 5.0, 5.0});
  const PathPart chord = ball.chord({-1e6, 3.0, 0.0}, {1.0, 0.0, 0.0}, 1e7);
  CHECK(chord.length_um() == doctest::Approx(8.0).epsilon(1e-9));
}

TEST_CASE("clearance is a lower bound of the distance to every surface, exact for spheres") {
  std::mt19937_64 rng(2);
  const CellSolid round({}, round_cell);
  const CellSolid slim({}, long_cell);
  for (int k = 0; k < 300; ++k) {
    const Vec3 p = random_vector(rng, 8.0);
    const double r = norm(p);
    CHECK(round.clearance_um(p) ==
          doctest::Approx(std::min({std::abs(r - 3.0), std::abs(r - 4.99), std::abs(r - 5.0)})));
    const double clearance = slim.clearance_um(p);
    for (int j = 0; j < 20; ++j) {  // no step of this length leaves the region
      const Vec3 moved = p + (clearance * (1.0 - 1e-12)) * random_direction(rng);
      CHECK(slim.region(moved) == slim.region(p));
    }
  }
}

TEST_CASE("clearance of a row of cells is that of the nearest") {
  std::mt19937_64 rng(3);
  std::vector<CellSolid> cells;
  for (int i = 0; i < 30; ++i) cells.emplace_back(Vec3{4.0 * i, 0.0, 0.0}, round_cell);
  const CellTally tally(cells);
  for (int k = 0; k < 200; ++k) {
    const Vec3 p = Vec3{60.0, 0.0, 0.0} + random_vector(rng, 80.0);
    double nearest = 1e9;
    for (const auto& cell : cells) nearest = std::min(nearest, cell.clearance_um(p));
    CHECK(tally.clearance(p) == nearest);
  }
}

TEST_CASE("volumes of the regions add up to that of the cell") {
  const double factor = 4.0 / 3.0 * constants::pi;
  const CellSolid slim({}, long_cell);
  const double nucleus = slim.volume_um3(SolidRegion::nucleus);
  CHECK(nucleus == doctest::Approx(factor * 15.0));
  CHECK(nucleus + slim.volume_um3(SolidRegion::cytoplasm) +
            slim.volume_um3(SolidRegion::membrane) ==
        doctest::Approx(factor * 160.0));
  CHECK(slim.volume_um3(SolidRegion::membrane) ==
        doctest::Approx(factor * (160.0 - 7.6 * 4.6 * 3.6)));
  CHECK_THROWS_AS(slim.volume_um3(SolidRegion::outside), InputError);
}

TEST_CASE("the farthest point of a nucleus is found on its surface") {
  std::mt19937_64 rng(4);
  const Ellipsoid outer({}, {8.0, 5.0, 4.0});
  for (int k = 0; k < 20; ++k) {
    const Vec3 axes = Vec3{1.0, 1.0, 1.0} + random_vector(rng, 0.9);
    // Every third one on an axis, where the dual has its minimum at the end of the interval.
    const Vec3 center = k % 3 == 0 ? Vec3{2.0, 0.0, 0.0} : random_vector(rng, 2.0);
    const Ellipsoid inner(center, axes);
    double farthest = 0.0;
    for (int j = 0; j < 20000; ++j) {
      farthest = std::max(farthest, norm(outer.to_unit(inner.from_unit(random_direction(rng)))));
    }
    const double reach = largest_reach(inner, outer);
    CHECK(reach >= farthest * (1.0 - 1e-12));
    CHECK(reach < farthest * 1.001);
  }
}

TEST_CASE("a nucleus may touch the membrane but not leave through it") {
  CHECK_NOTHROW(CellSolid({}, {{5.0, 5.0, 5.0}, {3.0, 3.0, 3.0}, {1.9, 0.0, 0.0}, 0.1}));
  CHECK_THROWS_AS(CellSolid({}, {{5.0, 5.0, 5.0}, {3.0, 3.0, 3.0}, {1.901, 0.0, 0.0}, 0.1}),
                  GeometryError);
  CHECK_THROWS_AS(CellSolid({}, {{5.0, 5.0, 2.0}, {3.0, 3.0, 3.0}, {}, 0.1}), GeometryError);
  CHECK_THROWS_AS(CellSolid({}, {{5.0, 5.0, 2.0}, {1.0, 1.0, 1.0}, {}, 2.0}), GeometryError);
}

TEST_CASE("a tally wants cells in order") {
  const std::vector<CellSolid> cells{CellSolid({5.0, 0.0, 0.0}, round_cell),
                                     CellSolid({0.0, 0.0, 0.0}, round_cell)};
  CHECK_THROWS_AS(CellTally{cells}, InputError);
}
