// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/packing.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

namespace {

// Linked lists of the centers in each bin; an edge is at least the given one.
class CenterBins {
 public:
  CenterBins(PackingSpace space, std::span<const Vec3> points, double edge_um,
             double outer_radius_um)
      : points_(points), low_um_(-outer_radius_um) {
    const auto n = static_cast<double>(points.size());
    const bool planar = space == PackingSpace::planar;
    // Not many more bins than cells, however empty the ball is.
    const double most = std::ceil(planar ? std::sqrt(4.0 * n) : std::cbrt(4.0 * n));
    bins_per_um_ = 1.0 / std::max(edge_um, 2.0 * outer_radius_um / most);
    n_ = static_cast<std::int64_t>(2.0 * outer_radius_um * bins_per_um_) + 1;
    n_z_ = planar ? 1 : n_;
    head_.assign(static_cast<std::size_t>(n_ * n_ * n_z_), -1);
    next_.assign(points.size(), -1);
    for (std::size_t i = 0; i < points.size(); ++i) insert(i, points[i]);
  }

  void insert(std::size_t i, Vec3 p) {
    std::int64_t& head = head_[bin(p)];
    next_[i] = head;
    head = static_cast<std::int64_t>(i);
  }

  void remove(std::size_t i, Vec3 p) {
    std::int64_t* link = &head_[bin(p)];
    while (*link != static_cast<std::int64_t>(i)) link = &next_[static_cast<std::size_t>(*link)];
    *link = next_[i];
  }

  // Moves center i from points[i] to p; the caller writes points[i].
  void relink(std::size_t i, Vec3 p) {
    if (bin(p) == bin(points_[i])) return;
    remove(i, points_[i]);
    insert(i, p);
  }

  // Calls visitor(j, offset of j from p) for the centers near p until it returns false; misses
  // none within `reach_um`. Returns whether all visits returned true.
  template <class Visitor>
  bool visit(Vec3 p, double reach_um, Visitor&& visitor) const {
    const std::int64_t x_end = axis(p.x + reach_um), y_end = axis(p.y + reach_um);
    const std::int64_t z_end = n_z_ == 1 ? 0 : axis(p.z + reach_um);
    for (std::int64_t z = n_z_ == 1 ? 0 : axis(p.z - reach_um); z <= z_end; ++z) {
      for (std::int64_t y = axis(p.y - reach_um); y <= y_end; ++y) {
        for (std::int64_t x = axis(p.x - reach_um); x <= x_end; ++x) {
          std::int64_t other = head_[static_cast<std::size_t>((z * n_ + y) * n_ + x)];
          for (; other >= 0; other = next_[static_cast<std::size_t>(other)]) {
            const auto j = static_cast<std::size_t>(other);
            if (!visitor(j, points_[j] - p)) return false;
          }
        }
      }
    }
    return true;
  }

  std::size_t bin(Vec3 p) const {
    const std::int64_t z = n_z_ == 1 ? 0 : axis(p.z);
    return static_cast<std::size_t>((z * n_ + axis(p.y)) * n_ + axis(p.x));
  }

 private:
  std::int64_t axis(double value) const {
    const auto i = static_cast<std::int64_t>(std::floor((value - low_um_) * bins_per_um_));
    return std::clamp<std::int64_t>(i, 0, n_ - 1);
  }

  std::span<const Vec3> points_;
  double low_um_;
  double bins_per_um_ = 0.0;
  std::int64_t n_ = 1;
  std::int64_t n_z_ = 1;
  std::vector<std::int64_t> head_;
  std::vector<std::int64_t> next_;
};

// Step length that keeps about 40 % of the moves: too short or too long both mix slowly.
double adapted_step_um(double step_um, double accepted_share, double longest_um) {
  if (accepted_share > 0.5) return std::min(1.3 * step_um, longest_um);
  if (accepted_share < 0.3) return 0.75 * step_um;
  return step_um;
}

// Hard spheres in a ball; the diameter may differ from call to call.
class HardSpheres {
 public:
  HardSpheres(PackingSpace space, std::vector<Vec3> points, double cell_radius_um,
              double outer_radius_um, std::uint64_t root, const StopPoll& stop)
      : planar_(space == PackingSpace::planar),
        points_(std::move(points)),
        bins_(space, points_, 2.0 * cell_radius_um, outer_radius_um),
        cell_radius_um_(cell_radius_um),
        outer_radius_um_(outer_radius_um),
        step_um_(0.3 * cell_radius_um),
        root_(root),
        stop_(stop) {}
  HardSpheres(const HardSpheres&) = delete;  // bins_ views points_
  HardSpheres& operator=(const HardSpheres&) = delete;

  std::span<const Vec3> points() const { return points_; }

  // Monte Carlo sweeps of spheres of this diameter, which must not overlap at the start.
  void mix(double diameter_um, std::int64_t n_sweeps) {
    for (std::int64_t sweep = 0; sweep < n_sweeps; ++sweep) {
      poll();
      Stream stream(root_, Stage::packing_moves, n_sweeps_done_++);
      const double share = static_cast<double>(sweep_once(diameter_um, stream)) /
                           static_cast<double>(points_.size());
      step_um_ = adapted_step_um(step_um_, share, outer_radius_um_);
    }
  }

  // Moves overlapping pairs apart, round by round; returns whether a round found none.
  bool push_apart(double diameter_um, int max_rounds) {
    for (int round = 0; round < max_rounds; ++round) {
      poll();
      bool is_clean = true;
      for (std::size_t i = 0; i < points_.size(); ++i) {
        if (push_neighbors(i, diameter_um)) is_clean = false;
      }
      if (is_clean) return true;
    }
    return false;
  }

