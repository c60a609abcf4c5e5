// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/immune/agent_walker.hpp"

namespace immunodose {
namespace {

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

}  // namespace

void Walker::begin(std::size_t i, const CellDraws& draws, const Surroundings& around) {
  ImmuneCells& cells = around.cells;
  cell_ = i;
  become(cells.phenotype[i], around);
  x_ = cells.x_um[i], y_ = cells.y_um[i], z_ = cells.z_um[i];
  now_ = contact_ = stimulated_ = 0.0;
  n_killed_ = 0;
  n_further_ = 0;
  history_ = agent_history(cells.id[i], around.options.step);
  const double death_per_min = kind_->death_per_min;
  const double life = death_per_min > 0.0 ? draws.death / death_per_min : -1.0;
  dies_ = life >= 0.0 && life < around.options.duration_min;
  end_ = dies_ ? life : around.options.duration_min;
  target_ = cells.target[i];
  if (target_ < 0) return;
  // The cell that it held may have died.
  if (!std::isfinite(around.targets.at.x[static_cast<std::size_t>(target_)])) {
    target_ = -1;
  } else {
    hold(draws.dwell, draws.hit, around);
  }
}

void Walker::hold(double dwell, double hit, const Surroundings& around) {
  const double release = now_ + dwell * kind_->dwell_min;
  const double until = std::min(release, end_);
  const auto seen = static_cast<double>(susceptibility_[static_cast<std::size_t>(target_)]);
  const double per_min = seen * kind_->hit_factor / minutes_per_day;
  double hit_at = per_min > 0.0 ? now_ + hit / per_min : end_;
  if (hit_at < until && (kind_->harmless || one_hit_)) {
    if (kind_->harmless) {
      become(static_cast<std::uint8_t>(kind_->next), around);
    } else {
      record(hit_at, around);
      if (n_killed_ < killed_.size()) killed_[n_killed_++] = target_;
    }
    pass(hit_at, seen);
    target_ = -1;
    return;
  }
  while (hit_at < until) {
    record(hit_at, around);
    hit_at += exponential(further_word(around)) / per_min;
  }
  pass(until, seen);
  if (release < end_) target_ = -1;
}

void Walker::walk(const SearchDraws& draws, const Surroundings& around) {
  const double time_min = std::min(draws.search * kind_->search_min, end_ - now_);
  const double sd = walk_sd_um(*kind_, time_min);
  const auto x = static_cast<float>(static_cast<double>(x_) + sd * draws.walk[0]);
  const auto y = static_cast<float>(static_cast<double>(y_) + sd * draws.walk[1]);
  const auto z = static_cast<float>(static_cast<double>(z_) + sd * draws.walk[2]);
  // A wall turns it back to where it was: places stay uniform in the tissue.
  if (around.tissue.holds(x, y, z)) x_ = x, y_ = y, z_ = z;
  now_ += time_min;
}

void Walker::finish(double change_number, const Surroundings& around) {
  ImmuneCells& cells = around.cells;
  cells.x_um[cell_] = x_, cells.y_um[cell_] = y_, cells.z_um[cell_] = z_;
  cells.target[cell_] = target_;
  cells.contact_min[cell_] = static_cast<float>(contact_);
  cells.stimulated_min[cell_] = static_cast<float>(stimulated_);
  const CellEvent event = dies_ ? CellEvent::died : change(change_number, around);
  cells.event[cell_] = static_cast<std::uint8_t>(event);
  if (dies_) cells.phenotype[cell_] = gone;
}

void Walker::become(std::uint8_t phenotype, const Surroundings& around) {
  around.cells.phenotype[cell_] = phenotype;
  kind_ = &around.phenotypes[phenotype];
  const auto attack = static_cast<std::size_t>(kind_->attack);
  susceptibility_ = around.targets.susceptibility_per_d[attack];
  one_hit_ = around.options.hits_to_kill[attack] == 1;
}

void Walker::pass(double until, double seen) {
  contact_ += until - now_;
  stimulated_ += seen * (until - now_);
  now_ = until;
}

void Walker::record(double time_min, const Surroundings& around) {
  around.hits.push_back({target_, static_cast<std::int32_t>(cell_), static_cast<float>(time_min)});
}

// Division or another phenotype, at rates per time of stimulation (Eq. 6).
CellEvent Walker::change(double number, const Surroundings& around) {
  const double rate = kind_->division_per_min + kind_->change_per_min;
  if (!(number < rate * stimulated_)) return CellEvent::none;
  if (word_to_unit(further_word(around)) * rate < kind_->division_per_min) {
    return CellEvent::divides;
  }
  around.cells.phenotype[cell_] = static_cast<std::uint8_t>(kind_->next);
  return CellEvent::none;
}

// Words beyond those of the blocks, one after another (Stage::immune_cell_choice).
std::uint32_t Walker::further_word(const Surroundings& around) {
  const std::uint64_t root = around.options.root;
  const PhiloxCounter words =
      philox4x32({n_further_ / 4, static_cast<std::uint32_t>(Stage::immune_cell_choice),
                  static_cast<std::uint32_t>(history_), static_cast<std::uint32_t>(history_ >> 32)},
                 {static_cast<std::uint32_t>(root), static_cast<std::uint32_t>(root >> 32)});
  return words[n_further_++ % 4];
}

}  // namespace immunodose
