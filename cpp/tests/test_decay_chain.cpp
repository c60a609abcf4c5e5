// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <limits>
#include <numeric>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/physics/decay_chain.hpp"

using namespace immunodose;

namespace {

// Relative; doctest::Approx adds 1 to the scale and would accept anything tiny.
double deviation(double value, double expected) { return std::abs(value / expected - 1.0); }

// A chain with storage; members decay one after the other unless edges are given.
struct Chain {
  std::vector<double> rate_per_s;
  std::vector<std::int64_t> parent;
  std::vector<std::int64_t> daughter;
  std::vector<double> fraction;
  std::vector<double> retention;

  explicit Chain(std::vector<double> rates) : rate_per_s(std::move(rates)) {
    retention.assign(rate_per_s.size(), 1.0);
  }

  void edge(std::int64_t from, std::int64_t to, double branching) {
    parent.push_back(from);
    daughter.push_back(to);
    fraction.push_back(branching);
  }

  static Chain linear(std::vector<double> rates) {
    Chain chain(std::move(rates));
    for (std::size_t i = 1; i < chain.rate_per_s.size(); ++i) {
      chain.edge(static_cast<std::int64_t>(i) - 1, static_cast<std::int64_t>(i), 1.0);
    }
    return chain;
  }

  DecayChain view() const { return {rate_per_s, parent, daughter, fraction, retention}; }

  std::vector<double> pure_parent() const {
    std::vector<double> atoms(rate_per_s.size(), 0.0);
    atoms[0] = 1.0;
    return atoms;
  }
};

}  // namespace

TEST_CASE("one nuclide decays exponentially, also after many half-lives and almost none") {
  const Chain chain({1e-6});
  for (const double time_s : {1e-9, 1.0, 1e6, 5e7}) {
    const auto state = evolve_decay_chain(chain.view(), chain.pure_parent(), time_s);
    CHECK(deviation(state.atoms[0], std::exp(-1e-6 * time_s)) < 1e-14);
    CHECK(deviation(state.decays[0], -std::expm1(-1e-6 * time_s)) < 1e-13);
  }
}

TEST_CASE("two members follow the Bateman solution") {
  const double a = 3e-5, b = 8e-4, time_s = 7000.0;
  const Chain chain = Chain::linear({a, b});
  const auto state = evolve_decay_chain(chain.view(), chain.pure_parent(), time_s);
  const double atoms = a / (b - a) * (std::exp(-a * time_s) - std::exp(-b * time_s));
  CHECK(deviation(state.atoms[1], atoms) < 1e-12);
  const double decays = -std::expm1(-a * time_s) - atoms;
  CHECK(deviation(state.decays[1], decays) < 1e-12);
}

TEST_CASE("equal half-lives give the gamma-function limit, not a division by zero") {
  const double rate = 2e-3, time_s = 900.0, x = rate * time_s;
  const Chain chain = Chain::linear({rate, rate, rate});
  const auto state = evolve_decay_chain(chain.view(), chain.pure_parent(), time_s);
  CHECK(deviation(state.atoms[1], x * std::exp(-x)) < 1e-13);
  CHECK(deviation(state.atoms[2], x * x / 2 * std::exp(-x)) < 1e-13);
}

TEST_CASE("half-lives from 1e-7 s to 1e18 s keep every component accurate") {
  const double ln2 = std::log(2.0);
  const Chain chain = Chain::linear({ln2 / 1e18, ln2 / 1e-7, ln2 / 1e5, 0.0});
  const double time_s = 1e7;
  const auto state = evolve_decay_chain(chain.view(), chain.pure_parent(), time_s);
  const double lost = -std::expm1(-ln2 / 1e18 * time_s);
  CHECK(deviation(state.decays[0], lost) < 1e-12);
  // Secular equilibrium: the daughter's activity is the parent's.
  const double activity = ln2 / 1e18 * (1.0 - lost);
  CHECK(deviation(state.atoms[1] * ln2 / 1e-7, activity) < 1e-12);
  CHECK(deviation(state.atoms[2] * ln2 / 1e5, activity) < 1e-12);
  CHECK(deviation(state.atoms[3], lost - ln2 / 1e18 / (ln2 / 1e5)) < 1e-12);
}

