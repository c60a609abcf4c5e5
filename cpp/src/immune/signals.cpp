// SPDX-License-Identifier: BSD-3-Clause
// Short loops over a block of cells whose intermediate values stay in the first-level cache.
#include "immunodose/immune/signals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/core/lane_math.hpp"
#include "immunodose/core/simd.hpp"

namespace immunodose {
namespace {

constexpr std::size_t block = 512;
constexpr std::int64_t cells_per_task = 16 * static_cast<std::int64_t>(block);

enum class Stage { whole, emit, respond };

// y' = gain - rate y over the step: y becomes decay y + rise gain (Eq. 16).
struct Relaxation {
  float decay = 1.0F;
  float rise = 0.0F;
};

Relaxation relaxation(float rate, float duration_d) {
  const double x = static_cast<double>(rate) * static_cast<double>(duration_d);
  const double duration = static_cast<double>(duration_d);
  const double rise = x > 0.0 ? -std::expm1(-x) / static_cast<double>(rate) : duration;
  return {static_cast<float>(std::exp(-x)), static_cast<float>(rise)};
}

// All that is the same for every cell of the step.
struct StepPlan {
  const SignalConstants& constants;
  const SignalCells& cells;
  Relaxation trex1;
  Relaxation ifn1;
  Relaxation vesicle;
  float mhc1_share = 0.0F;
  float pdl1_share = 0.0F;
  float ifn_gamma = 0.0F;
};

using Lanes = std::array<float, block>;

// Amount that is remembered, of the cells [first, first + n).
IMMUNODOSE_INLINED void remember(const Memory& memory, std::span<const float> table,
                                 std::size_t first, std::size_t n, Lanes& x) {
  const std::size_t n_cells = memory.amount.size() / table.size();
  const float* amount = memory.amount.data() + first;
  for (std::size_t k = 0; k < n; ++k) x[k] = amount[k] * table[0];
  for (std::size_t c = 1; c < table.size(); ++c) {
    amount += n_cells;
    const float weight = table[c];
    for (std::size_t k = 0; k < n; ++k) x[k] += amount[k] * weight;
  }
}

IMMUNODOSE_INLINED float saturated(float ratio) { return ratio / (1.0F + ratio); }

// Whole powers up to `most_multiplied` by multiplication. Ratios are cut where H is 1 in single
// precision, so that no power overflows.
constexpr float most_multiplied = 8.0F;
constexpr float full_ratio = 1e4F;

IMMUNODOSE_INLINED void raise(int power, std::size_t n, Lanes& x) {
  if (power == 1) return;
  Lanes square;
  for (std::size_t k = 0; k < n; ++k) square[k] = x[k] < full_ratio ? x[k] : full_ratio;
  for (std::size_t k = 0; k < n; ++k) x[k] = (power & 1) != 0 ? square[k] : 1.0F;
  for (int rest = power >> 1; rest != 0; rest >>= 1) {
    for (std::size_t k = 0; k < n; ++k) square[k] *= square[k];
    if ((rest & 1) == 0) continue;
    for (std::size_t k = 0; k < n; ++k) x[k] *= square[k];
  }
}

IMMUNODOSE_INLINED void respond_in_place(const ResponseCurve& curve, std::size_t n, Lanes& x) {
  if (curve.poisson) {
    constexpr float log2_e = 1.44269504088896341F;
    for (std::size_t k = 0; k < n; ++k) x[k] = 1.0F - lane_exp2(-log2_e * x[k]);
    return;
  }
  const float inverse = 1.0F / curve.half;
  if (curve.power <= most_multiplied && curve.power == std::floor(curve.power)) {
    for (std::size_t k = 0; k < n; ++k) x[k] *= inverse;
    raise(static_cast<int>(curve.power), n, x);
    for (std::size_t k = 0; k < n; ++k) x[k] = saturated(x[k]);
    return;
  }
  const float power = curve.power;
  for (std::size_t k = 0; k < n; ++k) x[k] = saturated(lane_power(x[k] * inverse, power));
}

float response_of(const ResponseCurve& curve, float x) {
  Lanes one{};
  one[0] = x;
  respond_in_place(curve, 1, one);
  return one[0];
}

// Adds gain times the response to `amount` to the relative rise.
IMMUNODOSE_INLINED void add_response(const ResponseCurve& curve, float gain, std::size_t n,
                                     Lanes& amount, Lanes& rise) {
  respond_in_place(curve, n, amount);
  for (std::size_t k = 0; k < n; ++k) rise[k] += gain * amount[k];
}

// Advances y with a constant gain and leaves the mean of its ends in `gain`.
IMMUNODOSE_INLINED void relax(const Relaxation& step, float* y, std::size_t n, Lanes& gain) {
  for (std::size_t k = 0; k < n; ++k) {
    const float old = y[k];
    const float fresh = step.decay * old + step.rise * gain[k];
    y[k] = fresh;
    gain[k] = 0.5F * (old + fresh);
  }
}

// Interferon released per day (Eq. 8); TREX1 advances (Eq. 7).
IMMUNODOSE_INLINED void release_ifn1(const StepPlan& plan, std::size_t first, std::size_t n,
                                     Lanes& source) {
  const SignalConstants& constants = plan.constants;
  const SignalCells& cells = plan.cells;
  remember(cells.dna, cells.dna.middle, first, n, source);
  respond_in_place(constants.dna, n, source);
  const float rate = constants.ifn1_rate;
  if (cells.trex1.empty()) {
    for (std::size_t k = 0; k < n; ++k) source[k] = rate * source[k];
    return;
  }
  Lanes trex1;
  remember(cells.window, cells.window.middle, first, n, trex1);
  respond_in_place(constants.window, n, trex1);
  for (std::size_t k = 0; k < n; ++k) trex1[k] *= constants.trex1_rate;
  relax(plan.trex1, cells.trex1.data() + first, n, trex1);
  const float inverse = 1.0F / constants.trex1_half;
  for (std::size_t k = 0; k < n; ++k) source[k] = rate * source[k] / (1.0F + inverse * trex1[k]);
}

// MHC-I and PD-L1 (Eqs. 12, 13) of cells whose relative rise is known.
IMMUNODOSE_INLINED void express(const StepPlan& plan, std::size_t first, std::size_t n,
                                const Lanes& rise) {
  const SignalCells& cells = plan.cells;
  Lanes gamma;
  if (cells.ifn_gamma.empty()) {
    for (std::size_t k = 0; k < n; ++k) gamma[k] = plan.ifn_gamma;
  } else {
    const float* const amount = cells.ifn_gamma.data() + first;
    for (std::size_t k = 0; k < n; ++k) gamma[k] = amount[k];
    respond_in_place(plan.constants.ifn_gamma, n, gamma);
  }
  const float* const route = cells.ifn_gamma_route.data() + first;
  for (std::size_t k = 0; k < n; ++k) gamma[k] *= route[k];
  const float* const baseline = cells.baseline.data() + first;
  const float* const inducibility = cells.inducibility.data() + first;
  const float* const assembly = cells.assembly.data() + first;
  float* const mhc1 = cells.mhc1.data() + first;
  const float gain = plan.constants.mhc1_ifn_gamma_gain;
  for (std::size_t k = 0; k < n; ++k) {
    const float raised = baseline[k] * (1.0F + inducibility[k] * rise[k]);
    const float target = assembly[k] * (raised + gain * gamma[k]);
    mhc1[k] += plan.mhc1_share * (target - mhc1[k]);
  }
  if (cells.pdl1.empty()) return;
  float* const pdl1 = cells.pdl1.data() + first;
  const float excess = plan.constants.pdl1_excess;
  for (std::size_t k = 0; k < n; ++k) {
    pdl1[k] += plan.pdl1_share * (1.0F + excess * gamma[k] - pdl1[k]);
  }
}

// Response to damage at the end of the step, and the complexes that T cells recognize (Eq. 14).
IMMUNODOSE_INLINED void present(const StepPlan& plan, std::size_t first, std::size_t n) {
  const SignalCells& cells = plan.cells;
  Lanes response{};
  if (!cells.damage.amount.empty()) {
    remember(cells.damage, cells.damage.end, first, n, response);
    respond_in_place(plan.constants.damage, n, response);
  }
  const float* const mhc1 = cells.mhc1.data() + first;
  float* const pmhc = cells.pmhc.data() + first;
  float* const damage = cells.damage_response.data() + first;
  const float own = plan.constants.recognized_share;
  const float induced = plan.constants.induced_share;
  for (std::size_t k = 0; k < n; ++k) {
    damage[k] = response[k];
    pmhc[k] = (own + induced * response[k]) * mhc1[k];
  }
}

IMMUNODOSE_INLINED void copy_of(std::span<const float> values, std::size_t first, std::size_t n,
                                Lanes& copied) {
  for (std::size_t k = 0; k < n; ++k) copied[k] = values[first + k];
}

template <Stage stage>
IMMUNODOSE_INLINED void advance_block(const StepPlan& plan, std::size_t first, std::size_t n) {
  const SignalConstants& constants = plan.constants;
  const SignalCells& cells = plan.cells;
  Lanes damage{};
  if (!cells.damage.amount.empty()) {
    remember(cells.damage, cells.damage.middle, first, n, damage);
    respond_in_place(constants.damage, n, damage);
  }
  Lanes ifn1;
  Lanes vesicle;
  if constexpr (stage != Stage::respond) {
    if (!cells.ifn1.empty()) release_ifn1(plan, first, n, ifn1);
    if (!cells.vesicle.empty()) {
      for (std::size_t k = 0; k < n; ++k) vesicle[k] = constants.vesicle_rate * damage[k];
    }
  }
  if constexpr (stage == Stage::emit) {
    if (!cells.ifn1.empty()) std::copy_n(ifn1.data(), n, cells.ifn1.data() + first);
    if (!cells.vesicle.empty()) std::copy_n(vesicle.data(), n, cells.vesicle.data() + first);
    return;
  }
  if constexpr (stage == Stage::whole) {
    if (!cells.ifn1.empty()) relax(plan.ifn1, cells.ifn1.data() + first, n, ifn1);
    if (!cells.vesicle.empty()) relax(plan.vesicle, cells.vesicle.data() + first, n, vesicle);
  } else {
    if (!cells.ifn1.empty()) copy_of(cells.ifn1, first, n, ifn1);
    if (!cells.vesicle.empty()) copy_of(cells.vesicle, first, n, vesicle);
  }
  Lanes rise;
  for (std::size_t k = 0; k < n; ++k) rise[k] = constants.damage_gain * damage[k];
  if (!cells.membrane.amount.empty()) {
    remember(cells.membrane, cells.membrane.middle, first, n, damage);
    add_response(constants.membrane, constants.membrane_gain, n, damage, rise);
  }
  if (!cells.ifn1.empty()) add_response(constants.ifn1, constants.ifn1_gain, n, ifn1, rise);
  if (!cells.vesicle.empty()) {
    add_response(constants.vesicle, constants.vesicle_gain, n, vesicle, rise);
  }
  if (!cells.driver.empty()) {
    for (std::size_t k = 0; k < n; ++k) rise[k] += cells.driver[first + k];
  }
  express(plan, first, n, rise);
  present(plan, first, n);
}

template <Stage stage>
void run_baseline(const StepPlan& plan, std::size_t begin, std::size_t end) {
  for (std::size_t first = begin; first < end; first += block) {
    advance_block<stage>(plan, first, std::min(block, end - first));
  }
}

#if IMMUNODOSE_HAS_AVX2_TARGET
template <Stage stage>
IMMUNODOSE_AVX2_TARGET void run_avx2(const StepPlan& plan, std::size_t begin, std::size_t end) {
  for (std::size_t first = begin; first < end; first += block) {
    advance_block<stage>(plan, first, std::min(block, end - first));
  }
}
#endif

void check_memory(const Memory& memory, std::size_t n_cells, const char* name) {
  if (memory.amount.empty()) return;
  const std::size_t n_components = memory.middle.size();
  if (n_components == 0 || memory.end.size() != n_components ||
      memory.amount.size() != n_components * n_cells) {
    throw InputError(std::string(name) + ": amounts and tables differ in size");
  }
}

template <class T>
void check_size(std::span<T> values, std::size_t n_cells, bool optional, const char* name) {
  if (values.size() == n_cells || (optional && values.empty())) return;
  throw InputError(std::string(name) + ": got " + std::to_string(values.size()) +
                   " values, expected " + std::to_string(n_cells));
}

void check(const SignalCells& cells, std::size_t n_cells, Stage stage) {
  check_memory(cells.damage, n_cells, "damage");
  check_memory(cells.dna, n_cells, "dna");
  check_memory(cells.membrane, n_cells, "membrane");
  check_memory(cells.window, n_cells, "window");
  check_size(cells.trex1, n_cells, true, "trex1");
  check_size(cells.ifn1, n_cells, true, "ifn1");
  check_size(cells.vesicle, n_cells, true, "vesicle");
  if (stage != Stage::respond && !cells.ifn1.empty() && cells.dna.amount.empty()) {
    throw InputError("ifn1: there are no amounts of dna");
  }
  if (stage != Stage::respond && !cells.trex1.empty() && cells.window.amount.empty()) {
    throw InputError("trex1: there are no amounts of window");
  }
  if (stage == Stage::emit) return;
  check_size(cells.inducibility, n_cells, false, "inducibility");
  check_size(cells.ifn_gamma_route, n_cells, false, "ifn_gamma_route");
  check_size(cells.assembly, n_cells, false, "assembly");
  check_size(cells.ifn_gamma, n_cells, true, "ifn_gamma");
  check_size(cells.driver, n_cells, true, "driver");
  check_size(cells.mhc1, n_cells, false, "mhc1");
  check_size(cells.pdl1, n_cells, true, "pdl1");
  check_size(cells.damage_response, n_cells, false, "damage_response");
  check_size(cells.pmhc, n_cells, false, "pmhc");
}

template <Stage stage>
void run(const SignalConstants& constants, const SignalStep& step, const SignalCells& cells,
         int n_threads, const StopPoll& stop) {
  const std::size_t n_cells = cells.baseline.size();
  check(cells, n_cells, stage);
  StepPlan plan{constants, cells, {}, {}, {}};
  plan.trex1 = relaxation(constants.trex1_loss, step.duration_d);
  plan.ifn1 = relaxation(constants.ifn1_loss, step.duration_d);
  plan.vesicle = relaxation(constants.vesicle_loss, step.duration_d);
  plan.mhc1_share = -std::expm1(-constants.mhc1_turnover * step.duration_d);
  plan.pdl1_share = -std::expm1(-constants.pdl1_rate * step.duration_d);
  plan.ifn_gamma = response_of(constants.ifn_gamma, step.ifn_gamma);
  auto* loop = run_baseline<stage>;
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (simd_level() == SimdLevel::avx2) loop = run_avx2<stage>;
#endif
  parallel_for(
      static_cast<std::int64_t>(n_cells), cells_per_task, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        loop(plan, static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
      },
      stop);
}

}  // namespace

void advance_signals(const SignalConstants& constants, const SignalStep& step,
                     const SignalCells& cells, int n_threads, const StopPoll& stop) {
  run<Stage::whole>(constants, step, cells, n_threads, stop);
}

void emit_signals(const SignalConstants& constants, const SignalStep& step,
                  const SignalCells& cells, int n_threads, const StopPoll& stop) {
  run<Stage::emit>(constants, step, cells, n_threads, stop);
}

void respond_to_signals(const SignalConstants& constants, const SignalStep& step,
                        const SignalCells& cells, int n_threads, const StopPoll& stop) {
  run<Stage::respond>(constants, step, cells, n_threads, stop);
}

}  // namespace immunodose
