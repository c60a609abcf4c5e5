// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_cells.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/core/sampling.hpp"
#include "immunodose/immune/agent_draws.hpp"
#include "immunodose/immune/agent_walker.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 512;
// What so many cells ask of memory fits the first cache.
constexpr std::size_t n_turns = 16;

// A few cells that take turns: while one computes, what the others asked of memory arrives.
class Turns {
 public:
  Turns(PhiloxKey key, const Surroundings& around) : draws_(key), around_(around) {}

  void play(std::size_t first, std::size_t last) {
    draws_.fill(around_.cells.id.subspan(first, last - first), around_.options.step);
    for (std::size_t i = first; i < last; ++i) ask_for_target(i);
    for (std::size_t i = first; i < last; i += n_turns) {
      start(first, i, std::min(last, i + n_turns));
      for (std::uint32_t cycle = 1; n_active_ > 0; ++cycle) look(first, cycle);
    }
  }

 private:
  void ask_for_target(std::size_t i) const {
    const std::int32_t row = around_.cells.target[i];
    if (row < 0) return;
    prefetch_line(&around_.targets.at.x[static_cast<std::size_t>(row)]);
    for (const auto& values : around_.targets.susceptibility_per_d) {
      prefetch_line(&values[static_cast<std::size_t>(row)]);
    }
  }

  void start(std::size_t first, std::size_t begin, std::size_t end) {
    const ImmuneCells& cells = around_.cells;
    n_active_ = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (cells.phenotype[i] == gone) {
        cells.contact_min[i] = cells.stimulated_min[i] = 0.0F;
        cells.event[i] = static_cast<std::uint8_t>(CellEvent::none);
        continue;
      }
      const std::size_t lane = i - first;
      walkers_[lane].begin(i, draws_.cell(lane), around_);
      if (walkers_[lane].is_done()) {
        walkers_[lane].finish(draws_.cell(lane).change, around_);
      } else {
        active_[n_active_++] = lane;
      }
    }
  }

  // One search of every cell that has time left.
  void look(std::size_t first, std::uint32_t cycle) {
    std::size_t n_looking = 0;
    for (std::size_t k = 0; k < n_active_; ++k) {
      const std::size_t lane = active_[k];
      const std::int64_t id = around_.cells.id[first + lane];
      search_[lane] = draws_.search(lane, cycle, agent_history(id, around_.options.step));
      walkers_[lane].walk(search_[lane], around_);
      if (walkers_[lane].is_done()) {
        walkers_[lane].finish(draws_.cell(lane).change, around_);
      } else {
        walkers_[lane].locate(around_);
        active_[n_looking++] = lane;
      }
    }
    for (std::size_t k = 0; k < n_looking; ++k) walkers_[active_[k]].read(around_);
    for (std::size_t k = 0; k < n_looking; ++k) {
      walkers_[active_[k]].choose(search_[active_[k]].choice, around_);
    }
    n_active_ = 0;
    for (std::size_t k = 0; k < n_looking; ++k) {
      const std::size_t lane = active_[k];
      Walker& walker = walkers_[lane];
      if (walker.has_target()) walker.hold(search_[lane].dwell, search_[lane].hit, around_);
      if (walker.is_done()) {
        walker.finish(draws_.cell(lane).change, around_);
      } else {
        active_[n_active_++] = lane;
      }
    }
  }

  DrawBlock draws_;
  Surroundings around_;
  std::array<Walker, DrawBlock::n_lanes> walkers_;
  std::array<SearchDraws, DrawBlock::n_lanes> search_;
  std::array<std::size_t, DrawBlock::n_lanes> active_{};
  std::size_t n_active_ = 0;
};

