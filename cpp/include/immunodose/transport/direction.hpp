// SPDX-License-Identifier: BSD-3-Clause
// Random directions and deflections.
#pragma once
#include <algorithm>
#include <cmath>

#include "immunodose/core/streams.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

struct Azimuth {
  double cosine;
  double sine;
};

// Uniform azimuth from a point in the unit disk: twice its angle, which costs no root.
inline Azimuth random_azimuth(Stream& random) {
  for (;;) {
    const Stream::Halves point = random.halves();
    const double a = 2.0 * point.first - 1.0;
    const double b = 2.0 * point.second - 1.0;
    const double square = a * a + b * b;
    if (square > 1.0) continue;
    const double inverse = 1.0 / square;
    return {(a * a - b * b) * inverse, 2.0 * a * b * inverse};
  }
}

// The unit vector at the polar angle of `one_minus_cosine` and the azimuth around `direction`.
inline Vec3 turned(Vec3 direction, double one_minus_cosine, Azimuth azimuth) {
  const double cosine = 1.0 - one_minus_cosine;
  const double square = std::max(0.0, one_minus_cosine * (2.0 - one_minus_cosine));  // of the sine
  const double across = direction.x * direction.x + direction.y * direction.y;
  Vec3 to;
  if (across > 1e-14) {
    const double sine = std::sqrt(square / across);
    const double a = sine * azimuth.cosine;
    const double b = sine * azimuth.sine;
    to = {direction.x * cosine + a * direction.x * direction.z - b * direction.y,
          direction.y * cosine + a * direction.y * direction.z + b * direction.x,
          direction.z * cosine - a * across};
  } else {
    const double sine = std::sqrt(square);
    to = {sine * azimuth.cosine, sine * azimuth.sine, direction.z > 0.0 ? cosine : -cosine};
  }
  // One Newton step towards length 1, from which rounding alone leads away.
  return (1.5 - 0.5 * dot(to, to)) * to;
}

// The unit vector at the polar angle `cosine` and the azimuth around `direction`.
inline Vec3 deflected(Vec3 direction, double cosine, Azimuth azimuth) {
  return turned(direction, 1.0 - cosine, azimuth);
}

inline Vec3 isotropic_direction(Stream& random) {
  const double cosine = 2.0 * random.uniform32() - 1.0;
  const double sine = std::sqrt(std::max(0.0, 1.0 - cosine * cosine));
  const Azimuth azimuth = random_azimuth(random);
  return {sine * azimuth.cosine, sine * azimuth.sine, cosine};
}

}  // namespace immunodose
