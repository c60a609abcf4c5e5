// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/sphere_packing.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "immunodose/core/error.hpp"
#include "immunodose/core/progress.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/geometry/sphere_relaxation.hpp"

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
    const double done = static_cast<double>(sweep) / static_cast<double>(n_sweeps);
    const ProgressSpan span(done, done);  // its loops are short
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
  index_.reset();
  lists_ = {};
  SphereRelaxation relaxation({space_, std::exchange(centers_, {}), std::exchange(radius_, {}),
                               scale_, outer_um_, n_threads_},
                              stop_);
  const bool is_done = relaxation.run(softness, max_rounds);
  centers_ = relaxation.release_centers();
  radius_ = relaxation.release_radii();
  is_stale_ = true;
  return is_done;
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
