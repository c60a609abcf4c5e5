// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/killing.hpp"

#include <cmath>
#include <cstddef>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/core/fast_math.hpp"
#include "immunodose/core/simd.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 4096;

void require_size(std::size_t found, std::size_t expected, const char* name) {
  if (found != expected) {
    throw InputError(std::string(name) + ": got " + std::to_string(found) + " values, expected " +
                     std::to_string(expected));
  }
}

// Which loop: the two common powers need no exponential.
enum class Power { one, two, any };

Power power_of(double power) {
  if (power == 1.0) return Power::one;
  return power == 2.0 ? Power::two : Power::any;
}

// x^n for x >= 0; numbers below the normal ones count as 0.
template <Power kind>
IMMUNODOSE_INLINED double raised(double x, double power) {
  if constexpr (kind == Power::one) {
    return x;
  } else if constexpr (kind == Power::two) {
    return x * x;
  } else {
    constexpr double smallest = 1e-300;
    const double ln = power * fast_log(x > smallest ? x : smallest);
    const double bound = ln < 700.0 ? ln : 700.0;  // beyond, x^n/(1 + x^n) is 1 to all digits
    return x > smallest ? fast_exp(bound > -700.0 ? bound : -700.0) : 0.0;
  }
}

// x^n/(1 + x^n) without the cancellation of risen() at small x.
template <Power kind>
IMMUNODOSE_INLINED double saturated(double x, double power) {
  const double y = raised<kind>(x, power);
  const double bound = y < 1e300 ? y : 1e300;
  return bound / (1.0 + bound);
}

template <class Real>
struct Columns {
  const Real* pmhc;
  const Real* pdl1_fold;  // null: nothing inhibits
  Real* recognized;       // null: not asked for
  Real* susceptible;
};

template <class Real>
std::size_t offset_of(Columns<Real>& columns, std::int64_t begin, std::int64_t end) {
  columns.pmhc += begin;
  if (columns.pdl1_fold != nullptr) columns.pdl1_fold += begin;
  if (columns.recognized != nullptr) columns.recognized += begin;
  columns.susceptible += begin;
  return static_cast<std::size_t>(end - begin);
}

template <Power kind, class Real>
IMMUNODOSE_INLINED void recognize(const Real* pmhc, double per_half, double power, Real* out,
                                  std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = static_cast<Real>(saturated<kind>(static_cast<double>(pmhc[i]) * per_half, power));
  }
}

template <Power kind, class Real>
IMMUNODOSE_INLINED void inhibit(const Real* pdl1_fold, double per_half, double power,
                                const Real* recognized, Real* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(pdl1_fold[i]) * per_half;
    const double left = 1.0 / (1.0 + raised<kind>(x, power));
    out[i] = static_cast<Real>(static_cast<double>(recognized[i]) * left);
  }
}

template <Power kind, class Real>
IMMUNODOSE_INLINED void miss(const Real* mhc1, const Real* ligand, double per_half, double power,
                             Real* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(mhc1[i]) * per_half;
    out[i] = static_cast<Real>(1.0 / (1.0 + raised<kind>(x, power)));
  }
  if (ligand == nullptr) return;
  for (std::size_t i = 0; i < n; ++i) out[i] *= ligand[i];
}

// The loops over one block, compiled for the baseline and for AVX2.
template <class Real>
IMMUNODOSE_INLINED void block_body(const Columns<Real>& columns, const Recognition& model,
                                   const CheckpointBlock& checkpoint, std::size_t n) {
  Real* const recognized = columns.recognized != nullptr ? columns.recognized : columns.susceptible;
  const double per_half = model.proofread / model.half;
  if (model.at_least > 0) {
    for (std::size_t i = 0; i < n; ++i) {
      const double mean = model.proofread * static_cast<double>(columns.pmhc[i]);
      recognized[i] = static_cast<Real>(poisson_at_least(mean, model.at_least));
    }
  } else {
    switch (power_of(model.power)) {
      case Power::one:
        recognize<Power::one>(columns.pmhc, per_half, model.power, recognized, n);
        break;
      case Power::two:
        recognize<Power::two>(columns.pmhc, per_half, model.power, recognized, n);
        break;
      case Power::any:
        recognize<Power::any>(columns.pmhc, per_half, model.power, recognized, n);
        break;
    }
  }
  if (columns.pdl1_fold == nullptr) {
    for (std::size_t i = 0; i < n; ++i) columns.susceptible[i] = recognized[i];
    return;
  }
  const double free_per_half = checkpoint.free_share / checkpoint.half;
  switch (power_of(checkpoint.power)) {
    case Power::one:
      inhibit<Power::one>(columns.pdl1_fold, free_per_half, 1.0, recognized, columns.susceptible,
                          n);
      break;
    case Power::two:
      inhibit<Power::two>(columns.pdl1_fold, free_per_half, 2.0, recognized, columns.susceptible,
                          n);
      break;
    case Power::any:
      inhibit<Power::any>(columns.pdl1_fold, free_per_half, checkpoint.power, recognized,
                          columns.susceptible, n);
      break;
  }
}

