// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/response/dose_in_time.hpp"

using namespace immunodose;

namespace {

double pair_of(const std::vector<double>& rates, double mu) {
  // A linear chain of which the last member gives the dose.
  std::vector<std::int64_t> parent;
  std::vector<std::int64_t> daughter;
  for (std::size_t i = 1; i < rates.size(); ++i) {
    parent.push_back(static_cast<std::int64_t>(i) - 1);
    daughter.push_back(static_cast<std::int64_t>(i));
  }
  const std::vector<double> fraction(parent.size(), 1.0);
  const std::vector<double> stays(rates.size(), 1.0);
  std::vector<double> atoms(rates.size(), 0.0);
  atoms[0] = 1.0;
  const std::vector<double> weight{1.0};
  const std::vector<double> repair{mu};
  return protraction_of_pairs({rates, parent, daughter, fraction, stays}, atoms, {weight, repair})
      .back();
}

}  // namespace

TEST_CASE("one exponential: lambda over lambda plus mu") {
  CHECK(pair_of({0.3}, 2.0) == doctest::Approx(0.3 / 2.3).epsilon(1e-14));
}

TEST_CASE("two equal rates: h = a^2 t exp(-a t)") {
  // Twice the Laplace transform of its autocorrelation a/4 (1 + a tau) exp(-a tau).
  const double a = 0.7;
  const double mu = 1.9;
  const double expected = 0.5 * a * (1.0 / (a + mu) + a / ((a + mu) * (a + mu)));
  CHECK(pair_of({a, a}, mu) == doctest::Approx(expected).epsilon(1e-14));
  CHECK(pair_of({a, a * (1.0 + 1e-9)}, mu) == doctest::Approx(expected).epsilon(1e-8));
}

TEST_CASE("a member that lives very short changes nothing") {
  CHECK(pair_of({0.3, 1e12}, 2.0) == doctest::Approx(0.3 / 2.3).epsilon(1e-11));
}

TEST_CASE("constant dose rate of length T") {
  // 2/(x^2) (x - 1 + exp(-x)), x = mu T, whatever the number of intervals.
  const std::vector<double> weight{1.0};
  for (const double mu : {1e-6, 0.1, 0.99, 1.01, 30.0}) {
    const double x = 5.0 * mu;
    const double expected =
        x < 1e-3 ? 1.0 - x / 3.0 + x * x / 12.0 : 2.0 / (x * x) * (x + std::expm1(-x));
    const std::vector<double> repair{mu};
    for (const auto& time :
         {std::vector<double>{0.0, 5.0}, std::vector<double>{0.0, 0.3, 0.31, 4.0, 5.0}}) {
      const std::vector<double> rate(time.size(), 0.4);
      const auto factor = lea_catcheside_of_curves(time, rate, {weight, repair}, 1);
      CHECK(factor[0] == doctest::Approx(expected).epsilon(1e-12));
    }
  }
}

TEST_CASE("no dose counts as acute") {
  const std::vector<double> zeros(2, 0.0);
  const std::vector<double> time{0.0, 1.0};
  const std::vector<double> one{1.0};
  CHECK(lea_catcheside_of_curves(time, zeros, {one, one}, 1)[0] == 1.0);
  CHECK(lea_catcheside_of_doses(zeros, std::vector<double>{0.1, 0.0, 0.0, 0.2}, 1)[0] == 1.0);
}

TEST_CASE("bad sizes and rates are refused") {
  const std::vector<double> one{1.0};
  const std::vector<double> two{1.0, 2.0};
  const std::vector<double> zero{0.0};
  CHECK_THROWS_AS(lea_catcheside_of_curves(one, one, {one, one}, 1), InputError);
  CHECK_THROWS_AS(lea_catcheside_of_curves(two, two, {one, zero}, 1), InputError);
  CHECK_THROWS_AS(lea_catcheside_of_doses(one, two, 1), InputError);
  CHECK_THROWS_AS(sum_of_courses<double>(one, two, 0, 1), InputError);
}
