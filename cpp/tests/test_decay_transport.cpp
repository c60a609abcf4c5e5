// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/sampling.hpp"
#include "immunodose/physics/alpha_track.hpp"
#include "immunodose/transport/decay_sampler.hpp"
#include "immunodose/transport/decay_transport.hpp"

using namespace immunodose;

TEST_CASE("Poisson numbers have the mean and variance of their law") {
  // 6 standard errors of both: 4e-9 per case for a fresh stream; this one is fixed.
  for (const double mean : {0.05, 1.0, 15.9, 40.0, 1000.0}) {
    constexpr int n = 40000;
    double sum = 0.0;
    double squares = 0.0;
    for (int i = 0; i < n; ++i) {
      Stream stream(8, Stage::decay_count, static_cast<std::uint64_t>(i));
      const double off = static_cast<double>(poisson_number(stream, mean)) - mean;
      sum += off;
      squares += off * off;
    }
    CHECK(std::abs(sum / n) < 6.0 * std::sqrt(mean / n));
    const double spread = std::sqrt((2.0 * mean * mean + mean) / n);
    CHECK(std::abs(squares / n - mean) < 6.0 * spread);
  }
}

TEST_CASE("an alias table draws in proportion to its weights") {
  const std::vector<double> weight{0.1, 0.0, 3.0, 1.9};
  const AliasTable table(weight);
  std::array<int, 4> count{};
  Stream stream(9, Stage::decay_history, 0);
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) ++count[table(stream)];
  CHECK(count[1] == 0);
  for (std::size_t k = 0; k < 4; ++k) {
    const double p = weight[k] / 5.0;
    CHECK(std::abs(count[k] - n * p) < 6.0 * std::sqrt(n * p * (1.0 - p)) + 1e-9);
  }
}

TEST_CASE("an alpha leaves all its energy, and the LET of where it is") {
  const AlphaTrackTable table(1.0, 8785.0);
  const AlphaSlowing slowing(1.0);
  for (const bool straggling : {false, true}) {
    Stream stream(2, Stage::track_history, 1);
    AlphaStepper stepper(table, 5870.0, straggling, stream);
    double sum = 0.0;
    const double reach = stepper.reach_um();
    for (int i = 0; i < 400; ++i) {
      const AlphaLoss loss = stepper.advance(reach / 400.0);
      CHECK(loss.energy_keV >= 0.0);
      sum += loss.energy_keV;
    }
    CHECK(stepper.stopped());
    CHECK(sum == doctest::Approx(5870.0).epsilon(1e-12));
  }
  for (const double energy : {8785.0, 5000.0, 720.0, 50.0, 2.0}) {
    const auto state = table.at(slowing.range_um(energy));
    CHECK(state.energy_keV == doctest::Approx(energy).epsilon(2e-5));
    // d(energy LET)/dE = LET, by a difference of 1 %.
    const auto below = table.at(slowing.range_um(0.99 * energy));
    const double let = (state.energy_let_keV2_per_um - below.energy_let_keV2_per_um) /
                       (state.energy_keV - below.energy_keV);
    CHECK(let == doctest::Approx(slowing.let_keV_per_um(0.995 * energy)).epsilon(2e-3));
  }
}

TEST_CASE("range straggling of a track cut into pieces") {
  // Standard deviation of the range: that of the table, within 6 standard errors (4 %).
  const AlphaTrackTable table(1.0, 6000.0);
  constexpr int n = 12000;
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < n; ++i) {
    Stream stream(6, Stage::track_history, static_cast<std::uint64_t>(i));
    AlphaStepper stepper(table, 5870.0, true, stream);
    double length = 0.0;
    while (!stepper.stopped()) {
      stepper.advance(0.25);
      length += 0.25;
    }
    const double off = length - table.range_um(5870.0) - 0.125;
    sum += off;
    squares += off * off;
  }
  const double expected = std::sqrt(table.at(table.range_um(5870.0)).range_variance_um2);
  CHECK(std::abs(sum / n) < 6.0 * expected / std::sqrt(n) + 0.01);
  CHECK(std::sqrt(squares / n) == doctest::Approx(expected).epsilon(0.04));
}

