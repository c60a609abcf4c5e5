// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <limits>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/geometry/line_distance.hpp"

using namespace immunodose;

TEST_CASE("distances to lines are those of the sum over all, for any bins and threads") {
  Stream stream(8, Stage::packing_start, 1);
  const auto uniform = [&](double half) { return half * (2.0 * stream.uniform() - 1.0); };
  std::vector<Line> lines;
  for (int k = 0; k < 40; ++k) {
    const Vec3 direction{uniform(1.0), uniform(1.0), uniform(1.0)};
    lines.push_back(
        {{uniform(300.0), uniform(300.0), uniform(300.0)}, (1.0 / norm(direction)) * direction});
  }
  std::vector<double> x(2000), y(2000), z(2000);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = uniform(200.0);
    y[i] = uniform(200.0);
    z[i] = uniform(200.0);
  }
  const auto first = line_distances_um(x, y, z, lines, 25.0, 1);
  CHECK(first == line_distances_um(x, y, z, lines, 25.0, 3));
  CHECK(first == line_distances_um(x, y, z, lines, 400.0, 2));
  for (std::size_t i = 0; i < x.size(); ++i) {
    double least = std::numeric_limits<double>::infinity();
    for (const Line& line : lines) {
      const Vec3 off = Vec3{x[i], y[i], z[i]} - line.point_um;
      const Vec3 u = line.direction;
      const Vec3 across{off.y * u.z - off.z * u.y, off.z * u.x - off.x * u.z,
                        off.x * u.y - off.y * u.x};
      least = std::min(least, norm(across));
    }
    CHECK(first[i] == doctest::Approx(least).epsilon(1e-10));
  }
}

TEST_CASE("lines without a direction and no lines are refused") {
  const std::vector<double> one{0.0};
  CHECK_THROWS_AS(line_distances_um(one, one, one, {}, 1.0, 1), InputError);
  const std::vector<Line> bad{{{0.0, 0.0, 0.0}, {0.0, 0.0, 0.5}}};
  CHECK_THROWS_AS(line_distances_um(one, one, one, bad, 1.0, 1), InputError);
}
