// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_dose.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/progress.hpp"
#include "immunodose/transport/derived_target.hpp"
#include "immunodose/transport/offset_self_dose.hpp"
#include "immunodose/transport/population_cross.hpp"
#include "immunodose/transport/population_sites.hpp"
#include "immunodose/transport/self_dose.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 4096;
// Of a column that is needed for others, but not asked for.
constexpr std::size_t no_place = std::numeric_limits<std::size_t>::max();

// Columns of a row of doses: targets, kernels, origins.
std::size_t n_emissions(const PopulationModel& model) {
  return model.split_emission ? model.kernel.size() : 1;
}
std::size_t n_origins(const PopulationModel& model) { return model.split_origin ? 2 : 1; }
std::size_t row_size(const PopulationModel& model) {
  return model.target.size() * n_emissions(model) * n_origins(model);
}

template <class Real>
class Engine {
 public:
  Engine(const PopulationInput& input, const PopulationModel& model,
         const PopulationOutput<Real>& output, int n_threads, const StopPoll& stop)
      : in_(input),
        model_(model),
        out_(output),
        derived_(derived_target(model.target, input.membrane_thickness_um)),
        scored_(scored_model(input, model, derived_)),
        tables_(input, scored_, n_threads, stop) {
    if (input.nucleus_offset_um.empty()) return;
    const ProgressSpan before_pairs(0.0, 0.0);
    sites_.emplace(input, n_threads, stop);
    site_tables_.emplace(sites_->input(), scored_, n_threads, stop);
  }

  std::vector<SummationReport> run() {
    const auto all = make_channels(pair_tables());
    double total_s = 0.0;
    for (const auto& channels : all) total_s += channels.cost_s;
    double done_s = 0.0;
    for (const auto& channels : all) {
      const ProgressSpan span(done_s / total_s, (done_s + channels.cost_s) / total_s);
      score_self(channels);
      score_cross(channels);
      done_s += channels.cost_s;
      end_of_span(tables_.stop());
    }
    if (derived_) derive_target();
    mark_empty_targets();
    return std::move(report_);
  }

 private:
  // Of what is summed over pairs: cells, or their sites.
  const PopulationTables& pair_tables() const { return sites_ ? *site_tables_ : tables_; }

  static PopulationModel scored_model(const PopulationInput& input, const PopulationModel& model,
                                      const std::optional<DerivedTarget>& derived) {
    PopulationModel scored = model;
    if (derived) scored.target.erase(scored.target.begin() + static_cast<int>(derived->target));
    const auto has = [&](Compartment wanted) {
      return std::find(model.target.begin(), model.target.end(), wanted) != model.target.end();
    };
    // The dose to a cytoplasm around a nucleus off the center is found from that to the nucleus.
    if (!input.nucleus_offset_um.empty() && has(Compartment::cytoplasm) &&
        !has(Compartment::nucleus)) {
      scored.target.push_back(Compartment::nucleus);
    }
    return scored;
  }

  // Number of a scored target among all; as many as there are for one that is not asked for.
  std::size_t target_place(std::size_t scored) const {
    return derived_ && scored >= derived_->target ? scored + 1 : scored;
  }

