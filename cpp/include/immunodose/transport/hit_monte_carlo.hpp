// SPDX-License-Identifier: BSD-3-Clause
// Alpha hits of a nucleus by histories: each decay is followed through its chain.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/transport/hit_source.hpp"
#include "immunodose/transport/hit_table.hpp"

namespace immunodose {

struct HitHistories {
  std::uint64_t root = 0;
  std::uint64_t first = 0;  // number of the first history
  std::int64_t count = 0;
  bool straggling = false;
  int n_threads = 1;
};

struct HitTally {
  // Per decay: traversals n, whether it hits, sum of z (Gy), sum of the z^2 of single traversals,
  // and the square of the sum of z.
  static constexpr std::size_t n_scores = 5;
  std::array<double, n_scores> sum{};
  std::array<std::array<double, n_scores>, n_scores> product{};  // sums of score i * score j
  // Per bin of specific energy: traversals; sum over decays of their square, and of them times n;
  // decays that hit.
  std::vector<std::int64_t> traversals;
  std::vector<std::int64_t> traversals_squared;
  std::vector<std::int64_t> traversals_times_n;
  std::vector<std::int64_t> decays;
};

// The same bits for any number of threads. Eqs. 16b-16c, docs/theory/hits.md.
HitTally hit_histories(const AlphaChain& chain, double nucleus_radius_um, const HitSource& source,
                       double density_g_per_cm3, std::span<const double> edge_Gy,
                       const HitHistories& histories, const StopPoll& stop = {});

}  // namespace immunodose
