// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <limits>
#include <vector>

#include "doctest.h"
#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/response/mean_dose_survival.hpp"
#include "immunodose/response/track_segment.hpp"

using namespace immunodose;

TEST_CASE("core and penumbra hold the LET") {
  const auto track = alpha_track_segment(5000.0, 88.0);
  const double core = constants::pi * track.core_radius_um * track.core_radius_um;
  const double penumbra = 2.0 * constants::pi * track.penumbra_Gy_um2 *
                          std::log(track.penumbra_radius_um / track.core_radius_um);
  CHECK(core * track.core_dose_Gy + penumbra == doctest::Approx(track.track_Gy_um2));
  // 1 keV/um over 1 g/cm3 is 0.1602 Gy um2.
  CHECK(track.track_Gy_um2 == doctest::Approx(88.0 * 0.1602176634));
}

TEST_CASE("a cylinder that holds the whole track gets all of its energy") {
  const auto track = alpha_track_segment(5000.0, 88.0);
  const double radius = 2.0;
  CHECK(segment_specific_energy_Gy(track, radius, 0.5) ==
        doctest::Approx(track.track_Gy_um2 / (constants::pi * radius * radius)).epsilon(1e-12));
  CHECK(segment_specific_energy_Gy(track, radius, radius + track.penumbra_radius_um + 1e-9) == 0.0);
}

TEST_CASE("the mean of z over all distances is the dose") {
  const auto track = alpha_track_segment(20000.0, 32.0);
  const double radius = 0.3;
  double sum = 0.0;
  const double end = radius + track.penumbra_radius_um;
  const int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double b = (i + 0.5) * end / n;
    sum += 2.0 * constants::pi * b * (end / n) * segment_specific_energy_Gy(track, radius, b);
  }
  CHECK(sum == doctest::Approx(track.track_Gy_um2).epsilon(2e-4));
}

TEST_CASE("saturation only lowers, and not at all when it lies far away") {
  const auto track = alpha_track_segment(3000.0, 130.0);
  const auto free = region_specific_energy(track, 0.3, std::numeric_limits<double>::infinity());
  const auto weak = region_specific_energy(track, 0.3, 1e6);
  const auto strong = region_specific_energy(track, 0.3, 50.0);
  CHECK(weak.saturated_dose_mean_Gy == doctest::Approx(weak.dose_mean_Gy).epsilon(1e-6));
  CHECK(strong.saturated_dose_mean_Gy < 0.7 * strong.dose_mean_Gy);
  CHECK(free.dose_mean_Gy == strong.dose_mean_Gy);
}

TEST_CASE("impossible segments are refused") {
  CHECK_THROWS_AS(alpha_track_segment(0.0, 100.0), InputError);
  CHECK_THROWS_AS(alpha_track_segment(5000.0, 1.0), InputError);
  CHECK_THROWS_AS(region_specific_energy(alpha_track_segment(5000.0, 88.0), 0.0, 50.0), InputError);
  CHECK_THROWS_AS(region_specific_energy(alpha_track_segment(5000.0, 88.0), 0.3, 0.0), InputError);
}

TEST_CASE("mean doses are linear-quadratic, with the first-order spread of the nucleus") {
  const std::vector<double> a{0.3, 0.3}, b{0.5, 0.5}, g{0.4, 0.4}, e{0.0, 0.1};
  const auto found = mean_dose_log_survival(a, b, g, e, 1);
  CHECK(found[0] == doctest::Approx(-0.4).epsilon(1e-14));
  CHECK(found[1] == doctest::Approx(-0.4 + std::log(1.0 + 0.1 * (0.125 - 0.1))).epsilon(1e-14));
}
