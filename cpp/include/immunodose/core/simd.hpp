// SPDX-License-Identifier: BSD-3-Clause
// Loops compiled twice, for the baseline of a machine and for AVX2, chosen when the program runs.
// Both do the same IEEE operations in the same order (no contraction): results do not depend on
// which one ran.
#pragma once
#include <array>
#include <cstddef>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__GNUC__) && defined(__x86_64__)
#define IMMUNODOSE_HAS_AVX2_TARGET 1
#define IMMUNODOSE_AVX2_TARGET __attribute__((target("avx2")))
// A body that both versions share must be inlined into them, else it stays baseline.
#define IMMUNODOSE_INLINED __attribute__((always_inline)) inline
#else
#define IMMUNODOSE_HAS_AVX2_TARGET 0
#define IMMUNODOSE_AVX2_TARGET
#define IMMUNODOSE_INLINED inline
#endif

namespace immunodose {

inline const bool cpu_has_avx2 = [] {
#if IMMUNODOSE_HAS_AVX2_TARGET
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}();

enum class SimdLevel { baseline, avx2 };

inline SimdLevel simd_level() { return cpu_has_avx2 ? SimdLevel::avx2 : SimdLevel::baseline; }

inline const char* simd_name(SimdLevel level) {
  return level == SimdLevel::avx2 ? "AVX2" : "baseline";
}

// Asks for the cache lines of an object that will be read soon; never changes a result.
inline void prefetch(const void* object, std::size_t n_bytes) {
#if defined(__GNUC__)
  constexpr std::size_t line = 64;
  const char* const bytes = static_cast<const char*>(object);
  for (std::size_t i = 0; i < n_bytes; i += line) __builtin_prefetch(bytes + i);
  __builtin_prefetch(bytes + n_bytes - 1);
#else
  static_cast<void>(object);
  static_cast<void>(n_bytes);
#endif
}

// Bit k is set where values[k] <= 0.
IMMUNODOSE_INLINED unsigned lanes_up_to_zero(const std::array<float, 8>& values) {
#if defined(__SSE2__)
  const __m128 zero = _mm_setzero_ps();
  const int low = _mm_movemask_ps(_mm_cmple_ps(_mm_loadu_ps(values.data()), zero));
  const int high = _mm_movemask_ps(_mm_cmple_ps(_mm_loadu_ps(values.data() + 4), zero));
  return static_cast<unsigned>(low | (high << 4));
#else
  unsigned lanes = 0;
  for (std::size_t k = 0; k < values.size(); ++k) {
    lanes |= (values[k] <= 0.0F ? 1U : 0U) << k;
  }
  return lanes;
#endif
}

}  // namespace immunodose
