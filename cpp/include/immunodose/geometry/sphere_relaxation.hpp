// SPDX-License-Identifier: BSD-3-Clause
// Overlapping spheres in a ball (disks in a circle) that repel each other softly and move with
// friction until none overlaps. Every sphere reads where the others were a step before, so the
// bits do not depend on the number of threads.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/ball_lanes.hpp"
#include "immunodose/geometry/packing_space.hpp"

namespace immunodose {

class SphereRelaxation {
 public:
  struct Input {
    PackingSpace space;
    std::vector<Vec3> centers_um;   // wholly inside
    std::vector<double> radius_um;  // one per sphere, or one for all; the wall stops these
    double scale;                   // share of the radii at which spheres touch each other
    double outer_radius_um;
    int n_threads;
  };
  SphereRelaxation(Input input, const StopPoll& stop);

  // Moves spheres closer than `softness` (> 1) times contact apart; returns whether no two are
  // closer than contact in the end.
  bool run(double softness, std::int64_t max_rounds);

  // Sorted by place; ends the use.
  std::vector<Vec3> release_centers();
  std::vector<double> release_radii() { return std::move(radius_); }

 private:
  struct Velocity {
    float x, y, z;
  };
  struct Neighbors {
    std::uint32_t begin;
    std::uint32_t end;  // a multiple of n_lanes after `begin`
  };
  std::int64_t size() const { return static_cast<std::int64_t>(velocity_.size()); }
  double radius(std::size_t i) const { return radius_.size() == 1 ? radius_[0] : radius_[i]; }
  template <class Body>
  void for_blocks(const Body& body) const;
  void rebuild();
  void choose_bins();
  std::size_t bin_of(std::int64_t along, double low) const;
  void sort();
  void place(std::size_t rank, std::size_t from, std::vector<GridBall>& balls,
             std::vector<Velocity>& velocities, std::vector<double>& radii) const;
  void list_neighbors();
  void list_block(std::int64_t begin, std::int64_t end);
  std::int64_t accelerate(float softness, float friction);  // returns how many overlap
  bool move();                                              // returns whether lists still hold
  bool move_one(std::size_t i, double skin2);

  PackingSpace space_;
  std::vector<double> radius_;
  double scale_;
  double outer_um_;
  double unit_um_;
  double largest_;  // radius at contact, in units
  double mean_;     // diameter, in units
  double skin_;     // reach of the lists of neighbors beyond soft contact, in units
  double reach_factor_ = 1.0;
  int n_threads_;
  const StopPoll& stop_;
  std::vector<GridBall> balls_;  // and n_lanes far away
  std::vector<GridBall> balls_at_lists_;
  std::vector<Velocity> velocity_;  // units per round
  std::int64_t bins_along_ = 1;     // x and y, and z in space
  std::int64_t bins_up_ = 1;        // z
  double edge_ = 1.0;               // of a bin
  std::vector<std::uint32_t> bin_start_;
  std::vector<Neighbors> neighbors_;
  std::vector<std::vector<std::int32_t>> lists_;  // of blocks of spheres
};

}  // namespace immunodose
