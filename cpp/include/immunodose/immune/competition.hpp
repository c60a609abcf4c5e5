// SPDX-License-Identifier: BSD-3-Clause
// One time step of every tumor cell under radiation and several kinds of killer cells as competing
// hazards (docs/theory/killing.md).
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// Radiation: survival after all decays, and the delivered share of its exponent at both ends of the
// step by component. Without `share` there is one component.
template <class Real>
struct RadiationStep {
  std::span<const Real> log_survival;
  std::span<const Real> share;  // (cell, component)
  std::span<const double> delivered_before;
  std::span<const double> delivered_now;
};

// One kind of killer cell. The exponent of the step is weight_now rate[i] + weight_before
// before[i]: what the population does in the step, times how well cell i is seen at either end of
// it (then before[i] becomes rate[i]). Without `before` it is weight_now rate[i].
template <class Real>
struct KillerStep {
  std::span<const Real> rate;
  double weight_before = 0.0;
  double weight_now = 1.0;
  std::span<Real> before;
  std::span<Real> exponent;  // since the start
  std::span<Real> first;     // probability that it was the first cause so far
};

// Advances all cells by one step (Eq. 12-14). Returns sums over the cells: of the probability to be
// alive, of `first_radiation`, of `first` of each killer, then of alive times each of `values`.
// Blocks of fixed size are summed in their order: no dependence on threads.
template <class Real>
std::vector<double> compete(const RadiationStep<Real>& radiation,
                            std::span<const KillerStep<Real>> killers,
                            std::span<Real> first_radiation,
                            std::span<const std::span<const Real>> values, int n_threads,
                            const StopPoll& stop = {});

// Sum over the cells of what radiation alone leaves alive at `delivered_now`; the same blocks.
template <class Real>
double radiation_survivors(const RadiationStep<Real>& radiation, int n_threads,
                           const StopPoll& stop = {});

// Sublethal hits that recover (Eq. 10-11): `hits` (cell, n_hits) holds the probability of 0, 1, ..
// hits among the living; `exponent` is what killing adds in the step, -ln of the living that are
// left. The hits expected in the step, of the same weights as KillerStep, come evenly within it.
struct HitModel {
  int n_hits = 1;
  double recovery_per_d = 0.0;  // of each hit
};

template <class Real>
void advance_hits(std::span<const Real> rate, double weight_before, double weight_now,
                  std::span<Real> before, const HitModel& model, double step_d,
                  std::span<Real> hits, std::span<Real> exponent, int n_threads,
                  const StopPoll& stop = {});

}  // namespace immunodose