  // A nucleus as large as its cell leaves no cytoplasm, whose dose is then undefined.
  void mark_empty_targets() {
    const std::size_t n_columns = n_emissions(model_) * n_origins(model_);
    for (std::size_t t = 0; t < model_.target.size(); ++t) {
      std::vector<char> is_empty;
      for (const CellShape& shape : in_.shape) {
        const Region region =
            compartment_region(shape, model_.target[t], in_.membrane_thickness_um);
        is_empty.push_back(region.is_surface() ? 1 : 0);
      }
      if (std::find(is_empty.begin(), is_empty.end(), 1) == is_empty.end()) continue;
      for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
        if (is_empty[static_cast<std::size_t>(in_.shape_of[cell])] == 0) continue;
        for (const std::int64_t column : out_.column.subspan(t * n_columns, n_columns)) {
          out_.dose_Gy[cell * out_.n_columns + static_cast<std::size_t>(column)] =
              std::numeric_limits<Real>::quiet_NaN();
        }
      }
    }
  }

  // Parts without a volume have a share of zero. The parts hold what was there before, too.
  void derive_target() {
    const std::size_t n_columns = n_emissions(model_) * n_origins(model_);
    const auto place = [&](std::size_t target, std::size_t column) {
      return static_cast<std::size_t>(out_.column[target * n_columns + column]);
    };
    std::vector<double> shares;  // (shape, part)
    for (const CellShape& shape : in_.shape) {
      const auto own = derived_->shares(shape, model_.target, in_.membrane_thickness_um);
      shares.insert(shares.end(), own.begin(), own.end());
    }
    const std::size_t n_parts = derived_->part.size();
    parallel_for(
        static_cast<std::int64_t>(in_.x_um.size()), cells_per_block, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          for (auto cell = static_cast<std::size_t>(begin); cell < static_cast<std::size_t>(end);
               ++cell) {
            Real* const dose = &out_.dose_Gy[cell * out_.n_columns];
            const double* const share =
                &shares[static_cast<std::size_t>(in_.shape_of[cell]) * n_parts];
            for (std::size_t c = 0; c < n_columns; ++c) {
              double whole = 0.0;
              for (std::size_t i = 0; i < n_parts; ++i) {
                if (share[i] == 0.0) continue;  // its dose may be NaN
                whole += share[i] * static_cast<double>(dose[place(derived_->part[i], c)]);
              }
              dose[place(derived_->target, c)] = static_cast<Real>(whole);
            }
          }
        },
        tables_.stop());
  }

  // Where the columns of some channels stand in a row of doses.
  std::vector<std::size_t> dose_places(const Channels& channels, std::size_t origin) const {
    const std::size_t n_targets = scored_.target.size();
    std::vector<std::size_t> places;
    for (std::size_t c = 0; c < channels.n_doses; ++c) {
      const std::size_t emission = channels.output[c / n_targets];
      const std::size_t target = target_place(c % n_targets);
      if (target == model_.target.size()) {
        places.push_back(no_place);
        continue;
      }
      const std::size_t number = (target * n_emissions(model_) + emission) * n_origins(model_) +
                                 (model_.split_origin ? origin : 0);
      places.push_back(static_cast<std::size_t>(out_.column[number]));
    }
    return places;
  }

  void deposit(const std::vector<std::size_t>& places, std::size_t cell,
               std::span<const double> values) {
    Real* const dose = &out_.dose_Gy[cell * out_.n_columns];
    for (std::size_t c = 0; c < places.size(); ++c) {
      if (places[c] != no_place) dose[places[c]] += static_cast<Real>(values[c]);
    }
    for (std::size_t c = places.size(); c < values.size(); ++c) {
      out_.hits[cell * n_hit_columns + c - places.size()] += values[c];
    }
  }

  void score_self(const Channels& channels) {
    const ProgressSpan before_pairs(0.0, 0.0);
    if (sites_) {
      const OffsetSelfDose self(tables_, channels);
      add_self(channels, [&](std::size_t cell, std::vector<double>& per_decay) {
        self.row(cell, per_decay);
      });
    } else {
      const SelfDose self(tables_, channels);
      add_self(channels, [&](std::size_t cell, std::vector<double>& per_decay) {
        self.row(static_cast<std::size_t>(in_.shape_of[cell]), per_decay);
      });
    }
  }

  template <class Row>
  void add_self(const Channels& channels, const Row& row) {
    const std::size_t width = channels.width();
    const auto own_places = dose_places(channels, 0);
    const auto cross_places = dose_places(channels, 1);
    parallel_for(
        static_cast<std::int64_t>(in_.x_um.size()), cells_per_block, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          std::vector<double> per_decay;
          std::vector<double> values(width);
          const auto score = [&](std::size_t cell, std::size_t source, double decays,
                                 const std::vector<std::size_t>& places) {
            if (decays == 0.0) return;
            for (std::size_t c = 0; c < width; ++c) {
              values[c] = decays * per_decay[source * width + c];
            }
            deposit(places, cell, values);
          };
          for (auto cell = static_cast<std::size_t>(begin); cell < static_cast<std::size_t>(end);
               ++cell) {
            row(cell, per_decay);
            for (std::size_t s = 0; s < n_source_compartments; ++s) {
              if (!tables_.is_used(s)) continue;
              score(cell, s, in_.time_integrated_activity[cell * n_source_compartments + s],
                    own_places);
              score(cell, s, -tables_.background_activity(cell, s), cross_places);
            }
          }
        },
        tables_.stop());
  }

  void score_cross(const Channels& channels) {
    SummationReport report{
        channels.numbers, channels.summation, channels.reach_um, 0.0, 0.0, 0.0, 0};
    const std::vector<double> background = background_values(channels);
    const auto places = dose_places(channels, 1);
    const std::size_t width = channels.width();
    LargeVector<double> site_sums(sites_ ? pair_tables().input().x_um.size() * width : 0);
    const CrossSink sink = [&](std::span<const std::int64_t> cells, std::span<double> sums) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const auto cell = static_cast<std::size_t>(cells[i]);
        const auto own = sums.subspan(i * width, width);
        add_background(channels, cell, background, own);
        if (sites_) {
          std::copy(own.begin(), own.end(), &site_sums[cell * width]);
        } else {
          deposit(places, cell, own);
        }
      }
    };
    if (channels.summation == Summation::particle_mesh) {
      particle_mesh_sums(pair_tables(), channels, sink, report);
    } else if (channels.summation == Summation::cell_list) {
      cell_list_sums(pair_tables(), channels, sink, report);
    } else {
      direct_sums(pair_tables(), channels, sink, report);
    }
    if (sites_) {
      report.class_spread = sites_->class_spread();
      combine_sums(channels, places, site_sums);
    }
    report_.push_back(std::move(report));
  }

  void combine_sums(const Channels& channels, const std::vector<std::size_t>& places,
                    std::span<const double> site_sums) {
    const ProgressSpan after_pairs(1.0, 1.0);
    parallel_for(
        static_cast<std::int64_t>(in_.x_um.size()), cells_per_block, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          std::vector<double> sums(channels.width());
          for (auto cell = static_cast<std::size_t>(begin); cell < static_cast<std::size_t>(end);
               ++cell) {
            sites_->combine(scored_.target, channels.n_doses, site_sums, cell, sums);
            deposit(places, cell, sums);
          }
        },
        tables_.stop());
  }

  // Dose or hits per unit concentration of activity everywhere, per class of target. Eq. 18.
  std::vector<double> background_values(const Channels& channels) const {
    const auto classes = pair_tables().input().shape_class;
    const std::size_t width = channels.width();
    std::vector<double> values(classes.size() * width, 0.0);
    if (in_.medium_concentration <= 0.0) return values;
    const auto hits = tables_.hit_tables(channels, classes);
    const double gray_um3_per_keV = constants::gray_ng_per_keV /
                                    (in_.density_g_per_cm3 * constants::ng_per_um3_at_unit_density);
    for (std::size_t i = 0; i < classes.size(); ++i) {
      double* const row = &values[i * width];
      for (std::size_t c = 0; c < channels.n_doses; ++c) {
        row[c] = channels.kernels[c / scored_.target.size()].total_energy_keV() * gray_um3_per_keV;
      }
      if (hits[i] == nullptr) continue;
      const HitVector total = hits[i]->space_integral();
      std::copy_n(total.begin(), n_hit_columns, row + channels.n_doses);
    }
    return values;
  }

  void add_background(const Channels& channels, std::size_t cell,
                      const std::vector<double>& background, std::span<double> sums) const {
    const auto own_class = pair_tables().input().class_of[cell];
    const std::size_t first = static_cast<std::size_t>(own_class) * channels.width();
    if (in_.medium_concentration > 0.0) {
      for (std::size_t c = 0; c < channels.width(); ++c) {
        sums[c] += in_.medium_concentration * background[first + c];
      }
    }
    if (channels.has_hits) to_own_nucleus(cell, &sums[channels.n_doses]);
  }

  // Hits of the class of a cell to those of the cell: traversals go with the cross-section of the
  // nucleus and z with its inverse, so M_k goes with R^(2 - 2k); the residue is of higher order.
  void to_own_nucleus(std::size_t cell, double* hits) const {
    const PopulationTables& tables = pair_tables();
    if (tables.shape(cell).nucleus_radius_um == 0.0) return;  // a site without its nucleus
    const double ratio =
        tables.shape(cell).nucleus_radius_um / tables.class_shape(cell).nucleus_radius_um;
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
  const PopulationOutput<Real>& out_;
  std::optional<DerivedTarget> derived_;
  PopulationModel scored_;  // without the derived target, with a nucleus that others need
  PopulationTables tables_;
  std::optional<PopulationSites> sites_;  // of cells with nuclei off their centers
  std::optional<PopulationTables> site_tables_;
  std::vector<SummationReport> report_;
};

