// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/immune/antigen.hpp"
#include "immunodose/immune/kill.hpp"

using namespace immunodose;

TEST_CASE("the Hill function saturates, is half at K and 0 at 0") {
  CHECK(hill(0.0, 3.0, 2.0) == 0.0);
  CHECK(hill(3.0, 3.0, 2.0) == doctest::Approx(0.5));
  CHECK(hill(6.0, 3.0, 2.0) == doctest::Approx(0.8));
  CHECK(hill(1e300, 3.0, 2.0) == 1.0);
}

TEST_CASE("induction relaxes to a constant target exactly") {
  const std::vector<double> time{0.0, 1.0, 4.0};
  const std::vector<double> memory{2.0, 2.0, 2.0};  // x = 2 dose at all times
  const std::vector<std::int64_t> outputs{0, 1, 2};
  const std::vector<double> dose{0.0, 1.5};
  const auto q = filtered_induction(dose, memory, time, outputs, {3.0, 1.0, 0.7}, 2);
  REQUIRE(q.size() == 6);
  for (std::size_t j = 0; j < 3; ++j) {
    CHECK(q[j] == 0.0);
    CHECK(q[3 + j] == doctest::Approx(0.5 * (1.0 - std::exp(-0.7 * time[j]))).epsilon(1e-12));
  }
}

TEST_CASE("causes share deaths by their hazards") {
  // Radiation exponent and immune exponent both rise linearly to 1 and 3.
  const std::vector<double> log_survival{-1.0};
  const std::vector<double> share{1.0};
  const std::vector<double> delivered{0.0, 0.5, 1.0};
  const std::vector<double> time{0.0, 0.5, 1.0};
  const std::vector<double> effectors{3.0, 3.0, 3.0};
  const std::vector<std::int64_t> left{0, 0, 0};
  const std::vector<double> weight{0.0, 0.0, 0.0};
  const std::vector<std::int64_t> outputs{2};
  const std::vector<double> pmhc{1e200};
  const auto result = kill_of_cells(log_survival, {share, delivered}, pmhc,
                                    {time, effectors, left, weight, outputs}, {1.0, 1.0, 1.0}, 1);
  const double dead = 1.0 - std::exp(-4.0);
  CHECK(result.radiation[0] == doctest::Approx(1.0 - std::exp(-1.0)));
  CHECK(result.immune[0] == doctest::Approx(1.0 - std::exp(-3.0)));
  CHECK(result.first_radiation[0] == doctest::Approx(0.25 * dead));
  CHECK(result.first_immune[0] == doctest::Approx(0.75 * dead));
}

TEST_CASE("pMHC is read between its columns, never beyond them") {
  const std::vector<double> log_survival{0.0};
  const std::vector<double> share{1.0};
  const std::vector<double> delivered{0.0, 1.0};
  const std::vector<double> time{0.0, 2.0};
  const std::vector<double> effectors{1.0, 1.0};
  const std::vector<std::int64_t> left{0, 0};
  const std::vector<double> weight{0.5, 0.5};
  const std::vector<std::int64_t> outputs{1};
  const KillTimes times{time, effectors, left, weight, outputs};
  const std::vector<double> pmhc{0.0, 2.0};
  const auto result =
      kill_of_cells(log_survival, {share, delivered}, pmhc, times, {1.0, 1.0, 1.0}, 1);
  CHECK(result.immune[0] == doctest::Approx(1.0 - std::exp(-1.0)));
  const std::vector<double> one_column{1.0};
  CHECK_THROWS_AS(
      kill_of_cells(log_survival, {share, delivered}, one_column, times, {1.0, 1.0, 1.0}, 1),
      InputError);
}

TEST_CASE("mean survival averages S to the delivered share") {
  const std::vector<double> log_survival{-2.0, 0.0};
  const std::vector<double> share{1.0, 1.0};
  const std::vector<double> delivered{0.0, 0.5};
  const auto mean = mean_survival(log_survival, {share, delivered}, 2, 2);
  CHECK(mean[0] == 1.0);
  CHECK(mean[1] == doctest::Approx(0.5 * (1.0 + std::exp(-1.0))));
}
