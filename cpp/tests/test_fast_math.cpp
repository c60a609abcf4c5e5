// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>

#include "doctest.h"
#include "immunodose/core/fast_math.hpp"
#include "immunodose/core/sampling.hpp"
#include "immunodose/transport/direction.hpp"

using namespace immunodose;

TEST_CASE("fast logarithm and exponential") {
  double log_error = 0.0;
  double exp_error = 0.0;
  for (double x = 1e-12; x < 1e12; x *= 1.00037) {
    log_error = std::max(
        log_error, std::abs(fast_log(x) - std::log(x)) / std::max(1e-3, std::abs(std::log(x))));
  }
  for (double x = -50.0; x < 50.0; x += 0.00137) {
    exp_error = std::max(exp_error, std::abs(fast_exp(x) / std::exp(x) - 1.0));
  }
  CHECK(log_error < 1e-8);
  CHECK(exp_error < 1e-8);
  CHECK(fast_log(1.0) == 0.0);
  CHECK(fast_exp(0.0) == 1.0);
}

TEST_CASE("normal numbers have the moments and tails of their law") {
  constexpr int n = 400000;
  double mean = 0.0;
  double square = 0.0;
  double fourth = 0.0;
  int beyond_1 = 0;
  int beyond_3 = 0;
  int beyond_tail = 0;
  Stream stream(11, Stage::track_history, 1);
  for (int i = 0; i < n; ++i) {
    const double x = normal_number(stream);
    mean += x / n;
    square += x * x / n;
    fourth += x * x * x * x / n;
    beyond_1 += std::abs(x) > 1.0 ? 1 : 0;
    beyond_3 += std::abs(x) > 3.0 ? 1 : 0;
    beyond_tail += std::abs(x) > Ziggurat::tail_start ? 1 : 0;
  }
  // 6 standard errors: 2e-9 each for a fresh stream; this one is fixed.
  CHECK(std::abs(mean) < 6.0 / std::sqrt(n));
  CHECK(std::abs(square - 1.0) < 6.0 * std::sqrt(2.0 / n));
  CHECK(std::abs(fourth - 3.0) < 6.0 * std::sqrt(96.0 / n));
  const auto share_is_right = [&](int count, double beyond) {
    const double p = std::erfc(beyond / std::sqrt(2.0));
    return std::abs(count - n * p) < 6.0 * std::sqrt(n * p);
  };
  CHECK(share_is_right(beyond_1, 1.0));
  CHECK(share_is_right(beyond_3, 3.0));
  CHECK(share_is_right(beyond_tail, Ziggurat::tail_start));
}

TEST_CASE("deflections keep the length, the angle and a uniform azimuth") {
  Stream stream(12, Stage::track_history, 2);
  Vec3 direction{0.0, 0.0, 1.0};
  double cosine_sum = 0.0;
  double square_sum = 0.0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double one_minus_cosine = i % 3 == 0 ? 1e-9 : 1.9 * stream.uniform();
    const Azimuth azimuth = random_azimuth(stream);
    cosine_sum += azimuth.cosine + azimuth.sine;
    square_sum += azimuth.cosine * azimuth.cosine;
    CHECK(azimuth.cosine * azimuth.cosine + azimuth.sine * azimuth.sine ==
          doctest::Approx(1.0).epsilon(1e-12));
    const Vec3 to = turned(direction, one_minus_cosine, azimuth);
    CHECK(std::abs(dot(direction, to) - (1.0 - one_minus_cosine)) < 1e-12);
    CHECK(std::abs(norm(to) - 1.0) < 1e-12);
    direction = to;
  }
  CHECK(std::abs(cosine_sum) < 6.0 * std::sqrt(n));
  CHECK(std::abs(square_sum / n - 0.5) < 6.0 * std::sqrt(0.125 / n));
}
