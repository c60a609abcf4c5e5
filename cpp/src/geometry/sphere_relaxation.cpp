// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/sphere_relaxation.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "immunodose/core/error.hpp"
#include "immunodose/core/progress.hpp"

namespace immunodose {

namespace {

constexpr std::int64_t block_size = 1024;    // spheres whose neighbors share one array
constexpr std::int64_t serial_below = 4096;  // spheres; starting threads would take longer
constexpr double half_grid = 1073741823.0;   // 2^30 - 1: differences fit 32 bits
constexpr std::int32_t far_away = 1073741823;
constexpr double wall_units = 4.0;             // beyond the rounding of coordinates
constexpr float contact_rounding = 1.000002F;  // of distances in single precision

// Of the way that ends an overlap, each of the two takes this share in a round. This and the
// friction below were found by trial; they change the number of rounds, not what is reached.
constexpr float push_share = 0.5F;
// Share of its velocity a sphere keeps: first much heat must go, then little friction carries
// spheres past the slow end of the relaxation.
constexpr double first_kept = 0.7;
constexpr double last_kept = 0.955;
constexpr double rounds_to_keep = 15.0;
// Soft spheres even out fast, but in the end their balance can keep a pair too close.
constexpr double softness_kept = 0.98;  // of what it is above 1, per round
constexpr double least_softness = 1.001;
constexpr double longest_move = 0.2;  // of the mean diameter, in a round

constexpr double first_skin = 0.35;  // of the mean diameter
constexpr double least_skin = 0.06;
constexpr double most_skin = 0.5;
constexpr std::int64_t short_life = 3;  // rounds that a list should last at least
constexpr std::int64_t long_life = 8;   // and at most
constexpr double bins_per_sphere = 2.0;

// Of the relaxation that is done: overlaps vanish nearly as an exponential of the rounds.
double share_done(std::int64_t n_overlaps, std::int64_t n_at_first, std::int64_t round,
                  std::int64_t max_rounds) {
  const double left = std::log1p(static_cast<double>(n_overlaps)) /
                      std::log1p(static_cast<double>(std::max(n_overlaps, n_at_first)));
  return std::max(1.0 - left, static_cast<double>(round) / static_cast<double>(max_rounds));
}

std::int32_t on_grid(double value) { return static_cast<std::int32_t>(value); }  // to the center

}  // namespace

SphereRelaxation::SphereRelaxation(Input input, const StopPoll& stop)
    : space_(input.space),
      radius_(std::move(input.radius_um)),
      scale_(input.scale),
      outer_um_(input.outer_radius_um),
      unit_um_(input.outer_radius_um / half_grid),
      n_threads_(input.n_threads),
      stop_(stop) {
  const std::size_t n = input.centers_um.size();
  balls_.reserve(n + n_lanes);
  double sum_um = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const Vec3 p = (1.0 / unit_um_) * input.centers_um[i];
    balls_.push_back({on_grid(p.x), on_grid(p.y), on_grid(p.z),
                      static_cast<float>(scale_ * radius(i) / unit_um_)});
    sum_um += radius(i);
  }
  balls_.resize(n + n_lanes, {far_away, far_away, far_away, 0.0F});
  velocity_.assign(n, {0.0F, 0.0F, 0.0F});
  largest_ = scale_ * *std::max_element(radius_.begin(), radius_.end()) / unit_um_;
  mean_ = 2.0 * scale_ * sum_um / (static_cast<double>(n) * unit_um_);
  skin_ = first_skin * mean_;
}

template <class Body>
void SphereRelaxation::for_blocks(const Body& body) const {
  if (size() < serial_below) {
    for (std::int64_t begin = 0; begin < size(); begin += block_size) {
      body(begin, std::min(size(), begin + block_size));
    }
    return;
  }
  parallel_for(size(), block_size, n_threads_, body, stop_);
}

bool SphereRelaxation::run(double softness, std::int64_t max_rounds) {
  reach_factor_ = softness;
  {
    const ProgressSpan before_rounds(0.0, 0.0);
    rebuild();
  }
  std::int64_t since_lists = 0;
  std::int64_t n_at_first = 0;
  double done = 0.0;
  for (std::int64_t round = 0; round < max_rounds; ++round) {
    const ProgressSpan span(done, done);  // its loops are short
    if (stop_ && stop_()) throw Interrupted();
    const double cooling = std::exp(-static_cast<double>(round) / rounds_to_keep);
    const double kept = last_kept - (last_kept - first_kept) * cooling;
    const std::int64_t n_overlaps =
        accelerate(static_cast<float>(softness), static_cast<float>(kept));
    if (n_overlaps == 0) return true;
    if (round == 0) n_at_first = n_overlaps;
    done = std::max(done, share_done(n_overlaps, n_at_first, round, max_rounds));
    softness = std::max(least_softness, 1.0 + softness_kept * (softness - 1.0));
    ++since_lists;
    if (move()) continue;
    if (since_lists < short_life) skin_ = std::min(1.25 * skin_, most_skin * mean_);
    if (since_lists > long_life) skin_ = std::max(0.8 * skin_, least_skin * mean_);
    since_lists = 0;
    rebuild();
  }
  return false;
}

