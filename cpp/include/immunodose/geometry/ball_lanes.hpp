// SPDX-License-Identifier: BSD-3-Clause
// Four balls at a time, on a grid of whole numbers: differences are exact, and single precision is
// enough for the rest. With and without SSE2 the same IEEE operations in the same order.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

#include "immunodose/core/simd.hpp"

namespace immunodose {

struct alignas(16) GridBall {  // in units of the grid
  std::int32_t x, y, z;
  float radius;
};

inline constexpr std::size_t n_lanes = 4;

// From four balls to one: offsets, squared distances and distances at contact.
#if defined(__SSE2__)
struct BallLanes {
  __m128 x, y, z, squared, contact;

  BallLanes(const GridBall& own, const GridBall& a, const GridBall& b, const GridBall& c,
            const GridBall& d) {
    const auto load = [](const GridBall& ball) {
      return _mm_castsi128_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(&ball)));
    };
    x = load(a);
    y = load(b);
    z = load(c);
    __m128 radius = load(d);
    _MM_TRANSPOSE4_PS(x, y, z, radius);
    const auto offset = [](std::int32_t from, __m128 bits) {
      return _mm_cvtepi32_ps(_mm_sub_epi32(_mm_set1_epi32(from), _mm_castps_si128(bits)));
    };
    x = offset(own.x, x);
    y = offset(own.y, y);
    z = offset(own.z, z);
    squared = _mm_add_ps(_mm_add_ps(_mm_mul_ps(x, x), _mm_mul_ps(y, y)), _mm_mul_ps(z, z));
    contact = _mm_add_ps(_mm_set1_ps(own.radius), radius);
  }
  // Bit k is set where ball k is closer than `factor` times contact and `beyond`.
  unsigned closer(float factor, float beyond) const {
    const __m128 reach = _mm_add_ps(_mm_mul_ps(contact, _mm_set1_ps(factor)), _mm_set1_ps(beyond));
    return static_cast<unsigned>(_mm_movemask_ps(_mm_cmplt_ps(squared, _mm_mul_ps(reach, reach))));
  }
};

class PushSum {
 public:
  // Adds the push of spheres of `softness` times their diameter.
  void add(const BallLanes& lanes, float softness) {
    const __m128 distance = _mm_sqrt_ps(_mm_max_ps(lanes.squared, _mm_set1_ps(1.0F)));
    const __m128 soft = _mm_mul_ps(lanes.contact, _mm_set1_ps(softness));
    const __m128 weight =
        _mm_max_ps(_mm_sub_ps(_mm_div_ps(soft, distance), _mm_set1_ps(1.0F)), _mm_setzero_ps());
    x_ = _mm_add_ps(x_, _mm_mul_ps(weight, lanes.x));
    y_ = _mm_add_ps(y_, _mm_mul_ps(weight, lanes.y));
    z_ = _mm_add_ps(z_, _mm_mul_ps(weight, lanes.z));
  }
  std::array<float, 3> total() const { return {sum(x_), sum(y_), sum(z_)}; }

 private:
  static float sum(__m128 lanes) {
    alignas(16) std::array<float, n_lanes> v;
    _mm_store_ps(v.data(), lanes);
    return (v[0] + v[1]) + (v[2] + v[3]);
  }
  __m128 x_ = _mm_setzero_ps(), y_ = _mm_setzero_ps(), z_ = _mm_setzero_ps();
};
#else
struct BallLanes {
  std::array<float, n_lanes> x, y, z, squared, contact;

  BallLanes(const GridBall& own, const GridBall& a, const GridBall& b, const GridBall& c,
            const GridBall& d) {
    const std::array<const GridBall*, n_lanes> balls{&a, &b, &c, &d};
    for (std::size_t k = 0; k < n_lanes; ++k) {
      x[k] = static_cast<float>(own.x - balls[k]->x);
      y[k] = static_cast<float>(own.y - balls[k]->y);
      z[k] = static_cast<float>(own.z - balls[k]->z);
      squared[k] = (x[k] * x[k] + y[k] * y[k]) + z[k] * z[k];
      contact[k] = own.radius + balls[k]->radius;
    }
  }
  unsigned closer(float factor, float beyond) const {
    unsigned lanes = 0;
    for (std::size_t k = 0; k < n_lanes; ++k) {
      const float reach = contact[k] * factor + beyond;
      lanes |= (squared[k] < reach * reach ? 1U : 0U) << k;
    }
    return lanes;
  }
};

class PushSum {
 public:
  void add(const BallLanes& lanes, float softness) {
    for (std::size_t k = 0; k < n_lanes; ++k) {
      const float squared = lanes.squared[k] > 1.0F ? lanes.squared[k] : 1.0F;
      const float weight = lanes.contact[k] * softness / std::sqrt(squared) - 1.0F;
      if (!(weight > 0.0F)) continue;
      x_[k] += weight * lanes.x[k];
      y_[k] += weight * lanes.y[k];
      z_[k] += weight * lanes.z[k];
    }
  }
  std::array<float, 3> total() const { return {sum(x_), sum(y_), sum(z_)}; }

 private:
  static float sum(const std::array<float, n_lanes>& v) { return (v[0] + v[1]) + (v[2] + v[3]); }
  std::array<float, n_lanes> x_{}, y_{}, z_{};
};
#endif

}  // namespace immunodose
