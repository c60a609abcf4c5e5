// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
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

TEST_CASE("close-packed cells stay inside and apart, from empty to full") {
  for (const PackingSpace space : {PackingSpace::spatial, PackingSpace::planar}) {
    const std::int64_t most = max_cells(space, 5.0, 60.0);
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{2}, most / 3, most - 1, most}) {
      const Centers centers = pack_close(space, 5.0, n, 60.0, 20, 42, 1);
      REQUIRE(static_cast<std::int64_t>(centers.x_um.size()) == n);
      CHECK(no_overlap(centers, 5.0));
      CHECK(farthest(centers) + 5.0 <= 60.0);
      if (space == PackingSpace::planar) {
        for (const double z : centers.z_um) CHECK(z == 0.0);
      }
    }
    CHECK_THROWS_AS(pack_close(space, 5.0, most + 1, 60.0, 20, 42, 1), GeometryError);
  }
}

TEST_CASE("random cells stay inside and apart, from empty to dense") {
  for (const PackingSpace space : {PackingSpace::spatial, PackingSpace::planar}) {
    const double dense = space == PackingSpace::planar ? 0.7 : 0.5;
    for (const double fraction : {0.001, 0.1, 0.4, dense}) {
      const auto n = static_cast<std::int64_t>(
          std::round(fraction * std::pow(12.0, space == PackingSpace::planar ? 2.0 : 3.0)));
      if (n < 1) continue;
      const Packing packing = pack_random(space, {5.0}, n, 60.0, 20, 42, 1);
      CHECK(packing.fraction_reached == packing.fraction);
      REQUIRE(static_cast<std::int64_t>(packing.centers.x_um.size()) == n);
      CHECK(no_overlap(packing.centers, 5.0));
      CHECK(farthest(packing.centers) + 5.0 <= 60.0);
      if (space == PackingSpace::planar) {
        for (const double z : packing.centers.z_um) CHECK(z == 0.0);
      }
    }
  }
}

TEST_CASE("a packing that cannot be reached says how far it came") {
  const Packing packing = pack_random(PackingSpace::spatial, {5.0}, 1200, 60.0, 5, 1, 1);
  CHECK(packing.fraction == doctest::Approx(1200.0 / 1728.0));
  CHECK(packing.fraction_reached > 0.5);
  CHECK(packing.fraction_reached < 0.64);
  CHECK(packing.centers.x_um.empty());
}

TEST_CASE("cells of many sizes keep apart, and their radii are kept") {
  std::vector<double> radius(3000);
  Stream stream(3, Stage::packing_start, 1);
  for (double& r : radius) r = 2.0 + 6.0 * stream.uniform() * stream.uniform();
  double volume = 0.0;
  for (const double r : radius) volume += r * r * r;
  const Packing packing =
      pack_random(PackingSpace::spatial, radius, 3000, std::cbrt(volume / 0.55), 10, 5, 2);
  REQUIRE(packing.fraction_reached == packing.fraction);
  CHECK(find_overlaps(packing.centers.x_um, packing.centers.y_um, packing.centers.z_um,
                      packing.radius_um, 1e-9, 1)
            .n_pairs == 0);
  std::vector<double> sorted = packing.radius_um;
  std::sort(sorted.begin(), sorted.end());
  std::sort(radius.begin(), radius.end());
  CHECK(sorted == radius);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const Centers& c = packing.centers;
    CHECK(std::hypot(c.x_um[i], c.y_um[i], c.z_um[i]) + packing.radius_um[i] <=
          std::cbrt(volume / 0.55) * (1.0 + 1e-15));
  }
}

TEST_CASE("a lone cell in a vast ball and sweeps that change nothing else but positions") {
  const Centers lone = pack_random(PackingSpace::spatial, {1.0}, 1, 1e6, 50, 1, 1).centers;
  CHECK(farthest(lone) > 0.0);
  CHECK(farthest(lone) + 1.0 <= 1e6);
  const Centers start = pack_close(PackingSpace::spatial, 5.0, 500, 60.0, 0, 1, 1);
  const Centers mixed = pack_close(PackingSpace::spatial, 5.0, 500, 60.0, 5, 1, 1);
  CHECK(start.x_um != mixed.x_um);
}

TEST_CASE("the root alone decides the arrangement, not the number of threads") {
  const auto pack = [](std::uint64_t root, int n_threads) {
    return pack_random(PackingSpace::spatial, {5.0}, 6000, 116.0, 5, root, n_threads).centers;
  };
  const Centers first = pack(9, 1);
  REQUIRE(first.x_um.size() == 6000);
  for (const int n_threads : {2, 3, 7}) {
    const Centers again = pack(9, n_threads);
    CHECK(first.x_um == again.x_um);
    CHECK(first.y_um == again.y_um);
    CHECK(first.z_um == again.z_um);
  }
  CHECK(first.x_um != pack(10, 2).x_um);
}

TEST_CASE("packing can be stopped and refuses senseless sizes") {
  const PackingSpace space = PackingSpace::spatial;
  CHECK_THROWS_AS(pack_random(space, {5.0}, 100, 60.0, 10, 1, 1, [] { return true; }), Interrupted);
  CHECK_THROWS_AS(pack_random(space, {0.0}, 1, 60.0, 1, 1, 1), InputError);
  CHECK_THROWS_AS(pack_random(space, {61.0}, 1, 60.0, 1, 1, 1), InputError);
  CHECK_THROWS_AS(pack_random(space, {5.0}, 0, 60.0, 1, 1, 1), InputError);
  CHECK_THROWS_AS(pack_random(space, {5.0}, 1, 60.0, -1, 1, 1), InputError);
  CHECK_THROWS_AS(pack_close(space, 0.0, 1, 60.0, 1, 1, 1), InputError);
  CHECK_THROWS_AS(max_cells(space, 1.0, -1.0), InputError);
}
