// SPDX-License-Identifier: BSD-3-Clause
// The dose to a whole cell is the mean of the doses to its parts, weighted with their masses:
// where all parts are scored it needs no sum over pairs of its own. Eq. P13,
// docs/theory/population.md.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "immunodose/transport/population_dose.hpp"

namespace immunodose {

struct DerivedTarget {
  std::size_t target;             // number of the whole cell among the targets
  std::vector<std::size_t> part;  // numbers of its parts

  // Shares of the parts in the volume of a cell; density is the same everywhere.
  std::vector<double> shares(const CellShape& shape, std::span<const Compartment> targets,
                             double membrane_thickness_um) const;
};

// None where a part of the cell that has a volume is not among the targets.
std::optional<DerivedTarget> derived_target(std::span<const Compartment> targets,
                                            double membrane_thickness_um);

}  // namespace immunodose
