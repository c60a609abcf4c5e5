// SPDX-License-Identifier: BSD-3-Clause
// Dose rates as sums of a few time courses, and the Lea-Catcheside factor of each cell.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/physics/decay_chain.hpp"

namespace immunodose {

// Repair of damage in phases: weights sum to 1, rates in the unit of the dose rates.
struct Repair {
  std::span<const double> weight;
  std::span<const double> rate;
};

// Row after row of sum_c dose[row, c] density[c, time] (Eq. R1, docs/theory/dose_rate.md).
template <class Real>
LargeVector<Real> sum_of_courses(std::span<const double> dose, std::span<const double> density,
                                 std::size_t n_courses, int n_threads, const StopPoll& stop = {});

// Q[i, j] = sum_phases w 1/2 [ int h_i (k * h_j) + int h_j (k * h_i) ] for the decay rates h of
// the members and k = 2 exp(-mu t) (Eq. R5-R7). Only non-negative numbers are added and multiplied,
// so equal rates are no special case. The chain may be several chains side by side.
std::vector<double> protraction_of_pairs(const DecayChain& chain,
                                         std::span<const double> initial_atoms,
                                         const Repair& repair);

// sum_ij dose_i dose_j Q_ij / (sum_i dose_i)^2 of every row; 1 where there is no dose (Eq. R4).
std::vector<double> lea_catcheside_of_doses(std::span<const double> dose,
                                            std::span<const double> pair, int n_threads,
                                            const StopPoll& stop = {});

// The factor of each row of dose rates (row, time), linear between the times and zero outside them:
// exact for that curve (Eq. R8-R10); 1 where there is no dose.
std::vector<double> lea_catcheside_of_curves(std::span<const double> time,
                                             std::span<const double> dose_rate,
                                             const Repair& repair, int n_threads,
                                             const StopPoll& stop = {});

}  // namespace immunodose
