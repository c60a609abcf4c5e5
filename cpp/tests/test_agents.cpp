// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "doctest.h"
#include "immunodose/immune/agent_bins.hpp"
#include "immunodose/immune/agent_draws.hpp"
#include "immunodose/immune/agent_search.hpp"

using namespace immunodose;

TEST_CASE("numbers made in lanes have the bits of those made one by one") {
  const PhiloxKey key{123, 456};
  DrawBlock draws(key);
  std::vector<std::int64_t> id(DrawBlock::n_lanes);
  std::iota(id.begin(), id.end(), std::int64_t{1} << 35);
  const std::int64_t step = 77;
  draws.fill(id, step);
  for (std::size_t lane = 0; lane < id.size(); ++lane) {
    const std::uint64_t history = agent_history(id[lane], step);
    const CellDraws cell = cell_draws(key, history);
    CHECK(draws.cell(lane).death == cell.death);
    CHECK(draws.cell(lane).change == cell.change);
    CHECK(draws.cell(lane).dwell == cell.dwell);
    CHECK(draws.cell(lane).hit == cell.hit);
    for (std::uint32_t cycle = 1; cycle < 5; ++cycle) {
      const SearchDraws one = search_draws(key, history, cycle);
      const SearchDraws many = draws.search(lane, cycle, history);
      CHECK(many.search == one.search);
      CHECK(many.walk == one.walk);
      CHECK(many.choice == one.choice);
      CHECK(many.dwell == one.dwell);
      CHECK(many.hit == one.hit);
    }
  }
}

TEST_CASE("a word gives an exponential number, a near normal one of variance 1") {
  CHECK(exponential(0x7FFFFFFFU) == doctest::Approx(std::log(2.0)).epsilon(1e-8));
  CHECK(exponential(0xFFFFFFFFU) == doctest::Approx(0x1p-33).epsilon(1e-6));
  CHECK(near_normal(0) > -3.0);
  CHECK(near_normal(0xFFFFFFFFU) < 3.0);
  double sum = 0.0, square = 0.0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = near_normal(philox4x32({static_cast<std::uint32_t>(i), 0, 0, 0}, {1, 2})[0]);
    sum += x;
    square += x * x;
  }
  // Standard errors 0.0032 and 0.0038; fixed numbers.
  CHECK(std::abs(sum / n) < 0.016);
  CHECK(std::abs(square / n - 1.0) < 0.019);
}

TEST_CASE("cells in reach are those of a search through all") {
  constexpr std::size_t n = 3000;
  std::vector<float> x(n), y(n), z(n);
  std::vector<std::int64_t> id(n);
  Stream stream(5, Stage::packing_start, 1);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(200.0 * stream.uniform());
    y[i] = static_cast<float>(120.0 * stream.uniform());
    z[i] = static_cast<float>(60.0 * stream.uniform());
    id[i] = static_cast<std::int64_t>(n - i);
  }
  for (const double reach : {3.0, 11.0, 40.0}) {
    const AgentBins bins({x, y, z}, reach);
    const std::vector<std::uint8_t> kept(n, 1);
    const SortedPoints sorted = sorted_points(bins, {x, y, z}, id, kept);
    std::vector<float> sx, sy, sz;
    for (const std::int64_t i : sorted.order) {
      const auto k = static_cast<std::size_t>(i);
      sx.push_back(sx.size() % 7 == 3 ? std::numeric_limits<float>::infinity() : x[k]);
      sy.push_back(y[k]);
      sz.push_back(z[k]);
    }
    TargetSearch search({sx, sy, sz}, sorted.starts, bins, reach);
    for (int k = 0; k < 200; ++k) {
      // Places outside of the box of the cells too.
      const auto px = static_cast<float>(260.0 * stream.uniform() - 30.0);
      const auto py = static_cast<float>(180.0 * stream.uniform() - 30.0);
      const auto pz = static_cast<float>(120.0 * stream.uniform() - 30.0);
      std::vector<std::int32_t> expected;
      for (std::size_t i = 0; i < n; ++i) {
        const float dx = sx[i] - px, dy = sy[i] - py, dz = sz[i] - pz;
        const auto limit = static_cast<float>(reach);
        if (dx * dx + dy * dy + dz * dz <= limit * limit) {
          expected.push_back(static_cast<std::int32_t>(i));
        }
      }
      const auto found = search.in_reach(px, py, pz, {});
      CHECK(std::vector<std::int32_t>(found.begin(), found.end()) == expected);
      const auto word = static_cast<std::uint32_t>(stream.next_word());
      const std::size_t place = (static_cast<std::uint64_t>(word) * expected.size()) >> 32;
      SearchRanges ranges;
      search.locate(px, py, pz, ranges);
      search.read(ranges);
      CHECK(search.choose(px, py, pz, word, ranges, {}) ==
            (expected.empty() ? -1 : expected[place]));
      if (expected.size() < 2) continue;
      const std::vector<std::int32_t> left_out{expected[0]};
      CHECK(search.choose(px, py, pz, 0, ranges, left_out) == expected[1]);
    }
  }
}