template <class Real>
void check_output(const PopulationInput& input, const PopulationModel& model,
                  const PopulationOutput<Real>& output) {
  const std::size_t n = input.x_um.size();
  const bool fits =
      std::all_of(output.column.begin(), output.column.end(), [&](std::int64_t column) {
        return column >= 0 && static_cast<std::size_t>(column) < output.n_columns;
      });
  if (!fits || output.column.size() != row_size(model)) {
    throw InputError("columns of the dose do not fit its targets, kernels and origins");
  }
  const std::size_t n_hits = model.alpha_chain == nullptr ? 0 : n * n_hit_columns;
  if (output.dose_Gy.size() != n * output.n_columns || output.hits.size() != n_hits) {
    throw InputError("population results differ in length");
  }
}

void check_sizes(const PopulationInput& input) {
  const std::size_t n = input.x_um.size();
  if (input.y_um.size() != n || input.z_um.size() != n || input.shape_of.size() != n ||
      input.class_of.size() != n ||
      input.time_integrated_activity.size() != n * n_source_compartments) {
    throw InputError("population arrays differ in length");
  }
  if (input.grid != nullptr && input.grid->size() != static_cast<std::int64_t>(n)) {
    throw InputError("sorted cells of another number than the population");
  }
  if (!input.nucleus_offset_um.empty() && input.nucleus_offset_um.size() != 3 * n) {
    throw InputError("offsets of nuclei: 3 numbers for each cell");
  }
}

}  // namespace