void SphereRelaxation::rebuild() {
  choose_bins();
  sort();
  list_neighbors();
  balls_at_lists_ = balls_;
}

void SphereRelaxation::choose_bins() {
  const bool is_planar = space_ == PackingSpace::planar;
  const double most = std::pow(bins_per_sphere * static_cast<double>(size()) + 1.0,
                               is_planar ? 1.0 / 2.0 : 1.0 / 3.0);
  const double wanted = 2.0 * half_grid / (reach_factor_ * mean_ + skin_);
  bins_along_ = static_cast<std::int64_t>(std::max(1.0, std::floor(std::min(wanted, most))));
  bins_up_ = is_planar ? 1 : bins_along_;
  edge_ = 2.0 * half_grid / static_cast<double>(bins_along_);
}

// Bin along one axis of a coordinate that is moved by `shift`.
std::size_t SphereRelaxation::bin_of(std::int64_t coordinate, double shift) const {
  const double place = (static_cast<double>(coordinate) + half_grid + shift) / edge_;
  return static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(bins_along_ - 1)));
}

// Threads count and place spheres in any order; the order inside a bin is then that of before.
void SphereRelaxation::sort() {
  const auto n = static_cast<std::size_t>(size());
  const auto along = static_cast<std::size_t>(bins_along_);
  const std::size_t n_bins = along * along * static_cast<std::size_t>(bins_up_);
  const bool is_planar = bins_up_ == 1;
  std::vector<std::uint32_t> bin(n);
  bin_start_.assign(n_bins + 1, 0);
  for_blocks([&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const GridBall& ball = balls_[i];
      const std::size_t up = is_planar ? 0 : bin_of(ball.z, 0.0);
      bin[i] = static_cast<std::uint32_t>((up * along + bin_of(ball.y, 0.0)) * along +
                                          bin_of(ball.x, 0.0));
      std::atomic_ref(bin_start_[bin[i] + 1]).fetch_add(1, std::memory_order_relaxed);
    }
  });
  std::partial_sum(bin_start_.begin(), bin_start_.end(), bin_start_.begin());
  std::vector<std::uint32_t> next(bin_start_.begin(), bin_start_.end() - 1);
  std::vector<std::uint32_t> order(n);
  for_blocks([&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const auto rank = std::atomic_ref(next[bin[i]]).fetch_add(1, std::memory_order_relaxed);
      order[rank] = static_cast<std::uint32_t>(i);
    }
  });
  std::vector<GridBall> balls(balls_.size(), balls_.back());
  std::vector<Velocity> velocities(n);
  std::vector<double> radii(radius_.size() > 1 ? n : 0);
  parallel_for(
      static_cast<std::int64_t>(n_bins), block_size, size() < serial_below ? 1 : n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto b = static_cast<std::size_t>(begin); b < static_cast<std::size_t>(end); ++b) {
          const std::size_t first = bin_start_[b];
          const std::size_t beyond = bin_start_[b + 1];
          std::sort(order.begin() + static_cast<std::ptrdiff_t>(first),
                    order.begin() + static_cast<std::ptrdiff_t>(beyond));
          for (std::size_t rank = first; rank < beyond; ++rank) {
            place(rank, order[rank], balls, velocities, radii);
          }
        }
      },
      stop_);
  balls_.swap(balls);
  velocity_.swap(velocities);
  if (radius_.size() > 1) radius_.swap(radii);
}

void SphereRelaxation::place(std::size_t rank, std::size_t from, std::vector<GridBall>& balls,
                             std::vector<Velocity>& velocities, std::vector<double>& radii) const {
  balls[rank] = balls_[from];
  velocities[rank] = velocity_[from];
  if (!radii.empty()) radii[rank] = radius_[from];
}

void SphereRelaxation::list_neighbors() {
  neighbors_.resize(static_cast<std::size_t>(size()));
  lists_.resize(static_cast<std::size_t>((size() + block_size - 1) / block_size));
  for_blocks([&](std::int64_t begin, std::int64_t end) { list_block(begin, end); });
}

