// SPDX-License-Identifier: BSD-3-Clause
// Tumor cells in reach of a place, in the order of their rows.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/simd.hpp"
#include "immunodose/immune/agent_bins.hpp"

namespace immunodose {

// Asks for the cache line that holds the first byte of an object.
inline void prefetch_line(const void* object) {
#if defined(__GNUC__)
  __builtin_prefetch(object);
#else
  static_cast<void>(object);
#endif
}

// Where a search looks: bins at first, then rows of cells.
struct SearchRanges {
  std::size_t size = 0;  // above of.size(): too many, not listed
  std::array<AgentBins::Range, 9> of{};
};

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

  // One of them, each as likely as the others, by a random word; -1 where there is none. In three
  // parts: `locate` and `read` ask for the memory that the next part needs.
  void locate(float x_um, float y_um, float z_um, SearchRanges& ranges) const {
    ranges.size = bins_.rows(x_um, y_um, z_um, reach_um_, ranges.of);
    if (ranges.size > ranges.of.size()) return;
    for (std::size_t k = 0; k < ranges.size; ++k) {
      prefetch_line(&starts_[static_cast<std::size_t>(ranges.of[k].begin)]);
      prefetch_line(&starts_[static_cast<std::size_t>(ranges.of[k].end)]);
    }
  }
  void read(SearchRanges& ranges) const {
    if (ranges.size > ranges.of.size()) return;
    for (std::size_t k = 0; k < ranges.size; ++k) {
      AgentBins::Range& range = ranges.of[k];
      range = {starts_[static_cast<std::size_t>(range.begin)],
               starts_[static_cast<std::size_t>(range.end)]};
      if (range.begin == range.end) continue;
      // Most ranges lie in one or two lines.
      const float* const axes[3]{at_.x.data(), at_.y.data(), at_.z.data()};
      for (const float* axis : axes) {
        prefetch_line(axis + range.begin);
        prefetch_line(axis + range.end - 1);
      }
    }
  }
  std::int32_t choose(float x_um, float y_um, float z_um, std::uint32_t word,
                      const SearchRanges& ranges, std::span<const std::int32_t> left_out);

 private:
  std::int32_t choose_of_list(float x_um, float y_um, float z_um, std::uint32_t word,
                              std::span<const std::int32_t> left_out);
  std::int32_t choose_avx2(float x_um, float y_um, float z_um, std::uint32_t word,
                           const SearchRanges& ranges);

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
  std::vector<std::int32_t> found_ = std::vector<std::int32_t>(64);
};

}  // namespace immunodose
