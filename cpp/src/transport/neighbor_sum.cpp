// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/neighbor_sum.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <iterator>
#include <limits>

#include "immunodose/core/error.hpp"
#include "immunodose/core/progress.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t most_chunks = 64;
constexpr std::int64_t bins_per_round = 16;
constexpr std::int64_t most_numbers_per_cell = 8;  // of all chunks together
constexpr std::int64_t cells_per_block = 4096;
constexpr auto tile_size = static_cast<std::int64_t>(pair_lanes);

std::size_t place(std::int64_t number) { return static_cast<std::size_t>(number); }

// Sources near a bin, and where they came from.
struct Neighborhood {
  struct Run {
    std::int64_t first_rank;
    std::size_t begin, end;  // in the buffer
  };

  explicit Neighborhood(std::int64_t width)
      : near(width), sums(pair_lanes * static_cast<std::size_t>(width)) {}
  const float* sums_of(std::size_t k) const { return &sums[k * near.n_weights]; }

  PairBuffer near;
  std::vector<Run> runs;
  PairGroups groups;
  Vec3 center;
  std::vector<float> sums;  // (target of a tile, column)
};

class NeighborSummer {
 public:
  NeighborSummer(const GridIndex& cells, const NeighborSources& sources,
                 const NeighborTargets& targets, const PairTables& tables, double reach_um,
                 SimdLevel simd)
      : cells_(cells),
        sources_(sources),
        targets_(targets),
        tables_(tables),
        reach_um_(reach_um),
        reach_um2_(static_cast<float>(reach_um * reach_um)),
        simd_(simd) {}

  bool counts_both_ways() const {
    return sources_.rank.empty() && sources_.shrink_um2.empty() && sources_.table.empty() &&
           targets_.shrink_um2.empty() && targets_.table.empty() && targets_.partner.empty() &&
           targets_.is_silent.empty();
  }

  // Every target sums all its neighbors.
  std::int64_t run(int n_threads, const StopPoll& stop, const PairResult& result) const {
    std::atomic<std::int64_t> n_pairs{0};
    constexpr std::int64_t block = 4;
    parallel_for(
        cells_.n_occupied(), block, n_threads,
        [&](std::int64_t begin, std::int64_t end) {
          Neighborhood around(tables_.width());
          std::vector<double> sums;
          std::int64_t counted = 0;
          for (std::int64_t bin = begin; bin < end; ++bin) {
            const std::int64_t first = cells_.bin_start(bin);
            const std::int64_t last = cells_.bin_start(bin + 1);
            if (is_silent(first, place(last - first))) continue;
            collect(bin, 0, cells_.size(), around);
            sums.assign(place((last - first) * tables_.n_channels), 0.0);
            for (std::int64_t rank = first; rank < last; rank += tile_size) {
              const PairTile tile = tile_of(rank, last, around.center);
              if (is_silent(rank, tile.n)) continue;
              counted += sum_tile(rank, tile, around);
              for (std::size_t k = 0; k < tile.n; ++k) {
                add_compartments(around.sums_of(k),
                                 &sums[place(rank - first) * n_channels() + k * n_channels()]);
              }
            }
            result(first, last, sums);
          }
          n_pairs += counted;
        },
        stop);
    return n_pairs;
  }

