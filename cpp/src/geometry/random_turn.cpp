// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/random_turn.hpp"

#include <cmath>

#include "immunodose/core/constants.hpp"

namespace immunodose {

namespace {

Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

}  // namespace

RandomTurn::RandomTurn(PackingSpace space, Stream& stream) {
  if (space == PackingSpace::planar) {
    const double half_angle = constants::pi * stream.uniform();
    scalar_ = std::cos(half_angle);
    axis_ = {0.0, 0.0, std::sin(half_angle)};
    return;
  }
  // Uniform quaternion [Shoemake 1992, doi:10.1016/B978-0-08-050755-2.50036-1].
  const double u = stream.uniform();
  const double first = 2.0 * constants::pi * stream.uniform();
  const double second = 2.0 * constants::pi * stream.uniform();
  scalar_ = std::sqrt(u) * std::cos(second);
  axis_ = {std::sqrt(1.0 - u) * std::sin(first), std::sqrt(1.0 - u) * std::cos(first),
           std::sqrt(u) * std::sin(second)};
}

Vec3 RandomTurn::operator()(Vec3 p) const {
  const Vec3 t = 2.0 * cross(axis_, p);
  return p + scalar_ * t + cross(axis_, t);
}

}  // namespace immunodose
