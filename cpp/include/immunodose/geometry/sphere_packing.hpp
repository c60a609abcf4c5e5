// SPDX-License-Identifier: BSD-3-Clause
// Hard spheres in a ball (disks in a circle) that are moved at random or pushed apart by many
// threads with the same bits: cells are sorted into pencils (rows of grid bins along x), and
// pencils of one of four colors, which share no neighbors, move side by side (Anderson et al.
// 2013, doi:10.1016/j.jcp.2013.07.023). Within a pencil cells move one after the other.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/close_packing.hpp"
#include "immunodose/geometry/grid_index.hpp"

namespace immunodose {

struct Centers {
  std::vector<double> x_um;
  std::vector<double> y_um;
  std::vector<double> z_um;
};

class SpherePacking {
 public:
  struct Input {
    PackingSpace space;
    std::vector<Vec3> centers_um;
    std::vector<double> radius_um;  // one per cell, or one for all
    double outer_radius_um;
    std::uint64_t root;
    int n_threads;
  };
  SpherePacking(Input input, const StopPoll& stop);

  std::int64_t size() const { return static_cast<std::int64_t>(centers_.size()); }

  // Sets the share of the radii at which spheres touch each other (the wall: always at all of it).
  void set_scale(double scale);

  // Monte Carlo sweeps of spheres that must not overlap at the start.
  void mix(std::int64_t n_sweeps);

  // Moves cells that are closer than `softness` (> 1) times contact apart, round by round; returns
  // whether none overlaps in the end.
  bool push_apart(double softness, std::int64_t max_rounds);

  // Centers and radii, in one order of the grid (bins along x, then y, then z); ends the use.
  Centers release_centers();
  std::vector<double> release_radii() { return std::move(radius_); }

 private:
  struct Neighbors {
    std::uint32_t begin;
    std::uint32_t count;
  };
  struct Tally {
    std::int64_t n_changed = 0;  // cells moved
    std::int64_t n_held = 0;     // cells that would leave the reach of their lists of neighbors
  };

  Vec3 at(std::int64_t i) const { return centers_[static_cast<std::size_t>(i)]; }
  double radius(std::int64_t i) const {
    return radius_.size() == 1 ? radius_[0] : radius_[static_cast<std::size_t>(i)];
  }
  std::span<const std::int32_t> neighbors(std::int64_t i) const;
  bool is_inside(Vec3 p, double radius_um) const;
  Vec3 confined(Vec3 p, double radius_um) const;
  bool is_held(std::int64_t i, Vec3 p) const;
  void rebuild();
  void sort_cells(double edge_um);
  void list_neighbors();
  void list_pencils(double reach_um);
  template <class Body>
  Tally for_each_cell(const Body& body);
  void move_at_random(std::int64_t i, Tally& tally);
  Centers split_centers() const;

  PackingSpace space_;
  std::vector<Vec3> centers_;
  std::vector<double> radius_;
  double largest_um_ = 0.0;
  double outer_um_;
  double scale_ = 1.0;
  double skin_um_ = 0.0;  // reach of the lists of neighbors beyond contact
  double step_um_;
  double packing_;  // fraction of the ball at scale 1
  std::uint64_t root_;
  int n_threads_;
  const StopPoll& stop_;
  std::uint64_t n_sweeps_done_ = 0;
  bool is_stale_ = true;
  std::optional<GridIndex> index_;  // holds where cells were when neighbors were listed
  std::vector<Neighbors> neighbors_;
  std::vector<std::vector<std::int32_t>> lists_;  // of blocks of cells
  using Pencil = std::array<std::int64_t, 2>;     // first row of bins along y and z
  std::array<std::vector<Pencil>, 4> pencils_;    // by color
  std::int64_t rows_per_pencil_ = 1;              // along y and z each
};

}  // namespace immunodose