  // Targets take sources of higher rank only and give them theirs in return. Chunks of bins add up
  // on their own, then chunk after chunk: the order of additions does not depend on threads.
  std::int64_t run_both_ways(int n_threads, const StopPoll& stop, const PairResult& result) const {
    std::vector<Chunk> chunks = make_chunks();
    std::atomic<std::int64_t> n_pairs{0};
    std::int64_t most_bins = 0;
    for (const Chunk& chunk : chunks) {
      most_bins = std::max(most_bins, chunk.end_bin - chunk.first_bin);
    }
    // In rounds, between which the call can be stopped; a chunk adds in the same order.
    PollBetween poll(stop);
    for (std::int64_t done = 0; done < most_bins; done += bins_per_round) {
      poll();
      const auto share = [&](std::int64_t bins) {
        return static_cast<double>(std::min(bins, most_bins)) / static_cast<double>(most_bins);
      };
      const ProgressSpan span(share(done), share(done + bins_per_round));
      run_blocks(
          static_cast<std::int64_t>(chunks.size()), n_threads,
          [&](std::int64_t i) {
            Chunk& chunk = chunks[place(i)];
            const std::int64_t first = chunk.first_bin + done;
            n_pairs += sum_bins(chunk, first, std::min(first + bins_per_round, chunk.end_bin));
          },
          stop);
    }
    const ProgressSpan after_pairs(1.0, 1.0);
    parallel_for(
        cells_.size(), cells_per_block, n_threads,
        [&](std::int64_t begin, std::int64_t end) {
          std::vector<double> sums(place(end - begin) * n_channels(), 0.0);
          for (const Chunk& chunk : chunks) {
            const std::int64_t first = std::max(begin, chunk.first_rank);
            const std::int64_t last = std::min(end, chunk.end_rank);
            if (first >= last) continue;
            const float* const from = &chunk.sum[place(first - chunk.first_rank) * n_channels()];
            double* const to = &sums[place(first - begin) * n_channels()];
            for (std::size_t i = 0; i < place(last - first) * n_channels(); ++i) {
              to[i] += static_cast<double>(from[i]);
            }
          }
          result(begin, end, sums);
        },
        stop);
    return n_pairs;
  }

 private:
  // Sources that are the other sites of the targets of a tile, and the groups that hold them.
  struct PartnerSources {
    std::array<std::int64_t, pair_lanes> source{};  // in the buffer, or -1
    PairGroups groups;
  };

  // Takes their groups from those of the tile: they are summed target by target.
  PartnerSources partners_of(std::int64_t rank, std::size_t n, Neighborhood& around) const {
    PartnerSources found;
    if (targets_.partner.empty()) return found;
    found.source.fill(-1);
    for (std::size_t k = 0; k < n; ++k) {
      found.source[k] = place_of_source(targets_.partner[place(rank) + k], around);
    }
    const auto holds = [&](std::uint32_t group) {
      return std::any_of(found.source.begin(), found.source.end(), [&](std::int64_t source) {
        return source >= 0 && place(source) / pair_lanes == group;
      });
    };
    auto& groups = around.groups;
    std::copy_if(groups.begin(), groups.end(), std::back_inserter(found.groups), holds);
    groups.erase(std::remove_if(groups.begin(), groups.end(), holds), groups.end());
    return found;
  }

  // One target and the groups of partners, its own of which has no weight meanwhile.
  void add_without_partner(std::int64_t rank, std::size_t k, const PartnerSources& partners,
                           Neighborhood& around) const {
    const auto width = around.near.n_weights;
    float* const weight =
        partners.source[k] < 0 ? nullptr : &around.near.weight[place(partners.source[k]) * width];
    std::vector<float> kept;
    if (weight != nullptr) {
      kept.assign(weight, weight + width);
      std::fill_n(weight, width, 0.0F);
    }
    std::vector<float> sums(pair_lanes * width);
    sum_pairs(around.near, partners.groups, tile_of(rank, rank + 1, around.center), reach_um2_,
              tables_, simd_, sums);
    if (weight != nullptr) std::copy(kept.begin(), kept.end(), weight);
    for (std::size_t c = 0; c < width; ++c) around.sums[k * width + c] += sums[c];
  }

  // Where the source of a rank stands in the buffer, or -1.
  std::int64_t place_of_source(std::int64_t rank, const Neighborhood& around) const {
    if (!sources_.rank.empty()) {
      const std::int64_t source = source_of(rank);
      if (source == static_cast<std::int64_t>(sources_.rank.size())) return -1;
      if (sources_.rank[place(source)] != rank) return -1;
    }
    const auto after = std::upper_bound(
        around.runs.begin(), around.runs.end(), rank,
        [](std::int64_t at, const Neighborhood::Run& run) { return at < run.first_rank; });
    if (after == around.runs.begin()) return -1;
    const auto& run = *std::prev(after);
    const std::size_t found = run.begin + place(source_of(rank) - source_of(run.first_rank));
    return found < run.end ? static_cast<std::int64_t>(found) : -1;
  }

  struct Chunk {
    std::int64_t first_bin, end_bin;
    std::int64_t first_rank, end_rank;  // of all that it adds to
    LargeVector<float> sum;
  };

