// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/decay_chain.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

// Upper triangular matrix, row-major; row = where an atom started, column = where it is.
class Propagator {
 public:
  explicit Propagator(std::size_t size) : size_(size), values_(size * size, 0.0) {}

  double& at(std::size_t row, std::size_t column) { return values_[row * size_ + column]; }
  double at(std::size_t row, std::size_t column) const { return values_[row * size_ + column]; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::vector<double> values_;
};

Propagator multiply(const Propagator& a, const Propagator& b) {
  Propagator product(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = i; k < a.size(); ++k) {
      const double factor = a.at(i, k);
      if (factor == 0.0) continue;
      for (std::size_t j = k; j < a.size(); ++j) product.at(i, j) += factor * b.at(k, j);
    }
  }
  return product;
}

// States 0..n-1 are the members, n..2n-1 count their decays.
Propagator transition_rates(const DecayChain& chain) {
  const std::size_t n = chain.rate_per_s.size();
  Propagator rates(2 * n);
  for (std::size_t edge = 0; edge < chain.edge_fraction.size(); ++edge) {
    const auto parent = static_cast<std::size_t>(chain.edge_parent[edge]);
    const auto daughter = static_cast<std::size_t>(chain.edge_daughter[edge]);
    rates.at(parent, daughter) +=
        chain.rate_per_s[parent] * chain.edge_fraction[edge] * chain.retention[daughter];
  }
  for (std::size_t i = 0; i < n; ++i) rates.at(i, n + i) = chain.rate_per_s[i];
  return rates;
}

void set_exact_diagonal(Propagator& propagator, std::span<const double> rate_per_s,
                        double duration_s) {
  const std::size_t n = rate_per_s.size();
  for (std::size_t i = 0; i < n; ++i) propagator.at(i, i) = std::exp(-rate_per_s[i] * duration_s);
  for (std::size_t i = n; i < 2 * n; ++i) propagator.at(i, i) = 1.0;
}

// exp(A h) for fastest_rate * h <= 1/2 by uniformization: a series of non-negative terms (Eq. 5).
Propagator short_step(const DecayChain& chain, double fastest_rate_per_s, double step_s) {
  const std::size_t n = chain.rate_per_s.size();
  Propagator generator = transition_rates(chain);
  for (std::size_t i = 0; i < 2 * n; ++i) {
    for (std::size_t j = i; j < 2 * n; ++j) generator.at(i, j) *= step_s;
    const double rate = i < n ? chain.rate_per_s[i] : 0.0;
    generator.at(i, i) = (fastest_rate_per_s - rate) * step_s;
  }
  Propagator term(2 * n);
  for (std::size_t i = 0; i < 2 * n; ++i) term.at(i, i) = 1.0;
  Propagator sum = term;
  // The longest path needs n + 1 factors before its first term appears.
  const std::size_t n_terms = n + 1 + 24;
  for (std::size_t order = 1; order <= n_terms; ++order) {
    term = multiply(term, generator);
    for (std::size_t i = 0; i < 2 * n; ++i) {
      for (std::size_t j = i; j < 2 * n; ++j) {
        term.at(i, j) /= static_cast<double>(order);
        sum.at(i, j) += term.at(i, j);
      }
    }
  }
  const double scale = std::exp(-fastest_rate_per_s * step_s);
  for (std::size_t i = 0; i < 2 * n; ++i) {
    for (std::size_t j = i; j < 2 * n; ++j) sum.at(i, j) *= scale;
  }
  set_exact_diagonal(sum, chain.rate_per_s, step_s);
  return sum;
}

Propagator chain_propagator(const DecayChain& chain, double duration_s) {
  const double fastest = *std::max_element(chain.rate_per_s.begin(), chain.rate_per_s.end());
  int n_squarings = 0;
  while (std::ldexp(fastest * duration_s, -n_squarings) > 0.5) ++n_squarings;
  Propagator propagator = short_step(chain, fastest, std::ldexp(duration_s, -n_squarings));
  for (int done = 1; done <= n_squarings; ++done) {
    propagator = multiply(propagator, propagator);
    // Rounding of a diagonal near 1 would double at each squaring and grow to 2^n ulp (Eq. 6).
    set_exact_diagonal(propagator, chain.rate_per_s, std::ldexp(duration_s, done - n_squarings));
  }
  return propagator;
}

