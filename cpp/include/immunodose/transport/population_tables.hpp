// SPDX-License-Identifier: BSD-3-Clause
// What the engines of the cross-dose share: which kernels are summed together, and their values
// for a pair of cell shapes.
#pragma once
#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/transport/population_dose.hpp"

namespace immunodose {

// Columns that are scored in one sweep over the neighbors: doses of kernels with all targets
// (kernel-major), then the alpha hits.
struct Channels {
  double reach_um = 0.0;  // beyond reach + radii the cross-dose is exactly zero
  Summation summation = Summation::direct;
  std::vector<std::int64_t> numbers;  // of the kernels, in the model
  std::vector<RadialKernel> kernels;  // one for all of them where emissions are summed
  std::vector<std::size_t> output;    // emission column of each
  bool has_hits = false;
  std::size_t n_doses = 0;  // first column of the hits
  double cost_s = 0.0;      // roughly: their share of the progress

  std::size_t width() const { return n_doses + (has_hits ? n_hit_columns : 0); }
};

using HitTables = std::vector<std::shared_ptr<const PointHitTable>>;

class PopulationTables {
 public:
  PopulationTables(const PopulationInput& input, const PopulationModel& model, int n_threads,
                   StopPoll stop);

  const PopulationInput& input() const { return in_; }
  const PopulationModel& model() const { return model_; }
  int n_threads() const { return n_threads_; }
  const StopPoll& stop() const { return stop_; }

  bool is_used(std::size_t source) const { return used_[source]; }
  // Whether a class of cells has activity in a compartment.
  bool is_active(std::size_t shape_class, std::size_t source) const {
    return active_[shape_class * n_source_compartments + source];
  }
  // Activity with the background of the medium removed from the volume of the cell. Eq. 18.
  double effective_activity(std::size_t cell, std::size_t source) const {
    return in_.time_integrated_activity[cell * n_source_compartments + source] -
           background_activity(cell, source);
  }
  double background_activity(std::size_t cell, std::size_t source) const {
    return in_.medium_concentration > 0.0 ? medium_activity(cell, source) : 0.0;
  }
  Region source_region(const CellShape& shape, std::size_t source) const;
  Region target_region(const CellShape& shape, std::size_t target) const {
    return compartment_region(shape, model_.target[target], in_.membrane_thickness_um);
  }
  const CellShape& shape(std::size_t cell) const {
    return in_.shape[static_cast<std::size_t>(in_.shape_of[cell])];
  }
  const CellShape& class_shape(std::size_t cell) const {
    return in_.shape_class[static_cast<std::size_t>(in_.class_of[cell])];
  }
  // The same for all sites of a cell.
  double cell_number(std::size_t site) const {
    const auto own = static_cast<std::int64_t>(site);
    return static_cast<double>(in_.partner.empty() ? own : std::min(own, in_.partner[site]));
  }
  // Whether cells differ in shape from their class.
  bool has_many_shapes() const { return in_.shape.size() > in_.shape_class.size(); }
  std::size_t n_classes() const { return in_.shape_class.size(); }
  double largest_radius_um() const { return largest_radius_um_; }
  double smallest_radius_um() const { return smallest_radius_um_; }
  Vec3 extent_um() const { return extent_um_; }  // of the centers
  double diameter_um() const {                   // longest distance of two centers
    return in_.box.repeats() ? PeriodicBox::open : norm(extent_um_);
  }
  bool has_images() const { return in_.n_targets > 0; }
  std::size_t n_targets() const { return has_images() ? in_.n_targets : in_.x_um.size(); }
  double alpha_reach_um() const;
  // All cells, sorted into bins for sums over pairs within a reach. One grid serves all reaches
  // but short ones.
  const GridIndex& grid(double reach_um) const;

  // Hit tables depend on the nucleus radius of the target alone.
  HitTables hit_tables(const Channels& channels, std::span<const CellShape> shapes) const;
  // Channel values at each distance, (distance, column), for one pair of shapes; those made before
  // come from the cache.
  using Values = std::shared_ptr<const std::vector<double>>;
  Values values(const Channels& channels, const CellShape& source_shape,
                const CellShape& target_shape, std::size_t source,
                const std::vector<double>& distance_um, const PointHitTable* hit_table) const;

 private:
  void find_slowing();
  void find_used_sources();
  double medium_activity(std::size_t cell, std::size_t source) const;
  std::vector<double> make_values(const Channels& channels, Region source,
                                  const CellShape& target_shape,
                                  const std::vector<double>& distance_um,
                                  const PointHitTable* hit_table) const;
  std::uint64_t chain_number() const;
  std::uint64_t channels_number(const Channels& channels) const;

  const PopulationInput& in_;
  const PopulationModel& model_;
  int n_threads_;
  StopPoll stop_;
  std::shared_ptr<const AlphaSlowing> slowing_;  // none without an alpha chain
  std::array<bool, n_source_compartments> used_{};
  std::vector<bool> active_;  // per class and source compartment
  double largest_radius_um_ = 0.0;
  double smallest_radius_um_ = 0.0;
  Vec3 extent_um_{};
  mutable std::vector<std::pair<double, std::unique_ptr<GridIndex>>> grids_;  // by edge (um)
};

}  // namespace immunodose
