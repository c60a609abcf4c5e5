// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <numbers>
#include <vector>

#include "doctest.h"
#include "immunodose/core/quadrature.hpp"
#include "immunodose/transport/mesh_kernel.hpp"

using namespace immunodose;

namespace {

constexpr double cut_um = 12.0;
constexpr double reach_um = 150.0;

// Falls as an electron kernel does, to zero with a kink.
double falling(double square_um2) {
  const double share = 1.0 - std::sqrt(square_um2) / reach_um;
  return share > 0.0 ? share / square_um2 : 0.0;
}

FarKernel far_kernel() {
  const SquareGrid grid(0.7 * cut_um, reach_um);
  std::vector<double> value;
  for (const double square : grid.edges_um2()) value.push_back(falling(square));
  value.back() = 0.0;
  return {grid, value, cut_um};
}

// By a Gauss rule on many short pieces.
double slow_transform(const FarKernel& far, double k_per_um) {
  const QuadratureRule rule = gauss_legendre(8);
  constexpr int n_pieces = 4000;
  constexpr double longest = 1.01 * reach_um;
  double sum = 0.0;
  for (int piece = 0; piece < n_pieces; ++piece) {
    for (std::size_t i = 0; i < rule.node.size(); ++i) {
      const double r = longest * (piece + rule.node[i]) / n_pieces;
      const double kr = k_per_um * r;
      const double wave = kr == 0.0 ? 1.0 : std::sin(kr) / kr;
      sum += rule.weight[i] * longest / n_pieces * r * r * far.at(r * r) * wave;
    }
  }
  return 4.0 * std::numbers::pi * sum;
}

// The sum of a transform over frequencies 0 .. n / 2, each with its mirror images, at a node.
double at_node(const MeshKernel& kernel, std::int64_t n, const std::array<std::int64_t, 3>& node) {
  const std::int64_t half = n / 2 + 1;
  double sum = 0.0;
  for (std::int64_t z = 0; z < n; ++z) {
    for (std::int64_t y = 0; y < n; ++y) {
      for (std::int64_t x = 0; x < n; ++x) {
        const auto mirrored = [&](std::int64_t i) { return std::min(i, n - i); };
        const auto place =
            static_cast<std::size_t>((mirrored(z) * half + mirrored(y)) * half + mirrored(x));
        const double angle = 2.0 * std::numbers::pi / static_cast<double>(n) *
                             static_cast<double>(z * node[0] + y * node[1] + x * node[2]);
        sum += static_cast<double>(kernel.octant[place]) * std::cos(angle);
      }
    }
  }
  return sum / static_cast<double>(n * n * n);
}

}  // namespace

TEST_CASE("the transform of a far kernel is its integral over space") {
  const FarKernel far = far_kernel();
  const double whole = slow_transform(far, 0.0);
  std::vector<double> found(80);
  far.transform(0.0, 0.013, found);
  for (std::size_t i = 0; i < found.size(); i += 7) {
    const double exact = slow_transform(far, 0.013 * static_cast<double>(i));
    CHECK(std::abs(found[i] - exact) < 2e-6 * whole);
  }
  double one = 0.0;
  far.transform(0.013 * 77.0, 0.0, std::span(&one, 1));
  CHECK(one == doctest::Approx(found[77]).epsilon(1e-9));
}

TEST_CASE("the kernel of a periodic box is the sum over its images") {
  const FarKernel far = far_kernel();
  constexpr double edge = 31.0;
  const PeriodicBox box{{edge, edge, edge}};
  const MeshShape shape = ParticleMesh::shape_of({30.0, 30.0, 30.0}, 1.6, reach_um, box);
  const std::int64_t n = shape.n_transform[0];
  const MeshKernel kernel = mesh_kernel(far, shape, box, reach_um, 2, {});
  REQUIRE(kernel.is_transform);
  const double mean = slow_transform(far, 0.0) / (edge * edge * edge);
  for (const std::array<std::int64_t, 3> node :
       {std::array<std::int64_t, 3>{0, 0, 0}, std::array<std::int64_t, 3>{1, 0, 0},
        std::array<std::int64_t, 3>{2, 3, 1}, std::array<std::int64_t, 3>{n / 2, n / 2, 0}}) {
    const double h = shape.spacing_um[0];
    const auto um = [&](std::size_t axis) { return h * static_cast<double>(node[axis]); };
    double sum = 0.0;
    visit_images(box, Vec3{um(2), um(1), um(0)}, reach_um,
                 [&](Vec3 at, bool) { sum += far.at(dot(at, at)); });
    CHECK(std::abs(at_node(kernel, n, node) - sum) < 1e-4 * mean);
  }
}

TEST_CASE("tables of a transform agree with the transform at every frequency") {
  const FarKernel far = far_kernel();
  const PeriodicBox wide{{310.0, 210.0, 410.0}};
  const MeshShape shape = ParticleMesh::shape_of({30.0, 30.0, 30.0}, 4.0, reach_um, wide);
  const MeshKernel kernel = mesh_kernel(far, shape, wide, reach_um, 2, {});
  const double volume = shape.spacing_um[0] * shape.spacing_um[1] * shape.spacing_um[2];
  const double whole = slow_transform(far, 0.0);
  const std::int64_t n_y = shape.n_transform[1] / 2 + 1;
  const std::int64_t n_x = shape.n_transform[2] / 2 + 1;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(kernel.octant.size()); i += 499) {
    const auto step = [&](std::size_t axis) {
      return 2.0 * std::numbers::pi /
             (shape.spacing_um[axis] * static_cast<double>(shape.n_transform[axis]));
    };
    const double k = std::hypot(step(0) * static_cast<double>(i / (n_y * n_x)),
                                step(1) * static_cast<double>(i / n_x % n_y),
                                step(2) * static_cast<double>(i % n_x));
    double exact = 0.0;
    far.transform(k, 0.0, std::span(&exact, 1));
    const double found = static_cast<double>(kernel.octant[static_cast<std::size_t>(i)]) * volume;
    CHECK(std::abs(found - exact) < 1e-6 * whole);
  }
}
