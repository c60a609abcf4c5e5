// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_dose.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/transport/pair_histogram.hpp"
#include "immunodose/transport/s_value.hpp"

namespace immunodose {
namespace {

constexpr Compartment sources[n_source_compartments] = {
    Compartment::nucleus, Compartment::cytoplasm, Compartment::membrane};

// d^2 S(d) is nearly constant, so linear interpolation of it is good to 1e-4 at these steps.
constexpr double largest_distance_step_um = 0.2;
constexpr double distance_step_per_radius = 0.04;
// Squares and roots of distances differ by less than this.
constexpr double rounding = 1e-9;

// Columns that are scored in one sweep over the neighbors: doses of kernels of one reach with all
// targets (kernel-major), then the alpha hits.
struct Channels {
  double reach_um;  // beyond reach + radii the cross-dose is exactly zero
  std::vector<std::size_t> kernels;
  bool has_hits;
  std::size_t n_doses;  // first column of the hits

  std::size_t width() const { return n_doses + (has_hits ? n_hit_columns : 0); }
};

// Values times d^2 at the nodes, (node, column), of one pair of shapes.
using CrossTable = std::vector<double>;

class Engine {
 public:
  Engine(const PopulationInput& input, const PopulationModel& model, int n_threads,
         const StopPoll& stop)
      : in_(input),
        model_(model),
        n_threads_(n_threads),
        stop_(stop),
        slowing_(input.density_g_per_cm3) {
    find_used_sources();
  }

  PopulationResult run() {
    const std::size_t n_cells = in_.x_um.size();
    if (n_cells == 0) return std::move(result_);
    result_.dose_Gy.assign(n_cells * model_.target.size() * model_.kernel.size() * 2, 0.0);
    if (model_.alpha_chain != nullptr) result_.hits.assign(n_cells * n_hit_columns, 0.0);
    make_channels();
    for (const auto& channels : channels_) {
      score_self(channels);
      score_cross(channels);
    }
    mark_empty_targets();
    return std::move(result_);
  }

 private:
  // A nucleus as large as its cell leaves no cytoplasm, whose dose is then undefined.
  void mark_empty_targets() {
    const std::size_t n_columns = model_.kernel.size() * 2;
    double* dose = result_.dose_Gy.data();
    for (const auto shape : in_.shape_of) {
      for (const Compartment target : model_.target) {
        const bool empty = compartment_region(in_.shape[static_cast<std::size_t>(shape)], target,
                                              in_.membrane_thickness_um)
                               .is_surface();
        if (empty) std::fill_n(dose, n_columns, std::numeric_limits<double>::quiet_NaN());
        dose += n_columns;
      }
    }
  }

  // Kernels that reach every cell anyway share one sweep, and so do the alphas and their hits.
  void make_channels() {
    constexpr double equal_reach = 0.02;
    const double diameter = population_diameter();
    const auto channels_of = [&](double reach) -> Channels& {
      for (auto& channels : channels_) {
        const bool far = reach >= diameter && channels.reach_um >= diameter;
        if (far || std::abs(channels.reach_um - reach) <= equal_reach * reach) {
          channels.reach_um = std::max(channels.reach_um, reach);
          return channels;
        }
      }
      channels_.push_back({reach, {}, false, 0});
      return channels_.back();
    };
    for (std::size_t k = 0; k < model_.kernel.size(); ++k) {
      Channels& channels = channels_of(model_.kernel[k].reach_um());
      channels.kernels.push_back(k);
      channels.n_doses += model_.target.size();
    }
    if (model_.alpha_chain == nullptr) return;
    double reach = 0.0;
    for (const auto& line : model_.alpha_chain->lines) {
      if (line.yield > 0.0) reach = std::max(reach, slowing_.range_um(line.energy_keV));
    }
    channels_of(reach).has_hits = true;
  }

