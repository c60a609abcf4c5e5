// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_antigen.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "immunodose/core/error.hpp"
#include "immunodose/core/simd.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 16384;
constexpr std::size_t lanes = 64;
constexpr int largest_power = 8;

struct Constants {
  float decay, old_share, fresh_share;  // of the exponential step
  float half_dose, gain, complexes, half_complexes, hit_per_d;
  std::vector<float> before, after;
};

Constants constants_of(const AntigenStep& step) {
  const double x = step.turnover_per_d * step.duration_d;
  const double risen = -std::expm1(-x);
  const double fresh = x > 1e-3 ? 1.0 - risen / x : x * (0.5 - x * (1.0 / 6.0 - x / 24.0));
  const auto single = [](double value) { return static_cast<float>(value); };
  Constants c{single(1.0 - risen),
              single(risen - fresh),
              single(fresh),
              single(step.half_dose_Gy),
              single(step.gain),
              single(step.complexes),
              single(step.half_complexes),
              single(step.hit_per_d),
              {},
              {}};
  for (const double value : step.memory_before) c.before.push_back(single(value));
  for (const double value : step.memory_after) c.after.push_back(single(value));
  return c;
}

template <int power>
IMMUNODOSE_INLINED float whole_power(float x) {
  if constexpr (power == 1) return x;
  const float half = whole_power<power / 2 == 0 ? 1 : power / 2>(x);
  if constexpr (power % 2 == 0) return half * half;
  return half * half * x;
}

// x^n / (x^n + K^n). From 1e30 on the quotient is 1 in single precision; infinity over infinity
// would be none.
template <int power>
IMMUNODOSE_INLINED float lane_hill(float x, float inverse_half) {
  constexpr float saturated = 1e30F;
  const float raised = whole_power<power>(x * inverse_half);
  const float ratio = raised < saturated ? raised : saturated;
  return ratio / (1.0F + ratio);
}

template <int dose_power, int complexes_power>
IMMUNODOSE_INLINED void advance(const AntigenCells& cells, const Constants& c, std::size_t first,
                                std::size_t count) {
  const std::size_t n = cells.baseline.size();
  const float inverse_dose = 1.0F / c.half_dose;
  const float inverse_complexes = 1.0F / c.half_complexes;
  float before[lanes], after[lanes];
  for (std::size_t k = 0; k < count; ++k) before[k] = after[k] = 0.0F;
  for (std::size_t m = 0; m < c.before.size(); ++m) {
    const float* dose = cells.dose_Gy.data() + m * n + first;
    const float old_memory = c.before[m], new_memory = c.after[m];
    for (std::size_t k = 0; k < count; ++k) {
      before[k] += dose[k] * old_memory;
      after[k] += dose[k] * new_memory;
    }
  }
  float* const q = cells.induction.data() + first;
  const float* const baseline = cells.baseline.data() + first;
  float* const out = cells.susceptibility_per_d.data() + first;
  for (std::size_t k = 0; k < count; ++k) {
    const float induction = c.decay * q[k] +
                            c.old_share * lane_hill<dose_power>(before[k], inverse_dose) +
                            c.fresh_share * lane_hill<dose_power>(after[k], inverse_dose);
    q[k] = induction;
    const float complexes = c.complexes * baseline[k] * (1.0F + c.gain * induction);
    out[k] = c.hit_per_d * lane_hill<complexes_power>(complexes, inverse_complexes);
  }
}

using Advance = void (*)(const AntigenCells&, const Constants&, std::size_t, std::size_t);

template <int dose_power, int complexes_power>
void run_baseline(const AntigenCells& cells, const Constants& c, std::size_t begin,
                  std::size_t end) {
  std::size_t i = begin;
  for (; i + lanes <= end; i += lanes) advance<dose_power, complexes_power>(cells, c, i, lanes);
  if (i < end) advance<dose_power, complexes_power>(cells, c, i, end - i);
}

#if IMMUNODOSE_HAS_AVX2_TARGET
template <int dose_power, int complexes_power>
IMMUNODOSE_AVX2_TARGET void run_avx2(const AntigenCells& cells, const Constants& c,
                                     std::size_t begin, std::size_t end) {
  std::size_t i = begin;
  for (; i + lanes <= end; i += lanes) advance<dose_power, complexes_power>(cells, c, i, lanes);
  if (i < end) advance<dose_power, complexes_power>(cells, c, i, end - i);
}
#endif

template <int dose_power, int complexes_power>
Advance for_machine() {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (cpu_has_avx2) return &run_avx2<dose_power, complexes_power>;
#endif
  return &run_baseline<dose_power, complexes_power>;
}

template <int dose_power>
Advance by_complexes(int power) {
  switch (power) {
    case 1:
      return for_machine<dose_power, 1>();
    case 2:
      return for_machine<dose_power, 2>();
    case 3:
      return for_machine<dose_power, 3>();
    case 4:
      return for_machine<dose_power, 4>();
    case 5:
      return for_machine<dose_power, 5>();
    case 6:
      return for_machine<dose_power, 6>();
    case 7:
      return for_machine<dose_power, 7>();
    default:
      return for_machine<dose_power, 8>();
  }
}

Advance chosen(int dose_power, int complexes_power) {
  switch (dose_power) {
    case 1:
      return by_complexes<1>(complexes_power);
    case 2:
      return by_complexes<2>(complexes_power);
    case 3:
      return by_complexes<3>(complexes_power);
    case 4:
      return by_complexes<4>(complexes_power);
    case 5:
      return by_complexes<5>(complexes_power);
    case 6:
      return by_complexes<6>(complexes_power);
    case 7:
      return by_complexes<7>(complexes_power);
    default:
      return by_complexes<8>(complexes_power);
  }
}

}  // namespace

void step_antigen(AntigenCells cells, const AntigenStep& step, const StopPoll& stop) {
  const std::size_t n = cells.baseline.size();
  if (cells.induction.size() != n || cells.susceptibility_per_d.size() != n ||
      step.memory_before.size() != step.memory_after.size() ||
      cells.dose_Gy.size() != n * step.memory_before.size()) {
    throw InputError("arrays of MHC-I of unequal length");
  }
  for (const int power : {step.induction_power, step.complexes_power}) {
    if (power < 1 || power > largest_power) throw InputError("powers must be integers 1 to 8");
  }
  const Constants c = constants_of(step);
  const Advance advance_cells = chosen(step.induction_power, step.complexes_power);
  parallel_for(
      static_cast<std::int64_t>(n), cells_per_block, step.n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        advance_cells(cells, c, static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
      },
      stop);
}

}  // namespace immunodose
