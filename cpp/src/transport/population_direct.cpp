// SPDX-License-Identifier: BSD-3-Clause
// The cross-dose as a sum over all pairs in double precision, for small populations.
#include <algorithm>

#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/transport/pair_histogram.hpp"
#include "immunodose/transport/population_cross.hpp"
#include "immunodose/transport/population_images.hpp"

namespace immunodose {
namespace {

// d^2 S(d) is nearly constant, so linear interpolation of it is good to 1e-4 at these steps.
constexpr double largest_distance_step_um = 0.2;
constexpr double distance_step_per_radius = 0.04;
// Squares and roots of distances differ by less than this.
constexpr double rounding = 1e-9;

// Values times d^2 at the nodes, (node, column), of one pair of shapes.
using CrossTable = std::vector<double>;

class DirectSum {
 public:
  DirectSum(const PopulationTables& tables, const Channels& channels)
      : tables_(tables), channels_(channels), in_(tables.input()) {}

  void run(const CrossSink& sink) const {
    // No two cells are closer than twice the smallest radius (checked by the caller).
    const double shortest = 2.0 * tables_.smallest_radius_um() * 0.999;
    const double longest = std::min(channels_.reach_um + 2.0 * tables_.largest_radius_um(),
                                    tables_.diameter_um() * (1.0 + rounding));
    const DistanceNodes nodes(shortest, std::max(shortest, longest),
                              std::min(2.0 * tables_.largest_radius_um(), 2.0 * shortest),
                              std::min(largest_distance_step_um,
                                       distance_step_per_radius * tables_.smallest_radius_um()));
    sum(nodes, longest < shortest ? std::vector<CrossTable>{} : cross_tables(nodes), sink);
  }

 private:
  // A slot of the histograms is a shape class of the source and a compartment.
  std::size_t n_slots() const { return tables_.n_classes() * n_source_compartments; }

  // (target class, slot)
  std::vector<CrossTable> cross_tables(const DistanceNodes& nodes) const {
    std::vector<double> distance(static_cast<std::size_t>(nodes.size()));
    for (std::size_t i = 0; i < distance.size(); ++i) {
      distance[i] = nodes.at_um(static_cast<std::int64_t>(i));
    }
    const auto hits = tables_.hit_tables(channels_, in_.shape_class);
    const std::size_t width = channels_.width();
    std::vector<CrossTable> found(tables_.n_classes() * n_slots());
    parallel_for(
        static_cast<std::int64_t>(found.size()), 1, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = begin; i < end; ++i) {
            const auto index = static_cast<std::size_t>(i);
            const std::size_t source = index % n_source_compartments;
            const std::size_t from = index % n_slots() / n_source_compartments;
            const std::size_t to = index / n_slots();
            if (!tables_.is_active(from, source)) continue;
            auto rows = *tables_.values(channels_, in_.shape_class[from], in_.shape_class[to],
                                        source, distance, hits[to].get());
            for (std::size_t r = 0; r < rows.size(); ++r) {
              rows[r] *= distance[r / width] * distance[r / width];
            }
            found[index] = std::move(rows);
          }
        },
        tables_.stop());
    return found;
  }

  // One entry per cell and compartment with activity.
  PairSources list_sources() const {
    PairSources list;
    for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
      for (std::size_t s = 0; s < n_source_compartments; ++s) {
        const double activity = tables_.is_used(s) ? tables_.effective_activity(cell, s) : 0.0;
        if (activity == 0.0) continue;
        list.x_um.push_back(in_.x_um[cell]);
        list.y_um.push_back(in_.y_um[cell]);
        list.z_um.push_back(in_.z_um[cell]);
        list.activity.push_back(activity);
        list.reach_um.push_back(channels_.reach_um + tables_.shape(cell).cell_radius_um);
        list.slot.push_back(static_cast<std::int32_t>(
            static_cast<std::size_t>(in_.class_of[cell]) * n_source_compartments + s));
        list.cell.push_back(tables_.cell_number(cell));
      }
    }
    return list;
  }

  void sum(const DistanceNodes& nodes, const std::vector<CrossTable>& cross,
           const CrossSink& sink) const {
    // Bins of about a third of the reach, but never so fine that most are empty.
    const double edge = std::max(channels_.reach_um / 3.0, 4.0 * tables_.largest_radius_um());
    const PairSources unsorted = list_sources();
    const GridIndex grid(unsorted.x_um, unsorted.y_um, unsorted.z_um, edge);
    const PairSources list = unsorted.reordered(grid.order());
    const std::size_t n = tables_.n_targets();
    const GridIndex targets(in_.x_um.first(n), in_.y_um.first(n), in_.z_um.first(n),
                            edge);  // neighbors share the cache
    const double reach = (channels_.reach_um + tables_.largest_radius_um()) * (1.0 + rounding);
    constexpr std::int64_t block = 64;
    parallel_for(
        targets.size(), block, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          PairHistogram histogram(nodes, n_slots());
          std::vector<double> sums(channels_.width());
          for (auto rank = begin; rank < end; ++rank) {
            const auto one = targets.order().subspan(static_cast<std::size_t>(rank), 1);
            const auto cell = static_cast<std::size_t>(one[0]);
            const Vec3 center = targets.point(rank);
            const double radius = tables_.shape(cell).cell_radius_um;
            histogram.clear();
            grid.visit_ranges(center, reach + radius, [&](std::int64_t first, std::int64_t last) {
              histogram.add(list, first, last, center, radius, tables_.cell_number(cell));
              return true;
            });
            std::fill(sums.begin(), sums.end(), 0.0);
            if (!cross.empty()) add_product(histogram, cell, cross, sums);
            sink(one, sums);
          }
        },
        tables_.stop());
  }

  void add_product(const PairHistogram& histogram, std::size_t cell,
                   const std::vector<CrossTable>& cross, std::vector<double>& sums) const {
    const std::size_t first = static_cast<std::size_t>(in_.class_of[cell]) * n_slots();
    for (std::size_t slot = 0; slot < n_slots(); ++slot) {
      const double* row = cross[first + slot].data();
      if (row == nullptr) continue;
      for (const double weight : histogram.slot(slot)) {
        if (weight != 0.0) {
          for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += weight * row[c];
        }
        row += sums.size();
      }
    }
  }

  const PopulationTables& tables_;
  const Channels& channels_;
  const PopulationInput& in_;
};

}  // namespace

void direct_sums(const PopulationTables& tables, const Channels& channels, const CrossSink& sink,
                 SummationReport& report) {
  report.expected_error = 1e-4;  // of the interpolation, for single pairs
  const double reach = channels.reach_um + 2.0 * tables.largest_radius_um();
  with_images(tables, reach, [&](const PopulationTables& all) {
    report.n_pairs = static_cast<std::int64_t>(all.n_targets() * (all.input().x_um.size() - 1));
    DirectSum(all, channels).run(sink);
  });
}

}  // namespace immunodose