  Vec3 bin_high(std::int64_t bin) const {
    return cells_.bin_low(bin) + cells_.edge_um() * Vec3{1.0, 1.0, 1.0};
  }

  std::vector<Chunk> cut_into(std::int64_t n) const {
    std::vector<Chunk> chunks;
    const std::int64_t n_bins = cells_.n_occupied();
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t first = i * n_bins / n;
      const std::int64_t end = (i + 1) * n_bins / n;
      if (first == end) continue;
      chunks.push_back({first,
                        end,
                        cells_.bin_start(first),
                        cells_.layer_end(bin_high(end - 1).z + reach_um_),
                        {}});
    }
    return chunks;
  }

  std::vector<Chunk> make_chunks() const {
    for (std::int64_t n = most_chunks;; n /= 2) {
      auto chunks = cut_into(n);
      std::int64_t numbers = 0;
      for (const Chunk& chunk : chunks) numbers += chunk.end_rank - chunk.first_rank;
      if (n == 1 || numbers * tables_.n_channels <= most_numbers_per_cell * cells_.size()) {
        return chunks;
      }
    }
  }

  std::int64_t sum_bins(Chunk& chunk, std::int64_t first_bin, std::int64_t end_bin) const {
    Neighborhood around(tables_.width());
    if (first_bin == chunk.first_bin) {
      chunk.sum.resize(place(chunk.end_rank - chunk.first_rank) * n_channels());
      std::fill(chunk.sum.begin(), chunk.sum.end(), 0.0F);
    }
    const auto sum_of = [&](std::int64_t rank) {
      return &chunk.sum[place(rank - chunk.first_rank) * n_channels()];
    };
    const auto width = place(tables_.width());
    std::int64_t counted = 0;
    for (std::int64_t bin = first_bin; bin < end_bin; ++bin) {
      const std::int64_t first = cells_.bin_start(bin);
      const std::int64_t end = cells_.bin_start(bin + 1);
      collect(bin, first, chunk.end_rank, around);  // the bin itself comes first
      PairBuffer& near = around.near;
      if (near.received.size() < near.size() * width) near.received.resize(near.weight.size());
      std::fill_n(near.received.begin(), near.size() * width, 0.0F);
      for (std::int64_t rank = first; rank < end; rank += tile_size) {
        const PairTile tile = tile_of(rank, end, around.center);
        const std::size_t own = place(rank - first) / pair_lanes;
        find_groups(near, own, tile, reach_um2_, simd_, around.groups);
        counted += sum_pairs_both_ways(near, around.groups, tile, own, reach_um2_, tables_, simd_,
                                       around.sums);
        for (std::size_t k = 0; k < tile.n; ++k) {
          add_compartments(around.sums_of(k), sum_of(rank + static_cast<std::int64_t>(k)));
        }
      }
      for (const auto& run : around.runs) {
        for (std::size_t i = run.begin; i < run.end; ++i) {
          add_compartments(&near.received[i * width],
                           sum_of(run.first_rank + static_cast<std::int64_t>(i - run.begin)));
        }
      }
    }
    return counted;
  }

  bool is_silent(std::int64_t rank, std::size_t n) const {
    if (targets_.is_silent.empty()) return false;
    const auto* const first = &targets_.is_silent[place(rank)];
    return std::all_of(first, first + n, [](char silent) { return silent != 0; });
  }

  std::int64_t sum_tile(std::int64_t rank, const PairTile& tile, Neighborhood& around) const {
    find_groups(around.near, 0, tile, reach_um2_, simd_, around.groups);
    const PartnerSources partners = partners_of(rank, tile.n, around);
    const std::int64_t counted =
        sum_pairs(around.near, around.groups, tile, reach_um2_, tables_, simd_, around.sums);
    for (std::size_t k = 0; k < tile.n && !partners.groups.empty(); ++k) {
      add_without_partner(rank + static_cast<std::int64_t>(k), k, partners, around);
    }
    return counted;
  }

  // A column for each compartment of the sources and channel: (compartment, channel).
  template <class Number>
  void add_compartments(const float* columns, Number* sums) const {
    for (std::int64_t s = 0; s < tables_.n_compartments; ++s) {
      for (std::size_t c = 0; c < n_channels(); ++c) sums[c] += static_cast<Number>(*columns++);
    }
  }

  // The targets from `rank` on, of a bin that ends at `end`.
  PairTile tile_of(std::int64_t rank, std::int64_t end, Vec3 center) const {
    PairTile tile;
    tile.n = place(std::min(tile_size, end - rank));
    for (std::size_t k = 0; k < tile.n; ++k) {
      const std::size_t own = place(rank) + k;
      const Vec3 at = cells_.point(static_cast<std::int64_t>(own)) - center;
      tile.x[k] = static_cast<float>(at.x);
      tile.y[k] = static_cast<float>(at.y);
      tile.z[k] = static_cast<float>(at.z);
      tile.shrink_um2[k] = targets_.shrink_um2.empty() ? 0.0F : targets_.shrink_um2[own];
      const std::int64_t table = targets_.table.empty() ? 0 : targets_.table[own];
      tile.rows[k] = tables_.row.data() + table * tables_.table_size();
    }
    return tile;
  }

  std::size_t n_channels() const { return place(tables_.n_channels); }

  std::int64_t source_of(std::int64_t rank) const {
    return sources_.rank.empty() ? rank : sources_.first[place(rank)];
  }

  // The sources of ranks [first_rank, end_rank) within reach of a bin, relative to its center so
  // that single precision is enough.
  void collect(std::int64_t bin, std::int64_t first_rank, std::int64_t end_rank,
               Neighborhood& around) const {
    const Vec3 low = cells_.bin_low(bin);
    const Vec3 high = bin_high(bin);
    around.center = 0.5 * (low + high);
    around.near.clear();
    around.runs.clear();
    cells_.visit_around(low, high, reach_um_, [&](std::int64_t begin, std::int64_t end) {
      begin = std::max(begin, first_rank);
      end = std::min(end, end_rank);
      if (begin >= end) return;
      const std::int64_t first = source_of(begin);
      const auto n = place(source_of(end) - first);
      const std::size_t to = around.near.extend(n);
      around.runs.push_back({begin, to, to + n});
      copy(first, n, around.center, to, around.near);
    });
    around.near.finish();
  }

  void copy(std::int64_t first, std::size_t n, Vec3 center, std::size_t to,
            PairBuffer& near) const {
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t source = place(first) + i;
      const std::int64_t rank =
          sources_.rank.empty() ? first + static_cast<std::int64_t>(i) : sources_.rank[source];
      const Vec3 at = cells_.point(rank) - center;
      near.x[to + i] = static_cast<float>(at.x);
      near.y[to + i] = static_cast<float>(at.y);
      near.z[to + i] = static_cast<float>(at.z);
    }
    const auto width = place(tables_.width());
    std::copy_n(sources_.weight.data() + place(first) * width, n * width, &near.weight[to * width]);
    if (sources_.shrink_um2.empty()) {
      std::fill_n(&near.shrink_um2[to], n, 0.0F);
    } else {
      std::copy_n(&sources_.shrink_um2[place(first)], n, &near.shrink_um2[to]);
    }
    const std::int32_t rows = tables_.grid.size();
    for (std::size_t i = 0; i < n; ++i) {
      near.row[to + i] = sources_.table.empty() ? 0 : sources_.table[place(first) + i] * rows;
    }
  }

  const GridIndex& cells_;
  const NeighborSources& sources_;
  const NeighborTargets& targets_;
  const PairTables& tables_;
  double reach_um_;
  float reach_um2_;
  SimdLevel simd_;
};

}  // namespace

std::int64_t sum_over_neighbors(const GridIndex& cells, const NeighborSources& sources,
                                const NeighborTargets& targets, const PairTables& tables,
                                double reach_um, SimdLevel simd, int n_threads,
                                const StopPoll& stop, const PairResult& result) {
  const auto n_rows =
      static_cast<double>(tables.row.size()) / static_cast<double>(tables.row_size());
  if (n_rows > std::numeric_limits<std::int32_t>::max()) {
    throw InputError("tables of pairs have more than 2^31 - 1 rows: give fewer cell sizes");
  }
  if (cells.size() == 0) return 0;
  const NeighborSummer summer(cells, sources, targets, tables, reach_um, simd);
  if (summer.counts_both_ways()) return summer.run_both_ways(n_threads, stop, result);
  return summer.run(n_threads, stop, result);
}

}  // namespace immunodose
