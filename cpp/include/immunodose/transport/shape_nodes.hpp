// SPDX-License-Identifier: BSD-3-Clause
// Shapes of cells between which others are interpolated: Chebyshev points of the cell radius and of
// the ratio of the nucleus radius to it. Eq. P10, docs/theory/population.md.
#pragma once
#include <span>
#include <vector>

#include "immunodose/transport/population_dose.hpp"

namespace immunodose {

class ShapeNodes {
 public:
  ShapeNodes() = default;
  explicit ShapeNodes(std::span<const CellShape> shapes);

  bool empty() const { return radius_um_.empty(); }
  // Ratio minor.
  std::vector<CellShape> shapes() const;
  // Of each node for a shape; they sum to one.
  std::vector<double> weights(const CellShape& shape) const;
  // A nucleus as large as the inside of its cell leaves no cytoplasm: such a node cannot stand for
  // others.
  bool have_cytoplasm(double membrane_thickness_um) const;

 private:
  std::vector<double> radius_um_;
  std::vector<double> ratio_;
};

}  // namespace immunodose
