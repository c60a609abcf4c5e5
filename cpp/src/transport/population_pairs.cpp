// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_pairs.hpp"

#include <algorithm>
#include <cmath>

namespace immunodose {
namespace {

// Near contact, where electrons of short range make tables steep, every edge is computed; from the
// second octave on every fourth, and the others are interpolated: d^2 S(d) is smooth there.
constexpr std::size_t stride = 4;
constexpr std::size_t contact_edges = 128;
// Below this many radii of reach, cross-doses go with the gap between cells, not with their volume.
constexpr double short_reach_radii = 2.0;
constexpr std::int64_t lanes = 4;  // columns beyond the first are padded to a multiple

std::int64_t padded(std::size_t width) {
  const auto n = static_cast<std::int64_t>(width);
  return n <= 1 ? n : (n + lanes - 1) / lanes * lanes;
}

// Mean square distance of the points of a region from its center.
double mean_square_um2(const Region& region) {
  if (region.is_surface()) return region.outer_um * region.outer_um;
  const double outer2 = region.outer_um * region.outer_um;
  const double inner2 = region.inner_um * region.inner_um;
  const double outer3 = outer2 * region.outer_um;
  const double inner3 = inner2 * region.inner_um;
  return 0.6 * (outer2 * outer3 - inner2 * inner3) / (outer3 - inner3);
}

double shortest_um(const PopulationTables& tables) {
  // Cells do not overlap; shrinking of squared distances is bounded by a class, see shrink_um2.
  constexpr double slack = 0.8;
  return slack * 2.0 * tables.smallest_radius_um();
}

// Small cells of a class are looked up at more than their squared distance (Eq. P3).
double longest_lookup_um(const PopulationTables& tables, double longest_um) {
  return std::hypot(std::max(longest_um, shortest_um(tables)), 2.0 * tables.largest_radius_um());
}

// Cubic through the computed rows around each edge, of values times squared distance.
void interpolate_rows(const std::vector<double>& edge_um2, const std::vector<std::size_t>& computed,
                      std::size_t width, std::vector<double>& values) {
  const auto last = static_cast<std::int64_t>(computed.size()) - 1;
  for (std::int64_t k = 0; k < last; ++k) {
    const std::int64_t first =
        std::clamp<std::int64_t>(k - 1, 0, std::max<std::int64_t>(0, last - 3));
    const std::int64_t n = std::min<std::int64_t>(4, last + 1);
    for (std::size_t i = computed[static_cast<std::size_t>(k)] + 1;
         i < computed[static_cast<std::size_t>(k) + 1]; ++i) {
      double* const to = &values[i * width];
      std::fill_n(to, width, 0.0);
      for (std::int64_t a = first; a < first + n; ++a) {
        const std::size_t node = computed[static_cast<std::size_t>(a)];
        double weight = edge_um2[node] / edge_um2[i];
        for (std::int64_t b = first; b < first + n; ++b) {
          if (b == a) continue;
          const std::size_t other = computed[static_cast<std::size_t>(b)];
          weight *= (edge_um2[i] - edge_um2[other]) / (edge_um2[node] - edge_um2[other]);
        }
        for (std::size_t c = 0; c < width; ++c) to[c] += weight * values[node * width + c];
      }
    }
  }
}

}  // namespace

PopulationPairs::PopulationPairs(const PopulationTables& tables, const Channels& channels,
                                 double longest_um, const AdjustTable& adjust)
    : tables_(tables),
      channels_(channels),
      pairs_{SquareGrid(shortest_um(tables), longest_lookup_um(tables, longest_um)),
             padded(channels.width()),
             !adjust,
             {}} {
  number_tables();
  fill_tables(adjust);
}

void PopulationPairs::number_tables() {
  for (std::size_t c = 0; c < tables_.n_classes(); ++c) {
    for (std::size_t s = 0; s < n_source_compartments; ++s) {
      number_.push_back(tables_.is_active(c, s) ? per_target_++ : -1);
    }
  }
}

void PopulationPairs::fill_tables(const AdjustTable& adjust) {
  const auto edges = pairs_.grid.edges_um2();
  const std::size_t n_targets = tables_.n_classes();
  const std::size_t n_slots = number_.size();
  const auto hits = tables_.hit_tables(channels_, tables_.input().shape_class);
  pairs_.row.resize(n_targets * static_cast<std::size_t>(per_target_ * pairs_.table_size()));
  parallel_for(
      static_cast<std::int64_t>(n_targets * n_slots), 1, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const std::size_t slot = i % n_slots;
          if (number_[slot] < 0) continue;
          const TablePair pair{i / n_slots, slot / n_source_compartments,
                               slot % n_source_compartments};
          auto values = table_values(pair, edges, hits[pair.target_class].get());
          if (adjust) {
            adjust(pair, edges, values);
          } else {
            end_tables(pair, edges, values);
          }
          const std::size_t width = channels_.width();
          const auto wide = static_cast<std::size_t>(pairs_.width);
          std::vector<double> rows(edges.size() * wide, 0.0);
          for (std::size_t e = 0; e < edges.size(); ++e) {
            std::copy_n(&values[e * width], width, &rows[e * wide]);
          }
          pairs_.fill(static_cast<std::int64_t>(pair.target_class) * per_target_ + number_[slot],
                      rows);
        }
      },
      tables_.stop());
}

