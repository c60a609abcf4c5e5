// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/sphere_packing.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"

namespace immunodose {

namespace {

constexpr std::int64_t list_block = 1024;    // cells whose neighbors share one array
constexpr std::int64_t serial_below = 4096;  // cells; starting threads would take longer
constexpr double wall_rounding = 1e-12;
constexpr double rounding = 1e-9;   // of the edge of a bin, beyond the reach of a list
constexpr double least_skin = 0.1;  // of the mean diameter

// Neighbors that a cell has within the reach of its list, on average; more make the lists last
// longer and the visits of them slower.
constexpr double neighbors_wanted = 9.0;

// Of the way to a distance beyond contact a cell takes this share, and its neighbor the same of
// what is left in its turn: over-relaxation, found best among 0.5 to 1.1.
constexpr double own_share = 0.8;
// Soft spheres even out fast, but in the end their balance can keep a pair too close.
constexpr double softness_decay = 0.985;  // per round
constexpr double least_softness = 1.003;  // some overshoot ends overlaps for good
constexpr double quiet = 0.003;  // moves shorter than this share of the radius wake no neighbors

// Step length that keeps about 40 % of the moves: too short or too long both mix slowly.
double adapted_step_um(double step_um, double accepted_share, double longest_um) {
  if (accepted_share > 0.5) return std::min(1.3 * step_um, longest_um);
  if (accepted_share < 0.3) return 0.75 * step_um;
  return std::min(step_um, longest_um);
}

template <class T>
void permute(std::vector<T>& values, std::span<const std::int64_t> order) {
  std::vector<T> sorted;
  sorted.reserve(values.size());
  for (const std::int64_t from : order) sorted.push_back(values[static_cast<std::size_t>(from)]);
  values = std::move(sorted);
}

}  // namespace

SpherePacking::SpherePacking(Input input, const StopPoll& stop)
    : space_(input.space),
      centers_(std::move(input.centers_um)),
      radius_(std::move(input.radius_um)),
      outer_um_(input.outer_radius_um),
      root_(input.root),
      n_threads_(input.n_threads),
      stop_(stop) {
  const double dimensions = space_ == PackingSpace::planar ? 2.0 : 3.0;
  packing_ = 0.0;
  for (const double radius_um : radius_) packing_ += std::pow(radius_um / outer_um_, dimensions);
  if (radius_.size() == 1) packing_ *= static_cast<double>(size());
  largest_um_ = *std::max_element(radius_.begin(), radius_.end());
  step_um_ = 0.3 * largest_um_;
  for (std::int64_t i = 0; i < size(); ++i) {
    centers_[static_cast<std::size_t>(i)] = confined(at(i), radius(i));
  }
}

void SpherePacking::set_scale(double scale) {
  scale_ = scale;
  is_stale_ = true;
}

std::span<const std::int32_t> SpherePacking::neighbors(std::int64_t i) const {
  const Neighbors& range = neighbors_[static_cast<std::size_t>(i)];
  const auto& list = lists_[static_cast<std::size_t>(i / list_block)];
  return {list.data() + range.begin, range.count};
}

bool SpherePacking::is_inside(Vec3 p, double radius_um) const {
  return norm(p) + radius_um <= outer_um_;
}

Vec3 SpherePacking::confined(Vec3 p, double radius_um) const {
  if (is_inside(p, radius_um)) return p;
  return ((1.0 - wall_rounding) * (outer_um_ - radius_um) / norm(p)) * p;
}

// Two cells that each moved by less than half of the skin cannot have met unlisted.
bool SpherePacking::is_held(std::int64_t i, Vec3 p) const {
  const Vec3 moved = p - index_->point(i);
  return dot(moved, moved) > 0.25 * skin_um_ * skin_um_;
}

void SpherePacking::rebuild() {
  const double dimensions = space_ == PackingSpace::planar ? 2.0 : 3.0;
  const double per_cell = packing_ / static_cast<double>(size());
  const double mean_um = 2.0 * scale_ * outer_um_ * std::pow(per_cell, 1.0 / dimensions);
  // Packing times the volume within reach over that of a cell; shorter lists are soon outdated.
  const double packing = packing_ * std::pow(scale_, dimensions);
  const double within = neighbors_wanted / (std::pow(2.0, dimensions) * packing);
  const double reach = std::pow(within, 1.0 / dimensions);
  skin_um_ = std::min(2.0 * outer_um_, std::max(least_skin, reach - 1.0) * mean_um);
  sort_cells((1.0 + rounding) * (mean_um + skin_um_));
  list_neighbors();
  list_pencils(2.0 * scale_ * largest_um_ + skin_um_);
  is_stale_ = false;
}

void SpherePacking::sort_cells(double edge_um) {
  index_.reset();
  {
    Centers split = split_centers();
    centers_ = {};
    index_.emplace(split.x_um, split.y_um, split.z_um, edge_um, n_threads_, stop_);
  }
  if (radius_.size() > 1) permute(radius_, index_->order());
  centers_.reserve(static_cast<std::size_t>(index_->size()));
  for (std::int64_t i = 0; i < index_->size(); ++i) centers_.push_back(index_->point(i));
  active_.assign(centers_.size(), 1);
  next_active_.assign(centers_.size(), 0);
}

void SpherePacking::list_neighbors() {
  neighbors_.resize(centers_.size());
  lists_.resize(static_cast<std::size_t>((size() + list_block - 1) / list_block));
  const auto list = [&](std::int64_t begin, std::int64_t end) {
    auto& found = lists_[static_cast<std::size_t>(begin / list_block)];
    found.clear();
    found.reserve(
        static_cast<std::size_t>(1.25 * neighbors_wanted * static_cast<double>(end - begin)));
    for (std::int64_t i = begin; i < end; ++i) {
      const auto first = static_cast<std::uint32_t>(found.size());
      const double own_um = scale_ * radius(i) + skin_um_;
      index_->visit(at(i), own_um + scale_ * largest_um_, [&](std::int64_t j, double squared) {
        const double reach_um = own_um + scale_ * radius(j);
        if (j != i && squared <= reach_um * reach_um) {
          found.push_back(static_cast<std::int32_t>(j));
        }
        return true;
      });
      neighbors_[static_cast<std::size_t>(i)] = {first,
                                                 static_cast<std::uint32_t>(found.size()) - first};
    }
  };
  parallel_for(size(), list_block, size() < serial_below ? 1 : n_threads_, list, stop_);
}

void SpherePacking::list_pencils(double reach_um) {
  rows_per_pencil_ = static_cast<std::int64_t>(std::ceil(reach_um / index_->edge_um()));
  rows_per_pencil_ = std::max<std::int64_t>(rows_per_pencil_, 1);
  for (auto& pencils : pencils_) pencils.clear();
  const auto n = index_->n_bins();
  for (std::int64_t iz = 0; iz < n[2]; iz += rows_per_pencil_) {
    for (std::int64_t iy = 0; iy < n[1]; iy += rows_per_pencil_) {
      const std::int64_t color = (iy / rows_per_pencil_) % 2 + 2 * ((iz / rows_per_pencil_) % 2);
      pencils_[static_cast<std::size_t>(color)].push_back({iy, iz});
    }
  }
}

// Calls body(i, tally) for all cells, pencil by pencil; pencils of one color at a time.
template <class Body>
SpherePacking::Tally SpherePacking::for_each_cell(const Body& body) {
  const auto n_bins = index_->n_bins();
  Tally total;
  std::vector<Tally> tallies;
  for (const std::vector<Pencil>& pencils : pencils_) {
    tallies.assign(pencils.size(), {});
    const auto walk = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const auto [iy, iz] = pencils[static_cast<std::size_t>(p)];
        Tally& tally = tallies[static_cast<std::size_t>(p)];
        for (std::int64_t z = iz; z < std::min(n_bins[2], iz + rows_per_pencil_); ++z) {
          for (std::int64_t y = iy; y < std::min(n_bins[1], iy + rows_per_pencil_); ++y) {
            const auto [first, beyond] = index_->row(y, z);
            for (std::int64_t i = first; i < beyond; ++i) body(i, tally);
          }
        }
      }
    };
    const auto n = static_cast<std::int64_t>(pencils.size());
    if (size() < serial_below) {
      walk(0, n);
    } else {
      parallel_for(n, 8, n_threads_, walk, stop_);
    }
    for (const Tally& tally : tallies) {
      total.n_changed += tally.n_changed;
      total.n_held += tally.n_held;
    }
  }
  return total;
}

