// SPDX-License-Identifier: BSD-3-Clause
// Self-doses of cells whose nuclei lie off their centers. Eqs. 7a of docs/theory/transport.md and
// P16 of docs/theory/population.md.
#pragma once
#include <map>
#include <utility>
#include <vector>

#include "immunodose/transport/population_sites.hpp"
#include "immunodose/transport/population_tables.hpp"
#include "immunodose/transport/shape_nodes.hpp"

namespace immunodose {

class OffsetSelfDose {
 public:
  OffsetSelfDose(const PopulationTables& tables, const Channels& channels);

  // Per decay in each source compartment of a cell: (source, column).
  void row(std::size_t cell, std::vector<double>& values) const;

 private:
  using Kind = std::pair<std::size_t, double>;  // shape and length of the offset (um)

  std::size_t row_size() const { return n_source_compartments * channels_.width(); }
  Kind kind(std::size_t cell) const;
  double room_um(const CellShape& shape) const;  // longest offset
  bool has_few_kinds();
  bool interpolate();
  bool agrees() const;  // with exact values of a sample
  double gap_um(double room_um, double place) const;
  // (offset, source, column)
  std::vector<double> exact_rows(const CellShape& shape, const std::vector<double>& offset_um,
                                 const PointHitTable* hits) const;
  // Offsets of the nodes of a shape: dense where the nucleus nearly touches the membrane.
  std::vector<double> offset_nodes_um(const CellShape& shape) const;
  void interpolated(const Kind& kind, std::vector<double>& values) const;
  void add_at_node(std::size_t shape_node, double place, double weight,
                   std::vector<double>& values) const;

  const PopulationTables& tables_;
  const Channels& channels_;
  HitTables hits_;                      // of all shapes, unless they are interpolated
  std::map<Kind, std::size_t> number_;  // of few kinds
  ShapeNodes nodes_;                    // of many
  double stretch_ = 0.0;                // of the offset nodes
  std::vector<double> rows_;            // (kind, source, column) or (shape node, offset, ...)
};

}  // namespace immunodose
