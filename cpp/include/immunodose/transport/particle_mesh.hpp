// SPDX-License-Identifier: BSD-3-Clause
// Activity spread over a regular mesh by B-splines, and fields on the mesh read back at points.
// The convolution in between is the caller's: the core brings no Fourier transform. Eqs. P6-P9,
// docs/theory/population.md.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/geometry/periodic_box.hpp"

namespace immunodose {

struct MeshShape {
  std::array<std::int64_t, 3> n{};            // nodes that points touch: z, y, x
  std::array<std::int64_t, 3> n_field{};      // the same, or those of a periodic box
  std::array<std::int64_t, 3> n_transform{};  // padded, so that no image comes within reach
  std::array<double, 3> spacing_um{};         // along z, y, x
  Vec3 low_um{};                              // of node (0, 0, 0)

  std::int64_t size() const { return n[0] * n[1] * n[2]; }
  // As a real number: cells far apart would need more nodes than an integer counts.
  double transform_size() const {
    return static_cast<double>(n_transform[0]) * static_cast<double>(n_transform[1]) *
           static_cast<double>(n_transform[2]);
  }
};

// A kernel that is even along every axis.
struct MeshKernel {
  // At distances of 0 .. n_transform / 2 nodes along z, y, x, or its transform at as many
  // frequencies.
  std::vector<float> octant;
  bool is_transform = false;
};

// A convolution of one density with several kernels, on the whole padded mesh.
class MeshConvolver {
 public:
  virtual ~MeshConvolver() = default;
  // (z, y, x) of MeshShape::n_field.
  virtual void set_density(const MeshShape& shape, std::span<const float> density) = 0;
  // `factor[a]`: by which the transform of the kernel is multiplied along axis a, at frequencies
  // 0 .. n_transform / 2. After the `last` one the density is no longer needed.
  virtual std::vector<float> convolve(const MeshKernel& kernel,
                                      const std::array<std::vector<double>, 3>& factor,
                                      bool last) = 0;
};

class ParticleMesh {
 public:
  static constexpr std::int64_t order = 6;  // of the B-splines

  // Fields reach as far as `reach_um`. Points in the order of `cells`, so that sums do not depend
  // on their numbering.
  ParticleMesh(const GridIndex& cells, double spacing_um, double reach_um, const PeriodicBox& box,
               int n_threads, const StopPoll& stop);
  // But for the place of its first node. Spacings divide the edges of a periodic box: they are
  // `spacing_um` at most.
  static MeshShape shape_of(Vec3 extent_um, double spacing_um, double reach_um,
                            const PeriodicBox& box);

  const MeshShape& shape() const { return shape_; }
  // The caller's numbers of the points in the order of the mesh.
  std::span<const std::int64_t> ids() const { return id_; }
  // Sums of weight[i] * spline around point i; weights in the order of the mesh.
  LargeVector<float> spread(std::span<const float> weight) const;
  // The field at every point, in the order of the mesh.
  LargeVector<float> gather(std::span<const float> field) const;
  // Sum of the second differences over spacing^2, zero on the faces of the mesh.
  LargeVector<float> laplacian(std::span<const float> field) const;
  // From the nodes that points touch to those of the field, and back; n_field = n changes nothing.
  LargeVector<float> fold(LargeVector<float> touched) const;
  std::vector<float> unfold(std::vector<float> field) const;
  // Takes the width of the splines out again, with the least aliasing.
  std::array<std::vector<double>, 3> spline_factor() const;

  // Place of a point: its first node, and the fractions of a cell along z, y, x.
  struct Point {
    std::uint32_t node;
    std::array<float, 3> fraction;
  };

 private:
  void place_points(const GridIndex& cells);

  MeshShape shape_;
  int n_threads_;
  StopPoll stop_;
  LargeVector<Point> point_;  // in the order of their first plane
  LargeVector<std::int64_t> id_;
  std::vector<std::int64_t> plane_start_;
};

}  // namespace immunodose
