// SPDX-License-Identifier: BSD-3-Clause
// Sources, targets and tables of a population for sums over neighbors (neighbor_sum.hpp).
#pragma once
#include <functional>
#include <vector>

#include "immunodose/transport/neighbor_sum.hpp"
#include "immunodose/transport/population_cross.hpp"

namespace immunodose {

// Which pair of shapes a table is for.
struct TablePair {
  std::size_t target_class;
  std::size_t source_class;
  std::size_t source;
};

// Changes the values of a table, (edge, column), before it is stored.
using AdjustTable = std::function<void(const TablePair& pair, const std::vector<double>& edge_um2,
                                       std::vector<double>& values)>;

class PopulationPairs {
 public:
  // Tables up to `longest_um`; without `adjust` they end where the kernels do.
  PopulationPairs(const PopulationTables& tables, const Channels& channels, double longest_um,
                  const AdjustTable& adjust);

  // Cross-doses of a class are those of its mean shape at a distance that makes up for the
  // difference. Eq. P3. Doses are zero between centers farther apart than `reach_um`.
  std::int64_t sum(double reach_um, const CrossSink& sink) const;
  // Where the cross-dose of all pairs has ended.
  double end_um() const;

 private:
  void number_tables();
  void fill_tables(const AdjustTable& adjust);
  std::vector<double> table_values(const TablePair& pair, const std::vector<double>& edge_um2,
                                   const PointHitTable* hits) const;
  void end_tables(const TablePair& pair, const std::vector<double>& edge_um2,
                  std::vector<double>& values) const;
  double shrink_um2(const Region& own, const Region& of_class) const;
  double source_shrink_um2(std::size_t cell) const;
  double target_shrink_um2(std::size_t cell) const;
  bool one_table_for_all() const;
  // Numbers of the ranks with activity, and the first of each rank; none if all are sources.
  void number_sources(const GridIndex& cells, NeighborSources& list) const;
  NeighborSources list_sources(const GridIndex& cells) const;
  NeighborTargets list_targets(const GridIndex& cells) const;
  void set_partners(const GridIndex& cells, NeighborTargets& list) const;
  bool has_activity(std::size_t cell) const;
  CrossSink without_images(const CrossSink& sink) const;

  const PopulationTables& tables_;
  const Channels& channels_;
  std::vector<std::size_t> compartment_;  // source compartments that decay anywhere
  PairTables pairs_;
  std::vector<std::int32_t> number_;  // of a source class within a target class, or -1
  std::int32_t per_target_ = 0;
};

}  // namespace immunodose
