// SPDX-License-Identifier: BSD-3-Clause
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "immunodose/core/large_vector.hpp"

namespace immunodose {

// Finds the slot of ascending positions on a cumulative scale.
template <class T>
class CumulativeCursor {
 public:
  CumulativeCursor(const LargeVector<T>& cumulative, T position)
      : cumulative_(cumulative),
        slot_(static_cast<std::size_t>(
            std::upper_bound(cumulative.begin(), cumulative.end(), position) -
            cumulative.begin())) {}

  std::size_t at(T position) {
    while (slot_ + 1 < cumulative_.size() && cumulative_[slot_] <= position) ++slot_;
    return std::min(slot_, cumulative_.size() - 1);
  }

 private:
  const LargeVector<T>& cumulative_;
  std::size_t slot_;
};

}  // namespace immunodose
