// SPDX-License-Identifier: BSD-3-Clause
// Draws from common distributions. Every draw takes its numbers from the stream it is given.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "immunodose/core/streams.hpp"

namespace immunodose {

// Layers of equal area under exp(-x^2/2) [Marsaglia G, Tsang WW, J Stat Softw 2000;5(8); with 128
// layers as in Doornik JA, An improved ziggurat method, 2005].
class Ziggurat {
 public:
  static constexpr std::size_t n_layers = 128;
  static constexpr double tail_start = 3.442619855899;
  static constexpr double layer_area = 9.91256303526217e-3;

  Ziggurat() {
    const auto density = [](double x) { return std::exp(-0.5 * x * x); };
    edge[0] = layer_area / density(tail_start);
    edge[1] = tail_start;
    for (std::size_t i = 2; i < n_layers; ++i) {
      const double above = layer_area / edge[i - 1] + density(edge[i - 1]);
      edge[i] = std::sqrt(-2.0 * std::log(above));
    }
  }

  std::array<double, n_layers + 1> edge{};  // the last is 0
};
inline const Ziggurat ziggurat;

// Standard normal numbers, mostly from one word: 7 bits choose the layer, 24 the place in it.
inline double normal_number(Stream& stream) {
  const auto& edge = ziggurat.edge;
  while (true) {
    const std::uint32_t word = stream.next_word();
    const std::size_t layer = word % Ziggurat::n_layers;
    const double u = (static_cast<double>(word >> 8) + 0.5) * 0x1p-23 - 1.0;
    const double x = u * edge[layer];
    if (std::abs(x) < edge[layer + 1]) return x;
    if (layer == 0) {
      double beyond = 0.0;
      double y = 0.0;
      do {
        beyond = -std::log(stream.uniform()) / Ziggurat::tail_start;
        y = -std::log(stream.uniform());
      } while (2.0 * y < beyond * beyond);
      return std::copysign(Ziggurat::tail_start + beyond, u);
    }
    const double low = std::exp(-0.5 * (edge[layer] * edge[layer] - x * x));
    const double high = std::exp(-0.5 * (edge[layer + 1] * edge[layer + 1] - x * x));
    if (low + stream.uniform() * (high - low) < 1.0) return x;
  }
}

// Poisson number as the sum of numbers of mean <= 16, each by inversion: exact, and cheap where
// what is counted is simulated afterwards.
inline std::int64_t poisson_number(Stream& stream, double mean) {
  constexpr double largest_part = 16.0;
  const double n_parts = std::ceil(mean / largest_part);
  const double part = mean / n_parts;
  const double none = std::exp(-part);
  std::int64_t total = 0;
  for (double i = 0.0; i < n_parts; ++i) {
    const double u = stream.uniform();
    double probability = none;
    double below = none;
    std::int64_t k = 0;
    // Ends at the latest where the terms vanish against the sum.
    while (u > below && probability > 0.0) {
      ++k;
      probability *= part / static_cast<double>(k);
      below += probability;
    }
    total += k;
  }
  return total;
}

// floor(mean + u): the mean is exact, the number differs from it by less than 1.
inline std::int64_t rounded_number(Stream& stream, double mean) {
  const double whole = std::floor(mean);
  if (whole == mean) return static_cast<std::int64_t>(whole);
  return static_cast<std::int64_t>(whole) + (stream.uniform() < mean - whole ? 1 : 0);
}

}  // namespace immunodose
