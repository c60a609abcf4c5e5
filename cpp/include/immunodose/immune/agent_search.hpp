// SPDX-License-Identifier: BSD-3-Clause
// Tumor cells in reach of a place, in the order of their rows.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/immune/agent_bins.hpp"

namespace immunodose {

class TargetSearch {
 public:
  // Points sorted by `bins` (sorted_points); those with infinite x are not found.
  TargetSearch(Points at, std::span<const std::int32_t> starts, const AgentBins& bins,
               double reach_um)
      : at_(at), starts_(starts), bins_(bins), reach_um_(reach_um) {
    const auto reach = static_cast<float>(reach_um);
    square_um2_ = reach * reach;
  }

  // Rows within reach but those `left_out`, ascending; valid until the next call.
  std::span<const std::int32_t> in_reach(float x_um, float y_um, float z_um,
                                         std::span<const std::int32_t> left_out);

  // One of them, each as likely as the others, by a random word; -1 where there is none.
  std::int32_t choose(float x_um, float y_um, float z_um, std::uint32_t word,
                      std::span<const std::int32_t> left_out);

 private:
  std::int32_t choose_of_list(float x_um, float y_um, float z_um, std::uint32_t word,
                              std::span<const std::int32_t> left_out);
  std::int32_t choose_avx2(float x_um, float y_um, float z_um, std::uint32_t word);

  Points at_;
  std::span<const std::int32_t> starts_;
  const AgentBins& bins_;
  double reach_um_;
  float square_um2_ = 0.0F;
  static constexpr std::int32_t too_many = -2;  // for the buffers below, or near the last row
  struct Group {
    std::int32_t row;
    unsigned near;  // bits of the rows in reach
  };
  std::array<Group, 32> groups_{};
  std::array<AgentBins::Range, 16> ranges_{};
  std::vector<std::int32_t> found_ = std::vector<std::int32_t>(64);
};

}  // namespace immunodose
