// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/sphere_scene.hpp"

#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

// Voxels per cell at most, so that sparse populations stay small.
constexpr double most_voxels_per_cell = 4.0;
constexpr double least_voxels = 64.0;

Vec3 point_of(const SphereScene::Input& input, std::size_t i) {
  return {input.x_um[i], input.y_um[i], input.z_um[i]};
}

// Bits of a number spread to every third place, for the Morton (Z) order of voxels.
std::uint64_t spread(std::uint64_t value) {
  std::uint64_t spread_bits = 0;
  for (unsigned bit = 0; bit < 21; ++bit) {
    spread_bits |= ((value >> bit) & 1U) << (3U * bit);
  }
  return spread_bits;
}

}  // namespace

SphereScene::SphereScene(const Input& input) : membrane_um_(input.membrane_thickness_um) {
  check(input);
  lay_grid(input);
  sort_cells(input);
  register_cells();
}

void SphereScene::check(const Input& input) const {
  const std::size_t n = input.x_um.size();
  if (n == 0) throw InputError("the scene has no cell");
  if (n > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw InputError("the scene has more than 2^31 - 1 cells");
  }
  if (input.y_um.size() != n || input.z_um.size() != n || input.cell_radius_um.size() != n ||
      input.nucleus_radius_um.size() != n ||
      (!input.nucleus_offset_um.empty() && input.nucleus_offset_um.size() != 3 * n)) {
    throw InputError("arrays of the scene differ in length");
  }
  constexpr double rounding = 1e-12;
  for (std::size_t i = 0; i < n; ++i) {
    double reach = input.nucleus_radius_um[i];
    if (!input.nucleus_offset_um.empty()) {
      const double* offset = &input.nucleus_offset_um[3 * i];
      reach += norm({offset[0], offset[1], offset[2]});
    }
    if (!(reach <= (input.cell_radius_um[i] - membrane_um_) * (1.0 + rounding))) {
      throw GeometryError("cell " + std::to_string(i) + ": the nucleus reaches " +
                          std::to_string(reach) + " um from the center, into the membrane of a " +
                          "cell of " + std::to_string(input.cell_radius_um[i]) + " um");
    }
  }
}

void SphereScene::lay_grid(const Input& input) {
  const std::size_t n = input.x_um.size();
  std::array<double, 3> high{};
  double volume = 0.0;
  double smallest = input.cell_radius_um[0];
  double largest = 0.0;
  const std::array<std::span<const double>, 3> axes{input.x_um, input.y_um, input.z_um};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    low_um_[axis] = std::numeric_limits<double>::infinity();
    high[axis] = -low_um_[axis];
    for (std::size_t i = 0; i < n; ++i) {
      low_um_[axis] = std::min(low_um_[axis], axes[axis][i] - input.cell_radius_um[i]);
      high[axis] = std::max(high[axis], axes[axis][i] + input.cell_radius_um[i]);
    }
  }
  for (const double radius : input.cell_radius_um) {
    volume += 8.0 * radius * radius * radius;
    smallest = std::min(smallest, radius);
    largest = std::max(largest, radius);
  }
  const Vec3 extent{high[0] - low_um_[0], high[1] - low_um_[1], high[2] - low_um_[2]};
  const double most = most_voxels_per_cell * static_cast<double>(n) + least_voxels;
  voxel_um_ = std::max(std::cbrt(volume / static_cast<double>(n)),
                       std::cbrt(extent.x * extent.y * extent.z / most));
  voxels_per_um_ = 1.0 / voxel_um_;
  // Single precision errs by 1e-6 of a voxel squared at most (Eq. MC-2).
  margin_um_ = std::max(1e-4 * voxel_um_, 1e-6 * voxel_um_ * voxel_um_ / smallest);
  entry_slack_um_ = static_cast<float>(2.0 * std::sqrt((2.0 * largest + margin_um_) * margin_um_));
  const std::array<double, 3> size{extent.x, extent.y, extent.z};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    n_voxels_[axis] = static_cast<std::int64_t>(size[axis] / voxel_um_) + 1;
  }
  const Vec3 low{low_um_[0], low_um_[1], low_um_[2]};
  bounds_.center_um = low + 0.5 * extent;
  for (std::size_t i = 0; i < n; ++i) {
    bounds_.radius_um = std::max(
        bounds_.radius_um, norm(point_of(input, i) - bounds_.center_um) + input.cell_radius_um[i]);
  }
}

void SphereScene::sort_cells(const Input& input) {
  const std::size_t n = input.x_um.size();
  std::vector<std::uint64_t> key(n);
  for (std::size_t i = 0; i < n; ++i) {
    const Voxel voxel = voxel_of(point_of(input, i));
    key[i] = spread(static_cast<std::uint64_t>(voxel[0])) |
             (spread(static_cast<std::uint64_t>(voxel[1])) << 1U) |
             (spread(static_cast<std::uint64_t>(voxel[2])) << 2U);
  }
  order_.resize(n);
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  std::sort(order_.begin(), order_.end(), [&](std::int64_t a, std::int64_t b) {
    const auto i = static_cast<std::size_t>(a);
    const auto j = static_cast<std::size_t>(b);
    return key[i] != key[j] ? key[i] < key[j] : a < b;
  });
  cells_.reserve(n);
  for (const std::int64_t id : order_) {
    const auto i = static_cast<std::size_t>(id);
    cells_.push_back({point_of(input, i), input.cell_radius_um[i], input.nucleus_radius_um[i]});
    if (input.nucleus_offset_um.empty()) continue;
    const double* offset = &input.nucleus_offset_um[3 * i];
    offsets_.push_back({offset[0], offset[1], offset[2]});
  }
}

