// SPDX-License-Identifier: BSD-3-Clause
// Cells as nested balls (cell, inside of the membrane, nucleus) in a uniform grid of voxels, for
// tracks through them. Eqs. MC-1 to MC-3, docs/theory/monte_carlo.md.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

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

  // Calls visit(crossing) for each cell that the segment enters, in the order of entry; chords are
  // cut at the ends of the segment. A visitor that returns false ends the walk. `buffer` is
  // working memory of the caller.
  template <class Visit>
  void trace(Vec3 start_um, Vec3 direction, double length_um, std::vector<Crossing>& buffer,
             Visit&& visit) const;

 private:
  struct Cell {
    Vec3 center_um;
    double cell_radius_um;
    double nucleus_radius_um;
  };
  using Voxel = std::array<std::int64_t, 3>;

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
  std::span<const std::int32_t> cells_near(std::size_t voxel) const {
    const auto first = static_cast<std::size_t>(starts_[voxel]) * lanes;
    const auto last = static_cast<std::size_t>(starts_[voxel + 1]) * lanes;
    return {entry_rank_.data() + first, last - first};
  }
  void cross_inner(Crossing& crossing, Vec3 start_um, Vec3 direction, double length_um) const;
  void add_crossing(std::int64_t rank, Vec3 start_um, Vec3 direction, double length_um,
                    double from_um, double to_um, std::vector<Crossing>& found) const;
  void cross_voxel(const Voxel& voxel, Vec3 start_um, Vec3 direction, double length_um,
                   double from_um, double to_um, std::vector<Crossing>& found) const;
  bool clip_to_box(Vec3 start_um, Vec3 direction, double& from_um, double& to_um) const;

  double membrane_um_;
  std::vector<Cell> cells_;  // by rank
  std::vector<Vec3> offsets_;
  std::vector<std::int64_t> order_;
  Ball bounds_{};
  std::array<double, 3> low_um_{};
  Voxel n_voxels_{1, 1, 1};
  double voxel_um_ = 1.0;
  double margin_um_ = 0.0;  // by which balls are enlarged in the grid, against rounding
  // Cells that touch a voxel, in groups of `lanes` that are tested side by side. Balls relative
  // to the center of the voxel, single precision: they only choose candidates.
  static constexpr std::size_t lanes = 4;
  struct Group {
    std::array<float, lanes> x, y, z, square;  // of the radius; -infinity: no cell
  };
  std::vector<std::int64_t> starts_;  // first group of each voxel
  std::vector<Group> groups_;
  std::vector<std::int32_t> entry_rank_;  // (group, lane), -1 where there is no cell
  float entry_slack_um_ = 0.0F;
};

template <class Visit>
void SphereScene::trace(Vec3 start_um, Vec3 direction, double length_um,
                        std::vector<Crossing>& buffer, Visit&& visit) const {
  double from = 0.0;
  double to = length_um;
  if (!clip_to_box(start_um, direction, from, to)) return;
  const std::array<double, 3> start{start_um.x, start_um.y, start_um.z};
  const std::array<double, 3> way{direction.x, direction.y, direction.z};
  Voxel voxel = voxel_of(start_um + from * direction);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::array<double, 3> inverse{};
  std::array<double, 3> next{infinity, infinity, infinity};  // where the track leaves the voxel
  const auto leave = [&](std::size_t axis) {
    const double side = static_cast<double>(voxel[axis] + (way[axis] > 0.0 ? 1 : 0));
    return (low_um_[axis] + side * voxel_um_ - start[axis]) * inverse[axis];
  };
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (way[axis] == 0.0) continue;
    inverse[axis] = 1.0 / way[axis];
    next[axis] = leave(axis);
  }
  // A cell is reported in the voxel of its entry, so the voxels' intervals must join without a
  // gap: the first reaches back to the start, the last to the end.
  double begin = -infinity;
  while (true) {
    const std::size_t axis =
        next[0] < next[1] ? (next[0] < next[2] ? 0U : 2U) : (next[1] < next[2] ? 1U : 2U);
    const std::int64_t beyond = voxel[axis] + (way[axis] > 0.0 ? 1 : -1);
    const bool last = next[axis] >= to || beyond < 0 || beyond >= n_voxels_[axis];
    const double end = last ? infinity : next[axis];
    buffer.clear();
    cross_voxel(voxel, start_um, direction, length_um, begin, end, buffer);
    for (const Crossing& crossing : buffer) {
      if (!visit(crossing)) return;
    }
    if (last) return;
    voxel[axis] = beyond;
    begin = end;
    next[axis] = leave(axis);
  }
}

}  // namespace immunodose
