// SPDX-License-Identifier: BSD-3-Clause
// Draws from common distributions. Every draw takes its numbers from the stream it is given.
#pragma once
#include <cmath>
#include <cstdint>

#include "immunodose/core/streams.hpp"

namespace immunodose {

// Standard normal numbers in pairs, by the polar method [Marsaglia & Bray 1964, SIAM Rev 6:260].
class NormalSampler {
 public:
  double operator()(Stream& stream) {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    while (true) {
      const double x = 2.0 * stream.uniform() - 1.0;
      const double y = 2.0 * stream.uniform() - 1.0;
      const double s = x * x + y * y;
      if (s >= 1.0) continue;
      const double scale = std::sqrt(-2.0 * std::log(s) / s);
      spare_ = scale * y;
      has_spare_ = true;
      return scale * x;
    }
  }

 private:
  double spare_ = 0.0;
  bool has_spare_ = false;
};

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
