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

constexpr std::int64_t cells_per_block = 16384;
constexpr std::uint64_t kind_hits = 1;  // first in the keys of tables of a kind
constexpr std::uint64_t kind_values = 2;
constexpr std::uint64_t kind_slowing = 3;

struct KeptSlowing {
  AlphaSlowing slowing;
  // 1200 energies and 4000 roots, two numbers each (alpha_stopping.cpp).
  static std::size_t n_bytes() { return 10400 * sizeof(double); }
};

double extent(std::span<const double> values) {
  if (values.empty()) return 0.0;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *high - *low;
}

}  // namespace

PopulationTables::PopulationTables(const PopulationInput& input, const PopulationModel& model,
                                   int n_threads, StopPoll stop)
    : in_(input), model_(model), n_threads_(n_threads), stop_(std::move(stop)) {
  if (model_.alpha_chain != nullptr) find_slowing();
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

void PopulationTables::find_slowing() {
  const auto make = [&] { return KeptSlowing{AlphaSlowing(in_.density_g_per_cm3)}; };
  const auto kept = model_.cache == nullptr
                        ? std::make_shared<const KeptSlowing>(make())
                        : model_.cache->find_or_make<KeptSlowing>(
                              CacheKey().add(kind_slowing).add(in_.density_g_per_cm3), make);
  slowing_ = std::shared_ptr<const AlphaSlowing>(kept, &kept->slowing);
}

void PopulationTables::find_used_sources() {
  // Activity in the medium is a uniform background minus the volume of the cells (Eq. 18).
  const bool medium = in_.medium_concentration > 0.0;
  if (medium) {
    used_[0] = used_[1] = true;
    used_[2] = in_.membrane_thickness_um > 0.0;
  }
  // Classes without activity, such as T cells that bind no agent, need no table as a source.
  const std::size_t n_slots = n_classes() * n_source_compartments;
  const auto n_cells = static_cast<std::int64_t>(in_.x_um.size());
  const std::int64_t n_blocks = (n_cells + cells_per_block - 1) / cells_per_block;
  std::vector<std::vector<char>> found(static_cast<std::size_t>(n_blocks));
  parallel_for(
      n_cells, cells_per_block, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        auto& own = found[static_cast<std::size_t>(begin / cells_per_block)];
        own.assign(n_slots + n_source_compartments, 0);
        for (auto cell = static_cast<std::size_t>(begin); cell < static_cast<std::size_t>(end);
             ++cell) {
          const auto slot = static_cast<std::size_t>(in_.class_of[cell]) * n_source_compartments;
          for (std::size_t s = 0; s < n_source_compartments; ++s) {
            if (effective_activity(cell, s) != 0.0) own[slot + s] = 1;
            if (in_.time_integrated_activity[cell * n_source_compartments + s] != 0.0) {
              own[n_slots + s] = 1;
            }
          }
        }
      },
      stop_);
  active_.assign(n_slots, false);
  for (const auto& own : found) {
    for (std::size_t slot = 0; slot < n_slots; ++slot) {
      if (own[slot] != 0) active_[slot] = true;
    }
    for (std::size_t s = 0; s < n_source_compartments; ++s) {
      used_[s] = used_[s] || own[n_slots + s] != 0;
    }
  }
}

double PopulationTables::medium_activity(std::size_t cell, std::size_t source) const {
  if (shape(cell).is_nucleus) return 0.0;  // the ball of its cell holds it
  const Region region = source_region(shape(cell), source);
  return region.is_surface() ? 0.0 : in_.medium_concentration * region.measure();
}

const GridIndex& PopulationTables::grid(double reach_um) const {
  // Larger bins than these hold too many cells out of reach.
  const double widest = std::max(2.0 * reach_um, 4.0 * largest_radius_um_);
  if (in_.grid != nullptr && in_.grid->edge_um() <= widest) return *in_.grid;
  // Bins that hold some 64 cells share a list of neighbors among them.
  constexpr double cells_per_bin = 64.0;
  const Vec3 box = extent_um_;
  const double volume = std::max(box.x, 1.0) * std::max(box.y, 1.0) * std::max(box.z, 1.0);
  const double edge =
      std::min(std::cbrt(cells_per_bin * volume / static_cast<double>(in_.x_um.size())), widest);
  for (const auto& [known_edge, grid] : grids_) {
    if (known_edge == edge) return *grid;
  }
  grids_.emplace_back(
      edge, std::make_unique<GridIndex>(in_.x_um, in_.y_um, in_.z_um, edge, n_threads_, stop_));
  return *grids_.back().second;
}