TEST_CASE("a first decay after a very short time is not lost in rounding") {
  // Leading order: decays of the third member = (a b c) t^3 / 6.
  const double a = 1e-6, b = 1e-9, c = 1e-12, time_s = 1e-3;
  const Chain chain = Chain::linear({a, b, c});
  const auto state = evolve_decay_chain(chain.view(), chain.pure_parent(), time_s);
  const double leading = a * b * c * time_s * time_s * time_s / 6;
  CHECK(std::abs(state.decays[2] / leading - 1.0) < 1e-9);
}

TEST_CASE("branches share the decays, a lost daughter takes its progeny with it") {
  Chain chain({1.0, 5.0, 2.0, 3.0});
  chain.edge(0, 1, 0.7);
  chain.edge(0, 2, 0.3);
  chain.edge(1, 3, 1.0);
  chain.edge(2, 3, 0.5);
  auto decays = decays_to_infinity(chain.view(), chain.pure_parent());
  CHECK(deviation(decays[3], 0.7 + 0.15) < 1e-12);
  chain.retention[1] = 0.25;
  decays = decays_to_infinity(chain.view(), chain.pure_parent());
  CHECK(deviation(decays[1], 0.175) < 1e-12);
  CHECK(deviation(decays[3], 0.175 + 0.15) < 1e-12);
  const auto late = evolve_decay_chain(chain.view(), chain.pure_parent(), 200.0);
  for (std::size_t i = 0; i < 4; ++i) CHECK(deviation(late.decays[i], decays[i]) < 1e-12);
}

TEST_CASE("atoms are conserved and intervals add up") {
  const Chain chain = Chain::linear({3e-2, 1e3, 4e-4, 4e-4, 0.0});
  const auto first = evolve_decay_chain(chain.view(), chain.pure_parent(), 123.0);
  CHECK(deviation(std::accumulate(first.atoms.begin(), first.atoms.end(), 0.0), 1.0) < 1e-13);
  const auto second = evolve_decay_chain(chain.view(), first.atoms, 877.0);
  const auto whole = evolve_decay_chain(chain.view(), chain.pure_parent(), 1000.0);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(deviation(whole.atoms[i], second.atoms[i]) < 1e-12);
    if (chain.rate_per_s[i] == 0.0) continue;
    CHECK(deviation(whole.decays[i], first.decays[i] + second.decays[i]) < 1e-12);
  }
}

TEST_CASE("zero time changes nothing") {
  const Chain chain = Chain::linear({1.0, 2.0});
  const auto state = evolve_decay_chain(chain.view(), chain.pure_parent(), 0.0);
  CHECK(state.atoms[0] == 1.0);
  CHECK(state.atoms[1] == 0.0);
  CHECK(state.decays[0] == 0.0);
}

TEST_CASE("chains that cannot exist are refused") {
  Chain backward({1.0, 2.0});
  backward.edge(1, 0, 1.0);
  CHECK_THROWS_AS(check_decay_chain(backward.view()), InputError);
  Chain too_many({1.0, 2.0, 3.0});
  too_many.edge(0, 1, 0.8);
  too_many.edge(0, 2, 0.3);
  CHECK_THROWS_AS(check_decay_chain(too_many.view()), InputError);
  Chain percent = Chain::linear({1.0, 2.0});
  percent.retention[1] = 50.0;
  CHECK_THROWS_AS(check_decay_chain(percent.view()), InputError);
  const Chain not_a_number({std::numeric_limits<double>::quiet_NaN()});
  CHECK_THROWS_AS(check_decay_chain(not_a_number.view()), InputError);
  const Chain chain = Chain::linear({1.0, 2.0});
  CHECK_THROWS_AS(evolve_decay_chain(chain.view(), chain.pure_parent(), -1.0), InputError);
  const std::vector<double> one_atom{1.0};
  CHECK_THROWS_AS(evolve_decay_chain(chain.view(), one_atom, 1.0), InputError);
}
