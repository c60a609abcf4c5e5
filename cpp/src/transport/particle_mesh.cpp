// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/particle_mesh.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace immunodose {
namespace {

constexpr std::int64_t order = ParticleMesh::order;
constexpr std::int64_t margin = 1;  // nodes beyond the splines, for the Laplacian

// Values of the B-spline of `order` at the `order` nodes around a point at `fraction` of a cell.
template <std::size_t n>
std::array<double, n> spline_weights(double fraction) {
  std::array<double, n> weight{};
  weight[0] = 1.0 - fraction;
  weight[1] = fraction;
  for (std::size_t k = 2; k < n; ++k) {  // from order k to order k + 1: Cox-de Boor
    const double inverse = 1.0 / static_cast<double>(k);
    weight[k] = inverse * fraction * weight[k - 1];
    for (std::size_t j = k - 1; j > 0; --j) {
      weight[j] = inverse * ((fraction + static_cast<double>(k - j)) * weight[j - 1] +
                             (static_cast<double>(j + 1) - fraction) * weight[j]);
    }
    weight[0] *= inverse * (1.0 - fraction);
  }
  return weight;
}

// The next even number that is a product of 2, 3 and 5.
std::int64_t fast_size(std::int64_t least) {
  for (std::int64_t n = least + least % 2;; n += 2) {
    std::int64_t rest = n;
    for (const std::int64_t prime : {2, 3, 5}) {
      while (rest % prime == 0) rest /= prime;
    }
    if (rest == 1) return n;
  }
}

}  // namespace

MeshShape ParticleMesh::shape_of(Vec3 extent_um, double spacing_um, double reach_um) {
  MeshShape shape;
  shape.spacing_um = spacing_um;
  const auto reach = static_cast<std::int64_t>(reach_um / spacing_um) + 1;
  const std::array<double, 3> extent{extent_um.z, extent_um.y, extent_um.x};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto cells = static_cast<std::int64_t>(extent[axis] / spacing_um) + 1;
    shape.n[axis] = cells + order + 2 * margin;
    shape.n_transform[axis] = fast_size(shape.n[axis] + std::min(reach, shape.n[axis]));
  }
  return shape;
}

ParticleMesh::ParticleMesh(const Points& points, double spacing_um, double reach_um)
    : points_(points) {
  const auto bounds = [](std::span<const double> values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return std::pair(*low, *high - *low);
  };
  const auto [x, width] = bounds(points.x_um);
  const auto [y, depth] = bounds(points.y_um);
  const auto [z, height] = bounds(points.z_um);
  shape_ = shape_of({width, depth, height}, spacing_um, reach_um);
  const double before = static_cast<double>(order / 2 - 1 + margin) * spacing_um;
  shape_.low_um = Vec3{x, y, z} - Vec3{before, before, before};
  sort_by_plane();
}

ParticleMesh::Stencil ParticleMesh::stencil(std::size_t point) const {
  const double inverse = 1.0 / shape_.spacing_um;
  const std::array<double, 3> at{(points_.z_um[point] - shape_.low_um.z) * inverse,
                                 (points_.y_um[point] - shape_.low_um.y) * inverse,
                                 (points_.x_um[point] - shape_.low_um.x) * inverse};
  Stencil found{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double whole = std::floor(at[axis]);
    found.node[axis] = static_cast<std::int64_t>(whole) - (order / 2 - 1);
    const auto weight = spline_weights<order>(at[axis] - whole);
    for (std::size_t k = 0; k < order; ++k) {
      found.weight[axis][k] = static_cast<float>(weight[k]);
    }
  }
  return found;
}

void ParticleMesh::sort_by_plane() {
  const auto plane_of = [&](std::int64_t point) {
    const double at = (points_.z_um[static_cast<std::size_t>(point)] - shape_.low_um.z) *
                      (1.0 / shape_.spacing_um);
    return static_cast<std::size_t>(std::floor(at)) - (order / 2 - 1);
  };
  plane_start_.assign(static_cast<std::size_t>(shape_.n[0]) + 1, 0);
  for (const std::int64_t point : points_.order) ++plane_start_[plane_of(point) + 1];
  for (std::size_t i = 1; i < plane_start_.size(); ++i) plane_start_[i] += plane_start_[i - 1];
  std::vector<std::int64_t> next(plane_start_.begin(), plane_start_.end() - 1);
  by_plane_.resize(points_.order.size());
  for (const std::int64_t point : points_.order) {
    by_plane_[static_cast<std::size_t>(next[plane_of(point)]++)] = point;
  }
}

