// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_dose.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/transport/s_value.hpp"

namespace immunodose {
namespace {

constexpr Compartment sources[n_source_compartments] = {
    Compartment::nucleus, Compartment::cytoplasm, Compartment::membrane};

// d^2 S(d) is nearly constant, so linear interpolation of it is good to 1e-4 at this step.
constexpr double largest_distance_step_um = 0.2;
constexpr double distance_step_per_radius = 0.04;

// Columns that are scored in one sweep over the neighbors: kernels of one reach with all
// targets (kernel-major), or the alpha hits.
struct Channels {
  double reach_um;                   // beyond reach + radii the cross-dose is exactly zero
  std::vector<std::size_t> kernels;  // empty for hits
  std::size_t width;                 // values per distance

  bool has_hits() const { return kernels.empty(); }
};

class CrossTable {
 public:
  // rows: values at first_step, first_step + 1, ... times the step; multiplied by d^2.
  CrossTable(double step_um, std::size_t first_step, std::size_t width, std::vector<double> rows)
      : steps_per_um_(1.0 / step_um),
        first_step_(static_cast<double>(first_step)),
        width_(width),
        rows_(std::move(rows)) {}
  CrossTable() = default;

  void add(double distance, double activity, double* sum) const {
    const double position = distance * steps_per_um_ - first_step_;
    const auto i = static_cast<std::size_t>(position);
    const double t = position - static_cast<double>(i);
    const double* const low = rows_.data() + i * width_;
    const double scale = activity / (distance * distance);
    for (std::size_t c = 0; c < width_; ++c) {
      sum[c] += scale * (low[c] + t * (low[width_ + c] - low[c]));
    }
  }

 private:
  double steps_per_um_ = 0.0;
  double first_step_ = 0.0;
  std::size_t width_ = 0;
  std::vector<double> rows_;
};

class Engine {
 public:
  Engine(const PopulationInput& input, const PopulationModel& model, int n_threads,
         const StopPoll& stop)
      : in_(input),
        model_(model),
        n_threads_(n_threads),
        stop_(stop),
        slowing_(input.density_g_per_cm3) {
    // Kernels that reach every cell anyway share one sweep.
    Channels far{0.0, {}, 0};
    const double diameter = in_.x_um.empty() ? 0.0 : population_diameter();
    for (std::size_t k = 0; k < model.kernel.size(); ++k) {
      const double reach = model.kernel[k].reach_um();
      if (reach < diameter) {
        channels_.push_back({reach, {k}, model.target.size()});
      } else {
        far.reach_um = std::max(far.reach_um, reach);
        far.kernels.push_back(k);
        far.width += model.target.size();
      }
    }
    if (!far.kernels.empty()) channels_.push_back(far);
    if (model.alpha_chain != nullptr) {
      double reach = 0.0;
      for (const auto& line : model.alpha_chain->lines) {
        if (line.yield > 0.0) reach = std::max(reach, slowing_.range_um(line.energy_keV));
      }
      channels_.push_back({reach, {}, n_hit_columns});
    }
    find_used_sources();
  }

  PopulationResult run() {
    const std::size_t n_cells = in_.x_um.size();
    result_.dose_Gy.assign(n_cells * model_.target.size() * model_.kernel.size() * 2, 0.0);
    if (model_.alpha_chain != nullptr) result_.hits.assign(n_cells * n_hit_columns, 0.0);
    for (std::size_t c = 0; c < channels_.size(); ++c) score(channels_[c]);
    return std::move(result_);
  }