namespace {

// Chi-square of n values that should be uniform in (0, 1), in 20 bins.
double chi_square(const std::vector<double>& values) {
  std::array<double, 20> count{};
  for (const double u : values) {
    count[std::min<std::size_t>(19, static_cast<std::size_t>(20.0 * u))] += 1.0;
  }
  const double expected = static_cast<double>(values.size()) / 20.0;
  double sum = 0.0;
  for (const double c : count) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

double cube(double x) { return x * x * x; }

// Share of the shell below each place of n decays around `center_um`, and the same of z.
struct Places {
  std::vector<double> radial;
  std::vector<double> polar;
};

template <class Engine>
Places draw(const Engine& engine, DecayTransport::Source source, Vec3 center_um, double inner_um,
            double outer_um, double world_um) {
  Places found;
  for (std::uint64_t i = 0; i < 40000; ++i) {
    Stream stream(3, Stage::decay_history, i);
    Vec3 place;
    engine.sample_place(source, world_um, stream, place);
    const Vec3 off = place - center_um;
    const double radius = norm(off);
    found.radial.push_back((cube(radius) - cube(inner_um)) / (cube(outer_um) - cube(inner_um)));
    found.polar.push_back(0.5 + 0.5 * off.z / radius);
  }
  return found;
}

}  // namespace

TEST_CASE("places of decays are uniform in their source") {
  // 63.7: 19 degrees of freedom, one false alarm in 1e6 per check for a fresh stream; these are
  // fixed. A density 2 % low in one half of the bins and high in the other adds 16, 5 % add 100.
  constexpr double limit = 63.7;
  const std::vector<double> zero{0.0};
  const std::vector<double> radius{7.0};
  const std::vector<double> nucleus{4.5};
  const std::vector<double> retention{1.0};
  const std::vector<std::int64_t> none;
  const std::vector<double> no_values;
  const DecaySampler decays(
      {retention, retention, none, none, no_values, none, none, none, no_values, no_values});
  constexpr double membrane_um = 0.5;
  constexpr double world_um = 20.0;
  const SphereScene scene({zero, zero, zero, radius, nucleus, no_values, membrane_um});
  const DecayTransport engine(scene, decays, {1, 1.0});
  const auto check = [&](DecayTransport::Source source, double inner_um, double outer_um) {
    const Places found = draw(engine, source, {}, inner_um, outer_um, world_um);
    const auto [low, high] = std::minmax_element(found.radial.begin(), found.radial.end());
    CHECK(*low > -1e-9);
    CHECK(*high < 1.0 + 1e-9);
    CHECK(chi_square(found.radial) < limit);
    CHECK(chi_square(found.polar) < limit);
  };
  check({0, CellRegion::nucleus}, 0.0, 4.5);
  check({0, CellRegion::cytoplasm}, 4.5, 6.5);
  check({0, CellRegion::membrane}, 6.5, 7.0);
  check({-1, CellRegion::nucleus}, 7.0, world_um);

  const std::vector<double> offset{1.0, 0.5, -1.2};
  const SphereScene shifted({zero, zero, zero, radius, nucleus, offset, membrane_um});
  const DecayTransport other(shifted, decays, {1, 1.0});
  const Vec3 center{1.0, 0.5, -1.2};
  const Places inside = draw(other, {0, CellRegion::nucleus}, center, 0.0, 4.5, world_um);
  CHECK(chi_square(inside.radial) < limit);
  CHECK(chi_square(inside.polar) < limit);
  const Places around = draw(other, {0, CellRegion::cytoplasm}, center, 0.0, 4.5, world_um);
  CHECK(*std::min_element(around.radial.begin(), around.radial.end()) >= 1.0);
}
