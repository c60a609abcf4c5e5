// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/physics/alpha_straggling.hpp"
#include "immunodose/transport/alpha_track.hpp"

using namespace immunodose;

namespace {

// Energies that alphas lose on 10 um straight through the middle of a nucleus.
std::vector<double> losses(double energy_keV, Straggling straggling, int n) {
  const AlphaTrackTable table(1.0, alpha_max_energy_keV);
  AlphaTracker tracker(table, straggling);
  const std::vector<CellSolid> cells{CellSolid({}, {{6.0, 6.0, 6.0}, {5.0, 5.0, 5.0}, {}, 0.5})};
  std::vector<double> found;
  for (int i = 0; i < n; ++i) {
    Stream random(9, Stage::cell_history, static_cast<std::uint64_t>(i));
    CellTally tally(cells);
    const Particle alpha{ParticleKind::alpha, energy_keV, {-5.0, 0.0, 0.0}, {1.0, 0.0, 0.0}};
    tracker(alpha, random, tally);
    CHECK(tally.total_keV() == energy_keV);
    found.push_back(tally.energy_keV()[0]);
  }
  return found;
}

}  // namespace

TEST_CASE("without straggling an alpha follows its residual range") {
  const AlphaSlowing slowing;
  const double range = slowing.range_um(5870.0);
  CHECK(losses(5870.0, Straggling::off, 1)[0] ==
        doctest::Approx(5870.0 - slowing.energy_keV(range - 10.0)).epsilon(1e-6));
  CHECK(losses(500.0, Straggling::off, 1)[0] == doctest::Approx(500.0));  // it stops inside
}

TEST_CASE("straggling keeps the mean loss and spreads it as its variance says") {
  const AlphaSlowing slowing;
  constexpr int n = 20000;
  const double energy = 8000.0;
  const double mean_loss = losses(energy, Straggling::off, 1)[0];
  double sum = 0.0;
  double sum2 = 0.0;
  for (const double loss : losses(energy, Straggling::on, n)) {
    sum += loss - mean_loss;
    sum2 += (loss - mean_loss) * (loss - mean_loss);
  }
  // Each piece of the way adds its variance; a deviation grows with the LET until the end.
  const double end_let = slowing.let_keV_per_um(energy - mean_loss);
  double variance = 0.0;
  constexpr int pieces = 100;
  for (int i = 0; i < pieces; ++i) {
    const double left = slowing.energy_keV(slowing.range_um(energy) - 0.1 * (i + 0.5));
    const double growth = end_let / slowing.let_keV_per_um(left);
    variance += growth * growth * alpha_loss_variance_keV2(left, 10.0 / pieces, 1.0);
  }
  // Five standard errors: of the mean (chance 6e-7 for a fresh stream) and of the variance.
  CHECK(std::abs(sum / n) < 5.0 * std::sqrt(variance / n) + 1e-3 * mean_loss);
  CHECK(sum2 / n == doctest::Approx(variance).epsilon(5.0 * std::sqrt(2.0 / n)));
}
