// SPDX-License-Identifier: BSD-3-Clause
// The inner loop of the cross-dose: activities of all sources around a target, sorted into bins
// of distance. What is linear in the activity is then one product of histogram and table, so the
// cost of a pair does not depend on how many quantities are scored.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/vec3.hpp"

namespace immunodose {

// Distances at which a / step - bend / a rises by one: `step_um` far away, and a fraction of it
// between cells that touch, where the cross-dose of low-energy electrons is steep.
class DistanceNodes {
 public:
  // All distances from `shortest_um` to `longest_um`, rounding included; the step at and below
  // `contact_um` is a quarter of `step_um` or less.
  DistanceNodes(double shortest_um, double longest_um, double contact_um, double step_um);

  double at_um(std::int64_t node) const;
  std::int64_t size() const { return size_; }
  double steps_per_um() const { return steps_per_um_; }
  double bend_um() const { return bend_um_; }
  double first() const { return first_; }

 private:
  double steps_per_um_;
  double bend_um_;
  double first_;
  std::int64_t size_;
};

// Sources as parallel arrays; `slot` says which histogram a source adds to.
struct PairSources {
  std::vector<double> x_um, y_um, z_um;
  std::vector<double> activity;
  std::vector<double> reach_um;  // zero beyond this plus the target's radius
  std::vector<std::int32_t> slot;
  std::vector<double> cell;  // number of the cell of a source, compared in the lanes of distances

  PairSources reordered(std::span<const std::int64_t> order) const;
};

class PairHistogram {
 public:
  PairHistogram(DistanceNodes nodes, std::size_t n_slots);

  void clear();
  // Adds activity / d^2 of the sources [begin, end), shared linearly by the two nodes around d;
  // sources of the target's own cell are left out.
  void add(const PairSources& sources, std::int64_t begin, std::int64_t end, Vec3 target_um,
           double target_radius_um, double target_cell);
  std::span<const double> slot(std::size_t index) const;

 private:
  static constexpr std::int64_t block_size = 256;

  void share_block(const PairSources& sources, std::int64_t begin, std::int64_t n, Vec3 target_um,
                   double target_radius_um, double target_cell);

  DistanceNodes nodes_;
  std::vector<double> weight_;  // (slot, node)
  std::vector<double> low_;     // of one block
  std::vector<double> high_;
  std::vector<std::int32_t> bin_;
};

}  // namespace immunodose
