// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/competition.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/core/fast_math.hpp"
#include "immunodose/core/simd.hpp"

namespace immunodose {
namespace {

constexpr std::size_t cells_per_block = 512;  // 20 KiB of Block, in the first-level cache
constexpr std::size_t lanes = 8;

void require_size(std::size_t found, std::size_t expected, const char* name) {
  if (found != expected) {
    throw InputError(std::string(name) + ": got " + std::to_string(found) + " values, expected " +
                     std::to_string(expected));
  }
}

// Exponents of one block of cells.
struct Block {
  std::array<double, cells_per_block> total;      // of all causes before the step
  std::array<double, cells_per_block> step;       // of all causes in the step
  std::array<double, cells_per_block> radiation;  // of radiation in the step
  std::array<double, cells_per_block> alive;      // after the step
  std::array<double, cells_per_block> ratio;      // deaths in the step per exponent
};

// Range of the exponential; a probability below exp(-700) is 0.
IMMUNODOSE_INLINED double bounded(double exponent) { return exponent < 700.0 ? exponent : 700.0; }

template <class Real>
IMMUNODOSE_INLINED void add_radiation(const RadiationStep<Real>& radiation, std::size_t begin,
                                      std::size_t n, Block& block) {
  const std::size_t n_components = radiation.delivered_now.size();
  const Real* const log_survival = radiation.log_survival.data() + begin;
  if (radiation.share.empty()) {
    const double before = radiation.delivered_before[0];
    const double rise = radiation.delivered_now[0] - before;
    for (std::size_t i = 0; i < n; ++i) {
      const double full = 0.0 - static_cast<double>(log_survival[i]);
      block.total[i] = before * full;
      block.radiation[i] = rise * full;
      block.step[i] = block.radiation[i];
    }
    return;
  }
  const Real* const share = radiation.share.data() + begin * n_components;
  for (std::size_t i = 0; i < n; ++i) {
    double before = 0.0;
    double now = 0.0;
    for (std::size_t m = 0; m < n_components; ++m) {
      const auto part = static_cast<double>(share[i * n_components + m]);
      before += part * radiation.delivered_before[m];
      now += part * radiation.delivered_now[m];
    }
    const double full = 0.0 - static_cast<double>(log_survival[i]);
    block.total[i] = before * full;
    block.radiation[i] = (now - before) * full;
    block.step[i] = block.radiation[i];
  }
}

template <class Real>
IMMUNODOSE_INLINED double exponent_step(const KillerStep<Real>& killer, const Real* rate,
                                        const Real* before, std::size_t i) {
  const double now = killer.weight_now * static_cast<double>(rate[i]);
  return before == nullptr ? now : killer.weight_before * static_cast<double>(before[i]) + now;
}

template <class Real>
IMMUNODOSE_INLINED void add_killer(const KillerStep<Real>& killer, std::size_t begin, std::size_t n,
                                   Block& block) {
  const Real* const rate = killer.rate.data() + begin;
  const Real* const exponent = killer.exponent.data() + begin;
  if (killer.before.empty()) {
    for (std::size_t i = 0; i < n; ++i) {
      block.total[i] += static_cast<double>(exponent[i]);
      block.step[i] += exponent_step<Real>(killer, rate, nullptr, i);
    }
    return;
  }
  const Real* const before = killer.before.data() + begin;
  for (std::size_t i = 0; i < n; ++i) {
    block.total[i] += static_cast<double>(exponent[i]);
    block.step[i] += exponent_step(killer, rate, before, i);
  }
}

// Within a step the causes share the deaths by their exponents.
IMMUNODOSE_INLINED void die(Block& block, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double alive_before = 1.0 + fast_expm1(-bounded(block.total[i]));
    const double died = alive_before * (0.0 - fast_expm1(-bounded(block.step[i])));
    const double divisor = block.step[i] > 0.0 ? block.step[i] : 1.0;
    block.ratio[i] = died / divisor;
    block.alive[i] = alive_before - died;
  }
}

template <class Real>
IMMUNODOSE_INLINED void credit_killer(const KillerStep<Real>& killer, std::size_t begin,
                                      std::size_t n, const Block& block) {
  const Real* const rate = killer.rate.data() + begin;
  Real* const exponent = killer.exponent.data() + begin;
  Real* const first = killer.first.data() + begin;
  Real* const before = killer.before.empty() ? nullptr : killer.before.data() + begin;
  for (std::size_t i = 0; i < n; ++i) {
    const double step = exponent_step(killer, rate, before, i);
    first[i] = static_cast<Real>(static_cast<double>(first[i]) + block.ratio[i] * step);
    exponent[i] = static_cast<Real>(static_cast<double>(exponent[i]) + step);
  }
  if (before == nullptr) return;
  for (std::size_t i = 0; i < n; ++i) before[i] = rate[i];
}

template <class Real>
IMMUNODOSE_INLINED double lane_sum(const Real* values, std::size_t n) {
  std::array<double, lanes> sum{};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      sum[lane] += static_cast<double>(values[i + lane]);
    }
  }
  for (; i < n; ++i) sum[0] += static_cast<double>(values[i]);
  double all = 0.0;
  for (const double part : sum) all += part;
  return all;
}

