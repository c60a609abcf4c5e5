// SPDX-License-Identifier: BSD-3-Clause
#include <array>
#include <vector>

#include "doctest.h"
#include "immunodose/transport/hit_moments.hpp"

using namespace immunodose;

namespace {

constexpr std::size_t nucleus = 0;
constexpr std::size_t cell = n_cell_regions;

// One deposit in the nucleus and the cytoplasm of a cell.
RegionTally::Deposit deposit(std::int64_t number, double keV, double let) {
  RegionTally::Deposit left;
  left.cell = number;
  left.energy_keV = {keV, 0.5 * keV, 0.0};
  left.energy_let = {keV * let, 0.5 * keV * let, 0.0};
  return left;
}

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Covariance of two means.
double covariance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean(a)) * (b[i] - mean(b));
  const auto n = static_cast<double>(a.size());
  return sum / (n * (n - 1.0));
}

}  // namespace

TEST_CASE("moments of hits and LET are those of the batches") {
  RegionTally tally(2, {EmissionClass::alpha, EmissionClass::beta}, true, 1);
  HitMoments moments(tally);
  const double factor = 2.5;
  const std::array<double, 4> energies{3.0, 7.0, 4.0, 11.0};
  const std::array<double, 4> lets{2.0, 5.0, 1.0, 3.0};
  std::vector<double> hits;
  std::vector<double> let;
  std::vector<double> keV;
  for (std::size_t batch = 0; batch < energies.size(); ++batch) {
    tally.clear();
    for (std::size_t i = 0; i <= batch; ++i) {
      tally.add(deposit(1, energies[batch], lets[batch]), EmissionClass::beta, i % 2);
    }
    moments.add(tally, factor, 1, {});
    const auto n = static_cast<double>(batch + 1);
    hits.push_back(factor * n);
    keV.push_back(factor * n * energies[batch]);
    let.push_back(factor * n * energies[batch] * lets[batch]);
  }
  const std::vector<std::int64_t> order{1, 0};  // rank 1 is the caller's number 0
  const HitMeans means = moments.means(order, 1);
  constexpr std::size_t beta = 1;
  const auto at = [](std::size_t number, std::size_t target, std::size_t column) {
    return (number * RegionTally::n_targets + target) * 2 + column;
  };
  const std::size_t i = at(0, nucleus, beta);
  CHECK(means.hits[i] == doctest::Approx(mean(hits)).epsilon(1e-9));
  CHECK(means.hits_variance[i] == doctest::Approx(covariance(hits, hits)).epsilon(1e-9));
  CHECK(means.energy_let[i] == doctest::Approx(mean(let)).epsilon(1e-9));
  CHECK(means.let_variance[i] == doctest::Approx(covariance(let, let)).epsilon(1e-9));
  CHECK(means.region_keV[i] == doctest::Approx(mean(keV)).epsilon(1e-9));
  CHECK(means.region_variance[i] == doctest::Approx(covariance(keV, keV)).epsilon(1e-9));
  CHECK(means.covariance[i] == doctest::Approx(covariance(let, keV)).epsilon(1e-9));
  // The whole cell: energies of both regions, but each particle once.
  const std::size_t whole = at(0, cell, beta);
  CHECK(means.hits[whole] == doctest::Approx(mean(hits)).epsilon(1e-9));
  CHECK(means.region_keV[whole] == doctest::Approx(1.5 * mean(keV)).epsilon(1e-9));
  CHECK(means.let_variance[whole] == doctest::Approx(2.25 * covariance(let, let)).epsilon(1e-9));
  CHECK(means.hits[at(1, nucleus, beta)] == 0.0);
  CHECK(means.hits[at(0, nucleus, 0)] == 0.0);
}

TEST_CASE("without hits no moments are kept") {
  const RegionTally tally(3, {EmissionClass::alpha}, false, 1);
  HitMoments moments(tally);
  moments.add(tally, 1.0, 1, {});
  const std::vector<std::int64_t> order{0, 1, 2};
  CHECK(moments.means(order, 1).hits.empty());
}