 private:
  void find_used_sources() {
    used_.fill(false);
    for (std::size_t i = 0; i < in_.time_integrated_activity.size(); ++i) {
      if (in_.time_integrated_activity[i] != 0.0) used_[i % n_source_compartments] = true;
    }
    // Activity in the medium is a uniform background minus the volume of the cells (Eq. 18).
    if (in_.medium_concentration > 0.0) {
      used_[0] = used_[1] = true;
      used_[2] = in_.membrane_thickness_um > 0.0;
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
    std::vector<double> rows(distance.size() * channels.width, 0.0);
    const Region from = source_region(source_shape, source);
    if (channels.has_hits()) {
      for (std::size_t i = 0; i < distance.size(); ++i) {
        const HitVector hit = hit_table->source_mean(from, distance[i]);
        std::copy_n(hit.begin(), n_hit_columns,
                    rows.begin() + static_cast<std::ptrdiff_t>(i * channels.width));
      }
      return rows;
    }
    std::size_t column = 0;
    for (const std::size_t kernel : channels.kernels) {
      for (const Compartment compartment : model_.target) {
        const Region to = compartment_region(target_shape, compartment, in_.membrane_thickness_um);
        const auto dose =
            s_values(model_.kernel[kernel], from, to, distance, in_.density_g_per_cm3);
        for (std::size_t i = 0; i < distance.size(); ++i) {
          rows[i * channels.width + column] = dose[i];
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
    if (!channels.has_hits()) return tables;
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

  void score(const Channels& channels) {
    score_self(channels);
    score_cross(channels);
  }

  void score_self(const Channels& channels) {
    const std::size_t n_shapes = in_.shape.size();
    const auto tables = hit_tables(channels, in_.shape);
    // (shape, source, column)
    std::vector<double> self(n_shapes * n_source_compartments * channels.width, 0.0);
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
                        self.begin() + static_cast<std::ptrdiff_t>(
                                           (s * n_source_compartments + source) * channels.width));
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
        for (std::size_t c = 0; c < channels.width; ++c) {
          const double per_decay = self[(s * n_source_compartments + source) * channels.width + c];
          deposit(channels, cell, c, 0, own * per_decay);
          deposit(channels, cell, c, 1, -background * per_decay);
        }
      }
    }
  }

  void deposit(const Channels& channels, std::size_t cell, std::size_t column, std::size_t origin,
               double value) {
    if (channels.has_hits()) {
      result_.hits[cell * n_hit_columns + column] += value;
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
    if (in_.x_um.empty()) return;
    const double reach =
        std::min(channels.reach_um + 2.0 * largest_radius(), population_diameter());
    // No two cells are closer than twice the smallest radius (checked by the caller).
    const double step =
        std::min(largest_distance_step_um, distance_step_per_radius * smallest_radius());
    const auto first_step = static_cast<std::size_t>(2.0 * smallest_radius() * 0.999 / step);
    const auto last_step = static_cast<std::size_t>(reach / step) + 1;
    if (last_step < first_step) return;
    std::vector<double> distance(last_step - first_step + 1);
    for (std::size_t i = 0; i < distance.size(); ++i) {
      distance[i] = static_cast<double>(first_step + i) * step;
    }
    const auto tables = cross_tables(channels, step, first_step, distance);
    sum_over_neighbors(channels, reach, tables);
  }

  // (source class, target class, source compartment)
  std::vector<CrossTable> cross_tables(const Channels& channels, double step,
                                       std::size_t first_step,
                                       const std::vector<double>& distance) const {
    const std::size_t n_classes = in_.shape_class.size();
    const auto hits = hit_tables(channels, in_.shape_class);
    std::vector<CrossTable> tables(n_classes * n_classes * n_source_compartments);
    parallel_for(
        static_cast<std::int64_t>(tables.size()), 1, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = begin; i < end; ++i) {
            const auto index = static_cast<std::size_t>(i);
            const std::size_t source = index % n_source_compartments;
            const std::size_t to = index / n_source_compartments % n_classes;
            const std::size_t from = index / n_source_compartments / n_classes;
            if (!used_[source]) continue;
            auto rows = values(channels, in_.shape_class[from], in_.shape_class[to], source,
                               distance, hits[to].get());
            for (std::size_t d = 0; d < distance.size(); ++d) {
              for (std::size_t c = 0; c < channels.width; ++c) {
                rows[d * channels.width + c] *= distance[d] * distance[d];
              }
            }
            tables[index] = CrossTable(step, first_step, channels.width, std::move(rows));
          }
        },
        stop_);
    return tables;
  }

  void sum_over_neighbors(const Channels& channels, double reach,
                          const std::vector<CrossTable>& tables) {
    // Bins of about a third of the reach, but never so fine that most are empty.
    const double edge = std::max(reach / 3.0, 4.0 * largest_radius());
    const GridIndex grid(in_.x_um, in_.y_um, in_.z_um, edge);
    const auto order = grid.order();
    std::vector<double> activity(in_.time_integrated_activity.size());
    std::vector<std::int64_t> class_by_rank(order.size());
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      const auto cell = static_cast<std::size_t>(order[rank]);
      class_by_rank[rank] = in_.class_of[cell];
      for (std::size_t s = 0; s < n_source_compartments; ++s) {
        activity[rank * n_source_compartments + s] = used_[s] ? effective_activity(cell, s) : 0.0;
      }
    }
    const std::vector<double> background = background_values(channels);
    const auto n_classes = static_cast<std::int64_t>(in_.shape_class.size());
    constexpr std::int64_t block = 64;
    parallel_for(
        grid.size(), block, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          std::vector<double> sum(channels.width);
          for (auto target = begin; target < end; ++target) {
            std::fill(sum.begin(), sum.end(), 0.0);
            const auto target_class = class_by_rank[static_cast<std::size_t>(target)];
            grid.visit(grid.point(target), reach, [&](std::int64_t rank, double squared_um2) {
              if (rank == target) return true;
              const auto r = static_cast<std::size_t>(rank);
              const double* const a = &activity[r * n_source_compartments];
              const double distance = std::sqrt(squared_um2);
              const auto first =
                  static_cast<std::size_t>((class_by_rank[r] * n_classes + target_class) *
                                           static_cast<std::int64_t>(n_source_compartments));
              for (std::size_t s = 0; s < n_source_compartments; ++s) {
                if (a[s] != 0.0) tables[first + s].add(distance, a[s], sum.data());
              }
              return true;
            });
            const auto cell = static_cast<std::size_t>(order[static_cast<std::size_t>(target)]);
            finish(channels, cell, background, sum);
          }
        },
        stop_);
  }

