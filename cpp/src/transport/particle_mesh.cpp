// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/particle_mesh.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "immunodose/core/error.hpp"
#include "immunodose/core/simd.hpp"

#if IMMUNODOSE_HAS_AVX2_TARGET
#include <immintrin.h>
#endif

namespace immunodose {
namespace {

constexpr std::int64_t order = ParticleMesh::order;
constexpr std::int64_t margin = 1;  // nodes beyond the splines, for the Laplacian
constexpr std::int64_t points_per_block = 16384;

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

// The same for all three axes at once, single precision: (node, axis).
using AxisLanes = std::array<float, 4>;
std::array<AxisLanes, order> axis_weights(const AxisLanes& fraction) {
  std::array<AxisLanes, order> weight{};
  for (std::size_t a = 0; a < 4; ++a) {
    weight[0][a] = 1.0F - fraction[a];
    weight[1][a] = fraction[a];
  }
  for (std::size_t k = 2; k < order; ++k) {
    const float inverse = 1.0F / static_cast<float>(k);
    for (std::size_t a = 0; a < 4; ++a) weight[k][a] = inverse * fraction[a] * weight[k - 1][a];
    for (std::size_t j = k - 1; j > 0; --j) {
      const auto left = static_cast<float>(k - j);
      const auto right = static_cast<float>(j + 1);
      for (std::size_t a = 0; a < 4; ++a) {
        weight[j][a] = inverse * ((fraction[a] + left) * weight[j - 1][a] +
                                  (right - fraction[a]) * weight[j][a]);
      }
    }
    for (std::size_t a = 0; a < 4; ++a) weight[0][a] *= inverse * (1.0F - fraction[a]);
  }
  return weight;
}

// Lanes along x: the nodes of a spline, filled up with zeros.
constexpr std::size_t row_lanes = 8;
using RowLanes = std::array<float, row_lanes>;

struct Stencil {
  std::array<AxisLanes, order> weight;
  RowLanes along_x;

  explicit Stencil(const ParticleMesh::Point& point)
      : weight(axis_weights({point.fraction[0], point.fraction[1], point.fraction[2], 0.0F})),
        along_x{} {
    for (std::size_t k = 0; k < order; ++k) along_x[k] = weight[k][2];
  }
};

constexpr std::size_t n_parts = 3;  // sums of a gathered value that do not wait for each other

struct MeshRows {
  std::size_t row;    // nodes from one row to the next
  std::size_t plane;  // and from one plane to the next
};

void spread_baseline(std::span<const ParticleMesh::Point> points, std::span<const float> strength,
                     MeshRows rows, float* density) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (strength[i] == 0.0F) continue;
    const Stencil s(points[i]);
    float* const first = density + points[i].node;
    for (std::size_t a = 0; a < order; ++a) {
      for (std::size_t b = 0; b < order; ++b) {
        const float share = strength[i] * s.weight[a][0] * s.weight[b][1];
        float* const to = first + a * rows.plane + b * rows.row;
        for (std::size_t c = 0; c < row_lanes; ++c) to[c] += share * s.along_x[c];
      }
    }
  }
}

void gather_baseline(std::span<const ParticleMesh::Point> points, MeshRows rows, const float* field,
                     float* value) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Stencil s(points[i]);
    const float* const first = field + points[i].node;
    std::array<RowLanes, n_parts> part{};  // an addition does not wait for the one before
    for (std::size_t a = 0; a < order; ++a) {
      for (std::size_t b = 0; b < order; ++b) {
        const float share = s.weight[a][0] * s.weight[b][1];
        const float* const from = first + a * rows.plane + b * rows.row;
        RowLanes& sum = part[b % n_parts];
        for (std::size_t c = 0; c < row_lanes; ++c) sum[c] += share * from[c];
      }
    }
    RowLanes sum;
    for (std::size_t c = 0; c < row_lanes; ++c) {
      sum[c] = s.along_x[c] * (part[0][c] + part[1][c] + part[2][c]);
    }
    value[i] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + (sum[4] + sum[5]);
  }
}

#if IMMUNODOSE_HAS_AVX2_TARGET

// The operations of Stencil, spread_baseline and gather_baseline.
struct StencilAvx2 {
  __m256 z[order];
  __m256 y[order];
  __m256 along_x;