std::vector<double> PopulationPairs::table_values(const TablePair& pair,
                                                  const std::vector<double>& edge_um2,
                                                  const PointHitTable* hits) const {
  std::vector<std::size_t> computed;
  for (std::size_t i = 0; i < edge_um2.size(); i += i < contact_edges ? 1 : stride) {
    computed.push_back(i);
  }
  if (computed.back() != edge_um2.size() - 1) computed.push_back(edge_um2.size() - 1);
  std::vector<double> distance;
  for (const std::size_t i : computed) distance.push_back(std::sqrt(edge_um2[i]));
  const auto& shapes = tables_.input().shape_class;
  const auto found = tables_.values(channels_, shapes[pair.source_class], shapes[pair.target_class],
                                    pair.source, distance, hits);
  const std::size_t width = channels_.width();
  std::vector<double> values(edge_um2.size() * width);
  for (std::size_t k = 0; k < computed.size(); ++k) {
    std::copy_n(&found[k * width], width, &values[computed[k] * width]);
  }
  interpolate_rows(edge_um2, computed, width, values);
  return values;
}

// Doses are zero beyond the reach plus the radii of the regions: the last line of a column falls
// to zero there, in the middle of a cell of the grid.
void PopulationPairs::end_tables(const TablePair& pair, const std::vector<double>& edge_um2,
                                 std::vector<double>& values) const {
  const auto& shapes = tables_.input().shape_class;
  const double from = tables_.source_region(shapes[pair.source_class], pair.source).outer_um;
  const std::size_t n_targets = tables_.model().target.size();
  const std::size_t width = channels_.width();
  for (std::size_t c = 0; c < channels_.n_doses; ++c) {
    const double to = tables_.target_region(shapes[pair.target_class], c % n_targets).outer_um;
    const double end = channels_.kernels[c / n_targets].reach_um() + from + to;
    const double end_um2 = end * end;
    for (std::size_t e = 0; e < edge_um2.size(); ++e) {
      if (edge_um2[e] < end_um2) {
        values[e * width + c] = std::max(0.0, values[e * width + c]);  // of the interpolation
        continue;
      }
      // The first edge beyond continues the line through the end; what lies below zero is cut.
      const bool first = e > 0 && edge_um2[e - 1] < end_um2;
      values[e * width + c] = first ? -values[(e - 1) * width + c] * (edge_um2[e] - end_um2) /
                                          (end_um2 - edge_um2[e - 1])
                                    : 0.0;
    }
  }
}

double PopulationPairs::shrink_um2(const Region& own, const Region& of_class) const {
  if (own.inner_um == of_class.inner_um && own.outer_um == of_class.outer_um) return 0.0;
  const double radius = tables_.smallest_radius_um();
  if (channels_.reach_um < short_reach_radii * radius) {
    return 4.0 * radius * (own.outer_um - of_class.outer_um);
  }
  return (mean_square_um2(own) - mean_square_um2(of_class)) / 3.0;
}

NeighborSources PopulationPairs::list_sources() const {
  const PopulationInput& in = tables_.input();
  NeighborSources list;
  for (std::size_t cell = 0; cell < in.x_um.size(); ++cell) {
    for (std::size_t s = 0; s < n_source_compartments; ++s) {
      const double activity = tables_.is_used(s) ? tables_.effective_activity(cell, s) : 0.0;
      if (activity == 0.0) continue;
      const auto slot = static_cast<std::size_t>(in.class_of[cell]) * n_source_compartments + s;
      list.x_um.push_back(in.x_um[cell]);
      list.y_um.push_back(in.y_um[cell]);
      list.z_um.push_back(in.z_um[cell]);
      list.weight.push_back(static_cast<float>(activity));
      list.shrink_um2.push_back(
          static_cast<float>(shrink_um2(tables_.source_region(tables_.shape(cell), s),
                                        tables_.source_region(tables_.class_shape(cell), s))));
      list.table.push_back(number_[slot]);
    }
  }
  return list;
}

NeighborTargets PopulationPairs::list_targets() const {
  const PopulationInput& in = tables_.input();
  NeighborTargets list{in.x_um, in.y_um, in.z_um, {}, {}};
  const std::size_t n_targets = tables_.model().target.size();
  list.shrink_um2.reserve(in.x_um.size());
  list.table.reserve(in.x_um.size());
  for (std::size_t cell = 0; cell < in.x_um.size(); ++cell) {
    double shrink = 0.0;  // one for all targets of the cell: their mean
    for (std::size_t t = 0; t < n_targets; ++t) {
      shrink += shrink_um2(tables_.target_region(tables_.shape(cell), t),
                           tables_.target_region(tables_.class_shape(cell), t));
    }
    list.shrink_um2.push_back(static_cast<float>(shrink / static_cast<double>(n_targets)));
    list.table.push_back(static_cast<std::int32_t>(in.class_of[cell]) * per_target_);
  }
  return list;
}

std::int64_t PopulationPairs::sum(double reach_um, const CrossSink& sink) const {
  const NeighborSources sources = list_sources();
  if (sources.x_um.empty()) {
    std::vector<double> none(channels_.width(), 0.0);
    for (std::size_t cell = 0; cell < tables_.input().x_um.size(); ++cell) {
      none.assign(channels_.width(), 0.0);
      sink(cell, none);
    }
    return 0;
  }
  return sum_over_neighbors(sources, list_targets(), pairs_, reach_um, simd_level(),
                            tables_.n_threads(), tables_.stop(),
                            [&](std::int64_t cell, std::vector<double>& sums) {
                              sink(static_cast<std::size_t>(cell), sums);
                            });
}

void cell_list_sums(const PopulationTables& tables, const Channels& channels, const CrossSink& sink,
                    SummationReport& report) {
  const double reach = channels.reach_um + 2.0 * tables.largest_radius_um();
  const PopulationPairs pairs(tables, channels, std::min(reach, tables.diameter_um() + 1.0), {});
  report.reach_um = channels.reach_um;
  report.n_pairs = pairs.sum(reach, sink);
  report.expected_error = 5e-5;  // of the tables; shape classes have a report of their own
}

}  // namespace immunodose
