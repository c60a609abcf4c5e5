// SPDX-License-Identifier: BSD-3-Clause
// The random numbers of agent_random.hpp for many cells at once: the same bits, made in lanes.
#pragma once
#include <array>
#include <span>

#include "immunodose/immune/agent_random.hpp"

namespace immunodose {

class DrawBlock {
 public:
  static constexpr std::size_t n_lanes = 64;
  // Searches whose numbers are made in lanes; later ones of a step are made when needed.
  static constexpr std::uint32_t n_cycles = 2;

  explicit DrawBlock(PhiloxKey key) : key_(key) {}

  void fill(std::span<const std::int64_t> id, std::int64_t step);

  CellDraws cell(std::size_t lane) const {
    return {exponential_[0][lane], exponential_[1][lane], exponential_[2][lane],
            exponential_[3][lane]};
  }
  SearchDraws search(std::size_t lane, std::uint32_t cycle, std::uint64_t history) const {
    if (cycle > n_cycles) return search_draws(key_, history, cycle);
    const std::size_t first = 8 * cycle - 4;  // word of the cycle
    const std::size_t e = 3 * cycle + 1;
    return {exponential_[e][lane],
            {near_normal(words_[first + 1][lane]), near_normal(words_[first + 2][lane]),
             near_normal(words_[first + 3][lane])},
            words_[first + 4][lane],
            exponential_[e + 1][lane],
            exponential_[e + 2][lane]};
  }

 private:
  static constexpr std::size_t n_blocks = 2 * n_cycles + 1;
  using Words = std::array<std::uint32_t, n_lanes>;
  PhiloxKey key_;
  alignas(64) std::array<Words, 4 * n_blocks> words_{};
  // Those of words 0 to 3, then of words 0, 5 and 6 of each cycle.
  alignas(64) std::array<std::array<double, n_lanes>, 4 + 3 * n_cycles> exponential_{};
};

}  // namespace immunodose
