// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_cells.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/core/sampling.hpp"
#include "immunodose/immune/agent_draws.hpp"
#include "immunodose/immune/agent_search.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 512;
constexpr double minutes_per_day = 1440.0;

// Standard deviation along one axis of a persistent random walk in space (Eq. 1).
double walk_sd_um(const Phenotype& kind, double time_min) {
  const double ratio = time_min / kind.persistence_min;
  // Far below 1 the difference of near numbers would lose digits; there it is straight motion.
  constexpr double straight = 1e-4;
  constexpr double forgotten = 700.0;
  const double range = kind.speed_um_per_min * kind.persistence_min;
  double square = ratio * ratio * (0.5 - ratio / 6.0);
  if (ratio > straight) {
    square = ratio - (1.0 - (ratio < forgotten ? fast_exp(-ratio) : 0.0));
  }
  return range * std::sqrt(2.0 / 3.0 * square);
}

// Whether a place is tissue, without divisions.
class TissueMap {
 public:
  explicit TissueMap(const Tissue& tissue) : tissue_(tissue), per_um_(1.0 / tissue.edge_um) {}

  bool holds(float x_um, float y_um, float z_um) const {
    const std::int64_t x = along(0, x_um), y = along(1, y_um), z = along(2, z_um);
    if (std::min({x, y, z}) < 0) return false;
    const std::int64_t number = (z * tissue_.n_voxels[1] + y) * tissue_.n_voxels[0] + x;
    return tissue_.inside[static_cast<std::size_t>(number)] != 0;
  }

 private:
  std::int64_t along(std::size_t axis, float position_um) const {
    const double place = (static_cast<double>(position_um) - tissue_.low_um[axis]) * per_um_;
    const bool is_in = place >= 0.0 && place < static_cast<double>(tissue_.n_voxels[axis]);
    return is_in ? static_cast<std::int64_t>(place) : -1;
  }

  const Tissue& tissue_;
  double per_um_;
};

// One immune cell through one step.
class Walker {
 public:
  Walker(ImmuneCells& cells, const Targets& targets, const AgentBins& bins, const Tissue& tissue,
         std::span<const Phenotype> phenotypes, const StepOptions& options, std::vector<Hit>& hits)
      : cells_(cells),
        targets_(targets),
        tissue_(tissue),
        phenotypes_(phenotypes),
        options_(options),
        search_(targets.at, targets.starts, bins, options.reach_um),
        hits_(hits) {}

  void step(std::size_t i, const DrawBlock& draws, std::size_t lane) {
    cell_ = i;
    become(cells_.phenotype[i]);
    x_ = cells_.x_um[i], y_ = cells_.y_um[i], z_ = cells_.z_um[i];
    now_ = contact_ = stimulated_ = 0.0;
    n_killed_ = 0;
    n_further_ = 0;
    history_ = agent_history(cells_.id[i], options_.step);
    const CellDraws first = draws.cell(lane);
    const double death_per_min = kind_->death_per_min;
    const double life = death_per_min > 0.0 ? first.death / death_per_min : -1.0;
    const bool dies = life >= 0.0 && life < options_.duration_min;
    end_ = dies ? life : options_.duration_min;
    target_ = cells_.target[i];
    if (target_ >= 0 && !is_target(target_)) target_ = -1;  // it died
    if (target_ >= 0) hold(first.dwell, first.hit);
    for (std::uint32_t cycle = 1; now_ < end_; ++cycle) look(draws.search(lane, cycle, history_));
    cells_.x_um[i] = x_, cells_.y_um[i] = y_, cells_.z_um[i] = z_;
    cells_.target[i] = target_;
    cells_.contact_min[i] = static_cast<float>(contact_);
    cells_.stimulated_min[i] = static_cast<float>(stimulated_);
    cells_.event[i] = static_cast<std::uint8_t>(dies ? CellEvent::died : change(first.change));
    if (dies) cells_.phenotype[i] = gone;
  }

 private:
  bool is_target(std::int32_t row) const {
    return std::isfinite(targets_.at.x[static_cast<std::size_t>(row)]);
  }

  void become(std::uint8_t phenotype) {
    cells_.phenotype[cell_] = phenotype;
    kind_ = &phenotypes_[phenotype];
    const auto attack = static_cast<std::size_t>(kind_->attack);
    susceptibility_ = targets_.susceptibility_per_d[attack];
    one_hit_ = options_.hits_to_kill[attack] == 1;
  }