template <class Real>
IMMUNODOSE_INLINED double lane_product(const double* weight, const Real* values, std::size_t n) {
  std::array<double, lanes> sum{};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      sum[lane] += weight[i + lane] * static_cast<double>(values[i + lane]);
    }
  }
  for (; i < n; ++i) sum[0] += weight[i] * static_cast<double>(values[i]);
  double all = 0.0;
  for (const double part : sum) all += part;
  return all;
}

template <class Real>
struct Step {
  const RadiationStep<Real>& radiation;
  std::span<const KillerStep<Real>> killers;
  std::span<Real> first_radiation;
  std::span<const std::span<const Real>> values;
};

template <class Real>
IMMUNODOSE_INLINED void block_body(const Step<Real>& step, std::size_t begin, std::size_t n,
                                   double* sums) {
  Block block;
  add_radiation(step.radiation, begin, n, block);
  for (const auto& killer : step.killers) add_killer(killer, begin, n, block);
  die(block, n);
  for (const auto& killer : step.killers) {
    credit_killer(killer, begin, n, block);
  }
  Real* const first = step.first_radiation.data() + begin;
  for (std::size_t i = 0; i < n; ++i) {
    const double died = block.ratio[i] * block.radiation[i];
    first[i] = static_cast<Real>(static_cast<double>(first[i]) + died);
  }
  *sums++ = lane_sum(block.alive.data(), n);
  *sums++ = lane_sum(first, n);
  for (const auto& killer : step.killers) *sums++ = lane_sum(killer.first.data() + begin, n);
  for (const auto& value : step.values) {
    *sums++ = lane_product(block.alive.data(), value.data() + begin, n);
  }
}

template <class Real>
IMMUNODOSE_INLINED double survivors_body(const RadiationStep<Real>& radiation, std::size_t begin,
                                         std::size_t n) {
  Block block;
  add_radiation(radiation, begin, n, block);
  for (std::size_t i = 0; i < n; ++i) {
    block.alive[i] = 1.0 + fast_expm1(-bounded(block.total[i] + block.radiation[i]));
  }
  return lane_sum(block.alive.data(), n);
}

#if IMMUNODOSE_HAS_AVX2_TARGET
template <class Real>
IMMUNODOSE_AVX2_TARGET double survivors_avx2(const RadiationStep<Real>& radiation,
                                             std::size_t begin, std::size_t n) {
  return survivors_body(radiation, begin, n);
}

template <class Real>
IMMUNODOSE_AVX2_TARGET void block_avx2(const Step<Real>& step, std::size_t begin, std::size_t n,
                                       double* sums) {
  block_body(step, begin, n, sums);
}
#endif

template <class Real>
void run_block(const Step<Real>& step, std::size_t begin, std::size_t n, double* sums) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd_level() == SimdLevel::avx2) return block_avx2(step, begin, n, sums);
#endif
  block_body(step, begin, n, sums);
}

