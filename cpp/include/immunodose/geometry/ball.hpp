// SPDX-License-Identifier: BSD-3-Clause
#pragma once
#include <algorithm>
#include <cmath>

#include "immunodose/core/vec3.hpp"

namespace immunodose {

struct Ball {
  Vec3 center_um;
  double radius_um = 0.0;
};

// Path (um) along a unit vector to the surface from inside; 0 from outside, whatever lies ahead.
inline double path_out_um(const Ball& ball, Vec3 position_um, Vec3 direction) {
  const Vec3 from_center = position_um - ball.center_um;
  const double inside = ball.radius_um * ball.radius_um - dot(from_center, from_center);
  if (inside <= 0.0) return 0.0;
  const double along = dot(from_center, direction);
  return std::max(0.0, std::sqrt(along * along + inside) - along);
}

}  // namespace immunodose
