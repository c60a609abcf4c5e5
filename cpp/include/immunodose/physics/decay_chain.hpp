// SPDX-License-Identifier: BSD-3-Clause
// Decay chains with branching and daughter retention as one linear system of atoms and decays.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace immunodose {

// Members in topological order: every edge leads from a lower to a higher index.
struct DecayChain {
  std::span<const double> rate_per_s;           // member; 0 = stable
  std::span<const std::int64_t> edge_parent;    // edge
  std::span<const std::int64_t> edge_daughter;  // edge
  std::span<const double> edge_fraction;        // edge; daughters made per decay of the parent
  std::span<const double> retention;            // member; fraction of new atoms that stay
};

struct ChainState {
  std::vector<double> atoms;   // member, at the end of the interval
  std::vector<double> decays;  // member, within the interval
};

// Throws InputError unless sizes match, edges go forward and all numbers lie in their range.
void check_decay_chain(const DecayChain& chain);

// Atoms and decays after `duration_s` from `initial_atoms`; Eq. 4-6, docs/theory/nuclear_data.md.
// Every step adds and multiplies non-negative numbers only, so each component is accurate to about
// 1e-13 whatever the spread of the half-lives, and equal half-lives are no special case.
ChainState evolve_decay_chain(const DecayChain& chain, std::span<const double> initial_atoms,
                              double duration_s);

// Decays of each member until all radioactive atoms are gone; Eq. 3, docs/theory/nuclear_data.md.
std::vector<double> decays_to_infinity(const DecayChain& chain,
                                       std::span<const double> initial_atoms);

}  // namespace immunodose
