// SPDX-License-Identifier: BSD-3-Clause
// How well an effector recognizes a tumor cell: CD8 T cells by complexes of MHC-I and peptide and
// by PD-L1, natural killer cells by missing MHC-I (docs/theory/killing.md).
#pragma once
#include <cstdint>
#include <span>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// States are stored as Real (float or double); the arithmetic is always in double.

// Recognition in [0, 1] from the complexes per cell (Eq. 1-3).
struct Recognition {
  int at_least = 0;  // complexes that must be there together (Poisson); 0: Hill
  double half = 1.0;
  double power = 1.0;
  double proofread = 1.0;  // share of the complexes that complete proofreading
};

// Inhibition by PD-1 from PD-L1 relative to the untreated cell (Eq. 4).
struct CheckpointBlock {
  double free_share = 1.0;  // 1 - occupancy by the antibody
  double half = 1.0;
  double power = 1.0;
};

// Natural killer cells (Eq. 7).
struct MissingSelf {
  double half = 1.0;
  double power = 1.0;
};

// Probability that a Poisson number of this mean is at least k >= 1.
double poisson_at_least(double mean, int k);

// recognition[i] and susceptibility[i] = recognition[i] (1 - inhibition[i]). Without `pdl1_fold`
// nothing inhibits and both are equal; `recognition` may then be empty.
template <class Real>
void susceptibility(std::span<const Real> pmhc, std::span<const Real> pdl1_fold,
                    const Recognition& recognition, const CheckpointBlock& checkpoint,
                    std::span<Real> recognized, std::span<Real> susceptible, int n_threads,
                    const StopPoll& stop = {});

// 1/(1 + (mhc1/half)^power) times `ligand` (empty: 1). Without `mhc1` only the ligand counts.
template <class Real>
void missing_self(std::span<const Real> mhc1, std::span<const Real> ligand, MissingSelf model,
                  std::span<Real> out, int n_threads, const StopPoll& stop = {});

}  // namespace immunodose