  // A contact from now on: it ends by release, by the kill, by priming or with the step (Eq. 3,
  // 4).
  void hold(double dwell, double hit) {
    const double release = now_ + dwell * kind_->dwell_min;
    const double until = std::min(release, end_);
    const auto seen = static_cast<double>(susceptibility_[static_cast<std::size_t>(target_)]);
    const double per_min = seen * kind_->hit_factor / minutes_per_day;
    double hit_at = per_min > 0.0 ? now_ + hit / per_min : end_;
    if (hit_at < until && (kind_->harmless || one_hit_)) {
      if (kind_->harmless) {
        become(static_cast<std::uint8_t>(kind_->next));
      } else {
        record(hit_at);
        if (n_killed_ < killed_.size()) killed_[n_killed_++] = target_;
      }
      pass(hit_at, seen);
      target_ = -1;
      return;
    }
    while (hit_at < until) {
      record(hit_at);
      hit_at += further_exponential() / per_min;
    }
    pass(until, seen);
    if (release < end_) target_ = -1;
  }

  void pass(double until, double seen) {
    contact_ += until - now_;
    stimulated_ += seen * (until - now_);
    now_ = until;
  }

  // Walks, then takes one of the targets in reach (Eq. 1, 2).
  void look(const SearchDraws& draws) {
    const double crawl = std::min(draws.search * kind_->search_min, end_ - now_);
    walk(crawl, draws);
    now_ += crawl;
    if (now_ >= end_) return;
    target_ = search_.choose(x_, y_, z_, draws.choice, {killed_.data(), n_killed_});
    if (target_ >= 0) hold(draws.dwell, draws.hit);
  }

  void walk(double time_min, const SearchDraws& draws) {
    const double sd = walk_sd_um(*kind_, time_min);
    const auto x = static_cast<float>(static_cast<double>(x_) + sd * draws.walk[0]);
    const auto y = static_cast<float>(static_cast<double>(y_) + sd * draws.walk[1]);
    const auto z = static_cast<float>(static_cast<double>(z_) + sd * draws.walk[2]);
    // A wall turns it back to where it was: places stay uniform in the tissue.
    if (tissue_.holds(x, y, z)) x_ = x, y_ = y, z_ = z;
  }

  void record(double time_min) {
    hits_.push_back({target_, static_cast<std::int32_t>(cell_), static_cast<float>(time_min)});
  }

  // Words beyond those of the blocks, one after another (Stage::immune_cell_choice).
  std::uint32_t further_word() {
    const std::uint32_t block = n_further_ / 4;
    const PhiloxCounter words = philox4x32(
        {block, static_cast<std::uint32_t>(Stage::immune_cell_choice),
         static_cast<std::uint32_t>(history_), static_cast<std::uint32_t>(history_ >> 32)},
        {static_cast<std::uint32_t>(options_.root),
         static_cast<std::uint32_t>(options_.root >> 32)});
    return words[n_further_++ % 4];
  }
  double further_exponential() { return exponential(further_word()); }

  // Division or another phenotype, at rates per time of stimulation (Eq. 6).
  CellEvent change(double number) {
    const double rate = kind_->division_per_min + kind_->change_per_min;
    if (!(number < rate * stimulated_)) return CellEvent::none;
    if (word_to_unit(further_word()) * rate < kind_->division_per_min) return CellEvent::divides;
    cells_.phenotype[cell_] = static_cast<std::uint8_t>(kind_->next);
    return CellEvent::none;
  }

  ImmuneCells& cells_;
  const Targets& targets_;
  TissueMap tissue_;
  std::span<const Phenotype> phenotypes_;
  const StepOptions& options_;
  TargetSearch search_;
  std::vector<Hit>& hits_;

  const Phenotype* kind_ = nullptr;
  std::span<const float> susceptibility_;
  bool one_hit_ = true;
  std::size_t cell_ = 0;
  float x_ = 0.0F, y_ = 0.0F, z_ = 0.0F;
  double now_ = 0.0, end_ = 0.0, contact_ = 0.0, stimulated_ = 0.0;
  std::int32_t target_ = -1;
  std::array<std::int32_t, 64> killed_{};  // by this cell in this step; others die at its end
  std::size_t n_killed_ = 0;
  std::uint32_t n_further_ = 0;
  std::uint64_t history_ = 0;
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
  run_blocks(
      n_blocks, options.n_threads,
      [&](std::int64_t b) {
        Walker walker(cells, targets, bins, tissue, phenotypes, options,
                      hits[static_cast<std::size_t>(b)]);
        const auto begin = static_cast<std::size_t>(b * cells_per_block);
        const auto end = static_cast<std::size_t>(std::min(n, (b + 1) * cells_per_block));
        DrawBlock draws(key);
        for (std::size_t first = begin; first < end; first += DrawBlock::n_lanes) {
          const std::size_t last = std::min(end, first + DrawBlock::n_lanes);
          draws.fill(cells.id.subspan(first, last - first), options.step);
          for (std::size_t i = first; i < last; ++i) {
            if (cells.phenotype[i] != gone) {
              walker.step(i, draws, i - first);
            } else {
              cells.contact_min[i] = cells.stimulated_min[i] = 0.0F;
              cells.event[i] = static_cast<std::uint8_t>(CellEvent::none);
            }
          }
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