void check(const ImmuneCells& cells, const Targets& targets, const AgentBins& bins,
           std::span<const Phenotype> phenotypes, const StepOptions& options) {
  const std::size_t n = cells.size();
  for (const std::size_t size :
       {cells.x_um.size(), cells.y_um.size(), cells.z_um.size(), cells.target.size(),
        cells.phenotype.size(), cells.contact_min.size(), cells.stimulated_min.size(),
        cells.event.size()}) {
    if (size != n) throw InputError("arrays of immune cells of unequal length");
  }
  if (targets.starts.size() != static_cast<std::size_t>(bins.size()) + 1) {
    throw InputError("starts: one per bin and one more expected");
  }
  for (const auto& values : targets.susceptibility_per_d) {
    if (values.size() != targets.at.size()) throw InputError("susceptibility: one per target");
  }
  if (options.hits_to_kill.size() != targets.susceptibility_per_d.size()) {
    throw InputError("hits_to_kill: one per attack expected");
  }
  for (const Phenotype& kind : phenotypes) {
    if (!(kind.search_min > 0.0 && kind.dwell_min > 0.0 && kind.persistence_min > 0.0)) {
      throw InputError("times of a phenotype must be > 0 min");
    }
    if (kind.attack < 0 ||
        static_cast<std::size_t>(kind.attack) >= targets.susceptibility_per_d.size() ||
        kind.next < 0 || static_cast<std::size_t>(kind.next) >= phenotypes.size()) {
      throw InputError("a phenotype names no susceptibility or no next phenotype");
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (cells.phenotype[i] != gone && cells.phenotype[i] >= phenotypes.size()) {
      throw InputError("phenotype[" + std::to_string(i) + "] is none of those given");
    }
    if (cells.target[i] >= static_cast<std::int64_t>(targets.at.size())) {
      throw InputError("target[" + std::to_string(i) + "] is no row of the targets");
    }
  }
  if (options.step < 0 || options.step >= agent_step_limit) throw InputError("step out of range");
}

}  // namespace

std::vector<Hit> step_immune_cells(ImmuneCells cells, const Targets& targets, const AgentBins& bins,
                                   const Tissue& tissue, std::span<const Phenotype> phenotypes,
                                   const StepOptions& options, const StopPoll& stop) {
  check(cells, targets, bins, phenotypes, options);
  const auto n = static_cast<std::int64_t>(cells.size());
  const std::int64_t n_blocks = (n + cells_per_block - 1) / cells_per_block;
  std::vector<std::vector<Hit>> hits(static_cast<std::size_t>(n_blocks));
  const PhiloxKey key{static_cast<std::uint32_t>(options.root),
                      static_cast<std::uint32_t>(options.root >> 32)};
  const TissueMap map(tissue);
  run_blocks(
      n_blocks, options.n_threads,
      [&](std::int64_t b) {
        TargetSearch search(targets.at, targets.starts, bins, options.reach_um);
        Turns turns(key, {cells, targets, map, phenotypes, options, search,
                          hits[static_cast<std::size_t>(b)]});
        const auto begin = static_cast<std::size_t>(b * cells_per_block);
        const auto end = static_cast<std::size_t>(std::min(n, (b + 1) * cells_per_block));
        for (std::size_t first = begin; first < end; first += DrawBlock::n_lanes) {
          turns.play(first, std::min(end, first + DrawBlock::n_lanes));
        }
      },
      stop);
  std::vector<Hit> all;
  for (const auto& part : hits) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::vector<std::int64_t> entries(double mean, std::int64_t n_points, std::int64_t kind,
                                  std::int64_t step, std::uint64_t root) {
  if (n_points < 1) throw InputError("no point where cells can enter");
  Stream stream(root, Stage::immune_cell_entry, agent_history(kind, step));
  std::vector<std::int64_t> points(static_cast<std::size_t>(poisson_number(stream, mean)));
  for (std::int64_t& point : points) {
    point = static_cast<std::int64_t>(
        (static_cast<std::uint64_t>(stream.next_word()) * static_cast<std::uint64_t>(n_points)) >>
        32);
  }
  return points;
}

}  // namespace immunodose