  void find_used_sources() {
    used_.fill(false);
    for (std::size_t i = 0; i < in_.time_integrated_activity.size(); ++i) {
      if (in_.time_integrated_activity[i] != 0.0) used_[i % n_source_compartments] = true;
    }
    // Activity in the medium is a uniform background minus the volume of the cells (Eq. 18).
    if (in_.medium_concentration > 0.0) {
      used_[0] = used_[1] = true;
      used_[2] = used_[2] || in_.membrane_thickness_um > 0.0;
    }
    // Classes without activity, such as T cells that bind no agent, need no table as a source.
    active_.assign(n_slots(), false);
    for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
      for (std::size_t s = 0; s < n_source_compartments; ++s) {
        if (!used_[s] || effective_activity(cell, s) == 0.0) continue;
        active_[static_cast<std::size_t>(in_.class_of[cell]) * n_source_compartments + s] = true;
      }
    }
  }

  // Activity per source compartment with the background removed from the cell's volume.
  double effective_activity(std::size_t cell, std::size_t source) const {
    return in_.time_integrated_activity[cell * n_source_compartments + source] -
           background_activity(cell, source);
  }

  double background_activity(std::size_t cell, std::size_t source) const {
    if (in_.medium_concentration <= 0.0 || !used_[source]) return 0.0;
    const Region region =
        source_region(in_.shape[static_cast<std::size_t>(in_.shape_of[cell])], source);
    return region.is_surface() ? 0.0 : in_.medium_concentration * region.measure();
  }

  Region source_region(const CellShape& shape, std::size_t source) const {
    return compartment_region(shape, sources[source], in_.membrane_thickness_um);
  }

  // One row of channel values at each distance, for one pair of shapes.
  std::vector<double> values(const Channels& channels, const CellShape& source_shape,
                             const CellShape& target_shape, std::size_t source,
                             const std::vector<double>& distance,
                             const PointHitTable* hit_table) const {
    const std::size_t width = channels.width();
    std::vector<double> rows(distance.size() * width, 0.0);
    const Region from = source_region(source_shape, source);
    if (channels.has_hits) {
      for (std::size_t i = 0; i < distance.size(); ++i) {
        const HitVector hit = hit_table->source_mean(from, distance[i]);
        std::copy_n(hit.begin(), n_hit_columns, &rows[i * width + channels.n_doses]);
      }
    }
    std::size_t column = 0;
    for (const std::size_t kernel : channels.kernels) {
      for (const Compartment compartment : model_.target) {
        const Region to = compartment_region(target_shape, compartment, in_.membrane_thickness_um);
        if (to.is_surface()) {  // no mass: see mark_empty_targets
          ++column;
          continue;
        }
        const auto dose =
            s_values(model_.kernel[kernel], from, to, distance, in_.density_g_per_cm3);
        for (std::size_t i = 0; i < distance.size(); ++i) {
          rows[i * width + column] = dose[i];
        }
        ++column;
      }
    }
    return rows;
  }

