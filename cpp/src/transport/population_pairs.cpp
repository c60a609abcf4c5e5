// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_pairs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "immunodose/core/progress.hpp"
#include "immunodose/transport/population_images.hpp"

namespace immunodose {
namespace {

// Near contact, where electrons of short range make tables steep, every edge is computed; from the
// second octave on every fourth, and the others are interpolated: d^2 S(d) is smooth there.
constexpr std::size_t stride = 4;
constexpr std::size_t contact_edges = 128;
constexpr double octave = 2.0;
// Below this many radii of reach, cross-doses go with the gap between cells, not with their volume.
constexpr double short_reach_radii = 2.0;
constexpr std::int64_t cells_per_block = 4096;
// Pairs are summed both ways at once if more than this fraction of the cells decay.
constexpr double least_both_ways = 0.5;
std::vector<std::size_t> active_compartments(const PopulationTables& tables) {
  std::vector<std::size_t> found;
  for (std::size_t s = 0; s < n_source_compartments; ++s) {
    for (std::size_t c = 0; c < tables.n_classes(); ++c) {
      if (!tables.is_active(c, s)) continue;
      found.push_back(s);
      break;
    }
  }
  return found;
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
      compartment_(active_compartments(tables)),
      pairs_{SquareGrid(shortest_um(tables), longest_lookup_um(tables, longest_um)),
             static_cast<std::int64_t>(channels.width()),
             static_cast<std::int64_t>(compartment_.size()),
             !adjust,
             {}} {
  number_tables();
  fill_tables(adjust);
}

void PopulationPairs::number_tables() {
  for (std::size_t c = 0; c < tables_.n_classes(); ++c) {
    const bool active = std::any_of(compartment_.begin(), compartment_.end(),
                                    [&](std::size_t s) { return tables_.is_active(c, s); });
    number_.push_back(active ? per_target_++ : -1);
  }
}

void PopulationPairs::fill_tables(const AdjustTable& adjust) {
  const ProgressSpan before_pairs(0.0, 0.0);
  const auto edges = pairs_.grid.edges_um2();
  const std::size_t n_classes = tables_.n_classes();
  const std::size_t n_slots = n_classes * compartment_.size();
  const auto hits = tables_.hit_tables(channels_, tables_.input().shape_class);
  pairs_.row.resize(n_classes * static_cast<std::size_t>(per_target_ * pairs_.table_size()));
  parallel_for(
      static_cast<std::int64_t>(n_classes * n_slots), 1, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const std::size_t column = i % compartment_.size();
          const TablePair pair{i / n_slots, i % n_slots / compartment_.size(),
                               compartment_[column]};
          if (!tables_.is_active(pair.source_class, pair.source)) continue;
          auto values = table_values(pair, edges, hits[pair.target_class].get());
          if (adjust) {
            adjust(pair, edges, values);
          } else {
            end_tables(pair, edges, values);
          }
          const auto target = static_cast<std::int64_t>(pair.target_class);
          pairs_.fill(target * per_target_ + number_[pair.source_class], column * channels_.width(),
                      channels_.width(), values);
        }
      },
      tables_.stop());
}

std::vector<double> PopulationPairs::table_values(const TablePair& pair,
                                                  const std::vector<double>& edge_um2,
                                                  const PointHitTable* hits) const {
  std::vector<std::size_t> computed;
  const auto& shapes = tables_.input().shape_class;
  // Of sites the smallest nuclei set the first edge: other pairs touch beyond the first octave.
  const double contact =
      tables_.input().partner.empty()
          ? 0.0
          : shapes[pair.source_class].cell_radius_um + shapes[pair.target_class].cell_radius_um;
  const double steep_um2 = octave * contact * contact;
  for (std::size_t i = 0; i < edge_um2.size();
       i += i < contact_edges || edge_um2[i] < steep_um2 ? 1 : stride) {
    computed.push_back(i);
  }
  if (computed.back() != edge_um2.size() - 1) computed.push_back(edge_um2.size() - 1);
  std::vector<double> distance;
  for (const std::size_t i : computed) distance.push_back(std::sqrt(edge_um2[i]));
  const auto found = tables_.values(channels_, shapes[pair.source_class], shapes[pair.target_class],
                                    pair.source, distance, hits);
  const std::size_t width = channels_.width();
  std::vector<double> values(edge_um2.size() * width);
  for (std::size_t k = 0; k < computed.size(); ++k) {
    std::copy_n(&(*found)[k * width], width, &values[computed[k] * width]);
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

// Of all compartments of a cell their mean, weighted with their activities.
double PopulationPairs::source_shrink_um2(std::size_t cell) const {
  double sum = 0.0;
  double weights = 0.0;
  for (const std::size_t s : compartment_) {
    const double weight = std::abs(tables_.effective_activity(cell, s));
    if (weight == 0.0) continue;
    sum += weight * shrink_um2(tables_.source_region(tables_.shape(cell), s),
                               tables_.source_region(tables_.class_shape(cell), s));
    weights += weight;
  }
  return weights > 0.0 ? sum / weights : 0.0;
}

// Of all targets of a cell their mean.
double PopulationPairs::target_shrink_um2(std::size_t cell) const {
  const std::size_t n_targets = tables_.model().target.size();
  double sum = 0.0;
  std::size_t n_there = 0;
  for (std::size_t t = 0; t < n_targets; ++t) {
    const Region own = tables_.target_region(tables_.shape(cell), t);
    if (own.outer_um == 0.0) continue;  // a site has other targets
    ++n_there;
    sum += shrink_um2(own, tables_.target_region(tables_.class_shape(cell), t));
  }
  return n_there == 0 ? 0.0 : sum / static_cast<double>(n_there);
}

bool PopulationPairs::has_activity(std::size_t cell) const {
  return std::any_of(compartment_.begin(), compartment_.end(),
                     [&](std::size_t s) { return tables_.effective_activity(cell, s) != 0.0; });
}

bool PopulationPairs::one_table_for_all() const {
  return tables_.n_classes() == 1 && !tables_.has_many_shapes();
}

void PopulationPairs::number_sources(const GridIndex& cells, NeighborSources& list) const {
  const std::int64_t n_blocks = (cells.size() + cells_per_block - 1) / cells_per_block;
  std::vector<std::int64_t> before(static_cast<std::size_t>(n_blocks) + 1, 0);
  list.first.resize(static_cast<std::size_t>(cells.size()) + 1);
  const auto id = [&](std::int64_t rank) {
    return static_cast<std::size_t>(cells.order()[static_cast<std::size_t>(rank)]);
  };
  parallel_for(
      cells.size(), cells_per_block, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        std::int64_t n = 0;
        for (std::int64_t rank = begin; rank < end; ++rank) {
          list.first[static_cast<std::size_t>(rank)] = n;
          n += has_activity(id(rank)) ? 1 : 0;
        }
        before[static_cast<std::size_t>(begin / cells_per_block) + 1] = n;
      },
      tables_.stop());
  std::partial_sum(before.begin(), before.end(), before.begin());
  list.first.back() = before.back();
  const auto n_sources = static_cast<double>(before.back());
  if (one_table_for_all() && !tables_.has_images() &&
      n_sources > least_both_ways * static_cast<double>(cells.size())) {
    list.first.clear();
    return;
  }
  list.rank.resize(static_cast<std::size_t>(before.back()));
  parallel_for(
      cells.size(), cells_per_block, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        const std::int64_t offset = before[static_cast<std::size_t>(begin / cells_per_block)];
        for (std::int64_t rank = begin; rank < end; ++rank) {
          const std::int64_t source = list.first[static_cast<std::size_t>(rank)] += offset;
          if (has_activity(id(rank))) list.rank[static_cast<std::size_t>(source)] = rank;
        }
      },
      tables_.stop());
}

NeighborSources PopulationPairs::list_sources(const GridIndex& cells) const {
  const ProgressSpan before_pairs(0.0, 0.0);
  NeighborSources list;
  number_sources(cells, list);
  const PopulationInput& in = tables_.input();
  const bool all = list.first.empty();
  const auto n = all ? cells.size() : static_cast<std::int64_t>(list.rank.size());
  const auto width = static_cast<std::size_t>(pairs_.width());
  const std::size_t n_channels = channels_.width();
  list.weight.resize(static_cast<std::size_t>(n) * width);
  if (tables_.has_many_shapes()) list.shrink_um2.resize(static_cast<std::size_t>(n));
  if (per_target_ > 1) list.table.resize(static_cast<std::size_t>(n));
  parallel_for(
      n, cells_per_block, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const std::size_t rank = all ? i : static_cast<std::size_t>(list.rank[i]);
          const auto cell = static_cast<std::size_t>(cells.order()[rank]);
          float* weight = &list.weight[i * width];
          std::fill_n(weight, width, 0.0F);
          for (const std::size_t s : compartment_) {
            std::fill_n(weight, n_channels,
                        static_cast<float>(tables_.effective_activity(cell, s)));
            weight += n_channels;
          }
          if (!list.shrink_um2.empty()) {
            list.shrink_um2[i] = static_cast<float>(source_shrink_um2(cell));
          }
          if (!list.table.empty()) {
            list.table[i] = number_[static_cast<std::size_t>(in.class_of[cell])];
          }
        }
      },
      tables_.stop());
  return list;
}

