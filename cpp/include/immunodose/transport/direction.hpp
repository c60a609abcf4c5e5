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

// Uniform azimuth from a point in the unit disk: no trigonometric function.
inline Azimuth random_azimuth(Stream& random) {
  for (;;) {
    const double a = 2.0 * random.uniform32() - 1.0;
    const double b = 2.0 * random.uniform32() - 1.0;
    const double square = a * a + b * b;
    if (square > 1.0 || square < 1e-12) continue;
    const double inverse = 1.0 / std::sqrt(square);
    return {a * inverse, b * inverse};
  }
}

// The unit vector at the polar angle `cosine` and the azimuth around `direction`.
inline Vec3 deflected(Vec3 direction, double cosine, Azimuth azimuth) {
  const double sine = std::sqrt(std::max(0.0, (1.0 - cosine) * (1.0 + cosine)));
  const double across = direction.x * direction.x + direction.y * direction.y;
  Vec3 turned;
  if (across > 1e-14) {
    const double root = std::sqrt(across);
    const double a = sine * azimuth.cosine / root;
    const double b = sine * azimuth.sine / root;
    turned = {direction.x * cosine + a * direction.x * direction.z - b * direction.y,
              direction.y * cosine + a * direction.y * direction.z + b * direction.x,
              direction.z * cosine - a * across};
  } else {
    turned = {sine * azimuth.cosine, sine * azimuth.sine, direction.z > 0.0 ? cosine : -cosine};
  }
  return (1.0 / norm(turned)) * turned;
}

inline Vec3 isotropic_direction(Stream& random) {
  const double cosine = 2.0 * random.uniform32() - 1.0;
  const double sine = std::sqrt(std::max(0.0, 1.0 - cosine * cosine));
  const Azimuth azimuth = random_azimuth(random);
  return {sine * azimuth.cosine, sine * azimuth.sine, cosine};
}

}  // namespace immunodose
