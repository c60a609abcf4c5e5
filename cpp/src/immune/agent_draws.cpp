// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_draws.hpp"

#include "immunodose/core/simd.hpp"

#if IMMUNODOSE_HAS_AVX2_TARGET
#include <immintrin.h>
#endif

namespace immunodose {
namespace {

constexpr std::size_t n_lanes = DrawBlock::n_lanes;

// -fast_log of word_to_unit with the same operations in the same order, without the conversions
// between integers and doubles that lanes lack.
IMMUNODOSE_INLINED double lane_exponential(std::uint32_t word) {
  constexpr std::uint64_t two52 = 0x4330000000000000U;
  constexpr std::uint64_t sqrt_half = 0x3FE6A09E667F3BCDU;
  constexpr std::uint64_t exponent_mask = 0xFFF0000000000000U;
  constexpr std::uint64_t bias = 1024;
  constexpr double ln2 = 0.69314718055994530942;
  const double whole = std::bit_cast<double>(two52 | word) - 0x1p52;
  const auto bits = std::bit_cast<std::uint64_t>((whole + 0.5) * 0x1p-32);
  const std::uint64_t above = bits - sqrt_half;
  const std::uint64_t shifted = (above + (bias << 52)) >> 52;
  const double exponent =
      std::bit_cast<double>(two52 | shifted) - (0x1p52 + static_cast<double>(bias));
  const auto m = std::bit_cast<double>(bits - (above & exponent_mask));
  const double z = (m - 1.0) / (m + 1.0);
  const double s = z * z;
  const double series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0))));
  return -(exponent * ln2 + 2.0 * z * series);
}

IMMUNODOSE_INLINED void exponentials(const std::array<std::uint32_t, n_lanes>& words,
                                     std::array<double, n_lanes>& numbers) {
  for (std::size_t k = 0; k < n_lanes; ++k) numbers[k] = lane_exponential(words[k]);
}

void exponentials_baseline(const std::array<std::uint32_t, n_lanes>& words,
                           std::array<double, n_lanes>& numbers) {
  exponentials(words, numbers);
}

#if IMMUNODOSE_HAS_AVX2_TARGET

IMMUNODOSE_AVX2_TARGET void exponentials_avx2(const std::array<std::uint32_t, n_lanes>& words,
                                              std::array<double, n_lanes>& numbers) {
  exponentials(words, numbers);
}

// The lower halves of four lanes.
IMMUNODOSE_AVX2_TARGET inline void store_low(__m256i lanes, std::array<std::uint32_t, n_lanes>& to,
                                             std::size_t first) {
  const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  const __m256i low = _mm256_permutevar8x32_epi32(lanes, even);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(&to[first]), _mm256_castsi256_si128(low));
}

// Four Philox counters in lanes of 64 bits, whose upper halves hold nothing of use.
IMMUNODOSE_AVX2_TARGET void philox_avx2(const std::array<std::uint64_t, n_lanes>& history,
                                        std::uint32_t block, PhiloxKey key,
                                        std::array<std::uint32_t, n_lanes>* words) {
  const __m256i multiplier0 = _mm256_set1_epi64x(0xD2511F53);
  const __m256i multiplier1 = _mm256_set1_epi64x(0xCD9E8D57);
  constexpr std::uint32_t weyl0 = 0x9E3779B9U;
  constexpr std::uint32_t weyl1 = 0xBB67AE85U;
  for (std::size_t k = 0; k < n_lanes; k += 4) {
    const __m256i id = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&history[k]));
    __m256i c0 = _mm256_set1_epi64x(block);
    __m256i c1 = _mm256_set1_epi64x(static_cast<std::uint32_t>(Stage::immune_cell_step));
    __m256i c2 = id;
    __m256i c3 = _mm256_srli_epi64(id, 32);
    PhiloxKey round_key = key;
    for (int round = 0; round < 10; ++round) {
      const __m256i product0 = _mm256_mul_epu32(c0, multiplier0);
      const __m256i product1 = _mm256_mul_epu32(c2, multiplier1);
      c0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product1, 32), c1),
                            _mm256_set1_epi64x(round_key[0]));
      c2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product0, 32), c3),
                            _mm256_set1_epi64x(round_key[1]));
      c1 = product1;
      c3 = product0;
      round_key[0] += weyl0;
      round_key[1] += weyl1;
    }
    store_low(c0, words[0], k);
    store_low(c1, words[1], k);
    store_low(c2, words[2], k);
    store_low(c3, words[3], k);
  }
}

#endif

}  // namespace

void DrawBlock::fill(std::span<const std::int64_t> id, std::int64_t step) {
  std::array<std::uint64_t, n_lanes> history{};
  for (std::size_t k = 0; k < id.size(); ++k) history[k] = agent_history(id[k], step);
  auto* exponentials_of = &exponentials_baseline;
  bool made = false;
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (cpu_has_avx2) {
    for (std::uint32_t b = 0; b < n_blocks; ++b) {
      philox_avx2(history, b, key_, &words_[4 * static_cast<std::size_t>(b)]);
    }
    exponentials_of = &exponentials_avx2;
    made = true;
  }
#endif
  for (std::uint32_t b = 0; b < n_blocks && !made; ++b) {
    for (std::size_t k = 0; k < n_lanes; ++k) {
      const PhiloxCounter words = agent_words(key_, history[k], b);
      for (std::size_t w = 0; w < 4; ++w) words_[4 * static_cast<std::size_t>(b) + w][k] = words[w];
    }
  }
  for (std::size_t e = 0; e < 4; ++e) exponentials_of(words_[e], exponential_[e]);
  for (std::size_t cycle = 0; cycle < n_cycles; ++cycle) {
    const std::size_t first = 4 + 8 * cycle;
    exponentials_of(words_[first], exponential_[4 + 3 * cycle]);
    exponentials_of(words_[first + 5], exponential_[5 + 3 * cycle]);
    exponentials_of(words_[first + 6], exponential_[6 + 3 * cycle]);
  }
}

}  // namespace immunodose