void SphereRelaxation::list_block(std::int64_t begin, std::int64_t end) {
  auto& found = lists_[static_cast<std::size_t>(begin / block_size)];
  std::size_t n_found = 0;
  const auto factor = static_cast<float>(reach_factor_);
  const auto skin = static_cast<float>(skin_);
  const auto along = static_cast<std::size_t>(bins_along_);
  const auto no_ball = static_cast<std::int32_t>(size());
  for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
    const GridBall own = balls_[i];
    const std::size_t first = n_found;
    const double reach =
        reach_factor_ * (static_cast<double>(own.radius) + largest_) + skin_ + wall_units;
    const std::size_t low_x = bin_of(own.x, -reach), high_x = bin_of(own.x, reach);
    const std::size_t low_y = bin_of(own.y, -reach), high_y = bin_of(own.y, reach);
    const std::size_t low_z = bins_up_ == 1 ? 0 : bin_of(own.z, -reach);
    const std::size_t high_z = bins_up_ == 1 ? 0 : bin_of(own.z, reach);
    for (std::size_t z = low_z; z <= high_z; ++z) {
      for (std::size_t y = low_y; y <= high_y; ++y) {
        const std::size_t row = (z * along + y) * along;
        const std::size_t last = bin_start_[row + high_x + 1];
        std::size_t j = bin_start_[row + low_x];
        if (found.size() < n_found + (last - j) + n_lanes) {
          found.resize(2 * (n_found + (last - j)) + 16 * static_cast<std::size_t>(block_size));
        }
        for (; j < last; j += n_lanes) {
          const BallLanes lanes(own, balls_[j], balls_[j + 1], balls_[j + 2], balls_[j + 3]);
          unsigned near = lanes.closer(factor, skin);
          for (std::size_t k = 0; near != 0; ++k, near >>= 1U) {
            found[n_found] = static_cast<std::int32_t>(j + k);
            n_found += (near & 1U) != 0 && j + k < last && j + k != i ? 1 : 0;
          }
        }
      }
    }
    while ((n_found - first) % n_lanes != 0) found[n_found++] = no_ball;
    neighbors_[i] = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(n_found)};
  }
}

std::int64_t SphereRelaxation::accelerate(float softness, float kept) {
  std::atomic<std::int64_t> n_overlapping{0};
  for_blocks([&](std::int64_t begin, std::int64_t end) {
    const std::int32_t* const list = lists_[static_cast<std::size_t>(begin / block_size)].data();
    std::int64_t count = 0;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const GridBall own = balls_[i];
      PushSum push;
      unsigned overlaps = 0;
      for (std::size_t k = neighbors_[i].begin; k < neighbors_[i].end; k += n_lanes) {
        const auto ball = [&](std::size_t lane) -> const GridBall& {
          return balls_[static_cast<std::size_t>(list[k + lane])];
        };
        const BallLanes lanes(own, ball(0), ball(1), ball(2), ball(3));
        overlaps |= lanes.closer(contact_rounding, 0.0F);
        push.add(lanes, softness);
      }
      count += overlaps != 0 ? 1 : 0;
      const std::array<float, 3> total = push.total();
      Velocity& v = velocity_[i];
      v = {kept * v.x + push_share * total[0], kept * v.y + push_share * total[1],
           kept * v.z + push_share * total[2]};
    }
    n_overlapping += count;
  });
  return n_overlapping;
}

bool SphereRelaxation::move() {
  std::atomic<bool> holds{true};
  const double skin2 = 0.25 * skin_ * skin_;
  for_blocks([&](std::int64_t begin, std::int64_t end) {
    bool own_holds = true;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      own_holds = move_one(i, skin2) && own_holds;
    }
    if (!own_holds) holds = false;
  });
  return holds;
}

// Two spheres that each moved by less than half of the skin cannot have met unlisted.
bool SphereRelaxation::move_one(std::size_t i, double skin2) {
  GridBall& ball = balls_[i];
  const Velocity& v = velocity_[i];
  Vec3 step{static_cast<double>(v.x), static_cast<double>(v.y), static_cast<double>(v.z)};
  const double most = longest_move * mean_;
  const double length2 = dot(step, step);
  if (length2 > most * most) step = (most / std::sqrt(length2)) * step;
  const Vec3 from{static_cast<double>(ball.x), static_cast<double>(ball.y),
                  static_cast<double>(ball.z)};
  Vec3 to = from + step;
  const double wall = std::max(0.0, half_grid - radius(i) / unit_um_ - wall_units);
  const double distance2 = dot(to, to);
  if (distance2 > wall * wall) to = (wall / std::sqrt(distance2)) * to;
  ball.x = on_grid(to.x);
  ball.y = on_grid(to.y);
  ball.z = on_grid(to.z);
  const Vec3 moved = to - from;
  velocity_[i] = {static_cast<float>(moved.x), static_cast<float>(moved.y),
                  static_cast<float>(moved.z)};
  const GridBall& was = balls_at_lists_[i];
  const Vec3 away =
      to - Vec3{static_cast<double>(was.x), static_cast<double>(was.y), static_cast<double>(was.z)};
  return dot(away, away) <= skin2;
}

std::vector<Vec3> SphereRelaxation::release_centers() {
  lists_ = {};
  balls_at_lists_ = {};
  std::vector<Vec3> centers;
  centers.reserve(velocity_.size());
  for (std::size_t i = 0; i < velocity_.size(); ++i) {
    const GridBall& ball = balls_[i];
    centers.push_back(unit_um_ * Vec3{static_cast<double>(ball.x), static_cast<double>(ball.y),
                                      static_cast<double>(ball.z)});
  }
  return centers;
}

}  // namespace immunodose