  IMMUNODOSE_AVX2_TARGET explicit StencilAvx2(const ParticleMesh::Point& point) {
    const __m128 fraction =
        _mm_setr_ps(point.fraction[0], point.fraction[1], point.fraction[2], 0.0F);
    const auto times = [](float factor) { return _mm_set1_ps(factor); };
    const __m128 left = _mm_sub_ps(times(1.0F), fraction);
    __m128 weight[order];
    weight[0] = left;
    weight[1] = fraction;
#pragma GCC unroll 6
    for (int k = 2; k < static_cast<int>(order); ++k) {
      const __m128 inverse = times(1.0F / static_cast<float>(k));
      weight[k] = _mm_mul_ps(_mm_mul_ps(inverse, fraction), weight[k - 1]);
#pragma GCC unroll 6
      for (int j = k - 1; j > 0; --j) {
        const __m128 from_left = _mm_add_ps(fraction, times(static_cast<float>(k - j)));
        const __m128 from_right = _mm_sub_ps(times(static_cast<float>(j + 1)), fraction);
        weight[j] = _mm_mul_ps(inverse, _mm_add_ps(_mm_mul_ps(from_left, weight[j - 1]),
                                                   _mm_mul_ps(from_right, weight[j])));
      }
      weight[0] = _mm_mul_ps(weight[0], _mm_mul_ps(inverse, left));
    }
    for (std::size_t k = 0; k < order; ++k) {
      z[k] = _mm256_broadcastss_ps(weight[k]);
      y[k] = _mm256_broadcastss_ps(_mm_movehdup_ps(weight[k]));
    }
    const __m128 low =
        _mm_movelh_ps(_mm_unpackhi_ps(weight[0], weight[1]), _mm_unpackhi_ps(weight[2], weight[3]));
    const __m128 high = _mm_movelh_ps(_mm_unpackhi_ps(weight[4], weight[5]), _mm_setzero_ps());
    along_x = _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
  }
};

IMMUNODOSE_AVX2_TARGET void spread_avx2(std::span<const ParticleMesh::Point> points,
                                        std::span<const float> strength, MeshRows rows,
                                        float* density) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (strength[i] == 0.0F) continue;
    const StencilAvx2 s(points[i]);
    float* const first = density + points[i].node;
    const __m256 strengths = _mm256_set1_ps(strength[i]);
    for (std::size_t a = 0; a < order; ++a) {
      const __m256 in_plane = _mm256_mul_ps(strengths, s.z[a]);
#pragma GCC unroll 6
      for (std::size_t b = 0; b < order; ++b) {
        float* const to = first + a * rows.plane + b * rows.row;
        const __m256 share = _mm256_mul_ps(in_plane, s.y[b]);
        _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_mul_ps(share, s.along_x)));
      }
    }
  }
}

IMMUNODOSE_AVX2_TARGET void gather_avx2(std::span<const ParticleMesh::Point> points, MeshRows rows,
                                        const float* field, float* value) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const StencilAvx2 s(points[i]);
    const float* const first = field + points[i].node;
    __m256 part[n_parts] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (std::size_t a = 0; a < order; ++a) {
#pragma GCC unroll 6
      for (std::size_t b = 0; b < order; ++b) {
        const __m256 from = _mm256_loadu_ps(first + a * rows.plane + b * rows.row);
        part[b % n_parts] =
            _mm256_add_ps(part[b % n_parts], _mm256_mul_ps(_mm256_mul_ps(s.z[a], s.y[b]), from));
      }
    }
    RowLanes sum;
    _mm256_storeu_ps(
        sum.data(),
        _mm256_mul_ps(s.along_x, _mm256_add_ps(_mm256_add_ps(part[0], part[1]), part[2])));
    value[i] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + (sum[4] + sum[5]);
  }
}

#endif

void spread_points(std::span<const ParticleMesh::Point> points, std::span<const float> strength,
                   MeshRows rows, float* density) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (cpu_has_avx2) return spread_avx2(points, strength, rows, density);
#endif
  spread_baseline(points, strength, rows, density);
}

void gather_points(std::span<const ParticleMesh::Point> points, MeshRows rows, const float* field,
                   float* value) {
#if IMMUNODOSE_HAS_AVX2_TARGET
  if (cpu_has_avx2) return gather_avx2(points, rows, field, value);
#endif
  gather_baseline(points, rows, field, value);
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

MeshShape ParticleMesh::shape_of(Vec3 extent_um, double spacing_um, double reach_um,
                                 const PeriodicBox& box) {
  MeshShape shape;
  const auto reach = static_cast<std::int64_t>(reach_um / spacing_um) + 1;
  const std::array<double, 3> extent{extent_um.z, extent_um.y, extent_um.x};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const bool repeats = box.repeats(2 - axis);
    const double edge = box.edge_um[2 - axis];
    const std::int64_t in_box =
        repeats ? fast_size(static_cast<std::int64_t>(std::ceil(edge / spacing_um))) : 0;
    shape.spacing_um[axis] = repeats ? edge / static_cast<double>(in_box) : spacing_um;
    const auto cells = static_cast<std::int64_t>(extent[axis] / shape.spacing_um[axis]) + 1;
    shape.n[axis] = cells + order + 2 * margin;
    shape.n_field[axis] = repeats ? in_box : shape.n[axis];
    shape.n_transform[axis] =
        repeats ? in_box : fast_size(shape.n[axis] + std::min(reach, shape.n[axis]));
  }
  return shape;
}