template <class Visit>
void SphereScene::visit_voxels(std::int64_t rank, const Visit& visit) const {
  const Vec3 center = at(rank).center_um;
  const double radius = at(rank).cell_radius_um + margin_um_;
  const Voxel low = voxel_of(center - Vec3{radius, radius, radius});
  const Voxel high = voxel_of(center + Vec3{radius, radius, radius});
  const double half = 0.5 * voxel_um_;
  for (Voxel v{0, 0, low[2]}; v[2] <= high[2]; ++v[2]) {
    for (v[1] = low[1]; v[1] <= high[1]; ++v[1]) {
      for (v[0] = low[0]; v[0] <= high[0]; ++v[0]) {
        const Vec3 off = center - voxel_center(v);
        const Vec3 gap{std::max(0.0, std::abs(off.x) - half), std::max(0.0, std::abs(off.y) - half),
                       std::max(0.0, std::abs(off.z) - half)};
        if (dot(gap, gap) <= radius * radius) visit(index_of(v), off, radius);
      }
    }
  }
}

void SphereScene::register_cells() {
  const auto n_voxels = static_cast<std::size_t>(n_voxels_[0] * n_voxels_[1] * n_voxels_[2]);
  std::vector<std::uint32_t> next(n_voxels);  // first the number of cells, then the next entry
  for (std::int64_t rank = 0; rank < n_cells(); ++rank) {
    visit_voxels(rank, [&](std::size_t voxel, Vec3, double) { ++next[voxel]; });
  }
  starts_.assign(n_voxels + 1, 0);
  for (std::size_t voxel = 0; voxel < n_voxels; ++voxel) {
    starts_[voxel + 1] =
        starts_[voxel] + static_cast<std::uint32_t>((next[voxel] + lanes - 1) / lanes);
    next[voxel] = 0;
  }
  Group nobody{};
  nobody.square.fill(-std::numeric_limits<float>::infinity());
  nobody.rank.fill(-1);
  groups_.assign(starts_.back(), nobody);
  for (std::int64_t rank = 0; rank < n_cells(); ++rank) {
    visit_voxels(rank, [&](std::size_t voxel, Vec3 offset, double radius) {
      const std::uint32_t entry = next[voxel]++;
      Group& group = groups_[starts_[voxel] + entry / lanes];
      const std::size_t lane = entry % lanes;
      group.rank[lane] = static_cast<std::int32_t>(rank);
      group.x[lane] = static_cast<float>(offset.x);
      group.y[lane] = static_cast<float>(offset.y);
      group.z[lane] = static_cast<float>(offset.z);
      group.square[lane] = static_cast<float>(radius * radius);
    });
  }
}

SphereScene::Voxel SphereScene::voxel_of(Vec3 point_um) const {
  const std::array<double, 3> point{point_um.x, point_um.y, point_um.z};
  Voxel voxel{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double position = (point[axis] - low_um_[axis]) * voxels_per_um_;
    const auto last = static_cast<double>(n_voxels_[axis] - 1);
    voxel[axis] = static_cast<std::int64_t>(std::clamp(position, 0.0, last));
  }
  return voxel;
}

Vec3 SphereScene::voxel_center(const Voxel& v) const {
  const auto middle = [&](std::size_t axis) {
    return low_um_[axis] + (static_cast<double>(v[axis]) + 0.5) * voxel_um_;
  };
  return {middle(0), middle(1), middle(2)};
}

CellRegion SphereScene::region(std::int64_t rank, Vec3 point_um) const {
  const Ball core = nucleus(rank);
  if (norm(point_um - core.center_um) <= core.radius_um) return CellRegion::nucleus;
  const Ball within = inside(rank);
  return norm(point_um - within.center_um) <= within.radius_um ? CellRegion::cytoplasm
                                                               : CellRegion::membrane;
}

Place SphereScene::locate(Vec3 point_um) const {
  for (const Group& group : groups_near(index_of(voxel_of(point_um)))) {
    for (const std::int32_t rank : group.rank) {
      if (rank < 0) break;
      const Vec3 offset = point_um - at(rank).center_um;
      const double radius = at(rank).cell_radius_um;
      if (dot(offset, offset) <= radius * radius) return {rank, region(rank, point_um)};
    }
  }
  return {};
}

Surroundings SphereScene::surroundings_in(std::int64_t rank, Vec3 point_um) const {
  const double inward = at(rank).cell_radius_um - norm(point_um - at(rank).center_um);
  const double to_nucleus = norm(point_um - nucleus_center(rank)) - at(rank).nucleus_radius_um;
  if (to_nucleus <= 0.0) return {{rank, CellRegion::nucleus}, -to_nucleus};
  const double to_membrane = inward - membrane_um_;
  if (to_membrane >= 0.0) {
    return {{rank, CellRegion::cytoplasm}, std::min(to_nucleus, to_membrane)};
  }
  return {{rank, CellRegion::membrane}, std::min(inward, -to_membrane)};
}

Surroundings SphereScene::surroundings(Vec3 point_um) const {
  const Voxel voxel = voxel_of(point_um);
  // Cells that do not touch this voxel are at least as far as its sides. Eq. MC-3.
  const Vec3 off = point_um - voxel_center(voxel);
  const double largest = std::max({std::abs(off.x), std::abs(off.y), std::abs(off.z)});
  double nearest = std::abs(0.5 * voxel_um_ - largest);  // outside of the grid: to the grid
  for (const Group& group : groups_near(index_of(voxel))) {
    for (const std::int32_t rank : group.rank) {
      if (rank < 0) break;
      const double outside = norm(point_um - at(rank).center_um) - at(rank).cell_radius_um;
      if (outside <= 0.0) return surroundings_in(rank, point_um);
      nearest = std::min(nearest, outside);
    }
  }
  return {{}, nearest};
}

}  // namespace immunodose
