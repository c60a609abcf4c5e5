// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/derived_target.hpp"

#include <algorithm>
#include <array>

namespace immunodose {

std::vector<double> DerivedTarget::shares(const CellShape& shape,
                                          std::span<const Compartment> targets,
                                          double membrane_thickness_um) const {
  const auto cube = [](double radius_um) { return radius_um * radius_um * radius_um; };
  const double whole = cube(shape.cell_radius_um);
  std::vector<double> found;
  for (const std::size_t t : part) {
    const Region region = compartment_region(shape, targets[t], membrane_thickness_um);
    found.push_back((cube(region.outer_um) - cube(region.inner_um)) / whole);
  }
  return found;
}

std::optional<DerivedTarget> derived_target(std::span<const Compartment> targets,
                                            double membrane_thickness_um) {
  const auto number = [&](Compartment compartment) -> std::optional<std::size_t> {
    const auto found = std::find(targets.begin(), targets.end(), compartment);
    if (found == targets.end()) return {};
    return static_cast<std::size_t>(found - targets.begin());
  };
  const auto whole = number(Compartment::cell);
  if (!whole) return {};
  DerivedTarget derived{*whole, {}};
  for (const auto part : {Compartment::nucleus, Compartment::cytoplasm, Compartment::membrane}) {
    if (part == Compartment::membrane && membrane_thickness_um == 0.0) continue;
    const auto found = number(part);
    if (!found) return {};
    derived.part.push_back(*found);
  }
  return derived;
}

}  // namespace immunodose
