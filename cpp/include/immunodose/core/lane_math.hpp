// SPDX-License-Identifier: BSD-3-Clause
// Single-precision logarithm, exponential and power without branches or library calls, so that
// loops over arrays of them become SIMD. Relative error below 3e-7 (the power: times its exponent).
#pragma once
#include <bit>
#include <cstdint>

#include "immunodose/core/simd.hpp"

namespace immunodose {

// log2 of a positive, normal number; of 0 a finite number below -126.
IMMUNODOSE_INLINED float lane_log2(float x) {
  constexpr std::uint32_t sqrt_half = 0x3F3504F3U;
  constexpr std::uint32_t exponent_mask = 0xFF800000U;
  constexpr float two_over_ln2 = 2.88539008177792681F;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t above = bits - sqrt_half;
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(above) >> 23);
  const auto m = std::bit_cast<float>(bits - (above & exponent_mask));
  // ln m = 2 artanh((m - 1)/(m + 1)) with m in [sqrt(1/2), sqrt(2))
  const float z = (m - 1.0F) / (m + 1.0F);
  const float s = z * z;
  const float series =
      1.0F + s * (1.0F / 3.0F + s * (1.0F / 5.0F + s * (1.0F / 7.0F + s * (1.0F / 9.0F))));
  return exponent + two_over_ln2 * z * series;
}

// 2^x, for x cut to [-126, 126]; exactly 1 at 0.
IMMUNODOSE_INLINED float lane_exp2(float x) {
  constexpr float round = 0x1.8p23F;
  constexpr float ln2 = 0.693147180559945309F;
  const float low = x > -126.0F ? x : -126.0F;
  const float cut = low < 126.0F ? low : 126.0F;
  const float shifted = cut + round;  // the nearest integer is in its low bits
  const float r = (cut - (shifted - round)) * ln2;
  const float series =
      1.0F +
      r * (1.0F + r * (0.5F + r * (1.0F / 6.0F + r * (1.0F / 24.0F +
                                                      r * (1.0F / 120.0F + r * (1.0F / 720.0F))))));
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(series) +
                              (std::bit_cast<std::uint32_t>(shifted) << 23));
}

// x^power for x >= 0 and power > 0; exactly 0 at 0.
IMMUNODOSE_INLINED float lane_power(float x, float power) {
  const float value = lane_exp2(power * lane_log2(x));
  return x > 0.0F ? value : 0.0F;
}

}  // namespace immunodose