  // Hit tables depend on the nucleus radius of the target alone.
  std::vector<std::unique_ptr<PointHitTable>> hit_tables(const Channels& channels,
                                                         std::span<const CellShape> shapes) const {
    std::vector<std::unique_ptr<PointHitTable>> tables(shapes.size());
    if (!channels.has_hits) return tables;
    parallel_for(
        static_cast<std::int64_t>(shapes.size()), 1, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = begin; i < end; ++i) {
            const auto s = static_cast<std::size_t>(i);
            tables[s] = std::make_unique<PointHitTable>(
                *model_.alpha_chain, shapes[s].nucleus_radius_um, in_.density_g_per_cm3, slowing_);
          }
        },
        stop_);
    return tables;
  }

  void score_self(const Channels& channels) {
    const std::size_t n_shapes = in_.shape.size();
    const std::size_t width = channels.width();
    const auto tables = hit_tables(channels, in_.shape);
    // (shape, source, column)
    std::vector<double> self(n_shapes * n_source_compartments * width, 0.0);
    parallel_for(
        static_cast<std::int64_t>(n_shapes), 1, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = begin; i < end; ++i) {
            const auto s = static_cast<std::size_t>(i);
            for (std::size_t source = 0; source < n_source_compartments; ++source) {
              if (!used_[source]) continue;
              const auto row =
                  values(channels, in_.shape[s], in_.shape[s], source, {0.0}, tables[s].get());
              std::copy(row.begin(), row.end(),
                        &self[(s * n_source_compartments + source) * width]);
            }
          }
        },
        stop_);
    for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
      const auto s = static_cast<std::size_t>(in_.shape_of[cell]);
      for (std::size_t source = 0; source < n_source_compartments; ++source) {
        if (!used_[source]) continue;
        const double own = in_.time_integrated_activity[cell * n_source_compartments + source];
        const double background = background_activity(cell, source);
        for (std::size_t c = 0; c < width; ++c) {
          const double per_decay = self[(s * n_source_compartments + source) * width + c];
          deposit(channels, cell, c, 0, own * per_decay);
          deposit(channels, cell, c, 1, -background * per_decay);
        }
      }
    }
  }

  void deposit(const Channels& channels, std::size_t cell, std::size_t column, std::size_t origin,
               double value) {
    if (column >= channels.n_doses) {
      result_.hits[cell * n_hit_columns + column - channels.n_doses] += value;
      return;
    }
    const std::size_t n_targets = model_.target.size();
    const std::size_t kernel = channels.kernels[column / n_targets];
    const std::size_t target = column % n_targets;
    result_.dose_Gy[((cell * n_targets + target) * model_.kernel.size() + kernel) * 2 + origin] +=
        value;
  }

  double largest_radius() const {
    double largest = 0.0;
    for (const auto& shape : in_.shape) largest = std::max(largest, shape.cell_radius_um);
    return largest;
  }

  double smallest_radius() const {
    double smallest = in_.shape.front().cell_radius_um;
    for (const auto& shape : in_.shape) smallest = std::min(smallest, shape.cell_radius_um);
    return smallest;
  }

  double population_diameter() const {
    const auto extent = [](std::span<const double> values) {
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      return *high - *low;
    };
    const Vec3 box{extent(in_.x_um), extent(in_.y_um), extent(in_.z_um)};
    return norm(box);
  }

  void score_cross(const Channels& channels) {
    // No two cells are closer than twice the smallest radius (checked by the caller).
    const double shortest = 2.0 * smallest_radius() * 0.999;
    const double longest = std::min(channels.reach_um + 2.0 * largest_radius(),
                                    population_diameter() * (1.0 + rounding));
    const DistanceNodes nodes(
        shortest, std::max(shortest, longest), std::min(2.0 * largest_radius(), 2.0 * shortest),
        std::min(largest_distance_step_um, distance_step_per_radius * smallest_radius()));
    // Without neighbors the medium still counts.
    const auto tables =
        longest < shortest ? std::vector<CrossTable>{} : cross_tables(channels, nodes);
    sum_over_neighbors(channels, nodes, tables);
  }

  // A slot of the histograms is a shape class of the source and a compartment.
  std::size_t n_slots() const { return in_.shape_class.size() * n_source_compartments; }

  // (target class, slot)
  std::vector<CrossTable> cross_tables(const Channels& channels, const DistanceNodes& nodes) const {
    std::vector<double> distance(static_cast<std::size_t>(nodes.size()));
    for (std::size_t i = 0; i < distance.size(); ++i) {
      distance[i] = nodes.at_um(static_cast<std::int64_t>(i));
    }
    const auto hits = hit_tables(channels, in_.shape_class);
    const std::size_t width = channels.width();
    std::vector<CrossTable> tables(in_.shape_class.size() * n_slots());
    parallel_for(
        static_cast<std::int64_t>(tables.size()), 1, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = begin; i < end; ++i) {
            const auto index = static_cast<std::size_t>(i);
            const std::size_t source = index % n_source_compartments;
            const std::size_t from = index % n_slots() / n_source_compartments;
            const std::size_t to = index / n_slots();
            if (!active_[from * n_source_compartments + source]) continue;
            auto rows = values(channels, in_.shape_class[from], in_.shape_class[to], source,
                               distance, hits[to].get());
            for (std::size_t r = 0; r < rows.size(); ++r) {
              rows[r] *= distance[r / width] * distance[r / width];
            }
            tables[index] = std::move(rows);
          }
        },
        stop_);
    return tables;
  }

  // One entry per cell and compartment with activity.
  PairSources list_sources(const Channels& channels) const {
    PairSources list;
    for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
      for (std::size_t s = 0; s < n_source_compartments; ++s) {
        const double activity = used_[s] ? effective_activity(cell, s) : 0.0;
        if (activity == 0.0) continue;
        list.x_um.push_back(in_.x_um[cell]);
        list.y_um.push_back(in_.y_um[cell]);
        list.z_um.push_back(in_.z_um[cell]);
        list.activity.push_back(activity);
        list.reach_um.push_back(channels.reach_um + cell_radius(cell));
        list.slot.push_back(static_cast<std::int32_t>(
            static_cast<std::size_t>(in_.class_of[cell]) * n_source_compartments + s));
      }
    }
    return list;
  }

  double cell_radius(std::size_t cell) const {
    return in_.shape[static_cast<std::size_t>(in_.shape_of[cell])].cell_radius_um;
  }

  void sum_over_neighbors(const Channels& channels, const DistanceNodes& nodes,
                          const std::vector<CrossTable>& tables) {
    // Bins of about a third of the reach, but never so fine that most are empty.
    const double edge = std::max(channels.reach_um / 3.0, 4.0 * largest_radius());
    const PairSources unsorted = list_sources(channels);
    const GridIndex grid(unsorted.x_um, unsorted.y_um, unsorted.z_um, edge);
    const PairSources list = unsorted.reordered(grid.order());
    const GridIndex targets(in_.x_um, in_.y_um, in_.z_um, edge);  // neighbors share the cache
    const double largest_reach = (channels.reach_um + largest_radius()) * (1.0 + rounding);
    const std::vector<double> background = background_values(channels);
    constexpr std::int64_t block = 64;
    parallel_for(
        targets.size(), block, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          PairHistogram histogram(nodes, n_slots());
          std::vector<double> sum(channels.width());
          for (auto rank = begin; rank < end; ++rank) {
            const auto cell =
                static_cast<std::size_t>(targets.order()[static_cast<std::size_t>(rank)]);
            const Vec3 center = targets.point(rank);
            const double radius = cell_radius(cell);
            histogram.clear();
            grid.visit_ranges(center, largest_reach + radius,
                              [&](std::int64_t first, std::int64_t last) {
                                histogram.add(list, first, last, center, radius);
                                return true;
                              });
            std::fill(sum.begin(), sum.end(), 0.0);
            if (!tables.empty()) add_product(histogram, cell, tables, sum);
            finish(channels, cell, background, sum);
          }
        },
        stop_);
  }

  void add_product(const PairHistogram& histogram, std::size_t cell,
                   const std::vector<CrossTable>& tables, std::vector<double>& sum) const {
    const std::size_t first = static_cast<std::size_t>(in_.class_of[cell]) * n_slots();
    for (std::size_t slot = 0; slot < n_slots(); ++slot) {
      const double* row = tables[first + slot].data();
      if (row == nullptr) continue;
      for (const double weight : histogram.slot(slot)) {
        if (weight != 0.0) {
          for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weight * row[c];
        }
        row += sum.size();
      }
    }
  }

  // Dose or hits per unit concentration of activity everywhere, per class of target. Eq. 18.
  std::vector<double> background_values(const Channels& channels) const {
    const std::size_t n_classes = in_.shape_class.size();
    const std::size_t width = channels.width();
    std::vector<double> values(n_classes * width, 0.0);
    if (in_.medium_concentration <= 0.0) return values;
    const auto tables = hit_tables(channels, in_.shape_class);
    const double gray_um3_per_keV = constants::gray_ng_per_keV /
                                    (in_.density_g_per_cm3 * constants::ng_per_um3_at_unit_density);
    for (std::size_t i = 0; i < n_classes; ++i) {
      double* const row = &values[i * width];
      for (std::size_t c = 0; c < channels.n_doses; ++c) {
        const std::size_t kernel = channels.kernels[c / model_.target.size()];
        row[c] = model_.kernel[kernel].total_energy_keV() * gray_um3_per_keV;
      }
      if (!channels.has_hits) continue;
      const HitVector total = tables[i]->space_integral();
      std::copy_n(total.begin(), n_hit_columns, row + channels.n_doses);
    }
    return values;
  }

  // Adds the background to the sum over neighbors and stores it.
  void finish(const Channels& channels, std::size_t cell, const std::vector<double>& background,
              std::vector<double>& sum) {
    const std::size_t first = static_cast<std::size_t>(in_.class_of[cell]) * channels.width();
    for (std::size_t c = 0; c < sum.size(); ++c) {
      sum[c] += in_.medium_concentration * background[first + c];
    }
    if (channels.has_hits) to_own_nucleus(cell, &sum[channels.n_doses]);
    for (std::size_t c = 0; c < sum.size(); ++c) deposit(channels, cell, c, 1, sum[c]);
  }

  // Hits of the class of a cell to those of the cell: traversals go with the cross-section of the
  // nucleus and z with its inverse, so M_k goes with R^(2 - 2k); the residue is of higher order.
  void to_own_nucleus(std::size_t cell, double* hits) const {
    const auto& own = in_.shape[static_cast<std::size_t>(in_.shape_of[cell])];
    const auto& of_class = in_.shape_class[static_cast<std::size_t>(in_.class_of[cell])];
    const double ratio = own.nucleus_radius_um / of_class.nucleus_radius_um;
    const double area = ratio * ratio;
    hits[0] *= area;
    double factor = area;
    for (std::size_t k = 0; k < HitChannels::n_moments; ++k) {
      hits[1 + k] *= factor;
      factor /= area;
    }
  }

  const PopulationInput& in_;
  const PopulationModel& model_;
  int n_threads_;
  StopPoll stop_;
  AlphaSlowing slowing_;
  std::vector<Channels> channels_;
  std::array<bool, n_source_compartments> used_{};
  std::vector<bool> active_;  // per class and source compartment
  PopulationResult result_;
};

void check_sizes(const PopulationInput& input) {
  const std::size_t n = input.x_um.size();
  if (input.y_um.size() != n || input.z_um.size() != n || input.shape_of.size() != n ||
      input.class_of.size() != n ||
      input.time_integrated_activity.size() != n * n_source_compartments) {
    throw InputError("population arrays differ in length");
  }
}

}  // namespace

Region compartment_region(const CellShape& shape, Compartment compartment,
                          double membrane_thickness_um) {
  const double inside = shape.cell_radius_um - membrane_thickness_um;
  switch (compartment) {
    case Compartment::nucleus:
      return {0.0, shape.nucleus_radius_um};
    case Compartment::cytoplasm:
      return {shape.nucleus_radius_um, inside};
    case Compartment::membrane:
      return {inside, shape.cell_radius_um};
    case Compartment::cell:
      return {0.0, shape.cell_radius_um};
  }
  throw InputError("unknown compartment");
}

PopulationResult population_dose(const PopulationInput& input, const PopulationModel& model,
                                 int n_threads, const StopPoll& stop) {
  check_sizes(input);
  return Engine(input, model, n_threads, stop).run();
}

}  // namespace immunodose