void SpherePacking::mix(std::int64_t n_sweeps) {
  constexpr double most_held = 0.01;  // share of the moves
  for (std::int64_t sweep = 0; sweep < n_sweeps; ++sweep) {
    if (stop_ && stop_()) throw Interrupted();
    if (is_stale_) rebuild();
    const Tally tally =
        for_each_cell([this](std::int64_t i, Tally& own) { move_at_random(i, own); });
    ++n_sweeps_done_;
    const auto n = static_cast<double>(size());
    step_um_ = adapted_step_um(step_um_, static_cast<double>(tally.n_changed) / n, 0.5 * skin_um_);
    is_stale_ = static_cast<double>(tally.n_held) > most_held * n;
  }
}

void SpherePacking::move_at_random(std::int64_t i, Tally& tally) {
  Stream stream(root_, Stage::packing_moves,
                (n_sweeps_done_ << 32) | static_cast<std::uint64_t>(i));
  const auto shift = [&] { return step_um_ * (2.0 * stream.uniform32() - 1.0); };
  const double dx = shift();
  const double dy = shift();
  const double dz = space_ == PackingSpace::planar ? 0.0 : shift();
  const Vec3 moved = at(i) + Vec3{dx, dy, dz};
  const double own_um = radius(i);
  if (!is_inside(moved, own_um)) return;
  if (is_held(i, moved)) {
    ++tally.n_held;
    return;
  }
  for (const std::int32_t j : neighbors(i)) {
    const Vec3 offset = at(j) - moved;
    const double contact_um = scale_ * (own_um + radius(j));
    if (dot(offset, offset) < contact_um * contact_um) return;
  }
  centers_[static_cast<std::size_t>(i)] = moved;
  ++tally.n_changed;
}

