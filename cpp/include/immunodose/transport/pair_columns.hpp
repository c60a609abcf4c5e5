// SPDX-License-Identifier: BSD-3-Clause
// sum_pairs and sum_pairs_both_ways for tables of many columns.
#pragma once
#include "immunodose/transport/pair_loops.hpp"

namespace immunodose {

std::int64_t sum_columns(const PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                         float reach_um2, const PairTables& tables, SimdLevel simd,
                         std::span<float> sums);
std::int64_t sum_columns_both_ways(PairBuffer& near, const PairGroups& groups, const PairTile& tile,
                                   std::size_t own, float reach_um2, const PairTables& tables,
                                   SimdLevel simd, std::span<float> sums);

}  // namespace immunodose
