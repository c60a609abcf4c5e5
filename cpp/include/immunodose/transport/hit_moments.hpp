// SPDX-License-Identifier: BSD-3-Clause
// Hits and LET sums of a mean: averages over batches, with their variances and covariance.
// Eqs. MC-10 and MC-12, docs/theory/monte_carlo.md.
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/transport/region_tally.hpp"

namespace immunodose {

// All (cell, target, emission) for all decays; empty if hits were not counted.
struct HitMeans {
  LargeVector<double> hits;
  LargeVector<double> energy_let;  // keV2/um
  LargeVector<double> region_keV;  // keV, the weights of the LET
  // Of these means.
  LargeVector<double> hits_variance;
  LargeVector<double> let_variance;
  LargeVector<double> region_variance;
  LargeVector<double> covariance;  // of energy_let and region_keV
};

class HitMoments {
 public:
  // For tallies of the same cells and columns as this one; without hits nothing is kept.
  explicit HitMoments(const RegionTally& tally);

  // One batch, whose sums times `factor` estimate those of all decays.
  void add(const RegionTally& tally, double factor, int n_threads, const StopPoll& stop);
  // At the caller's numbers: order[rank] of each cell.
  HitMeans means(std::span<const std::int64_t> order, int n_threads) const;

 private:
  // Of one cell, target and class. Welford's update, as for the energies.
  struct Moments {
    double hits = 0.0, let = 0.0, keV = 0.0;
    double hits2 = 0.0, let2 = 0.0, keV2 = 0.0, let_keV = 0.0;
    void add(double batch_hits, double batch_let, double batch_keV, double n_done);
  };

  std::size_t n_columns_;
  LargeVector<Moments> moments_;  // (rank, target, column)
  std::int64_t n_cells_;
  std::int64_t n_done_ = 0;
};

}  // namespace immunodose
