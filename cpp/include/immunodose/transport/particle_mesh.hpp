// SPDX-License-Identifier: BSD-3-Clause
// Activity spread over a regular mesh by B-splines, and fields on the mesh read back at points.
// The convolution in between is the caller's: the core brings no Fourier transform. Eqs. P6-P9,
// docs/theory/population.md.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

struct MeshShape {
  std::array<std::int64_t, 3> n{};            // nodes that points touch: z, y, x
  std::array<std::int64_t, 3> n_transform{};  // padded, so that no image comes within reach
  double spacing_um = 0.0;
  Vec3 low_um{};  // of node (0, 0, 0)

  std::int64_t size() const { return n[0] * n[1] * n[2]; }
  // As a real number: cells far apart would need more nodes than an integer counts.
  double transform_size() const {
    return static_cast<double>(n_transform[0]) * static_cast<double>(n_transform[1]) *
           static_cast<double>(n_transform[2]);
  }
};

// A convolution of one density with several kernels, on the whole padded mesh.
class MeshConvolver {
 public:
  virtual ~MeshConvolver() = default;
  // (z, y, x) of MeshShape::n.
  virtual void set_density(const MeshShape& shape, std::span<const float> density) = 0;
  // `octant`: the kernel at distances of 0 .. n_transform / 2 nodes along z, y, x. `factor[a]`:
  // by which its transform is multiplied along axis a, at frequencies 0 .. n_transform / 2.
  virtual std::vector<float> convolve(std::span<const float> octant,
                                      const std::array<std::vector<double>, 3>& factor) = 0;
};

class ParticleMesh {
 public:
  static constexpr std::int64_t order = 6;  // of the B-splines

  struct Points {
    std::span<const double> x_um, y_um, z_um;
    std::span<const std::int64_t> order;  // canonical: sums do not depend on the numbering
  };

  // Fields reach as far as `reach_um`.
  ParticleMesh(const Points& points, double spacing_um, double reach_um);
  // But for the place of its first node.
  static MeshShape shape_of(Vec3 extent_um, double spacing_um, double reach_um);

  const MeshShape& shape() const { return shape_; }
  // Sums of weight[i] * spline around point i; weights by the caller's number.
  std::vector<float> spread(std::span<const double> weight, int n_threads,
                            const StopPoll& stop) const;
  // The field at every point, by the caller's number.
  std::vector<double> gather(std::span<const float> field, int n_threads,
                             const StopPoll& stop) const;
  // Sum of the second differences over spacing^2, zero on the faces of the mesh.
  std::vector<float> laplacian(std::span<const float> field, int n_threads,
                               const StopPoll& stop) const;
  // Takes the width of the splines out again, with the least aliasing.
  std::array<std::vector<double>, 3> spline_factor() const;

 private:
  struct Stencil {
    std::array<std::int64_t, 3> node;  // first node along z, y, x
    std::array<std::array<float, order>, 3> weight;
  };
  Stencil stencil(std::size_t point) const;
  void sort_by_plane();

  Points points_;
  MeshShape shape_;
  std::vector<std::int64_t> by_plane_;  // points in the order of their first plane
  std::vector<std::int64_t> plane_start_;
};

}  // namespace immunodose
