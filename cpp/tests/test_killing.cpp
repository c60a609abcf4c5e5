// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/fast_math.hpp"
#include "immunodose/immune/competition.hpp"
#include "immunodose/immune/killing.hpp"

using namespace immunodose;

TEST_CASE("fast_expm1 is exp(x) - 1 within 1e-12") {
  CHECK(fast_expm1(0.0) == 0.0);
  for (double x = -700.0; x < -1e-300; x *= 0.83) {
    CHECK(fast_expm1(x) == doctest::Approx(std::expm1(x)).epsilon(1e-12));
  }
}

TEST_CASE("at least k of a Poisson number") {
  CHECK(poisson_at_least(0.0, 3) == 0.0);
  for (const double mean : {1e-8, 0.3, 2.9, 3.1, 40.0}) {
    CHECK(poisson_at_least(mean, 1) == doctest::Approx(-std::expm1(-mean)).epsilon(1e-12));
    const double below = std::exp(-mean) * (1.0 + mean + mean * mean / 2.0);
    CHECK(poisson_at_least(mean, 3) == doctest::Approx(1.0 - below).epsilon(1e-9));
  }
  // mean^3/6 where the complement would have lost all digits
  CHECK(poisson_at_least(1e-6, 3) == doctest::Approx(1e-18 / 6.0).epsilon(1e-5));
  CHECK(poisson_at_least(1e5, 3) == 1.0);
}

TEST_CASE("susceptibility: recognition, then what PD-1 leaves") {
  const std::vector<double> pmhc{0.0, 3.0, 6.0};
  const std::vector<double> fold{1.0, 1.0, 6.0};
  std::vector<double> recognized(3);
  std::vector<double> out(3);
  susceptibility<double>(pmhc, fold, {0, 3.0, 2.0, 1.0}, {0.5, 1.5, 1.0}, recognized, out, 1);
  CHECK(recognized[0] == 0.0);
  CHECK(recognized[1] == doctest::Approx(0.5));
  CHECK(recognized[2] == doctest::Approx(0.8));
  CHECK(out[1] == doctest::Approx(0.5 / (1.0 + 0.5 / 1.5)));
  CHECK(out[2] == doctest::Approx(0.8 / (1.0 + 3.0 / 1.5)));
  const std::vector<double> none;
  std::vector<double> short_out(2);
  CHECK_THROWS_AS(susceptibility<double>(pmhc, none, {}, {}, {}, short_out, 1), InputError);
}

TEST_CASE("a frozen hit chain does not depend on the number of steps") {
  const HitModel model{3, 30.0};
  const std::vector<double> rate{1.0, 1.0, 1.0};
  const std::vector<double> factors{0.01, 20.0, 3000.0};
  for (const double factor : factors) {
    double whole = 0.0;
    for (const int n_steps : {1, 7, 100}) {
      std::vector<double> before(3, 1.0);
      const double half = 0.5 * factor * 0.2 / n_steps;
      std::vector<double> hits{1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0};
      std::vector<double> step(3);
      double total = 0.0;
      for (int k = 0; k < n_steps; ++k) {
        advance_hits<double>(rate, half, half, before, model, 0.2 / n_steps, hits, step, 2);
        total += step[1];
      }
      if (n_steps == 1) whole = total;
      CHECK(total == doctest::Approx(whole).epsilon(1e-10));
      CHECK(hits[3] + hits[4] + hits[5] == doctest::Approx(1.0));
    }
  }
}

TEST_CASE("the competition of one step shares deaths by exponents") {
  const std::vector<double> log_survival{-2.0, 0.0};
  const std::vector<double> w0{0.0};
  const std::vector<double> w1{0.5};
  const std::vector<double> rate{3.0, 3.0};
  std::vector<double> before{3.0, 3.0};
  std::vector<double> exponent(2);
  std::vector<double> first(2);
  std::vector<double> first_radiation(2);
  const std::vector<KillerStep<double>> killers{{rate, 0.5, 0.5, before, exponent, first}};
  const auto sums = compete<double>({log_survival, {}, w0, w1}, killers, first_radiation, {}, 1);
  CHECK(first[0] == doctest::Approx(0.75 * (1.0 - std::exp(-4.0))));
  CHECK(first_radiation[0] == doctest::Approx(0.25 * (1.0 - std::exp(-4.0))));
  CHECK(first_radiation[1] == 0.0);
  CHECK(sums[0] == doctest::Approx(std::exp(-4.0) + std::exp(-3.0)));
  CHECK(exponent[0] == 3.0);
}