 private:
  void poll() const {
    if (stop_ && stop_()) throw Interrupted();
  }

  bool is_inside(Vec3 p) const { return norm(p) + cell_radius_um_ <= outer_radius_um_; }

  void place(std::size_t i, Vec3 p) {
    bins_.relink(i, p);
    points_[i] = p;
  }

  std::int64_t sweep_once(double diameter_um, Stream& stream) {
    const double limit = diameter_um * diameter_um;
    std::int64_t n_accepted = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      const auto shift = [&] { return step_um_ * (2.0 * stream.uniform() - 1.0); };
      const double dx = shift(), dy = shift(), dz = planar_ ? 0.0 : shift();
      const Vec3 moved = points_[i] + Vec3{dx, dy, dz};
      if (!is_inside(moved)) continue;
      const bool is_free = bins_.visit(moved, diameter_um, [&](std::size_t j, Vec3 offset) {
        return j == i || dot(offset, offset) >= limit;
      });
      if (!is_free) continue;
      ++n_accepted;
      place(i, moved);
    }
    return n_accepted;
  }

  // Each of an overlapping pair takes half of the way to a distance a little beyond contact.
  bool push_neighbors(std::size_t i, double diameter_um) {
    constexpr double overshoot = 1.005;
    near_.clear();
    bins_.visit(points_[i], diameter_um, [&](std::size_t j, Vec3 offset) {
      if (j != i && dot(offset, offset) < diameter_um * diameter_um) near_.push_back(j);
      return true;
    });
    for (const std::size_t j : near_) {
      const Vec3 offset = points_[j] - points_[i];
      const double distance_um = norm(offset);
      if (distance_um >= diameter_um || distance_um == 0.0) continue;
      const Vec3 half = (0.5 * (overshoot * diameter_um / distance_um - 1.0)) * offset;
      place(i, confined(points_[i] - half));
      place(j, confined(points_[j] + half));
    }
    return !near_.empty();
  }

  Vec3 confined(Vec3 p) const {
    if (is_inside(p)) return p;
    return ((1.0 - 1e-12) * (outer_radius_um_ - cell_radius_um_) / norm(p)) * p;
  }

  bool planar_;
  std::vector<Vec3> points_;
  CenterBins bins_;
  double cell_radius_um_;
  double outer_radius_um_;
  double step_um_;
  std::uint64_t root_;
  const StopPoll& stop_;
  std::uint64_t n_sweeps_done_ = 0;
  std::vector<std::size_t> near_;
};

Centers centers_of(std::span<const Vec3> points) {
  Centers centers;
  for (const Vec3 p : points) {
    centers.x_um.push_back(p.x);
    centers.y_um.push_back(p.y);
    centers.z_um.push_back(p.z);
  }
  return centers;
}

struct Recipe {
  double fluid_packing;  // up to here a lattice melts at full diameter
  double dense_packing;  // from here on pushing apart fails: random close packing of the interior
  double melt_packing;   // above it, it melts at the diameter of this packing
  double exponent;
};

Recipe recipe(PackingSpace space) {
  if (space == PackingSpace::planar) return {0.55, 0.78, 0.45, 1.0 / 2.0};
  return {0.38, 0.55, 0.28, 1.0 / 3.0};
}

constexpr std::int64_t melt_sweeps = 20;
constexpr int max_push_rounds = 200;

}  // namespace

Centers pack_cells(PackingSpace space, double cell_radius_um, double outer_radius_um,
                   std::int64_t n_cells, std::int64_t n_sweeps, std::uint64_t root,
                   const StopPoll& stop) {
  if (!(outer_radius_um > 0.0) || !std::isfinite(outer_radius_um)) {
    throw InputError("outer_radius_um must be finite and > 0");
  }
  if (n_sweeps < 0) throw InputError("n_sweeps must be >= 0");
  const double smallest_um = smallest_outer_radius_um(space, cell_radius_um, n_cells);
  if (outer_radius_um < smallest_um * (1.0 - 1e-12)) {
    throw GeometryError(std::to_string(n_cells) + " cells need an outer radius of at least " +
                        std::to_string(smallest_um) + " um");
  }
  const std::vector<Vec3> lattice =
      close_packed_positions(space, n_cells, outer_radius_um - cell_radius_um, root);
  const auto [fluid_packing, dense_packing, melt_packing, exponent] = recipe(space);
  const double packing =
      static_cast<double>(n_cells) * std::pow(cell_radius_um / outer_radius_um, 1.0 / exponent);
  const double diameter_um = 2.0 * cell_radius_um;
  HardSpheres spheres(space, lattice, cell_radius_um, outer_radius_um, root, stop);
  if (packing <= fluid_packing || packing > dense_packing || n_sweeps == 0) {
    spheres.mix(diameter_um, n_sweeps);
    return centers_of(spheres.points());
  }
  spheres.mix(diameter_um * std::pow(melt_packing / packing, exponent), melt_sweeps);
  if (spheres.push_apart(diameter_um, max_push_rounds)) {
    spheres.mix(diameter_um, n_sweeps);
    return centers_of(spheres.points());
  }
  // Too dense for a disordered packing: keep the lattice, which is sure to fit, loosened.
  HardSpheres ordered(space, lattice, cell_radius_um, outer_radius_um, root, stop);
  ordered.mix(diameter_um, n_sweeps);
  return centers_of(ordered.points());
}

}  // namespace immunodose
