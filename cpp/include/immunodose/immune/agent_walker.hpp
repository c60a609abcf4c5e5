// SPDX-License-Identifier: BSD-3-Clause
// One T or NK cell through one time step, in parts between which the memory of its surroundings can
// arrive: many cells take turns (agent_cells.cpp).
#pragma once
#include <algorithm>
#include <array>
#include <cmath>

#include "immunodose/immune/agent_cells.hpp"
#include "immunodose/immune/agent_random.hpp"
#include "immunodose/immune/agent_search.hpp"

namespace immunodose {

// Whether a place is tissue, without divisions.
class TissueMap {
 public:
  explicit TissueMap(const Tissue& tissue) : tissue_(tissue), per_um_(1.0 / tissue.edge_um) {}

  bool holds(float x_um, float y_um, float z_um) const {
    const std::int64_t x = along(0, x_um), y = along(1, y_um), z = along(2, z_um);
    if (std::min({x, y, z}) < 0) return false;
    const std::int64_t number = (z * tissue_.n_voxels[1] + y) * tissue_.n_voxels[0] + x;
    return tissue_.inside[static_cast<std::size_t>(number)] != 0;
  }

 private:
  std::int64_t along(std::size_t axis, float position_um) const {
    const double place = (static_cast<double>(position_um) - tissue_.low_um[axis]) * per_um_;
    const bool is_in = place >= 0.0 && place < static_cast<double>(tissue_.n_voxels[axis]);
    return is_in ? static_cast<std::int64_t>(place) : -1;
  }

  const Tissue& tissue_;
  double per_um_;
};

// What all cells of a block share.
struct Surroundings {
  ImmuneCells& cells;
  const Targets& targets;
  const TissueMap& tissue;
  std::span<const Phenotype> phenotypes;
  const StepOptions& options;
  TargetSearch& search;
  std::vector<Hit>& hits;
};

class Walker {
 public:
  void begin(std::size_t i, const CellDraws& draws, const Surroundings& around);
  bool is_done() const { return now_ >= end_; }
  bool has_target() const { return target_ >= 0; }

  // A contact from now on: it ends by release, by the kill, by priming or with the step (Eq. 3,
  // 4).
  void hold(double dwell, double hit, const Surroundings& around);
  // Walks (Eq. 1, 9); then, unless the step is over, it looks for targets in three parts (Eq. 2).
  void walk(const SearchDraws& draws, const Surroundings& around);
  void locate(const Surroundings& around) { around.search.locate(x_, y_, z_, ranges_); }
  void read(const Surroundings& around) { around.search.read(ranges_); }
  void choose(std::uint32_t word, const Surroundings& around) {
    target_ = around.search.choose(x_, y_, z_, word, ranges_, {killed_.data(), n_killed_});
    if (target_ >= 0) prefetch_line(&susceptibility_[static_cast<std::size_t>(target_)]);
  }
  void finish(double change_number, const Surroundings& around);

 private:
  void become(std::uint8_t phenotype, const Surroundings& around);
  void pass(double until, double seen);
  void record(double time_min, const Surroundings& around);
  CellEvent change(double number, const Surroundings& around);
  std::uint32_t further_word(const Surroundings& around);

  const Phenotype* kind_ = nullptr;
  std::span<const float> susceptibility_;
  std::size_t cell_ = 0;
  double now_ = 0.0, end_ = 0.0, contact_ = 0.0, stimulated_ = 0.0;
  float x_ = 0.0F, y_ = 0.0F, z_ = 0.0F;
  std::int32_t target_ = -1;
  std::uint32_t n_further_ = 0;
  bool one_hit_ = true, dies_ = false;
  std::size_t n_killed_ = 0;
  std::array<std::int32_t, 16> killed_{};  // by this cell in this step; others die at its end
  std::uint64_t history_ = 0;
  SearchRanges ranges_;
};

}  // namespace immunodose
