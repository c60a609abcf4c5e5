// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_tables.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "immunodose/core/vec3.hpp"
#include "immunodose/transport/s_value.hpp"

namespace immunodose {
namespace {

constexpr Compartment sources[n_source_compartments] = {
    Compartment::nucleus, Compartment::cytoplasm, Compartment::membrane};

double extent(std::span<const double> values) {
  if (values.empty()) return 0.0;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *high - *low;
}

}  // namespace

PopulationTables::PopulationTables(const PopulationInput& input, const PopulationModel& model,
                                   int n_threads, StopPoll stop)
    : in_(input),
      model_(model),
      n_threads_(n_threads),
      stop_(std::move(stop)),
      slowing_(input.density_g_per_cm3) {
  find_used_sources();
  if (in_.shape.empty()) return;
  const auto by_radius = [](const CellShape& a, const CellShape& b) {
    return a.cell_radius_um < b.cell_radius_um;
  };
  const auto [low, high] = std::minmax_element(in_.shape.begin(), in_.shape.end(), by_radius);
  smallest_radius_um_ = low->cell_radius_um;
  largest_radius_um_ = high->cell_radius_um;
  extent_um_ = {extent(in_.x_um), extent(in_.y_um), extent(in_.z_um)};
}

void PopulationTables::find_used_sources() {
  for (std::size_t i = 0; i < in_.time_integrated_activity.size(); ++i) {
    if (in_.time_integrated_activity[i] != 0.0) used_[i % n_source_compartments] = true;
  }
  // Activity in the medium is a uniform background minus the volume of the cells (Eq. 18).
  if (in_.medium_concentration > 0.0) {
    used_[0] = used_[1] = true;
    used_[2] = used_[2] || in_.membrane_thickness_um > 0.0;
  }
  // Classes without activity, such as T cells that bind no agent, need no table as a source.
  active_.assign(n_classes() * n_source_compartments, false);
  for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
    for (std::size_t s = 0; s < n_source_compartments; ++s) {
      if (!used_[s] || effective_activity(cell, s) == 0.0) continue;
      active_[static_cast<std::size_t>(in_.class_of[cell]) * n_source_compartments + s] = true;
    }
  }
}

double PopulationTables::background_activity(std::size_t cell, std::size_t source) const {
  if (in_.medium_concentration <= 0.0 || !used_[source]) return 0.0;
  const Region region = source_region(shape(cell), source);
  return region.is_surface() ? 0.0 : in_.medium_concentration * region.measure();
}

Region PopulationTables::source_region(const CellShape& shape, std::size_t source) const {
  return compartment_region(shape, sources[source], in_.membrane_thickness_um);
}

double PopulationTables::alpha_reach_um() const {
  double reach = 0.0;
  if (model_.alpha_chain == nullptr) return reach;
  for (const auto& line : model_.alpha_chain->lines) {
    if (line.yield > 0.0) reach = std::max(reach, slowing_.range_um(line.energy_keV));
  }
  return reach;
}

HitTables PopulationTables::hit_tables(const Channels& channels,
                                       std::span<const CellShape> shapes) const {
  HitTables found(shapes.size());
  if (!channels.has_hits) return found;
  parallel_for(
      static_cast<std::int64_t>(shapes.size()), 1, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = begin; i < end; ++i) {
          const auto s = static_cast<std::size_t>(i);
          found[s] = std::make_unique<PointHitTable>(
              *model_.alpha_chain, shapes[s].nucleus_radius_um, in_.density_g_per_cm3, slowing_);
        }
      },
      stop_);
  return found;
}

std::vector<double> PopulationTables::values(const Channels& channels,
                                             const CellShape& source_shape,
                                             const CellShape& target_shape, std::size_t source,
                                             const std::vector<double>& distance_um,
                                             const PointHitTable* hit_table) const {
  const std::size_t width = channels.width();
  std::vector<double> rows(distance_um.size() * width, 0.0);
  const Region from = source_region(source_shape, source);
  if (channels.has_hits) {
    for (std::size_t i = 0; i < distance_um.size(); ++i) {
      const HitVector hit = hit_table->source_mean(from, distance_um[i]);
      std::copy_n(hit.begin(), n_hit_columns, &rows[i * width + channels.n_doses]);
    }
  }
  std::size_t column = 0;
  for (const RadialKernel& kernel : channels.kernels) {
    for (std::size_t target = 0; target < model_.target.size(); ++target, ++column) {
      const Region to = target_region(target_shape, target);
      if (to.is_surface()) continue;  // no mass: NaN in the end
      const auto dose = s_values(kernel, from, to, distance_um, in_.density_g_per_cm3);
      for (std::size_t i = 0; i < distance_um.size(); ++i) rows[i * width + column] = dose[i];
    }
  }
  return rows;
}

}  // namespace immunodose