ParticleMesh::ParticleMesh(const GridIndex& cells, double spacing_um, double reach_um,
                           const PeriodicBox& box, int n_threads, const StopPoll& stop)
    : shape_(shape_of(cells.extent_um(), spacing_um, reach_um, box)),
      n_threads_(n_threads),
      stop_(stop) {
  if (shape_.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw InputError("a mesh of more than 2^32 nodes: give summation='cell_list'");
  }
  const auto before = static_cast<double>(order / 2 - 1 + margin);
  const auto& h = shape_.spacing_um;
  shape_.low_um = cells.low_um() - before * Vec3{h[2], h[1], h[0]};
  place_points(cells);
}

// Sorted by their first plane; blocks of points count and place their own, in their order.
void ParticleMesh::place_points(const GridIndex& cells) {
  const std::array<double, 3> inverse{1.0 / shape_.spacing_um[0], 1.0 / shape_.spacing_um[1],
                                      1.0 / shape_.spacing_um[2]};
  const auto n_planes = static_cast<std::size_t>(shape_.n[0]);
  const auto whole = [&](double at_um, double low_um) {
    return std::floor((at_um - low_um) * inverse[0]);
  };
  const auto plane_of = [&](std::int64_t rank) {
    return static_cast<std::size_t>(whole(cells.point(rank).z, shape_.low_um.z)) - (order / 2 - 1);
  };
  const std::int64_t n_blocks = (cells.size() + points_per_block - 1) / points_per_block;
  std::vector<std::vector<std::int64_t>> next(static_cast<std::size_t>(n_blocks));
  const auto for_blocks = [&](const auto& body) {
    parallel_for(
        cells.size(), points_per_block, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          auto& own = next[static_cast<std::size_t>(begin / points_per_block)];
          own.resize(n_planes, 0);
          for (std::int64_t rank = begin; rank < end; ++rank) body(rank, own[plane_of(rank)]);
        },
        stop_);
  };
  for_blocks([](std::int64_t, std::int64_t& count) { ++count; });
  plane_start_.assign(n_planes + 1, 0);
  std::int64_t rank_in_mesh = 0;
  for (std::size_t plane = 0; plane < n_planes; ++plane) {
    plane_start_[plane] = rank_in_mesh;
    for (auto& own : next) {
      const std::int64_t count = own[plane];
      own[plane] = rank_in_mesh;
      rank_in_mesh += count;
    }
  }
  plane_start_[n_planes] = rank_in_mesh;
  point_.resize(static_cast<std::size_t>(cells.size()));
  id_.resize(point_.size());
  for_blocks([&](std::int64_t rank, std::int64_t& to) {
    const Vec3 at = cells.point(rank);
    const std::array<double, 3> place{(at.z - shape_.low_um.z) * inverse[0],
                                      (at.y - shape_.low_um.y) * inverse[1],
                                      (at.x - shape_.low_um.x) * inverse[2]};
    std::int64_t node = 0;
    Point point{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double floor = std::floor(place[axis]);
      node = node * shape_.n[axis] + static_cast<std::int64_t>(floor) - (order / 2 - 1);
      point.fraction[axis] = static_cast<float>(place[axis] - floor);
    }
    point.node = static_cast<std::uint32_t>(node);
    point_[static_cast<std::size_t>(to)] = point;
    id_[static_cast<std::size_t>(to)] = cells.order()[static_cast<std::size_t>(rank)];
    ++to;
  });
}

