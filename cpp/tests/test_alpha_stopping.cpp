// SPDX-License-Identifier: BSD-3-Clause
#include <array>
#include <cmath>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/physics/alpha_stopping.hpp"
#include "immunodose/physics/electron_cole.hpp"
#include "immunodose/physics/radial_kernel.hpp"

using namespace immunodose;

TEST_CASE("alpha stopping powers are those of ICRU 90, Table A.12") {
  struct Row {
    double energy_keV, electronic, nuclear;  // MeV cm2/g
  };
  constexpr std::array<Row, 8> rows{{{1.0, 98.91, 228.2},
                                     {10.0, 337.0, 93.41},
                                     {100.0, 1131.0, 19.21},
                                     {500.0, 2178.0, 5.214},
                                     {1000.0, 2190.0, 2.898},
                                     {1500.0, 1877.0, 2.045},
                                     {5000.0, 874.7, 0.7132},
                                     {10000.0, 529.0, 0.3844}}};
  for (const auto& row : rows) {
    CHECK(alpha_electronic_mass_stopping(row.energy_keV) ==
          doctest::Approx(row.electronic).epsilon(1e-3));
    CHECK(alpha_nuclear_mass_stopping(row.energy_keV) ==
          doctest::Approx(row.nuclear).epsilon(2e-3));
  }
}

TEST_CASE("range is the integral of the inverse stopping power") {
  const AlphaSlowing slowing(1.03);
  constexpr int n = 20000;
  double sum = slowing.range_um(200.0);
  for (int i = 0; i < n; ++i) {
    const double width = (9000.0 - 200.0) / n;
    sum += width / slowing.let_keV_per_um(200.0 + (i + 0.5) * width);
  }
  CHECK(slowing.range_um(9000.0) == doctest::Approx(sum).epsilon(1e-7));
}

TEST_CASE("residual energy inverts the range down to the last nanometer") {
  const AlphaSlowing slowing;
  CHECK(slowing.energy_keV(0.0) == 0.0);
  CHECK(slowing.energy_keV(-1.0) == 0.0);
  CHECK(slowing.range_um(0.0) == 0.0);
  for (const double energy : {0.5, 1.0, 3.0, 40.0, 720.0, 5000.0, alpha_max_energy_keV}) {
    CHECK(slowing.energy_keV(slowing.range_um(energy)) == doctest::Approx(energy).epsilon(3e-3));
  }
  double before = 0.0;
  for (int i = 1; i <= 5000; ++i) {
    const double energy = slowing.energy_keV(0.02 * i);
    CHECK(energy > before);
    before = energy;
  }
}

TEST_CASE("electron energy never falls with the range, and the range inverts it") {
  double before = 0.0;
  for (int i = 1; i < 60000; ++i) {
    const double energy = cole_energy_keV(1e-6 * i);
    CHECK(energy >= before);
    before = energy;
  }
  for (const double energy : {0.001, 0.05, 0.3, 2.0, 100.0, 3000.0}) {
    CHECK(cole_energy_keV(cole_range_um(energy)) == doctest::Approx(energy).epsilon(1e-12));
  }
  CHECK(cole_range_um(10.0) == doctest::Approx(2.698).epsilon(3e-4));
}

TEST_CASE("kernels conserve energy, end at the range and refuse what lies outside the fit") {
  const std::array<double, 3> energy{5000.0, 20.0, 6000.0};
  const std::array<double, 3> yield{0.3, 0.0, 0.7};
  for (const auto slowing : {Slowing::alpha, Slowing::electron_cole}) {
    const auto kernel = csda_kernel({energy, yield}, slowing, 0.998);
    CHECK(kernel.total_energy_keV() == doctest::Approx(5700.0).epsilon(1e-12));
    CHECK(kernel.reach_um() ==
          doctest::Approx(csda_reach_um({energy, yield}, slowing, 0.998)).epsilon(1e-13));
  }
  const auto empty = csda_kernel({}, Slowing::alpha, 1.0);
  CHECK(empty.energy_keV.empty());
  CHECK(empty.reach_um() == 0.0);
  const std::array<double, 1> fast{12001.0};
  const std::array<double, 1> one{1.0};
  CHECK_THROWS_AS(csda_kernel({fast, one}, Slowing::alpha, 1.0), InputError);
  CHECK_THROWS_AS(csda_kernel({fast, {}}, Slowing::alpha, 1.0), InputError);
}
