// SPDX-License-Identifier: BSD-3-Clause
// One random stream per (root, stage, history): a history never depends on another,
// so any one can be re-run alone and thread counts cannot change results.
#pragma once
#include <cmath>
#include <cstdint>

#include "immunodose/core/philox.hpp"

namespace immunodose {

// One id per random process. Add at the end; never reuse or renumber (it changes results).
enum class Stage : std::uint32_t {
  packing_moves = 1,
  packing_start = 2,
  decay_count = 3,             // Poisson number of decays of a source compartment
  decay_history = 4,           // one decay of a population with all that follows
  kernel_history = 5,          // one electron of a dose-point kernel
  cell_history = 6,            // one decay in a single cell (S values)
  hit_history = 7,             // one decay of hit statistics
  track_history = 8,           // one track for drawing
  photon_kernel_history = 9,   // the electrons of one photon collision
  immune_cell_step = 20,       // what one T or NK cell does in one time step
  immune_cell_choice = 21,     // its further hits in that step, and divide or change
  immune_cell_entry = 22,      // how many enter the tumor in one step, and where
  tumor_radiation_death = 23,  // when radiation kills one tumor cell
  tumor_clearance = 24,        // when a dead tumor cell disappears
  tumor_division = 25,         // when one tumor cell divides next
  tumor_recovery = 26,         // hits that one tumor cell recovers from
  tumor_place = 27,            // where its daughter lies
};

class Stream {
 public:
  Stream(std::uint64_t root, Stage stage, std::uint64_t history)
      : key_{static_cast<std::uint32_t>(root), static_cast<std::uint32_t>(root >> 32)},
        counter_{0, static_cast<std::uint32_t>(stage), static_cast<std::uint32_t>(history),
                 static_cast<std::uint32_t>(history >> 32)} {}

  std::uint32_t next_word() {
    if (used_ == 4) {
      block_ = philox4x32(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }

  // Uniform in the open interval (0, 1), 53 random bits.
  double uniform() {
    const std::uint64_t high = next_word() >> 5;
    const std::uint64_t low = next_word() >> 6;
    return (static_cast<double>(high * 67108864U + low) + 0.5) * 0x1p-53;
  }

  // Uniform in (0, 1) with 32 random bits: enough for one collision of many.
  double uniform32() { return (static_cast<double>(next_word()) + 0.5) * 0x1p-32; }

  // Two uniform numbers in (0, 1) with 16 random bits each, for choices that need no more.
  struct Halves {
    double first;
    double second;
  };
  Halves halves() {
    const std::uint32_t word = next_word();
    return {(static_cast<double>(word >> 16) + 0.5) * 0x1p-16,
            (static_cast<double>(word & 0xFFFFU) + 0.5) * 0x1p-16};
  }
  // Sum of three uniform numbers in (0, 1) with 10 random bits each, from one word.
  double sum_of_thirds() {
    const std::uint32_t word = next_word();
    const std::uint32_t sum = (word >> 22) + ((word >> 12) & 1023U) + ((word >> 2) & 1023U);
    return (static_cast<double>(sum) + 1.5) * 0x1p-10;
  }

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  std::size_t used_ = 4;
};

}  // namespace immunodose
