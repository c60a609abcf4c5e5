// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/square_grid.hpp"

#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {

SquareGrid::SquareGrid(double shortest_um, double longest_um) {
  const auto low = static_cast<float>(shortest_um * shortest_um);
  const auto high = static_cast<float>(longest_um * longest_um);
  if (!(low > 0.0F) || !(high >= low) || high > 1e30F) {
    throw InputError("distances of pairs from " + std::to_string(shortest_um) + " to " +
                     std::to_string(longest_um) + " um cannot be tabulated");
  }
  first_ = key(low);
  size_ = key(high) - first_ + 2;
}

std::vector<double> SquareGrid::edges_um2() const {
  std::vector<double> edges;
  edges.reserve(static_cast<std::size_t>(size_));
  for (std::int32_t i = 0; i < size_; ++i) {
    edges.push_back(static_cast<double>(std::bit_cast<float>((first_ + i) << shift)));
  }
  return edges;
}

}  // namespace immunodose