Region compartment_region(const CellShape& shape, Compartment compartment,
                          double membrane_thickness_um) {
  const double inside = shape.cell_radius_um - membrane_thickness_um;
  if (shape.is_nucleus && compartment != Compartment::nucleus) return {0.0, 0.0};
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

template <class Real>
std::vector<SummationReport> add_population_dose(const PopulationInput& input,
                                                 const PopulationModel& model,
                                                 const PopulationOutput<Real>& output,
                                                 int n_threads, const StopPoll& stop) {
  check_sizes(input);
  check_output(input, model, output);
  if (input.x_um.empty()) return {};
  return Engine<Real>(input, model, output, n_threads, stop).run();
}

template std::vector<SummationReport> add_population_dose(const PopulationInput&,
                                                          const PopulationModel&,
                                                          const PopulationOutput<double>&, int,
                                                          const StopPoll&);
template std::vector<SummationReport> add_population_dose(const PopulationInput&,
                                                          const PopulationModel&,
                                                          const PopulationOutput<float>&, int,
                                                          const StopPoll&);

PopulationResult population_dose(const PopulationInput& input, const PopulationModel& model,
                                 int n_threads, const StopPoll& stop) {
  const std::size_t n_cells = input.x_um.size();
  PopulationResult result;
  result.dose_Gy.assign(n_cells * row_size(model), 0.0);
  if (model.alpha_chain != nullptr) result.hits.assign(n_cells * n_hit_columns, 0.0);
  std::vector<std::int64_t> column(row_size(model));
  std::iota(column.begin(), column.end(), 0);
  const PopulationOutput<double> output{result.dose_Gy, row_size(model), column, result.hits};
  result.report = add_population_dose(input, model, output, n_threads, stop);
  return result;
}

}  // namespace immunodose