LargeVector<float> ParticleMesh::spread(std::span<const float> weight) const {
  // The lanes of a row reach into the next one at most, which belongs to the same plane.
  LargeVector<float> density(static_cast<std::size_t>(shape_.size()), 0.0F);
  const MeshRows rows{static_cast<std::size_t>(shape_.n[2]),
                      static_cast<std::size_t>(shape_.n[1] * shape_.n[2])};
  // Slabs as thick as a spline: every other one has its nodes for itself.
  const std::int64_t n_slabs = (shape_.n[0] + order - 1) / order;
  for (const std::int64_t odd : {0, 1}) {
    parallel_for((n_slabs + 1 - odd) / 2, 1, n_threads_,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t first = (2 * i + odd) * order;
                     const std::int64_t last = std::min(first + order, shape_.n[0]);
                     const auto from =
                         static_cast<std::size_t>(plane_start_[static_cast<std::size_t>(first)]);
                     const auto n =
                         static_cast<std::size_t>(plane_start_[static_cast<std::size_t>(last)]) -
                         from;
                     spread_points(std::span(point_).subspan(from, n), weight.subspan(from, n),
                                   rows, density.data());
                   }
                 },
                 stop_);
  }
  return density;
}

LargeVector<float> ParticleMesh::gather(std::span<const float> field) const {
  LargeVector<float> value(point_.size());
  const MeshRows rows{static_cast<std::size_t>(shape_.n[2]),
                      static_cast<std::size_t>(shape_.n[1] * shape_.n[2])};
  parallel_for(
      static_cast<std::int64_t>(point_.size()), points_per_block, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        const auto from = static_cast<std::size_t>(begin);
        gather_points(std::span(point_).subspan(from, static_cast<std::size_t>(end - begin)), rows,
                      field.data(), &value[from]);
      },
      stop_);
  return value;
}

LargeVector<float> ParticleMesh::laplacian(std::span<const float> field) const {
  LargeVector<float> result(field.size(), 0.0F);
  const std::int64_t row = shape_.n[2];
  const std::int64_t plane = shape_.n[1] * row;
  const auto& h = shape_.spacing_um;
  const bool is_cubic = h[0] == h[1] && h[1] == h[2];
  const auto scale = static_cast<float>(1.0 / (h[0] * h[0]));
  // Along y and x relative to z.
  const auto y_ratio = static_cast<float>(h[0] * h[0] / (h[1] * h[1]));
  const auto x_ratio = static_cast<float>(h[0] * h[0] / (h[2] * h[2]));
  parallel_for(
      shape_.n[0] - 2, 1, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t z = begin + 1; z <= end; ++z) {
          for (std::int64_t y = 1; y + 1 < shape_.n[1]; ++y) {
            const std::int64_t start = z * plane + y * row;
            for (std::int64_t i = start + 1; i + 1 < start + row; ++i) {
              const float* const at = field.data() + i;
              const float along_x = at[-1] + at[1];
              const float along_y = at[-row] + at[row];
              const float along_z = at[-plane] + at[plane];
              const float bend = is_cubic ? along_x + along_y + along_z - 6.0F * at[0]
                                          : x_ratio * (along_x - 2.0F * at[0]) +
                                                y_ratio * (along_y - 2.0F * at[0]) +
                                                (along_z - 2.0F * at[0]);
              result[static_cast<std::size_t>(i)] = scale * bend;
            }
          }
        }
      },
      stop_);
  return result;
}

// Planes and rows that fall on the same node are added in their order.
LargeVector<float> ParticleMesh::fold(LargeVector<float> touched) const {
  const auto& from = shape_.n;
  const auto& to = shape_.n_field;
  if (from == to) return touched;
  LargeVector<float> folded(static_cast<std::size_t>(to[0] * to[1] * to[2]), 0.0F);
  parallel_for(
      to[0], 1, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t plane = begin; plane < end; ++plane) {
          for (std::int64_t z = plane; z < from[0]; z += to[0]) {
            for (std::int64_t y = 0; y < from[1]; ++y) {
              const float* const row =
                  &touched[static_cast<std::size_t>((z * from[1] + y) * from[2])];
              float* const sum =
                  &folded[static_cast<std::size_t>((plane * to[1] + y % to[1]) * to[2])];
              for (std::int64_t x = 0; x < from[2]; ++x) sum[x % to[2]] += row[x];
            }
          }
        }
      },
      stop_);
  return folded;
}

std::vector<float> ParticleMesh::unfold(std::vector<float> field) const {
  const auto& to = shape_.n;
  const auto& from = shape_.n_field;
  if (from == to) return field;
  std::vector<float> touched(static_cast<std::size_t>(shape_.size()));
  parallel_for(
      to[0], 1, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t z = begin; z < end; ++z) {
          for (std::int64_t y = 0; y < to[1]; ++y) {
            const float* const row =
                &field[static_cast<std::size_t>((z % from[0] * from[1] + y % from[1]) * from[2])];
            float* const own = &touched[static_cast<std::size_t>((z * to[1] + y) * to[2])];
            for (std::int64_t x = 0; x < to[2]; ++x) own[x] = row[x % from[2]];
          }
        }
      },
      stop_);
  return touched;
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
