// SPDX-License-Identifier: BSD-3-Clause
// Nodes at fixed places of every octave, found from the bits of a double: a logarithmic grid
// whose look-up costs no logarithm.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace immunodose {

template <int bits_per_octave>
class OctaveGrid {
 public:
  static constexpr std::size_t nodes_per_octave = std::size_t{1} << bits_per_octave;

  // Cells from 2^first_octave to 2^last_octave.
  constexpr OctaveGrid(int first_octave, int last_octave)
      : offset_((static_cast<std::uint64_t>(first_octave + exponent_bias)) << bits_per_octave),
        n_cells_(static_cast<std::size_t>(last_octave - first_octave) * nodes_per_octave) {}

  struct Place {
    std::size_t cell;
    double fraction;  // of the way to the next node, in [0, 1)
  };

  // x must lie in [first node, last node).
  Place find(double x) const {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    constexpr int shift = mantissa_bits - bits_per_octave;
    const std::uint64_t cell = (bits >> shift) - offset_;
    constexpr std::uint64_t low_mask = (std::uint64_t{1} << shift) - 1;
    constexpr double scale = 1.0 / static_cast<double>(std::uint64_t{1} << shift);
    return {static_cast<std::size_t>(cell), static_cast<double>(bits & low_mask) * scale};
  }

  double node(std::size_t index) const {
    constexpr int shift = mantissa_bits - bits_per_octave;
    return std::bit_cast<double>((static_cast<std::uint64_t>(index) + offset_) << shift);
  }

  std::size_t n_cells() const { return n_cells_; }
  std::size_t n_nodes() const { return n_cells_ + 1; }
  double first() const { return node(0); }
  double last() const { return node(n_cells_); }

 private:
  static constexpr int mantissa_bits = 52;
  static constexpr int exponent_bias = 1023;

  std::uint64_t offset_;
  std::size_t n_cells_;
};

}  // namespace immunodose