Region PopulationTables::source_region(const CellShape& shape, std::size_t source) const {
  return compartment_region(shape, sources[source], in_.membrane_thickness_um);
}

double PopulationTables::alpha_reach_um() const {
  double reach = 0.0;
  if (model_.alpha_chain == nullptr) return reach;
  for (const auto& line : model_.alpha_chain->lines) {
    if (line.yield > 0.0) reach = std::max(reach, slowing_->range_um(line.energy_keV));
  }
  return reach;
}

// Everything that hit tables depend on beside the radius of the nucleus.
std::uint64_t PopulationTables::chain_number() const {
  CacheKey key;
  key.add(in_.density_g_per_cm3).add(model_.alpha_chain->decays_per_parent_decay);
  key.add(static_cast<std::uint64_t>(model_.alpha_chain->edges.size()));
  for (const auto& edge : model_.alpha_chain->edges) {
    key.add(static_cast<std::uint64_t>(edge.parent)).add(static_cast<std::uint64_t>(edge.daughter));
    key.add(edge.fraction).add(std::uint64_t{edge.is_alpha});
  }
  for (const auto& line : model_.alpha_chain->lines) {
    key.add(static_cast<std::uint64_t>(line.member)).add(line.energy_keV).add(line.yield);
  }
  return model_.cache->number_of(key);
}

// Everything that values depend on beside shapes and distances.
std::uint64_t PopulationTables::channels_number(const Channels& channels) const {
  CacheKey key;
  key.add(in_.density_g_per_cm3);
  for (const RadialKernel& kernel : channels.kernels) {
    key.add(kernel.edge_um).add(kernel.energy_keV);
  }
  key.add(channels.has_hits ? chain_number() + 1 : std::uint64_t{0});
  return model_.cache->number_of(key);
}

HitTables PopulationTables::hit_tables(const Channels& channels,
                                       std::span<const CellShape> shapes) const {
  HitTables found(shapes.size());
  if (!channels.has_hits) return found;
  const std::uint64_t chain = model_.cache == nullptr ? 0 : chain_number();
  parallel_for(
      static_cast<std::int64_t>(shapes.size()), 1, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = begin; i < end; ++i) {
          const auto s = static_cast<std::size_t>(i);
          const double radius = shapes[s].nucleus_radius_um;
          if (radius == 0.0) continue;  // a site without its nucleus
          const auto make = [&] {
            return PointHitTable(*model_.alpha_chain, radius, in_.density_g_per_cm3, *slowing_);
          };
          if (model_.cache == nullptr) {
            found[s] = std::make_shared<const PointHitTable>(make());
          } else {
            found[s] = model_.cache->find_or_make<PointHitTable>(
                CacheKey().add(kind_hits).add(chain).add(radius), make);
          }
        }
      },
      stop_);
  return found;
}

PopulationTables::Values PopulationTables::values(const Channels& channels,
                                                  const CellShape& source_shape,
                                                  const CellShape& target_shape, std::size_t source,
                                                  const std::vector<double>& distance_um,
                                                  const PointHitTable* hit_table) const {
  const Region from = source_region(source_shape, source);
  const auto make = [&] {
    return make_values(channels, from, target_shape, distance_um, hit_table);
  };
  if (model_.cache == nullptr) return std::make_shared<const std::vector<double>>(make());
  CacheKey key;
  key.add(kind_values).add(channels_number(channels));
  key.add(model_.cache->number_of(CacheKey().add(distance_um)));
  key.add(from.inner_um).add(from.outer_um).add(target_shape.nucleus_radius_um);
  for (std::size_t target = 0; target < model_.target.size(); ++target) {
    const Region to = target_region(target_shape, target);
    key.add(to.inner_um).add(to.outer_um);
  }
  return model_.cache->find_or_make<std::vector<double>>(key, make);
}

std::vector<double> PopulationTables::make_values(const Channels& channels, Region from,
                                                  const CellShape& target_shape,
                                                  const std::vector<double>& distance_um,
                                                  const PointHitTable* hit_table) const {
  const std::size_t width = channels.width();
  std::vector<double> rows(distance_um.size() * width, 0.0);
  if (channels.has_hits && hit_table != nullptr) {
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
