// SPDX-License-Identifier: BSD-3-Clause
// Which instructions the processor has beyond those that every wheel may use. Versions of one loop
// differ in width only: they add up the same lanes in the same order, so all give the same bits.
#pragma once

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define IMMUNODOSE_X86_VERSIONS 1
#define IMMUNODOSE_TARGET_AVX2 __attribute__((target("avx2")))
#endif

namespace immunodose {

enum class SimdLevel { baseline, avx2 };

// Of this machine. IEEE operations alone are used, so that no result depends on it.
inline SimdLevel simd_level() {
#ifdef IMMUNODOSE_X86_VERSIONS
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  return has_avx2 ? SimdLevel::avx2 : SimdLevel::baseline;
#else
  return SimdLevel::baseline;
#endif
}

inline const char* simd_name(SimdLevel level) {
  return level == SimdLevel::avx2 ? "AVX2" : "baseline";
}

}  // namespace immunodose
