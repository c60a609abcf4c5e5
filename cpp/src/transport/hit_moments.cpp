// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/hit_moments.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t block = 2048;  // cells

}  // namespace

void HitMoments::Moments::add(double batch_hits, double batch_let, double batch_keV,
                              double n_done) {
  const double off_hits = batch_hits - hits;
  const double off_let = batch_let - let;
  const double off_keV = batch_keV - keV;
  hits += off_hits / n_done;
  let += off_let / n_done;
  keV += off_keV / n_done;
  hits2 += off_hits * (batch_hits - hits);
  let2 += off_let * (batch_let - let);
  keV2 += off_keV * (batch_keV - keV);
  let_keV += off_let * (batch_keV - keV);
}

HitMoments::HitMoments(const RegionTally& tally)
    : n_columns_(tally.n_columns()), n_cells_(tally.n_cells()) {
  if (tally.with_hits()) {
    moments_.assign(static_cast<std::size_t>(n_cells_) * RegionTally::n_targets * n_columns_, {});
  }
}

void HitMoments::add(const RegionTally& tally, double factor, int n_threads, const StopPoll& stop) {
  if (moments_.empty()) return;
  const auto n_done = static_cast<double>(++n_done_);
  parallel_for(
      n_cells_, block, n_threads,
      [&](std::int64_t first, std::int64_t last) {
        Moments* own =
            &moments_[static_cast<std::size_t>(first) * RegionTally::n_targets * n_columns_];
        for (std::int64_t rank = first; rank < last; ++rank) {
          for (std::size_t column = 0; column < n_columns_; ++column) {
            double let = 0.0;
            double keV = 0.0;
            for (std::size_t region = 0; region < n_cell_regions; ++region) {
              const double region_let = factor * tally.energy_let(rank, region, column);
              const double region_keV = factor * (tally.energy_keV(rank, region, column, 0) +
                                                  tally.energy_keV(rank, region, column, 1));
              const auto hits = static_cast<double>(tally.hits(rank, region, column));
              own[region * n_columns_ + column].add(factor * hits, region_let, region_keV, n_done);
              let += region_let;
              keV += region_keV;
            }
            const auto hits = static_cast<double>(tally.hits(rank, n_cell_regions, column));
            own[n_cell_regions * n_columns_ + column].add(factor * hits, let, keV, n_done);
          }
          own += RegionTally::n_targets * n_columns_;
        }
      },
      stop);
}

HitMeans HitMoments::means(std::span<const std::int64_t> order, int n_threads) const {
  HitMeans out;
  for (auto* values : {&out.hits, &out.energy_let, &out.region_keV, &out.hits_variance,
                       &out.let_variance, &out.region_variance, &out.covariance}) {
    values->resize(moments_.size());
  }
  if (moments_.empty()) return out;
  const auto n = static_cast<double>(n_done_);
  // Without a decay no batch was run: all sums are zero.
  const double per_mean = n_done_ > 1 ? 1.0 / (n * (n - 1.0)) : 0.0;
  const std::size_t width = RegionTally::n_targets * n_columns_;
  parallel_for(n_cells_, block, n_threads, [&](std::int64_t first, std::int64_t last) {
    for (auto rank = static_cast<std::size_t>(first); rank < static_cast<std::size_t>(last);
         ++rank) {
      for (std::size_t i = 0; i < width; ++i) {
        const Moments& m = moments_[rank * width + i];
        const std::size_t at = static_cast<std::size_t>(order[rank]) * width + i;
        out.hits[at] = m.hits;
        out.energy_let[at] = m.let;
        out.region_keV[at] = m.keV;
        out.hits_variance[at] = m.hits2 * per_mean;
        out.let_variance[at] = m.let2 * per_mean;
        out.region_variance[at] = m.keV2 * per_mean;
        out.covariance[at] = m.let_keV * per_mean;
      }
    }
  });
  return out;
}

}  // namespace immunodose
