// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_dose.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/transport/population_cross.hpp"
#include "immunodose/transport/self_dose.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 4096;

class Engine {
 public:
  Engine(const PopulationInput& input, const PopulationModel& model, int n_threads,
         const StopPoll& stop)
      : in_(input), model_(model), tables_(input, model, n_threads, stop) {}

  PopulationResult run() {
    const std::size_t n_cells = in_.x_um.size();
    if (n_cells == 0) return std::move(result_);
    result_.dose_Gy.assign(n_cells * row_size(), 0.0);
    if (model_.alpha_chain != nullptr) result_.hits.assign(n_cells * n_hit_columns, 0.0);
    for (const auto& channels : make_channels(tables_)) {
      score_self(channels);
      score_cross(channels);
    }
    mark_empty_targets();
    return std::move(result_);
  }

 private:
  std::size_t n_emissions() const { return model_.split_emission ? model_.kernel.size() : 1; }
  std::size_t n_origins() const { return model_.split_origin ? 2 : 1; }
  std::size_t row_size() const { return model_.target.size() * n_emissions() * n_origins(); }

  // A nucleus as large as its cell leaves no cytoplasm, whose dose is then undefined.
  void mark_empty_targets() {
    const std::size_t n_columns = n_emissions() * n_origins();
    double* dose = result_.dose_Gy.data();
    for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
      for (std::size_t t = 0; t < model_.target.size(); ++t) {
        if (tables_.target_region(tables_.shape(cell), t).is_surface()) {
          std::fill_n(dose, n_columns, std::numeric_limits<double>::quiet_NaN());
        }
        dose += n_columns;
      }
    }
  }

  void score_self(const Channels& channels) {
    const SelfDose self(tables_, channels);
    const std::size_t width = channels.width();
    parallel_for(
        static_cast<std::int64_t>(in_.x_um.size()), cells_per_block, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          std::vector<double> per_decay;
          for (auto cell = static_cast<std::size_t>(begin); cell < static_cast<std::size_t>(end);
               ++cell) {
            self.row(static_cast<std::size_t>(in_.shape_of[cell]), per_decay);
            for (std::size_t s = 0; s < n_source_compartments; ++s) {
              if (!tables_.is_used(s)) continue;
              const double own = in_.time_integrated_activity[cell * n_source_compartments + s];
              const double background = tables_.background_activity(cell, s);
              for (std::size_t c = 0; c < width; ++c) {
                deposit(channels, cell, c, 0, own * per_decay[s * width + c]);
                deposit(channels, cell, c, 1, -background * per_decay[s * width + c]);
              }
            }
          }
        },
        tables_.stop());
  }

  void deposit(const Channels& channels, std::size_t cell, std::size_t column, std::size_t origin,
               double value) {
    if (column >= channels.n_doses) {
      result_.hits[cell * n_hit_columns + column - channels.n_doses] += value;
      return;
    }
    const std::size_t n_targets = model_.target.size();
    const std::size_t emission = channels.output[column / n_targets];
    const std::size_t target = column % n_targets;
    const std::size_t place = model_.split_origin ? origin : 0;
    result_
        .dose_Gy[((cell * n_targets + target) * n_emissions() + emission) * n_origins() + place] +=
        value;
  }

  void score_cross(const Channels& channels) {
    SummationReport report{
        channels.numbers, channels.summation, channels.reach_um, 0.0, 0.0, 0.0, 0};
    const std::vector<double> background = background_values(channels);
    const CrossSink sink = [&](std::size_t cell, std::vector<double>& sums) {
      finish(channels, cell, background, sums);
    };
    if (channels.summation == Summation::particle_mesh) {
      particle_mesh_sums(tables_, channels, sink, report);
    } else if (channels.summation == Summation::cell_list) {
      cell_list_sums(tables_, channels, sink, report);
    } else {
      direct_sums(tables_, channels, sink, report);
    }
    result_.report.push_back(std::move(report));
  }

  // Dose or hits per unit concentration of activity everywhere, per class of target. Eq. 18.
  std::vector<double> background_values(const Channels& channels) const {
    const std::size_t n_classes = in_.shape_class.size();
    const std::size_t width = channels.width();
    std::vector<double> values(n_classes * width, 0.0);
    if (in_.medium_concentration <= 0.0) return values;
    const auto hits = tables_.hit_tables(channels, in_.shape_class);
    const double gray_um3_per_keV = constants::gray_ng_per_keV /
                                    (in_.density_g_per_cm3 * constants::ng_per_um3_at_unit_density);
    for (std::size_t i = 0; i < n_classes; ++i) {
      double* const row = &values[i * width];
      for (std::size_t c = 0; c < channels.n_doses; ++c) {
        row[c] = channels.kernels[c / model_.target.size()].total_energy_keV() * gray_um3_per_keV;
      }
      if (!channels.has_hits) continue;
      const HitVector total = hits[i]->space_integral();
      std::copy_n(total.begin(), n_hit_columns, row + channels.n_doses);
    }
    return values;
  }

  // Adds the background to the sum over neighbors and stores it.
  void finish(const Channels& channels, std::size_t cell, const std::vector<double>& background,
              std::vector<double>& sums) {
    const std::size_t first = static_cast<std::size_t>(in_.class_of[cell]) * channels.width();
    for (std::size_t c = 0; c < channels.width(); ++c) {
      sums[c] += in_.medium_concentration * background[first + c];
    }
    if (channels.has_hits) to_own_nucleus(cell, &sums[channels.n_doses]);
    for (std::size_t c = 0; c < channels.width(); ++c) deposit(channels, cell, c, 1, sums[c]);
  }

  // Hits of the class of a cell to those of the cell: traversals go with the cross-section of the
  // nucleus and z with its inverse, so M_k goes with R^(2 - 2k); the residue is of higher order.
  void to_own_nucleus(std::size_t cell, double* hits) const {
    const double ratio =
        tables_.shape(cell).nucleus_radius_um / tables_.class_shape(cell).nucleus_radius_um;
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
  PopulationTables tables_;
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