template <class Real>
double run_survivors(const RadiationStep<Real>& radiation, std::size_t begin, std::size_t n) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd_level() == SimdLevel::avx2) return survivors_avx2(radiation, begin, n);
#endif
  return survivors_body(radiation, begin, n);
}

template <class Real>
void validate(const RadiationStep<Real>& radiation) {
  const std::size_t n = radiation.log_survival.size();
  const std::size_t n_components = radiation.delivered_now.size();
  require_size(radiation.delivered_before.size(), n_components, "delivered_before");
  if (radiation.share.empty()) {
    require_size(n_components, 1, "delivered_now");
  } else {
    require_size(radiation.share.size(), n * n_components, "share");
  }
}

template <class Real>
void validate(const Step<Real>& step) {
  validate(step.radiation);
  const std::size_t n = step.radiation.log_survival.size();
  require_size(step.first_radiation.size(), n, "first_radiation");
  for (const auto& killer : step.killers) {
    require_size(killer.rate.size(), n, "rate");
    if (!killer.before.empty()) require_size(killer.before.size(), n, "before");
    require_size(killer.exponent.size(), n, "exponent");
    require_size(killer.first.size(), n, "first");
  }
  for (const auto& value : step.values) require_size(value.size(), n, "values");
}

}  // namespace

template <class Real>
std::vector<double> compete(const RadiationStep<Real>& radiation,
                            std::span<const KillerStep<Real>> killers,
                            std::span<Real> first_radiation,
                            std::span<const std::span<const Real>> values, int n_threads,
                            const StopPoll& stop) {
  const Step<Real> step{radiation, killers, first_radiation, values};
  validate(step);
  const std::size_t n = radiation.log_survival.size();
  const std::size_t n_blocks = (n + cells_per_block - 1) / cells_per_block;
  const std::size_t n_sums = 2 + killers.size() + values.size();
  std::vector<double> parts(n_blocks * n_sums);
  run_blocks(
      static_cast<std::int64_t>(n_blocks), n_threads,
      [&](std::int64_t number) {
        const auto b = static_cast<std::size_t>(number);
        const std::size_t begin = b * cells_per_block;
        run_block(step, begin, std::min(cells_per_block, n - begin), &parts[b * n_sums]);
      },
      stop);
  std::vector<double> sums(n_sums);
  for (std::size_t b = 0; b < n_blocks; ++b) {
    for (std::size_t k = 0; k < n_sums; ++k) sums[k] += parts[b * n_sums + k];
  }
  return sums;
}

template <class Real>
double radiation_survivors(const RadiationStep<Real>& radiation, int n_threads,
                           const StopPoll& stop) {
  validate(radiation);
  const std::size_t n = radiation.log_survival.size();
  const std::size_t n_blocks = (n + cells_per_block - 1) / cells_per_block;
  std::vector<double> parts(n_blocks);
  run_blocks(
      static_cast<std::int64_t>(n_blocks), n_threads,
      [&](std::int64_t number) {
        const auto b = static_cast<std::size_t>(number);
        const std::size_t begin = b * cells_per_block;
        parts[b] = run_survivors(radiation, begin, std::min(cells_per_block, n - begin));
      },
      stop);
  double sum = 0.0;
  for (const double part : parts) sum += part;
  return sum;
}

template double radiation_survivors<float>(const RadiationStep<float>&, int, const StopPoll&);
template double radiation_survivors<double>(const RadiationStep<double>&, int, const StopPoll&);
template std::vector<double> compete<float>(const RadiationStep<float>&,
                                            std::span<const KillerStep<float>>, std::span<float>,
                                            std::span<const std::span<const float>>, int,
                                            const StopPoll&);
template std::vector<double> compete<double>(const RadiationStep<double>&,
                                             std::span<const KillerStep<double>>, std::span<double>,
                                             std::span<const std::span<const double>>, int,
                                             const StopPoll&);

}  // namespace immunodose
