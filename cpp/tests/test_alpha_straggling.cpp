// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>

#include "doctest.h"
#include "immunodose/physics/alpha_straggling.hpp"

using namespace immunodose;

TEST_CASE("fast alphas straggle by Bohr's variance") {
  // 4 pi r_e^2 (m c^2)^2 z^2 n_e by hand: r_e = 2.8179403e-9 um, n_e = 3.34279e11 / um3 at 1 g/cm3.
  const double pi = std::acos(-1.0);
  const double bohr = 4.0 * pi * std::pow(2.8179403e-9 * 510.99895, 2) * 4.0 * 3.34279e11;
  CHECK(bohr == doctest::Approx(34.84).epsilon(1e-3));
  const double beta2 = 1.0 - std::pow(1.0 + 6000.0 / 3727379.4, -2);
  const double expected = 10.0 * bohr * (1.0 - 0.5 * beta2) / (1.0 - beta2);
  CHECK(alpha_loss_variance_keV2(6000.0, 10.0, 1.0) == doctest::Approx(expected).epsilon(3e-3));
  CHECK(alpha_loss_variance_keV2(6000.0, 10.0, 1.05) ==
        doctest::Approx(1.05 * alpha_loss_variance_keV2(6000.0, 10.0, 1.0)).epsilon(1e-13));
}

TEST_CASE("about 2 % of the loss over 10 um of an alpha of 5 to 6 MeV") {
  const AlphaSlowing slowing;
  for (const double energy : {5000.0, 6000.0}) {
    const double loss = energy - slowing.energy_keV(slowing.range_um(energy) - 10.0);
    const double share = std::sqrt(alpha_loss_variance_keV2(energy, 10.0, 1.0)) / loss;
    CHECK(share > 0.015);
    CHECK(share < 0.025);
  }
}

TEST_CASE("slow alphas straggle less, by charge and by binding") {
  double before = 0.0;
  for (const double energy : {1.0, 10.0, 100.0, 1000.0, 2000.0, 12000.0}) {
    const double variance = alpha_loss_variance_keV2(energy, 1.0, 1.0);
    CHECK(variance > before);
    before = variance;
  }
  CHECK(alpha_effective_charge_squared(8000.0) == doctest::Approx(4.0).epsilon(2e-3));
  CHECK(alpha_effective_charge_squared(400.0) < 3.5);
}

TEST_CASE("range straggling is the integral of its equation and about 1 % of the range") {
  const AlphaSlowing slowing(1.03);
  const AlphaStraggling straggling(slowing, 1.03);
  constexpr int n = 20000;
  double sum = straggling.range_variance_um2(150.0);
  for (int i = 0; i < n; ++i) {
    const double width = (5304.0 - 150.0) / n;
    const double energy = 150.0 + (i + 0.5) * width;
    sum += width * alpha_loss_variance_keV2(energy, 1.0, 1.03) /
           std::pow(slowing.let_keV_per_um(energy), 3);
  }
  CHECK(straggling.range_variance_um2(5304.0) == doctest::Approx(sum).epsilon(1e-4));
  for (const double energy : {4000.0, 5304.0, 8785.0}) {
    const double share =
        std::sqrt(straggling.range_variance_um2(energy)) / slowing.range_um(energy);
    CHECK(share > 0.007);
    CHECK(share < 0.012);
  }
  CHECK(straggling.range_variance_um2(0.0) == 0.0);
}
