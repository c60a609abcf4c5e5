// SPDX-License-Identifier: BSD-3-Clause
// Cells as nested balls (cell, inside of the membrane, nucleus) in a uniform grid of voxels, for
// tracks through them. Eqs. MC-1 to MC-3, docs/theory/monte_carlo.md.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/ball.hpp"

namespace immunodose {

enum class CellRegion : std::uint8_t { nucleus = 0, cytoplasm = 1, membrane = 2 };
inline constexpr std::size_t n_cell_regions = 3;

// Part of a straight track inside a ball, as distances from its start; empty where exit <= entry.
struct Chord {
  double entry_um = 0.0;
  double exit_um = 0.0;
  double length_um() const { return std::max(0.0, exit_um - entry_um); }
};

struct Crossing {
  std::int64_t cell;  // rank in the scene, see SphereScene::order
  Chord whole;        // ball of the cell
  Chord inside;       // cell without its membrane
  Chord nucleus;
};

struct Place {
  std::int64_t cell = -1;  // rank; -1 in the medium
  CellRegion region = CellRegion::nucleus;
};

struct Surroundings {
  Place place;
  // Lower bound of the distance to the nearest surface; exact inside a cell.
  double clearance_um = 0.0;
};

class SphereScene {
 public:
  struct Input {
    std::span<const double> x_um, y_um, z_um;
    std::span<const double> cell_radius_um, nucleus_radius_um;
    std::span<const double> nucleus_offset_um;  // (cell, 3), or empty: nuclei in the center
    double membrane_thickness_um;
  };

  // Cells must not overlap, nuclei must lie inside the membrane (else GeometryError).
  explicit SphereScene(const Input& input);

  std::int64_t n_cells() const { return static_cast<std::int64_t>(cells_.size()); }
  // order()[rank] is the caller's number of a cell; ranks follow a space-filling curve.
  std::span<const std::int64_t> order() const { return order_; }
  double membrane_thickness_um() const { return membrane_um_; }
  Ball cell(std::int64_t rank) const { return {at(rank).center_um, at(rank).cell_radius_um}; }
  Ball inside(std::int64_t rank) const {
    return {at(rank).center_um, at(rank).cell_radius_um - membrane_um_};
  }
  Ball nucleus(std::int64_t rank) const {
    return {nucleus_center(rank), at(rank).nucleus_radius_um};
  }
  bool has_offsets() const { return !offsets_.empty(); }
  // A ball that holds all cells.
  Ball bounds() const { return bounds_; }

  Place locate(Vec3 point_um) const;
  // Region of a point that lies in the cell of this rank.
  CellRegion region(std::int64_t rank, Vec3 point_um) const;
  Surroundings surroundings(Vec3 point_um) const;
  // Of a point that lies in the cell of this rank.
  Surroundings surroundings_in(std::int64_t rank, Vec3 point_um) const;
  double clearance(Vec3 point_um) const { return surroundings(point_um).clearance_um; }

  // The chords of a segment in one cell.
  Crossing cross(std::int64_t rank, Vec3 start_um, Vec3 direction, double length_um) const;

  // All cells that the segment enters, in the order of entry; chords are cut at the ends of the
  // segment. Eq. MC-1.
  void crossings(Vec3 start_um, Vec3 direction, double length_um,
                 std::vector<Crossing>& found) const;
  // Calls visit(crossing) for each of them; a visitor that returns false ends the visits. `buffer`
  // is working memory of the caller.
  template <class Visit>
  void trace(Vec3 start_um, Vec3 direction, double length_um, std::vector<Crossing>& buffer,
             Visit&& visit) const {
    crossings(start_um, direction, length_um, buffer);
    for (const Crossing& crossing : buffer) {
      if (!visit(crossing)) return;
    }
  }

 private:
  struct Cell {
    Vec3 center_um;
    double cell_radius_um;
    double nucleus_radius_um;
  };
  using Voxel = std::array<std::int64_t, 3>;
  // Cells that touch a voxel, in groups of `lanes` that are tested side by side. Balls relative
  // to the center of the voxel, single precision: they only choose candidates.
  static constexpr std::size_t lanes = 8;
  struct alignas(32) Group {
    std::array<float, lanes> x, y, z, square;  // of the radius; -infinity: no cell
    std::array<std::int32_t, lanes> rank;      // -1: no cell
  };

  const Cell& at(std::int64_t rank) const { return cells_[static_cast<std::size_t>(rank)]; }
  Vec3 nucleus_center(std::int64_t rank) const {
    return has_offsets() ? at(rank).center_um + offsets_[static_cast<std::size_t>(rank)]
                         : at(rank).center_um;
  }
  void check(const Input& input) const;
  void lay_grid(const Input& input);
  void sort_cells(const Input& input);
  void register_cells();
  template <class Visit>
  void visit_voxels(std::int64_t rank, const Visit& visit) const;
  Voxel voxel_of(Vec3 point_um) const;
  std::size_t index_of(const Voxel& v) const {
    return static_cast<std::size_t>((v[2] * n_voxels_[1] + v[1]) * n_voxels_[0] + v[0]);
  }
  Vec3 voxel_center(const Voxel& v) const;
  std::span<const Group> groups_near(std::size_t voxel) const {
    return {groups_.data() + starts_[voxel], groups_.data() + starts_[voxel + 1]};
  }
  // `along_um` and `square_um2`: of the cell's center along the track and from its line.
  void cross_inner(Crossing& crossing, double along_um, double square_um2, Vec3 start_um,
                   Vec3 direction, double length_um) const;
  struct Test;
  struct Walk;
  bool begin_walk(Vec3 start_um, Vec3 direction, double length_um, Walk& walk) const;
  std::size_t walk_on(Walk& walk, std::span<Test> tests) const;
  void choose(std::span<Test> tests, Vec3 direction) const;
  void choose_any(std::span<Test> tests, Vec3 direction) const;
  void choose_avx2(std::span<Test> tests, Vec3 direction) const;
  void add_crossings(const Test& test, Vec3 start_um, Vec3 direction, double length_um,
                     std::vector<Crossing>& found) const;

  double membrane_um_;
  LargeVector<Cell> cells_;  // by rank
  std::vector<Vec3> offsets_;
  std::vector<std::int64_t> order_;
  Ball bounds_{};
  std::array<double, 3> low_um_{};
  Voxel n_voxels_{1, 1, 1};
  double voxel_um_ = 1.0;
  double voxels_per_um_ = 1.0;
  double margin_um_ = 0.0;             // by which balls are enlarged in the grid, against rounding
  LargeVector<std::uint32_t> starts_;  // first group of each voxel
  LargeVector<Group> groups_;
  float entry_slack_um_ = 0.0F;
};

}  // namespace immunodose