template <class Real>
IMMUNODOSE_INLINED void missing_body(const Real* mhc1, const Real* ligand, MissingSelf model,
                                     Real* out, std::size_t n) {
  const double per_half = 1.0 / model.half;
  switch (power_of(model.power)) {
    case Power::one:
      miss<Power::one>(mhc1, ligand, per_half, model.power, out, n);
      break;
    case Power::two:
      miss<Power::two>(mhc1, ligand, per_half, model.power, out, n);
      break;
    case Power::any:
      miss<Power::any>(mhc1, ligand, per_half, model.power, out, n);
      break;
  }
}

#if IMMUNODOSE_HAS_AVX2_TARGET
template <class Real>
IMMUNODOSE_AVX2_TARGET void block_avx2(const Columns<Real>& columns, const Recognition& model,
                                       const CheckpointBlock& checkpoint, std::size_t n) {
  block_body(columns, model, checkpoint, n);
}

template <class Real>
IMMUNODOSE_AVX2_TARGET void missing_avx2(const Real* mhc1, const Real* ligand, MissingSelf model,
                                         Real* out, std::size_t n) {
  missing_body(mhc1, ligand, model, out, n);
}
#endif

template <class Real>
void block(const Columns<Real>& columns, const Recognition& model,
           const CheckpointBlock& checkpoint, std::size_t n) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd_level() == SimdLevel::avx2) return block_avx2(columns, model, checkpoint, n);
#endif
  block_body(columns, model, checkpoint, n);
}

template <class Real>
void missing_block(const Real* mhc1, const Real* ligand, MissingSelf model, Real* out,
                   std::size_t n) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd_level() == SimdLevel::avx2) return missing_avx2(mhc1, ligand, model, out, n);
#endif
  missing_body(mhc1, ligand, model, out, n);
}

}  // namespace

double poisson_at_least(double mean, int k) {
  if (mean <= 0.0) return 0.0;
  const bool below = mean < static_cast<double>(k);
  double term = std::exp(-mean);  // probability of m
  double sum = 0.0;
  for (int m = 0; m < k; ++m) {
    sum += term;
    term *= mean / (m + 1);
  }
  if (!below) return 1.0 - sum;
  double tail = 0.0;  // nothing cancels
  for (int m = k; term > 1e-17 * tail; ++m) {
    tail += term;
    term *= mean / (m + 1);
  }
  return tail;
}

template <class Real>
void susceptibility(std::span<const Real> pmhc, std::span<const Real> pdl1_fold,
                    const Recognition& recognition, const CheckpointBlock& checkpoint,
                    std::span<Real> recognized, std::span<Real> susceptible, int n_threads,
                    const StopPoll& stop) {
  const std::size_t n = pmhc.size();
  require_size(susceptible.size(), n, "susceptibility");
  if (!pdl1_fold.empty()) require_size(pdl1_fold.size(), n, "pdl1_fold");
  if (!recognized.empty()) require_size(recognized.size(), n, "recognition");
  parallel_for(
      static_cast<std::int64_t>(n), cells_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        Columns<Real> columns{pmhc.data(), pdl1_fold.empty() ? nullptr : pdl1_fold.data(),
                              recognized.empty() ? nullptr : recognized.data(), susceptible.data()};
        const std::size_t size = offset_of(columns, begin, end);
        block(columns, recognition, checkpoint, size);
      },
      stop);
}

template <class Real>
void missing_self(std::span<const Real> mhc1, std::span<const Real> ligand, MissingSelf model,
                  std::span<Real> out, int n_threads, const StopPoll& stop) {
  if (!mhc1.empty()) require_size(mhc1.size(), out.size(), "mhc1");
  if (!ligand.empty()) require_size(ligand.size(), out.size(), "ligand");
  parallel_for(
      static_cast<std::int64_t>(out.size()), cells_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        const auto size = static_cast<std::size_t>(end - begin);
        const Real* const raised_ligand = ligand.empty() ? nullptr : ligand.data() + begin;
        Real* const first = out.data() + begin;
        if (!mhc1.empty()) {
          missing_block(mhc1.data() + begin, raised_ligand, model, first, size);
          return;
        }
        for (std::size_t i = 0; i < size; ++i) {
          first[i] = raised_ligand == nullptr ? Real{1} : raised_ligand[i];
        }
      },
      stop);
}

#define IMMUNODOSE_KILLING(Real)                                                                  \
  template void susceptibility<Real>(std::span<const Real>, std::span<const Real>,                \
                                     const Recognition&, const CheckpointBlock&, std::span<Real>, \
                                     std::span<Real>, int, const StopPoll&);                      \
  template void missing_self<Real>(std::span<const Real>, std::span<const Real>, MissingSelf,     \
                                   std::span<Real>, int, const StopPoll&);
IMMUNODOSE_KILLING(float)
IMMUNODOSE_KILLING(double)
#undef IMMUNODOSE_KILLING

}  // namespace immunodose
