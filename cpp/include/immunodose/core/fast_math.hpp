// SPDX-License-Identifier: BSD-3-Clause
// Inline logarithm and exponentials: relative error below 1e-8 where no other is stated, and the
// same bits on every machine, which those of the C library do not promise.
#pragma once
#include <bit>
#include <cstdint>

namespace immunodose {

// Natural logarithm of a positive, normal number.
inline double fast_log(double x) {
  // x = 2^exponent m with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh((m - 1)/(m + 1)).
  constexpr std::uint64_t sqrt_half = 0x3FE6A09E667F3BCDU;
  constexpr std::uint64_t exponent_mask = 0xFFF0000000000000U;
  constexpr double ln2 = 0.69314718055994530942;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t above = bits - sqrt_half;
  const auto exponent = static_cast<double>(static_cast<std::int64_t>(above) >> 52);
  const auto m = std::bit_cast<double>(bits - (above & exponent_mask));
  const double z = (m - 1.0) / (m + 1.0);
  const double s = z * z;
  const double series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0))));
  return exponent * ln2 + 2.0 * z * series;
}

// Exponential of a number in [-700, 700].
inline double fast_exp(double x) {
  // x = k ln 2 + r with |r| <= ln(2)/2; adding `round` leaves k in the low bits.
  constexpr double round = 0x1.8p52;
  constexpr double ln2 = 0.69314718055994530942;
  const double shifted = x * (1.0 / ln2) + round;
  const double r = x - (shifted - round) * ln2;
  const double series =
      1.0 +
      r * (1.0 + r * (1.0 / 2.0 +
                      r * (1.0 / 6.0 +
                           r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r / 5040.0))))));
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(series) +
                               (std::bit_cast<std::uint64_t>(shifted) << 52));
}

// exp(x) - 1 for x in [-700, 0], within 1e-12 of it.
inline double fast_expm1(double x) {
  // exp(x) - 1 = 2^k (exp(r) - 1) + (2^k - 1), so nothing cancels where k is 0.
  constexpr double round = 0x1.8p52;
  constexpr double ln2 = 0.69314718055994530942;
  const double shifted = x * (1.0 / ln2) + round;
  const double r = x - (shifted - round) * ln2;
  const double tail =
      1.0 / 5040.0 +
      r * (1.0 / 40320.0 + r * (1.0 / 362880.0 + r * (1.0 / 3628800.0 + r / 39916800.0)));
  const double series =
      r * (1.0 + r * (1.0 / 2.0 +
                      r * (1.0 / 6.0 +
                           r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * tail))))));
  const auto scale = std::bit_cast<double>(std::bit_cast<std::uint64_t>(1.0) +
                                           (std::bit_cast<std::uint64_t>(shifted) << 52));
  return scale * series + (scale - 1.0);
}

}  // namespace immunodose
