// SPDX-License-Identifier: BSD-3-Clause
// The walk of a track from voxel to voxel, and the chords of the cells that it enters.
#include <bit>
#include <limits>

#include "immunodose/core/simd.hpp"
#include "immunodose/geometry/sphere_scene.hpp"

namespace immunodose {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr float infinity_float = std::numeric_limits<float>::infinity();

// Part of a segment in a ball whose center lies `along` it; `half2`: squared half of the chord.
Chord cut(double along_um, double half2_um2, double length_um) {
  if (half2_um2 <= 0.0) return {};
  const double half = std::sqrt(half2_um2);
  return {std::max(0.0, along_um - half), std::min(length_um, along_um + half)};
}

struct Line {
  double along_um;    // to the place nearest to the center
  double square_um2;  // of the distance there
};

Line line_of(Vec3 center_um, Vec3 start_um, Vec3 direction) {
  const Vec3 to_center = center_um - start_um;
  const double along = dot(to_center, direction);
  return {along, dot(to_center, to_center) - along * along};
}

}  // namespace

// A group of balls to be tested in single precision, in the voxel that holds it.
struct SphereScene::Test {
  std::uint32_t group;
  std::uint32_t lanes;  // that the test cannot rule out
  // A place on the track in or near the voxel, relative to its center (Eq. MC-2).
  float x, y, z;
  float earliest, latest;  // bounds of the entry from there
  // A cell is reported in the voxel of its entry, so the voxels' intervals must join without a
  // gap: the first reaches back to the start, the last to the end.
  double from_um, to_um;
};

// A track on its way through the grid.
struct SphereScene::Walk {
  std::array<double, 3> way;
  std::array<double, 3> next_um;         // where it leaves the voxel through each pair of sides
  std::array<double, 3> step_um;         // from one side to the next
  std::array<double, 3> start_um;        // of the track, relative to the center of the voxel
  std::array<double, 3> edge_um;         // of the voxel, with the sign of the direction
  std::array<std::int64_t, 3> stride;    // to the index of the next voxel
  std::array<std::int64_t, 3> n_beyond;  // voxels before the end of the grid
  std::int64_t voxel;
  double near_um;  // reference for single precision, in the voxel
  double begin_um = -infinity;
  double to_um;
  std::uint32_t n_listed = 0;  // groups of the voxel
  bool ended = false;
};

bool SphereScene::begin_walk(Vec3 start_um, Vec3 direction, double length_um, Walk& walk) const {
  const std::array<double, 3> start{start_um.x, start_um.y, start_um.z};
  const std::array<std::int64_t, 3> stride{1, n_voxels_[0], n_voxels_[0] * n_voxels_[1]};
  std::array<double, 3> inverse{};
  walk.way = {direction.x, direction.y, direction.z};
  walk.near_um = 0.0;
  walk.to_um = length_um;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double low = low_um_[axis] - start[axis];
    const double high = low + static_cast<double>(n_voxels_[axis]) * voxel_um_;
    if (walk.way[axis] == 0.0) {
      if (low > 0.0 || high < 0.0) return false;
      continue;
    }
    inverse[axis] = 1.0 / walk.way[axis];
    const double a = low * inverse[axis];
    const double b = high * inverse[axis];
    walk.near_um = std::max(walk.near_um, std::min(a, b));
    walk.to_um = std::min(walk.to_um, std::max(a, b));
  }
  if (!(walk.near_um < walk.to_um)) return false;
  const Voxel voxel = voxel_of(start_um + walk.near_um * direction);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const bool up = walk.way[axis] > 0.0;
    const double side = static_cast<double>(voxel[axis]) + (up ? 1.0 : 0.0);
    const double low = low_um_[axis] - start[axis];
    walk.next_um[axis] =
        walk.way[axis] == 0.0 ? infinity : (low + side * voxel_um_) * inverse[axis];
    walk.step_um[axis] = std::abs(voxel_um_ * inverse[axis]);
    walk.start_um[axis] = -low - (static_cast<double>(voxel[axis]) + 0.5) * voxel_um_;
    walk.edge_um[axis] = up ? voxel_um_ : -voxel_um_;
    walk.stride[axis] = up ? stride[axis] : -stride[axis];
    walk.n_beyond[axis] = up ? n_voxels_[axis] - 1 - voxel[axis] : voxel[axis];
  }
  walk.voxel = static_cast<std::int64_t>(index_of(voxel));
  return true;
}