bool SpherePacking::push_apart(double softness, std::int64_t max_rounds) {
  for (std::int64_t round = 0; round < max_rounds; ++round) {
    if (stop_ && stop_()) throw Interrupted();
    if (is_stale_) rebuild();
    const Tally tally = for_each_cell([&](std::int64_t i, Tally& own) { push(i, softness, own); });
    softness = std::max(least_softness, 1.0 + softness_decay * (softness - 1.0));
    // Few held cells wait for the next look: lists cost as much as several rounds.
    is_stale_ = tally.n_held > (round % 8 == 7 ? 0 : size() / 256);
    active_.swap(next_active_);
    std::fill(next_active_.begin(), next_active_.end(), std::uint8_t{0});
    if (tally.n_changed == 0 && !mark_overlapping()) return true;
  }
  return false;
}

// Away from all cells closer than `softness` times contact, those that only come near among them:
// spheres that touch no more still relax, so that overlaps end in few rounds.
void SpherePacking::push(std::int64_t i, double softness, Tally& tally) {
  if (active_[static_cast<std::size_t>(i)] == 0) return;
  const Vec3 p = at(i);
  const double own_um = radius(i);
  Vec3 shift{};
  bool overlaps = false;
  for (const std::int32_t j : neighbors(i)) {
    const Vec3 offset = p - at(j);
    const double squared = dot(offset, offset);
    const double contact_um = scale_ * (own_um + radius(j));
    const double soft_um = softness * contact_um;
    if (squared >= soft_um * soft_um || squared == 0.0) continue;
    overlaps = overlaps || squared < contact_um * contact_um;
    shift = shift + (own_share * (soft_um / std::sqrt(squared) - 1.0)) * offset;
  }
  const double length_um = norm(shift);
  if (length_um == 0.0) return;
  if (overlaps) ++tally.n_changed;
  if (overlaps || length_um > quiet * scale_ * own_um) wake(i, next_active_);
  const double share = std::min(1.0, 0.4 * skin_um_ / length_um);
  const Vec3 moved = confined(p + share * shift, own_um);
  if (is_held(i, moved)) {
    ++tally.n_held;
    return;
  }
  centers_[static_cast<std::size_t>(i)] = moved;
}

// Lets the cell and its neighbors take part in the next round.
void SpherePacking::wake(std::int64_t i, std::vector<std::uint8_t>& active) {
  const auto set = [&](std::int64_t k) {
    std::atomic_ref(active[static_cast<std::size_t>(k)]).store(1, std::memory_order_relaxed);
  };
  set(i);
  for (const std::int32_t j : neighbors(i)) set(j);
}

bool SpherePacking::mark_overlapping() {
  const Tally tally = for_each_cell([this](std::int64_t i, Tally& own) {
    const Vec3 p = at(i);
    for (const std::int32_t j : neighbors(i)) {
      const Vec3 offset = p - at(j);
      const double contact_um = scale_ * (radius(i) + radius(j));
      if (dot(offset, offset) >= contact_um * contact_um) continue;
      ++own.n_changed;
      wake(i, active_);
      return;
    }
  });
  return tally.n_changed > 0;
}

Centers SpherePacking::split_centers() const {
  Centers split;
  for (std::vector<double>* values : {&split.x_um, &split.y_um, &split.z_um}) {
    values->reserve(centers_.size());
  }
  for (const Vec3 p : centers_) {
    split.x_um.push_back(p.x);
    split.y_um.push_back(p.y);
    split.z_um.push_back(p.z);
  }
  return split;
}

Centers SpherePacking::release_centers() {
  index_.reset();
  lists_ = {};
  return split_centers();
}

}  // namespace immunodose