std::vector<float> ParticleMesh::spread(std::span<const double> weight, int n_threads,
                                        const StopPoll& stop) const {
  std::vector<float> density(static_cast<std::size_t>(shape_.size()), 0.0F);
  const auto row = static_cast<std::size_t>(shape_.n[2]);
  const auto plane = static_cast<std::size_t>(shape_.n[1]) * row;
  const auto add = [&](std::int64_t point) {
    const auto i = static_cast<std::size_t>(point);
    if (weight[i] == 0.0) return;
    const Stencil s = stencil(i);
    const auto strength = static_cast<float>(weight[i]);
    for (std::size_t a = 0; a < order; ++a) {
      for (std::size_t b = 0; b < order; ++b) {
        const float share = strength * s.weight[0][a] * s.weight[1][b];
        float* const to = density.data() + (static_cast<std::size_t>(s.node[0]) + a) * plane +
                          (static_cast<std::size_t>(s.node[1]) + b) * row +
                          static_cast<std::size_t>(s.node[2]);
        for (std::size_t c = 0; c < order; ++c) to[c] += share * s.weight[2][c];
      }
    }
  };
  // Slabs as thick as a spline: every other one has its nodes for itself.
  const std::int64_t n_slabs = (shape_.n[0] + order - 1) / order;
  for (const std::int64_t odd : {0, 1}) {
    parallel_for((n_slabs + 1 - odd) / 2, 1, n_threads,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t first = (2 * i + odd) * order;
                     const std::int64_t last = std::min(first + order, shape_.n[0]);
                     const auto from = plane_start_[static_cast<std::size_t>(first)];
                     const auto to = plane_start_[static_cast<std::size_t>(last)];
                     for (std::int64_t k = from; k < to; ++k)
                       add(by_plane_[static_cast<std::size_t>(k)]);
                   }
                 },
                 stop);
  }
  return density;
}

std::vector<double> ParticleMesh::gather(std::span<const float> field, int n_threads,
                                         const StopPoll& stop) const {
  std::vector<double> value(points_.order.size());
  const auto row = static_cast<std::size_t>(shape_.n[2]);
  const auto plane = static_cast<std::size_t>(shape_.n[1]) * row;
  constexpr std::int64_t block = 4096;
  parallel_for(
      static_cast<std::int64_t>(by_plane_.size()), block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t k = begin; k < end; ++k) {
          const auto point = static_cast<std::size_t>(by_plane_[static_cast<std::size_t>(k)]);
          const Stencil s = stencil(point);
          std::array<float, order> along{};  // sums of the rows, in a fixed order
          for (std::size_t a = 0; a < order; ++a) {
            for (std::size_t b = 0; b < order; ++b) {
              const float share = s.weight[0][a] * s.weight[1][b];
              const float* const from = field.data() +
                                        (static_cast<std::size_t>(s.node[0]) + a) * plane +
                                        (static_cast<std::size_t>(s.node[1]) + b) * row +
                                        static_cast<std::size_t>(s.node[2]);
              for (std::size_t c = 0; c < order; ++c) along[c] += share * from[c];
            }
          }
          double sum = 0.0;
          for (std::size_t c = 0; c < order; ++c) {
            sum += static_cast<double>(along[c]) * static_cast<double>(s.weight[2][c]);
          }
          value[point] = sum;
        }
      },
      stop);
  return value;
}

std::vector<float> ParticleMesh::laplacian(std::span<const float> field, int n_threads,
                                           const StopPoll& stop) const {
  std::vector<float> result(field.size(), 0.0F);
  const std::int64_t row = shape_.n[2];
  const std::int64_t plane = shape_.n[1] * row;
  const auto scale = static_cast<float>(1.0 / (shape_.spacing_um * shape_.spacing_um));
  parallel_for(
      shape_.n[0] - 2, 1, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t z = begin + 1; z <= end; ++z) {
          for (std::int64_t y = 1; y + 1 < shape_.n[1]; ++y) {
            const std::int64_t start = z * plane + y * row;
            for (std::int64_t i = start + 1; i + 1 < start + row; ++i) {
              const float* const at = field.data() + i;
              const float around =
                  (at[-1] + at[1]) + (at[-row] + at[row]) + (at[-plane] + at[plane]);
              result[static_cast<std::size_t>(i)] = scale * (around - 6.0F * at[0]);
            }
          }
        }
      },
      stop);
  return result;
}

// Eq. P9: W^2 / A^2 with W the transform of the spline and A the sum of W^2 over all aliases,
// which is the transform of the spline of twice the order at the nodes.
std::array<std::vector<double>, 3> ParticleMesh::spline_factor() const {
  const auto at_nodes = spline_weights<2 * order>(0.0);  // symmetric about node `order` - 1
  std::array<std::vector<double>, 3> factor;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t n = shape_.n_transform[axis];
    for (std::int64_t m = 0; m <= n / 2; ++m) {
      const double angle = 2.0 * std::numbers::pi * static_cast<double>(m) / static_cast<double>(n);
      const double half = 0.5 * angle;
      const double wave = m == 0 ? 1.0 : std::pow(std::sin(half) / half, order);
      double aliases = at_nodes[order - 1];
      for (std::size_t j = 1; j < order; ++j) {
        aliases += 2.0 * at_nodes[order - 1 - j] * std::cos(static_cast<double>(j) * angle);
      }
      factor[axis].push_back(wave * wave / (aliases * aliases));
    }
  }
  return factor;
}

}  // namespace immunodose
