// SPDX-License-Identifier: BSD-3-Clause
// Self-doses of cells of any number of shapes: exact for each, or interpolated between shapes where
// there are too many. Eq. P10, docs/theory/population.md.
#pragma once
#include <vector>

#include "immunodose/transport/population_tables.hpp"
#include "immunodose/transport/shape_nodes.hpp"

namespace immunodose {

class SelfDose {
 public:
  SelfDose(const PopulationTables& tables, const Channels& channels);

  // Per decay in each source compartment: (source, column).
  void row(std::size_t shape, std::vector<double>& values) const;

 private:
  std::vector<double> exact_rows(std::span<const CellShape> shapes) const;
  std::size_t row_size() const { return n_source_compartments * channels_.width(); }
  bool interpolate();
  void interpolated(const CellShape& shape, std::vector<double>& values) const;

  const PopulationTables& tables_;
  const Channels& channels_;
  ShapeNodes nodes_;          // empty: every shape is exact
  std::vector<double> rows_;  // (shape or node, source, column)
};

}  // namespace immunodose