void check_in(double value, double low, double high, const char* name, std::size_t index) {
  if (std::isfinite(value) && value >= low && value <= high) return;
  throw InputError(std::string(name) + "[" + std::to_string(index) +
                   "] = " + std::to_string(value) + " (must be finite and within [" +
                   std::to_string(low) + ", " + std::to_string(high) + "])");
}

void check_atoms(const DecayChain& chain, std::span<const double> initial_atoms) {
  if (initial_atoms.size() != chain.rate_per_s.size()) {
    throw InputError("initial_atoms: got " + std::to_string(initial_atoms.size()) +
                     " values, expected one per member");
  }
  for (std::size_t i = 0; i < initial_atoms.size(); ++i) {
    check_in(initial_atoms[i], 0.0, 1e300, "initial_atoms", i);
  }
}

}  // namespace

void check_decay_chain(const DecayChain& chain) {
  const std::size_t n = chain.rate_per_s.size();
  const std::size_t n_edges = chain.edge_fraction.size();
  if (n == 0) throw InputError("rate_per_s is empty (a chain has at least one member)");
  if (chain.retention.size() != n) throw InputError("retention: expected one value per member");
  if (chain.edge_parent.size() != n_edges || chain.edge_daughter.size() != n_edges) {
    throw InputError("edge_parent, edge_daughter, edge_fraction must have equal sizes");
  }
  for (std::size_t i = 0; i < n; ++i) {
    check_in(chain.rate_per_s[i], 0.0, 1e30, "rate_per_s", i);
    check_in(chain.retention[i], 0.0, 1.0, "retention", i);
  }
  std::vector<double> total(n, 0.0);
  for (std::size_t edge = 0; edge < n_edges; ++edge) {
    const std::int64_t parent = chain.edge_parent[edge];
    const std::int64_t daughter = chain.edge_daughter[edge];
    if (parent < 0 || daughter <= parent || daughter >= static_cast<std::int64_t>(n)) {
      throw InputError("edge " + std::to_string(edge) + " leads from member " +
                       std::to_string(parent) + " to " + std::to_string(daughter) +
                       " (members must be in topological order)");
    }
    check_in(chain.edge_fraction[edge], 0.0, 1.0, "edge_fraction", edge);
    total[static_cast<std::size_t>(parent)] += chain.edge_fraction[edge];
  }
  for (std::size_t i = 0; i < n; ++i) check_in(total[i], 0.0, 1.0 + 1e-12, "branching sum", i);
}

ChainState evolve_decay_chain(const DecayChain& chain, std::span<const double> initial_atoms,
                              double duration_s) {
  check_decay_chain(chain);
  check_atoms(chain, initial_atoms);
  check_in(duration_s, 0.0, 1e30, "duration_s", 0);
  const std::size_t n = chain.rate_per_s.size();
  const Propagator propagator = chain_propagator(chain, duration_s);
  ChainState state{std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
  for (std::size_t i = 0; i < n; ++i) {
    if (initial_atoms[i] == 0.0) continue;
    for (std::size_t j = i; j < n; ++j) {
      state.atoms[j] += initial_atoms[i] * propagator.at(i, j);
      state.decays[j] += initial_atoms[i] * propagator.at(i, n + j);
    }
  }
  return state;
}

std::vector<double> decays_to_infinity(const DecayChain& chain,
                                       std::span<const double> initial_atoms) {
  check_decay_chain(chain);
  check_atoms(chain, initial_atoms);
  const std::size_t n = chain.rate_per_s.size();
  const Propagator rates = transition_rates(chain);
  std::vector<double> arrivals(initial_atoms.begin(), initial_atoms.end());
  std::vector<double> decays(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    if (chain.rate_per_s[i] == 0.0) continue;
    decays[i] = arrivals[i];
    for (std::size_t j = i + 1; j < n; ++j) {
      arrivals[j] += decays[i] * (rates.at(i, j) / chain.rate_per_s[i]);
    }
  }
  return decays;
}

}  // namespace immunodose