  // Dose or hits per unit concentration of activity everywhere, per class of target. Eq. 18.
  std::vector<double> background_values(const Channels& channels) const {
    const std::size_t n_classes = in_.shape_class.size();
    std::vector<double> values(n_classes * channels.width, 0.0);
    if (in_.medium_concentration <= 0.0) return values;
    if (channels.has_hits()) {
      const auto tables = hit_tables(channels, in_.shape_class);
      for (std::size_t c = 0; c < n_classes; ++c) {
        const HitVector total = tables[c]->space_integral();
        std::copy_n(total.begin(), n_hit_columns,
                    values.begin() + static_cast<std::ptrdiff_t>(c * channels.width));
      }
      return values;
    }
    const double gray_um3_per_keV = constants::gray_ng_per_keV /
                                    (in_.density_g_per_cm3 * constants::ng_per_um3_at_unit_density);
    for (std::size_t c = 0; c < values.size(); ++c) {
      const std::size_t kernel = channels.kernels[c % channels.width / model_.target.size()];
      values[c] = model_.kernel[kernel].total_energy_keV() * gray_um3_per_keV;
    }
    return values;
  }

  // Adds the background to the sum over neighbors and stores it.
  void finish(const Channels& channels, std::size_t cell, const std::vector<double>& background,
              std::vector<double>& sum) {
    const auto first = static_cast<std::size_t>(in_.class_of[cell]) * channels.width;
    for (std::size_t c = 0; c < channels.width; ++c) {
      sum[c] += in_.medium_concentration * background[first + c];
    }
    if (!channels.has_hits()) {
      for (std::size_t c = 0; c < channels.width; ++c) deposit(channels, cell, c, 1, sum[c]);
      return;
    }
    const auto& shape = in_.shape[static_cast<std::size_t>(in_.shape_of[cell])];
    const auto& of_class = in_.shape_class[static_cast<std::size_t>(in_.class_of[cell])];
    // Traversals go with the cross-section of the nucleus and z with its inverse, so M_k goes
    // with R^(2 - 2k): the residue of the class is of higher order.
    const double area = std::pow(shape.nucleus_radius_um / of_class.nucleus_radius_um, 2.0);
    deposit(channels, cell, 0, 1, sum[0] * area);
    double factor = area;
    for (std::size_t k = 0; k < HitChannels::n_moments; ++k) {
      deposit(channels, cell, 1 + k, 1, sum[1 + k] * factor);
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