void PopulationPairs::set_partners(const GridIndex& cells, NeighborTargets& list) const {
  const auto partner = tables_.input().partner;
  if (partner.empty()) return;
  const auto order = cells.order();
  LargeVector<std::int64_t> rank_of(order.size());
  list.partner.resize(order.size());
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    rank_of[static_cast<std::size_t>(order[rank])] = static_cast<std::int64_t>(rank);
  }
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const auto other = partner[static_cast<std::size_t>(order[rank])];
    list.partner[rank] = rank_of[static_cast<std::size_t>(other)];
  }
}

NeighborTargets PopulationPairs::list_targets(const GridIndex& cells) const {
  const ProgressSpan before_pairs(0.0, 0.0);
  const PopulationInput& in = tables_.input();
  NeighborTargets list;
  const auto n = static_cast<std::size_t>(cells.size());
  if (tables_.has_many_shapes()) list.shrink_um2.resize(n);
  if (tables_.n_classes() > 1) list.table.resize(n);
  if (tables_.has_images()) list.is_silent.resize(n);
  set_partners(cells, list);
  parallel_for(
      cells.size(), cells_per_block, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto rank = static_cast<std::size_t>(begin); rank < static_cast<std::size_t>(end);
             ++rank) {
          const auto cell = static_cast<std::size_t>(cells.order()[rank]);
          if (!list.shrink_um2.empty()) {
            list.shrink_um2[rank] = static_cast<float>(target_shrink_um2(cell));
          }
          if (!list.table.empty()) {
            list.table[rank] = static_cast<std::int32_t>(in.class_of[cell]) * per_target_;
          }
          if (!list.is_silent.empty()) list.is_silent[rank] = cell < tables_.n_targets() ? 0 : 1;
        }
      },
      tables_.stop());
  return list;
}

