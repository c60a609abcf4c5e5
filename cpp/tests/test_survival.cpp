// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/response/survival.hpp"

using namespace immunodose;

namespace {

std::array<double, n_event_moments> moments_of(const std::vector<double>& n,
                                               const std::vector<double>& z) {
  std::array<double, n_event_moments> moments{};
  for (std::size_t k = 0; k < n_event_moments; ++k) {
    for (std::size_t b = 0; b < n.size(); ++b) {
      moments[k] += n[b] * std::pow(z[b], static_cast<double>(k));
    }
  }
  return moments;
}

}  // namespace

TEST_CASE("three events come back from their moments") {
  const auto rule = quadrature_from_moments(moments_of({1.0, 2.0, 0.3}, {0.05, 0.2, 0.4}));
  REQUIRE(rule.n_nodes == 3);
  double total = 0.0;
  for (const double n : rule.expected_decays) total += n;
  CHECK(total == doctest::Approx(3.3).epsilon(1e-12));
}

TEST_CASE("fewer points of support give fewer nodes") {
  CHECK(quadrature_from_moments(moments_of({2.0}, {0.3})).n_nodes == 1);
  CHECK(quadrature_from_moments(moments_of({2.0, 1.0}, {0.3, 0.1})).n_nodes == 2);
  CHECK(quadrature_from_moments(moments_of({0.0}, {0.3})).n_nodes == 0);
}

TEST_CASE("moments that no measure has are refused") {
  std::array<double, n_event_moments> moments{0.0, 1.0, 0.0, 0.0, 0.0, 0.0};
  CHECK_THROWS_AS(quadrature_from_moments(moments), InputError);
  moments[0] = -1.0;
  CHECK_THROWS_AS(quadrature_from_moments(moments), InputError);
}

TEST_CASE("without a quadratic term the compound Poisson has a closed form") {
  const auto events = quadrature_from_moments(moments_of({1.0, 2.0}, {0.5, 0.2}));
  const double expected = -0.3 + std::expm1(-0.35) + 2.0 * std::expm1(-0.14);
  CHECK(log_survival(events, {0.7, 0.0}, {0.3, 0.0}, 0.4) ==
        doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("without hits the mean doses are linear-quadratic, and no dose leaves 1") {
  CHECK(log_survival({}, {0.7, 0.1}, {0.3, 0.5}, 0.4) ==
        doctest::Approx(-0.3 - 0.4 * 0.25).epsilon(1e-14));
  CHECK(log_survival({}, {0.7, 0.1}, {0.0, 0.0}, 1.0) == 0.0);
}

TEST_CASE("a slope above one kill per hit is refused") {
  CHECK_THROWS_AS(event_alpha_from_slope(100.0, 100.0, 5.0), InputError);
  CHECK(event_alpha_from_slope(0.0, 100.0, 5.0) == 0.0);
}