// Lists the groups of the voxels that the track crosses, until it ends or `tests` is full;
// returns their number. The groups are on their way from memory when they are tested.
std::size_t SphereScene::walk_on(Walk& walk, std::span<Test> tests) const {
  std::size_t n = 0;
  while (true) {
    const bool second = walk.next_um[1] < walk.next_um[0];
    const double first_two = std::min(walk.next_um[0], walk.next_um[1]);
    const bool third = walk.next_um[2] < first_two;
    // Arithmetic instead of a branch, which would be guessed wrong half of the time.
    const auto axis = static_cast<std::size_t>((static_cast<unsigned>(third) << 1U) |
                                               static_cast<unsigned>(second && !third));
    const double leave = std::min(first_two, walk.next_um[2]);
    const bool last = leave >= walk.to_um || walk.n_beyond[axis] == 0;
    const double end = last ? infinity : leave;
    const auto x = static_cast<float>(walk.start_um[0] + walk.near_um * walk.way[0]);
    const auto y = static_cast<float>(walk.start_um[1] + walk.near_um * walk.way[1]);
    const auto z = static_cast<float>(walk.start_um[2] + walk.near_um * walk.way[2]);
    // A ball enters no later than the enlarged one plus the root of what the margin adds.
    const float earliest = walk.begin_um < 0.0 ? -infinity_float : -entry_slack_um_;
    const auto latest = static_cast<float>(end - walk.near_um);
    const std::uint32_t first = starts_[static_cast<std::size_t>(walk.voxel)];
    const std::uint32_t beyond = starts_[static_cast<std::size_t>(walk.voxel) + 1];
    for (std::uint32_t group = first + walk.n_listed; group < beyond; ++group) {
      if (n == tests.size()) {
        walk.n_listed = group - first;
        return n;
      }
      prefetch(&groups_[group], sizeof(Group));
      tests[n++] = {group, 0, x, y, z, earliest, latest, walk.begin_um, end};
    }
    if (last) break;
    walk.n_listed = 0;
    walk.voxel += walk.stride[axis];
    --walk.n_beyond[axis];
    walk.start_um[axis] -= walk.edge_um[axis];
    walk.next_um[axis] += walk.step_um[axis];
    walk.begin_um = walk.near_um = end;
  }
  walk.ended = true;
  return n;
}

IMMUNODOSE_INLINED void SphereScene::choose(std::span<Test> tests, Vec3 direction) const {
  const auto ux = static_cast<float>(direction.x);
  const auto uy = static_cast<float>(direction.y);
  const auto uz = static_cast<float>(direction.z);
  for (Test& test : tests) {
    const Group& ball = groups_[test.group];
    std::array<float, lanes> missed;  // by how much, at most 0 for candidates
    for (std::size_t k = 0; k < lanes; ++k) {
      const float dx = ball.x[k] - test.x;
      const float dy = ball.y[k] - test.y;
      const float dz = ball.z[k] - test.z;
      const float along = dx * ux + dy * uy + dz * uz;
      const float half2 = ball.square[k] - (dx * dx + dy * dy + dz * dz - along * along);
      const float entry = along - std::sqrt(std::max(half2, 0.0F));
      missed[k] = std::max(std::max(entry - test.latest, test.earliest - entry), -half2);
    }
    test.lanes = lanes_up_to_zero(missed);
  }
}

void SphereScene::choose_any(std::span<Test> tests, Vec3 direction) const {
  choose(tests, direction);
}

IMMUNODOSE_AVX2_TARGET void SphereScene::choose_avx2(std::span<Test> tests, Vec3 direction) const {
  choose(tests, direction);
}

void SphereScene::crossings(Vec3 start_um, Vec3 direction, double length_um,
                            std::vector<Crossing>& found) const {
  found.clear();
  Walk walk;
  if (!begin_walk(start_um, direction, length_um, walk)) return;
  std::array<Test, 32> buffer;
  while (!walk.ended) {
    const std::span<Test> tests(buffer.data(), walk_on(walk, buffer));
    if (cpu_has_avx2) {
      choose_avx2(tests, direction);
    } else {
      choose_any(tests, direction);
    }
    for (const Test& test : tests) {
      if (test.lanes != 0) add_crossings(test, start_um, direction, length_um, found);
    }
  }
}

void SphereScene::add_crossings(const Test& test, Vec3 start_um, Vec3 direction, double length_um,
                                std::vector<Crossing>& found) const {
  for (std::uint32_t lanes_left = test.lanes; lanes_left != 0; lanes_left &= lanes_left - 1) {
    const auto lane = static_cast<std::size_t>(std::countr_zero(lanes_left));
    const std::int32_t rank = groups_[test.group].rank[lane];
    const Cell& cell = at(rank);
    const Line line = line_of(cell.center_um, start_um, direction);
    const Chord whole =
        cut(line.along_um, cell.cell_radius_um * cell.cell_radius_um - line.square_um2, length_um);
    const double entry = whole.entry_um;
    if (whole.exit_um <= entry || entry < test.from_um || entry >= test.to_um) continue;
    found.push_back({rank, whole, whole, {}});
    cross_inner(found.back(), line.along_um, line.square_um2, start_um, direction, length_um);
    for (auto i = found.size() - 1; i > 0 && found[i - 1].whole.entry_um > entry; --i) {
      std::swap(found[i - 1], found[i]);
    }
  }
}

void SphereScene::cross_inner(Crossing& crossing, double along_um, double square_um2, Vec3 start_um,
                              Vec3 direction, double length_um) const {
  const Cell& cell = at(crossing.cell);
  if (membrane_um_ > 0.0) {
    const double radius = cell.cell_radius_um - membrane_um_;
    crossing.inside = cut(along_um, radius * radius - square_um2, length_um);
  }
  if (crossing.inside.length_um() <= 0.0) return;
  if (has_offsets()) {
    const Line line = line_of(nucleus_center(crossing.cell), start_um, direction);
    along_um = line.along_um;
    square_um2 = line.square_um2;
  }
  crossing.nucleus =
      cut(along_um, cell.nucleus_radius_um * cell.nucleus_radius_um - square_um2, length_um);
}

Crossing SphereScene::cross(std::int64_t rank, Vec3 start_um, Vec3 direction,
                            double length_um) const {
  const Cell& cell = at(rank);
  const Line line = line_of(cell.center_um, start_um, direction);
  const Chord whole =
      cut(line.along_um, cell.cell_radius_um * cell.cell_radius_um - line.square_um2, length_um);
  Crossing crossing{rank, whole, whole, {}};
  cross_inner(crossing, line.along_um, line.square_um2, start_um, direction, length_um);
  return crossing;
}

}  // namespace immunodose