double PopulationPairs::end_um() const {
  double from = 0.0;
  double to = 0.0;
  for (const CellShape& shape : tables_.input().shape) {
    for (const std::size_t s : compartment_) {
      from = std::max(from, tables_.source_region(shape, s).outer_um);
    }
    for (std::size_t t = 0; t < tables_.model().target.size(); ++t) {
      to = std::max(to, tables_.target_region(shape, t).outer_um);
    }
    if (channels_.has_hits) to = std::max(to, shape.nucleus_radius_um);
  }
  return channels_.reach_um + from + to;
}

// Passes on the sums of targets, without those of images.
CrossSink PopulationPairs::without_images(const CrossSink& sink) const {
  if (!tables_.has_images()) return sink;
  return [this, &sink](std::span<const std::int64_t> cells, std::span<double> sums) {
    const std::size_t width = channels_.width();
    std::vector<std::int64_t> targets;
    std::vector<double> of_targets;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (static_cast<std::size_t>(cells[i]) >= tables_.n_targets()) continue;
      targets.push_back(cells[i]);
      const auto own = sums.subspan(i * width, width);
      of_targets.insert(of_targets.end(), own.begin(), own.end());
    }
    if (!targets.empty()) sink(targets, of_targets);
  };
}

std::int64_t PopulationPairs::sum(double reach_um, const CrossSink& all_sums) const {
  const CrossSink sink = without_images(all_sums);
  const GridIndex& cells = tables_.grid(reach_um);
  const std::size_t n_channels = channels_.width();
  if (compartment_.empty()) {
    for (std::size_t rank = 0; rank < cells.order().size(); ++rank) {
      std::vector<double> none(n_channels, 0.0);
      sink(cells.order().subspan(rank, 1), none);
    }
    return 0;
  }
  const NeighborSources sources = list_sources(cells);
  const NeighborTargets targets = list_targets(cells);
  // Pairs are looked up at shrunk distances.
  const auto largest = [](const LargeVector<float>& shrink) {
    return shrink.empty()
               ? 0.0
               : std::max(0.0,
                          static_cast<double>(*std::max_element(shrink.begin(), shrink.end())));
  };
  const double reach =
      std::sqrt(reach_um * reach_um + largest(sources.shrink_um2) + largest(targets.shrink_um2));
  return sum_over_neighbors(
      cells, sources, targets, pairs_, reach, simd_level(), tables_.n_threads(), tables_.stop(),
      [&](std::int64_t first, std::int64_t end, std::span<double> sums) {
        const auto n = static_cast<std::size_t>(end - first);
        const auto ids = cells.order().subspan(static_cast<std::size_t>(first), n);
        sink(ids, sums);
      });
}

void cell_list_sums(const PopulationTables& tables, const Channels& channels, const CrossSink& sink,
                    SummationReport& report) {
  const double reach = channels.reach_um + 2.0 * tables.largest_radius_um();
  report.reach_um = channels.reach_um;
  with_images(tables, reach, [&](const PopulationTables& all) {
    const PopulationPairs pairs(all, channels, std::min(reach, all.diameter_um() + 1.0), {});
    report.n_pairs = pairs.sum(pairs.end_um(), sink);
  });
  report.expected_error = 5e-5;  // of the tables; shape classes have a report of their own
}

}  // namespace immunodose
