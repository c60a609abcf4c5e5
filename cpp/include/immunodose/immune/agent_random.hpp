// SPDX-License-Identifier: BSD-3-Clause
// Random numbers of agents: each decision belongs to a cell (its persistent number) and a step, so
// that neither the order of the cells nor the number of threads can change it.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "immunodose/core/fast_math.hpp"
#include "immunodose/core/streams.hpp"

namespace immunodose {

// A stream has 64 bits for its history: 40 of the cell, 24 of the step.
constexpr unsigned agent_id_bits = 40;
constexpr std::int64_t agent_id_limit = std::int64_t{1} << agent_id_bits;
constexpr std::int64_t agent_step_limit = std::int64_t{1} << (64 - agent_id_bits);

inline std::uint64_t agent_history(std::int64_t id, std::int64_t step) {
  return (static_cast<std::uint64_t>(step) << agent_id_bits) | static_cast<std::uint64_t>(id);
}

inline double word_to_unit(std::uint32_t word) {
  return (static_cast<double>(word) + 0.5) * 0x1p-32;
}

// Exponential number of mean 1 from one word.
inline double exponential(std::uint32_t word) { return -fast_log(word_to_unit(word)); }

// Exponential number of mean 1 with 53 random bits, for times that span many steps.
inline double long_exponential(Stream& stream) { return -fast_log(stream.uniform()); }

// Sum of three uniform numbers less its mean, scaled to variance 1: close to normal, and bounded by
// three standard deviations.
inline double near_normal(std::uint32_t word) {
  const std::uint32_t sum = (word >> 22) + ((word >> 12) & 1023U) + ((word >> 2) & 1023U);
  return (static_cast<double>(sum) + 1.5) * 0x1p-9 - 3.0;
}

// What an immune cell needs in one step. Block 0 decides its death, its change and the contact that
// it holds at the start; blocks 2 c - 1 and 2 c its c-th search and the contact after it.
struct CellDraws {
  double death = 0.0;   // exponential numbers of mean 1
  double change = 0.0;  // division, or the next phenotype
  double dwell = 0.0;
  double hit = 0.0;
};
struct SearchDraws {
  double search = 0.0;
  std::array<double, 3> walk{};  // near_normal
  std::uint32_t choice = 0;
  double dwell = 0.0;
  double hit = 0.0;
};

inline PhiloxCounter agent_words(PhiloxKey key, std::uint64_t history, std::uint32_t block) {
  return philox4x32(
      {block, static_cast<std::uint32_t>(Stage::immune_cell_step),
       static_cast<std::uint32_t>(history), static_cast<std::uint32_t>(history >> 32)},
      key);
}

inline CellDraws cell_draws(PhiloxKey key, std::uint64_t history) {
  const PhiloxCounter w = agent_words(key, history, 0);
  return {exponential(w[0]), exponential(w[1]), exponential(w[2]), exponential(w[3])};
}

inline SearchDraws search_draws(PhiloxKey key, std::uint64_t history, std::uint32_t cycle) {
  const PhiloxCounter a = agent_words(key, history, 2 * cycle - 1);
  const PhiloxCounter b = agent_words(key, history, 2 * cycle);
  return {exponential(a[0]),
          {near_normal(a[1]), near_normal(a[2]), near_normal(a[3])},
          b[0],
          exponential(b[1]),
          exponential(b[2])};
}

}  // namespace immunodose
