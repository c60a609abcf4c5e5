// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/geometry/overlap_check.hpp"
#include "immunodose/geometry/packing.hpp"

using namespace immunodose;

namespace {

bool no_overlap(const Centers& centers, double radius_um) {
  const std::vector<double> radius(centers.x_um.size(), radius_um);
  return find_overlaps(centers.x_um, centers.y_um, centers.z_um, radius, 1e-9, 1).n_pairs == 0;
}

double farthest(const Centers& centers) {
  double most = 0.0;
  for (std::size_t i = 0; i < centers.x_um.size(); ++i) {
    most = std::max(most, std::hypot(centers.x_um[i], centers.y_um[i], centers.z_um[i]));
  }
  return most;
}

}  // namespace

TEST_CASE("the smallest ball around few spheres is the known one") {
  const auto ball = [](std::int64_t n) {
    return smallest_outer_radius_um(PackingSpace::spatial, 1.0, n);
  };
  CHECK(ball(1) == doctest::Approx(1.0));
  CHECK(ball(2) == doctest::Approx(2.0));
  CHECK(ball(3) == doctest::Approx(1.0 + 2.0 / std::sqrt(3.0)));
  CHECK(ball(4) == doctest::Approx(1.0 + std::sqrt(1.5)));  // tetrahedron
  CHECK(ball(6) == doctest::Approx(1.0 + std::sqrt(2.0)));  // octahedron
  CHECK(ball(13) == doctest::Approx(3.0));
  const auto circle = [](std::int64_t n) {
    return smallest_outer_radius_um(PackingSpace::planar, 2.0, n);
  };
  CHECK(circle(2) == doctest::Approx(4.0));
  CHECK(circle(3) == doctest::Approx(2.0 * (1.0 + 2.0 / std::sqrt(3.0))));
  CHECK(circle(7) == doctest::Approx(6.0));
  CHECK(circle(19) == doctest::Approx(10.0));
}

TEST_CASE("large balls approach the close packing of sqrt(2) pi / 6 and pi / sqrt(12)") {
  const double share =
      static_cast<double>(max_cells(PackingSpace::spatial, 1.0, 80.0)) / std::pow(79.0, 3);
  CHECK(share == doctest::Approx(0.74048).epsilon(0.01));
  const double planar_share =
      static_cast<double>(max_cells(PackingSpace::planar, 1.0, 300.0)) / std::pow(299.0, 2);
  CHECK(planar_share == doctest::Approx(0.9069).epsilon(0.01));
  CHECK(max_cells(PackingSpace::spatial, 1.0, 0.9) == 0);
  CHECK(max_cells(PackingSpace::spatial, 1.0, 1.0) == 1);
}

TEST_CASE("packed cells stay inside and apart, from empty to full") {
  for (const PackingSpace space : {PackingSpace::spatial, PackingSpace::planar}) {
    const std::int64_t most = max_cells(space, 5.0, 60.0);
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{2}, most / 3, most - 1, most}) {
      const Centers centers = pack_cells(space, 5.0, 60.0, n, 20, 42);
      REQUIRE(static_cast<std::int64_t>(centers.x_um.size()) == n);
      CHECK(no_overlap(centers, 5.0));
      CHECK(farthest(centers) + 5.0 <= 60.0);
      if (space == PackingSpace::planar) {
        for (const double z : centers.z_um) CHECK(z == 0.0);
      }
    }
    CHECK_THROWS_AS(pack_cells(space, 5.0, 60.0, most + 1, 20, 42), GeometryError);
  }
}

TEST_CASE("a lone cell in a vast ball and sweeps that change nothing else but positions") {
  const Centers lone = pack_cells(PackingSpace::spatial, 1.0, 1e6, 1, 50, 1);
  CHECK(farthest(lone) > 0.0);
  CHECK(farthest(lone) + 1.0 <= 1e6);
  const Centers start = pack_cells(PackingSpace::spatial, 5.0, 60.0, 500, 0, 1);
  const Centers mixed = pack_cells(PackingSpace::spatial, 5.0, 60.0, 500, 5, 1);
  CHECK(start.x_um != mixed.x_um);
}

TEST_CASE("the root alone decides the arrangement") {
  const Centers first = pack_cells(PackingSpace::spatial, 5.0, 60.0, 500, 10, 9);
  const Centers again = pack_cells(PackingSpace::spatial, 5.0, 60.0, 500, 10, 9);
  const Centers other = pack_cells(PackingSpace::spatial, 5.0, 60.0, 500, 10, 10);
  CHECK(first.x_um == again.x_um);
  CHECK(first.z_um == again.z_um);
  CHECK(first.x_um != other.x_um);
}

TEST_CASE("packing can be stopped and refuses senseless sizes") {
  CHECK_THROWS_AS(pack_cells(PackingSpace::spatial, 5.0, 60.0, 100, 10, 1, [] { return true; }),
                  Interrupted);
  CHECK_THROWS_AS(pack_cells(PackingSpace::spatial, 0.0, 60.0, 1, 1, 1), InputError);
  CHECK_THROWS_AS(pack_cells(PackingSpace::spatial, 5.0, 60.0, 0, 1, 1), InputError);
  CHECK_THROWS_AS(pack_cells(PackingSpace::spatial, 5.0, 60.0, 1, -1, 1), InputError);
  CHECK_THROWS_AS(max_cells(PackingSpace::spatial, 1.0, -1.0), InputError);
}
